"""Tables, views and their migrations.

Two raw tables, `deliveries` and `exchanges`, are the truth. Every other table and view follows from them and can be
dropped and rebuilt. Times are unix milliseconds in columns that end in `_ms`.
"""

from __future__ import annotations

from . import rollups
from ._sqlite_utils import Database, Migrations
from .versions import LEDGERS

migrations = Migrations("kommo_nb")


@migrations(name="001_raw")
def _raw(db: Database) -> None:
    """What came and what was sent, as it was."""
    db.create_table(
        "deliveries",
        {
            "id": int,
            "received_at_ms": int,
            "scope_id": str,
            "body": bytes,
            "signature": str,
            "verdict": str,
            "http_status": int,
            "ack_us": int,  # from the whole body received to its commit
            "user_agent": str,
        },
        pk="id",
        not_null={"received_at_ms", "scope_id", "body", "verdict", "http_status"},
        strict=True,
    )
    db.create_table(
        "exchanges",
        {
            "id": int,
            "created_at_ms": int,
            "kind": str,
            "method": str,
            "path": str,
            "request_body": bytes,
            "msgid": str,
            "state": str,  # pending | done | failed
            "attempts": int,
            "status": int,
            "response_body": bytes,
            "error_type": str,
            "elapsed_ms": int,
            "finished_seq": int,  # its place in the order in which exchanges ended; the projection follows it
        },
        pk="id",
        not_null={"created_at_ms", "kind", "method", "path", "request_body", "state", "attempts"},
        strict=True,
    )
    db.table("exchanges").create_index(["finished_seq"], unique=True)
    db.execute("CREATE INDEX exchanges_pending ON exchanges (id) WHERE state = 'pending'")
    # Known channels, without their secrets: they tell which author is the channel's bot.
    db.create_table("channels", {"id": str, "name": str, "bot_id": str}, pk="id", strict=True)


@migrations(name="002_projected")
def _projected(db: Database) -> None:
    """What the raw rows say. `event` names the raw row behind each: d17 is delivery 17, e9 is exchange 9."""
    content = {"type": str, "text": str, "media": str, "thumbnail": str, "file_name": str, "file_size": int}
    messages = {
        "message_id": str,  # Kommo's; of a hook v1, which has none, made from its content
        "msgid": str,  # ours
        "scope_id": str,
        "chat_id": str,
        "conversation_id": str,
        "direction": str,  # incoming: from the client | outgoing: to the client
        "author": str,  # client | manager | bot
        "sender_id": str,
        "sender_name": str,
        **content,
        "media_group_id": str,
        "reply_to_id": str,
        "post_id": str,
        "sent_at_ms": int,
        "delivery_id": int,  # the hook behind it: the CRM sent it through the channel
        "exchange_id": int,  # the call behind it: we sent or imported it
    }
    db.create_table("messages", messages, pk="message_id", not_null={"direction", "author", "sent_at_ms"}, strict=True)
    db.table("messages").create_index(["chat_id", "sent_at_ms"])
    db.table("messages").create_index(["sent_at_ms"])
    db.table("messages").create_index(["msgid"])
    db.table("messages").create_index(["conversation_id"])
    db.create_table(
        "edits",
        {"event": str, "message_id": str, "msgid": str, **content, "edited_at_ms": int},
        pk="event",
        strict=True,
    )
    db.table("edits").create_index(["msgid"])
    db.table("edits").create_index(["message_id"])
    statuses = {"event": str, "message_id": str, "status_code": int, "error_code": int, "error": str}
    db.create_table("statuses", {**statuses, "reported_at_ms": int}, pk="event", strict=True)
    db.table("statuses").create_index(["message_id"])
    db.create_table(
        "chats",
        {
            "chat_id": str,
            "conversation_id": str,
            "scope_id": str,
            "client_id": str,  # the client on our side
            "client_ref_id": str,  # the client in the CRM
            "source": str,
            # Each from the latest event that carries it, whatever the order of arrival.
            "name": str,
            "name_at_ms": int,
            "phone": str,
            "phone_at_ms": int,
            "email": str,
            "email_at_ms": int,
        },
        pk="chat_id",
        strict=True,
    )
    db.table("chats").create_index(["conversation_id"])
    who = {"chat_id": str, "conversation_id": str, "user_id": str}
    reaction = {"message_id": str, "msgid": str, "type": str, "emoji": str, "at_ms": int}
    db.create_table("reactions", {"event": str, **who, **reaction}, pk="event", strict=True)
    db.table("reactions").create_index(["chat_id"])
    db.table("reactions").create_index(["message_id"])
    db.create_table("typings", {"event": str, **who, "at_ms": int, "expired_at_ms": int}, pk="event", strict=True)
    db.create_table("problems", {"event": str, "at_ms": int, "reason": str}, pk="event", strict=True)
    # How far the projection has read each raw table.
    db.create_table("projection", {"source": str, "read_to": int}, pk="source", strict=True)


