"""Seeded people who write to a bicycle shop, and managers who answer: ninety days of them in seconds, or live."""

from __future__ import annotations

import json
import math
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from itertools import groupby
from typing import Any

from ..clock import SeededClock
from ..errors import KommoError
from ..wire import messages, payloads
from ..wire.records import Delivery, Exchange
from ..wire.signing import check_hook, request_headers
from . import manager, rules
from .dispatch import USER_AGENT
from .http import Request
from .people import AWAY, FAILURES, HERE, MANAGERS, REGULARS, Talk, customers, file_of, message_of, new_talk
from .world import Chat, World

# First hour, hour after the last, days of the week from Monday on.
_ALWAYS, _AWAKE, _OPEN = (0, 24, 7), (7, 23, 7), (9, 18, 5)
# Of each wait: its median in seconds, the spread of its logarithm, and when it can end.
_WAITS = {
    "more": (12.0, 0.7, _ALWAYS),
    "delivered": (2.0, 0.8, _ALWAYS),
    "read": (120.0, 1.5, _AWAKE),
    "reply": (480.0, 2.0, _AWAKE),
    "answer": (240.0, 1.0, _OPEN),
}
_PEAKS = ((11.5, 2.6), (19.0, 1.6))  # hour of the day, spread
_WEEKDAYS = (1.0, 0.95, 0.95, 1.0, 0.9, 0.5, 0.3)  # how much is written, Monday to Sunday

Step = tuple[datetime, Callable[[], object]]
"""When something happens, and what."""
Press = Callable[[str, dict[str, Any]], dict[str, Any]]


def history(
    world: World,
    *,
    days: int = 90,
    until: datetime,
    seed: int = 1,
    conversations_per_day: float = 32.0,
    on_day: Callable[[int, int], None] | None = None,
) -> Iterator[Delivery | Exchange]:
    """The raw rows of `days` of conversations up to `until`, in the order of time; the same for the same arguments.

    Nothing is made up: the world answers every call by its rules and remembers it, and signs the hooks. Each step
    borrows the world's clock, so let no server use that world meanwhile. Connects the channel if it is not connected.

    Args:
        until: aware; the shop keeps its hours in this time zone.
        conversations_per_day: on a busy weekday.
        on_day: called with the days done, and all days.
    """
    end = until - timedelta(seconds=10)  # what begins by then has ended at `until`
    begin = end - timedelta(days=days)
    clock = _Simulated(f"traffic {seed} {until.isoformat()}", start=begin.astimezone(UTC), step=timedelta())
    past, own_clock = _Past(world, clock, seed, until.tzinfo), world.clock
    steps: list[Step] = [(begin, past.connect)]
    for day in range(days):
        since = begin + timedelta(days=day)
        steps += past.day(since, conversations_per_day * (0.85 + 0.3 * day / days))  # the shop grows
        if on_day:
            steps.append((since + timedelta(days=1), partial(on_day, day + 1, days)))
    for at, act in sorted(steps, key=lambda step: step[0].astimezone(UTC)):
        if at > end:
            return
        world.clock = clock
        try:
            clock.put(at.astimezone(UTC))
            act()
        finally:
            world.clock = own_clock
        yield from past.rows
        past.rows.clear()


class _Simulated(SeededClock):
    """A clock that stands where it was put, and never goes back."""

    def put(self, moment: datetime) -> None:
        """Move on to a moment."""
        self._now = max(self._now, moment)


