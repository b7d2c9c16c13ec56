"""Response times, business time and time windows, against answers worked out on paper. March 2026, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pandas as pd
import pytest
from telling import BOT, TOM, Teller, at

from kommo_nb import metrics
from kommo_nb.clock import msec
from kommo_nb.metrics import Calendar, Filter
from kommo_nb.store import Store

MIN, HOUR = 60.0, 3600.0
MARCH_2 = Filter(at(2, "00:00"), at(3, "00:00"))
ROUND_THE_CLOCK = Calendar(tz="Europe/Madrid", weekdays=(0, 1, 2, 3, 4, 5, 6), opens=time(0), closes=time(0))
OFFICE = Calendar()


def tell(store: Store, chat: str, *lines: tuple[int, str, str]) -> Teller:
    """A chat as day, clock and author; each author's word is the name of the side."""
    teller = Teller(store)
    for day, clock, author in lines:
        if author == "client":
            teller.client(chat, at(day, clock), "…")
        else:
            teller.crm(chat, at(day, clock), "…", sender={"bot": BOT, "manager": TOM}[author])
    store.project()
    return teller


def waits(frame: pd.DataFrame) -> list[tuple[str, float, bool]]:
    """Each wait as the clock time of asking, seconds, and whether it is open."""
    return [(f"{row.asked_at:%d %H:%M}", row.wait_s, row.open) for row in frame.itertuples()]


def test_a_burst_is_one_turn_and_counts_from_its_last_message(store: Store) -> None:
    """Client 10:00 and 10:02, manager 10:10 and 10:20: one turn of 8 min; the first response took 10 min."""
    tell(store, "a", (2, "10:00", "client"), (2, "10:02", "client"), (2, "10:10", "manager"), (2, "10:20", "manager"))
    assert waits(metrics.response_time(store, MARCH_2)) == [("02 10:02", 8 * MIN, False)]
    assert waits(metrics.first_response_time(store, MARCH_2)) == [("02 10:00", 10 * MIN, False)]


def test_a_bot_answers_nobody_and_parts_no_turn(store: Store) -> None:
    """Client 10:00, bot 10:01, client 10:05, manager 10:30: one turn, 25 min from 10:05 and 30 min from 10:00."""
    tell(store, "a", (2, "10:00", "client"), (2, "10:01", "bot"), (2, "10:05", "client"), (2, "10:30", "manager"))
    assert waits(metrics.response_time(store, MARCH_2)) == [("02 10:05", 25 * MIN, False)]
    assert waits(metrics.first_response_time(store, MARCH_2)) == [("02 10:00", 30 * MIN, False)]


def test_a_managers_first_word_is_no_answer(store: Store) -> None:
    """Manager 09:00, client 09:30, manager 09:40: the client waited 10 min, whoever began."""
    tell(store, "a", (2, "09:00", "manager"), (2, "09:30", "client"), (2, "09:40", "manager"))
    for metric in (metrics.response_time, metrics.first_response_time):
        assert waits(metric(store, MARCH_2)) == [("02 09:30", 10 * MIN, False)]


def test_an_open_wait_counts_to_the_end_of_the_period(store: Store) -> None:
    """Client 22:00, answered on the 3rd at 01:00: open with 2 h at midnight; seen to the 4th, answered after 3 h."""
    tell(store, "a", (2, "22:00", "client"), (3, "01:00", "manager"))
    longer = Filter(at(2, "00:00"), at(4, "00:00"))
    for metric in (metrics.response_time, metrics.first_response_time):
        assert waits(metric(store, MARCH_2)) == [("02 22:00", 2 * HOUR, True)]
        assert waits(metric(store, longer)) == [("02 22:00", 3 * HOUR, False)]


def test_an_answer_across_midnight_has_the_time_that_passed(store: Store) -> None:
    """Client Monday 23:30, manager Tuesday 00:10: 40 min, none of it in office hours; it belongs to Monday."""
    tell(store, "a", (2, "23:30", "client"), (3, "00:10", "manager"))
    both = Filter(at(2, "00:00"), at(4, "00:00"))
    assert list(metrics.response_time(store, both, calendar=OFFICE)["wait_s"]) == [40 * MIN]
    assert list(metrics.response_time(store, both, calendar=OFFICE)["business_s"]) == [0.0]
    assert metrics.response_time(store, Filter(at(3, "00:00"), at(4, "00:00"))).empty


