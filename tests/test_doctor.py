"""The signature doctor, on requests and hooks that were broken by other code: openssl, hashlib and strings by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shlex
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from kommo_nb.errors import KommoError
from kommo_nb.wire.doctor import (
    Diagnosis,
    NotARequest,
    Pasted,
    diagnose_hook,
    diagnose_pasted,
    diagnose_request,
    parse_curl,
    parse_har,
    parse_http,
    parse_request,
)

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors" / "signature-vectors.json").read_bytes())
SAMPLES = sorted((Path(__file__).parents[1] / "data" / "samples").glob("hook-*.json"))
SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
OTHER = "5a44c5dff55f3c15a4cce8d7c4cc27e207c7e189"
INTEGRATION = "QmT0hK3vXz9LrPw5YbN8sDf2GjCa7EuHt4Ro6WiVx1ZkMq0nBySpJgUlAeIcOdF7"
HOST = "https://amojo.kommo.com"
CHANNEL, ACCOUNT = "344a5002-f8ca-454d-af3d-396180102ac7", "52e591f7-c98f-4255-8495-827210138c81"
SCOPE = f"{CHANNEL}_{ACCOUNT}"
TYPING = f"/v2/origin/custom/{SCOPE}/typing"
HISTORY = f"/v2/origin/custom/{SCOPE}/chats/6cbab3d5-c4c1-46ff-b710-ad59ad10805f/history"
BODY = '{"conversation_id":"c/1","sender":{"id":"olá"},"duration_ms":5000}'.encode()
DATE, NOW = "Thu, 16 Dec 2021 13:15:29 +0000", datetime(2021, 12, 16, 13, 15, 40, tzinfo=UTC)
JSON = "application/json"


def openssl(*options: str, data: bytes) -> str:
    """What `openssl dgst` prints for the data, without the name before it."""
    command = ["openssl", "dgst", *options]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.split()[-1].decode()


def hexed(data: bytes) -> str:
    return openssl("-md5", data=data)


def signed_with(key: bytes, text: str | bytes, kind: str = "sha1") -> str:
    return hmac.new(key, text.encode() if isinstance(text, str) else text, kind).hexdigest()


def text_of(body: bytes = BODY, method: str = "POST", path: str = TYPING, date: str = DATE, kind: str = JSON) -> str:
    """The string to sign, written by hand."""
    return f"{method}\n{hashlib.md5(body).hexdigest()}\n{kind}\n{date}\n{path}"


RIGHT = text_of()
MD5 = hashlib.md5(BODY).hexdigest()


def look(
    signature: str, *, method: str = "POST", path: str = TYPING, body: bytes = BODY, query: str = "", **changes: Any
) -> Diagnosis:
    """The diagnosis of a request with right headers but for the changes, and with this signature."""
    headers = {"Date": DATE, "Content-Type": JSON, "Content-MD5": hashlib.md5(body).hexdigest()}
    headers |= {"X-Signature": signature} | changes.pop("headers", {})
    options: dict[str, Any] = {"secret": SECRET, "now": NOW} | changes
    return diagnose_request(method, HOST + path + query, headers=headers, body=body, **options)


def signed(text: str | bytes, **changes: Any) -> Diagnosis:
    """The diagnosis of a request whose signature openssl made over this text."""
    data = text.encode() if isinstance(text, str) else text
    return look(openssl("-sha1", "-hmac", SECRET, data=data), **changes)


# --- Right requests and hooks ---


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
@pytest.mark.parametrize("host", ["", HOST, "amojo.amocrm.ru"])
def test_silent_on_the_published_vectors(vector: dict[str, str], host: str) -> None:
    """The published requests are right, with or without their host, also as a secret that hides itself."""
    headers = {"Date": vector["date"], "Content-Type": JSON, "Content-MD5": vector["content_md5"]}
    diagnosis = diagnose_request(
        vector["method"],
        host + vector["path"],
        headers=headers | {"X-Signature": vector["x_signature"]},
        body=vector["body"].encode(),
        secret=SecretStr(vector["secret"]),
        other_secrets=[OTHER, INTEGRATION],
        now=parsedate_to_datetime(vector["date"]) + timedelta(minutes=14),
    )
    assert (diagnosis.ok, diagnosis.cause, diagnosis.findings, diagnosis.ruled_out) == (True, None, (), ())
    assert diagnosis.string_as_sent == diagnosis.string_right and diagnosis.first_difference is None
    assert diagnosis.corrected == headers | {"X-Signature": vector["x_signature"]}
    assert "right" in str(diagnosis)


@pytest.mark.parametrize(
    "date",
    [DATE, "Thu, 16 Dec 2021 13:15:29 GMT", "Thu, 16 Dec 2021 13:15:29 -0000", "Thu, 16 Dec 2021 16:15:29 +0300"],
)
def test_silent_on_every_right_form_of_the_date(date: str) -> None:
    """PHP's, JavaScript's and Python's forms of a Date are all RFC 2822, and stay as they were sent."""
    diagnosis = signed(text_of(date=date), headers={"Date": date})
    assert diagnosis.ok
    assert diagnosis.corrected["Date"] == date


