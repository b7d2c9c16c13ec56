"""Rollups are refreshed: what has changed is told anew from the messages themselves.

`counting` tells quarters of an hour, `waits` tells chats. It is read, told and compared before the write lock is taken,
which is then held for what differs alone. Where somebody else has told the same meanwhile, nothing is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from . import counting, waits
from .rollups import LATER, QUARTER_MS

CHATS, QUARTERS, CHANGES = 25, 4, 1_000
"""How many are told together: a millisecond or two of the write lock, for which a receiver may wait."""
MANY = 16
"""So many times as many where nobody else writes: what they have in common is written once."""

REMEMBERED = 50_000
"""So many chats and quarters, before it begins anew: who forgets tells some of them twice."""

TOLD_TO = "SELECT min(id) FROM changed"
"""SQL for the last change that is told."""

Write = Callable[[sqlite3.Connection], int]
"""Writes what was told, in the caller's transaction; how much it was."""


class Refresh:
    """Tells what has changed, in the order of the changes; for one connection, until a write fails.

    It remembers up to which change each quarter and each chat is told, since later ones are often included.
    """

    def __init__(self) -> None:
        self._quarters: dict[int, int] = {}
        self._chats: dict[str, tuple[int, int]] = {}

    def next(self, conn: sqlite3.Connection, *, size: int = 1) -> Write | None:
        """Tell the next changes; None where there are none. In a transaction that reads, so that all is of one moment.

        Args:
            size: `MANY` to tell so many times as much.
        """
        ends: tuple[int, int] = conn.execute(f"SELECT ({TOLD_TO}), (SELECT max(id) FROM changed)").fetchone()
        first, newest = ends
        if first == newest:
            return None
        last, quarters, chats = first, set[int](), dict[str, int]()
        sql = "SELECT * FROM changed WHERE id > ? ORDER BY id LIMIT ?"
        for id_, sent_at_ms, chat in conn.execute(sql, (first, CHANGES * size)):
            if len(quarters) >= QUARTERS * size or len(chats) >= CHATS * size:
                break
            last, quarter_ms = id_, sent_at_ms // QUARTER_MS * QUARTER_MS
            if id_ > self._quarters.get(quarter_ms, 0) and sent_at_ms < LATER:
                quarters.add(quarter_ms)
            if chat is not None:
                told_to, since_ms = self._chats.get(chat, (0, 0))
                if id_ > told_to or sent_at_ms < since_ms:
                    # One that goes back again and again, as an imported history does, is told whole the second time.
                    again = id_ <= told_to and since_ms < LATER
                    chats[chat] = min(-LATER if again else sent_at_ms, chats.get(chat, LATER))
        counted, told = counting.recount(conn, quarters), waits.recount(conn, chats)

        def write(conn: sqlite3.Connection) -> int:
            if conn.execute(TOLD_TO).fetchone() == (first,):
                counted(conn)
                told.write(conn)
                conn.execute("DELETE FROM changed WHERE id < ?", (last,))
                self._remember(newest, quarters, told.since)
            return last - first

        return write

    def _remember(self, newest: int, quarters: Iterable[int], chats: Mapping[str, int]) -> None:
        if len(self._chats) + len(self._quarters) > REMEMBERED:
            self._quarters.clear()
            self._chats.clear()
        self._quarters |= dict.fromkeys(quarters, newest)
        self._chats |= {chat: (newest, since_ms) for chat, since_ms in chats.items()}
