"""Reconcile: what was lost while the receiver was down is found in history, over real HTTP with the sandbox."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
from helpers import FrozenClock, Peer, Receiver, Stage, receiving, sample, served
from hypothesis import given
from hypothesis import strategies as st

from kommo_nb import ChatsClient, Person, Store, Text
from kommo_nb.capture import Capture
from kommo_nb.clock import msec
from kommo_nb.errors import KommoError, SignatureRefused, StoreError
from kommo_nb.reconcile import Gap, Missing, Report, reconcile
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.store.versions import PROJECTED
from kommo_nb.wire.records import Delivery, Exchange

CREDENTIALS = Credentials()
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADA = Person(id="ada", name="Ada")
Meddle = Callable[[int, httpx.Request], httpx.Response | None]


class Line(httpx.BaseTransport):
    """The line to Kommo. It remembers what was asked, and somebody may meddle with a request before it goes."""

    def __init__(self, meddle: Meddle | None = None) -> None:
        self._real, self._meddle = httpx.HTTPTransport(), meddle
        self.paths: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.raw_path.decode())
        answer = self._meddle(len(self.paths), request) if self._meddle else None
        return answer or self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


class Shop:
    """A channel whose calls are noted in the store, and whose hooks are stored only if the test says so."""

    def __init__(self, kommo: Peer, receiver: Receiver, store: Store, clock: FrozenClock) -> None:
        self.kommo, self.receiver, self.store, self.clock = kommo, receiver, store, clock
        self.calls = ChatsClient(CREDENTIALS.channel(), kommo.url, store=store, clock=clock)
        self.waits: list[float] = []

    def pass_time(self, **span: float) -> None:
        self.clock.moment += timedelta(**span)

    def client_writes(self, conversation: str, text: str = "Hello", **options: Any) -> str:
        """The message's id; its chat is known from now on."""
        self.pass_time(seconds=1)
        return self.calls.send(Text(text), conversation_id=conversation, sender=ADA, **options).message_id

    def manager_writes(self, conversation: str, text: str = "Hi", *, captured: bool = False, **options: Any) -> str:
        """The message's id. Its hook came, but the receiver only has it if it was up."""
        self.pass_time(seconds=1)
        answer = self.kommo.control("manager/message", conversation_id=conversation, text=text, **options)
        if captured:
            self.capture_last()
        (message_id,) = answer["message_ids"]
        return str(message_id)

    def capture_last(self) -> None:
        hook = self.receiver.seen[-1]
        row = Delivery(msec(self.clock.now()), CREDENTIALS.scope_id, hook.body, "sig", "valid_trimmed", 200)
        self.store.add_deliveries([row])

    def history(self, chat_id: str) -> list[Any]:
        """All of it, as Kommo shows it."""
        with ChatsClient(CREDENTIALS.channel(), self.kommo.url, clock=self.clock) as client:
            shown: list[Any] = []
            while (answer := client.history_answer(chat_id, offset=len(shown))[1]) is not None:
                shown += answer["messages"]
            return shown

    def reconcile(self, line: Line | None = None, *, settle_s: float = 0, **options: Any) -> Report:
        self.pass_time(seconds=1)
        given: dict[str, Any] = {"clock": self.clock, "transport": line, "sleep": self.waits.append}
        with ChatsClient(CREDENTIALS.channel(), self.kommo.url, **given) as client:
            return reconcile(client, self.store, settle_s=settle_s, clock=self.clock, **options)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def shop(stage: Stage, receiver: Receiver, store: Store) -> Iterator[Shop]:
    receiver.seen.clear()
    clock = FrozenClock(START)
    kommo = stage.play(Sandbox(hook_url=f"{receiver.url}/hooks/:scope_id", clock=clock))
    shop = Shop(kommo, receiver, store, clock)
    shop.calls.connect(CREDENTIALS.account_id)
    yield shop
    shop.calls.close()


def ids(report: Report) -> list[str]:
    return [each.message_id for each in report.missing]


def tables(store: Store, names: tuple[str, ...] = PROJECTED) -> dict[str, list[dict[str, Any]]]:
    return {name: store.query(f"SELECT * FROM {name} ORDER BY 1") for name in names}


def known(store: Store) -> set[str]:
    return {row["message_id"] for row in store.query("SELECT message_id FROM messages")}


# --- The outage ---


