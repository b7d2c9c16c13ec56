"""Replay: which stored hooks are chosen, what is sent again, and what is noted of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from click.testing import Result as Outcome
from helpers import openssl_sha1 as openssl
from helpers import receiving, sample, served
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kommo_nb.capture import Capture
from kommo_nb.cli import hooks as commands
from kommo_nb.cli.options import cli
from kommo_nb.config import load_settings
from kommo_nb.errors import ConfigError, KommoError
from kommo_nb.replay import replay, request, set_fields
from kommo_nb.store import Store
from kommo_nb.store.selection import PAGE, VERDICTS, Filter, StoredHook, moment_ms, select, select_calls
from kommo_nb.wire.records import Delivery, Exchange

SECRET = "a-secret-of-this-test"
BODY = b'{"conversation_id": "c-1", "receiver": "ada", "type": "text", "text": "Hi", "msec_timestamp": 1600000000000}'
NOON_MS = 1_772_452_800_000  # 2026-03-02T12:00:00Z


def kept(store: Store, body: bytes = BODY, **changes: Any) -> int:
    """The id of a hook that is put into the store, as it would have come at noon."""
    fields = {"received_at_ms": NOON_MS, "scope_id": "s-1", "signature": "x", "verdict": "valid", "http_status": 200}
    return store.add_deliveries([Delivery(**fields | changes, body=body)])[0]


def hook(body: bytes = BODY, **changes: Any) -> StoredHook:
    """A stored hook that is in no store."""
    fields = {"id": 1, "received_at_ms": NOON_MS, "scope_id": "s-1", "signature": "x", "verdict": "valid"}
    nothing = dict.fromkeys(("reason", "ack_us", "user_agent", "problem"))
    return StoredHook(**{**fields, "http_status": 200, **nothing, **changes}, body=body)


def message(**changes: Any) -> bytes:
    """A documented hook, with other fields in its message."""
    body = sample("hook-v2-text-with-source")
    body["message"]["message"] |= changes
    return json.dumps(body).encode()


def ids(store: Store, **wanted: Any) -> list[int]:
    return [stored.id for stored in select(store, Filter(**wanted))]


def replays(store: Store) -> list[dict[str, Any]]:
    return store.query("SELECT * FROM replays ORDER BY id")


# --- Which hooks ---


@pytest.fixture
def shelf(store: Store) -> Store:
    """Seven hooks, each different from the others in one respect."""
    kept(store, message(text="Tulips for Zoë"))
    kept(store, json.dumps(sample("hook-typing")).encode(), scope_id="s-2")
    kept(store, json.dumps(sample("hook-reaction-old-shape")).encode(), received_at_ms=NOON_MS + 60_000)
    kept(store, BODY + b"\n", verdict="valid_trimmed")
    kept(store, b'{"hello": "tulips"}')
    kept(store, message(), verdict="mismatch", http_status=403)
    kept(store, message(), verdict="missing", http_status=401, signature=None, received_at_ms=NOON_MS - 1)
    store.project()
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"ids": (3, 99, 1)}, [1, 3]),
        ({"scope_id": "s-2"}, [2]),
        ({"kind": "message"}, [1, 6, 7]),
        ({"kind": "typing"}, [2]),
        ({"kind": "reaction"}, [3]),
        ({"kind": "message_v1"}, [4]),
        ({"kind": "unknown"}, [5]),
        ({"verdict": "trusted"}, [1, 2, 3, 4, 5]),
        ({"verdict": "refused"}, [6, 7]),
        ({"verdict": "valid_trimmed"}, [4]),
        ({"verdict": "missing"}, [7]),
        ({"since_ms": NOON_MS, "until_ms": NOON_MS + 60_000}, [1, 2, 4, 5, 6]),
        ({"since_ms": NOON_MS + 1}, [3]),
        ({"until_ms": NOON_MS}, [7]),
        ({"text": "TULIPS"}, [1, 5]),
        ({"text": "zoë"}, [1]),  # in the body it is written \u00eb
        ({"text": "\U0001f60d"}, [3]),
        ({"problem": True}, [5]),
        ({"kind": "message", "verdict": "trusted"}, [1]),
        ({"text": "no such text"}, []),
    ],
)
def test_a_filter_finds_what_fits(shelf: Store, wanted: dict[str, Any], found: list[int]) -> None:
    """Each field of the filter, and several together, choose exactly the hooks that fit, in order of id."""
    assert ids(shelf, **wanted) == found
    assert [stored.id for stored in select(shelf, Filter(**wanted), newest_first=True)] == found[::-1]


def test_a_filter_carries_the_row_and_its_problem(shelf: Store) -> None:
    """A chosen hook has its bytes, its verdict, and the reason of its problem."""
    stored = next(select(shelf, Filter(problem=True)))
    assert (stored.body, stored.verdict, stored.trusted) == (b'{"hello": "tulips"}', "valid", True)
    assert stored.problem is not None and "conversation_id" in stored.problem


def test_text_in_a_filter_is_no_sql(shelf: Store) -> None:
    """A scope or text with quotation marks finds nothing, and does nothing."""
    assert ids(shelf, scope_id="' OR 1=1 --") == ids(shelf, text="'; DROP TABLE deliveries") == []
    assert len(ids(shelf)) == 7


def test_hooks_are_read_while_one_iterates(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many hooks only the page in use is read, and those that come meanwhile are left for the next time."""
    for _ in range(PAGE * 2 + 1):
        kept(store)
    read: list[int] = []
    query = store.query
    monkeypatch.setattr(store, "query", lambda *args: [read.append(1) or row for row in query(*args)])
    found = select(store, Filter())
    next(found)
    assert len(read) <= PAGE + 1
    for _ in range(3):
        kept(store)
    assert 1 + sum(1 for _ in found) == PAGE * 2 + 1
    backwards = [stored.id for stored in select(store, Filter(), newest_first=True)]
    assert backwards == list(range(PAGE * 2 + 4, 0, -1))


