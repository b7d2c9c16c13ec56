"""The dashboard without a browser: its state, what its cards say, and how a page follows the store."""

from __future__ import annotations

import csv
import doctest
import io
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from itertools import combinations, pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import param
import pytest
from helpers import FrozenClock
from telling import BOT, Teller, at

from dashboards import charts, look, markup, parts, talks
from dashboards.app import Dashboard, Source, page, source_of
from dashboards.live import Html
from dashboards.state import TABS, State
from dashboards.tables import TABLES, to_csv
from kommo_nb import metrics
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery

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


def shown(dashboard: Dashboard) -> str:
    """All that stands on the page."""
    around = (dashboard.notice, dashboard.status, dashboard.bar)
    return "".join(each.html for each in (*around, *dashboard.cards.values()))


def on(dashboard: Dashboard, tab: str) -> dict[str, Html]:
    """The cards of a tab, which is opened for it."""
    dashboard.state.tab = tab
    return dashboard.cards


def talk(dashboard: Dashboard) -> str:
    """The transcript of the chosen chat."""
    return on(dashboard, "conversations")["transcript"].html


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
    dashboard = open_dashboard()
    talk(dashboard)
    dashboard._do("raw", quoted)
    dashboard.state.search = EVIL
    pages = (shown(dashboard) + dashboard.snapshot(EVIL) for tab in TABS if on(dashboard, tab))
    html = "".join([shown(dashboard), *pages])
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
    transcript = talk(open_dashboard())
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
    for pair in ("read surface", "accent surface", "accent page", "surface accent", "surface ink"):
        one, other = pair.split()
        assert contrast(colours[one], colours[other]) >= 4.5, pair
    for ground in ("surface", "page"):
        assert contrast(colours["control"], colours[ground]) >= 3, ground
    signs = ("client", "manager", "bot", "sent", "delivered", "read", "failed", "not_reported")
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
    assert address.search == "?theme=dark&tz=UTC"  # a chosen UTC, which is not that of every reader


def test_a_changed_address_changes_the_state() -> None:
    """Back to an earlier address: what is no longer given is the default again."""
    address, state = Address(), State()
    state.sync(address)
    address.search = "?period=90&search=12345&live=False"
    assert (state.period, state.search, state.live) == (90, "12345", False)
    address.search = ""
    assert state.query() == {"tz": "UTC"}


@pytest.mark.parametrize("search", ["?period=1000000", "?period=x&tz=../etc/passwd", "?live=maybe", "?&&==", "?name=x"])
def test_an_address_from_a_stranger_falls_back_to_the_defaults(search: str) -> None:
    """Unknown values count as not given."""
    state = State()
    state.read(search)
    assert state.query() == {"tz": "UTC"}


def test_the_period_begins_at_midnight_of_the_time_zone() -> None:
    """Seven days up to noon on Monday the 2nd begin with Tuesday; Tokyo's Tuesday begins 9 h before that of UTC."""
    state = State(period=7)
    assert state.where(NOW).period == (NOW - (6 * 24 + 12) * 3_600_000, NOW)
    state.tz = "Asia/Tokyo"
    assert state.where(NOW).since_ms == NOW - (6 * 24 + 12 + 9) * 3_600_000


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
    """6 messages, 3 sent, of which 1 read and 1 failed, 2 waiting, the first since 08:00; with tooltips."""
    dashboard = open_dashboard()
    cards = dashboard.cards
    for number in (">6<", ">33.3 %<", "none in the 30 days before"):
        assert number in cards["strip"].html
    assert "Waiting now: 2" in cards["waiting"].html and "4 h 0 min" in cards["waiting"].html
    assert markup.html("{text}", text=metrics.definition(metrics.volume)) in cards["volume"].html
    assert dashboard.room.visible and not dashboard.notice.visible
    assert "the user deleted the conversation" in on(dashboard, "delivery")["failures"].html
    assert markup.html("{text}", text=metrics.definition(metrics.delivery_funnel)) in dashboard.cards["funnel"].html
    assert ">3<" in on(dashboard, "health")["health"].html


