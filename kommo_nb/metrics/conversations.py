"""The chats, and what was said in each."""

from __future__ import annotations

import pandas as pd

from ..store import Store
from .filters import Filter
from .frames import AT, EDIT, LAST, NAME, frame


def conversations(
    store: Store,
    where: Filter | None = None,
    *,
    limit: int = 50,
    search: str | None = None,
    chat_id: str | None = None,
    waiting: bool = False,
) -> pd.DataFrame:
    """The chats with the latest messages.

    Definition: one row per chat, the newest message first. The search looks into name, phone, e-mail and ids.

    Args:
        where: of it the scope counts.
        search: part of a name, phone, e-mail or id, in upper or lower case.
        chat_id: that chat only.
        waiting: only chats that wait for a person's answer.

    Returns: chat_id, name, phone, conversation_id (str), messages (int64), last_at (datetime64[ms, UTC]), author,
    sender_name, type, text (str, of the last message, as edited), waiting (bool, for a person); newest first.
    """
    chosen = ["client_ms > coalesce(manager_ms, -1)"] if waiting else []
    given = {"chat": chat_id, "scope_id": where.scope_id if where else None}
    chosen += [f"{name} = :{name}" for name, value in given.items() if value is not None]
    chosen += ["instr(search, :search)"] if search else []
    in_order = "+last_ms" if search else "last_ms"  # all are read for a search: the plus keeps the index out of it
    sql = f"""
        WITH newest AS (
            SELECT * FROM chat_totals WHERE {" AND ".join(chosen) or 1}
            ORDER BY {in_order} DESC, chat DESC LIMIT :limit)
        SELECT w.chat AS chat_id, {NAME} AS name, c.phone, c.conversation_id, w.messages, last_ms AS last_at, m.author,
               m.sender_name, coalesce(e.type, m.type) AS type, coalesce(e.text, m.text) AS text,
               coalesce(client_ms > coalesce(manager_ms, -1), 0) AS waiting
        FROM newest w LEFT JOIN chats c ON c.chat_id = w.chat LEFT JOIN {LAST} LEFT JOIN {EDIT}
        ORDER BY last_ms DESC, w.chat DESC"""
    columns = dict.fromkeys(("chat_id", "name", "phone", "conversation_id"), "str")
    columns |= {"messages": "int64", "last_at": AT, "author": "str", "sender_name": "str", "type": "str"}
    params = {**given, "limit": limit, "search": search.casefold() if search else None}
    return frame(store, sql, params, {**columns, "text": "str", "waiting": "bool"})


def transcript(store: Store, chat_id: str, *, limit: int = 200) -> pd.DataFrame:
    """A conversation, message by message.

    Definition: the chat's last messages, each as edited last, with how far it got and the reactions that stand.

    Returns: message_id, msgid, author, sender_name, type, text (str), edited (bool), media, file_name (str),
    file_size (Int64, bytes), reply_to_id, reply_to_text (str), sent_at (datetime64[ms, UTC]), delivery (str: read,
    delivered, failed or not reported; NaN unless the CRM sent it), error_code (Int64), error, reactions (str, emoji
    with spaces between them); the oldest first. What a message does not have is NaN.
    """
    sql = f"""
        WITH page AS MATERIALIZED (
            SELECT * FROM messages m
            WHERE chat = :chat_id
            ORDER BY sent_at_ms DESC, message_id DESC LIMIT :limit),
        near AS MATERIALIZED (SELECT * FROM reactions WHERE chat_id = :chat_id OR chat_id IS NULL),
        reacted AS (  -- of each person the last word; SQLite takes the other columns from the row of the maximum
            SELECT m.message_id, r.type, r.emoji, max(r.at_ms) FROM page m
            JOIN near r ON r.message_id = m.message_id OR r.msgid = m.msgid GROUP BY m.message_id, r.user_id),
        sent AS MATERIALIZED (SELECT d.* FROM page JOIN delivery d USING (message_id))
        SELECT m.message_id, m.msgid, m.author, m.sender_name, coalesce(e.type, m.type) AS type,
               coalesce(e.text, m.text) AS text, e.event IS NOT NULL AS edited, coalesce(e.media, m.media) AS media,
               coalesce(e.file_name, m.file_name) AS file_name, coalesce(e.file_size, m.file_size) AS file_size,
               m.reply_to_id, coalesce(nullif(q.text, ''), '[' || q.type || ']') AS reply_to_text,
               m.sent_at_ms AS sent_at, s.status AS delivery, s.error_code, s.error,
               (SELECT group_concat(emoji, ' ') FROM reacted r
                WHERE r.message_id = m.message_id AND r.type = 'react') AS reactions
        FROM page m LEFT JOIN {EDIT}
        LEFT JOIN messages q ON q.message_id = m.reply_to_id LEFT JOIN sent s ON s.message_id = m.message_id
        ORDER BY m.sent_at_ms, m.message_id"""
    texts = ("message_id", "msgid", "author", "sender_name", "type", "text")
    columns = dict.fromkeys(texts, "str") | {"edited": "bool", "media": "str", "file_name": "str", "file_size": "Int64"}
    columns |= {"reply_to_id": "str", "reply_to_text": "str", "sent_at": AT, "delivery": "str", "error_code": "Int64"}
    return frame(store, sql, {"chat_id": chat_id, "limit": limit}, {**columns, "error": "str", "reactions": "str"})
