"""How far messages got, how long that took, and why some failed.

The ledger is a state machine: read beats delivered beats failed, and nothing goes back, however late or often a
status is reported.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..store import Store
from ..wire.messages import ERROR_CODES
from . import lengths
from .counts import by_stage, counted, total
from .filters import COUNTED, IN_PERIOD, Filter
from .frames import AT, Grain, edges, frame, local, table
from .lengths import QUANTILES

STAGES = ("sent", "delivered", "read", "failed", "not_reported")

_IN_PERIOD = f"{IN_PERIOD} AND {COUNTED}"
_CODES = {1: "delivered", 2: "read", -1: "failed"}


def delivery(store: Store, where: Filter, *, grain: Grain = "day") -> pd.DataFrame:
    """The delivery funnel by the time of sending, one row per bucket, empty ones too.

    Returns: bucket (datetime64[ms, tz], its start), sent, delivered, read, failed, not_reported (int64, messages);
    in order of time. The definition is that of `delivery_funnel`.
    """
    buckets = edges(where, grain)
    return local(buckets, with_rest(counted(store, where, buckets, by_stage(where))), where)


def with_rest(counts: dict[str, Any]) -> dict[str, Any]:
    """Counts by stage, completed by those that are not reported yet."""
    return counts | {"not_reported": counts["sent"] - counts["delivered"] - counts["failed"]}


def delivery_funnel(store: Store, where: Filter) -> pd.DataFrame:
    """How far the messages of a period got.

    Definition: messages that the CRM sent through the channel → reported delivered → read. Read implies delivered,
    and nothing goes back: late and repeated reports change nothing. Failed, and not yet reported, stand apart.

    Returns: stage (str: sent, delivered, read, failed, not_reported, in this order), messages (int64),
    share (float64, 0 to 1 of sent; NaN when nothing was sent).
    """
    counts = with_rest(total(store, where, by_stage(where)))
    sent = counts["sent"] or float("nan")
    rows = [{"stage": stage, "messages": counts[stage], "share": counts[stage] / sent} for stage in STAGES]
    return table(rows, {"stage": "str", "messages": "int64", "share": "float64"})


def failures(store: Store, where: Filter) -> pd.DataFrame:
    """Why messages of a period were not delivered.

    Definition: messages whose delivery failed for good, by error code 901 to 905 with its meaning, and the error
    text that was reported with it.

    Returns: error_code (Int64), meaning (str), error (str, NaN where no text was given), messages (int64);
    most frequent first.
    """
    sql = f"""
        SELECT m.error_code, m.error, count(*) AS messages
        FROM messages m WHERE m.reached = 'failed' AND {_IN_PERIOD}
        GROUP BY 1, 2 ORDER BY messages DESC, 1, 2"""
    rows = frame(store, sql, where.params, {"error_code": "Int64", "error": "str", "messages": "int64"})
    meaning = [ERROR_CODES.get(code, "no known error code") for code in rows["error_code"]]
    rows.insert(1, "meaning", pd.Series(meaning, dtype="str"))
    return rows


def rejected_calls(store: Store, where: Filter) -> pd.DataFrame:
    """The API calls of a period that failed.

    Definition: calls that Kommo refused, by HTTP status and error type, after the last retry; without a status no
    answer came at all. Of a scope, those whose address names it; connecting names none.

    Returns: status (Int64), error_type (str, NaN where Kommo gave none), calls (int64), last_at (datetime64[ms, UTC]);
    most frequent first.
    """
    sql = """
        SELECT status, error_type, count(*) AS calls, max(created_at_ms) AS last_at FROM exchanges
        WHERE state = 'failed' AND created_at_ms >= :since_ms AND created_at_ms < :until_ms
          AND (:scope_id IS NULL OR instr(path || '/', '/v2/origin/custom/' || :scope_id || '/') = 1)
        GROUP BY status, error_type ORDER BY calls DESC, status, error_type"""
    return frame(store, sql, where.params, {"status": "Int64", "error_type": "str", "calls": "int64", "last_at": AT})


def delivery_summary(store: Store, where: Filter) -> pd.DataFrame:
    """How long the messages of a period took to be delivered, and to be read, from rollups.

    Definition: from the message's own time to the first report that it was delivered, or read, which implies the first;
    a report older than its message counts as 0 s. Only messages that got there count: half of them within the median,
    nine in ten within p90, both within 4.5 %.

    Returns: stage (str: delivered, read, in this order), messages (int64), median_s, p90_s (float64, seconds; NaN where
    there is nothing to count).
    """
    rows = []
    for stage in ("delivered", "read"):
        counts = lengths.deliveries(store, where, stage)
        row = {"stage": stage, "messages": counts.total()}
        rows.append(row | {f"{name}_s": lengths.quantile(counts, share) for name, share in QUANTILES.items()})
    return table(rows, {"stage": "str", "messages": "int64", "median_s": "float64", "p90_s": "float64"})


def delivery_ledger(store: Store, where: Filter) -> pd.DataFrame:
    """Every report on the messages of a period, and what it changed.

    Definition: each report of a delivery status in order of time. It is new when it moves its message on, repeated
    when its status was reported before, and late when a further one was: failed, then delivered, then read.

    Returns: message_id, chat_id (str), reported_at (datetime64[ms, UTC]), status (str: failed, delivered, read, or
    unknown), error_code (Int64), error (str), effect (str: new, repeated, late; NaN when unknown); by message, then in
    order of time.
    """
    # Codes -1, 1 and 2 grow with the rank; an unknown one changes nothing, and its maximum leaves it out.
    known = "CASE WHEN s.status_code IN (-1, 1, 2) THEN s.status_code END"
    sql = f"""
        SELECT message_id, chat_id, reported_at_ms AS reported_at, status_code AS status, error_code, error,
               CASE WHEN code IS NULL THEN NULL WHEN before IS NULL OR code > before THEN 'new'
                    WHEN again > 0 THEN 'repeated' ELSE 'late' END AS effect
        FROM (
            SELECT s.*, m.chat_id, m.sent_at_ms, {known} AS code, max({known}) OVER earlier AS before,
                   count(*) OVER (PARTITION BY s.message_id, s.status_code ORDER BY reported_at_ms, length(event), event
                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS again
            FROM messages m JOIN statuses s ON s.message_id = m.message_id WHERE m.reached IS NOT NULL AND {_IN_PERIOD}
            WINDOW earlier AS (PARTITION BY s.message_id ORDER BY reported_at_ms, length(event), event
                               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
        ORDER BY sent_at_ms, message_id, reported_at_ms, length(event), event"""
    columns = {"message_id": "str", "chat_id": "str", "reported_at": AT, "status": "Int64", "error_code": "Int64"}
    rows = frame(store, sql, where.params, columns | {"error": "str", "effect": "str"})
    rows["status"] = rows["status"].map(lambda code: _CODES.get(code, "unknown")).astype("str")
    return rows
