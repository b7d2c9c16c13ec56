"""Charts as HTML and SVG. Shapes stretch with the card, texts do not; details show in a line of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pandas as pd

from .markup import Safe, html, join
from .parts import length

Tick = tuple[float, str]
"""Where a label stands, from 0 at the left to 1 at the right."""


def columns(
    counts: pd.DataFrame,
    series: dict[str, str],
    *,
    labels: Sequence[str],
    ticks: Iterable[Tick],
    titles: tuple[str, str],
    marks: Sequence[Tick] = (),
) -> Safe:
    """Stacked columns with a legend above them, and a line there with the numbers of the one under the pointer.

    Args:
        counts: a column of counts for each series; the colour has the name of the series.
        series: what each series is called, the lowest first.
        labels: what each column stands for.
        titles: of the axes, the horizontal one first.
        marks: vertical lines, whose labels stand above the columns in rows of their own.
    """
    totals = counts[list(series)].sum()
    step, top = scale(int(counts[list(series)].sum(axis=1).max()))
    rows = counts[list(series)].itertuples(index=False, name=None)
    shown = (_column(row, series, label, top) for row, label in zip(rows, labels, strict=True))
    return html(
        '<div class="chart" role="img" aria-label="{y} by {x}. {sums}">{legend}<div class="ytitle">{y}</div>'
        '<div class="plot" style="--room:{room}px">{rules}<div class="cols">{shown}</div>{marks}</div>'
        '<div class="xticks">{ticks}</div><div class="xtitle">{x}</div></div>',
        x=titles[0],
        y=titles[1],
        sums=", ".join(f"{label} {totals[name]:,}" for name, label in series.items()),
        legend=legend({name: (label, f"{totals[name]:,}") for name, label in series.items()}),
        room=20 * len(marks),
        rules=join(_placed("rule", "bottom", n * step / top, compact(n * step)) for n in range(top // step + 1)),
        shown=join(shown),
        marks=join(_mark(n, *mark) for n, mark in enumerate(marks)),
        ticks=join(_placed("tick", "left", *tick) for tick in ticks),
    )


def _column(row: Sequence[int], series: dict[str, str], label: str, top: int) -> Safe:
    piece = '<i style="height:{height};background:var(--{name})"></i>'
    parts = [
        html(piece, height=percent(count / top), name=name.replace("_", "-"))
        for name, count in zip(series, row, strict=True)
        if count
    ]
    numbers = [
        html("<span>{name} <b>{n}</b></span>", name=each, n=f"{n:,}")
        for each, n in zip(series.values(), row, strict=True)
    ]
    template = '<div class="col"><span class="tip"><b>{label}</b>{numbers}</span>{parts}</div>'
    return html(template, label=label, numbers=join(numbers), parts=join(parts))


def _placed(kind: str, side: str, at: float, label: str) -> Safe:
    template = '<div class="{kind}" style="{side}:{at}"><span>{label}</span></div>'
    return html(template, kind=kind, side=side, at=percent(at), label=label)


def _mark(n: int, at: float, label: str) -> Safe:
    template = '<div class="mark {side}" style="left:{at};--row:{n}"><span>{label}</span></div>'
    return html(template, side="before" if at > 0.5 else "", at=percent(at), n=n, label=label)


def percent(part: float) -> str:
    """A part of a width or height, for a style."""
    return f"{100 * part:.2f}%"


def compact(count: int) -> str:
    """A count for an axis.

    >>> compact(950), compact(1500), compact(20_000), compact(3_000_000)
    ('950', '1.5k', '20k', '3M')
    """
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if count >= size:
            return f"{count / size:.1f}".removesuffix(".0") + unit
    return str(count)


def scale(most: int) -> tuple[int, int]:
    """A round step for an axis of counts and where the axis ends, at most six steps up.

    >>> scale(0), scale(7), scale(320), scale(31_000)
    ((1, 1), (2, 8), (100, 400), (10000, 40000))
    """
    rough = max(most, 1) / 5
    power = 10 ** max(0, math.floor(math.log10(rough)))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    return step, step * max(1, -(-most // step))


def legend(entries: dict[str, tuple[str, str]]) -> Safe:
    """Colours, what they mean, and how many there are of each."""
    key = '<span><i class="key" style="background:var(--{name})"></i>{label} <b>{count}</b></span>'
    return html(
        '<div class="legend">{keys}</div>',
        keys=join(
            html(key, name=name.replace("_", "-"), label=label, count=count) for name, (label, count) in entries.items()
        ),
    )


def times(buckets: Sequence[pd.Timestamp], grain: str) -> tuple[list[str], list[Tick]]:
    """The labels of columns by hour or day, and about six ticks below them: hours, days, or Mondays."""
    count = max(len(buckets), 1)
    hour = ", {0:%H:%M}" if grain == "hour" else ""
    labels = [("{0:%a} {0.day} {0:%b}" + hour).format(at) for at in buckets]
    middle = [(n + 0.5) / count for n in range(count)]
    if grain == "day":
        step = timedelta(days=max(1, -(-count // 42)) * 7)
        mondays = [(n, at) for n, at in enumerate(buckets) if at.weekday() == 0]
        chosen = [(n, at) for n, at in mondays if (at - mondays[0][1]).days % step.days < 1]
        return labels, [(middle[n], f"{at.day} {at:%b}") for n, at in chosen]
    if count > 48:
        noons = [(n, at) for n, at in enumerate(buckets) if at.hour == 12]
        return labels, [(n / count, f"{at:%a} {at.day}") for n, at in noons]
    return labels, [(n / count, f"{at:%H:%M}") for n, at in enumerate(buckets) if at.hour % 6 == 0]


_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def week(counts: Sequence[int], *, x_title: str) -> Safe:
    """168 numbers, from Monday 00:00, as a heat map; the one under the pointer shows in a line above."""
    most = max(counts)
    # Five steps of one colour can be told apart; the palest is for next to nothing, none for nothing.
    shades = [0 if count == 0 else -(-5 * count // most) for count in counts]
    cell = '<i class="cell s{shade}"><span class="tip"><b>{day} {hour}:00 to {next}:00</b> {count} messages</span></i>'
    rows = []
    for day, name in enumerate(_WEEK):
        cells = join(
            html(cell, shade=shades[n], day=name, hour=f"{n % 24:02}", next=f"{n % 24 + 1:02}", count=f"{counts[n]:,}")
            for n in range(24 * day, 24 * day + 24)
        )
        rows.append(html('<div class="day-name">{name}</div>{cells}', name=name, cells=cells))
    hours = join(html('<div class="hour">{hour}</div>', hour=f"{hour:02}") for hour in range(0, 24, 3))
    key = join(html('<i class="cell s{n}"></i>', n=n) for n in range(6))
    n = max(range(168), key=counts.__getitem__)
    return html(
        '<div class="week" role="img" aria-label="Most on {day} at {hour}:00, {most} messages">'
        '<div class="legend"><span>0 <span class="shades">{key}</span> {most} messages</span></div>'
        '<div class="cells">{rows}<div></div>{hours}</div><div class="xtitle">{x_title}</div></div>',
        day=_WEEK[n // 24],
        hour=f"{n % 24:02}",
        most=f"{most:,}",
        key=key,
        rows=join(rows),
        hours=hours,
        x_title=x_title,
    )


_LENGTHS = {
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    14_400: "4 h",
    86_400: "1 d",
    604_800: "1 wk",
}


def log_ticks(low_s: float, high_s: float) -> list[Tick]:
    """Lengths of time that people use, on a logarithmic axis, none closer to the one before than a label is wide.

    Where there are less than two of them, the ends and the middle.
    """
    ticks: list[Tick] = []
    for seconds, label in _LENGTHS.items():
        at = log_place(seconds, low_s, high_s)
        if 0 <= at <= 1 and (not ticks or at - ticks[-1][0] > 0.09):
            ticks.append((at, label))
    if len(ticks) > 1:
        return ticks
    few = [(at, low_s * (high_s / low_s) ** at) for at in (0, 0.5, 1)]
    return [(at, length(seconds if seconds < 10 else round(seconds))) for at, seconds in few]


def log_place(value: float, low: float, high: float) -> float:
    """Where a value stands on a logarithmic axis from 0 to 1."""
    return math.log(value / low) / math.log(high / low)


def sparkline(values: Sequence[float], colour: str) -> Safe:
    """A small line with a soft area under it, for the eye only; days without a value are left out."""
    known = [value for value in values if value == value]
    if len(known) < 2:
        return Safe()
    low, high = min(known), max(known)
    step, span = 100 / (len(values) - 1), (high - low) or 1
    points = [
        f"{n * step:.1f},{30 - 26 * (value - low) / span:.1f}" for n, value in enumerate(values) if value == value
    ]
    line, first, last = " ".join(points), points[0].split(",")[0], points[-1].split(",")[0]
    return Safe(
        '<svg viewBox="0 0 100 34" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{first},34 {line} {last},34" fill="var(--{colour})" opacity=".12"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--{colour})" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke" stroke-linejoin="round"/></svg>'
    )