@migrations(name="003_views")
def _views(db: Database) -> None:
    """Views for people with a SQL prompt; times are ISO texts in UTC."""
    # A delivery status never goes back: read beats delivered beats failed, however late or often each is reported.
    # Scalar subqueries, because a filter on chat or time does not reach into a view that groups.
    of = "FROM statuses s WHERE s.message_id = messages.message_id AND s.status_code ="
    db.create_view(
        "delivery",
        f"""
        SELECT m.message_id, m.chat_id, m.sent_at_ms,
               CASE WHEN read_at_ms IS NOT NULL THEN 'read' WHEN delivered_at_ms IS NOT NULL THEN 'delivered'
                    WHEN error_code IS NOT NULL THEN 'failed' ELSE 'not reported' END AS status,
               delivered_at_ms, read_at_ms, error_code, error
        FROM (
            SELECT message_id, chat_id, sent_at_ms,
                   (SELECT min(reported_at_ms) {of} 1) AS delivered_at_ms,
                   (SELECT min(reported_at_ms) {of} 2) AS read_at_ms,
                   (SELECT max(error_code) {of} -1) AS error_code,
                   (SELECT max(error) {of} -1) AS error
            FROM messages WHERE delivery_id IS NOT NULL AND direction = 'outgoing'
        ) m
        """,
    )
    iso = "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000.0, 'unixepoch')"
    db.create_view(
        "transcript",
        f"""
        SELECT {iso.format("m.sent_at_ms")} AS sent_at, coalesce(c.name, m.conversation_id) AS client, m.author,
               m.type, coalesce(e.text, m.text) AS text, e.event IS NOT NULL AS edited,
               coalesce(e.media, m.media) AS media, d.status AS delivery,
               m.message_id, m.msgid, m.chat_id, m.conversation_id, m.scope_id
        FROM messages m
        LEFT JOIN chats c USING (chat_id)
        LEFT JOIN delivery d USING (message_id)
        LEFT JOIN edits e ON e.event = (
            SELECT event FROM edits WHERE message_id = m.message_id OR msgid = m.msgid
            ORDER BY edited_at_ms DESC, length(event) DESC, event DESC LIMIT 1) -- e10 is later than e9
        """,
    )
    db.create_view(
        "hooks",
        f"""
        SELECT id, {iso.format("received_at_ms")} AS received_at, verdict, http_status, ack_us / 1000.0 AS ack_ms,
               CAST(body AS TEXT) AS body, scope_id, user_agent
        FROM deliveries
        """,
    )
    db.create_view(
        "calls",
        f"""
        SELECT id, {iso.format("created_at_ms")} AS called_at, kind, state, status, error_type, attempts, elapsed_ms,
               method, path, CAST(request_body AS TEXT) AS request, CAST(response_body AS TEXT) AS response
        FROM exchanges
        """,
    )


