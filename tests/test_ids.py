"""The id map: what an id is, where each id of a chat came from, and ids that stand where another one belongs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from telling import BOT, ELENA, SCOPE, Teller, at

from kommo_nb.store import Store, ids
from kommo_nb.store.ids import IdMap
from kommo_nb.widgets.ids import ids_html
from kommo_nb.wire.records import Exchange

NINE = at(2, "09:00")
MIN = 60_000
ROOT = "/v2/origin/custom"
EVIL = "<img src=x onerror=alert(1)>\x1b[31m"


def call(
    store: Store, kind: str, path: str, body: Any, answer: Any = None, *, at_ms: int = NINE, status: int = 200
) -> None:
    """A call as the client would have left it: done, or failed where the status says so."""
    request, response = json.dumps(body).encode(), json.dumps(answer).encode()
    ended: dict[str, Any] = {
        "state": "done" if status < 300 else "failed",
        "attempts": 1,
        "status": status,
        "response_body": response,
    }
    store.begin_exchange(Exchange(at_ms, kind, "POST", f"{ROOT}/{path}", request, **ended))


@pytest.fixture
def ada(store: Store) -> Store:
    """Connected at 09:00 (e1); Ada's chat made (e2); she writes (e3); Elena answers (d1), then the bot (d2)."""
    teller = Teller(store)
    call(store, "connect", "channel/connect", {"account_id": "account"}, {"account_id": "account", "scope_id": SCOPE})
    user = {"id": "client-ada", "name": "Ada"}
    answer = {"id": "ada", "user": {"id": "ref-ada", "client_id": "client-ada"}}
    made = {"conversation_id": "conversation-ada", "user": user}
    call(store, "create_chat", f"{SCOPE}/chats", made, answer, at_ms=NINE + MIN)
    teller.client("ada", NINE + 2 * MIN, "Hello?", msgid="m-1")
    teller.crm("ada", NINE + 3 * MIN, "Yes?")
    teller.crm("ada", NINE + 4 * MIN, "I am a bot", sender=BOT)
    store.project()
    return store


def told(found: IdMap) -> list[tuple[Any, ...]]:
    """Each id in a line: what it names, its name, the id, the raw row, the place in it, minutes since nine."""
    return [
        (thing.what, each.name, each.value, each.event, each.place, (each.at_ms - NINE) // MIN)
        for thing in found.things
        for each in thing.ids
    ]


def test_every_id_of_a_chat_and_where_it_came_from(ada: Store) -> None:
    """Channel, account, scope, chat, three people, three messages: each id with the first row and place that has it."""
    assert told(ada.ids("ada")) == [
        ("channel", "channel_id", "channel", "e1", "path.0", 0),
        ("account", "account_id", "account", "e1", "request.account_id", 0),
        ("scope", "scope_id", "channel_account", "e1", "answer.scope_id", 0),
        ("chat", "conversation_id", "conversation-ada", "e2", "request.conversation_id", 1),
        ("chat", "chat_id", "ada", "e2", "answer.id", 1),
        ("client", "id", "client-ada", "e2", "request.user.id", 1),
        ("client", "ref_id", "ref-ada", "e2", "answer.user.id", 1),
        ("manager", "ref_id", ELENA, "d1", "hook.message.sender.id", 3),
        ("bot", "ref_id", BOT, "d2", "hook.message.sender.id", 4),
        ("message", "msgid", "m-1", "e3", "request.payload.msgid", 2),
        ("message", "message_id", "id-m-1", "e3", "answer.new_message.msgid", 2),
        ("message", "message_id", f"id-ada-{NINE + 3 * MIN}", "d1", "hook.message.message.id", 3),
        ("message", "message_id", f"id-ada-{NINE + 4 * MIN}", "d2", "hook.message.message.id", 4),
    ]
    assert [thing.label for thing in ada.ids("ada").things[4:]] == [
        *("Ada", "Elena", ""),
        *("client: Hello?", "manager: Yes?", "bot: I am a bot"),
    ]
    assert ada.ids("conversation-ada").things == ada.ids("ada").things


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("ada", "ada is the chat_id. It is Kommo's. history "),
        ("conversation-ada", "conversation-ada is the conversation_id. It is yours. "),
        ("m-1", "m-1 is the msgid of a message in the chat conversation-ada (client: Hello?). It is yours. "),
        (
            "id-m-1",
            "id-m-1 is the message_id of a message in the chat conversation-ada (client: Hello?). It is Kommo's",
        ),
        ("client-ada", "client-ada is the id of the client Ada. It is yours: "),
        ("ref-ada", "ref-ada is the ref_id of the client Ada. It is Kommo's: "),
        (ELENA, f"{ELENA} is the ref_id of the manager Elena. It is Kommo's: "),
        (BOT, f"{BOT} is the ref_id of the bot. It is Kommo's: "),
        (SCOPE, f"{SCOPE} is the scope_id. It is channel and account together"),
        ("channel", "channel is the channel_id. Only connect and disconnect have it in their path. "),
        ("account", "account is the account_id. It is the account's amojo_id, not its number. "),
    ],
)
def test_an_id_at_hand(ada: Store, asked: str, answer: str) -> None:
    """Any id that was seen is named, with whose it is; ids of the frame bring channel, account and scope alone."""
    found = ada.ids(asked)
    assert str(found).startswith(answer) and len(found.answers) == 1
    assert len(found.things) == (3 if asked in SCOPE else 10)


