"""What the sandbox accepts and refuses, over real HTTP, from a caller that shares no code with it."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from helpers import (
    DATA,
    ROOT,
    FrozenClock,
    Peer,
    Stage,
    minutes_ago,
    new_message,
    rfc2822,
    sample,
    sha1,
    signed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from kommo_nb.sandbox import bodies, rules
from kommo_nb.sandbox.app import MAX_BODY, Credentials, Sandbox
from kommo_nb.sandbox.http import Request, Response

BAD_SIGNATURE = sample("error-amojo-403-signature")
NOT_REGISTERED = sample("error-amojo-404-not-registered")
OTHER_CHANNEL = Credentials(channel_id="9e1d2c3b-0000-4000-8000-000000000002", secret="another-fake-secret")
STRANGER = "00000000-aaaa-4bbb-8ccc-000000000000"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


@pytest.fixture
def peer(stage: Stage) -> Peer:
    """A caller of a fresh sandbox, not connected yet."""
    return stage.play(Sandbox())


@pytest.fixture
def kommo(peer: Peer) -> Peer:
    """The same, connected."""
    peer.connect()
    return peer


def chats(peer: Peer) -> list[Any]:
    found: list[Any] = peer.state()["chats"]
    return found


def error(response: httpx.Response) -> str:
    """The error_type of an answer in Kommo's form."""
    answer = response.json()
    assert set(answer) == {"status", "error_code", "error_type", "error_description"}
    assert (answer["status"], answer["error_code"]) == (0, response.status_code)
    assert response.headers["content-type"] == "application/json"
    return str(answer["error_type"])


# --- The eight calls, as documented ---


def test_connect_answers_the_documented_sample(stage: Stage) -> None:
    """The body printed for connect gets exactly the answer printed for it."""
    answer = sample("ru-connect-response")
    channel_id = answer["scope_id"].partition("_")[0]
    peer = stage.play(Sandbox(Credentials(channel_id=channel_id, account_id=answer["account_id"])))
    response = peer.call("POST", f"{peer.channel_path}/connect", sample("ru-connect-request"))
    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/json"


def test_connect_without_options(peer: Peer) -> None:
    """Left out, the title is the channel's name, the hook version is v1, and the time window stays on."""
    answer = peer.connect(title=None, hook_api_version=None)
    assert (answer["title"], answer["hook_api_version"]) == ("Sandbox", "v1")
    assert answer["is_time_window_disabled"] is False


def test_connect_twice_gives_the_same_scope(kommo: Peer) -> None:
    """Connecting again is accepted, keeps the scope and its chats, and the later title and version hold."""
    chat_id = kommo.send()["conversation_id"]
    again = kommo.connect(title="Again", hook_api_version="v1")
    assert (again["scope_id"], again["title"]) == (kommo.credentials.scope_id, "Again")
    assert kommo.state()["scopes"] == [{"scope_id": again["scope_id"], "hook_api_version": "v1", "slow": False}]
    assert len(kommo.history(chat_id)) == 1


def test_disconnect_removes_the_scope(kommo: Peer) -> None:
    """Disconnect answers 200 and {}; then the scope is unknown, to a second disconnect too, until connect."""
    account = {"account_id": kommo.credentials.account_id}
    response = kommo.call("DELETE", f"{kommo.channel_path}/disconnect", account)
    assert (response.status_code, response.json()) == (200, {})
    for method, path, payload in (
        ("POST", kommo.scope_path, new_message()),
        ("DELETE", f"{kommo.channel_path}/disconnect", account),
    ):
        refused = kommo.call(method, path, payload)
        assert (refused.status_code, refused.json()) == (404, NOT_REGISTERED)
    kommo.connect()
    assert kommo.send()["msgid"]


def test_create_chat_answers_as_documented(kommo: Peer) -> None:
    """Chat and person get UUIDs of Kommo, and the rest of the answer is what was told of the person."""
    request = sample("kommo-create-chat-request")
    answer = kommo.ok("POST", f"{kommo.scope_path}/chats", request)
    assert uuid.UUID(answer.pop("id")) != uuid.UUID(answer["user"].pop("id"))
    user, documented = request["user"], sample("kommo-create-chat-response")["user"]
    told = {"client_id": user["id"], "name": user["name"], "avatar": user["avatar"], **user["profile"]}
    assert answer == {"user": told}
    assert set(told) | {"id"} == set(documented)


def test_create_chat_again_gives_the_same_ids(kommo: Peer) -> None:
    """A conversation_id and a user id that exist give the chat and the person that exist."""
    body = {"conversation_id": "c-1", "user": {"id": "ada", "name": "Ada"}}
    first, second = (kommo.ok("POST", f"{kommo.scope_path}/chats", body) for _ in range(2))
    sent = kommo.send()
    assert first == second
    assert (sent["conversation_id"], sent["sender_id"]) == (first["id"], first["user"]["id"])
    assert len(chats(kommo)) == 1


def test_incoming_message_answer(kommo: Peer) -> None:
    """A message from the client is answered with both ids of it, Kommo's ids of chat and sender, and no receiver."""
    response = kommo.call("POST", kommo.scope_path, new_message(msgid="m-1"))
    new = response.json()["new_message"]
    assert response.status_code == 200
    assert set(response.json()) == {"new_message"}
    assert set(new) == {"msgid", "ref_id", "conversation_id", "sender_id"}
    assert new["ref_id"] == "m-1"
    assert len({uuid.UUID(new[key]) for key in ("msgid", "conversation_id", "sender_id")}) == 3


@pytest.mark.parametrize("form", ["manager", "bot"])
def test_outgoing_message_answer(kommo: Peer, form: str) -> None:
    """A message imported for a manager or the bot names that person as sender and the client as receiver."""
    client_id = kommo.send(conversation_id="my_int-d5a421f7f217", sender={"id": "x", "name": "X"})["sender_id"]
    request = sample(f"ru-send-outgoing-{form}-request")
    request["payload"]["receiver"]["id"] = "x"
    new = kommo.ok("POST", kommo.scope_path, request)["new_message"]
    assert new["sender_id"] == request["payload"]["sender"]["ref_id"]
    assert new["receiver_id"] == client_id
    assert set(new) == set(sample("ru-send-response")["new_message"])


def test_delivery_status_answer(kommo: Peer) -> None:
    """Reporting a status answers 200 and {}."""
    response = kommo.call("POST", f"{kommo.scope_path}/{kommo.send()['msgid']}/delivery_status", {"status_code": 2})
    assert (response.status_code, response.json()) == (200, {})


def test_history_item(kommo: Peer) -> None:
    """History shows both ids, the times, people without empty fields, and the content by its documented names."""
    content = {"type": "picture", "text": "look", "media": "https://example.com/a.png"}
    content |= {"file_name": "a.png", "file_size": 7}
    new = kommo.send(msgid="m-1", timestamp=1639604761, msec_timestamp=1639604761694, message=content)
    (item,) = kommo.history(new["conversation_id"])
    assert item == {
        "timestamp": 1639604761,
        "msec_timestamp": 1639604761694,
        "sender": {"id": new["sender_id"], "client_id": "ada", "name": "Ada", "phone": "+4930123456"},
        "message": {"id": new["msgid"], "client_id": "m-1", "thumbnail": "", **content},
    }
    documented = sample("kommo-history-picture-response")["messages"][0]
    assert set(documented["message"]) <= set(item["message"])


