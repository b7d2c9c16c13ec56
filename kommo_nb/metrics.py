"""Every metric: SQL in, DataFrame out, its definition in the docstring. No Panel, no widgets.

The dashboard and the lessons call the same functions, and the dashboard shows the paragraph that starts with
«Definition:» as the tooltip of the metric's card. Times go in as unix milliseconds, a period is half-open
(`since_ms` belongs to it, `until_ms` does not), and times come out aware.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd

from .clock import msec
from .store import Store
from .wire.messages import ERROR_CODES

Grain = Literal["day", "hour"]

DAY_MS = 86_400_000
STAGES = ("sent", "delivered", "read", "failed", "not_reported")
_AT = "datetime64[ms, UTC]"

# A message names its chat by the CRM's id, by ours, or by both; the map of chats completes it.
_CHAT = """coalesce({0}.chat_id, (SELECT min(chat_id) FROM chats WHERE conversation_id = {0}.conversation_id),
                {0}.conversation_id)"""
_KEYED = f"SELECT {_CHAT.format('m')} AS chat, m.message_id, m.author, m.sent_at_ms FROM messages m"
# The message behind the latest time of a chat; `w` names both.
_LAST = f"""messages m ON m.message_id = (
    SELECT max(message_id) FROM messages x WHERE sent_at_ms = w.last_ms AND {_CHAT.format("x")} = w.chat)"""
_EDIT = """edits e ON e.event = (
    SELECT event FROM edits WHERE message_id = m.message_id OR msgid = m.msgid
    ORDER BY edited_at_ms DESC, length(event) DESC, event DESC LIMIT 1)"""
_NAME = "coalesce(c.name, c.phone, c.email, c.conversation_id, w.chat)"
_SEARCHED = ("c.name", "c.phone", "c.email", "c.client_id", "c.conversation_id", "w.chat")
_BUCKETS = "SELECT key, value ->> 0 AS start_ms, value ->> 1 AS end_ms FROM json_each(:edges)"


def definition(metric: Callable[..., Any]) -> str:
    """The definition in a metric's docstring, as one line."""
    paragraphs = (metric.__doc__ or "").split("\n\n")
    found = [" ".join(text.split()) for text in paragraphs if text.lstrip().startswith("Definition:")]
    text = found[0].removeprefix("Definition: ") if found else ""
    return text[:1].upper() + text[1:]


def last_change(store: Store) -> str:
    """A token that changes whenever something new was projected; "" while there is nothing. Costs well under 1 ms."""
    if not store.query("SELECT 1 FROM sqlite_master WHERE name = 'projection'"):
        return ""
    sql = "SELECT source, read_to FROM projection UNION ALL SELECT 'channels', count(*) FROM channels ORDER BY source"
    rows = store.query(sql)
    return " ".join(f"{row['source']}:{row['read_to']}" for row in rows) if len(rows) > 1 else ""


def last_hook_ms(store: Store) -> int | None:
    """When the last hook came, or None; whatever its signature said."""
    rows = store.query("SELECT received_at_ms FROM deliveries ORDER BY id DESC LIMIT 1")
    return rows[0]["received_at_ms"] if rows else None


def volume(store: Store, *, since_ms: int, until_ms: int, grain: Grain = "day", tz: str = "UTC") -> pd.DataFrame:
    """Messages by time and author, one row per bucket, empty ones too.

    Definition: messages in both directions, by who wrote them: client, manager, or bot (the channel's bot id).
    Days and hours are those of the chosen time zone.

    Returns: bucket (datetime64[ms, tz], its start), client, manager, bot (int64, messages); in order of time.
    """
    counts = ", ".join(f"coalesce(sum(author = '{who}'), 0) AS {who}" for who in ("client", "manager", "bot"))
    sql = f"""
        SELECT start_ms AS bucket, {counts} FROM ({_BUCKETS})
        LEFT JOIN messages ON sent_at_ms >= max(start_ms, :since_ms) AND sent_at_ms < min(end_ms, :until_ms)
        GROUP BY key ORDER BY key"""
    return _over_time(store, sql, since_ms, until_ms, grain, tz, ("client", "manager", "bot"))


