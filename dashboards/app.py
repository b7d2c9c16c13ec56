"""The dashboard: one page per session over one database, which it only reads.

The capture process projects; this one looks every half second whether anything new has come, and redraws what changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.server.contexts import BokehSessionContext
from panel.util import edit_readonly

from kommo_nb import metrics
from kommo_nb.clock import Clock, msec
from kommo_nb.errors import StoreError
from kommo_nb.store import Store

from . import look, views
from .charts import VolumeChart
from .live import Html
from .state import ZONES, State

pn.extension(respect_explicit_sizing=True)

TITLE = "Kommo channel"
LOOK_EVERY_MS = 500
"""How often a session asks for news. A hook is to be on the page within 2 s."""


class Source:
    """The database file, which may not be there yet, may go away, and may be made anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inode = 0  # cannot be given to another file as long as this one is open
        self._store: Store | None = None

    def store(self) -> Store | None:
        """The open store, or None while there is no file. Raises StoreError where it cannot be read."""
        try:
            inode = os.stat(self.path).st_ino
        except FileNotFoundError:
            inode = 0
        if inode != self.inode:
            self.close()
        if inode and self._store is None:
            self._store = Store(self.path, read_only=True)
        self.inode = inode
        return self._store

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self._store:
            self._store.close()
            self._store = None


