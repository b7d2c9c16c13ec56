"""How much is written, when, and what kind of messages."""

from __future__ import annotations

import pandas as pd

from ..store import Store
from .filters import AUTHORS, COUNTED, IN_PERIOD, Filter
from .frames import BUCKETS, Grain, frame, over_time

_BY_AUTHOR = ", ".join(f"coalesce(sum(m.author = '{who}'), 0) AS {who}" for who in AUTHORS)
_QUARTER_MS = 900_000
"""The offsets of today's time zones are multiples of it, so that no quarter of an hour falls into two hours."""


def volume(store: Store, where: Filter, *, grain: Grain = "day") -> pd.DataFrame:
    """Messages by time and author, one row per bucket, empty ones too.

    Definition: messages in both directions, by who wrote them: client, manager, or bot (the channel's bot id).
    Hours, days and weeks (from Monday) are those of the chosen time zone. An edit is no message.

    Returns: bucket (datetime64[ms, tz], its start), client, manager, bot (int64, messages); in order of time.
    """
    sql = f"""
        SELECT start_ms AS bucket, {_BY_AUTHOR} FROM ({BUCKETS})
        LEFT JOIN messages m ON m.sent_at_ms >= max(start_ms, :since_ms) AND m.sent_at_ms < min(end_ms, :until_ms)
                            AND {COUNTED}
        GROUP BY key ORDER BY key"""
    return over_time(store, sql, where, grain, AUTHORS)


def message_types(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by type and author.

    Definition: messages of the period by their type, as they were sent: text, picture, voice and so on.

    Returns: type (str), client, manager, bot, messages (int64), share (float64, 0 to 1 of all); most frequent first.
    """
    sql = f"""
        SELECT coalesce(m.type, 'unknown') AS type, {_BY_AUTHOR}, count(*) AS messages,
               1.0 * count(*) / sum(count(*)) OVER () AS share
        FROM messages m WHERE {IN_PERIOD} AND {COUNTED} GROUP BY 1 ORDER BY messages DESC, 1"""
    columns = {"type": "str"} | dict.fromkeys((*AUTHORS, "messages"), "int64") | {"share": "float64"}
    return frame(store, sql, where.params, columns)


def busy_hours(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by weekday and hour.

    Definition: messages of the period by weekday and hour of the chosen time zone, by who wrote them. The hour that
    an autumn night has twice counts both times; the one that a spring night lacks stays empty.

    Returns: weekday (int64, 0 Monday to 6), hour (int64, 0 to 23), client, manager, bot (int64, messages); all 168
    hours in this order.
    """
    sql = f"""
        SELECT m.sent_at_ms / {_QUARTER_MS} * {_QUARTER_MS} AS bucket, {_BY_AUTHOR}
        FROM messages m WHERE {IN_PERIOD} AND {COUNTED} GROUP BY 1"""
    quarters = frame(store, sql, where.params, {"bucket": "datetime64[ms, UTC]"} | dict.fromkeys(AUTHORS, "int64"))
    local = quarters["bucket"].dt.tz_convert(where.tz)
    keys = [local.dt.day_of_week.rename("weekday"), local.dt.hour.rename("hour")]
    week = pd.MultiIndex.from_product([range(7), range(24)], names=["weekday", "hour"])
    counts = quarters[list(AUTHORS)].groupby(keys).sum().reindex(week, fill_value=0)
    return counts.reset_index().astype("int64")
