"""The signature doctor, on requests and hooks that were broken by other code: openssl, and strings written by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from helpers import openssl, program, receiving
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from kommo_nb.errors import KommoError
from kommo_nb.wire.doctor import NotARequest, Pasted, diagnose_hook, diagnose_pasted, diagnose_request
from kommo_nb.wire.doctor.mistakes import MISTAKES
from kommo_nb.wire.doctor.pasted import parse_curl, parse_har, parse_http, parse_request

DATA = Path(__file__).parents[1] / "data"
VECTORS = json.loads((DATA / "vectors" / "signature-vectors.json").read_bytes())
SAMPLES = sorted((DATA / "samples").glob("hook-*.json"))
SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
OTHER = "5a44c5dff55f3c15a4cce8d7c4cc27e207c7e189"
INTEGRATION = "QmT0hK3vXz9LrPw5YbN8sDf2GjCa7EuHt4Ro6WiVx1ZkMq0nBySpJgUlAeIcOdF7"
OTHERS = {"the shop's": OTHER, "the integration's": SecretStr(INTEGRATION)}
HOST = "https://amojo.kommo.com"
CHANNEL, ACCOUNT = "344a5002-f8ca-454d-af3d-396180102ac7", "52e591f7-c98f-4255-8495-827210138c81"
SCOPE, ROOT = f"{CHANNEL}_{ACCOUNT}", "/v2/origin/custom"
TYPING, CONNECT, DISCONNECT = f"{ROOT}/{SCOPE}/typing", f"{ROOT}/{CHANNEL}/connect", f"{ROOT}/{CHANNEL}/disconnect"
HISTORY = f"{ROOT}/{SCOPE}/chats/6cbab3d5-c4c1-46ff-b710-ad59ad10805f/history"
BODY = '{"conversation_id":"c/1","sender":{"id":"olá","name":"Ann"},"duration_ms":5000}'
DATE, FRESH = "Thu, 16 Dec 2021 13:15:29 +0000", "Thu, 16 Dec 2021 13:15:40 +0000"
NOW = datetime(2021, 12, 16, 13, 15, 40, tzinfo=UTC)
JSON = "application/json"


def md5(body: str) -> str:
    return hashlib.md5(body.encode()).hexdigest()


def text_of(body: str = BODY, method: str = "POST", path: str = TYPING, date: str = DATE, kind: str = JSON) -> str:
    """The string to sign, written by hand."""
    return f"{method}\n{md5(body)}\n{kind}\n{date}\n{path}"


def sign(text: str, key: str | bytes = SECRET, kind: str = "sha1") -> str:
    """The HMAC that openssl computes."""
    raw = key.encode() if isinstance(key, str) else key
    return openssl(f"-{kind}", "-mac", "HMAC", "-macopt", f"hexkey:{raw.hex()}", data=text.encode())


def in_base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


RIGHT, MD5 = text_of(), md5(BODY)


@dataclass(frozen=True)
class Broken:
    """A request or hook with something wrong: what openssl signed, and what is sent beside the signature."""

    causes: str
    text: str = RIGHT
    key: str | bytes = SECRET
    kind: str = "sha1"
    written: Callable[[str], str] = str
    method: str = "POST"
    path: str = TYPING
    body: str = BODY
    headers: dict[str, str] = field(default_factory=dict)
    words: str = ""
    right: tuple[str, str] | None = None

    @property
    def text_right(self) -> str:
        """What has to be signed, with a new Date if the one sent is no good."""
        method, path = self.right or (self.method, self.path.partition("?")[0])
        date = self.headers.get("Date", DATE)
        fresh = {"date_stale", "date_future", "date_format", "date_localized"}.intersection(self.causes.split())
        return text_of(self.body, method, path, FRESH if fresh or not date else date)

    @property
    def signature(self) -> str:
        return self.written(sign(self.text, self.key, self.kind))

    @property
    def curl(self) -> str:
        """The request as somebody pastes it."""
        headers = {"Date": DATE, "Content-Type": JSON, "Content-MD5": md5(self.body), "X-Signature": self.signature}
        lines = [f"curl -X {self.method} '{HOST}{self.path}'"]
        lines += [f"  -H '{name}: {value}'" for name, value in {**headers, **self.headers}.items()]
        return " \\\n".join([*lines, f"  --data-binary '{self.body}'"])


def rehashed(
    hashed: str, words: str, causes: str = "body_reencoded", method: str = "POST", path: str = TYPING, body: str = BODY
) -> Broken:
    """Content-MD5 and signature are of one text, and another was sent."""
    sent = {"method": method, "path": path, "body": body, "headers": {"Content-MD5": md5(hashed)}}
    return Broken(causes, text_of(hashed, method, path), words=words, **sent)


def dated(causes: str, date: str, words: str = "") -> Broken:
    """The Date is sent as it was signed, and is none that Kommo takes."""
    return Broken(causes, text_of(date=date), headers={"Date": date}, words=words)


def sent(causes: str, method: str, path: str, body: str, right: tuple[str, str]) -> Broken:
    """Signed as it is sent, and yet no call of the API; the right method and path."""
    return Broken(causes, text_of(body, method, path), method=method, path=path, body=body, right=right)


def elsewhere(path: str) -> Broken:
    """Signed as it is sent, and the API has no such path."""
    return sent("path_unknown", "POST", path, BODY, ("POST", path))


SPACED = '{"conversation_id": "c/1", "sender": {"id": "olá", "name": "Ann"}, "duration_ms": 5000}'
NESTED = BODY.replace('"id":"olá","name":"Ann"', '"name":"Ann","id":"olá"')
INDENTED, COMPACT = '{\n  "conversation_id": "c/1"\n}', '{"conversation_id":"c/1"}'
MANY, MOVED = '[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":{"g":6}}]', '[{"a":1,"d":4,"b":2,"c":3,"e":5,"f":{"g":6}}]'
AT_END = f"different from byte {len(BODY.encode())} on"
CYRILLIC, ESCAPED_CYRILLIC = '{"error_\u0441ode":905}', '{"\\u0435rror":"x"}'
WITH_ACCOUNT, NO_ACCOUNT = f'{{"account_id":"{ACCOUNT}"}}', '{"title":"Shop"}'
BY_CHANNEL, BY_SCOPE = TYPING.replace(SCOPE, CHANNEL), CONNECT.replace(CHANNEL, SCOPE)
QUERY: dict[str, Any] = {"method": "GET", "path": HISTORY + "?limit=5", "body": ""}
CHARSET, STALE, LATER = f"{JSON}; charset=utf-8", DATE.replace("13:", "11:"), DATE.replace(":29", ":30")
SPACED_64 = in_base64(md5(SPACED))

REQUESTS = {
    # The body encoded again after hashing
    "a space after commas and colons": rehashed(SPACED, "with a space after commas and colons;"),
    "python's json.dumps": rehashed(SPACED.replace("á", "\\u00e1"), "a space after commas and colons, \\uXXXX for"),
    "an escaped slash": rehashed(BODY.replace("/", "\\/"), "with \\/ for /;"),
    "an escaped letter": rehashed(BODY.replace("á", "\\u00e1"), "with \\uXXXX for letters beyond ASCII;"),
    "keys sorted": rehashed(BODY[:24] + ',"duration_ms":5000' + BODY[24:-20] + "}", "with the keys sorted;"),
    "keys in another order": rehashed('{"duration_ms":5000,' + BODY[1:-20] + "}", "with the keys in another order;"),
    "keys of a nested object": rehashed(NESTED, "with the keys in another order;"),
    "keys of a nested object, and escapes": rehashed(NESTED.replace("/", "\\/"), "another order, \\/ for /;"),
    "one of many nested keys": rehashed(MOVED, "with the keys in another order;", body=MANY),
    "indented": rehashed(INDENTED, "with indented by 2;", body=COMPACT),
    "indentation lost": rehashed(COMPACT, "with no spaces;", body=INDENTED),
    "hashed with spaces, signed without": Broken("body_reencoded", headers={"Content-MD5": md5(SPACED)}),
    "signed with spaces, hashed without": Broken("body_reencoded", text_of(SPACED)),
    "a newline hashed": rehashed(BODY + "\n", AT_END, "body_newline"),
    "a newline sent": rehashed(BODY, AT_END, "body_newline", body=BODY + "\n"),
    "a Windows newline": rehashed(BODY + "\r\n", AT_END, "body_newline"),
    # [], {} or "" hashed for an empty body
    "[] for no body": rehashed("[]", "hashed '[]', sent ''", "empty_body_hashed", "GET", HISTORY, ""),
    "{} for no body": rehashed("{}", "hashed '{}', sent ''", "empty_body_hashed", "GET", HISTORY, ""),
    '"" for no body': rehashed('""', "hashed '\"\"', sent ''", "empty_body_hashed", "GET", HISTORY, ""),
    # Path and method
    "query string in the path": Broken("query_in_path", text_of("", "GET", HISTORY + "?limit=5"), **QUERY),
    "host in the path": Broken("host_in_path", text_of(path=HOST + TYPING)),
    "no leading slash": Broken("path_without_slash", text_of(path=TYPING[1:])),
    "two slashes sent": Broken(
        "double_slash", path="/" + TYPING, right=("POST", TYPING), words="made with two slashes"
    ),
    "two slashes sent and signed": sent("double_slash", "POST", "/" + TYPING, BODY, ("POST", TYPING)),
    "two slashes sent, none signed": Broken(
        "double_slash path_without_slash", text_of(path=TYPING[1:]), path="/" + TYPING, right=("POST", TYPING)
    ),
    "another method signed": Broken("wrong_method", text_of(method="GET"), words="('GET')"),
    "a small method signed": Broken("wrong_method", text_of(method="post"), words="('post')"),
    "POST to disconnect": sent("wrong_method", "POST", DISCONNECT, WITH_ACCOUNT, ("DELETE", DISCONNECT)),
    "POST to history": sent("wrong_method", "POST", HISTORY, "", ("GET", HISTORY)),
    "GET to typing": sent("wrong_method", "GET", TYPING, "", ("POST", TYPING)),
    "an older version": elsewhere(TYPING.replace("v2", "v1")),
    "a misspelt root": elsewhere(TYPING.replace("custom", "custm")),
    "a reaction to one message": elsewhere(f"{ROOT}/{SCOPE}/079e44fb-fc22-476b-9e8a-421b688ec53b/react"),
    "a slash at the end": elsewhere(TYPING + "/"),
    "an id that is missing": elsewhere(HISTORY.replace("6cbab3d5-c4c1-46ff-b710-ad59ad10805f", "")),
    # The HMAC
    "the body alone": Broken("body_only", BODY),
    "the body alone, written again": Broken("body_only body_reencoded", SPACED),
    "SHA-256": Broken("sha256", kind="sha256"),
    "base64": Broken("base64", written=in_base64),
    "capital letters": Broken("upper_case", written=str.upper),
    "cut off": Broken("signature_malformed", written=lambda digest: digest[:-1]),
    "a variable left in": Broken("signature_malformed", written=lambda _: "{{signature}}"),
    "the letter n": Broken("letter_n", RIGHT.replace("\n", "n")),
    "two characters": Broken("backslash_n", RIGHT.replace("\n", "\\n")),
    "Windows line ends": Broken("crlf", RIGHT.replace("\n", "\r\n")),
    "echo instead of printf": Broken("line_feed_at_end", RIGHT + "\n"),
    # The secret
    "the secret decoded": Broken("secret_hex_decoded", key=bytes.fromhex(SECRET)),
    "the secret with its newline": Broken("secret_whitespace", key=SECRET + "\n"),
    "a space before the secret": Broken("secret_whitespace", key=" " + SECRET),
    "another channel's secret": Broken("wrong_channel_secret", key=OTHER, words="(the shop's)"),
    "the integration's secret": Broken("integration_secret", key=INTEGRATION, words="(the integration's)"),
    "a secret that nobody gave": Broken("unexplained", key="nobody knows this one"),
    # Date
    "a second later": Broken("date_differs", text_of(date=LATER)),
    "the time of Moscow": Broken("date_differs", text_of(date=DATE.replace("13:15", "16:15"))),
    "GMT signed": Broken("date_differs", text_of(date=DATE.replace("+0000", "GMT")), words="13:15:29 GMT"),
    "ISO signed": Broken("date_differs", text_of(date="2021-12-16T13:15:29Z"), words="2021-12-16T13:15:29Z"),
    "a stale Date": dated("date_stale", "Thu, 16 Dec 2021 12:59:00 +0000", "by 16 minutes"),
    "the wrong zone": dated("date_stale", "Thu, 16 Dec 2021 13:15:29 +0300", "by 180 minutes"),
    "a Date ahead": dated("date_future", "Thu, 16 Dec 2021 13:31:00 +0000", "by 15 minutes"),
    "local time as GMT": dated("date_future", "Thu, 16 Dec 2021 16:15:29 GMT", "by 179 minutes"),
    "ISO": dated("date_format", "2021-12-16T13:15:29Z"),
    "unix time": dated("date_format", "1639660529"),
    "a colon in the zone": dated("date_format", "Thu, 16 Dec 2021 13:15:29 +00:00"),
    "an hour without its zero": dated("date_format", "Thu, 16 Dec 2021 9:15:29 +0000"),
    "a Russian Date": dated("date_localized", "чт, 16 дек 2021 13:15:29 +0000"),
    "a German Date": dated("date_localized", "Do, 16 Dez 2021 13:15:29 GMT"),
    # The other headers
    "charset sent": Broken("content_type_charset", headers={"Content-Type": CHARSET}),
    "charset signed": Broken("content_type_charset", text_of(kind=CHARSET)),
    "charset sent and signed": Broken(
        "content_type_charset", text_of(kind=JSON + ";charset=UTF-8"), headers={"Content-Type": JSON + ";charset=UTF-8"}
    ),
    "a form's type signed": Broken("content_type_other", text_of(kind="application/x-www-form-urlencoded")),
    "another type sent": Broken("content_type_other", headers={"Content-Type": "text/plain"}),
    "MD5 in base64": Broken("md5_base64", RIGHT.replace(MD5, in_base64(MD5)), headers={"Content-MD5": in_base64(MD5)}),
    "MD5 in base64, signed in hex": Broken("md5_base64", headers={"Content-MD5": in_base64(MD5)}),
    "MD5 in capitals": Broken("md5_upper_case", headers={"Content-MD5": MD5.upper()}),
    "another body's MD5": Broken("md5_wrong", RIGHT.replace(MD5, "0" * 32), headers={"Content-MD5": "0" * 32}),
    "no Date": Broken("header_missing", text_of(date=""), headers={"Date": ""}, words="(Date)"),
    "no Content-Type": Broken("header_missing", text_of(kind=""), headers={"Content-Type": ""}, words="(Content-Type)"),
    "no signature": Broken("header_missing", headers={"X-Signature": ""}, words="(X-Signature)"),
    "the signature alone": Broken("body_only header_missing", BODY, headers={"Date": "", "Content-MD5": ""}),
    # Ids and names
    "channel id for scope id": sent("channel_id_for_scope_id", "POST", BY_CHANNEL, WITH_ACCOUNT, ("POST", TYPING)),
    "channel id, account unknown": sent("channel_id_for_scope_id", "POST", BY_CHANNEL, BODY, ("POST", "")),
    "channel id signed": Broken("channel_id_for_scope_id", text_of(path=BY_CHANNEL)),
    "scope id for channel id": sent("scope_id_for_channel_id", "POST", BY_SCOPE, NO_ACCOUNT, ("POST", CONNECT)),
    "scope id signed": Broken(
        "scope_id_for_channel_id", text_of(WITH_ACCOUNT, path=BY_SCOPE), path=CONNECT, body=WITH_ACCOUNT
    ),
    "a Cyrillic letter": Broken("lookalike_letters", text_of(CYRILLIC), body=CYRILLIC, words="LETTER ES at place 7"),
    "a Cyrillic letter, escaped": Broken("lookalike_letters", text_of(ESCAPED_CYRILLIC), body=ESCAPED_CYRILLIC),
    "a Cyrillic letter in a header": Broken("lookalike_letters", headers={"\u0421ontent-MD5": "", "D\u0430te": DATE}),
    # Two and more at once
    "a wrong secret with its newline, a stale Date": Broken(
        "wrong_channel_secret secret_whitespace date_stale", text_of(date=STALE), OTHER + "\n", headers={"Date": STALE}
    ),
    "the letter n, a stale Date": Broken(
        "letter_n date_stale", text_of(date=STALE).replace("\n", "n"), headers={"Date": STALE}
    ),
    "GET and two characters": Broken("wrong_method backslash_n", text_of(method="GET").replace("\n", "\\n")),
    "host and letter n": Broken("host_in_path letter_n", text_of(path=HOST + TYPING).replace("\n", "n")),
    "host and query": Broken("host_in_path query_in_path", text_of("", "GET", HOST + HISTORY + "?limit=5"), **QUERY),
    "a second later, charset": Broken("date_differs content_type_charset", text_of(date=LATER, kind=CHARSET)),
    "spaces and no slash": Broken("body_reencoded path_without_slash", text_of(SPACED, path=TYPING[1:])),
    "spaces hashed, in base64": Broken(
        "body_reencoded md5_base64", text_of(SPACED).replace(md5(SPACED), SPACED_64), headers={"Content-MD5": SPACED_64}
    ),
    "SHA-256 of the body": Broken("body_only sha256", BODY, kind="sha256"),
    "spaces, decoded secret, SHA-256, base64": Broken(
        "body_reencoded secret_hex_decoded sha256 base64", text_of(SPACED), bytes.fromhex(SECRET), "sha256", in_base64
    ),
}

HOOK = '{"account_id":"a","time":1,"message":{"receiver":{"id":"r/1","phone":""},"text":"ol\\u00e1"}}'
SORTED_HOOK = '{"account_id":"a","message":{"receiver":{"id":"r/1","phone":""},"text":"ol\\u00e1"},"time":1}'
NESTED_HOOK = HOOK.replace('"id":"r/1","phone":""', '"phone":"","id":"r/1"')


def hook(causes: str, body: str = HOOK, **more: Any) -> Broken:
    """A hook that openssl signed, and the body that reached the check."""
    return Broken(causes, **{"text": HOOK, "body": body, **more})


HOOKS = {
    "written again with spaces": hook("hook_reencoded", HOOK.replace(":", ": ").replace(",", ", ")),
    "escapes decoded": hook("hook_reencoded", HOOK.replace("\\u00e1", "á")),
    "slashes escaped": hook("hook_reencoded", HOOK.replace("/", "\\/")),
    "keys sorted": hook("hook_reencoded", SORTED_HOOK),
    "keys of a nested object": hook("hook_reencoded", NESTED_HOOK),
    "two newlines": hook("hook_newline", HOOK + "\n\n"),
    "a Windows newline": hook("hook_newline", HOOK + "\r\n"),
    "signed with its newline": hook("hook_newline", text=HOOK + "\n"),
    "python's repr": hook("unexplained", HOOK.replace('"', "'")),
    "changed": hook("unexplained", HOOK.replace("1", "2")),
    "another channel's secret": hook("wrong_channel_secret", key=OTHER, words="(the shop's)"),
    "another's, and the newline": hook("wrong_channel_secret", HOOK + "\n", key=OTHER),
    "the integration's secret": hook("integration_secret", key=INTEGRATION),
    "the secret decoded": hook("secret_hex_decoded", key=bytes.fromhex(SECRET)),
    "the secret with its newline": hook("secret_whitespace", key=SECRET + "\n"),
    "SHA-256": hook("sha256", kind="sha256"),
    "base64": hook("base64", written=in_base64),
    "no signature": hook("header_missing", written=lambda _: ""),
    "wrong secret and written again": hook("hook_reencoded wrong_channel_secret", SORTED_HOOK, key=OTHER),
}


# --- Broken requests and hooks ---


@pytest.mark.parametrize("name", REQUESTS)
def test_a_broken_request(name: str) -> None:
    """Exactly its mistakes are named; what was signed, what is right and its signature are those made by hand."""
    broken = REQUESTS[name]
    diagnosis = diagnose_pasted(broken.curl, secret=SECRET, other_secrets=OTHERS, now=NOW)
    assert set(diagnosis.causes) == set(broken.causes.split())
    assert broken.words in " ".join(finding.seen for finding in diagnosis.findings)
    assert diagnosis.string_as_sent == (RIGHT if "malformed" in broken.causes else broken.text)
    assert diagnosis.string_right == broken.text_right
    known = broken.right != ("POST", "")  # or no header can be right
    assert diagnosis.corrected.get("X-Signature") == (sign(broken.text_right) if known else None)


@pytest.mark.parametrize("name", HOOKS)
def test_a_broken_hook(name: str) -> None:
    """Exactly its mistakes are named, and the body that was signed is found again."""
    broken = HOOKS[name]
    diagnosis = diagnose_hook(broken.body.encode(), broken.signature, secret=SECRET, other_secrets=OTHERS)
    assert set(diagnosis.causes) == set(broken.causes.split())
    assert broken.words in diagnosis.explanation
    assert diagnosis.string_as_sent == broken.body
    if broken.causes not in ("unexplained", "header_missing", "signature_malformed"):
        assert diagnosis.string_right == broken.text


def test_the_tables_hold_every_known_mistake() -> None:
    """Whatever the doctor can name, it has named above for a request or hook that it did not make itself."""
    assert {cause for row in (*REQUESTS.values(), *HOOKS.values()) for cause in row.causes.split()} == set(MISTAKES)


@pytest.mark.parametrize("secret", [INTEGRATION, "eyJ0eXA.eyJhdWQ.c2ln"])
def test_a_secret_that_cannot_be_a_channels(secret: str) -> None:
    """An integration's secret or an OAuth token given as the secret is told, even if the signature fits it."""
    diagnosis = diagnose_pasted(Broken("", key=secret).curl, secret=secret, now=NOW)
    assert diagnosis.causes == ("integration_secret",) and diagnosis.corrected == {}
    assert "integration_secret" in diagnose_hook(HOOK.encode(), "0" * 40, secret=secret).causes


