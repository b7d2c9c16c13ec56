"""Where everything is kept: one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..mask import cover
from ..wire.records import Delivery, Exchange
from . import hook_counts, log, projection, rollups
from .advice import advice
from .refresh import MANY, Refresh
from .versions import VERSIONS

if TYPE_CHECKING:
    from sqlite_utils import Database

    from .ids import IdMap

BUSY_TIMEOUT_S = 5.0
COUNT_EVERY = 50
"""While there is more to project, a fiftieth of the time goes into rollups: many messages are counted together,
and a chat is told once for all of its own. They are up to date when the projection is."""
YIELD, LATE_S = 9, 2.5
"""While others write, as a receiver does, the projection leaves the write lock alone for so many times as long as it
held it. Once the rows that it reads have waited for so long it hurries twice as much, and so on: it writes more of them
at a time, and leaves the lock alone for less, but as long as it held it."""
ALONE = 2.0
"""How much it hurries where nobody else writes."""


class Store:
    """The SQLite file with the raw rows, and the tables and views that follow from them.

    Safe to share between threads: each thread gets a connection of its own.

    Args:
        path: the file; made, with its folder, if it does not exist.
        read_only: never writes, and refuses a file that is not there.
        busy_timeout_s: how long a write waits for another program's.
        mask: a key by which `kommo_nb.mask` masks names, phones and e-mails for who reads; such a store is read-only.

    Raises:
        StoreError: not a database, of a newer version, locked, or not writable. What the file holds is untouched.
    """

    def __init__(
        self, path: str | Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S, mask: str = ""
    ) -> None:
        self.path = Path(path)
        self.read_only, self._mask = read_only or bool(mask), mask
        self._busy_timeout_s = busy_timeout_s
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        with self._explained():
            if not self.read_only:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._refuse_newer_version()
            if not self.read_only:
                self._migrate()

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    @property
    def db(self) -> Database:
        """This thread's sqlite-utils Database: `store.db["messages"].rows`, `store.db.query(sql)`."""
        if not hasattr(self._local, "db"):
            from ._sqlite_utils import Database  # not needed by a receiver, whose memory it would double

            self._local.db = Database(self.conn)
        database: Database = self._local.db
        return database

    @property
    def conn(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._local, "conn"):
            self._local.conn, self._local.seen, self._local.hurry, self._local.alone = self._open(), None, 1.0, False
        conn: sqlite3.Connection = self._local.conn
        return conn

    def query(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[dict[str, Any]]:
        """The rows of a SELECT as dicts."""
        with self._explained():
            cursor = self.conn.execute(sql, params)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def add_deliveries(self, deliveries: Sequence[tuple[Any, ...]]) -> range:
        """Store hooks, each a `Delivery`, in one durable transaction; their ids."""
        with self._writing() as conn:
            return log.add_deliveries(conn, deliveries)

    def trim_refused(self, *, rows: int, size: int) -> int:
        """Keep at most so many refused hooks, and so many bytes of their bodies: the oldest go. How many went."""
        dropped = 0
        with self._writing() as conn:
            kept, kept_size = log.refused_size(conn)
            while kept > rows or kept_size > size:
                dropped += log.drop_refused(conn, max(1, kept - rows, kept // 10))
                kept, kept_size = log.refused_size(conn)
        return dropped

    def begin_exchange(self, exchange: Exchange) -> int:
        """Store a call before it is made, as pending; its id."""
        with self._writing() as conn:
            return log.add_exchange(conn, exchange)

    def finish_exchange(self, exchange_id: int, **outcome: Any) -> None:
        """Write how a call ended: state, attempts, status, response_body, error_type, elapsed_ms."""
        with self._writing() as conn:
            log.finish_exchange(conn, exchange_id, **outcome)

    def write(self, writes: Iterable[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Do several writes of `store.log` in one durable transaction; what each returned."""
        with self._writing() as conn:
            return [write(conn) for write in writes]

    def pending_exchanges(self, *, before_ms: int) -> list[dict[str, Any]]:
        """Calls that were begun before this time and never ended, oldest first: a crash came between."""
        sql = "SELECT * FROM exchanges WHERE state = 'pending' AND created_at_ms < ? ORDER BY id"
        return self.query(sql, (before_ms,))

    def add_replay(self, attempt: Mapping[str, Any]) -> None:
        """Note that a stored hook was sent again, and what came of it; by the columns of `replays`."""
        with self._writing() as conn:
            log.add_replay(conn, attempt)

    def ids(self, asked: str, *, messages: int = 20) -> IdMap:
        """What an id is, and all ids of the chat that it belongs to, each with the call or hook that told it.

        Args:
            asked: a chat_id or a conversation_id, or any other id that one has at hand.
            messages: of how many messages, the newest, the ids are told.
        """
        from .ids import find

        return find(self.query, asked, messages=messages)

    def put(self, table: str, **row: Any) -> None:
        """Insert or replace one row of a table that is neither raw nor projected."""
        with self._writing() as conn:
            names = ", ".join(row)
            conn.execute(
                f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
            )

    def load(self, rows: Iterable[Delivery | Exchange]) -> None:
        """Store many raw rows in one transaction, in their order."""
        with self._writing() as conn:
            for row in rows:
                if isinstance(row, Delivery):
                    log.add_deliveries(conn, (row,))
                else:
                    log.add_exchange(conn, row)

    def remember_channel(self, channel_id: str, *, name: str, bot_id: str) -> None:
        """Note a channel's bot, so that its messages count as the bot's; also those already stored."""
        with self._writing() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO channels (id, name, bot_id) VALUES (?, ?, ?)", (channel_id, name, bot_id)
            )
            bots = "(SELECT bot_id FROM channels)"  # one that was replaced is a bot no longer, as after a rebuild
            conn.execute(f"UPDATE messages SET author = 'bot' WHERE author = 'manager' AND sender_id IN {bots}")
            conn.execute(f"UPDATE messages SET author = 'manager' WHERE author = 'bot' AND sender_id NOT IN {bots}")

    def project(self) -> int:
        """Bring tables and views up to date with the raw rows; how many raw rows were new.

        Others go first: while they write, the write lock is left alone for most of the time.
        """
        done, due_s, refresh = 0, 0.0, Refresh()
        while (batch := self._next_batch()) or self._count(refresh):
            if batch:
                self._local.hurry = 1 + max(0.0, time.time() - batch.since_ms / 1000) / LATE_S
                with self._yielding() as conn:
                    done += projection.write(conn, batch)
                if (now_s := time.monotonic()) >= due_s:
                    self._count(refresh)
                    due_s = now_s + COUNT_EVERY * (time.monotonic() - now_s)
        return done

    def _count(self, refresh: Refresh) -> int:
        """Bring some of each rollup up to date; how much there was to do. Reads without the write lock."""
        done, size = 0, MANY if self._local.alone else 1
        for tell in (partial(refresh.next, size=size), hook_counts.uncounted):
            with self._explained():
                self.conn.execute("BEGIN")  # all of it as it was at one moment
                with self.conn:
                    write = tell(self.conn)
            if write:
                with self._yielding() as conn:
                    done += write(conn)
        return done

    def _next_batch(self) -> projection.Batch | None:
        with self._explained():
            return projection.read(self.conn, hurry=self._local.hurry)

    def rebuild(self) -> None:
        """Empty every projected table and fill it again from the raw rows.

        In small transactions, so that a receiver goes on; who reads meanwhile sees the tables fill.
        """
        with self._writing() as conn:
            rollups.clear(conn)
        self.project()

    def close(self) -> None:
        """Close every connection. The store opens again by itself if it is used afterwards."""
        for conn in self._connections:
            conn.close()
        self._connections.clear()
        self._local = threading.local()

    def _open(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rwc"
        # check_same_thread is off so that close() may be called from any thread; each connection is used by one only.
        conn = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=self._busy_timeout_s,
            check_same_thread=False,
        )
        self._connections.append(conn)
        if not self.read_only:
            self._enter_wal(conn)
            conn.execute("PRAGMA synchronous = FULL")
        elif self._mask:
            cover(conn, self._mask)
        return conn

    def _enter_wal(self, conn: sqlite3.Connection) -> None:
        # SQLite's own timeout does not cover this switch: two programs that open a new file at once may collide here.
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                conn.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _refuse_newer_version(self) -> None:
        newer = [name for name in self._applied() if name not in VERSIONS]
        if newer:
            raise StoreError(
                f"{self.path} was written by a newer kommo_nb (it has {newer[-1]}): update kommo_nb, "
                "or name another file with KOMMO_NB_DB"
            )

    def _applied(self) -> list[str]:
        """The migrations that the file has had, oldest first."""
        sql = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'kommo_nb' ORDER BY id"
        try:
            return [name for (name,) in self.conn.execute(sql)]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise

    def _migrate(self) -> None:
        if set(VERSIONS).difference(self._applied()):
            from .schema import migrations

            self.conn.execute("BEGIN IMMEDIATE")  # another process may be opening the same new file
            with self.conn:
                migrations.apply(self.db)

    @contextmanager
    def _yielding(self) -> Iterator[sqlite3.Connection]:
        """A transaction for what can wait: if others have written since the last one, they go on first."""
        with self._writing() as conn:
            began_s = time.monotonic()
            yield conn
        held_s, before = time.monotonic() - began_s, self._local.seen
        (self._local.seen,) = self.conn.execute("PRAGMA data_version").fetchone()
        self._local.alone = before == self._local.seen
        if self._local.alone:
            self._local.hurry = max(self._local.hurry, ALONE)
        elif before is not None:
            # All at once: who waits for the lock looks for it only now and then, and must find it free.
            time.sleep(held_s * max(1.0, YIELD / self._local.hurry))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that owns the write lock from its first statement, and commits at the end."""
        with self._explained():
            conn = self.conn
            conn.execute("BEGIN IMMEDIATE")
            with conn:
                yield conn

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors in words that say what to do."""
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise StoreError(f"{self.path}: {advice(error)}") from error