def test_silent_on_a_query_string_that_is_not_signed() -> None:
    """History carries its query string in the URL and signs the path alone, over nothing."""
    assert signed(text_of(b"", "GET", HISTORY), method="GET", path=HISTORY, query="?limit=50", body=b"").ok


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_silent_on_right_hooks(path: Path) -> None:
    """A hook that openssl signed is right; with the unsigned newline of real hooks it is so too, and that is told."""
    body = path.read_bytes().strip()
    signature = openssl("-sha1", "-hmac", SECRET, data=body)
    exact, wired = (diagnose_hook(each, signature, secret=SECRET) for each in (body, body + b"\n"))
    assert (exact.ok, exact.cause) == (True, None)
    assert (wired.ok, wired.cause) == (True, None)
    assert wired.first_difference == len(body.decode()) and "newline is not signed" in str(wired)


# --- Broken requests, each with one mistake ---

SPACED = b'{"conversation_id": "c/1", "sender": {"id": "ol\\u00e1"}, "duration_ms": 5000}'
SORTED = '{"conversation_id":"c/1","duration_ms":5000,"sender":{"id":"olá"}}'.encode()
BODIES = {
    "spaces": (SPACED.replace(b"\\u00e1", "á".encode()), "body_reencoded", "a space after commas and colons"),
    "python's json": (SPACED, "body_reencoded", r"\uXXXX for letters beyond ASCII"),
    "slashes": (BODY.replace(b"/", b"\\/"), "body_reencoded", r"\/ for /"),
    "letters": (BODY.replace("á".encode(), b"\\u00e1"), "body_reencoded", r"\uXXXX"),
    "key order": (SORTED, "body_reencoded", "the keys sorted"),
    "another key order": (b'{"duration_ms":5000,' + BODY[1:-20] + b"}", "body_reencoded", "another order"),
    "indented": (b'{\n  "conversation_id": "c/1"\n}', "body_reencoded", "indented by 2"),
    "crlf": (BODY + b"\r\n", "body_newline", "from byte 67"),
    "newline": (BODY + b"\n", "body_newline", "from byte 67"),
}
SENT = {"indented": b'{"conversation_id":"c/1"}'}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_was_changed_after_hashing(name: str) -> None:
    """Content-MD5 and signature are of other bytes than were sent: the way of writing is named, and its first byte."""
    hashed, cause, words = BODIES[name]
    body = SENT.get(name, BODY)
    diagnosis = signed(text_of(hashed), body=body, headers={"Content-MD5": hexed(hashed)})
    assert diagnosis.causes == (cause,)
    assert words in diagnosis.explanation
    assert not diagnosis.ok and diagnosis.string_as_sent == text_of(hashed) and diagnosis.string_right == text_of(body)


@pytest.mark.parametrize("name", BODIES)
def test_the_reverse_change_of_a_body(name: str) -> None:
    """What was hashed and what was sent may be exchanged, and the header may be right where the signature is not."""
    sent, cause, words = BODIES[name]
    hashed = SENT.get(name, BODY)
    alone = signed(text_of(sent), body=hashed)
    assert alone.causes == (cause,) and words in alone.explanation
    assert signed(text_of(hashed), body=sent, headers={"Content-MD5": hexed(hashed)}).causes == (cause,)


@pytest.mark.parametrize("mark", ["[]", "{}", '""'])
def test_a_mark_for_nothing_hashed_where_the_body_is_empty(mark: str) -> None:
    """JSON.stringify(data || '') and its like hash something where nothing is sent."""
    headers = {"Content-MD5": hexed(mark.encode())}
    diagnosis = signed(text_of(mark.encode(), "GET", HISTORY), method="GET", path=HISTORY, body=b"", headers=headers)
    assert diagnosis.causes == ("empty_body_hashed",)
    assert diagnosis.corrected["Content-MD5"] == "d41d8cd98f00b204e9800998ecf8427e"


TEXTS = {
    "wrong_method": text_of(method="GET"),
    "host_in_path": text_of(path=HOST + TYPING),
    "path_without_slash": text_of(path=TYPING[1:]),
    "channel_id_for_scope_id": text_of(path=TYPING.replace(SCOPE, CHANNEL)),
    "letter_n": RIGHT.replace("\n", "n"),
    "backslash_n": RIGHT.replace("\n", "\\n"),
    "content_type_charset": text_of(kind="application/json; charset=utf-8"),
    "content_type_other": text_of(kind="application/x-www-form-urlencoded"),
    "md5_upper_case": RIGHT.replace(MD5, MD5.upper()),
    "md5_base64": RIGHT.replace(MD5, base64.b64encode(bytes.fromhex(MD5)).decode()),
    "date_differs": text_of(date="Thu, 16 Dec 2021 13:15:30 +0000"),
    "date_localized": text_of(date="чт, 16 дек 2021 13:15:29 +0000"),
}


@pytest.mark.parametrize("cause", TEXTS)
def test_another_text_was_signed(cause: str) -> None:
    """The headers are right, and openssl signed another text: its mistake is named, and the text shown as it was."""
    diagnosis = signed(TEXTS[cause])
    assert diagnosis.causes == (cause,)
    assert (diagnosis.string_as_sent, diagnosis.string_right) == (TEXTS[cause], RIGHT)
    place = diagnosis.first_difference
    assert place is not None
    assert TEXTS[cause][:place] == RIGHT[:place]
    assert TEXTS[cause][place : place + 1] != RIGHT[place : place + 1]
    assert diagnosis.corrected["X-Signature"] == openssl("-sha1", "-hmac", SECRET, data=RIGHT.encode())


