"""The main API, client and sandbox: amojo_ids, chats of contacts, sources, chat templates, and every error in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import Peer, Stage, answering, sample
from hypothesis import example, given
from hypothesis import strategies as st

from kommo_nb.errors import ApiError, BadRequest, ConfigError, NotFound, RateLimited, ServerError, TransportError
from kommo_nb.main_api import MainApi
from kommo_nb.sandbox import rules
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.sandbox.http import Request, Response
from kommo_nb.session import open_session

TOKEN = Credentials.token


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as served:
        yield served


@pytest.fixture
def peer(stage: Stage) -> Peer:
    return stage.play(Sandbox())


@pytest.fixture
def api(peer: Peer) -> MainApi:
    return MainApi(peer.url, TOKEN)


def raw(peer: Peer, method: str, path: str, payload: Any = None, **headers: str) -> Any:
    """A call by plain httpx."""
    headers = {"Authorization": f"Bearer {TOKEN}", **headers}
    return peer.http.request(method, f"{peer.url}/api/v4/{path}", json=payload, headers=headers)


def complaint(response: Any) -> tuple[str, str]:
    """The row and the path of a 400 with `validation-errors`."""
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    row = response.json()["validation-errors"][0]
    return row["request_id"], row["errors"][0]["path"]


# --- amojo_ids ---


def test_account_and_users(api: MainApi, peer: Peer) -> None:
    """The account and the users come with their amojo_id, None for one who never opened the chats."""
    assert api.account()["amojo_id"] == peer.credentials.account_id
    assert [(user["name"], user["amojo_id"] is None) for user in api.users()] == [
        ("Maria Silva", False),
        ("Tom Becker", False),
        ("Not in chats yet", True),
    ]


# --- chats of contacts ---


def chat_with_message(peer: Peer) -> str:
    peer.connect()
    return str(peer.send()["conversation_id"])


def test_a_visible_chat_has_a_contact(api: MainApi, peer: Peer) -> None:
    """A chat with a message has the contact of its incoming lead; one without a message is seen by nobody."""
    chat_id = chat_with_message(peer)
    user = {"id": "unseen", "name": "Unseen"}
    empty = peer.ok("POST", f"{peer.scope_path}/chats", {"conversation_id": "empty", "user": user})["id"]
    (link,) = api.rows("contacts/chats", {"chat_id[]": [chat_id, empty]})
    assert link["chat_id"] == chat_id
    assert [row["name"] for row in api.rows("contacts") if row["id"] == link["contact_id"]] == ["Ada"]
    assert api.rows("contacts/chats", {"contact_id[]": link["contact_id"]}) == [link]


def test_linking_gives_the_chat_to_one_contact(api: MainApi, peer: Peer) -> None:
    """A chat that is linked leaves the contact that had it; the answer has the fields of Kommo's sample."""
    first = chat_with_message(peer)
    second = str(peer.send(conversation_id="c-2", sender={"id": "bob", "name": "Bob"})["conversation_id"])
    links = {row["chat_id"]: row for row in api.rows("contacts/chats", {"chat_id[]": [first, second]})}
    assert set(links[first]) == set(sample("ru-contacts-chats-list-response")["_embedded"]["chats"][0])
    bob = links[second]["contact_id"]
    made = api.link_chat(first, bob)
    assert set(made) == set(sample("kommo-contacts-chats-response")["_embedded"]["chats"][0])
    assert (made["chat_id"], made["contact_id"], made["request_id"]) == (first, bob, "0")
    assert {row["chat_id"] for row in api.rows("contacts/chats", {"contact_id[]": bob})} == {first, second}
    assert api.rows("contacts/chats", {"contact_id[]": links[first]["contact_id"]}) == []