def test_history_of_an_outgoing_message(kommo: Peer) -> None:
    """What a manager sent has a receiver, and a sender who has no id on our side."""
    manager = {"id": "m1", "name": "Maria", "ref_id": "76fc2bea-902f-425c-9a3d-dcdac4766090"}
    new = kommo.send(sender=manager, receiver={"id": "ada", "name": "Ada"})
    (item,) = kommo.history(new["conversation_id"])
    assert item["sender"] == {"id": manager["ref_id"], "name": "Maria Silva"}
    assert item["receiver"] == {"id": new["receiver_id"], "client_id": "ada", "name": "Ada"}


def test_typing_answer(kommo: Peer) -> None:
    """Typing answers 204 without body and content type."""
    kommo.send()
    typing = {"conversation_id": "c-1", "sender": {"id": "ada"}, "duration_ms": 3000}
    response = kommo.call("POST", f"{kommo.scope_path}/typing", typing)
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers


@pytest.mark.parametrize("chat", ["conversation_id", "conversation_ref_id"])
@pytest.mark.parametrize("message", ["id", "msgid"])
def test_react_answer(kommo: Peer, chat: str, message: str) -> None:
    """React and unreact answer 200 and {}, with chat and message named from either side."""
    new = kommo.send()
    ids = {"conversation_id": "c-1", "conversation_ref_id": new["conversation_id"]}
    ids |= {"msgid": new["ref_id"], "id": new["msgid"]}
    body = {chat: ids[chat], message: ids[message], "user": {"id": "ada"}}
    for kind in ({"type": "react", "emoji": "😍"}, {"type": "unreact"}):
        response = kommo.call("POST", f"{kommo.scope_path}/react", body | kind)
        assert (response.status_code, response.json()) == (200, {})


# --- Every request that the documentation prints ---

SAMPLES = sorted(path.stem for path in (DATA / "samples").glob("*-request.json") if "contacts-chats" not in path.stem)


def _prepare(peer: Peer, name: str, body: Any) -> tuple[str, str]:
    """Method and path for a sample, once everything that it refers to exists."""
    call = name.split("-", 1)[1].removesuffix("-request")
    if call == "connect":
        return "POST", f"{peer.channel_path}/connect"
    peer.connect()
    if call == "disconnect":
        return "DELETE", f"{peer.channel_path}/disconnect"
    if call == "create-chat":
        return "POST", f"{peer.scope_path}/chats"
    if call.startswith("delivery-status"):
        return "POST", f"{peer.scope_path}/{peer.send()['msgid']}/delivery_status"
    if call == "edit-message":
        peer.ok("POST", peer.scope_path, sample(name.replace("edit-message", "send-outgoing-bot")))
    if call in {"typing", "react"}:
        peer.send(conversation_id=body["conversation_id"], msgid=body.get("msgid", "m-1"))
        return "POST", f"{peer.scope_path}/{call}"
    return "POST", peer.scope_path


@pytest.mark.parametrize("name", SAMPLES)
def test_printed_request_is_accepted(stage: Stage, name: str) -> None:
    """Each request body that Kommo's and amocrm.ru's pages print is accepted, once the ids that it names are known."""
    body = sample(name)
    account_id = body.get("account_id", Credentials.account_id)
    peer = stage.play(Sandbox(Credentials(account_id=account_id)))
    method, path = _prepare(peer, name, body)
    response = peer.call(method, path, (DATA / "samples" / f"{name}.json").read_bytes())
    assert response.status_code == (204 if "typing" in name else 200), response.text


def test_printed_requests_cover_the_calls_with_a_body() -> None:
    """The samples above hold at least one body for each of the seven calls that have one, from both sites."""
    calls = {"connect", "disconnect", "create-chat", "send-incoming-text", "edit-message", "typing", "react"}
    assert {f"{site}-{call}-request" for call in calls for site in ("kommo", "ru")} <= set(SAMPLES)
    assert sum("delivery-status" in name for name in SAMPLES) == 3


VECTORS = {vector["name"]: vector for vector in json.loads((DATA / "vectors" / "signature-vectors.json").read_bytes())}


@pytest.mark.parametrize("name", VECTORS)
def test_published_signature_is_accepted(stage: Stage, name: str) -> None:
    """A request whose signature Kommo published passes unchanged at the time of its Date, and not a day later."""
    vector = VECTORS[name]
    moment = datetime.strptime(vector["date"], "%a, %d %b %Y %H:%M:%S %z")
    channel_id, _, account_id = vector["path"].removeprefix(f"{ROOT}/").split("/")[0].partition("_")
    account_id = account_id or json.loads(vector["body"])["account_id"]
    sandbox = Sandbox(Credentials(channel_id, vector["secret"], account_id), clock=(clock := FrozenClock(moment)))
    peer = stage.play(sandbox)
    headers = {"Date": vector["date"], "Content-Type": vector["content_type"]}
    headers |= {"Content-MD5": vector["content_md5"], "X-Signature": vector["x_signature"]}
    connect = json.dumps({"account_id": account_id}).encode()
    path = f"{peer.channel_path}/connect"
    assert peer.call("POST", path, connect, date=rfc2822(moment.astimezone(UTC))).status_code == 200

    def send() -> httpx.Response:
        url = peer.url + vector["path"]
        return peer.http.request(vector["method"], url, content=vector["body"].encode(), headers=headers)

    assert send().status_code != 403
    clock.moment += timedelta(days=1)
    assert (send().status_code, send().json()) == (403, BAD_SIGNATURE)


# --- Signatures ---

BODY = json.dumps(new_message(msgid="signed-once")).encode()
SECRET, SCOPE_PATH = Credentials.secret, f"{ROOT}/{Credentials().scope_id}"


def good_headers(**changes: Any) -> dict[str, str]:
    return signed("POST", SCOPE_PATH, BODY, **({"secret": SECRET} | changes))


def signature_over(*parts: str) -> str:
    return sha1("\n".join(parts).encode(), SECRET)


def with_md5(md5: str) -> dict[str, str]:
    """Signed consistently, over another form of the MD5."""
    date = rfc2822(datetime.now(UTC))
    text = signature_over("POST", md5, "application/json", date, SCOPE_PATH)
    return {"Date": date, "Content-Type": "application/json", "Content-MD5": md5, "X-Signature": text}


def with_type(content_type: str, signed_type: str) -> dict[str, str]:
    headers = good_headers()
    text = signature_over("POST", headers["Content-MD5"], signed_type, headers["Date"], SCOPE_PATH)
    return headers | {"Content-Type": content_type, "X-Signature": text}


def without(name: str) -> dict[str, str]:
    headers = good_headers()
    del headers[name]
    return headers


def without_and_signed_so(name: str) -> dict[str, str]:
    """A missing header counts as an empty string in the signature."""
    headers = without(name)
    names = ("Content-MD5", "Content-Type", "Date")
    return headers | {"X-Signature": signature_over("POST", *(headers.get(each, "") for each in names), SCOPE_PATH)}


def joined_by_letters() -> dict[str, str]:
    headers = good_headers()
    text = "\\n".join(("POST", headers["Content-MD5"], "application/json", headers["Date"], SCOPE_PATH))
    return headers | {"X-Signature": sha1(text.encode(), SECRET)}


def dated(date: str) -> dict[str, str]:
    return good_headers(date=date)


CHARSET = "application/json; charset=utf-8"
MD5 = hashlib.md5(BODY)

