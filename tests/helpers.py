"""What the integration tests share: a signer, a caller and a receiver that were written from Kommo's reference alone.

None of it uses `kommo_nb.wire` or `kommo_nb.capture`, so that a mistake there cannot hide behind the same mistake here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from kommo_nb.clock import Clock
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.serving import Server

DATA = Path(__file__).parents[1] / "data"
ROOT = "/v2/origin/custom"
DEADLINE_S = 10.0

_numbers = count(1)


def sample(name: str) -> Any:
    """A body that is printed in the official documentation."""
    return json.loads((DATA / "samples" / f"{name}.json").read_bytes())


def rfc2822(moment: datetime, zone: str = "+0000") -> str:
    """The Date header; `zone` is only how it is written."""
    return moment.strftime("%a, %d %b %Y %H:%M:%S ") + zone


def sha1(text: bytes, secret: str) -> str:
    """HMAC-SHA1 as lower-case hex."""
    return hmac.new(secret.encode(), text, "sha1").hexdigest()


def program(name: str) -> str:
    """Where a program is that is no part of Python. A machine without it skips the test; CI has to have it."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"CI needs {name}: apt-get install {name}")
    return path or pytest.skip(f"needs {name}: apt-get install {name}")


def openssl(*options: str, data: bytes) -> str:
    """A digest by a program that Python has no part in, as hex."""
    command = [program("openssl"), "dgst", *options]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.split()[-1].decode()


def openssl_sha1(body: bytes, secret: str) -> str:
    """HMAC-SHA1 by openssl."""
    return openssl("-sha1", "-hmac", secret, data=body)


def signed(method: str, path: str, body: bytes, *, secret: str, date: str | None = None) -> dict[str, str]:
    """The four headers, made word by word as Kommo's page has it."""
    date = rfc2822(datetime.now(UTC)) if date is None else date
    md5 = hashlib.md5(body).hexdigest()
    text = f"{method}\n{md5}\napplication/json\n{date}\n{path}"
    digest = sha1(text.encode(), secret)
    return {"Date": date, "Content-Type": "application/json", "Content-MD5": md5, "X-Signature": digest}


def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds; fail after the deadline."""
    give_up = time.monotonic() + DEADLINE_S
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < give_up, f"waited {DEADLINE_S} s in vain: {what}"
        tick.wait(0.005)


class FrozenClock(Clock):
    """Time stands still until a test moves it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of an app that is served on this machine."""
    server = Server(app).start()
    try:
        yield server.url
    finally:
        server.stop()


async def lifespan(receive: Any, send: Any) -> None:
    """The start and the end of an ASGI service that has nothing to do there."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


class Stage:
    """One server for many tests: each puts a fresh sandbox on it, for a starting and stopping server costs 0.3 s."""

    def __init__(self) -> None:
        self.url = ""
        self.http = httpx.Client(trust_env=False, timeout=DEADLINE_S)
        self._sandbox: Sandbox | None = None
        self._started: Sandbox | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            assert self._sandbox is not None
            await self._start(self._sandbox)
            await self._sandbox(scope, receive, send)
            return
        await lifespan(receive, send)
        await self._start(None)

    async def _start(self, sandbox: Sandbox | None) -> None:
        """Start what sends this sandbox's hooks, in place of the last one's."""
        if sandbox is not self._started:
            last, self._started = self._started, sandbox
            if last is not None:
                await last.dispatcher.stop()
            if sandbox is not None:
                await sandbox.dispatcher.start()

    @classmethod
    @contextmanager
    def served(cls) -> Iterator[Stage]:
        stage = cls()
        with served(stage) as stage.url, stage.http:
            yield stage

    def play(self, sandbox: Sandbox) -> Peer:
        """Serve this sandbox from now on, to this peer."""
        self._sandbox = sandbox
        return Peer(self.url, self.http, sandbox.credentials)


class Peer:
    """An integration that is not ours: plain httpx and the signer above."""

    def __init__(self, url: str, http: httpx.Client, credentials: Credentials) -> None:
        self.url, self.http, self.credentials = url, http, credentials
        self.channel_path = f"{ROOT}/{credentials.channel_id}"
        self.scope_path = f"{ROOT}/{credentials.scope_id}"

    def call(
        self, method: str, path: str, payload: Any = None, *, query: str = "", date: str | None = None
    ) -> httpx.Response:
        """One signed call. A payload of bytes is sent as it is."""
        body = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
        headers = signed(method, path, body, secret=self.credentials.secret, date=date)
        return self.http.request(method, self.url + path + query, content=body, headers=headers)

    def ok(self, method: str, path: str, payload: Any = None, *, query: str = "") -> Any:
        """The decoded answer of a call that has to succeed; None without a body."""
        response = self.call(method, path, payload, query=query)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def connect(self, **fields: Any) -> Any:
        defaults = {"account_id": self.credentials.account_id, "title": "Test", "hook_api_version": "v2"}
        given = {key: value for key, value in (defaults | fields).items() if value is not None}
        return self.ok("POST", f"{self.channel_path}/connect", given)

    def send(self, **changes: Any) -> Any:
        """The `new_message` of the answer."""
        answer = self.ok("POST", self.scope_path, new_message(**changes))
        return answer["new_message"]

    def history(self, chat_id: str, query: str = "") -> list[Any]:
        answer = self.ok("GET", f"{self.scope_path}/chats/{chat_id}/history", query=query)
        return [] if answer is None else answer["messages"]

    def control(self, name: str, **fields: Any) -> Any:
        """What one of the sandbox's own controls answers."""
        response = self.http.post(f"{self.url}/_sandbox/{name}", json=fields)
        assert response.status_code == 200, response.text
        return response.json()

    def state(self) -> Any:
        return self.http.get(f"{self.url}/_sandbox/state").json()


def new_message(**changes: Any) -> dict[str, Any]:
    """A body that brings a message from the client Ada, with its own msgid; `changes` replace fields of its payload."""
    now_ms = int(time.time() * 1000)
    payload = {
        "timestamp": now_ms // 1000,
        "msec_timestamp": now_ms,
        "msgid": f"m-{next(_numbers)}",
        "conversation_id": "c-1",
        "sender": {"id": "ada", "name": "Ada", "profile": {"phone": "+4930123456"}},
        "message": {"type": "text", "text": "Hello"},
        "silent": False,
    }
    return {"event_type": "new_message", "payload": payload | changes}


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Records what is sent to it. Answers with `status`, and only while `gate` is open."""

    def __init__(self) -> None:
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.seen.append(Received(self.command, self.path, headers, body))
                receiver.gate.wait(DEADLINE_S)
                try:
                    self.send_response(receiver.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:  # the other side gave up meanwhile
                    self.close_connection = True

            do_GET = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for one test."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()


@contextmanager
def answering(status: int, payload: Any = b"", **headers: str) -> Iterator[tuple[str, list[Any]]]:
    """The address of a server that always says the same, and a list of the headers of what it was asked."""
    seen: list[Any] = []
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers)
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def minutes_ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)
