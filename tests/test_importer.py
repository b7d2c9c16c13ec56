"""The importer: what a plan says of any input, and what a run does to Kommo, over real HTTP with the sandbox."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from helpers import FrozenClock, Peer, Stage, until
from importing import Recording, check_everything_once, conversations

from kommo_nb import Channel, Store
from kommo_nb.errors import ConfigError, KommoError
from kommo_nb.importer import Plan, bar, plan
from kommo_nb.importer.grouped import GroupedLog
from kommo_nb.importer.pace import Pace
from kommo_nb.sandbox.app import Credentials
from kommo_nb.wire.records import Exchange

CREDENTIALS = Credentials()
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROW = {"conversation_id": "c-1", "sent_at": "2026-03-02T09:00:00Z", "author": "client", "text": "Hello"}


def planned(*rows: dict[str, Any], **options: Any) -> Plan:
    return plan(rows, clock=FrozenClock(NOW), **options)


def reasons(made: Plan) -> list[str]:
    return [each.reason for each in made.problems]


# --- The plan ---


def test_a_plan_says_what_it_causes() -> None:
    """Messages, chats, days, notifications, leads, and how much of it the card of a lead will not show."""
    old = ROW | {"sent_at": "2026-02-27T08:00:00+01:00", "text": "Good morning"}
    assert str(planned(ROW, old, ROW | {"conversation_id": "c-2"})).splitlines() == [
        "3 messages in 2 chats, from 2026-02-27 to 2026-03-02.",
        "It will cause 2 notifications and 2 leads at most: the newest message of each chat, all others are silent.",
        "The card of a new lead shows its last 24 hours; 1 message will be older than that.",
    ]


def test_messages_stand_in_the_order_of_their_time() -> None:
    """Rows may come in any order; where the time is the same, the order of the rows counts."""
    times = ["2026-03-02T09:05:00Z", "2026-03-02T10:00:00+01:00", "1772442000", "1772442000000"]
    made = planned(*(ROW | {"sent_at": at, "text": str(number)} for number, at in enumerate(times)))
    (chat,) = made.conversations
    assert [item.message.text for item in chat.items] == ["1", "2", "3", "0"]
    assert [item.row for item in chat.items] == [2, 3, 4, 1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-02T09:00:00.250Z", 1772442000250),
        ("2026-03-02 10:00:00+0100", 1772442000000),
        (1772442000, 1772442000000),
        (1772442000.25, 1772442000250),
        ("1772442000.25", 1772442000250),
        (1772442000250, 1772442000250),
        (pd.Timestamp("2026-03-02T09:00:00.25Z"), 1772442000250),
    ],
)
def test_forms_of_time(value: Any, expected: int) -> None:
    """ISO with a zone, unix seconds and milliseconds, as text, number or Timestamp, mean the same millisecond."""
    (chat,) = planned(ROW | {"sent_at": value}).conversations
    assert round(chat.items[0].sent_at.timestamp() * 1000) == expected


def test_a_time_without_zone() -> None:
    """It is not guessed; with a zone it is that zone's, summer time included."""
    naive = ROW | {"sent_at": "2025-07-01 10:00"}
    assert "+01:00" in reasons(planned(naive))[0] and "--zone" in reasons(planned(naive))[0]
    (chat,) = planned(naive, zone=ZoneInfo("Europe/Berlin")).conversations
    assert chat.items[0].sent_at == datetime(2025, 7, 1, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sent_at": "01.03.2026 10:00"}, "2026-03-02T09:00:00+01:00"),
        ({"sent_at": ""}, "sent_at is empty"),
        ({"sent_at": float("nan")}, "sent_at is empty"),
        ({"sent_at": pd.NaT}, "sent_at is empty"),
        ({"sent_at": True}, "must be text"),
        ({"sent_at": "45123.5"}, "before 2000"),
        ({"sent_at": "2026-03-02T12:00:01Z"}, "in the future"),
        ({"sent_at": "9" * 15}, "sent_at"),
        ({"author": "incoming"}, "client, manager or bot"),
        ({"author": None}, "author is empty"),
        ({"text": "  "}, "text is empty"),
        ({"text": "half \ud83d"}, "text has half a character"),
        ({"type": "location"}, "imported as text"),
        ({"media": "https://example.com/a.jpg"}, "write picture, file"),
        ({"type": "picture"}, "needs the URL"),
        ({"type": "picture", "media": "/home/a.jpg"}, "needs the URL"),
        ({"type": "file", "media": "https://example.com/a.pdf", "file_size": "2 MB"}, "whole bytes"),
        ({"client_id": "4,91512E+12"}, "rounded"),
        ({"conversation_id": ""}, "conversation_id is empty"),
        ({"client_phone": ["+49"]}, "must be text"),
    ],
)
def test_what_is_wrong_with_a_row(change: dict[str, Any], said: str) -> None:
    """Every mistake is named with its row and what to do; its chat waits, and others do not."""
    made = planned(ROW, ROW | {"text": "More"} | change, ROW | {"conversation_id": "c-2"})
    (problem,) = made.problems
    assert problem.row == 2 and said in problem.reason
    assert f"row 2: {problem.reason}" in str(made)
    waiting = problem.conversation_id is not None
    assert [each.conversation_id for each in made.conversations] == (["c-2"] if waiting else ["c-1", "c-2"])
    assert made.waiting == ({"c-1": 1} if waiting else {})


