"""Counts of messages over time, read from the rollup of quarter hours.

A bucket need not begin or end with a quarter of an hour: what lies between is counted message by message, so that
every count is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..store import Store
from ..store.rollups import ANY_TYPE, COLUMNS, QUARTER_MS, counts_of
from .filters import COUNTED, Filter

STAGES = ("sent", "delivered", "read", "failed")


def by_author(where: Filter) -> dict[str, str]:
    """SQL for the messages of each author that the filter lets through."""
    return {who: who if where.author in (None, who) else "0" for who in ("client", "manager", "bot")}


def by_stage(where: Filter) -> dict[str, str]:
    """SQL for the messages that the CRM sent, by how far they got."""
    authors = [who for who in ("manager", "bot") if where.author in (None, who)]
    return {stage: " + ".join(f"{stage}_{who}" for who in authors) or "0" for stage in STAGES}


def counted(
    store: Store, where: Filter, buckets: Iterable[tuple[int, int]], columns: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The sums of columns of the rollup in each bucket, empty ones too; `start_ms` names the bucket."""
    since_ms, until_ms = where.period
    pieces = [(start, *piece) for start, end in buckets for piece in _pieces(max(start, since_ms), min(end, until_ms))]
    sums = ", ".join(f"coalesce(sum({sql}), 0) AS {name}" for name, sql in columns.items())
    single = ", ".join(f"{sql} AS {name}" for sql, name in zip(counts_of("m"), COLUMNS, strict=True))
    sql = f"""
        WITH pieces AS (
            SELECT value ->> 0 AS start_ms, value ->> 1 AS since_ms, value ->> 2 AS until_ms, value ->> 3 AS whole
            FROM json_each(:pieces))
        SELECT start_ms, {sums} FROM (
            SELECT p.start_ms, {", ".join(COLUMNS)}
            FROM pieces p LEFT JOIN quarter_hours q ON p.whole AND q.type = :of_type
                 AND q.quarter_ms >= p.since_ms AND q.quarter_ms < p.until_ms
                 AND (:scope_id IS NULL OR q.scope_id = :scope_id)
            UNION ALL
            SELECT p.start_ms, {single}
            FROM pieces p CROSS JOIN messages m
            WHERE NOT p.whole AND m.sent_at_ms >= p.since_ms AND m.sent_at_ms < p.until_ms AND {COUNTED})
        GROUP BY start_ms ORDER BY start_ms"""
    of_type = ANY_TYPE if where.type is None else where.type
    return store.query(sql, {**where.params, "pieces": json.dumps(pieces), "of_type": of_type})


def _pieces(since_ms: int, until_ms: int) -> list[tuple[int, int, bool]]:
    """A span as whole quarters of an hour and what is left over before and behind."""
    first, last = -(-since_ms // QUARTER_MS) * QUARTER_MS, until_ms // QUARTER_MS * QUARTER_MS
    if first >= last:
        return [(since_ms, until_ms, False)]
    spans = [(since_ms, first, False), (first, last, True), (last, until_ms, False)]
    return [span for span in spans if span[0] < span[1]]
