"""Counts of messages over time, read from the rollup of quarter hours.

A bucket need not begin or end with a quarter of an hour: what lies between is counted message by message, so that
every count is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

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
) -> dict[str, Any]:
    """The sums of columns of the rollup, an array of int64 with one number for each bucket."""
    counts = np.zeros((len(buckets), len(columns)), dtype="int64")
    for bucket, sums in _read(store, where, buckets, [f"coalesce(sum({sql}), 0)" for sql in columns.values()]):
        counts[bucket] += sums
    return dict(zip(columns, counts.T, strict=True))


def total(store: Store, where: Filter, columns: Mapping[str, str]) -> dict[str, int]:
    """The sums of columns of the rollup in the period."""
    return {name: int(of[0]) for name, of in counted(store, where, [where.period], columns).items()}


def quarters(store: Store, where: Filter, columns: Mapping[str, str]) -> dict[str, Any]:
    """Columns of the rollup, and before them `at_ms`, each as an array; what is left over stands by the message."""
    wanted = [f"json_group_array({sql})" for sql in ("at_ms", *columns.values())]
    found = [np.array(lists, dtype="int64") for _, lists in _read(store, where, [where.period], wanted)]
    return dict(zip(("at_ms", *columns), np.hstack(found), strict=True))


def _read(
    store: Store, where: Filter, buckets: Sequence[tuple[int, int]], wanted: Sequence[str]
) -> Iterator[tuple[int, list[Any]]]:
    """What is wanted of the rollup, and of messages that are left over: the number of the bucket, and the values."""
    of = {"in_type": where.type or ANY, "in_scope": where.scope_id or ANY}
    for source, pieces in _pieces(where, buckets).items():
        # Not a join: its groups would have to be sorted, as SQLite does not know that the pieces are in order.
        sql = f"""
            SELECT value ->> 0 AS bucket, (
                SELECT json_array({", ".join(wanted)}) FROM ({source})
                WHERE at_ms >= value ->> 1 AND at_ms < value ->> 2) AS found
            FROM json_each(:pieces)"""
        for row in store.query(sql, {**where.params, **of, "pieces": json.dumps(pieces)}):
            yield row["bucket"], json.loads(row["found"])


_WHOLE = f"""SELECT quarter_ms AS at_ms, {", ".join(COLUMNS)} FROM quarter_hours
             WHERE type = :in_type AND scope_id = :in_scope"""
_REACHED = dict(zip(STAGES, ("IS NOT NULL", "IN ('delivered', 'read')", "= 'read'", "= 'failed'"), strict=True))
_SINGLE = ", ".join(
    f"m.author = '{who}' {f'AND coalesce(m.reached {_REACHED[stage]}, 0)' if stage else ''} AS {name}"
    for name in COLUMNS
    for stage, _, who in [name.rpartition("_")]
)
_LEFT_OVER = f"SELECT sent_at_ms AS at_ms, {_SINGLE} FROM messages m WHERE {COUNTED}"


def _pieces(where: Filter, buckets: Iterable[tuple[int, int]]) -> dict[str, list[tuple[int, int, int]]]:
    """Whole quarters of an hour, and what is left over before and behind them; as bucket, start and end."""
    found: dict[str, list[tuple[int, int, int]]] = {_WHOLE: [], _LEFT_OVER: []}
    for bucket, (start, end) in enumerate(buckets):
        since_ms, until_ms = max(start, where.since_ms), min(end, where.until_ms)
        first, last = whole(since_ms, until_ms, QUARTER_MS)
        found[_WHOLE].append((bucket, first, last))
        found[_LEFT_OVER] += [(bucket, *span) for span in ((since_ms, first), (last, until_ms)) if span[0] < span[1]]
    return {source: pieces for source, pieces in found.items() if pieces}
