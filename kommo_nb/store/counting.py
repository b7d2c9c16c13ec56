"""Messages → counts by quarter of an hour and lengths of time by day, told anew where they are stale.

What is stale is read and counted before the write lock is taken, which is then held for what differs alone. Where a
mark has changed meanwhile nothing is written: that part is told once more, or somebody else has told it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, partial
from itertools import product
from typing import Any

from .rollups import ANY, COLUMNS, DAY_MS, NO_TYPE, QUARTER_MS

Marks = Collection[tuple[Any, int]]
"""What is stale, each with the version of its mark."""
Write = Callable[[sqlite3.Connection], int]
"""Writes what was told, in the caller's transaction; how much it was."""

_MESSAGE = f"coalesce(m.scope_id, '') AS scope_id, coalesce(m.type, '{NO_TYPE}') AS type, m.author"
_QUARTERS = f"""
    SELECT quarter.value AS quarter_ms, {_MESSAGE}, m.reached, count(*) FROM json_each(?) quarter
    CROSS JOIN messages m ON m.sent_at_ms >= quarter.value AND m.sent_at_ms < quarter.value + {QUARTER_MS}
    GROUP BY 1, 2, 3, 4, 5"""
_TOOK = {
    kind: f"""
        SELECT {_MESSAGE}, (SELECT max(at_least) FROM steps WHERE at_least <= m.{kind}_in_ms) AS at_least, count(*)
        FROM messages m WHERE m.sent_at_ms >= ? AND m.sent_at_ms < ? + {DAY_MS} AND m.{kind}_in_ms IS NOT NULL
        GROUP BY 1, 2, 3, 4"""
    for kind in ("delivered", "read")
}
_WAITED = {
    kind: f"""
        SELECT coalesce(scope_id, ''), '', '', wait, count(*) FROM waits
        WHERE kind = '{kind}' AND asked_ms >= ? AND asked_ms < ? + {DAY_MS} AND wait IS NOT NULL GROUP BY 1, 4"""
    for kind in ("first_response", "response")
}
"""Each kind of length, and SQL for the lengths that begin in a day."""


def stale_messages(conn: sqlite3.Connection) -> Write | None:
    """Tell the stale quarters of the first stale day anew, and how long that day's messages took."""
    first = f"(SELECT min(quarter_ms) / {DAY_MS} * {DAY_MS} FROM stale_quarters)"
    sql = f"SELECT * FROM stale_quarters WHERE quarter_ms >= {first} AND quarter_ms < {first} + {DAY_MS}"
    marks = conn.execute(sql).fetchall()
    if not marks:
        return None
    quarters = [quarter_ms for quarter_ms, _ in marks]
    day_ms = quarters[0] // DAY_MS * DAY_MS
    counts = _counts(conn.execute(_QUARTERS, (json.dumps(quarters),)))
    lengths = _lengths(conn, _TOOK, day_ms)
    return partial(_write_messages, marks=marks, counts=counts, day_ms=day_ms, lengths=lengths)


def stale_waits(conn: sqlite3.Connection) -> Write | None:
    """Tell anew how long clients waited in the first stale day."""
    marks = conn.execute("SELECT * FROM stale_days ORDER BY day_ms LIMIT 1").fetchall()
    if not marks:
        return None
    ((day_ms, _),) = marks
    return partial(_write_waits, marks=marks, day_ms=day_ms, lengths=_lengths(conn, _WAITED, day_ms))


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
    counts: Iterable[tuple[Any, ...]],
    day_ms: int,
    lengths: Iterable[tuple[Any, ...]],
) -> int:
    if settled(conn, "stale_quarters", "quarter_ms", marks):
        quarters = json.dumps([quarter_ms for quarter_ms, _ in marks])
        of = "quarter_ms IN (SELECT value FROM json_each(?))"
        _replace(conn, "quarter_hours", ("type", "quarter_ms", "scope_id"), of, quarters, counts)
        _replace_lengths(conn, _TOOK, day_ms, lengths)
    return len(marks)


def _write_waits(conn: sqlite3.Connection, marks: Marks, day_ms: int, lengths: Iterable[tuple[Any, ...]]) -> int:
    if settled(conn, "stale_days", "day_ms", marks):
        _replace_lengths(conn, _WAITED, day_ms, lengths)
    return len(marks)


def _replace_lengths(
    conn: sqlite3.Connection, kinds: Iterable[str], day_ms: int, lengths: Iterable[tuple[Any, ...]]
) -> None:
    keys = ("kind", "day_ms", "scope_id", "author", "type", "at_least")
    of = " OR ".join(f"kind = '{kind}'" for kind in kinds)
    _replace(conn, "lengths", keys, f"({of}) AND day_ms = ?", day_ms, lengths)


def _replace(
    conn: sqlite3.Connection, table: str, keys: tuple[str, ...], of: str, param: Any, rows: Iterable[tuple[Any, ...]]
) -> None:
    """Make the rows of a part of a table these, and touch only those that differ. The keys are its first columns."""
    told, known = set(rows), set(conn.execute(f"SELECT * FROM {table} WHERE {of}", (param,)))
    new, size = [*(told - known)], len(keys)
    gone = {row[:size] for row in known - told} - {row[:size] for row in new}
    conn.executemany(f"DELETE FROM {table} WHERE {' AND '.join(f'{key} = ?' for key in keys)}", gone)
    if new:
        conn.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(new[0]))})", new)


def _counts(found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of `quarter_hours`, also those of all types and of all channels."""
    quarters = defaultdict[tuple[str, int, str], list[int]](lambda: [0] * len(COLUMNS))
    for quarter_ms, scope_id, type_, author, reached, count in found:
        places = _places(author, reached)
        for key in product({ANY, type_}, (quarter_ms,), {ANY, scope_id}):
            counts = quarters[key]
            for place in places:
                counts[place] += count
    return [(*key, *counts) for key, counts in quarters.items()]


def _lengths(conn: sqlite3.Connection, kinds: Mapping[str, str], day_ms: int) -> list[tuple[Any, ...]]:
    """The rows of `lengths` of a day, also those of all channels, authors and types together."""
    rows = []
    for kind, sql in kinds.items():
        together = Counter[int]()
        for scope_id, type_, author, at_least, count in conn.execute(sql, (day_ms, day_ms)):
            rows.append((kind, day_ms, scope_id, author, type_, at_least, count))
            together[at_least] += count
        rows += [(kind, day_ms, ANY, ANY, ANY, at_least, count) for at_least, count in together.items()]
    return rows


@cache
def _places(author: str, reached: str | None) -> list[int]:
    """The columns in which a message counts."""
    stages = {"read": ("sent", "delivered", "read"), "delivered": ("sent", "delivered"), "failed": ("sent", "failed")}
    reached_too = stages.get(reached, ("sent",)) if reached else ()
    return [COLUMNS.index(name) for name in (author, *(f"{stage}_{author}" for stage in reached_too))]
