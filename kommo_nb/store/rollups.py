"""Rollups: what the dashboard asks for, counted beforehand.

Triggers note the time and the chat of a message in `changed`, in the transaction that writes a message or a report; so
nothing can be forgotten, in whatever order it comes. `store.refresh` then tells what has changed anew, from the
messages themselves.

Lengths of time are counted by steps, eight to each doubling, so that a quantile read from them is within 4.5 % of the
exact one; what is shorter than the first step within 63 ms.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_right

from .versions import PROJECTED, ROLLUPS

QUARTER_MS = 900_000
"""The grain of the counts: the offsets of today's time zones are multiples of it."""
DAY_MS = 86_400_000
"""The grain of the lengths of time; a day of UTC."""

STEPS_PER_OCTAVE = 8
_FIRST_STEP, _OCTAVES = 125, 28
STEPS = (0, *(math.ceil(_FIRST_STEP * 2 ** (n / STEPS_PER_OCTAVE)) for n in range(_OCTAVES * STEPS_PER_OCTAVE)))
"""The least length of each step: of waits and deliveries in ms, of acknowledgements in us."""

STAGES = ("sent", "delivered", "read", "failed")
COLUMNS = ("client", "manager", "bot", *(f"{stage}_{who}" for stage in STAGES for who in ("manager", "bot")))
"""The counts of a quarter of an hour: messages by author, and how far those that the CRM sent got, by author."""

ANY = "*"
NO_TYPE = "unknown"


def step(length: int) -> int:
    """The step that a length belongs to."""
    return STEPS[bisect_right(STEPS, length) - 1]


def add_columns(conn: sqlite3.Connection) -> None:
    """Give messages the columns of migration 007."""
    for column in _COLUMNS:
        conn.execute(f"ALTER TABLE messages ADD COLUMN {column}")
    for name, sql in _GENERATED.items():
        conn.execute(f"ALTER TABLE messages ADD COLUMN {name} GENERATED ALWAYS AS ({sql}) VIRTUAL")


def create(conn: sqlite3.Connection) -> None:
    """Make the tables and triggers of migration 010, and note all that is there as changed.

    Files of versions 007 to 009 had some of another kind; the first ones of 007 also reports that wait in `changes`.
    """
    for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        conn.execute(f"DROP TRIGGER {name}")
    if conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'changes'").fetchone():
        conn.execute(f"{_REPORTED} WHERE message_id IN (SELECT message_id FROM changes)")
    for table in (*ROLLUPS, "steps", "changed", "changes", "stale", "stale_days", "stale_quarters", "stale_chats"):
        conn.execute(f"DROP TABLE IF EXISTS {table}")
    for sql in (*_TABLES, *_INDEXES, *_TRIGGERS):
        conn.execute(sql)
    conn.executemany("INSERT INTO steps (at_least) VALUES (?)", [(each,) for each in STEPS])
    conn.execute("DELETE FROM projection WHERE source = 'hooks'")
    conn.execute("INSERT INTO changed VALUES (0, 0, NULL)")
    quarter = f"sent_at_ms - ((sent_at_ms % {QUARTER_MS}) + {QUARTER_MS}) % {QUARTER_MS}"  # floors, also before 1970
    for sent_at_ms, chat in ((quarter, "NULL"), ("0", "chat")):
        conn.execute(f"INSERT INTO changed (sent_at_ms, chat) SELECT DISTINCT {sent_at_ms}, {chat} FROM messages")


def clear(conn: sqlite3.Connection) -> None:
    """Empty every projected table, in the caller's transaction; at once, as no trigger looks at each row."""
    triggers = conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        conn.execute(f"DROP TRIGGER {name}")
    for table in PROJECTED:
        conn.execute(f"DELETE FROM {table}")
    conn.execute("DELETE FROM changed WHERE id < (SELECT max(id) FROM changed)")
    for _, sql in triggers:
        conn.execute(sql)