def test_exactly_what_was_dropped_in_a_thousand_chats(stage: Stage, store: Store) -> None:
    """Of 1,000 chats and a receiver that was out of reach for a while, exactly the lost hooks are found, once."""
    chance = random.Random(20260302)
    names = [f"c-{number}" for number in range(1_000)]
    with served(Capture(store, CREDENTIALS.secret)) as capture_url:
        kommo = stage.play(Sandbox(hook_url=f"{capture_url}/hooks/:scope_id"))
        with ChatsClient(CREDENTIALS.channel(), kommo.url, store=store) as client:
            client.connect(CREDENTIALS.account_id)
            for name in names:
                client.send(Text("Hello"), conversation_id=name, sender=Person(id=f"u-{name}", name=name))

        def managers_write(count: int) -> set[tuple[str, str]]:
            written = [
                kommo.control("manager/message", conversation_id=name, text="Hi")
                for name in chance.choices(names, k=count)
            ]
            return {(answer["chat_id"], answer["message_ids"][0]) for answer in written}

        before = managers_write(50)
        kommo.control("faults", drop_hooks=100)
        lost = managers_write(100)
        after = managers_write(50)
        with ChatsClient(CREDENTIALS.channel(), kommo.url) as client:
            first, second = (reconcile(client, store, settle_s=0) for _ in range(2))
    assert {(each.chat_id, each.message_id) for each in first.missing} == lost
    assert all(each.hook_lost and each.author == "manager" for each in first.missing)
    assert (len(first.missing), first.chats, first.messages) == (100, 1_000, 1_200)
    assert [gap.messages for gap in first.gaps] == [100]
    assert (second.missing, second.gaps, second.chats, second.complete) == ([], [], 1_000, True)
    assert known(store) >= {message_id for _, message_id in before | lost | after}
    assert store.query("SELECT count(*) AS n FROM messages") == [{"n": 1_200}]


def test_a_receiver_that_was_stopped(stage: Stage, store: Store) -> None:
    """With nobody at the receiver's address, Kommo's hooks are lost; reconcile brings them back."""
    sandbox = Sandbox(slow_delay_s=0)
    kommo = stage.play(sandbox)
    with ChatsClient(CREDENTIALS.channel(), kommo.url, store=store) as client:
        client.connect(CREDENTIALS.account_id)
        client.send(Text("Hello"), conversation_id="c", sender=ADA)

        def write(text: str) -> str:
            return str(kommo.control("manager/message", conversation_id="c", text=text)["message_ids"][0])

        for round_ in range(3):
            lost = [write(f"lost {round_}"), write(f"lost {round_} too")]
            with served(Capture(store, CREDENTIALS.secret)) as url:
                sandbox.dispatcher._hook_url = f"{url}/hooks/:scope_id"
                write(f"captured {round_}")
            report = reconcile(client, store, settle_s=0)
            assert (set(ids(report)), len(report.gaps)) == (set(lost), 1)


def test_a_gap_has_its_times(shop: Shop) -> None:
    """Lost hooks between two captured ones are one gap, from the first to the last; a captured one divides two."""
    for name in ("a", "b"):
        shop.client_writes(name)
    shop.manager_writes("a", captured=True)
    shop.pass_time(minutes=1)  # 09:01:03
    for name in ("a", "b", "b"):
        shop.manager_writes(name)
    shop.client_writes("a")  # a call is no sign that the receiver was up
    shop.manager_writes("a")
    shop.manager_writes("b", captured=True)
    shop.pass_time(minutes=1)
    shop.manager_writes("a", "the last")
    report = shop.reconcile()
    times = [
        (datetime(2026, 3, 2, 9, 1, 4, tzinfo=UTC), datetime(2026, 3, 2, 9, 1, 8, tzinfo=UTC), 4),
        (datetime(2026, 3, 2, 9, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 9, 2, 10, tzinfo=UTC), 1),
    ]
    assert report.gaps == [Gap(round(a.timestamp() * 1e3), round(b.timestamp() * 1e3), n) for a, b, n in times]
    assert [each.text for each in report.missing] == ["Hi", "Hi", "Hi", "Hi", "the last"]
    assert (
        str(report)
        .replace(report.missing[0].chat_id, "CHAT-A")
        .replace(report.missing[1].chat_id, "CHAT-B")
        .splitlines()
    ) == [
        "Compared 2 chats with 10 messages of history, up to 2026-03-02 09:02:11 UTC.",
        "Missing in 2 chats: 5 hooks that never came.",
        "All of it is imported now.",
        "  gap from 2026-03-02 09:01:04 UTC to 2026-03-02 09:01:08 UTC: 4 hooks",
        "  gap from 2026-03-02 09:02:10 UTC to 2026-03-02 09:02:10 UTC: 1 hook",
        "  2026-03-02 09:01:04 UTC manager in chat CHAT-A: Hi",
        "  2026-03-02 09:01:05 UTC manager in chat CHAT-B: Hi",
        "  2026-03-02 09:01:06 UTC manager in chat CHAT-B: Hi",
        "  2026-03-02 09:01:08 UTC manager in chat CHAT-A: Hi",
        "  2026-03-02 09:02:10 UTC manager in chat CHAT-A: the last",
    ]


