"""The hook inspector: it lists stored hooks, shows one, and sends it again as it stands in the field."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import Receiver, openssl_sha1, receiving, sample, sha1
from test_widgets import state_of

import kommo_nb.widgets
from kommo_nb.store import Store
from kommo_nb.widgets import HookInspector
from kommo_nb.wire.records import Delivery

SECRET = "a-secret-of-this-test"
V1 = b'{"conversation_id":"c-1","receiver":"ada","type":"text","text":"Hi","msec_timestamp":1600000000000}'
EVIL = "<img src=x onerror=alert(1)>\x1b[31m\u202e"


def came(store: Store, body: bytes, signature: str | None = "x", **changes: Any) -> None:
    """Put a hook into the store."""
    fields = {"received_at_ms": 1_772_452_800_000, "scope_id": "s-1", "verdict": "valid", "http_status": 200}
    store.add_deliveries([Delivery(**fields | changes, body=body, signature=signature)])


@pytest.fixture
def shelf(store: Store) -> Store:
    """A message of version 1, a documented message, one that was refused, and one of no known kind."""
    came(store, V1 + b"\n", verdict="valid_trimmed")
    came(store, json.dumps(sample("hook-v2-comment-reply")).encode(), ack_us=1_234, user_agent="amoCRM amoJo/1.0")
    spaced = V1.replace(b":", b": ")
    came(store, spaced, sha1(V1, SECRET), verdict="mismatch", http_status=403)
    came(store, json.dumps({"hello": EVIL}, ensure_ascii=False).encode())
    return store


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def inspector(store: Store, url: str = "") -> HookInspector:
    return HookInspector(store, secret=SECRET, url=url)


def part(widget: HookInspector, name: str) -> Any:
    """The field, button or text of that name, as one sees it."""
    found = {each.description: each for row in widget.children for each in getattr(row, "children", ())}
    about, body, url = widget.children[4:7]
    named = {"list": widget.children[3], "about": about, "body": body, "url": url, "result": widget.children[-1]}
    return {**found, **named}[name]


def listed(widget: HookInspector) -> list[int]:
    return [hook.id for hook in widget.hooks]


def test_the_newest_comes_first(shelf: Store) -> None:
    """The trusted hooks are listed, the newest first, and the first one is shown with all that is kept of it."""
    widget = inspector(shelf)
    assert listed(widget) == [4, 2, 1] and repr(widget) == "HookInspector: 3 hooks"
    part(widget, "list").index = 1
    assert widget.chosen is not None and widget.chosen.id == 2
    assert json.loads(part(widget, "body").value) == sample("hook-v2-comment-reply")
    about = part(widget, "about").value
    for text in (
        "✓ valid",
        "answered 200 after 1.2 ms",
        "2026-03-02 12:00:00 UTC",
        "X-Signature: x",
        "amoJo/1.0",
        "s-1",
    ):
        assert text in about


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("Kind", "message_v1", [1]),
        ("Verdict", "refused", [3]),
        ("Text", "привет", [2]),
        ("Scope", "s-2", []),
        ("Since", "2026-03-03", []),
        ("Until", "2026-03-03", [4, 2, 1]),
    ],
)
def test_a_field_filters(shelf: Store, field: str, value: str, found: list[int]) -> None:
    """Each field narrows the list at once; taken back, all are there again."""
    widget = inspector(shelf)
    before = part(widget, field).value
    part(widget, field).value = value
    assert listed(widget) == found
    assert (widget.chosen is None) == (found == []) == part(widget, "Send").disabled
    part(widget, field).value = before
    assert listed(widget) == [4, 2, 1]


def test_only_with_a_problem(shelf: Store) -> None:
    """The tick leaves the hooks that the projection could not read, and the reason is shown."""
    shelf.project()
    widget = inspector(shelf)
    part(widget, "only with a problem").value = True
    assert listed(widget) == [4] and "no message, action.typing" in part(widget, "about").value


def test_a_time_that_is_none(shelf: Store) -> None:
    """What is no time is said in a sentence, and the list stays."""
    widget = inspector(shelf)
    part(widget, "Since").value = "soon"
    assert "30m" in part(widget, "result").value and listed(widget) == [4, 2, 1]


def test_a_refused_hook_is_explained(shelf: Store) -> None:
    """The doctor says why the hook was refused, and the widget warns before it is signed again."""
    widget = inspector(shelf)
    part(widget, "Verdict").value = "refused"
    about = part(widget, "about").value
    assert "✗ mismatch" in about and "hook_reencoded" in about and "looks genuine" in about


def test_dry_run_sends_nothing(shelf: Store, receiver: Receiver) -> None:
    """The request is shown as it would be sent."""
    widget = inspector(shelf, receiver.url + "/:scope_id")
    part(widget, "list").index = 2
    part(widget, "Dry run").click()
    shown = part(widget, "result").value
    assert f"POST {receiver.url}/s-1\n" in shown and openssl_sha1(V1, SECRET) in shown
    assert receiver.seen == [] and shelf.query("SELECT * FROM replays") == []


def test_send_sends_the_very_bytes(shelf: Store, receiver: Receiver) -> None:
    """Left as it is, a hook goes out byte for byte, signed by its own newline rule, and is noted."""
    widget = inspector(shelf, receiver.url)
    part(widget, "list").index = 2
    part(widget, "Send").click()
    widget.wait()
    assert receiver.seen[0].body == V1 + b"\n"
    assert receiver.seen[0].headers["x-signature"] == openssl_sha1(V1, SECRET)
    assert "1 of 1 answered 200." in part(widget, "result").value
    assert [row["delivery_id"] for row in shelf.query("SELECT * FROM replays")] == [1]


def test_what_is_edited_is_sent(shelf: Store, receiver: Receiver) -> None:
    """An edited body is sent in Kommo's way of writing, with its newline; what is no JSON any more is not sent."""
    widget = inspector(shelf, receiver.url)
    part(widget, "list").index = 2
    part(widget, "body").value = part(widget, "body").value.replace('"Hi"', '"Привет"')
    part(widget, "Send").click()
    widget.wait()
    written = V1.replace(b'"Hi"', '"Привет"'.encode())
    assert receiver.seen[0].body == written + b"\n"
    assert receiver.seen[0].headers["x-signature"] == openssl_sha1(written, SECRET)
    part(widget, "body").value += "}"
    part(widget, "Send").click()
    widget.wait()
    assert "no JSON" in part(widget, "result").value and len(receiver.seen) == 1
    part(widget, "Dry run").click()
    assert "no JSON" in part(widget, "result").value


