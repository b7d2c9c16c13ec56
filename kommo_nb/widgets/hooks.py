"""The hook inspector: choose stored hooks, look at one, edit it, and send it again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import islice
from typing import Any

import ipywidgets as w

from ..errors import KommoError
from ..lines import entry, label, safe
from ..replay import Edit, replay, request
from ..store import Store
from ..store.selection import VERDICTS, Filter, StoredHook, moment_ms, select
from ..wire.doctor import diagnose_hook
from ..wire.kinds import HOOK_KINDS
from ..wire.signing import Secret, require_secret
from .diagnosis import diagnosis_html
from .look import BAD, CODE, CODE_STYLE, GOOD, NOTE, PRE, WIDE

MAX_LISTED = 200
MAX_EDITED = 100_000
"""Bytes of a body that a field in a browser takes well; a longer one is shown in part, and sent as it came."""


class HookInspector(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Stored hooks by filter, the newest first: look at one, edit it, send it again, or send all that are listed.

    Hooks whose signature was refused are listed only where one asks for them: signed again, they look genuine.

    Args:
        store: where the hooks are, and where each attempt is noted.
        secret: the channel's; signs what is sent, and stays out of the widget's state.
        url: where to send; `:scope_id` is replaced by the hook's.

    Attributes:
        hooks: those that are listed.
    """

    def __init__(self, store: Store, *, secret: Secret, url: str = "") -> None:
        self._store, self._secret = store, require_secret(secret)
        self.hooks: tuple[StoredHook, ...] = ()
        self._unedited = ""
        self._thread: threading.Thread | None = None
        self._fields = {
            "kind": w.Dropdown(options=[("any", ""), *((kind, kind) for kind in HOOK_KINDS)], description="Kind"),
            "verdict": w.Dropdown(options=list(VERDICTS), description="Verdict"),
            "text": w.Text(description="Text", continuous_update=False),
            "scope_id": w.Text(description="Scope", continuous_update=False),
            "since_ms": w.Text(description="Since", placeholder="2h, 7d, 2026-03-02", continuous_update=False),
            "until_ms": w.Text(description="Until", continuous_update=False),
            "problem": w.Checkbox(description="only with a problem", indent=False),
        }
        self._count, self._about, self._result = w.HTML(), w.HTML(layout=WIDE), w.HTML(layout=WIDE)
        self._list = w.Select(rows=8, layout=WIDE).add_class(CODE)
        self._body = w.Textarea(rows=14, layout=WIDE).add_class(CODE)
        self._url = w.Text(value=url, placeholder="http://127.0.0.1:9000/hooks/:scope_id", layout=WIDE)
        self._bar = w.IntProgress(layout=w.Layout(width="auto", display="none"))
        self._refresh = _button("Refresh", self.find)
        self._buttons = (_button("Dry run", self.dry_run), _button("Send", self.send), _button("", self.send_all))
        super().__init__(self._rows(), layout=w.Layout(max_width="1000px"))
        for field in self._fields.values():
            field.observe(lambda _change: self.find(), names="value")
        self._list.observe(lambda _change: self._show(), names="index")
        self.find()

    def __repr__(self) -> str:
        return f"HookInspector: {len(self.hooks)} hooks"

    @property
    def chosen(self) -> StoredHook | None:
        """The hook that is shown."""
        return None if self._list.index is None else self.hooks[self._list.index]

    def find(self) -> None:
        """List the newest hooks that fit what stands in the fields."""
        try:
            found = select(self._store, self._filter(), newest_first=True)
            self.hooks = tuple(islice(found, MAX_LISTED))
        except (KommoError, ValueError) as problem:
            self._say(str(problem), bad=True)
            return
        more = f", the newest {MAX_LISTED}" if len(self.hooks) == MAX_LISTED else ""
        self._count.value = f"<b>{len(self.hooks)} hooks{more}</b>"
        self._buttons[2].description = f"Send all {len(self.hooks)}"
        self._list.options = [(label(hook), hook.id) for hook in self.hooks]
        self._list.index = 0 if self.hooks else None
        self._say("")
        self._show()

    def dry_run(self) -> None:
        """Show the request that `send` would send."""
        if (stored := self.chosen) is not None:
            try:
                ready = request(stored, self._url.value.strip(), secret=self._secret, edit=self._edit())
            except ValueError as problem:
                self._say(str(problem), bad=True)
            else:
                self._result.value = f"<pre style='{PRE}'>{escape(str(ready))}</pre>"

    def send(self) -> None:
        """Send the hook that is shown, as it stands in the field."""
        if (stored := self.chosen) is not None:
            try:
                self._start((stored,), self._edit())
            except ValueError as problem:
                self._say(str(problem), bad=True)

    def send_all(self) -> None:
        """Send all that are listed, oldest first, each as it came."""
        self._start(self.hooks[::-1], None)

    def wait(self, timeout_s: float = 30.0) -> None:
        """Return once what is being sent has been sent."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _rows(self) -> list[Any]:
        for field in self._fields.values():
            field.layout, field.style.description_width = w.Layout(width="auto"), "52px"
        columns = w.Layout(grid_template_columns="repeat(auto-fit, minmax(210px, 1fr))", grid_gap="2px 8px")
        return [
            w.HTML(CODE_STYLE),
            w.GridBox([*self._fields.values(), self._refresh], layout=columns),
            *(self._count, self._list, self._about, self._body, self._url),
            w.HBox(self._buttons, layout=w.Layout(flex_flow="row wrap")),
            *(self._bar, self._result),
        ]

    def _filter(self) -> Filter:
        read: dict[str, Any] = {name: field.value for name, field in self._fields.items() if field.value}
        now = datetime.now(UTC)
        read |= {name: moment_ms(read[name], now=now) for name in ("since_ms", "until_ms") if name in read}
        return Filter(**read)

    def _show(self) -> None:
        """The chosen hook: what is known of it, the doctor's word if it was refused, and its body to edit."""
        stored = self.chosen
        self._unedited = "" if stored is None else _pretty(stored.body[:MAX_EDITED])
        self._about.value = "" if stored is None else _about(stored, self._secret)
        self._body.value, self._body.disabled = self._unedited, stored is None or len(stored.body) > MAX_EDITED
        for button in self._buttons:
            button.disabled = stored is None

    def _edit(self) -> Edit | None:
        """What was edited in the field, None for nothing; a ValueError if it is no JSON any more."""
        if self._body.value == self._unedited:
            return None
        try:
            payload = json.loads(self._body.value)
        except (ValueError, RecursionError) as problem:
            raise ValueError(f"The body is no JSON: {problem}") from None
        return lambda _payload: payload

    def _start(self, hooks: Sequence[StoredHook], edit: Edit | None) -> None:
        """Send from a thread, so that the kernel stays free."""
        if not hooks or (self._thread is not None and self._thread.is_alive()):
            return
        for button in self._buttons:
            button.disabled = True
        self._bar.value, self._bar.max, self._bar.layout.display = 0, len(hooks), None
        self._say("")
        self._thread = threading.Thread(target=self._work, args=(hooks, edit), name="kommo-nb-replay", daemon=True)
        self._thread.start()

    def _work(self, hooks: Sequence[StoredHook], edit: Edit | None) -> None:
        attempts = []
        try:
            url = self._url.value.strip()
            for attempt in replay(hooks, url, secret=self._secret, edit=edit, log=self._store):
                attempts.append(attempt)
                self._bar.value = len(attempts)
            bad = [attempt for attempt in attempts if not attempt.ok]
            failed = [f"hook {attempt.delivery_id}: {attempt.outcome}" for attempt in bad[:5]]
            summary = f"{len(attempts) - len(bad)} of {len(attempts)} answered 200."
            self._say("\n".join([summary, *failed, *["…"] * (len(bad) > 5)]), bad=bool(bad))
        except (KommoError, ValueError) as problem:
            self._say(str(problem), bad=True)
        finally:
            self._bar.layout.display = "none"
            for button in self._buttons:
                button.disabled = False

    def _say(self, text: str, *, bad: bool = False) -> None:
        look = f"white-space:pre-wrap;line-height:1.5;color:{BAD if bad else GOOD}"
        shown = escape(safe(text, keep="\n"))
        self._result.value = f"<div style='{look}'>{shown}</div>" if text else ""