def test_the_report_becomes_a_table(shop: Shop) -> None:
    """pandas takes the missing messages as they are."""
    shop.client_writes("a")
    message_id = shop.manager_writes("a", "look")
    report = shop.reconcile()
    frame = pd.DataFrame(report.missing)
    assert list(frame.columns) == ["chat_id", "message_id", "msgid", "author", "sent_at_ms", "type", "text"]
    chat_id, at_ms = report.missing[0].chat_id, msec(START + timedelta(seconds=2))
    assert frame.to_dict("records") == [
        dict(zip(frame.columns, (chat_id, message_id, None, "manager", at_ms, "text", "look"), strict=True))
    ]


def test_every_kind_of_lost_message(shop: Shop) -> None:
    """Pictures, groups and what the bot wrote are found, told apart, and wait for a delivery status."""
    shop.store.remember_channel(CREDENTIALS.channel_id, name="", bot_id=CREDENTIALS.bot_id)
    shop.client_writes("a")
    views = [{"type": "picture", "media": f"https://x/{name}.jpg", "file_name": f"{name}.jpg"} for name in "ab"]
    shop.kommo.control("manager/message", conversation_id="a", text="Two", attachments=views)
    shop.manager_writes("a", "beep", bot=True)
    report = shop.reconcile()
    assert {(each.author, each.type, each.text) for each in report.missing} == {
        ("manager", "picture", "Two"),
        ("manager", "picture", None),
        ("bot", "text", "beep"),
    }
    rows = shop.store.query("SELECT media, file_name, media_group_id FROM messages WHERE type = 'picture'")
    assert {row["media"] for row in rows} == {"https://x/a.jpg", "https://x/b.jpg"}
    assert len({row["media_group_id"] for row in rows} - {None}) == 1
    waiting = {row["message_id"]: row["status"] for row in shop.store.query("SELECT * FROM delivery")}
    assert waiting == dict.fromkeys(ids(report), "not reported")


# --- What is not missing ---


def test_what_we_sent_is_not_missing(shop: Shop) -> None:
    """Messages that were sent through the store are known, from clients and from managers alike."""
    shop.client_writes("a")
    manager = Person(id="our-m", name="Maria", ref_id="76fc2bea-902f-425c-9a3d-dcdac4766090")
    shop.calls.send(Text("by phone"), conversation_id="a", sender=manager, receiver=ADA)
    report = shop.reconcile()
    assert (report.missing, report.messages, report.complete) == ([], 2, True)
    assert "Nothing is missing." in str(report)


def test_what_was_sent_without_the_store_is_told_apart(shop: Shop) -> None:
    """A message that another program sent, or whose answer was lost, is imported, but is no lost hook and no gap."""
    shop.client_writes("a")
    with ChatsClient(CREDENTIALS.channel(), shop.kommo.url, clock=shop.clock) as other:
        sent = other.send(Text("elsewhere"), conversation_id="a", sender=ADA, msgid="of-the-other")
    report = shop.reconcile()
    (missing,) = report.missing
    assert (missing.message_id, missing.msgid, missing.author) == (sent.message_id, "of-the-other", "client")
    assert (missing.hook_lost, report.gaps) == (False, [])
    assert "Missing, too: 1 message sent to Kommo without this store." in str(report)
    (row,) = shop.store.query("SELECT direction, msgid FROM messages WHERE text = 'elsewhere'")
    assert row == {"direction": "incoming", "msgid": "of-the-other"}
    assert shop.store.query("SELECT * FROM delivery") == []


def test_a_young_message_is_left_to_the_next_run(shop: Shop) -> None:
    """What is younger than the time to settle is not called missing, and not taken for compared either."""
    shop.client_writes("a")
    old = shop.manager_writes("a", "old")
    shop.pass_time(seconds=60)
    young = shop.manager_writes("a", "young")
    assert ids(shop.reconcile(settle_s=60)) == [old]
    assert young not in known(shop.store)
    shop.pass_time(seconds=60)
    assert ids(shop.reconcile(settle_s=60)) == [young]


def test_many_young_messages_are_left_to_the_next_run(shop: Shop) -> None:
    """More young messages than a page holds are all compared by the next run, not only those of its first page."""
    shop.client_writes("a")
    young = [shop.manager_writes("a") for _ in range(60)]
    assert shop.reconcile(settle_s=3_600).missing == []
    assert ids(shop.reconcile()) == young


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_hook_that_comes_while_it_runs(shop: Shop, dry_run: bool) -> None:
    """A hook that arrives while its page is on the way, or after that page but before the end, is not missing."""
    for name in ("a", "b"):
        shop.client_writes(name)
    for name in ("a", "b"):
        shop.manager_writes(name)

    def hooks_come(number: int, _: httpx.Request) -> None:  # each with the page of the other chat, or its own
        if number == 2:
            for hook in shop.receiver.seen:
                row = Delivery(msec(shop.clock.now()), CREDENTIALS.scope_id, hook.body, "s", "valid_trimmed", 200)
                shop.store.add_deliveries([row])

    report = shop.reconcile(Line(hooks_come), dry_run=dry_run)
    assert (report.missing, report.gaps) == ([], [])
    assert shop.store.query("SELECT count(*) AS n FROM messages") == [{"n": 4}]
    assert shop.store.query("SELECT * FROM messages WHERE history_id IS NOT NULL") == []
    kept = shop.store.query("SELECT 1 FROM exchanges WHERE kind = 'reconcile'")
    assert len(kept) == (0 if dry_run else 1)  # of the first chat, whose hook came after its page


