"""The tables behind the cards, as CSV that a spreadsheet may open."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from kommo_nb import metrics
from kommo_nb.lines import csv_cell

from .delivery import by_channel
from .parts import View
from .talks import chats

MOST = 10_000
"""Rows of the tables that grow with the number of chats."""

TABLES: dict[str, Callable[[View], pd.DataFrame]] = {
    "volume": lambda view: metrics.volume(view.store, view.where, grain=view.state.grain),
    "waiting": lambda view: metrics.waiting_now(view.store, view.where, now_ms=view.now_ms, limit=MOST),
    "busy_hours": lambda view: metrics.busy_hours(view.store, view.where),
    "response": lambda view: metrics.response_distribution(view.store, view.where),
    "types": lambda view: metrics.message_types(view.store, view.where),
    "funnel": lambda view: metrics.delivery_funnel(view.store, view.where),
    "course": lambda view: metrics.delivery(view.store, view.where, grain=view.state.grain),
    "failures": lambda view: metrics.failures(view.store, view.where),
    "times": lambda view: metrics.delivery_summary(view.store, view.where),
    "channels": by_channel,
    "rejected": lambda view: metrics.rejected_calls(view.store, view.where),
    "conversations": lambda view: chats(view, limit=MOST),
    "transcript": lambda view: metrics.transcript(view.store, view.state.chat, limit=MOST),
    "health": lambda view: metrics.hook_health(view.store, view.where),
    "verdicts": lambda view: metrics.verdicts(view.store, view.where),
    "problems": lambda view: metrics.problems(view.store, view.where),
    "expiring": lambda view: metrics.expiring(view.store, view.where, now_ms=view.now_ms),
    "windows": lambda view: metrics.time_windows(view.store, view.where, now_ms=view.now_ms, limit=MOST),
}
"""The tables by the name of their file."""


def to_csv(table: pd.DataFrame) -> str:
    """A table as CSV, in which no text is a formula."""
    # With this end of line the cells that hold a \r are quoted, too; without it each would begin a new row.
    return table.map(csv_cell).to_csv(index=False, lineterminator="\r\n")
