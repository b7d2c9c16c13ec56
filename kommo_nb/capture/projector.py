"""The projector: keeps messages, statuses and chats up to date, after the answers and outside the receiving loop.

In a process of its own for `kommo-nb capture`, since it computes and a receiver must not wait for Python's lock; in a
thread for a notebook.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError, StoreError
from ..processes import command
from ..store import Store

POLL_S = 0.25
RESTART_S = 1.0


def follow(path: Path, stopped: Callable[[float], bool]) -> None:
    """Project what comes until `stopped`, which is asked with the seconds to wait, says so; then what is left."""
    store = Store(path)
    # A power cut may take back what was projected last, and the next round does it again: no need to wait for the disk.
    store.conn.execute("PRAGMA synchronous = NORMAL")
    done = False
    while not done:
        done = stopped(POLL_S)
        with suppress(StoreError):  # locked or full: the raw rows are kept, and the next round tries again
            store.project()
    store.close()


class Projector:
    """Projects in a thread."""

    def __init__(self, path: Path) -> None:
        self._stop = threading.Event()
        arguments = (path, self._stop.wait)
        self._thread = threading.Thread(target=follow, args=arguments, name="kommo-nb-projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Project what is there, then end."""
        self._stop.set()
        self._thread.join(timeout=10)


class ProjectorProcess:
    """A context in which a process of its own projects, started again should it end. Entered once the store is open.

    The process ends with this one, however that ends: its standard input is closed then.

    Raises:
        ConfigError: it ended instead of starting.
    """

    def __init__(self, path: Path) -> None:
        self._command = command("project", "--db", str(path), "--until-eof", "--json")
        self._leaving = threading.Event()

    def __enter__(self) -> ProjectorProcess:
        self._process = self._start()
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise ConfigError("the projector ended instead of starting; its own message stands above")
        threading.Thread(target=self._watch, name="kommo-nb-projector-guard", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let it project what is left, and wait for its end."""
        self._leaving.set()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 our own command
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def _watch(self) -> None:
        while True:
            self._process.wait()
            if self._leaving.wait(RESTART_S):
                return
            self._process = self._start()