def test_rows_that_repeat_and_ids_that_contradict() -> None:
    """The same row again is left out and named; the same id with another text is a problem."""
    made = planned(ROW, ROW, ROW | {"id": "7"}, ROW | {"id": "7"}, ROW | {"id": "7", "text": "Other"})
    assert made.repeated == {2: 1, 4: 3} and "row 2 as row 1" in str(made)
    assert [each.row for each in made.problems] == [5] and "id of row 3" in reasons(made)[0]


def test_a_chat_has_one_client() -> None:
    """What any row tells of the client is put together; a second client_id is a problem."""
    told = ROW | {"author": "manager", "text": "Hi", "client_phone": 491512345678.0, "client_name": "Lena"}
    (chat,) = planned(ROW, told).conversations
    assert (chat.client.id, chat.client.name, chat.client.phone) == ("c-1", "Lena", "491512345678")
    made = planned(ROW | {"client_id": "a"}, ROW | {"client_id": "b", "text": "x"})
    assert "one client" in reasons(made)[0]


def test_ids_follow_from_the_rows() -> None:
    """A row has the same msgid in every file and every order; an id keeps it when the text is mended."""

    def msgids(*rows: dict[str, Any]) -> dict[str | None, str]:
        return {item.message.text: item.msgid for each in planned(*rows).conversations for item in each.items}

    other = ROW | {"text": "Bye"}
    assert msgids(ROW, other) == msgids(other | {"client_name": "Lena"}, ROW)
    assert msgids(ROW | {"id": "1"})["Hello"] == msgids(ROW | {"id": "1", "text": "Hallo"})["Hallo"]
    assert msgids(ROW)["Hello"] != msgids(ROW | {"id": "1"})["Hello"]


# --- Files ---


LINES = ["conversation_id,sent_at,author,text", 'c-1,2026-03-02T09:00:00Z,client,"Hello,', 'you"', "", "c-1,x,client,a"]


@pytest.mark.parametrize(
    "body",
    [
        "\n".join(LINES).encode(),
        "\r\n".join(LINES).encode("utf-8-sig"),
        "\n".join(LINES).replace("Hello,", "Hello;").replace(",", ";").encode(),
        "\n".join(LINES).replace(",", "\t").encode("utf-16"),
        "\n".join(LINES).replace("conversation_id", " Conversation_ID ").encode(),
    ],
)
def test_csv_as_spreadsheets_write_it(body: bytes, tmp_path: Path) -> None:
    """Commas, semicolons, tabs, a BOM, UTF-16, quoted line ends; rows are counted as a spreadsheet does."""
    path = tmp_path / "history.csv"
    path.write_bytes(body)
    made = plan(path)
    assert [(each.row, each.conversation_id) for each in made.problems] == [(4, "c-1")]
    assert made.waiting == {"c-1": 1}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"conversation_id,sent_at,author,text\n", "no rows"),
        (b"chat;when;who\n1;2;3\n", "no column conversation_id and no sent_at and no author; it has chat, when, who"),
        (
            "conversation_id,sent_at,author,text\nc,1,client,a\nc,2,client,für".encode("cp1252"),
            "line 3: this is no UTF-8",
        ),
        (b'conversation_id,sent_at,author,text\nc,1,client,"a\nc,2,client,b\n', "A quote is open"),
        (b'[{"conversation_id": 1}]', "row 1: it is no JSON object"),
        (b'{"conversation_id": "c"}\n', "no column sent_at and no author"),
    ],
)
def test_files_that_cannot_be_imported(body: bytes, said: str, tmp_path: Path) -> None:
    """A file that is no table of messages is one sentence that says where, and what to do."""
    path = tmp_path / "history.csv"
    path.write_bytes(body)
    try:
        told = str(plan(path))
    except KommoError as error:
        told = str(error)
    assert said in told and len(told) < 500