def test_white_space_around_the_secret_given_here() -> None:
    """A secret pasted with its line end is taken without it; that it signed with it is found, whatever the space is."""
    given = f"\t{SECRET} \r\n"
    assert diagnose_pasted(Broken("").curl, secret=given, now=NOW).ok
    assert diagnose_pasted(Broken("", key=given).curl, secret=given, now=NOW).causes == ("secret_whitespace",)


def test_what_nothing_explains_lists_what_it_is_not() -> None:
    """Only what was tried is ruled out, in words: without other secrets not another channel's."""
    alone, with_others = (
        diagnose_pasted(Broken("", key="nobody knows this").curl, secret=SECRET, other_secrets=others, now=NOW)
        for others in ((), [OTHER])
    )
    assert alone.causes == with_others.causes == ("unexplained",)
    assert set(with_others.ruled_out) - set(alone.ruled_out) == {"another secret than this channel's"}
    assert {"the letter n in place of the line feed", "SHA-256 instead of SHA-1"} < set(alone.ruled_out)
    assert not {"the query string in the path", "an MD5 that is not the body's"} & set(alone.ruled_out)
    assert "Ruled out: another method than the call's; the body" in str(alone)
    assert "another Date than the header's (together with another mistake only the likeliest)" in alone.ruled_out
    assert diagnose_pasted(REQUESTS["the letter n"].curl, secret=SECRET, now=NOW).ruled_out == ()


