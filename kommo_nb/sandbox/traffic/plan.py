"""Who writes when, and what becomes of it: the plan of a day. Somebody else carries it out."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Protocol

from .hours import ALWAYS, AWAKE, OPEN, Troubles, within
from .people import AWAY, FAILURES, HERE, REGULARS, Talk, customers, new_talk
from .sources import MIX, WHATSAPP, Source, Wait

_MORE: Wait = (12.0, 0.7)
_ANSWER: Wait = (240.0, 1.0)

Step = tuple[datetime, Callable[[], object]]
"""When something happens, in UTC, and what."""


class Actor(Protocol):
    """Whoever carries the plan out. `ids` is filled when a message is written, and read when it is reported on."""

    def client_writes(self, talk: Talk, kind: str, text: str) -> None:
        """The client writes."""

    def shop_writes(self, talk: Talk, name: str | None, kind: str, text: str, ids: list[str], lost: bool) -> None:
        """The manager of that name writes, or else the bot; `lost`: nobody hears of it outside the CRM."""

    def report(self, ids: list[str], status: int, error_code: int | None = None, error: str | None = None) -> None:
        """The integration reports how far a message got."""


class Plan:
    """Plans days of conversations up to `until`, in which managers of these names answer."""

    def __init__(
        self, actor: Actor, managers: Sequence[str], *, until: datetime, seed: int, rng: random.Random
    ) -> None:
        self._actor, self._managers, self._rng, self._zone = actor, managers, rng, until.tzinfo
        self._troubles = Troubles(until)
        people = customers(seed)
        self._regulars = {source: [who for who in people[:REGULARS] if who.source is source] for source in MIX}
        self._leads = people[REGULARS:]
        self._free_at: dict[str, datetime] = {}

    def day(self, since: datetime, mean: float) -> list[Step]:
        """All conversations that begin in the 24 hours from `since`. Some people write often, most of them seldom."""
        rng = self._rng
        steps: list[Step] = []
        for at, source in sorted(self._starts(since, mean), key=lambda start: start[0]):
            regulars = self._regulars[source]
            idle = [who for who in regulars if self._free_at.get(who.conversation_id, at) <= at]
            idle = idle or regulars  # so many conversations that some run side by side in one chat
            who = idle[int(len(idle) * rng.random() ** 1.7)]
            planned = self._talk(new_talk(who, self._managers, rng), at)
            self._free_at[who.conversation_id] = max(step[0] for step in planned)
            steps += planned
            if self._leads and rng.random() < 0.015:
                steps += self._begun_by_shop(at)
        return steps

    def _starts(self, since: datetime, mean: float) -> Iterator[tuple[datetime, Source]]:
        for _ in range(round(max(0.0, self._rng.gauss(mean, mean**0.5)))):
            source = self._rng.choice(MIX)
            hour = 0.0
            while not AWAKE[0] <= hour < AWAKE[1]:
                hour = self._rng.gauss(*self._rng.choice(source.peaks))
            at = since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=hour)
            at += timedelta(days=1 if at < since else 0)
            if self._rng.random() < source.weekdays[at.weekday()]:
                yield at.astimezone(UTC), source

    def _begun_by_shop(self, at: datetime) -> list[Step]:
        """A manager writes first; not while hooks are lost: nobody would ever learn of that chat."""
        at = self._answered(at)
        if at in self._troubles.outage:
            return []
        return self._talk(new_talk(self._leads.pop(), self._managers, self._rng), at)

    def _talk(self, talk: Talk, at: datetime) -> list[Step]:
        """A conversation. It ends early where the shop forgets to answer, or where a message does not arrive."""
        rng = self._rng
        steps: list[Step] = []
        for turn, (side, lines) in enumerate(groupby(talk.lines, key=lambda line: line[0])):
            if turn:
                at = self._after(talk.who.source.reply, at) if side == "<" else self._answered(at)
            for number, (_, kind, text) in enumerate(lines):
                at = self._after(_MORE, at, ALWAYS) if number else at
                if side == "<":
                    steps.append((at, partial(self._actor.client_writes, talk, kind, text)))
                    continue
                sent, at, arrives = self._manager_says(talk, kind, text, at)
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

    def _manager_says(self, talk: Talk, kind: str, text: str, at: datetime) -> tuple[list[Step], datetime, bool]:
        """A manager's message, tried three times where it fails; the time of the last try, and whether it arrives."""
        steps, fate = self._shop_line(talk, talk.manager, kind, text, at)
        for _ in range(2):
            if fate == "failed":
                at = self._answered(at)
                again, fate = self._shop_line(talk, talk.manager, kind, text, at)
                steps += again
        return steps, at, fate not in ("failed", "lost")

    def _shop_line(self, talk: Talk, name: str | None, kind: str, text: str, at: datetime) -> tuple[list[Step], str]:
        """A message of the shop and the reports on it; what becomes of it."""
        ids: list[str] = []
        source, lost = talk.who.source, at in self._troubles.outage
        steps: list[Step] = [(at, partial(self._actor.shop_writes, talk, name, kind, text, ids, lost))]
        if lost:
            return steps, "lost"
        reported_at = self._after(source.delivered, at, ALWAYS)
        fate, failure = self._fate(source, at)
        if fate == "failed":
            steps.append((reported_at, partial(self._actor.report, ids, -1, *failure)))
        elif fate != "never reported":
            steps.append((reported_at, partial(self._actor.report, ids, 1)))
        if fate == "read":
            steps.append((self._after(source.read, reported_at), partial(self._actor.report, ids, 2)))
        return steps, fate

    def _fate(self, source: Source, at: datetime) -> tuple[str, tuple[int, str | None]]:
        """How far a message gets, and why no further."""
        if source is WHATSAPP and at in self._troubles.failing:
            return "failed", (904, None)
        (fate,) = self._rng.choices([*source.fates], [*source.fates.values()])
        return fate, self._rng.choice(FAILURES)

    def _after(self, wait: Wait, now: datetime, hours: tuple[int, int, int] = AWAKE) -> datetime:
        """When a wait that begins now will end; what has waited for the morning is not done all at once."""
        median_s, spread = wait
        ready = now + timedelta(seconds=self._rng.lognormvariate(math.log(median_s), spread))
        if hours is ALWAYS:
            return ready
        begin = within(hours, ready.astimezone(self._zone)).astimezone(UTC)
        return begin if begin == ready else self._in_the_morning(begin)

    def _answered(self, now: datetime) -> datetime:
        """When a manager answers, or writes by themselves."""
        at = self._after(_ANSWER, now, OPEN)
        weekend = self._troubles.weekend
        return self._in_the_morning(weekend.end.astimezone(UTC)) if at in weekend else at

    def _in_the_morning(self, begin: datetime) -> datetime:
        return begin + timedelta(seconds=self._rng.triangular(0, 4 * 3600, 1800))

    def _bot_says(self, now: datetime) -> str:
        """Its answer at this hour; mostly nothing while the shop is open."""
        if now in self._troubles.weekend:
            return ""
        is_open = within(OPEN, now.astimezone(self._zone)) == now
        return (HERE if is_open else AWAY) if self._rng.random() < (0.04 if is_open else 0.4) else ""