def test_a_late_hook_after_the_import(shop: Shop) -> None:
    """When the hook itself comes from the slow queue, its message is the same as if it had come in time, and one."""
    shop.client_writes("a")
    shop.manager_writes("a", "slow")
    shop.reconcile()
    imported = shop.store.query("SELECT * FROM messages WHERE text = 'slow'")
    assert [(row["history_id"] is not None, row["delivery_id"]) for row in imported] == [(True, None)]
    shop.capture_last()
    shop.store.project()
    (row,) = shop.store.query("SELECT * FROM messages WHERE text = 'slow'")
    assert (row["history_id"], row["delivery_id"], row["conversation_id"]) == (None, 1, "a")
    assert shop.reconcile().missing == []


def test_a_rebuild_brings_the_same_rows(shop: Shop) -> None:
    """What was imported follows from the raw rows like everything else, and stays compared."""
    for name in ("a", "b"):
        shop.client_writes(name)
        shop.manager_writes(name, captured=True)
        shop.manager_writes(name, "lost")
    shop.reconcile()
    shop.manager_writes("a", "late")
    shop.reconcile()
    shop.capture_last()
    shop.store.project()
    before = tables(shop.store)
    assert sum(row["history_id"] is not None for row in before["messages"]) == 2
    shop.store.rebuild()
    assert tables(shop.store) == before
    line = Line()
    assert (shop.reconcile(line).missing, len(line.paths)) == ([], 2)


def test_hooks_of_version_1(shop: Shop) -> None:
    """A message whose hook had no id is known by its chat, time and text; only the lost one is missing."""
    shop.calls.connect(CREDENTIALS.account_id, hook_api_version="v1")
    for name in ("a", "b"):
        shop.client_writes(name)
    shop.manager_writes("a", "same", captured=True)
    lost = shop.manager_writes("a", "same")
    assert ids(shop.reconcile(dry_run=True)) == [lost]
    assert ids(shop.reconcile()) == [lost]
    shop.capture_last()  # it was late
    shop.store.project()
    assert [row["text"] for row in shop.store.query("SELECT text FROM messages WHERE author = 'manager'")] == [
        "same"
    ] * 2
    assert shop.reconcile().missing == []


# --- What was compared before ---


def test_holes_on_every_page(shop: Shop) -> None:
    """A hole is found on whatever page of history it lies, and the next run reads the first page only."""
    messages = [shop.client_writes("a")]
    messages += [
        shop.manager_writes("a", f"no. {number}", captured=number not in (1, 51, 100, 118)) for number in range(1, 120)
    ]
    line = Line()
    report = shop.reconcile(line)
    assert ids(report) == [messages[number] for number in (1, 51, 100, 118)]
    assert [path.partition("?")[2] for path in line.paths] == [f"limit=50&offset={offset}" for offset in (0, 50, 100)]
    assert [gap.messages for gap in report.gaps] == [1, 1, 1, 1]
    line = Line()
    assert (shop.reconcile(line).missing, len(line.paths)) == ([], 1)


def test_messages_that_come_while_one_pages(shop: Shop) -> None:
    """New messages push the others to later pages: none is skipped, and none is counted twice."""
    shop.client_writes("a")
    lost = [shop.manager_writes("a", f"no. {number}") for number in range(110)]

    def more(number: int, _: httpx.Request) -> None:
        if number == 2:
            for _ in range(7):
                shop.manager_writes("a", "new", captured=True)

    report = shop.reconcile(Line(more))
    assert (ids(report), report.messages) == (lost, 111)


def test_an_old_message_that_is_imported_hides_nothing(shop: Shop) -> None:
    """Fifty messages with old dates that another program brings into a chat do not end the search too early."""
    shop.client_writes("a")
    assert shop.reconcile().missing == []
    lost = shop.manager_writes("a")
    with ChatsClient(CREDENTIALS.channel(), shop.kommo.url, clock=shop.clock) as other:
        for number in range(60):
            when = START - timedelta(days=1, seconds=number)
            other.send(Text("old"), conversation_id="a", sender=ADA, silent=True, sent_at=when)

    def as_they_arrived(_: int, request: httpx.Request) -> httpx.Response:
        """Kommo does not say how history is ordered. Here it is by arrival: what was imported last comes first."""
        offset = int(request.url.params["offset"])
        shown = sorted(shop.history(request.url.path.split("/")[-2]), key=lambda each: each["message"]["text"] != "old")
        return httpx.Response(200, json={"messages": shown[offset : offset + 50]})

    report = shop.reconcile(Line(as_they_arrived))
    assert lost in ids(report)
    assert len(report.missing) == 61


