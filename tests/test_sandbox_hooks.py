"""The hooks that the sandbox sends, as a receiver sees them that shares no code with it; and the sandbox's controls."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from helpers import ROOT, Peer, Receiver, Stage, minutes_ago, new_message, openssl_sha1, receiving, rfc2822, sample

from kommo_nb.clock import SeededClock
from kommo_nb.sandbox import dispatch
from kommo_nb.sandbox.app import Credentials, Sandbox

MARIA, TOM = "76fc2bea-902f-425c-9a3d-dcdac4766090", "5d1a6a4e-3c0b-4f6e-9c55-5f0f6a1f7b02"
NO_SUCH_PORT = "http://127.0.0.1:9/hooks/:scope_id"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


@pytest.fixture
def kommo(stage: Stage, receiver: Receiver) -> Peer:
    """A connected channel whose registered address is the receiver's, with one message from the client Ada."""
    peer = stage.play(Sandbox(Credentials(hook_url=f"{receiver.url}/amo_chat/:scope_id"), slow_delay_s=0))
    peer.connect()
    peer.send(msgid="m-1")
    return peer


# --- How a hook travels ---


def test_hook_is_posted_to_the_registered_address(kommo: Peer, receiver: Receiver) -> None:
    """One POST goes to the registered address, its marker replaced by the scope id, with the headers of Kommo."""
    answer = kommo.control("manager/message", text="Hi Ada")
    (hook,) = receiver.seen
    assert (hook.method, hook.path) == ("POST", f"/amo_chat/{kommo.credentials.scope_id}")
    assert hook.headers["user-agent"] == "amoCRM amoJo/1.0"
    assert hook.headers["content-type"] == "application/json"
    assert [sent["status"] for sent in answer["hooks"]] == [200]


def test_hook_url_overrides_the_registered_address(stage: Stage, receiver: Receiver) -> None:
    """An address given to the sandbox wins over the registered one, and its marker is replaced as well."""
    peer = stage.play(Sandbox(Credentials(hook_url=NO_SUCH_PORT), hook_url=f"{receiver.url}/here/:scope_id/x"))
    peer.connect()
    peer.send()
    peer.control("manager/typing")
    assert [hook.path for hook in receiver.seen] == [f"/here/{peer.credentials.scope_id}/x"]


@pytest.mark.parametrize("control", ["message", "typing", "reaction"])
def test_hook_is_signed_over_the_body_without_its_newline(kommo: Peer, receiver: Receiver, control: str) -> None:
    """openssl agrees with X-Signature over the body but for its one trailing newline, and not over the whole of it."""
    extra = {"emoji": "😍"} if control == "reaction" else {"text": "é 😍"} if control == "message" else {}
    kommo.control(f"manager/{control}", **extra)
    (hook,) = receiver.seen
    assert hook.body.endswith(b"}\n")
    secret = kommo.credentials.secret
    assert hook.headers["x-signature"] == openssl_sha1(hook.body[:-1], secret)
    assert hook.headers["x-signature"] != openssl_sha1(hook.body, secret)


@pytest.mark.parametrize("status", [500, 404, 302, 204, 201])
def test_hook_is_sent_once(kommo: Peer, receiver: Receiver, status: int) -> None:
    """No answer, good or bad, makes a hook come twice; any but 200 puts the channel into the slow queue."""
    receiver.status = status
    (sent,) = kommo.control("manager/message", text="first")["hooks"]
    assert (sent["status"], sent["slow_queue"]) == (status, False)
    receiver.status = 200
    (marker,) = kommo.control("manager/message", text="second")["hooks"]
    assert (marker["status"], marker["slow_queue"]) == (200, True)
    assert [hook.json["message"]["message"]["text"] for hook in receiver.seen] == ["first", "second"]


def test_receiver_that_is_not_there(stage: Stage) -> None:
    """A hook to a closed port is lost: no status, the kind of error, and the slow queue; the sandbox goes on."""
    peer = stage.play(Sandbox(Credentials(hook_url=NO_SUCH_PORT), slow_delay_s=0))
    peer.connect()
    peer.send()
    (sent,) = peer.control("manager/message", text="Hi")["hooks"]
    assert (sent["status"], sent["error"]) == (None, "ConnectError")
    assert peer.state()["scopes"][0]["slow"] is True
    assert peer.send()


