"""Raw rows → messages, edits, statuses, chats, reactions, typings, problems.

Incremental: two cursors tell how far each raw table has been read, and move in the same transaction as the rows they
lead to. Independent of order: what a table holds follows from the set of raw rows, not from when each was read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from ..wire.hooks import (
    Hook,
    MessageHook,
    MessageHookV1,
    ReactionHook,
    TypingHook,
    UnknownHook,
    parse_hook,
)
from ..wire.reading import Fields, Unreadable
from ..wire.signing import Verdict
from . import history
from .calls import CALLS, Call, json_object
from .rows import Row, Seen, bots, content, ignore_known, insert_messages, upsert_chats, upsert_message

BATCH, LARGE_BATCH = 25, 200
"""Raw rows projected in one transaction: about a millisecond, for a receiver may wait for the write lock; and at most,
where many rows have waited."""

_TRUSTED = tuple(verdict.value for verdict in Verdict if verdict.ok)

# What a body of unknown shape may raise: while it is taken apart, or where SQLite refuses a value of it.
_UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, Unreadable),
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError),
)


Step = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True)
class Batch:
    """Raw rows that were read and parsed, which takes longer than to write what they lead to.

    Attributes:
        source: `deliveries` or `exchanges`.
        after, to: the cursor before and behind it.
        size: raw rows.
        since_ms: when the first of them was stored.
        steps: what is to be written, in order.
    """

    source: str
    after: int
    to: int
    size: int
    since_ms: int
    steps: Sequence[Step]


def read(conn: sqlite3.Connection, *, hurry: float) -> Batch | None:
    """The next raw rows, parsed, the more the greater the hurry; None when all are projected. Needs no transaction."""
    size = int(min(LARGE_BATCH, BATCH * hurry))
    return _read_deliveries(conn, size) or _read_exchanges(conn, size)


def write(conn: sqlite3.Connection, batch: Batch) -> int:
    """Write a batch in the caller's transaction; how many raw rows it had, 0 if somebody else has been quicker."""
    if _read_to(conn, batch.source) != batch.after:
        return 0
    for step in batch.steps:
        step(conn)
    conn.execute("INSERT OR REPLACE INTO projection (source, read_to) VALUES (?, ?)", (batch.source, batch.to))
    return batch.size


def _read_deliveries(conn: sqlite3.Connection, size: int) -> Batch | None:
    after = _read_to(conn, "deliveries")
    sql = "SELECT id, received_at_ms, scope_id, body, verdict FROM deliveries WHERE id > ? ORDER BY id LIMIT ?"
    rows = conn.execute(sql, (after, size)).fetchall()
    received = [
        Received(id_, at_ms, scope_id, parse_hook(body))
        for id_, at_ms, scope_id, body, verdict in rows
        if verdict in _TRUSTED
    ]
    steps = [partial(_project_hooks, received=received)]
    return Batch("deliveries", after, rows[-1][0], len(rows), rows[0][1], steps) if rows else None


def _read_exchanges(conn: sqlite3.Connection, size: int) -> Batch | None:
    after = _read_to(conn, "exchanges")
    sql = (
        "SELECT finished_seq, id, created_at_ms, kind, path, request_body, response_body, state FROM exchanges "
        "WHERE finished_seq > ? ORDER BY finished_seq LIMIT ?"
    )
    rows = conn.execute(sql, (after, size)).fetchall()
    steps = [partial(_project_call, row=row[1:-1]) for row in rows if row[-1] == "done" and row[3] in CALLS]
    return Batch("exchanges", after, rows[-1][0], len(rows), rows[0][2], steps) if rows else None


