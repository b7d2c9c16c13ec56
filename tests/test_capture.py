"""Capture: the verdict on a hook, the row before the answer, and nothing acknowledged is ever lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from helpers import DEADLINE_S, Peer, lifespan, openssl_sha1, sample, served, sha1, until
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from kommo_nb import Store
from kommo_nb.capture import MAX_BODY, Capture, Projector, receive, writer
from kommo_nb.errors import ConfigError
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.serving import Server
from kommo_nb.store.frames import frame
from kommo_nb.wire.records import Delivery

SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
BODY = b'{"account_id":"52e591f7","time":1639572261}'
SIGNATURE = "b60b5e3d3a4a41f1c5a0b6a0a0b8d5ac0e3a2c1d"  # of nothing: a wrong one


class Hooks:
    """Sends hooks as Kommo does."""

    def __init__(self, url: str, *, prefix: str = "/hooks") -> None:
        self.url, self.prefix = url, prefix
        self.http = httpx.Client(trust_env=False, timeout=DEADLINE_S)

    def post(self, body: bytes, signature: str | bytes | None = "right", *, scope: str = "s-1") -> httpx.Response:
        headers = {b"Content-Type": b"application/json", b"User-Agent": b"amoCRM amoJo/1.0"}
        if signature is not None:
            right = sha1(body, SECRET).encode()
            given = signature.encode() if isinstance(signature, str) else signature
            headers[b"X-Signature"] = right if given == b"right" else given
        return self.http.post(f"{self.url}{self.prefix}/{scope}", content=body, headers=list(headers.items()))


@contextmanager
def capturing(store: Store, **options: Any) -> Iterator[Hooks]:
    """A capture of this store, and a sender of hooks to it."""
    with served(Capture(store, SECRET, **({"project": False} | options))) as url, (hooks := Hooks(url)).http:
        yield hooks


class Host:
    """A service that outlives many captures: a server that starts and stops costs 0.3 s."""

    capture: Capture | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.loop = asyncio.get_running_loop()
            await lifespan(receive, send)
        elif self.capture is not None:
            await self.capture(scope, receive, send)


@pytest.fixture(scope="module")
def host() -> Iterator[tuple[Host, Hooks]]:
    with served(host := Host()) as url, (hooks := Hooks(url)).http:
        yield host, hooks


@pytest.fixture
def hooks(host: tuple[Host, Hooks], store: Store) -> Iterator[Hooks]:
    """A sender of hooks to a capture of the test's store."""
    service, hooks = host
    service.capture = Capture(store, SECRET, project=False)
    yield hooks
    asyncio.run_coroutine_threadsafe(service.capture.stop(), service.loop).result(DEADLINE_S)


def rows(path: Path, columns: str = "body") -> list[Any]:
    """What another connection reads, in order of arrival; the values alone if it is one column."""
    with closing(sqlite3.connect(path)) as conn:
        found = conn.execute(f"SELECT {columns} FROM deliveries ORDER BY id").fetchall()
    return found if "," in columns else [value for (value,) in found]


# --- The verdict ---


def signed_by_openssl(body: bytes) -> str:
    return openssl_sha1(body, SECRET)


@pytest.mark.parametrize(
    ("body", "signature", "verdict", "status"),
    [
        (BODY, signed_by_openssl, "valid", 200),
        (b"", signed_by_openssl, "valid", 200),
        (b"\xff\x00\n\n", signed_by_openssl, "valid", 200),
        (BODY + b"\n", lambda body: openssl_sha1(body[:-1], SECRET), "valid_trimmed", 200),
        (BODY, lambda body: openssl_sha1(body, SECRET).upper(), "valid", 200),
        (BODY, lambda _: None, "missing", 401),
        (BODY, lambda _: "", "missing", 401),
        (BODY, lambda _: SIGNATURE, "mismatch", 403),
        (BODY, lambda _: "é" * 20, "mismatch", 403),
        (BODY, lambda body: openssl_sha1(body, "other"), "mismatch", 403),
        (BODY + b" ", lambda body: openssl_sha1(body[:-1], SECRET), "mismatch", 403),
        (BODY + b"\n\n", lambda body: openssl_sha1(body[:-2], SECRET), "mismatch", 403),
    ],
)
def test_receive(body: bytes, signature: Callable[[bytes], str | None], verdict: str, status: int) -> None:
    """Each of the four verdicts, against openssl: the row holds what came, the verdict, and the status to answer."""
    given = signature(body)
    for secret in (SECRET, SecretStr(SECRET)):
        row = receive("s-1", body, given, secret=secret, received_at_ms=7, user_agent="amoJo")
        assert row[:8] == (7, "s-1", body, given, verdict, status, None, "amoJo")
        assert (row.reason is None, row.secret_id is not None) == (status == 200, status == 200)


