"""The Overview's numbers over a year of five million messages: ours, raw SQL in the same file, pandas in memory.

make bench. KOMMO_NB_BENCH_YEAR names a file that years.py has made, KOMMO_NB_BENCH_MESSAGES makes a smaller one.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import psutil
import pytest
from benchmarks import years
from helpers import FrozenClock

from dashboards.app import Dashboard, Source
from dashboards.state import State
from kommo_nb import metrics
from kommo_nb.metrics import Filter
from kommo_nb.sandbox import traffic
from kommo_nb.sandbox.app import Credentials, new_world
from kommo_nb.store import Store

YEAR = os.environ.get("KOMMO_NB_BENCH_YEAR")
MESSAGES = int(os.environ.get("KOMMO_NB_BENCH_MESSAGES", years.MESSAGES))
DAY_MS = 86_400_000
# The triggers that mark what is to be counted. The others tell what follows from reports and from a chat's map.
MARKING = ("message_added", "message_counted", "message_moved", "message_removed", "chat_renamed")
TZ = "Europe/Athens"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A year of messages, read-only as the dashboard has it."""
    path = Path(YEAR) if YEAR else tmp_path_factory.mktemp("year") / "year.db"
    if not path.exists():
        years.make(path, MESSAGES, until_ms=int(time.time() * 1000)).close()
    found = Store(path, read_only=True)
    yield found
    found.close()


@pytest.fixture(scope="module")
def where(store: Store) -> Filter:
    """The last 30 days, from a midnight in Athens on."""
    until_ms = store.query("SELECT max(sent_at_ms) + 1 AS until_ms FROM messages")[0]["until_ms"]
    first = pd.Timestamp(until_ms, unit="ms", tz=TZ).normalize() - pd.Timedelta(days=29)
    return Filter(int(first.timestamp() * 1000), until_ms, tz=TZ)