def test_too_many_values_and_broken_lines(tmp_path: Path) -> None:
    """A comma without quotes, and a line that is no JSON, are named with their rows; nothing runs without its chat."""
    path = tmp_path / "history.csv"
    path.write_text("conversation_id,sent_at,author,text\nc-1,1772442000,client,Hello, you\n")
    assert "5 values for 4 columns" in reasons(plan(path))[0]
    path.write_text(json.dumps(ROW) + "\n{broken\n")
    made = plan(path)
    assert [(each.row, each.conversation_id) for each in made.problems] == [(2, None)]
    with pytest.raises(KommoError, match=r"row 2: .*which chat"):
        made.run(CREDENTIALS.channel(), "http://127.0.0.1:9", Store(tmp_path / "x.db"))


def test_a_data_frame_and_its_file_are_the_same(tmp_path: Path) -> None:
    """A DataFrame, its CSV and its JSON Lines lead to the same messages, though their types differ."""
    frame = pd.DataFrame([ROW | {"client_phone": 49151, "id": 1}, ROW | {"client_phone": None, "id": 2}])
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    plans = [plan(frame), plan(tmp_path / "a.csv"), plan(str(tmp_path / "a.jsonl"))]
    items = [[(i.msgid, i.sent_at, i.message) for c in each.conversations for i in c.items] for each in plans]
    assert items[0] == items[1] == items[2] and len(items[0]) == 2
    assert {each.conversations[0].client for each in plans} == {plans[0].conversations[0].client}
    assert plans[0].conversations[0].client.phone == "49151"
    assert [[i.row for i in each.conversations[0].items] for each in plans] == [[0, 1], [2, 3], [1, 2]]


# --- The run ---


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


@pytest.fixture
def kommo() -> Recording:
    return Recording()


@pytest.fixture
def peer(stage: Stage, kommo: Recording) -> Peer:
    peer = stage.play(kommo)
    peer.connect()
    kommo.requests = 0
    return peer


def run(made: Plan, peer: Peer, store: Store, *, threads: int = 8, **options: Any) -> Any:
    return made.run(CREDENTIALS.channel(), peer.url, store, threads=threads, **options)


def test_everything_once_in_order_and_one_notification(peer: Peer, kommo: Recording, store: Store) -> None:
    """All arrives, chats side by side and each in its order; a second run sends nothing."""
    rows, told = conversations(400, longest=30), []
    report = run(plan(rows), peer, store, on_progress=lambda *numbers: told.append(numbers))
    check_everything_once(rows, kommo)
    assert report.complete and (report.sent, report.before) == (400, 0) and told[-1] == (400, 400)
    assert 1 < kommo.most_flying <= 8
    requests = kommo.requests
    again = run(plan(rows), peer, store)
    assert (again.complete, again.sent, again.before, again.chats_done) == (True, 0, 400, again.chats)
    assert kommo.requests == requests and "400 messages had been imported before" in str(again)
    states = store.query("SELECT state, count(*) AS n FROM exchanges WHERE kind = 'send' GROUP BY 1")
    assert states == [{"state": "done", "n": 400}]


