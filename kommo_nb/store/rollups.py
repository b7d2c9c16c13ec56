"""Rollups: what the dashboard asks for, counted while messages come in.

Triggers count, in the transaction that writes a message or a report, so that the counts cannot drift from what they
count, in whatever order it comes. How long clients waited follows from whole chats: a trigger only marks a chat as
`stale`, and `store.waits` tells its waits anew.

Lengths of time are counted by steps, eight to each doubling, so that a quantile read from them is within 4.5 % of the
exact one; what is shorter than the first step within 63 ms.
"""

from __future__ import annotations

import math
import sqlite3

from .versions import PROJECTED

QUARTER_MS = 900_000
"""The grain of the counts: the offsets of today's time zones are multiples of it."""
DAY_MS = 86_400_000
"""The grain of the lengths of time; a day of UTC."""

STEPS_PER_OCTAVE = 8
_FIRST_STEP, _OCTAVES = 125, 28
STEPS = (0, *(math.ceil(_FIRST_STEP * 2 ** (n / STEPS_PER_OCTAVE)) for n in range(_OCTAVES * STEPS_PER_OCTAVE)))
"""The least length of each step: of waits and deliveries in ms, of acknowledgements in us."""

_SENDERS = ("manager", "bot")
_STAGES = {"sent": "IS NOT NULL", "delivered": "IN ('delivered', 'read')", "read": "= 'read'", "failed": "= 'failed'"}
COLUMNS = ("client", *_SENDERS, *(f"{stage}_{who}" for stage in _STAGES for who in _SENDERS))
"""The counts of a quarter of an hour: messages by author, and how far those that the CRM sent got, by author."""

ANY_TYPE = ""
NO_TYPE = "unknown"


def counts_of(message: str) -> list[str]:
    """SQL for each of `COLUMNS`, 1 or 0, of one message."""
    stages = [
        f"coalesce({message}.author = '{who}' AND {message}.reached {reached}, 0)"
        for reached in _STAGES.values()
        for who in _SENDERS
    ]
    return [*(f"({message}.author = '{who}')" for who in ("client", *_SENDERS)), *stages]


def create(conn: sqlite3.Connection) -> None:
    """Make the tables of migration 007 and the triggers that fill them. Nothing may be projected yet."""
    conn.execute("ALTER TABLE messages ADD COLUMN known_chat TEXT")  # the map's id, where the message lacks Kommo's
    for report in ("delivered", "read", "failed"):
        conn.execute(f"ALTER TABLE messages ADD COLUMN {report}_at_ms INTEGER")  # the first report, if any
    for name, sql in _GENERATED.items():
        conn.execute(f"ALTER TABLE messages ADD COLUMN {name} GENERATED ALWAYS AS ({sql}) VIRTUAL")
    for sql in (*_TABLES, *_TRIGGERS):
        conn.execute(sql)
    conn.executemany("INSERT INTO steps (at_least) VALUES (?)", [(step,) for step in STEPS])


def clear(conn: sqlite3.Connection) -> None:
    """Empty every projected table, in the caller's transaction; at once, as no trigger counts each row down."""
    triggers = conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        conn.execute(f"DROP TRIGGER {name}")
    for table in PROJECTED:
        conn.execute(f"DELETE FROM {table}")
    for _, sql in triggers:
        conn.execute(sql)


# What the CRM sent through the channel waits for reports: by its hook, or by the history that told of it instead.
_SENT = "direction = 'outgoing' AND (delivery_id IS NOT NULL OR (history_id IS NOT NULL AND msgid IS NULL))"
_FIRST = "coalesce(min(delivered_at_ms, read_at_ms), delivered_at_ms, read_at_ms)"
_GENERATED = {
    "chat TEXT": "coalesce(chat_id, known_chat, conversation_id)",
    # Nothing goes back: read beats delivered beats failed, however late or often each is reported.
    "reached TEXT": f"""CASE WHEN NOT ({_SENT}) THEN NULL WHEN read_at_ms IS NOT NULL THEN 'read'
        WHEN delivered_at_ms IS NOT NULL THEN 'delivered' WHEN failed_at_ms IS NOT NULL THEN 'failed'
        ELSE 'not reported' END""",
    "delivered_in_ms INTEGER": f"CASE WHEN {_SENT} THEN max(0, {_FIRST} - sent_at_ms) END",
    "read_in_ms INTEGER": f"CASE WHEN {_SENT} THEN max(0, read_at_ms - sent_at_ms) END",
}