@pytest.mark.parametrize("url", ["", "nonsense", "http://127.0.0.1:99999/", "http://[::1", "http://\x00/"])
def test_registered_address_that_is_none(stage: Stage, url: str) -> None:
    """An address that is no URL loses its hooks and nothing else: the next one is tried as well."""
    peer = stage.play(Sandbox(Credentials(hook_url=url), slow_delay_s=0))
    peer.connect()
    peer.send()
    for _ in range(2):
        (sent,) = peer.control("manager/typing")["hooks"]
        assert sent["status"] is None
        assert sent["error"]


def test_slow_receiver(stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver over the time limit moves to the slow queue, where hooks wait; a good answer leads back."""
    monkeypatch.setattr(dispatch, "TIMEOUT_S", 0.2)
    peer = stage.play(Sandbox(Credentials(hook_url=receiver.url), slow_delay_s=0.3))
    peer.connect()
    peer.send()

    def typing() -> Any:
        return peer.control("manager/typing")["hooks"][0]

    receiver.gate.clear()
    late = typing()
    assert (late["status"], late["slow_queue"]) == (None, False)
    assert 200 <= late["elapsed_ms"] < 2_000
    assert peer.state()["scopes"][0]["slow"] is True
    receiver.gate.set()
    started = time.monotonic()
    waited = typing()
    assert time.monotonic() - started >= 0.3
    assert (waited["status"], waited["slow_queue"]) == (200, True)
    assert peer.state()["scopes"][0]["slow"] is False
    assert typing()["slow_queue"] is False
    assert len(receiver.seen) == 3


def test_limit_is_kommos() -> None:
    """A receiver has the documented 5 seconds."""
    assert dispatch.TIMEOUT_S == 5


def test_control_that_does_not_wait(kommo: Peer, receiver: Receiver) -> None:
    """With wait=false a control answers while the receiver still thinks."""
    receiver.gate.clear()
    answer = kommo.control("manager/message", text="Hi", wait=False)
    assert answer["hooks"] == []
    assert len(answer["message_ids"]) == 1
    assert kommo.state()["hooks"] == []
    receiver.gate.set()
    kommo.control("manager/typing")
    assert [sent["kind"] for sent in kommo.state()["hooks"]] == ["messages", "typing"]


def test_no_hook_after_disconnect(kommo: Peer, receiver: Receiver) -> None:
    """A disconnected channel gets no hooks, and the control says what to do; after connect they come again."""
    account = {"account_id": kommo.credentials.account_id}
    kommo.ok("DELETE", f"{kommo.channel_path}/disconnect", account)
    for name, body in (("message", {"text": "lost"}), ("typing", {}), ("write-first", {"phone": "+49", "text": "x"})):
        response = kommo.http.post(f"{kommo.url}/_sandbox/manager/{name}", json=body)
        assert response.status_code == 400
        assert "connect" in response.json()["error"]
    kommo.connect()
    kommo.control("manager/message", text="back")
    assert [hook.json["message"]["message"]["text"] for hook in receiver.seen] == ["back"]


def test_imports_send_no_hook(kommo: Peer, receiver: Receiver) -> None:
    """Messages that the integration brings in itself, also those of the bot and a manager, cause no hook."""
    client = {"id": "ada", "name": "Ada"}
    for ref_id in (kommo.credentials.bot_id, MARIA):
        kommo.send(sender={"id": "us", "name": "Us", "ref_id": ref_id}, receiver=client)
    kommo.control("manager/typing")
    assert ["typing" in hook.json.get("action", {}) for hook in receiver.seen] == [True]


# --- What a hook says ---


def test_message_hook(kommo: Peer, receiver: Receiver) -> None:
    """A text hook has the fields of the printed sample, with Kommo's ids and ours, and its message is in history."""
    answer = kommo.control("manager/message", text="Hi Ada", manager="Tom Becker")
    (hook,) = receiver.seen
    event = hook.json["message"]
    shown, _ = kommo.history(answer["chat_id"])
    assert hook.json["account_id"] == kommo.credentials.account_id
    assert abs(hook.json["time"] - time.time()) < 60
    assert event["conversation"] == {"id": answer["chat_id"], "client_id": "c-1"}
    assert event["sender"] == {"id": TOM, "name": "Tom Becker"}
    assert (event["receiver"]["client_id"], event["receiver"]["phone"]) == ("ada", "+4930123456")
    assert event["receiver"]["id"] == shown["receiver"]["id"]
    assert event["msec_timestamp"] == shown["msec_timestamp"]
    assert event["timestamp"] == event["msec_timestamp"] // 1000
    assert (event["message"]["id"], event["message"]["text"]) == (shown["message"]["id"], "Hi Ada")
    documented = sample("hook-v2-text-with-source")["message"]
    assert set(documented) - {"source"} <= set(event)
    assert set(documented["message"]) <= set(event["message"])
    assert (event["message"]["media"], event["message"]["file_size"], event["message"]["markup"]) == ("", 0, None)


def test_hook_names_the_source_of_the_chat(kommo: Peer, receiver: Receiver) -> None:
    """A chat that came in by a source has it in its hooks."""
    source = {"external_id": "78001234567"}
    user = {"id": "eve", "name": "Eve"}
    chat = kommo.ok("POST", f"{kommo.scope_path}/chats", {"conversation_id": "c-2", "user": user, "source": source})
    kommo.control("manager/message", text="Hi", chat_id=chat["id"])
    assert receiver.seen[0].json["message"]["source"] == source


def test_bot_writes(kommo: Peer, receiver: Receiver) -> None:
    """The bot's message comes with the bot's id as sender."""
    kommo.control("manager/message", text="Automatic", bot=True)
    assert receiver.seen[0].json["message"]["sender"]["id"] == kommo.credentials.bot_id


def test_attachments_are_one_hook_each(kommo: Peer, receiver: Receiver) -> None:
    """Several attachments are as many hooks and messages with one media_group_id; the text goes with the first."""
    files = [{"type": "picture", "media": "https://example.com/a.png", "file_name": "a.png", "file_size": 7}]
    files += [{"type": kind, "media": f"https://example.com/{kind}"} for kind in ("file", "video", "voice", "audio")]
    answer = kommo.control("manager/message", text="look", attachments=files)
    messages = [hook.json["message"]["message"] for hook in receiver.seen]
    assert [message["type"] for message in messages] == [file["type"] for file in files]
    assert [message["media"] for message in messages] == [file["media"] for file in files]
    assert [message["text"] for message in messages] == ["look", "", "", "", ""]
    assert (messages[0]["file_name"], messages[0]["file_size"]) == ("a.png", 7)
    assert [message["id"] for message in messages] == answer["message_ids"]
    (group,) = {message["media_group_id"] for message in messages}
    assert uuid.UUID(group)
    assert {item["message"].get("media_group_id") for item in kommo.history(answer["chat_id"])} == {group, None}


def test_one_attachment_has_no_group(kommo: Peer, receiver: Receiver) -> None:
    """A single attachment needs no media_group_id."""
    kommo.control("manager/message", attachments=[{"type": "sticker", "media": "https://example.com/s.webp"}])
    (hook,) = receiver.seen
    assert hook.json["message"]["message"]["type"] == "sticker"
    assert "media_group_id" not in hook.json["message"]["message"]


@pytest.mark.parametrize("name", ["hook-v2-picture-template-buttons", "hook-v2-list-message"])
def test_markup_and_template_are_passed_on(kommo: Peer, receiver: Receiver, name: str) -> None:
    """Buttons, a list message and a template come through as they were given."""
    printed = sample(name)["message"]["message"]
    extras = {key: printed[key] for key in ("markup", "template") if key in printed}
    kommo.control("manager/message", text=printed["text"], **extras)
    message = receiver.seen[0].json["message"]["message"]
    assert {key: message.get(key) for key in extras} == extras


def test_reply_quotes_the_message(kommo: Peer, receiver: Receiver) -> None:
    """A reply carries the quoted message with Kommo's id, ours, its text and its sender, as the printed sample does."""
    chat_id = kommo.state()["chats"][0]["chat_id"]
    (quoted,) = kommo.history(chat_id)
    kommo.control("manager/message", text="About that", reply_to=quoted["message"]["id"])
    told = receiver.seen[0].json["message"]["message"]["reply_to"]["message"]
    assert (told["id"], told["msgid"], told["text"]) == (quoted["message"]["id"], "m-1", "Hello")
    assert told["sender"] == {"id": quoted["sender"]["id"], "name": "Ada", "client_id": "ada"}
    assert told["msec_timestamp"] == quoted["msec_timestamp"]
    assert set(sample("hook-v2-comment-reply")["message"]["message"]["reply_to"]["message"]) <= set(told)


def test_write_first_hook_has_no_ids_of_ours(kommo: Peer, receiver: Receiver) -> None:
    """When a manager writes first, chat and receiver have Kommo's ids and the phone number, and no client_id."""
    answer = kommo.control("manager/write-first", phone="+4930999", text="Hi Bea")
    event = receiver.seen[0].json["message"]
    assert event["conversation"] == {"id": answer["chat_id"]}
    assert event["receiver"]["phone"] == "+4930999"
    assert "client_id" not in event["receiver"]
    answered = {"conversation_id": "wa-1", "conversation_ref_id": answer["chat_id"]}
    kommo.send(sender={"id": "bea", "name": "Bea", "ref_id": event["receiver"]["id"]}, **answered)
    kommo.control("manager/message", text="More", conversation_id="wa-1")
    later = receiver.seen[1].json["message"]
    assert later["conversation"] == {"id": answer["chat_id"], "client_id": "wa-1"}
    assert (later["receiver"]["id"], later["receiver"]["client_id"]) == (event["receiver"]["id"], "bea")


def test_chat_id_names_one_chat_among_chats_without_our_id(kommo: Peer, receiver: Receiver) -> None:
    """A control that names a chat by Kommo's id reaches that chat, also while others have no id of ours."""
    first, second = (kommo.control("manager/write-first", phone=phone, text="Hi") for phone in ("+1", "+2"))
    for chat in (first, second):
        assert kommo.control("manager/typing", chat_id=chat["chat_id"])["chat_id"] == chat["chat_id"]
    told = [hook.json["action"]["typing"]["conversation"]["id"] for hook in receiver.seen[2:]]
    assert told == [first["chat_id"], second["chat_id"]]


def test_typing_hook(kommo: Peer, receiver: Receiver) -> None:
    """The typing hook has the fields of the printed sample, and ends 5 seconds after it began."""
    answer = kommo.control("manager/typing")
    (hook,) = receiver.seen
    typing = hook.json["action"]["typing"]
    assert typing["user"] == {"id": MARIA}
    assert typing["conversation"] == {"id": answer["chat_id"], "client_id": "c-1"}
    assert typing["expired_at"] == hook.json["time"] + 5
    printed = sample("hook-typing")
    assert set(hook.json) == set(printed)
    assert set(typing) == set(printed["action"]["typing"]) - {"post_id"}


@pytest.mark.parametrize("emoji", ["😍", None])
def test_reaction_hook(kommo: Peer, receiver: Receiver, emoji: str | None) -> None:
    """A reaction comes in the newer shape, with the message as an object; taking it back has no emoji."""
    answer = kommo.control("manager/reaction", emoji=emoji)
    reaction = receiver.seen[0].json["action"]["reaction"]
    (item,) = kommo.history(answer["chat_id"])
    assert reaction["type"] == ("react" if emoji else "unreact")
    assert reaction.get("emoji", "absent") == (emoji or "absent")
    assert "msgid" not in reaction
    message = reaction["message"]
    assert (message["id"], message["client_id"]) == (item["message"]["id"], "m-1")
    assert (message["sender"], message["msec_timestamp"]) == ({"id": item["sender"]["id"]}, item["msec_timestamp"])
    assert message["timestamp"] == item["timestamp"]
    assert (reaction["user"], reaction["conversation"]["client_id"]) == ({"id": MARIA}, "c-1")


def test_reaction_to_a_message_of_the_crm(kommo: Peer, receiver: Receiver) -> None:
    """A message that was written in the CRM has no client_id in the reaction, but a receiver."""
    written = kommo.control("manager/message", text="Hi")
    kommo.control("manager/reaction", emoji="👍", id=written["message_ids"][0])
    message = receiver.seen[1].json["action"]["reaction"]["message"]
    assert message["id"] == written["message_ids"][0]
    assert "client_id" not in message
    assert message["receiver"]


# --- Versions and subscriptions ---


@pytest.mark.parametrize("version", ["v1", None])
def test_version_1(stage: Stage, receiver: Receiver, version: str | None) -> None:
    """Connected with v1, or without a version, messages come in the flat old form, and nothing else comes at all."""
    peer = stage.play(Sandbox(Credentials(hook_url=receiver.url)))
    peer.connect(hook_api_version=version)
    peer.send(msgid="m-1")
    for name, body in (("typing", {}), ("reaction", {"emoji": "👍"}), ("write-first", {"phone": "+49", "text": "x"})):
        assert peer.control(f"manager/{name}", **body)["hooks"] == [], name
    peer.control("manager/message", text="Hi Ada", conversation_id="c-1")
    (hook,) = receiver.seen
    assert (hook.json["receiver"], hook.json["conversation_id"]) == ("ada", "c-1")
    assert (hook.json["type"], hook.json["text"]) == ("text", "Hi Ada")
    assert isinstance(hook.json["msec_timestamp"], int)
    assert set(sample("hook-v1-text")) <= set(hook.json)
    assert not {"message", "account_id", "id"} & set(hook.json)
    assert hook.headers["x-signature"] == openssl_sha1(hook.body[:-1], peer.credentials.secret)


@pytest.mark.parametrize("events", [(), ("messages",), ("typing",), ("reactions",), ("messages", "typing")])
def test_only_subscribed_events(stage: Stage, receiver: Receiver, events: tuple[str, ...]) -> None:
    """A channel gets the hooks that it registered for, and no others."""
    sandbox = Sandbox(Credentials(hook_url=receiver.url))
    channel = sandbox.world.channels[sandbox.credentials.channel_id]
    sandbox.world.channels[channel.id] = channel.model_copy(update={"webhook_events": events})
    peer = stage.play(sandbox)
    peer.connect()
    peer.send()
    controls = {
        "messages": ("message", {"text": "x"}),
        "typing": ("typing", {}),
        "reactions": ("reaction", {"emoji": "👍"}),
    }
    for kind, (name, body) in controls.items():
        sent = peer.control(f"manager/{name}", **body)["hooks"]
        assert [each["kind"] for each in sent] == ([kind] if kind in events else [])
    assert len(receiver.seen) == len(events)


# --- The support desk ---

ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="14" height="14"><circle cx="7" cy="7" r="7"/></svg>'


def registration(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    good = {
        "service_name": "Acme Chat",
        "webhook_url": f"{receiver.url}/acme/:scope_id",
        "account_ids": [Credentials.account_number],
        "email": "dev@domain.com",
        "icon_svg": ICON,
        "integration_id": "0b5a1e1e-1111-4222-8333-444455556666",
        "widget_code": "acme_widget",
        "time_window_s": 86400,
    }
    return good | changes


def shape(value: Any) -> Any:
    """The types of a JSON value, all the way down."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def register(kommo: Peer, values: Any) -> httpx.Response:
    body = values if isinstance(values, bytes) else json.dumps(values).encode()
    return kommo.http.post(f"{kommo.url}/_sandbox/support/registration", content=body)


def test_support_answers_in_the_printed_shape(kommo: Peer, receiver: Receiver) -> None:
    """Support's answer has every field of the printed one, of the same type, and says back what was asked for."""
    answer = register(kommo, registration(receiver, max_file_size_mb=2)).json()
    assert shape(answer) == shape(sample("kommo-register-channel-response"))
    channel = answer["result"]["en"]
    assert uuid.UUID(channel["id"])
    assert (channel["name"], channel["webhook_url_v2"]) == ("Acme Chat", f"{receiver.url}/acme/:scope_id")
    account = {"id": kommo.credentials.account_id, "external_id": f"amocrm:{kommo.credentials.account_number}"}
    assert channel["allowed_acc_list"] == [account]
    assert len(channel["secret_key"]) == 40


def registered(kommo: Peer, receiver: Receiver, **changes: Any) -> Peer:
    """A caller for a channel that support has just made."""
    channel = register(kommo, registration(receiver, **changes)).json()["result"]["en"]
    credentials = Credentials(channel["id"], channel["secret_key"], kommo.credentials.account_id)
    return Peer(kommo.url, kommo.http, credentials)


def test_registered_channel_works(kommo: Peer, receiver: Receiver) -> None:
    """A channel from the support desk connects with its own secret, and gets hooks at its own address."""
    acme = registered(kommo, receiver)
    acme.connect()
    acme.send(conversation_id="acme-1")
    acme.control("manager/message", text="Hi", conversation_id="acme-1")
    (hook,) = receiver.seen
    assert hook.path == f"/acme/{acme.credentials.scope_id}"
    assert hook.headers["x-signature"] == openssl_sha1(hook.body[:-1], acme.credentials.secret)
    assert acme.credentials.secret != kommo.credentials.secret
    crossed = Credentials(acme.credentials.channel_id, kommo.credentials.secret, acme.credentials.account_id)
    refused = Peer(kommo.url, kommo.http, crossed).call("POST", acme.scope_path, new_message())
    assert refused.json() == sample("error-amojo-403-signature")


def test_two_registrations_are_two_channels(kommo: Peer, receiver: Receiver) -> None:
    """Each registration gets an id, a code and a secret of its own."""
    both = [register(kommo, registration(receiver)).json()["result"]["en"] for _ in range(2)]
    for key in ("id", "code", "secret_key"):
        assert len({channel[key] for channel in both}) == 2


def test_what_was_not_asked_for_does_not_come(kommo: Peer, receiver: Receiver) -> None:
    """Without write first a manager cannot begin a chat, and without reactions no hook tells of one."""
    acme = registered(kommo, receiver)
    acme.connect()
    acme.send(conversation_id="acme-1")
    assert acme.control("manager/reaction", emoji="👍", conversation_id="acme-1")["hooks"] == []
    body = {"phone": "+49", "text": "x", "scope_id": acme.credentials.scope_id}
    refused = kommo.http.post(f"{kommo.url}/_sandbox/manager/write-first", json=body)
    assert (refused.status_code, refused.json()["error"]) == (400, "this channel was registered without write first")
    asking = registered(kommo, receiver, write_first=True, reactions="👍😳")
    asking.connect()
    scope_id = asking.credentials.scope_id
    assert len(asking.control("manager/write-first", phone="+49", text="x", scope_id=scope_id)["hooks"]) == 1
    asking.send(conversation_id="asking-1")
    assert len(asking.control("manager/reaction", emoji="👍", conversation_id="asking-1")["hooks"]) == 1


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"service_name": "1st"}, "begin with a letter"),
        ({"webhook_url": "https://domain.com/hooks"}, ":scope_id"),
        ({"account_ids": [987]}, "there is no account 987: name one of [12345678]"),
        ({"icon_svg": "<svg/>"}, "14x14"),
        ({"email": "x", "widget_code": ""}, "Widget code"),
        ({"colour": "blue"}, "leave it out"),
    ],
)
def test_bad_registration_says_how_to_mend_it(
    kommo: Peer, receiver: Receiver, changes: dict[str, Any], mend: str
) -> None:
    """What support cannot take is answered with how to mend it, and makes no channel."""
    response = register(kommo, registration(receiver, **changes))
    assert response.status_code == 400
    assert mend in response.json()["error"]
    assert len(kommo.state()["channels"]) == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff"], ids=lambda body: body[:9])
