"""The dashboard without a browser: its state, what its cards say, and how a page follows the store."""

from __future__ import annotations

import doctest
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from types import ModuleType, SimpleNamespace

import param
import pytest
from helpers import FrozenClock
from telling import BOT, Teller, at

from dashboards import look, markup, views
from dashboards.app import Dashboard, Source, page, source_of
from dashboards.state import State
from kommo_nb import metrics
from kommo_nb.store import Store

EVIL = '<img src=x onerror="alert(1)">'
NOW = at(2, "12:00")


@pytest.fixture
def open_dashboard(tmp_path: Path) -> Iterator[Callable[..., Dashboard]]:
    """Makes a page's dashboard over a file, at noon of 2 March 2026."""
    sources: list[Source] = []

    def make(path: Path = tmp_path / "kommo.db") -> Dashboard:
        sources.append(Source(path))
        clock = FrozenClock(datetime.fromtimestamp(NOW / 1000, UTC))
        dashboard = Dashboard(sources[-1], State(), clock)
        dashboard.refresh()
        return dashboard

    yield make
    for source in sources:
        source.close()


def all_html(dashboard: Dashboard) -> str:
    cards = ("notice", "status", "strip", "volume_head", "funnel", "waiting", "chats", "transcript")
    return "".join(getattr(dashboard, card).html for card in cards)


# --- What comes from strangers ----------------------------------------------------------------------------------------


def test_everything_that_strangers_wrote_is_escaped(store: Store, open_dashboard: Callable[..., Dashboard]) -> None:
    """Names, texts, file names, ids, quotes, errors and reactions arrive as text, in every card at once."""
    teller = Teller(store)
    media = {"type": "file", "media": f"https://x.example/{EVIL}", "file_name": EVIL}
    quoted = teller.client(EVIL, at(2, "10:00"), EVIL, msgid=EVIL, **media)
    answer = teller.crm(EVIL, at(2, "10:01"), EVIL, sender=EVIL, reply_to={"message": {"id": quoted}})
    teller.report(answer, at(2, "10:02"), -1, error_code=905, error=EVIL)
    reaction = {"user": {"id": "u"}, "conversation": {"id": EVIL}, "message": {"id": quoted}}
    teller.hook(
        at(2, "10:03"), {"account_id": "a", "action": {"reaction": {**reaction, "type": "react", "emoji": EVIL}}}
    )
    teller.client(EVIL, at(2, "10:04"), EVIL)
    store.project()
    html = all_html(open_dashboard())
    assert "<img" not in html
    assert 'onerror="' not in html
    assert html.count("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;") >= 12


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "JaVaScRiPt:alert(1)", "//x.example", "file:///etc", "http://[", ""],
)
def test_links_open_only_the_web(store: Store, open_dashboard: Callable[..., Dashboard], url: str) -> None:
    """A media address of any other kind stays plain text."""
    assert "href" not in markup.link(url, "file.pdf")
    Teller(store).client("ana", at(2, "10:00"), "", type="file", media=url or None, file_name="file.pdf")
    store.project()
    transcript = open_dashboard().transcript.html
    assert "file.pdf" in transcript
    assert "href" not in transcript


def test_links_tell_the_other_side_nothing() -> None:
    """A web address in a text becomes a link without opener and referrer, and only the address does."""
    html = markup.linked('see https://x.example/a?b=1&c="2" now')
    assert html.startswith('see <a href="https://x.example/a?b=1&amp;c="')
    assert 'rel="noopener noreferrer"' in html
    assert html.endswith("&quot;2&quot; now")


def test_braces_are_ordinary_characters() -> None:
    """What strangers write is filled into a template, never used as one."""
    assert markup.html("<p>{text}</p>", text="{text} {0} {") == "<p>{text} {0} {</p>"


