"""The writer: hooks that come together are one durable commit, made by a process of its own.

A process, because Python runs one thread at a time: a thread that commits waits for the loop, and the loop for it.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..store.frames import frame, unframe
from ..wire.records import Delivery

COMMIT_TIMEOUT_S = 2.0
"""How long a hook waits for its commit before it is answered with 503, well inside Kommo's 5 s."""
MAX_WAITING = 10_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""More hooks, or bytes of them, than this do not wait for a commit: they are refused at once."""
PROBE_S = 0.5
"""How soon counts are written, and how often a store in trouble is asked whether it takes rows again."""


@dataclass(eq=False, slots=True)
class _Group:
    """Hooks that are committed together, and when each had come."""

    deliveries: list[Delivery] = field(default_factory=list)
    since: list[float] = field(default_factory=list)
    stored: list[asyncio.Future[str]] = field(default_factory=list)
    size: int = 0
    alarm: asyncio.TimerHandle | None = None


class Writer(asyncio.Protocol):
    """Gathers what arrives while one group is committed; that is the next group.

    A hook whose commit fails, or does not come in time, is told so. Later ones are tried again, and the process is
    started again should it end: no trouble needs a restart. Belongs to one event loop.

    Attributes:
        trouble: why hooks could not be stored of late; "" when all is well.
        counts: requests since the start, by outcome.
    """

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self.counts: Counter[str] = Counter()
        self._path = path
        self._sent: Counter[str] = Counter()
        self._gathered: _Group | None = None
        self._running: _Group | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._answer = bytearray()

    def submit(self, delivery: Delivery, *, since: float) -> asyncio.Future[str]:
        """A future of the running loop: "" once the delivery is durable, or what prevented it.

        Args:
            since: the `time.monotonic()` at which the whole body had come.
        """
        group = self._gathered or self._new_group()
        stored: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if len(group.stored) >= MAX_WAITING or group.size >= MAX_WAITING_BYTES:
            stored.set_result("too many hooks wait to be stored")
            self.count("failed")
            return stored
        group.deliveries.append(delivery)
        group.since.append(since)
        group.stored.append(stored)
        group.size += len(delivery.body)
        return stored

    def count(self, outcome: str) -> None:
        """Count a request; the table `counts` follows."""
        self.counts[outcome] += 1
        self._ask_later()

    async def open(self) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "kommo_nb.store", str(self._path)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 our own program
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
            )
        self._transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        self._opening = None
        self._hand_over()

    async def close(self) -> None:
        """Commit what was submitted, write what could wait, and end the process."""
        while self._running is not None or self._gathered is not None:
            await asyncio.sleep(0.01)
        if self._probe is not None:
            self._probe.cancel()
        process, transport, self._process = self._process, self._transport, None
        if process is not None and transport is not None:
            transport.write(frame(([], [], self._fresh_counts())))
            transport.write_eof()
            await asyncio.to_thread(process.wait, 10)
            transport.close()

    def _new_group(self) -> _Group:
        loop = asyncio.get_running_loop()
        group = self._gathered = _Group()
        group.alarm = loop.call_later(COMMIT_TIMEOUT_S, self._give_up, group)
        if self._running is None:
            loop.call_soon(self._hand_over)  # once this turn of the loop has taken in all that has come
        return group

    def _hand_over(self) -> None:
        if self._gathered is None or self._running is not None:
            return
        if self._transport is None:
            self._opening = self._opening or asyncio.get_running_loop().create_task(self.open())
            return
        self._running, self._gathered = self._gathered, None
        rows = list(map(tuple, self._running.deliveries))
        self._transport.write(frame((rows, self._running.since, self._fresh_counts())))

    def _fresh_counts(self) -> dict[str, int]:
        fresh, self._sent = dict(self.counts - self._sent), self.counts.copy()
        return fresh

    def _give_up(self, group: _Group) -> None:
        self.trouble = f"no commit in {COMMIT_TIMEOUT_S:.0f} s: another program holds the database, or the disk hangs"
        if group is self._gathered:  # one under way may be stored yet, although its senders were told otherwise
            self._gathered = None
        self._settle(group, self.trouble)

    def _committed(self, trouble: str) -> None:
        self.trouble = trouble
        if self._running is not None:
            self._settle(self._running, trouble)
            self._running = None
        if trouble:
            self._ask_later()
        self._hand_over()

    def _settle(self, group: _Group, trouble: str) -> None:
        """Tell every hook that still waits how it went, and count it."""
        if group.alarm is not None:
            group.alarm.cancel()
        for delivery, stored in zip(group.deliveries, group.stored, strict=True):
            if not stored.done():
                stored.set_result(trouble)
                self.count("failed" if trouble else "stored" if delivery.http_status == 200 else "refused")

    def _ask_later(self) -> None:
        if self._probe is None:
            self._probe = asyncio.get_running_loop().call_later(PROBE_S, self._ask)

    def _ask(self) -> None:
        """Send a group without hooks, for its counts."""
        self._probe = None
        if self._gathered is None:
            self._new_group()

    # --- what the process does ---

    def data_received(self, data: bytes) -> None:
        """It has answered."""
        self._answer += data
        if (answer := unframe(self._answer)) is not None:
            self._answer.clear()
            self._committed("".join(answer))

    def connection_lost(self, _exc: Exception | None) -> None:
        """It has ended."""
        self._transport = None
        self._answer.clear()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._committed("the process that writes the database has ended; it is started again")
