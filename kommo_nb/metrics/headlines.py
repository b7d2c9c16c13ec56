"""The numbers at the top of the page, against the period before."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from ..store import Store
from . import lengths
from .counts import by_author, by_stage, counted
from .deliveries import STAGES
from .filters import Filter
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
    hours compare. Shares change in points, counts and times by a share of the earlier value.

    Returns: metric (str: messages, delivered, read, failed, waiting, first_response, the last a median in calendar
    time), value, before, change (float64; NaN where there is nothing to compare with), unit (str: messages,
    share of sent, chats, or s); in this order.
    """
    value, before = (_values(store, each) for each in (where, where.before()))
    rows = pd.DataFrame({"metric": list(_UNITS), "value": value, "before": before})
    rows = rows.astype({"metric": "str", "value": "float64", "before": "float64"})
    difference, in_points = rows["value"] - rows["before"], rows["metric"].isin(STAGES)
    relative = difference / rows["before"].where(rows["before"] != 0)
    rows["change"] = difference.where(in_points, relative)
    rows["unit"] = pd.Series(_UNITS.values(), dtype="str")
    return rows


def _values(store: Store, where: Filter) -> list[float]:
    sums = {"messages": " + ".join(by_author(where).values()), **by_stage(where)}
    row = counted(store, where, [where.period], sums)[0]
    shares = [row[stage] / row["sent"] if row["sent"] else float("nan") for stage in STAGES[1:4]]
    waiting = waiting_count(store, where, now_ms=where.until_ms)
    first_response = lengths.quantile(sum(lengths.waits(store, where, "first_response"), Counter()), 0.5)
    return [row["messages"], *shares, waiting, first_response]
