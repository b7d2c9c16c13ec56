"""ChatsClient: its errors, its retries, what it notes in the store, and that the sandbox takes all that it sends."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from helpers import Peer, Receiver, Stage, receiving, sample, signed

from kommo_nb import (
    Audio,
    Channel,
    ChatsClient,
    Contact,
    File,
    Forward,
    Location,
    Person,
    Picture,
    Post,
    Quoted,
    SharedPost,
    Sticker,
    Store,
    Text,
    Video,
    Voice,
)
from kommo_nb.clock import SeededClock
from kommo_nb.errors import (
    ApiError,
    BadRequest,
    ConfigError,
    KommoError,
    NotFound,
    RateLimited,
    RepeatedMsgid,
    ServerError,
    SignatureRefused,
    TransportError,
)
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.wire.records import Exchange

CREDENTIALS = Credentials()
SECRET = CREDENTIALS.secret
CHANNEL = Channel(id=CREDENTIALS.channel_id, secret=SECRET, account_id=CREDENTIALS.account_id, name="Acme")
NOWHERE = "http://kommo.invalid"
ADA = Person(id="ada", name="Ada", phone="+4930123456")
ACCEPTED = (200, {"new_message": {"msgid": "k-1", "ref_id": "m-1", "conversation_id": "k-chat", "sender_id": "k-ada"}})

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | Exception


class Script:
    """A transport that gives the scripted answers, the last one again and again, and keeps the requests and waits."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, payload, *headers = answer
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return httpx.Response(status, content=content, headers=headers[0] if headers else None)

    def client(self, **options: Any) -> ChatsClient:
        given: dict[str, Any] = {"transport": httpx.MockTransport(self), "sleep": self.waits.append} | options
        return ChatsClient(CHANNEL, NOWHERE, **given)

    def send(self, **options: Any) -> Any:
        with self.client(**options) as client:
            return client.send(Text("Hello"), conversation_id="c-1", sender=ADA, msgid="m-1")

    def error(self, **options: Any) -> KommoError:
        with pytest.raises(KommoError) as caught:
            self.send(**options)
        return caught.value


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


@pytest.fixture
def peer(stage: Stage) -> Peer:
    """A fresh sandbox, seen by a caller that is not ours."""
    return stage.play(Sandbox())


@pytest.fixture
def client(peer: Peer) -> Iterator[ChatsClient]:
    """Our client of the same sandbox, connected."""
    with ChatsClient(CHANNEL, peer.url) as client:
        client.connect(CREDENTIALS.account_id)
        yield client


# --- Errors ---

SAID = {"error_type": "SOME_WORD", "error_description": "what Kommo says"}


@pytest.mark.parametrize(
    ("status", "answer", "error_class", "hint"),
    [
        (400, SAID, BadRequest, "ids are strings"),
        (400, SAID | {"error_type": "MSGID_ALREADY_USED"}, RepeatedMsgid, "a new message needs a new msgid"),
        (403, sample("error-amojo-403-signature"), SignatureRefused, "clock is right to 15 minutes"),
        (404, sample("error-amojo-404-not-registered"), NotFound, "connect first"),
        (429, SAID, RateLimited, "slow down"),
        (402, SAID, ApiError, "try again later"),
        (500, SAID, ServerError, "try again later"),
        (503, b"<html>busy</html>", ServerError, "try again later"),
        (400, b"", BadRequest, "ids are strings"),
        (400, b"[" * 100_000, BadRequest, "ids are strings"),
        (400, b"[7]", BadRequest, "ids are strings"),
        (302, SAID, ApiError, "check the base URL"),
    ],
)
def test_error_says_what_failed_and_what_to_try(
    status: int, answer: Any, error_class: type[ApiError], hint: str
) -> None:
    """Each status becomes its own error, whose one line names the call, Kommo's words and what to try next."""
    error = Script((status, answer)).error()
    assert type(error) is error_class
    assert isinstance(error, ApiError)
    told = answer if isinstance(answer, dict) else {"error_type": "", "error_description": ""}
    assert (error.status, error.error_type, error.exchange_id) == (status, told["error_type"], None)
    assert str(error).startswith(f"send: {status}")
    assert told["error_type"] in str(error)
    assert told["error_description"] in str(error)
    assert hint in str(error)
    assert "\n" not in str(error)