# --- Colours ----------------------------------------------------------------------------------------------------------


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [look.LIGHT, look.DARK], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(colours: dict[str, str]) -> None:
    """Texts stand out by 4.5 on whatever they stand on, signs and bars by 3, and no two meanings share a colour."""
    tints = ("client_tint", "manager_tint", "bot_tint")
    for ground in ("surface", "page", *tints):
        for text in ("ink", "soft", "failed"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["accent"], colours["client_tint"]) >= 4.5
    assert contrast(colours["read"], colours["surface"]) >= 4.5
    signs = ("client", "manager", "bot", "sent", "delivered", "read", "failed")
    for sign in signs:
        assert contrast(colours[sign], colours["surface"]) >= 3, sign
    for tick in ("delivered", "read"):
        assert contrast(colours[tick], colours["manager_tint"]) >= 3, tick
    assert all(colours[one] != colours[other] for one, other in combinations(signs, 2))


# --- State ------------------------------------------------------------------------------------------------------------


class Address(param.Parameterized):
    """Stands in for the browser's address bar."""

    search = param.String("")


def test_state_travels_in_the_address() -> None:
    """What differs from the defaults stands in the address, and a page that opens it has the same view."""
    here, there = State(), State()
    address = Address(search="?theme=dark")
    here.sync(address)
    assert address.search == "?theme=dark"
    here.param.update(period=7, tz="Europe/Madrid", search="+34 600 & co", chat="c=1", live=False)
    there.sync(Address(search=address.search))
    assert there.query() == here.query()
    assert address.search.startswith("?theme=dark&period=7&tz=Europe%2FMadrid&search=%2B34+600+%26+co&")
    here.param.update(period=30, tz="UTC", search="", chat="", live=True)
    assert address.search == "?theme=dark"


def test_a_changed_address_changes_the_state() -> None:
    """Back to an earlier address: what is no longer given is the default again."""
    address, state = Address(), State()
    state.sync(address)
    address.search = "?period=90&search=12345&live=False"
    assert (state.period, state.search, state.live) == (90, "12345", False)
    address.search = ""
    assert state.query() == {}


@pytest.mark.parametrize("search", ["?period=1000000", "?period=x&tz=../etc/passwd", "?live=maybe", "?&&==", "?name=x"])
def test_an_address_from_a_stranger_falls_back_to_the_defaults(search: str) -> None:
    """Unknown values count as not given."""
    state = State()
    state.read(search)
    assert state.query() == {}


def test_the_period_begins_at_midnight_of_the_time_zone() -> None:
    """Seven days up to noon on Monday the 2nd begin with Tuesday; Tokyo's Tuesday begins 9 h before that of UTC."""
    state = State(period=7)
    assert state.window(NOW) == {"since_ms": NOW - (6 * 24 + 12) * 3_600_000, "until_ms": NOW}
    state.tz = "Asia/Tokyo"
    assert state.window(NOW)["since_ms"] == NOW - (6 * 24 + 12 + 9) * 3_600_000


# --- Cards ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(store: Store) -> Teller:
    """Ana waits after an exchange in which one answer was read and one failed; Boris has his answer from the bot."""
    teller = Teller(store)
    teller.client("boris", at(2, "08:00"), "Hello")
    teller.crm("boris", at(2, "08:01"), "Welcome", sender=BOT)
    teller.client("ana", at(2, "10:00"), "Hi")
    teller.report(teller.crm("ana", at(2, "10:10"), "Yes!"), at(2, "10:12"), 2)
    teller.report(teller.crm("ana", at(2, "10:11"), "No!"), at(2, "10:12"), -1, error_code=901)
    teller.client("ana", at(2, "10:30"), "And?")
    store.project()
    return teller