# What the CRM sent through the channel waits for reports: by its hook, or by the history that told of it instead.
_SENT = "direction = 'outgoing' AND (delivery_id IS NOT NULL OR (history_id IS NOT NULL AND msgid IS NULL))"
_FIRST = "coalesce(min(delivered_at_ms, read_at_ms), delivered_at_ms, read_at_ms)"
_COLUMNS = (
    "known_chat TEXT",  # the map's id, where the message lacks Kommo's
    *("delivered_at_ms INTEGER", "read_at_ms INTEGER", "failed_at_ms INTEGER"),  # the first report of each, if any
    *("error_code INTEGER", "error TEXT"),
)
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
    "CREATE TABLE steps (at_least INTEGER PRIMARY KEY) STRICT",
    # Some rows count all types together, and some all channels: '*'. `scope_id` is '' where it is not known.
    # `took` is how many messages of one type and channel took how long, as JSON: what these rows add to `lengths`.
    f"""CREATE TABLE quarter_hours (
        type TEXT NOT NULL, quarter_ms INTEGER NOT NULL, scope_id TEXT NOT NULL,
        {", ".join(f"{name} INTEGER NOT NULL" for name in COLUMNS)},
        took TEXT, PRIMARY KEY (type, scope_id, quarter_ms)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX quarter_hours_at ON quarter_hours (quarter_ms)",
    # How many lengths of each kind begin in a day; '*' again counts all channels, authors and types together.
    # The kinds: first_response, response, delivered, read in ms, and ack in us.
    """CREATE TABLE lengths (
        kind TEXT NOT NULL, day_ms INTEGER NOT NULL, scope_id TEXT NOT NULL, author TEXT NOT NULL, type TEXT NOT NULL,
        at_least INTEGER NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (kind, day_ms, scope_id, author, type, at_least)) STRICT, WITHOUT ROWID""",
    # Accepted hooks; a refused one is looked up, for never many are kept.
    """CREATE TABLE hook_quarters (
        quarter_ms INTEGER NOT NULL, scope_id TEXT NOT NULL, verdict TEXT NOT NULL, hooks INTEGER NOT NULL,
        last_ms INTEGER NOT NULL, slow INTEGER NOT NULL, worst_us INTEGER NOT NULL,
        PRIMARY KEY (quarter_ms, scope_id, verdict)) STRICT, WITHOUT ROWID""",
    # One row for each client turn (kind response) and for each session's first client message (first_response).
    # `wait` and `span` are the steps of how long it took from `asked_ms` and from `began_ms`; None while it is open.
    """CREATE TABLE waits (
        kind TEXT NOT NULL, chat TEXT NOT NULL, scope_id TEXT, began_ms INTEGER NOT NULL, asked_ms INTEGER NOT NULL,
        answered_ms INTEGER, wait INTEGER, span INTEGER) STRICT""",
    """CREATE TABLE chat_totals (
        chat TEXT PRIMARY KEY, scope_id TEXT, messages INTEGER NOT NULL, last_ms INTEGER NOT NULL, client_ms INTEGER,
        manager_ms INTEGER, search TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    # What is to be told anew, in the order in which it changed: the quarter of an hour of that time, and the chat from
    # that time on. The first row was told already; it stays, so that no id comes twice.
    "CREATE TABLE changed (id INTEGER PRIMARY KEY, sent_at_ms INTEGER NOT NULL, chat TEXT) STRICT",
)
_INDEXES = (
    # Each index of messages costs as much as the message itself, so only what is asked for has one.
    *(f"DROP INDEX IF EXISTS idx_messages_{name}" for name in ("chat_id_sent_at_ms", "conversation_id", "msgid")),
    "CREATE INDEX IF NOT EXISTS messages_msgid ON messages (msgid) WHERE msgid IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS messages_chat ON messages (chat, sent_at_ms, author)",
    "CREATE INDEX IF NOT EXISTS messages_unmapped ON messages (conversation_id) WHERE chat_id IS NULL",
    """CREATE INDEX IF NOT EXISTS messages_failed ON messages (sent_at_ms, error_code, error, scope_id, author, type)
        WHERE reached = 'failed'""",
    "CREATE INDEX IF NOT EXISTS repeats_at ON repeats (at_ms)",
    "CREATE INDEX IF NOT EXISTS problems_at ON problems (at_ms)",
    "CREATE INDEX IF NOT EXISTS deliveries_received ON deliveries (received_at_ms)",
    """CREATE INDEX IF NOT EXISTS exchanges_of_chats ON exchanges (id)
        WHERE kind IN ('connect','create_chat') AND state = 'done'""",
    "CREATE INDEX IF NOT EXISTS exchanges_failed ON exchanges (created_at_ms) WHERE state = 'failed'",
    "CREATE INDEX waits_chat ON waits (chat, kind, began_ms)",
    "CREATE INDEX waits_asked ON waits (kind, asked_ms, wait, scope_id)",
    "CREATE INDEX waits_open ON waits (kind, began_ms, asked_ms, chat, scope_id) WHERE answered_ms IS NULL",
    """CREATE INDEX waits_open_asked ON waits (kind, asked_ms, began_ms, chat, scope_id)
        WHERE answered_ms IS NULL""",
    "CREATE INDEX waits_span ON waits (kind, span, began_ms, answered_ms) WHERE answered_ms IS NOT NULL",
    "CREATE INDEX chat_totals_last ON chat_totals (last_ms, chat)",
    "CREATE INDEX chat_totals_scope ON chat_totals (scope_id, last_ms)",
    "CREATE INDEX chat_totals_client ON chat_totals (client_ms, manager_ms, last_ms, scope_id)",
)