def test_long_answer_makes_no_long_message() -> None:
    """However much an error answer says, the message stays readable and holds no whole body."""
    error = Script((400, {"error_type": "X", "error_description": "blah " * 10_000})).error()
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "answer",
    [
        (403, {"error_type": "X"}),
        (500, b""),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        (200, b"<html>"),
    ],
    ids=repr,
)
def test_no_text_of_an_error_holds_the_secret(answer: Answer, store: Store) -> None:
    """Neither the message, the repr, the traceback nor the noted row of any failed call shows the secret."""
    error = Script(answer).error(store=store)
    noted = repr(store.query("SELECT * FROM exchanges"))
    assert "m-1" in noted
    for text in (str(error), repr(error), "".join(traceback.format_exception(error)), noted):
        assert SECRET not in text


def test_no_text_of_a_client_holds_the_secret(client: ChatsClient) -> None:
    """Nor does a client or a channel that is printed, with what they hold one level down."""
    for text in (repr(client), repr(vars(client)), repr(vars(client._calls)), repr(CHANNEL), str(CHANNEL)):
        assert SECRET not in text


@pytest.mark.parametrize("answer", [b"<html>Sign in to the hotel's network</html>", b"[]", b'"ok"', b"\xff", b"7"])
@pytest.mark.parametrize("call", ["connect", "create_chat", "send", "history"])
def test_answer_that_is_no_answer(call: str, answer: bytes) -> None:
    """A 200 that does not come from Kommo is an error, and never an empty history or a receipt."""
    with Script((200, answer)).client() as client, pytest.raises(ApiError, match="cannot be read"):
        match call:
            case "connect":
                client.connect("account")
            case "create_chat":
                client.create_chat("c-1", ADA)
            case "send":
                client.send(Text("x"), conversation_id="c-1", sender=ADA)
            case "history":
                client.history("k-chat")


@pytest.mark.parametrize(
    "url",
    [
        *("", "amojo.kommo.com", "ftp://amojo.kommo.com", "mailto:x@y.z", "http://", "https:///v2"),
        *("http://[::1", "http://h:port", "http://h:99999", "http://h:0", "http://\x00/"),
    ],
)
def test_base_url_that_is_none(url: str) -> None:
    """An address that cannot be one is refused when the client is made, with an example of a good one."""
    with pytest.raises(ConfigError, match=re.escape("must look like https://amojo.kommo.com")):
        ChatsClient(CHANNEL, url)