def test_what_cannot_be_linked(api: MainApi, peer: Peer) -> None:
    """An unknown contact, an unknown chat, an id of the wrong type and a body that is no array are refused."""
    chat_id = chat_with_message(peer)
    contact_id = api.rows("contacts/chats", {"chat_id[]": chat_id})[0]["contact_id"]
    good = {"contact_id": contact_id, "chat_id": chat_id}
    wrong = [{"contact_id": 1}, {"contact_id": str(contact_id)}, {"chat_id": "c-1"}, {"chat_id": 5}]
    found = [complaint(raw(peer, "POST", "contacts/chats", [good, good | each])) for each in wrong]
    assert found == [("1", "contact_id"), ("1", "contact_id"), ("1", "chat_id"), ("1", "chat_id")]
    statuses = [raw(peer, "POST", "contacts/chats", each).status_code for each in (good, [], "x")]
    assert [*statuses, raw(peer, "GET", "contacts/chats").status_code] == [400] * 4
    with pytest.raises(BadRequest, match=r"POST contacts/chats: 400 .*contact_id: no such contact"):
        api.link_chat(chat_id, 1)


def test_no_session_cookies(api: MainApi, peer: Peer) -> None:
    """A call with a cookie fails, and the client never has one, whatever the server set before."""
    with answering(200, {"id": 1}, Set_Cookie="session_id=abc") as (url, seen):
        client = MainApi(url, TOKEN)
        client.account()
        client.account()
    assert [request["Cookie"] for request in seen] == [None, None]
    answer = raw(peer, "GET", "contacts/chats?chat_id[]=x", Cookie="session_id=abc")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


# --- sources ---


def test_a_source_from_birth_to_end(api: MainApi, peer: Peer) -> None:
    """A source is added, listed, changed and deleted; without any the list is a 204, and the client's is empty."""
    assert (raw(peer, "GET", "sources").status_code, api.rows("sources")) == (204, [])
    shop = api.add("sources", name="Shop", external_id="+1 555 0100", pipeline_id=1300)
    assert set(sample("ru-source-get-response")) - {"_links"} <= set(shop)
    changed = api.edit("sources", shop["id"], name="Shop in town", default=True)
    assert (changed["name"], changed["default"], changed["pipeline_id"]) == ("Shop in town", True, 1300)
    assert api.rows("sources") == [api.get(f"sources/{shop['id']}")] == [changed]
    api.delete("sources", shop["id"])
    assert api.rows("sources") == []
    for call in (lambda: api.delete("sources", shop["id"]), lambda: api.edit("sources", shop["id"], name="x")):
        with pytest.raises(NotFound):
            call()


def test_rules_of_sources(api: MainApi, peer: Peer) -> None:
    """external_id is unique, unchangeable and 36 ASCII characters at most; one source is the default; a name is due."""
    first = api.add("sources", name="One", external_id="one", default=True)
    wrong = {
        "name": {"external_id": "two"},
        "external_id": {"name": "Two", "external_id": "one"},
        "default": {"name": "Two", "external_id": "two", "default": True},
        "pipeline_id": {"name": "Two", "external_id": "two", "pipeline_id": "7"},
    }
    assert {path: complaint(raw(peer, "POST", "sources", [row]))[1] for path, row in wrong.items()} == {
        path: path for path in wrong
    }
    for external_id in ("x" * 37, "Köln", ""):
        row = {"name": "Two", "external_id": external_id}
        assert complaint(raw(peer, "POST", "sources", [row])) == ("0", "external_id")
    assert complaint(raw(peer, "PATCH", f"sources/{first['id']}", {"external_id": "uno"})) == ("0", "external_id")
    assert api.add("sources", name="Two", external_id="x" * 36)["id"] != first["id"]


def test_of_many_rows_all_are_added_or_none(api: MainApi, peer: Peer) -> None:
    """A wrong row keeps its whole request out, and is named by its place; request_id comes back."""
    rows = [{"name": "One", "external_id": "one", "request_id": "a"}, {"name": "Two", "external_id": "one"}]
    assert complaint(raw(peer, "POST", "sources", rows)) == ("1", "external_id")
    assert api.rows("sources") == []
    rows[1]["external_id"] = "two"
    added = raw(peer, "POST", "sources", rows).json()["_embedded"]["sources"]
    assert [row["request_id"] for row in added] == ["a", "1"]