def test_calls_come_in_the_order_of_their_endings(store: Store) -> None:
    """A call that began first and ended last comes last; one that has not ended does not come."""
    call = Exchange(NOON_MS, "send", "POST", "/v2/origin/custom/s-1", b'{"payload": {"message": {"text": "Hi"}}}')
    first, second, _third = (store.begin_exchange(call) for _ in range(3))
    ended = {"state": "done", "attempts": 1, "status": 200, "response_body": b"{}", "error_type": None}
    for id_ in (second, first):
        store.finish_exchange(id_, **ended, elapsed_ms=5)
    assert [(each.id, each.text) for each in select_calls(store, Filter())] == [(second, "Hi"), (first, "Hi")]
    assert [each.id for each in select_calls(store, Filter(scope_id="s-1", kind="send", text="h"))] == [second, first]
    for nothing in ({"scope_id": "s"}, {"kind": "edit"}, {"verdict": "trusted"}, {"problem": True}):
        assert list(select_calls(store, Filter(**nothing))) == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", NOON_MS - 1_800_000),
        ("2h", NOON_MS - 7_200_000),
        ("7d", NOON_MS - 604_800_000),
        ("45s", NOON_MS - 45_000),
        ("2026-03-02T11:00:00Z", NOON_MS - 3_600_000),
        ("2026-03-02T11:00+01:00", NOON_MS - 7_200_000),
    ],
)
def test_a_moment_is_a_time_or_a_span(text: str, moment: int) -> None:
    """Spans are counted back from now, and ISO times are taken as they are."""
    assert moment_ms(text, now=datetime(2026, 3, 2, 12, tzinfo=UTC)) == moment


def test_a_moment_without_a_zone_is_local() -> None:
    """A date is the midnight of this machine's zone."""
    midnight = datetime(2026, 3, 2).astimezone()
    assert moment_ms("2026-03-02", now=datetime.now(UTC)) == midnight.timestamp() * 1000


@given(st.text() | st.from_regex(r"[0-9]{1,9}[a-z]?"))
def test_a_moment_is_a_number_or_refused(text: str) -> None:
    """Any text is a moment, or a ValueError that says what one looks like."""
    try:
        assert isinstance(moment_ms(text, now=datetime.now(UTC)), int)
    except ValueError as problem:
        assert "30m" in str(problem)


# --- What is sent ---


