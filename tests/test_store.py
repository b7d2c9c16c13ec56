"""The SQLite file: opening it, writing to it from everywhere at once, and every way in which that can fail."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from kommo_nb.errors import StoreError
from kommo_nb.store import Store, log
from kommo_nb.store.schema import migrations
from kommo_nb.store.versions import PROJECTED, VERSIONS
from kommo_nb.wire.records import Delivery, Exchange

HOOK = {
    "account_id": "acc",
    "time": 1_700_000_000,
    "message": {
        "conversation": {"id": "chat-1", "client_id": "ours-1"},
        "sender": {"id": "manager-1", "name": "Maria"},
        "receiver": {"id": "client-1", "client_id": "u-1", "name": "Ada"},
        "timestamp": 1_700_000_000,
        "msec_timestamp": 1_700_000_000_250,
        "message": {"id": "m-1", "type": "text", "text": "Olá"},
    },
}
DELIVERY = Delivery(
    1_700_000_000_500, "scope-1", json.dumps(HOOK).encode(), "sig", "valid", 200, 900, "amoCRM amoJo/1.0"
)
CALL = Exchange(1_700_000_001_000, "typing", "POST", "/v2/origin/custom/scope-1/typing", b"{}")
OUTCOME = {
    "state": "done",
    "attempts": 2,
    "status": 204,
    "response_body": b"",
    "error_type": None,
    "elapsed_ms": 31,
}


def raw_query(path: Path, sql: str) -> list[Any]:
    """Rows as another program reads them."""
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute(sql).fetchall()


@pytest.fixture
def elsewhere(store: Store) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as conn:
        yield conn


# --- Opening ---


def test_a_new_file_gets_every_table_and_view(tmp_path: Path) -> None:
    """Opening makes the folders, the file, the raw and projected tables, and the four views."""
    store = Store(tmp_path / "some" / "where" / "kommo.db")
    raw = {"deliveries", "exchanges", "channels"}
    kept = {"counts", "compared", "reconciling", "replays", "steps", "changed"}
    assert set(store.db.table_names()) == raw | kept | set(PROJECTED) | {"_sqlite_migrations"}
    assert set(store.db.view_names()) == {"delivery", "transcript", "hooks", "calls"}
    assert tuple(row.name for row in migrations.applied(store.db)) == VERSIONS
    store.close()


def test_every_table_is_strict(store: Store) -> None:
    """A value of another type is refused by SQLite itself, in every table of ours."""
    ours = [name for name in store.db.table_names() if name != "_sqlite_migrations"]
    assert [name for name in ours if not store.db.table(name).strict] == []


def test_writes_are_durable_and_do_not_block_readers(store: Store) -> None:
    """The file is in WAL mode and each commit is synced, so that an answered hook outlives a power cut."""
    settings = [store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]


def test_opening_again_changes_nothing(store: Store) -> None:
    """A second opening applies no migration twice, and every row is there."""
    store.add_deliveries([DELIVERY])
    before = raw_query(store.path, "SELECT name, applied_at FROM _sqlite_migrations")
    again = Store(store.path)
    assert again.query("SELECT scope_id FROM deliveries") == [{"scope_id": "scope-1"}]
    assert raw_query(store.path, "SELECT name, applied_at FROM _sqlite_migrations") == before
    again.close()


def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """A file that has only the raw tables gets the rest on opening, and its hooks are projected."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        old = Database(conn)
        migrations.apply(old, stop_before="002_projected")
        row = {name: value for name, value in DELIVERY._asdict().items() if name not in ("reason", "secret_id")}
        old.table("deliveries").insert(row)
    store = Store(path)
    assert store.project() == 1
    assert [row["message_id"] for row in store.query("SELECT message_id FROM messages")] == ["m-1"]
    store.close()


RACER = """
import sys
from pathlib import Path
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    store = Store(Path(sys.argv[1]) / f"{number}.db")
    store.add_deliveries([Delivery(number, sys.argv[2], b"{}", None, "missing", 401)])
    store.close()
"""


