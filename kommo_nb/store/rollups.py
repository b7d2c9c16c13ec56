"""Rollups: what the dashboard asks for, counted beforehand.

Triggers note which messages are not counted yet, or no longer as they were, in the transaction that writes a message or
a report; so nothing can be forgotten, in whatever order it comes. `store.counting` and `store.waits` then count many of
them together.

Lengths of time are counted by steps, eight to each doubling, so that a quantile read from them is within 4.5 % of the
exact one; what is shorter than the first step within 63 ms.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_right

from .versions import PROJECTED

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


def create(conn: sqlite3.Connection) -> None:
    """Make the tables of migration 007 and their triggers. Nothing may be projected yet."""
    for column in _COLUMNS:
        conn.execute(f"ALTER TABLE messages ADD COLUMN {column}")
    for name, sql in _GENERATED.items():
        conn.execute(f"ALTER TABLE messages ADD COLUMN {name} GENERATED ALWAYS AS ({sql}) VIRTUAL")
    for sql in (*_TABLES, *_TRIGGERS):
        conn.execute(sql)
    conn.executemany("INSERT INTO steps (at_least) VALUES (?)", [(each,) for each in STEPS])


def clear(conn: sqlite3.Connection) -> None:
    """Empty every projected table, in the caller's transaction; at once, as no trigger looks at each row."""
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
    "DROP INDEX idx_messages_chat_id_sent_at_ms",
    "CREATE INDEX messages_chat ON messages (chat, sent_at_ms, author)",
    "CREATE INDEX messages_unmapped ON messages (conversation_id) WHERE chat_id IS NULL",
    """CREATE INDEX messages_failed ON messages (sent_at_ms, error_code, error, scope_id, author, type)
        WHERE reached = 'failed'""",
    "CREATE TABLE steps (at_least INTEGER PRIMARY KEY) STRICT",
    # Some rows count all types together, and some all channels: '*'. `scope_id` is '' where it is not known.
    f"""CREATE TABLE quarter_hours (
        type TEXT NOT NULL, quarter_ms INTEGER NOT NULL, scope_id TEXT NOT NULL,
        {", ".join(f"{name} INTEGER NOT NULL" for name in COLUMNS)},
        PRIMARY KEY (type, scope_id, quarter_ms)) STRICT, WITHOUT ROWID""",
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
    # Hooks that brought a message again.
    "CREATE TABLE repeats (event TEXT PRIMARY KEY, scope_id TEXT, at_ms INTEGER NOT NULL) STRICT",
    "CREATE INDEX repeats_at ON repeats (at_ms)",
    "CREATE INDEX problems_at ON problems (at_ms)",
    "CREATE INDEX deliveries_received ON deliveries (received_at_ms)",
    "CREATE INDEX exchanges_of_chats ON exchanges (id) WHERE kind IN ('connect','create_chat') AND state = 'done'",
    "CREATE INDEX exchanges_failed ON exchanges (created_at_ms) WHERE state = 'failed'",
    # One row for each client turn (kind response) and for each session's first client message (first_response).
    # `wait` and `span` are the steps of how long it took from `asked_ms` and from `began_ms`; None while it is open.
    """CREATE TABLE waits (
        kind TEXT NOT NULL, chat TEXT NOT NULL, scope_id TEXT, began_ms INTEGER NOT NULL, asked_ms INTEGER NOT NULL,
        answered_ms INTEGER, wait INTEGER, span INTEGER) STRICT""",
    "CREATE INDEX waits_chat ON waits (chat, kind, began_ms)",
    "CREATE INDEX waits_asked ON waits (kind, asked_ms, wait, scope_id)",
    "CREATE INDEX waits_open ON waits (kind, began_ms, asked_ms, chat, scope_id) WHERE answered_ms IS NULL",
    """CREATE INDEX waits_open_asked ON waits (kind, asked_ms, began_ms, chat, scope_id)
        WHERE answered_ms IS NULL""",
    "CREATE INDEX waits_span ON waits (kind, span, began_ms, answered_ms) WHERE answered_ms IS NOT NULL",
    """CREATE TABLE chat_totals (
        chat TEXT PRIMARY KEY, scope_id TEXT, messages INTEGER NOT NULL, last_ms INTEGER NOT NULL, client_ms INTEGER,
        manager_ms INTEGER, search TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX chat_totals_last ON chat_totals (last_ms, chat)",
    "CREATE INDEX chat_totals_scope ON chat_totals (scope_id, last_ms)",
    "CREATE INDEX chat_totals_client ON chat_totals (client_ms, manager_ms, last_ms, scope_id)",
    # Messages that are new, have changed, are gone, or were reported on, in this order. `old` is what a message added
    # to the counts before it changed. No index: a queue that is appended to costs a fifth of one that is looked up.
    "CREATE TABLE changes (id INTEGER PRIMARY KEY, message_id TEXT, is_new INTEGER NOT NULL, old TEXT) STRICT",
    "CREATE INDEX changes_old ON changes (id) WHERE old IS NOT NULL",
    # Chats whose waits and totals are to be told anew, from the messages of that time on.
    "CREATE TABLE stale (chat TEXT NOT NULL UNIQUE, since_ms INTEGER NOT NULL) STRICT",
)

_LATER = 2**62
"""A time behind every message: only what the chat is called has changed."""

ADDS = ("type", "sent_at_ms", "scope_id", "author", "reached", "delivered_in_ms", "read_in_ms")
"""What a message adds to the counts follows from these."""

_IS_NEW = "INSERT INTO changes (message_id, is_new) VALUES (new.message_id, 1);"
_WAS = f"""
    INSERT INTO changes (message_id, is_new, old)
    VALUES (old.message_id, 0, json_array({", ".join(f"old.{name}" for name in ADDS)}));
    INSERT INTO stale SELECT old.chat, old.sent_at_ms WHERE old.chat IS NOT NULL
    ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms);
    INSERT INTO stale SELECT chat, sent_at_ms FROM messages WHERE message_id = old.message_id AND chat IS NOT NULL
    ON CONFLICT DO UPDATE SET since_ms = min(since_ms, excluded.since_ms);"""
_RENAMED = f"""
    INSERT INTO stale SELECT new.chat_id, {_LATER} WHERE EXISTS (SELECT 1 FROM messages WHERE chat = new.chat_id)
    ON CONFLICT DO NOTHING;"""
_MAP = """UPDATE messages SET known_chat = (SELECT min(chat_id) FROM chats
          WHERE conversation_id = messages.conversation_id) WHERE chat_id IS NULL AND"""


def _differs(*names: str) -> str:
    return " OR ".join(f"old.{name} IS NOT new.{name}" for name in names)


# Only `store.counting` enters what was reported of a message, so that the row tells what was counted.
_SAID = ("sent_at_ms", "scope_id", "type", "author", "direction", "delivery_id", "history_id", "msgid")
_CHAT_IDS = ("chat_id", "known_chat", "conversation_id")
_TRIGGERS = (
    f"CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.chat_id IS NOT NULL BEGIN {_IS_NEW} END",
    f"""CREATE TRIGGER message_added_by_us AFTER INSERT ON messages WHEN new.chat_id IS NULL BEGIN
        {_IS_NEW} {_MAP} message_id = new.message_id; END""",
    f"""CREATE TRIGGER message_changed AFTER UPDATE OF {", ".join(_SAID + _CHAT_IDS)} ON messages
        WHEN {_differs(*_SAID, "chat")} BEGIN {_WAS} END""",
    f"CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN {_WAS} END",
    """CREATE TRIGGER message_reported AFTER INSERT ON statuses BEGIN
        INSERT INTO changes (message_id, is_new) SELECT message_id, 0 FROM messages
        WHERE message_id = new.message_id; END""",
    f"""CREATE TRIGGER message_remapped AFTER UPDATE OF chat_id, conversation_id ON messages
        WHEN new.chat_id IS NULL OR new.known_chat IS NOT NULL BEGIN
        UPDATE messages SET known_chat = NULL WHERE message_id = new.message_id AND chat_id IS NOT NULL;
        {_MAP} message_id = new.message_id; END""",
    f"""CREATE TRIGGER chat_added AFTER INSERT ON chats BEGIN
        {_MAP} conversation_id = new.conversation_id; {_RENAMED} END""",
    f"""CREATE TRIGGER chat_mapped AFTER UPDATE ON chats WHEN {_differs("conversation_id")} BEGIN
        {_MAP} conversation_id IN (old.conversation_id, new.conversation_id); END""",
    f"""CREATE TRIGGER chat_renamed AFTER UPDATE ON chats
        WHEN {_differs("conversation_id", "name", "phone", "email", "client_id")} BEGIN {_RENAMED} END""",
)