def test_numbers_and_their_definitions_are_on_the_page(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """6 messages, 3 sent, of which 1 read and 1 failed, 2 waiting, the longest since 08:00; with tooltips."""
    dashboard = open_dashboard()
    for number in (">6<", ">33.3 %<", ">2<", "longest: 4 h 0 min", "none in the 30 days before"):
        assert number in dashboard.strip.html
    assert "the user deleted the conversation" in dashboard.funnel.html
    assert markup.html("{text}", text=metrics.definition(metrics.delivery_funnel)) in dashboard.funnel.html
    assert dashboard.rooms.visible and not dashboard.notice.visible


def test_the_transcript_shows_how_far_each_message_got(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Read, failed with its reason, and nothing for what the client wrote; the newest chat is open at first."""
    dashboard = open_dashboard()
    transcript = dashboard.transcript.html
    assert dashboard.state.chat == "ana"
    assert transcript.count("ticks read") == 1
    assert "✕ failed 901 the user deleted the conversation" in transcript
    assert "Monday, 2 March 2026" in transcript
    told.report(f"id-ana-{at(2, '10:11')}", at(2, "10:13"), 1)
    told.store.project()
    dashboard.tick()
    assert dashboard.transcript.html.count("ticks delivered") == 1


def test_a_click_on_a_chat_opens_it(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """The row's message from the browser chooses the chat in every card; other messages are ignored."""
    dashboard = open_dashboard()
    dashboard.chats._handle_msg({"pick": "boris"})
    assert dashboard.state.chat == "boris"
    assert "Welcome" in dashboard.transcript.html
    assert dashboard.waiting.html.count('aria-current="true"') == dashboard.chats.html.count('aria-current="true"') == 1
    for nonsense in (None, "boris", {"pick": 7}, {"pick": "unknown"}):
        dashboard.chats._handle_msg(nonsense)
    assert "Choose a conversation" in dashboard.transcript.html


def test_the_search_narrows_the_list_only(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """The search finds Boris, and the open transcript stays where it was."""
    dashboard = open_dashboard()
    dashboard.state.search = "bor"
    assert 'data-pick="boris"' in dashboard.chats.html
    assert 'data-pick="ana"' not in dashboard.chats.html
    assert "And?" in dashboard.transcript.html
    dashboard.state.search = "nobody"
    assert "No conversation fits" in dashboard.chats.html


def test_a_time_outside_the_calendar_is_a_dash(store: Store, open_dashboard: Callable[..., Dashboard]) -> None:
    """A hook from the end of the year 9999 does not exist in Tokyo's calendar; the page shows it all the same."""
    Teller(store).crm("ana", 253_402_300_799_999, "Future")
    store.project()
    dashboard = open_dashboard()
    dashboard.state.tz = "Asia/Tokyo"
    assert "Future" in dashboard.transcript.html
    assert ">–</time>" in dashboard.transcript.html


def test_long_lists_say_that_they_are_cut(store: Store, open_dashboard: Callable[..., Dashboard]) -> None:
    """101 chats wait, and one of them has 201 messages: each card says what it leaves out."""
    teller = Teller(store)
    for n in range(101):
        teller.client(f"chat-{n:03}", at(2, "09:00") + n, "Hello")
    for n in range(200):
        teller.client("chat-007", at(2, "10:00") + n, "Hello again")
    store.project()
    dashboard = open_dashboard()
    assert "and 1 more" in dashboard.waiting.html
    assert "The 50 newest" in dashboard.chats.html
    assert "The last 200 of 201 messages" in dashboard.transcript.html


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (61, "1 min"), (3_599, "59 min"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")]
)
def test_lengths_of_time_have_two_units(seconds: int, text: str) -> None:
    """Seconds only below a minute, minutes within the day."""
    assert views.length(seconds) == text


@pytest.mark.parametrize("module", [markup, views])
def test_the_examples_in_docstrings_are_true(module: ModuleType) -> None:
    """Each doctest passes, and there are some."""
    results = doctest.testmod(module)
    assert (results.failed, results.attempted > 0) == (0, True)


# --- Following the store ----------------------------------------------------------------------------------------------


def test_without_a_file_the_page_explains_and_fills_by_itself(
    tmp_path: Path, open_dashboard: Callable[..., Dashboard]
) -> None:
    """No file, then a file without messages, then the first message: two explanations and a page."""
    path = tmp_path / "later.db"
    dashboard = open_dashboard(path)
    assert dashboard.notice.visible and not dashboard.rooms.visible
    for word in ("kommo-nb demo", "/hooks/{scope_id}", str(path)):
        assert word in dashboard.notice.html
    store = Store(path)
    dashboard.tick()
    assert dashboard.notice.visible
    Teller(store).crm("ana", NOW, "First")
    store.project()
    dashboard.tick()
    assert dashboard.rooms.visible and not dashboard.notice.visible
    assert "First" in dashboard.transcript.html
    store.close()


def test_a_file_that_is_no_database_is_explained_and_forgiven(
    tmp_path: Path, open_dashboard: Callable[..., Dashboard]
) -> None:
    """The page says what is wrong, and recovers when a database takes the file's place."""
    path = tmp_path / "broken.db"
    path.write_bytes(b"no database at all" * 100)
    dashboard = open_dashboard(path)
    assert "cannot be read" in dashboard.notice.html
    assert "not an SQLite database" in dashboard.notice.html
    path.unlink()
    store = Store(path)
    Teller(store).crm("ana", NOW, "Mended")
    store.project()
    dashboard.tick()
    assert "Mended" in dashboard.transcript.html
    store.close()


def test_a_new_file_at_the_old_place_is_opened(tmp_path: Path, open_dashboard: Callable[..., Dashboard]) -> None:
    """When the demo starts anew it makes a new database; the page does not stay with the one that is gone."""
    dashboard = open_dashboard(tmp_path / "demo.db")
    for text in ("Before", "After"):
        for old in tmp_path.glob("demo.db*"):
            old.unlink()
        store = Store(tmp_path / "demo.db")
        Teller(store).crm("ana", NOW, text)
        store.project()
        dashboard.tick()
        store.close()
        assert text in dashboard.transcript.html


def test_a_tick_without_news_draws_nothing(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Only news make a page ask for its numbers again, and only what differs goes to the browser."""
    dashboard = open_dashboard()
    changes: list[object] = []
    for card in (dashboard.strip, dashboard.chats, dashboard.transcript, dashboard.funnel):
        card.param.watch(lambda event: changes.append(event.obj), "html")
    dashboard._draw_numbers = None  # calling it would fail
    dashboard.tick()
    assert changes == []
    del dashboard._draw_numbers
    told.client("boris", at(2, "11:00"), "Anyone?")
    told.store.project()
    dashboard.tick()
    assert set(changes) == {dashboard.strip, dashboard.chats}


def test_a_paused_page_stands_still(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Without «live» news stay away until it is switched on again."""
    dashboard = open_dashboard()
    dashboard.state.live = False
    assert "Paused" in dashboard.status.html
    told.client("ana", at(2, "11:00"), "Still there?")
    told.store.project()
    dashboard.tick()
    assert "Still there?" not in dashboard.transcript.html
    dashboard.state.live = True
    assert "Still there?" in dashboard.transcript.html


def test_the_page_reads_only(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Nothing that the page does changes the database."""
    before = told.store.query("SELECT count(*) AS n FROM messages")
    dashboard = open_dashboard()
    with pytest.raises(sqlite3.OperationalError, match="readonly database"):
        dashboard._source.store().conn.execute("DELETE FROM messages")
    told.crm("ana", at(2, "11:00"), "Not projected by the page")
    dashboard.refresh()
    assert told.store.query("SELECT count(*) AS n FROM messages") == before


def test_each_visit_gets_a_page_of_its_own(told: Teller, tmp_path: Path) -> None:
    """Two pages over one database share no state."""
    one, other = (page(tmp_path / "kommo.db") for _ in range(2))
    assert one is not other
    assert {id(model) for model in one.select()}.isdisjoint(id(model) for model in other.select())
    source_of(tmp_path / "kommo.db").close()


def test_the_chart_says_what_it_shows(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Axis titles carry unit and time zone, bars the colours of the theme; a week is shown by the hour."""
    dashboard = open_dashboard()
    chart = dashboard.volume.figure
    assert (chart.xaxis[0].axis_label, chart.yaxis[0].axis_label) == ("Day (UTC)", "Messages per day")
    dashboard.state.param.update(period=7, tz="Europe/Madrid")
    assert (chart.xaxis[0].axis_label, chart.yaxis[0].axis_label) == ("Hour (Europe/Madrid)", "Messages per hour")
    dashboard.template.dark_theme = True
    assert {bar.glyph.fill_color for bar in chart.renderers} == {look.DARK[who] for who in ("client", "manager", "bot")}


def test_a_lost_scope_or_name_leaves_a_readable_row() -> None:
    """A message without a name, text or type is still a line that says what it is."""
    row = SimpleNamespace(author="manager", sender_name=float("nan"), text=float("nan"), type="picture")
    assert views._said(row) == "Manager: [picture]"
    assert json.dumps(views._said(row))
