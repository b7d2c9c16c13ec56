"""Counts of messages over time, read from the rollup of quarter hours.

A bucket need not begin or end with a quarter of an hour: what lies between is counted message by message, so that
every count is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from ..store import Store
from ..store.rollups import ANY, COLUMNS, QUARTER_MS, STAGES
from .filters import COUNTED, Filter, whole


def by_author(where: Filter) -> dict[str, str]:
    """SQL for the messages of each author that the filter lets through."""
    return {who: who if where.author in (None, who) else "0" for who in ("client", "manager", "bot")}


def by_stage(where: Filter) -> dict[str, str]:
    """SQL for the messages that the CRM sent, by how far they got."""
    authors = [who for who in ("manager", "bot") if where.author in (None, who)]
    return {stage: " + ".join(f"{stage}_{who}" for who in authors) or "0" for stage in STAGES}


def counted(
    store: Store, where: Filter, buckets: Sequence[tuple[int, int]], columns: Mapping[str, str]
) -> list[dict[str, int]]:
    """The sums of columns of the rollup in each bucket, in their order."""
    sums = ", ".join(f"coalesce(sum({sql}), 0) AS {name}" for name, sql in columns.items())
    rows = [{"start_ms": start} | dict.fromkeys(columns, 0) for start, _ in buckets]
    for source, pieces in _pieces(where, buckets).items():
        params = {
            **where.params,
            "in_type": where.type or ANY,
            "in_scope": where.scope_id or ANY,
            "pieces": json.dumps(pieces),
        }
        found = store.query(f"{_PIECES} SELECT bucket, {sums} FROM pieces p {source} GROUP BY bucket", params)
        for row in found:
            for name in columns:
                rows[row["bucket"]][name] += row[name]
    return rows


_PIECES = """WITH pieces AS (
    SELECT value ->> 0 AS bucket, value ->> 1 AS from_ms, value ->> 2 AS to_ms FROM json_each(:pieces))"""
_WHOLE = """JOIN quarter_hours q ON q.type = :in_type AND q.scope_id = :in_scope
            AND q.quarter_ms >= from_ms AND q.quarter_ms < to_ms"""
_REACHED = dict(zip(STAGES, ("IS NOT NULL", "IN ('delivered', 'read')", "= 'read'", "= 'failed'"), strict=True))
_SINGLE = ", ".join(
    f"m.author = '{who}' {f'AND coalesce(m.reached {_REACHED[stage]}, 0)' if stage else ''} AS {name}"
    for name in COLUMNS
    for stage, _, who in [name.rpartition("_")]
)
_LEFT_OVER = f"""JOIN (SELECT sent_at_ms, {_SINGLE} FROM messages m WHERE {COUNTED}) m
                 ON m.sent_at_ms >= from_ms AND m.sent_at_ms < to_ms"""


def _pieces(where: Filter, buckets: Iterable[tuple[int, int]]) -> dict[str, list[tuple[int, int, int]]]:
    """Whole quarters of an hour, and what is left over before and behind them; as bucket, start and end."""
    found: dict[str, list[tuple[int, int, int]]] = {_WHOLE: [], _LEFT_OVER: []}
    for bucket, (start, end) in enumerate(buckets):
        since_ms, until_ms = max(start, where.since_ms), min(end, where.until_ms)
        first, last = whole(since_ms, until_ms, QUARTER_MS)
        found[_WHOLE].append((bucket, first, last))
        found[_LEFT_OVER] += [(bucket, *span) for span in ((since_ms, first), (last, until_ms)) if span[0] < span[1]]
    return {source: pieces for source, pieces in found.items() if pieces}
