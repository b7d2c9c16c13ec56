"""Whether hooks come, fit, and are acknowledged in time."""

from __future__ import annotations

import pandas as pd

from ..store import Store
from .filters import Filter
from .frames import AT, frame

ACK_LIMIT_MS = 5000
"""Kommo moves a channel that is slower to its slow queue."""

_HOOKS = """deliveries WHERE received_at_ms >= :since_ms AND received_at_ms < :until_ms
            AND (:scope_id IS NULL OR scope_id = :scope_id)"""
_MESSAGE_ID = """CASE WHEN json_valid(CAST(body AS TEXT))
                 THEN json_extract(CAST(body AS TEXT), '$.message.message.id') END"""


def last_change(store: Store) -> str:
    """A token that changes whenever something new was projected; "" while there is nothing. Costs well under 1 ms."""
    if not store.query("SELECT 1 FROM sqlite_master WHERE name = 'projection'"):
        return ""
    sql = "SELECT source, read_to FROM projection UNION ALL SELECT 'channels', count(*) FROM channels ORDER BY source"
    rows = store.query(sql)
    return " ".join(f"{row['source']}:{row['read_to']}" for row in rows) if len(rows) > 1 else ""


def channels(store: Store) -> pd.DataFrame:
    """The channels that the store knows, each in one account.

    Returns: scope_id, name (str, of the channel; NaN where only its id is known); by name, then by scope.
    """
    sql = """
        SELECT scope_id, min(name) AS name FROM (SELECT DISTINCT scope_id FROM chat_totals WHERE scope_id IS NOT NULL)
        LEFT JOIN channels c ON instr(scope_id, c.id || '_') = 1
        GROUP BY scope_id ORDER BY name IS NULL, name, scope_id"""
    return frame(store, sql, {}, {"scope_id": "str", "name": "str"})


def last_hook_ms(store: Store) -> int | None:
    """When the last hook came, or None; whatever its signature said."""
    rows = store.query("SELECT received_at_ms FROM deliveries ORDER BY id DESC LIMIT 1")
    return rows[0]["received_at_ms"] if rows else None


def hook_health(store: Store, where: Filter) -> pd.DataFrame:
    """The receiver in numbers.

    Definition: hooks of the period and those refused; the time to acknowledge them, from the whole body received to
    its commit, against Kommo's 5 s; hooks that brought a message again; what could not be read; and the time from the
    last hook to the end of the period. Old refused hooks are dropped, so that their number may be too small.

    Returns: metric (str: hooks, refused, ack_p50, ack_p99, ack_worst, too_slow, duplicates, problems,
    since_last_hook), value (float64; NaN where there is nothing to measure), unit (str: hooks, ms or s); in this order.
    """
    acks = frame(store, f"SELECT ack_us FROM {_HOOKS} AND ack_us IS NOT NULL", where.params, {"ack_us": "float64"})
    counts = store.query(
        f"""SELECT count(*) AS hooks, coalesce(sum(http_status <> 200), 0) AS refused, max(received_at_ms) AS last_ms
            FROM {_HOOKS}""",
        where.params,
    )[0]
    ack_ms = acks["ack_us"] / 1000
    # A message keeps the first hook that brought it.
    again = f"""
        SELECT count(*) AS n FROM (SELECT id, {_MESSAGE_ID} AS message_id FROM {_HOOKS} AND http_status = 200) h
        JOIN messages m ON m.message_id = h.message_id WHERE m.delivery_id < h.id"""
    since_ms = float("nan") if counts["last_ms"] is None else where.until_ms - counts["last_ms"]
    values = [
        ("hooks", counts["hooks"], "hooks"),
        ("refused", counts["refused"], "hooks"),
        ("ack_p50", ack_ms.quantile(0.5), "ms"),
        ("ack_p99", ack_ms.quantile(0.99), "ms"),
        ("ack_worst", ack_ms.max(), "ms"),
        ("too_slow", (ack_ms > ACK_LIMIT_MS).sum(), "hooks"),
        ("duplicates", store.query(again, where.params)[0]["n"], "hooks"),
        ("problems", problems(store, where)["hooks"].sum(), "hooks"),
        ("since_last_hook", since_ms / 1000, "s"),
    ]
    columns = {"metric": "str", "value": "float64", "unit": "str"}
    return pd.DataFrame(values, columns=list(columns)).astype(columns)


def verdicts(store: Store, where: Filter) -> pd.DataFrame:
    """Hooks by what their signature said.

    Definition: hooks of the period by the verdict on their signature, and how they were answered.

    Returns: verdict (str), http_status, hooks (int64), last_at (datetime64[ms, UTC]); most frequent first.
    """
    sql = f"""
        SELECT verdict, http_status, count(*) AS hooks, max(received_at_ms) AS last_at FROM {_HOOKS}
        GROUP BY verdict, http_status ORDER BY hooks DESC, verdict, http_status"""
    return frame(store, sql, where.params, {"verdict": "str", "http_status": "int64", "hooks": "int64", "last_at": AT})


def problems(store: Store, where: Filter) -> pd.DataFrame:
    """What came and could not be read.

    Definition: accepted hooks of the period whose body says nothing that is known, by reason. They are kept as they
    came.

    Returns: reason (str), hooks (int64), last_at (datetime64[ms, UTC]); most frequent first.
    """
    sql = f"""
        SELECT reason, count(*) AS hooks, max(at_ms) AS last_at
        FROM problems JOIN (SELECT id FROM {_HOOKS}) d ON event = 'd' || d.id
        GROUP BY reason ORDER BY hooks DESC, reason"""
    return frame(store, sql, where.params, {"reason": "str", "hooks": "int64", "last_at": AT})
