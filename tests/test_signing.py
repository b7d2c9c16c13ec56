"""Signatures of requests and hooks, against answers that were made elsewhere: Kommo's pages and openssl."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers import openssl
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kommo_nb.clock import Clock, SeededClock
from kommo_nb.wire.auth import SignatureAuth
from kommo_nb.wire.signing import (
    Verdict,
    check_hook,
    content_md5,
    request_headers,
    signature,
    string_to_sign,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors" / "signature-vectors.json").read_bytes())
NAMES = [vector["name"] for vector in VECTORS]
SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
HOST = "https://amojo.kommo.com"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

# The documentation of 2020/21. The page prints «Mon, 03 Oct 2020», which was a Saturday; with August all five match.
OLD_SECRET = "5a44c5dff55f3c15a4cce8d7c4cc27e207c7e189"
OLD_CHANNEL, OLD_ACCOUNT = "f90ba33d-c9d9-44da-b76c-c349b0ecbe41", "af9945ff-1490-4cad-807d-945c15d88bec"
OLD_ROOT, OLD_SCOPE = "/v2/origin/custom/", f"{OLD_CHANNEL}_{OLD_ACCOUNT}"
OLD_CHAT = "6cbab3d5-c4c1-46ff-b710-ad59ad10805f"
OLD_CONNECT = (f'{{"account_id":"{OLD_ACCOUNT}","title":"ScopeTitle","hook_api_version":"v2"}}').encode()
OLD = [
    (
        "POST",
        f"{OLD_CHANNEL}/connect",
        "15:11:21",
        content_md5(OLD_CONNECT),
        "85d94e7f21bdd3971c2721ca22793e45a96d0c75",
    ),
    (
        "POST",
        f"{OLD_SCOPE}/chats",
        "15:17:55",
        "28623103cc158fde408e6ecd1965d437",
        "7cc462e28eadbb842a2a49edb469f15f24c56676",
    ),
    ("POST", OLD_SCOPE, "16:06:48", "204dc99bcaa899db72954f16de987022", "6201ab8b5154bfa2af847920f1dfeab74b125489"),
    ("POST", OLD_SCOPE, "16:09:12", "671efccd7cedf63b72823faf9a8037ff", "61a129968e586e8a021c2dfcc6be08e896a4fd77"),
    (
        "GET",
        f"{OLD_SCOPE}/chats/{OLD_CHAT}/history",
        "16:23:14",
        content_md5(b""),
        "5693447e362dcb3bc77abeb27888ff4a0ca53a1c",
    ),
]


class Stopped(Clock):
    """A clock that stands still."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def openssl_signature(request: httpx.Request, secret: str) -> str:
    """X-Signature of a request, by openssl, over what is really sent."""
    path = request.url.raw_path.split(b"?")[0].decode()
    headers = request.headers
    parts = (request.method, openssl("-md5", data=request.content), headers["content-type"], headers["date"], path)
    return openssl("-sha1", "-hmac", secret, data="\n".join(parts).encode())


@pytest.fixture
def sent() -> list[httpx.Request]:
    """The requests that left an httpx client, in their order."""
    return []