def test_what_an_older_version_had_projected_is_counted_too(tmp_path: Path, store: Store) -> None:
    """A file from before the rollups gets them with the next projection, the same as a new file."""
    path, rows = tmp_path / "old.db", [DELIVERY]
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        migrations.apply(Database(conn), stop_before="007_rollups")
        log.add_deliveries(conn, rows)
        conn.execute("INSERT INTO projection VALUES ('deliveries', 1)")
        conn.execute("INSERT INTO messages (message_id, direction, author, sent_at_ms) VALUES ('m', '', 'bot', 1)")
    old = Store(path)
    store.load(rows)
    assert (old.project(), store.project()) == (1, 1)
    for name in PROJECTED:
        assert old.query(f"SELECT * FROM {name}") == store.query(f"SELECT * FROM {name}")
    assert old.query("SELECT sum(manager) AS n FROM quarter_hours WHERE type = '*' AND scope_id = '*'") == [{"n": 1}]
    old.close()


def test_a_file_with_rollups_of_the_first_kind_is_counted_anew(tmp_path: Path) -> None:
    """A file of version 007 keeps what it had projected, also a report that waits to be counted."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript((Path(__file__).parents[1] / "data/stores/007.sql").read_text())
    old = Store(path)
    assert old.project() == 0
    before = {name: old.query(f"SELECT * FROM {name} ORDER BY 1") for name in PROJECTED}
    assert [row["delivered_in_ms"] for row in before["messages"]] == [900]
    assert {row["kind"]: row["count"] for row in before["lengths"]} == {"ack": 1, "delivered": 1}
    old.rebuild()
    assert {name: old.query(f"SELECT * FROM {name} ORDER BY 1") for name in PROJECTED} == before
    old.close()


def test_two_processes_open_the_same_new_file_at_once(tmp_path: Path) -> None:
    """Whichever of two processes comes first makes the tables; both write, and neither fails."""
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    racers = [subprocess.Popen([*command, name], **pipes) for name in ("first", "second")]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    outcomes = []
    with ThreadPoolExecutor(len(racers)) as pool:
        for racer, output in zip(
            racers, pool.map(lambda each: each.communicate("go\n", timeout=60), racers), strict=True
        ):
            outcomes.append((racer.returncode, output))
    assert outcomes == [(0, ("", ""))] * 2
    for number in range(15):
        rows = raw_query(tmp_path / f"{number}.db", "SELECT scope_id FROM deliveries ORDER BY scope_id")
        assert rows == [("first",), ("second",)]


def test_a_new_file_that_another_program_is_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening waits for a program that holds a file not yet in WAL mode, where SQLite itself would fail at once."""
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        holder.execute("CREATE TABLE theirs (id)")
        monkeypatch.setattr("kommo_nb.store.time.sleep", lambda _: holder.in_transaction and holder.execute("COMMIT"))
        store = Store(path)
    assert "theirs" in store.db.table_names()
    assert store.db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    store.close()


# --- Files that cannot be used ---


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_version_is_refused_with_advice(store: Store, elsewhere: sqlite3.Connection, read_only: bool) -> None:
    """A file with a migration that is not known here is left alone, and the message says what to update."""
    elsewhere.execute("INSERT INTO _sqlite_migrations VALUES (99, 'kommo_nb', '999_future', 'later')")
    with pytest.raises(StoreError, match=r"newer kommo_nb \(it has 999_future\): update kommo_nb"):
        Store(store.path, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, read_only: bool) -> None:
    """A text file is not turned into a database, not even in part."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 100)
    with pytest.raises(StoreError, match=r"notes\.txt: this is not an SQLite database.*KOMMO_NB_DB"):
        Store(path, read_only=read_only)
    assert path.read_text() == "my notes\n" * 100


def test_a_damaged_file_is_named_as_such(tmp_path: Path) -> None:
    """A file whose first page is spoilt is refused with the same advice, and is not repaired by guessing."""
    path = tmp_path / "damaged.db"
    Store(path).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * (4096 - 100)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged\.db: this is not an SQLite database, or it is damaged"):
        Store(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A folder in the place of the file is named as what cannot be opened."""
    with pytest.raises(StoreError, match="cannot be opened: check that the path exists"):
        Store(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where a file stands in the way of the folder, the message says that the path cannot be opened."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened: check that the path exists"):
        Store(tmp_path / "file" / "kommo.db")


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_locked_file_says_what_to_do(tmp_path: Path, lock: str) -> None:
    """A file that another program holds for itself is not waited for beyond the timeout, and stays as it is."""
    path = tmp_path / "held.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE theirs (id)")
        holder.execute(f"BEGIN {lock}")
        with pytest.raises(StoreError, match=r"held\.db: another program holds the database locked: close it, or wait"):
            Store(path, busy_timeout_s=0.1)
        holder.execute("COMMIT")
    assert raw_query(path, "SELECT name FROM sqlite_master") == [("theirs",)]


# --- Reading only ---

