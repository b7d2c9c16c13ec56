"""Raw rows → messages, edits, statuses, chats, reactions, typings, problems.

Incremental: two cursors tell how far each raw table has been read, and move in the same transaction as the rows they
lead to. Independent of order: what a table holds follows from the set of raw rows, not from when each was read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any

from ..wire.hooks import (
    Hook,
    MessageHook,
    MessageHookV1,
    ReactionHook,
    TypingHook,
    UnknownHook,
    parse_hook,
)
from ..wire.reading import Fields, Participant
from ..wire.signing import Verdict
from .schema import PROJECTED

BATCH = 50
"""Raw rows read in one transaction: some 10 ms, so that a receiver never waits long for the write lock."""

_TRUSTED = tuple(verdict.value for verdict in Verdict if verdict.ok)

# What a body of unknown shape may raise: while it is taken apart, or where SQLite refuses a value of it.
_UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError),
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError),
)

Row = dict[str, Any]


def advance(conn: sqlite3.Connection) -> int:
    """Project the next batch in the caller's transaction; how many raw rows it read, 0 when all is done."""
    return _advance_deliveries(conn) + _advance_exchanges(conn)


def clear(conn: sqlite3.Connection) -> None:
    """Empty every projected table, in the caller's transaction."""
    for table in PROJECTED:
        conn.execute(f"DELETE FROM {table}")


def _advance_deliveries(conn: sqlite3.Connection) -> int:
    sql = "SELECT id, received_at_ms, scope_id, body, verdict FROM deliveries WHERE id > ? ORDER BY id LIMIT ?"
    rows = conn.execute(sql, (_read_to(conn, "deliveries"), BATCH)).fetchall()
    for id_, received_at_ms, scope_id, body, verdict in rows:
        if verdict in _TRUSTED:
            _project_hook(conn, id_, received_at_ms, scope_id, parse_hook(body))
    return _moved(conn, "deliveries", rows, key=0)


def _advance_exchanges(conn: sqlite3.Connection) -> int:
    sql = (
        "SELECT finished_seq, id, created_at_ms, kind, path, request_body, response_body, state FROM exchanges "
        "WHERE finished_seq > ? ORDER BY finished_seq LIMIT ?"
    )
    rows = conn.execute(sql, (_read_to(conn, "exchanges"), BATCH)).fetchall()
    for _, id_, created_at_ms, kind, path, request_body, response_body, state in rows:
        if state == "done" and kind in _CALLS:
            try:
                call = _Call(id_, created_at_ms, path, json.loads(request_body), _json_object(response_body))
                _CALLS[kind](conn, call)
            except _UNREADABLE as problem:
                reason = f"{kind}: the call or its answer has an unknown shape ({type(problem).__name__})"
                _ignore_known(conn, "problems", {"event": f"e{id_}", "at_ms": created_at_ms, "reason": reason})
    return _moved(conn, "exchanges", rows, key=0)


def _read_to(conn: sqlite3.Connection, source: str) -> int:
    row = conn.execute("SELECT read_to FROM projection WHERE source = ?", (source,)).fetchone()
    return row[0] if row else 0


def _moved(conn: sqlite3.Connection, source: str, rows: list[Any], *, key: int) -> int:
    if rows:
        conn.execute("INSERT OR REPLACE INTO projection (source, read_to) VALUES (?, ?)", (source, rows[-1][key]))
    return len(rows)


# --- hooks ------------------------------------------------------------------------------------------------------------


def _project_hook(conn: sqlite3.Connection, id_: int, received_at_ms: int, scope_id: str, hook: Hook) -> None:
    event = f"d{id_}"
    match hook:
        case MessageHook():
            _hook_message(conn, id_, scope_id, hook)
        case MessageHookV1():
            _hook_message_v1(conn, id_, scope_id, hook)
        case TypingHook():
            expired = hook.expired_at_s * 1000 if hook.expired_at_s else None
            row = {"event": event, **_where(hook), "at_ms": received_at_ms, "expired_at_ms": expired}
            _ignore_known(conn, "typings", row)
        case ReactionHook():
            what = {"message_id": hook.message_id, "msgid": hook.msgid, "type": hook.type, "emoji": hook.emoji}
            _ignore_known(conn, "reactions", {"event": event, **_where(hook), **what, "at_ms": received_at_ms})
        case UnknownHook():
            _ignore_known(conn, "problems", {"event": event, "at_ms": received_at_ms, "reason": hook.reason})


