"""The store's log of calls for many threads: what they write at about the same time becomes durable in one commit."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from ..store import Store, log
from ..wire.records import Exchange

LINGER_S = 0.02
"""How long a write that nobody waits for is kept, to be written together with others."""

Write = Callable[[sqlite3.Connection], Any]


class GroupedLog:
    """Notes calls as a `Store` does, from one thread with one connection.

    By themselves the threads would wait for the write lock in SQLite's way, which sleeps for up to 100 ms; and two
    commits for each message would keep a receiver from the file. That a call is to be made is durable before it is
    made. How it ended is written a moment later: lost in a crash, it is made again, and Kommo refuses it.

    Args:
        pending: calls that a crash left pending, by msgid: row id and body. The same call goes into the same row.
    """

    def __init__(self, store: Store, pending: Mapping[str, tuple[int, bytes]]) -> None:
        self._store = Store(store.path)  # with a connection that is closed at the end
        self._pending = dict(pending)
        self._announced: dict[str, tuple[Future[int], bytes]] = {}
        self._writes: deque[tuple[Write, Future[int]]] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()  # False ends it
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True, name="import-log")
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end; a StoreError if an outcome could not be written, whose call is then repeated."""
        self._wake.put(False)
        self._thread.join()
        self._store.close()
        if self._error:
            raise self._error

    def announce(self, exchange: Exchange) -> None:
        """Note as pending the call that comes next, while another is on its way: so nobody waits for the disk."""
        if exchange.msgid and exchange.msgid not in self._pending:
            noted = self._put(partial(log.add_exchange, exchange=exchange))
            self._announced[exchange.msgid] = (noted, exchange.request_body)

    def withdraw(self, *msgids: str) -> None:
        """Note that calls which were announced, and have not begun, will not be made."""
        outcome = {"status": None, "response_body": None, "error_type": "NotSent", "elapsed_ms": 0}
        for msgid in msgids:
            noted, _ = self._announced.pop(msgid, (None, b""))
            if noted:
                self._wake.put(True)
                self.finish_exchange(noted.result(), state="failed", attempts=0, **outcome)

    def begin_exchange(self, exchange: Exchange) -> int:
        """Store a call before it is made, as pending; its id."""
        msgid, body = exchange.msgid or "", exchange.request_body
        row_id, known = self._pending.pop(msgid, (0, b""))
        if row_id and known == body:
            return row_id
        noted, known = self._announced.pop(msgid, (None, b""))
        if noted is None or known != body:
            noted = self._put(partial(log.add_exchange, exchange=exchange))
        if not noted.done():
            self._wake.put(True)
        return noted.result()

    def finish_exchange(self, exchange_id: int, **outcome: Any) -> None:
        """Have it written how a call ended."""
        self._put(partial(log.finish_exchange, exchange_id=exchange_id, **outcome))

    def pending_exchanges(self, *, before_ms: int) -> list[dict[str, Any]]:
        """Nothing: what is pending here is made again in its turn."""
        return []

    def _put(self, write: Write) -> Future[int]:
        done: Future[int] = Future()
        self._writes.append((write, done))
        return done

    def _serve(self) -> None:
        going_on = True
        while going_on:
            try:
                going_on = self._wake.get(timeout=LINGER_S)
                while going_on:  # all who wait are served at once
                    going_on = self._wake.get_nowait()
            except Empty:
                pass
            self._write([self._writes.popleft() for _ in range(len(self._writes))])

    def _write(self, group: list[tuple[Write, Future[int]]]) -> None:
        try:
            results = self._store.write([write for write, _ in group]) if group else []
        except Exception as error:
            self._error = error
            for _, done in group:
                done.set_exception(error)
        else:
            for (_, done), result in zip(group, results, strict=True):
                done.set_result(result)
