"""The import desk: choose a file, see what its import will cause and which rows to mend, start it, stop it, go on."""

from __future__ import annotations

import threading
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import ipywidgets as w

from ..clock import Clock
from ..errors import KommoError
from ..importer import Plan, Problem, Report, plan
from ..lines import counted, safe
from ..store import Store
from ..wire.channel import Channel
from .look import BAD, GOOD, WIDE

SHOWN = 500
"""Rows to mend that the table shows; the text above it tells how many there are."""
TABLES = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"}
"""Endings of the files that one is offered."""


class ImportDesk(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The plan of a file of conversations, and its run, which can be stopped and taken up again at any point.

    Args:
        path: of the file to begin with; those beside it are offered, too.
        channel, base_url, store, clock: as in `Plan.run`.

    Attributes:
        plan: of the chosen file; None if it cannot be read.
        report: of the last run; None before it.
    """

    def __init__(
        self, path: str | Path, channel: Channel, base_url: str, store: Store, *, clock: Clock | None = None
    ) -> None:
        self._channel, self._base_url, self._store, self._clock = channel, base_url, store, clock
        self.plan: Plan | None = None
        self.report: Report | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        beside = sorted(str(each) for each in Path(path).parent.glob("*") if each.suffix.lower() in TABLES)
        self._path = w.Combobox(value=str(path), options=beside, description="File", continuous_update=False)
        self._zone = w.Text(description="Time zone", placeholder="Europe/Berlin", continuous_update=False)
        self._again = w.Button(description="Read again", layout=w.Layout(width="auto"))
        self._told, self._result = w.HTML(layout=WIDE), w.HTML(layout=WIDE)
        self._start = w.Button(button_style="primary", layout=w.Layout(width="auto"))
        self._halt = w.Button(description="Stop", layout=w.Layout(width="auto"))
        self._bar, self._count = w.IntProgress(layout=w.Layout(flex="1 1 200px")), w.Label()
        self._path.layout, self._zone.layout = w.Layout(flex="2 1 300px"), w.Layout(flex="1 1 220px")
        self._path.style.description_width = self._zone.style.description_width = "initial"
        row = w.Layout(flex_flow="row wrap", align_items="center", grid_gap="2px 8px", margin="4px 0")
        children = [
            w.HBox([self._path, self._zone, self._again], layout=row),
            self._told,
            w.HBox([self._start, self._halt, self._bar, self._count], layout=row),
            self._result,
        ]
        super().__init__(children, layout=w.Layout(max_width="860px"))
        for field in (self._path, self._zone):
            field.observe(lambda _change: self.look(), names="value")
        self._again.on_click(lambda _button: self.look())
        self._start.on_click(lambda _button: self.start())
        self._halt.on_click(lambda _button: self.stop())
        self.look()

    def __repr__(self) -> str:
        if self.plan is None:
            return "ImportDesk: nothing to import"
        ready, wrong = counted(self.plan.messages, "message"), counted(len(self.plan.problems), "row")
        return f"ImportDesk: {ready} ready, {wrong} to mend"

    def look(self) -> None:
        """Read the file, and show its plan; it is the one that `start` runs."""
        self.plan = None
        try:
            self.plan = plan(Path(self._path.value), zone=self._zone.value.strip() or None, clock=self._clock)
            self._told.value = _shown(self.plan)
        except KommoError as problem:
            self._told.value = _said(str(problem), BAD)
        self.report, self._result.value = None, ""
        self._progress(0, self.plan.messages if self.plan else 0)
        self._show_buttons()

    def start(self) -> None:
        """Begin the import, or go on with it, from a thread: the kernel stays free."""
        if self.plan is not None and self.plan.messages and not self._running:
            self._stop.clear()
            self._thread = threading.Thread(target=self._work, args=(self.plan,), name="import-desk", daemon=True)
            self._result.value = ""
            self._show_buttons(running=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the import; what is on its way to Kommo gets there."""
        self._stop.set()

    def wait(self, timeout_s: float = 60.0) -> None:
        """Return once the run has ended."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _work(self, made: Plan) -> None:
        try:
            report = made.run(
                self._channel, self._base_url, self._store, on_progress=self._on_progress, clock=self._clock
            )
            self.report, self._result.value = report, _said(str(report), GOOD if report.complete else "inherit")
            self._progress(report.done, report.messages)
        except KommoError as problem:
            self._result.value = _said(str(problem), BAD)
        finally:
            self._show_buttons()

    def _on_progress(self, done: int, total: int) -> None:
        self._progress(done, total)
        if self._stop.is_set() and done < total:
            raise KeyboardInterrupt  # which ends a run in peace

    def _progress(self, done: int, total: int) -> None:
        self._bar.max, self._bar.value, self._count.value = max(total, 1), done, f"{done:,} of {total:,}"

    def _show_buttons(self, *, running: bool = False) -> None:
        left = self.report.left if self.report else 0
        messages = left or (self.plan.messages if self.plan else 0)
        verb = "Go on with" if left else "Import"
        self._start.description = f"{verb} {counted(messages, 'message')} into {urlsplit(self._base_url).hostname}"
        self._start.disabled, self._halt.disabled = running or not messages, not running
        for field in (self._path, self._zone, self._again):
            field.disabled = running


def _said(text: str, colour: str) -> str:
    look = f"white-space:pre-wrap;line-height:1.5;color:{colour}"
    return f"<div style='{look}'>{escape(safe(text, keep=chr(10)))}</div>"


def _shown(made: Plan) -> str:
    """The plan in words, with its rows to mend in a table."""
    lines = str(made).splitlines()
    rows = [number for number, line in enumerate(lines) if line.startswith(" ")]  # what the table tells
    before, after = (lines[: rows[0]], lines[rows[-1] + 1 :]) if rows else (lines, [])
    table = "".join(map(_row, made.problems[:SHOWN]))
    table = f"<div style='max-height:320px;overflow:auto;margin:2px 0'><table>{table}</table></div>" if table else ""
    told = [f"<div style='line-height:1.5'>{'<br>'.join(map(escape, part))}</div>" for part in (before, after)]
    return table.join(told)


def _row(problem: Problem) -> str:
    texts = (f"row {problem.row}", f"chat {problem.conversation_id or '?'}"[:60], problem.reason)
    look = "padding:1px 12px 1px 0;text-align:left;vertical-align:top;line-height:1.4;"
    looks = ("white-space:nowrap", "min-width:7em;overflow-wrap:anywhere", "overflow-wrap:anywhere")
    cells = (f"<td style='{look}{own}'>{escape(safe(text))}</td>" for own, text in zip(looks, texts, strict=True))
    return f"<tr>{''.join(cells)}</tr>"