def test_the_period_has_its_first_moment_and_not_its_last(store: Store) -> None:
    """Clients at 00:00 of the 2nd and of the 3rd: the period of the 2nd has the first alone, open for 24 h."""
    tell(store, "a", (2, "00:00", "client"))
    tell(store, "b", (3, "00:00", "client"))
    for metric in (metrics.response_time, metrics.first_response_time):
        assert waits(metric(store, MARCH_2)) == [("02 00:00", 24 * HOUR, True)]


def test_an_answer_at_the_very_end_is_not_in_the_period(store: Store) -> None:
    """Client 23:00, manager at 00:00 of the 3rd: at the end of the 2nd the wait is still open."""
    tell(store, "a", (2, "23:00", "client"), (3, "00:00", "manager"))
    assert waits(metrics.response_time(store, MARCH_2)) == [("02 23:00", HOUR, True)]


def test_silence_of_exactly_a_day_is_one_session(store: Store) -> None:
    """Answered on the 2nd at 10:10, written again on the 3rd at 10:10: one session; at 10:11 it would be a second."""
    tell(store, "a", (2, "10:00", "client"), (2, "10:10", "manager"), (3, "10:10", "client"))
    tell(store, "b", (2, "11:00", "client"), (2, "11:10", "manager"), (3, "11:11", "client"))
    week = Filter(at(1, "00:00"), at(3, "12:11"))
    assert waits(metrics.first_response_time(store, week)) == [
        ("02 10:00", 10 * MIN, False),
        ("02 11:00", 10 * MIN, False),
        ("03 11:11", HOUR, True),
    ]
    short = metrics.first_response_time(store, week, silence_s=23 * 3600)
    assert [each[0] for each in waits(short)] == ["02 10:00", "02 11:00", "03 10:10", "03 11:11"]


def test_a_bot_keeps_a_session_awake(store: Store) -> None:
    """Client on the 2nd at 10:00, bot at 20:00, client on the 3rd at 19:00: never 24 h of silence, one session."""
    tell(store, "a", (2, "10:00", "client"), (2, "20:00", "bot"), (3, "19:00", "client"))
    assert len(metrics.first_response_time(store, Filter(at(1, "00:00"), at(4, "00:00")))) == 1


def test_a_session_that_began_before_the_period_is_not_in_it(store: Store) -> None:
    """Client on the 1st at 23:00 and the 2nd at 01:00: the session's first message lies before; the turn's does not."""
    tell(store, "a", (1, "23:00", "client"), (2, "01:00", "client"))
    assert metrics.first_response_time(store, MARCH_2).empty
    assert waits(metrics.response_time(store, MARCH_2)) == [("02 01:00", 23 * HOUR, True)]


def test_a_late_answer_ends_the_wait_of_its_session(store: Store) -> None:
    """Client on the 2nd at 10:00, manager on the 5th at 10:00, three days of silence later: 72 h, not open."""
    tell(store, "a", (2, "10:00", "client"), (5, "10:00", "manager"))
    assert waits(metrics.first_response_time(store, Filter(at(2, "00:00"), at(6, "00:00")))) == [
        ("02 10:00", 72 * HOUR, False)
    ]


def test_an_edit_is_no_message(store: Store) -> None:
    """Client 10:00, edited 10:20, manager 10:30: 30 min, one message, one turn."""
    teller = Teller(store)
    teller.client("a", at(2, "10:00"), "Hi", msgid="one")
    edit = {"msec_timestamp": at(2, "10:20"), "msgid": "one", "message": {"type": "text", "text": "Hello"}}
    teller.call("edit", "", at(2, "10:20"), {"event_type": "edit_message", "payload": edit}, None)
    teller.crm("a", at(2, "10:30"), "Yes")
    store.project()
    assert len(store.query("SELECT * FROM edits")) == 1
    assert waits(metrics.response_time(store, MARCH_2)) == [("02 10:00", 30 * MIN, False)]
    assert list(metrics.message_types(store, MARCH_2)["messages"]) == [2]


def test_waits_heed_the_scope_and_not_the_author(store: Store) -> None:
    """A filter for managers leaves the client's turn whole; another scope has none."""
    tell(store, "a", (2, "10:00", "client"), (2, "10:10", "manager"))
    managers = Filter(MARCH_2.since_ms, MARCH_2.until_ms, author="manager", scope_id="channel_account")
    elsewhere = Filter(MARCH_2.since_ms, MARCH_2.until_ms, scope_id="channel_other")
    for metric in (metrics.response_time, metrics.first_response_time):
        assert waits(metric(store, managers)) == [("02 10:00", 10 * MIN, False)]
        assert metric(store, elsewhere).empty
    assert metrics.waiting_now(store, elsewhere, now_ms=at(2, "10:05")).empty
    assert len(metrics.waiting_now(store, managers, now_ms=at(2, "10:05"))) == 1