# --- Right requests and hooks ---


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
@pytest.mark.parametrize("host", ["", HOST, "amojo.amocrm.ru"])
def test_silent_on_the_published_vectors(vector: dict[str, str], host: str) -> None:
    """The published requests are right, with or without their host, also as a secret that hides itself."""
    headers = {"Date": vector["date"], "Content-Type": JSON, "Content-MD5": vector["content_md5"]}
    headers["X-Signature"] = vector["x_signature"]
    diagnosis = diagnose_request(
        vector["method"],
        host + vector["path"],
        headers=headers,
        body=vector["body"].encode(),
        secret=SecretStr(vector["secret"]),
        other_secrets=[OTHER, INTEGRATION],
        now=parsedate_to_datetime(vector["date"]) + timedelta(minutes=14),
    )
    assert (diagnosis.ok, diagnosis.cause, diagnosis.findings, diagnosis.ruled_out) == (True, None, (), ())
    assert diagnosis.string_as_sent == diagnosis.string_right and diagnosis.first_difference is None
    assert diagnosis.corrected == headers
    assert str(diagnosis) == "The signature is right."


@pytest.mark.parametrize("zone", ["+0000", "GMT", "-0000", "UT"])
def test_silent_on_every_right_form_of_the_date(zone: str) -> None:
    """PHP's, JavaScript's and Python's forms of a Date are all RFC 2822, and stay as they were sent."""
    date = DATE.replace("+0000", zone)
    diagnosis = diagnose_pasted(Broken("", text_of(date=date), headers={"Date": date}).curl, secret=SECRET, now=NOW)
    assert diagnosis.ok and diagnosis.corrected["Date"] == date