def test_no_more_than_a_hundred_sources(api: MainApi, peer: Peer) -> None:
    """A hundred sources can be there; the next one is refused."""
    many = [{"name": "S", "external_id": str(number)} for number in range(100)]
    assert raw(peer, "POST", "sources", many).status_code == 200
    with pytest.raises(BadRequest, match="100 sources"):
        api.add("sources", name="S", external_id="100")
    assert len(api.rows("sources")) == 100


# --- chat templates ---


def test_templates_page_by_page(api: MainApi, peer: Peer) -> None:
    """Templates come 50 a page, and the client brings them all, in order; a filter picks one."""
    rows = [{"name": f"T{number}", "content": "Hello", "external_id": f"t-{number}"} for number in range(100)]
    raw(peer, "POST", "chats/templates", rows)
    api.add("chats/templates", name="T100", content="{{lead.name}}", waba_footer="Bye")
    assert len(raw(peer, "GET", "chats/templates").json()["_embedded"]["chat_templates"]) == 50
    found = api.rows("chats/templates")
    assert [row["name"] for row in found] == [f"T{number}" for number in range(101)]
    assert found[-1]["waba_footer"] == "Bye"
    (one,) = api.rows("chats/templates", {"filter[external_id]": "t-7"})
    assert one["name"] == "T7"
    api.edit("chats/templates", one["id"], content="Good day")
    api.delete("chats/templates", found[0]["id"])
    after = api.rows("chats/templates")
    assert [row["content"] for row in after if row["name"] in ("T0", "T7")] == ["Good day"]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"content": "x"}, "name"),
        ({"name": "x"}, "content"),
        ({"name": "x", "content": "x", "type": "sms"}, "type"),
        ({"name": "x", "content": 5}, "content"),
    ],
)
def test_rules_of_templates(peer: Peer, row: dict[str, Any], path: str) -> None:
    """A template needs a name and a content, both texts, and is of one of two types."""
    assert complaint(raw(peer, "POST", "chats/templates", [row])) == ("0", path)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"[]", b"[{}" * 5000, b'[{"name":NaN}]', b'[{"name":"\\ud800"}]'])
@pytest.mark.parametrize("path", ["sources", "chats/templates", "contacts/chats"])
def test_a_body_that_is_no_array_of_objects(peer: Peer, path: str, body: bytes) -> None:
    """What is no JSON array of objects is refused as problem+json, and stored nowhere."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = peer.http.post(f"{peer.url}/api/v4/{path}", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "sources", 405),
        ("DELETE", "sources", 405),
        ("POST", "users", 405),
        ("DELETE", "contacts/chats", 405),
        ("GET", "sources/x", 404),
        ("GET", "sources/1/2", 404),
        ("GET", "chats", 404),
    ],
)
def test_what_there_is_not(peer: Peer, method: str, path: str, status: int) -> None:
    """Another method is a 405, another path a 404, both as problem+json."""
    answer = raw(peer, method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


# --- errors of the client ---


@pytest.mark.parametrize(
    ("status", "error_class", "advice"),
    [
        (401, ApiError, "KOMMO_NB_TOKEN"),
        (402, ApiError, "not paid"),
        (403, ApiError, "administrator"),
        (404, NotFound, "check the id"),
        (422, ApiError, ""),
        (429, RateLimited, "7 requests a second"),
        (503, ServerError, ""),
        (301, ApiError, "address"),
    ],
)
def test_each_error_says_what_to_do(status: int, error_class: type[ApiError], advice: str) -> None:
    """Each status becomes its class, with Kommo's words and an advice, and without the token."""
    said = rf"GET account: {status} Because; .*{advice}"
    problem = {"title": "No", "status": status, "detail": "Because"}
    with answering(status, problem) as (url, seen), pytest.raises(error_class, match=said) as caught:
        MainApi(url, "t0ken-of-mine").account()
    assert caught.value.status == status and "t0ken" not in str(caught.value)
    assert seen[0]["Authorization"] == "Bearer t0ken-of-mine"


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"[]", b"5"])
def test_a_page_is_no_answer(body: bytes) -> None:
    """A 200 with something else than a JSON object, such as a proxy's page, is an error, not an empty answer."""
    with answering(200, body) as (url, _), pytest.raises(ApiError, match="is the address right"):
        MainApi(url, TOKEN).account()


