"""When people are awake and when the shop is open, and the days on which something went wrong."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import count, islice

Hours = tuple[int, int, int]
"""First hour, hour after the last, days of the week from Monday on."""

ALWAYS: Hours = (0, 24, 7)
AWAKE: Hours = (7, 23, 7)
OPEN: Hours = (9, 18, 6)


def within(hours: Hours, moment: datetime) -> datetime:
    """The moment itself if it lies within the hours, or else when they begin next."""
    first, last, weekdays = hours
    while not (first <= moment.hour < last and moment.weekday() < weekdays):
        moment = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return moment


class Span:
    """A stretch of time: `moment in span`."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self.begin, self.end = begin, end

    def __contains__(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end


class Troubles:
    """What went wrong in the two weeks before `until`, for the dashboard to show.

    Attributes:
        weekend: nobody answers, not even the bot, from Saturday to Monday's opening; it ended 5 to 11 days ago.
        failing: no message gets through to WhatsApp's people from 12 to 18 o'clock, on the fourth working day back.
        outage: the receiver is down from 10 to 12 o'clock, on the last working day: the hooks are lost for good.
    """

    def __init__(self, until: datetime) -> None:
        days = (until.date() - timedelta(days=n) for n in count(1))
        last, _, _, fourth = islice((day for day in days if day.weekday() < 5), 4)
        saturday = until.date() - timedelta(days=7 + (until.weekday() + 2) % 7)

        def span(day: date, first: int, hours: int) -> Span:
            begin = datetime.combine(day, time(first), until.tzinfo)
            return Span(begin, begin + timedelta(hours=hours))  # by the shop's clocks, also when they change

        self.weekend = span(saturday, 0, 48 + OPEN[0])
        self.failing, self.outage = span(fourth, 12, 6), span(last, 10, 2)
