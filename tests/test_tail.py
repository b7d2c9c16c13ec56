"""Tail: hooks and calls in readable lines, as they happen, whatever strangers write into them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner
from helpers import DEADLINE_S, new_message, sample, served, until
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kommo_nb.capture import Capture
from kommo_nb.errors import StoreError
from kommo_nb.lines import json_line, label, line, safe
from kommo_nb.store import Store
from kommo_nb.store.log import set_ack_us
from kommo_nb.store.selection import Filter, StoredCall, StoredHook, select, select_calls
from kommo_nb.tail import Row, Tail, _is_made, wait_for_store
from kommo_nb.wire.records import Delivery, Exchange

NOON_MS = 1_772_452_800_000  # 2026-03-02T12:00:00Z
SCOPE = "/v2/origin/custom/s-1"


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lines show local time; here it is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def hook(body: bytes, **changes: Any) -> StoredHook:
    """A stored hook that is in no store."""
    known = {"id": 17, "received_at_ms": NOON_MS, "scope_id": "s-1", "signature": "x", "verdict": "valid_trimmed"}
    more = {"http_status": 200, "reason": None, "ack_us": 2_400, "user_agent": None, "problem": None}
    return StoredHook(**known | more | changes, body=body)


def call(kind: str, path: str, payload: Any, **changes: Any) -> StoredCall:
    """A call that has ended, in no store."""
    ended = {"id": 9, "finished_seq": 3, "state": "done", "attempts": 1, "status": 200, "elapsed_ms": 14}
    body = json.dumps(payload).encode()
    return StoredCall(
        **{**ended, **changes}, created_at_ms=NOON_MS, kind=kind, method="POST", path=path, request_body=body
    )


def body_of(name: str, **changes: Any) -> bytes:
    """A documented hook, with other fields in its message."""
    body = sample(name)
    if changes:
        body["message"]["message"] |= changes
    return json.dumps(body).encode()


def came(store: Store, body: bytes = b"{}", **changes: Any) -> int:
    """The id of a hook that is put into the store."""
    fields = {"received_at_ms": NOON_MS, "scope_id": "s-1", "signature": "x", "verdict": "valid", "http_status": 200}
    return store.add_deliveries([Delivery(**fields | changes, body=body)])[0]


def began(store: Store, kind: str = "send", at_ms: int = NOON_MS, payload: Any = None) -> int:
    """The id of a call that was begun."""
    body = json.dumps(new_message()["payload"] if payload is None else payload).encode()
    return store.begin_exchange(Exchange(at_ms, kind, "POST", SCOPE, body))


def ended(store: Store, id_: int, elapsed_ms: int = 5) -> None:
    outcome = {"state": "done", "attempts": 1, "status": 200, "response_body": b"{}", "error_type": None}
    store.finish_exchange(id_, **outcome, elapsed_ms=elapsed_ms)


# --- A line ---

SAID = "Текст сообщения Сделка #15926745"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            hook(body_of("hook-v2-comment-reply")),
            "03-02 12:00:00 ← 17 message valid 2 ms Имя менеджера → d0111a11-d001-44b… Привет!",
        ),
        (
            hook(body_of("hook-v2-picture-template-buttons", text=""), verdict="valid", ack_us=None),
            "03-02 12:00:00 ← 17 message valid 76fc2bea-902f-425… → my_int-d5a421f7f2… "
            "[picture] https://amojo.amocrm.ru/attachme…",
        ),
        (
            hook(body_of("hook-typing")),
            "03-02 12:00:00 ← 17 typing valid 2 ms fb0fb604-9e04-4e1… → c7",
        ),
        (
            hook(body_of("hook-reaction-old-shape")),
            "03-02 12:00:00 ← 17 reaction valid 2 ms fb0fb604-9e04-4e1… → c7 \U0001f60d",
        ),
        (
            hook(body_of("hook-v1-text"), verdict="mismatch", http_status=403),
            "03-02 12:00:00 ← 17 message_v1 mismatch 2 ms → a4a5ab10-ea6f-4af… Можете уточнить адрес доставки заказа ?",
        ),
        (hook(b"\xff\x1b", verdict="valid"), "03-02 12:00:00 ← 17 unknown valid 2 ms ! the body is not JSON �\\u001b"),
        (hook(b"{}", problem="told later"), "03-02 12:00:00 ← 17 unknown valid 2 ms ! told later {}"),
        (
            call("send", SCOPE, new_message(message={"type": "text", "text": "Do you have\ntulips?"})),
            "03-02 12:00:00 → 9 send 200 14 ms Ada → c-1 Do you have\\ntulips?",
        ),
        (
            call(
                "delivery_status", f"{SCOPE}/m-1/delivery_status", {"status_code": -1, "error_code": 905, "error": "x"}
            ),
            "03-02 12:00:00 → 9 delivery_status 200 14 ms → m-1 failed 905 x",
        ),
        (
            call("history", f"{SCOPE}/chats/chat-1/history?limit=50", None),
            "03-02 12:00:00 → 9 history 200 14 ms → chat-1",
        ),
        (
            call("react", f"{SCOPE}/react", {"conversation_id": "c-1", "user": {"id": "ada"}, "type": "unreact"}),
            "03-02 12:00:00 → 9 react 200 14 ms ada → c-1 unreact",
        ),
        (
            call(
                "connect",
                f"{SCOPE}/connect",
                {"account_id": "a-1"},
                state="failed",
                status=None,
                error_type="ReadTimeout",
            ),
            "03-02 12:00:00 → 9 connect no answer 14 ms a-1 ! ReadTimeout",
        ),
        (
            call("send", SCOPE, new_message(), state="failed", status=403, error_type="ORIGIN_INVALID_SIGNATURE"),
            "03-02 12:00:00 → 9 send 403 14 ms Ada → c-1 ! ORIGIN_INVALID_SIGNATURE Hello",
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, StoredHook | StoredCall) else "",
)
def test_a_line_tells_what_happened(row: Row, words: str) -> None:
    """A line has time, direction, id, kind, outcome, duration, who and where, and what was said or went wrong."""
    assert " ".join(click.unstyle(line(row)).split()) == words


def test_lines_stand_in_columns() -> None:
    """Whatever a row holds, each part begins in the same column, counted as a terminal counts."""
    rows = [
        hook(body_of("hook-typing"), id=3),
        hook(body_of("hook-v2-comment-reply"), id=12345),
        call("send", SCOPE, new_message(sender={"id": "x", "name": "日本語の名前はとても長いです"})),
    ]
    for width in (80, 140):
        places = {
            cell_len(text[: text.rindex("→ ")]) for text in (click.unstyle(line(row, width=width)) for row in rows)
        }
        assert len(places) == 1


def test_colours_are_for_terminals() -> None:
    """A refused hook and a problem are red, and click takes all colours away where nobody sees them."""
    row = hook(b"{}", verdict="mismatch")
    assert "\x1b[31mmismatch" in line(row) and "\x1b[31m! no message" in line(row)
    outcome = CliRunner().invoke(click.command()(lambda: click.echo(line(row))))
    assert "\x1b" not in outcome.stdout


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ë, 日本, \U0001f60d, שלום", "plain, ë, 日本, \U0001f60d, שלום"),
        ("\x1b[31m\x07\x7f\x9b", r"\u001b[31m\u0007\u007f\u009b"),
        ("a\nb\r\tc\u2028\x00", r"a\nb\r\tc\u2028\u0000"),
        ("\u202egnp.exe \u2066 \u200f \ufeff", r"\u202egnp.exe \u2066 \u200f \ufeff"),
        ("\ud83d \U000e0041", r"\ud83d \udb40\udc41"),
        ("\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    """Control characters, bidi marks and halves of pairs become JSON's escapes; letters of any script stay."""
    assert safe(text) == shown


