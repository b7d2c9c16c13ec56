"""How much is written, when, and what kind of messages."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from ..store import Store
from ..store.rollups import ANY
from .counts import by_author, counted
from .filters import AUTHORS, Filter
from .frames import Grain, edges, hours, local


def volume(store: Store, where: Filter, *, grain: Grain = "day") -> pd.DataFrame:
    """Messages by time and author, one row per bucket, empty ones too.

    Definition: messages in both directions, by who wrote them: client, manager, or bot (the channel's bot id).
    Hours, days and weeks (from Monday) are those of the chosen time zone. An edit is no message.

    Returns: bucket (datetime64[ms, tz], its start), client, manager, bot (int64, messages); in order of time.
    """
    return local(counted(store, where, edges(where, grain), by_author(where)), where, AUTHORS)


def message_types(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by type and author.

    Definition: messages of the period by their type, as they were sent: text, picture, voice and so on.

    Returns: type (str), client, manager, bot, messages (int64), share (float64, 0 to 1 of all); most frequent first.
    """
    rows = [
        {"type": each, **counted(store, where.of_type(each), [where.period], by_author(where))[0]}
        for each in types(store)
        if where.type in (None, each)
    ]
    table = pd.DataFrame(rows, columns=["type", *AUTHORS])
    table["messages"] = table[list(AUTHORS)].sum(axis=1)
    table = table[table["messages"] > 0].sort_values(["messages", "type"], ascending=[False, True], ignore_index=True)
    table["share"] = table["messages"] / table["messages"].sum()
    return table.astype({"type": "str"} | dict.fromkeys((*AUTHORS, "messages"), "int64") | {"share": "float64"})


def busy_hours(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by weekday and hour.

    Definition: messages of the period by weekday and hour of the chosen time zone, by who wrote them. The hour that
    an autumn night has twice counts both times; the one that a spring night lacks stays empty.

    Returns: weekday (int64, 0 Monday to 6), hour (int64, 0 to 23), client, manager, bot (int64, messages); all 168
    hours in this order.
    """
    zone = ZoneInfo(where.tz)
    week = {(weekday, hour): dict.fromkeys(AUTHORS, 0) for weekday in range(7) for hour in range(24)}
    for row in counted(store, where, hours(where), by_author(where)):
        at = datetime.fromtimestamp(row["start_ms"] / 1000, zone)
        for who in AUTHORS:
            week[at.weekday(), at.hour][who] += row[who]
    rows = [{"weekday": weekday, "hour": hour, **counts} for (weekday, hour), counts in week.items()]
    return pd.DataFrame(rows).astype("int64")


def types(store: Store) -> list[str]:
    """The types of the messages in the store, in alphabetical order."""
    # SQLite would read the whole index for a DISTINCT; so it looks up each type from the one before.
    after = "SELECT min(type) AS type FROM quarter_hours WHERE type >"
    sql = f"""
        WITH RECURSIVE found AS (
            {after} '{ANY}' UNION ALL SELECT ({after} found.type) FROM found WHERE found.type IS NOT NULL)
        SELECT type FROM found WHERE type IS NOT NULL"""
    return [row["type"] for row in store.query(sql)]
