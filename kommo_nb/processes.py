"""Several programs side by side, started together and stopped together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, Queue
from types import FrameType, TracebackType
from typing import IO, Any

from .errors import KommoError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


class Processes:
    """A context that stops every program it started when it is left. Ctrl-C and SIGTERM lead out of it in peace."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[str]]] = []
        self._before: Any = None

    def __enter__(self) -> Processes:
        self._before = signal.signal(signal.SIGTERM, _as_interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> bool:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing may interrupt the stopping
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for _name, process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for _name, process in reversed(self._running):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        signal.signal(signal.SIGTERM, self._before)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return kind is KeyboardInterrupt  # that is how it is meant to end

    def start(
        self, name: str, command: list[str], *, env: Mapping[str, str] | None = None
    ) -> Callable[[], dict[str, Any]]:
        """Start a program that prints one JSON line once it is ready. Calling the result waits for that line."""
        process = self._spawn(name, command, stdout=subprocess.PIPE, env=env)
        lines: Queue[str] = Queue()
        threading.Thread(target=_drain, args=(process, lines), daemon=True).start()

        def ready() -> dict[str, Any]:
            try:
                line = lines.get(timeout=START_TIMEOUT_S)
            except Empty:
                raise KommoError(f"{name} did not start within {START_TIMEOUT_S:.0f} s") from None
            if not line:
                raise KommoError(f"{name} ended instead of starting; its own message stands above")
            answer: dict[str, Any] = json.loads(line)
            return answer

        return ready

    def start_url(
        self, name: str, command: list[str], url: str, *, env: Mapping[str, str] | None = None
    ) -> Callable[[], None]:
        """Start a program that is ready once a URL answers. Calling the result waits for that."""
        import httpx

        process = self._spawn(name, command, stdout=sys.stderr, env=env)

        def ready() -> None:
            deadline = time.monotonic() + START_TIMEOUT_S
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise KommoError(f"{name} ended instead of starting; its own message stands above")
                try:
                    httpx.get(url, trust_env=False, timeout=2)
                    return
                except httpx.HTTPError:
                    time.sleep(0.1)
            raise KommoError(f"{name} did not answer within {START_TIMEOUT_S:.0f} s")

        return ready

    def _spawn(
        self, name: str, command: list[str], *, stdout: IO[str] | int, env: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        """A program in a session of its own: Ctrl-C reaches this process alone, which stops the others in order."""
        process = subprocess.Popen(  # noqa: S603 our own commands
            command, stdout=stdout, text=True, env=os.environ | (env or {}), start_new_session=True
        )
        self._running.append((name, process))
        return process

    def wait(self) -> None:
        """Wait until Ctrl-C or SIGTERM.

        Raises:
            KommoError: one of the programs ended by itself.
        """
        while True:
            for name, process in self._running:
                if process.poll() is not None:
                    raise KommoError(f"{name} ended by itself (exit code {process.returncode})")
            time.sleep(0.5)


def command(*words: str) -> list[str]:
    """This package's own command, as a program of this environment."""
    return [sys.executable, "-m", "kommo_nb.cli", *words]


def _drain(process: subprocess.Popen[str], lines: Queue[str]) -> None:
    """Pass lines on as they come, and "" at the end; a full pipe would stop the program."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