def harmless(text: str) -> bool:
    return all(char.isprintable() or char in "\u200c\u200d" for char in text)


ANY_TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["\x1b]0;title\x07", "\u202e\u2066", "\x9b2J", "\r\n"]
)


@given(name=ANY_TEXT, text=ANY_TEXT, conversation=ANY_TEXT, width=st.integers(80, 200))
def test_no_stranger_drives_the_terminal(name: str, text: str, conversation: str, width: int) -> None:
    """Any texts in a hook or a call give one line that fits, without a character that a terminal obeys."""
    payload = sample("hook-v2-comment-reply")
    payload["message"]["sender"]["name"] = name
    payload["message"]["conversation"]["client_id"] = conversation
    payload["message"]["message"]["text"] = text
    sent = new_message(
        conversation_id=conversation, sender={"id": name, "name": name}, message={"type": "text", "text": text}
    )
    for row in (
        hook(json.dumps(payload).encode()),
        hook(text.encode("utf-8", "surrogatepass"), problem=name),
        call("send", SCOPE, sent, error_type=name, state="failed"),
        call(text, f"{SCOPE}/{text}/x", {"account_id": name, "type": text, "status_code": conversation}),
    ):
        shown = click.unstyle(line(row, width=width))
        assert harmless(shown) and cell_len(shown) <= width
        assert harmless(label(row))