@pytest.mark.parametrize(
    ("body", "verdict", "signed"),
    [
        (BODY, "valid", BODY),
        (BODY + b"\n", "valid_trimmed", BODY),
        (BODY + b"\n", "valid", BODY + b"\n"),
        (BODY + b"\n", "mismatch", BODY + b"\n"),
        (BODY + b"\n\n", "valid_trimmed", BODY + b"\n"),
        (b"\xff no JSON \n", "valid_trimmed", b"\xff no JSON "),
    ],
)
def test_the_stored_bytes_are_sent(body: bytes, verdict: str, signed: bytes) -> None:
    """A hook is sent byte for byte, and signed by its own newline rule, as openssl does it."""
    with receiving() as receiver:
        attempts = list(replay([hook(body, verdict=verdict)], receiver.url + "/here", secret=SECRET))
    seen = receiver.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/here", body)
    assert seen.headers["x-signature"] == openssl(signed, SECRET)
    assert seen.headers["content-type"] == "application/json"
    assert [(each.status, each.ok, each.body) for each in attempts] == [(200, True, None)]


@pytest.mark.parametrize(
    ("body", "changes", "written"),
    [
        (b'{"b": {"x": 1, "y": "2"}, "a": "\\u00eb"}', {"b.x": "ok"}, '{"b":{"x":"ok","y":"2"},"a":"ë"}'.encode()),
        (b'{"b": 1}\n', {"b": None}, b'{"b":null}\n'),
        (b'{"b": 1}', {"new": [1, {"c": 2}]}, b'{"b":1,"new":[1,{"c":2}]}'),
        (b'{"rows": [[{"t": 1}], []]}', {"rows.0.0.t": "two"}, b'{"rows":[[{"t":"two"}],[]]}'),
        (b'{"rows": [1, 2]}', {"rows.1": 3}, b'{"rows":[1,3]}'),
        (b'{"half": "\\ud83d", "b": "/"}', {"b": "/2"}, b'{"half":"\\ud83d","b":"/2"}'),
    ],
)
def test_a_changed_field_is_written_as_kommo_writes(body: bytes, changes: dict[str, Any], written: bytes) -> None:
    """A changed body keeps the order of its keys and its newline, and has no spaces and no escapes for letters."""
    changed = request(hook(body), "http://127.0.0.1/", secret=SECRET, edit=set_fields(changes))
    assert changed.body == written and changed.changed
    assert changed.x_signature == openssl(written, SECRET)


def test_a_changed_body_keeps_its_newline_rule() -> None:
    """The newline of a changed hook is sent and not signed, if it was so before."""
    stored = hook(BODY + b"\n", verdict="valid_trimmed")
    changed = request(stored, "", secret=SECRET, edit=set_fields({"text": "Ho"}))
    assert changed.body.endswith(b'"Ho","msec_timestamp":1600000000000}\n')
    assert changed.x_signature == openssl(changed.body[:-1], SECRET)


def test_a_change_that_changes_nothing() -> None:
    """Where a field has that value already, the very bytes are sent, spaces and all."""
    same = request(hook(), "", secret=SECRET, edit=set_fields({"text": "Hi"}))
    assert (same.body, same.changed) == (BODY, False)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (BODY, "message.text"),
        (BODY, "text.x"),
        (b'{"rows": [1]}', "rows.1"),
        (b'{"rows": [1]}', "rows.x"),
        (b'{"rows": [1]}', "rows.-1"),
        (b"no JSON", "text"),
        (b"[" * 100_000, "text"),
        (b"7", "text"),
    ],
)
def test_a_change_that_does_not_fit(body: bytes, path: str, store: Store) -> None:
    """A hook without the field to change is not sent; that is said and noted, and the next hook is sent."""
    fitting = b'{"message": {}, "text": {"x": 1}, "rows": {"1": 0, "x": 0, "-1": 0}}'
    with receiving() as receiver:
        hooks = [hook(body), hook(fitting, id=2)]
        bad, good = replay(hooks, receiver.url, secret=SECRET, edit=set_fields({path: "new"}), log=store)
    assert bad.status is None and bad.error == f"not sent: its body has no {path}" and not bad.ok
    assert good.ok and len(receiver.seen) == 1
    assert [row["error"] for row in replays(store)] == [bad.error, None]