def took_ms(work: Callable[[], Any], times: int = 5) -> float:
    """The median of several runs, in ms; the first one, with cold pages, does not count."""
    runs = []
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        runs.append((time.perf_counter() - start) * 1000)
    return sorted(runs[1:])[times // 2]


def overview(store: Store, where: Filter) -> dict[str, Callable[[], Any]]:
    """What the Overview asks for."""
    now_ms = where.until_ms
    return {
        "headline": lambda: metrics.headline(store, where),
        "volume by day": lambda: metrics.volume(store, where),
        "delivery by day": lambda: metrics.delivery(store, where),
        "busy hours": lambda: metrics.busy_hours(store, where),
        "responses": lambda: metrics.response_summary(store, where),
        "their lengths": lambda: metrics.response_distribution(store, where),
        "their course": lambda: metrics.response_course(store, where),
        "types": lambda: metrics.message_types(store, where),
        "waiting now": lambda: metrics.waiting_now(store, where, now_ms=now_ms, limit=100),
    }


def test_what_rollups_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time for 90 quiet days, and for three days of the year of five million messages.

    Until the last message stands in its table, and until all rollups are up to date, which comes after it.
    """
    quiet = list(traffic.history(new_world(Credentials()), until=datetime.now().astimezone()))
    for name, rows in (
        ("90 quiet days", quiet),
        ("3 days of the year", years.raw_rows(3, until_ms=int(time.time() * 1000))),
    ):
        took_us: dict[str, list[float]] = {"without": [], "with": [], "with, and counted": []}
        for turn in range(10):
            store = Store(tmp_path / f"{name}{turn}.db")
            store.conn.execute("PRAGMA synchronous = NORMAL")  # as the projector has it
            with monkeypatch.context() as patch:
                if not turn % 2:
                    patch.setattr(Store, "_count", lambda *_: 0)
                    for trigger in MARKING:
                        store.conn.execute(f"DROP TRIGGER {trigger}")
                store.load(rows)
                projected, next_batch = list[float](), Store._next_batch
                patch.setattr(Store, "_next_batch", lambda self: next_batch(self) or projected.append(process_time()))  # noqa: B023
                start = process_time()
                store.project()
                ends = (
                    {"without": projected[0]}
                    if not turn % 2
                    else {"with": projected[0], "with, and counted": process_time()}
                )
                for kind, end in ends.items():
                    took_us[kind].append((end - start) * 1e6 / len(rows))
            store.close()
        plain = statistics.median(took_us["without"])
        for kind, each in took_us.items():
            print(f"\n{name}, {len(rows):,} raw rows, {kind}: {statistics.median(each):.0f} us each", end="")
            print(f" (+{statistics.median(each) / plain - 1:.0%})" if kind != "without" else "", end="")


def test_overview(store: Store, where: Filter) -> None:
    """Each query of the Overview and all together; then with a filter and over other periods."""
    counts = store.query("SELECT (SELECT count(*) FROM messages) AS m, (SELECT count(*) FROM statuses) AS s")[0]
    print(f"\n{counts['m']:,} messages, {counts['s']:,} reports, {store.path.stat().st_size / 2**30:.1f} GB")
    scope_id = metrics.channels(store)["scope_id"][0]
    chosen = {
        "30 days": where,
        "a channel": Filter(*where.period, scope_id=scope_id, tz=TZ),
        "texts": Filter(*where.period, type="text", tz=TZ),
        "managers": Filter(*where.period, author="manager", tz=TZ),
        "90 days": Filter(where.since_ms - 60 * DAY_MS, where.until_ms, tz=TZ),
        "a year": Filter(where.since_ms - 335 * DAY_MS, where.until_ms, tz=TZ),
    }
    for name, each in chosen.items():
        times = {query: took_ms(work) for query, work in overview(store, each).items()}
        print(f"{name:10} {sum(times.values()):6.1f} ms  ({', '.join(f'{q} {ms:.1f}' for q, ms in times.items())})")


def test_a_filter_change(store: Store, where: Filter) -> None:
    """What the server does when the reader chooses something: it reads the Overview's numbers and draws all cards."""
    state = State(tz=TZ)
    dashboard = Dashboard(Source(store.path), state, FrozenClock(datetime.fromtimestamp(where.until_ms / 1000, UTC)))
    dashboard.refresh()

    def change(name: str, value: Any) -> None:
        for each in (value, state.param[name].default):
            setattr(state, name, each)

    choices = {"channel": years.SCOPES[0], "author": "manager", "type": "text", "period": 90}
    took = {name: took_ms(lambda: change(name, value)) / 2 for name, value in choices.items()}  # noqa: B023
    print("\na filter, set or taken back: " + ", ".join(f"{name} {ms:.0f}" for name, ms in took.items()), "ms")


def test_other_pages(store: Store, where: Filter) -> None:
    """What the other tabs ask for."""
    chat = store.query("SELECT chat FROM chat_totals ORDER BY messages DESC LIMIT 1")[0]["chat"]
    now_ms = where.until_ms
    work: dict[str, Callable[[], Any]] = {
        "funnel": lambda: metrics.delivery_funnel(store, where),
        "failures": lambda: metrics.failures(store, where),
        "delivery times": lambda: metrics.delivery_summary(store, where),
        "types": lambda: metrics.message_types(store, where),
        "conversations": lambda: metrics.conversations(store),
        "a channel's": lambda: metrics.conversations(store, Filter(0, 1, scope_id=years.SCOPES[0])),
        "waiting": lambda: metrics.conversations(store, waiting=True),
        "found": lambda: metrics.conversations(store, search="client 4711"),
        "transcript": lambda: metrics.transcript(store, chat),
        "windows": lambda: metrics.time_windows(store, now_ms=now_ms, limit=100),
        "expiring": lambda: metrics.expiring(store, now_ms=now_ms),
        "hook health": lambda: metrics.hook_health(store, where),
    }
    print("\n" + ", ".join(f"{name} {took_ms(each):.1f}" for name, each in work.items()), "ms")


RAW = {
    "messages by day": """
        SELECT sent_at_ms / 86400000, author, count(*) FROM messages
        WHERE sent_at_ms >= :since_ms AND sent_at_ms < :until_ms GROUP BY 1, 2""",
    "delivery": """
        SELECT count(*), sum(EXISTS (SELECT 1 FROM statuses s WHERE s.message_id = m.message_id AND status_code = 1)),
               sum(EXISTS (SELECT 1 FROM statuses s WHERE s.message_id = m.message_id AND status_code = 2))
        FROM messages m WHERE sent_at_ms >= :since_ms AND sent_at_ms < :until_ms AND delivery_id IS NOT NULL""",
    "waits": """
        SELECT next_ms - sent_at_ms AS wait_ms FROM (
            SELECT author, sent_at_ms, lead(author) OVER turn AS next, lead(sent_at_ms) OVER turn AS next_ms
            FROM messages WHERE sent_at_ms >= :since_ms AND sent_at_ms < :until_ms AND author <> 'bot'
            WINDOW turn AS (PARTITION BY chat_id ORDER BY sent_at_ms))
        WHERE author = 'client' AND next IS NOT 'client' ORDER BY wait_ms""",
}


def test_against_raw_sql_and_pandas(store: Store, where: Filter) -> None:
    """The same three numbers by each way, and the memory that pandas needs for it."""
    params = {"since_ms": where.since_ms, "until_ms": where.until_ms}
    ours = {
        "messages by day": lambda: metrics.volume(store, where),
        "delivery": lambda: metrics.delivery_funnel(store, where),
        "waits": lambda: metrics.response_summary(store, where),
    }
    before = psutil.Process().memory_info().rss
    sql = "SELECT chat_id, author, sent_at_ms, delivery_id IS NOT NULL AS sent, message_id FROM messages"
    start = time.perf_counter()
    messages = pd.read_sql_query(sql, store.conn)
    statuses = pd.read_sql_query("SELECT message_id, status_code FROM statuses", store.conn)
    loading_s, size = time.perf_counter() - start, psutil.Process().memory_info().rss - before
    print(f"\npandas: loaded in {loading_s:.0f} s, {size / 2**30:.1f} GB")

    def chosen() -> pd.DataFrame:
        return messages[messages["sent_at_ms"].between(where.since_ms, where.until_ms - 1)]

    def waits() -> float:
        human = chosen().query("author != 'bot'").sort_values(["chat_id", "sent_at_ms"])
        follows = human.groupby("chat_id")[["author", "sent_at_ms"]].shift(-1)
        asked = (human["author"] == "client") & (follows["author"] != "client")
        return float((follows["sent_at_ms"] - human["sent_at_ms"])[asked].quantile(0.5))

    def by_day() -> Any:
        local = pd.to_datetime(chosen()["sent_at_ms"], unit="ms", utc=True).dt.tz_convert(ZoneInfo(TZ))
        return chosen().groupby([local.dt.date, "author"]).size()

    def delivery() -> Any:
        found = chosen().query("sent == 1")[["message_id"]].merge(statuses, on="message_id")
        return found.groupby("status_code")["message_id"].nunique()

    for (name, mine), in_memory in zip(ours.items(), (by_day, delivery, waits), strict=True):
        fast, raw, whole = took_ms(mine), took_ms(lambda: store.query(RAW[name], params), 1), took_ms(in_memory, 1)  # noqa: B023
        ratios = f"raw SQL {raw:8.0f} ({raw / fast:6.0f} x)   pandas {whole:8.0f} ({whole / fast:6.0f} x)"
        print(f"{name:16} ours {fast:7.1f} ms   {ratios}")
