"""What all cards are made of: a view to fill them from, numbers and times as texts, heads, tables, tiles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from kommo_nb import metrics
from kommo_nb.store import Store

from .markup import Safe, html, join
from .state import State

NOTHING = Safe()


@dataclass(frozen=True)
class View:
    """What a tab is drawn from: a store at a moment, and what the reader has chosen.

    Attributes:
        raw: the message whose raw rows are shown, or "".
    """

    store: Store
    state: State
    now_ms: int
    raw: str = ""

    @cached_property
    def where(self) -> metrics.Filter:
        """The filter of the metrics."""
        return self.state.where(self.now_ms)

    @cached_property
    def channels(self) -> dict[str, str]:
        """The channels' names by scope_id; what tells two of the same name apart is the scope's end."""
        known = metrics.channels(self.store)
        names = {row.scope_id: text(row.name) or row.scope_id for row in known.itertuples()}
        twice = {name for name in names.values() if list(names.values()).count(name) > 1}
        return {scope: f"{name} …{scope[-4:]}" if name in twice else name for scope, name in names.items()}

    @property
    def of_chats(self) -> str:
        """Says which filters a card leaves aside that is about whole chats or hooks; "" while none is set."""
        chosen = [name for name in ("author", "type") if getattr(self.state, name)]
        return f"Not filtered by {' or '.join(chosen)}" if chosen else ""

    @property
    def span(self) -> str:
        """The period in words."""
        return "today" if self.state.period == 1 else f"last {self.state.period} days"


# --- numbers and times ------------------------------------------------------------------------------------------------


def share(value: float) -> str:
    """A share as per cent, or a dash where there is none."""
    return "–" if pd.isna(value) else f"{100 * value:.1f} %"


def length(seconds: float) -> str:
    """A length of time in its two largest units; a dash where there is none.

    >>> length(0.94), length(59), length(83), length(3_600), length(200_000)
    ('0.9 s', '59 s', '1 min 23 s', '1 h 0 min', '2 d 7 h')
    """
    if pd.isna(seconds):
        return "–"
    if 0 < seconds < 10 and seconds % 1:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for size_s, part_s, unit, part in ((86_400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= size_s:
            return f"{whole // size_s} {unit} {whole % size_s // part_s} {part}"
    return f"{whole} s"


def milliseconds(value: float) -> str:
    """A short time; a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:.1f} ms" if value < 1000 else f"{value / 1000:.1f} s"


def clock(at: pd.Timestamp, tz: str, form: str = "{0:%H:%M}") -> str:
    """A time in a time zone; a dash for one outside the calendar, which a hook may well claim."""
    try:
        return form.format(at.to_pydatetime().astimezone(ZoneInfo(tz)))
    except (OverflowError, ValueError):
        return "–"


def ago(at: pd.Timestamp, view: View, *, exact: bool = False) -> str:
    """The time of day if it was today, else the day; both if it is to be exact."""
    tz = view.state.tz
    today = datetime.fromtimestamp(view.now_ms / 1000, ZoneInfo(tz))
    day = clock(at, tz, "{0:%Y-%m-%d}")
    if day == f"{today:%Y-%m-%d}":
        return clock(at, tz, "{0:%H:%M:%S}" if exact else "{0:%H:%M}")
    date = "{0.day} {0:%b}" if day[:4] == f"{today:%Y}" else "{0.day} {0:%b %Y}"
    return clock(at, tz, date + ", {0:%H:%M}" * exact)


def moment(at_ms: int) -> pd.Timestamp:
    """Unix milliseconds as an aware time."""
    return pd.Timestamp(datetime.fromtimestamp(at_ms / 1000, UTC))


def size(count: float) -> str:
    """A number of bytes.

    >>> size(300), size(40_000), size(3_000_000)
    ('1 KB', '39 KB', '2.9 MB')
    """
    return f"{count / 2**20:,.1f} MB" if count >= 2**20 else f"{max(count / 1024, 1):,.0f} KB"


def text(value: Any) -> str:
    """A value as text, "" where there is none."""
    return "" if pd.isna(value) else str(value)


# --- pieces -----------------------------------------------------------------------------------------------------------


def head(title: str, sub: str = "", *, about: Callable[..., Any], csv: str = "", note: str = "") -> Safe:
    """A card's title, its definition behind a small «i» that the pointer and the keyboard find, and lines below.

    Args:
        about: the metric whose definition it is.
        csv: the name of the table to download.
        note: a filter that does not apply.
    """
    button = '<button class="csv" data-do="csv" data-with="{csv}" aria-label="Download {title} as CSV">CSV</button>'
    return html(
        '<div class="head"><h2>{title}</h2>{info}{csv}{sub}{note}</div>',
        title=title,
        info=info(metrics.definition(about)),
        csv=html(button, csv=csv, title=title) if csv else NOTHING,
        sub=html('<div class="sub">{sub}</div>', sub=sub) if sub else NOTHING,
        note=html('<div class="sub note">{note}</div>', note=note) if note else NOTHING,
    )


def info(about: str) -> Safe:
    """A small «i» with a definition behind it."""
    return html(
        '<button class="info" aria-label="How it is counted: {about}">i</button>'
        '<span role="tooltip" aria-hidden="true">{about}</span>',
        about=about,
    )


def empty(message: str) -> Safe:
    """What a card says that has nothing to show."""
    return html('<p class="empty">{message}</p>', message=message)


def table(columns: dict[str, str], rows: Iterable[Iterable[Any]], *, none: str) -> Safe:
    """Rows under column names; a name is mapped to its kind: "num" stands to the right, "short" in one line."""
    kinds = [f'class="{kind}"' if kind else "" for kind in columns.values()]
    heads = join(
        html(f"<th scope='col' {kind}>{{it}}</th>", it=name) for kind, name in zip(kinds, columns, strict=True)
    )
    lines = [
        join(html(f"<td {kind}>{{it}}</td>", it=value) for kind, value in zip(kinds, row, strict=True)) for row in rows
    ]
    body = join(html("<tr>{cells}</tr>", cells=line) for line in lines)
    template = "<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return html(template, heads=heads, body=body) if lines else empty(none)


def tile(title: str, value: str, sub: str, *, about: str, line: str = NOTHING, tone: str = "") -> Safe:
    """A number that stands for itself, with a line below it and its course."""
    return html(
        '<div class="tile"><div class="head"><h2>{title}</h2>{info}</div><div class="number {tone}">{value}</div>'
        '<div class="sub">{sub}</div>{line}</div>',
        title=title,
        info=info(about),
        value=value,
        sub=sub,
        line=line,
        tone=tone,
    )


def sets(**chosen: Any) -> str:
    """What a button chooses, for its attribute `data-set`."""
    return json.dumps({name: str(value) for name, value in chosen.items()})


def bar(name: str, count: str, part: str, width: float, *, tone: str) -> Safe:
    """A name, a number, a share, and a bar as long as the share."""
    return html(
        '<div class="stage" data-key="{name}"><div class="line"><span>{name}</span><span>{part}<b>{count}</b></span>'
        '</div><div class="bar"><i class="{tone}" style="width:{width}"></i></div></div>',
        name=name,
        count=count,
        part=part,
        tone=tone,
        width=f"max({100 * width:.1f}%, 2px)" if width > 0 else "0",
    )
