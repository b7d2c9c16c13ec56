"""Each metric against answers worked out on paper, from the conversations told in `story`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from telling import BOT, ELENA, TOM, Teller, at

from kommo_nb import metrics
from kommo_nb.metrics import Calendar, Filter
from kommo_nb.store import Store


@pytest.fixture
def story(store: Store) -> Teller:
    """Three chats on Sunday the 1st and Monday the 2nd; times in UTC.

    boris  1st  23:30 client · 23:40 Tom, failed 905 · 23:45 Tom, nothing reported
    carla  2nd  09:00 client · 09:05 bot, failed 901 first, delivered after all
    ana    2nd  10:00 client · 10:01 client · 10:02 bot, delivered · 10:10 Elena, read, then «delivered» again, late
                10:30 client · 10:31 client
    """
    teller = Teller(store)
    teller.client("boris", at(1, "23:30"), "Olá")
    failed = teller.crm("boris", at(1, "23:40"), "Oi", sender=TOM)
    teller.report(failed, at(1, "23:41"), -1, error_code=905, error="Outside the 24 hour window")
    teller.crm("boris", at(1, "23:45"), "Again", sender=TOM)
    teller.client("carla", at(2, "09:00"), "Help")
    menu = teller.crm("carla", at(2, "09:05"), "1 orders, 2 delivery", sender=BOT)
    teller.report(menu, at(2, "09:06"), -1, error_code=901)
    teller.report(menu, at(2, "09:07"), 1)
    teller.client("ana", at(2, "10:00"), "Hi")
    teller.client("ana", at(2, "10:01"), "Anyone?")
    teller.report(teller.crm("ana", at(2, "10:02"), "We answer soon", sender=BOT), at(2, "10:03"), 1)
    answer = teller.crm("ana", at(2, "10:10"), "Yes!")
    for minute, code in (("10:11", 1), ("10:12", 2), ("10:40", 1)):
        teller.report(answer, at(2, minute), code)
    teller.client("ana", at(2, "10:30"), "Great")
    teller.client("ana", at(2, "10:31"), "And?", msgid="our-last")
    store.project()
    return teller


MONDAY = Filter(since_ms=at(2, "00:00"), until_ms=at(3, "00:00"))
BOTH_DAYS = Filter(since_ms=at(1, "00:00"), until_ms=at(3, "00:00"))


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


def test_volume_counts_by_day_and_author(store: Store, story: Teller) -> None:
    """Sunday 1 client and 2 managers (boris); Monday 5 clients (4 ana, 1 carla), 1 manager, 2 bots."""
    volume = metrics.volume(store, BOTH_DAYS)
    assert rows(volume, "client", "manager", "bot") == [(1, 2, 0), (5, 1, 2)]
    assert [f"{day:%d %H:%M %Z}" for day in volume["bucket"]] == ["01 00:00 UTC", "02 00:00 UTC"]


def test_volume_follows_the_time_zone(store: Store, story: Teller) -> None:
    """In Moscow, 3 h ahead, boris wrote at 02:30 on Monday; the period begins at 03:00 on Sunday, which stays empty."""
    volume = metrics.volume(store, replace(BOTH_DAYS, tz="Europe/Moscow"))
    assert rows(volume, "client", "manager", "bot") == [(0, 0, 0), (6, 3, 2), (0, 0, 0)]


def test_volume_counts_only_the_period(store: Store, story: Teller) -> None:
    """From 10:00 to 10:30 exclusive there are 2 clients, 1 bot and 1 manager, in one bucket that starts at 10:00."""
    volume = metrics.volume(store, Filter(at(2, "10:00"), at(2, "10:30")), grain="hour")
    assert rows(volume, "client", "manager", "bot") == [(2, 1, 1)]
    assert volume["bucket"][0] == pd.Timestamp("2026-03-02 10:00", tz="UTC")


@pytest.mark.parametrize(
    ("tz", "day", "hours"),
    [("Europe/Madrid", "2026-03-29", 23), ("Europe/Madrid", "2026-10-25", 25), ("Africa/Cairo", "2026-04-24", 23)],
)
def test_a_day_has_the_hours_of_its_clock_change(store: Store, tz: str, day: str, hours: int) -> None:
    """Madrid's Sundays of the clock change have 23 and 25 hours; Cairo's Friday has no midnight at all."""
    noon = pd.Timestamp(day, tz="UTC").value // 10**6 + 12 * 3_600_000
    days = metrics.volume(store, Filter(noon, noon + 1, tz=tz))
    start_ms = int(days["bucket"][0].timestamp() * 1000)
    volume = metrics.volume(store, Filter(start_ms, start_ms + hours * 3_600_000, tz=tz), grain="hour")
    assert len(volume) == hours
    assert {f"{bucket:%Y-%m-%d}" for bucket in volume["bucket"]} == {day}


def test_delivery_funnel_never_goes_back(store: Store, story: Teller) -> None:
    """5 sent: read 1 (Elena), delivered besides 2 (both bots), failed 1 and unreported 1 (both Tom).

    Elena's late «delivered» does not undo «read», and carla's early «failed» does not count.
    """
    funnel = metrics.delivery_funnel(store, BOTH_DAYS)
    assert rows(funnel, "stage", "messages", "share") == [
        ("sent", 5, 1.0),
        ("delivered", 3, 0.6),
        ("read", 1, 0.2),
        ("failed", 1, 0.2),
        ("not_reported", 1, 0.2),
    ]


def test_delivery_over_time_adds_up_to_the_funnel(store: Store, story: Teller) -> None:
    """Sunday 2 sent, 1 failed, 1 unreported; Monday 3 sent, all delivered, 1 read."""
    days = metrics.delivery(store, BOTH_DAYS)
    assert rows(days, *metrics.STAGES) == [(2, 0, 0, 1, 1), (3, 3, 1, 0, 0)]


def test_failures_name_code_meaning_and_text(store: Store, story: Teller) -> None:
    """Only boris's message failed for good: 905 with its text."""
    failures = metrics.failures(store, BOTH_DAYS)
    assert rows(failures, "error_code", "meaning", "error", "messages") == [
        (905, "other, see the error text", "Outside the 24 hour window", 1)
    ]