def delivery(store: Store, *, since_ms: int, until_ms: int, grain: Grain = "day", tz: str = "UTC") -> pd.DataFrame:
    """The delivery funnel by the time of sending, one row per bucket, empty ones too.

    Returns: bucket (datetime64[ms, tz], its start), sent, delivered, read, failed, not_reported (int64, messages);
    in order of time. The definition is that of `delivery_funnel`.
    """
    sql = f"""
        SELECT start_ms AS bucket, count(status) AS sent,
               coalesce(sum(status IN ('delivered', 'read')), 0) AS delivered,
               coalesce(sum(status = 'read'), 0) AS read, coalesce(sum(status = 'failed'), 0) AS failed,
               coalesce(sum(status = 'not reported'), 0) AS not_reported
        FROM ({_BUCKETS})
        LEFT JOIN delivery ON sent_at_ms >= max(start_ms, :since_ms) AND sent_at_ms < min(end_ms, :until_ms)
        GROUP BY key ORDER BY key"""
    return _over_time(store, sql, since_ms, until_ms, grain, tz, STAGES)


def delivery_funnel(store: Store, *, since_ms: int, until_ms: int) -> pd.DataFrame:
    """How far the messages of a period got.

    Definition: messages that the CRM sent through the channel → reported delivered → read. Read implies delivered,
    and nothing goes back: late and repeated reports change nothing. Failed, and not yet reported, stand apart.

    Returns: stage (str: sent, delivered, read, failed, not_reported, in this order), messages (int64),
    share (float64, 0 to 1 of sent; NaN when nothing was sent).
    """
    sql = """
        SELECT count(*) AS sent, sum(status IN ('delivered', 'read')) AS delivered, sum(status = 'read') AS read,
               sum(status = 'failed') AS failed, sum(status = 'not reported') AS not_reported
        FROM delivery WHERE sent_at_ms >= :since_ms AND sent_at_ms < :until_ms"""
    row = store.query(sql, {"since_ms": since_ms, "until_ms": until_ms})[0]
    frame = pd.DataFrame({"stage": STAGES, "messages": [row[stage] or 0 for stage in STAGES]})
    frame["share"] = frame["messages"] / row["sent"] if row["sent"] else float("nan")
    return frame.astype({"stage": "str", "messages": "int64", "share": "float64"})


def failures(store: Store, *, since_ms: int, until_ms: int) -> pd.DataFrame:
    """Why messages of a period were not delivered.

    Definition: messages whose delivery failed for good, by error code 901 to 905 with its meaning, and the error
    text that was reported with it.

    Returns: error_code (Int64), meaning (str), error (str, NaN where no text was given), messages (int64);
    most frequent first.
    """
    sql = """
        SELECT error_code, error, count(*) AS messages FROM delivery
        WHERE status = 'failed' AND sent_at_ms >= :since_ms AND sent_at_ms < :until_ms
        GROUP BY error_code, error ORDER BY messages DESC, error_code, error"""
    frame = _frame(
        store,
        sql,
        {"since_ms": since_ms, "until_ms": until_ms},
        {"error_code": "Int64", "error": "str", "messages": "int64"},
    )
    meaning = [ERROR_CODES.get(code, "no known error code") for code in frame["error_code"]]
    frame.insert(1, "meaning", pd.Series(meaning, dtype="str"))
    return frame


def waiting_now(store: Store, *, now_ms: int) -> pd.DataFrame:
    """The chats that wait for a person's answer.

    Definition: chats whose last turn is the client's. A turn is a run of messages of one side, and the wait begins
    with its first message, so writing again does not shorten it. A bot's message ends no turn: a person is awaited.

    Returns: chat_id, name (str), waiting_since (datetime64[ms, UTC]), waiting_s (int64, seconds), messages (int64, in
    the turn), bot_answered (bool), type, text (str, of the last one, as edited); the longest wait first.
    """
    sql = f"""
        WITH keyed AS MATERIALIZED ({_KEYED} WHERE m.sent_at_ms <= :now_ms),
        answered AS (SELECT chat, max(sent_at_ms) AS answered_ms FROM keyed WHERE author = 'manager' GROUP BY chat),
        turn AS (
            SELECT chat, min(sent_at_ms) FILTER (WHERE author = 'client') AS since_ms,
                   max(sent_at_ms) FILTER (WHERE author = 'client') AS last_ms,
                   max(sent_at_ms) FILTER (WHERE author = 'bot') AS bot_ms,
                   count(*) FILTER (WHERE author = 'client') AS messages
            FROM keyed LEFT JOIN answered USING (chat)
            WHERE author <> 'manager' AND sent_at_ms > coalesce(answered_ms, -1) GROUP BY chat)
        SELECT w.chat AS chat_id, {_NAME} AS name, since_ms AS waiting_since,
               (:now_ms - since_ms) / 1000 AS waiting_s, w.messages, coalesce(bot_ms > since_ms, 0) AS bot_answered,
               coalesce(e.type, m.type) AS type, coalesce(e.text, m.text) AS text
        FROM turn w LEFT JOIN chats c ON c.chat_id = w.chat
        LEFT JOIN {_LAST.replace("sent_at_ms", "author = 'client' AND sent_at_ms", 1)} LEFT JOIN {_EDIT}
        WHERE since_ms IS NOT NULL ORDER BY since_ms, w.chat"""
    columns = {"chat_id": "str", "name": "str", "waiting_since": _AT, "waiting_s": "int64", "messages": "int64"}
    return _frame(store, sql, {"now_ms": now_ms}, {**columns, "bot_answered": "bool", "type": "str", "text": "str"})


