"""Whatever a stranger may send or somebody may paste: a value or the documented error, soon, and no other exception.

`FUZZ_EXAMPLES=20000 pytest tests/test_hostile.py` looks for about an hour, where 100 examples take half a minute.
"""

from __future__ import annotations

import copy
import hmac
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kommo_nb.capture import receive
from kommo_nb.store import Store
from kommo_nb.wire.doctor import (
    Diagnosis,
    NotARequest,
    diagnose_hook,
    diagnose_pasted,
    diagnose_request,
    parse_curl,
    parse_har,
    parse_http,
    parse_request,
)
from kommo_nb.wire.hooks import Hook, MessageHook, MessageHookV1, ReactionHook, TypingHook, UnknownHook, parse_hook
from kommo_nb.wire.reading import Participant
from kommo_nb.wire.records import Delivery, Exchange
from kommo_nb.wire.signing import Verdict, check_hook

LIMIT_S = 10.0
"""Processor time that one input may take. A megabyte takes a tenth of it; what is worse than linear takes minutes."""

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))


def hostile(times: float = 1) -> settings:
    """So many times the usual number of examples: more for what is quick."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=int(EXAMPLES * times), suppress_health_check=checks)


DATA = Path(__file__).parents[1] / "data"
SAMPLES = {path.stem: json.loads(path.read_bytes()) for path in sorted((DATA / "samples").glob("*.json"))}
HOOKS = [value for name, value in SAMPLES.items() if name.startswith("hook-")]
SECRET, NOW = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e", datetime(2021, 12, 16, 13, 15, 40, tzinfo=UTC)
SCOPE = "344a5002-f8ca-454d-af3d-396180102ac7_52e591f7-c98f-4255-8495-827210138c81"


@contextmanager
def soon() -> Iterator[None]:
    """Fails if what is done in it takes too long."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < LIMIT_S


# --- What is sent ---

ODD_TEXTS = ["", " ", "\0", "\ud800", "a\udfff\0b", "\u202e", "🙂", "-1", "NaN", "unreact", "picture", "0" * 40]
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(ODD_TEXTS)
"""Lone surrogates and all."""
ODD_NUMBERS = [0, -1, 1.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), 1_765_000_000.123, 10**30]
ODD_NUMBERS += [2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 253_402_300_799_999, 253_402_300_800_000]
ANY_NUMBER = st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats()
ODD = (
    st.sampled_from([*ODD_TEXTS, "@long@", "@integer@", "@digits@", "@steep@", "@deep@"])
    | st.sampled_from([None, True, False, [], {}, [None], [[]], {"": ""}, {"id": None}, {"id": 1}, {"id": {}}])
    | st.sampled_from(ODD_NUMBERS)
).map(copy.deepcopy)
VALUES = ODD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: the container, and the key or index in it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from spots(value[key])


def change(draw: st.DrawFn, value: Any) -> None:
    """One place gets another text, number or type, is removed, renamed, wrapped, or becomes a copy of another place."""
    kind = draw(
        st.sampled_from(["text", "text", "number", "number", "replace", "type", "remove", "rename", "copy", "wrap"])
    )
    places = list(spots(value))
    if kind in ("text", "number"):
        places = [(box, key) for box, key in places if isinstance(box[key], str if kind == "text" else int)]
    if not places:
        return
    box, key = places[draw(st.integers(0, len(places) - 1))]
    match kind:
        case "text":
            box[key] = draw(ANY_TEXT)
        case "number":
            box[key] = draw(ANY_NUMBER)
        case "replace":
            box[key] = draw(VALUES)
        case "type":
            box[key] = {str: 7, int: str(box[key]), dict: [box[key]], list: {"0": 1}}.get(type(box[key]), "7")
        case "remove":
            del box[key]
        case "rename" if isinstance(box, dict):
            box[draw(ANY_TEXT)] = box.pop(key)
        case "copy":
            other, name = places[draw(st.integers(0, len(places) - 1))]
            box[key] = copy.deepcopy(other[name])
        case _:
            box[key] = [box[key]]


def nested(depth: int) -> str:
    """Objects and lists in each other, twice as deep."""
    return '{"a":[' * depth + "]}" * depth


WRITTEN = {"digits": "9" * 5_000, "integer": "9" * 4_000, "deep": nested(100_000), "steep": nested(300)}
WRITTEN["long"] = f'"{"x" * 70_000}"'