@given(st.binary(), st.none() | st.text())
def test_receive_takes_anything(body: bytes, signature: str | None) -> None:
    """Any body and any header give a row that trusts nothing that was not signed."""
    row = receive("s-1", body, signature, secret=SECRET, received_at_ms=7)
    assert (row.body, row.signature) == (body, signature)
    assert row.http_status == (403 if signature else 401)


def test_half_a_letter_can_be_stored(store: Store) -> None:
    """Lone surrogates, which some frameworks make of hostile headers, do not keep a hook from being stored."""
    store.add_deliveries([receive("s-\udcff", BODY, "\udcff", secret=SECRET, user_agent="\ud800")])
    assert rows(store.path, "scope_id, signature, user_agent") == [("s-?", "?", "?")]


def test_a_header_in_bytes_can_be_stored(store: Store) -> None:
    """As ASGI has headers."""
    store.add_deliveries([receive("s-1", BODY, b"\xff", secret=SECRET)])
    assert rows(store.path, "verdict, signature") == [("mismatch", "\xff")]


@pytest.mark.parametrize("secret", ["", SecretStr("")])
def test_no_secret(store: Store, secret: Any) -> None:
    """Without a secret anybody could sign, so capture refuses to begin and names the variable to set."""
    with pytest.raises(ValueError, match="KOMMO_NB_SECRET"):
        Capture(store, secret)
    with pytest.raises(ValueError, match="KOMMO_NB_SECRET"):
        receive("s-1", BODY, SIGNATURE, secret=secret, received_at_ms=7)


# --- Over HTTP ---


def test_answers(hooks: Hooks, store: Store) -> None:
    """200 for a good signature, 401 without one, 403 for a wrong one; all three are kept with their verdict."""
    answers = [hooks.post(BODY, signature).status_code for signature in ("right", None, SIGNATURE)]
    assert answers == [200, 401, 403]
    assert hooks.post(BODY + b"\n", sha1(BODY, SECRET)).status_code == 200
    assert rows(store.path, "verdict, http_status, user_agent") == [
        ("valid", 200, "amoCRM amoJo/1.0"),
        ("missing", 401, "amoCRM amoJo/1.0"),
        ("mismatch", 403, "amoCRM amoJo/1.0"),
        ("valid_trimmed", 200, "amoCRM amoJo/1.0"),
    ]


def test_row_tells_when_and_how_fast(hooks: Hooks, store: Store) -> None:
    """The row has the time of arrival in milliseconds and, soon after, how long it took to be durable."""
    before = time.time_ns() // 1_000_000
    hooks.post(BODY)
    after = time.time_ns() // 1_000_000
    until(lambda: rows(store.path, "ack_us") != [None], "the acknowledgement time")
    ((received_at_ms, ack_us),) = rows(store.path, "received_at_ms, ack_us")
    assert before <= received_at_ms <= after
    assert 0 < ack_us <= (after - before + 1) * 1000


HOSTILE = [b"", b"\x00", b"\xff\xfe\xfd", bytes(range(256)), b"\n", b"{", b"'; DROP TABLE x; --", b"x" * 100_000]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_body_is_kept_untouched(hooks: Hooks, store: Store, body: bytes) -> None:
    """Any bytes are stored as they came, signed or not."""
    assert hooks.post(body).status_code == 200
    assert hooks.post(body, SIGNATURE).status_code == 403
    assert rows(store.path) == [body, body]


