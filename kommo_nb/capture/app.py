"""Capture as an ASGI app."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from ..asgi import Receive, Scope, Send, lifespan, read_body, respond
from ..clock import Clock, msec
from ..store import Store
from ..wire.keyring import Keyring, Secrets
from .projector import Projector
from .receiving import receive as received
from .writer import Writer

MAX_BODY = 1024 * 1024
"""Bytes of a body at most; Kommo's hooks are a few thousand."""
LARGE_BODIES = 32
"""How many bodies over 64 KB are read at a time; others wait for their turn, and their senders with them."""

_HERE = "kommo_nb receives hooks here, at POST /hooks/{scope_id}"


class Capture:
    """The ASGI app: `POST /hooks/{scope_id}` and `GET /healthz`. Mount it in your own service, or serve it.

    It starts with its server, or with the first hook where a mount tells it nothing of starts. A mount that ends before
    its process does should `await capture.stop()`.

    Args:
        store: where hooks are kept. A process of its own writes them.
        secret: the channel's; several while one is being replaced, the present one first; or either by channel id.
        project: also keep messages, statuses and chats up to date, from a thread.
    """

    def __init__(self, store: Store, secret: Secrets, *, project: bool = True, clock: Clock | None = None) -> None:
        self._path, self._keyring, self._clock = store.path, Keyring(secret), clock
        self._project = project
        self._writer = Writer(self._path)
        self._projector: Projector | None = None
        self._large = asyncio.Semaphore(LARGE_BODIES)

    @property
    def counts(self) -> Counter[str]:
        """Requests since the start, by outcome; the table `counts` has them by hour.

        stored, refused, failed (to be stored), unknown_path, wrong_method, too_large.
        """
        return self._writer.counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send, self.start, self.stop)
        elif scope["type"] == "http":
            status, text = await self._answer(scope, receive)
            try:
                await respond(send, status, text.encode(), "text/plain; charset=utf-8")
            except RuntimeError:  # the sender has gone; what it sent is kept all the same
                return

    async def start(self) -> None:
        """Be ready before the first hook comes."""
        self._start_projector()
        await self._writer.open()

    async def stop(self) -> None:
        """Commit and project what is left, and end what was started."""
        await self._writer.close()
        if self._projector is not None:
            await asyncio.to_thread(self._projector.stop)

    def _start_projector(self) -> None:
        if self._project and self._projector is None:
            self._projector = Projector(self._path)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
        scope_id = path.removeprefix("/hooks/")
        if scope_id == path or not scope_id or "/" in scope_id:
            return self._answer_page(path, method)
        if method != "POST":
            self._writer.count("wrong_method")
            return 405, "hooks are sent by POST"
        body = await read_body(receive, limit=MAX_BODY, large=self._large)
        if body is None:
            self._writer.count("too_large")
            return 413, f"a hook has {MAX_BODY} bytes at most"
        since = time.monotonic()
        headers = dict(scope["headers"])
        delivery = received(
            scope_id,
            body,
            _text(headers.get(b"x-signature")),
            secret=self._keyring,
            received_at_ms=msec(self._clock.now()) if self._clock else time.time_ns() // 1_000_000,
            user_agent=_text(headers.get(b"user-agent")),
        )
        self._start_projector()
        if await self._writer.submit(delivery, since=since):
            return 503, "the hook could not be stored"
        return delivery.http_status, delivery.reason or "stored"

    def _answer_page(self, path: str, method: str) -> tuple[int, str]:
        """What is no hook. A hook sent there must not look as if it were taken."""
        if method in ("GET", "HEAD"):
            if path == "/healthz":
                return self._health()
            if path in ("", "/"):
                return 200, _HERE
        self._writer.count("unknown_path")
        return 404, "hooks are received at POST /hooks/{scope_id}"

    def _health(self) -> tuple[int, str]:
        """Whether hooks can be stored just now."""
        trouble = self._writer.trouble
        return (503, f"hooks cannot be stored: {trouble}") if trouble else (200, "ok")


def _text(header: bytes | None) -> str | None:
    """A header as text; any byte has a character in latin-1."""
    return None if header is None else header.decode("latin-1")
