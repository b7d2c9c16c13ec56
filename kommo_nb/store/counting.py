"""Messages → counts by quarter of an hour, and how many lengths of time there are by day."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from .rollups import ANY, COLUMNS, DAY_MS, NO_TYPE, QUARTER_MS, step

_QUARTERS = f"""
    SELECT quarter.value, coalesce(m.scope_id, ''), coalesce(m.type, '{NO_TYPE}'), m.author, m.reached, count(*),
           json_group_array(m.delivered_in_ms) FILTER (WHERE m.delivered_in_ms IS NOT NULL),
           json_group_array(m.read_in_ms) FILTER (WHERE m.read_in_ms IS NOT NULL)
    FROM json_each(?) quarter
    CROSS JOIN messages m ON m.sent_at_ms >= quarter.value AND m.sent_at_ms < quarter.value + {QUARTER_MS}
    GROUP BY 1, 2, 3, 4, 5"""
_KNOWN = "SELECT * FROM quarter_hours WHERE quarter_ms IN (SELECT value FROM json_each(?))"


class Length(NamedTuple):
    """What lengths of time are counted by; see `lengths`."""

    kind: str
    day_ms: int
    scope_id: str
    at_least: int
    author: str = ""
    type: str = ""


def recount(conn: sqlite3.Connection, quarters: Iterable[int]) -> Callable[[sqlite3.Connection], None]:
    """Tell some quarters of an hour anew; how to write what differs."""
    asked = json.dumps([*quarters])
    told, known = _told(conn.execute(_QUARTERS, (asked,))), set(conn.execute(_KNOWN, (asked,)))
    gone, new = known - told.keys(), told.keys() - known
    lengths = _lengths((row, told[row]) for row in new)
    lengths.subtract(_lengths((row, json.loads(row[-1] or "{}")) for row in gone))
    keys = {row[:3] for row in gone} - {row[:3] for row in new}

    def write(conn: sqlite3.Connection) -> None:
        conn.executemany("DELETE FROM quarter_hours WHERE (type, quarter_ms, scope_id) = (?, ?, ?)", keys)
        conn.executemany(f"INSERT OR REPLACE INTO quarter_hours VALUES ({', '.join('?' * (len(COLUMNS) + 4))})", new)
        add_lengths(conn, lengths)

    return write


def add_lengths(conn: sqlite3.Connection, more: Mapping[Length, int]) -> None:
    """Count lengths of time, or take them back where the number is negative."""
    counts = Counter[Length]()
    for each, count in more.items():
        counts[each] += count
        counts[Length(each.kind, each.day_ms, ANY, each.at_least, ANY, ANY)] += count
    columns = ", ".join(Length._fields)
    conn.executemany(
        f"""INSERT INTO lengths ({columns}, count) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET count = count + excluded.count""",
        [(*each, count) for each, count in counts.items() if count],
    )
    conn.executemany(
        f"DELETE FROM lengths WHERE ({columns}) = (?, ?, ?, ?, ?, ?) AND count = 0",
        [each for each, count in counts.items() if count < 0],
    )


def _told(found: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], Mapping[str, Counter[int]]]:
    """The rows of `quarter_hours`, also those of all types and of all channels, each with what it `took`."""
    counts = defaultdict[tuple[str, int, str], list[int]](lambda: [0] * len(COLUMNS))
    took = defaultdict[tuple[str, int, str], dict[str, Counter[int]]](dict)
    for quarter_ms, scope_id, type_, author, reached, count, *lengths in found:
        places = _places(author, reached)
        for key in product({ANY, type_}, (quarter_ms,), {ANY, scope_id}):
            for place in places:
                counts[key][place] += count
        for kind, each in zip(("delivered", "read"), lengths, strict=True):
            if each != "[]":
                of = took[type_, quarter_ms, scope_id].setdefault(f"{kind} {author}", Counter())
                of.update(map(step, json.loads(each)))
    return {
        (*key, *each, json.dumps(took[key], sort_keys=True) if key in took else None): took.get(key, {})
        for key, each in counts.items()
    }


def _lengths(rows: Iterable[tuple[tuple[Any, ...], Mapping[str, Mapping[Any, int]]]]) -> Counter[Length]:
    """How long the messages of some quarters took."""
    lengths = Counter[Length]()
    for (type_, quarter_ms, scope_id, *_), took in rows:
        for name, counts in took.items():
            kind, author = name.split()
            for at_least, count in counts.items():
                lengths[Length(kind, quarter_ms // DAY_MS * DAY_MS, scope_id, int(at_least), author, type_)] += count
    return lengths


@cache
def _places(author: str, reached: str | None) -> list[int]:
    """The columns in which a message counts."""
    stages = {"read": ("sent", "delivered", "read"), "delivered": ("sent", "delivered"), "failed": ("sent", "failed")}
    reached_too = stages.get(reached, ("sent",)) if reached else ()
    return [COLUMNS.index(name) for name in (author, *(f"{stage}_{author}" for stage in reached_too))]