@pytest.mark.parametrize("body", [BODY, INDENTED, "", '{"имя":1}'], ids=["body", "indented", "empty", "Russian name"])
def test_silent_on_a_right_request_as_it_is_pasted(body: str) -> None:
    """A right curl command has nothing wrong, also one with a query string, which is not signed."""
    broken = Broken("", text_of(body, "GET", HISTORY), method="GET", path=HISTORY + "?limit=5", body=body)
    assert diagnose_pasted(broken.curl, secret=SECRET, other_secrets=OTHERS, now=NOW).ok


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_silent_on_right_hooks(path: Path) -> None:
    """A hook that openssl signed is right; with the unsigned newline of real hooks it is so too, and that is told."""
    body = path.read_text().strip()
    exact, wired = (diagnose_hook(each.encode(), sign(body), secret=SECRET) for each in (body, body + "\n"))
    assert exact.ok and wired.ok and exact.cause is None
    assert wired.first_difference == len(body) and "newline is not signed" in str(wired)


# --- The report ---


def test_the_report() -> None:
    """The causes with advice, the texts line by line with the first wrong byte marked, and headers to copy."""
    report = f"""\
content_type_charset: The signature was made with a Content-Type with a charset
    ('application/json; charset=utf-8').
  → Send and sign application/json; some libraries add the charset.

date_differs: The signature was made with another Date than the header's (Thu, 16 Dec 2021
    13:15:30 +0000).
  → Take the time once, and use that one text for header and signature.

The text to sign, yours and the right one:
       POST␊
       {MD5}␊
yours  application/json; charset=utf-8␊
right  application/json␊
                       ^
yours  Thu, 16 Dec 2021 13:15:30 +0000␊
right  Thu, 16 Dec 2021 13:15:29 +0000␊
                              ^
       {TYPING}

The right headers by the secret given here, good for 15 minutes from their Date:
  Date: Thu, 16 Dec 2021 13:15:29 +0000
  Content-Type: application/json
  Content-MD5: {MD5}
  X-Signature: {sign(RIGHT)}"""
    assert str(diagnose_pasted(REQUESTS["a second later, charset"].curl, secret=SECRET, now=NOW)) == report