def broken_text(draw: st.DrawFn, text: str) -> bytes:
    """The text as bytes, whole or hurt: a piece missing, foreign bytes, a key given twice, another encoding."""
    for mark, written in WRITTEN.items():
        text = text.replace(f'"@{mark}@"', written)
    body = text.encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(body)))
    ways = ["newline", "cut", "bytes", "twice", "utf-16", "bom", "trailing"]
    match draw(st.sampled_from(["whole"] * len(ways) + ways)):
        case "newline":
            return body + b"\n"
        case "cut":
            return body[:at]
        case "bytes":
            return body[:at] + draw(st.binary(max_size=8)) + body[at:]
        case "twice":
            return body.rstrip()[:-1] + b',"message":{},"action":null,"time":1,"time":"2"}'
        case "utf-16":
            return text.encode("utf-16", "surrogatepass")
        case "bom":
            return b"\xef\xbb\xbf" + body
        case "trailing":
            return body + b"\0" + body[:at]
    return body


@st.composite
def bodies(draw: st.DrawFn, samples: list[Any] = HOOKS) -> bytes:
    """A body that began as one of the samples."""
    value = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        change(draw, value)
    return broken_text(draw, json.dumps(value, ensure_ascii=draw(st.booleans())))


ANY_BYTES = st.binary() | VALUES.map(lambda value: json.dumps(value).encode())
BODIES = st.integers(0, 3).flatmap(lambda pick: bodies() if pick else ANY_BYTES)
SIGNATURES = (
    st.none() | ANY_TEXT | st.binary() | st.text("0123456789abcdefABCDEF", min_size=40, max_size=40) | st.just("right")
)


def signed(body: bytes, signature: Any) -> Any:
    return hmac.new(SECRET.encode(), body, "sha1").hexdigest() if signature == "right" else signature


# --- The receiver ---


@hostile(5)
@given(BODIES, SIGNATURES)
def test_check_hook(body: bytes, signature: str | bytes | None) -> None:
    """Any bytes and any header have a verdict, and only the holder of the secret is trusted."""
    right = hmac.new(SECRET.encode(), body, "sha1").hexdigest()
    with soon():
        verdict = check_hook(body, signed(body, signature), secret=SECRET)
    assert isinstance(verdict, Verdict) and verdict.ok == (signature == "right" or signature in (right, right.encode()))


@hostile(3)
@given(ANY_TEXT, BODIES, SIGNATURES.filter(lambda value: not isinstance(value, bytes)), st.none() | ANY_TEXT)
def test_receive(scope_id: str, body: bytes, signature: str | None, user_agent: str | None) -> None:
    """Any request becomes a row with its body untouched, texts that can be stored, and the right answer."""
    given_signature = signed(body, signature)
    with soon():
        row = receive(scope_id, body, given_signature, secret=SECRET, received_at_ms=1, user_agent=user_agent)
    texts = [text if text is None else text.encode(errors="replace").decode() for text in (scope_id, given_signature)]
    assert (row.body, row.scope_id, row.signature) == (body, *texts)
    assert row.http_status == (200 if signature == "right" else 403 if signature else 401)


@hostile(10)
@given(BODIES)
def test_parse_hook(body: bytes) -> None:
    """Any bytes are an event that can be stored: texts are UTF-8, numbers no greater than a time in milliseconds."""
    with soon():
        hook = parse_hook(body)
    assert isinstance(hook, get_args(Hook))
    for item in (hook, *(getattr(hook, field.name) for field in fields(hook))):
        for field in fields(item) if is_dataclass(item) else ():
            value = getattr(item, field.name)
            assert value is None or isinstance(value, str | int | bytes | dict | Participant), field.name
            assert not isinstance(value, str) or value.encode()
            assert not isinstance(value, int) or 0 <= value <= 253_402_300_799_999


# --- The projection ---

