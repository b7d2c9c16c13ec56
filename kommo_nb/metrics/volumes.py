"""How much is written, when, and what kind of messages."""

from __future__ import annotations

import pandas as pd

from ..store import Store
from ..store.rollups import ANY_TYPE
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
    known = store.query("SELECT DISTINCT type FROM quarter_hours WHERE type <> ?", (ANY_TYPE,))
    rows = [
        {"type": each, **counted(store, where.of_type(each), [where.period], by_author(where))[0]}
        for each in (row["type"] for row in known)
        if where.type in (None, each)
    ]
    types = pd.DataFrame(rows, columns=["type", *AUTHORS])
    types["messages"] = types[list(AUTHORS)].sum(axis=1)
    types = types[types["messages"] > 0].sort_values(["messages", "type"], ascending=[False, True], ignore_index=True)
    types["share"] = types["messages"] / types["messages"].sum()
    return types.astype({"type": "str"} | dict.fromkeys((*AUTHORS, "messages"), "int64") | {"share": "float64"})


def busy_hours(store: Store, where: Filter) -> pd.DataFrame:
    """Messages by weekday and hour.

    Definition: messages of the period by weekday and hour of the chosen time zone, by who wrote them. The hour that
    an autumn night has twice counts both times; the one that a spring night lacks stays empty.

    Returns: weekday (int64, 0 Monday to 6), hour (int64, 0 to 23), client, manager, bot (int64, messages); all 168
    hours in this order.
    """
    rows = local(counted(store, where, hours(where), by_author(where)), where, AUTHORS)
    keys = [rows["bucket"].dt.day_of_week.rename("weekday"), rows["bucket"].dt.hour.rename("hour")]
    week = pd.MultiIndex.from_product([range(7), range(24)], names=["weekday", "hour"])
    counts = rows[list(AUTHORS)].groupby(keys).sum().reindex(week, fill_value=0)
    return counts.reset_index().astype("int64")