@given(st.binary(max_size=200) | st.sampled_from([b"[" * 5000, b'{"message":' * 900, b'{"a":NaN}']))
def test_any_body_gives_a_line(body: bytes) -> None:
    """Bytes of any kind give a line, and one line of JSON in ASCII."""
    row = hook(body, verdict="mismatch")
    assert harmless(click.unstyle(line(row)))
    assert json_line(row).isascii() and json.loads(json_line(row))["id"] == 17


@pytest.mark.parametrize("depth", [10, 300, *range(900, 1000, 10), 5000])
def test_deep_json_breaks_nothing(depth: int) -> None:
    """A hook that nests its keyboard so deep that it can just be read, or not, has its line of JSON."""
    deep = body_of("hook-v2-comment-reply").replace(
        b'"markup": null', b'"markup": {"x": ' + b"[" * depth + b"]" * depth + b"}"
    )
    assert json.loads(json_line(hook(deep)))["verdict"] == "valid_trimmed"


def test_what_is_no_json_is_left_out() -> None:
    """NaN can be read and must not be written: such an event is left out, and the rest of the line is good JSON."""
    row = hook(body_of("hook-v2-comment-reply").replace(b'"markup": null', b'"markup": {"x": NaN}'))
    told = json.loads(json_line(row))
    assert (told["event"], told["kind"], told["id"]) == (None, "message", 17)


def test_json_has_the_event_parsed() -> None:
    """A program gets the ids, the verdict, the parsed event of a hook, and request and answer of a call."""
    told = json.loads(json_line(hook(body_of("hook-v2-comment-reply"))))
    assert {key: told[key] for key in ("source", "id", "at", "kind", "scope_id", "verdict", "ack_ms", "problem")} == {
        "source": "hook",
        "id": 17,
        "at": "2026-03-02T12:00:00.000+00:00",
        "kind": "message",
        "scope_id": "s-1",
        "verdict": "valid_trimmed",
        "ack_ms": 2.4,
        "problem": None,
    }
    assert told["event"]["text"] == "Привет!" and told["event"]["sender"]["name"] == "Имя менеджера"
    told = json.loads(json_line(call("send", SCOPE, {"a": 1}, response_body=b'{"b": 2}', msgid="m-1")))
    assert (told["source"], told["id"], told["finished_seq"], told["msgid"]) == ("call", 9, 3, "m-1")
    assert (told["request"], told["response"], told["status"]) == ({"a": 1}, {"b": 2}, 200)


