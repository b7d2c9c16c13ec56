"""The few lines of ASGI that capture and sandbox share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


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


async def read_body(receive: Receive, *, limit: int) -> bytes | None:
    """The whole body; None once it grows past `limit` bytes or the sender has gone."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


async def respond(send: Send, status: int, body: bytes = b"", content_type: str = "application/json") -> None:
    """Answer; without a body there is no Content-Type either."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())] if body else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header_dict(scope: Scope) -> dict[str, str]:
    """The request's headers by lower-case name; any byte has a character in latin-1."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