WRITES: dict[str, Callable[[Store], object]] = {
    "add_deliveries": lambda store: store.add_deliveries([DELIVERY]),
    "begin_exchange": lambda store: store.begin_exchange(CALL),
    "finish_exchange": lambda store: store.finish_exchange(1, **OUTCOME),
    "load": lambda store: store.load([DELIVERY, CALL]),
    "remember_channel": lambda store: store.remember_channel("c", name="", bot_id="b"),
    "project": lambda store: store.project(),
    "rebuild": lambda store: store.rebuild(),
}


@pytest.mark.parametrize("write", WRITES)
def test_read_only_reads_and_never_writes(store: Store, write: str) -> None:
    """A store that was opened for reading shows what others write, and refuses every write of its own."""
    store.begin_exchange(CALL)
    reader = Store(store.path, read_only=True)
    store.add_deliveries([DELIVERY])
    before = list(store.db.conn.iterdump())
    with pytest.raises(StoreError, match=r"not writable: check the rights.*nothing was written"):
        WRITES[write](reader)
    assert reader.query("SELECT scope_id FROM deliveries") == [{"scope_id": "scope-1"}]
    assert list(store.db.conn.iterdump()) == before
    reader.close()


def test_read_only_makes_no_file(tmp_path: Path) -> None:
    """Opening for reading refuses a file that is not there, and makes neither it nor its folder."""
    with pytest.raises(StoreError, match="cannot be opened: check that the path exists"):
        Store(tmp_path / "new" / "kommo.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


# --- Raw rows ---


def test_a_delivery_is_stored_as_it_came(store: Store) -> None:
    """Each field of a delivery is in its row, and any program can read it at once."""
    odd = Delivery(5, "scope-2", b"\x00\xff\n", None, "missing", 401)
    store.add_deliveries([DELIVERY, odd])
    rows = store.query("SELECT * FROM deliveries")
    assert rows == [{"id": 1, **DELIVERY._asdict()}, {"id": 2, **odd._asdict()}]
    assert raw_query(store.path, "SELECT count(*) FROM deliveries") == [(2,)]


def test_an_exchange_goes_from_pending_to_done(store: Store) -> None:
    """A call is stored as pending before it is made; its outcome goes to the same row, with every attempt counted."""
    exchange_id = store.begin_exchange(replace(CALL, msgid="ours-9", attempts=1))
    (pending,) = store.pending_exchanges(before_ms=CALL.created_at_ms + 1)
    assert (pending["id"], pending["state"], pending["status"], pending["finished_seq"]) == (
        exchange_id,
        "pending",
        None,
        None,
    )
    store.finish_exchange(exchange_id, **OUTCOME)
    assert store.pending_exchanges(before_ms=CALL.created_at_ms + 1) == []
    (row,) = store.query("SELECT * FROM exchanges")
    assert row == {
        "id": exchange_id,
        **asdict(CALL),
        **OUTCOME,
        "msgid": "ours-9",
        "attempts": 3,
        "finished_seq": 1,
    }


def test_pending_calls_come_oldest_first_and_only_old_ones(store: Store) -> None:
    """What was begun just now may still be under way, so only older calls are pending; the failed are not."""
    ids = [store.begin_exchange(replace(CALL, created_at_ms=ms)) for ms in (100, 200, 300, 400)]
    store.finish_exchange(ids[1], **OUTCOME | {"state": "failed", "status": 500})
    assert [row["id"] for row in store.pending_exchanges(before_ms=400)] == [ids[0], ids[2]]


def test_finished_calls_are_numbered_in_the_order_of_their_ends(store: Store) -> None:
    """The projection follows the order in which calls ended, also of those that were loaded as ended."""
    first, second = store.begin_exchange(CALL), store.begin_exchange(CALL)
    store.finish_exchange(second, **OUTCOME)
    store.load([replace(CALL, state="done")])
    store.finish_exchange(first, **OUTCOME)
    rows = store.query("SELECT id FROM exchanges ORDER BY finished_seq")
    assert [row["id"] for row in rows] == [second, second + 1, first]


def test_load_keeps_the_order(store: Store) -> None:
    """Deliveries and calls that are loaded together are stored in their order, each in its table."""
    rows = [DELIVERY, replace(CALL, msgid="a"), DELIVERY._replace(scope_id="scope-2"), replace(CALL, msgid="b")]
    store.load(rows)
    assert [row["scope_id"] for row in store.query("SELECT scope_id FROM deliveries ORDER BY id")] == [
        "scope-1",
        "scope-2",
    ]
    assert [row["msgid"] for row in store.query("SELECT msgid FROM exchanges ORDER BY id")] == ["a", "b"]


def test_eight_threads_write_calls(store: Store) -> None:
    """Threads that share a store lose nothing: every call is there once, done, with a place of its own in the order."""
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait(timeout=30)
        for number in range(25):
            exchange_id = store.begin_exchange(replace(CALL, msgid=f"{thread}-{number}"))
            store.add_deliveries([DELIVERY._replace(scope_id=f"{thread}-{number}")])
            store.finish_exchange(exchange_id, **OUTCOME)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    names = {f"{thread}-{number}" for thread in range(8) for number in range(25)}
    calls = store.query("SELECT msgid, state, finished_seq FROM exchanges")
    assert (
        {row["msgid"] for row in calls}
        == {row["scope_id"] for row in store.query("SELECT scope_id FROM deliveries")}
        == names
    )
    assert sorted(row["finished_seq"] for row in calls) == list(range(1, 201))
    assert {row["state"] for row in calls} == {"done"}


CRASH = """
import os, sys
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery, Exchange
store = Store(sys.argv[1])
store.add_deliveries([Delivery(1, "scope", b"{}", None, "valid", 200)])
store.begin_exchange(Exchange(1, "typing", "POST", "/x", b"{}"))
store.db.execute("BEGIN IMMEDIATE")
store.db.execute("DELETE FROM deliveries")
os._exit(9)
"""


def test_a_crash_leaves_what_was_stored(tmp_path: Path) -> None:
    """After a process died in the middle of a write, what it had stored is there, and its call is pending."""
    path = tmp_path / "crash.db"
    assert subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False).returncode == 9
    store = Store(path)
    assert store.query("SELECT scope_id FROM deliveries") == [{"scope_id": "scope"}]
    assert [row["path"] for row in store.pending_exchanges(before_ms=2)] == ["/x"]
    store.close()