def test_who_speaks(peer: Peer, kommo: Recording, store: Store) -> None:
    """The client sends; a known manager goes by amojo_id, an unknown one by the bot; media keep name and size."""
    media = {"type": "picture", "media": "https://example.com/a.jpg", "file_name": "a.jpg", "file_size": "61055"}
    maria = {"manager_id": "76fc2bea-902f-425c-9a3d-dcdac4766090", "manager_name": "Maria"}
    rows = [
        ROW | {"client_name": "Lena", "client_id": "lena", "text": "1"},
        ROW | {"author": "manager", "text": "2", **maria},
        ROW | {"author": "manager", "text": "3"},
        ROW | {"author": "client", "text": None, **media},
    ]
    assert run(plan(rows), peer, store).complete
    lena = {"id": "lena", "name": "Lena"}
    first, second, third, fourth = kommo.taken
    assert first["sender"] == lena and "receiver" not in first
    assert second["sender"]["ref_id"] == maria["manager_id"] and second["receiver"] == lena
    assert third["sender"]["ref_id"] == CREDENTIALS.bot_id and third["receiver"] == lena
    assert fourth["message"] == media | {"file_size": 61055}
    assert (first["timestamp"], first["msec_timestamp"]) == (1772442000, 1772442000000)


def test_a_refused_row_stops_its_chat_alone(peer: Peer, kommo: Recording, store: Store) -> None:
    """What Kommo refuses is reported with its row; the rest of the chat waits, and goes on once the row is mended."""
    rows = conversations(60, longest=6)
    bad = next(row for row in rows if row["text"].startswith("2:"))
    chat = [row for row in rows if row["conversation_id"] == bad["conversation_id"]]
    wrong = {"author": "manager", "manager_id": "nobody"}
    rows[rows.index(bad)] = bad | wrong | {"id": "x"}
    report = run(plan(rows), peer, store)
    (failure,) = report.failures
    assert rows[failure.row - 1]["text"] == bad["text"] and "sender.ref_id" in failure.reason
    assert (report.complete, report.left) == (False, len(chat) - 2) and f"row {failure.row}" in str(report)
    assert not store.query("SELECT 1 FROM exchanges WHERE state = 'pending'")
    rows[failure.row - 1] = bad | {"id": "x"}
    assert run(plan(rows), peer, store).complete
    check_everything_once(rows, kommo)


def test_a_wrong_secret_stops_the_run(peer: Peer, kommo: Recording, store: Store) -> None:
    """What concerns every message ends the run at once, with the reason in the report, and nothing pending."""
    channel = Channel(id=CREDENTIALS.channel_id, secret="wrong", account_id=CREDENTIALS.account_id, bot_id="b")
    report = plan(conversations(200, longest=9)).run(channel, peer.url, store, threads=4)
    assert "ORIGIN_INVALID_SIGNATURE" in report.stopped and (report.sent, report.left) == (0, 200)
    assert kommo.requests <= 4 and not store.query("SELECT 1 FROM exchanges WHERE state = 'pending'")


def test_what_the_channel_lacks(store: Store) -> None:
    """Without a scope, or without a bot for an unknown manager, it says so before anything is sent."""
    made = planned(ROW, ROW | {"author": "manager", "text": "x"})
    with pytest.raises(ConfigError, match="connect it first"):
        made.run(Channel(id="c", secret="s"), "http://127.0.0.1:9", store)
    with pytest.raises(ConfigError, match=r"row 2 .*KOMMO_NB_BOT_ID"):
        made.run(Channel(id="c", secret="s", account_id="a"), "http://127.0.0.1:9", store)
    with pytest.raises(ConfigError, match="1 to 32"):
        made.run(Channel(id="c", secret="s", account_id="a", bot_id="b"), "http://127.0.0.1:9", store, threads=33)


def test_too_many_requests(peer: Peer, kommo: Recording, store: Store) -> None:
    """A burst of 429 slows all threads down, as nothing else does, and loses and doubles nothing."""
    rows, slowed = conversations(30, longest=3), []
    refused = Pace.refused
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pace, "refused", lambda pace, wait_s: (slowed.append(wait_s), refused(pace, wait_s)))
        peer.control("faults", status=502, times=2)
        assert run(plan([ROW]), peer, store).complete and not slowed
        kommo.taken.clear()
        peer.control("faults", status=429, times=6, retry_after=1)
        report = run(plan(rows), peer, store)
    assert len(slowed) == 6 and min(slowed) >= 1
    assert report.complete and not report.failures
    check_everything_once(rows, kommo)


