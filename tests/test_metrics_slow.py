"""Every metric against a second implementation: slow, plain Python over a list of messages, and equal to the row."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, zip_longest
from statistics import quantiles as python_quantiles
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import holidays
import pandas as pd
import pytest

from kommo_nb import metrics
from kommo_nb.clock import msec
from kommo_nb.metrics import Calendar, Filter
from kommo_nb.store import Store, rollups

MIN, DAY = 60_000, 86_400_000
START = msec(datetime(2026, 3, 24, tzinfo=UTC))
END = START + 9 * DAY  # over the clock change of the 29th, and over a Greek holiday on the 25th
SCOPES = ("channel_one", "channel_two")
AUTHORS = ("client", "manager", "bot")
STEPS = (0, 1, MIN, 7 * MIN, 3 * 60 * MIN, DAY - 1, DAY, DAY + 1)
SEEDS = range(30)


class Message(NamedTuple):
    """One message; `number` orders those of one moment as their ids do."""

    chat: str
    author: str
    at_ms: int
    number: int
    scope_id: str
    type: str
    reports: tuple[tuple[int, int, int | None], ...]
    """Delivery reports as time, code and error code, in the order of arrival; none but of what the CRM sent."""

    @property
    def id(self) -> str:
        """Its id, whose order is that of the numbers."""
        return f"m{self.number:04}"


def invented(seed: int) -> list[Message]:
    """Five chats of random messages on a coarse grid, so that moments and silences of exactly a day do collide."""
    pick = random.Random(seed)
    found: list[Message] = []
    for chat in "abcde"[: pick.randint(0, 5)]:
        at_ms, scope_id = START + pick.randrange(3) * DAY, pick.choice(SCOPES)
        for _ in range(pick.randint(1, 14)):
            at_ms += pick.choice(STEPS)
            author = pick.choice(AUTHORS)
            reports = [
                (at_ms + pick.choice((-1, 0, MIN, 2 * MIN)), pick.choice((1, 2, -1, 9)), pick.choice((None, 901, 904)))
                for _ in range(pick.randint(0, 4) if author != "client" else 0)
            ]
            kind = pick.choice(("text", "picture"))
            found.append(Message(chat, author, at_ms, len(found), scope_id, kind, tuple(reports)))
    return found


def chosen_filter(seed: int, found: list[Message]) -> Filter:
    """A period whose ends often are the very moments of messages, and now and then a filter."""
    pick = random.Random(seed + 1000)
    moments = [*(each.at_ms for each in found), START + DAY, END]
    since_ms, until_ms = sorted((pick.choice([START, *moments]), pick.choice([END, *moments])))
    return Filter(
        since_ms,
        until_ms,
        scope_id=pick.choice((None, None, *SCOPES)),
        author=pick.choice((None, None, *AUTHORS)),  # type: ignore[arg-type]
        type=pick.choice((None, None, "text")),
        tz=pick.choice(("UTC", "Europe/Athens", "Asia/Kolkata")),
    )


def fill(store: Store, found: list[Message]) -> None:
    """Put the messages where the projection would; chat e is known by our id alone, and the map of chats names it."""
    rollups.clear(store.conn)
    store.conn.execute("INSERT INTO chats (chat_id, conversation_id) VALUES ('e', 'our-e')")
    reports = 0
    for each in found:
        row = {
            "message_id": each.id,
            "chat_id": None if each.chat == "e" else each.chat,
            "conversation_id": f"our-{each.chat}",
            "scope_id": each.scope_id,
            "direction": "incoming" if each.author == "client" else "outgoing",
            "author": each.author,
            "type": each.type,
            "sent_at_ms": each.at_ms,
            "delivery_id": None if each.author == "client" else each.number + 1,
        }
        store.put("messages", **row)
        for at_ms, code, error_code in each.reports:
            reports += 1
            error = error_code if code == -1 else None
            names = {"event": f"e{reports}", "message_id": each.id, "status_code": code, "error_code": error}
            store.put("statuses", **names, reported_at_ms=at_ms)
    store.project()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store that each seed fills anew; what it holds need not survive a power cut."""
    store = Store(tmp_path_factory.mktemp("slow") / "kommo.db")
    store.conn.execute("PRAGMA synchronous = OFF")
    yield store
    store.close()


class Case(NamedTuple):
    """What a test has: the store, the same messages as a list, and a filter."""

    store: Store
    found: list[Message]
    where: Filter


@pytest.fixture(params=SEEDS)
def case(request: pytest.FixtureRequest, shared: Store) -> Case:
    found = invented(request.param)
    fill(shared, found)
    return Case(shared, found, chosen_filter(request.param, found))


def rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows of a table, times as milliseconds and what is missing as None."""
    values = frame.copy()
    for name in values.columns:
        if str(values[name].dtype).startswith("datetime64"):
            moments = values[name]
            values[name] = [None if pd.isna(each) else msec(each.to_pydatetime()) for each in moments]
            values[name] = values[name].astype("Int64")
    values = values.astype(object)
    return list(values.where(values.notna(), None).itertuples(index=False, name=None))


# --- The slow side ---


def in_scope(case: Case) -> list[Message]:
    return [each for each in case.found if case.where.scope_id in (None, each.scope_id)]


def counted(case: Case) -> list[Message]:
    where = case.where
    return [
        each
        for each in in_scope(case)
        if where.since_ms <= each.at_ms < where.until_ms
        and where.author in (None, each.author)
        and where.type in (None, each.type)
    ]


def chats(found: list[Message], until_ms: int) -> dict[str, list[Message]]:
    """Each chat's messages up to a time, in order; of one moment the client's come first."""
    by_chat: dict[str, list[Message]] = defaultdict(list)
    for each in sorted(found, key=lambda each: (each.at_ms, each.author == "manager", each.number)):
        if each.at_ms < until_ms:
            by_chat[each.chat].append(each)
    return by_chat


def slow_waits(asked: list[tuple[str, int, int | None]], where: Filter) -> list[tuple[Any, ...]]:
    table = []
    for chat, asked_ms, answered_ms in sorted(asked, key=lambda each: (each[1], each[0])):
        end = where.until_ms if answered_ms is None else answered_ms
        if where.since_ms <= asked_ms < where.until_ms:
            wait_s, business_s = (end - asked_ms) / 1000, slow_business_s(asked_ms, end)
            table.append((chat, asked_ms, answered_ms, wait_s, business_s, answered_ms is None))
    return table


CALENDAR = Calendar(tz="Europe/Athens", weekdays=(0, 1, 2, 3, 4, 6), opens=time(1), closes=time(17), country="GR")
FREE = holidays.country_holidays("GR", years=2026)


def slow_business_s(since_ms: int, until_ms: int) -> float:
    """Day by day, how much of the working hours lies between the two moments."""
    zone, total = ZoneInfo("Europe/Athens"), 0
    day = date(2026, 3, 20)
    while day < date(2026, 4, 30):
        if day.weekday() in (0, 1, 2, 3, 4, 6) and day not in FREE:
            opens, closes = (msec(datetime.combine(day, time(hour), zone)) for hour in (1, 17))
            total += max(0, min(until_ms, closes) - max(since_ms, opens))
        day += timedelta(days=1)
    return total / 1000


def middle(values: list[float], share: float) -> float | None:
    """The quantile by Python's own library, which asks for two values at least."""
    if len(values) < 2:
        return values[0] if values else None
    return python_quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


# --- The comparisons ---


def near(value: float | None) -> Any:
    """Equal within the error that is stated for lengths counted by steps."""
    return value if value is None else pytest.approx(value, rel=0.045, abs=0.063)


def test_response_time(case: Case) -> None:
    """Of each run of a client's messages, bots left out, the last one waits for the manager's next."""
    asked: list[tuple[str, int, int | None]] = []
    for chat, found in chats(in_scope(case), case.where.until_ms).items():
        human = [each for each in found if each.author != "bot"]
        for here, after in zip_longest(human, human[1:]):
            if here.author == "client" and (after is None or after.author == "manager"):
                asked.append((chat, here.at_ms, after.at_ms if after else None))
    waits = metrics.response_time(case.store, case.where, calendar=CALENDAR)
    expected = slow_waits(asked, case.where)
    assert rows(waits) == expected
    bars = rows(metrics.response_distribution(case.store, case.where))
    for lower, upper, answered, still_open in bars:
        inside = [each[5] for each in expected if lower <= each[3] < upper]
        assert (answered, still_open) == (inside.count(False), inside.count(True))
    assert sum(bar[2] + bar[3] for bar in bars) == len(expected)


def test_response_summary(case: Case) -> None:
    """From the rollups come the same numbers of waits, and quantiles within the stated error."""
    summary = rows(metrics.response_summary(case.store, case.where))
    for row, of in zip(summary, (metrics.first_response_time, metrics.response_time), strict=True):
        _, waits, still_open, *quantiles = rows(metrics.quantiles(of(case.store, case.where)))[0]
        assert row[1:3] == (waits, still_open)
        assert row[3:] == tuple(near(value) for value in quantiles)