def test_since_bounds_the_search(shop: Shop) -> None:
    """Nothing older than `since` is compared or read, and nothing older is taken for compared by the next run."""
    shop.client_writes("a")
    old = [shop.manager_writes("a", "old") for _ in range(105)]
    shop.pass_time(hours=1)
    since = shop.clock.now()
    new = shop.manager_writes("a", "new")
    line = Line()
    assert ids(shop.reconcile(line, since=since)) == [new]
    assert len(line.paths) == 2  # the first page, and one that is old all through
    assert ids(shop.reconcile(since=since)) == []
    line = Line()
    assert ids(shop.reconcile(line)) == old
    assert len(line.paths) == 3


def test_a_dry_run_leaves_everything_as_it_was(shop: Shop) -> None:
    """It reports the same, imports nothing, and the run after it finds what it found."""
    shop.store.remember_channel(CREDENTIALS.channel_id, name="", bot_id=CREDENTIALS.bot_id)
    shop.client_writes("a")
    shop.manager_writes("a")
    shop.manager_writes("a", bot=True)
    shop.store.project()
    names = (*PROJECTED, "exchanges", "compared", "reconciling")
    before = tables(shop.store, names)
    dry = shop.reconcile(dry_run=True)
    assert tables(shop.store, names) == before
    real = shop.reconcile()
    assert (dry.missing, dry.gaps) == (real.missing, real.gaps)
    assert len(dry.missing) == 2
    assert (dry.complete, real.complete) == (False, True)
    assert "Nothing was imported." in str(dry)


def test_what_is_kept_of_history(shop: Shop) -> None:
    """Of a page only the messages that were missing are kept, as they came, in one raw row; other pages leave none."""
    for name in ("a", "b"):
        shop.client_writes(name)
        shop.manager_writes(name, captured=True)
    lost = shop.manager_writes("a", "lost")
    (missing,) = shop.reconcile().missing
    (row,) = shop.store.query("SELECT * FROM exchanges WHERE kind IN ('history', 'reconcile')")
    assert (row["kind"], row["method"], row["state"], row["status"]) == ("reconcile", "GET", "done", 200)
    assert row["path"] == f"{shop.kommo.scope_path}/chats/{missing.chat_id}/history?limit=50&offset=0"
    shown = [item for item in shop.history(missing.chat_id) if item["message"]["id"] == lost]
    assert json.loads(row["response_body"]) == {"messages": shown}


def test_a_chat_that_nobody_told_of(shop: Shop) -> None:
    """A chat that a manager began in the outage cannot be found; once anything tells of it, all of it is."""
    answer = shop.kommo.control("manager/write-first", phone="+100", text="first")
    assert (shop.reconcile().missing, known(shop.store)) == ([], set())
    shop.pass_time(seconds=1)
    shop.kommo.control("manager/message", chat_id=answer["chat_id"], text="second")
    shop.capture_last()
    (missing,) = shop.reconcile().missing
    assert (missing.message_id, missing.text) == (answer["message_ids"][0], "first")


def test_only_the_chats_of_the_scope(shop: Shop) -> None:
    """Chats of another account in the same file are left alone."""
    shop.client_writes("a")
    foreign = {"id": "f", "user": {"id": "u"}}
    request = json.dumps({"conversation_id": "f", "user": {"id": "x"}}).encode()
    call = Exchange(1, "create_chat", "POST", "/v2/origin/custom/another_scope/chats", request)
    shop.store.load([replace(call, state="done", status=200, response_body=json.dumps(foreign).encode())])
    line = Line()
    assert (shop.reconcile(line).chats, len(line.paths)) == (1, 1)
    assert len(shop.store.query("SELECT * FROM chats")) == 2


def test_a_store_of_another_scope(shop: Shop) -> None:
    """With chats of other scopes alone, Kommo would not be asked at all: the command names a scope, and what to check.

    A cron job without its profile, or with another channel, would look healthy for ever.
    """
    shop.client_writes("a")
    for name in ("CHANNEL_ID", "ACCOUNT_ID"):
        for words in ((), ("--dry-run",)):
            done = run(shop, *words, **{f"KOMMO_NB_{name}": "another"})
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
            assert f"of {CREDENTIALS.scope_id}; check KOMMO_NB_PROFILE" in done.stderr and name in done.stderr
    assert shop.store.query("SELECT * FROM reconciling") == []


# --- Interruptions ---


