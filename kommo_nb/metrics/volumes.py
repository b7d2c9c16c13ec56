"""How much is written, when, and what kind of messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..store import Store
from ..store.rollups import ANY
from .counts import by_author, counted, quarters, total
from .filters import AUTHORS, Filter
from .frames import Grain, edges, local, local_times, table


def volume(store: Store, where: Filter, *, grain: Grain = "day") -> pd.DataFrame:
    """Messages by time and author, one row per bucket, empty ones too.

    Definition: messages in both directions, by who wrote them: client, manager, or bot (the channel's bot id).
    Hours, days and weeks (from Monday) are those of the chosen time zone. An edit is no message.

    Returns: bucket (datetime64[ms, tz], its start), client, manager, bot (int64, messages); in order of time.
    """
    buckets = edges(where, grain)
    return local(buckets, counted(store, where, buckets, by_author(where)), where)


def message_types(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by type and author.

    Definition: messages of the period by their type, as they were sent: text, picture, voice and so on.

    Returns: type (str), client, manager, bot, messages (int64), share (float64, 0 to 1 of all); most frequent first.
    """
    rows: list[dict[str, Any]] = []
    for each in types(store) if where.type is None else [where.type]:
        counts = total(store, replace(where, type=each), by_author(where))
        rows.append({"type": each, **counts, "messages": sum(counts.values())})
    rows = sorted((row for row in rows if row["messages"]), key=lambda row: (-row["messages"], row["type"]))
    columns = {"type": "str"} | dict.fromkeys((*AUTHORS, "messages"), "int64") | {"share": "float64"}
    messages = sum(row["messages"] for row in rows)
    return table([row | {"share": row["messages"] / messages} for row in rows], columns)


def busy_hours(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by weekday and hour.

    Definition: messages of the period by weekday and hour of the chosen time zone, by who wrote them. The hour that
    an autumn night has twice counts both times; the one that a spring night lacks stays empty.

    Returns: weekday (int64, 0 Monday to 6), hour (int64, 0 to 23), client, manager, bot (int64, messages); all 168
    hours in this order.
    """
    found = quarters(store, where, by_author(where))
    at = local_times(found.pop("at_ms"), where)
    hours = 24 * at.day_of_week + at.hour
    counts = {who: np.bincount(hours, of, minlength=168) for who, of in found.items()}
    weekday, hour = np.divmod(np.arange(168), 24)
    return pd.DataFrame({"weekday": weekday, "hour": hour, **counts}).astype("int64")


def types(store: Store) -> list[str]:
    """The types of the messages in the store, in alphabetical order."""
    # SQLite would read the whole index for a DISTINCT; so it looks up each type from the one before.
    after = "SELECT min(type) AS type FROM quarter_hours WHERE type >"
    sql = f"""
        WITH RECURSIVE found AS (
            {after} '{ANY}' UNION ALL SELECT ({after} found.type) FROM found WHERE found.type IS NOT NULL)
        SELECT type FROM found WHERE type IS NOT NULL"""
    return [row["type"] for row in store.query(sql)]