WRONG: dict[str, Callable[[], dict[str, str]]] = {
    "wrong secret": lambda: good_headers(secret="not-the-secret"),
    "signed for another body": lambda: signed("POST", SCOPE_PATH, BODY + b"\n", secret=SECRET),
    "MD5 in base64": lambda: with_md5(base64.b64encode(MD5.digest()).decode()),
    "MD5 in upper case": lambda: with_md5(MD5.hexdigest().upper()),
    "MD5 of other bytes": lambda: with_md5(hashlib.md5(b"other").hexdigest()),
    "Date missing, signed so": lambda: without_and_signed_so("Date"),
    "Content-Type missing, signed so": lambda: without_and_signed_so("Content-Type"),
    "MD5 missing, signed so": lambda: without_and_signed_so("Content-MD5"),
    "signature in upper case": lambda: good_headers() | {"X-Signature": good_headers()["X-Signature"].upper()},
    "signature empty": lambda: good_headers() | {"X-Signature": ""},
    "signature of other bytes": lambda: good_headers() | {"X-Signature": "é" * 40},
    "signature over the body alone": lambda: good_headers() | {"X-Signature": sha1(BODY, SECRET)},
    "signed for another method": lambda: signed("DELETE", SCOPE_PATH, BODY, secret=SECRET),
    "signed for another path": lambda: signed("POST", f"{SCOPE_PATH}/chats", BODY, secret=SECRET),
    "signed with the whole URL": lambda: signed("POST", f"http://127.0.0.1{SCOPE_PATH}", BODY, secret=SECRET),
    "joined by backslash and n": joined_by_letters,
    "charset, signed with it": lambda: with_type(CHARSET, CHARSET),
    "charset, signed without it": lambda: with_type(CHARSET, "application/json"),
    "another content type": lambda: with_type("text/plain", "text/plain"),
    "Date 16 minutes old": lambda: dated(rfc2822(minutes_ago(16))),
    "Date 16 minutes ahead": lambda: dated(rfc2822(minutes_ago(-16))),
    "Date is not the one signed": lambda: good_headers() | {"Date": rfc2822(minutes_ago(1))},
    "Date without zone": lambda: dated(rfc2822(datetime.now(UTC), "").strip()),
    "Date in an unknown zone": lambda: dated(rfc2822(datetime.now(UTC), "MSK")),
    "Date in the wrong zone": lambda: dated(rfc2822(datetime.now(UTC), "+0300")),
    "Date in ISO form": lambda: dated(datetime.now(UTC).isoformat()),
    "Date in unix seconds": lambda: dated(str(int(datetime.now(UTC).timestamp()))),
    "Date of the year 99999": lambda: dated("Thu, 16 Dec 99999 13:15:29 +0000"),
    "Date with a huge zone": lambda: dated(rfc2822(datetime.now(UTC), "+99999999999999999999")),
    "Date is garbage": lambda: dated("yesterday, tea time"),
    "Date empty": lambda: dated(""),
    **{f"{name} missing": lambda name=name: without(name) for name in good_headers()},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_signature_is_refused(kommo: Peer, wrong: str) -> None:
    """Every mistake gets exactly the printed 403, which does not tell them apart, and leaves no trace."""
    headers = [(name.encode(), value.encode()) for name, value in WRONG[wrong]().items()]
    response = kommo.http.post(kommo.url + SCOPE_PATH, content=BODY, headers=headers)
    assert (response.status_code, response.json()) == (403, BAD_SIGNATURE)
    assert response.headers["content-type"] == "application/json"
    assert chats(kommo) == []


def test_the_same_request_signed_well_is_accepted(kommo: Peer) -> None:
    """The request that the wrong ones were made of is good."""
    response = kommo.http.post(kommo.url + SCOPE_PATH, content=BODY, headers=good_headers())
    assert response.status_code == 200


def test_body_changed_after_hashing_is_refused(kommo: Peer) -> None:
    """The same JSON in other bytes is another body."""
    headers = good_headers()
    for body in (BODY.replace(b'": ', b'":'), BODY + b"\n"):
        response = kommo.http.post(kommo.url + SCOPE_PATH, content=body, headers=headers)
        assert (response.status_code, response.json()) == (403, BAD_SIGNATURE)


def test_query_is_not_signed(kommo: Peer) -> None:
    """The signature covers the path without its query; one that covers both is refused."""
    chat_id = kommo.send()["conversation_id"]
    path, query = f"{kommo.scope_path}/chats/{chat_id}/history", "?limit=50&offset=0"
    assert kommo.call("GET", path, query=query).status_code == 200
    headers = signed("GET", path + query, b"", secret=SECRET)
    response = kommo.http.get(kommo.url + path + query, headers=headers)
    assert (response.status_code, response.json()) == (403, BAD_SIGNATURE)


def test_secret_is_not_decoded_from_hex(stage: Stage) -> None:
    """The key is the secret as it is written; its hex-decoded bytes sign nothing."""
    secret = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
    peer = stage.play(Sandbox(Credentials(secret=secret)))
    peer.connect()
    decoded = signed("POST", SCOPE_PATH, BODY, secret=bytes.fromhex(secret).decode("latin-1"))
    assert peer.http.post(peer.url + SCOPE_PATH, content=BODY, headers=decoded).status_code == 403
    assert peer.call("POST", SCOPE_PATH, BODY).status_code == 200


@pytest.mark.parametrize("zone", ["+0000", "GMT", "-0000", "+03:00", "+0300", "-05:00"])
def test_date_forms_of_real_code_are_accepted(kommo: Peer, zone: str) -> None:
    """The forms of Date that working integrations send are understood, with a colon in the zone or without."""
    hours = int(zone[:3]) if zone[0] in "+-" else 0
    moment = datetime.now(UTC).astimezone(timezone(timedelta(hours=hours)))
    response = kommo.call("POST", kommo.scope_path, new_message(), date=rfc2822(moment, zone))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("offset_s", "status"), [(-901, 403), (-900, 200), (0, 200), (900, 200), (901, 403)])