def test_waiting_begins_with_the_turn_and_ignores_bots(store: Store, story: Teller) -> None:
    """At 11:00 carla waits since 09:00, for the bot is no person; ana since 10:30, not 10:31; boris has an answer."""
    waiting = metrics.waiting_now(store, now_ms=at(2, "11:00"))
    assert rows(waiting, "chat_id", "name", "waiting_s", "messages", "bot_answered", "text") == [
        ("carla", "Carla", 7200, 1, True, "Help"),
        ("ana", "Ana", 1800, 2, False, "And?"),
    ]
    assert waiting["waiting_since"][1] == pd.Timestamp("2026-03-02 10:30", tz="UTC")


def test_waiting_knows_the_past(store: Store, story: Teller) -> None:
    """At 10:05 ana waited since 10:00 and had written twice; the bot's answer at 10:02 changed nothing."""
    waiting = metrics.waiting_now(store, now_ms=at(2, "10:05")).set_index("chat_id")
    assert (waiting.loc["ana", "waiting_s"], waiting.loc["ana", "messages"]) == (300, 2)
    assert waiting.loc["ana", "bot_answered"]


def test_headline_compares_with_the_period_before(store: Store, story: Teller) -> None:
    """Monday against Sunday.

    Messages 8 against 3: +5/3. Delivered 3/3 against 0/2, read 1/3 against 0/2, failed 0/3 against 1/2, in points.
    Waiting 2 (ana, carla) against 0 at the end of Sunday: nothing to divide by.
    First responses: carla 15 h, open since 09:00, and ana 10 min, 10:00 to 10:10; median (54000 + 600) / 2.
    Boris 10 min on Sunday.
    """
    headline = metrics.headline(store, MONDAY)
    near = partial(pytest.approx, rel=0.045)
    assert rows(headline, "metric", "value", "before") == [
        ("messages", 8.0, 3.0),
        ("delivered", 1.0, 0.0),
        ("read", 1 / 3, 0.0),
        ("failed", 0.0, 0.5),
        ("waiting", 2.0, 0.0),
        ("first_response", near(27300.0), near(600.0)),
    ]
    assert list(headline["change"][5:]) == pytest.approx([44.5], rel=0.09)
    assert list(headline["change"][:4]) == pytest.approx([5 / 3, 1.0, 1 / 3, -0.5])
    assert pd.isna(headline["change"][4])


def test_headline_counts_as_many_as_the_list_shows(store: Store, story: Teller) -> None:
    """The number of waiting chats, found in one pass, is the length of the list at any time."""
    for day, clock in ((1, "23:35"), (2, "00:00"), (2, "09:01"), (2, "10:20"), (2, "12:00")):
        now_ms = at(day, clock)
        headline = metrics.headline(store, Filter(now_ms - 1, now_ms)).set_index("metric")
        assert headline.loc["waiting", "value"] == len(metrics.waiting_now(store, now_ms=now_ms))


def test_conversations_are_listed_newest_first(store: Store, story: Teller) -> None:
    """Last messages: ana 10:31, carla 09:05 from the bot, boris the evening before from Tom."""
    chats = metrics.conversations(store)
    assert rows(chats, "chat_id", "messages", "author", "text", "waiting") == [
        ("ana", 6, "client", "And?", True),
        ("carla", 2, "bot", "1 orders, 2 delivery", True),
        ("boris", 3, "manager", "Again", False),
    ]
    assert list(metrics.conversations(store, limit=1)["chat_id"]) == ["ana"]
    assert list(metrics.conversations(store, chat_id="boris")["chat_id"]) == ["boris"]
    assert metrics.conversations(store, chat_id="bor").empty