@pytest.fixture
def client_of(sent: list[httpx.Request]) -> Callable[[SignatureAuth], httpx.Client]:
    """Makes a real httpx client whose requests end in `sent`."""

    def record(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    return lambda auth: httpx.Client(auth=auth, base_url=HOST, transport=httpx.MockTransport(record))


# --- Known answers ---


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_headers_of_the_published_requests(vector: dict[str, str]) -> None:
    """All seven requests that the documentation signs get its Content-MD5 and X-Signature."""
    headers = request_headers(
        vector["method"],
        vector["path"],
        vector["body"].encode(),
        secret=vector["secret"],
        date=parsedate_to_datetime(vector["date"]),
    )
    assert headers == {
        "Date": vector["date"],
        "Content-Type": vector["content_type"],
        "Content-MD5": vector["content_md5"],
        "X-Signature": vector["x_signature"],
    }


def test_there_are_seven_published_requests() -> None:
    """No vector was lost on the way: the documentation signs seven requests."""
    assert NAMES == ["connect", "new_message", "delivery_status", "disconnect", "new_message_source", "chats", "typing"]


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_httpx_sends_the_published_requests(
    vector: dict[str, str], sent: list[httpx.Request], client_of: Callable[[SignatureAuth], httpx.Client]
) -> None:
    """What leaves httpx carries the published headers, and openssl finds the same over the bytes really sent."""
    auth = SignatureAuth(vector["secret"], clock=Stopped(parsedate_to_datetime(vector["date"])))
    with client_of(auth) as client:
        client.request(vector["method"], vector["path"], content=vector["body"])
    assert sent[0].content == vector["body"].encode()
    assert sent[0].headers["content-md5"] == vector["content_md5"] == openssl("-md5", data=sent[0].content)
    assert sent[0].headers["x-signature"] == vector["x_signature"] == openssl_signature(sent[0], vector["secret"])


@pytest.mark.parametrize(
    ("method", "path", "time", "md5", "expected"), OLD, ids=["connect", "chats", "in", "out", "history"]
)
def test_signatures_of_the_older_documentation(method: str, path: str, time: str, md5: str, expected: str) -> None:
    """The five requests of the older pages get their signature from the Content-MD5 that is printed there."""
    text = string_to_sign(method, md5, "application/json", f"Mon, 03 Aug 2020 {time} +0000", OLD_ROOT + path)
    assert signature(text, secret=OLD_SECRET) == expected


def test_body_of_the_older_connect() -> None:
    """Of the older requests with a body only connect's is known, and it has the printed Content-MD5."""
    assert content_md5(OLD_CONNECT) == "a5e8ae04332a6d0aac15f01ad05d40e3"


def test_the_query_string_is_not_signed(
    sent: list[httpx.Request], client_of: Callable[[SignatureAuth], httpx.Client]
) -> None:
    """History is signed without its query string, as in the older documentation's example, and sent with it."""
    auth = SignatureAuth(OLD_SECRET, clock=Stopped(datetime(2020, 8, 3, 16, 23, 14, tzinfo=UTC)))
    with client_of(auth) as client:
        client.get(f"{OLD_ROOT}{OLD_SCOPE}/chats/{OLD_CHAT}/history", params={"limit": 50, "offset": 0})
    assert sent[0].url.query == b"limit=50&offset=0"
    assert sent[0].headers["content-md5"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert sent[0].headers["content-type"] == "application/json"
    assert sent[0].headers["x-signature"] == "5693447e362dcb3bc77abeb27888ff4a0ca53a1c"


# --- Requests ---


@pytest.mark.parametrize(
    "options",
    [{"json": {"text": "olá / 你好"}}, {"content": b'{"text":"ol\\u00e1"}\n'}, {"content": "текст"}, {"content": b""}],
    ids=["json", "trailing newline", "str", "empty"],
)
def test_whatever_httpx_encodes_is_what_is_signed(
    options: dict[str, Any], sent: list[httpx.Request], client_of: Callable[[SignatureAuth], httpx.Client]
) -> None:
    """The hash is of the bytes that httpx sends, however the caller gave them."""
    with client_of(SignatureAuth(SECRET)) as client:
        client.post("/v2/origin/custom/s", **options)
    assert sent[0].headers["content-type"] == "application/json"
    assert sent[0].headers["content-md5"] == openssl("-md5", data=sent[0].content)
    assert sent[0].headers["x-signature"] == openssl_signature(sent[0], SECRET)


@pytest.mark.parametrize("path", ["//v2/origin/custom/s", "/v2/origin/custom/a%2Fb/react", "/v2/я", "/v2/a b;c"])
def test_the_path_is_signed_as_it_is_sent(
    path: str, sent: list[httpx.Request], client_of: Callable[[SignatureAuth], httpx.Client]
) -> None:
    """Percent-encoding and doubled slashes are signed in the form in which they travel."""
    with client_of(SignatureAuth(SECRET)) as client:
        client.post(httpx.URL(HOST + path), content=b"{}")
    assert sent[0].headers["x-signature"] == openssl_signature(sent[0], SECRET)


def test_each_attempt_is_signed_afresh(client_of: Callable[[SignatureAuth], httpx.Client]) -> None:
    """The same request sent again carries the time of that attempt, and a signature that fits it."""
    clock = SeededClock("retry", start=NOON, step=timedelta(minutes=16))
    dates = []
    with client_of(SignatureAuth(SECRET, clock=clock)) as client:
        request = client.build_request("POST", "/v2/origin/custom/s", content=b"{}")
        for _ in range(2):
            client.send(request)
            assert request.headers["x-signature"] == openssl_signature(request, SECRET)
            dates.append(request.headers["date"])
    assert dates == ["Mon, 02 Mar 2026 12:16:00 +0000", "Mon, 02 Mar 2026 12:32:00 +0000"]


def test_date_is_written_in_utc() -> None:
    """A date of any zone becomes the same moment at +0000, the form that Kommo's samples have."""
    there = datetime(2021, 12, 16, 2, 12, 55, tzinfo=timezone(timedelta(hours=3)))
    headers = request_headers("POST", "/x", b"", secret=SECRET, date=there)
    assert headers["Date"] == "Wed, 15 Dec 2021 23:12:55 +0000"


def test_the_method_is_signed_in_upper_case() -> None:
    """`post` and `POST` are the same request."""
    assert request_headers("post", "/x", b"", secret=SECRET, date=NOON) == request_headers(
        "POST", "/x", b"", secret=SECRET, date=NOON
    )


@pytest.mark.parametrize("path", ["https://amojo.kommo.com/v2/origin/custom/s", "v2/origin/custom/s", "", "?limit=50"])
def test_only_a_path_can_be_signed(path: str) -> None:
    """A whole URL and a path without its slash are mistakes of the caller, and the message says so."""
    with pytest.raises(ValueError, match="sign the path only, beginning with '/'"):
        request_headers("POST", path, b"", secret=SECRET, date=NOON)


def test_a_naive_date_is_refused() -> None:
    """A date without a zone could be hours off, so it is not guessed."""
    with pytest.raises(ValueError, match="date needs a time zone"):
        request_headers("POST", "/x", b"", secret=SECRET, date=datetime(2026, 3, 2, 12, 0))


@pytest.mark.parametrize("secret", ["", SecretStr("")], ids=["str", "SecretStr"])
def test_an_empty_secret_is_refused(secret: str | SecretStr) -> None:
    """Neither signing nor checking starts without a secret, not even where the header is missing as well."""
    with pytest.raises(ValueError, match="KOMMO_NB_SECRET"):
        SignatureAuth(secret)
    for header in (None, "", signature(b"{}", secret="")):
        with pytest.raises(ValueError, match="KOMMO_NB_SECRET"):
            check_hook(b"{}", header, secret=secret)


@pytest.mark.parametrize("secret", [SECRET, SecretStr(SECRET)], ids=["str", "SecretStr"])
def test_signature_auth_never_shows_its_secret(secret: str | SecretStr) -> None:
    """The secret stands in no text made of the object or of its attributes, however it was given."""
    auth = SignatureAuth(secret)
    shown = [repr(auth), str(auth), repr(vars(auth)), *map(repr, vars(auth).values()), *map(str, vars(auth).values())]
    assert not [text for text in shown if SECRET in text]


def test_secret_and_secretstr_sign_alike() -> None:
    """A SecretStr is used by its value."""
    assert signature(b"x", secret=SecretStr(SECRET)) == signature(b"x", secret=SECRET)


# --- Hooks ---

HOOK = b'{"account_id":"a","time":1,"text":"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"}'


@pytest.mark.parametrize(
    ("received", "verdict"),
    [
        (HOOK, Verdict.VALID),
        (HOOK + b"\n", Verdict.VALID_TRIMMED),
        (HOOK + b"\n\n", Verdict.MISMATCH),
        (HOOK + b"\r\n", Verdict.MISMATCH),
        (HOOK + b" ", Verdict.MISMATCH),
        (b"\n" + HOOK, Verdict.MISMATCH),
        (HOOK.replace(b"1", b"2"), Verdict.MISMATCH),
        (b"", Verdict.MISMATCH),
    ],
    ids=["as signed", "one newline", "two newlines", "crlf", "space", "newline before", "changed", "empty"],
)
def test_verdict_on_a_body_that_openssl_signed(received: bytes, verdict: Verdict) -> None:
    """The body itself is valid, also with the one unsigned newline of real hooks; any other change is a mismatch."""
    assert check_hook(received, openssl("-sha1", "-hmac", SECRET, data=HOOK), secret=SECRET) is verdict


def test_a_signed_newline_is_simply_valid() -> None:
    """Where the newline was signed too, the body is valid as it is."""
    body = HOOK + b"\n"
    assert check_hook(body, openssl("-sha1", "-hmac", SECRET, data=body), secret=SECRET) is Verdict.VALID


@pytest.mark.parametrize("body", [b"", b"\n", b"\x00\xff\xfe"], ids=["empty", "newline", "not UTF-8"])
def test_odd_bodies_are_checked_like_any_other(body: bytes) -> None:
    """A body need be neither JSON nor text for its signature to hold."""
    assert check_hook(body, openssl("-sha1", "-hmac", SECRET, data=body), secret=SECRET) is Verdict.VALID


def test_case_type_and_surrounding_space_of_the_header_do_not_matter() -> None:
    """Upper-case hex, bytes and padding from a framework are the same signature."""
    good = signature(HOOK, secret=SECRET)
    for header in (good.upper(), good.encode(), good.upper().encode(), f" {good}\t"):
        assert check_hook(HOOK, header, secret=SECRET) is Verdict.VALID


@pytest.mark.parametrize("header", [None, "", b""])
def test_no_signature_is_missing(header: str | bytes | None) -> None:
    """An absent and an empty header are the same: nobody signed."""
    assert check_hook(HOOK, header, secret=SECRET) is Verdict.MISSING


@pytest.mark.parametrize(
    "header", ["0" * 40, signature(HOOK, secret=SECRET)[:-1], signature(HOOK, secret=SECRET + " ")]
)
def test_a_wrong_signature_is_a_mismatch(header: str) -> None:
    """Another key, a cut signature, an invented one: mismatch."""
    assert check_hook(HOOK, header, secret=SECRET) is Verdict.MISMATCH


def test_only_matched_bodies_are_ok() -> None:
    """`ok` is true for the two verdicts that prove the sender, and for no other."""
    assert {verdict for verdict in Verdict if verdict.ok} == {Verdict.VALID, Verdict.VALID_TRIMMED}


SURROGATES = st.text(st.characters(categories=["Cs"]))  # of their own: among all characters they hardly ever come up
HEADERS = st.none() | st.binary() | st.text() | SURROGATES


@given(st.binary(), HEADERS)
def test_any_bytes_and_any_header_get_a_verdict(body: bytes, header: str | bytes | None) -> None:
    """No input raises, lone surrogates in the header included, and none of it passes for signed."""
    verdict = check_hook(body, header, secret=SECRET)
    assert verdict is (Verdict.MISMATCH if header else Verdict.MISSING)


@given(st.binary())
def test_what_is_signed_is_valid(body: bytes) -> None:
    """Any bytes, signed with the secret, are valid; with one more newline they are valid when trimmed."""
    header = signature(body, secret=SECRET)
    assert check_hook(body, header, secret=SECRET) is Verdict.VALID
    assert check_hook(body + b"\n", header, secret=SECRET) is Verdict.VALID_TRIMMED