def five_chats(shop: Shop) -> list[str]:
    """Five chats with a lost message each; the messages."""
    for number in range(5):
        shop.client_writes(f"c-{number}")
    return [shop.manager_writes(f"c-{number}", f"lost {number}") for number in range(5)]


def stop_at(number: int) -> Meddle:
    def stop(at: int, _: httpx.Request) -> None:
        if at == number:
            raise KeyboardInterrupt

    return stop


def test_it_goes_on_where_it_was_interrupted(shop: Shop) -> None:
    """After an interruption only the rest is read, and the report tells of both parts."""
    lost = five_chats(shop)
    with pytest.raises(KeyboardInterrupt):
        shop.reconcile(Line(stop_at(3)))
    assert known(shop.store) >= set(lost[:2])
    line, seen = Line(), []
    report = shop.reconcile(line, on_progress=lambda done, total: seen.append((done, total)))
    assert (ids(report), len(line.paths)) == (lost, 3)
    assert (report.chats, report.chats_before, report.complete) == (3, 2, True)
    assert seen == [(2, 5), (3, 5), (4, 5), (5, 5)]
    assert "Compared 3 chats with 6 messages of history, after 2 chats before, up to 2026-03-02 09:00:11" in str(report)
    line = Line()
    report = shop.reconcile(line)
    assert (report.missing, len(line.paths), report.chats_before) == ([], 5, 0)


def test_what_was_compared_before_an_interruption_long_ago_is_read_again(shop: Shop) -> None:
    """A run that stopped over an hour ago begins anew, since much may have been lost in the meantime."""
    lost = five_chats(shop)
    with pytest.raises(KeyboardInterrupt):
        shop.reconcile(Line(stop_at(3)))
    lost.append(shop.manager_writes("c-0", "lost in the meantime"))
    shop.pass_time(hours=2)
    report = shop.reconcile()
    assert (ids(report), report.chats, report.chats_before) == (lost, 5, 0)


def test_429_is_waited_out(shop: Shop) -> None:
    """It waits as long as Kommo asks, and then goes on as if nothing had been."""
    lost = five_chats(shop)

    def busy(number: int, _: httpx.Request) -> httpx.Response | None:
        return httpx.Response(429, headers={"Retry-After": "17"}) if number in (2, 3) else None

    line = Line(busy)
    assert ids(shop.reconcile(line)) == lost
    assert (shop.waits, len(line.paths)) == ([17.0, 17.0], 7)


def test_429_without_end_stops_the_run(shop: Shop) -> None:
    """After the last retry it stops with a sentence that says how far it got, and the next run does the rest."""
    lost = five_chats(shop)
    with pytest.raises(KommoError, match=r"429.*slow down.*2 of 5 chats are compared: run it again soon"):
        shop.reconcile(Line(lambda number, _: httpx.Response(429) if number > 2 else None))
    line = Line()
    assert (ids(shop.reconcile(line)), len(line.paths)) == (lost, 3)


def test_429_of_the_sandbox(shop: Shop) -> None:
    """The sandbox's own 429 with retry_after in the body is respected, too."""
    lost = five_chats(shop)
    shop.kommo.control("faults", status=429, times=2, retry_after=9)
    assert (ids(shop.reconcile()), shop.waits) == (lost, [9.0, 9.0])


@pytest.mark.parametrize("trouble", ["500", "out of reach", "redirect"])
def test_trouble_that_concerns_every_chat(shop: Shop, trouble: str) -> None:
    """Where Kommo is down or not there, the run ends with one sentence, not with a thousand."""
    five_chats(shop)

    def meddle(_: int, request: httpx.Request) -> httpx.Response:
        if trouble == "out of reach":
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response({"500": 500, "redirect": 302}[trouble])

    line = Line(meddle)
    with pytest.raises(KommoError, match=r"0 of 5 chats are compared"):
        shop.reconcile(line)
    assert len(line.paths) == (1 if trouble == "redirect" else 4)


def test_a_wrong_secret_ends_it_at_once(shop: Shop) -> None:
    """A refused signature concerns every chat: one call, and a sentence that says so."""
    five_chats(shop)
    line, channel = Line(), replace(CREDENTIALS, secret="another").channel()
    refused = pytest.raises(KommoError, match="check that the secret belongs")
    with ChatsClient(channel, shop.kommo.url, transport=line, clock=shop.clock) as client, refused as caught:
        reconcile(client, shop.store, settle_s=0, clock=shop.clock)
    assert isinstance(caught.value.__cause__, SignatureRefused)
    assert len(line.paths) == 1


def test_without_a_scope(shop: Shop) -> None:
    """A client that knows no scope yet is told to connect."""
    channel = CREDENTIALS.channel().model_copy(update={"account_id": "", "scope_id": ""})
    with ChatsClient(channel, shop.kommo.url) as client, pytest.raises(KommoError, match="connect"):
        reconcile(client, shop.store)