# --- Following ---


def seen(rows: Iterator[Row]) -> list[str]:
    return [("h" if isinstance(row, StoredHook) else "c") + str(row.id) for row in rows]


def test_rows_come_in_order_of_time(store: Store) -> None:
    """Hooks and calls are told as one story: a call when it has ended, whichever began first."""
    slow, quick = began(store, at_ms=NOON_MS), began(store, at_ms=NOON_MS + 1)
    came(store, received_at_ms=NOON_MS + 50)
    ended(store, quick, elapsed_ms=10)
    came(store, received_at_ms=NOON_MS + 60)
    ended(store, slow, elapsed_ms=100)
    pending = began(store)
    tail = Tail(store, Filter(), past=None)
    assert seen(tail.new_rows()) == [f"c{quick}", "h1", "h2", f"c{slow}"]
    assert seen(tail.new_rows()) == []
    came(store, received_at_ms=NOON_MS + 70)
    ended(store, pending, elapsed_ms=80)
    assert seen(tail.new_rows()) == ["h3", f"c{pending}"]


@pytest.mark.parametrize(
    ("past", "first"),
    [(0, []), (1, ["c2"]), (3, ["h2", "c1", "c2"]), (99, ["h1", "h2", "c1", "c2"]), (None, ["h1", "h2", "c1", "c2"])],
)
def test_the_last_rows_come_first(store: Store, past: int | None, first: list[str]) -> None:
    """A tail begins with so many of the last rows of both kinds together, and goes on with the new ones."""
    for at_ms in (NOON_MS, NOON_MS + 1):
        came(store, received_at_ms=at_ms)
    for at_ms in (NOON_MS + 2, NOON_MS + 3):
        ended(store, began(store, at_ms=at_ms))
    tail = Tail(store, Filter(), past=past)
    came(store, received_at_ms=NOON_MS + 9)
    assert seen(tail.new_rows()) == [*first, "h3"]


def test_past_rows_are_counted_after_the_filter(store: Store) -> None:
    """The last two that fit, however many others lie between."""
    for number in range(200):
        came(store, scope_id="s-1" if number in (3, 90, 150) else "s-2")
    assert seen(Tail(store, Filter(scope_id="s-1"), past=2).new_rows()) == ["h91", "h151"]


def test_filters_and_sources(store: Store) -> None:
    """Only what was asked for: hooks, calls, a kind of either, a verdict, a text."""
    came(store, body_of("hook-typing"))
    came(store, body_of("hook-v2-comment-reply"), verdict="mismatch", http_status=403)
    ended(store, began(store, "typing", payload={"conversation_id": "c-1", "sender": {"id": "ada"}}))
    ended(store, began(store, payload=new_message(message={"type": "text", "text": "привет"})))

    def found(wanted: Filter, **sources: bool) -> list[str]:
        return seen(Tail(store, wanted, past=None, **sources).new_rows())

    assert found(Filter(), hooks=False) == ["c1", "c2"] and found(Filter(), calls=False) == ["h1", "h2"]
    assert found(Filter(kind="typing")) == ["h1", "c1"]
    assert found(Filter(verdict="refused")) == ["h2"]
    assert found(Filter(text="ПРИВЕТ")) == ["h2", "c2"]
    assert found(Filter(scope_id="s-1")) == ["h1", "h2", "c1", "c2"]