@pytest.mark.parametrize(
    "date",
    [
        *("Thu, 16 Dec 2021 13:12:31 +0000", "Thu, 16 Dec 2021 13:15:33 GMT", "Thu, 16 Dec 2021 16:15:29 +0000"),
        *("2021-12-16T13:15:29Z", "2021-12-16T13:15:29+00:00"),
        *("2021-12-16 13:15:29", "Thu Dec 16 13:15:29 2021", "jue, 16 dic 2021 13:15:29 GMT"),
        "Thu Dec 16 2021 13:15:29 GMT+0000 (Coordinated Universal Time)",
    ],
)
def test_another_date_was_signed_than_sent(date: str) -> None:
    """Neighbouring seconds, other zones and other forms of the header's Date are found, and shown."""
    diagnosis = signed(text_of(date=date))
    assert diagnosis.cause == ("date_localized" if "dic" in date else "date_differs")
    assert date in diagnosis.explanation
    assert len(diagnosis.findings) == 1


def test_the_query_string_was_signed() -> None:
    """A query string in the signed path is named, with or without the host before it."""
    query = "?limit=50&offset=0"
    for path in (HISTORY + query, HOST + HISTORY + query):
        diagnosis = signed(text_of(b"", "GET", path), method="GET", path=HISTORY, query=query, body=b"")
        assert diagnosis.cause == ("query_in_path" if path[0] == "/" else "host_in_path")
        assert diagnosis.string_right == text_of(b"", "GET", HISTORY)


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (bytes.fromhex(SECRET), "secret_hex_decoded"),
        (SECRET.encode() + b"\n", "secret_whitespace"),
        (b" " + SECRET.encode(), "secret_whitespace"),
        (OTHER.encode(), "wrong_channel_secret"),
        (INTEGRATION.encode(), "integration_secret"),
    ],
)
def test_another_key_was_used(key: bytes, cause: str) -> None:
    """The text is right and the key is not: what was done to the secret is named, and no secret shown."""
    others = {"the shop's": OTHER, "the integration's": SecretStr(INTEGRATION)}
    diagnosis = look(signed_with(key, RIGHT), other_secrets=others)
    assert diagnosis.causes == (cause,)
    assert diagnosis.string_as_sent == diagnosis.string_right == RIGHT
    if key == OTHER.encode():
        assert "the shop's" in diagnosis.explanation


def test_white_space_around_the_secret_given_here() -> None:
    """A secret pasted with its line end is taken without it; that it signed with it is found, whatever the space is."""
    pasted = f"\t{SECRET} \r\n"
    assert look(signed_with(SECRET.encode(), RIGHT), secret=pasted).ok
    assert look(signed_with(pasted.encode(), RIGHT), secret=pasted).causes == ("secret_whitespace",)


@pytest.mark.parametrize("secret", [INTEGRATION, "eyJ0eXA.eyJhdWQ.c2ln"])
def test_a_secret_that_cannot_be_a_channels(secret: str) -> None:
    """An integration's secret or an OAuth token given as the secret is told, even if the signature fits it."""
    diagnosis = look(signed_with(secret.encode(), RIGHT), secret=secret)
    assert diagnosis.causes == ("integration_secret",)
    assert diagnosis.corrected == {}


RAW = hmac.new(SECRET.encode(), RIGHT.encode(), "sha1").digest()


@pytest.mark.parametrize(
    ("signature", "causes"),
    [
        (signed_with(SECRET.encode(), RIGHT, "sha256"), ("sha256",)),
        (base64.b64encode(RAW).decode(), ("base64",)),
        (RAW.hex().upper(), ("upper_case",)),
        (signed_with(SECRET.encode(), BODY), ("body_only",)),
        (signed_with(SECRET.encode(), BODY, "sha256"), ("body_only", "sha256")),
        (signed_with(bytes.fromhex(SECRET), BODY), ("body_only", "secret_hex_decoded")),
        (RAW.hex()[:-1], ("signature_malformed",)),
        (hashlib.sha512(RAW).hexdigest(), ("signature_malformed",)),
        ("{{signature}}", ("signature_malformed",)),
    ],
)
def test_another_hash_or_another_way_to_write_it(signature: str, causes: tuple[str, ...]) -> None:
    """What the signature looks like tells the hash and its writing; the body alone is tried as the text."""
    assert look(signature).causes == causes