def _button(text: str, action: Callable[[], None]) -> Any:
    button = w.Button(description=text, layout=w.Layout(width="auto", min_width="90px"))
    button.on_click(lambda _button: action())
    return button


def _pretty(body: bytes) -> str:
    """The body for the field: JSON in lines, and everything that is not printable as JSON's escape."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
    return safe(text, keep="\n")


def _about(stored: StoredHook, secret: Secret) -> str:
    colour, mark = (GOOD, "✓") if stored.trusted else (BAD, "✗")
    received = datetime.fromtimestamp(stored.received_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    took = "" if stored.ack_us is None else f" after {stored.ack_us / 1000:.1f} ms"
    told = ", ".join(filter(None, (stored.kind, f"answered {stored.http_status}{took}", stored.reason)))
    parts = [f"<div><b style='color:{colour}'>{mark} {escape(stored.verdict)}</b> · {escape(told)}</div>"]
    kept = {"X-Signature": stored.signature, "User-Agent": stored.user_agent, "Scope": stored.scope_id}
    lines = [f"Received: {received}", *(f"{name}: {safe(value[:300])}" for name, value in kept.items() if value)]
    parts.append(f"<pre style='{PRE}'>{escape(chr(10).join(lines))}</pre>")
    if problem := entry(stored).problem:
        parts.append(f"<div style='{NOTE}'>{escape(safe(problem))}</div>")
    if not stored.trusted:
        warning = "Signed again, a forged hook looks genuine. Send it only to a receiver of your own."
        diagnosis = diagnose_hook(stored.body, stored.signature, secret=secret)
        parts += [diagnosis_html(diagnosis), f"<div style='{NOTE}'>{warning}</div>"]
    return f"<div style='display:flex;flex-direction:column;gap:6px;line-height:1.5'>{''.join(parts)}</div>"
