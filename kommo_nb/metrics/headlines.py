"""The numbers at the top of the page, against the period before."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from ..store import Store
from . import lengths
from .counts import by_author, by_stage, total
from .deliveries import STAGES
from .filters import Filter
from .frames import table
from .waiting import waiting_count

_UNITS = {
    "messages": "messages",
    **dict.fromkeys(STAGES[1:4], "share of sent"),
    "waiting": "chats",
    "first_response": "s",
}


def headline(store: Store, where: Filter) -> pd.DataFrame:
    """The headline numbers of a period and of the period before.

    Definition: the period before is the same span, as many whole days earlier as it touches, so that weekdays and
    hours compare. Shares change in points, counts and times by a share of the earlier value; medians are within 4.5 %.

    Returns: metric (str: messages, delivered, read, failed, waiting, first_response, the last a median in calendar
    time), value, before, change (float64; NaN where there is nothing to compare with), unit (str: messages,
    share of sent, chats, or s); in this order.
    """
    rows = []
    values = (_values(store, each) for each in (where, where.before()))
    for (name, unit), value, before in zip(_UNITS.items(), *values, strict=True):
        change = value - before
        if name not in STAGES:
            change = change / before if before else float("nan")
        rows.append({"metric": name, "value": value, "before": before, "change": change, "unit": unit})
    return table(rows, {"metric": "str", **dict.fromkeys(("value", "before", "change"), "float64"), "unit": "str"})


def _values(store: Store, where: Filter) -> list[float]:
    sums = {"messages": " + ".join(by_author(where).values()), **by_stage(where)}
    row = total(store, where, sums)
    shares = [row[stage] / row["sent"] if row["sent"] else float("nan") for stage in STAGES[1:4]]
    waiting = waiting_count(store, where, now_ms=where.until_ms)
    first_response = lengths.quantile(sum(lengths.waits(store, where, "first_response"), Counter()), 0.5)
    return [row["messages"], *shares, waiting, first_response]