MD5_64 = base64.b64encode(bytes.fromhex(MD5)).decode()
HEADERS = {
    "Content-MD5 in base64": ({"Content-MD5": MD5_64}, RIGHT.replace(MD5, MD5_64), ("md5_base64",)),
    "base64 in the header only": ({"Content-MD5": MD5_64}, RIGHT, ("md5_base64",)),
    "Content-MD5 in capitals": ({"Content-MD5": MD5.upper()}, RIGHT, ("md5_upper_case",)),
    "a foreign MD5": ({"Content-MD5": "0" * 32}, RIGHT.replace(MD5, "0" * 32), ("md5_wrong",)),
    "charset sent, not signed": ({"Content-Type": f"{JSON}; charset=utf-8"}, RIGHT, ("content_type_charset",)),
    "charset sent and signed": (
        {"Content-Type": f"{JSON};charset=UTF-8"},
        text_of(kind=f"{JSON};charset=UTF-8"),
        ("content_type_charset",),
    ),
    "a form's type": ({"Content-Type": "text/plain"}, RIGHT, ("content_type_other",)),
    "no Content-Type": ({"Content-Type": ""}, text_of(kind=""), ("header_missing",)),
    "no Date": ({"Date": ""}, text_of(date=""), ("header_missing",)),
    "only a signature": ({"Date": "", "Content-MD5": ""}, BODY, ("body_only", "header_missing")),
    "no signature": ({"X-Signature": ""}, RIGHT, ("header_missing",)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_wrong(name: str) -> None:
    """A header that Kommo refuses is told, whether the signature covers it as it is or as it should be."""
    headers, text, causes = HEADERS[name]
    assert signed(text, headers={"X-Signature": signed_with(SECRET.encode(), text)} | headers).causes == causes


@pytest.mark.parametrize(
    ("date", "cause"),
    [
        ("Thu, 16 Dec 2021 12:59:00 +0000", "date_stale"),
        ("Thu, 16 Dec 2021 13:15:29 +0300", "date_stale"),
        ("Thu, 16 Dec 2021 13:31:00 +0000", "date_future"),
        ("Thu, 16 Dec 2021 16:15:29 GMT", "date_future"),
        ("2021-12-16T13:15:29Z", "date_format"),
        ("1639660529", "date_format"),
        ("Thu, 16 Dec 2021 13:15:29", "date_format"),
        ("Thu, 16 Dec 2021 13:15:29 +00:00", "date_format"),
        ("Thu, 16 Dec 2021 9:15:29 +0000", "date_format"),
        ("Thu, 16 Dec 21 13:15:29 +0000", "date_format"),
        ("Thu Dec 16 2021 13:15:29 GMT+0000 (Coordinated Universal Time)", "date_format"),
        ("чт, 16 дек 2021 13:15:29 +0000", "date_localized"),
        ("Do, 16 Dez 2021 13:15:29 GMT", "date_localized"),
        ("jue, 16 dic 2021 13:15:29 +0000", "date_localized"),
    ],
)
def test_a_date_that_kommo_refuses(date: str, cause: str) -> None:
    """The Date is signed as it is sent, and is old, ahead, or not RFC 2822; the right headers get the present time."""
    diagnosis = signed(text_of(date=date), headers={"Date": date})
    assert diagnosis.causes == (cause,)
    assert diagnosis.corrected["Date"] == "Thu, 16 Dec 2021 13:15:40 +0000"


def test_a_mistake_comes_before_an_old_date() -> None:
    """Where the signature is wrong and the Date old, both are told, the signature's mistake first."""
    assert signed(RIGHT.replace("\n", "n"), now=NOW + timedelta(hours=1)).causes == ("letter_n", "date_stale")


CONNECT, DISCONNECT = (f"/v2/origin/custom/{CHANNEL}/{call}" for call in ("connect", "disconnect"))
WITH_ACCOUNT = json.dumps({"account_id": ACCOUNT}).encode()


@pytest.mark.parametrize(
    ("method", "path", "body", "cause", "right"),
    [
        ("POST", CONNECT.replace(CHANNEL, SCOPE), WITH_ACCOUNT, "scope_id_for_channel_id", ("POST", CONNECT)),
        ("POST", TYPING.replace(SCOPE, CHANNEL), WITH_ACCOUNT, "channel_id_for_scope_id", ("POST", TYPING)),
        ("POST", TYPING.replace(SCOPE, CHANNEL), BODY, "channel_id_for_scope_id", None),
        ("POST", DISCONNECT, WITH_ACCOUNT, "wrong_method", ("DELETE", DISCONNECT)),
        ("POST", HISTORY, b"", "wrong_method", ("GET", HISTORY)),
        ("GET", TYPING, b"", "wrong_method", ("POST", TYPING)),
    ],
)
def test_a_call_with_the_wrong_id_or_method(
    method: str, path: str, body: bytes, cause: str, right: tuple[str, str] | None
) -> None:
    """Signed as it was sent, and yet no call of the API: the right text is shown where it can be known."""
    diagnosis = signed(text_of(body, method, path), method=method, path=path, body=body)
    assert diagnosis.causes == (cause,)
    if right:
        assert diagnosis.string_right == text_of(body, *right)
    else:
        assert diagnosis.corrected == {}


def test_the_scope_id_was_signed_for_connect() -> None:
    """Connect is sent to the channel id and signed with the scope id, which the body's account tells."""
    diagnosis = signed(text_of(WITH_ACCOUNT, path=CONNECT.replace(CHANNEL, SCOPE)), path=CONNECT, body=WITH_ACCOUNT)
    assert diagnosis.causes == ("scope_id_for_channel_id",)


@pytest.mark.parametrize("name", ["error_\u0441ode", "\u0435rror"])
def test_cyrillic_lookalikes_in_field_names(name: str) -> None:
    """A Cyrillic letter in a field name is found, in plain and escaped JSON, and named with its place."""
    for body in (f'{{"a":[{{"{name}":905}}]}}'.encode(), json.dumps({name: 1}).encode()):
        diagnosis = signed(text_of(body), body=body)
        assert diagnosis.causes == ("lookalike_letters",)
        assert (
            "CYRILLIC SMALL LETTER" in diagnosis.explanation
            and f"place {7 - 6 * (name[0] != 'e')}" in diagnosis.explanation
        )
    assert signed(text_of(b'{"\xd0\xb8\xd0\xbc\xd1\x8f":1}'), body=b'{"\xd0\xb8\xd0\xbc\xd1\x8f":1}').ok


def test_a_lookalike_in_the_name_of_a_header() -> None:
    """The header counts under the name that it was meant to have, so that the rest can be examined."""
    headers = {"\u0421ontent-Type": JSON, "Date": DATE, "Content-MD5": MD5, "X-Signature": RAW.hex()}
    diagnosis = diagnose_request("POST", TYPING, headers=headers, body=BODY, secret=SECRET, now=NOW)
    assert diagnosis.causes == ("lookalike_letters",)


# --- Two mistakes, and none that is known ---


PAIRS = {
    ("wrong_method", "backslash_n"): text_of(method="GET").replace("\n", "\\n"),
    ("host_in_path", "letter_n"): text_of(path=HOST + TYPING).replace("\n", "n"),
    ("date_differs", "content_type_charset"): text_of(date=DATE[:-8] + "30 +0000", kind=f"{JSON}; charset=utf-8"),
    ("body_reencoded", "path_without_slash"): text_of(SPACED, path=TYPING[1:]),
}


@pytest.mark.parametrize("both", PAIRS)
def test_two_mistakes_in_the_text(both: tuple[str, str]) -> None:
    """Two mistakes in one text are found together."""
    assert set(signed(PAIRS[both]).causes) == set(both)


def test_mistakes_in_text_key_hash_and_writing_together() -> None:
    """Python's json hashed, the secret decoded, SHA-256, in base64: four mistakes at once."""
    raw = hmac.new(bytes.fromhex(SECRET), text_of(SPACED).encode(), "sha256").digest()
    diagnosis = look(base64.b64encode(raw).decode())
    assert set(diagnosis.causes) == {"body_reencoded", "secret_hex_decoded", "sha256", "base64"}


def test_what_nothing_explains_lists_what_it_is_not() -> None:
    """A signature by a foreign secret is explained by nothing, and what was tried is listed in words."""
    diagnosis = look(signed_with(b"nobody knows this secret", RIGHT), other_secrets=[OTHER])
    assert (diagnosis.ok, diagnosis.causes) == (False, ("unexplained",))
    assert len(diagnosis.ruled_out) == 21
    expected = [
        "the letter n in place of the line feed",
        "another secret than this channel's",
        "SHA-256 instead of SHA-1",
    ]
    assert set(expected) <= set(diagnosis.ruled_out)
    assert "Ruled out: another method" in str(diagnosis)


def test_without_other_secrets_the_wrong_channel_is_not_ruled_out() -> None:
    """Only what was tried is ruled out: nobody gave another channel's secret."""
    ruled_out = look("0" * 40).ruled_out
    assert "another secret than this channel's" not in ruled_out
    assert "the query string in the path" not in ruled_out


# --- Hooks ---

HOOK = b'{"account_id":"a","time":1,"message":{"receiver":{"id":"r/1","phone":""},"text":"ol\\u00e1"}}'
PARSED = json.loads(HOOK)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (json.dumps(PARSED).encode(), "hook_reencoded"),
        (json.dumps(PARSED, ensure_ascii=False, separators=(",", ":")).encode(), "hook_reencoded"),
        (json.dumps(PARSED, sort_keys=True, separators=(",", ":")).encode(), "hook_reencoded"),
        (json.dumps(PARSED, indent=4).replace("/", "\\/").encode(), "hook_reencoded"),
        (str(PARSED).encode(), "unexplained"),
        (HOOK + b"\n\n", "hook_newline"),
        (HOOK + b"\r\n", "hook_newline"),
        (b"", "unexplained"),
        (HOOK.replace(b"1", b"2"), "unexplained"),
    ],
)
def test_a_hook_whose_body_was_changed_before_the_check(body: bytes, cause: str) -> None:
    """The signature is that of other bytes than reached the check: what happened on the way is named."""
    diagnosis = diagnose_hook(body, openssl("-sha1", "-hmac", SECRET, data=HOOK), secret=SECRET)
    assert (diagnosis.ok, diagnosis.cause) == (False, cause)
    if "unexplained" not in diagnosis.causes:
        assert (diagnosis.string_as_sent, diagnosis.string_right) == (body.decode(), HOOK.decode())
        assert "right" in diagnosis.marked()