def test_registration_that_is_no_object(kommo: Peer, body: bytes) -> None:
    """Nor does support take what is no JSON object."""
    response = register(kommo, body)
    assert response.status_code == 400
    assert re.search("JSON|should be an object", response.json()["error"])


# --- The other controls ---


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("manager/message", {"text": 7}, "text"),
        ("manager/message", {"attachments": [{"type": "text", "media": "x"}]}, "attachments.0.type"),
        ("manager/message", {"conversation_id": "c-9"}, "no such chat"),
        ("manager/reaction", {"emoji": "👍", "msgid": "m-9"}, "no such message"),
        ("manager/write-first", {"text": "x"}, "phone"),
        ("manager/write-first", {"text": "x", "phone": "+1", "scope_id": "nobody"}, "no such scope"),
        ("faults", {"status": 200}, "status"),
        ("clock", {}, "offset_s"),
    ],
)
def test_control_says_what_is_wrong(kommo: Peer, name: str, body: Any, said: str) -> None:
    """A control that cannot be carried out is a 400 that names the field or the thing that is missing."""
    response = kommo.http.post(f"{kommo.url}/_sandbox/{name}", json=body)
    assert response.status_code == 400
    assert said in response.json()["error"]


def test_unknown_control_lists_those_there_are(kommo: Peer) -> None:
    """An unknown control, or a known one by the wrong method, is a 404 that lists them all."""
    for method, name in (("POST", "nonsense"), ("GET", "faults"), ("POST", "state")):
        response = kommo.http.request(method, f"{kommo.url}/_sandbox/{name}")
        assert response.status_code == 404
        assert "POST manager/write-first" in response.json()["error"]