def test_the_other_name_is_told(ada: Store) -> None:
    """Asked for one of two names, the answer has the other one; a manager's message has no second one."""
    assert str(ada.ids("m-1")).endswith("The message_id is id-m-1.")
    assert str(ada.ids("ref-ada")).endswith("The id is client-ada.")
    assert str(ada.ids(f"id-ada-{NINE + 3 * MIN}")).endswith("The delivery status wants it.")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("12345678", "12345678 is no id of the Chats API, but accounts"),
        ("344a5002-f8ca-454d-af3d-396180102ac7", "looks like an id of Kommo's. No stored row has it"),
        ("344a5002-f8ca-454d-af3d-396180102ac7_52e591f7-c98f-4255-8495-827210138c81", "looks like a scope_id"),
        ("m-2\n", "is in no stored row"),
    ],
)
def test_an_id_that_nothing_has(ada: Store, asked: str, answer: str) -> None:
    """What is not stored is told by its looks: a number of the CRM, an id of Kommo's, a scope, or none of these."""
    assert answer in str(ada.ids(asked)) and ada.ids(asked).things == ()


def test_a_secret_is_not_repeated(ada: Store) -> None:
    """What looks like a channel's secret is not shown again."""
    secret = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"  # the documentation's
    assert "look like a secret" in str(ada.ids(secret))
    assert secret not in repr(vars(ada.ids(secret)))


