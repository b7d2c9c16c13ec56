"""From a SELECT to a DataFrame, the time buckets of a period, and the SQL that several metrics share."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd

from ..clock import msec
from ..store import Store
from .filters import Filter

Grain = Literal["hour", "day", "week"]

AT = "datetime64[ms, UTC]"
HOUR_MS = 3_600_000

# A message names its chat by the CRM's id, by ours, or by both; the map of chats completes it.
CHAT = """coalesce({0}.chat_id, (SELECT min(chat_id) FROM chats WHERE conversation_id = {0}.conversation_id),
                {0}.conversation_id)"""
KEYED = f"SELECT {CHAT.format('m')} AS chat, m.message_id, m.author, m.sent_at_ms FROM messages m"
# The message behind the latest time of a chat; `w` names both.
LAST = f"""messages m ON m.message_id = (
    SELECT max(message_id) FROM messages x WHERE sent_at_ms = w.last_ms AND {CHAT.format("x")} = w.chat)"""
EDIT = """edits e ON e.event = (
    SELECT event FROM edits WHERE message_id = m.message_id OR msgid = m.msgid
    ORDER BY edited_at_ms DESC, length(event) DESC, event DESC LIMIT 1)"""
NAME = "coalesce(c.name, c.phone, c.email, c.conversation_id, w.chat)"
BUCKETS = "SELECT key, value ->> 0 AS start_ms, value ->> 1 AS end_ms FROM json_each(:edges)"


def frame(store: Store, sql: str, params: dict[str, Any], columns: dict[str, str]) -> pd.DataFrame:
    """The rows of a SELECT with the promised columns and dtypes, also when there are none."""
    return pd.DataFrame(store.query(sql, params), columns=list(columns)).astype(columns)


def over_time(store: Store, sql: str, where: Filter, grain: Grain, counts: tuple[str, ...]) -> pd.DataFrame:
    """The rows of a SELECT from `BUCKETS`: bucket, and counts as int64."""
    params = {**where.params, "edges": json.dumps(edges(where, grain))}
    rows = frame(store, sql, params, {"bucket": AT} | dict.fromkeys(counts, "int64"))
    rows["bucket"] = rows["bucket"].dt.tz_convert(where.tz)
    return rows


def edges(where: Filter, grain: Grain) -> list[tuple[int, int]]:
    """The buckets that a period touches, as start and end; a day may have 23 or 25 hours, a week begins on Monday."""
    zone, since_ms, until_ms = ZoneInfo(where.tz), where.since_ms, where.until_ms
    first = datetime.fromtimestamp(since_ms / 1000, zone).date()
    last = datetime.fromtimestamp(max(until_ms - 1, since_ms) / 1000, zone).date()
    step = 1
    if grain == "week":
        first, step = first - timedelta(days=first.weekday()), 7
    days = [first + timedelta(days=n) for n in range(0, (last - first).days + step + 1, step)]
    starts = [msec(datetime.combine(day, time(), zone)) for day in days]
    if grain == "hour":
        starts = [*range(starts[0], starts[-1], HOUR_MS), starts[-1]]
    return [(start, end) for start, end in pairwise(starts) if end > since_ms and start < max(until_ms, since_ms + 1)]
