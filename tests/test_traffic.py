"""Seeded traffic: a history that the sandbox's own rules have made, and people who go on live."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from helpers import FrozenClock, openssl_sha1, receiving, served, until

from kommo_nb import metrics
from kommo_nb.client import ChatsClient
from kommo_nb.clock import msec
from kommo_nb.demo import _seed
from kommo_nb.errors import KommoError
from kommo_nb.reconcile import reconcile
from kommo_nb.sandbox import traffic
from kommo_nb.sandbox.app import Credentials, Sandbox, new_world
from kommo_nb.sandbox.traffic.people import LEADS, REGULARS, customers
from kommo_nb.sandbox.world import StoredMessage, World
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery, Exchange

Row = Delivery | Exchange

CREDENTIALS = Credentials()
ZONE = ZoneInfo("Europe/Berlin")
UNTIL = datetime(2026, 11, 3, 17, 30, tzinfo=ZONE)  # a Tuesday; the clocks went back nine days before
DAYS = 21


def rows_of(*, days: int = 7, **changes: Any) -> list[Row]:
    return list(traffic.history(new_world(CREDENTIALS), days=days, until=UNTIL, **changes))


def at_ms(row: Row) -> int:
    return row.received_at_ms if isinstance(row, Delivery) else row.created_at_ms


def hooks_of(rows: list[Row]) -> list[Delivery]:
    return [row for row in rows if isinstance(row, Delivery)]


def message_ids(rows: list[Row]) -> set[str]:
    sent = [row for row in rows if isinstance(row, Exchange) and row.kind == "send" and row.state == "done"]
    from_clients = {json.loads(row.response_body or b"")["new_message"]["msgid"] for row in sent}
    return from_clients | {json.loads(row.body)["message"]["message"]["id"] for row in hooks_of(rows)}


class Past:
    """Three weeks, made once: the sandbox that answered, the rows, and the store that they lead to."""

    def __init__(self, path: Path) -> None:
        self.sandbox = Sandbox(CREDENTIALS)
        self.world: World = self.sandbox.world
        self.rows = list(traffic.history(self.world, days=DAYS, until=UNTIL))
        self.store = Store(path)
        self.store.remember_channel(CREDENTIALS.channel_id, name="Sandbox", bot_id=CREDENTIALS.bot_id)
        self.store.load(self.rows)
        self.store.project()

    def local_times(self, author: str) -> list[datetime]:
        found = self.store.query("SELECT sent_at_ms FROM messages WHERE author = ?", (author,))
        return [local(row["sent_at_ms"]) for row in found]

    def lost(self) -> list[StoredMessage]:
        """What the world knows and the store does not, oldest first."""
        known = {row["message_id"] for row in self.store.query("SELECT message_id FROM messages")}
        unknown = [each for chat in self.world.chats.values() for each in chat.messages if each.id not in known]
        return sorted(unknown, key=lambda message: message.sent_at_ms)


def local(at_ms: int) -> datetime:
    """A time on the shop's clocks."""
    return datetime.fromtimestamp(at_ms / 1000, ZONE)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    made = Past(tmp_path_factory.mktemp("traffic") / "kommo.db")
    yield made
    made.store.close()


# --- the rows ---------------------------------------------------------------------------------------------------------


def test_same_seed_same_rows() -> None:
    """The same seed and end give the same rows, ids and signatures included."""
    assert rows_of(days=3) == rows_of(days=3)


def test_other_seed_other_ids() -> None:
    """Two seeds, or two ends, share no message id, so both fit into one database."""
    one, two = rows_of(days=3), rows_of(days=3, seed=2)
    later = list(traffic.history(new_world(CREDENTIALS), days=3, until=UNTIL + timedelta(seconds=1)))
    assert len(message_ids(one)) > 100
    assert message_ids(one).isdisjoint(message_ids(two))
    assert message_ids(one).isdisjoint(message_ids(later))


