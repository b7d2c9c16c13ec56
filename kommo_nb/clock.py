"""Where time and new ids come from: real ones, or seeded ones so that a lesson prints the same for everybody."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from itertools import count


class Clock:
    """The real clock and random ids."""

    def now(self) -> datetime:
        """The present time, aware and in UTC."""
        return datetime.now(UTC)

    def new_id(self) -> str:
        """A new UUID (version 4) as text."""
        return str(uuid.uuid4())


class SeededClock(Clock):
    """A clock that starts at `start` and moves `step` with each look, and ids that follow from `seed`."""

    def __init__(self, seed: str, *, start: datetime, step: timedelta = timedelta(seconds=1)) -> None:
        self._seed, self._now, self._step, self._count = seed, start, step, count()

    def now(self) -> datetime:
        """The next moment; no two looks see the same one."""
        self._now += self._step
        return self._now

    def new_id(self) -> str:
        """The next id of this seed's sequence."""
        return derived_id(self._seed, str(next(self._count)))


def derived_id(*parts: str) -> str:
    """The UUID (in the form of version 4, as Kommo's are) that always belongs to these parts."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def msec(moment: datetime) -> int:
    """Unix milliseconds of an aware datetime, exact (a float of seconds would round)."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
