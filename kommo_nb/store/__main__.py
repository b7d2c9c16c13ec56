"""The process that writes for a receiver: `python -m kommo_nb.store FILE`, on a socket as its standard input.

Each request is a group of deliveries, when each had come, and counts. Those that have come are one commit; the answer
is how many groups it held, and what prevented it, if anything.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import StoreError
from . import Store
from .frames import frame, unframe
from .notes import Notes

_IDLE_S = 0.1
_NOTES_S = 0.5
_BUFFER = 256 * 1024

Request = tuple[list[tuple[Any, ...]], list[float], dict[str, int]]


class Desk:
    """Takes what has come, and writes its notes when nothing is waiting, or has not been for a while."""

    def __init__(self, path: Path, sock: socket.socket) -> None:
        self._path, self._sock = path, sock
        self._notes: Notes | None = None
        self._store: Store | None = None

    def run(self) -> None:
        """Until the receiver is gone."""
        received, noted_s = bytearray(), time.monotonic()
        while True:
            ready = select.select([self._sock], [], [], _IDLE_S)[0]
            if ready:
                if not (data := self._sock.recv(_BUFFER)):
                    break
                received += data
                if requests := [*unframe(received)]:
                    self._sock.sendall(frame((len(requests), self._take(requests))))
            if not ready or time.monotonic() - noted_s > _NOTES_S:
                self._write_notes()
                noted_s = time.monotonic()
        self._write_notes()

    def _take(self, requests: list[Request]) -> str:
        try:
            self._commit(requests)
        except Exception as error:  # the receiver answers 503, and the next group may go well
            return str(error)
        return ""

    def _commit(self, requests: list[Request]) -> None:
        if self._notes is None or self._store is None:
            self._store = Store(self._path)
            self._notes = Notes(self._store)
        rows = [row for group, _, _ in requests for row in group]
        for _, _, counts in requests:
            self._notes.count(counts)
        if rows:
            self._notes.store(rows, [each for _, since, _ in requests for each in since])
        else:
            self._notes.write()  # nothing but counts: also the question whether the store takes rows again

    def _write_notes(self) -> None:
        if self._notes is not None:
            with suppress(StoreError):  # they stay noted
                self._notes.write()


if __name__ == "__main__":
    with socket.socket(fileno=sys.stdin.fileno()) as ours, suppress(ConnectionError, KeyboardInterrupt):
        Desk(Path(sys.argv[1]), ours).run()