def test_a_repeated_msgid_of_another_shape(peer: Peer, kommo: Recording, store: Store) -> None:
    """A 400 for a message that was tried before is looked up in the chat's history: Kommo's word is not documented."""
    rows = conversations(3, longest=3)
    made = plan(rows)
    assert run(made, peer, store).complete
    # As after a crash: Kommo has them, and the store does not know it.
    store.db.execute("UPDATE exchanges SET state = 'pending', status = NULL, finished_seq = NULL WHERE kind = 'send'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kommo_nb.sandbox.calls.Refused", odd_refusal())
        report = run(made, peer, store)
    assert (report.sent, report.arrived, report.complete) == (0, 3, True) and "reconcile" in str(report)
    check_everything_once(rows, kommo)


def odd_refusal() -> Callable[..., Any]:
    from kommo_nb.sandbox.http import Refused

    return lambda status, _type, text: Refused(status, "VALIDATION_ERROR", text)


def test_ctrl_c_ends_in_peace(peer: Peer, kommo: Recording, store: Store) -> None:
    """An interrupt in the middle gives a report, leaves nothing running, and the next run goes on."""
    rows = conversations(300, longest=10)

    def interrupt(done: int, total: int) -> None:
        if 0 < done < total:
            raise KeyboardInterrupt

    peer.control("faults", delay_ms=20, times=10**6)
    report = run(plan(rows), peer, store, on_progress=interrupt)
    assert "interrupted" in report.stopped and 0 < report.sent < 300 and report.left == 300 - report.sent
    assert not [each for each in threading.enumerate() if each.name.startswith("import-")]
    assert not store.query("SELECT 1 FROM exchanges WHERE state = 'pending'")
    assert run(plan(rows), peer, store).complete
    check_everything_once(rows, kommo)