@pytest.mark.parametrize(
    ("search", "found"),
    [("BORIS", ["boris"]), ("conversation-an", ["ana"]), ("+3519", ["ana", "carla", "boris"]), ("%", []), ("x", [])],
)
def test_conversations_can_be_searched(store: Store, story: Teller, search: str, found: list[str]) -> None:
    """A part of a name, phone or id finds a chat, in any case; the wildcards of SQL are ordinary characters."""
    assert list(metrics.conversations(store, search=search)["chat_id"]) == found


def test_names_of_every_script_are_found_in_any_case(store: Store) -> None:
    """«мария» finds Мария, whose case SQLite itself does not fold."""
    Teller(store).client("мария", at(2, "10:00"), "Здравствуйте")
    store.project()
    assert len(metrics.conversations(store, search="МАРИЯ")) == len(metrics.conversations(store, search="мария")) == 1


def test_transcript_tells_the_conversation_as_it_stands(store: Store, story: Teller) -> None:
    """The last message was edited; Elena set 👍 and then 😍 on it, and Tom took his 👎 back: only 😍 stands."""
    edit = {"msec_timestamp": at(2, "10:50"), "msgid": "our-last", "message": {"type": "text", "text": "And now?"}}
    story.call("edit", "", at(2, "10:50"), {"event_type": "edit_message", "payload": edit}, None)
    for minute, user, emoji in (("51", ELENA, "👍"), ("52", ELENA, "😍"), ("53", TOM, "👎"), ("54", TOM, None)):
        reaction = {"user": {"id": user}, "conversation": {"id": "ana"}, "message": {"id": "id-our-last"}}
        reaction |= {"type": "react", "emoji": emoji} if emoji else {"type": "unreact"}
        story.hook(at(2, f"10:{minute}"), {"account_id": "account", "action": {"reaction": reaction}})
    store.project()
    transcript = metrics.transcript(store, "ana")
    assert rows(
        transcript.fillna({"delivery": "", "reactions": ""}), "author", "text", "edited", "delivery", "reactions"
    ) == [
        ("client", "Hi", False, "", ""),
        ("client", "Anyone?", False, "", ""),
        ("bot", "We answer soon", False, "delivered", ""),
        ("manager", "Yes!", False, "read", ""),
        ("client", "Great", False, "", ""),
        ("client", "And now?", True, "", "😍"),
    ]
    assert metrics.conversations(store)["text"][0] == metrics.waiting_now(store, now_ms=at(2, "11:00"))["text"][1]


def test_transcript_names_files_quotes_and_failures(store: Store, story: Teller) -> None:
    """A file, an answer that quotes it, and its failure arrive with their details."""
    picture = story.client("boris", at(2, "12:00"), "", type="picture", media="https://x.example/p", file_name="p.jpg")
    answer = story.crm("boris", at(2, "12:01"), "Nice", reply_to={"message": {"id": picture}})
    story.report(answer, at(2, "12:02"), -1, error_code=903)
    store.project()
    last = metrics.transcript(store, "boris").iloc[-2:]
    assert rows(last.iloc[:1], "type", "media", "file_name") == [("picture", "https://x.example/p", "p.jpg")]
    assert rows(last.iloc[1:], "reply_to_id", "delivery", "error_code") == [(picture, "failed", 903)]
    assert list(metrics.transcript(store, "boris", limit=1)["message_id"]) == [answer]


def test_one_chat_stays_one_chat_whichever_id_names_it(store: Store, story: Teller) -> None:
    """A hook of version 1 knows only our conversation id, and still answers ana in her own chat."""
    hook = {"conversation_id": "conversation-ana", "type": "text", "text": "Old hook", "receiver": "client-ana"}
    story.hook(at(2, "10:45"), {**hook, "msec_timestamp": at(2, "10:45")})
    store.project()
    assert list(metrics.transcript(store, "ana")["text"])[-1] == "Old hook"
    assert list(metrics.conversations(store)["chat_id"]) == ["ana", "carla", "boris"]
    assert list(metrics.waiting_now(store, now_ms=at(2, "11:00"))["chat_id"]) == ["carla"]


def test_last_change_changes_when_something_was_projected(store: Store) -> None:
    """The token is empty at first, stays while raw rows wait, and changes with the projection and a new channel."""
    assert metrics.last_change(store) == ""
    teller = Teller(store)
    teller.crm("ana", at(2, "10:00"), "One")
    assert metrics.last_change(store) == ""
    store.project()
    first = metrics.last_change(store)
    assert first == metrics.last_change(store) != ""
    teller.client("ana", at(2, "10:01"), "Two")
    store.project()
    second = metrics.last_change(store)
    store.remember_channel("other", name="Other", bot_id=ELENA)
    assert len({first, second, metrics.last_change(store)}) == 3