LATER = 2**62
"""A time behind every message: only what the chat is called has changed."""

_CHANGED = "INSERT INTO changed (sent_at_ms, chat)"
_RENAMED = f"""
    {_CHANGED} SELECT {LATER}, new.chat_id WHERE EXISTS (SELECT 1 FROM messages WHERE chat = new.chat_id);"""
_MAP = """UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND"""
# As `history.forget`, where the chat of a hook of version 1 becomes known after the page of history.
_FORGET = """
    DELETE FROM messages WHERE chat = new.chat_id AND +history_id IS NOT NULL AND chat_id = new.chat_id AND EXISTS (
    SELECT 1 FROM messages v1 WHERE v1.conversation_id = new.conversation_id AND v1.message_id GLOB 'v1-*'
    AND v1.sent_at_ms = messages.sent_at_ms AND v1.type = messages.type AND v1.text IS messages.text);"""
_REPORTED = """
    UPDATE messages SET (delivered_at_ms, read_at_ms, failed_at_ms, error_code, error) = (
    SELECT min(CASE status_code WHEN 1 THEN reported_at_ms END), min(CASE status_code WHEN 2 THEN reported_at_ms END),
           min(CASE status_code WHEN -1 THEN reported_at_ms END),
           max(CASE status_code WHEN -1 THEN error_code END), max(CASE status_code WHEN -1 THEN error END)
    FROM statuses s WHERE s.message_id = messages.message_id)"""
_REPORT = f"{_REPORTED} WHERE message_id = new.message_id;"


def _differs(*names: str) -> str:
    return " OR ".join(f"old.{name} IS NOT new.{name}" for name in names)


_TOLD = ("delivered_at_ms", "read_at_ms", "failed_at_ms", "direction", "delivery_id", "history_id", "msgid")
_COUNTED = ("sent_at_ms", "scope_id", "type", "author")
_WHOSE = ("chat_id", "known_chat", "conversation_id")
_TRIGGERS = (
    f"""CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
        {_CHANGED} VALUES (new.sent_at_ms, new.chat); END""",
    f"""CREATE TRIGGER message_added_by_us AFTER INSERT ON messages WHEN new.chat_id IS NULL BEGIN
        {_MAP} message_id = new.message_id; END""",
    f"""CREATE TRIGGER message_added_late AFTER INSERT ON messages
        WHEN EXISTS (SELECT 1 FROM statuses WHERE message_id = new.message_id) BEGIN {_REPORT} END""",
    f"""CREATE TRIGGER message_counted AFTER UPDATE OF {", ".join(_TOLD)} ON messages WHEN {_differs(*_TOLD)} BEGIN
        {_CHANGED} VALUES (new.sent_at_ms, NULL); END""",
    f"""CREATE TRIGGER message_moved AFTER UPDATE OF {", ".join(_COUNTED + _WHOSE)} ON messages
        WHEN {_differs(*_COUNTED, "chat")} BEGIN
        {_CHANGED} VALUES (old.sent_at_ms, old.chat), (new.sent_at_ms, new.chat); END""",
    f"""CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
        {_CHANGED} VALUES (old.sent_at_ms, old.chat); END""",
    f"CREATE TRIGGER message_reported AFTER INSERT ON statuses BEGIN {_REPORT} END",
    f"""CREATE TRIGGER message_remapped AFTER UPDATE OF chat_id, conversation_id ON messages
        WHEN new.chat_id IS NULL OR new.known_chat IS NOT NULL BEGIN
        UPDATE messages SET known_chat = NULL WHERE message_id = new.message_id AND chat_id IS NOT NULL;
        {_MAP} message_id = new.message_id; END""",
    f"""CREATE TRIGGER chat_added AFTER INSERT ON chats BEGIN
        {_MAP} conversation_id = new.conversation_id; {_RENAMED} END""",
    f"""CREATE TRIGGER chat_mapped AFTER UPDATE ON chats WHEN {_differs("conversation_id")} BEGIN
        {_MAP} conversation_id IN (old.conversation_id, new.conversation_id); {_FORGET} END""",
    f"""CREATE TRIGGER chat_renamed AFTER UPDATE ON chats
        WHEN {_differs("conversation_id", "name", "phone", "email", "client_id")} BEGIN {_RENAMED} END""",
)