def test_window_is_15_minutes_both_ways(stage: Stage, offset_s: int, status: int) -> None:
    """A Date is good until it is more than 15 minutes off, in either direction."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    peer = stage.play(Sandbox(clock=FrozenClock(now)))
    body = {"account_id": peer.credentials.account_id}
    date = rfc2822(now + timedelta(seconds=offset_s))
    assert peer.call("POST", f"{peer.channel_path}/connect", body, date=date).status_code == status


# --- Whose path, whose account, whose chat ---


@pytest.mark.parametrize("owner", [STRANGER, f"{STRANGER}_{Credentials.account_id}", "", "_", "%F0%9F"])
@pytest.mark.parametrize("tail", ["", "/connect", "/chats", "/typing"])
def test_unknown_channel(kommo: Peer, owner: str, tail: str) -> None:
    """An id that no channel has gets exactly the printed 404, whatever the call."""
    response = kommo.call("POST", f"{ROOT}/{owner}{tail}", {})
    assert (response.status_code, response.json()) == (404, NOT_REGISTERED)


def test_channel_id_and_scope_id_are_not_exchangeable(kommo: Peer) -> None:
    """A channel id where the scope belongs, and the reverse, is no call that Kommo has."""
    account = {"account_id": kommo.credentials.account_id}
    channel, scope = kommo.channel_path, kommo.scope_path
    for method, path, payload in (
        ("POST", channel, new_message()),
        ("POST", f"{channel}/chats", {"conversation_id": "c-1", "user": {"id": "ada", "name": "Ada"}}),
        ("POST", f"{channel}/typing", {"conversation_id": "c-1", "sender": {"id": "ada"}}),
        ("GET", f"{channel}/chats/x/history", None),
        ("POST", f"{scope}/connect", account),
        ("DELETE", f"{scope}/disconnect", account),
    ):
        response = kommo.call(method, path, payload)
        assert response.status_code == 404, path
        assert error(response)
    assert chats(kommo) == []
    assert len(kommo.state()["scopes"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "{channel}/disconnect"),  # as the PHP sample under that method prints it
        ("POST", "{scope}/some-id/react"),  # likewise
        ("GET", "{channel}/connect"),
        ("POST", "{scope}/chats/x/history"),
        ("PUT", "{scope}"),
        ("POST", "{scope}/"),
        ("POST", "{scope}/contact"),
    ],
)
def test_method_or_path_that_kommo_does_not_have(kommo: Peer, method: str, path: str) -> None:
    """Wrong paths and verbs, some of them printed in samples, are 404 even when signed."""
    filled = path.format(channel=kommo.channel_path, scope=kommo.scope_path)
    response = kommo.call(method, filled, {"account_id": kommo.credentials.account_id})
    assert response.status_code == 404
    assert error(response)


def test_scope_that_is_not_connected(peer: Peer) -> None:
    """Before connect, a well signed call on the scope gets the printed 404."""
    for method, path, payload in (
        ("POST", peer.scope_path, new_message()),
        ("POST", f"{peer.scope_path}/typing", {"conversation_id": "c-1", "sender": {"id": "ada"}}),
        ("GET", f"{peer.scope_path}/chats/x/history", None),
    ):
        response = peer.call(method, path, payload)
        assert (response.status_code, response.json()) == (404, NOT_REGISTERED)


def test_account_must_be_on_the_list(stage: Stage) -> None:
    """A private channel connects only to the accounts of its registration, be the other one known or not."""
    sandbox = Sandbox()
    known = sandbox.world.accounts[sandbox.credentials.account_id]
    sandbox.world.accounts["b0b"] = type(known)(2, "b0b", "Other", "other", "token-2")
    peer = stage.play(sandbox)
    for account_id in ("b0b", STRANGER):
        response = peer.call("POST", f"{peer.channel_path}/connect", {"account_id": account_id})
        assert response.status_code == 403
        assert error(response) != "ORIGIN_INVALID_SIGNATURE"
    assert peer.state()["scopes"] == []


@pytest.fixture
def two(stage: Stage) -> tuple[Peer, Peer]:
    """Two channels in one account, both connected."""
    sandbox = Sandbox()
    sandbox.world.channels[OTHER_CHANNEL.channel_id] = OTHER_CHANNEL.channel()
    ours = stage.play(sandbox)
    theirs = Peer(ours.url, ours.http, OTHER_CHANNEL)
    ours.connect()
    theirs.connect()
    return ours, theirs


def test_another_channels_chat_is_out_of_sight(two: tuple[Peer, Peer]) -> None:
    """With another channel's scope a chat has no history, no messages to report on or react to, and no name to take."""
    ours, theirs = two
    new = ours.send()
    chat_id, message_id = new["conversation_id"], new["msgid"]
    assert theirs.call("GET", f"{theirs.scope_path}/chats/{chat_id}/history").status_code == 204
    status = theirs.call("POST", f"{theirs.scope_path}/{message_id}/delivery_status", {"status_code": 1})
    assert status.status_code == 404
    reaction = {"conversation_ref_id": chat_id, "id": message_id, "type": "react", "emoji": "👍"}
    assert theirs.call("POST", f"{theirs.scope_path}/react", reaction).status_code == 404
    tied = theirs.call("POST", theirs.scope_path, new_message(conversation_ref_id=chat_id))
    assert tied.status_code == 400
    assert len(chats(ours)) == 1


def test_our_ids_belong_to_one_scope(two: tuple[Peer, Peer]) -> None:
    """The same conversation_id, msgid and person id in two channels are two of each."""
    first, second = (peer.send(msgid="m-1") for peer in two)
    assert first["ref_id"] == second["ref_id"]
    assert all(first[key] != second[key] for key in ("msgid", "conversation_id", "sender_id"))


def test_secret_of_another_channel(two: tuple[Peer, Peer]) -> None:
    """A registered channel's secret opens its own scope only."""
    ours, theirs = two
    headers = signed("POST", ours.scope_path, BODY, secret=theirs.credentials.secret)
    response = ours.http.post(ours.url + ours.scope_path, content=BODY, headers=headers)
    assert (response.status_code, response.json()) == (403, BAD_SIGNATURE)


# --- Bodies: strict types, missing fields, broken JSON ---

CALLS = {
    "send": "{scope}",
    "chats": "{scope}/chats",
    "typing": "{scope}/typing",
    "react": "{scope}/react",
    "connect": "{channel}/connect",
}


def post(peer: Peer, call: str, body: Any) -> httpx.Response:
    path = CALLS[call].format(channel=peer.channel_path, scope=peer.scope_path)
    return peer.call("POST", path, body)


def edit(**changes: Any) -> dict[str, Any]:
    payload = {"timestamp": 1, "msec_timestamp": 1000, "conversation_id": "c-1", "msgid": "m-1"}
    return {"event_type": "edit_message", "payload": payload | {"message": {"type": "text", "text": "new"}} | changes}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a":1}x', b"null", b"[]", b'"text"', b"7", b"\xff\xfe\x00", b"{'account_id':'x'}", b"[" * 100_000],
    ids=range(10),
)
def test_body_that_is_no_json_object(kommo: Peer, call: str, body: bytes) -> None:
    """Broken, empty and endlessly nested JSON, and JSON that is no object, is a 400 in Kommo's form."""
    response = post(kommo, call, body)
    assert response.status_code == 400
    assert error(response)


GOOD: dict[str, Any] = {
    "send": new_message(receiver={"id": "ada", "name": "Ada"}, sender={"id": "bot", "name": "Bot"}),
    "chats": {"conversation_id": "c-2", "user": {"id": "ada", "name": "Ada", "profile": {"phone": "+1"}}},
    "typing": {"conversation_id": "c-1", "sender": {"id": "ada"}},
    "react": {"conversation_id": "c-1", "msgid": "m-1", "type": "react", "emoji": "👍"},
    "connect": {"account_id": Credentials.account_id, "title": "T", "hook_api_version": "v2"},
}


def at(body: Any, path: str, *value: Any) -> Any:
    """A copy of the body with another value at the path, or without it."""
    copy = json.loads(json.dumps(body))
    *way, last = path.split(".")
    place = copy
    for key in way:
        place = place.setdefault(key, {})
    if value:
        place[last] = value[0]
    else:
        del place[last]
    return copy


@pytest.mark.parametrize("call", GOOD)
def test_body_before_it_is_spoilt(kommo: Peer, call: str) -> None:
    """The bodies that the next tests spoil are good."""
    kommo.send(msgid="m-1")
    assert post(kommo, call, GOOD[call]).is_success