@pytest.mark.parametrize("signature", [b"\xff\xfe", "é😍".encode(), b"x" * 10_000, b"a, b", b"'; --"])
def test_signature_is_kept_untouched(hooks: Hooks, store: Store, signature: bytes) -> None:
    """Any header is stored as it came, byte for character, and refused."""
    assert hooks.post(BODY, signature).status_code == 403
    assert rows(store.path, "signature") == [signature.decode("latin-1")]


@pytest.mark.parametrize("scope", ["s-1_a-2", "%D1%84", "a%2Eb", "%F0%9F%98%8D", "x" * 500, "%00"])
def test_scope_is_kept(hooks: Hooks, store: Store, scope: str) -> None:
    """The scope id is the rest of the path, decoded."""
    assert hooks.post(BODY, scope=scope).status_code == 200
    assert rows(store.path, "scope_id") == [str(httpx.URL(f"http://x/{scope}").path)[1:]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/hooks", 404),
        ("POST", "/hooks/", 404),
        ("POST", "/hooks/a/b", 404),
        ("POST", "/hooks/a%2Fb", 404),
        ("POST", "/other/a", 404),
        ("POST", "/", 404),
        ("GET", "/hooks/s-1", 405),
        ("PUT", "/hooks/s-1", 405),
        ("GET", "/healthz", 200),
    ],
)
def test_other_paths_and_methods(hooks: Hooks, store: Store, method: str, path: str, status: int) -> None:
    """What is no hook is answered as such and not stored; /healthz says ok."""
    response = hooks.http.request(method, hooks.url + path, content=BODY)
    assert response.status_code == status
    assert response.text == "ok" if status == 200 else "hooks are" in response.text
    assert rows(store.path) == []


def test_largest_body(hooks: Hooks, store: Store) -> None:
    """A body of exactly the limit is kept; one byte more is a 413 that leaves nothing, and the next hook works."""
    assert hooks.post(b"x" * MAX_BODY).status_code == 200
    for size in (MAX_BODY + 1, 5 * MAX_BODY):
        assert hooks.post(b"x" * size).status_code == 413
    assert hooks.post(BODY).status_code == 200
    assert [len(body) for body in rows(store.path)] == [MAX_BODY, len(BODY)]