def test_a_signature_over_the_newline_of_a_hook() -> None:
    """A body given without its newline, and a signature that covers it: one of them met the other's newline rule."""
    diagnosis = diagnose_hook(HOOK, openssl("-sha1", "-hmac", SECRET, data=HOOK + b"\n"), secret=SECRET)
    assert (diagnosis.ok, diagnosis.causes) == (False, ("hook_newline",))


@pytest.mark.parametrize(
    ("signature", "cause"),
    [
        (signed_with(OTHER.encode(), HOOK), "wrong_channel_secret"),
        (signed_with(INTEGRATION.encode(), HOOK), "integration_secret"),
        (signed_with(bytes.fromhex(SECRET), HOOK), "secret_hex_decoded"),
        (signed_with(SECRET.encode() + b"\n", HOOK), "secret_whitespace"),
        (signed_with(SECRET.encode(), HOOK, "sha256"), "sha256"),
        (base64.b64encode(hmac.new(SECRET.encode(), HOOK, "sha1").digest()).decode(), "base64"),
        ("", "header_missing"),
        (None, "header_missing"),
        (b"\xff\x00", "signature_malformed"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n"], ids=["as signed", "newline"])
def test_a_hook_checked_in_the_wrong_way(signature: str | bytes | None, cause: str, end: bytes) -> None:
    """The hook's body is as it was signed, but for its newline, and key, hash or header are not."""
    diagnosis = diagnose_hook(HOOK + end, signature, secret=SECRET, other_secrets=(OTHER, INTEGRATION))
    assert (diagnosis.ok, diagnosis.causes) == (False, (cause,))


# --- The report ---


def test_the_report_shows_both_strings_and_marks_the_first_difference() -> None:
    """The strings stand one above the other, line feeds are visible, and the mark is under the first wrong byte."""
    report = signed(RIGHT.replace("\n", "\\n")).marked().splitlines()
    assert report[0].startswith(f" as sent  POST\\n{MD5}\\n")
    assert report[1].startswith(f"   right  POST␊{MD5}␊")
    assert report[2] == " " * 14 + "^ differs from place 4 on"
    assert "".join(line[10:] for line in report if line.startswith("   right")) == RIGHT.replace("\n", "␊")


def test_the_report_ends_in_the_right_headers() -> None:
    """What is printed can be copied: the four right headers, one a line."""
    report = str(signed(text_of(method="post")))
    assert report.startswith("wrong_method\n  The signature was made with another method than the call's (post).")
    assert report.splitlines()[-4:] == [
        *(f"  Date: {DATE}", f"  Content-Type: {JSON}", f"  Content-MD5: {MD5}", f"  X-Signature: {RAW.hex()}")
    ]


def test_a_long_body_is_shown_around_the_difference_only() -> None:
    """Of a long hook a few rows are shown, those around the first difference."""
    body = b'{"text":"' + b"x" * 50_000 + b'"}'
    diagnosis = diagnose_hook(body + b"\r\n", signed_with(SECRET.encode(), body), secret=SECRET)
    assert diagnosis.cause == "hook_newline"
    assert len(str(diagnosis)) < 2_000
    assert "␍␊" in diagnosis.marked()


@pytest.mark.parametrize("name", HEADERS)
def test_the_right_headers_are_right(name: str) -> None:
    """A request mended with the headers of the report has nothing wrong any more."""
    headers, text, _ = HEADERS[name]
    mended = signed(text, headers={"X-Signature": signed_with(SECRET.encode(), text)} | headers).corrected
    assert diagnose_request("POST", TYPING, headers=mended, body=BODY, secret=SECRET, now=NOW).ok


def test_an_empty_secret_and_a_naive_time_are_the_callers_mistakes() -> None:
    """Without a secret nothing can be told, and a time without its zone is not guessed."""
    for secret in ("", " \n"):
        with pytest.raises(ValueError, match="secret is empty"):
            diagnose_hook(b"{}", "0" * 40, secret=secret)
    with pytest.raises(ValueError, match="time zone"):
        look(RAW.hex(), now=datetime(2021, 12, 16))


# --- What people paste ---

LINES = {"Date": DATE, "Content-Type": JSON, "Content-MD5": MD5, "X-Signature": RAW.hex()}
PASTED = Pasted("POST", HOST + TYPING, LINES, BODY)
QUOTED = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in LINES.items())
DOUBLE = json.dumps(BODY.decode(), ensure_ascii=False)
CURLS = {
    "single quotes": f"curl -X POST {HOST + TYPING} {QUOTED} -d '{BODY.decode()}'",
    "double quotes": f'curl --url "{HOST + TYPING}" {QUOTED} --data-raw {DOUBLE}',
    "ansi quotes": f"$ curl {HOST + TYPING} {QUOTED} --data-binary $'"
    + BODY.decode().replace('"', "\\x22").replace("á", "\\u00e1")
    + "'",
    "continued": f"curl \\\n  --request POST '{HOST + TYPING}' \\\n {QUOTED} \\\n  --data '{BODY.decode()}' | jq .",
    "without backslashes": f"curl '{HOST + TYPING}'\n  {QUOTED}\n  --data '{BODY.decode()}'\necho done",
    "glued": f"curl -sSXPOST -m 5 -o /dev/null {HOST + TYPING} {QUOTED.replace('-H ', '-H')} -d'{BODY.decode()}' -L",
    "concatenated": f"curl {HOST + TYPING} {QUOTED} --data '{BODY.decode()}'''",
}


@pytest.mark.parametrize("name", CURLS)
def test_curl_commands(name: str) -> None:
    """Quotes of all kinds, continued lines, glued and unknown options give the request that curl would send."""
    assert parse_request(CURLS[name]) == parse_curl(CURLS[name]) == PASTED


def test_curl_defaults() -> None:
    """Without -X and data it is GET; --data brings the form's type along, which the doctor then names."""
    assert parse_curl(f"curl {HOST}/x?limit=5") == Pasted("GET", f"{HOST}/x?limit=5", {}, b"")
    assert parse_curl(f"curl -G {HOST}/x -d limit=5 -d offset=0").url == f"{HOST}/x?limit=5&offset=0"
    assert parse_curl(f"curl {HOST}/x --json '{{}}'").headers == {"Content-Type": JSON}
    unset = parse_curl(
        f"curl {HOST}{TYPING} -d '{BODY.decode()}' {QUOTED.replace(f'Content-Type: {JSON}', 'Content-Type:')}"
    )
    diagnosis = diagnose_request(
        unset.method, unset.url, headers=unset.headers, body=unset.body, secret=SECRET, now=NOW
    )
    assert diagnosis.causes == ("content_type_other",)


def test_a_real_shell_agrees_on_the_words() -> None:
    """bash hands curl the same body, wherever its quotes stand."""
    for name in set(CURLS) - {"without backslashes"}:  # there the shell ends the command too early
        script = "curl() { printf '%s\\0' \"$@\"; }; jq() { cat; }\n" + CURLS[name].removeprefix("$ ")
        printed = subprocess.run(["bash", "-c", script], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=False)
        assert any(word.removeprefix(b"-d") == BODY for word in printed.stdout.split(b"\0")), name


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("length", [True, False])
def test_raw_http(end: str, length: bool) -> None:
    """Raw HTTP has its body after the empty line; Content-Length counts; without it a last line end is the editor's."""
    lines = [
        "POST " + TYPING + " HTTP/1.1",
        "Host: amojo.kommo.com",
        *(f"{key}: {value}" for key, value in LINES.items()),
    ]
    lines += [f"Content-Length: {len(BODY)}"] * length + ["", BODY.decode() + end]
    pasted = parse_request("\n\n" + end.join(lines))
    assert (pasted.method, pasted.url, pasted.body) == ("POST", HOST + TYPING, BODY)
    assert pasted.headers.items() >= LINES.items()
    assert parse_http(f"GET {HISTORY}?limit=5") == Pasted("GET", f"{HISTORY}?limit=5", {}, b"")


def test_a_newline_that_content_length_counts_was_sent() -> None:
    """The newline belongs to the body where Content-Length says so, and then it is the mistake."""
    lines = "".join(f"{key}: {value}\n" for key, value in LINES.items())
    raw = f"POST {TYPING} HTTP/1.1\n{lines}Content-Length: {len(BODY) + 1}\n\n{BODY.decode()}\n"
    assert diagnose_pasted(raw, secret=SECRET, now=NOW).causes == ("body_newline",)


def entry(status: int, **request: Any) -> dict[str, Any]:
    headers = [{"name": name, "value": value} for name, value in {":path": "/", **LINES}.items()]
    return {
        "request": {"method": "POST", "url": HOST + TYPING, "headers": headers, **request},
        "response": {"status": status},
    }


def test_har() -> None:
    """A HAR file, an entry or its request; of several the last that was signed and refused."""
    body = {"postData": {"mimeType": JSON, "text": BODY.decode()}}
    refused, other = entry(403, **body), entry(200, **body, url=HOST + "/other")
    page = {"request": {"method": "GET", "url": "https://example.com/", "headers": []}, "response": {"status": 403}}
    whole = {"log": {"version": "1.2", "entries": [refused, other, page]}}
    for value in (whole, refused, refused["request"], [refused]):
        assert parse_request(json.dumps(value)) == parse_har(json.dumps(value, indent=2)) == PASTED
    assert parse_har(json.dumps({"log": {"entries": [page, other, page]}})).url == HOST + "/other"
    encoded = {"postData": {"text": base64.b64encode(BODY).decode(), "encoding": "base64"}}
    assert parse_har(json.dumps(entry(403, **encoded))) == PASTED


@pytest.mark.parametrize("form", ["curl", "http", "har", "bytes"])
def test_what_is_pasted_is_examined(form: str) -> None:
    """Each form leads to the same diagnosis."""
    http = (
        f"POST {TYPING} HTTP/1.1\n"
        + "".join(f"{key}: {value}\n" for key, value in LINES.items())
        + f"\n{BODY.decode()}"
    )
    har = json.dumps(entry(403, postData={"text": BODY.decode()}))
    text = {"curl": CURLS["continued"], "http": http, "har": har, "bytes": http.encode()}[form]
    assert diagnose_pasted(text, secret=SECRET, now=NOW).ok
    assert diagnose_pasted(text, secret=SECRET, now=NOW + timedelta(days=3)).causes == ("date_stale",)


def test_a_pasted_hook() -> None:
    """A request to our own address with a signature alone is a hook; so is a bare body with a signature beside it."""
    signature = signed_with(SECRET.encode(), HOOK)
    raw = f"POST /hooks/{SCOPE} HTTP/1.1\nHost: example.com\nX-Signature: {signature}\n\n".encode() + HOOK
    assert diagnose_pasted(raw, secret=SECRET).ok
    assert diagnose_pasted(HOOK + b"\n", secret=SECRET, hook_signature=signature).ok
    assert diagnose_pasted(raw, secret=OTHER, other_secrets={"old": SECRET}).causes == ("wrong_channel_secret",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This is no request"),
        ("403 Forbidden", "begins with '403 Forbidden'"),
        ("{", "no JSON"),
        ("[" * 200_000, "no JSON"),
        ('{"log":{"entries":[]}}', "holds no request"),
        ('{"log":{"entries":[{"request":{"url":1}}]}}', "no method or no url"),
        (HOOK.decode(), "holds no request"),
        ("curl", "This is no request"),
        ("curl -X POST", "has no URL"),
        ("curl 'https://x/", "a quotation mark is not closed"),
        ('curl "https://x/ \\"', "a quotation mark is not closed"),
        ("curl https://x/ -d @body.json", "reads -d from a file"),
        ("curl https://x/ -F a=b", "has -F"),
        (f"POST {TYPING} HTTP/1.1\nnonsense\n\n", "is no header"),
        ("POST " + "x" * 33_000_000, "longer than"),
    ],
)
def test_text_that_is_no_request_is_refused_in_a_sentence(text: str, words: str) -> None:
    """What cannot be read is a ValueError that says why, and what to paste."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        parse_request(text)
    assert isinstance(caught.value, NotARequest) and isinstance(caught.value, KommoError)
    assert "Paste the request as a curl command" in str(caught.value)


# --- Any input at all ---

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text(
    "curl -XHd'\"\\$@{}[]:\n\r POST/HTTP1.", max_size=200
)
STARTS = st.sampled_from(["", "curl ", "curl $'\\", 'curl "', "POST / HTTP/1.1\n", '{"log":{"entries":[', "GET /\n\n"])
HEX = st.text("0123456789abcdef", min_size=40, max_size=40)


@given(STARTS, ANY_TEXT)
@example("", json.dumps({"log": {"entries": [{"request": [], "response": 1}, None, {"url": None}]}}))
@example("", json.dumps({"url": "u", "method": "m", "headers": [{}, 1, {"name": 1, "value": 2}], "postData": []}))
def test_any_text_is_a_request_or_a_value_error(start: str, text: str) -> None:
    """The parsers know two outcomes, whatever is pasted, as text or as bytes."""
    for parse in (parse_request, parse_curl, parse_http, parse_har):
        for pasted in (start + text, (start + text).encode("utf-16", "surrogatepass")):
            try:
                assert isinstance(parse(pasted), Pasted)
            except NotARequest as refusal:
                assert "Paste the request" in str(refusal)


@settings(max_examples=60)
@given(
    st.text(),
    st.text(st.characters(exclude_categories=())),
    st.dictionaries(st.sampled_from([*LINES, "x"]) | st.text(), st.text(st.characters(exclude_categories=()))),
    st.binary()
    | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(lambda value: json.dumps(value).encode()),
)
def test_any_request_gets_a_diagnosis(method: str, url: str, headers: dict[str, str], body: bytes) -> None:
    """No method, URL, header or body raises, and none passes for right."""
    diagnosis = diagnose_request(method, url, headers=headers, body=body, secret=SECRET, now=NOW)
    assert not diagnosis.ok and diagnosis.cause
    assert str(diagnosis) and repr(diagnosis)


@settings(max_examples=20)
@given(st.binary() | st.just(HOOK), HEX | st.binary() | st.text(st.characters(exclude_categories=())))
def test_any_hook_gets_a_diagnosis(body: bytes, signature: str | bytes) -> None:
    """No body and no signature raises, and none passes for right."""
    diagnosis = diagnose_hook(body, signature, secret=SECRET)
    assert not diagnosis.ok and diagnosis.cause and str(diagnosis)


KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=12, max_size=64)


@settings(max_examples=12)
@given(st.lists(KEYS, min_size=2, max_size=2, unique=True), st.integers(0, 4))
def test_no_secret_is_shown(keys: list[str], place: int) -> None:
    """Neither report nor repr holds a secret, not even where the request itself carries it."""
    secret, other = keys
    path = f"{TYPING}/{secret}" if place == 1 else TYPING
    body = json.dumps({"key": secret, "other": other}).encode() if place == 2 else BODY
    headers = {"Content-Type": f"{JSON} {other}"} if place == 3 else {"X-Signature": secret} if place == 4 else {}
    signature = signed_with(other.encode(), text_of(body, path=path) if place else body)
    request = look(signature, path=path, body=body, headers=headers, secret=secret, other_secrets={"o": other})
    hook = diagnose_hook(body, signature, secret=SecretStr(f" {secret}\n"), other_secrets=[SecretStr(other)])
    for diagnosis in (request, hook):
        shown = str(diagnosis) + repr(diagnosis) + diagnosis.marked()
        assert secret not in shown and other not in shown


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([{"key": f"olá/{number}", "b": [1, {}]} for number in range(20_000)]).encode(),
        b"[" * 1_000_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b"{" + b",".join(b'"%d":0' % number for number in range(60_000)) + b"}",
        b"\n" * 1_000_000,
    ],
    ids=["list", "open", "deep", "number", "keys", "newlines"],
)
def test_a_large_body_takes_bounded_time(body: bytes) -> None:
    """A megabyte, however it is nested, is examined in seconds, also when nothing explains its signature."""
    begun = time.process_time()
    assert "unexplained" in diagnose_hook(body, "0" * 40, secret=SECRET).causes
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "text",
    [
        *(
            "curl " + piece * (size // len(piece))
            for size in (99_000, 1_000_000)
            for piece in ("'", '"', "\\", "$'", "\n ", "^\n", "a'b'", "-", " -X", "\\\n")
        ),
        *("POST / HTTP/1.1\n" + piece * 200_000 for piece in ("\n ", "a:", " ", "\r")),
        *("POST" + " " * 200_000 + "x y", "POST " + "a " * 200_000, "[" * 1_000_000, '{"a":' * 200_000),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_large_paste_takes_bounded_time(text: str) -> None:
    """No pattern in a megabyte of text makes a parser slow."""
    begun = time.process_time()
    for parse in (parse_request, parse_curl, parse_http, parse_har):
        try:
            parse(text)
        except NotARequest:
            continue
    assert time.process_time() - begun < 10


def test_the_date_defaults_to_now() -> None:
    """Without `now` a Date is judged by the clock: a fresh one is right, a published one years old."""
    fresh = format_datetime(datetime.now(UTC))
    assert signed(text_of(date=fresh), headers={"Date": fresh}, now=None).ok
    assert signed(RIGHT, now=None).causes == ("date_stale",)