def test_first_response_time(case: Case) -> None:
    """Of each session the first client message waits for the next manager's message, in this session or later."""
    asked: list[tuple[str, int, int | None]] = []
    for chat, found in chats(in_scope(case), case.where.until_ms).items():
        waits_for_client, last_ms = True, found[0].at_ms
        for place, each in enumerate(found):
            if each.at_ms - last_ms > DAY:
                waits_for_client = True
            last_ms = each.at_ms
            if each.author == "client" and waits_for_client:
                waits_for_client = False
                answers = [later.at_ms for later in found[place:] if later.author == "manager"]
                asked.append((chat, each.at_ms, answers[0] if answers else None))
    waits = metrics.first_response_time(case.store, case.where, calendar=CALENDAR)
    expected = slow_waits(asked, case.where)
    assert rows(waits) == expected
    for row, place in zip(rows(metrics.quantiles(waits)), (3, 4), strict=True):
        values = [each[place] for each in expected]
        assert row[1:3] == (len(expected), sum(each[5] for each in expected))
        assert row[3:] == (pytest.approx(middle(values, 0.5)), pytest.approx(middle(values, 0.9)))


def test_response_course(case: Case) -> None:
    """Each day's median is that of the first responses which began in it and were answered, whenever that was."""
    scope = replace(case.where, since_ms=START - DAY, until_ms=END + 30 * DAY)
    waits = rows(metrics.first_response_time(case.store, scope))
    by_day: dict[int, list[float]] = defaultdict(list)
    for _, asked_ms, _, wait_s, _, still_open in waits:
        if not still_open:
            by_day[asked_ms // DAY * DAY].append(wait_s)
    course = rows(metrics.response_course(case.store, case.where))
    assert [day for day, _ in course] == [
        *range(case.where.since_ms // DAY * DAY, -(-case.where.until_ms // DAY) * DAY, DAY)
    ]
    assert [median for _, median in course] == [near(middle(by_day[day], 0.5)) for day, _ in course]


def test_waiting_and_windows(case: Case) -> None:
    """A chat waits when its last human message is the client's, from the first after the manager's last."""
    now_ms, waiting, windows = case.where.until_ms, [], []
    for chat, found in chats(in_scope(case), now_ms + 1).items():
        clients = [each.at_ms for each in found if each.author == "client"]
        managers = [each.at_ms for each in found if each.author == "manager"]
        run = [at_ms for at_ms in clients if at_ms > max(managers, default=-1)]
        if run:
            bots = [each.at_ms for each in found if each.author == "bot"]
            waiting.append((run[0], chat, (now_ms - run[0]) // 1000, len(run), any(at_ms > run[0] for at_ms in bots)))
        if clients:
            left_ms = clients[-1] + DAY - now_ms
            if left_ms > 0 or run:
                windows.append((left_ms <= 0, abs(left_ms), chat, left_ms / 1000, bool(run)))
    frame = metrics.waiting_now(case.store, case.where, now_ms=now_ms)
    columns = ["waiting_since", "chat_id", "waiting_s", "messages", "bot_answered"]
    assert rows(frame[columns]) == sorted(waiting)
    assert metrics.waiting_count(case.store, case.where, now_ms=now_ms) == len(waiting)
    frame = metrics.time_windows(case.store, case.where, now_ms=now_ms)
    assert rows(frame[["chat_id", "left_s", "unanswered"]]) == [each[2:] for each in sorted(windows)]


@pytest.mark.parametrize("grain", ["hour", "day", "week"])
def test_volume_and_delivery_over_time(case: Case, grain: metrics.Grain) -> None:
    """Each message falls into the hour, day or week that its local time is in; no bucket is left out between them."""
    zone, found = ZoneInfo(case.where.tz), counted(case)

    def bucket(at_ms: int) -> int:
        local = datetime.fromtimestamp(at_ms / 1000, zone)
        if grain == "hour":
            offset = local.utcoffset()
            assert offset is not None
            return at_ms - (at_ms + offset // timedelta(milliseconds=1)) % (60 * MIN)
        day = local.date() - timedelta(days=local.weekday() if grain == "week" else 0)
        return msec(datetime.combine(day, time(), zone))

    by_author = Counter((bucket(each.at_ms), each.author) for each in found)
    stages = Counter((bucket(each.at_ms), stage) for each in found for stage in slow_stages(each))
    quarters = range(case.where.since_ms // MIN, max(case.where.until_ms - 1, case.where.since_ms) // MIN + 1, 15)
    moments = [
        *(each * MIN for each in quarters),
        case.where.since_ms,
        max(case.where.until_ms - 1, case.where.since_ms),
    ]
    starts = sorted({bucket(at_ms) for at_ms in moments})
    volume = rows(metrics.volume(case.store, case.where, grain=grain))
    assert volume == [(start, *(by_author[start, who] for who in AUTHORS)) for start in starts]
    delivery = rows(metrics.delivery(case.store, case.where, grain=grain))
    assert delivery == [(start, *(stages[start, stage] for stage in metrics.STAGES)) for start in starts]


def test_types_and_busy_hours(case: Case) -> None:
    """Counted one by one, by type, and by the local weekday and hour."""
    zone, found = ZoneInfo(case.where.tz), counted(case)
    kinds = Counter(each.type for each in found)
    expected = [
        (kind, *(sum(each.type == kind and each.author == who for each in found) for who in AUTHORS), n, n / len(found))
        for kind, n in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    ]
    assert rows(metrics.message_types(case.store, case.where)) == expected
    local = [(datetime.fromtimestamp(each.at_ms / 1000, zone), each.author) for each in found]
    hours = Counter((moment.weekday(), moment.hour, author) for moment, author in local)
    assert rows(metrics.busy_hours(case.store, case.where)) == [
        (day, hour, *(hours[day, hour, who] for who in AUTHORS)) for day in range(7) for hour in range(24)
    ]


def slow_stages(message: Message) -> set[str]:
    """The stages of the funnel that a message counts in."""
    if message.author == "client":
        return set()
    codes = {code for _, code, _ in message.reports}
    if codes & {1, 2}:
        return {"sent", "delivered"} | ({"read"} if 2 in codes else set())
    return {"sent", "failed" if -1 in codes else "not_reported"}


def test_funnel_and_failures(case: Case) -> None:
    """Message by message, the furthest stage that was reported."""
    found = counted(case)
    stages = Counter(stage for each in found for stage in slow_stages(each))
    sent = stages["sent"]
    expected = [(stage, stages[stage], stages[stage] / sent if sent else None) for stage in metrics.STAGES]
    assert rows(metrics.delivery_funnel(case.store, case.where)) == expected
    codes = Counter(
        max((error for _, code, error in each.reports if code == -1 and error is not None), default=None)
        for each in found
        if "failed" in slow_stages(each)
    )
    failures = metrics.failures(case.store, case.where)[["error_code", "messages"]]
    assert rows(failures) == sorted(codes.items(), key=lambda item: (-item[1], item[0] or 0))


def test_delivery_times_and_ledger(case: Case) -> None:
    """The first report of each stage, and what each report changed at its turn."""
    names = {1: "delivered", 2: "read", -1: "failed"}
    times, ledger = [], []
    for each in sorted(counted(case), key=lambda each: (each.at_ms, each.number)):
        read = min((at_ms for at_ms, code, _ in each.reports if code == 2), default=None)
        arrived = min((at_ms for at_ms, code, _ in each.reports if code in (1, 2)), default=None)
        if arrived is not None:
            times.append([None if at_ms is None else max(0, at_ms - each.at_ms) / 1000 for at_ms in (arrived, read)])
        seen: list[int] = []
        for at_ms, code, _ in sorted(each.reports, key=lambda report: report[0]):  # stable: as they arrived
            if code in names:
                effect = "repeated" if code in seen else "new" if code > max(seen, default=-2) else "late"
                seen.append(code)
            ledger.append((each.id, at_ms, names.get(code, "unknown"), effect if code in names else None))
    for row, place in zip(rows(metrics.delivery_summary(case.store, case.where)), (0, 1), strict=True):
        values = [each[place] for each in times if each[place] is not None]
        assert row[1:] == (len(values), near(middle(values, 0.5)), near(middle(values, 0.9)))
    reports = metrics.delivery_ledger(case.store, case.where)
    assert rows(reports[["message_id", "reported_at", "status", "effect"]]) == ledger


def test_headline_compares_the_same_metrics(case: Case) -> None:
    """Each number is that of its own metric, of the period and of the one before."""
    headline = metrics.headline(case.store, case.where).set_index("metric")
    for column, where in (("value", case.where), ("before", case.where.before())):
        waits = metrics.first_response_time(case.store, where)["wait_s"].tolist()
        expected = {"messages": len(counted(case._replace(where=where))), "first_response": middle(waits, 0.5)}
        expected["waiting"] = len(metrics.waiting_now(case.store, where, now_ms=where.until_ms))
        for metric, value in expected.items():
            found = headline.loc[metric, column]
            assert (None if pd.isna(found) else found) == (near(value) if metric == "first_response" else value)


def test_the_random_data_reaches_the_corners() -> None:
    """What the comparisons stand on does occur: ties, silences around a day, empty stores, periods that end midway."""
    stories = [invented(seed) for seed in SEEDS]
    gaps = {after.at_ms - here.at_ms for found in stories for here, after in pairwise(found) if here.chat == after.chat}
    assert {0, DAY, DAY + 1} <= gaps
    assert any(not found for found in stories)
    cut = [
        any(each.at_ms >= chosen_filter(seed, found).until_ms for each in found) for seed, found in enumerate(stories)
    ]
    assert {True, False} == set(cut)