WRONG: dict[str, tuple[str, str, Any, int, str]] = {
    "msgid in the delivery path": (
        *("delivery_status", f"{SCOPE}/m-1/delivery_status", {"status_code": 1}, 404),
        "has the msgid m-1 where the message_id belongs: id-m-1",
    ),
    "history of our chat id": (
        *("history", f"{SCOPE}/chats/conversation-ada/history?limit=50", {}, 204),
        "has the conversation_id conversation-ada where the chat_id belongs: ada",
    ),
    "channel for scope": (
        *("typing", "channel/typing", {"conversation_id": "conversation-ada", "sender": {"id": "client-ada"}}, 404),
        f"has the channel_id channel where the scope_id belongs: {SCOPE}",
    ),
    "scope for channel": (
        *("connect", f"{SCOPE}/connect", {"account_id": "account"}, 404),
        f"has the scope_id {SCOPE} where the channel_id belongs: channel",
    ),
    "message_id for msgid": (
        *("edit", SCOPE, {"payload": {"conversation_id": "conversation-ada", "msgid": "id-m-1"}}, 400),
        "has the message_id id-m-1 where the msgid belongs: m-1",
    ),
    "ref_id for id": (
        *("typing", f"{SCOPE}/typing", {"conversation_id": "conversation-ada", "sender": {"id": "ref-ada"}}, 204),
        "has the ref_id ref-ada where the id belongs: client-ada",
    ),
    "chat_id for conversation_id": (
        *("react", f"{SCOPE}/react", {"conversation_id": "ada", "id": "id-m-1", "type": "react", "emoji": "👍"}, 404),
        "has the chat_id ada where the conversation_id belongs: conversation-ada",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_id_at_the_wrong_place(ada: Store, name: str) -> None:
    """Each usual confusion is found in the call that has it, with the id that belongs there; there was none before."""
    kind, path, body, status, warning = WRONG[name]
    assert ada.ids("ada").warnings == ()
    call(ada, kind, path, body, status=status, at_ms=NINE + 9 * MIN)
    assert ada.ids("ada").warnings == (f"e4, {kind} ({status}), {warning}",)


def test_only_what_is_about_the_id(ada: Store) -> None:
    """Asked for a message, one hears of that message's confusions; nobody of those in other chats or other accounts."""
    call(ada, "delivery_status", f"{SCOPE}/m-1/delivery_status", {"status_code": 1}, status=404)
    call(ada, "history", f"{SCOPE}/chats/conversation-ada/history", {}, status=204)
    call(ada, "history", f"{SCOPE}/chats/conversation-bob/history", {}, status=204)
    call(ada, "history", "channel_other/chats/conversation-ada/history", {}, status=204)
    assert len(ada.ids("ada").warnings) == 2
    assert len(ada.ids("m-1").warnings) == 1
    assert ada.ids("client-ada").warnings == ()


def test_one_text_for_two_things_is_no_mistake(store: Store) -> None:
    """A phone number may name both the chat and the client on our side: both answers come, and no warning."""
    body = {"conversation_id": "+351900000", "user": {"id": "+351900000", "name": "Eva"}}
    call(store, "create_chat", f"{SCOPE}/chats", body, {"id": "eva", "user": {"id": "ref-eva"}})
    store.project()
    found = store.ids("+351900000")
    assert [text.partition(". ")[0] for text in found.answers] == [
        "+351900000 is the conversation_id",
        "+351900000 is the id of the client Eva",
    ]
    assert found.warnings == ()


def test_kommos_chat_id_used_as_our_own(ada: Store) -> None:
    """A message sent to conversation_id=<chat_id> began a second chat: both chats say so, each from its side."""
    Teller(ada).call(
        "send",
        "",
        NINE + 9 * MIN,
        {"event_type": "new_message", "payload": {**MESSAGE, "conversation_id": "ada", "msgid": "m-9"}},
        {"new_message": {"conversation_id": "second", "msgid": "id-m-9", "sender_id": "ref-ada"}},
    )
    ada.project()
    (warning,) = ada.ids("ada").warnings
    assert warning == "e4, send (200), has the chat_id ada where the conversation_id belongs: conversation-ada"
    assert ada.ids("second").warnings[0].startswith("The conversation_id ada is the chat_id of another chat")


MESSAGE = {"msec_timestamp": NINE, "sender": {"id": "client-ada"}, "message": {"type": "text", "text": "Hi"}}


def test_kommos_id_of_a_client_used_as_our_own(store: Store) -> None:
    """A manager wrote first, and the answer names the client by Kommo's id as if it were ours: Kommo's word stands."""
    hook = {
        "conversation": {"id": "eva"},
        "sender": {"id": ELENA, "name": "Elena"},
        "receiver": {"id": "ref-eva", "phone": "+351900000"},
        "msec_timestamp": NINE,
        "message": {"id": "id-1", "type": "text", "text": "Hello"},
    }
    Teller(store).hook(NINE, {"account_id": "account", "time": NINE // 1000, "message": hook})
    where = {"conversation_id": "c-eva", "conversation_ref_id": "eva", "msgid": "m-2", "msec_timestamp": NINE + MIN}
    answer = {"new_message": {"conversation_id": "eva", "msgid": "id-2", "sender_id": "ref-eva"}}
    body = {"event_type": "new_message", "payload": MESSAGE | where | {"sender": {"id": "ref-eva"}}}
    call(store, "send", SCOPE, body, answer)
    store.project()
    assert store.ids("eva").warnings == ("e1, send (200), has the ref_id ref-eva where the id belongs",)


def test_our_id_of_a_client_used_as_kommos(ada: Store) -> None:
    """A call that gives our id as the ref_id, too, is what is wrong: nobody then takes our id for Kommo's."""
    payload = {**MESSAGE, "conversation_id": "conversation-ada", "msgid": "m-9"}
    payload["sender"] = {"id": "client-ada", "ref_id": "client-ada"}
    answer = {"new_message": {"conversation_id": "ada", "msgid": "id-m-9", "sender_id": "ref-ada"}}
    call(ada, "send", SCOPE, {"event_type": "new_message", "payload": payload}, answer, at_ms=NINE + 9 * MIN)
    ada.project()
    assert ada.ids("ada").warnings == ("e4, send (200), has the id client-ada where the ref_id belongs: ref-ada",)


def test_two_chats_of_one_name(ada: Store) -> None:
    """Our name of a chat may stand in two accounts: the newest chat is shown, and one is asked for the chat_id."""
    answer = {"id": "ada-2", "user": {"id": "ref-2"}}
    body = {"conversation_id": "conversation-ada", "user": {"id": "client-ada"}}
    call(ada, "create_chat", "channel_other/chats", body, answer)
    ada.project()
    assert "2 chats are called conversation-ada" in str(ada.ids("conversation-ada"))
    assert ("chat", "chat_id", "ada-2") in [line[:3] for line in told(ada.ids("conversation-ada"))]
    assert ("chat", "chat_id", "ada") in [line[:3] for line in told(ada.ids("m-1"))]


def test_our_own_id_in_kommos_answer(store: Store) -> None:
    """Where Kommo's answer has our conversation_id in the chat's place, as on amocrm.ru's page, no chat_id is told."""
    payload = {**MESSAGE, "conversation_id": "conversation-ada", "msgid": "m-1"}
    answer = {"new_message": {"conversation_id": "conversation-ada", "msgid": "id-m-1"}}
    call(store, "send", SCOPE, {"event_type": "new_message", "payload": payload}, answer)
    store.project()
    found = told(store.ids("conversation-ada"))
    assert [line[:4] for line in found if line[0] == "chat"] == [("chat", "conversation_id", "conversation-ada", "e1")]
    assert ("channel", "channel_id", "channel", "e1", "path.0", 0) in found, (
        "the scope's parts, if no connect is stored"
    )


def test_a_manager_imported_by_both_ids(store: Store) -> None:
    """An imported message of a manager has ours and Kommo's: sender.id, and sender.ref_id, the user's amojo_id."""
    sender = {"id": "our-elena", "ref_id": ELENA, "name": "Elena"}
    payload = {**MESSAGE, "conversation_id": "c", "msgid": "m-1", "sender": sender, "receiver": {"id": "client-ada"}}
    answer = {"new_message": {"conversation_id": "ada", "msgid": "id-1", "sender_id": ELENA, "receiver_id": "ref-ada"}}
    call(store, "send", SCOPE, {"event_type": "new_message", "payload": payload}, answer)
    store.project()
    people = [line[:3] for line in told(store.ids("ada")) if line[0] in ("client", "manager")]
    assert people == [
        ("client", "id", "client-ada"),
        ("client", "ref_id", "ref-ada"),
        ("manager", "id", "our-elena"),
        ("manager", "ref_id", ELENA),
    ]


def test_a_message_that_only_history_told_of(store: Store) -> None:
    """A message imported by reconcile has its ids from its item in that page of history, not from its neighbours."""

    def item(number: int, who: str) -> dict[str, Any]:
        message = {"id": f"id-{number}", "client_id": f"m-{number}", "type": "text", "text": "Hi"}
        return {"msec_timestamp": NINE + number, "sender": {"id": f"ref-{who}", "client_id": who}, "message": message}

    page = {"messages": [item(2, "bob"), item(1, "ada")]}
    call(store, "reconcile", f"{SCOPE}/chats/ada/history?limit=50", None, page)
    store.project()
    lines = [line[:5] for line in told(store.ids("m-1")) if line[0] == "message" and line[2].endswith("1")]
    assert lines == [
        ("message", "msgid", "m-1", "e1", "item.message.client_id"),
        ("message", "message_id", "id-1", "e1", "item.message.id"),
    ]


def test_a_hook_of_version_1(store: Store) -> None:
    """A hook of version 1 tells of our chat and client only, and names no message."""
    body = {"conversation_id": "c-1", "receiver": "ada", "type": "text", "text": "Hi", "msec_timestamp": NINE}
    Teller(store).hook(NINE, body)
    store.project()
    assert [line[:4] for line in told(store.ids("c-1"))][3:] == [
        ("chat", "conversation_id", "c-1", "d1"),
        ("client", "id", "ada", "d1"),
    ]


def test_a_call_that_is_no_json(ada: Store) -> None:
    """A stored body that is no JSON, or too deep to be read, hides no other id."""
    for body in (b"<html>", b"[" * 100_000):
        ada.begin_exchange(Exchange(NINE, "send", "POST", f"{ROOT}/{SCOPE}", body, None, "failed", 1))
    assert ada.ids("ada").warnings == () and len(ada.ids("ada").things) == 10


def test_a_long_chat(ada: Store) -> None:
    """Of a long chat the first message, the newest, and the one asked for are told."""
    teller = Teller(ada)
    for number in range(10):
        teller.client("ada", NINE + (10 + number) * MIN, "more", msgid=f"more-{number}")
    ada.project()

    def shown(asked: str) -> list[str]:
        things = ada.ids(asked, messages=2).things
        return [thing.ours.value for thing in things if thing.what == "message" and thing.ours]

    assert shown("ada") == ["m-1", "more-8", "more-9"]
    assert shown("id-more-4") == ["m-1", "more-4", "more-8", "more-9"]


def test_messages_are_found_by_an_index(ada: Store) -> None:
    """Neither finding an id nor reading its chat goes through all messages, or through all hooks or calls."""
    params = {"id": "m-1", "chat": "ada", "message_id": None, "count": 3}
    for sql in (ids._FOUND, ids._SAID, f"{ids._CALLS} WHERE id = :count", f"{ids._HOOKS} WHERE id = :count"):
        plan = [row["detail"] for row in ada.query(f"EXPLAIN QUERY PLAN {sql}", params)]
        assert not [step for step in plan if step.startswith(("SCAN messages", "SCAN exchanges", "SCAN deliveries"))]


def test_strangers_text_in_a_terminal(ada: Store) -> None:
    """A text with escape sequences or line feeds neither colours a terminal nor begins a line of its own."""
    Teller(ada).client("ada", NINE + 9 * MIN, "\x1b[31m\nred 🌷", msgid="m-7")
    ada.project()
    assert "(client: \ufffd[31m\ufffdred 🌷)" in str(ada.ids("m-7"))


# --- The picture ---


def test_the_picture_has_both_sides(ada: Store) -> None:
    """Every id is in the picture, with the row, the place and the time in UTC where it was seen first."""
    html = ids_html(ada.ids("ada"))
    for _, name, value, event, place, minute in told(ada.ids("ada")):
        kind = "hook" if event[0] == "d" else {1: "connect", 2: "create_chat", 3: "send"}[int(event[1:])]
        at_clock = f"03-02 09:0{minute}:00"
        assert f">{name}</div>" in html and f">{value}</div>" in html
        assert f"{event} · {kind} · {place} · {at_clock}" in html


def test_strangers_text_in_the_picture(store: Store) -> None:
    """Markup in names, texts and ids is shown as text, control characters as escapes; warnings, too."""
    payload = {**MESSAGE, "conversation_id": EVIL, "msgid": EVIL + "1", "sender": {"id": "a", "name": EVIL}}
    answer = {"new_message": {"conversation_id": "ada", "msgid": "id-1", "sender_id": "ref"}}
    call(
        store,
        "send",
        SCOPE,
        {"event_type": "new_message", "payload": {**payload, "message": {"type": "text", "text": EVIL}}},
        answer,
    )
    call(store, "history", f"{SCOPE}/chats/{EVIL}/history", {}, status=204)
    store.project()
    html = ids_html(store.ids("ada"))
    assert "<img" not in html and "\x1b" not in html and "onerror=alert" in html
    assert "where the chat_id belongs" in html


def test_the_dashboard_needs_no_ipywidgets() -> None:
    """The picture is drawn without ipywidgets."""
    code = "import sys; from kommo_nb.widgets import ids_html; print('ipywidgets' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
