"""Reconcile: history against what was captured and sent. What is missing is reported, and imported.

Kommo sends a hook once. What a manager wrote while the receiver was down stands in the chat's history only.

What it cannot find: chats that the store has never heard of, such as one that a manager began while the receiver was
down, for the Chats API has no call that lists chats (they are found once anything else tells of the chat); reactions
and typing, which history does not hold. And it does not tell which sent messages Kommo lacks: Kommo shows a message
some time after it has accepted it, answers for an unknown chat as for an empty one, and does not say how far back
history goes, so that absence proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from ..client import HISTORY_PAGE, ChatsClient
from ..clock import Clock, msec
from ..errors import ApiError, ConfigError, KommoError, RateLimited, ServerError, TransportError
from ..lines import safe
from ..store import Store, history
from ..wire import answers
from ..wire.answers import HistoryMessage
from ..wire.reading import Unreadable
from ..wire.records import Exchange
from .report import Gap, Missing, Report

__all__ = ["Gap", "Missing", "Report", "reconcile"]

SETTLE_S = 60.0
"""A younger message is left to the next run: its hook may be on its way, and its call not ended."""
RESUME_MS = 3_600_000
"""A run that was cut short goes on within so long; later, a new one begins."""

_OF_THE_CHANNEL = {"ORIGIN_INVALID_SIGNATURE", "ORIGIN_NOT_REGISTERED"}
"""Refusals that every other chat would get, too."""


def reconcile(
    client: ChatsClient,
    store: Store,
    *,
    since: datetime | None = None,
    dry_run: bool = False,
    settle_s: float = SETTLE_S,
    clock: Clock | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare the history of every chat that the store knows in this scope, and import what is missing.

    A chat is read from its newest message back to where the last run began, so a daily run costs one call a chat. A
    run that was cut short is taken up where it stopped. What is imported is marked by `messages.history_id`; should
    its hook come after all, it is as if nothing had been imported.

    Args:
        client: best one without a store, which would keep every page. It waits when Kommo asks for it.
        since: older messages are not compared.
        settle_s: how old a message must be to be called missing.
        on_progress: called with the number of chats that are done, and of all.

    Raises:
        ConfigError: the store holds chats, but none of this scope.
        KommoError: Kommo is out of reach, refuses the channel, or still says 429. The next run goes on from there.
    """
    if not client.scope_id:
        raise ConfigError("no scope yet: call client.connect(account_id) first, or give Channel(scope_id=...)")
    return _Run(client, store, since, dry_run, settle_s, clock or Clock()).all(on_progress or (lambda *_: None))


@dataclass(frozen=True)
class _Item:
    raw: Any
    message: HistoryMessage