@pytest.mark.parametrize(
    ("call", "path", "value"),
    [
        ("send", "payload.msgid", 1),
        ("send", "payload.conversation_id", 12345),
        ("send", "payload.timestamp", "1639604761"),
        ("send", "payload.timestamp", 1639604761.0),
        ("send", "payload.timestamp", True),
        ("send", "payload.timestamp", 1639604761694),  # milliseconds
        ("send", "payload.timestamp", -1),
        ("send", "payload.msec_timestamp", 1639604761694.5),
        ("send", "payload.msec_timestamp", 10**30),
        ("send", "payload.silent", "true"),
        ("send", "payload.silent", 0),
        ("send", "payload.sender", "ada"),
        ("send", "payload.sender.id", 7),
        ("send", "payload.sender.profile.phone", 79151112233),
        ("send", "payload.receiver.id", 7),
        ("send", "payload.receiver.profile.email", False),
        ("send", "payload.message", "Hello"),
        ("send", "payload.message.text", 7),
        ("send", "payload.message.type", "TEXT"),
        ("send", "payload.message.type", "carrier-pigeon"),
        ("send", "payload.source.external_id", 7),
        ("send", "payload.source.external_id", "ф"),
        ("send", "payload.source.external_id", "x" * 41),
        ("send", "payload.conversation_ref_id", 7),
        ("send", "payload", []),
        ("chats", "conversation_id", 7),
        ("chats", "user.id", 7),
        ("chats", "user.profile.phone", 1),
        ("typing", "sender.id", 7),
        ("typing", "duration_ms", "5000"),
        ("typing", "duration_ms", 0.5),
        ("react", "msgid", 7),
        ("react", "type", "like"),
        ("react", "emoji", 7),
        ("connect", "account_id", 12345678),
        ("connect", "hook_api_version", 2),
        ("connect", "hook_api_version", "v3"),
        ("connect", "is_time_window_disabled", "yes"),
    ],
)
def test_types_are_strict(kommo: Peer, call: str, path: str, value: Any) -> None:
    """A value of another JSON type, or outside what its field takes, is a 400 that names the field."""
    kommo.send(msgid="m-1")
    response = post(kommo, call, at(GOOD[call], path, value))
    assert response.status_code == 400, response.text
    assert error(response)
    assert path.removeprefix("payload").removeprefix(".") in response.json()["error_description"]
    assert [chat["messages"] for chat in chats(kommo)] == [1]


@pytest.mark.parametrize(
    ("call", "path"),
    [
        *(("send", f"payload.{field}") for field in ("timestamp", "msgid", "conversation_id", "sender", "message")),
        *(("send", path) for path in ("payload", "payload.sender.id", "payload.message.type", "payload.message.text")),
        *(("chats", path) for path in ("conversation_id", "user", "user.id")),
        *(("typing", path) for path in ("conversation_id", "sender", "sender.id")),
        *(("react", path) for path in ("conversation_id", "msgid", "type", "emoji")),
        ("connect", "account_id"),
    ],
)
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
def test_required_fields(kommo: Peer, call: str, path: str, how: str) -> None:
    """A required field that is absent, null or empty is a 400."""
    value: tuple[Any, ...] = {"absent": (), "null": (None,), "empty": ("",)}[how]
    kommo.send(msgid="m-1")
    response = post(kommo, call, at(GOOD[call], path, *value))
    assert response.status_code == 400, response.text
    assert error(response)


@pytest.mark.parametrize("event_type", ["delete_message", "", None, 7, ["new_message"]])
def test_unknown_event_type(kommo: Peer, event_type: Any) -> None:
    """Any other event type is refused in the words that were seen from Kommo."""
    response = post(kommo, "send", new_message() | {"event_type": event_type})
    assert response.status_code == 400
    assert response.json()["error_description"] == "Request has invalid event type"


def test_missing_event_type(kommo: Peer) -> None:
    """So is a body without one."""
    response = post(kommo, "send", at(new_message(), "event_type"))
    assert (response.status_code, response.json()["error_description"]) == (400, "Request has invalid event type")


MEDIA = ("file", "video", "picture", "voice", "audio", "sticker")
URL = "https://example.com/a.bin"


@pytest.mark.parametrize(
    "content",
    [
        *({"type": kind, "media": URL} for kind in MEDIA),
        *({"type": kind, "media": URL, "file_name": "a", "file_size": 0, "text": ""} for kind in MEDIA),
        {"type": "location", "location": {"lon": -46.63, "lat": 23}},
        {"type": "contact", "contact": {"name": "Name", "phone": "+10000000000"}},
        {"type": "text", "text": "Row title", "callback_data": "vG9ujre8N7"},
        {"type": "text", "text": "look", "shared_post": {"url": "https://example.com/p/1", "type": "post"}},
        {"type": "text", "text": "x", "field_of_the_future": 1},
    ],
    ids=lambda content: content["type"],
)
def test_kinds_of_message(kommo: Peer, content: dict[str, Any]) -> None:
    """Each kind of message is accepted with its required fields, and history shows it."""
    (item,) = kommo.history(kommo.send(message=content)["conversation_id"])
    shown = {"type", "text", "media", "file_name", "file_size", "location", "contact"} & set(content)
    assert {key: item["message"][key] for key in shown} == {key: content[key] for key in shown}


@pytest.mark.parametrize(
    "content",
    [
        *({"type": kind} for kind in MEDIA),
        *({"type": "picture", "media": media} for media in ("", "a.png", "ftp://x/a.png", "/a.png", 7, None)),
        {"type": "picture", "media": URL, "file_size": "7"},
        {"type": "picture", "media": URL, "file_size": -1},
        {"type": "voice", "media": URL, "media_duration": 1.5},
        {"type": "location"},
        {"type": "location", "location": {"lon": 1}},
        {"type": "location", "location": {"lon": 181, "lat": 0}},
        {"type": "location", "location": {"lon": "1", "lat": 0}},
        {"type": "contact"},
        {"type": "contact", "contact": {"name": "Name"}},
        {"type": "contact", "contact": {"name": "Name", "phone": 10000000000}},
        {"type": "text", "text": "x", "post": {"id": "p"}},
        {"type": "text", "text": "x", "shared_post": {"url": URL, "type": "reel"}},
    ],
    ids=lambda content: json.dumps(content)[:60],
)
def test_incomplete_kinds_of_message(kommo: Peer, content: dict[str, Any]) -> None:
    """A kind of message without what it needs is a 400, and no chat is made for it."""
    response = post(kommo, "send", new_message(message=content))
    assert response.status_code == 400, response.text
    assert chats(kommo) == []


def test_number_that_json_does_not_have(kommo: Peer) -> None:
    """NaN and Infinity, which Python's JSON would write, are refused."""
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        body = json.dumps(new_message(message={"type": "location", "location": {"lon": 1, "lat": 777}})).encode()
        assert post(kommo, "send", body.replace(b"777", number)).status_code == 400


def test_every_depth_of_nesting_gets_an_answer() -> None:
    """However deep a body is nested, around Python's limits too, the answer is a 400 and no exception."""
    kommo = InProcess()
    for depth in (*range(1, 300, 9), *range(700, 1_100)):
        for body in (b"[" * depth + b"]" * depth, b'{"user":' * depth + b"1" + b"}" * depth):
            wrapped = b'{"event_type":"new_message","payload":' + body + b"}"
            for path, sent in ((f"{SCOPE_PATH}/chats", body), (SCOPE_PATH, wrapped)):
                assert kommo.answer("POST", path, sent).status == 400


# --- Messages ---


def test_repeated_msgid_is_refused(kommo: Peer) -> None:
    """A msgid is taken once, also by an edit's new name; the second is a 400, and nothing is doubled or changed."""
    new = kommo.send(msgid="m-1")
    for conversation_id in ("c-1", "c-2"):
        other = new_message(msgid="m-1", conversation_id=conversation_id, message={"type": "text", "text": "Again"})
        response = post(kommo, "send", other)
        assert response.status_code == 400
        assert error(response) == "MSGID_ALREADY_USED"
    (item,) = kommo.history(new["conversation_id"])
    assert item["message"]["text"] == "Hello"
    assert len(chats(kommo)) == 1