def _where(hook: TypingHook | ReactionHook) -> Row:
    return {"chat_id": hook.chat_id, "conversation_id": hook.conversation_id, "user_id": hook.user_id}


def _hook_message(conn: sqlite3.Connection, id_: int, scope_id: str, hook: MessageHook) -> None:
    quoted = (hook.reply_to or {}).get("message")
    _upsert_message(
        conn,
        {
            "message_id": hook.message_id,
            "scope_id": scope_id,
            "chat_id": hook.chat_id,
            "conversation_id": hook.conversation_id,
            "direction": "outgoing",
            "author": "bot" if _is_bot(conn, hook.sender.id) else "manager",
            "sender_id": hook.sender.id,
            "sender_name": hook.sender.name,
            **_content(vars(hook)),
            "media_group_id": hook.media_group_id,
            "reply_to_id": Fields(quoted, "reply_to").text("id") if isinstance(quoted, dict) else None,
            "post_id": hook.post_id,
            "sent_at_ms": hook.sent_at_ms,
            "delivery_id": id_,
        },
    )
    _upsert_chat(conn, hook.chat_id, hook.conversation_id, scope_id, hook.receiver, hook.sent_at_ms, hook.source)


def _hook_message_v1(conn: sqlite3.Connection, id_: int, scope_id: str, hook: MessageHookV1) -> None:
    content = [hook.conversation_id, hook.sent_at_ms, hook.type, hook.text, hook.media]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
    row = {"message_id": f"v1-{digest}", "scope_id": scope_id, "conversation_id": hook.conversation_id}
    fixed = {"direction": "outgoing", "author": "manager", "sent_at_ms": hook.sent_at_ms, "delivery_id": id_}
    _upsert_message(conn, {**row, **fixed, **_content(vars(hook)), "media_group_id": hook.media_group_id})


# --- calls ------------------------------------------------------------------------------------------------------------


class _Call:
    """A finished exchange, its bodies decoded."""

    def __init__(self, id_: int, at_ms: int, path: str, request: Row, response: Row) -> None:
        self.id, self.at_ms, self.request, self.response = id_, at_ms, request, response
        self.event = f"e{id_}"
        self.parts = path.removeprefix("/v2/origin/custom/").split("/")
        self.scope_id = self.parts[0]


def _call_send(conn: sqlite3.Connection, call: _Call) -> None:
    payload, answer = call.request["payload"], call.response["new_message"]
    sender, receiver = payload["sender"], payload.get("receiver")
    client = sender if receiver is None else receiver
    # The documentation of amocrm.ru shows our own conversation_id here; logged traffic has the CRM's.
    answered = answer.get("conversation_id")
    chat_id = payload.get("conversation_ref_id") or (answered if answered != payload["conversation_id"] else None)
    sender_id = sender.get("ref_id") or answer.get("sender_id") or None
    author = "client" if receiver is None else "bot" if _is_bot(conn, sender_id) else "manager"
    _upsert_message(
        conn,
        {
            "message_id": answer["msgid"],
            "msgid": payload["msgid"],
            "scope_id": call.scope_id,
            "chat_id": chat_id,
            "conversation_id": payload["conversation_id"],
            "direction": "incoming" if receiver is None else "outgoing",
            "author": author,
            "sender_id": sender_id,
            "sender_name": sender.get("name"),
            **_content(payload["message"]),
            "reply_to_id": payload.get("reply_to", {}).get("message", {}).get("id"),
            "post_id": payload["message"].get("post", {}).get("id"),
            "sent_at_ms": payload["msec_timestamp"],
            "exchange_id": call.id,
        },
    )
    if chat_id:
        ref_id = answer.get("sender_id") if receiver is None else answer.get("receiver_id")
        person = _participant(client, ref_id)
        source = payload.get("source", {}).get("external_id")
        args = (chat_id, payload["conversation_id"], call.scope_id, person, payload["msec_timestamp"], source)
        _upsert_chat(conn, *args)


def _call_edit(conn: sqlite3.Connection, call: _Call) -> None:
    payload = call.request["payload"]
    names = {"event": call.event, "message_id": payload.get("id"), "msgid": payload.get("msgid")}
    row = {**names, **_content(payload["message"]), "edited_at_ms": payload["msec_timestamp"]}
    _ignore_known(conn, "edits", row)