def test_rows_in_order_of_time(past: Past) -> None:
    """Rows come in the order of time, and all lie in the days before `until`."""
    times = [at_ms(row) for row in past.rows]
    assert all(before <= after for before, after in pairwise(times))
    assert msec(UNTIL - timedelta(days=DAYS, minutes=1)) < times[0] and times[-1] <= msec(UNTIL)
    assert times[-1] > msec(UNTIL - timedelta(hours=3)), "it goes on to the end"


def test_first_row_connects() -> None:
    """A world that nobody connected is connected by the first row; one that is connected is left alone."""
    world = new_world(CREDENTIALS)
    first = next(traffic.history(world, days=2, until=UNTIL))
    assert isinstance(first, Exchange) and (first.kind, first.state) == ("connect", "done")
    assert list(world.connected) == [CREDENTIALS.scope_id]
    again = traffic.history(world, days=2, until=UNTIL)
    assert not [row for row in again if isinstance(row, Exchange) and row.kind == "connect"]


def test_hooks_signed_for_openssl(past: Past) -> None:
    """Every hook has the verdict of a real one, and openssl comes to the same signature without the newline."""
    hooks = hooks_of(past.rows)
    assert {hook.verdict for hook in hooks} == {"valid_trimmed"}
    for hook in hooks[:: len(hooks) // 5]:
        assert hook.body.endswith(b"\n")
        assert openssl_sha1(hook.body[:-1], CREDENTIALS.secret) == hook.signature


def test_calls_accepted(past: Past) -> None:
    """Every call is accepted by the sandbox's rules, but for the few mistakes that integrations make."""
    calls = [row for row in past.rows if isinstance(row, Exchange)]
    assert {(row.attempts, row.status) for row in calls if row.state == "done"} == {(1, 200)}
    refused = [row for row in calls if row.state != "done"]
    mistakes = {("send", 400, "MSGID_ALREADY_USED"), ("send", 400, "VALIDATION_ERROR")}
    assert {row.state for row in refused} == {"failed"}
    assert {(row.kind, row.status, row.error_type) for row in refused} <= mistakes
    assert 0 < len(refused) < 0.01 * len(calls)


def test_world_is_left_as_it_was() -> None:
    """Between two rows, and when nobody reads on, the world has its own clock."""
    world = new_world(CREDENTIALS)
    own, rows = world.clock, traffic.history(world, days=2, until=UNTIL)
    for _ in range(5):
        next(rows)
        assert world.clock is own
    rows.close()
    assert world.clock is own


def test_progress_by_day() -> None:
    """`on_day` hears of each day once, in order, as far as all of them."""
    heard: list[tuple[int, int]] = []
    rows_of(days=3, on_day=lambda done, days: heard.append((done, days)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_volume_follows_the_argument() -> None:
    """More conversations a day make more rows, also more than there are people."""
    few, many = (len(rows_of(days=2, conversations_per_day=mean)) for mean in (5, 400))
    assert 0 < few < 150 and many > 4000


# --- what they say about the shop -------------------------------------------------------------------------------------


def test_projected_without_problems(past: Past) -> None:
    """The store reads every row; it knows no message that the world does not, all three authors, and all chats."""
    assert past.store.query("SELECT * FROM problems") == []
    known = {row["message_id"] for row in past.store.query("SELECT message_id FROM messages")}
    everything = {message.id for chat in past.world.chats.values() for message in chat.messages}
    assert everything - known == {message.id for message in past.lost()} and known <= everything
    authors = {row["author"] for row in past.store.query("SELECT DISTINCT author FROM messages")}
    assert authors == {"client", "manager", "bot"}
    assert {row["chat_id"] for row in past.store.query("SELECT chat_id FROM chats")} == set(past.world.chats)


def test_some_wait_now(past: Past) -> None:
    """Some clients wait for an answer at the end, and most do not."""
    waiting = metrics.waiting_now(past.store, now_ms=msec(UNTIL))
    assert 0 < len(waiting) < 0.3 * len(past.world.chats)


def test_rhythm(past: Past) -> None:
    """Clients write by day, less at weekends; managers in their working hours, which follow the zone of `until`."""
    clients, managers = past.local_times("client"), past.local_times("manager")
    night = [moment for moment in clients if not 7 <= moment.hour < 23]
    assert len(night) < 0.05 * len(clients)
    hours, days = Counter(moment.hour for moment in clients), Counter(moment.weekday() for moment in clients)
    assert min(hours[11], hours[18]) > 3 * max(hours[7], hours[22])
    assert max(days[5], days[6]) < min(days[day] for day in range(5))
    at_work = [moment for moment in managers if moment.weekday() < 6 and 9 <= moment.hour < 18]
    assert len(at_work) > 0.99 * len(managers)


def test_nights_are_quiet(past: Past) -> None:
    """Nobody begins to write at night; of 1,000 messages of all authors not ten are sent between 23 and 7 o'clock."""
    times = [moment for author in ("client", "manager", "bot") for moment in past.local_times(author)]
    assert len([moment for moment in times if not 7 <= moment.hour < 23]) < 0.01 * len(times)


def test_managers_answer_in_minutes(past: Past) -> None:
    """In working hours the median answer takes some four minutes."""
    waits = []
    for chat in past.world.chats.values():
        for asked, answered in pairwise(chat.messages):
            moment = datetime.fromtimestamp(asked.sent_at_ms / 1000, ZONE)
            at_work = moment.weekday() < 5 and 9 <= moment.hour < 17
            if (
                at_work
                and asked.sender is chat.client
                and answered.sender.id not in (chat.client.id, CREDENTIALS.bot_id)
            ):
                waits.append((answered.sent_at_ms - asked.sent_at_ms) / 60_000)
    assert 3 < sorted(waits)[len(waits) // 2] < 5


def test_delivery(past: Past) -> None:
    """About seventy in a hundred messages are read and two fail; some are never reported, none is read unsent."""
    status = Counter(row["status"] for row in past.store.query("SELECT status FROM delivery"))
    total = status.total()
    assert 0.65 < status["read"] / total < 0.8 and 0.005 < status["failed"] / total < 0.04
    assert status["not reported"] and status["delivered"]
    early = "SELECT 1 FROM statuses JOIN messages USING (message_id) WHERE reported_at_ms < sent_at_ms"
    assert past.store.query(early) == []
    codes = past.store.query("SELECT DISTINCT error_code, error FROM statuses WHERE status_code = -1")
    assert {row["error_code"] for row in codes} <= {901, 902, 903, 904, 905} and len(codes) > 2
    assert all(row["error"] for row in codes if row["error_code"] == 905)


def test_variety(past: Past) -> None:
    """There are files, quotes from both sides, bursts, and chats that a manager began and a client answered."""
    kinds = {row["type"] for row in past.store.query("SELECT DISTINCT type FROM messages")}
    assert kinds == {"text", "picture", "file", "voice", "video", "location"}
    quoting = "SELECT DISTINCT author FROM messages WHERE reply_to_id IN (SELECT message_id FROM messages)"
    assert {row["author"] for row in past.store.query(quoting)} == {"client", "manager"}
    chats = [chat.messages for chat in past.world.chats.values()]
    assert any(one.sender is two.sender and one.client_id for messages in chats for one, two in pairwise(messages))
    begun = [messages for messages in chats if not messages[0].client_id]
    assert begun and any(message.client_id for messages in begun for message in messages)


def test_nobody_repeats_themselves(past: Past) -> None:
    """Nobody begins two conversations in a row with the same question."""
    openings = {lines[0][2].strip() for who in customers(1) for lines in who.script}
    for chat in past.world.chats.values():
        texts = [message.content.get("text") for message in chat.messages if message.sender is chat.client]
        begun = [text for text in texts if text in openings]
        assert all(one != two for one, two in pairwise(begun))


def test_people() -> None:
    """People have different names in several scripts, and phone numbers that belong to nobody."""
    people = customers(1)
    assert len({each.person.name for each in people}) == len(people) == REGULARS + LEADS
    phones = {each.person.phone for each in people}
    fiction = re.compile(r"\+1\d{3}55501\d\d|\+447700900\d{3}|\+33639980\d{3}")  # FCC, Ofcom, ARCEP
    assert len(phones) == len(people) and all(fiction.fullmatch(phone or "") for phone in phones)
    names = "".join(each.person.name or "" for each in people)
    assert all(re.search(script, names) for script in ("[a-z]", "[é-ž]", "[а-я]", "[ا-ي]", "[一-龥]"))


# --- what its messengers are like -------------------------------------------------------------------------------------

SHARES = {"whatsapp": (0.4, 0.65), "telegram": (0.2, 0.4), "web-chat": (0.1, 0.3)}


def test_every_chat_has_its_source(past: Past) -> None:
    """Each chat belongs to one of three messengers, in the world and in the store, and WhatsApp has most messages."""
    stored = {row["chat_id"]: row["source"] for row in past.store.query("SELECT chat_id, source FROM chats")}
    assert stored == {chat.id: chat.source for chat in past.world.chats.values()}
    messages = Counter(stored[chat.id] for chat in past.world.chats.values() for _ in chat.messages)
    assert messages.keys() == SHARES.keys()
    assert all(low < messages[source] / messages.total() < high for source, (low, high) in SHARES.items())


def test_each_messenger_has_its_hours(past: Past) -> None:
    """Half of the web chat's messages come by two o'clock, half of Telegram's after four; the evening is Telegram's."""
    hours = {source: [] for source in SHARES}
    for row in past.store.query("SELECT source, sent_at_ms FROM messages JOIN chats USING (chat_id) WHERE msgid > ''"):
        moment = local(row["sent_at_ms"])
        hours[row["source"]].append(moment.hour + moment.minute / 60)
    middle = {source: median(found) for source, found in hours.items()}
    assert 10 < middle["web-chat"] < 14 and 11 < middle["whatsapp"] < 15 and middle["telegram"] > 16
    evening = {source: sum(hour >= 19 for hour in found) / len(found) for source, found in hours.items()}
    assert evening["telegram"] > 2 * evening["whatsapp"] and evening["web-chat"] < 0.03


def test_each_messenger_delivers_in_its_own_way(past: Past) -> None:
    """Telegram's people read most and soon, the web chat's in seconds if at all, and there most is never reported."""
    rows = past.store.query(
        "SELECT source, status, read_at_ms - delivered_at_ms AS read_ms FROM delivery JOIN chats USING (chat_id)"
    )
    shares = {}
    for source in SHARES:
        fates = Counter(row["status"] for row in rows if row["source"] == source)
        shares[source] = {fate: count / fates.total() for fate, count in fates.items()}
    read = {source: shares[source]["read"] for source in SHARES}
    assert read["telegram"] > 0.8 > read["whatsapp"] > 0.7 > 0.6 > read["web-chat"] > 0.4
    assert shares["web-chat"]["not reported"] > 3 * shares["telegram"]["not reported"]
    waits = {
        source: median(row["read_ms"] for row in rows if row["source"] == source and row["read_ms"])
        for source in SHARES
    }
    assert waits["web-chat"] < 15_000 < waits["telegram"] < 60_000 < waits["whatsapp"] < 300_000


# --- what went wrong --------------------------------------------------------------------------------------------------

# UNTIL is Tuesday, 3 November: the weekend before the last ended on Monday 26, and the last four working days were
# Monday 2, Friday 30, Thursday 29, Wednesday 28 October.
WEEKEND = (datetime(2026, 10, 24, tzinfo=ZONE), datetime(2026, 10, 26, 9, tzinfo=ZONE))
AFTERNOON = (datetime(2026, 10, 28, 12, tzinfo=ZONE), datetime(2026, 10, 28, 18, tzinfo=ZONE))
OUTAGE = (datetime(2026, 11, 2, 10, tzinfo=ZONE), datetime(2026, 11, 2, 12, tzinfo=ZONE))


def test_a_weekend_without_answers(past: Past) -> None:
    """On one weekend clients write and nobody answers, no bot either, until Monday at nine; on the next one they do."""
    begin, end = WEEKEND

    def written(author: str, days: int = 0) -> int:
        later = timedelta(days=days)
        return sum(begin + later <= moment < end + later for moment in past.local_times(author))

    assert written("client") > 30
    assert (written("manager"), written("bot")) == (0, 0)
    assert written("manager", 7) > 20 and written("bot", 7) > 3
    mondays = Counter(moment.date() for moment in past.local_times("manager") if moment.weekday() == 0)
    assert max(mondays, key=mondays.__getitem__) == end.date(), "the Monday after it has most to answer"


def test_a_bad_afternoon(past: Past) -> None:
    """On one afternoon every message to WhatsApp fails with 904, those to others do not; it is most of all such."""
    rows = past.store.query(
        "SELECT source, m.sent_at_ms, status, m.error_code FROM delivery JOIN messages AS m USING (message_id) "
        "JOIN chats ON chats.chat_id = m.chat_id"
    )
    fates = Counter(
        (row["source"] == "whatsapp", row["error_code"] == 904)
        for row in rows
        if AFTERNOON[0] + timedelta(minutes=1) <= local(row["sent_at_ms"]) < AFTERNOON[1]
    )
    assert fates[True, True] > 8 and fates[True, False] == 0
    assert fates[False, False] > 8 and fates[False, True] <= 1
    assert fates[True, True] > 0.6 * len([row for row in rows if row["error_code"] == 904])


def test_an_outage_of_the_receiver(past: Past) -> None:
    """On one morning no hook comes for two hours; what was lost stands in the world, and no call tells of it."""
    lost = past.lost()
    assert len(lost) > 10
    assert {message.client_id for message in lost} == {None}
    assert OUTAGE[0] <= local(lost[0].sent_at_ms) and local(lost[-1].sent_at_ms) < OUTAGE[1] + timedelta(minutes=1)
    came = [hook for hook in hooks_of(past.rows) if OUTAGE[0] + timedelta(minutes=1) < local(at_ms(hook)) < OUTAGE[1]]
    assert came == []
    paths = " ".join(row.path for row in past.rows if isinstance(row, Exchange))
    assert not any(message.id in paths for message in lost), "nobody reports on what they have not heard of"
    sent = [row for row in past.rows if isinstance(row, Exchange) and row.kind == "send"]
    assert len([row for row in sent if OUTAGE[0] < local(at_ms(row)) < OUTAGE[1]]) > 5, "clients write all the while"


def test_reconcile_finds_the_outage(past: Past) -> None:
    """A comparison over HTTP with the sandbox that made the history finds what was lost, as one gap, nothing else."""
    with served(past.sandbox) as url, ChatsClient(CREDENTIALS.channel(), url) as client:
        report = reconcile(client, past.store, dry_run=True, clock=FrozenClock(UNTIL.astimezone(UTC)))
    assert [each.message_id for each in report.missing] == [each.id for each in past.lost()]
    assert (report.unread, len(report.gaps)) == ({}, 1)


def test_the_demo_keeps_the_world_of_its_history(tmp_path: Path) -> None:
    """A new database is filled from the world that the demo's sandbox goes on with; an old one leaves it empty."""
    first, second = new_world(CREDENTIALS), new_world(CREDENTIALS)
    _seed(tmp_path / "demo.db", CREDENTIALS, first, 2)
    _seed(tmp_path / "demo.db", CREDENTIALS, second, 2)
    store = Store(tmp_path / "demo.db")
    chats = {row["chat_id"] for row in store.query("SELECT chat_id FROM chats")}
    store.close()
    assert len(chats) > 5 and chats == set(first.chats)
    assert second.chats == {}


# --- live -------------------------------------------------------------------------------------------------------------


@contextmanager
def going_on(client: Any, press: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Iterator[None]:
    """Live traffic for a while; it ends when it is told to."""
    stop = threading.Event()
    options = {"stop": stop, "pace_s": 0.02}
    thread = threading.Thread(target=traffic.live, args=(client, press), kwargs=options)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def test_live_on_the_sandbox(past: Past, store: Store) -> None:
    """On a new sandbox clients of the history write and get answers in their old chats, and statuses are reported."""
    with receiving() as receiver, served(Sandbox(hook_url=receiver.url)) as url:
        http = httpx.Client(trust_env=False)

        def press(name: str, payload: dict[str, Any]) -> dict[str, Any]:
            response = http.post(f"{url}/_sandbox/{name}", json=payload)
            assert response.status_code == 200, response.text
            answer: dict[str, Any] = response.json()
            return answer

        def settled() -> bool:
            store.project()
            kinds = store.query("SELECT DISTINCT kind FROM exchanges")
            read = store.query("SELECT 1 FROM statuses WHERE status_code = 2")
            return len(receiver.seen) > 3 and len(read) > 2 and len(kinds) == 4

        with http, ChatsClient(CREDENTIALS.channel(), url, store=store) as client:
            client.connect(CREDENTIALS.account_id)
            with going_on(client, press):
                until(settled, "clients write, managers answer, statuses are reported")
    store.project()
    assert store.query("SELECT * FROM problems") == []
    assert store.query("SELECT * FROM exchanges WHERE state != 'done'") == []
    assert {row["chat_id"] for row in store.query("SELECT chat_id FROM chats")} & set(past.world.chats)


class Fake:
    """A client and a sandbox's controls in one. Every `fails`-th try fails; `done` is what went well."""

    def __init__(self, *, fails: int = 0, hook_status: int | None = 200) -> None:
        self.tries, self.done = 0, Counter[str]()
        self._fails, self._hook_status = fails, hook_status

    def _try(self, what: str) -> str:
        self.tries += 1
        if self._fails and self.tries % self._fails == 0:
            raise KommoError("not now")
        self.done[what] += 1
        return f"id-{self.tries}"

    def send(self, message: Any, **fields: Any) -> SimpleNamespace:
        return SimpleNamespace(message_id=self._try("send"))

    def typing(self, conversation_id: str, sender_id: str) -> None:
        self._try("typing")

    def set_delivery_status(self, message_id: str, status: int) -> None:
        self._try("status")

    def press(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"message_ids": [self._try(name)], "hooks": [{"status": self._hook_status}]}


def test_live_survives_errors() -> None:
    """Calls that fail again and again do not end the traffic."""
    fake = Fake(fails=4)
    with going_on(fake, fake.press):
        until(lambda: fake.tries > 40 and {"send", "manager/message", "status"} <= set(fake.done), "all of it")


def test_no_report_without_hook() -> None:
    """What the CRM wrote is not reported on when its hook did not come, as no integration could."""
    fake = Fake(hook_status=None)
    with going_on(fake, fake.press):
        until(lambda: fake.done["manager/message"] > 10, "managers answer")
    assert fake.done["status"] == 0


def test_live_stops_at_once() -> None:
    """Set before it begins, `stop` lets nobody write."""
    stop, fake = threading.Event(), Fake()
    stop.set()
    traffic.live(fake, fake.press, stop=stop)
    assert fake.tries == 0


def test_hours_in_zone_of_until() -> None:
    """In UTC the shop opens at nine of UTC."""
    rows = list(traffic.history(new_world(CREDENTIALS), days=3, until=UNTIL.astimezone(UTC)))
    bodies = [json.loads(row.body)["message"] for row in hooks_of(rows)]
    human = [body for body in bodies if body["sender"]["id"] != CREDENTIALS.bot_id]
    hours = {datetime.fromtimestamp(body["timestamp"], UTC).hour for body in human}
    assert hours <= set(range(9, 19)) and 9 in hours