KINDS = {
    "send": ("ru-send-incoming-text-request", "ru-send-response", ""),
    "edit": ("ru-edit-message-request", "ru-send-response", ""),
    "create_chat": ("ru-create-chat-request", "ru-create-chat-response", "/chats"),
    "delivery_status": ("ru-delivery-status-request", "ru-delivery-status-request", "/m/delivery_status"),
    "typing": ("ru-typing-request", "ru-typing-request", "/typing"),
    "react": ("ru-react-request", "ru-react-request", "/react"),
    "reconcile": ("ru-react-request", "ru-history-response", "/chats/c/history"),
    "history": ("ru-react-request", "kommo-history-picture-response", "/chats/c/history"),
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "empty.db"
    Store(path).close()
    return path


@contextmanager
def copy_of(empty: Path) -> Iterator[Store]:
    """A new store, without the time that its tables take to make."""
    store = Store(shutil.copy(empty, empty.with_name("copy.db")))
    try:
        yield store
    finally:
        store.close()
        for path in empty.parent.glob("copy.db*"):
            path.unlink()


def is_told(store: Store, id_: int, body: bytes) -> bool:
    """Whether a table tells of this hook."""
    match parse_hook(body):
        case MessageHook(message_id=message_id):
            return bool(store.query("SELECT 1 FROM messages WHERE message_id = ?", (message_id,)))
        case MessageHookV1(conversation_id=conversation_id, sent_at_ms=at_ms):
            sql = "SELECT 1 FROM messages WHERE conversation_id = ? AND sent_at_ms = ?"
            return bool(store.query(sql, (conversation_id, at_ms)))
        case hook:
            table = {TypingHook: "typings", ReactionHook: "reactions", UnknownHook: "problems"}[type(hook)]
            return bool(store.query(f"SELECT 1 FROM {table} WHERE event = ?", (f"d{id_}",)))


@hostile()
@given(st.lists(BODIES, min_size=1, max_size=4))
def test_project_hooks(empty: Path, stored: list[bytes]) -> None:
    """Each trusted hook is a message, an event or a problem afterwards, whatever stands in it."""
    with copy_of(empty) as store, soon():
        store.add_deliveries([Delivery(1, SCOPE, body, None, "valid", 200) for body in stored])
        assert store.project() == len(stored)
        for row in store.query("SELECT id, body FROM deliveries"):
            assert is_told(store, row["id"], row["body"])


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """A call as it might have been made, and any answer to it."""
    kind, (request, response, path) = draw(st.sampled_from(sorted(KINDS.items())))
    asked, answered = (draw(bodies([SAMPLES[name]])) for name in (request, response))
    path = f"/v2/origin/custom/{SCOPE}{path}"
    return Exchange(1, kind, "POST", path, asked, state="done", attempts=1, status=200, response_body=answered)


@hostile(2)
@given(st.lists(exchanges(), min_size=1, max_size=4))
def test_project_calls(empty: Path, done: list[Exchange]) -> None:
    """No call and no answer to one stops the projection."""
    with copy_of(empty) as store, soon():
        store.load(done)
        assert store.project() == len(done)


# --- The doctor ---

HEADERS = {"Date": "Thu, 16 Dec 2021 13:15:29 +0000", "Content-Type": "application/json", "Content-MD5": "0" * 32}
HEADERS["X-Signature"] = "0" * 40
PATH = f"/v2/origin/custom/{SCOPE}/typing"
LINES = "".join(f"{name}: {value}\n" for name, value in HEADERS.items())
QUOTED = " ".join(f"-H '{name}: {value}'" for name, value in HEADERS.items())
HAR: dict[str, Any] = {"method": "POST", "url": f"https://amojo.kommo.com{PATH}", "postData": {"text": "{}"}}
HAR["headers"] = [{"name": name, "value": value} for name, value in HEADERS.items()]
HAR = {"log": {"entries": [{"request": HAR, "response": {"status": 403}}]}}
GOOD = [
    f"curl -X POST 'https://amojo.kommo.com{PATH}' {QUOTED} --data-binary $'{{\\x22a\\x22:\"\\u00e9\"}}' | jq",
    f'curl ^"https://amojo.kommo.com{PATH}^" ^\n {QUOTED} --data-raw "{{\\"a\\":1}}"',
    f'POST {PATH} HTTP/1.1\r\nHost: amojo.kommo.com\n{LINES}Content-Length: 7\n\n{{"a":1}}',
    json.dumps(HAR),
    "{",
]
SCRAPS = st.text("curl -XHdGI'\"\\$@{}[]:;|&<>^`\n\r\t/?#=%\0 POSTHTTP/1.09ea\ud800é", max_size=12) | ANY_TEXT


@st.composite
def pastes(draw: st.DrawFn) -> str | bytes:
    """Something that began as a request that can be read, as text or bytes."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(["", text[start:end] * 2]) | SCRAPS)
        text = text[:start] + piece + text[end if draw(st.booleans()) else start :]
    return text.encode("utf-8", "surrogatepass") if draw(st.booleans()) else text


PASTES = pastes() | bodies([HAR]) | ANY_TEXT | st.binary()


@hostile(3)
@given(PASTES)
def test_the_parsers(paste: str | bytes) -> None:
    """Each parser knows two outcomes, whatever is pasted: a request, or a sentence that says what to paste."""
    for parse in (parse_request, parse_curl, parse_http, parse_har):
        with soon():
            try:
                assert [type(part) for part in parse(paste)] == [str, str, dict, bytes]
            except NotARequest as refusal:
                assert "Paste the request" in str(refusal)


@hostile()
@given(PASTES, st.none() | ANY_TEXT)
def test_diagnose_pasted(paste: str | bytes, hook_signature: str | None) -> None:
    """Whatever is pasted has a diagnosis, or is no request."""
    with soon():
        try:
            diagnosis = diagnose_pasted(paste, secret=SECRET, hook_signature=hook_signature, now=NOW)
        except NotARequest:
            return
        assert isinstance(diagnosis, Diagnosis) and str(diagnosis)
    assert SECRET not in str(diagnosis)


DIGITS = st.text("0123456789", min_size=1, max_size=25)
DATES = st.builds("Thu, {} Dec {} 13:{}:29 {}{}".format, *[st.just("16") | DIGITS] * 3, st.sampled_from("+- "), DIGITS)
NAMES = st.sampled_from([*HEADERS, "D\u0430te", "x"]) | ANY_TEXT
URLS = st.sampled_from(
    [PATH, "https://amojo.kommo.com" + PATH, f"/v2/origin/custom/{SCOPE[:36]}/typing", "//", "http://["]
)


@hostile(0.6)
@given(
    st.sampled_from(["POST", "GET", ""]) | ANY_TEXT,
    URLS | ANY_TEXT | st.tuples(URLS, ANY_TEXT).map("".join),
    st.dictionaries(NAMES, ANY_TEXT, max_size=3),
    st.just(HEADERS) | st.fixed_dictionaries({name: DATES | ANY_TEXT for name in HEADERS}),
    bodies(list(SAMPLES.values())) | ANY_BYTES,
    st.lists(ANY_TEXT, max_size=3),
)
def test_diagnose_request(
    method: str, url: str, more: dict[str, str], headers: dict[str, str], body: bytes, others: list[str]
) -> None:
    """No method, URL, header, body or other secret raises, and none passes for right."""
    with soon():
        diagnosis = diagnose_request(
            method, url, headers=headers | more, body=body, secret=SECRET, other_secrets=others, now=NOW
        )
        assert not diagnosis.ok and diagnosis.cause and str(diagnosis) and repr(diagnosis)


@hostile()
@given(BODIES, SIGNATURES)
def test_diagnose_hook(body: bytes, signature: str | bytes | None) -> None:
    """No body and no signature raises, and the doctor is content just where the receiver is."""
    given_signature = signed(body, signature)
    with soon():
        diagnosis = diagnose_hook(body, given_signature, secret=SECRET)
        assert str(diagnosis)
    assert diagnosis.ok == check_hook(body, given_signature, secret=SECRET).ok


# --- Size ---

MEGABYTE = 1_000_000
BIG_BODIES = {
    "list": json.dumps([{"key": f"olá/{number}", "b": [1, {}]} for number in range(24_000)]).encode(),
    "keys": b"{" + b",".join(b'"%d":0' % number for number in range(90_000)) + b"}",
    "one object's keys": b"{" + b",".join(b'"%d":0' % number for number in range(700)) + b"}",
    "small objects": json.dumps([{"a": 1, "b": 2, "c": 3}] * 5_000).encode(),
    "open brackets": b"[" * MEGABYTE,
    "open objects": b'{"a":' * (MEGABYTE // 5),
    "as deep as can be read": nested(450).encode(),
    "deep again and again": b"[" + b",".join([b"[" * 900 + b"]" * 900] * 550) + b"]",
    "deep, and small enough to be indented": b"[" + b",".join([b"[" * 450 + b"]" * 450] * 11) + b"]",
    "deep, and not": b"[" + b",".join([b"[" * 450 + b"]" * 450] * 400) + b"]",
    "a number": b'{"time":' + b"9" * MEGABYTE + b"}",
    "numbers": b"[" + b",".join([b"9" * 4_000] * 249) + b"]",
    "exponents": b"[" + b",".join([b"1e308"] * 160_000) + b"]",
    "empty texts": b"[" + b",".join([b'""'] * 330_000) + b"]",
    "a text": json.dumps({"text": "é/" * 120_000}).encode(),
    "surrogates": b'{"\\ud800":"' + b"\\ud800" * 160_000 + b'"}',
    "NUL": b'{"text":"' + b"\\u0000" * 160_000 + b'"}',
    "UTF-16": json.dumps({"text": "é/" * 150_000}, ensure_ascii=False).encode("utf-16"),
    "newlines": b"\n" * MEGABYTE,
    "any bytes": random.Random(1).randbytes(MEGABYTE),
}


@pytest.mark.parametrize("name", BIG_BODIES)
def test_a_big_body(name: str) -> None:
    """A megabyte, however it is nested, is checked, parsed and examined within the limit each."""
    body = BIG_BODIES[name]
    for examine in (
        lambda: check_hook(body, "0" * 40, secret=SECRET),
        lambda: parse_hook(body),
        lambda: str(diagnose_hook(body, "0" * 40, secret=SECRET)),
        lambda: str(diagnose_request("POST", PATH, headers=HEADERS, body=body, secret=SECRET)),
    ):
        with soon():
            examine()


BIG_HEADERS: dict[str, dict[str, str]] = {
    **{name: {name: "x" * MEGABYTE} for name in HEADERS},
    "an MD5 of many digits": {"Content-MD5": "AB" * (MEGABYTE // 2)},
    "thousands of headers": {f"header-{number}": "x" * 50 for number in range(20_000)},
    "a look-alike name": {"х" * MEGABYTE: "1"},
    "letters beyond ASCII": {"Content-Type": "é" * MEGABYTE},
    "digits in the Date": {"Date": "1" * MEGABYTE},
}


@pytest.mark.parametrize("name", [*BIG_HEADERS, "method", "path", "letters in the path", "query"])
def test_a_big_request_line_or_header(name: str) -> None:
    """A megabyte in any other part of the request takes no longer."""
    method = "x" * MEGABYTE if name == "method" else "POST"
    tail = {"path": "/" + "x" * MEGABYTE, "letters in the path": "é" * MEGABYTE, "query": "?" + "x" * MEGABYTE}
    headers = HEADERS | BIG_HEADERS.get(name, {})
    with soon():
        diagnosis = diagnose_request(method, PATH + tail.get(name, ""), headers=headers, body=b"{}", secret=SECRET)
        assert len(str(diagnosis)) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        *(
            "curl " + piece * (size // len(piece))
            for size in (99_000, MEGABYTE)
            for piece in ("'", '"', "\\", "$'", " $'a'", "\n ", '^"', "a'b'", "-", " -X", " -d a", "\\\n", " a=b;")
        ),
        *("POST / HTTP/1.1\n" + piece * (MEGABYTE // len(piece)) for piece in ("\n ", "a:", "a:b\n", " ", "\r")),
        *("POST" + " " * MEGABYTE + "x y", "POST " + "a " * (MEGABYTE // 2), "A" * MEGABYTE, " " * MEGABYTE + "{"),
        *("[" * MEGABYTE, '{"a":' * (MEGABYTE // 5), '{"log":{"entries":[' + "{}," * (MEGABYTE // 3) + "{}]}}"),
    ],
    ids=lambda text: f"{text[:24]!r} {len(text)}",
)
def test_a_big_paste(text: str) -> None:
    """No pattern in a megabyte of text makes a parser slow."""
    for parse in (parse_request, parse_curl, parse_http, parse_har):
        with soon():
            try:
                parse(text)
            except NotARequest:
                continue


MEMORY = """
import resource, test_hostile as tests
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 150_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name in ("list", "keys", "deep again and again"):
    tests.test_a_big_body(name)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts memory as Linux does")
def test_a_big_body_takes_bounded_memory() -> None:
    """The bodies of a megabyte that ask the most are examined in 150 MB."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    child = [sys.executable, "-c", MEMORY]
    done = subprocess.run(child, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
