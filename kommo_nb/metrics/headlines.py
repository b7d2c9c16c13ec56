"""The numbers at the top of the page, against the period before."""

from __future__ import annotations

import pandas as pd

from ..store import Store
from .deliveries import STAGES, delivery_funnel
from .filters import COUNTED, IN_PERIOD, Filter
from .responses import first_response_time, quantiles, response_time
from .waiting import waiting_count

_UNITS = {
    "messages": "messages",
    **dict.fromkeys(STAGES[1:4], "share of sent"),
    "waiting": "chats",
    "first_response": "s",
    "response": "s",
}


def headline(store: Store, where: Filter) -> pd.DataFrame:
    """The headline numbers of a period and of the period before.

    Definition: the period before is the same span, as many whole days earlier as it touches, so that weekdays and
    hours compare. Shares change in points, counts and times by a share of the earlier value.

    Returns: metric (str: messages, delivered, read, failed, waiting, first_response, response, the last two medians in
    calendar time), value, before, change (float64; NaN where there is nothing to compare with), unit (str: messages,
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
    sql = f"SELECT count(*) AS n FROM messages m WHERE {IN_PERIOD} AND {COUNTED}"
    shares = delivery_funnel(store, where).set_index("stage")["share"]
    medians = [quantiles(of(store, where))["median_s"][0] for of in (first_response_time, response_time)]
    waiting = waiting_count(store, where, now_ms=where.until_ms)
    return [store.query(sql, where.params)[0]["n"], *shares[list(STAGES[1:4])], waiting, *medians]
