"""How long things took, read from the rollups: counts by step, eight to each doubling.

Whole days of UTC stand in the rollup, and what a period holds beside them is counted one by one. So the counts are
exact, and a quantile read from them is within 4.5 % of the exact one (of lengths under 0.125 s, within 63 ms).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from ..store import Store
from ..store.rollups import ANY, DAY_MS, STEPS
from .filters import COUNTED, OF_SCOPE, Filter, whole

QUANTILES = {"median": 0.5, "p90": 0.9}

_BESIDE = "FROM json_each(:beside) p CROSS JOIN {0} ON {1} >= p.value ->> 0 AND {1} < p.value ->> 1"
# Of a turn that went on after the end of the period, its last message before that.
ASKED = """CASE WHEN asked_ms < :until_ms THEN asked_ms ELSE (
    SELECT max(sent_at_ms) FROM messages m
    WHERE m.chat = w.chat AND author = 'client' AND sent_at_ms < :until_ms) END"""


def deliveries(store: Store, where: Filter, kind: str) -> Counter[int]:
    """How many of the period's messages took how long to be `delivered` or `read`, by step."""
    beside = f"""
        SELECT json_group_array(m.{kind}_in_ms) AS lengths {_BESIDE.format("messages m", "m.sent_at_ms")}
        WHERE m.{kind}_in_ms IS NOT NULL AND {COUNTED}"""
    return _summed(store, where, kind, beside)


def waits(store: Store, where: Filter, kind: str) -> tuple[Counter[int], Counter[int]]:
    """How many clients waited how long, by step: the answered ones and, as long as they have waited, the open ones."""
    beside = f"""
        SELECT json_group_array(wait) AS lengths {_BESIDE.format("waits", "asked_ms")}
        WHERE kind = :kind AND wait IS NOT NULL AND {OF_SCOPE}"""
    answered = _summed(store, replace(where, author=None, type=None), kind, beside)
    # Some were counted above with the answer that came later.
    sql = f"""
        SELECT json_group_array(:until_ms - asked) AS opened, json_group_array(wait) FILTER (
            WHERE wait IS NOT NULL AND asked_ms < :until_ms) AS counted
        FROM ({open_waits(f"wait, asked_ms, {ASKED} AS asked", "asked_ms >= :since_ms")}) WHERE asked >= :since_ms"""
    row = store.query(sql, {**where.params, "kind": kind})[0]
    answered.subtract(json.loads(row["counted"]))
    return answered, _by_step(row["opened"])


def acknowledgements(store: Store, where: Filter, counted_to: int) -> Counter[int]:
    """How long accepted hooks of the period took to be acknowledged, by step in us.

    Args:
        counted_to: the last hook that the rollup counts.
    """
    beside = f"""
        SELECT json_group_array(ack_us) AS lengths FROM deliveries
        WHERE received_at_ms >= :since_ms AND received_at_ms < :until_ms AND http_status = 200
        AND (received_at_ms < :first OR received_at_ms >= :last OR id > {int(counted_to)}) AND ack_us IS NOT NULL
        AND {OF_SCOPE}"""
    return _summed(store, replace(where, author=None, type=None), "ack", beside)


def open_waits(columns: str, also: str = "1") -> str:
    """SQL for columns of the waits `w` that are open at the end of the period; it says which, for each costs time."""
    # An answer that came later is found by how long the wait was: of each step, only what began recently enough can
    # still have been open; no step need be looked at where the period ends behind the last message. Without an answer
    # there is no step, which is said here as the index does not hold it.
    return f"""
        SELECT {columns}
        FROM (SELECT kind, chat, scope_id, began_ms, asked_ms, NULL AS wait FROM waits WHERE answered_ms IS NULL) w
        WHERE kind = :kind AND began_ms < :until_ms AND {also} AND {OF_SCOPE}
        UNION ALL
        SELECT {columns} FROM steps CROSS JOIN waits w
        ON kind = :kind AND span = steps.at_least AND answered_ms IS NOT NULL AND {also} AND {OF_SCOPE}
        AND :until_ms <= (SELECT max(sent_at_ms) FROM messages)
        AND began_ms < :until_ms AND answered_ms >= :until_ms AND began_ms >= :until_ms - coalesce(
            (SELECT min(at_least) FROM steps next WHERE next.at_least > steps.at_least), :until_ms)"""


def by_day(store: Store, where: Filter, kind: str) -> dict[int, Counter[int]]:
    """How many answered waits of each whole day of UTC that the period touches were how long, by step; in order."""
    days = range(where.since_ms // DAY_MS * DAY_MS, where.until_ms, DAY_MS)
    sql = """
        SELECT d.value AS day_ms, (
            SELECT json_group_object(at_least, count) FROM lengths
            WHERE kind = :kind AND day_ms = d.value AND scope_id = :in_scope) AS counts
        FROM json_each(:days) d"""
    rows = store.query(sql, {"kind": kind, "in_scope": where.scope_id or ANY, "days": json.dumps([*days])})
    return {row["day_ms"]: Counter({int(at): n for at, n in json.loads(row["counts"]).items()}) for row in rows}


def quantile(counts: Counter[int], share: float) -> float:
    """A quantile in seconds, between two lengths in proportion; NaN of none."""
    if not (total := counts.total()):
        return float("nan")
    steps = sorted(counts)
    upto = list(accumulate(map(counts.__getitem__, steps)))
    rank, part = divmod((total - 1) * share, 1)
    low, high = (_middle(steps[bisect_right(upto, each)]) for each in (rank, min(rank + 1, total - 1)))
    return (low + (high - low) * part) / 1000


def _middle(at_least: int) -> float:
    """The middle of a step, in ms."""
    above = STEPS[min(bisect_right(STEPS, at_least), len(STEPS) - 1)]
    return float((at_least * above) ** 0.5 if at_least else above / 2)


def _summed(store: Store, where: Filter, kind: str, beside: str) -> Counter[int]:
    first, last = whole(*where.period, DAY_MS)
    params: dict[str, Any] = {**where.params, "kind": kind, "first": first, "last": last}
    params["beside"] = json.dumps([(where.since_ms, first), (last, where.until_ms)])
    chosen = {name: f":{name}" for name in ("scope_id", "author", "type") if params[name] is not None}
    rows = [f"{name} = {value}" for name, value in chosen.items()] + [f"scope_id <> '{ANY}'"]
    of = " AND ".join(rows if chosen else [f"scope_id = '{ANY}'"])
    # Each day is looked up from the one before: of a span of days the rows of all channels would be read.
    next_day = "SELECT min(day_ms) FROM lengths WHERE kind = :kind AND day_ms"
    of_days = f"""
        WITH RECURSIVE days (day) AS (
            {next_day} >= :first UNION ALL SELECT ({next_day} > day) FROM days WHERE day < :last)
        SELECT at_least, sum(count) AS count FROM days
        CROSS JOIN lengths ON kind = :kind AND day_ms = day AND day < :last AND {of} GROUP BY 1"""
    counts = _by_step(store.query(beside, params)[0]["lengths"])
    counts.update({row["at_least"]: row["count"] for row in store.query(of_days, params)})
    return counts


def _by_step(lengths: str) -> Counter[int]:
    """How many lengths, a JSON array, there are of each step. To group them in SQL takes twice as long."""
    found = np.bincount(np.searchsorted(STEPS, json.loads(lengths), side="right") - 1)
    return Counter({STEPS[place]: int(found[place]) for place in found.nonzero()[0]})