class Dashboard:
    """The page of one session: its state, its cards, and how they follow the store."""

    def __init__(self, source: Source, state: State, clock: Clock | None = None) -> None:
        self.state, self._source, self._clock = state, source, clock or Clock()
        self._seen: tuple[Any, ...] | None = None
        self._waiting: Any = None
        self.notice, self.status = Html(), Html(sizing_mode=None, margin=(0, 8), watches=True)
        self.strip, self.volume_head, self.funnel = Html(), Html(), Html()
        self.waiting, self.chats, self.transcript = (Html(on_pick=self._pick) for _ in range(3))
        self.volume = VolumeChart()
        self.rooms = self._rooms()
        self.template = pmui.Page(
            title=TITLE,
            main=[self.notice, self.rooms],
            header=[pn.Spacer(sizing_mode="stretch_width"), self.status],
            theme_config=look.THEME,
            stylesheets=[look.PAGE_CSS],
            busy_indicator=None,
        )
        # The page follows Panel's global «busy», so that each tick of each session would write to every session.
        with edit_readonly(self.template):
            self.template.busy = False
        self.volume.paint(self.template.dark_theme)
        self.template.param.watch(lambda event: self.volume.paint(event.new), "dark_theme")
        self.state.param.watch(lambda *_: self.refresh(), ["period", "tz", "live"])
        self.state.param.watch(
            lambda *_: self._waiting is not None and self.refresh(self._draw_chats), ["search", "chat"]
        )

    # --- layout

    def _rooms(self) -> pn.Column:
        drawn = pn.pane.Bokeh(self.volume.figure, sizing_mode="stretch_both", min_height=280, margin=0)
        drawn.css_classes = ["fill"]
        found = pmui.TextInput.from_param(
            self.state.param.search, placeholder="Name, phone or id, then Enter", sizing_mode="stretch_width", **_SMALL
        )
        chats_head = Html(html=views.head("Conversations", about=metrics.definition(metrics.conversations)))
        cards = {
            "two-thirds": _card(self.volume_head, drawn),
            "third": _card(self.funnel),
            "quarter": _card(self.waiting),
            "list": _card(chats_head, found, self.chats),
            "reading": _card(self.transcript),
        }
        for place, card in cards.items():
            card.css_classes = [place]
        return pn.Column(
            self._filters(), self.strip, *cards.values(), stylesheets=[look.GRID_CSS], sizing_mode="stretch_width"
        )

    def _filters(self) -> pn.Row:
        param = self.state.param
        days = {f"{days} days": days for days in param.period.objects}
        period = pmui.RadioButtonGroup.from_param(param.period, options=days, width=250, **_SMALL)
        search = {"case_sensitive": False, "search_strategy": "includes", "lazy_search": True}
        zone = pmui.AutocompleteInput.from_param(
            param.tz, options=ZONES, width=240, **search, **{**_SMALL, "label": "Time zone"}
        )
        live = pmui.Switch.from_param(param.live, **{**_SMALL, "label": "Live", "size": "medium"})
        return pn.Row(period, zone, live, stylesheets=[look.FILTER_CSS], sizing_mode="stretch_width")

    # --- following the store

    def tick(self) -> None:
        """Redraw if there is news, or if a minute has passed: waits grow without any message."""
        if self.state.live:
            self.refresh(only_news=True)

    def refresh(self, *drawings: Callable[[Store, int], None], only_news: bool = False) -> None:
        """Show what the store says now, in these drawings or in all; only what differs goes to the browser."""
        now_ms = msec(self._clock.now())
        try:
            store = self._source.store()
            token = metrics.last_change(store) if store else ""
            hook_ms = metrics.last_hook_ms(store) if store and token else None
            news = (self._source.inode, token, hook_ms, now_ms // 60_000)
            if only_news and news == self._seen:
                return
            if store and token:
                self._draw(store, now_ms, drawings)
            else:
                self._tell(views.empty_notice(str(self._source.path)))
            self._seen = self._seen if drawings else news
        except StoreError as problem:
            self._seen = None
            self._tell(views.error_notice(str(problem)))

    def _draw(self, store: Store, now_ms: int, drawings: tuple[Callable[[Store, int], None], ...]) -> None:
        with pn.io.hold():
            for draw in drawings or (self._draw_status, self._draw_numbers, self._draw_chats):
                draw(store, now_ms)
        self._enter(self.rooms)

    def _tell(self, notice: str) -> None:
        self.notice.html, self.status.html = notice, ""
        self._enter(self.notice)

    def _enter(self, room: Any) -> None:
        # Both stay in the document: a figure that joins it later stumbles over the theme of panel-material-ui 0.16.
        self.notice.visible, self.rooms.visible = room is self.notice, room is self.rooms

    def _draw_status(self, store: Store, now_ms: int) -> None:
        last_hook_ms = metrics.last_hook_ms(store)
        self.status.html = views.status(last_hook_ms, live=self.state.live, tz=self.state.tz, now_ms=now_ms)

    def _draw_numbers(self, store: Store, now_ms: int) -> None:
        state = self.state
        where = metrics.Filter(**state.window(now_ms), tz=state.tz)
        volume = metrics.volume(store, where, grain=state.grain)
        courses = (metrics.volume(store, where), metrics.delivery(store, where))
        self._waiting = metrics.waiting_now(store, now_ms=now_ms)
        self.strip.html = views.strip(metrics.headline(store, where), *courses, self._waiting, days=state.period)
        self.volume_head.html = views.volume_head(volume, days=state.period)
        self.volume.update(volume, grain=state.grain, tz=state.tz)
        self.funnel.html = views.funnel(metrics.delivery_funnel(store, where), metrics.failures(store, where))

    def _draw_chats(self, store: Store, now_ms: int) -> None:
        chats = metrics.conversations(store, search=self.state.search)
        if not self.state.chat and len(chats):
            with param.discard_events(self.state):
                self.state.chat = chats["chat_id"].iloc[0]
        chosen, tz = self.state.chat, self.state.tz
        self.waiting.html = views.waiting_list(self._waiting, chosen=chosen)
        self.chats.html = views.chat_list(chats, chosen=chosen, tz=tz, now_ms=now_ms)
        chat = metrics.conversations(store, chat_id=chosen)
        self.transcript.html = views.transcript(chat, metrics.transcript(store, chosen), chat_id=chosen, tz=tz)

    def _pick(self, chat_id: str) -> None:
        self.state.chat = chat_id


_SMALL = {"label": "", "description": "", "size": "small", "margin": 0}


def _card(*parts: Any) -> pn.Column:
    return pn.Column(*parts, stylesheets=[look.CARD_CSS], sizing_mode="stretch_width")


@cache
def source_of(path: Path) -> Source:
    """The one Source of a file, which all sessions share."""
    return Source(path)


def page(db_path: str | Path) -> pmui.Page:
    """A fresh page over the database; call it once per session."""
    state = State()
    if pn.state.location:
        state.sync(pn.state.location)
    dashboard = Dashboard(source_of(Path(db_path)), state)
    dashboard.refresh()
    context = pn.state.curdoc.session_context if pn.state.curdoc else None
    if context:
        pn.state.add_periodic_callback(lambda: _watched(context) and dashboard.tick(), period=LOOK_EVERY_MS)
        pn.state.onload(lambda: _follow_browser(dashboard))
    return dashboard.template


def _watched(context: BokehSessionContext) -> bool:
    """False for a page whose tab was closed; the server forgets it only some seconds later."""
    return bool(context.session and context.session.connection_count)


def _follow_browser(dashboard: Dashboard) -> None:
    """Take over what the browser prefers, unless the address says otherwise."""
    browser, given = pn.state.browser_info, pn.state.session_args or {}
    if browser and "theme" not in given and browser.dark_mode:
        dashboard.template.dark_theme = True
    if browser and "tz" not in given and browser.timezone in ZONES:
        dashboard.state.tz = browser.timezone
