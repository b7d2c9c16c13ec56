"""Who waits for a person's answer, and whose time window runs out."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..store import Store
from .filters import OF_SCOPE, Filter
from .frames import AT, EDIT, HOUR_MS, LAST, NAME, frame, table
from .lengths import ASKED, open_waits

WINDOW_S = 24 * 3600
EXPIRING_H = (1, 4, 12)


def waiting_now(store: Store, where: Filter | None = None, *, now_ms: int, limit: int | None = None) -> pd.DataFrame:
    """The chats that wait for a person's answer.

    Definition: chats whose last turn is the client's. A turn is a run of messages of one side, and the wait begins
    with its first message, so writing again does not shorten it. A bot's message ends no turn: a person is awaited.

    Args:
        where: of it the scope counts; what waits now may have begun before any period.
        now_ms: a message of this very moment counts.
        limit: at most so many rows.

    Returns: chat_id, name (str), waiting_since (datetime64[ms, UTC]), waiting_s (int64, seconds), messages (int64, in
    the turn), bot_answered (bool), type, text (str, of the last one, as edited); the longest wait first.
    """
    sql = f"""
        WITH turns AS MATERIALIZED (
            {open_waits("chat, began_ms")} ORDER BY began_ms, chat LIMIT :limit),
        w AS (
            SELECT chat, began_ms AS since_ms, count(*) FILTER (WHERE author = 'client') AS messages,
                   max(sent_at_ms) FILTER (WHERE author = 'client') AS last_ms,
                   coalesce(max(sent_at_ms) FILTER (WHERE author = 'bot') > began_ms, 0) AS bot_answered
            FROM turns JOIN messages USING (chat) WHERE sent_at_ms >= began_ms AND sent_at_ms < :until_ms GROUP BY chat)
        SELECT w.chat AS chat_id, {NAME} AS name, since_ms AS waiting_since,
               (:until_ms - 1 - since_ms) / 1000 AS waiting_s, w.messages, bot_answered,
               coalesce(e.type, m.type) AS type, coalesce(e.text, m.text) AS text
        FROM w LEFT JOIN chats c ON c.chat_id = w.chat
        LEFT JOIN {LAST.replace("x.sent_at_ms", "x.author = 'client' AND x.sent_at_ms")} LEFT JOIN {EDIT}
        ORDER BY since_ms, w.chat"""
    columns = {"chat_id": "str", "name": "str", "waiting_since": AT, "waiting_s": "int64", "messages": "int64"}
    columns |= {"bot_answered": "bool", "type": "str", "text": "str"}
    return frame(store, sql, {**_now(where, now_ms), "limit": -1 if limit is None else limit}, columns)


def waiting_count(store: Store, where: Filter | None = None, *, now_ms: int) -> int:
    """How many rows `waiting_now` has."""
    sql = f"SELECT count(*) AS n FROM ({open_waits('1')})"
    return int(store.query(sql, _now(where, now_ms))[0]["n"])


def time_windows(
    store: Store, where: Filter | None = None, *, now_ms: int, window_s: int = WINDOW_S, limit: int | None = None
) -> pd.DataFrame:
    """The chats in which one may still write, and those that nobody answered in time.

    Definition: seconds left of the time window, which begins anew with each message of the client. Expired windows
    are listed when the client still waits for a person's answer. The window's length is the channel's own: it stands
    in its registration, and is 24 hours here.

    Args:
        where: of it the scope counts.
        limit: at most so many rows.

    Returns: chat_id, name (str), last_client_at (datetime64[ms, UTC]), left_s (float64, seconds; 0 or less when
    expired), unanswered (bool), in this order: the window that ends next first, then expired ones, the latest first.
    """
    sql = f"""
        WITH w AS ({_WINDOWS})
        SELECT w.chat AS chat_id, {NAME} AS name, client_ms AS last_client_at,
               (client_ms - :from_ms) / 1000.0 AS left_s, unanswered
        FROM (SELECT * FROM w ORDER BY client_ms <= :from_ms, abs(client_ms - :from_ms), chat LIMIT :limit) w
        LEFT JOIN chats c ON c.chat_id = w.chat
        ORDER BY client_ms <= :from_ms, abs(client_ms - :from_ms), w.chat"""
    columns = {"chat_id": "str", "name": "str", "last_client_at": AT, "left_s": "float64", "unanswered": "bool"}
    params = {**_now(where, now_ms), "from_ms": now_ms - window_s * 1000, "limit": -1 if limit is None else limit}
    return frame(store, sql, params, columns)


# What stands in the totals of a chat is as of its last message; where that lies behind `now`, its messages are read.
_WINDOWS = f"""
    SELECT chat, client_ms, client_ms > coalesce(manager_ms, -1) AS unanswered FROM chat_totals
    WHERE client_ms > :from_ms AND last_ms < :until_ms AND {OF_SCOPE}
    UNION ALL
    SELECT chat, max(sent_at_ms) FILTER (WHERE author = 'client') AS client_ms,
           max(sent_at_ms) FILTER (WHERE author = 'client')
               > coalesce(max(sent_at_ms) FILTER (WHERE author = 'manager'), -1)
    FROM messages WHERE chat IN (SELECT chat FROM chat_totals WHERE last_ms >= :until_ms)
         AND sent_at_ms > :from_ms AND sent_at_ms < :until_ms AND {OF_SCOPE}
    GROUP BY chat HAVING client_ms IS NOT NULL
    UNION ALL
    SELECT * FROM ({open_waits(f"chat, {ASKED} AS asked, 1")}) WHERE asked <= :from_ms"""


def expiring(store: Store, where: Filter | None = None, *, now_ms: int, window_s: int = WINDOW_S) -> pd.DataFrame:
    """The time windows in numbers.

    Definition: chats whose time window ends within 1, 4 and 12 hours, each number with those before it; and chats
    whose window has ended while the client waits for a person's answer.

    Returns: window (str: 1 h, 4 h, 12 h, expired), chats, unanswered (int64); in this order.
    """
    found = f"""
        SELECT (client_ms - :from_ms) / 1000.0 AS left_s, unanswered FROM ({_WINDOWS})
        WHERE client_ms <= :from_ms + {EXPIRING_H[-1] * HOUR_MS}"""
    params = {**_now(where, now_ms), "from_ms": now_ms - window_s * 1000}
    windows = frame(store, found, params, {"left_s": "float64", "unanswered": "bool"})
    left_s = windows["left_s"]
    chosen = {f"{hours} h": (left_s > 0) & (left_s <= hours * HOUR_MS // 1000) for hours in EXPIRING_H}
    rows = [
        {"window": name, "chats": rows.sum(), "unanswered": (rows & windows["unanswered"]).sum()}
        for name, rows in (chosen | {"expired": left_s <= 0}).items()
    ]
    return table(rows, {"window": "str", "chats": "int64", "unanswered": "int64"})


def _now(where: Filter | None, now_ms: int) -> dict[str, Any]:
    scope_id = where.scope_id if where else None
    return {"scope_id": scope_id, "kind": "response", "until_ms": now_ms + 1}  # a message of this moment counts
