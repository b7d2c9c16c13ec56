"""An ASGI app on a port: in the foreground for the command, in a thread for notebooks and tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from .errors import ConfigError

HOST = "127.0.0.1"


class Server(uvicorn.Server):
    """Serves one ASGI app. The port is taken when the object is made, so its address is known before it runs.

    Args:
        port: 0 takes a free one.
        on_ready: called with the address once requests are answered.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(
        self, app: Any, *, port: int = 0, host: str = HOST, on_ready: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="on",
                ws="none",
                timeout_graceful_shutdown=5,
            )
        )
        self._socket = bound_socket(host, port)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._on_ready = on_ready
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self.run_here, daemon=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()
        if self._on_ready:
            self._on_ready(self.url)

    def run_here(self) -> None:
        """Serve until Ctrl-C, SIGTERM or `stop`."""
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
