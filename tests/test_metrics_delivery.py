"""Delivery, volume and hooks against answers worked out on paper. March 2026, in UTC unless said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from telling import BOT, Teller, at

from kommo_nb import metrics
from kommo_nb.metrics import Filter
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery, Exchange

MARCH_2 = Filter(at(2, "00:00"), at(3, "00:00"))


@pytest.fixture
def teller(store: Store) -> Teller:
    return Teller(store)


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    chosen = frame[list(columns)].astype(object)
    return list(chosen.where(chosen.notna(), None).itertuples(index=False, name=None))


def summary(store: Store) -> list[tuple[Any, ...]]:
    return rows(metrics.delivery_summary(store, MARCH_2), "stage", "messages", "median_s", "p90_s")


def near(seconds: float) -> Any:
    """Equal within the error that is stated for lengths counted by steps."""
    return pytest.approx(seconds, rel=0.045, abs=0.063)


# --- Delivery ---


def test_failed_then_delivered_is_delivered(store: Store, teller: Teller) -> None:
    """Failed at 10:01, delivered at 10:05: no failure any more, and delivered after 5 min."""
    sent = teller.crm("a", at(2, "10:00"), "Hi")
    teller.report(sent, at(2, "10:01"), -1, error_code=904)
    teller.report(sent, at(2, "10:05"), 1)
    store.project()
    assert metrics.failures(store, MARCH_2).empty
    assert list(metrics.delivery_funnel(store, MARCH_2)["messages"]) == [1, 1, 0, 0, 0]
    assert summary(store) == [("delivered", 1, near(300), near(300)), ("read", 0, None, None)]


def test_the_ledger_tells_new_late_and_repeated_reports(store: Store, teller: Teller) -> None:
    """Failed, read, delivered (late), read (repeated), failed again (repeated), then a code that nobody knows."""
    sent = teller.crm("a", at(2, "10:00"), "Hi")
    for minute, code in (("10:01", -1), ("10:02", 2), ("10:03", 1), ("10:04", 2), ("10:05", -1), ("10:06", 7)):
        teller.report(sent, at(2, minute), code)
    store.project()
    assert rows(metrics.delivery_ledger(store, MARCH_2), "status", "effect") == [
        ("failed", "new"),
        ("read", "new"),
        ("delivered", "late"),
        ("read", "repeated"),
        ("failed", "repeated"),
        ("unknown", None),
    ]


def test_reports_are_told_in_order_of_time_not_of_arrival(store: Store, teller: Teller) -> None:
    """«Read» of 10:05 arrives first, «delivered» of 10:02 after it: both are new, delivered first."""
    sent = teller.crm("a", at(2, "10:00"), "Hi")
    teller.report(sent, at(2, "10:05"), 2)
    teller.report(sent, at(2, "10:02"), 1)
    store.project()
    assert rows(metrics.delivery_ledger(store, MARCH_2), "status", "effect") == [("delivered", "new"), ("read", "new")]
    assert summary(store) == [("delivered", 1, near(120), near(120)), ("read", 1, near(300), near(300))]


def test_read_implies_delivered_also_in_time(store: Store, teller: Teller) -> None:
    """Only «read», after 3 min: delivered after 3 min too. A report of a second before the message counts as 0 s."""
    teller.report(teller.crm("a", at(2, "10:00"), "Hi"), at(2, "10:03"), 2)
    teller.report(teller.crm("a", at(2, "11:00"), "Hi"), at(2, "11:00") - 1000, 1)
    teller.crm("a", at(2, "12:00"), "Nothing is reported")
    store.project()
    assert summary(store) == [("delivered", 2, near(90), near(162)), ("read", 1, near(180), near(180))]


def test_delivery_heeds_the_filter(store: Store, teller: Teller) -> None:
    """A manager's picture and a bot's text: each filter finds one, another scope none."""
    teller.report(teller.crm("a", at(2, "10:00"), "", type="picture", media="https://x.example/p"), at(2, "10:01"), 1)
    teller.report(teller.crm("a", at(2, "11:00"), "Hi", sender=BOT), at(2, "11:01"), -1, error_code=901)
    store.project()
    for chosen, expected in (
        ({"author": "manager"}, [1, 1, 0, 0, 0]),
        ({"author": "bot"}, [1, 0, 0, 1, 0]),
        ({"type": "picture"}, [1, 1, 0, 0, 0]),
        ({"scope_id": "channel_account"}, [2, 1, 0, 1, 0]),
        ({"scope_id": "other_account"}, [0, 0, 0, 0, 0]),
    ):
        where = replace(MARCH_2, **chosen)
        assert list(metrics.delivery_funnel(store, where)["messages"]) == expected
        assert list(metrics.delivery(store, where)[list(metrics.STAGES)].iloc[0]) == expected
        assert len(metrics.delivery_ledger(store, where)) == sum(expected[1:])
    assert rows(metrics.failures(store, replace(MARCH_2, author="bot")), "error_code", "messages") == [(901, 1)]


def test_rejected_calls_by_status_and_error_type(store: Store, teller: Teller) -> None:
    """Two refused signatures, one call without an answer, one refused connect; what succeeded or is older is left out.

    Connecting names the channel, no scope, so a filter for the scope leaves it out.
    """
    path, connect = "/v2/origin/custom/channel_account", "/v2/origin/custom/channel/connect"
    for day, clock, address, state, status, error in (
        (2, "10:00", path, "failed", 403, "ORIGIN_INVALID_SIGNATURE"),
        (2, "10:05", f"{path}/typing", "failed", 403, "ORIGIN_INVALID_SIGNATURE"),
        (2, "11:00", path, "failed", None, None),
        (2, "12:00", connect, "failed", 404, "ORIGIN_NOT_REGISTERED"),
        (2, "13:00", path, "done", 200, None),
        (1, "23:59", path, "failed", 500, None),
    ):
        call = Exchange(at(day, clock), "send", "POST", address, b"", state=state, status=status, error_type=error)
        store.begin_exchange(call)
    found = metrics.rejected_calls(store, MARCH_2)
    assert rows(found, "status", "error_type", "calls") == [
        (403, "ORIGIN_INVALID_SIGNATURE", 2),
        (None, None, 1),
        (404, "ORIGIN_NOT_REGISTERED", 1),
    ]
    assert found["last_at"][0] == pd.Timestamp("2026-03-02 10:05", tz="UTC")
    assert list(metrics.rejected_calls(store, replace(MARCH_2, scope_id="channel_account"))["calls"]) == [2, 1]
    assert metrics.rejected_calls(store, replace(MARCH_2, scope_id="channel_acc")).empty


# --- Volume ---


def test_weeks_begin_on_monday(store: Store, teller: Teller) -> None:
    """The 1st is a Sunday, the 2nd and the 8th lie in the next week, which the 9th does not."""
    for day in (1, 2, 8, 9):
        teller.client("a", at(day, "12:00"), "Hi")
    store.project()
    weeks = metrics.volume(store, Filter(at(1, "00:00"), at(10, "00:00")), grain="week")
    assert list(weeks["client"]) == [1, 2, 1]
    assert [f"{bucket:%m-%d}" for bucket in weeks["bucket"]] == ["02-23", "03-02", "03-09"]


def test_message_types_with_their_shares(store: Store, teller: Teller) -> None:
    """Three texts, two of them the client's, and a manager's picture: three quarters and one."""
    teller.client("a", at(2, "10:00"), "Hi")
    teller.client("a", at(2, "10:01"), "There")
    teller.crm("a", at(2, "10:02"), "Yes")
    teller.crm("a", at(2, "10:03"), "", type="picture", media="https://x.example/p")
    store.project()
    columns = ("type", "client", "manager", "bot", "messages", "share")
    assert rows(metrics.message_types(store, MARCH_2), *columns) == [
        ("text", 2, 1, 0, 3, 0.75),
        ("picture", 0, 1, 0, 1, 0.25),
    ]


def test_busy_hours_are_those_of_the_zone(store: Store, teller: Teller) -> None:
    """Sunday 18:45 UTC is Monday 00:15 in Kolkata, 5:30 ahead; at 19:00 UTC it is 00:30, the same hour."""
    for clock in ("18:45", "19:00"):
        teller.client("a", at(1, clock), "Hi")
    store.project()
    hours = metrics.busy_hours(store, Filter(at(1, "00:00"), at(3, "00:00"), tz="Asia/Kolkata"))
    assert len(hours) == 168
    assert rows(hours[hours["client"] > 0], "weekday", "hour", "client") == [(0, 0, 2)]


def test_busy_hours_lack_the_hour_that_spring_skips(store: Store, teller: Teller) -> None:
    """In Madrid on Sunday the 29th 00:59 UTC is 01:59, and 01:00 UTC is 03:00."""
    for clock in ("00:59", "01:00"):
        teller.client("a", at(29, clock), "Hi")
    store.project()
    hours = metrics.busy_hours(store, Filter(at(28, "00:00"), at(30, "00:00"), tz="Europe/Madrid"))
    assert rows(hours[hours["client"] > 0], "weekday", "hour", "client") == [(6, 1, 1), (6, 3, 1)]


# --- Hooks ---


def hook_body(message_id: str, text: str) -> bytes:
    message = {"id": message_id, "type": "text", "text": text}
    event = {"conversation": {"id": "a"}, "sender": {"id": "m"}, "receiver": {"id": "c"}, "message": message}
    body = {"account_id": "account", "time": at(2, "10:00") // 1000}
    return json.dumps(body | {"message": event | {"msec_timestamp": at(2, "10:00")}}).encode()


def hook(store: Store, day: int, clock: str, body: bytes, *, ack_us: int | None = None, status: int = 200) -> None:
    verdict = "valid" if status == 200 else "mismatch"
    store.add_deliveries([Delivery(at(day, clock), "channel_account", body, "s", verdict, status, ack_us)])


def test_hook_health_in_numbers(store: Store) -> None:
    """Two hooks, one again with another body, one unreadable, one refused; acknowledged in 10, 20, 30 and 6000 ms.

    Median 25 ms; p99 lies 0.97 of the way from 30 to 6000. The last came at 23:00, an hour before the end.
    """
    hook(store, 1, "23:00", hook_body("old", "Before the period"), ack_us=1)
    hook(store, 2, "10:00", hook_body("one", "Hi"), ack_us=10_000)
    hook(store, 2, "10:01", hook_body("two", "Hi"), ack_us=20_000)
    hook(store, 2, "10:02", hook_body("one", "Hi, again"), ack_us=30_000)
    hook(store, 2, "10:03", b"not json", ack_us=6_000_000)
    hook(store, 2, "23:00", hook_body("one", "Forged"), status=403)
    hook(store, 3, "00:00", hook_body("new", "After the period"), ack_us=1)
    store.project()
    assert rows(metrics.hook_health(store, MARCH_2), "metric", "value", "unit") == [
        ("hooks", 5.0, "hooks"),
        ("refused", 1.0, "hooks"),
        ("ack_p50", pytest.approx(25.0, rel=0.045), "ms"),
        ("ack_p99", pytest.approx(30 + 0.97 * 5970, rel=0.045), "ms"),
        ("ack_worst", 6000.0, "ms"),
        ("too_slow", 1.0, "hooks"),
        ("duplicates", 1.0, "hooks"),
        ("problems", 1.0, "hooks"),
        ("since_last_hook", 3600.0, "s"),
    ]
    assert rows(metrics.verdicts(store, MARCH_2), "verdict", "http_status", "hooks") == [
        ("valid", 200, 4),
        ("mismatch", 403, 1),
    ]
    assert rows(metrics.problems(store, MARCH_2), "hooks") == [(1,)]


def test_a_hook_that_repeats_an_older_one_is_a_duplicate(store: Store) -> None:
    """The first came on the 1st; its twin is the duplicate of the 2nd. An acknowledgement of 5 s sharp is in time."""
    hook(store, 1, "23:00", hook_body("one", "Hi"))
    hook(store, 2, "10:00", hook_body("one", "Hi"), ack_us=5_000_000)
    store.project()
    health = metrics.hook_health(store, MARCH_2).set_index("metric")["value"]
    assert (health["duplicates"], health["too_slow"]) == (1.0, 0.0)


def test_hooks_that_never_came_are_not_zero_seconds_old(store: Store) -> None:
    """Without hooks the times are NaN and the counts 0."""
    health = metrics.hook_health(store, MARCH_2).set_index("metric")["value"]
    assert health.dropna().to_dict() == dict.fromkeys(("hooks", "refused", "too_slow", "duplicates", "problems"), 0.0)
