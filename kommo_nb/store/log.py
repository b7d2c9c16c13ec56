"""The raw rows: deliveries and exchanges, append-only.

Plain `sqlite3`, because the receiver lives on this path and sqlite-utils commits single rows three times slower.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from functools import cache
from itertools import chain
from typing import Any

from ..wire.records import Delivery, Exchange

GROUP = 64
"""Deliveries in one statement at most."""

_NEXT_SEQ = "SELECT coalesce(max(finished_seq), 0) + 1 FROM exchanges"


@cache
def insert(table: str, columns: tuple[str, ...], rows: int = 1) -> str:
    """SQL that inserts so many rows at a time."""
    values = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([values] * rows)}"


_EXCHANGE = (*(field.name for field in fields(Exchange)), "finished_seq")


def add_deliveries(conn: sqlite3.Connection, deliveries: Sequence[tuple[Any, ...]]) -> range:
    """Store deliveries in the caller's transaction, many in one statement; their ids."""
    last = 0
    for start in range(0, len(deliveries), GROUP):
        group = deliveries[start : start + GROUP]
        cursor = conn.execute(insert("deliveries", Delivery._fields, len(group)), tuple(chain.from_iterable(group)))
        last = cursor.lastrowid or 0
    return range(last - len(deliveries) + 1, last + 1)


def set_ack_us(conn: sqlite3.Connection, ack_us: Mapping[int, int]) -> None:
    """Write how long each delivery took, by id."""
    sql = "UPDATE deliveries SET ack_us = j.value FROM json_each(?) j WHERE deliveries.id = CAST(j.key AS INTEGER)"
    conn.execute(sql, (json.dumps(ack_us),))


def add_counts(conn: sqlite3.Connection, hour_ms: int, counts: Mapping[str, int]) -> None:
    """Add to the counts of an hour."""
    sql = "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
    conn.executemany(sql, [(hour_ms, name, count) for name, count in counts.items()])


def refused_size(conn: sqlite3.Connection) -> tuple[int, int]:
    """How many refused deliveries are kept, and the bytes of their bodies."""
    sql = "SELECT count(*), coalesce(sum(length(body)), 0) FROM deliveries WHERE http_status <> 200"
    rows, size = conn.execute(sql).fetchone()
    return rows, size


def drop_refused(conn: sqlite3.Connection, rows: int) -> int:
    """Delete the oldest refused deliveries, so many; how many there were."""
    oldest = "SELECT id FROM deliveries WHERE http_status <> 200 ORDER BY id LIMIT ?"
    return conn.execute(f"DELETE FROM deliveries WHERE id IN ({oldest})", (rows,)).rowcount


def add_exchange(conn: sqlite3.Connection, exchange: Exchange) -> int:
    """Store an exchange; its id. One that has ended already takes the next place in the order of endings."""
    seq = None if exchange.state == "pending" else conn.execute(_NEXT_SEQ).fetchone()[0]
    cursor = conn.execute(insert("exchanges", _EXCHANGE), (*astuple(exchange), seq))
    return int(cursor.lastrowid or 0)


def finish_exchange(
    conn: sqlite3.Connection,
    exchange_id: int,
    *,
    state: str,
    attempts: int,
    status: int | None,
    response_body: bytes | None,
    error_type: str | None,
    elapsed_ms: int,
) -> None:
    """Write the outcome of a pending exchange into its row."""
    conn.execute(
        f"UPDATE exchanges SET state = ?, attempts = attempts + ?, status = ?, response_body = ?, error_type = ?, "
        f"elapsed_ms = ?, finished_seq = ({_NEXT_SEQ}) WHERE id = ?",
        (state, attempts, status, response_body, error_type, elapsed_ms, exchange_id),
    )


def add_replay(conn: sqlite3.Connection, attempt: Mapping[str, object]) -> None:
    """Note one attempt to send a stored hook again."""
    conn.execute(insert("replays", tuple(attempt)), tuple(attempt.values()))