class _Past:
    """Plans what people do, and does it under a simulated clock: the world answers, and `rows` notes what travelled."""

    def __init__(self, world: World, clock: _Simulated, seed: int, zone: tzinfo | None) -> None:
        self._world, self._clock, self._rng, self._zone = world, clock, random.Random(seed), zone
        scope = next(reversed(world.connected.values()), None)
        self._channel = scope.channel if scope else next(iter(world.channels.values()))
        self._account = scope.account if scope else next(iter(world.accounts.values()))
        self._scope_id = f"{self._channel.id}_{self._account.amojo_id}"
        people = customers(seed)
        self._regulars, self._leads = people[:REGULARS], people[REGULARS:]
        self._free_at: dict[str, datetime] = {}
        self._begun: dict[str, Chat] = {}
        self.rows: list[Delivery | Exchange] = []

    def connect(self) -> None:
        """Connect the channel to the account if it is not."""
        if self._scope_id not in self._world.connected:
            payload = payloads.connect(self._account.amojo_id, title=self._channel.name or None)
            self._call("connect", f"{self._channel.id}/connect", payload)

    def day(self, since: datetime, mean: float) -> list[Step]:
        """All conversations that begin in the 24 hours from `since`. Some people write often, most of them seldom."""
        rng = self._rng
        steps: list[Step] = []
        managers = [user.name for user in self._account.users if user.amojo_id]
        for at in sorted(self._starts(since, mean)):
            idle = [who for who in self._regulars if self._free_at.get(who.conversation_id, at) <= at]
            idle = idle or self._regulars  # so many conversations that some run side by side in one chat
            who = idle[int(len(idle) * rng.random() ** 1.7)]
            planned = self._plan(new_talk(who, managers, rng), at)
            self._free_at[who.conversation_id] = max(step[0] for step in planned)
            steps += planned
            if self._leads and rng.random() < 0.015:
                steps += self._plan(new_talk(self._leads.pop(), managers, rng), self._after("answer", at))
        return steps

    def _starts(self, since: datetime, mean: float) -> Iterator[datetime]:
        for _ in range(round(max(0.0, self._rng.gauss(mean, mean**0.5)))):
            hour = 0.0
            while not 7 <= hour < 23:
                hour = self._rng.gauss(*self._rng.choice(_PEAKS))
            at = since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=hour)
            at += timedelta(days=1 if at < since else 0)
            if self._rng.random() < _WEEKDAYS[at.weekday()]:
                yield at.astimezone(UTC)

    def _plan(self, talk: Talk, at: datetime) -> list[Step]:
        """A conversation. It ends early where the shop forgets to answer, or where a message does not arrive."""
        rng = self._rng
        steps: list[Step] = []
        for turn, (side, lines) in enumerate(groupby(talk.lines, key=lambda line: line[0])):
            if turn:
                at = self._after("reply" if side == "<" else "answer", at)
            for number, (_, kind, text) in enumerate(lines):
                at = self._after("more", at) if number else at
                if side == "<":
                    steps.append((at, partial(self._client_writes, talk, kind, text)))
                    continue
                sent, arrives = self._shop_line(talk, talk.manager, kind, text, at)
                steps += sent
                if not arrives:
                    return steps
            if side == ">":
                at = max(step[0] for step in steps)  # nobody answers what they have not read
            elif text := self._bot_says(at):
                steps += self._shop_line(talk, None, "", text, at + timedelta(seconds=2))[0]
            if side == "<" and rng.random() < 0.03:
                return steps
        return steps

    def _shop_line(self, talk: Talk, name: str | None, kind: str, text: str, at: datetime) -> tuple[list[Step], bool]:
        """A message of the shop and the reports on it; whether it arrives."""
        ids: list[str] = []
        steps: list[Step] = [(at, partial(self._shop_writes, talk, name, kind, text, ids))]
        reported_at = self._after("delivered", at)
        (fate,) = self._rng.choices(("read", "delivered", "failed", "never reported"), (74, 19, 2, 5))
        if fate == "failed":
            steps.append((reported_at, partial(self._report, ids, -1, *self._rng.choice(FAILURES))))
        elif fate != "never reported":
            steps.append((reported_at, partial(self._report, ids, 1)))
        if fate == "read":
            steps.append((self._after("read", reported_at), partial(self._report, ids, 2)))
        return steps, fate != "failed"

    def _after(self, wait: str, now: datetime) -> datetime:
        """When a wait that begins now will end; what has waited for the morning is not answered all at once."""
        median_s, spread, hours = _WAITS[wait]
        ready = now + timedelta(seconds=self._rng.lognormvariate(math.log(median_s), spread))
        begin = _within(hours, ready.astimezone(self._zone)).astimezone(UTC)
        return begin if begin == ready else begin + timedelta(seconds=self._rng.triangular(0, 4 * 3600, 1800))

    def _bot_says(self, now: datetime) -> str:
        """Its answer at this hour; mostly nothing while the shop is open."""
        is_open = _within(_OPEN, now.astimezone(self._zone)) == now
        return (HERE if is_open else AWAY) if self._rng.random() < (0.04 if is_open else 0.4) else ""

    def _client_writes(self, talk: Talk, kind: str, text: str) -> None:
        world, person, msgid = self._world, talk.who.person, self._world.new_id()
        begun = self._begun.get(talk.who.conversation_id)
        payload = payloads.new_message(
            message_of(kind, text, self._rng),
            msgid=msgid,
            sent_at=world.now(),
            conversation_id=talk.who.conversation_id,
            conversation_ref_id=begun.id if begun else None,
            sender=replace(person, ref_id=begun.client.id) if begun else person,
            reply_to=talk.quoted(">", self._rng),
        )
        talk.ids["<"] = self._call("send", self._scope_id, payload, msgid)["new_message"]["msgid"]
        if self._rng.random() < 0.002:
            self._blunder(payload, msgid)

    def _blunder(self, payload: messages.Payload, msgid: str) -> None:
        """What integrations get wrong now and then: a message sent twice, or a picture without its file."""
        if self._rng.random() < 0.5:
            msgid = self._world.new_id()
            payload["payload"] |= {"msgid": msgid, "message": {"type": "picture"}}
        self._call("send", self._scope_id, payload, msgid)

    def _shop_writes(self, talk: Talk, name: str | None, kind: str, text: str, ids: list[str]) -> None:
        """The manager of that name writes, or else the bot, in a new chat if there is none; `ids` takes Kommo's ids."""
        world, key, connected = self._world, talk.who.conversation_id, self._world.connected[self._scope_id]
        author = manager.person_of(connected, name, bot=name is None)
        chat = world.chat_of(self._scope_id, key) or self._begun.get(key)
        if chat is None:
            chat = self._begun[key] = manager.begin_chat(world, connected, talk.who.person.phone or "")
            written, hooks = manager.writes(world, chat, text, author=author)
        else:
            files = [{"type": kind, **file_of(kind, self._rng)}] if kind else []
            quoted = talk.quoted("<", self._rng) if name else None
            reply_to = quoted.id if quoted else None
            written, hooks = manager.writes(world, chat, text, author=author, attachments=files, reply_to=reply_to)
        ids += [message.id for message in written]
        if name:  # nobody quotes the bot, nor does it quote
            talk.ids[">"] = ids[-1]
        for hook in hooks:
            self._pass_ms(90)
            body, ack_us = hook.wire_body, round(self._rng.lognormvariate(math.log(900), 0.6))
            verdict = check_hook(body, hook.signature, secret=self._channel.secret).value
            what = (hook.scope_id, body, hook.signature, verdict, 200, ack_us, USER_AGENT)
            self.rows.append(Delivery(world.now_ms(), *what))

    def _report(self, ids: list[str], status: int, error_code: int | None = None, error: str | None = None) -> None:
        payload = messages.DeliveryStatus(status_code=status, error_code=error_code, error=error).payload()
        for message_id in ids:
            self._call("delivery_status", f"{self._scope_id}/{message_id}/delivery_status", payload)

    def _call(self, kind: str, path: str, payload: messages.Payload, msgid: str | None = None) -> Any:
        """What the world answers to a call; the row tells it all."""
        world, path, body = self._world, rules.ROOT + path, payloads.encode(payload)
        began_ms = world.now_ms()
        signed = request_headers("POST", path, body, secret=self._channel.secret, date=world.now())
        headers = {name.lower(): value for name, value in signed.items()}
        response = rules.answer(world, Request("POST", path, "", headers, body))
        error = None if response.status < 300 else response.payload["error_type"]
        answer = b"" if response.payload is None else json.dumps(response.payload, ensure_ascii=False).encode()
        outcome = ("failed" if error else "done", 1, response.status, answer, error, self._pass_ms(60))
        self.rows.append(Exchange(began_ms, kind, "POST", path, body, msgid, *outcome))
        return response.payload

    def _pass_ms(self, median_ms: int) -> int:
        """Let pass what something takes on the wire; how long that was."""
        elapsed_ms = round(self._rng.lognormvariate(math.log(median_ms), 0.5))
        self._clock.put(self._clock.now() + timedelta(milliseconds=elapsed_ms))
        return elapsed_ms


