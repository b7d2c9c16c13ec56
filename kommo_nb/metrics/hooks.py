"""Whether hooks come, fit, and are acknowledged in time."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..store import Store
from ..store.hook_counts import COUNTED_TO, SLOW_US
from ..store.refresh import TOLD_TO
from ..store.rollups import ANY, QUARTER_MS
from . import lengths
from .filters import OF_SCOPE, Filter, whole
from .frames import AT, frame

ACK_LIMIT_MS = SLOW_US // 1000
"""Kommo moves a channel that is slower to its slow queue."""

_IN_PERIOD = "received_at_ms >= :since_ms AND received_at_ms < :until_ms"
# Whole quarters of an hour stand in the rollup; what lies beside them, or is not counted yet, is read hook by hook.
_HOOKS = f"""
    SELECT verdict, 200 AS http_status, hooks, last_ms, slow, worst_us FROM hook_quarters
    WHERE quarter_ms >= :first AND quarter_ms < :last AND {OF_SCOPE}
    UNION ALL
    SELECT verdict, http_status, 1, received_at_ms, ack_us > {SLOW_US}, ack_us FROM deliveries
    WHERE {_IN_PERIOD} AND (id > :counted_to OR received_at_ms < :first OR received_at_ms >= :last)
          AND http_status = 200 AND {OF_SCOPE}
    UNION ALL
    SELECT verdict, http_status, 1, received_at_ms, 0, NULL FROM deliveries
    WHERE http_status <> 200 AND {_IN_PERIOD} AND {OF_SCOPE}"""


def _params(store: Store, where: Filter) -> dict[str, Any]:
    first, last = whole(*where.period, QUARTER_MS)
    counted_to = store.query(f"{COUNTED_TO}")[0]
    return {**where.params, "first": first, "last": last, "counted_to": next(iter(counted_to.values()))}


def last_change(store: Store) -> str:
    """A token that changes whenever something new was projected, and when the rollups have come after it.

    "" while there is nothing. Costs well under 1 ms.
    """
    if not store.query("SELECT 1 FROM sqlite_master WHERE name = 'changed'"):
        return ""
    sql = f"""SELECT source, read_to FROM projection
              UNION ALL SELECT 'channels', count(*) FROM channels
              UNION ALL SELECT 'told', ({TOLD_TO}) ORDER BY source"""
    rows = store.query(sql)
    return " ".join(f"{row['source']}:{row['read_to']}" for row in rows) if len(rows) > 2 else ""


def channels(store: Store) -> pd.DataFrame:
    """The channels that the store knows, each in one account.

    Returns: scope_id, name (str, of the channel; NaN where only its id is known); by name, then by scope.
    """
    # As for `types`: each scope is looked up from the one before.
    after = f"SELECT min(scope_id) AS scope_id FROM quarter_hours WHERE type = '{ANY}' AND scope_id >"
    sql = f"""
        WITH RECURSIVE found AS (
            {after} '{ANY}' UNION ALL SELECT ({after} found.scope_id) FROM found WHERE found.scope_id IS NOT NULL)
        SELECT scope_id, min(name) AS name FROM found LEFT JOIN channels c ON instr(scope_id, c.id || '_') = 1
        WHERE scope_id IS NOT NULL GROUP BY scope_id ORDER BY name IS NULL, name, scope_id"""
    return frame(store, sql, {}, {"scope_id": "str", "name": "str"})


def last_hook_ms(store: Store) -> int | None:
    """When the last hook came, or None; whatever its signature said."""
    rows = store.query("SELECT received_at_ms FROM deliveries ORDER BY id DESC LIMIT 1")
    return rows[0]["received_at_ms"] if rows else None


def hook_health(store: Store, where: Filter) -> pd.DataFrame:
    """The receiver in numbers.

    Definition: hooks of the period and those refused; the time to acknowledge them, from the whole body received to
    its commit, against Kommo's 5 s; hooks that brought a message again; what could not be read; and the time from the
    last hook to the end of the period. Median and p99 are within 4.5 %. Old refused hooks are dropped, so that their
    number may be too small.

    Returns: metric (str: hooks, refused, ack_p50, ack_p99, ack_worst, too_slow, duplicates, problems,
    since_last_hook), value (float64; NaN where there is nothing to measure), unit (str: hooks, ms or s); in this order.
    """
    params = _params(store, where)
    total = f"""
        SELECT coalesce(sum(hooks), 0) AS hooks, coalesce(sum(hooks) FILTER (WHERE http_status <> 200), 0) AS refused,
               max(last_ms) AS last_ms, coalesce(sum(slow), 0) AS slow, max(worst_us) AS worst_us FROM ({_HOOKS})"""
    counts = store.query(total, params)[0]
    again = f"SELECT count(*) AS n FROM repeats WHERE at_ms >= :since_ms AND at_ms < :until_ms AND {OF_SCOPE}"
    acks = lengths.acknowledgements(store, where, params["counted_to"])
    nan = float("nan")
    values = [
        ("hooks", counts["hooks"], "hooks"),
        ("refused", counts["refused"], "hooks"),
        ("ack_p50", lengths.quantile(acks, 0.5), "ms"),  # counted in us, so that its seconds are ms
        ("ack_p99", lengths.quantile(acks, 0.99), "ms"),
        ("ack_worst", nan if not acks else counts["worst_us"] / 1000, "ms"),
        ("too_slow", counts["slow"], "hooks"),
        ("duplicates", store.query(again, where.params)[0]["n"], "hooks"),
        ("problems", problems(store, where)["hooks"].sum(), "hooks"),
        ("since_last_hook", nan if counts["last_ms"] is None else (where.until_ms - counts["last_ms"]) / 1000, "s"),
    ]
    columns = {"metric": "str", "value": "float64", "unit": "str"}
    return pd.DataFrame(values, columns=list(columns)).astype(columns)


def verdicts(store: Store, where: Filter) -> pd.DataFrame:
    """Hooks by what their signature said.

    Definition: hooks of the period by the verdict on their signature, and how they were answered.

    Returns: verdict (str), http_status, hooks (int64), last_at (datetime64[ms, UTC]); most frequent first.
    """
    sql = f"""
        SELECT verdict, http_status, sum(hooks) AS hooks, max(last_ms) AS last_at FROM ({_HOOKS})
        GROUP BY verdict, http_status ORDER BY hooks DESC, verdict, http_status"""
    columns = {"verdict": "str", "http_status": "int64", "hooks": "int64", "last_at": AT}
    return frame(store, sql, _params(store, where), columns)


def problems(store: Store, where: Filter) -> pd.DataFrame:
    """What came and could not be read.

    Definition: accepted hooks of the period whose body says nothing that is known, by reason. They are kept as they
    came.

    Returns: reason (str), hooks (int64), last_at (datetime64[ms, UTC]); most frequent first.
    """
    sql = f"""
        SELECT p.reason, count(*) AS hooks, max(at_ms) AS last_at
        FROM problems p LEFT JOIN deliveries d ON d.id = CAST(substr(event, 2) AS INTEGER)
        WHERE event GLOB 'd*' AND at_ms >= :since_ms AND at_ms < :until_ms AND {OF_SCOPE}
        GROUP BY p.reason ORDER BY hooks DESC, p.reason"""
    return frame(store, sql, where.params, {"reason": "str", "hooks": "int64", "last_at": AT})