def test_sandbox_that_is_not_running() -> None:
    """When nobody listens, the error names the address and the command that starts the sandbox."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"  # bound, but it does not listen
        said = pytest.raises(TransportError, match=f"cannot be reached.*{url}.*kommo-nb sandbox")
        with ChatsClient(CHANNEL, url, attempts=2, sleep=lambda _: None) as client, said as caught:
            client.send(Text("x"), conversation_id="c-1", sender=ADA)
    assert caught.value.exchange_id is None


def test_no_scope_yet(peer: Peer) -> None:
    """Before connect, and without an account in the channel, a call on the scope says to connect first."""
    with ChatsClient(Channel(id=CREDENTIALS.channel_id, secret=SECRET), peer.url) as client:
        for call in (lambda: client.history("x"), lambda: client.typing("c-1", "ada")):
            with pytest.raises(ConfigError, match=re.escape("client.connect(account_id)")):
                call()
        connection = client.connect(CREDENTIALS.account_id, title="Shop", is_time_window_disabled=True)
        assert connection.scope_id == client.scope_id == CREDENTIALS.scope_id
        assert (connection.title, connection.hook_api_version) == ("Shop", "v2")
        assert connection.is_time_window_disabled is True
        assert client.history("x") == []


def test_disconnect_and_then_send(client: ChatsClient) -> None:
    """Against a scope that vanished, each call is a NotFound, and so is a second disconnect."""
    client.disconnect(CREDENTIALS.account_id)
    with pytest.raises(NotFound, match="ORIGIN_NOT_REGISTERED"):
        client.send(Text("x"), conversation_id="c-1", sender=ADA)
    with pytest.raises(NotFound):
        client.disconnect(CREDENTIALS.account_id)


def test_wrong_secret_and_wrong_clock(peer: Peer) -> None:
    """A wrong secret and a clock that is off are the same SignatureRefused, for Kommo does not tell them apart."""
    peer.connect()
    other = CHANNEL.model_copy(update={"secret": "some-other-secret"})
    late = SeededClock("late", start=datetime(2020, 1, 1, tzinfo=UTC))
    for channel, clock in ((other, None), (CHANNEL, late)):
        with ChatsClient(channel, peer.url, clock=clock) as client, pytest.raises(SignatureRefused) as caught:
            client.typing("c-1", "ada")
        assert caught.value.error_type == "ORIGIN_INVALID_SIGNATURE"


# --- Retries ---

FAILURES: list[Answer] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("late"),
    httpx.ReadTimeout("late"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed"),
    (429, {}),
    (500, {}),
    (502, b"<html>"),
    (503, {}),
]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_retry_after_a_passing_failure(failure: Answer, store: Store) -> None:
    """After each passing failure the same bytes go again, under a fresh Date and a signature that fits it."""
    script = Script(failure, failure, ACCEPTED)
    clock = SeededClock("retry", start=datetime(2026, 3, 1, tzinfo=UTC))
    receipt = script.send(clock=clock, store=store)
    assert (receipt.message_id, receipt.msgid) == ("k-1", "m-1")
    assert len({request.content for request in script.requests}) == 1
    assert json.loads(script.requests[0].content)["payload"]["msgid"] == "m-1"
    assert len({request.headers["date"] for request in script.requests}) == 3
    for request in script.requests:
        date = request.headers["date"]
        headers = signed("POST", request.url.path, request.content, secret=SECRET, date=date)
        assert {name: request.headers[name] for name in headers} == headers
    assert len(script.waits) == 2
    (row,) = store.query("SELECT * FROM exchanges")
    assert (row["state"], row["attempts"], row["status"]) == ("done", 3, 200)


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_are_limited(failure: Answer, attempts: int, store: Store) -> None:
    """A failure that stays is tried as often as was asked for, with a wait between, and then raised and noted."""
    script = Script(failure)
    error = script.error(attempts=attempts, store=store)
    assert (len(script.requests), len(script.waits)) == (attempts, attempts - 1)
    (row,) = store.query("SELECT * FROM exchanges")
    assert (row["state"], row["attempts"], row["id"]) == ("failed", attempts, error.exchange_id)


def test_default_is_four_attempts() -> None:
    """Without a word about it there are four attempts."""
    script = Script((500, {}))
    script.error()
    assert len(script.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 301, 302, 307])
def test_settled_answers_are_not_retried(status: int) -> None:
    """What Kommo has decided, and a redirect, is not asked a second time, nor followed."""
    script = Script((status, {}, {"Location": f"{NOWHERE}/elsewhere"}))
    error = script.error()
    assert isinstance(error, ApiError)
    assert (len(script.requests), script.waits) == (1, [])


@pytest.mark.parametrize(
    ("payload", "headers"),
    [({"retry_after": 7}, {}), (b"", {"Retry-After": "7"}), ({"retry_after": "7"}, {}), (b"x", {"retry-after": "7"})],
)
def test_wait_that_was_asked_for(payload: Any, headers: dict[str, str]) -> None:
    """A 429 says how long to wait, in its body or in its header."""
    script = Script((429, payload, headers), ACCEPTED)
    script.send()
    assert script.waits == [7.0]


@pytest.mark.parametrize("asked", ["300", "9" * 400])
def test_wait_that_was_asked_for_is_capped(asked: str) -> None:
    """No answer makes the client wait for more than a minute."""
    script = Script((429, b"", {"Retry-After": asked}), ACCEPTED)
    script.send()
    assert script.waits == [60.0]


@pytest.mark.parametrize("asked", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "1.5", "soon", ""])
def test_wait_in_an_unknown_form(asked: str) -> None:
    """A Retry-After that is no whole number leaves the usual wait."""
    script = Script((429, b"", {"Retry-After": asked}), ACCEPTED)
    script.send()
    assert 0.25 <= script.waits[0] <= 0.75


def test_waits_grow_with_jitter_up_to_a_minute() -> None:
    """Waits double from about half a second, each up to half more or less, and end at a minute."""
    runs = []
    for _ in range(20):
        script = Script((500, {}))
        script.error(attempts=12)
        runs.append(script.waits)
    for waits in zip(*runs, strict=True):
        assert len(set(waits)) > 1 or waits[0] == 60
    for waits in runs:
        for number, wait in enumerate(waits):
            middle = 0.5 * 2**number
            assert min(0.5 * middle, 60) <= wait <= min(1.5 * middle, 60)


def test_every_call_is_retried() -> None:
    """Each of the eight calls survives a failure."""
    answer = ACCEPTED[1] | {"account_id": "a", "scope_id": "s", "id": "k-chat", "user": {"id": "k-ada"}}
    calls: list[Callable[[ChatsClient], Any]] = [
        lambda client: client.connect("a"),
        lambda client: client.disconnect("a"),
        lambda client: client.create_chat("c-1", ADA),
        lambda client: client.send(Text("x"), conversation_id="c-1", sender=ADA),
        lambda client: client.edit(Text("x"), conversation_id="c-1", msgid="m-1"),
        lambda client: client.set_delivery_status("k-1", 1),
        lambda client: client.history("k-chat"),
        lambda client: client.typing("c-1", "ada"),
        lambda client: client.react("👍", conversation_id="c-1", msgid="m-1"),
    ]
    for call in calls:
        script = Script((503, {}), (200, answer))
        with script.client() as client:
            call(client)
        first, second = script.requests
        assert (first.method, first.url, first.content) == (second.method, second.url, second.content)


def test_kommo_that_hangs() -> None:
    """Over real HTTP, a receiver that does not answer in time is tried again with the same bytes, and then named."""
    with (
        receiving() as hanging,
        ChatsClient(CHANNEL, hanging.url, timeout_s=0.15, attempts=2, sleep=lambda _: None) as client,
    ):
        hanging.gate.clear()
        with pytest.raises(TransportError, match=f"did not answer in time.*{hanging.url}"):
            client.send(Text("x"), conversation_id="c-1", sender=ADA)
        first, second = hanging.seen
        assert first.body == second.body


def test_sandbox_that_comes_up_late(peer: Peer) -> None:
    """A Kommo that refuses connections at first gets the message once, as soon as it is there."""
    peer.connect()
    real = httpx.HTTPTransport()
    refusals = iter([True, True])

    class Late(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if next(refusals, False):
                raise httpx.ConnectError("refused")
            return real.handle_request(request)

    with real, ChatsClient(CHANNEL, peer.url, transport=Late(), sleep=lambda _: None) as client:
        receipt = client.send(Text("Hello"), conversation_id="c-1", sender=ADA)
    assert [item["message"]["id"] for item in peer.history(receipt.chat_id)] == [receipt.message_id]


def test_answer_that_was_lost(peer: Peer) -> None:
    """If Kommo took a message and its answer is lost, the retry is refused as repeated, and nothing doubles."""
    peer.connect()
    real = httpx.HTTPTransport()
    losses = iter([True])

    class Lossy(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = real.handle_request(request)
            response.read()
            if next(losses, False):
                raise httpx.ReadError("reset")
            return response

    refused = pytest.raises(RepeatedMsgid, match="has arrived before")
    with real, ChatsClient(CHANNEL, peer.url, transport=Lossy(), sleep=lambda _: None) as client, refused:
        client.send(Text("Hello"), conversation_id="c-1", sender=ADA)
    (chat,) = peer.state()["chats"]
    assert chat["messages"] == 1


# --- What is noted ---


def test_call_is_noted_before_it_is_made(store: Store) -> None:
    """When the transport gets the request, another connection to the file already reads it as pending."""
    seen = []

    def look(request: httpx.Request) -> httpx.Response:
        with sqlite3.connect(store.path) as other:
            columns = "state, kind, method, path, request_body, msgid, attempts, status"
            seen.extend(other.execute(f"SELECT {columns} FROM exchanges").fetchall())
        other.close()
        seen.append(request)
        return httpx.Response(ACCEPTED[0], json=ACCEPTED[1])

    with ChatsClient(CHANNEL, NOWHERE, store=store, transport=httpx.MockTransport(look)) as client:
        receipt = client.send(Text("Hello"), conversation_id="c-1", sender=ADA, msgid="m-1")
    row, request = seen
    assert row == ("pending", "send", "POST", request.url.path, request.content, "m-1", 0, None)
    assert receipt.exchange_id == 1


def test_outcome_is_noted(store: Store) -> None:
    """After the answer the row says done or failed, with attempts, status, the answer's bytes, error type and time."""
    Script((503, {}), ACCEPTED).send(store=store)
    Script((403, sample("error-amojo-403-signature"))).error(store=store)
    Script(httpx.ConnectError("refused")).error(store=store, attempts=1)
    columns = "state, attempts, status, error_type"
    rows = [tuple(row.values()) for row in store.query(f"SELECT {columns} FROM exchanges ORDER BY id")]
    assert rows == [
        ("done", 2, 200, None),
        ("failed", 1, 403, "ORIGIN_INVALID_SIGNATURE"),
        ("failed", 1, None, "TransportError"),
    ]
    bodies = [row["response_body"] for row in store.query("SELECT response_body FROM exchanges ORDER BY id")]
    assert [body and json.loads(body) for body in bodies] == [ACCEPTED[1], sample("error-amojo-403-signature"), None]
    assert all(row["elapsed_ms"] >= 0 for row in store.query("SELECT elapsed_ms FROM exchanges"))