def headline(store: Store, *, since_ms: int, until_ms: int) -> pd.DataFrame:
    """The headline numbers of a period and of the period before.

    Definition: the period before is the same span, as many whole days earlier as it touches, so that weekdays and
    hours compare. Shares change in points, counts by a share of the earlier count.

    Returns: metric (str: messages, delivered, read, failed, waiting), value, before, change (float64; NaN where there
    is nothing to compare with), unit (str: messages, share of sent, or chats); in this order.
    """
    earlier_ms = -(-(until_ms - since_ms) // DAY_MS) * DAY_MS
    spans = ((since_ms, until_ms), (since_ms - earlier_ms, until_ms - earlier_ms))
    value, before = ([_messages(store, *span), *_shares(store, *span), _waiting(store, span[1])] for span in spans)
    units = ("messages", "share of sent", "share of sent", "share of sent", "chats")
    frame = pd.DataFrame({"metric": ("messages", *STAGES[1:4], "waiting"), "value": value, "before": before})
    frame = frame.astype({"metric": "str", "value": "float64", "before": "float64"})
    difference = frame["value"] - frame["before"]
    frame["change"] = difference.where([unit == "share of sent" for unit in units], difference / frame["before"])
    frame.loc[frame["before"] == 0, "change"] = difference.where(frame["metric"].isin(STAGES))
    frame["unit"] = pd.Series(units, dtype="str")
    return frame


def conversations(
    store: Store, *, limit: int = 50, search: str | None = None, chat_id: str | None = None
) -> pd.DataFrame:
    """The chats with the latest messages.

    Definition: one row per chat, the newest message first. The search looks into name, phone, e-mail and ids.

    Args:
        search: part of a name, phone, e-mail or id, in upper or lower case.
        chat_id: that chat only.

    Returns: chat_id, name, phone, conversation_id (str), messages (int64), last_at (datetime64[ms, UTC]), author,
    sender_name, type, text (str, of the last message, as edited), waiting (bool, for a person); newest first.
    """
    found = " OR ".join(f"instr({field}, words.value)" for field in _SEARCHED)
    sql = f"""
        WITH latest AS (
            SELECT chat, count(*) AS messages, max(sent_at_ms) AS last_ms,
                   max(sent_at_ms) FILTER (WHERE author = 'client') AS client_ms,
                   max(sent_at_ms) FILTER (WHERE author = 'manager') AS manager_ms
            FROM ({_KEYED}) GROUP BY chat),
        newest AS (
            SELECT w.*, {_NAME} AS name, c.phone, c.conversation_id
            FROM latest w LEFT JOIN chats c ON c.chat_id = w.chat
            WHERE coalesce(w.chat = :chat_id, 1)
              AND (:words IS NULL OR EXISTS (SELECT 1 FROM json_each(:words) words WHERE {found}))
            ORDER BY last_ms DESC, w.chat LIMIT :limit)
        SELECT w.chat AS chat_id, w.name, w.phone, w.conversation_id, w.messages, last_ms AS last_at, m.author,
               m.sender_name, coalesce(e.type, m.type) AS type, coalesce(e.text, m.text) AS text,
               coalesce(client_ms > coalesce(manager_ms, -1), 0) AS waiting
        FROM newest w LEFT JOIN {_LAST} LEFT JOIN {_EDIT} ORDER BY last_ms DESC, w.chat"""
    columns = dict.fromkeys(("chat_id", "name", "phone", "conversation_id"), "str")
    columns |= {"messages": "int64", "last_at": _AT, "author": "str", "sender_name": "str", "type": "str"}
    # SQLite folds the case of ASCII only, and clients have names in every script.
    words = json.dumps([search, search.lower(), search.upper(), search.title()]) if search else None
    return _frame(
        store, sql, {"limit": limit, "words": words, "chat_id": chat_id}, {**columns, "text": "str", "waiting": "bool"}
    )


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
            WHERE chat_id = :chat_id OR (chat_id IS NULL AND :chat_id = coalesce(
                (SELECT min(c.chat_id) FROM chats c WHERE c.conversation_id = m.conversation_id), m.conversation_id))
            ORDER BY sent_at_ms DESC, message_id DESC LIMIT :limit),
        near AS MATERIALIZED (SELECT * FROM reactions WHERE chat_id = :chat_id OR chat_id IS NULL),
        reacted AS (  -- of each person the last word; SQLite takes the other columns from the row of the maximum
            SELECT m.message_id, r.type, r.emoji, max(r.at_ms) FROM page m
            JOIN near r ON r.message_id = m.message_id OR r.msgid = m.msgid GROUP BY m.message_id, r.user_id),
        sent AS MATERIALIZED (SELECT * FROM delivery WHERE chat_id = :chat_id)
        SELECT m.message_id, m.msgid, m.author, m.sender_name, coalesce(e.type, m.type) AS type,
               coalesce(e.text, m.text) AS text, e.event IS NOT NULL AS edited, coalesce(e.media, m.media) AS media,
               coalesce(e.file_name, m.file_name) AS file_name, coalesce(e.file_size, m.file_size) AS file_size,
               m.reply_to_id, q.text AS reply_to_text, m.sent_at_ms AS sent_at, s.status AS delivery, s.error_code,
               s.error, (SELECT group_concat(emoji, ' ') FROM reacted r
                         WHERE r.message_id = m.message_id AND r.type = 'react') AS reactions
        FROM page m LEFT JOIN {_EDIT}
        LEFT JOIN messages q ON q.message_id = m.reply_to_id LEFT JOIN sent s ON s.message_id = m.message_id
        ORDER BY m.sent_at_ms, m.message_id"""
    texts = ("message_id", "msgid", "author", "sender_name", "type", "text")
    columns = dict.fromkeys(texts, "str") | {"edited": "bool", "media": "str", "file_name": "str", "file_size": "Int64"}
    columns |= {"reply_to_id": "str", "reply_to_text": "str", "sent_at": _AT, "delivery": "str", "error_code": "Int64"}
    return _frame(store, sql, {"chat_id": chat_id, "limit": limit}, {**columns, "error": "str", "reactions": "str"})


def _messages(store: Store, since_ms: int, until_ms: int) -> int:
    sql = "SELECT count(*) AS n FROM messages WHERE sent_at_ms >= ? AND sent_at_ms < ?"
    return int(store.query(sql, (since_ms, until_ms))[0]["n"])


def _shares(store: Store, since_ms: int, until_ms: int) -> list[float]:
    funnel = delivery_funnel(store, since_ms=since_ms, until_ms=until_ms).set_index("stage")
    return list(funnel["share"][list(STAGES[1:4])])


def _waiting(store: Store, now_ms: int) -> int:
    """How many rows `waiting_now` has, in one pass."""
    sql = f"""
        SELECT count(*) AS n FROM (
            SELECT 1 FROM ({_KEYED} WHERE m.sent_at_ms <= ?) GROUP BY chat
            HAVING max(sent_at_ms) FILTER (WHERE author = 'client')
                 > coalesce(max(sent_at_ms) FILTER (WHERE author = 'manager'), -1))"""
    return int(store.query(sql, (now_ms,))[0]["n"])


def _over_time(
    store: Store, sql: str, since_ms: int, until_ms: int, grain: Grain, tz: str, counts: tuple[str, ...]
) -> pd.DataFrame:
    params = {"edges": json.dumps(_edges(since_ms, until_ms, grain, tz)), "since_ms": since_ms, "until_ms": until_ms}
    frame = _frame(store, sql, params, {"bucket": _AT} | dict.fromkeys(counts, "int64"))
    frame["bucket"] = frame["bucket"].dt.tz_convert(tz)
    return frame


def _edges(since_ms: int, until_ms: int, grain: Grain, tz: str) -> list[tuple[int, int]]:
    """The buckets that a period touches, as start and end; a day may have 23 or 25 hours."""
    zone = ZoneInfo(tz)
    first = datetime.fromtimestamp(since_ms / 1000, zone).date()
    last = datetime.fromtimestamp(max(until_ms - 1, since_ms) / 1000, zone).date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 2)]
    midnights = [msec(datetime.combine(day, time(), zone)) for day in days]
    edges = midnights if grain == "day" else [*range(midnights[0], midnights[-1], 3_600_000), midnights[-1]]
    return [(start, end) for start, end in pairwise(edges) if end > since_ms and start < max(until_ms, since_ms + 1)]


def _frame(store: Store, sql: str, params: dict[str, Any], columns: dict[str, str]) -> pd.DataFrame:
    """The rows of a SELECT with the promised columns and dtypes, also when there are none."""
    return pd.DataFrame(store.query(sql, params), columns=list(columns)).astype(columns)