def test_send_all_sends_what_is_listed(shelf: Store, receiver: Receiver) -> None:
    """All that are listed are sent as they came, the oldest first; what fails is named."""
    widget = inspector(shelf, receiver.url)
    part(widget, "body").value = "{}"  # an edit is for the hook that is shown
    receiver.status = 500
    assert part(widget, "Send all 3").description == "Send all 3"
    part(widget, "Send all 3").click()
    widget.wait()
    assert [seen.body for seen in receiver.seen] == [hook.body for hook in widget.hooks[::-1]]
    result = part(widget, "result").value
    assert "0 of 3 answered 200." in result and "hook 1: answered 500" in result
    assert not part(widget, "Send").disabled


def test_the_kernel_stays_free(shelf: Store, receiver: Receiver) -> None:
    """While the receiver keeps one waiting the widget does not, and it starts nothing twice."""
    receiver.gate.clear()
    widget = inspector(shelf, receiver.url)
    part(widget, "Send").click()
    assert part(widget, "Send").disabled
    widget.send_all()
    receiver.gate.set()
    widget.wait()
    assert len(receiver.seen) == 1 and not part(widget, "Send").disabled


def test_a_url_that_is_none(shelf: Store) -> None:
    """Without a good URL nothing is sent, and a sentence says what one looks like."""
    widget = inspector(shelf, "here")
    part(widget, "Send").click()
    widget.wait()
    assert ":scope_id" in part(widget, "result").value and not part(widget, "Send").disabled


def test_a_long_body_is_not_edited(store: Store, receiver: Receiver) -> None:
    """A body too long for a field is shown in part, and sent whole."""
    body = json.dumps({"text": "x" * 200_000}).encode()
    came(store, body)
    widget = inspector(store, receiver.url)
    assert part(widget, "body").disabled and len(part(widget, "body").value) < 110_000
    part(widget, "Send").click()
    widget.wait()
    assert receiver.seen[0].body == body


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 50_000, b'{"a": "\\ud83d"}', b"[" * 900 + b"]" * 900])
def test_any_body_can_be_shown(store: Store, body: bytes) -> None:
    """Bytes of any kind are listed and shown, and the state of the widget can be sent to a browser."""
    came(store, body)
    came(store, body, verdict="mismatch", http_status=403)
    widget = inspector(store)
    part(widget, "Verdict").value = "refused"
    assert state_of(widget).encode()


def test_strangers_markup_is_shown_as_text(shelf: Store) -> None:
    """Markup, escape sequences and bidi marks of a stranger do nothing, in the list, the details or the body."""
    came(shelf, b"{}", EVIL, user_agent=EVIL, scope_id=EVIL, verdict="mismatch", http_status=403)
    widget = inspector(shelf)
    for verdict in ("trusted", "refused"):
        part(widget, "Verdict").value = verdict
        part(widget, "Dry run").click()
        assert "<img" not in part(widget, "about").value + part(widget, "result").value
        state = state_of(widget)
        assert "\u202e" not in state and "\x1b" not in state


def test_the_secret_is_in_no_widget_state(shelf: Store, receiver: Receiver) -> None:
    """Neither the state nor the repr holds the secret, whatever was done."""
    widget = inspector(shelf, receiver.url)
    for verdict in ("refused", "trusted"):
        part(widget, "Verdict").value = verdict
        for button in ("Dry run", "Send"):
            part(widget, button).click()
            widget.wait()
            assert SECRET not in state_of(widget) + repr(widget)


def test_widgets_know_no_sql_and_no_http() -> None:
    """The widgets are given what reads and sends; they import no library for either."""
    for path in Path(kommo_nb.widgets.__file__).parent.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
        assert names.isdisjoint({"sqlite3", "sqlite_utils", "httpx", "urllib", "socket"}), path