_TABLES = (
    "CREATE INDEX messages_chat ON messages (chat, sent_at_ms, author)",
    "CREATE INDEX messages_unmapped ON messages (conversation_id) WHERE chat_id IS NULL",
    "CREATE INDEX messages_failed ON messages (sent_at_ms) WHERE reached = 'failed'",
    "CREATE TABLE steps (at_least INTEGER PRIMARY KEY) STRICT",
    # `type` is '' in the rows that count all types together, and `scope_id` where it is not known.
    f"""CREATE TABLE quarter_hours (
        type TEXT NOT NULL, quarter_ms INTEGER NOT NULL, scope_id TEXT NOT NULL,
        {", ".join(f"{name} INTEGER NOT NULL" for name in COLUMNS)},
        PRIMARY KEY (type, quarter_ms, scope_id)) STRICT, WITHOUT ROWID""",
    # How many lengths of each kind begin in a day: first_response and response, delivered and read.
    """CREATE TABLE lengths (
        kind TEXT NOT NULL, day_ms INTEGER NOT NULL, scope_id TEXT NOT NULL, author TEXT NOT NULL, type TEXT NOT NULL,
        at_least INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (kind, day_ms, scope_id, author, type, at_least)) STRICT, WITHOUT ROWID""",
    # One row for each client turn (kind response) and for each session's first client message (first_response).
    # `wait` and `span` are the steps of how long it took from `asked_ms` and from `began_ms`; None while it is open.
    """CREATE TABLE waits (
        kind TEXT NOT NULL, chat TEXT NOT NULL, scope_id TEXT, began_ms INTEGER NOT NULL, asked_ms INTEGER NOT NULL,
        answered_ms INTEGER, wait INTEGER, span INTEGER) STRICT""",
    "CREATE INDEX waits_chat ON waits (chat, kind, began_ms)",
    "CREATE INDEX waits_asked ON waits (kind, asked_ms, wait, scope_id, answered_ms)",
    "CREATE INDEX waits_open ON waits (kind, began_ms) WHERE answered_ms IS NULL",
    "CREATE INDEX waits_open_asked ON waits (kind, asked_ms) WHERE answered_ms IS NULL",
    "CREATE INDEX waits_span ON waits (kind, span, began_ms, answered_ms) WHERE answered_ms IS NOT NULL",
    """CREATE TABLE chat_totals (
        chat TEXT PRIMARY KEY, scope_id TEXT, messages INTEGER NOT NULL, last_ms INTEGER NOT NULL, client_ms INTEGER,
        manager_ms INTEGER, search TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX chat_totals_last ON chat_totals (last_ms, chat)",
    # Chats whose waits and totals are to be told anew, from the messages of that time on.
    "CREATE TABLE stale (chat TEXT NOT NULL UNIQUE, since_ms INTEGER NOT NULL) STRICT",
)


# --- triggers ---------------------------------------------------------------------------------------------------------

_LATER = 2**62
"""A time behind every message: only what the chat is called has changed."""


def _count(row: str, sign: str) -> str:
    """Count a message in or out, among all types and among its own."""
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)
    values = ", ".join(f"{sign}{value}" for value in counts_of(row))
    return f"""
        INSERT INTO quarter_hours (type, quarter_ms, scope_id, {", ".join(COLUMNS)})
        SELECT each.type, {row}.sent_at_ms / {QUARTER_MS} * {QUARTER_MS}, coalesce({row}.scope_id, ''), {values}
        FROM (SELECT '{ANY_TYPE}' AS type UNION ALL SELECT coalesce({row}.type, '{NO_TYPE}')) each WHERE true
        ON CONFLICT DO UPDATE SET {added};"""


def _forget_empty(row: str) -> str:
    """A rebuild would not make a row of zeros, so none may stay."""
    return f"""
        DELETE FROM quarter_hours WHERE type IN ('{ANY_TYPE}', coalesce({row}.type, '{NO_TYPE}'))
        AND quarter_ms = {row}.sent_at_ms / {QUARTER_MS} * {QUARTER_MS} AND scope_id = coalesce({row}.scope_id, '')
        AND client + manager + bot = 0;"""


def step(length: str) -> str:
    """SQL for the step that a length belongs to."""
    return f"(SELECT max(at_least) FROM steps WHERE at_least <= {length})"


def _length(row: str, sign: str, kind: str, at: str, at_least: str, *, author: str, type_: str) -> str:
    """Count a length in or out; one that is not known is none."""
    key = (kind, f"{row}.{at} / {DAY_MS} * {DAY_MS}", f"coalesce({row}.scope_id, '')", author, type_, at_least)
    names = ("kind", "day_ms", "scope_id", "author", "type", "at_least")
    if sign == "-":
        where = " AND ".join(f"{name} = {value}" for name, value in zip(names, key, strict=True))
        return f"""
            UPDATE lengths SET count = count - 1 WHERE {where};
            DELETE FROM lengths WHERE {where} AND count = 0;"""
    return f"""
        INSERT INTO lengths ({", ".join(names)}, count) SELECT {", ".join(key)}, 1 WHERE {at_least} IS NOT NULL
        ON CONFLICT DO UPDATE SET count = count + 1;"""


def _delivery_length(row: str, sign: str, kind: str) -> str:
    more = {"author": f"{row}.author", "type_": f"coalesce({row}.type, '{NO_TYPE}')"}
    return _length(row, sign, f"'{kind}'", "sent_at_ms", step(f"{row}.{kind}_in_ms"), **more)


def _wait_length(row: str, sign: str) -> str:
    return _length(row, sign, f"{row}.kind", "asked_ms", f"{row}.wait", author="''", type_="''")


def _mark(row: str) -> str:
    return f"""
        INSERT INTO stale (chat, since_ms) SELECT {row}.chat, {row}.sent_at_ms WHERE {row}.chat IS NOT NULL
        ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms);"""


def _differs(*names: str) -> str:
    return " OR ".join(f"old.{name} IS NOT new.{name}" for name in names)


def _first_report(name: str, code: int) -> str:
    """The earliest report of a kind."""
    known = f"coalesce(min({name}, new.reported_at_ms), new.reported_at_ms)"
    return f"{name} = CASE WHEN new.status_code = {code} THEN {known} ELSE {name} END"


_REPORTS = {"delivered_at_ms": 1, "read_at_ms": 2, "failed_at_ms": -1}
_MAP = """UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND"""
_EARLIER = ", ".join(
    f"{name} = (SELECT min(reported_at_ms) FROM statuses WHERE message_id = new.message_id AND status_code = {code})"
    for name, code in _REPORTS.items()
)
_RENAMED = f"""
    INSERT INTO stale (chat, since_ms) SELECT new.chat_id, {_LATER}
    WHERE EXISTS (SELECT 1 FROM messages WHERE chat = new.chat_id) ON CONFLICT DO NOTHING;"""

_TRIGGERS = (
    f"""CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
        {_count("new", "")} {_mark("new")}
        {_MAP} message_id = new.message_id AND new.chat_id IS NULL;
        UPDATE messages SET {_EARLIER} WHERE message_id = new.message_id
        AND EXISTS (SELECT 1 FROM statuses WHERE message_id = new.message_id); END""",
    f"""CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
        {_count("old", "-")} {_forget_empty("old")} {_mark("old")}
        {_delivery_length("old", "-", "delivered")} {_delivery_length("old", "-", "read")} END""",
    f"""CREATE TRIGGER message_counted AFTER UPDATE ON messages
        WHEN {_differs("sent_at_ms", "scope_id", "type", "author", "reached")} BEGIN
        {_count("old", "-")} {_count("new", "")} {_forget_empty("old")} END""",
    *(
        f"""CREATE TRIGGER message_{kind} AFTER UPDATE ON messages
        WHEN {_differs("sent_at_ms", "scope_id", "type", "author", f"{kind}_in_ms")} BEGIN
        {_delivery_length("old", "-", kind)} {_delivery_length("new", "", kind)} END"""
        for kind in ("delivered", "read")
    ),
    f"""CREATE TRIGGER message_moved AFTER UPDATE ON messages
        WHEN {_differs("chat", "sent_at_ms", "scope_id", "author")} BEGIN {_mark("old")} {_mark("new")} END""",
    f"""CREATE TRIGGER message_mapped AFTER UPDATE OF chat_id, conversation_id ON messages
        WHEN new.chat_id IS NULL BEGIN {_MAP} message_id = new.message_id; END""",
    f"""CREATE TRIGGER message_reported AFTER INSERT ON statuses BEGIN
        UPDATE messages SET {", ".join(_first_report(name, code) for name, code in _REPORTS.items())}
        WHERE message_id = new.message_id; END""",
    f"""CREATE TRIGGER chat_added AFTER INSERT ON chats BEGIN
        {_MAP} conversation_id = new.conversation_id; {_RENAMED} END""",
    f"""CREATE TRIGGER chat_mapped AFTER UPDATE ON chats WHEN {_differs("conversation_id")} BEGIN
        {_MAP} conversation_id IN (old.conversation_id, new.conversation_id); END""",
    f"""CREATE TRIGGER chat_renamed AFTER UPDATE ON chats
        WHEN {_differs("conversation_id", "name", "phone", "email", "client_id")} BEGIN {_RENAMED} END""",
    f"CREATE TRIGGER wait_added AFTER INSERT ON waits BEGIN {_wait_length('new', '')} END",
    f"CREATE TRIGGER wait_removed AFTER DELETE ON waits BEGIN {_wait_length('old', '-')} END",
)