class _Run:
    def __init__(
        self, client: ChatsClient, store: Store, since: datetime | None, dry_run: bool, settle_s: float, clock: Clock
    ) -> None:
        self._client, self._store, self._clock, self._scope_id = client, store, clock, client.scope_id
        self._since_ms = msec(since) if since else 0
        self._until_ms = msec(clock.now()) - round(settle_s * 1000)
        self._found: list[Missing] = []  # of a dry run; what is imported stands in the store
        self._bots = {row["bot_id"] for row in store.query("SELECT bot_id FROM channels")}
        self._report = Report(self._until_ms, dry_run)

    def all(self, on_progress: Callable[[int, int], None]) -> Report:
        """Compare every chat that this run has not compared yet, and report."""
        self._store.project()
        sql = "SELECT * FROM chats LEFT JOIN compared USING (chat_id) WHERE scope_id = ? ORDER BY chats.rowid"
        chats = self._store.query(sql, (self._scope_id,))
        if not chats:
            self._require_no_others()
        after = self._begin()
        due = [chat for chat in chats if not self._covers(chat) or chat["to_ms"] < self._report.until_ms]
        self._report.chats_before = len(chats) - len(due)
        for done, chat in enumerate(due, self._report.chats_before):
            on_progress(done, len(chats))
            try:
                self._compare(chat)
            except (ApiError, TransportError, Unreadable) as error:
                if _ends_all(error):
                    goes_on = "" if self._report.dry_run else ": run it again soon, and it goes on there"
                    raise KommoError(f"{error}; {done:,} of {len(chats):,} chats are compared{goes_on}") from error
                self._report.unread[chat["chat_id"]] = str(error)
        on_progress(len(chats), len(chats))
        return self._end(after)

    def _require_no_others(self) -> None:
        """Refuse a store whose chats are all of other scopes: nothing would be compared, and nothing found missing."""
        others = self._store.query("SELECT scope_id FROM chats WHERE scope_id <> '' ORDER BY rowid DESC LIMIT 1")
        if others:
            theirs = safe(others[0]["scope_id"])
            raise ConfigError(
                f"no chat in {self._store.path} is of scope {self._scope_id}, but some are of {theirs}; "
                "check KOMMO_NB_PROFILE, KOMMO_NB_CHANNEL_ID and KOMMO_NB_ACCOUNT_ID"
            )

    def _begin(self) -> int:
        """Note that a run is under way, or take up the one that was; the last exchange before it."""
        if self._report.dry_run:
            return 0
        rows = self._store.query("SELECT * FROM reconciling WHERE scope_id = ?", (self._scope_id,))
        cut_short = rows[0] if rows and rows[0]["after"] is not None else None
        if cut_short and self._until_ms - cut_short["until_ms"] <= RESUME_MS:
            self._report.until_ms = min(cut_short["until_ms"], self._until_ms)
            return int(cut_short["after"])
        (last,) = self._store.query("SELECT coalesce(max(id), 0) AS id FROM exchanges")
        after = int(cut_short["after"] if cut_short else last["id"])  # what nobody was told yet is reported now
        self._store.put("reconciling", scope_id=self._scope_id, after=after, until_ms=self._until_ms)
        return after

    def _end(self, after: int) -> Report:
        """Look once more at what is missing, since hooks may have come meanwhile, and find the gaps."""
        self._store.project()
        report = self._report
        if report.dry_run:
            known = "SELECT message_id FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"
            came = self._store.query(known, (json.dumps([each.message_id for each in self._found]),))
            late = {row["message_id"] for row in came}
            found = [each for each in self._found if each.message_id not in late]
            report.missing = sorted(found, key=lambda each: (each.sent_at_ms, each.message_id))
        else:
            names = Missing.__dataclass_fields__
            rows = history.imported(self._store.query, self._scope_id, after=after)
            report.missing = [Missing(**{name: row[name] for name in names}) for row in rows]
            self._store.put("reconciling", scope_id=self._scope_id, after=None, until_ms=report.until_ms)
        report.gaps = list(self._gaps())
        return report

    def _covers(self, chat: dict[str, Any]) -> bool:
        """True if an earlier run went as far back as this one is to go."""
        return chat["from_ms"] is not None and chat["from_ms"] <= self._since_ms

    def _compare(self, chat: dict[str, Any]) -> None:
        """Compare one chat, and note how far once all of it is read."""
        chat_id, covered = chat["chat_id"], self._covers(chat)
        newest_id = None
        for path, page in self._pages(chat_id, chat["newest_id"] if covered else None):
            for item in page:  # the newest that, with all below it, is compared
                settled = item.message.sent_at_ms <= self._until_ms
                newest_id = (newest_id or item.message.message_id) if settled else None
            times = range(self._since_ms, self._until_ms + 1)
            self._take(chat_id, path, [item for item in page if item.message.sent_at_ms in times])
        self._report.chats += 1
        if not self._report.dry_run and chat_id not in self._report.unread:
            from_ms = chat["from_ms"] if covered else self._since_ms
            self._store.put("compared", chat_id=chat_id, from_ms=from_ms, to_ms=self._until_ms, newest_id=newest_id)

    def _pages(self, chat_id: str, newest_id: str | None) -> Iterator[tuple[str, list[_Item]]]:
        """The pages of a chat, newest first, down to the message that was the newest of an earlier run.

        Not down to a time: it is not documented whether an imported message stands at its own time or at that of its
        import. All that was there stands below that message either way.
        """
        seen: set[str] = set()
        offset = 0
        while True:
            path, answer = self._client.history_answer(chat_id, offset=offset)
            raws = [] if answer is None else answers.history_items(answer)
            if not raws and not offset:
                self._report.empty += 1
            page = self._readable(chat_id, raws)
            fresh = {item.message.message_id: item for item in page if item.message.message_id not in seen}
            seen |= fresh.keys()
            self._report.messages += len(fresh)
            yield path, list(fresh.values())
            older = bool(page) and all(item.message.sent_at_ms < self._since_ms for item in page)
            if len(raws) < HISTORY_PAGE or newest_id in seen or older:
                return
            if not fresh:
                raise Unreadable("its history does not go on after the first pages")
            offset += len(raws)

    def _readable(self, chat_id: str, raws: list[Any]) -> list[_Item]:
        """The messages that can be read, each by itself, so that an odd one does not hide the others."""
        page = []
        for raw in raws:
            try:
                page.append(_Item(raw, answers.history_message(raw)))
            except Unreadable as problem:
                self._report.unread.setdefault(chat_id, f"a message of its history cannot be read: {problem}")
        return page

    def _take(self, chat_id: str, path: str, page: list[_Item]) -> None:
        """Import the part of a page that the store does not hold."""
        missing = self._unknown(chat_id, page)
        if not missing:
            return
        self._store.project()
        missing = self._unknown(chat_id, missing)  # their hooks may have come while the page was on its way
        if self._report.dry_run:
            self._found += [self._missing(chat_id, item.message) for item in missing]
        elif missing:
            body = json.dumps({"messages": [item.raw for item in missing]}).encode()
            page_of = Exchange(msec(self._clock.now()), "reconcile", "GET", path, b"")
            self._store.load([replace(page_of, state="done", attempts=1, status=200, response_body=body)])
            self._store.project()

    def _unknown(self, chat_id: str, page: list[_Item]) -> list[_Item]:
        ids = history.unknown(self._store.query, chat_id, [item.message for item in page])
        return [item for item in page if item.message.message_id in ids]

    def _missing(self, chat_id: str, item: HistoryMessage) -> Missing:
        author = "client" if item.receiver is None else "bot" if item.sender.id in self._bots else "manager"
        return Missing(chat_id, item.message_id, item.msgid, author, item.sent_at_ms, item.type, item.text)

    def _gaps(self) -> Iterator[Gap]:
        """The lost hooks, put together where no hook between them was captured."""
        sql = """
            SELECT 1 FROM messages WHERE sent_at_ms > ? AND sent_at_ms < ? AND delivery_id IS NOT NULL
            AND scope_id = ? LIMIT 1"""
        times = [each.sent_at_ms for each in self._report.missing if each.hook_lost]
        start = 0
        for number, (before, at) in enumerate(pairwise(times), 1):
            if self._store.query(sql, (before, at, self._scope_id)):
                yield Gap(times[start], before, number - start)
                start = number
        if times:
            yield Gap(times[start], times[-1], len(times) - start)


def _ends_all(error: Exception) -> bool:
    """True for what concerns not this chat alone, but every one."""
    if isinstance(error, ApiError) and not isinstance(error, RateLimited | ServerError):
        return error.error_type in _OF_THE_CHANNEL or 300 <= error.status < 400
    return not isinstance(error, Unreadable)
