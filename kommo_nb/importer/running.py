"""The run of a plan: chats side by side, each in its order, and every step of it in the store."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from itertools import zip_longest
from typing import Any

import httpx

from ..client import ROOT, ChatsClient
from ..clock import Clock, msec
from ..errors import ApiError, ConfigError, KommoError, RateLimited, RepeatedMsgid, ServerError, TransportError
from ..store import Store
from ..wire.channel import Channel
from ..wire.messages import Person
from ..wire.payloads import encode, new_message
from ..wire.records import Exchange
from .conversations import Conversation, Item
from .grouped import GroupedLog
from .pace import Pace
from .report import Failure, Report

THREADS, MOST_THREADS = 16, 32
"""Connections by default, and at most: beyond that Python itself is what they wait for."""
TROUBLE = 3
"""Messages that find Kommo out of order, one after the other, before the run is stopped."""
OF_THE_MESSAGE = {400, 409, 413, 422}
"""Refusals that concern one message alone."""
TICK_S = 0.1

_KNOWN = """
    SELECT id, msgid, state, error_type, request_body FROM exchanges
    WHERE kind = 'send' AND path = ? AND msgid IN (SELECT value FROM json_each(?)) ORDER BY id
"""


class _Stopped(Exception):
    """The run is being stopped; what is on its way stays pending in the store."""


class Run:
    """One run of a plan. See `Plan.run`."""

    def __init__(
        self,
        conversations: Sequence[Conversation],
        channel: Channel,
        base_url: str,
        store: Store,
        *,
        threads: int,
        clock: Clock | None,
    ) -> None:
        if not channel.scope_id:
            raise ConfigError("the channel has no scope yet: connect it first, or give Channel(account_id=...)")
        if not 1 <= threads <= MOST_THREADS:
            raise ConfigError(f"threads is {threads}: 1 to {MOST_THREADS} are possible")
        items = [item for each in conversations for item in each.items]
        nameless = next((item for item in items if item.author != "client" and not item.manager), None)
        if nameless and not channel.bot_id:
            raise ConfigError(
                f"row {nameless.row} has no manager_id, so that the bot has to stand in, and the channel has no "
                "bot_id: set KOMMO_NB_BOT_ID (support's answer names it), or fill manager_id"
            )
        self.channel, self.base_url, self.clock = channel, base_url, clock or Clock()
        self.bot = Person(id=channel.bot_id or "bot", name=channel.bot_name or "Bot", ref_id=channel.bot_id)
        self.stop = threading.Event()
        self.pace = Pace(sleep=self._sleep)
        self.tried: set[str] = set()  # msgids that an earlier run tried, so that Kommo may have them
        self._done: set[str] = set()
        self._lock = threading.Lock()
        self._trouble = 0
        self.report = Report(len(items), len(conversations), threads)
        self.log = GroupedLog(store, self._look_up(items, store))
        # The longest first, so that no long chat is left for the end, when all other connections have nothing to do.
        left = [(each, [item for item in each.items if item.msgid not in self._done]) for each in conversations]
        self._todo = deque(sorted((each for each in left if each[1]), key=lambda each: len(each[1]), reverse=True))
        self.report.before = sum(item.msgid in self._done for item in items)
        self.report.chats_done = len(conversations) - len(self._todo)

    def _look_up(self, items: list[Item], store: Store) -> dict[str, tuple[int, bytes]]:
        """Note what the store knows of these messages; the calls that it has as pending."""
        msgids = json.dumps([item.msgid for item in items])
        pending = {}
        for row in store.query(_KNOWN, (f"{ROOT}/{self.channel.scope_id}", msgids)):
            self.tried.add(row["msgid"])
            if row["state"] == "done" or row["error_type"] == "MSGID_ALREADY_USED":
                self._done.add(row["msgid"])
            if row["state"] == "pending":
                pending[row["msgid"]] = (row["id"], row["request_body"])
        return pending

    def all(self, on_progress: Callable[[int, int], None]) -> Report:
        """Run until everything is sent, or something or somebody stops it."""
        started, report = time.monotonic(), self.report
        with closing(self.log), ThreadPoolExecutor(report.threads, "import") as pool:
            try:
                working = {pool.submit(_Worker(self).work) for _ in range(min(report.threads, len(self._todo)))}
                on_progress(report.done, report.messages)
                while working:
                    ended, working = wait(working, TICK_S)
                    on_progress(report.done, report.messages)
                    for each in ended:
                        each.result()  # raises a mistake of ours
            except KeyboardInterrupt:
                report.stopped = "you interrupted it."
            finally:
                self.stop.set()
        report.elapsed_s = time.monotonic() - started
        report.failures.sort(key=lambda failure: failure.row)
        return report

    def next_chat(self) -> tuple[Conversation, list[Item]] | None:
        """A chat that nobody has begun; None when there is none."""
        try:
            return None if self.stop.is_set() else self._todo.popleft()
        except IndexError:
            return None

    def took(self, *, sent: bool) -> None:
        """Kommo has a message: `sent` now, or before."""
        self.pace.accepted()
        with self._lock:
            self._trouble = 0
            self.report.sent += sent
            self.report.arrived += not sent

    def finished(self) -> None:
        """All messages of a chat are in Kommo."""
        with self._lock:
            self.report.chats_done += 1

    def failed(self, conversation: Conversation, item: Item, error: KommoError) -> None:
        """The rest of a chat is left for the next run."""
        with self._lock:
            self.report.failures.append(Failure(item.row, conversation.conversation_id, str(error)))

    def in_trouble(self, error: KommoError) -> bool:
        """True when Kommo has been out of order so often that the run stops."""
        with self._lock:
            self._trouble += 1
        if self._trouble >= TROUBLE:
            self.halt(str(error))
        return self.stop.is_set()

    def halt(self, reason: str) -> None:
        """Stop the run; the first reason counts."""
        with self._lock:
            self.report.stopped = self.report.stopped or reason
        self.stop.set()

    def _sleep(self, wait_s: float) -> None:
        if self.stop.wait(wait_s):
            raise _Stopped


class _Worker:
    """One thread with one connection."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._status = 0  # of the last answer
        self._wait_s = 0.0  # before the last retry

    def work(self) -> None:
        """Take chats until there is none."""
        run = self._run
        hooks = {"response": [self._note_status]}
        try:
            with ChatsClient(
                run.channel, run.base_url, store=run.log, clock=run.clock, event_hooks=hooks, sleep=self._wait_again
            ) as client:
                while chat := run.next_chat():
                    self._send_chat(client, *chat)
        except _Stopped:
            pass
        except KommoError as error:
            run.halt(str(error))

    def _send_chat(self, client: ChatsClient, conversation: Conversation, items: list[Item]) -> None:
        log = self._run.log
        for item, following in zip_longest(items, items[1:]):
            if following:
                log.announce(self._exchange(conversation, following))
            taken: bool | None = None
            try:
                while taken is None:
                    taken = self._send(client, conversation, item)
            finally:
                if not taken:  # else somebody's `resume` would send them, out of order
                    log.withdraw(item.msgid, *([following.msgid] if following else []))
            if not taken:
                return
        self._run.finished()

    def _send(self, client: ChatsClient, conversation: Conversation, item: Item) -> bool | None:
        """True if Kommo has the message, False if its chat has to wait, None if it is to be sent once more."""
        run = self._run
        if run.stop.is_set():
            return False
        run.pace.wait()
        try:
            client.send(item.message, **self._arguments(conversation, item))
        except RepeatedMsgid:
            run.took(sent=False)
        except RateLimited as error:  # the last attempt's 429, after which nothing waited yet
            run.pace.refused(self._wait_s)
            return False if run.in_trouble(error) else None
        except (ServerError, TransportError) as error:
            if not run.in_trouble(error):
                run.failed(conversation, item, error)
            return False
        except ApiError as error:
            if error.status != 200 and error.status not in OF_THE_MESSAGE:  # every other one would fare the same
                raise
            accepted = error.status == 200  # and its answer cannot be read
            if not accepted and not (item.msgid in run.tried and _in_history(client, conversation, item)):
                run.failed(conversation, item, error)
                return False
            run.took(sent=accepted)
        else:
            run.took(sent=True)
        return True

    def _exchange(self, conversation: Conversation, item: Item) -> Exchange:
        """The call that `ChatsClient.send` will make."""
        body = encode(new_message(item.message, **self._arguments(conversation, item)))
        path = f"{ROOT}/{self._run.channel.scope_id}"
        return Exchange(msec(self._run.clock.now()), "send", "POST", path, body, item.msgid)

    def _arguments(self, conversation: Conversation, item: Item) -> dict[str, Any]:
        outgoing = item.author != "client"
        return {
            "conversation_id": conversation.conversation_id,
            "sender": (item.manager or self._run.bot) if outgoing else conversation.client,
            "receiver": conversation.client if outgoing else None,
            "msgid": item.msgid,
            "silent": item is not conversation.items[-1],
            "sent_at": item.sent_at,
        }

    def _note_status(self, response: httpx.Response) -> None:
        self._status = response.status_code

    def _wait_again(self, wait_s: float) -> None:
        """The wait before a retry. A 429 concerns all threads, anything else this one."""
        self._wait_s = wait_s
        if self._status == 429:
            self._run.pace.refused(wait_s)
        else:
            self._run.pace.sleep(wait_s)
        self._status = 0
        self._run.pace.wait()


def _in_history(client: ChatsClient, conversation: Conversation, item: Item) -> bool:
    """True if Kommo shows the message: how it refuses a repeated msgid is not documented, so a 400 may mean that."""
    chat = client.create_chat(conversation.conversation_id, conversation.client)  # the one that is there
    return any(each.msgid == item.msgid for each in client.iter_history(chat.id))