def test_people_of_one_conversation_are_told_apart(kommo: Peer) -> None:
    """Two clients who write in one conversation stay two people, in the answers and in history."""
    ada = kommo.send()
    bob = kommo.send(sender={"id": "bob", "name": "Bob"})
    assert ada["conversation_id"] == bob["conversation_id"]
    assert ada["sender_id"] != bob["sender_id"]
    assert [item["sender"]["client_id"] for item in kommo.history(ada["conversation_id"])] == ["bob", "ada"]


@pytest.mark.parametrize("name", ["id", "msgid"])
def test_reply(kommo: Peer, name: str) -> None:
    """A message may quote one of its own chat, by Kommo's id or ours."""
    first = kommo.send()
    quoted = {"id": first["msgid"], "msgid": first["ref_id"]}[name]
    assert kommo.send(reply_to={"message": {name: quoted}})["conversation_id"] == first["conversation_id"]


@pytest.mark.parametrize(
    "reply_to",
    [{"message": {"id": STRANGER}}, {"message": {"msgid": "nobody's"}}, {"message": {}}, {"id": STRANGER}, "m-1"],
    ids=str,
)
def test_reply_to_nothing(kommo: Peer, reply_to: Any) -> None:
    """A quote that names no message of the chat is a 400 that leaves nothing behind, be the chat old or new."""
    chat_id = kommo.send()["conversation_id"]
    for conversation_id in ("c-1", "c-2"):
        body = new_message(msgid="m-reply", conversation_id=conversation_id, reply_to=reply_to)
        assert post(kommo, "send", body).status_code == 400
    assert len(kommo.history(chat_id)) == 1
    assert [chat["conversation_id"] for chat in chats(kommo)] == ["c-1"]
    assert kommo.send(msgid="m-reply")["ref_id"] == "m-reply"


def test_reply_to_a_message_of_another_chat(kommo: Peer) -> None:
    """The quoted message must be of the same chat."""
    elsewhere = kommo.send(conversation_id="c-2")
    response = post(kommo, "send", new_message(reply_to={"message": {"id": elsewhere["msgid"]}}))
    assert response.status_code == 400


def test_reply_with_a_whole_message(kommo: Peer) -> None:
    """Without an id the quote has to be complete: type, times and sender."""
    whole = {"type": "text", "text": "old", "timestamp": 1, "msec_timestamp": 1000, "sender": {"name": "Ada"}}
    assert kommo.send(reply_to={"message": whole})
    for field in ("type", "timestamp", "msec_timestamp", "sender"):
        response = post(kommo, "send", new_message(reply_to={"message": at(whole, field)}))
        assert response.status_code == 400, field


def test_forwards_hold_one_message(kommo: Peer) -> None:
    """One forwarded message is accepted; none, two, or one without a name are not."""
    first, second = kommo.send(), kommo.send()
    one, two = ({"id": new["msgid"]} for new in (first, second))
    assert kommo.send(forwards={"messages": [one], "conversation_ref_id": first["conversation_id"]})
    for messages in ([], [one, two], [{}], one):
        assert post(kommo, "send", new_message(forwards={"messages": messages})).status_code == 400


def test_unknown_manager(kommo: Peer) -> None:
    """An outgoing message from a ref_id that is neither a user nor the bot is a 400, and makes no chat."""
    body = new_message(sender={"id": "m", "name": "M", "ref_id": STRANGER}, receiver={"id": "ada", "name": "Ada"})
    assert post(kommo, "send", body).status_code == 400
    assert chats(kommo) == []


@pytest.mark.parametrize("names", [("msgid",), ("id",), ("id", "msgid")])
def test_edit(kommo: Peer, names: tuple[str, ...]) -> None:
    """An edit finds its message by our id, by Kommo's, or by both, and changes its text in place."""
    new = kommo.send(msgid="m-1")
    ids = {"id": new["msgid"], "msgid": "m-1"}
    body = at(edit(), "payload.msgid")
    body["payload"] |= {name: ids[name] for name in names}
    assert post(kommo, "send", body).status_code == 200
    (item,) = kommo.history(new["conversation_id"])
    assert (item["message"]["id"], item["message"]["client_id"]) == (new["msgid"], "m-1")
    assert item["message"]["text"] == "new"


def test_edit_by_id_gives_our_name_to_a_message_of_the_crm(kommo: Peer) -> None:
    """Together with Kommo's id, the msgid of an edit becomes our id of the message, and is then used up."""
    new = kommo.send(msgid="m-1")
    assert post(kommo, "send", edit(id=new["msgid"], msgid="m-2")).status_code == 200
    (item,) = kommo.history(new["conversation_id"])
    assert item["message"]["client_id"] == "m-2"
    assert error(post(kommo, "send", new_message(msgid="m-2"))) == "MSGID_ALREADY_USED"


@pytest.mark.parametrize(
    "changes",
    [{"msgid": "m-9"}, {"id": STRANGER}, {"conversation_id": "c-9"}, {"msgid": None}, {"message": None}],
    ids=str,
)
def test_edit_of_nothing(kommo: Peer, changes: dict[str, Any]) -> None:
    """An edit that names no message of the conversation, or says nothing, is a 400 and changes nothing."""
    new = kommo.send(msgid="m-1")
    assert post(kommo, "send", edit(**changes)).status_code == 400
    assert kommo.history(new["conversation_id"])[0]["message"]["text"] == "Hello"


@pytest.fixture
def begun(kommo: Peer) -> tuple[Peer, dict[str, Any]]:
    """A chat that a manager began. Its hook goes nowhere; test_sandbox_hooks looks at those."""
    return kommo, kommo.control("manager/write-first", phone="+4930999", text="Hi")


def test_write_first_is_answered_into_the_same_chat(begun: tuple[Peer, dict[str, Any]]) -> None:
    """conversation_ref_id and sender.ref_id tie our ids to the chat that a manager began: no second chat or person."""
    kommo, chat = begun
    (first,) = kommo.history(chat["chat_id"])
    answer = {"conversation_id": "wa-1", "conversation_ref_id": chat["chat_id"]}
    sender = {"id": "bea", "name": "Bea", "ref_id": first["receiver"]["id"]}
    new = kommo.send(sender=sender, **answer)
    assert (new["conversation_id"], new["sender_id"]) == (chat["chat_id"], first["receiver"]["id"])
    later = kommo.send(conversation_id="wa-1", sender={"id": "bea", "name": "Bea"})
    assert (later["conversation_id"], later["sender_id"]) == (new["conversation_id"], new["sender_id"])
    assert chats(kommo) == [{"chat_id": chat["chat_id"], "conversation_id": "wa-1", "messages": 3}]
    assert kommo.history(chat["chat_id"])[0]["sender"]["phone"] == "+4930999"


def test_write_first_answered_without_the_ids(begun: tuple[Peer, dict[str, Any]]) -> None:
    """If the tie is forgotten a second chat arises, as the documentation warns."""
    kommo, chat = begun
    assert kommo.send(conversation_id="wa-1")["conversation_id"] != chat["chat_id"]
    assert len(chats(kommo)) == 2


def test_conversation_ref_id_of_no_chat(kommo: Peer) -> None:
    """A conversation_ref_id that names no chat is a 400, and makes none."""
    assert post(kommo, "send", new_message(conversation_ref_id=STRANGER)).status_code == 400
    assert chats(kommo) == []


# --- History, status, typing, reactions ---


