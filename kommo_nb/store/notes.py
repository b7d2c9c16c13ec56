"""What a receiver's store writes in passing: acknowledgement times, counts, and the end of old refusals."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..wire.records import Delivery
from . import Store, log

MAX_REFUSED = 10_000
MAX_REFUSED_BYTES = 64 * 1024 * 1024
"""About so many refused hooks, and bytes of them, are kept, so that nobody can fill the disk: the oldest go first."""

_BODY, _HTTP_STATUS = Delivery._fields.index("body"), Delivery._fields.index("http_status")
_HOUR_MS = 3_600_000


class Notes:
    """Notes now, writes later. What cannot be written stays noted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ack_us: dict[int, int] = {}
        self._counts: Counter[str] = Counter()
        self._refused = self._refused_bytes = 0

    def store(self, rows: Sequence[tuple[Any, ...]], since: Sequence[float]) -> None:
        """Store deliveries that had come at these times of `time.monotonic()`, and how long those before them took."""
        (ids, _) = self._store.write([partial(log.add_deliveries, deliveries=rows), self._write_ack_us])
        now = time.monotonic()
        self._ack_us = {id_: int((now - each) * 1e6) for id_, each in zip(ids, since, strict=True)}
        refused = [len(row[_BODY]) for row in rows if row[_HTTP_STATUS] != 200]
        self._refused += len(refused)
        self._refused_bytes += sum(refused)

    def count(self, counts: Mapping[str, int]) -> None:
        """Note requests, by outcome."""
        self._counts.update(counts)

    def write(self) -> None:
        """Write what is noted.

        Raises:
            StoreError: it cannot be written now.
        """
        if self._refused > MAX_REFUSED // 10 or self._refused_bytes > MAX_REFUSED_BYTES // 10:
            self._counts["dropped"] += self._store.trim_refused(rows=MAX_REFUSED, size=MAX_REFUSED_BYTES)
            self._refused = self._refused_bytes = 0
        if self._ack_us or self._counts:
            self._store.write([self._write_ack_us, self._write_counts])
            self._ack_us = {}
            self._counts.clear()

    def _write_ack_us(self, conn: sqlite3.Connection) -> None:
        if self._ack_us:
            log.set_ack_us(conn, self._ack_us)

    def _write_counts(self, conn: sqlite3.Connection) -> None:
        log.add_counts(conn, time.time_ns() // 1_000_000 // _HOUR_MS * _HOUR_MS, +self._counts)
