"""Messages and their reports → counts by quarter of an hour and lengths of time by day, many together."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import product
from typing import Any

from .rollups import ADDS, ANY, COLUMNS, DAY_MS, NO_TYPE, QUARTER_MS, step

AT_ONCE = 200
"""Changes counted in one transaction: a millisecond or two, for a receiver may wait for the write lock."""

_OF = "WHERE message_id IN (SELECT value FROM json_each(?))"
_REPORTED = "SELECT 1 FROM statuses s WHERE s.message_id = messages.message_id"
_REPORTS = """UPDATE messages SET (delivered_at_ms, read_at_ms, failed_at_ms, error_code, error) = (
    SELECT min(CASE status_code WHEN 1 THEN reported_at_ms END), min(CASE status_code WHEN 2 THEN reported_at_ms END),
           min(CASE status_code WHEN -1 THEN reported_at_ms END),
           max(CASE status_code WHEN -1 THEN error_code END), max(CASE status_code WHEN -1 THEN error END)
    FROM statuses s WHERE s.message_id = messages.message_id)"""


def refresh(conn: sqlite3.Connection) -> int:
    """Count the next changes, in the caller's transaction, and mark chats with new messages as stale; how many changes.

    All up to the last message that was changed is taken together: what had been counted of one is what the first of
    its changes replaced. Of new messages and of reports any part may be taken, for those are counted as they stand.
    """
    changes = conn.execute(
        """SELECT id, message_id, is_new, old FROM changes WHERE id <= (
               SELECT max(coalesce((SELECT max(id) FROM changes WHERE old IS NOT NULL), 0), min(id) + ?) FROM changes)
           ORDER BY id""",
        (AT_ONCE,),
    ).fetchall()
    if not changes:
        return 0
    new, replaced, seen = set[str](), dict[str, str | None](), set[str]()
    for _, message_id, is_new, old in changes:
        if is_new:
            new.add(message_id)
        if (message_id not in seen and not is_new) or (message_id in replaced and replaced[message_id] is None):
            replaced[message_id] = old
        seen.add(message_id)
    counts = Counts()
    counts.add(-1, (json.loads(old) for old in replaced.values() if old))
    counts.add(-1, _messages(conn, [message_id for message_id, old in replaced.items() if old is None]))
    conn.execute(f"{_REPORTS} {_OF} AND EXISTS ({_REPORTED})", (json.dumps([*seen]),))
    counts.add(1, _messages(conn, seen))
    counts.write(conn)
    conn.execute(
        f"""INSERT INTO stale SELECT chat, min(sent_at_ms) FROM messages {_OF} AND chat IS NOT NULL GROUP BY chat
            ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms)""",
        (json.dumps([*new]),),
    )
    conn.execute("DELETE FROM changes WHERE id <= ?", (changes[-1][0],))
    return len(changes)


def _messages(conn: sqlite3.Connection, message_ids: Iterable[str]) -> Iterable[tuple[Any, ...]]:
    """What these messages add to the counts, as far as they are there."""
    return conn.execute(f"SELECT {', '.join(ADDS)} FROM messages {_OF}", (json.dumps([*message_ids]),))


class Counts:
    """What is to be added to the rollups."""

    def __init__(self) -> None:
        self._messages: Counter[tuple[Any, ...]] = Counter()
        self._lengths: Counter[tuple[Any, ...]] = Counter()

    def add(self, sign: int, messages: Iterable[tuple[Any, ...]]) -> None:
        """Add messages, or take them back."""
        for type_, at_ms, scope_id, author, reached, *took_ms in messages:
            type_, scope_id = type_ or NO_TYPE, scope_id or ""
            self._messages[at_ms // QUARTER_MS * QUARTER_MS, scope_id, type_, author, reached] += sign
            for kind, length_ms in zip(("delivered", "read"), took_ms, strict=True):
                if length_ms is not None:
                    self.add_length(sign, kind, at_ms, scope_id, length_ms, author=author, type_=type_)

    def add_length(
        self, sign: int, kind: str, at_ms: int, scope_id: str, length_ms: int, *, author: str = "", type_: str = ""
    ) -> None:
        """Add a length of time, or take it back."""
        day_ms, at_least = at_ms // DAY_MS * DAY_MS, step(length_ms)
        self._lengths[kind, day_ms, scope_id, author, type_, at_least] += sign
        self._lengths[kind, day_ms, ANY, ANY, ANY, at_least] += sign

    def write(self, conn: sqlite3.Connection) -> None:
        """Add all to the tables. No row of zeros stays: a rebuild would not make it."""
        quarters: dict[tuple[str, int, str], Counter[str]] = defaultdict(Counter)
        for (quarter_ms, scope_id, type_, author, reached), count in self._messages.items():
            for key in product((ANY, type_), (quarter_ms,), (ANY, scope_id)):
                quarters[key].update(dict.fromkeys(_names(author, reached), count))
        conn.executemany(_ADD_QUARTER, [(*key, *map(counts.__getitem__, COLUMNS)) for key, counts in quarters.items()])
        less = [key for key, counts in quarters.items() if min(counts.values()) < 0]
        conn.executemany(_DROP_QUARTER, less)
        conn.executemany(_ADD_LENGTH, [(*key, count) for key, count in self._lengths.items() if count])
        conn.executemany(_DROP_LENGTH, [key for key, count in self._lengths.items() if count < 0])


def _names(author: str, reached: str | None) -> list[str]:
    """The columns in which a message counts."""
    if reached is None:
        return [author]
    stages = {"read": ("sent", "delivered", "read"), "delivered": ("sent", "delivered"), "failed": ("sent", "failed")}
    return [author, *(f"{stage}_{author}" for stage in stages.get(reached, ("sent",)))]


_ADD_QUARTER = f"""
    INSERT INTO quarter_hours (type, quarter_ms, scope_id, {", ".join(COLUMNS)})
    VALUES (?, ?, ?, {", ".join("?" * len(COLUMNS))})
    ON CONFLICT DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)}"""
_DROP_QUARTER = """
    DELETE FROM quarter_hours WHERE type = ? AND quarter_ms = ? AND scope_id = ? AND client + manager + bot = 0"""
_LENGTH_KEY = ("kind", "day_ms", "scope_id", "author", "type", "at_least")
_ADD_LENGTH = f"""
    INSERT INTO lengths ({", ".join(_LENGTH_KEY)}, count) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count"""
_DROP_LENGTH = f"DELETE FROM lengths WHERE {' AND '.join(f'{name} = ?' for name in _LENGTH_KEY)} AND count = 0"
