"""Messages → counts by quarter of an hour and lengths of time by day, told anew where they are stale.

What is stale is read, counted and compared before the write lock is taken, which is then held for what differs alone.
Where a mark has changed meanwhile nothing is written: that part is told once more, or somebody else has told it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

from .rollups import ANY, COLUMNS, DAY_MS, NO_TYPE, QUARTER_MS, step

Marks = Collection[tuple[Any, int]]
"""What is stale, each with the version of its mark."""
Write = Callable[[sqlite3.Connection], int]
"""Writes what was told, in the caller's transaction; how much it was."""

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


def stale_messages(conn: sqlite3.Connection) -> Write | None:
    """Tell the stale quarters of the first stale day anew."""
    ((day_ms,),) = conn.execute(f"SELECT min(quarter_ms) / {DAY_MS} * {DAY_MS} FROM stale_quarters")
    if day_ms is None:
        return None
    sql = "UPDATE stale_quarters SET version = random() WHERE quarter_ms >= ? AND quarter_ms < ? RETURNING *"
    marks = conn.execute(sql, (day_ms, day_ms + DAY_MS)).fetchall()
    quarters = json.dumps([quarter_ms for quarter_ms, _ in marks])
    told, known = _tell(conn.execute(_QUARTERS, (quarters,))), set(conn.execute(_KNOWN, (quarters,)))
    gone, new = known - told, told - known
    lengths = _lengths(new)
    lengths.subtract(_lengths(gone))
    keys = {row[:3] for row in gone} - {row[:3] for row in new}
    return partial(_write_messages, marks=marks, gone=keys, new=new, lengths=lengths)


def add_lengths(conn: sqlite3.Connection, more: Mapping[Length, int]) -> None:
    """Count lengths of time, or take them back where the number is negative."""
    counts = Counter[Length]()
    for each, count in more.items():
        counts[each] += count
        counts[each._replace(scope_id=ANY, author=ANY, type=ANY)] += count
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


def settled(conn: sqlite3.Connection, table: str, key: str, marks: Marks) -> bool:
    """Take marks off; False, and nothing happens, where one of them is no longer as it was read."""
    of = f"FROM {table} WHERE {key} IN ({', '.join('?' * len(marks))})"
    keys = [stale for stale, _ in marks]
    if set(conn.execute(f"SELECT {key}, version {of}", keys)) != set(marks):
        return False
    conn.execute(f"DELETE {of}", keys)
    return True


def _write_messages(
    conn: sqlite3.Connection,
    marks: Marks,
    gone: Iterable[tuple[Any, ...]],
    new: Iterable[tuple[Any, ...]],
    lengths: Mapping[Length, int],
) -> int:
    if settled(conn, "stale_quarters", "quarter_ms", marks):
        conn.executemany("DELETE FROM quarter_hours WHERE (type, quarter_ms, scope_id) = (?, ?, ?)", gone)
        conn.executemany(f"INSERT OR REPLACE INTO quarter_hours VALUES ({', '.join('?' * (len(COLUMNS) + 4))})", new)
        add_lengths(conn, lengths)
    return len(marks)


def _tell(found: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The rows of `quarter_hours`, also those of all types and of all channels."""
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
        (*key, *each, json.dumps(took[key], sort_keys=True) if key in took else None) for key, each in counts.items()
    }


def _lengths(rows: Iterable[tuple[Any, ...]]) -> Counter[Length]:
    """How long the messages of some quarters took."""
    lengths = Counter[Length]()
    for type_, quarter_ms, scope_id, *_, took in rows:
        for name, counts in json.loads(took or "{}").items():
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