# --- Errors while writing ---


def test_what_was_stored_stays_after_an_error(store: Store) -> None:
    """A batch with one row that SQLite refuses is stored not at all; what was there stays, and writing goes on."""
    store.add_deliveries([DELIVERY])
    broken = DELIVERY._replace(scope_id=None)
    with pytest.raises(StoreError, match=r"NOT NULL constraint failed: deliveries\.scope_id"):
        store.add_deliveries([DELIVERY._replace(scope_id="lost"), broken])
    store.add_deliveries([DELIVERY._replace(scope_id="scope-2")])
    assert [row["scope_id"] for row in store.query("SELECT scope_id FROM deliveries")] == ["scope-1", "scope-2"]


def test_rows_that_break_off_are_not_loaded(store: Store) -> None:
    """When the source of the rows fails half-way, its own error comes through and nothing of it is stored."""

    def rows() -> Iterator[Delivery]:
        yield DELIVERY
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError, match="the source broke off"):
        store.load(rows())
    assert store.query("SELECT * FROM deliveries") == []
    store.add_deliveries([DELIVERY])


def test_a_write_that_meets_a_lock(store: Store, elsewhere: sqlite3.Connection) -> None:
    """While another program writes, a write waits and then fails with advice; afterwards it succeeds."""
    hasty = Store(store.path, busy_timeout_s=0.05)
    elsewhere.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"another program holds the database locked.*nothing was written"):
        hasty.add_deliveries([DELIVERY])
    assert hasty.query("SELECT * FROM deliveries") == []
    elsewhere.execute("COMMIT")
    hasty.add_deliveries([DELIVERY])
    assert len(hasty.query("SELECT * FROM deliveries")) == 1
    hasty.close()


def test_a_full_disk_says_so(store: Store) -> None:
    """When there is no room, the message says so, and what was stored can be read."""
    store.add_deliveries([DELIVERY])
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="the disk is full: free some space; nothing was written"):
        store.add_deliveries([DELIVERY._replace(body=b"x" * 1_000_000)])
    assert [row["scope_id"] for row in store.query("SELECT scope_id FROM deliveries")] == ["scope-1"]


def test_a_bad_query_is_a_store_error(store: Store) -> None:
    """SQL that SQLite refuses names the file and SQLite's reason."""
    with pytest.raises(StoreError, match=r"kommo\.db: no such table: nowhere"):
        store.query("SELECT * FROM nowhere")


