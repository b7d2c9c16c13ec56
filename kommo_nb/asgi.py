"""The few lines of ASGI that capture and sandbox share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LARGE = 64 * 1024


async def lifespan(
    receive: Receive, send: Send, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]
) -> None:
    """Run `start` when the server starts and `stop` when it ends."""
    await receive()
    await start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await stop()
    await send({"type": "lifespan.shutdown.complete"})


async def read_body(receive: Receive, *, limit: int, large: asyncio.Semaphore | None = None) -> bytes | None:
    """The whole body; None once it grows past `limit` bytes or the sender has gone.

    Args:
        large: what is longer than 64 KB is read while holding this, so that many large ones cannot fill the memory.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and message["type"] == "http.request":
        return body if len(body) <= limit else None
    return await _read_on(receive, bytearray(body), limit, large)


async def _read_on(receive: Receive, body: bytearray, limit: int, large: asyncio.Semaphore | None) -> bytes | None:
    held = False
    try:
        while len(body) <= limit:
            if large is not None and not held and len(body) > _LARGE:
                held = await large.acquire()
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body"):
                return bytes(body) if len(body) <= limit else None
        return None
    finally:
        if held and large is not None:
            large.release()


async def respond(send: Send, status: int, body: bytes = b"", content_type: str = "application/json") -> None:
    """Answer; without a body there is no Content-Type either."""
    headers = _headers(content_type, len(body)) if body else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=64)
def _headers(content_type: str, length: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", content_type.encode()), (b"content-length", str(length).encode())]


def header_dict(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; any byte has a character in latin-1."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
