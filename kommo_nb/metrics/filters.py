"""What a metric looks at: a period, a scope, an author, a type, in a time zone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ..clock import msec

Author = Literal["client", "manager", "bot"]
AUTHORS: tuple[Author, ...] = ("client", "manager", "bot")


@dataclass(frozen=True)
class Filter:
    """The part of the store that a metric is about. What is None does not restrict.

    Author and type pick the messages that are counted. They never pick sides of a turn: who waits and for how long
    follows from all messages of a chat, so those metrics heed period and scope alone, as do those of hooks and calls.

    Attributes:
        since_ms, until_ms: the period, unix milliseconds; the first belongs to it, the last does not.
        scope_id: one channel in one account.
        author: who wrote it: client, manager, or bot.
        type: of the message, as it was sent.
        tz: whose days, hours and weekdays count.
    """

    since_ms: int
    until_ms: int
    scope_id: str | None = None
    author: Author | None = None
    type: str | None = None
    tz: str = "UTC"

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of `IN_PERIOD`, `IN_SCOPE` and `COUNTED`."""
        return {**vars(self)}

    @property
    def period(self) -> tuple[int, int]:
        """Its beginning and its end."""
        return self.since_ms, self.until_ms

    def before(self) -> Filter:
        """The period before: the same clock times, as many whole days earlier as the period touches.

        Weekdays and hours compare, also across a change of the clock, where the two differ by its hour.
        """
        since, until = self._local(self.since_ms), self._local(self.until_ms)
        naive = until.replace(tzinfo=None) - since.replace(tzinfo=None)
        days = timedelta(days=max(1, -(-naive // timedelta(days=1))))
        return replace(self, since_ms=msec(since - days), until_ms=msec(until - days))

    def _local(self, at_ms: int) -> datetime:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(self.tz))


OF_SCOPE = "(:scope_id IS NULL OR scope_id = :scope_id)"
IN_SCOPE = "(:scope_id IS NULL OR m.scope_id = :scope_id)"
OF_TYPE = "(:type IS NULL OR coalesce(m.type, 'unknown') = :type)"
IN_PERIOD = "m.sent_at_ms >= :since_ms AND m.sent_at_ms < :until_ms"
COUNTED = f"{IN_SCOPE} AND (:author IS NULL OR m.author = :author) AND {OF_TYPE}"
"""Conditions on messages `m`, for the parameters of a filter."""


def whole(since_ms: int, until_ms: int, grain_ms: int) -> tuple[int, int]:
    """The whole grains inside a span, as their beginning and end; both are the span's end where it holds none."""
    first, last = -(-since_ms // grain_ms) * grain_ms, until_ms // grain_ms * grain_ms
    return (first, last) if first < last else (until_ms, until_ms)


def definition(metric: Callable[..., Any]) -> str:
    """The definition in a metric's docstring, as one line."""
    paragraphs = (metric.__doc__ or "").split("\n\n")
    found = [" ".join(text.split()) for text in paragraphs if text.lstrip().startswith("Definition:")]
    text = found[0].removeprefix("Definition: ") if found else ""
    return text[:1].upper() + text[1:]