def _call_create_chat(conn: sqlite3.Connection, call: _Call) -> None:
    request, answer = call.request, call.response
    person = _participant(request["user"], answer.get("user", {}).get("id"))
    source = request.get("source", {}).get("external_id")
    _upsert_chat(conn, answer["id"], request["conversation_id"], call.scope_id, person, call.at_ms, source)


def _call_delivery_status(conn: sqlite3.Connection, call: _Call) -> None:
    status = {key: call.request.get(key) for key in ("status_code", "error_code", "error")}
    row = {"event": call.event, "message_id": call.parts[1], **status, "reported_at_ms": call.at_ms}
    _ignore_known(conn, "statuses", row)


def _call_typing(conn: sqlite3.Connection, call: _Call) -> None:
    request = call.request
    who = {"conversation_id": request["conversation_id"], "user_id": request["sender"]["id"]}
    expired_at_ms = call.at_ms + request.get("duration_ms", 5000)
    _ignore_known(conn, "typings", {"event": call.event, **who, "at_ms": call.at_ms, "expired_at_ms": expired_at_ms})


def _call_react(conn: sqlite3.Connection, call: _Call) -> None:
    request, user = call.request, call.request.get("user", {})
    chat = {"chat_id": request.get("conversation_ref_id"), "conversation_id": request.get("conversation_id")}
    what = {"message_id": request.get("id"), "msgid": request.get("msgid"), "emoji": request.get("emoji")}
    who = {"user_id": user.get("ref_id") or user.get("id"), "type": request["type"], "at_ms": call.at_ms}
    _ignore_known(conn, "reactions", {"event": call.event, **chat, **what, **who})


_CALLS = {
    "send": _call_send,
    "edit": _call_edit,
    "create_chat": _call_create_chat,
    "delivery_status": _call_delivery_status,
    "typing": _call_typing,
    "react": _call_react,
}


def _json_object(body: bytes | None) -> Row:
    value = json.loads(body) if body else {}
    return value if isinstance(value, dict) else {}


def _participant(person: Row, ref_id: str | None) -> Participant:
    profile = person.get("profile") or {}
    contact = {key: profile.get(key) for key in ("phone", "email")}
    return Participant(id=ref_id or "", client_id=person.get("id"), name=person.get("name"), **contact)


# --- rows -------------------------------------------------------------------------------------------------------------


def _content(fields: Row) -> Row:
    return {key: fields.get(key) for key in ("type", "text", "media", "thumbnail", "file_name", "file_size")}


def _is_bot(conn: sqlite3.Connection, sender_id: str | None) -> bool:
    return conn.execute("SELECT 1 FROM channels WHERE bot_id = ?", (sender_id,)).fetchone() is not None


def _ignore_known(conn: sqlite3.Connection, table: str, row: Row) -> None:
    """Insert a ledger row; reading the same raw row again changes nothing."""
    conn.execute(f"INSERT OR IGNORE {_into(table, row)}", row)


def _into(table: str, row: Row) -> str:
    return f"INTO {table} ({', '.join(row)}) VALUES ({', '.join(':' + key for key in row)})"


def _upsert_message(conn: sqlite3.Connection, row: Row) -> None:
    """Insert, or complete what is known: of several hooks the first counts, and calls fill what it leaves open."""
    if "exchange_id" in row:
        keep = "coalesce(messages.{0}, excluded.{0})"
    else:
        keep = "CASE WHEN messages.delivery_id IS NULL THEN coalesce(excluded.{0}, messages.{0}) ELSE messages.{0} END"
    updates = ", ".join(f"{key} = {keep.format(key)}" for key in row if key != "message_id")
    conn.execute(f"INSERT {_into('messages', row)} ON CONFLICT (message_id) DO UPDATE SET {updates}", row)


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


def _upsert_chat(
    conn: sqlite3.Connection,
    chat_id: str,
    conversation_id: str | None,
    scope_id: str,
    client: Participant,
    at_ms: int,
    source: str | None,
) -> None:
    ids = {"chat_id": chat_id, "conversation_id": conversation_id, "scope_id": scope_id, "source": source}
    ids |= {"client_id": client.client_id, "client_ref_id": client.id or None}
    known = {key: getattr(client, key) for key in _CHANGING}
    times = {f"{key}_at_ms": at_ms if value else None for key, value in known.items()}
    row = {**ids, **known, **times}
    conn.execute(f"INSERT {_into('chats', row)} ON CONFLICT (chat_id) DO UPDATE SET {_CHAT_UPDATES}", row)