def test_a_long_body_is_shown_around_the_difference_only() -> None:
    """Of a long hook what stands around the first difference is shown."""
    body = '{"text":"' + "x" * 50_000 + '"}'
    diagnosis = diagnose_hook(body.encode() + b"\r\n", sign(body), secret=SECRET)
    assert diagnosis.cause == "hook_newline"
    assert len(str(diagnosis)) < 1_000 and 'xxx"}␍␊' in str(diagnosis)


def test_an_empty_secret_and_a_naive_time_are_the_callers_mistakes() -> None:
    """Without a secret nothing can be told, and a time without its zone is not guessed."""
    for secret in ("", " \n"):
        with pytest.raises(ValueError, match="secret is empty"):
            diagnose_hook(b"{}", "0" * 40, secret=secret)
    with pytest.raises(ValueError, match="time zone"):
        diagnose_pasted(Broken("").curl, secret=SECRET, now=datetime(2021, 12, 16))


def test_the_date_defaults_to_now() -> None:
    """Without `now` a Date is judged by the clock: a fresh one is right, a published one years old."""
    fresh = format_datetime(datetime.now(UTC))
    assert diagnose_pasted(Broken("", text_of(date=fresh), headers={"Date": fresh}).curl, secret=SECRET).ok
    assert diagnose_pasted(Broken("").curl, secret=SECRET).causes == ("date_stale",)


KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=12, max_size=64)


@settings(max_examples=12)
@given(st.lists(KEYS, min_size=2, max_size=2, unique=True), st.sampled_from(["path", "body", "header", "signature"]))
def test_no_secret_is_shown(keys: list[str], place: str) -> None:
    """Neither report nor repr holds a secret, not even where the request itself carries it."""
    secret, other = keys
    path = f"{TYPING}/{secret}" if place == "path" else TYPING
    body = json.dumps({"key": secret, "other": other}) if place == "body" else BODY
    headers = {"header": {"Content-Type": f"{JSON} {other}"}, "signature": {"X-Signature": secret}}.get(place, {})
    broken = Broken("", text_of(body, path=path), other, path=path, body=body, headers=headers)
    request = diagnose_pasted(broken.curl, secret=secret, other_secrets={"o": other}, now=NOW)
    hook = diagnose_hook(body.encode(), sign(body, other), secret=SecretStr(f" {secret}\n"), other_secrets=[other])
    for diagnosis in (request, hook):
        shown = str(diagnosis) + repr(diagnosis)
        assert secret not in shown and other not in shown


# --- What people paste ---

LINES = {"Date": DATE, "Content-Type": JSON, "Content-MD5": MD5, "X-Signature": "0" * 40}
PASTED = Pasted("POST", HOST + TYPING, LINES, BODY.encode())
QUOTED = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in LINES.items())
ESCAPED = BODY.replace('"', '\\"')
FROM_CMD = re.sub(r'(["{}\\])', r"^\1", f'"{ESCAPED}"')
HEXED = BODY.replace('"', "\\x22").replace("á", "\\u00e1")
CURLS = {
    "single quotes": f"curl -X POST {HOST + TYPING} {QUOTED} -d '{BODY}'",
    "double quotes": f'curl --url "{HOST + TYPING}" {QUOTED} --data-raw "{ESCAPED}"',
    "ansi quotes": f"$ curl {HOST + TYPING} {QUOTED} --data-binary $'{HEXED}'",
    "continued": f"curl \\\n  --request POST '{HOST + TYPING}' \\\n {QUOTED} \\\n  --data '{BODY}' | jq .",
    "glued": f"curl -sSXPOST -m 5 -o /dev/null {HOST + TYPING} {QUOTED.replace('-H ', '-H')} -d'{BODY}' -L",
    "concatenated": f"curl {HOST + TYPING} {QUOTED} --data '{BODY}'''",
    "without backslashes": f"curl '{HOST + TYPING}'\n  {QUOTED}\n  --data '{BODY}'\necho done",
    "cmd.exe": f'curl ^"{HOST + TYPING}^" ^\n' + QUOTED.replace("'", '^"') + f" ^\n --data-raw {FROM_CMD}",
}
BASH = sorted(set(CURLS) - {"without backslashes", "cmd.exe"})  # the shells that these are for read them otherwise