def test_a_store_that_can_not_be_written(shop: Shop) -> None:
    """A file that is only to be read is named in one sentence."""
    five_chats(shop)
    shop.store.project()
    reader = Store(shop.store.path, read_only=True)
    with ChatsClient(CREDENTIALS.channel(), shop.kommo.url) as client, pytest.raises(StoreError, match="not writable"):
        reconcile(client, reader)
    reader.close()


# --- Chats that cannot be read, and odd answers ---


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_chat_that_is_refused(shop: Shop, status: int) -> None:
    """One chat that Kommo refuses is named and does not end the run; the next run asks for it again."""
    lost = five_chats(shop)
    report = shop.reconcile(Line(lambda number, _: httpx.Response(status) if number == 2 else None))
    assert ids(report) == [lost[0], *lost[2:]]
    ((chat_id, reason),) = report.unread.items()
    assert str(status) in reason and shop.store.query(
        "SELECT conversation_id FROM chats WHERE chat_id = ?", (chat_id,)
    ) == [{"conversation_id": "c-1"}]
    assert (report.chats, report.complete) == (4, False)
    assert f"Not read to its end, 1 chat: history: {status}" in str(report)
    report = shop.reconcile()
    assert (ids(report), report.complete) == ([lost[1]], True)


def test_a_chat_that_kommo_does_not_know(shop: Shop) -> None:
    """For an unknown chat Kommo answers as for an empty one: it is counted, and what was sent is not called missing."""
    shop.client_writes("a")
    report = shop.reconcile(Line(lambda *_: httpx.Response(204)))
    assert (report.empty, report.missing, report.complete) == (1, [], True)
    assert "Kommo shows no history of 1 chat." in str(report)