@migrations(name="004_receiver")
def _receiver(db: Database) -> None:
    """Why a hook was refused, which secret matched, and what was answered without being kept."""
    db.execute("ALTER TABLE deliveries ADD COLUMN reason TEXT")
    db.execute("ALTER TABLE deliveries ADD COLUMN secret_id TEXT")  # names the secret, and does not tell it
    db.execute("CREATE INDEX deliveries_refused ON deliveries (id) WHERE http_status <> 200")
    # Requests by hour and outcome: stored, refused, failed, and those of which no row is kept.
    counts = {"hour_ms": int, "name": str, "count": int}
    db.create_table("counts", counts, pk=("hour_ms", "name"), strict=True)
    db.create_view(
        "hooks",
        """
        SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', received_at_ms / 1000.0, 'unixepoch') AS received_at, verdict,
               http_status, reason, ack_us / 1000.0 AS ack_ms, CAST(body AS TEXT) AS body, scope_id, user_agent,
               secret_id
        FROM deliveries
        """,
        replace=True,
    )


@migrations(name="005_reconcile")
def _reconcile(db: Database) -> None:
    """What was imported from history, and how far history was compared."""
    # The page of history behind a message that nothing else has told of; None once its hook or its call is known.
    db.execute("ALTER TABLE messages ADD COLUMN history_id INTEGER")
    db.execute("CREATE INDEX messages_imported ON messages (history_id) WHERE history_id IS NOT NULL")
    # What a manager wrote waits for a delivery status, also when its hook never came.
    hook, imported = "delivery_id IS NOT NULL", "history_id IS NOT NULL AND msgid IS NULL"
    view = db.execute("SELECT sql FROM sqlite_master WHERE name = 'delivery'").fetchone()[0]
    db.execute("DROP VIEW delivery")
    db.execute(view.replace(hook, f"({hook} OR {imported})"))
    # Neither raw nor projected: a rebuild leaves both alone. They stay true, for it brings the same messages back.
    compared = {"chat_id": str, "from_ms": int, "to_ms": int, "newest_id": str}
    db.create_table("compared", compared, pk="chat_id", strict=True)
    # A scope's last run. `after` is the last exchange before it, None once it has ended.
    db.create_table("reconciling", {"scope_id": str, "after": int, "until_ms": int}, pk="scope_id", strict=True)


@migrations(name="006_replays")
def _replays(db: Database) -> None:
    """Which stored hooks were sent again: where to, changed how, and what came of it."""
    outcome = {"status": int, "error": str, "elapsed_ms": int}
    columns = {"id": int, "delivery_id": int, "sent_at_ms": int, "url": str, "body": bytes, **outcome}
    needed = {"delivery_id", "sent_at_ms", "url", "elapsed_ms"}
    db.create_table("replays", columns, pk="id", not_null=needed, strict=True)


@migrations(name="007_rollups")
def _rollups(db: Database) -> None:
    """What follows from a message's reports and its chat's map. The projection begins anew, and tells it as it goes."""
    # Hooks that brought a message again.
    db.execute("CREATE TABLE repeats (event TEXT PRIMARY KEY, scope_id TEXT, at_ms INTEGER NOT NULL) STRICT")
    for table in LEDGERS:
        db.execute(f"DELETE FROM {table}")
    rollups.add_columns(db.conn)
    db.create_view(
        "delivery",
        """
        SELECT message_id, chat_id, sent_at_ms, reached AS status, delivered_at_ms, read_at_ms, error_code, error
        FROM messages WHERE reached IS NOT NULL
        """,
        replace=True,
    )


@migrations(name="008_stale")
def _stale(db: Database) -> None:
    """Made its tables as they were then; a later one makes them anew."""


@migrations(name="009_waits")
def _waits(db: Database) -> None:
    """As 008."""


@migrations(name="010_changed")
def _changed(db: Database) -> None:
    """What the dashboard asks for, counted beforehand, and told anew where it has changed."""
    rollups.create(db.conn)
