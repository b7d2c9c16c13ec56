"""The raw rows: deliveries and exchanges, append-only.

Plain `sqlite3`, because the receiver lives on this path and sqlite-utils commits single rows three times slower.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, fields

from ..wire.records import Delivery, Exchange


def _insert(table: str, row: type, *more: str) -> str:
    columns = [field.name for field in fields(row)] + list(more)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_INSERT_DELIVERY = _insert("deliveries", Delivery)
_INSERT_EXCHANGE = _insert("exchanges", Exchange, "finished_seq")
_NEXT_SEQ = "SELECT coalesce(max(finished_seq), 0) + 1 FROM exchanges"


def add_deliveries(conn: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
    """Store deliveries in the caller's transaction, or each in its own without one."""
    conn.executemany(_INSERT_DELIVERY, map(astuple, deliveries))


def add_exchange(conn: sqlite3.Connection, exchange: Exchange) -> int:
    """Store an exchange; its id. One that has ended already takes the next place in the order of endings."""
    seq = None if exchange.state == "pending" else conn.execute(_NEXT_SEQ).fetchone()[0]
    cursor = conn.execute(_INSERT_EXCHANGE, (*astuple(exchange), seq))
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
