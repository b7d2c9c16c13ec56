"""Accepted hooks → counts by quarter of an hour, and how long their acknowledgements took.

Refused ones are not counted: there are never many of them, for the oldest are dropped.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter, defaultdict
from functools import partial
from itertools import takewhile
from typing import Any

from .counting import Length, add_lengths
from .refresh import Write
from .rollups import DAY_MS, QUARTER_MS, step

AT_ONCE = 500
SETTLED_MS = 2_000
"""How long an acknowledgement lasts is written soon after its hook; until then the hook is not counted."""
SLOW_US = 5_000_000
"""Kommo moves a channel that is slower to its slow queue."""


def uncounted(conn: sqlite3.Connection) -> Write | None:
    """Count the next hooks. Each is counted once, so nothing has to be told anew."""
    counted_to = conn.execute(COUNTED_TO).fetchone()
    sql = """SELECT id, received_at_ms, scope_id, verdict, http_status, ack_us FROM deliveries
             WHERE id > ? ORDER BY id LIMIT ?"""
    before_ms = time.time() * 1000 - SETTLED_MS
    settled = list(takewhile(lambda row: row[1] < before_ms, conn.execute(sql, (*counted_to, AT_ONCE)).fetchall()))
    return partial(_write, counted_to=counted_to, hooks=settled) if settled else None


def _write(conn: sqlite3.Connection, counted_to: tuple[int], hooks: list[tuple[Any, ...]]) -> int:
    if conn.execute(COUNTED_TO).fetchone() != counted_to:  # somebody else has been quicker, or begins anew
        return len(hooks)
    lengths, quarters = Counter[Length](), defaultdict[tuple[int, str, str], list[int]](lambda: [0, 0, 0, 0])
    for _, at_ms, scope_id, verdict, http_status, ack_us in hooks:
        if http_status == 200:
            found = quarters[at_ms // QUARTER_MS * QUARTER_MS, scope_id, verdict]
            slow, worst_us = (ack_us or 0) > SLOW_US, max(found[3], ack_us or 0)
            found[:] = found[0] + 1, max(found[1], at_ms), found[2] + slow, worst_us
            if ack_us is not None:
                lengths[Length("ack", at_ms // DAY_MS * DAY_MS, scope_id, step(ack_us))] += 1
    conn.executemany(
        """INSERT INTO hook_quarters VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
           hooks = hooks + excluded.hooks, last_ms = max(last_ms, excluded.last_ms), slow = slow + excluded.slow,
           worst_us = max(worst_us, excluded.worst_us)""",
        [(*key, *found) for key, found in quarters.items()],
    )
    add_lengths(conn, lengths)
    conn.execute("INSERT OR REPLACE INTO projection VALUES ('hooks', ?)", (hooks[-1][0],))
    return len(hooks)


COUNTED_TO = "SELECT coalesce(max(read_to), 0) FROM projection WHERE source = 'hooks'"
"""SQL for the id of the last hook that is counted."""