def test_our_own_receiver_takes_it(store: Store, tmp_path: Path) -> None:
    """Replayed to our receiver, hooks are valid by the same rule. A message stays one; of typing each hook counts."""
    typing = json.dumps(sample("hook-typing")).encode()
    for body, verdict in ((message() + b"\n", "valid_trimmed"), (typing, "valid")):
        kept(store, body, verdict=verdict)
    target = Store(tmp_path / "target.db")
    with served(Capture(target, SECRET, project=False)) as url:
        for _ in range(2):
            attempts = list(replay(select(store, Filter()), f"{url}/hooks/:scope_id", secret=SECRET))
            assert all(attempt.ok for attempt in attempts)
    rows = target.query("SELECT verdict, scope_id, user_agent FROM deliveries ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("valid_trimmed", "s-1", "kommo-nb replay"),
        ("valid", "s-1", "kommo-nb replay"),
    ] * 2
    target.project()
    counts = {table: target.query(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in ("messages", "typings")}
    assert counts == {"messages": 1, "typings": 2}
    target.close()


def test_replay_into_the_same_store_ends(store: Store) -> None:
    """Hooks that go into the file they come from are not replayed again and again."""
    for _ in range(3):
        kept(store)
    with served(Capture(store, SECRET, project=False)) as url:
        assert len(list(replay(select(store, Filter()), f"{url}/hooks/:scope_id", secret=SECRET, log=store))) == 3
    assert len(ids(store)) == 6


def test_a_strangers_scope_stays_in_its_place() -> None:
    """A scope id that was chosen by a stranger cannot lead the request to another path."""
    with receiving() as receiver:
        stored = hook(scope_id="../admin?x=1#y\r\n ë")
        list(replay([stored], f"{receiver.url}/hooks/:scope_id/in", secret=SECRET))
    assert receiver.seen[0].path == "/hooks/..%2Fadmin%3Fx%3D1%23y%0D%0A%20%C3%AB/in"


@pytest.mark.parametrize(
    "url",
    ["", "here", "ftp://127.0.0.1/x", "http://", "http://[::1", "//127.0.0.1/x", "http://me:a-pass@127.0.0.1/x"],
)
def test_a_url_that_cannot_be_one(url: str) -> None:
    """What is no http address, or holds a password, is refused with a sentence before anything is sent."""
    with pytest.raises(ConfigError) as refused:
        list(replay([hook()], url, secret=SECRET))
    assert "a-pass" not in str(refused.value)


def test_without_a_secret() -> None:
    """Nothing is signed with an empty key."""
    with pytest.raises(ValueError, match="KOMMO_NB_SECRET"):
        list(replay([hook()], "http://127.0.0.1:9/", secret=""))


def test_the_secret_of_its_own_channel() -> None:
    """With secrets by channel id a hook is signed with the first one of its channel; without one it is not sent."""
    secrets = {"c1": ["new-1", "old-1"], "c2": SecretStr("new-2"), "c3": []}
    for scope_id, secret in (("c1_a", "new-1"), ("c2_a_b", "new-2")):
        assert request(hook(scope_id=scope_id), "", secret=secrets).x_signature == openssl(BODY, secret)
    assert request(hook(), "", secret=["new", "old"]).x_signature == openssl(BODY, "new")
    with receiving() as receiver:
        hooks = [hook(scope_id=scope_id) for scope_id in ("c3_a", "c4_a", "c1_a")]
        *unknown, good = replay(hooks, receiver.url, secret=secrets)
    assert good.ok and len(receiver.seen) == 1
    assert all(attempt.status is None and "KOMMO_NB_SECRETS" in attempt.outcome for attempt in unknown)


# --- What comes of it ---


def test_every_attempt_is_noted(store: Store) -> None:
    """The log has a row for each attempt, with where to, what came of it, and the body only where it was changed."""
    with receiving() as receiver:
        list(replay([hook(id=7)], receiver.url, secret=SECRET, log=store))
        receiver.status = 500
        list(replay([hook(id=8)], receiver.url, secret=SECRET, edit=set_fields({"text": "Ho"}), log=store))
        sent = receiver.seen[1].body
    (unheard,) = replay([hook(id=9)], receiver.url, secret=SECRET, log=store)
    said = f"nobody answers at {receiver.url}: is the receiver running? ([Errno 111] Connection refused)"
    assert unheard.outcome == said
    rows = replays(store)
    assert [(row["delivery_id"], row["status"], row["error"]) for row in rows] == [
        (7, 200, None),
        (8, 500, None),
        (9, None, said),
    ]
    assert [row["body"] for row in rows] == [None, sent, None] and b'"Ho"' in sent
    assert {row["url"] for row in rows} == {receiver.url} and all(row["elapsed_ms"] >= 0 for row in rows)
    assert abs(rows[0]["sent_at_ms"] / 1000 - datetime.now(UTC).timestamp()) < 60


def test_a_receiver_that_fails_stops_nothing() -> None:
    """After a refusal and a failure the next hook is sent; only a 200 is a good answer."""
    statuses = iter((200, 204, 500, 403, 200))
    with receiving() as receiver:

        def hooks() -> Iterator[StoredHook]:
            for receiver.status in statuses:
                yield hook()

        attempts = list(replay(hooks(), receiver.url, secret=SECRET))
    assert [attempt.status for attempt in attempts] == [200, 204, 500, 403, 200]
    assert [attempt.ok for attempt in attempts] == [True, False, False, False, True]
    assert len(receiver.seen) == 5


def test_a_redirect_is_not_followed() -> None:
    """Kommo does not go where a redirect leads, and so it counts as a bad answer."""
    with counting_server(b"HTTP/1.1 307 Elsewhere\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n") as (url, _):
        (attempt,) = replay([hook()], url, secret=SECRET)
    assert (attempt.status, attempt.error, attempt.ok) == (307, None, False)


def test_one_connection_serves_many() -> None:
    """Hooks to one receiver share a connection, also after answers with a body."""
    with counting_server(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstored") as (url, connections):
        assert all(attempt.ok for attempt in replay([hook()] * 5, url, secret=SECRET))
    assert len(connections) == 1


def test_an_answer_without_end_holds_nothing_up() -> None:
    """The status is enough: a body that never ends is not waited for."""
    with counting_server(b"HTTP/1.1 200 OK\r\n\r\nand on") as (url, _):
        attempts = list(replay([hook()] * 2, url, secret=SECRET))
    assert [(attempt.status, attempt.ok) for attempt in attempts] == [(200, True)] * 2


def test_too_slow_is_no_good_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 200 after Kommo's 5 seconds counts as a failure, and so does no answer at all."""
    monkeypatch.setattr("kommo_nb.replay.TIMEOUT_S", 0.05)
    with receiving() as receiver:
        receiver.gate.clear()
        (attempt,) = replay([hook()], receiver.url, secret=SECRET)
        assert (attempt.status, attempt.error, attempt.ok) == (None, "no answer within 0.05 s", False)
    late = type(attempt)(1, 0, "", None, 200, None, 51)
    assert not late.ok and late.outcome == "answered 200 after 51 ms"


@pytest.mark.parametrize(
    ("beginning", "status"), [(b"HTTP/1.1 200 OK\r\n", None), (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", 200)]
)
def test_an_answer_that_trickles(monkeypatch: pytest.MonkeyPatch, beginning: bytes, status: int | None) -> None:
    """A receiver that goes on sending, a little at a time, holds up neither the attempt nor the next one."""
    monkeypatch.setattr("kommo_nb.replay.TIMEOUT_S", 0.2)
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(beginning)
            while not stop.wait(0.02):
                connection.sendall(b"X-More: x\r\n")

    with listening(trickle) as (url, connections):
        attempts = list(replay([hook()] * 2, url, secret=SECRET))
        stop.set()
    assert [(attempt.status, attempt.ok) for attempt in attempts] == [(status, False)] * 2 and len(connections) == 2
    assert all(200 <= attempt.elapsed_ms < 2_000 for attempt in attempts)


def test_an_interrupted_attempt_is_noted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the replay, and the attempt during which it came is in the log."""

    def interrupted(*_args: Any, **_kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpx.Client, "stream", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(replay([hook()] * 3, "http://127.0.0.1:9/", secret=SECRET, log=store))
    assert [row["error"] for row in replays(store)] == ["interrupted"]


def test_the_secret_shows_nowhere(store: Store) -> None:
    """Neither request nor attempt nor log holds the secret."""
    ready = request(hook(), "http://127.0.0.1:9/", secret=SECRET)
    attempts = list(replay([hook()], "http://127.0.0.1:9/", secret=SECRET, log=store))
    assert SECRET not in f"{ready!r} {ready} {attempts!r} {replays(store)!r}"


@contextmanager
def counting_server(answer: bytes) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that answers each request with these bytes, and never closes; its connections."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                if data.endswith(BODY):
                    connection.sendall(answer)

    with listening(serve) as found:
        yield found


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that gives each connection to this function, in a thread of its own; its connections."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", connections
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


# --- The command ---


def run(store: Store, *words: str) -> Outcome:
    """The command `kommo-nb replay`, on this store and with the secret in the environment."""
    env = {"KOMMO_NB_SECRET": SECRET}
    outcome = CliRunner().invoke(cli, ["replay", "--db", str(store.path), *words], env=env)
    if isinstance(outcome.exception, KommoError):
        return outcome
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exc_info
    assert SECRET not in outcome.output
    return outcome


def test_dry_run_shows_the_request(store: Store) -> None:
    """A dry run shows the request word for word, and sends and notes nothing."""
    kept(store, BODY + b"\n", verdict="valid_trimmed")
    with receiving() as receiver:
        shown = run(store, "1", "--dry-run", "--url", f"{receiver.url}/:scope_id")
    assert shown.exit_code == 0 and shown.stdout.splitlines() == [
        f"POST {receiver.url}/s-1",
        "Content-Type: application/json",
        f"X-Signature: {openssl(BODY, SECRET)}",
        "User-Agent: kommo-nb replay",
        "",
        BODY.decode() + r"\n",
        "(The newline at the end is sent, and not signed.)",
        "",
    ]
    assert receiver.seen == [] and replays(store) == []
    assert "POST (no URL yet)" in run(store, "1", "--dry-run").stdout


def test_the_secrets_of_a_receiver_of_several_channels(store: Store, tmp_path: Path) -> None:
    """A receiver with the same settings takes what is replayed, also with KOMMO_NB_SECRET; --secret goes first."""
    for scope_id in ("c1_a", "c2_a"):
        kept(store, scope_id=scope_id)
    several = {"KOMMO_NB_SECRETS": json.dumps({"c1": ["secret-1"], "c2": ["secret-2"]})}
    for env in (several, several | {"KOMMO_NB_SECRET": "secret-1"}):
        target = Store(tmp_path / "target.db")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            secrets = load_settings().hook_secrets()
        with served(Capture(target, secrets, project=False)) as url:
            words = ["replay", "1", "2", "--db", str(store.path), "--url", f"{url}/hooks/:scope_id"]
            done = CliRunner().invoke(cli, words, env=env)
            other = CliRunner().invoke(cli, [*words, "--secret", "secret-2"], env=env)
        assert (done.exit_code, done.stdout[:6], other.stdout[:6]) == (0, "2 of 2", "1 of 2"), done.output
        target.close()


def test_dry_run_for_programs(store: Store) -> None:
    """With --json a dry run prints one line for each hook, from which the very bytes can be had."""
    kept(store, b'{"text": "\xff\x1b"}')
    lines = run(store, "1", "--dry-run", "--json", "--url", "http://127.0.0.1/x").stdout.splitlines()
    facts = json.loads(lines[0])
    assert len(lines) == 1 and (facts["delivery_id"], facts["url"]) == (1, "http://127.0.0.1/x")
    assert facts["body"].encode("utf-8", "surrogateescape") == b'{"text": "\xff\x1b"}'
    assert facts["headers"]["X-Signature"] == openssl(b'{"text": "\xff\x1b"}', SECRET)


def test_dry_run_cannot_drive_the_terminal(store: Store) -> None:
    """Escape sequences in a body are shown, not executed."""
    kept(store, b'{"text": "\x1b[2J\xe2\x80\xae\r"}')
    shown = run(store, "1", "--dry-run").stdout
    assert r"\u001b[2J\u202e\r" in shown and "\x1b" not in shown


def test_bulk_by_filter(store: Store) -> None:
    """All that fit are sent, and one summary is printed; the exit code tells whether all were answered 200."""
    for text in ("red tulips", "roses", "white tulips"):
        kept(store, message(text=text))
    with receiving() as receiver:
        good = run(store, "--text", "tulips", "--url", receiver.url)
        receiver.status = 503
        bad = run(store, "--text", "tulips", "--url", receiver.url)
    assert (good.exit_code, good.stdout) == (0, f"2 of 2 answered 200 by {receiver.url}\n")
    assert (bad.exit_code, bad.stdout) == (1, f"0 of 2 answered 200 by {receiver.url}\n")
    assert "hook 1: answered 503 after" in bad.stderr and "hook 3: answered 503 after" in bad.stderr
    texts = [seen.json["message"]["message"]["text"] for seen in receiver.seen]
    assert texts == ["red tulips", "white tulips"] * 2 and len(replays(store)) == 4


def test_bulk_for_programs(store: Store) -> None:
    """With --json each attempt is one line, and nothing else is on the standard output."""
    kept(store)
    with receiving() as receiver:
        done = run(store, "--verdict", "trusted", "--url", receiver.url, "--json", "--set", "text=7", "--set", "x=a b")
    facts = json.loads(done.stdout)
    assert {key: facts[key] for key in ("delivery_id", "status", "error", "changed")} == {
        "delivery_id": 1,
        "status": 200,
        "error": None,
        "changed": True,
    }
    assert (receiver.seen[0].json["text"], receiver.seen[0].json["x"]) == (7, "a b")


def test_refused_hooks_are_left_out(store: Store) -> None:
    """A hook that was refused is sent only if one asks for such hooks, because signed again it looks genuine."""
    kept(store)
    kept(store, verdict="mismatch", http_status=403)
    with receiving() as receiver:
        run(store, "--scope", "s-1", "--url", receiver.url)
        assert len(receiver.seen) == 1
        refused = run(store, "2", "--url", receiver.url)
        assert isinstance(refused.exception, KommoError) and "--verdict mismatch" in str(refused.exception)
        assert len(receiver.seen) == 1
        assert run(store, "2", "--verdict", "mismatch", "--url", receiver.url).exit_code == 0
    assert receiver.seen[1].headers["x-signature"] == openssl(BODY, SECRET)
    assert "looks genuine" in run(store, "--help").stdout.replace("\n ", "")


def test_an_unknown_id_stops_all(store: Store) -> None:
    """If one of the ids is not there, nothing is sent, and it is named."""
    kept(store)
    with receiving() as receiver:
        outcome = run(store, "1", "23", "--url", receiver.url)
    assert isinstance(outcome.exception, KommoError) and "23" in str(outcome.exception) and receiver.seen == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "http://127.0.0.1:9/"], "which hooks"),
        (["1"], "--url"),
        (["1", "--set", "text", "--dry-run"], "message.message.text=Hello"),
        (["--since", "soon", "--dry-run"], "30m"),
        (["--kind", "letter"], "message_v1"),
    ],
)
def test_what_is_missing_is_said(store: Store, words: list[str], said: str) -> None:
    """Without a choice, a URL or a good value the command says what to give, and sends nothing."""
    kept(store)
    outcome = run(store, *words)
    assert outcome.exit_code == 2 and said in outcome.stderr and replays(store) == []


def test_nothing_fits(store: Store) -> None:
    """A filter that nothing fits is no error, and says so."""
    kept(store)
    outcome = run(store, "--kind", "typing", "--url", "http://127.0.0.1:9/")
    assert (outcome.exit_code, outcome.stderr) == (0, "No stored hook fits.\n")


def test_no_database(tmp_path: Path) -> None:
    """Without a database the command says so, and makes none."""
    env = {"KOMMO_NB_SECRET": SECRET}
    outcome = CliRunner().invoke(cli, ["replay", "1", "--dry-run", "--db", str(tmp_path / "none.db")], env=env)
    assert isinstance(outcome.exception, KommoError) and not (tmp_path / "none.db").exists()


def test_the_command_knows_the_verdicts() -> None:
    """The verdicts that the command offers are those that a filter takes."""
    assert set(commands.VERDICTS) == set(VERDICTS)