@pytest.mark.parametrize("name", CURLS)
def test_curl_commands(name: str) -> None:
    """Quotes of all kinds, continued lines, glued and abbreviated options give the request that curl would send."""
    assert parse_request(CURLS[name]) == parse_curl(CURLS[name]) == PASTED


def test_curl_itself_sends_the_same() -> None:
    """What bash and curl make of a command is what is read from it: method, URL, headers and body."""
    program("curl")
    bare = [f"curl {HOST}/x?limit=5", f"curl {HOST}/x -d a=1 -d b", f"curl {HOST}/x -H 'Content-Type:' -H A: -d '{{}}'"]
    for text in [*bare, f"curl {HOST}/x --json '{{}}'", *(CURLS[name] for name in BASH)]:
        with receiving() as receiver:
            command = text.removeprefix("$ ").replace(HOST, receiver.url)
            env = os.environ | {"LC_ALL": "C.UTF-8", "NO_PROXY": "*"}
            subprocess.run([program("bash"), "-c", f"jq() {{ cat; }}\n{command}"], env=env, timeout=20, check=True)
            (seen,), pasted = receiver.seen, parse_curl(command)
        assert (seen.method, receiver.url + seen.path, seen.body) == (pasted.method, pasted.url, pasted.body)
        shown = {name: seen.headers[name.lower()] for name in (*LINES, "A") if name.lower() in seen.headers}
        assert shown == pasted.headers, text