# --- Business time ---


def utc(text: str) -> int:
    return msec(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("calendar", "since", "until", "seconds"),
    [
        # Friday 17:30 to Monday 09:15: half an hour and a quarter.
        (OFFICE, "2026-03-06 17:30", "2026-03-09 09:15", 45 * MIN),
        # Within a day, over its opening and its closing.
        (OFFICE, "2026-03-02 08:00", "2026-03-02 09:01", MIN),
        (OFFICE, "2026-03-02 17:59", "2026-03-02 23:00", MIN),
        # A weekend has none.
        (OFFICE, "2026-03-07 00:00", "2026-03-09 09:00", 0.0),
        # St Patrick's day, a Tuesday: an hour of Monday and one of Wednesday; without the holiday nine more.
        (Calendar(tz="Europe/Dublin", country="IE"), "2026-03-16 17:00", "2026-03-18 10:00", 2 * HOUR),
        (Calendar(tz="Europe/Dublin"), "2026-03-16 17:00", "2026-03-18 10:00", 11 * HOUR),
        # Epiphany is a holiday in Bavaria (a Tuesday of 2026), and none in Berlin.
        (Calendar(country="DE", subdivision="BY"), "2026-01-06 00:00", "2026-01-07 00:00", 0.0),
        (Calendar(country="DE", subdivision="BE"), "2026-01-06 00:00", "2026-01-07 00:00", 9 * HOUR),
        # Madrid's Sundays of the clock change have 23 and 25 hours, and both are worked through.
        (ROUND_THE_CLOCK, "2026-03-28 23:00", "2026-03-29 22:00", 23 * HOUR),
        (ROUND_THE_CLOCK, "2026-10-24 22:00", "2026-10-25 23:00", 25 * HOUR),
        # Friday 17:45 in Madrid is 16:45 UTC, Monday 09:20 is 07:20 UTC: 15 and 20 minutes.
        (Calendar(tz="Europe/Madrid"), "2026-03-27 16:45", "2026-03-30 07:20", 35 * MIN),
        # A night shift from 01:00 to 05:00 lasts three hours in the night that lacks one.
        (
            Calendar(tz="Europe/Madrid", weekdays=(6,), opens=time(1), closes=time(5)),
            "2026-03-28 12:00",
            "2026-03-29 12:00",
            3 * HOUR,
        ),
    ],
)
def test_business_time(calendar: Calendar, since: str, until: str, seconds: float) -> None:
    """Only working hours count, in the calendar's zone, without its holidays, as long as they really last."""
    assert list(calendar.seconds([utc(since)], [utc(until)])) == [seconds]


def test_business_time_of_many_waits_is_that_of_each(store: Store) -> None:
    """Waits that lie far apart do not disturb each other, and no wait gives no seconds."""
    since, until = (
        [utc("2026-03-06 17:30"), utc("2026-03-02 08:00")],
        [utc("2026-03-09 09:15"), utc("2026-03-02 09:01")],
    )
    assert list(OFFICE.seconds(since, until)) == [45 * MIN, MIN]
    assert list(OFFICE.seconds([], [])) == []


def test_quantiles_count_open_waits(store: Store) -> None:
    """Waits of 10, 20 and 30 min and one open for 14 h: median 25 min, p90 seven tenths from 30 min to 14 h.

    In office hours the open wait, from 10:00 to 18:00, has 8 h; p90 is 30 min + 0.7 · 7.5 h.
    """
    for chat, minutes in (("a", 10), ("b", 20), ("c", 30)):
        tell(store, chat, (2, "09:00", "client"), (2, f"09:{minutes}", "manager"))
    tell(store, "d", (2, "10:00", "client"))
    found = metrics.quantiles(metrics.response_time(store, MARCH_2, calendar=OFFICE))
    assert list(found["time"]) == ["calendar", "business"]
    assert found[["waits", "open"]].to_numpy().tolist() == [[4, 1], [4, 1]]
    assert list(found["median_s"]) == [25 * MIN, 25 * MIN]
    assert list(found["p90_s"]) == pytest.approx([30 * MIN + 0.7 * 13.5 * HOUR, 30 * MIN + 0.7 * 7.5 * HOUR])


