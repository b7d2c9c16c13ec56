"""The process that writes for a receiver: `python -m kommo_nb.store FILE`, on a socket as its standard input.

Each request is a group of deliveries, when each had come, and counts; the answer is a list with what prevented the
commit, or with nothing.
"""

from __future__ import annotations

import select
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import StoreError
from . import Store
from .frames import HEAD, frame, unframe
from .notes import Notes

_IDLE_S = 0.1


class Desk:
    """Takes one group after the other, and writes its notes when none is waiting."""

    def __init__(self, path: Path, sock: socket.socket) -> None:
        self._path, self._sock = path, sock
        self._file = sock.makefile("rb", buffering=1024 * 1024)
        self._notes: Notes | None = None
        self._store: Store | None = None

    def run(self) -> None:
        """Until the receiver is gone."""
        while True:
            if not select.select([self._sock], [], [], _IDLE_S)[0]:
                self._write_notes()
                continue
            head = self._file.read(HEAD)
            if len(head) < HEAD:
                break
            self._sock.sendall(frame(self._take(head + self._file.read(int.from_bytes(head)))))
            if self._notes is not None and self._notes.many:
                self._write_notes()
        self._write_notes()

    def _take(self, request: bytes) -> list[str]:
        try:
            self._commit(*unframe(request))
        except Exception as error:  # the receiver answers 503, and the next group may go well
            return [str(error)]
        return []

    def _commit(self, rows: list[tuple[Any, ...]], since: list[float], counts: dict[str, int]) -> None:
        if self._notes is None or self._store is None:
            self._store = Store(self._path)
            self._notes = Notes(self._store)
        self._notes.count(counts)
        if rows:
            self._notes.add(self._store.add_deliveries(rows), rows, since)
        else:
            self._notes.write()  # nothing but counts: also the question whether the store takes rows again

    def _write_notes(self) -> None:
        if self._notes is not None:
            with suppress(StoreError):  # they stay noted
                self._notes.write()


if __name__ == "__main__":
    with socket.socket(fileno=sys.stdin.fileno()) as ours, suppress(ConnectionError, KeyboardInterrupt):
        Desk(Path(sys.argv[1]), ours).run()
