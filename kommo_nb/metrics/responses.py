"""How long clients wait for a person's answer.

A turn is a run of messages of one side; a bot's messages belong to no side and end no turn. Of two messages of the
same millisecond the client's comes first. All is told as it stood at the end of the period: an answer that came
later leaves the wait open, so that a past period compares with the present one.
"""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from ..store import Store
from ..store.waits import SILENCE_MS
from . import lengths
from .business import Calendar
from .filters import IN_SCOPE, OF_SCOPE, Filter
from .frames import AT, frame, table
from .lengths import ASKED, QUANTILES, open_waits

SILENCE_S = SILENCE_MS // 1000
_ORDER = "sent_at_ms, author = 'manager', message_id"
_BACKWARDS = "sent_at_ms DESC, author = 'manager' DESC, message_id DESC"
_PER_OCTAVE = 2
_QUANTILES = {"waits": "int64", "open": "int64", "median_s": "float64", "p90_s": "float64"}


def first_response_time(
    store: Store, where: Filter, *, calendar: Calendar | None = None, silence_s: int = SILENCE_S
) -> pd.DataFrame:
    """How long each session's first client message waited.

    Definition: from a session's first client message to the first answer of a person, whether it came in that session
    or later. A session is a chat's messages without a silence longer than 24 hours; Kommo tells of no end, so this is
    our choice. Sessions whose first client message lies in the period; open waits count as long as they last.

    Args:
        calendar: for business time; without one `business_s` is NaN.

    Returns: chat_id (str), asked_at, answered_at (datetime64[ms, UTC]; NaT while open), wait_s, business_s (float64,
    seconds), open (bool); in order of asking.
    """
    sql = f"""
        WITH keyed AS MATERIALIZED (
            SELECT chat, message_id, author, sent_at_ms FROM messages m WHERE sent_at_ms < :until_ms AND {IN_SCOPE}),
        told AS (
            SELECT *, min(sent_at_ms) FILTER (WHERE author = 'manager') OVER (
                       PARTITION BY chat ORDER BY {_BACKWARDS} ROWS UNBOUNDED PRECEDING) AS answered_ms,
                   sent_at_ms - lag(sent_at_ms, 1, sent_at_ms) OVER (
                       PARTITION BY chat ORDER BY {_ORDER}) > :silence_ms AS fresh
            FROM keyed WHERE chat IN (
                SELECT chat FROM keyed WHERE author = 'client' AND sent_at_ms >= :since_ms)),
        sessions AS (
            SELECT *, sum(fresh) OVER (PARTITION BY chat ORDER BY {_ORDER} ROWS UNBOUNDED PRECEDING) AS session
            FROM told)
        SELECT chat AS chat_id, min(sent_at_ms) AS asked_at, answered_ms AS answered_at
        FROM sessions WHERE author = 'client' GROUP BY chat, session
        HAVING min(sent_at_ms) >= :since_ms ORDER BY asked_at, chat"""
    return _waits(store, sql, where, calendar, silence_ms=silence_s * 1000)


def response_time(store: Store, where: Filter, *, calendar: Calendar | None = None) -> pd.DataFrame:
    """How long each client turn waited.

    Definition: from the last message of each client turn to the first message of the next human turn. A turn is a run
    of messages of one side, and a bot's message ends none. Turns whose last message lies in the period; open waits
    count as long as they last.

    Args:
        calendar: for business time; without one `business_s` is NaN.

    Returns: as `first_response_time`.
    """
    sql = f"""
        SELECT chat AS chat_id, asked AS asked_at, answered_ms AS answered_at FROM (
            SELECT chat, asked_ms AS asked, answered_ms FROM waits
            WHERE kind = :kind AND asked_ms >= :since_ms AND asked_ms < :until_ms AND answered_ms < :until_ms
                  AND {OF_SCOPE}
            UNION ALL {open_waits(f"chat, {ASKED}, NULL", "asked_ms >= :since_ms")})
        WHERE asked >= :since_ms ORDER BY asked_at, chat"""
    return _waits(store, sql, where, calendar, kind="response")


