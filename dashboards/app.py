"""The dashboard: one page per session over one database, which it only reads.

The capture process projects; this one looks every half second whether anything new has come, and redraws what changed.
"""

from __future__ import annotations

import os
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
from kommo_nb.config import load_settings
from kommo_nb.errors import StoreError
from kommo_nb.store import Store

from . import delivery, frame, health, look, overview, tables, talks
from .live import Html
from .markup import Safe, html, join
from .parts import View
from .state import ZONES, State

pn.extension(respect_explicit_sizing=True, raw_css=[look.SNAPSHOT_CSS])

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
            self._store = Store(self.path, read_only=True, mask=load_settings().mask.get_secret_value())
        self.inode = inode
        return self._store

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self._store:
            self._store.close()
            self._store = None


class Dashboard:
    """The page of one session: its state, its cards, and how they follow the store. Only the tab on show is drawn."""

    def __init__(self, source: Source, state: State, clock: Clock | None = None) -> None:
        self.state, self._source, self._clock = state, source, clock or Clock()
        if pn.state.curdoc:  # else Panel 1.9 reads the address itself, and fails where that is not UTF-8
            pn.config.theme = "dark" if state.theme == "dark" else "default"
        self._seen: tuple[Any, ...] | None = None
        self._raw = ""
        self._rooms: dict[str, dict[str, Html]] = {}
        self.notice, self.bar = self._html(), self._html()
        self.status = self._html(sizing_mode=None, margin=(0, 8), watches=True)
        self.grid = pn.Column(stylesheets=[look.GRID_CSS], sizing_mode="stretch_width")
        self.room = pn.Column(self.bar, self.grid, sizing_mode="stretch_width", margin=0)
        self.template = pmui.Page(
            title=TITLE,
            main=[self.notice, self.room],
            header=[pn.Spacer(sizing_mode="stretch_width"), self.status],
            theme_config=look.THEME,
            stylesheets=[look.PAGE_CSS],
            busy_indicator=None,
            template=Path(__file__).with_name("page.html"),
        )
        # The page follows Panel's global «busy», so that each tick of each session would write to every session.
        with edit_readonly(self.template):
            self.template.busy = False
        self.state.param.watch(lambda *_: self.refresh(), list(State.IN_ADDRESS))

    @property
    def cards(self) -> dict[str, Html]:
        """The cards of the tab on show."""
        return self._rooms.get(self.state.tab, {})

    def snapshot(self, theme: str = "") -> Safe:
        """What the page shows now, as HTML that needs no script."""

        def piece(part: Html, css: str, kind: str = "") -> Safe:
            return frame.shadow(html("<div><div>{it}</div></div>", it=Safe(part.html)), look.HTML_CSS + css, kind)

        if self.notice.visible:
            return frame.snapshot(TITLE, piece(self.notice, ""), theme)
        cards = join(
            piece(card, "" if name in _BARE else look.CARD_CSS, _WIDTHS.get(name, "w12"))
            for name, card in self.cards.items()
        )
        return frame.snapshot(TITLE, join([piece(self.bar, ""), frame.shadow(cards, look.GRID_CSS)]), theme)

    # --- following the store and the reader

    def tick(self) -> None:
        """Redraw if there is news, or if a minute has passed: waits grow without any message.

        A notice goes as soon as it is no longer true, on a paused page too: it has no button to go on with.
        """
        if self.state.live or self.notice.visible:
            self.refresh(only_news=True)

    def refresh(self, *, only_news: bool = False) -> None:
        """Show what the store says now; only what differs goes to the browser."""
        now_ms = msec(self._clock.now())
        try:
            store = self._source.store()
            token = metrics.last_change(store) if store else ""
            hook_ms = metrics.last_hook_ms(store) if store and token else None
            news = (self._source.inode, token, hook_ms, now_ms // 60_000)
            if only_news and news == self._seen:
                return
            if store and token:
                self._draw(View(store, self.state, now_ms, self._raw), hook_ms)
            else:
                self._tell(frame.empty_notice(str(self._source.path)))
            self._seen = news
        except StoreError as problem:
            self._seen = None
            self._tell(frame.error_notice(str(problem)))

    def _draw(self, view: View, hook_ms: int | None) -> None:
        tab, cards = view.state.tab, _TABS[view.state.tab]
        with pn.io.hold():
            if tab == "conversations" and not view.state.chat:
                self._open_first(view)
            drawn = cards(view)
            self.status.html, self.bar.html = frame.status(view, hook_ms), frame.bar(view)
            room = self._rooms.setdefault(tab, {})
            for name, html in drawn.items():
                room.setdefault(name, self._card(name)).html = html
            shown = [room[name] for name in drawn]
            if shown != self.grid.objects:
                self.grid.objects = shown
        self._enter(self.room)

    def _open_first(self, view: View) -> None:
        newest = talks.chats(view, limit=1)
        with param.discard_events(self.state):  # it is no choice of the reader's, so that the address does not name it
            self.state.chat = newest["chat_id"].iloc[0] if len(newest) else ""

    def _tell(self, notice: str) -> None:
        self.notice.html, self.status.html = notice, ""
        self._enter(self.notice)

    def _enter(self, room: Any) -> None:
        self.notice.visible, self.room.visible = room is self.notice, room is self.room

    def _card(self, name: str) -> Html:
        card = self._html(stylesheets=[] if name in _BARE else [look.CARD_CSS])
        card.css_classes = [_WIDTHS.get(name, "w12")]
        return card

    def _html(self, **params: Any) -> Html:
        return Html(on_set=self.state.choose, on_do=self._do, **params)

    def _do(self, what: str, which: str) -> dict[str, str] | None:
        if what == "raw":
            self._raw = "" if self._raw == which else which
            self.refresh()
        elif what == "csv" and which in tables.TABLES and (store := self._source.store()):
            view = View(store, self.state, msec(self._clock.now()))
            return {"name": f"{which}.csv", "text": tables.to_csv(tables.TABLES[which](view))}
        return None


_TABS = {
    "overview": overview.cards,
    "delivery": delivery.cards,
    "conversations": talks.cards,
    "health": health.cards,
}
_BARE = {"strip", "health"}
"""Cards that hold tiles, which have a frame of their own."""
_WIDTHS = {
    **dict.fromkeys(("waiting", "response", "funnel", "rejected", "acks", "verdicts", "problems", "expiring"), "w4"),
    **dict.fromkeys(("volume", "course", "failures", "windows"), "w8"),
    "busy": "w5",
    "types": "w3",
    "chats": "w4",
    "transcript": "w8",
}
"""How many of the twelve columns a card takes; all of them where none is given."""


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
        pn.state.curdoc.template_variables["snapshot"] = dashboard.snapshot(state.theme)
    return dashboard.template


def _watched(context: BokehSessionContext) -> bool:
    """False for a page whose tab was closed; the server forgets it only some seconds later."""
    return bool(context.session and context.session.connection_count)


def _follow_browser(dashboard: Dashboard) -> None:
    """Take over what the browser prefers, unless the address says otherwise; a slow one tells of it later."""
    browser, given, state = pn.state.browser_info, pn.state.session_args or {}, dashboard.state

    def take_over(*_: Any) -> None:
        if not state.theme and browser.dark_mode:
            dashboard.template.dark_theme = True
        if "tz" not in given and browser.timezone in ZONES and state.tz == state.param.tz.default:
            with param.discard_events(state):  # not the reader's choice: it begins no new entry of the history
                state.tz = browser.timezone
            dashboard.refresh()

    def keep_theme(toggled: param.parameterized.Event) -> None:
        state.theme = "" if toggled.new == bool(browser.dark_mode) else "dark" if toggled.new else "light"

    if browser:
        dashboard.template.param.watch(keep_theme, "dark_theme")
        browser.param.watch(take_over, ["dark_mode", "timezone"])
        take_over()
    dashboard.status.ready = True