def _within(hours: tuple[int, int, int], moment: datetime) -> datetime:
    """The moment itself if it lies within the hours, or else when they begin next."""
    first, last, weekdays = hours
    while not (first <= moment.hour < last and moment.weekday() < weekdays):
        moment = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return moment


def live(client: Any, press: Press, *, stop: threading.Event, seed: int = 1, pace_s: float = 3.0) -> None:
    """Let the same people write, and managers answer, until `stop` is set. Failing calls are survived.

    Args:
        client: has `send`, `typing` and `set_delivery_status` as a connected ChatsClient has them.
        press: posts a payload to one of the sandbox's controls, such as `manager/message`, and returns its answer.
        pace_s: seconds between two messages of clients, on average.
    """
    rng, people = random.Random(seed), customers(seed)[:REGULARS]
    talks: list[Talk] = []
    unreported: deque[tuple[str, int]] = deque()
    for who in people:  # not what the history began with
        rng.shuffle(who.script)
    while not stop.wait(rng.expovariate(2 / pace_s)):  # every other message is a manager's
        try:
            for _ in range(min(len(unreported), 1 + len(unreported) // 8)):
                client.set_delivery_status(*unreported.popleft())
            if len(talks) < 4:
                idle = [who for who in people if all(who is not talk.who for talk in talks)]
                talks.append(new_talk(rng.choice(idle), MANAGERS, rng))
            talk = rng.choice(talks)
            unreported.extend(_next_line(client, press, talk, rng))
            if not talk.lines:
                talks.remove(talk)
        except KommoError:
            talks.clear()  # a sandbox that was started again knows none of their messages
            stop.wait(pace_s)


def _next_line(client: Any, press: Press, talk: Talk, rng: random.Random) -> list[tuple[str, int]]:
    """Have the next line of a talk said; the statuses to report for it."""
    side, kind, text = talk.lines.pop(0)
    key, person = talk.who.conversation_id, talk.who.person
    if side == "<":
        if talk.ids and rng.random() < 0.4:
            client.typing(key, person.id)
        reply_to = talk.quoted(">", rng)
        receipt = client.send(message_of(kind, text, rng), conversation_id=key, sender=person, reply_to=reply_to)
        talk.ids["<"] = receipt.message_id
        return []
    files = [{"type": kind, **file_of(kind, rng)}] if kind else []
    what = {"conversation_id": key, "text": text, "manager": talk.manager, "attachments": files}
    answer = press("manager/message", what)
    ids = answer["message_ids"]
    talk.ids[">"] = ids[-1]
    if not all(hook["status"] == 200 for hook in answer.get("hooks", ())):
        return []  # an integration cannot report on a message whose hook did not come
    return [(id, status) for status in ((1, 2) if rng.random() < 0.8 else (1,)) for id in ids]
