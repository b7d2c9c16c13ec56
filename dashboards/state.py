"""What the reader has chosen, kept in the address bar so that a view can be sent to a colleague."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo, available_timezones

import param

from kommo_nb.clock import msec
from kommo_nb.metrics import AUTHORS, Filter, Grain

TABS = {"overview": "Overview", "delivery": "Delivery", "conversations": "Conversations", "health": "Channel health"}
PERIODS = {1: "Today", 7: "7 days", 30: "30 days", 90: "90 days"}
ZONES = ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))]


class State(param.Parameterized):
    """Tab, filters, the chosen chat, the theme, and whether the page follows the store. "" does not restrict."""

    tab = param.Selector(default="overview", objects=list(TABS), doc="What is shown.")
    period = param.Selector(default=30, objects=list(PERIODS), doc="Days, the present one included.")
    channel = param.String(default="", doc="A scope_id.")
    author = param.Selector(default="", objects=["", *AUTHORS], doc="Who wrote the messages that count.")
    type = param.String(default="", doc="Of the messages that count.")
    tz = param.Selector(default="UTC", objects=ZONES, doc="Time zone of days, hours and clock times.")
    waiting = param.Boolean(default=False, doc="Whether only chats that wait are listed.")
    search = param.String(default="", doc="Part of a client's name, phone, e-mail or id.")
    chat = param.String(default="", doc="The chat whose transcript is open.")
    live = param.Boolean(default=True, doc="Whether the page follows the store.")
    theme = param.Selector(default="", objects=["", "light", "dark"], doc="If not the one that the browser prefers.")

    IN_ADDRESS = ("theme", "tab", "period", "channel", "author", "type", "tz", "waiting", "search", "chat", "live")

    @property
    def grain(self) -> Grain:
        """Hours for a week, days for more."""
        return "hour" if self.period <= 7 else "day"

    def where(self, now_ms: int) -> Filter:
        """The chosen part of the store up to now; it begins at a midnight of the time zone."""
        zone = ZoneInfo(self.tz)
        first = datetime.fromtimestamp(now_ms / 1000, zone).date() - timedelta(days=self.period - 1)
        since_ms = msec(datetime.combine(first, time(), zone))
        picked = {"scope_id": self.channel or None, "author": self.author or None, "type": self.type or None}
        return Filter(since_ms, now_ms, tz=self.tz, **picked)

    def query(self) -> dict[str, str]:
        """What differs from the defaults, and the time zone, as texts for the address bar."""
        chosen = {name: getattr(self, name) for name in self.IN_ADDRESS}
        return {name: str(value) for name, value in chosen.items() if name == "tz" or value != self.param[name].default}

    def choose(self, given: dict[str, str]) -> None:
        """Take over texts. What does not fit is the default: addresses and messages come from strangers too."""
        self.param.update(**{name: self._value(name, text) for name, text in given.items() if name in self.IN_ADDRESS})

    def _value(self, name: str, text: str) -> Any:
        about = self.param[name]
        if isinstance(about, param.String):
            return text
        choices = getattr(about, "objects", (True, False))
        return {str(choice): choice for choice in choices}.get(text, about.default)

    def read(self, search: str) -> None:
        """Take over an address's query; what it does not name is the default again."""
        given = dict(parse_qsl(search.removeprefix("?")))
        self.choose({name: given.get(name, "") for name in self.IN_ADDRESS})

    def sync(self, location: Any) -> None:
        """Follow the address bar and keep it up to date.

        Not Panel's `location.sync`: that guesses types, so that a search for a phone number arrives as an int.
        """
        self.read(location.search)
        location.param.watch(lambda event: self.read(event.new), "search")
        self.param.watch(lambda *_: self._write(location), list(self.IN_ADDRESS))

    def _write(self, location: Any) -> None:
        others = [(key, value) for key, value in parse_qsl(location.search[1:]) if key not in self.IN_ADDRESS]
        query = urlencode(others + list(self.query().items()))
        location.search = f"?{query}" if query else ""
