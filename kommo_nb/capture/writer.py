"""The writer: hooks that come together are one durable commit, made by a process of its own.

A process, because Python runs one thread at a time: a thread that commits waits for the loop, and the loop for it.
Hooks are handed over as they come. What has come while the process commits is its next commit.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import Counter, deque
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
    """Hooks that are handed over together, and when each had come."""

    deliveries: list[Delivery] = field(default_factory=list)
    since: list[float] = field(default_factory=list)
    stored: list[asyncio.Future[str]] = field(default_factory=list)
    size: int = 0
    alarm: asyncio.TimerHandle | None = None


class Writer(asyncio.Protocol):
    """Hands hooks over, all of one turn of the loop together, and tells each when it is durable.

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
        self._handed: deque[_Group] = deque()
        self._waiting = self._waiting_bytes = 0
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
        stored: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if self._waiting >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            stored.set_result("too many hooks wait to be stored")
            self.count("failed")
            return stored
        group = self._gathered or self._new_group()
        group.deliveries.append(delivery)
        group.since.append(since)
        group.stored.append(stored)
        group.size += len(delivery.body)
        self._waiting += 1
        self._waiting_bytes += len(delivery.body)
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
        while self._handed or self._gathered is not None:
            await asyncio.sleep(0.01)
        if self._probe is not None:
            self._probe.cancel()
        process, transport, self._process = self._process, self._transport, None
        if process is not None and transport is not None:
            self._handed.append(_Group())
            transport.write(frame(([], [], self._fresh_counts())))
            transport.write_eof()
            await asyncio.to_thread(process.wait, 10)
            transport.close()

    def _new_group(self) -> _Group:
        loop = asyncio.get_running_loop()
        group = self._gathered = _Group()
        group.alarm = loop.call_later(COMMIT_TIMEOUT_S, self._give_up, group)
        loop.call_soon(self._hand_over)  # once this turn of the loop has taken in all that has come
        return group

    def _hand_over(self) -> None:
        if self._gathered is None:
            return
        if self._transport is None:
            self._opening = self._opening or asyncio.get_running_loop().create_task(self.open())
            return
        group, self._gathered = self._gathered, None
        self._handed.append(group)
        self._transport.write(frame(([*map(tuple, group.deliveries)], group.since, self._fresh_counts())))

    def _fresh_counts(self) -> dict[str, int]:
        fresh, self._sent = dict(self.counts - self._sent), self.counts.copy()
        return fresh

    def _give_up(self, group: _Group) -> None:
        self.trouble = f"no commit in {COMMIT_TIMEOUT_S:.0f} s: another program holds the database, or the disk hangs"
        if group is self._gathered:  # one under way may be stored yet, although its senders were told otherwise
            self._gathered = None
            self._forget(group)
        self._settle(group, self.trouble)

    def _committed(self, groups: int, trouble: str) -> None:
        self.trouble = trouble
        for _ in range(groups):
            group = self._handed.popleft()
            self._forget(group)
            self._settle(group, trouble)
        if trouble:
            self._ask_later()

    def _forget(self, group: _Group) -> None:
        self._waiting -= len(group.deliveries)
        self._waiting_bytes -= group.size

    def _settle(self, group: _Group, trouble: str) -> None:
        """Tell every hook that still waits how it went, and count it."""
        if group.alarm is not None:
            group.alarm.cancel()
        outcomes = Counter[str]()
        for delivery, stored in zip(group.deliveries, group.stored, strict=True):
            if not stored.done():
                stored.set_result(trouble)
                outcomes["failed" if trouble else "stored" if delivery.http_status == 200 else "refused"] += 1
        if outcomes:
            self.counts += outcomes
            self._ask_later()

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
        for groups, trouble in unframe(self._answer):
            self._committed(groups, trouble)

    def connection_lost(self, _exc: Exception | None) -> None:
        """It has ended."""
        self._transport = None
        self._answer.clear()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            trouble = "the process that writes the database has ended; it is started again"
            self._committed(len(self._handed), trouble)
            self._hand_over()
