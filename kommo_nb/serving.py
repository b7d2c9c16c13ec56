"""An ASGI app on a port: in the foreground for the command, in a thread for notebooks and tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import ConfigError

HOST = "127.0.0.1"
MAX_HEAD = 64 * 1024
"""Bytes of request line and headers at most; one more, and the connection ends."""
MAX_REQUEST = 8 * 1024 * 1024
"""Bytes of a whole request at most."""
MAX_CONNECTIONS = 512
REQUEST_TIMEOUT_S = 10.0
"""How long a request may take to arrive, counted from the connection for the first."""
KEEP_ALIVE_S = 75
"""Longer than a proxy keeps an unused connection (nginx: 60 s): else it sends a hook into one that we just closed."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on what has not arrived yet, which it leaves to a proxy in front."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.began: float | None = self.loop.time()
        self._size, self._in_head = 0, True

    def data_received(self, data: bytes) -> None:
        if self.began is None:
            self.began = self.loop.time()
        self._size += len(data)
        super().data_received(data)
        if self._size > (MAX_HEAD if self._in_head else MAX_REQUEST):
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.began, self._size, self._in_head = None, 0, True
        super().on_message_complete()


class Server(uvicorn.Server):
    """Serves one ASGI app. The port is taken when the object is made, so its address is known before it runs.

    Args:
        port: 0 takes a free one.
        on_ready: called with the address once requests are answered.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, app: Any, *, port: int = 0, on_ready: Callable[[str], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                log_level="error",  # a line for each bad request would let a stranger fill the disk
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                ws="none",
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=5,
            )
        )
        self._socket = bound_socket(HOST, port)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._on_ready = on_ready
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self.run_here, daemon=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()
        if self._on_ready:
            self._on_ready(self.url)

    async def on_tick(self, counter: int) -> bool:
        """End the connections whose request does not arrive."""
        if counter % 10 == 0:
            late = asyncio.get_running_loop().time() - REQUEST_TIMEOUT_S
            for connection in [each for each in self.server_state.connections if isinstance(each, _Protocol)]:
                if connection.began is not None and connection.began < late:
                    connection.transport.abort()
        return await super().on_tick(counter)

    def run_here(self) -> None:
        """Serve until Ctrl-C, SIGTERM or `stop`."""
        with suppress(KeyboardInterrupt):  # uvicorn raises it once more when it has ended
            self.run(sockets=[self._socket])

    def start(self) -> Server:
        """Serve from a thread of its own; returns once requests are answered."""
        self._thread.start()
        while not self._ready.wait(timeout=0.05):
            if not self._thread.is_alive():
                raise ConfigError("the server ended instead of starting; see its log above")
        return self

    def stop(self) -> None:
        """Answer what was accepted, then end."""
        self.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to the port, with one sentence as the error if somebody else has it."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)  # makes a second server on the port fail here, too
    except OSError as error:
        sock.close()
        problem = f"port {port} cannot be used ({error.strerror})"
        raise ConfigError(f"{problem}: choose another, or 0 for a free one") from None
    return sock
