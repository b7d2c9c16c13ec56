"""What the reader has chosen, kept in the address bar so that a view can be sent to a colleague."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo, available_timezones

import param

from kommo_nb.clock import msec

ZONES = ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))]


class State(param.Parameterized):
    """The filters of the page, the chosen chat, and whether the page follows the store."""

    period = param.Selector(default=30, objects=[7, 30, 90], doc="Days, the present one included.")
    tz = param.Selector(default="UTC", objects=ZONES, doc="Time zone of days, hours and clock times.")
    search = param.String(default="", doc="Part of a client's name, phone, e-mail or id.")
    chat = param.String(default="", doc="The chat whose transcript is open.")
    live = param.Boolean(default=True, doc="Whether the page follows the store.")

    IN_ADDRESS = ("period", "tz", "search", "chat", "live")

    @property
    def grain(self) -> str:
        """Hours for a week, days for more."""
        return "hour" if self.period <= 7 else "day"

    def window(self, now_ms: int) -> dict[str, int]:
        """The period up to now as `since_ms` and `until_ms`; it begins at a midnight of the time zone."""
        zone = ZoneInfo(self.tz)
        first = datetime.fromtimestamp(now_ms / 1000, zone).date() - timedelta(days=self.period - 1)
        return {"since_ms": msec(datetime.combine(first, time(), zone)), "until_ms": now_ms}

    def query(self) -> dict[str, str]:
        """What differs from the defaults, as texts for the address bar."""
        chosen = {name: getattr(self, name) for name in self.IN_ADDRESS}
        return {name: str(value) for name, value in chosen.items() if value != self.param[name].default}

    def read(self, search: str) -> None:
        """Take over an address's query. What does not fit counts as not given: addresses come from strangers too."""
        given = dict(parse_qsl(search.removeprefix("?")))
        values: dict[str, Any] = {name: given.get(name, "") for name in ("search", "chat")}
        for name, choices in {"period": self.param.period.objects, "tz": ZONES, "live": (True, False)}.items():
            texts = {str(choice): choice for choice in choices}
            values[name] = texts.get(given.get(name, ""), self.param[name].default)
        self.param.update(**values)

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