def test_history_pages(kommo: Peer) -> None:
    """120 messages come newest first in pages of 50, 50 and 20, each once, and then 204."""
    for number in range(120):
        new = kommo.send(msgid=f"h-{number}", msec_timestamp=1_700_000_000_000 + number)
    chat_id, path = new["conversation_id"], f"{kommo.scope_path}/chats/{new['conversation_id']}/history"
    pages = [kommo.history(chat_id, f"?limit=50&offset={offset}") for offset in (0, 50, 100)]
    assert [len(page) for page in pages] == [50, 50, 20]
    shown = [item["message"]["client_id"] for page in pages for item in page]
    assert shown == [f"h-{number}" for number in reversed(range(120))]
    end = kommo.call("GET", path, query="?limit=50&offset=120")
    assert (end.status_code, end.content) == (204, b"")
    assert kommo.history(chat_id) == pages[0]
    assert kommo.history(chat_id, "?limit=120") == pages[0]
    assert [item["message"]["client_id"] for item in kommo.history(chat_id, "?limit=2&offset=1")] == ["h-118", "h-117"]


def test_history_is_ordered_by_time(kommo: Peer) -> None:
    """Imported messages take the place of their own time, whatever the order of import; equal times keep that order."""
    for msgid, msec in (("b", 2000), ("c", 3000), ("a", 1000), ("c2", 3000)):
        new = kommo.send(msgid=msgid, timestamp=msec // 1000, msec_timestamp=msec)
    shown = [item["message"]["client_id"] for item in kommo.history(new["conversation_id"])]
    assert shown == ["c2", "c", "b", "a"]


def test_message_without_milliseconds(kommo: Peer) -> None:
    """Without msec_timestamp, as older clients send, the seconds count."""
    body = at(new_message(timestamp=1639604761), "payload.msec_timestamp")
    chat_id = post(kommo, "send", body).json()["new_message"]["conversation_id"]
    assert kommo.history(chat_id)[0]["msec_timestamp"] == 1639604761000


@pytest.mark.parametrize("query", ["?limit=x", "?limit=-1", "?offset=-1", "?offset=1e3", "?limit=9999999999999999"])
def test_history_with_a_bad_number(kommo: Peer, query: str) -> None:
    """Limit and offset are whole numbers of a sensible size."""
    chat_id = kommo.send()["conversation_id"]
    assert kommo.call("GET", f"{kommo.scope_path}/chats/{chat_id}/history", query=query).status_code == 400


@pytest.mark.parametrize("chat_id", [STRANGER, "c-1", "%2F", "..%2f..", "%00"])
def test_history_of_an_unknown_chat(kommo: Peer, chat_id: str) -> None:
    """A chat that Kommo does not know by that id has no history: 204; our own conversation_id is no such id."""
    kommo.send()
    assert kommo.call("GET", f"{kommo.scope_path}/chats/{chat_id}/history").status_code == 204


def test_delivery_status_needs_a_known_message(kommo: Peer) -> None:
    """The path takes Kommo's id of a message; ours, or nobody's, is a 404."""
    kommo.send(msgid="m-1")
    for message_id in ("m-1", STRANGER):
        response = kommo.call("POST", f"{kommo.scope_path}/{message_id}/delivery_status", {"status_code": 1})
        assert response.status_code == 404
        assert error(response)


@pytest.mark.parametrize(
    "body",
    [
        {"status_code": 1},
        {"status_code": -1, "error_code": 901},
        {"status_code": -1, "error_code": 905, "error": "Number is not on WhatsApp"},
        {"status_code": 2, "error_code": None, "error": None},
        {"msgid": "x", "delivery_status": 2},  # the older name, which most public clients still send
    ],
    ids=str,
)
def test_delivery_status_forms(kommo: Peer, body: dict[str, Any]) -> None:
    """Each documented form is accepted."""
    path = f"{kommo.scope_path}/{kommo.send()['msgid']}/delivery_status"
    assert kommo.call("POST", path, body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status_code": 0},
        {"status_code": 3},
        {"status_code": "1"},
        {"status_code": True},
        {"status_code": 1.0},
        {"status_code": None},
        {"status_code": -1},
        {"status_code": -1, "error_code": 900},
        {"status_code": -1, "error_code": "905", "error": "x"},
        {"status_code": -1, "error_code": 905},
        {"status_code": -1, "error_code": 905, "error": ""},
        {"status_code": -1, "error_\u0441ode": 905, "error": "x"},  # a Cyrillic letter, as amocrm.ru's tables have it
    ],
    ids=str,
)
def test_delivery_status_that_makes_no_sense(kommo: Peer, body: dict[str, Any]) -> None:
    """Unknown codes, other types, a failure without code, and 905 without a text are 400."""
    path = f"{kommo.scope_path}/{kommo.send()['msgid']}/delivery_status"
    response = kommo.call("POST", path, body)
    assert response.status_code == 400
    assert error(response)


def test_typing_in_an_unknown_chat(kommo: Peer) -> None:
    """Typing needs a conversation that exists."""
    typing = {"conversation_id": "c-9", "sender": {"id": "ada"}}
    assert kommo.call("POST", f"{kommo.scope_path}/typing", typing).status_code == 404


@pytest.mark.parametrize("kind", [{"type": "react", "emoji": "👍"}, {"type": "unreact"}])
@pytest.mark.parametrize("ids", [{"msgid": "m-9"}, {"id": STRANGER}, {"msgid": "m-1", "conversation_id": "c-9"}])
def test_reaction_to_nothing(kommo: Peer, kind: dict[str, str], ids: dict[str, str]) -> None:
    """A reaction, or taking one back, needs a message that exists, in the chat that is named."""
    kommo.send(msgid="m-1")
    response = post(kommo, "react", {"conversation_id": "c-1"} | ids | kind)
    assert response.status_code == 404
    assert error(response)


# --- Sizes and bytes ---


def test_largest_body(kommo: Peer) -> None:
    """A body of exactly the limit is read; one byte more is a 413, and the next call works."""
    body = json.dumps(new_message()).encode()
    assert kommo.call("POST", kommo.scope_path, body.ljust(MAX_BODY)).status_code == 200
    for size in (MAX_BODY + 1, 4 * MAX_BODY):
        response = kommo.call("POST", kommo.scope_path, json.dumps(new_message()).encode().ljust(size))
        assert response.status_code == 413
        assert error(response)
    assert kommo.send()