def test_calls_that_never_start_are_not_noted(store: Store) -> None:
    """A mistake that is found before the request is made leaves no row."""
    script = Script(ACCEPTED)
    with script.client(store=store) as client:
        with pytest.raises(ValueError, match="905"):
            client.set_delivery_status("k-1", -1, 905)
        with pytest.raises(ValueError, match="msgid"):
            client.edit(Text("x"), conversation_id="c-1")
        with pytest.raises(ValueError, match="conversation_id"):
            client.react("👍", msgid="m-1")
    assert (script.requests, store.query("SELECT * FROM exchanges")) == ([], [])


class Crash(BaseException):
    """What ends a process: no error that anybody handles."""


class Crashing(httpx.BaseTransport):
    """Dies on each request; with `after`, only once Kommo has taken it."""

    def __init__(self, *, after: bool) -> None:
        self._after, self._real = after, httpx.HTTPTransport()
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        if self._after:
            self._real.handle_request(request).read()
        raise Crash

    def close(self) -> None:
        self._real.close()


def crash(url: str, store: Store, *, after: bool, msgids: tuple[str, ...] = ("m-1",)) -> list[bytes]:
    """The bytes of the calls during which the process died."""
    transport = Crashing(after=after)
    with ChatsClient(CHANNEL, url, store=store, transport=transport) as client:
        for msgid in msgids:
            with pytest.raises(Crash):
                client.send(Text("é 😍"), conversation_id="c-1", sender=ADA, msgid=msgid)
    assert {row["state"] for row in store.query("SELECT state FROM exchanges")} == {"pending"}
    return transport.bodies


