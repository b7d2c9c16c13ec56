"""The drawn parts: Bokeh figures that are updated in place, and small SVG lines."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from bokeh.models import ColumnDataSource, DataRange1d, DatetimeTickFormatter, HoverTool, NumeralTickFormatter
from bokeh.plotting import figure

from .look import palette

AUTHORS = ("client", "manager", "bot")

_TOOLTIP = """<div style="padding:2px 4px;font:13px/1.5 Roboto,system-ui,sans-serif">
<div style="font-weight:700">@label</div>{rows}</div>"""
_ROW = "<div>{name} <b style='float:right;padding-left:16px'>@{author}{{0,0}}</b></div>"


class VolumeChart:
    """Messages by time, stacked by author. `figure` is made once; `update` moves new numbers and colours in."""

    def __init__(self, *, dark: bool = False) -> None:
        self._source = ColumnDataSource({name: [0] for name in ("at", "width", "label", *AUTHORS)})
        self.figure = figure(
            min_height=280,
            sizing_mode="stretch_both",
            x_axis_type="datetime",
            y_range=DataRange1d(start=0, range_padding=0.08, default_span=4),
            x_range=DataRange1d(range_padding=0.01),
            toolbar_location=None,
            tools="",
            min_border_right=16,
            outline_line_color=None,
        )
        self._bars = self.figure.vbar_stack(AUTHORS, x="at", width="width", source=self._source, line_width=0)
        self._label_axes()
        rows = "".join(_ROW.format(name=who.capitalize(), author=who) for who in AUTHORS)
        self.figure.add_tools(HoverTool(tooltips=_TOOLTIP.format(rows=rows), mode="vline", renderers=[self._bars[-1]]))
        self.paint(dark)

    def _label_axes(self) -> None:
        x, y = self.figure.xaxis[0], self.figure.yaxis[0]
        self.figure.xgrid.visible = False
        y.formatter, y.ticker.min_interval, y.ticker.desired_num_ticks = NumeralTickFormatter(format="0[.]0a"), 1, 5
        x.formatter = DatetimeTickFormatter(hours="%H:%M", days="%e %b", months="%e %b", years="%Y")
        x.ticker.desired_num_ticks = 6

    def paint(self, dark: bool) -> None:
        """Use the colours of a theme."""
        colours = palette(dark)
        for who, bar in zip(AUTHORS, self._bars, strict=True):
            bar.glyph.fill_color = colours[who]

    def update(self, volume: pd.DataFrame, *, grain: str, tz: str) -> None:
        """Show the table of `metrics.volume`."""
        length = pd.Timedelta(1, grain)
        local = volume["bucket"].dt.tz_localize(None)  # Bokeh draws wall-clock times as they are
        label = [f"{at:%a} {at.day} {at:%b %Y}" + f", {at:%H:%M}" * (grain == "hour") for at in local]
        self._source.data = {
            "at": local + length / 2,
            "width": [length.total_seconds() * 1000 * 0.78] * len(volume),
            "label": label,
            **{who: volume[who] for who in AUTHORS},
        }
        self.figure.xaxis[0].axis_label = f"{grain.capitalize()} ({tz})"
        self.figure.yaxis[0].axis_label = f"Messages per {grain}"


def sparkline(values: Sequence[float], colour: str) -> str:
    """A small line with a soft area under it, as SVG, for the eye only; days without a value are left out."""
    known = [value for value in values if value == value]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    step, span = 100 / (len(values) - 1), (high - low) or 1
    points = [
        f"{n * step:.1f},{30 - 26 * (value - low) / span:.1f}" for n, value in enumerate(values) if value == value
    ]
    line, first, last = " ".join(points), points[0].split(",")[0], points[-1].split(",")[0]
    return (
        '<svg viewBox="0 0 100 34" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{first},34 {line} {last},34" fill="var(--{colour})" opacity=".12"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--{colour})" stroke-width="1.5" '
        'vector-effect="non-scaling-stroke" stroke-linejoin="round"/></svg>'
    )