def test_last_change_changes_again_with_the_rollups(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page drawn between a message and its rollups is drawn again, for the rollups come without a message."""
    Teller(store).crm("ana", at(2, "10:00"), "One")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_count", lambda *_: 0)
        store.project()
    before = metrics.last_change(store)
    assert metrics.waiting_count(store, now_ms=at(2, "11:00")) == 0 and not len(metrics.conversations(store))
    assert store.project() == 0
    assert metrics.last_change(store) != before and len(metrics.conversations(store)) == 1


def test_last_change_of_a_file_without_tables_is_empty(tmp_path: Path) -> None:
    """A database that no kommo_nb has prepared yet is read as one without news."""
    (tmp_path / "bare.db").touch()
    store = Store(tmp_path / "bare.db", read_only=True)
    assert metrics.last_change(store) == ""
    store.close()


def test_last_hook_is_the_latest_delivery(store: Store, story: Teller) -> None:
    """Ana's answer at 10:10 was the last hook; what clients wrote later came by calls."""
    assert metrics.last_hook_ms(store) == at(2, "10:10")


METRICS: list[Callable[[Store], pd.DataFrame]] = [
    lambda store: metrics.volume(store, MONDAY, grain="week"),
    lambda store: metrics.message_types(store, MONDAY),
    lambda store: metrics.busy_hours(store, MONDAY),
    lambda store: metrics.delivery(store, MONDAY),
    lambda store: metrics.delivery_funnel(store, MONDAY),
    lambda store: metrics.failures(store, MONDAY),
    lambda store: metrics.rejected_calls(store, MONDAY),
    lambda store: metrics.delivery_summary(store, MONDAY),
    lambda store: metrics.delivery_ledger(store, MONDAY),
    lambda store: metrics.first_response_time(store, MONDAY, calendar=Calendar()),
    lambda store: metrics.response_time(store, MONDAY),
    lambda store: metrics.quantiles(metrics.response_time(store, MONDAY)),
    lambda store: metrics.response_distribution(store, MONDAY),
    lambda store: metrics.time_windows(store, now_ms=at(2, "11:00")),
    lambda store: metrics.expiring(store, now_ms=at(2, "11:00")),
    lambda store: metrics.hook_health(store, MONDAY),
    lambda store: metrics.verdicts(store, MONDAY),
    lambda store: metrics.problems(store, MONDAY),
    lambda store: metrics.waiting_now(store, now_ms=at(2, "11:00")),
    lambda store: metrics.headline(store, MONDAY),
    lambda store: metrics.conversations(store),
    lambda store: metrics.transcript(store, "ana"),
]


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_store_gives_the_same_columns(
    store: Store, tmp_path: Path, metric: Callable[..., pd.DataFrame]
) -> None:
    """Columns and dtypes do not depend on whether there are rows."""
    empty = metric(store)
    told = Store(tmp_path / "told.db")
    teller = Teller(told)
    teller.client("ana", at(2, "10:00"), "Hi")
    teller.report(teller.crm("ana", at(2, "10:02"), "Yes"), at(2, "10:03"), -1, error_code=904)
    teller.client("ana", at(2, "10:30"), "Great", media="https://x.example/a", file_name="a", file_size=1)
    told.project()
    assert dict(metric(told).dtypes) == dict(empty.dtypes)
    told.close()


@pytest.mark.parametrize("metric", METRICS)
def test_times_at_the_end_of_the_calendar_do_not_break_anything(
    store: Store, story: Teller, metric: Callable[..., pd.DataFrame]
) -> None:
    """A hook may claim any time up to the year 9999, which pandas' nanoseconds do not reach."""
    story.crm("ana", 253_402_300_799_999, "From the future")
    story.client("ana", 253_402_300_799_999, "And its answer")
    store.project()
    assert list(metric(store).columns)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.busy_hours,
        metrics.conversations,
        metrics.delivery_funnel,
        metrics.delivery_ledger,
        metrics.delivery_summary,
        metrics.expiring,
        metrics.failures,
        metrics.first_response_time,
        metrics.headline,
        metrics.hook_health,
        metrics.message_types,
        metrics.problems,
        metrics.quantiles,
        metrics.rejected_calls,
        metrics.response_distribution,
        metrics.response_time,
        metrics.time_windows,
        metrics.transcript,
        metrics.verdicts,
        metrics.volume,
        metrics.waiting_now,
    ],
)
def test_every_card_has_a_definition(metric: Callable[..., pd.DataFrame]) -> None:
    """The docstring has a paragraph for the tooltip, which comes out as one line."""
    definition = metrics.definition(metric)
    assert len(definition) > 40
    assert "\n" not in definition
