"""Business time: how much of a wait lies inside working hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ..clock import msec


@dataclass(frozen=True)
class Calendar:
    """Working hours: on these weekdays, between these clock times, but not on holidays.

    Attributes:
        tz: the time zone of the clock times.
        weekdays: 0 is Monday.
        opens, closes: the same on each day; `closes` at 00:00 is the midnight that ends the day.
        country, subdivision: whose public holidays are free, as the library `holidays` names them ("DE", "BE").
    """

    tz: str = "UTC"
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens: time = time(9)
    closes: time = time(18)
    country: str | None = None
    subdivision: str | None = None

    def seconds(self, since_ms: Sequence[int], until_ms: Sequence[int]) -> Any:
        """The working seconds between each two moments, an array of float64.

        Time that passed counts, not what clocks show: a shift on a night of the clock change is an hour shorter or
        longer.
        """
        starts, ends = np.asarray(since_ms, dtype="int64"), np.asarray(until_ms, dtype="int64")
        if not len(starts):
            return np.zeros(0)
        shifts = self._shifts(int(starts.min()), int(ends.max()))
        if not shifts:
            return np.zeros(len(starts))
        edges = [edge for shift in shifts for edge in shift]
        worked = np.cumsum([0, *(end - start for start, end in shifts)]).repeat(2)[1:-1]
        return (np.interp(ends, edges, worked) - np.interp(starts, edges, worked)) / 1000

    def _shifts(self, since_ms: int, until_ms: int) -> list[tuple[int, int]]:
        """The working hours that touch a span, as unix milliseconds."""
        zone = ZoneInfo(self.tz)
        first, last = (datetime.fromtimestamp(at_ms / 1000, zone).date() for at_ms in (since_ms, until_ms))
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        free = self._holidays({day.year for day in days})
        return [self._shift(day, zone) for day in days if day.weekday() in self.weekdays and day not in free]

    def _shift(self, day: date, zone: ZoneInfo) -> tuple[int, int]:
        closing = day + timedelta(days=1) if self.closes == time() else day
        opens, closes = datetime.combine(day, self.opens, zone), datetime.combine(closing, self.closes, zone)
        return msec(opens), max(msec(opens), msec(closes))

    def _holidays(self, years: set[int]) -> set[date]:
        if self.country is None:
            return set()
        import holidays  # 0.2 s, and most calendars need none

        return set(holidays.country_holidays(self.country, subdiv=self.subdivision, years=sorted(years)))
