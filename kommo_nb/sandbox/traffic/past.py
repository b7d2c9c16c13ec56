"""A history that the sandbox's own rules have made: every call was accepted or refused by them, every hook signed."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ...clock import SeededClock
from ...wire import messages, payloads
from ...wire.records import Delivery, Exchange
from ...wire.signing import check_hook, request_headers
from .. import manager, rules
from ..dispatch import USER_AGENT
from ..http import Request
from ..world import Chat, World
from .people import Talk, file_of, message_of
from .plan import Plan, Step


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

    There is trouble on the way, see `hours.Troubles`. Of its outage the world knows more than the rows tell.

    Args:
        until: aware; the shop keeps its hours in this time zone.
        conversations_per_day: on a busy weekday.
        on_day: called with the days done, and all days.
    """
    end = until - timedelta(seconds=10)  # what begins by then has ended at `until`
    begin = end - timedelta(days=days)
    clock = _Simulated(f"traffic {seed} {until.isoformat()}", start=begin.astimezone(UTC), step=timedelta())
    rng, own_clock = random.Random(seed), world.clock
    past = _Past(world, clock, rng)
    plan = Plan(past, past.managers, until=until, seed=seed, rng=rng)
    steps: list[Step] = [(begin, past.connect)]
    for day in range(days):
        since = begin + timedelta(days=day)
        steps += plan.day(since, conversations_per_day * (0.85 + 0.3 * day / days))  # the shop grows
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
    """Does what people do, under a simulated clock: the world answers, and `rows` notes what travelled."""

    def __init__(self, world: World, clock: _Simulated, rng: random.Random) -> None:
        self._world, self._clock, self._rng = world, clock, rng
        scope = next(reversed(world.connected.values()), None)
        self._channel = scope.channel if scope else next(iter(world.channels.values()))
        self._account = scope.account if scope else next(iter(world.accounts.values()))
        self._scope_id = f"{self._channel.id}_{self._account.amojo_id}"
        self._begun: dict[str, Chat] = {}
        self.managers = [user.name for user in self._account.users if user.amojo_id]
        self.rows: list[Delivery | Exchange] = []

    def connect(self) -> None:
        """Connect the channel to the account if it is not."""
        if self._scope_id not in self._world.connected:
            payload = payloads.connect(self._account.amojo_id, title=self._channel.name or None)
            self._call("connect", f"{self._channel.id}/connect", payload)

    def client_writes(self, talk: Talk, kind: str, text: str) -> None:
        """The client's message is sent to Kommo."""
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
            source=talk.who.source.id,
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

    def shop_writes(self, talk: Talk, name: str | None, kind: str, text: str, ids: list[str], lost: bool) -> None:
        """A manager or the bot writes, in a new chat if there is none; `ids` takes Kommo's ids."""
        world, key, connected = self._world, talk.who.conversation_id, self._world.connected[self._scope_id]
        author = manager.person_of(connected, name, bot=name is None)
        chat = world.chat_of(self._scope_id, key) or self._begun.get(key)
        if chat is None:
            chat = self._begun[key] = manager.begin_chat(world, connected, talk.who.person.phone or "")
            chat.source = talk.who.source.id
            written, hooks = manager.writes(world, chat, text, author=author)
        else:
            files = [{"type": kind, **file_of(kind, self._rng)}] if kind else []
            quoted = talk.quoted("<", self._rng) if name else None
            reply_to = quoted.id if quoted else None
            written, hooks = manager.writes(world, chat, text, author=author, attachments=files, reply_to=reply_to)
        ids += [message.id for message in written]
        if name:  # nobody quotes the bot, nor does it quote
            talk.ids[">"] = ids[-1]
        for hook in [] if lost else hooks:
            self._pass_ms(90)
            body, ack_us = hook.wire_body, round(self._rng.lognormvariate(math.log(900), 0.6))
            verdict = check_hook(body, hook.signature, secret=self._channel.secret).value
            what = (hook.scope_id, body, hook.signature, verdict, 200, ack_us, USER_AGENT)
            self.rows.append(Delivery(world.now_ms(), *what))

    def report(self, ids: list[str], status: int, error_code: int | None = None, error: str | None = None) -> None:
        """The delivery status goes to Kommo."""
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