def test_sender_that_goes_away(hooks: Hooks, store: Store) -> None:
    """Half a body is not stored, and the next hook works."""
    address = urlsplit(hooks.url)
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE_S) as sock:
        sock.sendall(b"POST /hooks/s-1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        sock.shutdown(socket.SHUT_WR)
        assert b" 200 " not in sock.recv(100)
    assert hooks.post(BODY).status_code == 200
    assert rows(store.path) == [BODY]


# --- The row before the answer ---


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database, so that a commit has to wait."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def broken(path: Path) -> Iterator[None]:
    """Every commit fails at once."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("ALTER TABLE deliveries RENAME TO hidden")
        yield
        conn.execute("ALTER TABLE hidden RENAME TO deliveries")


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released for each hook that waits for its commit."""
    joined, submit = threading.Semaphore(0), writer.Writer.submit

    def counting(self: writer.Writer, delivery: Delivery, *, since: float) -> Any:
        stored = submit(self, delivery, since=since)
        joined.release()
        return stored

    monkeypatch.setattr(writer.Writer, "submit", counting)
    return joined


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that were handed over to be stored."""
    bodies: list[bytes] = []

    def listing(request: Any) -> bytes:
        bodies.extend(Delivery(*row).body for row in request[0])
        return frame(request)

    monkeypatch.setattr(writer, "frame", listing)
    return bodies


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many hooks each commit had."""
    sizes, committed = list[int](), writer.Writer._committed

    def counting(self: writer.Writer, groups: int, trouble: str) -> None:
        size = sum(len(group.deliveries) for group in list(self._handed)[:groups])
        sizes.extend([size] if size else [])
        committed(self, groups, trouble)

    monkeypatch.setattr(writer.Writer, "_committed", counting)
    return sizes


def taken(semaphore: threading.Semaphore, times: int = 1) -> None:
    for _ in range(times):
        assert semaphore.acquire(timeout=DEADLINE_S)


def test_row_is_durable_before_the_answer(hooks: Hooks, store: Store) -> None:
    """Each time a 200 has arrived, a connection of somebody else finds the row."""
    for number in range(30):
        body = b"%d" % number
        assert hooks.post(body).status_code == 200
        assert rows(store.path)[-1] == body


def test_store_commits_durably(store: Store) -> None:
    """The receiving connection syncs to disk with each commit: synchronous is FULL, in WAL mode."""
    assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_no_answer_before_the_commit(hooks: Hooks, store: Store) -> None:
    """While the commit waits there is no row and no answer; once it is through there are both."""
    with ThreadPoolExecutor(1) as pool:
        with locked(store.path):
            answer = pool.submit(hooks.post, BODY)
            with pytest.raises(TimeoutError):
                answer.result(0.3)
            assert rows(store.path) == []
        assert answer.result(DEADLINE_S).status_code == 200
        assert rows(store.path) == [BODY]


def test_concurrent_hooks_share_a_transaction(
    hooks: Hooks, store: Store, handed: list[bytes], commits: list[int]
) -> None:
    """The 20 hooks that come while one commit runs are one more commit, each answered by its own verdict."""
    with ThreadPoolExecutor(21) as pool:
        hooks.post(b"the process is there")
        handed.clear()
        with locked(store.path):
            first = pool.submit(hooks.post, b"first")
            until(lambda: handed == [b"first"], "the first commit")
            crowd = [pool.submit(hooks.post, b"%d" % n, SIGNATURE if n % 4 == 0 else "right") for n in range(20)]
            until(lambda: len(handed) == 21, "the others")
        assert first.result(DEADLINE_S).status_code == 200
        assert [each.result(DEADLINE_S).status_code for each in crowd] == [403, 200, 200, 200] * 5
    assert sum(commits) == 22 and len(commits) <= 3
    assert sorted(rows(store.path)[1:]) == sorted([b"first", *(b"%d" % n for n in range(20))])


def test_hook_that_waits_too_long(
    hooks: Hooks, store: Store, handed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook whose turn does not come in time is answered with 503. It may be stored yet, which harms nobody."""
    monkeypatch.setattr(writer, "COMMIT_TIMEOUT_S", 0.2)
    with ThreadPoolExecutor(1) as pool, locked(store.path):
        first = pool.submit(hooks.post, b"in the slow commit")
        until(lambda: handed == [b"in the slow commit"], "the first commit")
        assert hooks.post(b"still in the queue").status_code == 503
        assert first.result(DEADLINE_S).status_code == 503
    monkeypatch.undo()
    assert hooks.post(b"afterwards").status_code == 200
    assert rows(store.path) == [b"in the slow commit", b"still in the queue", b"afterwards"]


def test_commit_that_fails(hooks: Hooks, store: Store) -> None:
    """A failing commit is a 503 without details, and the next hook is stored without a restart."""
    with broken(store.path):
        refused = hooks.post(b"lost")
        assert (refused.status_code, refused.text) == (503, "the hook could not be stored")
        health = hooks.http.get(f"{hooks.url}/healthz")
        assert (health.status_code, "cannot be stored" in health.text) == (503, True)
    assert hooks.post(b"kept").status_code == 200
    assert hooks.http.get(f"{hooks.url}/healthz").text == "ok"
    assert rows(store.path) == [b"kept"]


def test_too_many_hooks_wait(
    hooks: Hooks,
    store: Store,
    submitted: threading.Semaphore,
    handed: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When too many hooks, or too large ones, wait for their commit, the next is refused at once; the rest are kept."""
    monkeypatch.setattr(writer, "MAX_WAITING", 4)
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", 1_000)
    with ThreadPoolExecutor(4) as pool:
        for crowd in ([b"a", b"b", b"c"], [b"x" * 2_000]):
            handed.clear()
            with locked(store.path):
                first = pool.submit(hooks.post, b"first")
                until(lambda: handed == [b"first"], "the first commit")
                waiting = [pool.submit(hooks.post, body) for body in crowd]
                taken(submitted, 1 + len(crowd))
                started = time.monotonic()
                assert hooks.post(b"too many").status_code == 503
                assert time.monotonic() - started < writer.COMMIT_TIMEOUT_S
                taken(submitted)
            assert [each.result(DEADLINE_S).status_code for each in (first, *waiting)] == [200] * (1 + len(crowd))


def test_locked_database(hooks: Hooks, store: Store) -> None:
    """While another program holds the database a hook gets its 503 in about 2 s, inside Kommo's 5; then all is well."""
    assert hooks.post(b"before").status_code == 200
    with locked(store.path):
        started = time.monotonic()
        assert hooks.post(b"refused").status_code == 503
        assert 1.5 < time.monotonic() - started < 4.5
    started = time.monotonic()
    assert hooks.post(b"kept").status_code == 200
    assert time.monotonic() - started < writer.COMMIT_TIMEOUT_S
    assert rows(store.path)[-1] == b"kept"


def test_stop_commits_what_was_accepted(store: Store, submitted: threading.Semaphore) -> None:
    """A server that is told to stop still stores and answers the hooks that it has."""
    hooks, held, all_in = Hooks(""), threading.Event(), threading.Event()

    def hold() -> None:
        with locked(store.path):
            held.set()
            taken(submitted, 5)
            all_in.set()
            threading.Event().wait(0.3)  # while the server is being stopped

    threading.Thread(target=hold).start()
    assert held.wait(DEADLINE_S)
    with ThreadPoolExecutor(5) as pool, hooks.http:
        with served(Capture(store, SECRET, project=False)) as hooks.url:
            answers = [pool.submit(hooks.post, b"%d" % number) for number in range(5)]
            assert all_in.wait(DEADLINE_S)
        assert [answer.result(DEADLINE_S).status_code for answer in answers] == [200] * 5
    assert len(rows(store.path)) == 5


def test_counts(store: Store) -> None:
    """Capture counts what it stored, refused and failed to store."""
    receiver = Capture(store, SECRET, project=False)
    with served(receiver) as url, (sender := Hooks(url)).http:
        for signature in ("right", "right", SIGNATURE, None):
            sender.post(BODY, signature)
        with broken(store.path):
            sender.post(BODY)
    assert receiver.counts == {"stored": 2, "refused": 2, "failed": 1}


# --- Mounted in somebody else's service ---


class Parent:
    """Another ASGI service, which mounts capture at /kommo and passes no lifespan on."""

    def __init__(self, child: Capture, *, keeps_path: bool) -> None:
        self._child, self._keeps_path = child, keeps_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            # The ASGI spec keeps the whole path beside root_path; older frameworks took the prefix away.
            path = scope["path"] if self._keeps_path else scope["path"].removeprefix("/kommo")
            await self._child(scope | {"root_path": "/kommo", "path": path}, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._child.stop()
        await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize("keeps_path", [True, False])
def test_mounted(store: Store, keeps_path: bool) -> None:
    """Under a root_path, in either form, it receives without having been started; stop ends what it began."""
    before = psutil.Process().children()
    child = Capture(store, SECRET, project=True)
    with served(Parent(child, keeps_path=keeps_path)) as url, (hooks := Hooks(url, prefix="/kommo/hooks")).http:
        assert hooks.post(BODY, scope="s-9").status_code == 200
        assert hooks.http.get(f"{url}/kommo/healthz").text == "ok"
        assert hooks.http.get(f"{url}/kommo/nothing").status_code == 404
        assert len(psutil.Process().children()) == len(before) + 1
    assert rows(store.path, "scope_id") == ["s-9"]
    assert psutil.Process().children() == before
    assert "kommo-nb-projector" not in [thread.name for thread in threading.enumerate()]


def test_port_that_is_taken(hooks: Hooks) -> None:
    """A second server on the same port is refused, and the error names the port."""
    port = int(hooks.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"port {port} cannot be used"):
        Server(Host(), port=port)


# --- The projection follows ---


def real_hook(text: str, number: int = 1) -> bytes:
    hook = sample("hook-v2-text-with-source")
    hook["message"]["message"] |= {"text": text, "id": f"k-{number}"}
    return json.dumps(hook, ensure_ascii=False).encode()


def test_projector_follows(store: Store) -> None:
    """A stored hook is a message soon; a refused one and one that is no hook never are."""
    with capturing(store, project=True) as hooks:
        hooks.post(real_hook("forged", 9), SIGNATURE)
        hooks.post(b"not JSON")
        hooks.post(real_hook("é 😍"))
        until(lambda: len(store.query("SELECT * FROM messages")) > 0, "the projector")
        hooks.post(real_hook("é 😍"))
        hooks.post(real_hook("second", 2))
        until(lambda: len(store.query("SELECT * FROM messages")) > 1, "the projector")
    texts = [row["text"] for row in store.query("SELECT text FROM messages ORDER BY message_id")]
    assert texts == ["é 😍", "second"]
    assert len(store.query("SELECT * FROM problems")) == 1


def test_stop_projects_what_is_left(store: Store) -> None:
    """Once capture has stopped, every hook that it stored is projected."""
    with capturing(store, project=True) as hooks:
        for number in range(20):
            hooks.post(real_hook("x", number))
    assert len(store.query("SELECT * FROM messages")) == 20


def test_projector_survives_a_locked_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the database is locked when the projector wants it, the hooks are projected once it is free."""
    body = real_hook("x")
    store.add_deliveries([receive("s-1", body, sha1(body, SECRET), secret=SECRET, received_at_ms=7)])
    tried, project = threading.Semaphore(0), Store.project

    def counting(self: Store, **options: float) -> int:
        try:
            return project(self, **options)
        finally:
            tried.release()

    monkeypatch.setattr(Store, "project", counting)
    monkeypatch.setattr(Store.__init__, "__kwdefaults__", Store.__init__.__kwdefaults__ | {"busy_timeout_s": 0.01})
    monkeypatch.setattr("kommo_nb.capture.projector.POLL_S", 0.01)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        projector = Projector(store.path)
        taken(tried, 3)
        assert store.query("SELECT * FROM messages") == []
        other.execute("ROLLBACK")
    until(lambda: len(store.query("SELECT * FROM messages")) == 1, "the projector")
    projector.stop()


def test_sandbox_and_capture_together(store: Store) -> None:
    """What the sandbox sends, capture trusts and projects, for a message, typing and a reaction."""
    credentials = Credentials(secret=SECRET)
    with capturing(store, project=True) as hooks:
        sandbox = Sandbox(credentials, hook_url=f"{hooks.url}/hooks/:scope_id")
        with served(sandbox) as url:
            peer = Peer(url, hooks.http, credentials)
            peer.connect()
            peer.send()
            for name, body in (("message", {"text": "Hi"}), ("typing", {}), ("reaction", {"emoji": "👍"})):
                (sent,) = peer.control(f"manager/{name}", **body)["hooks"]
                assert sent["status"] == 200
    assert rows(store.path, "scope_id, verdict") == [(credentials.scope_id, "valid_trimmed")] * 3
    counts = [len(store.query(f"SELECT * FROM {table}")) for table in ("messages", "typings", "reactions", "problems")]
    assert counts == [1, 1, 1, 0]


# --- kill -9 ---

PROGRAM = """
import sys
from kommo_nb import Store
from kommo_nb.capture import Capture
from kommo_nb.serving import Server
from kommo_nb.store.frames import frame
path, secret = sys.argv[1:]
Server(Capture(Store(path), secret), on_ready=lambda url: print(url, flush=True)).run_here()
"""


def test_kill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A capture process that is killed under load has stored every hook that it answered with 200."""
    path = tmp_path / "killed.db"
    command = [sys.executable, "-c", PROGRAM, str(path), SECRET]
    acknowledged: list[bytes] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()

        def load(worker: int) -> None:
            with (hooks := Hooks(url)).http:
                for number in range(100_000):
                    body = b"%d-%d" % (worker, number)
                    try:
                        if hooks.post(body).status_code == 200:
                            acknowledged.append(body)
                    except httpx.TransportError:
                        return

        workers = [threading.Thread(target=load, args=(number,)) for number in range(8)]
        for worker in workers:
            worker.start()
        until(lambda: len(acknowledged) >= 300, "300 hooks")
        os.kill(process.pid, signal.SIGKILL)
        for worker in workers:
            worker.join(DEADLINE_S)
    assert process.returncode == -signal.SIGKILL
    assert set(acknowledged) <= set(rows(path))
    survivor = Store(path)
    assert survivor.query("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    survivor.close()