def test_fault_answers_in_kommos_place(kommo: Peer) -> None:
    """A fault answers so many calls with its status and retry_after, the calls have no effect, and then it is over."""
    kommo.control("faults", status=429, times=2, retry_after=7)
    body = new_message(msgid="m-2")
    for _ in range(2):
        response = kommo.call("POST", kommo.scope_path, body)
        assert (response.status_code, response.json()["retry_after"]) == (429, 7)
    assert kommo.call("POST", kommo.scope_path, body).status_code == 200


def test_fault_without_retry_after(kommo: Peer) -> None:
    """Without retry_after the body has none; the controls themselves are never disturbed."""
    kommo.control("faults", status=503)
    assert kommo.state()
    response = kommo.call("POST", kommo.scope_path, new_message())
    assert (response.status_code, "retry_after" in response.json()) == (503, False)


def test_fault_of_delay(kommo: Peer) -> None:
    """A delay alone slows a call down, which then succeeds."""
    kommo.control("faults", delay_ms=300)
    started = time.monotonic()
    assert kommo.send()
    assert time.monotonic() - started >= 0.3


def test_fault_is_taken_back(kommo: Peer) -> None:
    """The latest faults replace earlier ones."""
    kommo.control("faults", status=500, times=100)
    kommo.control("faults", times=0)
    assert kommo.send()