def test_body_without_end_is_cut_off(kommo: Peer) -> None:
    """A sender that never says how much is coming is answered with 413 once it passes the limit."""
    address = urlsplit(kommo.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sock:
        sock.sendall(f"POST {kommo.scope_path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(MAX_BODY // 0x10000 + 1):
            sock.sendall(chunk)
        assert sock.recv(100).startswith(b"HTTP/1.1 413 ")


def test_text_comes_back_as_it_went_in(kommo: Peer) -> None:
    """Emoji, right-to-left text, escapes and control characters survive, whichever way the body escapes them."""
    text = 'é 👨‍👩‍👧 שלום \\ / " \u2028 \x00 \x1f'
    for ascii_only in (True, False):
        body = json.dumps(new_message(message={"type": "text", "text": text}), ensure_ascii=ascii_only).encode()
        chat_id = post(kommo, "send", body).json()["new_message"]["conversation_id"]
        assert kommo.history(chat_id)[0]["message"]["text"] == text


# --- Any request at all ---


class InProcess:
    """The rules without HTTP: a sandbox with one message, and its answer to anything."""

    def __init__(self) -> None:
        self.world = Sandbox().world
        self.answer("POST", f"{ROOT}/{Credentials.channel_id}/connect", b'{"account_id":"%s"}' % ACCOUNT)
        new = self.answer("POST", SCOPE_PATH, json.dumps(new_message(msgid="m-1")).encode()).payload["new_message"]
        self.message_id, self.chat_id = new["msgid"], new["conversation_id"]

    def answer(self, method: str, path: str, body: bytes) -> Response:
        headers = {key.lower(): value for key, value in signed(method, path, body, secret=SECRET).items()}
        return rules.answer(self.world, Request(method, path, "", headers, body))


ACCOUNT = Credentials.account_id.encode()
BEARER = f"Bearer {Credentials.token}"
TABLES = [each for each in vars(bodies).values() if isinstance(each, type) and issubclass(each, bodies.Body)]
FIELDS = sorted({"event_type", "payload"}.union(*(table.model_fields for table in TABLES)))
WORDS = st.sampled_from(["new_message", "edit_message", "text", "picture", "react", "v2", "c-1", "m-1", "ada"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)


CHANNEL_PATH = f"{ROOT}/{Credentials.channel_id}"
REAL = [
    ("POST", SCOPE_PATH, GOOD["send"]),
    ("POST", SCOPE_PATH, edit()),
    *(("POST", f"{SCOPE_PATH}/{call}", GOOD[call]) for call in ("chats", "typing", "react")),
    ("POST", f"{SCOPE_PATH}/MESSAGE/delivery_status", {"status_code": 1}),
    ("POST", f"{CHANNEL_PATH}/connect", GOOD["connect"]),
    ("DELETE", f"{CHANNEL_PATH}/disconnect", GOOD["connect"]),
    *(("GET", path, {}) for path in (f"{SCOPE_PATH}/chats/CHAT/history", "/api/v4/users", "/api/v4/users/²")),
]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """A good request, but some fields of one object of its body may hold anything."""
    method, path, good = draw(st.sampled_from(REAL))
    body = json.loads(json.dumps(good))
    places = [body, *(value for value in (body | body.get("payload", {})).values() if isinstance(value, dict))]
    place = draw(st.sampled_from(places))
    place |= draw(st.dictionaries(st.sampled_from([*place, *FIELDS]), VALUES, max_size=3))
    return method, path, json.dumps(body).encode()


OWNERS = st.sampled_from([Credentials.channel_id, Credentials().scope_id, STRANGER, "_", "", "%00"])
PIECES = st.sampled_from(["", "connect", "chats", "history", "react", "delivery_status", "%2F", "%", "é", "_", ".."])
PATHS = st.text(max_size=20) | st.builds(lambda owner, rest: "/".join((ROOT, owner, *rest)), OWNERS, st.lists(PIECES))
METHODS = st.sampled_from(["POST", "GET", "DELETE", "HEAD", "", "é"])
BODIES = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
REQUESTS = spoilt() | spoilt() | st.tuples(METHODS, PATHS, BODIES)
QUERIES = st.text(max_size=20) | st.sampled_from(["limit=3&offset=1", "limit=%FF", "offset=²", "with=amojo_id", "&&=;"])
PARTS_OF_DATES = ["Thu,", "16", "Dec", "2021", "99999", "13:15:29", "25:61", "-0000", "+99999999", "GMT", ":", "²"]
DATES = st.text(max_size=40) | st.lists(st.sampled_from(PARTS_OF_DATES)).map(" ".join)
NAMES = st.sampled_from(["date", "content-md5", "content-type", "x-signature", "authorization"])
HEADERS = st.dictionaries(NAMES, st.text(max_size=20) | st.just(BEARER))


def headers_dated(date: str, method: str, path: str, body: bytes) -> dict[str, str]:
    """A good signature over a Date of any form, so that the Date itself is looked at."""
    md5 = hashlib.md5(body).hexdigest()
    text = "\n".join((method, md5, "application/json", date, path)).encode("latin-1", "replace")
    return {"date": date, "content-type": "application/json", "content-md5": md5, "x-signature": sha1(text, SECRET)}


@settings(max_examples=500)
@given(REQUESTS, QUERIES, st.none() | st.none() | DATES | HEADERS)
def test_any_request_gets_an_answer(
    request: tuple[str, str, bytes], query: str, unusual: str | dict[str, str] | None
) -> None:
    """Whatever comes, signed well or not, gets an answer that can be sent, and never raises."""
    kommo = InProcess()
    method, path, body = request
    path = path.replace("MESSAGE", kommo.message_id).replace("CHAT", kommo.chat_id)
    date = rfc2822(datetime.now(UTC)) if unusual is None else unusual
    headers = headers_dated(date, method, path, body) if isinstance(date, str) else date
    response = rules.answer(kommo.world, Request(method, path, query, headers, body))
    assert response.status in {200, 204, 400, 401, 403, 404, 405}
    assert json.dumps(response.payload, allow_nan=False, ensure_ascii=False).encode()


# --- The main API ---

AUTHORIZED = {"Authorization": BEARER}


def test_account_with_its_amojo_id(peer: Peer) -> None:
    """The account tells its amojo_id when it is asked for with `with=amojo_id`, and not otherwise."""
    url = f"{peer.url}/api/v4/account"
    plain = peer.http.get(url, headers=AUTHORIZED)
    asked = peer.http.get(url + "?with=task_types,amojo_id", headers=AUTHORIZED)
    assert (plain.status_code, asked.status_code) == (200, 200)
    assert asked.headers["content-type"] == "application/hal+json"
    assert asked.json() == plain.json() | {"amojo_id": peer.credentials.account_id}
    assert set(sample("kommo-account-response")) <= set(asked.json())
    assert "amojo_id" not in plain.json()


def test_users_with_their_amojo_ids(peer: Peer) -> None:
    """Users tell their amojo_id when asked; it is null for one who never opened the chats, and signs for no message."""
    url = f"{peer.url}/api/v4/users"
    users = peer.http.get(url, params={"with": "amojo_id"}, headers=AUTHORIZED).json()["_embedded"]["users"]
    assert [type(user["amojo_id"]) for user in users] == [str, str, type(None)]
    assert all(set(user) == set(sample("kommo-user-response")) for user in users)
    one = peer.http.get(f"{url}/{users[0]['id']}", params={"with": "amojo_id"}, headers=AUTHORIZED)
    assert one.json() == users[0]
    without = peer.http.get(url, headers=AUTHORIZED).json()["_embedded"]["users"]
    assert all("amojo_id" not in user for user in without)


@pytest.mark.parametrize("path", ["account", "users", "users/1001", "anything"])
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {Credentials.token}"])
def test_main_api_needs_a_token(peer: Peer, path: str, header: str | None) -> None:
    """Without the account's Bearer token the main API answers 401 as problem+json."""
    headers = {} if header is None else {"Authorization": header}
    response = peer.http.get(f"{peer.url}/api/v4/{path}", headers=headers)
    assert (response.status_code, response.json()["status"]) == (401, 401)
    assert response.headers["content-type"] == "application/problem+json"
    assert {"title", "type", "status", "detail"} == set(response.json())


def test_main_api_has_no_such_thing(peer: Peer) -> None:
    """An unknown entity is a 404, and a method that the sandbox lacks a 405, as problem+json."""
    for method, path, status in (("GET", "users/9", 404), ("GET", "leads", 404), ("POST", "account", 405)):
        response = peer.http.request(method, f"{peer.url}/api/v4/{path}", headers=AUTHORIZED)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