def _project_call(conn: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    id_, created_at_ms, kind, path, request_body, response_body = row
    try:
        call = Call(id_, created_at_ms, path, json.loads(request_body or b"{}"), json_object(response_body))
        CALLS[kind](conn, call)
    except _UNREADABLE as problem:
        reason = f"{kind}: the call or its answer has an unknown shape ({type(problem).__name__})"
        ignore_known(conn, "problems", {"event": f"e{id_}", "at_ms": created_at_ms, "reason": reason})


def _read_to(conn: sqlite3.Connection, source: str) -> int:
    row = conn.execute("SELECT read_to FROM projection WHERE source = ?", (source,)).fetchone()
    return row[0] if row else 0


# --- hooks ------------------------------------------------------------------------------------------------------------


class Received(NamedTuple):
    """A hook, and the row that it came in."""

    id: int
    at_ms: int
    scope_id: str
    hook: Hook


def _project_hooks(conn: sqlite3.Connection, received: Sequence[Received]) -> None:
    """Messages that nothing has told of yet, as nearly all are, in one statement; then each of the others."""
    channel_bots = bots(conn)
    hooks = [(each, each.hook) for each in received if isinstance(each.hook, MessageHook)]
    new = {hook.message_id: each.id for each, hook in reversed(hooks)}
    # Not by json_each, which ends a text at its first zero byte.
    known = f"SELECT message_id FROM messages WHERE message_id IN ({', '.join('?' * len(new))})"
    for (message_id,) in conn.execute(known, [*new]).fetchall():
        del new[message_id]
    brought = {*new.values()}
    insert_messages(conn, [_message(each, hook, channel_bots) for each, hook in hooks if each.id in brought])
    upsert_chats(conn, [_seen(each, hook) for each, hook in hooks])
    for each in received:
        if each.id not in brought:
            _project_hook(conn, each, channel_bots)


def _project_hook(conn: sqlite3.Connection, each: Received, channel_bots: Container[str]) -> None:
    event, at_ms, hook = f"d{each.id}", each.at_ms, each.hook
    match hook:
        case MessageHook():
            _complete(conn, each, _message(each, hook, channel_bots))
        case MessageHookV1():
            message = _message_v1(each, hook)
            _complete(conn, each, message)
            history.forget(conn, message)
        case TypingHook():
            expired = hook.expired_at_s * 1000 if hook.expired_at_s else None
            ignore_known(conn, "typings", {"event": event, **_where(hook), "at_ms": at_ms, "expired_at_ms": expired})
        case ReactionHook():
            what = {"message_id": hook.message_id, "msgid": hook.msgid, "type": hook.type, "emoji": hook.emoji}
            ignore_known(conn, "reactions", {"event": event, **_where(hook), **what, "at_ms": at_ms})
        case UnknownHook():
            ignore_known(conn, "problems", {"event": event, "at_ms": at_ms, "reason": hook.reason})


def _complete(conn: sqlite3.Connection, each: Received, message: Row) -> None:
    if upsert_message(conn, message) != each.id:  # an earlier hook had brought the message
        ignore_known(conn, "repeats", {"event": f"d{each.id}", "scope_id": each.scope_id, "at_ms": each.at_ms})


def _where(hook: TypingHook | ReactionHook) -> Row:
    return {"chat_id": hook.chat_id, "conversation_id": hook.conversation_id, "user_id": hook.user_id}


def _seen(each: Received, hook: MessageHook) -> Seen:
    return Seen(hook.chat_id, hook.conversation_id, each.scope_id, hook.receiver, hook.sent_at_ms, hook.source)


def _message(each: Received, hook: MessageHook, channel_bots: Container[str]) -> Row:
    quoted = (hook.reply_to or {}).get("message")
    return {
        "message_id": hook.message_id,
        "scope_id": each.scope_id,
        "chat_id": hook.chat_id,
        "conversation_id": hook.conversation_id,
        "direction": "outgoing",
        "author": "bot" if hook.sender.id in channel_bots else "manager",
        "sender_id": hook.sender.id,
        "sender_name": hook.sender.name,
        **content(vars(hook)),
        "media_group_id": hook.media_group_id,
        "reply_to_id": Fields(quoted, "reply_to").text("id") if isinstance(quoted, dict) else None,
        "post_id": hook.post_id,
        "sent_at_ms": hook.sent_at_ms,
        "delivery_id": each.id,
    }


def _message_v1(each: Received, hook: MessageHookV1) -> Row:
    identity = [hook.conversation_id, hook.sent_at_ms, hook.type, hook.text, hook.media]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    row = {"message_id": f"v1-{digest}", "scope_id": each.scope_id, "conversation_id": hook.conversation_id}
    fixed = {"direction": "outgoing", "author": "manager", "sent_at_ms": hook.sent_at_ms, "delivery_id": each.id}
    return {**row, **fixed, **content(vars(hook)), "media_group_id": hook.media_group_id}
