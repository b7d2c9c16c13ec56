"""Capture: receive a hook → verify → commit → answer. Nothing is parsed here; the projection does that later.

Kommo sends a hook once and waits 5 seconds, so a hook is answered with 200 only after it is durably stored, and nothing
else happens before the answer.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .asgi import Receive, Scope, Send, header_dict, lifespan, read_body, respond
from .clock import Clock, msec
from .errors import StoreError
from .store import Store
from .wire.records import Delivery
from .wire.signing import Secret, Verdict, check_hook, require_secret

MAX_BODY = 1024 * 1024
"""Bytes of a body at most; Kommo's hooks are a few thousand."""
COMMIT_TIMEOUT_S = 2.0
"""How long a hook waits for its commit before it is answered with 503, well inside Kommo's 5 s."""

_HERE = "kommo_nb receives hooks here, at POST /hooks/{scope_id}"
_PAGES = {"/healthz": "ok", "/": _HERE, "": _HERE}
_STATUS = {Verdict.VALID: 200, Verdict.VALID_TRIMMED: 200, Verdict.MISSING: 401, Verdict.MISMATCH: 403}


def receive(
    scope_id: str,
    body: bytes,
    signature: str | None,
    *,
    secret: Secret,
    received_at_ms: int,
    user_agent: str | None = None,
) -> Delivery:
    """The row to commit for a hook, with its verdict and the status to answer once it is stored. Pure and total."""
    verdict = check_hook(body, signature, secret=secret)
    return Delivery(received_at_ms, scope_id, body, signature, verdict.value, _STATUS[verdict], user_agent=user_agent)


@dataclass(frozen=True)
class _Waiting:
    delivery: Delivery
    since: float
    stored: asyncio.Future[None]


class Writer:
    """Commits deliveries from a thread of its own. What arrives while one commit runs is the next commit's group."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kommo-nb-writer", daemon=True)
        self._thread.start()

    def submit(self, delivery: Delivery, *, since: float) -> asyncio.Future[None]:
        """A future of the running loop that is done when the delivery is durable, or fails with what prevented it."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(delivery, since, stored))
        return stored

    def stop(self) -> None:
        """Commit what was submitted, then end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            group = [self._queue.get()]
            while not self._queue.empty():
                group.append(self._queue.get())
            # A hook that gave up waiting was answered with 503; its sender knows that it was not taken.
            live = [waiting for waiting in group if waiting is not None and not waiting.stored.cancelled()]
            if live:
                # The loop is woken once for the whole group. It may be gone, if it was stopped meanwhile.
                with suppress(RuntimeError):
                    live[0].stored.get_loop().call_soon_threadsafe(_settle, live, self._commit(live))
            if None in group:
                return

    def _commit(self, group: list[_Waiting]) -> Exception | None:
        now = time.monotonic()
        rows = [replace(waiting.delivery, ack_us=round((now - waiting.since) * 1e6)) for waiting in group]
        try:
            self._store.add_deliveries(rows)
        except Exception as error:  # whatever it is, it must not end the thread on which every later hook depends
            return error
        return None


def _settle(group: list[_Waiting], error: Exception | None) -> None:
    for waiting in group:
        if waiting.stored.done():  # it gave up meanwhile
            continue
        if error is None:
            waiting.stored.set_result(None)
        else:
            waiting.stored.set_exception(error)


class Projector:
    """Keeps the projection up to date from a thread of its own, after the answers and outside the receiving loop."""

    def __init__(self, path: Path, *, poll_s: float = 0.25) -> None:
        self._path, self._poll_s = path, poll_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kommo-nb-projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Project what is there, then end."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        store = Store(self._path)
        while not self._stop.wait(self._poll_s):
            self._project(store)
        self._project(store)
        store.close()

    def _project(self, store: Store) -> None:
        with suppress(StoreError):  # locked or full: the raw rows are kept, and the next round tries again
            store.project(pause_s=0.01)


class Capture:
    """The ASGI app: `POST /hooks/{scope_id}` and `GET /healthz`. Mount it in your own service, or serve it.

    Args:
        store: where hooks are kept.
        secret: the channel's.
        project: also keep messages, statuses and chats up to date, from a thread.
    """

    def __init__(self, store: Store, secret: Secret, *, project: bool = True, clock: Clock | None = None) -> None:
        self._store, self._secret, self._clock = store, require_secret(secret), clock or Clock()
        self._project = project
        self._writer: Writer | None = None
        self._projector: Projector | None = None
        self.counts = {"stored": 0, "refused": 0, "failed": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send, self._started, self._stopped)
        elif scope["type"] == "http":
            status, text = await self._answer(scope, receive)
            await respond(send, status, text.encode(), "text/plain; charset=utf-8")

    def start(self) -> None:
        """Start the threads. An ASGI server does it by lifespan; call it yourself if your mount passes none on."""
        if self._writer is None:
            self._writer = Writer(self._store)
            self._projector = Projector(self._store.path) if self._project else None

    def stop(self) -> None:
        """Commit and project what is left, and end the threads."""
        if self._writer is not None:
            self._writer.stop()
        if self._projector is not None:
            self._projector.stop()
        self._writer = self._projector = None

    async def _started(self) -> None:
        self.start()

    async def _stopped(self) -> None:
        await asyncio.to_thread(self.stop)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] in ("GET", "HEAD") and path in _PAGES:  # a hook sent there must not look as if it were taken
            return 200, _PAGES[path]
        prefix, _, scope_id = path.removeprefix("/").partition("/")
        if prefix != "hooks" or not scope_id or "/" in scope_id:
            return 404, "hooks are received at POST /hooks/{scope_id}"
        if scope["method"] != "POST":
            return 405, "hooks are sent by POST"
        since = time.monotonic()
        body = await read_body(receive, limit=MAX_BODY)
        if body is None:
            return 413, f"a hook has {MAX_BODY} bytes at most"
        return await self._keep(scope_id, body, header_dict(scope), since)

    async def _keep(self, scope_id: str, body: bytes, headers: dict[str, str], since: float) -> tuple[int, str]:
        """Verify, commit, and only then say so."""
        delivery = receive(
            scope_id,
            body,
            headers.get("x-signature"),
            secret=self._secret,
            received_at_ms=msec(self._clock.now()),
            user_agent=headers.get("user-agent"),
        )
        assert self._writer is not None, "start() the capture first: its mount passed no lifespan events on"
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._writer.submit(delivery, since=since)
        except Exception:  # too late, or whatever kept the store from committing
            self.counts["failed"] += 1
            return 503, "the hook could not be stored"
        self.counts["stored" if delivery.http_status == 200 else "refused"] += 1
        return delivery.http_status, "stored" if delivery.http_status == 200 else f"signature: {delivery.verdict}"