def test_killed_ten_times(peer: Peer, kommo: Recording, tmp_path: Path) -> None:
    """`kommo-nb import`, killed with SIGKILL at ten random points and run again: everything exactly once, in order."""
    rows, rng = conversations(330, longest=25), random.Random(7)
    with (tmp_path / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    peer.control("faults", delay_ms=10, times=10**6)
    words = [sys.executable, "-m", "kommo_nb.cli", "import", "history.csv", "--db", "x.db", "--threads", "8", "--json"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": os.environ | {"KOMMO_NB_BASE_URL": peer.url}}
    for kill in range(10):
        at = kill * 30 + rng.randrange(5, 30)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
        until(lambda at=at: len(kommo.taken) >= at, f"{at} messages taken")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    done = subprocess.run(words, capture_output=True, text=True, **options)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["complete"] and report["sent"] < 330, done
    check_everything_once(rows, kommo)
    assert not Store(tmp_path / "x.db").query("SELECT 1 FROM exchanges WHERE state = 'pending'")


def test_kommo_out_of_reach(stage: Stage, store: Store) -> None:
    """Where nobody answers, the run stops by itself, says so, and nothing counts as sent."""
    made, waits = plan(conversations(40, longest=2)), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kommo_nb.importer.running.Run._sleep", lambda _, wait_s: waits.append(wait_s))
        report = made.run(CREDENTIALS.channel(), "http://127.0.0.1:9", store, threads=2)
    assert "cannot be reached" in report.stopped and report.sent == 0 and report.left == 40 and waits
    assert len(report.failures) < 5


# --- Pace and log ---


class Time:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s


def test_pace_finds_the_limit_of_a_server() -> None:
    """Against a server that takes 20 a second, with 429 beyond: few refusals, and most of what it would take."""
    time, window = Time(), []
    pace = Pace(now=time.now, sleep=time.sleep)
    taken = refused = 0
    while time.now_s < 400:
        pace.wait()
        time.now_s += 0.002
        window = [at for at in window if at > time.now_s - 1]
        if len(window) < 20:
            window.append(time.now_s)
            taken += 1
            pace.accepted()
        else:
            refused += 1
            pace.refused(1.0)
    assert taken > 0.6 * 20 * 300 and refused < taken / 50


def test_pace_halves_once_for_a_burst() -> None:
    """Thirty refusals of one moment halve the pace once, all wait for the longest, and then it gains."""
    time = Time()
    pace = Pace(now=time.now, sleep=time.sleep)
    for _ in range(100):
        pace.wait()
        pace.accepted()
        time.now_s += 0.01
    for wait_s in range(1, 31):
        pace.refused(float(wait_s))
    assert pace.rate == pytest.approx(50)
    before = time.now_s
    pace.wait()
    assert time.now_s - before == pytest.approx(30)
    pace.accepted()
    assert pace.rate == pytest.approx(50 + 1 / 50)


def test_pace_without_limit_never_waits() -> None:
    """As long as nobody refuses, nobody waits."""
    time = Time()
    pace = Pace(now=time.now, sleep=time.sleep)
    for _ in range(100):
        pace.wait()
    assert time.now_s == 100.0


def test_the_log_is_durable_before_the_call(store: Store) -> None:
    """A call that begins, announced or not, stands in the file as pending; an announced one may be withdrawn."""
    log = GroupedLog(store, {})
    calls = [Exchange(1, "send", "POST", "/x", b"{}", f"m-{number}") for number in range(3)]
    log.announce(calls[1])
    log.announce(calls[2])
    ids = [log.begin_exchange(each) for each in calls[:2]]
    pending = store.query("SELECT id FROM exchanges WHERE state = 'pending' AND msgid IN ('m-0', 'm-1') ORDER BY msgid")
    assert [row["id"] for row in pending] == ids
    log.withdraw("m-2")
    log.close()
    assert store.query("SELECT state, error_type FROM exchanges WHERE msgid = 'm-2'") == [
        {"state": "failed", "error_type": "NotSent"}
    ]


# --- The bar ---


def test_the_bar_of_a_notebook() -> None:
    """In a notebook the bar is a widget that follows the numbers."""
    shown: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kommo_nb.importer.progress._in_notebook", lambda: True)
        patch.setattr("IPython.display.display", shown.append)
        with bar() as on_progress:
            on_progress(300, 1200)
    ((progress, count),) = (box.children for box in shown)
    assert (progress.value, progress.max, count.value) == (300, 1200, "300 of 1,200")


# --- The command ---


def command(*words: str, cwd: Path, url: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
    env = os.environ | {"KOMMO_NB_BASE_URL": url}
    return subprocess.run(
        [sys.executable, "-m", "kommo_nb.cli", "import", *words], cwd=cwd, env=env, capture_output=True, text=True
    )


def test_the_command_shows_the_plan_and_imports(peer: Peer, kommo: Recording, tmp_path: Path) -> None:
    """A dry run sends nothing and makes no file; the run reports; problems make the exit code 1."""
    lines = [json.dumps(ROW), json.dumps(ROW | {"text": "Bye", "sent_at": "2026-03-02 10:00"})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    dry = command("a.jsonl", "--dry-run", cwd=tmp_path, url=peer.url)
    assert dry.returncode == 1 and "row 2" in dry.stdout and "--zone" in dry.stdout
    facts = json.loads(command("a.jsonl", "--dry-run", "--json", "--zone", "UTC", cwd=tmp_path).stdout)
    assert (facts["messages"], facts["chats"], facts["notifications"], facts["problems"]) == (2, 1, 1, [])
    assert kommo.requests == 0 and not (tmp_path / "data").exists()
    done = command("a.jsonl", "--zone", "UTC", "--db", "x.db", cwd=tmp_path, url=peer.url)
    assert done.returncode == 0 and "Kommo has 2 of 2 messages" in done.stdout and "It will cause 1" in done.stderr
    assert [each["message"]["text"] for each in kommo.taken] == ["Hello", "Bye"]


def test_the_command_and_bad_input(tmp_path: Path) -> None:
    """A zone that is none and a table of something else give one sentence, and no traceback."""
    (tmp_path / "a.csv").write_text("name,age\nAda,36\n")
    for words, said in ((("a.csv",), "has no column"), (("a.csv", "--zone", "Berlin"), "Europe/Berlin")):
        done = command(*words, cwd=tmp_path)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
