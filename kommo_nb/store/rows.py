"""The rows that hooks and calls lead to, written so that the order of arrival never shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from ..wire.reading import Participant
from .log import insert

Row = dict[str, Any]


def content(fields: Row) -> Row:
    """What a message holds, by column."""
    return {key: fields.get(key) for key in ("type", "text", "media", "thumbnail", "file_name", "file_size")}


def bots(conn: sqlite3.Connection) -> set[str]:
    """The bots of the known channels."""
    return {bot_id for (bot_id,) in conn.execute("SELECT bot_id FROM channels")}


def ignore_known(conn: sqlite3.Connection, table: str, row: Row) -> None:
    """Insert a ledger row; reading the same raw row again changes nothing."""
    conn.execute(f"INSERT OR IGNORE {_into(table, tuple(row))}", row)


@cache
def _into(table: str, columns: tuple[str, ...]) -> str:
    return f"INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + column for column in columns)})"


def insert_messages(conn: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Insert messages of which nothing is known yet, all with the same columns."""
    if rows:
        conn.executemany(insert("messages", tuple(rows[0])), [tuple(row.values()) for row in rows])


def upsert_message(conn: sqlite3.Connection, row: Row) -> int | None:
    """Insert, or complete what is known: of several hooks the first counts, and calls fill what it leaves open.

    What only history had told gives way, so that a message is the same whether it was imported meanwhile or not.
    Returns the id of the hook that counts.
    """
    row = {"msgid": None, "media_group_id": None, "history_id": None} | row
    delivery_id: int | None
    ((delivery_id,),) = conn.execute(_upsert_message_sql(tuple(row)), row).fetchall()
    return delivery_id


@cache
def _upsert_message_sql(columns: tuple[str, ...]) -> str:
    if "exchange_id" in columns:
        keep = "coalesce(messages.{0}, excluded.{0})"
    else:
        keep = "CASE WHEN messages.delivery_id IS NULL THEN coalesce(excluded.{0}, messages.{0}) ELSE messages.{0} END"
    update = f"{{0}} = CASE WHEN messages.history_id IS NOT NULL THEN excluded.{{0}} ELSE {keep} END"
    updates = ", ".join(update.format(column) for column in columns if column != "message_id")
    return f"INSERT {_into('messages', columns)} ON CONFLICT (message_id) DO UPDATE SET {updates} RETURNING delivery_id"


def _latest(column: str) -> str:
    """SQL that keeps the value of the later time, of two at one time the greater: the order of arrival never shows."""
    newer = f"(excluded.{column}_at_ms, excluded.{column}) > (coalesce(chats.{column}_at_ms, -1), chats.{column})"
    when = f"CASE WHEN excluded.{column} IS NOT NULL AND (chats.{column} IS NULL OR {newer}) THEN"
    return ", ".join(f"{name} = {when} excluded.{name} ELSE chats.{name} END" for name in (column, f"{column}_at_ms"))


_FIXED = ("conversation_id", "scope_id", "client_id", "client_ref_id", "source")
_CHANGING = ("name", "phone", "email")
# An id that is known stays; should two events disagree, the smaller one stands, whichever came first.
_CHAT_UPDATES = ", ".join(
    [f"{key} = coalesce(min(chats.{key}, excluded.{key}), chats.{key}, excluded.{key})" for key in _FIXED]
    + [_latest(key) for key in _CHANGING]
)
_CHAT = ("chat_id", *_FIXED, *(column for key in _CHANGING for column in (key, f"{key}_at_ms")))
_UPSERT_CHAT = f"{insert('chats', _CHAT)} ON CONFLICT (chat_id) DO UPDATE SET {_CHAT_UPDATES}"


class Seen(NamedTuple):
    """What one event tells of a chat."""

    chat_id: str
    conversation_id: str | None
    scope_id: str
    client: Participant
    at_ms: int
    source: str | None


def upsert_chats(conn: sqlite3.Connection, seen: Iterable[Seen]) -> None:
    """Insert chats, or complete what is known of them."""
    conn.executemany(_UPSERT_CHAT, map(_chat, seen))


def _chat(seen: Seen) -> tuple[Any, ...]:
    client = seen.client
    fixed = (seen.conversation_id, seen.scope_id, client.client_id, client.id or None, seen.source)
    known = (client.name, client.phone, client.email)
    return (seen.chat_id, *fixed, *(each for value in known for each in (value, seen.at_ms if value else None)))
