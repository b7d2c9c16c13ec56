"""The few lines of ASGI that capture and sandbox share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
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
    body, held = bytearray(), False
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > limit:
                return None
            if not message.get("more_body"):
                return bytes(body)
            if large is not None and not held and len(body) > _LARGE:
                held = await large.acquire()
    finally:
        if held and large is not None:
            large.release()


async def respond(send: Send, status: int, body: bytes = b"", content_type: str = "application/json") -> None:
    """Answer; without a body there is no Content-Type either."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())] if body else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header_dict(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; any byte has a character in latin-1."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