class Recording(httpx.HTTPTransport):
    """Real HTTP, and the bodies that went over it."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.read())
        return super().handle_request(request)


def test_resume_sends_what_never_left(peer: Peer, store: Store) -> None:
    """Calls that died before Kommo had them are made again byte for byte, in their order, and are then done."""
    peer.connect()
    died = crash(peer.url, store, after=False, msgids=("m-1", "m-2"))
    assert peer.state()["chats"] == []
    recording = Recording()
    with ChatsClient(CHANNEL, peer.url, store=store, transport=recording) as client:
        assert client.resume(older_than_s=-1) == 2
        assert client.resume(older_than_s=-1) == 0
    assert recording.bodies == died
    chat_id = peer.state()["chats"][0]["chat_id"]
    assert {item["message"]["client_id"] for item in peer.history(chat_id)} == {"m-1", "m-2"}
    rows = store.query("SELECT state, attempts, status FROM exchanges")
    assert rows == [{"state": "done", "attempts": 1, "status": 200}] * 2


def test_resume_doubles_nothing(peer: Peer, store: Store) -> None:
    """A call that Kommo had already taken is refused as repeated, noted as failed for that reason, and stands once."""
    peer.connect()
    died = crash(peer.url, store, after=True)
    recording = Recording()
    with ChatsClient(CHANNEL, peer.url, store=store, transport=recording) as client:
        assert client.resume(older_than_s=-1) == 1
    assert recording.bodies == died
    (chat,) = peer.state()["chats"]
    assert chat["messages"] == 1
    (row,) = store.query("SELECT state, status, error_type FROM exchanges")
    assert row == {"state": "failed", "status": 400, "error_type": "MSGID_ALREADY_USED"}


def test_resume_leaves_young_calls_alone(peer: Peer, store: Store) -> None:
    """A call that was begun less than a minute ago may still be under way elsewhere."""
    crash(peer.url, store, after=False)
    script = Script(ACCEPTED)
    with script.client(store=store) as client:
        assert client.resume() == 0
    assert script.requests == []


def test_resume_needs_a_store() -> None:
    """Without a store nothing was noted, and the error says where to give one."""
    with Script(ACCEPTED).client() as client, pytest.raises(ConfigError, match=re.escape("store=Store(path)")):
        client.resume()


# --- Against the sandbox ---

URL = "https://example.com/a.bin"
KINDS = [
    Text("é 😍 שלום", callback_data="row-1"),
    Text("look", shared_post=SharedPost(url="https://example.com/p/1", site_name="example")),
    Picture(URL, text="caption", file_name="a.png", file_size=7),
    File(URL, file_name="a.pdf", file_size=0),
    Video(URL, file_name="a.mp4", file_size=7, media_duration=12),
    Voice(URL, media_duration=5),
    Audio(URL, media_duration=0),
    Sticker(URL, sticker_id="s-1"),
    Location(lon=-46.63, lat=-23.0),
    Contact(name="Bea", phone="+4930999"),
]


@pytest.mark.parametrize("message", KINDS, ids=lambda message: message.type)
def test_kinds_of_message(client: ChatsClient, message: Any) -> None:
    """Each of the nine kinds is accepted, and history tells its kind, text and file."""
    receipt = client.send(message, conversation_id="c-1", sender=ADA)
    assert receipt.chat_id is not None
    (shown,) = client.history(receipt.chat_id)
    assert (shown.message_id, shown.msgid, shown.type) == (receipt.message_id, receipt.msgid, message.type)
    assert (shown.text, shown.media) == (message.text, getattr(message, "media", None))
    assert shown.file_name == getattr(message, "file_name", None)
    assert shown.file_size == (getattr(message, "file_size", None) or 0)
    assert (shown.sender.id, shown.sender.client_id, shown.sender.phone) == (receipt.sender_id, "ada", ADA.phone)
    assert shown.receiver is None


def test_all_nine_kinds_are_tried() -> None:
    """The examples above are all kinds that Kommo knows."""
    kinds = "text contact file video picture voice audio sticker location"
    assert {message.type for message in KINDS} == set(kinds.split())


def test_forms_of_sending(client: ChatsClient) -> None:
    """Reply, forward, comment, silent import, source, and the forms of a manager and of the bot are all accepted."""
    bot = Person(id="bot", name="Bot", ref_id=CREDENTIALS.bot_id)
    maria = Person(id="maria", name="Maria", ref_id="76fc2bea-902f-425c-9a3d-dcdac4766090")
    whole = Quoted(message=Text("old"), sent_at=datetime(2026, 3, 1, tzinfo=UTC), sender=ADA)

    def send(text: str, sender: Person = ADA, **options: Any) -> Any:
        message = Text(text, post=Post(id="p-1", url="https://example.com/p/1") if text == "comment" else None)
        return client.send(message, conversation_id="c-1", sender=sender, **options)

    first = send("first", source="78001234567")
    receipts = [
        first,
        send("reply by id", reply_to=Quoted(id=first.message_id)),
        send("reply by msgid", reply_to=Quoted(msgid=first.msgid)),
        send("reply with all of it", reply_to=whole),
        send("forward", forwards=Forward(message=Quoted(id=first.message_id), conversation_id="c-1")),
        send("comment"),
        send("import", silent=True, sent_at=datetime(2020, 1, 1, tzinfo=UTC)),
        send("of a manager", maria, receiver=ADA),
        send("of the bot", bot, receiver=ADA),
    ]
    shown = {item.message_id: item for item in client.iter_history(first.chat_id)}
    assert len(shown) == len(receipts)
    assert [shown[receipt.message_id].msgid for receipt in receipts] == [receipt.msgid for receipt in receipts]
    assert next(reversed(shown.values())).sent_at_ms == 1577836800000
    for receipt, sender in ((receipts[-2], maria), (receipts[-1], bot)):
        item = shown[receipt.message_id]
        assert item.sender.id == receipt.sender_id == sender.ref_id
        assert item.receiver is not None
        assert (item.receiver.id, item.receiver.client_id) == (receipt.receiver_id, "ada")


def test_chat_before_its_first_message(client: ChatsClient) -> None:
    """A chat that is made in advance has the ids that the first message then gets."""
    chat = client.create_chat("c-1", ADA, source="78001234567")
    assert (chat.user.client_id, chat.user.name, chat.user.phone) == ("ada", "Ada", ADA.phone)
    receipt = client.send(Text("Hello"), conversation_id="c-1", sender=ADA)
    assert (receipt.chat_id, receipt.sender_id) == (chat.id, chat.user.id)


def test_the_other_calls(client: ChatsClient, peer: Peer) -> None:
    """Edit, status, typing, react and unreact are accepted by the sandbox, by our ids and by Kommo's."""
    receipt = client.send(Text("Hello"), conversation_id="c-1", sender=ADA)
    client.edit(Text("once"), conversation_id="c-1", msgid=receipt.msgid)
    client.edit(Text("twice"), conversation_id="c-1", id=receipt.message_id)
    assert [item.text for item in client.history(receipt.chat_id or "")] == ["twice"]
    for status in ((1,), (2,), (-1, 901), (-1, 905, "Number is not on WhatsApp")):
        client.set_delivery_status(receipt.message_id, *status)
    client.typing("c-1", "ada")
    client.typing("c-1", "ada", duration_ms=1_000)
    for chat in ({"conversation_id": "c-1"}, {"conversation_ref_id": receipt.chat_id}):
        for message in ({"msgid": receipt.msgid}, {"id": receipt.message_id}):
            client.react("😍", **chat, **message, user=ADA)
            client.unreact(**chat, **message, user=ADA)


