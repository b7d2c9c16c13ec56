"""The second tab: how far the CRM's messages got, why some failed, and how long the others took."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from kommo_nb import metrics

from .charts import columns, times
from .markup import Safe, html, join
from .parts import View, ago, bar, empty, head, length, share, table, text

_STAGES = {"sent": "Sent by the CRM", "not_reported": "Not reported yet"}
_COURSE = {
    "read": "Read",
    "delivered": "Delivered, not read",
    "not_reported": "Not reported yet",
    "failed": "Failed",
}


def cards(view: View) -> dict[str, Safe]:
    """The cards by name; that of channels only where there are several."""
    channels = {"channels": channels_card(view)} if len(view.channels) > 1 else {}
    return {
        "funnel": join([funnel_card(view), html('<div class="part">{times}</div>', times=times_card(view))]),
        "course": course_card(view),
        "failures": failures_card(view),
        "rejected": rejected_card(view),
        **channels,
    }


def funnel_card(view: View) -> Safe:
    """How far messages got, as bars."""
    stages = metrics.delivery_funnel(view.store, view.where)
    title = head(f"Delivery, {view.span}", about=metrics.delivery_funnel, csv="funnel")
    if not stages["messages"].iloc[0]:
        return join([title, empty("The CRM sent nothing that fits.")])
    rows = join(
        bar(
            _STAGES.get(row.stage, row.stage.capitalize()),
            f"{row.messages:,}",
            "" if row.stage == "sent" else share(row.share),
            row.share,
            tone=row.stage,
        )
        for row in stages.itertuples()
    )
    return join([title, rows])


def course_card(view: View) -> Safe:
    """How far messages got, by the time of sending."""
    state = view.state
    title = head("Course", about=metrics.delivery_funnel, csv="course")
    course = metrics.delivery(view.store, view.where, grain=state.grain)
    if not course["sent"].any():
        return join([title, empty("The CRM sent nothing that fits.")])
    labels, ticks = times(list(course["bucket"]), state.grain)
    titles = (f"{state.grain.capitalize()} of sending ({state.tz})", f"Messages per {state.grain}")
    apart = course.assign(delivered=course["delivered"] - course["read"])
    return join([title, columns(apart, _COURSE, labels=labels, ticks=ticks, titles=titles)])


def failures_card(view: View) -> Safe:
    """Why messages failed."""
    failed = metrics.failures(view.store, view.where)
    rows = ((text(row.error_code), row.meaning, text(row.error), f"{row.messages:,}") for row in failed.itertuples())
    names = {"Code": "short", "Meaning": "", "Error text": "", "Messages": "num"}
    title = head("Why messages failed", about=metrics.failures, csv="failures")
    return join([title, table(names, rows, none="No message failed.")])


def times_card(view: View) -> Safe:
    """How long messages took to be delivered and to be read."""
    summary = metrics.delivery_summary(view.store, view.where)
    rows = (
        (f"To {row.stage}", length(row.median_s), length(row.p90_s), f"{row.messages:,}")
        for row in summary[summary["messages"] > 0].itertuples()
    )
    names = {"Time": "short", "Median": "num", "9 of 10 within": "num", "Messages": "num"}
    title = head("Time to delivered and read", about=metrics.delivery_summary, csv="times")
    return join([title, table(names, rows, none="Nothing was reported yet.")])


def by_channel(view: View) -> pd.DataFrame:
    """The stages of `delivery_funnel` as one row for each channel: scope_id, name, and the counts of messages."""
    rows = []
    for scope_id, name in view.channels.items():
        stages = metrics.delivery_funnel(view.store, replace(view.where, scope_id=scope_id))
        counts = zip(stages["stage"], stages["messages"].tolist(), strict=True)
        rows.append({"scope_id": scope_id, "name": name} | dict(counts))
    return pd.DataFrame(rows, columns=["scope_id", "name", *metrics.STAGES]).sort_values(
        "sent", ascending=False, kind="stable"
    )


def channels_card(view: View) -> Safe:
    """The funnel of each channel, as one bar with its parts."""
    channels = by_channel(view)
    note = "All channels, whichever is chosen" if view.state.channel else ""
    title = head("By channel", "Read, delivered and failed, of what was sent", about=metrics.delivery_funnel,
                 csv="channels", note=note)  # fmt: skip
    names = {"Channel": "", "": "", "Sent": "num", "Delivered": "num", "Read": "num", "Failed": "num"}
    rows = (
        (row.name, _parts(row), f"{row.sent:,}", *(share(n / row.sent if row.sent else float("nan")) for n in
         (row.delivered, row.read, row.failed)))
        for row in channels.itertuples(index=False)
    )  # fmt: skip
    return join([title, html('<div class="channels">{table}</div>', table=table(names, rows, none="No channel."))])


def _parts(row: object) -> Safe:
    sent = getattr(row, "sent", 0) or 1
    widths = {"read": row.read, "delivered": row.delivered - row.read, "failed": row.failed}  # type: ignore[attr-defined]
    piece = '<i class="{name}" style="width:{width}%"></i>'
    parts = (html(piece, name=name, width=f"{100 * count / sent:.1f}") for name, count in widths.items())
    return html('<div class="bar parts">{parts}</div>', parts=join(parts))


def rejected_card(view: View) -> Safe:
    """The API calls that Kommo refused."""
    calls = metrics.rejected_calls(view.store, view.where)
    rows = (
        (text(row.status) or "no answer", text(row.error_type) or "–", ago(row.last_at, view, exact=True),
         f"{row.calls:,}")
        for row in calls.itertuples()
    )  # fmt: skip
    names = {"Status": "short", "Error type": "", "Last": "short", "Calls": "num"}
    title = head("Rejected calls", about=metrics.rejected_calls, csv="rejected", note=view.of_chats)
    return join([title, table(names, rows, none="Kommo refused no call in this period.")])
