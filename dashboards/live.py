"""A piece of HTML on the page that changes without moving what is being read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from .look import HTML_CSS


class Html(JSComponent):
    """HTML that is morphed, not replaced, and says what the reader does in it.

    A button with `data-set`, JSON of texts by name, and a field with a name call `on_set`; one with `data-do` and
    `data-with` calls `on_do` with both. An element with `data-follow` keeps showing its end, as long as the reader has
    not scrolled away from it. One with `data-still` does not change under the pointer.
    """

    html = param.String(default="", doc="Trusted HTML: what comes from strangers was escaped before.")
    watches = param.Boolean(default=False, doc="Whether it gets the class `lost` while the server is away.")
    ready = param.Boolean(default=False, doc="Whether the page is, so that the snapshot in front of it can go.")

    _esm = Path(__file__).with_name("live.js").read_text("utf-8")
    _stylesheets: ClassVar[list[str]] = [HTML_CSS]

    def __init__(
        self,
        *,
        on_set: Callable[[dict[str, str]], None],
        on_do: Callable[[str, str], dict[str, str] | None],
        **params: Any,
    ) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, **params})
        self._on_set, self._on_do = on_set, on_do

    def _handle_msg(self, msg: Any) -> None:
        file = None
        try:
            match msg:
                case {"set": dict(given)} if all(isinstance(each, str) for pair in given.items() for each in pair):
                    self._on_set(given)
                case {"do": str(what), "with": str(which)}:
                    file = self._on_do(what, which)
        finally:
            self._send_msg(file or {})  # ends the waiting, after what has changed meanwhile