def test_repeated_msgid(client: ChatsClient) -> None:
    """A msgid that was used is a RepeatedMsgid, and nothing doubles."""
    first = client.send(Text("one"), conversation_id="c-1", sender=ADA, msgid="m-1")
    with pytest.raises(RepeatedMsgid):
        client.send(Text("two"), conversation_id="c-1", sender=ADA, msgid="m-1")
    assert [item.text for item in client.history(first.chat_id or "")] == ["one"]


@pytest.mark.parametrize("id_", ["a/b", "ä ö?x=1#y", "%2F", "😍"])
def test_ids_of_any_letters(client: ChatsClient, id_: str) -> None:
    """Our ids may hold any letters; in a path they are encoded, and the signature still fits."""
    receipt = client.send(Text("x"), conversation_id=id_, sender=Person(id=id_, name=id_), msgid=id_)
    assert client.history(receipt.chat_id or "")[0].msgid == id_
    assert client.history(id_) == []
    with pytest.raises(NotFound, match="MESSAGE_NOT_FOUND"):
        client.set_delivery_status(id_, 1)


def test_iter_history_while_messages_come_in(client: ChatsClient) -> None:
    """All 120 messages come newest first and once each, although new ones push the pages on meanwhile."""
    msgids = [f"h-{number}" for number in range(120)]
    for msgid in msgids:
        receipt = client.send(Text(msgid), conversation_id="c-1", sender=ADA, msgid=msgid)
    shown = []
    for item in client.iter_history(receipt.chat_id or ""):
        shown.append(item.msgid)
        if len(shown) in {1, 60, 100}:
            for _ in range(7):
                client.send(Text("new"), conversation_id="c-1", sender=ADA)
    assert shown == msgids[::-1]