def test_a_closed_store_opens_again_by_itself(store: Store) -> None:
    """Closing frees the file; the next use opens it again."""
    store.add_deliveries([DELIVERY])
    store.close()
    assert not store.path.with_name("kommo.db-wal").exists()
    assert len(store.query("SELECT * FROM deliveries")) == 1


def test_repr_names_the_file(store: Store) -> None:
    """A store is recognised by its file."""
    assert repr(store) == f"Store({str(store.path)!r})"


# --- Channels ---

IMPORTED = {
    "event_type": "new_message",
    "payload": {
        "timestamp": 1,
        "msec_timestamp": 1000,
        "msgid": "ours-2",
        "conversation_id": "ours-1",
        "sender": {"id": "our-bot", "name": "Bot", "ref_id": "bot-1"},
        "receiver": {"id": "u-1", "name": "Ada"},
        "message": {"type": "text", "text": "imported"},
        "silent": True,
    },
}


def of_the_bot() -> list[Delivery | Exchange]:
    hook = json.loads(json.dumps(HOOK))
    hook["message"]["sender"] = {"id": "bot-1"}
    hook["message"]["message"]["id"] = "m-bot"
    answer = json.dumps({"new_message": {"msgid": "m-imported", "ref_id": "ours-2"}}).encode()
    call = Exchange(1, "send", "POST", "/v2/origin/custom/scope-1", json.dumps(IMPORTED).encode())
    done = replace(call, msgid="ours-2", state="done", status=200, response_body=answer)
    return [DELIVERY._replace(body=json.dumps(hook).encode()), done, DELIVERY]


@pytest.mark.parametrize("when", ["before", "after", "both"])
def test_messages_of_the_channels_bot_are_the_bots(store: Store, when: str) -> None:
    """Once a channel is remembered, what its bot wrote counts as the bot's, whether it was stored before or after."""
    if when in ("before", "both"):
        store.remember_channel("channel", name="Shop", bot_id="bot-1")
    store.load(of_the_bot())
    store.project()
    if when in ("after", "both"):
        store.remember_channel("channel", name="Shop", bot_id="bot-1")
    authors = {row["message_id"]: row["author"] for row in store.query("SELECT message_id, author FROM messages")}
    assert authors == {"m-bot": "bot", "m-imported": "bot", "m-1": "manager"}
    assert store.query("SELECT * FROM channels") == [{"id": "channel", "name": "Shop", "bot_id": "bot-1"}]


# --- Views ---


def test_views_show_what_happened(store: Store) -> None:
    """The four views tell the story in readable names and times: the hook, the call, the text, its delivery."""
    status = json.dumps({"status_code": 1}).encode()
    path = "/v2/origin/custom/scope-1/m-1/delivery_status"
    store.load(
        [
            DELIVERY,
            replace(CALL, kind="delivery_status", path=path, request_body=status, state="done", attempts=1, status=200),
        ]
    )
    store.project()
    assert store.query("SELECT * FROM hooks") == [
        {
            "id": 1,
            "received_at": "2023-11-14T22:13:20.500Z",
            "verdict": "valid",
            "http_status": 200,
            "reason": None,
            "ack_ms": 0.9,
            "body": json.dumps(HOOK),
            "scope_id": "scope-1",
            "user_agent": "amoCRM amoJo/1.0",
            "secret_id": None,
        }
    ]
    assert store.query("SELECT * FROM calls") == [
        {
            "id": 1,
            "called_at": "2023-11-14T22:13:21.000Z",
            "kind": "delivery_status",
            "state": "done",
            "status": 200,
            "error_type": None,
            "attempts": 1,
            "elapsed_ms": None,
            "method": "POST",
            "path": path,
            "request": '{"status_code": 1}',
            "response": None,
        }
    ]
    assert store.query("SELECT * FROM transcript") == [
        {
            "sent_at": "2023-11-14T22:13:20.250Z",
            "client": "Ada",
            "author": "manager",
            "type": "text",
            "text": "Olá",
            "edited": 0,
            "media": None,
            "delivery": "delivered",
            "message_id": "m-1",
            "msgid": None,
            "chat_id": "chat-1",
            "conversation_id": "ours-1",
            "scope_id": "scope-1",
        }
    ]
    assert store.query("SELECT * FROM delivery") == [
        {
            "message_id": "m-1",
            "chat_id": "chat-1",
            "sent_at_ms": 1_700_000_000_250,
            "status": "delivered",
            "delivered_at_ms": 1_700_000_001_000,
            "read_at_ms": None,
            "error_code": None,
            "error": None,
        }
    ]
