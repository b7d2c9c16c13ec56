"""Messages that only history tells of: which they are, and how they give way to the hook or call that comes later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable

from ..wire.answers import HistoryMessage
from .rows import Row

Query = Callable[[str, Row], list[Row]]
"""`Store.query`."""

# A hook of version 1 has no message id: its message is known again by its conversation, its time and what it says.
_IN_V1 = """
    SELECT 1 FROM messages WHERE message_id GLOB 'v1-*' AND sent_at_ms = {0}sent_at_ms AND type = {0}type
    AND text IS {0}text AND conversation_id = (SELECT conversation_id FROM chats WHERE chat_id = :chat_id)"""


def unknown(query: Query, chat_id: str, messages: Iterable[HistoryMessage]) -> set[str]:
    """The ids of those messages of a chat that the store does not hold."""
    items = [[each.message_id, each.sent_at_ms, each.type, each.text] for each in messages]
    columns = ("message_id", "sent_at_ms", "type", "text")
    given = ", ".join(f"value ->> {number} AS {name}" for number, name in enumerate(columns))
    sql = f"""
        SELECT message_id FROM (SELECT {given} FROM json_each(:items)) given
        WHERE NOT EXISTS (SELECT 1 FROM messages WHERE message_id = given.message_id)
          AND NOT EXISTS ({_IN_V1.format("given.")})"""
    return {row["message_id"] for row in query(sql, {"items": json.dumps(items), "chat_id": chat_id})}


def imported(query: Query, scope_id: str, *, after: int) -> list[Row]:
    """The messages that only history tells of, imported after that exchange, oldest first."""
    sql = "SELECT * FROM messages WHERE history_id > :after AND scope_id = :scope_id ORDER BY sent_at_ms, message_id"
    return query(sql, {"after": after, "scope_id": scope_id})


def add(conn: sqlite3.Connection, row: Row) -> None:
    """Insert a message that stands in history, unless a hook, a call or an earlier page has told of it."""
    values = ", ".join(f":{key}" for key in row)
    known = _IN_V1.format(":")
    conn.execute(f"INSERT OR IGNORE INTO messages ({', '.join(row)}) SELECT {values} WHERE NOT EXISTS ({known})", row)


def forget(conn: sqlite3.Connection, v1: Row) -> None:
    """Delete the message of this hook of version 1 where history had told of it under Kommo's id."""
    sql = """
        DELETE FROM messages WHERE history_id IS NOT NULL AND sent_at_ms = :sent_at_ms AND type = :type
        AND text IS :text AND chat_id IN (SELECT chat_id FROM chats WHERE conversation_id = :conversation_id)"""
    conn.execute(sql, v1)