@pytest.mark.parametrize("tab", TABS)
def test_every_number_has_its_definition_and_every_table_its_csv(
    told: Teller, open_dashboard: Callable[..., Dashboard], tab: str
) -> None:
    """Each head of a card has a tooltip that says something, and each button names a table that can be made."""
    dashboard = open_dashboard()
    html = "".join(card.html for card in on(dashboard, tab).values())
    assert html.count('<div class="head">') == html.count('role="tooltip"') >= 2
    assert 'aria-hidden="true"></span>' not in html
    names = re.findall('data-do="csv" data-with="(.*?)"', html)
    assert len(names) >= 2
    for name in names:
        file = dashboard._do("csv", name)
        assert file and file["name"] == f"{name}.csv" and "," in file["text"]


def test_only_the_tab_on_show_is_computed(
    told: Teller, open_dashboard: Callable[..., Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of the overview are not asked for while another tab is read."""
    dashboard = open_dashboard()
    monkeypatch.setattr(metrics, "headline", None)  # calling it would fail
    for tab in ("delivery", "conversations", "health"):
        assert on(dashboard, tab)
    with pytest.raises(TypeError):
        dashboard.state.tab = "overview"


def test_filters_count_and_cards_say_where_they_do_not(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Of six messages the client wrote three; who waits has nothing to do with authors, and the card says so."""
    dashboard = open_dashboard()
    assert "Not filtered" not in shown(dashboard)
    dashboard.state.author = "client"
    assert ">3<" in dashboard.cards["strip"].html
    assert "Not filtered by author" in dashboard.cards["waiting"].html
    assert "Not filtered" not in dashboard.cards["volume"].html
    dashboard.state.type = "picture"
    assert "No message fits." in dashboard.cards["volume"].html
    dashboard.state.param.update(author="", type="", channel="another_scope")
    assert "Waiting now: 0" in dashboard.cards["waiting"].html


def test_several_channels_are_compared(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """With one channel there is nothing to choose; a second one brings the choice and the comparison."""
    dashboard = open_dashboard()
    assert 'name="channel"' not in dashboard.bar.html and "channels" not in on(dashboard, "delivery")
    body = {"account_id": "a", "message": {"conversation": {"id": "z"}, "sender": {"id": "e"}, "receiver": {"id": "r"}}}
    body["message"] |= {"msec_timestamp": NOW - 1, "message": {"id": "z1", "type": "text", "text": "x"}}
    told.store.add_deliveries([Delivery(NOW, "other_scope", json.dumps(body).encode(), "", "valid", 200)])
    told.store.project()
    dashboard.tick()
    assert "other_scope" in dashboard.bar.html and "other_scope" in dashboard.cards["channels"].html


def test_the_transcript_shows_how_far_each_message_got(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Read, failed with its reason, and nothing for what the client wrote; the newest chat is open at first."""
    dashboard = open_dashboard()
    transcript = talk(dashboard)
    assert dashboard.state.chat == "ana"
    assert transcript.count("ticks read") == 1
    assert "✕ failed 901 the user deleted the conversation" in transcript
    assert "Monday, 2 March 2026" in transcript
    told.report(f"id-ana-{at(2, '10:11')}", at(2, "10:13"), 1)
    told.store.project()
    dashboard.tick()
    assert talk(dashboard).count("ticks delivered") == 1


def test_what_has_no_text_is_named_by_its_type(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """A quoted voice message, a location, which has no file, and a client whose name is blank."""
    voice = told.client("ana", at(2, "10:40"), "", type="voice", media="https://files.example/a.ogg")
    told.crm("ana", at(2, "10:41"), "Heard", reply_to={"message": {"id": voice}})
    told.client("ana", at(2, "10:42"), "", type="location")
    told.client(" ", at(2, "10:43"), "Hello")
    told.store.project()
    dashboard = open_dashboard()
    assert "+351900000" in on(dashboard, "conversations")["chats"].html
    dashboard.state.chat = "ana"
    transcript = talk(dashboard)
    assert '<div class="quote">[voice]</div>' in transcript
    assert "Location" in transcript and "no file" not in transcript


def test_hooks_whose_acknowledgement_was_not_measured(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """As the receiving function in another framework stores them."""
    dashboard = open_dashboard()
    assert "No acknowledgement was measured in this period." in on(dashboard, "health")["acks"].html


def test_what_travelled_behind_a_message_is_one_click_away(
    told: Teller, open_dashboard: Callable[..., Dashboard]
) -> None:
    """The hook with its row and verdict, the call with request and response; a second click hides them again."""
    dashboard = open_dashboard()
    assert "<pre" not in talk(dashboard)
    dashboard._do("raw", f"id-ana-{at(2, '10:10')}")
    assert "deliveries 2 · hook · 2026-03-02 10:10:00 UTC · valid_trimmed, answered 200" in talk(dashboard)
    dashboard._do("raw", f"id-our-ana-{at(2, '10:00')}")
    parts = re.findall("<figcaption>(.*?) · 2026", talk(dashboard))
    assert parts == ["exchanges 2 · request", "exchanges 2 · response"]
    assert "&quot;text&quot;: &quot;Hi&quot;" in talk(dashboard)
    dashboard._do("raw", f"id-our-ana-{at(2, '10:00')}")
    assert "<pre" not in talk(dashboard)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a":"\xc3\xa9"}\n', '{\n  "a": "é"\n}'),
        (b"\xff no", "\ufffd no"),
        (b'"\\ud800"', '"?"'),
        (b"[" * 9999, "[" * 9999),
    ],
    ids=["json", "bytes", "half a pair", "too deep"],
)
def test_any_bytes_are_readable(store: Store, body: bytes, text: str) -> None:
    """JSON gets its line breaks; anything else is text all the same, and can be sent to a browser."""
    Teller(store).crm("ana", NOW, "Hello")
    store.project()
    store.conn.execute("UPDATE deliveries SET body = ?", [body])
    shown = metrics.raw(store, f"id-ana-{NOW}")["text"].tolist()
    assert shown == [text]
    assert metrics.raw(store, "unknown").empty


def test_a_click_on_a_chat_opens_it(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """A row of any list opens its transcript; what no page of ours would say is ignored."""
    dashboard = open_dashboard()
    chosen = re.findall('data-set="(.*?)"', dashboard.cards["waiting"].html)
    dashboard.cards["waiting"]._handle_msg({"set": json.loads(unescape(chosen[0]))})
    assert (dashboard.state.tab, dashboard.state.chat) == ("conversations", "boris")
    assert "Welcome" in dashboard.cards["transcript"].html
    assert dashboard.cards["chats"].html.count('aria-current="true"') == 1
    before = dashboard.state.query()
    for nonsense in (None, "boris", {"set": "x"}, {"set": {"chat": 7}}, {"set": {"name": "x"}}, {"do": "csv"},
                     {"do": "csv", "with": "/etc/passwd"}, {"do": "rm", "with": ""}):  # fmt: skip
        dashboard.bar._handle_msg(nonsense)
    assert dashboard.state.query() == before
    dashboard.bar._handle_msg({"set": {"chat": "unknown", "tab": "nowhere"}})
    assert dashboard.state.tab == "overview"
    assert "Choose a conversation" in talk(dashboard)


def test_search_and_filter_narrow_the_list_only(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """The search finds Boris, the filter who waits, and the open transcript stays where it was."""
    dashboard = open_dashboard()
    talk(dashboard)
    dashboard.state.search = "bor"
    assert 'data-key="boris"' in dashboard.cards["chats"].html
    assert 'data-key="ana"' not in dashboard.cards["chats"].html
    assert "And?" in dashboard.cards["transcript"].html
    dashboard.state.search = "nobody"
    assert "No conversation fits" in dashboard.cards["chats"].html
    told.crm("ana", at(2, "11:00"), "Answered")
    told.store.project()
    dashboard.state.param.update(search="", waiting=True)
    assert 'data-key="boris"' in dashboard.cards["chats"].html
    assert 'data-key="ana"' not in dashboard.cards["chats"].html


def test_a_time_outside_the_calendar_is_a_dash(store: Store, open_dashboard: Callable[..., Dashboard]) -> None:
    """A hook from the end of the year 9999 does not exist in Tokyo's calendar; the page shows it all the same."""
    Teller(store).crm("ana", 253_402_300_799_999, "Future")
    store.project()
    dashboard = open_dashboard()
    dashboard.state.tz = "Asia/Tokyo"
    assert "Future" in talk(dashboard)
    assert ">–</time>" in talk(dashboard)


def test_long_lists_say_that_they_are_cut(store: Store, open_dashboard: Callable[..., Dashboard]) -> None:
    """101 chats wait, and one of them has 201 messages: each card says what it leaves out."""
    teller = Teller(store)
    for n in range(101):
        teller.client(f"chat-{n:03}", at(2, "09:00") + n, "Hello")
    for n in range(200):
        teller.client("chat-007", at(2, "10:00") + n, "Hello again")
    store.project()
    dashboard = open_dashboard()
    assert "and 1 more" in dashboard.cards["waiting"].html
    assert "The last 200 of 201 messages" in talk(dashboard)
    assert "The 50 newest" in dashboard.cards["chats"].html


# --- Tables -----------------------------------------------------------------------------------------------------------


def test_no_cell_of_a_csv_starts_a_formula() -> None:
    """Texts that a spreadsheet would compute get a ' in front; numbers, and what only contains such a sign, do not."""
    evil = ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "a=b", "a\r=b"]
    table = pd.DataFrame({"text": evil, "number": [-1.5, *range(7)]})
    read = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    assert [row[0] for row in read[1:]] == [*("'" + text for text in evil[:6]), "a=b", "a\r=b"]
    assert [row[1] for row in read[1:3]] == ["-1.5", "0.0"]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_can_be_made_from_nothing(store: Store, name: str) -> None:
    """An empty store gives each CSV its heads."""
    view = parts.View(store, State(), NOW)
    assert to_csv(TABLES[name](view)).count(",") >= 1


# --- Charts -----------------------------------------------------------------------------------------------------------


def test_a_chart_says_what_it_shows(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Axis titles carry unit and time zone; a week is shown by the hour; a column has the numbers of its bucket."""
    dashboard = open_dashboard()
    assert ">Day (UTC)<" in dashboard.cards["volume"].html and ">Messages per day<" in dashboard.cards["volume"].html
    day = "<b>Mon 2 Mar</b><span>Client <b>3</b></span><span>Manager <b>2</b></span><span>Bot <b>1</b></span>"
    assert day in dashboard.cards["volume"].html
    dashboard.state.param.update(period=7, tz="Europe/Madrid")
    assert ">Hour (Europe/Madrid)<" in dashboard.cards["volume"].html
    assert "<b>Mon 2 Mar, 11:00</b><span>Client <b>2</b></span>" in dashboard.cards["volume"].html
    assert dashboard.cards["volume"].html.count('class="col"') == 6 * 24 + 13
    assert "Mon 11:00 to 12:00</b> 4 messages" in dashboard.cards["busy"].html


def test_marks_never_overlap(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Median and p90 stand in rows of their own, each within the chart."""
    html = open_dashboard().cards["response"].html
    marks = re.findall(r'class="mark (before)?" style="left:([\d.]+)%;--row:(\d)"', html)
    assert [row for _, _, row in marks] == ["0", "1"]
    assert all(0 <= float(left) <= 100 and (side == "before") == (float(left) > 50) for side, left, _ in marks)


@pytest.mark.parametrize("days", [30, 90])
def test_dates_below_a_chart_keep_their_distance(days: int) -> None:
    """At most seven ticks, each on a Monday, and each within the chart."""
    first = pd.Timestamp("2026-01-08", tz="Europe/Berlin")
    labels, ticks = charts.times(list(pd.date_range(first, periods=days)), "day")
    assert labels[0] == "Thu 8 Jan"
    assert ticks[0][1] == "12 Jan" and 3 <= len(ticks) <= 7
    assert all(0 < left < 1 for left, _ in ticks)
    assert all(after - before > 0.1 for (before, _), (after, _) in pairwise(ticks))


def test_labels_of_a_logarithmic_axis_keep_their_distance() -> None:
    """From a second to a fortnight and within an hour, no label comes nearer than 9 % to the next."""
    for low, high in ((1.0, 1.2e6), (60.0, 3600.0)):
        places = [left for left, _ in charts.log_ticks(low, high)]
        assert len(places) >= 3 and all(after - before > 0.09 for before, after in pairwise(places))


def test_a_short_logarithmic_axis_is_labelled_by_its_ends() -> None:
    """Where less than two lengths that people use lie in it, both ends and the middle are named, to the second."""
    ticks = [(0, "4 min 0 s"), (0.5, "5 min 39 s"), (1, "8 min 0 s")]
    assert charts.log_ticks(240.0, 480.0) == ticks
    assert charts.log_ticks(400.0, 3000.0)[::2] == [(0, "6 min 40 s"), (1, "50 min 0 s")]
    assert charts.log_ticks(2**-0.5, 1.0) == [(0, "0.7 s"), (0.5, "0.8 s"), (1, "1 s")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (61, "1 min 1 s"), (3_599, "59 min 59 s"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_lengths_of_time_have_two_units(seconds: int, text: str) -> None:
    """The two largest ones that it has."""
    assert parts.length(seconds) == text


@pytest.mark.parametrize("module", [charts, markup, parts])
def test_the_examples_in_docstrings_are_true(module: ModuleType) -> None:
    """Each doctest passes, and there are some."""
    results = doctest.testmod(module)
    assert (results.failed, results.attempted > 0) == (0, True)


def test_the_snapshot_is_what_the_page_shows(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Each card of the tab stands in it as it does on the page, and an empty page's notice in its place."""
    dashboard = open_dashboard()
    for tab in TABS:
        cards = on(dashboard, tab)
        snapshot = dashboard.snapshot()
        assert all(card.html in snapshot for card in (dashboard.bar, *cards.values()))
    dashboard._tell("Nothing yet")
    assert "Nothing yet" in dashboard.snapshot() and "<nav" not in dashboard.snapshot()


# --- Following the store ----------------------------------------------------------------------------------------------


def test_without_a_file_the_page_explains_and_fills_by_itself(
    tmp_path: Path, open_dashboard: Callable[..., Dashboard]
) -> None:
    """No file, then a file without messages, then the first message: two explanations and a page."""
    path = tmp_path / "later.db"
    dashboard = open_dashboard(path)
    assert dashboard.notice.visible and not dashboard.room.visible
    for word in ("kommo-nb demo", "/hooks/:scope_id", str(path)):
        assert word in dashboard.notice.html
    store = Store(path)
    dashboard.tick()
    assert dashboard.notice.visible
    Teller(store).crm("ana", NOW, "First")
    store.project()
    dashboard.tick()
    assert dashboard.room.visible and not dashboard.notice.visible
    assert "First" in talk(dashboard)
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
    assert "changed nothing" in dashboard.notice.html and "lost" not in dashboard.notice.html
    path.unlink()
    store = Store(path)
    Teller(store).crm("ana", NOW, "Mended")
    store.project()
    dashboard.tick()
    assert "Mended" in talk(dashboard)
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
        assert text in talk(dashboard)


def test_a_tick_without_news_draws_nothing(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Only news make a page ask for its numbers again, and only what differs goes to the browser."""
    dashboard = open_dashboard()
    changes: list[object] = []
    cards = on(dashboard, "conversations")
    for card in (dashboard.bar, dashboard.status, *cards.values()):
        card.param.watch(lambda event: changes.append(event.obj), "html")
    dashboard._draw = None  # calling it would fail
    dashboard.tick()
    assert changes == []
    del dashboard._draw
    told.client("boris", at(2, "11:00"), "Anyone?")
    told.store.project()
    dashboard.tick()
    assert changes == [cards["chats"]]


def test_a_paused_page_stands_still(told: Teller, open_dashboard: Callable[..., Dashboard]) -> None:
    """Without «live» news stay away until it is switched on again."""
    dashboard = open_dashboard()
    dashboard.state.live = False
    assert "Paused" in dashboard.status.html
    told.client("ana", at(2, "11:00"), "Still there?")
    told.store.project()
    dashboard.tick()
    assert "Still there?" not in dashboard.cards["waiting"].html
    dashboard.state.live = True
    assert "Still there?" in dashboard.cards["waiting"].html


def test_a_paused_page_is_filled_once(tmp_path: Path, open_dashboard: Callable[..., Dashboard]) -> None:
    """Opened paused before there is a message it shows the first one when it comes, and then stands still."""
    dashboard = open_dashboard(tmp_path / "later.db")
    dashboard.state.live = False
    store = Store(tmp_path / "later.db")
    for text in ("First", "Second"):
        Teller(store).client("ana", NOW - 1000, text, msgid=text)
        store.project()
        dashboard.tick()
    store.close()
    assert dashboard.room.visible and "Paused" in dashboard.status.html
    assert "First" in dashboard.cards["waiting"].html and "Second" not in dashboard.cards["waiting"].html


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


def test_a_lost_scope_or_name_leaves_a_readable_row() -> None:
    """A message without a name, text or type is still a line that says what it is."""
    row = SimpleNamespace(author="manager", sender_name=float("nan"), text=float("nan"), type="picture")
    assert talks.last_words(row) == "Manager: [picture]"
