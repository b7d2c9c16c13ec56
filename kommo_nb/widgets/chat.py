"""The two-sided chat: the client on the left, the manager on the right, and what travels between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from html import escape
from typing import Any

import ipywidgets as w

from ..errors import KommoError
from ..lines import counted, label, safe
from ..session import Session
from ..store.selection import Filter, StoredCall, StoredHook
from ..tail import Tail
from ..wire.messages import Person, Text
from .look import NOTE, PRE, WIDE

_PANE = "height:300px;overflow-y:auto;display:flex;flex-direction:column-reverse;gap:5px;line-height:1.4"
_BUBBLE = "border-radius:8px;padding:4px 9px;max-width:85%;overflow-wrap:anywhere;white-space:pre-wrap"
_OWN, _OTHERS = (
    f"{_BUBBLE};align-self:flex-end;background:#3d6fd822",
    f"{_BUBBLE};align-self:flex-start;background:#8882",
)
_TICKS = {"delivered": "✓ delivered", "read": "✓✓ read", "failed": "✗ failed"}


class TwoSidedChat(w.GridBox):  # type: ignore[misc] # ipywidgets has no types
    """A chat to play both sides of, and every call and hook that it causes: unfold one to see its bytes.

    The client's side makes signed calls; the manager's works the sandbox's CRM, which sends signed hooks. Between two
    actions nothing runs. What Kommo refuses is told in the middle.

    Args:
        session: connected.
        client: who writes, in the chat that `conversation_id` names; it is made if it is not there.

    Attributes:
        chat_id: Kommo's id of the chat.
        travelled: calls and hooks of the channel since the widget began, oldest first.
    """

    def __init__(self, session: Session, client: Person, *, conversation_id: str) -> None:
        self._session, self._person, self._conversation_id = session, client, conversation_id
        self._tail = Tail(session.store, Filter(scope_id=session.client.scope_id))
        self.travelled: list[StoredHook | StoredCall] = []
        self.chat_id = session.client.create_chat(conversation_id, client).id
        self._panes, self._between, self._note = (w.HTML(), w.HTML()), w.HTML(), w.HTML()
        more: dict[str, Callable[[], None]] = {"Typing": self.client_types, "Delivered": partial(self.report, 1)}
        more |= {"Read": partial(self.report, 2), "Failed": partial(self.report, -1)}
        told = w.HTML("<b>→ calls</b> that you sign · <b>← hooks</b> that Kommo signs")
        sides = [
            _side(f"{client.name}, in your messenger", self._panes[0], self.client_writes, more),
            w.VBox([told, self._between, self._note]),
            _side("The manager, in Kommo", self._panes[1], self.manager_writes, {"Typing": self.manager_types}),
        ]
        columns = "repeat(auto-fit, minmax(min(270px, 100%), 1fr))"
        super().__init__(sides, layout=w.Layout(grid_template_columns=columns, grid_gap="12px 20px"))
        self._act(lambda: None)

    def __repr__(self) -> str:
        hooks = sum(isinstance(row, StoredHook) for row in self.travelled)
        return f"TwoSidedChat: {counted(len(self.travelled) - hooks, 'call')}, {counted(hooks, 'hook')}"

    def client_writes(self, text: str) -> None:
        """The client writes in your messenger, and you send it to Kommo."""
        chat, sender = self._conversation_id, self._person
        self._act(lambda: self._session.client.send(Text(text), conversation_id=chat, sender=sender))

    def client_types(self) -> None:
        """The client is typing."""
        self._act(lambda: self._session.client.typing(self._conversation_id, self._person.id))

    def manager_writes(self, text: str) -> None:
        """The manager writes in the CRM, and Kommo sends a hook."""
        self._act(lambda: self._session.crm("manager/message", chat_id=self.chat_id, text=text))

    def manager_types(self) -> None:
        """The manager is typing."""
        self._act(lambda: self._session.crm("manager/typing", chat_id=self.chat_id))

    def report(self, status: int) -> None:
        """Report how far the manager's last message got: 1 delivered, 2 read, -1 failed."""
        why = (905, "The phone is switched off") if status == -1 else ()
        if written := [row.message_id for row in self._said() if row.delivery]:
            self._act(lambda: self._session.client.set_delivery_status(written[-1], status, *why))

    def _said(self) -> list[Any]:
        from ..metrics import transcript  # pandas

        columns = ["message_id", "author", "type", "text", "delivery"]
        return list(transcript(self._session.store, self.chat_id)[columns].fillna("").itertuples())

    def _act(self, action: Callable[[], object]) -> None:
        """Do it, and show what came of it: `crm` returns when the hooks have been stored and answered."""
        self._note.value = ""
        try:
            action()
        except (KommoError, RuntimeError) as problem:  # httpx says that a session was closed by a RuntimeError
            self._note.value = f"<div style='{NOTE}'>{escape(safe(str(problem)))}</div>"
        self._session.store.project()
        self.travelled += self._tail.new_rows()
        self._between.value = _pane(map(_unfolding, self.travelled))
        said = self._said()
        for pane, own in zip(self._panes, (True, False), strict=True):
            pane.value = _pane(_bubble(row, (row.author == "client") is own) for row in said)


def _side(title: str, pane: Any, write: Callable[[str], None], more: dict[str, Callable[[], None]]) -> Any:
    field = w.Text(placeholder="Write, and press Enter", continuous_update=False, layout=WIDE)
    entered: list[bool] = []

    def send() -> None:
        text, field.value = field.value.strip(), ""
        if text:
            write(text)

    # The browser tells of Enter first, then of the text. The text alone comes when one leaves the field.
    field.on_msg(lambda _field, content, _buffers: entered.append(content.get("event") == "submit"))
    field.observe(lambda _change: send() if entered and entered.pop() else None, names="value")
    buttons = [w.Button(description=name, layout=w.Layout(width="auto")) for name in ("Send", *more)]
    for button, act in zip(buttons, (send, *more.values()), strict=True):
        button.on_click(lambda _button, act=act: act())
    heading = w.HTML(f"<b>{escape(safe(title))}</b>")
    return w.VBox([heading, pane, field, w.HBox(buttons, layout=w.Layout(flex_flow="row wrap"))])


def _pane(oldest_first: Iterable[str]) -> str:
    return f"<div style='{_PANE}'>{''.join([*oldest_first][::-1])}</div>"  # a reversed column stays at its end


def _bubble(row: Any, own: bool) -> str:
    said, tick = safe(row.text or f"[{row.type}]", keep="\n"), _TICKS.get(row.delivery, "") if own else ""
    return f"<div style='{_OWN if own else _OTHERS}'>{escape(said)} <small>{tick}</small></div>"


def _unfolding(row: StoredHook | StoredCall) -> str:
    """A call or hook in one line, and its bytes."""
    parts: list[str | bytes | None]
    if isinstance(row, StoredHook):
        mark, parts = "←", [f"X-Signature: {row.signature}", row.body, f"{row.verdict}, answered {row.http_status}"]
    else:
        mark, parts = "→", [f"{row.method} {row.path}", row.request_body, str(row.status), row.response_body]
    texts = (part if isinstance(part, str) else part.decode("utf-8", "replace") for part in parts if part)
    raw = escape(safe("\n\n".join(texts), keep="\n"))
    return f"<details><summary>{mark} {escape(label(row))}</summary><pre style='{PRE}'>{raw}</pre></details>"