ITEM = sample("kommo-history-picture-response")["messages"][0]
ODD_ANSWERS: dict[str, Any] = {
    "a page of a proxy": "<html>",
    "a list": [],
    "a text": "no",
    "messages that are an object": {"messages": {"a": 1}},
    "a number among messages": {"messages": [5]},
    "no sender": {"messages": [{key: value for key, value in ITEM.items() if key != "sender"}]},
    "no id": {"messages": [ITEM | {"message": {"type": "text"}}]},
    "an id that is a number": {"messages": [ITEM | {"message": ITEM["message"] | {"id": 5}}]},
    "no time": {"messages": [{key: value for key, value in ITEM.items() if "timestamp" not in key}]},
    "endless depth": "[" * 100_000,
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_answer_is_a_problem_of_its_chat(shop: Shop, name: str) -> None:
    """A history that cannot be read is named with its reason, others are compared, and the next run tries again."""
    lost, answer = five_chats(shop), ODD_ANSWERS[name]
    body = answer if isinstance(answer, str) and answer != "no" else json.dumps(answer)
    report = shop.reconcile(Line(lambda number, _: httpx.Response(200, content=body) if number == 2 else None))
    assert ids(report) == [lost[0], *lost[2:]]
    assert [("list of messages" in reason or "cannot be read" in reason) for reason in report.unread.values()] == [True]
    assert ids(shop.reconcile()) == [lost[1]]


def test_an_odd_message_hides_no_other(shop: Shop) -> None:
    """Where one message cannot be read, the others are compared all the same, and the next run reads all again."""
    shop.client_writes("a")
    lost = [shop.manager_writes("a") for _ in range(60)]

    def spoil(number: int, request: httpx.Request) -> httpx.Response | None:
        if number == 1:
            return None
        items = shop.history(request.url.path.split("/")[-2])[50:]
        return httpx.Response(200, json={"messages": [items[0], {"message": 5}, *items[2:]]})

    report = shop.reconcile(Line(spoil))
    assert (ids(report), report.complete, len(report.unread)) == ([*lost[:8], *lost[9:]], False, 1)
    assert ids(shop.reconcile()) == [lost[8]]


def test_a_kommo_that_does_not_page(shop: Shop) -> None:
    """A server that gives the same full page for every offset is noticed, and not asked for ever."""
    shop.client_writes("a")
    page = [ITEM | {"message": ITEM["message"] | {"id": f"m-{number}"}} for number in range(50)]
    line = Line(lambda *_: httpx.Response(200, json={"messages": page}))
    report = shop.reconcile(line)
    assert (len(report.missing), len(line.paths)) == (50, 2)
    assert list(report.unread.values()) == ["its history does not go on after the first pages"]


@pytest.fixture(scope="module")
def one_chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for many examples that knows one chat; it does not wait for the disk."""
    store = Store(tmp_path_factory.mktemp("property") / "kommo.db")
    store.db.execute("PRAGMA synchronous = OFF")
    chat = {"id": "chat-1", "user": {"id": "u"}}
    request = json.dumps({"conversation_id": "c", "user": {"id": "x"}}).encode()
    path = f"/v2/origin/custom/{CREDENTIALS.scope_id}/chats"
    call = Exchange(1, "create_chat", "POST", path, request)
    store.load([replace(call, state="done", status=200, response_body=json.dumps(chat).encode())])
    yield store
    store.close()


ODD = st.sampled_from([None, "", "x", "\ud800", "a\x00b", True, -1, 1.5, 10**30, [], ["x"], {}, {"id": "x"}])
ITEMS = [*sample("kommo-history-picture-response")["messages"], *sample("ru-history-response")["messages"]]


@st.composite
def spoilt_pages(draw: st.DrawFn) -> Any:
    """An answer of history in which values have become something odd, here and there."""
    items = [copy.deepcopy(item) for item in draw(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=4))]
    for item in items:
        for _ in range(draw(st.integers(0, 3))):
            target = draw(st.sampled_from([item, *(value for value in item.values() if isinstance(value, dict))]))
            if target:
                target[draw(st.sampled_from(sorted(target)))] = copy.deepcopy(draw(ODD))
    return draw(st.sampled_from([items, {"messages": items}, {"messages": [*items, draw(ODD)]}, draw(ODD)]))


@given(spoilt_pages())
def test_no_answer_is_an_exception(one_chat: Store, answer: Any) -> None:
    """Whatever Kommo answers, there is a report in words, and a rebuild brings back what was imported."""
    for table in ("compared", "reconciling", "exchanges WHERE kind = 'reconcile'"):
        one_chat.db.execute(f"DELETE FROM {table}")
    one_chat.rebuild()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=json.dumps(answer)))
    with ChatsClient(CREDENTIALS.channel(), "http://127.0.0.1:9", transport=transport) as client:
        report = reconcile(client, one_chat)
    assert str(report).isprintable() or "\n" in str(report)
    assert all(isinstance(each, Missing) for each in report.missing)
    before = tables(one_chat)
    assert set(ids(report)) == {row["message_id"] for row in before["messages"]}
    one_chat.rebuild()
    assert tables(one_chat) == before


# --- The command ---


def run(shop: Shop, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KOMMO_NB_")}
    command = [sys.executable, "-m", "kommo_nb.cli", "reconcile", "--db", str(shop.store.path), *words]
    env = clean | {"KOMMO_NB_BASE_URL": shop.kommo.url} | env
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)


@pytest.fixture
def real_time(shop: Shop) -> Shop:
    """The shop at the present time, as a program of its own sees it; its messages are two minutes old."""
    shop.clock.moment = datetime.now(UTC)
    shop.kommo.control("clock", offset_s=-120)
    return shop


def test_the_command_reports_and_imports(real_time: Shop) -> None:
    """Without any configuration it talks to the sandbox: a dry run ends with 1, a real one with 0, as does the next."""
    shop = real_time
    with ChatsClient(CREDENTIALS.channel(), shop.kommo.url, store=shop.store) as client:
        client.send(Text("Hello"), conversation_id="a", sender=ADA)
    lost = shop.kommo.control("manager/message", conversation_id="a", text="lost \x1b[31mred")["message_ids"][0]
    dry = run(shop, "--dry-run", "--json")
    facts = json.loads(dry.stdout)
    assert (dry.returncode, facts["complete"], [each["message_id"] for each in facts["missing"]]) == (1, False, [lost])
    assert facts["gaps"] == [
        {"first_ms": facts["missing"][0]["sent_at_ms"], "last_ms": facts["missing"][0]["sent_at_ms"], "messages": 1}
    ]
    assert lost not in known(shop.store)
    real = run(shop, "--since", "1h")
    assert (real.returncode, real.stderr) == (0, "")
    assert "Missing in 1 chat: 1 hook that never came." in real.stdout and "\x1b" not in real.stdout
    assert lost in known(shop.store)
    again = run(shop)
    assert (again.returncode, "Nothing is missing." in again.stdout) == (0, True)


def test_the_command_says_what_is_wrong(shop: Shop) -> None:
    """Each mistake is one sentence: no such file, no such time, no Kommo, a live profile without its channel."""
    five_chats(shop)
    cases = {
        ("--db", "nothing.db"): ({}, 2, "does not exist"),
        ("--since", "soon"): ({}, 2, "neither a time"),
        ("--dry-run",): ({"KOMMO_NB_PROFILE": "live"}, 2, "set KOMMO_NB_CHANNEL_ID"),
        ("--json",): ({"KOMMO_NB_SECRET": "another"}, 2, "0 of 5 chats are compared"),
    }
    for words, (env, code, sentence) in cases.items():
        done = run(shop, *words, **env)
        assert (done.returncode, done.stdout) == (code, "")
        assert sentence in done.stderr and "Traceback" not in done.stderr