def test_dropped_hooks(kommo: Peer, receiver: Receiver) -> None:
    """So many hooks are lost on their way, and no more; the messages stand in history, where reconciling finds them."""
    kommo.control("faults", drop_hooks=2)
    answers = [kommo.control("manager/message", text=text) for text in ("a", "b", "c")]
    assert [answer["hooks"][0]["status"] for answer in answers] == [None, None, 200]
    assert [hook.json["message"]["message"]["text"] for hook in receiver.seen] == ["c"]
    shown = kommo.history(answers[0]["chat_id"])
    assert [item["message"]["text"] for item in shown] == ["c", "b", "a", "Hello"]


def test_clock_moves_the_window_of_dates(kommo: Peer) -> None:
    """Once the sandbox's clock is moved, a Date of the real time is refused and one of the sandbox's time accepted."""
    offset = timedelta(hours=3)
    now = datetime.fromisoformat(kommo.control("clock", offset_s=int(offset.total_seconds()))["now"])
    assert abs(now - datetime.now(UTC) - offset) < timedelta(minutes=1)
    assert kommo.call("POST", kommo.scope_path, new_message()).status_code == 403
    moved = kommo.call("POST", kommo.scope_path, new_message(), date=rfc2822(minutes_ago(-180)))
    assert moved.status_code == 200
    kommo.control("clock", offset_s=0)
    assert kommo.send()