def test_distribution_has_two_bars_to_a_doubling(store: Store) -> None:
    """0.5 s and 1 s stand in the first bar, 2 s and 2.8 s in the third (from 2 to 2.83 s), 4 s, open, in the fifth."""
    teller, end = Teller(store), at(2, "10:00")
    for chat, ago_ms, wait_ms in (("a", 9_000, 500), ("b", 8_000, 1_000), ("c", 7_000, 2_000), ("d", 6_000, 2_800)):
        teller.client(chat, end - ago_ms, "…")
        teller.crm(chat, end - ago_ms + wait_ms, "…")
    teller.client("e", end - 4_000, "…")
    store.project()
    found = metrics.response_distribution(store, Filter(at(2, "00:00"), end))
    assert list(found["answered"]) == [2, 0, 2, 0, 0]
    assert list(found["open"]) == [0, 0, 0, 0, 1]
    assert list(found["from_s"]) == pytest.approx([0, 2**0.5, 2, 2**1.5, 4])
    assert list(found["to_s"][:-1]) == list(found["from_s"][1:])


# --- Time windows ---


def test_time_windows_end_a_day_after_the_clients_last_message(store: Store) -> None:
    """At 12:00 on the 3rd.

    a wrote on the 2nd at 12:00, unanswered: expired, this very moment. b at 13:00, answered: 1 h left. c on the 3rd at
    00:00, unanswered: 12 h left. d on the 2nd at 09:00, answered: expired, of no concern, as f of 12:00. e on the 1st.
    """
    tell(store, "a", (2, "12:00", "client"))
    tell(store, "b", (2, "13:00", "client"), (2, "13:05", "manager"))
    tell(store, "c", (3, "00:00", "client"), (3, "00:01", "bot"))
    tell(store, "d", (2, "09:00", "client"), (2, "09:05", "manager"))
    tell(store, "e", (1, "12:00", "client"))
    tell(store, "f", (2, "12:00", "client"), (2, "12:01", "manager"))
    windows = metrics.time_windows(store, now_ms=at(3, "12:00"))
    assert list(windows[["chat_id", "left_s", "unanswered"]].itertuples(index=False, name=None)) == [
        ("b", HOUR, False),
        ("c", 12 * HOUR, True),
        ("a", 0.0, True),
        ("e", -24 * HOUR, True),
    ]
    assert list(metrics.expiring(store, now_ms=at(3, "12:00")).itertuples(index=False, name=None)) == [
        ("1 h", 1, 0),
        ("4 h", 1, 0),
        ("12 h", 2, 1),
        ("expired", 2, 2),
    ]


def test_a_time_window_has_the_length_that_is_given(store: Store) -> None:
    """With two hours, the client of 10:00 has half an hour left at 11:30."""
    tell(store, "a", (2, "10:00", "client"))
    assert list(metrics.time_windows(store, now_ms=at(2, "11:30"), window_s=7200)["left_s"]) == [30 * MIN]


# --- The period before ---


def test_the_period_before_has_the_same_clock_times() -> None:
    """Madrid, from Monday the 23rd to Monday the 30th, over the clock change (167 h): a week earlier, which has 168."""
    week = Filter(utc("2026-03-22 23:00"), utc("2026-03-29 22:00"), tz="Europe/Madrid", author="bot")
    before = week.before()
    assert (before.since_ms, before.until_ms) == (utc("2026-03-15 23:00"), utc("2026-03-22 23:00"))
    assert (before.author, before.tz) == ("bot", "Europe/Madrid")


def test_a_week_with_an_hour_more_goes_back_a_week() -> None:
    """Madrid, from Monday the 19th to the 26th of October, has 169 h, and still compares with Monday the 12th."""
    before = Filter(utc("2026-10-18 22:00"), utc("2026-10-25 23:00"), tz="Europe/Madrid").before()
    assert (before.since_ms, before.until_ms) == (utc("2026-10-11 22:00"), utc("2026-10-18 22:00"))


def test_the_period_before_part_of_a_day_is_the_same_part_of_the_day_before() -> None:
    """From 09:00 to 12:00 on the 2nd compares with the same hours of the 1st; 25 h go back two days."""
    assert Filter(at(2, "09:00"), at(2, "12:00")).before() == Filter(at(1, "09:00"), at(1, "12:00"))
    assert Filter(at(4, "00:00"), at(5, "01:00")).before() == Filter(at(2, "00:00"), at(3, "01:00"))