def http(first: str, headers: dict[str, str], body: str, end: str = "\n") -> str:
    return end.join([first, *(f"{name}: {value}" for name, value in headers.items()), "", body])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("length", [{}, {"Content-Length": str(len(BODY.encode()))}], ids=["", "length"])
def test_raw_http(end: str, length: dict[str, str]) -> None:
    """Raw HTTP has its body after the empty line; Content-Length counts; without it a last line end is the editor's."""
    raw = http(f"POST {TYPING} HTTP/1.1", {"Host": HOST[8:], **LINES, **length}, BODY + end, end)
    pasted = parse_request("\n\n" + raw)
    assert (pasted.method, pasted.url, pasted.body) == ("POST", HOST + TYPING, BODY.encode())
    assert pasted.headers.items() >= LINES.items()
    assert parse_http(f"GET {HISTORY}?limit=5") == Pasted("GET", f"{HISTORY}?limit=5", {}, b"")


def test_a_newline_that_content_length_counts_was_sent() -> None:
    """The newline belongs to the body where Content-Length says so, and then it is the mistake."""
    headers = {**LINES, "X-Signature": sign(RIGHT), "Content-Length": str(len(BODY.encode()) + 1)}
    raw = http(f"POST {TYPING} HTTP/1.1", headers, BODY + "\n")
    assert diagnose_pasted(raw, secret=SECRET, now=NOW).causes == ("body_newline",)


def har_entry(status: int, **request: Any) -> dict[str, Any]:
    headers = [{"name": name, "value": value} for name, value in LINES.items()]
    whole = {"method": "POST", "url": HOST + TYPING, "headers": headers, "postData": {"text": BODY}, **request}
    return {"request": whole, "response": {"status": status}}


def test_har() -> None:
    """A HAR file, an entry or its request; of several the last that was signed and refused."""
    refused, other = har_entry(403), har_entry(200, url=HOST + "/other")
    page = {"request": {"method": "GET", "url": "https://example.com/", "headers": []}, "response": {"status": 403}}
    whole = {"log": {"version": "1.2", "entries": [None, {"request": {"url": 1}}, refused, other, page]}}
    for value in (whole, refused, refused["request"], [refused]):
        assert parse_request(json.dumps(value)) == parse_har(json.dumps(value, indent=2)) == PASTED
    assert parse_har(json.dumps({"log": {"entries": [page, other, page]}})).url == HOST + "/other"
    encoded = {"text": base64.b64encode(BODY.encode()).decode(), "encoding": "base64"}
    assert parse_har(json.dumps(har_entry(403, postData=encoded))) == PASTED


def test_a_pasted_hook() -> None:
    """A request to our own address with a signature alone is a hook; so is a bare body with a signature beside it."""
    raw = http(f"POST /hooks/{SCOPE} HTTP/1.1", {"Host": "example.com", "X-Signature": sign(HOOK)}, HOOK)
    assert diagnose_pasted(raw, secret=SECRET).ok and diagnose_pasted(raw.encode(), secret=SECRET).ok
    assert diagnose_pasted(HOOK + "\n", secret=SECRET, hook_signature=sign(HOOK)).ok
    assert diagnose_pasted(raw, secret=OTHER, other_secrets={"old": SECRET}).causes == ("wrong_channel_secret",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This is no request"),
        ("403 Forbidden", "This is no request. Paste"),
        ("{", "no JSON"),
        ('{"log":{"entries":[]}}', "holds no request"),
        ('{"log":{"entries":[{"request":{"url":1}}]}}', "holds no request"),
        (HOOK, "holds no request"),
        ("curl", "This is no request"),
        ("curl -X POST", "has no URL"),
        ("curl 'https://x/", "a quotation mark is not closed"),
        ("curl https://x/ -d @body.json", "reads -d from a file"),
        ("curl https://x/ -F a=b", "-F is not understood: leave it out"),
        (f"POST {TYPING} HTTP/1.1\nnonsense\n\n", "Header 1 is none"),
    ],
)
def test_text_that_is_no_request_is_refused_in_a_sentence(text: str, words: str) -> None:
    """What cannot be read is a ValueError that says why, and what to paste."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        parse_request(text)
    assert isinstance(caught.value, NotARequest) and isinstance(caught.value, KommoError)
    assert "Paste the request as a curl command" in str(caught.value)