def test_state_holds_no_secret(kommo: Peer, receiver: Receiver) -> None:
    """The state tells channels, scopes, chats and hooks, and neither a secret nor a token."""
    acme = registered(kommo, receiver)
    kommo.control("manager/message", text="Hi")
    state = kommo.http.get(f"{kommo.url}/_sandbox/state")
    assert {channel["id"] for channel in state.json()["channels"]} >= {acme.credentials.channel_id}
    assert [sent["kind"] for sent in state.json()["hooks"]] == ["messages"]
    for secret in (kommo.credentials.secret, kommo.credentials.token, acme.credentials.secret):
        assert secret not in state.text


def test_seeded_sandbox_repeats_itself(stage: Stage, receiver: Receiver) -> None:
    """With a seeded clock the ids and times of two runs are the same, so that a lesson prints the same each time."""

    def run() -> tuple[Any, bytes]:
        clock = SeededClock("lesson", start=datetime(2026, 3, 1, tzinfo=UTC))
        peer = stage.play(Sandbox(Credentials(hook_url=receiver.url), clock=clock))
        date = rfc2822(datetime(2026, 3, 1, tzinfo=UTC))
        body = {"account_id": peer.credentials.account_id, "hook_api_version": "v2"}
        assert peer.call("POST", f"{peer.channel_path}/connect", body, date=date).status_code == 200
        sent = peer.call("POST", f"{ROOT}/{peer.credentials.scope_id}", new_message(msgid="m-1"), date=date)
        peer.control("manager/message", text="Hi")
        return sent.json(), receiver.seen.pop().body

    assert run() == run()
