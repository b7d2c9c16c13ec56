"""Tail: hooks and calls as they happen, from the file that receiver and client write. It only reads.

Hooks are followed by id, calls by the order in which they ended, which is not that of their ids.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from heapq import merge
from itertools import islice
from pathlib import Path

from .store import Store
from .store.selection import Filter, StoredCall, StoredHook, last_place, select, select_calls

POLL_S = 0.2
"""How long after its commit a row is seen, at most; but a hook waits for its `ack_us`."""
HOLD_S = 1.0
"""How long since it came, at most: `ack_us` is written with the next commit, half a second later where none comes."""

Row = StoredHook | StoredCall


def wait_for_store(path: Path, *, on_wait: Callable[[], None], mask: str = "") -> Store:
    """The store, read only, as soon as a program has made it; if that has not been yet, `on_wait` is called first."""
    if not _is_made(path):
        on_wait()
        while not _is_made(path):
            time.sleep(POLL_S)
    return Store(path, read_only=True, mask=mask)


def _is_made(path: Path) -> bool:
    if not path.exists():
        return False
    store = Store(path, read_only=True)
    views = store.query("SELECT 1 FROM sqlite_master WHERE name = 'hooks'")  # the last that the first migrations make
    store.close()
    return bool(views)


class Tail:
    """Follows a store: first so many of the rows that fit and are there (None: all), then what comes."""

    def __init__(
        self, store: Store, wanted: Filter, *, past: int | None = 0, hooks: bool = True, calls: bool = True
    ) -> None:
        self._store, self._wanted = store, wanted
        self._read_to: dict[type[Row], int] = {StoredHook: 0} if hooks else {}
        self._read_to |= {StoredCall: 0} if calls else {}
        self._version: int | None = None
        self._holds = False
        if past is not None:
            self._skip_to_last(past)

    def follow(self, stop: threading.Event) -> Iterator[Row]:
        """The rows in order, as they come, until stopped. To be used by one thread."""
        while not stop.is_set():
            if self._changed() or self._holds:
                yield from self.new_rows()
            stop.wait(POLL_S)

    def new_rows(self) -> Iterator[Row]:
        """The rows that came since the last time, up to a hook that waits, so that calls do not overtake it."""
        self._holds = False
        ends = {kind: last_place(self._store, kind) for kind in self._read_to}
        found = [_SELECT[kind](self._store, self._wanted, after=place) for kind, place in self._read_to.items()]
        for row in merge(*found, key=lambda row: row.at_ms):
            if _waits(row):
                self._holds = True
                return
            self._read_to[type(row)] = row.place
            yield row
        # Rows that did not fit are not read again.
        self._read_to = {kind: max(place, ends[kind]) for kind, place in self._read_to.items()}

    def _skip_to_last(self, count: int) -> None:
        ends = {kind: last_place(self._store, kind) for kind in self._read_to}
        found = [_SELECT[kind](self._store, self._wanted, newest_first=True) for kind in ends]
        for row in islice(merge(*found, key=lambda row: row.at_ms, reverse=True), count):
            ends[type(row)] = row.place - 1
        self._read_to = ends

    def _changed(self) -> bool:
        """True if another program has committed since the last look: SQLite counts that for us."""
        last, self._version = self._version, self._store.query("PRAGMA data_version")[0]["data_version"]
        return last != self._version


def _waits(row: Row) -> bool:
    """True for a hook that has just come, and does not tell yet how soon it was answered."""
    just_came = 0 <= time.time() * 1000 - row.at_ms < HOLD_S * 1000
    return just_came and isinstance(row, StoredHook) and row.ack_us is None


_SELECT: dict[type[Row], Callable[..., Iterator[Row]]] = {StoredHook: select, StoredCall: select_calls}
