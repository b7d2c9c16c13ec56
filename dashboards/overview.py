"""The first tab: how much, how well, when, how fast, and who waits."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kommo_nb import metrics

from .charts import columns, log_place, log_ticks, sparkline, times, week
from .markup import Safe, html, join
from .parts import NOTHING, View, bar, empty, head, length, share, tile
from .talks import chat_row, last_words

AUTHORS = {"client": "Client", "manager": "Manager", "bot": "Bot"}
LISTED = 100


def cards(view: View) -> dict[str, Safe]:
    """The cards by name."""
    where = view.where
    days = metrics.volume(view.store, where)
    volume = days if view.state.grain == "day" else metrics.volume(view.store, where, grain=view.state.grain)
    summary = metrics.response_summary(view.store, where)
    return {
        "strip": strip(view, days, summary),
        "volume": volume_card(view, volume),
        "waiting": waiting_card(view),
        "busy": busy_card(view),
        "response": response_card(view, summary),
        "types": types_card(view),
    }


# --- the headline numbers ---------------------------------------------------------------------------------------------

_TILES = {
    "messages": ("Messages", "accent", metrics.volume),
    "delivered": ("Delivered", "delivered", metrics.delivery_funnel),
    "read": ("Read", "read", metrics.delivery_funnel),
    "failed": ("Failed", "failed", metrics.delivery_funnel),
    "first_response": ("Median first reply", "manager", metrics.first_response_time),
}
_GOOD_WHEN = {"delivered": 1, "read": 1, "failed": -1, "first_response": -1}


def strip(view: View, days: pd.DataFrame, summary: pd.DataFrame) -> Safe:
    """The headline numbers, each with its change and its course."""
    delivery = metrics.delivery(view.store, view.where)
    courses = {"messages": days[list(AUTHORS)].sum(axis=1)}
    courses |= {stage: delivery[stage] / delivery["sent"].where(delivery["sent"] > 0) for stage in metrics.STAGES[1:4]}
    lines = {metric: sparkline(list(course), _TILES[metric][1]) for metric, course in courses.items()}
    first = summary.iloc[0]
    rest = f"9 of 10 within {length(first['p90_s'])}" if first["waits"] else "nobody has asked"
    line = sparkline(list(metrics.response_course(view.store, view.where)["median_s"]), "manager")
    note = html('<div class="sub note">{rest}. {of_chats}</div>', rest=rest, of_chats=view.of_chats)
    lines["first_response"] = join([note, line])
    rows = metrics.headline(view.store, view.where).itertuples()
    tiles = join(_tile(row, lines[row.metric], view.state.period) for row in rows if row.metric in _TILES)
    return html('<div class="strip">{tiles}</div>', tiles=tiles)


def _tile(row: Any, line: Safe, days: int) -> Safe:
    title, _, metric = _TILES[row.metric]
    value = {"share of sent": share, "s": length}.get(row.unit, "{:,.0f}".format)(row.value)
    about = f"{metrics.definition(metric)} {metrics.definition(metrics.headline)}"
    return tile(title, value, _change(row, days), about=about, line=line)


def _change(row: Any, days: int) -> Safe:
    before = "the day before" if days == 1 else f"the {days} days before"
    if pd.isna(row.change):
        return html("none in {before}", before=before)
    amount = f"{abs(100 * row.change):.1f} {'pt' if row.unit == 'share of sent' else '%'}"
    if amount.startswith("0.0 "):
        return html("as in {before}", before=before)
    gain = _GOOD_WHEN.get(row.metric, 0) * row.change
    tone = "good" if gain > 0 else "failed" if gain < 0 else ""
    sign = f"{'▲' if row.change > 0 else '▼'} {amount}"
    return html('<span class="{tone}">{sign}</span> on {before}', tone=tone, sign=sign, before=before)


# --- the cards --------------------------------------------------------------------------------------------------------


def volume_card(view: View, volume: pd.DataFrame) -> Safe:
    """Messages by time, stacked by author."""
    state = view.state
    title = head(f"Messages, {view.span}", about=metrics.volume, csv="volume")
    if not volume[list(AUTHORS)].to_numpy().any():
        return join([title, empty("No message fits.")])
    labels, ticks = times(list(volume["bucket"]), state.grain)
    titles = (f"{state.grain.capitalize()} ({state.tz})", f"Messages per {state.grain}")
    return join([title, columns(volume, AUTHORS, labels=labels, ticks=ticks, titles=titles)])


def waiting_card(view: View) -> Safe:
    """The chats that wait for a person, the longest wait first."""
    count = metrics.waiting_count(view.store, view.where, now_ms=view.now_ms)
    waiting = metrics.waiting_now(view.store, view.where, now_ms=view.now_ms, limit=LISTED)
    sub = "For a person, longest first" if count else ""
    title = head(f"Waiting now: {count:,}", sub, about=metrics.waiting_now, csv="waiting", note=view.of_chats)
    rows = join(
        chat_row(row, view, right=length(row.waiting_s), said=last_words(row) + " · a bot replied" * row.bot_answered)
        for row in waiting.itertuples()
    )
    if not rows:
        return join([title, empty("Nobody waits: every client has an answer.")])
    more = html('<li class="day">and {more} more</li>', more=f"{count - LISTED:,}") if count > LISTED else NOTHING
    template = '<ul class="scroll rows fit" data-key="list" data-still aria-label="Chats that wait">{rows}{more}</ul>'
    return join([title, html(template, rows=rows, more=more)])


def busy_card(view: View) -> Safe:
    """Messages by weekday and hour."""
    hours = metrics.busy_hours(view.store, view.where)
    title = head("Busy hours", about=metrics.busy_hours, csv="busy_hours")
    counts = hours[list(AUTHORS)].sum(axis=1).tolist()
    if not any(counts):
        return join([title, empty("No message fits.")])
    return join([title, week(counts, x_title=f"Hour of the day ({view.state.tz})")])


_ENDS = {"answered": "Answered", "open": "Still open"}


def response_card(view: View, summary: pd.DataFrame) -> Safe:
    """How long clients wait for a person, on a logarithmic axis, with median and p90."""
    title = head("Response time", about=metrics.response_distribution, csv="response", note=view.of_chats)
    bars = metrics.response_distribution(view.store, view.where)
    if bars.empty:
        return join([title, empty("No client wrote in this period.")])
    bars = bars.iloc[int((bars["answered"] + bars["open"]).to_numpy().nonzero()[0][0]) :]
    low, high = max(bars["from_s"].iloc[0], 2**-0.5), bars["to_s"].iloc[-1]  # the first bar is as wide as the others
    found = summary.iloc[1]
    marks = [
        (min(max(log_place(max(found[f"{name}_s"], low), low, high), 0), 1), f"{label} {length(found[f'{name}_s'])}")
        for name, label in (("median", "Median"), ("p90", "p90"))
    ]
    labels = [f"{length(round(row.from_s))} to {length(round(row.to_s))}" for row in bars.itertuples()]
    titles = ("Wait for a person (logarithmic)", "Waits")
    ticks = log_ticks(low, high)
    return join([title, columns(bars, _ENDS, labels=labels, ticks=ticks, titles=titles, marks=marks)])


def types_card(view: View) -> Safe:
    """What kind of messages there are."""
    types = metrics.message_types(view.store, view.where)
    rows = [
        bar(row.type.capitalize(), f"{row.messages:,}", share(row.share), row.share, tone="sent")
        for row in types.head(8).itertuples()
    ]
    title = head("Message types", about=metrics.message_types, csv="types")
    return join([title, *(rows or [empty("No message fits.")])])