def test_nobody_there() -> None:
    """An address where nobody listens is a TransportError that names it."""
    with answering(200, {}) as (url, _):
        pass
    with pytest.raises(TransportError, match=f"{url} is right"):
        MainApi(url, TOKEN).account()


@pytest.mark.parametrize(("url", "token"), [("http://example.kommo.com", "t"), ("example.kommo.com", "t"), ("", "t")])
def test_a_token_never_travels_unencrypted(url: str, token: str) -> None:
    """Beyond this machine the address has to be https."""
    with pytest.raises(ConfigError, match="https://example"):
        MainApi(url, token)


def test_no_token() -> None:
    """Without a token there is no client, and the variable is named."""
    with pytest.raises(ConfigError, match="KOMMO_NB_TOKEN"):
        MainApi("https://example.kommo.com", "")


def test_a_live_session_asks_the_main_api(peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lesson on a live account asks the main API with the token of the settings, and names what is missing."""
    ids = {
        "CHANNEL_ID": "c",
        "ACCOUNT_ID": "a",
        "SECRET": "s",
        "ACCOUNT_URL": peer.url,
        "BASE_URL": peer.url,
        "DB": str(tmp_path / "x.db"),
    }
    for name, value in {"PROFILE": "live", **ids}.items():
        monkeypatch.setenv(f"KOMMO_NB_{name}", value)
    session = open_session("03")
    with pytest.raises(ConfigError, match="KOMMO_NB_TOKEN"):
        session.main_api("/api/v4/account?with=amojo_id")
    session.close()
    monkeypatch.setenv("KOMMO_NB_TOKEN", TOKEN)
    session = open_session("03")
    assert session.main_api("/api/v4/account?with=amojo_id")["amojo_id"] == peer.credentials.account_id
    assert TOKEN not in repr(session.settings)
    session.close()


# --- anything at all ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ROW = st.fixed_dictionaries(
    {"name": JSON | st.just("S"), "content": JSON | st.just("C"), "external_id": JSON | st.just("x")},
    optional={
        name: JSON for name in ("services", "buttons", "request_id", "id", "default", "waba_examples", "chat_id")
    },
)


@given(
    st.sampled_from(["sources", "chats/templates", "contacts/chats", "sources/2001", "chats/templates/2002"]),
    st.sampled_from(["POST", "PATCH", "DELETE", "GET"]),
    st.lists(ROW, max_size=2).map(json.dumps) | ROW.map(json.dumps) | JSON.map(json.dumps),
    st.text(max_size=9) | st.sampled_from(["page=2&limit=²", "page=0&limit=0", "filter[external_id]=x", "chat_id[]=x"]),
)
@example("sources", "POST", '[{"name": "S", "external_id": "x", "services": [{"a": 1e999}]}]', "")
@example("chats/templates", "POST", '[{"name": "S", "content": "C", "waba_examples": [NaN]}]', "")
@example("sources/2001", "PATCH", '{"id": 7, "name": "changed"}', "")
def test_any_body_gets_an_answer(path: str, method: str, body: str, query: str) -> None:
    """Whatever is sent gets an answer that is JSON, and the rows that are there keep their ids."""
    world = Sandbox().world
    headers = {"authorization": f"Bearer {TOKEN}"}

    def ask(method: str, path: str, body: str = "", query: str = "") -> Response:
        return rules.answer(world, Request(method, f"/api/v4/{path}", query, headers, body.encode()))

    ask("POST", "sources", '[{"name": "S", "external_id": "first"}]')
    ask("POST", "chats/templates", '[{"name": "T", "content": "C"}]')
    assert ask(method, path, body, query).status in {200, 204, 400, 404, 405}
    for name in ("sources", "chats/templates"):
        answer = ask("GET", name)
        json.dumps(answer.payload, allow_nan=False, ensure_ascii=False).encode()
        rows = next(iter(answer.payload["_embedded"].values())) if answer.payload else []
        assert all(ask("GET", f"{name}/{row['id']}").payload == row for row in rows)
