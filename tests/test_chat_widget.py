"""The two-sided chat: both sides act by the session's own calls and hooks, and all of it is seen, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_widgets import state_of

from kommo_nb import Person
from kommo_nb.session import Session, open_session
from kommo_nb.widgets import TwoSidedChat
from kommo_nb.wire.records import Delivery

LENA = Person(id="client-lena", name="Lena Fischer")
EVIL = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    opened = open_session("chat-widget")
    opened.connect()
    yield opened
    opened.close()


@pytest.fixture
def chat(session: Session, request: pytest.FixtureRequest) -> TwoSidedChat:
    """A chat of its own for each test."""
    return TwoSidedChat(session, LENA, conversation_id=request.node.name)


def shown(chat: TwoSidedChat, place: int) -> str:
    """The HTML of a column: 0 the client's, 1 what travels, 2 the manager's."""
    return "".join(each.value for each in chat.children[place].children if type(each).__name__ == "HTML")


def field(chat: TwoSidedChat, place: int) -> Any:
    return next(each for each in chat.children[place].children if type(each).__name__ == "Text")


def button(chat: TwoSidedChat, place: int, name: str) -> Any:
    return next(each for each in chat.children[place].children[-1].children if each.description == name)


def enter(chat: TwoSidedChat, place: int, text: str) -> None:
    """What the browser sends when one writes and presses Enter: the key, and then the text."""
    field(chat, place)._handle_custom_msg({"event": "submit"}, [])
    field(chat, place).set_state({"value": text})


def kinds(chat: TwoSidedChat) -> list[str]:
    return [row.kind for row in chat.travelled]


def test_both_sides_and_what_travels(chat: TwoSidedChat) -> None:
    """Lena asks, Maria answers, it is delivered and read: both see both texts, and each call and hook is listed."""
    assert repr(chat) == "TwoSidedChat: 1 call, 0 hooks"
    chat.client_writes("Do you have tulips?")
    chat.manager_writes("Red ones.")
    assert all("Do you have tulips?" in shown(chat, side) and "Red ones." in shown(chat, side) for side in (0, 2))
    chat.report(1)
    assert "✓ delivered" in shown(chat, 2) and "✓" not in shown(chat, 0)
    chat.report(2)
    assert "✓✓ read" in shown(chat, 2)
    assert kinds(chat) == ["create_chat", "send", "message", "delivery_status", "delivery_status"]
    assert repr(chat) == "TwoSidedChat: 4 calls, 1 hook"


def test_the_bytes_are_those_that_travelled(chat: TwoSidedChat, session: Session) -> None:
    """Unfolded, a hook has its signature, its verdict and its body, and a call its path, its body and its answer."""
    chat.manager_types()
    row = session.store.query("SELECT body, signature FROM deliveries ORDER BY id DESC LIMIT 1")[0]
    body = row["body"].decode().strip().replace('"', "&quot;")
    middle = shown(chat, 1)
    assert f"X-Signature: {row['signature']}" in middle and "valid_trimmed, answered 200" in middle and body in middle
    assert f"POST /v2/origin/custom/{session.client.scope_id}/chats" in middle and "&quot;id&quot;: " in middle


def test_enter_sends_the_whole_text_once(chat: TwoSidedChat) -> None:
    """Enter sends what was written, once, and empties the field; nothing but blanks is not sent."""
    enter(chat, 0, "Hello?")
    enter(chat, 2, "Yes?")
    enter(chat, 0, "  ")
    assert kinds(chat) == ["create_chat", "send", "message"]
    assert ">Hello? <" in shown(chat, 0) and ">Yes? <" in shown(chat, 0)
    assert field(chat, 0).value == field(chat, 2).value == ""


def test_leaving_the_field_sends_nothing(chat: TwoSidedChat) -> None:
    """Half a message stays where it is when one clicks elsewhere, and goes out by the button."""
    field(chat, 0).set_state({"value": "Half"})
    assert kinds(chat) == ["create_chat"] and field(chat, 0).value == "Half"
    button(chat, 0, "Send").click()
    assert kinds(chat) == ["create_chat", "send"] and field(chat, 0).value == ""


def test_every_button(chat: TwoSidedChat) -> None:
    """Each button makes the call, or brings the hook, that its name says; a report needs a message of the manager."""
    button(chat, 0, "Read").click()
    assert kinds(chat) == ["create_chat"]
    chat.client_writes("Hello?")
    chat.manager_writes("Yes?")
    for name in ("Typing", "Delivered", "Failed"):
        button(chat, 0, name).click()
    button(chat, 2, "Typing").click()
    assert kinds(chat)[3:] == ["typing", "delivery_status", "delivery_status", "typing"]
    codes = [row.request["status_code"] for row in chat.travelled if row.kind == "delivery_status"]  # type: ignore[union-attr]
    assert codes == [1, -1]


def test_strangers_text_is_text(chat: TwoSidedChat) -> None:
    """Markup and control characters are shown, never carried out, in both chats and in the bytes between them."""
    chat.client_writes(EVIL)
    chat.manager_writes(EVIL)
    for place in range(3):
        assert "<img" not in shown(chat, place) and "\x1b" not in shown(chat, place)
        assert "&lt;img src=x" in shown(chat, place)


def test_what_is_refused_is_told(chat: TwoSidedChat, session: Session) -> None:
    """A refused call is listed as one, and its reason stands below; the next action clears it."""
    session.crm("faults", status=403)
    chat.client_writes("Hello?")
    assert "send: 403" in shown(chat, 1) and "Hello?" not in shown(chat, 0)
    assert kinds(chat) == ["create_chat", "send"]
    chat.client_writes("Hello again?")
    assert "send: 403" not in shown(chat, 1) and "Hello again?" in shown(chat, 0)


def test_other_scopes_stay_out(chat: TwoSidedChat, session: Session) -> None:
    """A hook of another scope in the same file is not listed."""
    session.store.add_deliveries([Delivery(1, "other_scope", b"{}", None, "missing", 401)])
    chat.client_writes("Hello?")
    assert kinds(chat) == ["create_chat", "send"]


def test_no_secret_in_the_state(chat: TwoSidedChat, session: Session) -> None:
    """What goes to the browser holds no secret."""
    chat.client_writes("Hello?")
    assert session.channel.secret.get_secret_value() not in state_of(chat)


def test_a_closed_session_is_told() -> None:
    """After the lesson's last cell the buttons say what is wrong, instead of failing unseen."""
    session = open_session("chat-widget-closed")
    session.connect()
    chat = TwoSidedChat(session, LENA, conversation_id="lena")
    session.close()
    chat.client_writes("Hello?")
    assert "closed" in shown(chat, 1)
    chat.manager_writes("Yes?")
    assert "no sandbox answers" in shown(chat, 1)
    session.store.close()