def quantiles(waits: pd.DataFrame) -> pd.DataFrame:
    """Median and p90 of a table of waits.

    Definition: half of the waits are at most the median, nine in ten at most p90, between two waits in proportion.
    Open waits count with the time waited so far, so that both can only be greater in the end.

    Returns: time (str: calendar, business), waits, open (int64), median_s, p90_s (float64, seconds; NaN where there is
    nothing to count); in this order.
    """
    rows = [
        {"time": name, "waits": waits[of].count(), "open": (waits["open"] & waits[of].notna()).sum()}
        | {"median_s": waits[of].quantile(0.5), "p90_s": waits[of].quantile(0.9)}
        for name, of in (("calendar", "wait_s"), ("business", "business_s"))
    ]
    return table(rows, {"time": "str", **_QUANTILES})


def response_summary(store: Store, where: Filter) -> pd.DataFrame:
    """Median and p90 of the two waits that the page shows.

    Definition: half of the waits are at most the median, nine in ten at most p90, both within 4.5 %. Open waits count
    with the time waited so far.

    Returns: metric (str: first_response, response, in this order), waits, open (int64), median_s, p90_s (float64,
    seconds; NaN where there is nothing to count).
    """
    rows = []
    for kind in ("first_response", "response"):
        answered, opened = lengths.waits(store, where, kind)
        waits = answered + opened
        row = {"metric": kind, "waits": waits.total(), "open": opened.total()}
        rows.append(row | {f"{name}_s": lengths.quantile(waits, share) for name, share in QUANTILES.items()})
    return table(rows, {"metric": "str", **_QUANTILES})


def response_course(store: Store, where: Filter) -> pd.DataFrame:
    """The median first response of each day of UTC that the period touches, for a small line: of answered waits alone.

    Returns: day (datetime64[ms, UTC]), median_s (float64, seconds, within 4.5 %; NaN where nobody asked); in order.
    """
    days = lengths.by_day(store, where, "first_response").items()
    rows = [{"day": day_ms, "median_s": lengths.quantile(counts, 0.5)} for day_ms, counts in days]
    return table(rows, {"day": AT, "median_s": "float64"})


def response_distribution(store: Store, where: Filter) -> pd.DataFrame:
    """How many waits of `response_time` are how long, for a logarithmic axis, from rollups.

    Definition: from the last message of each client turn to the first message of the next human turn. Waits by their
    length in calendar time, two bars to each doubling, from one second up; what is shorter stands in the first bar.
    Open waits stand apart, at the time waited so far. Median and p90 beside them are within 4.5 %.

    Returns: from_s, to_s (float64, seconds, half-open), answered, open (int64, waits); every bar from the first
    to the longest wait, empty ones too; no rows when there are no waits.
    """
    bars: list[Counter[int]] = []
    for counts in lengths.waits(store, where, "response"):
        bars.append(Counter())
        for at_least, count in counts.items():
            bars[-1][_place(at_least / 1000)] += count
    answered, opened = bars
    rows = [
        {"from_s": 2 ** (bar / _PER_OCTAVE) if bar else 0.0, "to_s": 2 ** ((bar + 1) / _PER_OCTAVE)}
        | {"answered": answered[bar], "open": opened[bar]}
        for bar in range(max(answered + opened, default=-1) + 1)
    ]
    return table(rows, {"from_s": "float64", "to_s": "float64", "answered": "int64", "open": "int64"})


def _place(wait_s: float) -> int:
    """The bar of a wait; rounding of the logarithm must not move one that lies on an edge."""
    bar = max(0, int(math.log2(max(wait_s, 1.0)) * _PER_OCTAVE))
    return bar + 1 if 2 ** ((bar + 1) / _PER_OCTAVE) <= wait_s else bar


def _waits(store: Store, sql: str, where: Filter, calendar: Calendar | None, **params: int | str) -> pd.DataFrame:
    columns = {"chat_id": "str", "asked_at": "int64", "answered_at": "Int64"}
    waits = frame(store, sql, {**where.params, **params}, columns)
    ends = waits["answered_at"].fillna(where.until_ms).astype("int64")
    waits["wait_s"] = (ends - waits["asked_at"]) / 1000
    waits["business_s"] = calendar.seconds(waits["asked_at"], ends) if calendar else float("nan")
    waits["open"] = waits["answered_at"].isna()
    dtypes = {"asked_at": AT, "answered_at": AT, "wait_s": "float64", "business_s": "float64", "open": "bool"}
    return waits.astype(dtypes)