def test_quiet_times_cost_one_question(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody writes, no table is read, and rows that did not fit are not read again."""
    for _ in range(60):
        came(store)
    reader = Store(store.path, read_only=True)
    tail = Tail(reader, Filter(kind="typing"), past=0)
    asked: list[str] = []
    rows_read: list[int] = []
    query = reader.query

    def watched(sql: str, *args: Any) -> Any:
        asked.append(sql.split()[0])
        rows = query(sql, *args)
        rows_read.append(len(rows))
        return rows

    monkeypatch.setattr(reader, "query", watched)
    with followed(tail) as rows:
        until(lambda: asked.count("PRAGMA") > 2, "the tail looks three times")
        assert asked.count("SELECT") <= 6  # the first look
        for _ in range(3):
            looks = asked.count("PRAGMA")
            came(store)
            until(lambda: asked.count("PRAGMA") > looks + 1, "the tail has looked")  # noqa: B023
        came(store, body_of("hook-typing"))
        assert rows.get(timeout=DEADLINE_S).id == 64
    assert max(rows_read) == 1
    reader.close()


@contextmanager
def followed(tail: Tail) -> Iterator[Queue[Row]]:
    """A queue that fills with what a tail finds."""
    rows: Queue[Row] = Queue()
    stop = threading.Event()

    def work() -> None:
        for row in tail.follow(stop):
            rows.put(row)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield rows
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_rows_are_seen_as_they_come(store: Store) -> None:
    """What another connection commits is seen at once, each row once, in order."""
    reader = Store(store.path, read_only=True)
    with followed(Tail(reader, Filter())) as rows:
        expected = []
        for number in range(1, 6):
            came(store)
            ended(store, began(store))
            expected += [f"h{number}", f"c{number}"]
        found = [rows.get(timeout=DEADLINE_S) for _ in expected]
    assert sorted(seen(iter(found))) == sorted(expected) and rows.empty()
    for kind in (StoredHook, StoredCall):
        places = [row.place for row in found if isinstance(row, kind)]
        assert places == sorted(places)
    reader.close()


def test_a_hook_waits_for_its_milliseconds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that has just come is told once it has its `ack_us`, before the calls after it; or late, without."""
    tail, now_ms = Tail(store, Filter(), past=None), round(time.time() * 1000)
    came(store, received_at_ms=now_ms - 2, ack_us=900)
    came(store, received_at_ms=now_ms - 1)
    ended(store, began(store, at_ms=now_ms))
    assert seen(tail.new_rows()) == ["h1"] and seen(tail.new_rows()) == []
    store.write([partial(set_ack_us, ack_us={2: 2_400})])
    hook, call = tail.new_rows()
    assert isinstance(hook, StoredHook) and (hook.id, hook.ack_us, type(call)) == (2, 2_400, StoredCall)
    came(store, received_at_ms=now_ms)
    assert seen(tail.new_rows()) == []
    monkeypatch.setattr("kommo_nb.tail.HOLD_S", 0)
    assert seen(tail.new_rows()) == ["h3"]


def test_live_hooks_have_their_milliseconds(store: Store) -> None:
    """Of hooks that a receiver takes one by one, each is told with the time that it took, good or refused."""
    reader = Store(store.path, read_only=True)
    with served(Capture(store, "a-secret", project=False)) as url, followed(Tail(reader, Filter())) as rows:
        for id_ in range(1, 4):
            httpx.post(f"{url}/hooks/s-1", content=b"{}", trust_env=False)
            row = rows.get(timeout=DEADLINE_S)
            assert isinstance(row, StoredHook) and (row.id, row.ack_us is None) == (id_, False)
    reader.close()


def test_a_hook_without_milliseconds_is_told_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when nothing else is written, a hook whose time is never stored is told."""
    monkeypatch.setattr("kommo_nb.tail.HOLD_S", 0.3)
    reader = Store(store.path, read_only=True)
    with followed(Tail(reader, Filter())) as rows:
        came(store, received_at_ms=round(time.time() * 1000))
        assert rows.get(timeout=DEADLINE_S).id == 1
    reader.close()


def test_a_store_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail waits for the file and for its tables, says so once, and then has the store."""
    path, said, got = tmp_path / "later.db", [], []
    looks: list[int] = []

    def look(path: Path) -> bool:
        looks.append(1)
        return _is_made(path)

    monkeypatch.setattr("kommo_nb.tail._is_made", look)
    monkeypatch.setattr("kommo_nb.tail.POLL_S", 0.005)

    def wait() -> None:
        got.append(wait_for_store(path, on_wait=lambda: said.append(1)))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    until(lambda: len(looks) > 2, "it looks for the file")
    path.touch()
    seen_empty = len(looks) + 2
    until(lambda: len(looks) > seen_empty, "it looks at the empty file")
    assert said == [1] and got == []
    Store(path).close()
    thread.join(DEADLINE_S)
    assert got and list(select(got[0], Filter())) == [] == list(select_calls(got[0], Filter())) and said == [1]
    got[0].close()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    """A file of another kind is refused at once; nobody waits for it to change."""
    (tmp_path / "x.db").write_bytes(b"this is a text of some length " * 200)
    with pytest.raises(StoreError, match="not an SQLite database"):
        wait_for_store(tmp_path / "x.db", on_wait=lambda: None)


def test_a_store_of_an_older_version(store: Store) -> None:
    """A file that lacks a column which came later gets a sentence that says how to bring it up to date."""
    store.conn.execute("DROP VIEW hooks")
    store.conn.execute("ALTER TABLE deliveries DROP COLUMN reason")
    reader = Store(store.path, read_only=True)
    with pytest.raises(StoreError, match="kommo-nb capture brings it up to date"):
        list(select(reader, Filter()))
    reader.close()


# --- The command ---


@contextmanager
def tailing(path: Path, *words: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """The command, in a process of its own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("KOMMO_NB_")} | {"TZ": "UTC"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kommo_nb.cli", "tail", "--db", str(path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env | more.pop("env", {}),
        **more,
    )
    late = threading.Timer(DEADLINE_S, process.kill)  # then a test that waits for a line fails
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        process.kill()
        process.communicate(timeout=DEADLINE_S)


def test_the_command_follows_until_ctrl_c(tmp_path: Path) -> None:
    """It waits for the file, prints a plain line for each row as it comes, and ends quietly."""
    path = tmp_path / "kommo.db"
    with tailing(path) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stderr.readline() == f"Waiting for {path} to be made.\n"
        store = Store(path)
        came(store, body_of("hook-v2-comment-reply"))
        assert process.stdout.readline().split()[2:6] == ["←", "1", "message", "valid"]
        ended(store, began(store))
        assert process.stdout.readline().split()[2:6] == ["→", "1", "send", "200"]
        store.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_command_for_programs(store: Store) -> None:
    """With --json each line is an object, and filters and -n choose which."""
    for text in ("one", "two", "three"):
        came(store, body_of("hook-v2-comment-reply", text=text))
    ended(store, began(store))
    with tailing(store.path, "--json", "-n", "2", "--kind", "message", "--no-calls") as process:
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [each["event"]["text"] for each in told] == ["two", "three"]


def test_since_begins_there(store: Store) -> None:
    """With --since all rows from that time on come first."""
    for number in range(15):
        came(store, received_at_ms=NOON_MS + number * 60_000)
    with tailing(store.path, "--json", "--since", "2026-03-02T12:02:00Z") as process:
        assert process.stdout is not None
        assert [json.loads(process.stdout.readline())["id"] for _ in range(13)] == list(range(3, 16))


def test_a_closed_pipe_ends_it_quietly(store: Store) -> None:
    """Piped into a program that has read enough, it ends without a word."""
    came(store)
    with tailing(store.path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        came(store)
        process.wait(timeout=DEADLINE_S)
        assert process.stderr.read() == ""


def test_an_old_terminal_gets_escapes(store: Store) -> None:
    """Where only the letters of Western Europe can be printed, the rest is escaped, and nothing fails."""
    came(store, body_of("hook-v2-comment-reply"))
    with tailing(store.path, env={"PYTHONIOENCODING": "latin-1"}) as process:
        assert process.stdout is not None
        assert r"\u2190" in process.stdout.readline()