@pytest.mark.parametrize("count", [0, 1, 50, 51, 100])
def test_iter_history_ends(client: ChatsClient, count: int) -> None:
    """History ends after its last message, also where that fills a page."""
    chat = client.create_chat("c-1", ADA)
    for number in range(count):
        client.send(Text(str(number)), conversation_id="c-1", sender=ADA)
    assert len(list(client.iter_history(chat.id))) == count


def test_history_page(client: ChatsClient) -> None:
    """Limit and offset pick a part of the history."""
    for text in "abcd":
        receipt = client.send(Text(text), conversation_id="c-1", sender=ADA)
    assert [item.text for item in client.history(receipt.chat_id or "", limit=2, offset=1)] == ["c", "b"]


# --- Proxies ---


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A proxy that the environment names for everything."""
    with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield proxy


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_proxy_is_not_used_for_this_machine(peer: Peer, proxy: Receiver, host: str) -> None:
    """A proxy in the environment, which could not reach the sandbox, is passed by."""
    peer.connect()
    with ChatsClient(CHANNEL, peer.url.replace("127.0.0.1", host)) as client:
        assert client.send(Text("x"), conversation_id="c-1", sender=ADA)
    assert proxy.seen == []


def test_proxy_is_used_for_other_machines(proxy: Receiver) -> None:
    """For Kommo itself the proxy of the environment is asked."""
    proxy.status = 400
    with ChatsClient(CHANNEL, NOWHERE) as client, pytest.raises(BadRequest):
        client.typing("c-1", "ada")
    (request,) = proxy.seen
    assert request.path == f"{NOWHERE}/v2/origin/custom/{CREDENTIALS.scope_id}/typing"


def test_resume_leaves_pending_what_cannot_be_reached(store: Store) -> None:
    """While Kommo is out of reach, resume raises and every call stays pending for the next time."""
    for n in (1, 2):
        store.begin_exchange(Exchange(n, "typing", "POST", "/v2/origin/custom/c_a/typing", b"{}"))

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    channel = Channel(id="c", secret="s", account_id="a")
    with (
        ChatsClient(channel, "http://127.0.0.1:9", store=store, transport=httpx.MockTransport(refuse), attempts=1) as c,
        pytest.raises(TransportError),
    ):
        c.resume()
    assert [row["state"] for row in store.query("SELECT state FROM exchanges")] == ["pending", "pending"]


def test_resume_goes_on_after_a_refusal(store: Store) -> None:
    """A call that Kommo refuses is settled as failed, and the next one is made all the same."""
    for n in (1, 2):
        store.begin_exchange(Exchange(n, "typing", "POST", f"/v2/origin/custom/c_a/typing{n}", b"{}"))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400 if request.url.path.endswith("1") else 204)

    channel = Channel(id="c", secret="s", account_id="a")
    with ChatsClient(channel, "http://127.0.0.1:9", store=store, transport=httpx.MockTransport(answer)) as c:
        assert c.resume() == 2
    assert [row["state"] for row in store.query("SELECT state FROM exchanges")] == ["failed", "done"]
