"""The dashboard in Chromium: nothing complains, nothing leaves the machine, and a hook is on the page within 2 s."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from helpers import program
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright
from telling import BOT, Teller

from dashboards.state import TABS
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery

pytestmark = pytest.mark.browser

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
MINUTE_MS = 60_000

# Everything on the page, also what stands in shadow roots.
EVERYTHING = """
const all = []; const walk = root => { for (const e of root.querySelectorAll("*")) {
  all.push(e); if (e.shadowRoot) walk(e.shadowRoot) } }; walk(document)
"""
TOO_WIDE = f"""() => {{ {EVERYTHING}
  return all.filter(e => e.checkVisibility({{visibilityProperty: true}}) && !e.closest("svg"))
    .map(e => [e, e.getBoundingClientRect()])
    .filter(([e, box]) => box.width > 0 && (box.right > innerWidth + 1 || box.left < -1))
    .map(([e, box]) => `${{e.tagName}}.${{e.className}} ${{box.left}}..${{box.right}}`) }}"""
OVERFLOWING = f"""() => {{ {EVERYTHING}
  return all.filter(e => e.matches(".main-content, .bar-top, .tile, .stage, td, th"))
    .concat(all.filter(e => e.matches(".chat, .message, .head, .notice, .chart")))
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => `${{e.className}}: ${{e.textContent}}`) }}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = program("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@contextmanager
def dashboard_over(path: Path, port: int = 0, *, password: str = "") -> Iterator[str]:
    """The address of a dashboard in a process of its own, as `kommo-nb dashboard` runs it."""
    code = "import sys; from dashboards.server import serve; from functools import partial\n"
    code += "options = {'port': int(sys.argv[2]), 'password': sys.argv[3], 'on_ready': partial(print, flush=True)}\n"
    code += "serve(sys.argv[1], **options)"
    command = [sys.executable, "-c", code, str(path), str(port), password]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def teller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teller]:
    """A store with a month of conversations, some long words and names among them, and a second channel."""
    store = Store(tmp_path_factory.mktemp("dashboard") / "kommo.db")
    teller, now_ms = Teller(store), int(time.time() * 1000)
    for n in range(60):
        chat, sent_at_ms = f"chat-{n % 12}", now_ms - n * 700 * MINUTE_MS - MINUTE_MS
        teller.client(chat, sent_at_ms, "Hello https://example.com/" + "long-" * 40, msgid=f"our-{n}")
        teller.report(teller.crm(chat, sent_at_ms + 1000, "Thanks!", sender=BOT), sent_at_ms + 2000, 1)
        if n % 3:
            answer = teller.crm(chat, sent_at_ms + 20_000, "Yes.\nDonaudampfschifffahrtsgesellschaft" * 3)
            status = (-1, {"error_code": 905, "error": "Outside the 24 hour window"}) if n % 5 == 0 else (2, {})
            teller.report(answer, sent_at_ms + 21_000, status[0], **status[1])
    there = {"conversation": {"id": "z"}, "sender": {"id": "e"}, "receiver": {"id": "r", "name": "Zoe"}}
    there |= {"msec_timestamp": now_ms, "message": {"id": "z1", "type": "text", "text": "From another channel"}}
    body = json.dumps({"account_id": "a", "message": there}).encode()
    store.add_deliveries([Delivery(now_ms, "another-channel_another-account", body, "signature", "valid", 200)])
    store.project()
    yield teller
    store.close()


@pytest.fixture(scope="module")
def address(teller: Teller) -> Iterator[str]:
    with dashboard_over(teller.store.path) as url:
        yield url


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages whose requests beyond this machine are cut off, and fails if there was any, or any complaint."""
    complaints: list[str] = []
    contexts = []

    def fence(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            complaints.append(f"left the machine: {route.request.url}")
            route.abort()

    def open_(
        url: str, *, width: int = 1440, wait_for: str = ".tile >> nth=4", expected: str = "nothing", **options: Any
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        context.route("**/*", fence)
        page = context.new_page()
        page.set_default_timeout(15_000)

        def listen(told: ConsoleMessage) -> None:
            if told.type in ("error", "warning") and expected not in told.text.lower():
                complaints.append(told.text)

        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "websocket", lambda socket: urlsplit(socket.url).hostname == "127.0.0.1" or complaints.append(socket.url)
        )
        page.goto(url)
        page.locator("#snapshot").wait_for(state="detached")
        page.locator(wait_for).wait_for()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


READY = {"overview": "Busy hours", "delivery": "Why messages failed", "conversations": "Conversations"}
READY["health"] = "Acknowledgement"


@pytest.mark.parametrize("width", [1440, 390])
def test_each_tab_fits_in_both_themes_and_stays_on_this_machine(visit: Any, address: str, width: int) -> None:
    """At both widths and in both themes nothing is wider than its place; the theme is the browser's until toggled."""
    page = visit(address, width=width, color_scheme="dark")
    page.locator(".mui-dark .main").wait_for()
    for tab, name in TABS.items():
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("heading", name=READY[tab]).wait_for()
        assert page.evaluate(TOO_WIDE) == [], tab
        assert page.evaluate(OVERFLOWING) == [], tab
        assert tab == "overview" or f"tab={tab}" in page.url
    page.get_by_label("Toggle theme").click()
    page.locator(".mui-light .main").wait_for()
    assert page.locator(".main").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(244, 245, 247)"
    assert page.evaluate(TOO_WIDE) == []


def test_numbers_are_there_before_the_scripts_and_once(visit: Any, browser: Browser, address: str) -> None:
    """Without any script the numbers stand where they will be, out of reach of the keyboard; then they give way."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, java_script_enabled=False)
    still = context.new_page()
    still.goto(address)
    page = visit(address, timezone_id="UTC")
    until_count(page.locator("#snapshot"), 0)
    until_count(page.locator(".tile"), 5)
    assert still.locator(".tile").count() == 5
    assert still.locator("#snapshot[inert]").count() == 1
    for place in (".bar-top", ".tile >> nth=4", ".chart >> nth=0"):
        assert still.locator(place).bounding_box() == page.locator(place).bounding_box()
    context.close()


def test_a_page_that_gets_no_connection_says_so(browser: Browser, address: str) -> None:
    """Where the web socket does not come through it says «Connecting…», and after 10 s what may be amiss."""
    with closing(browser.new_context(viewport={"width": 390, "height": 844})) as context:
        context.route_web_socket("**/*", lambda socket: None)  # opens, and never answers
        page = context.new_page()
        page.goto(address)
        first, late = page.get_by_text("Connecting…"), page.get_by_text("does the proxy pass web sockets?")
        assert first.is_visible() and not late.is_visible()
        page.evaluate("document.getAnimations().forEach(each => { each.currentTime = 9_900 })")
        late.wait_for()
        expect(first).to_be_hidden()
        assert late.evaluate("e => e.getBoundingClientRect().right < innerWidth && e.offsetHeight < 60")


def test_filters_change_the_numbers_and_stand_in_the_address(visit: Any, address: str) -> None:
    """Period, author and time zone are a click each; the address opens the same view elsewhere, and Back the last."""
    page = visit(address, timezone_id="Europe/Lisbon")
    page.get_by_text("Day (Europe/Lisbon)", exact=True).wait_for()
    messages = page.locator(".tile .number").first
    every = messages.inner_text()
    page.get_by_label("Author", exact=True).select_option("bot")
    page.wait_for_url("**author=bot*")
    page.wait_for_function("([e, every]) => e.textContent !== every", arg=[messages.element_handle(), every])
    page.get_by_label("Time zone", exact=True).select_option("Asia/Tokyo")
    page.get_by_role("button", name="7 days").click()
    page.get_by_text("Hour (Asia/Tokyo)").wait_for()
    assert page.get_by_text("Not filtered by author").count() > 0
    other = visit(page.url)
    other.get_by_text("Hour (Asia/Tokyo)").wait_for()
    assert other.get_by_label("Author", exact=True).input_value() == "bot"
    assert other.locator(".tile .number").first.inner_text() == messages.inner_text()
    page.go_back()
    page.get_by_text("Day (Asia/Tokyo)", exact=True).wait_for()


@pytest.mark.parametrize(("prefers", "toggled"), [("light", "dark"), ("dark", "light")])
def test_a_chosen_theme_is_kept(visit: Any, address: str, prefers: str, toggled: str) -> None:
    """It outlives a reload and a step back, as it stands in the address; what the browser prefers does not."""
    page = visit(address, color_scheme=prefers)
    page.locator(f".mui-{prefers} .main").wait_for()
    page.get_by_label("Toggle theme").click()
    page.wait_for_url(f"**?theme={toggled}*")
    page.get_by_role("button", name="7 days").click()
    page.wait_for_url("**period=7*")
    for again in (page.reload, page.go_back):
        again()
        page.locator("#snapshot").wait_for(state="detached")
        page.locator(f".mui-{toggled} .main").wait_for()
    assert "period" not in page.url
    page.get_by_label("Toggle theme").click()
    page.wait_for_url(lambda url: "theme" not in url)
    page.locator(f".mui-{prefers} .main").wait_for()


def test_a_theme_that_is_none_does_no_harm(visit: Any, address: str) -> None:
    """Any bytes may stand in the address: the page is there, as the browser prefers it."""
    visit(f"{address}/?theme=%ff", color_scheme="dark").locator(".mui-dark .main").wait_for()


def test_a_conversation_is_found_and_what_travelled_is_shown(visit: Any, address: str) -> None:
    """The search narrows the list while one types; ids and raw rows are a click away, and so is the CSV."""
    page = visit(f"{address}/?tab=conversations", wait_for="[role=log]")
    listed = page.get_by_role("list", name="Conversations").locator("button")
    assert listed.count() == 13
    field = page.get_by_label("Search conversations")
    field.press_sequentially("chat-7", delay=340)  # as slowly as answers to the first letters come in between
    until_count(listed, 1)
    assert field.input_value() == "chat-7"
    listed.first.click()
    page.get_by_role("heading", name="Chat-7").wait_for()
    page.get_by_role("log").locator("summary").last.click()
    page.get_by_role("button", name="show what travelled").last.click()
    page.get_by_text("valid_trimmed, answered 200").wait_for()
    assert '"message": {' in page.locator("pre").inner_text()
    with page.expect_download() as download:
        page.get_by_label("Download Conversations as CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert download.value.suggested_filename == "conversations.csv"
    assert lines[0].startswith("chat_id,name,phone") and lines[1].startswith("chat-7,Chat-7,'+351900000,")
    page.get_by_role("button", name="Waiting").click()
    page.get_by_text("No conversation fits.").wait_for()


def until_count(found: Any, count: int) -> None:
    expect(found).to_have_count(count, timeout=10_000)


def test_a_hook_is_on_the_page_and_moves_nothing(visit: Any, address: str, teller: Teller) -> None:
    """A new hook shows in list and transcript; what is scrolled, opened or focused stays so; an end is followed."""
    page = visit(f"{address}/?tab=conversations&chat=chat-0", wait_for="[role=log]")
    log = page.get_by_role("log")
    log.evaluate("e => { e.scrollTop = 40 }")
    details = log.locator("summary").first
    details.click()
    hook(teller, "Is this there in time?")
    log.get_by_text("Is this there in time?").wait_for(state="attached", timeout=10_000)
    page.get_by_role("list", name="Conversations").get_by_text("Is this there in time?").wait_for(timeout=10_000)
    assert log.evaluate("e => e.scrollTop") == 40
    assert log.locator("details[open]").count() == 1
    assert details.evaluate("e => e.getRootNode().activeElement === e")
    log.evaluate("e => { e.scrollTop = e.scrollHeight }")
    hook(teller, "And the end?")
    log.get_by_text("And the end?").wait_for(timeout=10_000)
    page.wait_for_function("e => e.scrollHeight - e.scrollTop - e.clientHeight < 2", arg=log.element_handle())


def test_a_list_waits_for_the_pointer_to_leave(visit: Any, address: str, teller: Teller) -> None:
    """Rows do not move under the pointer that is about to click; they follow once it has left."""
    page = visit(f"{address}/?tab=conversations&chat=chat-0", wait_for="[role=log]")
    rows = page.get_by_role("list", name="Conversations")
    rows.locator("button").nth(2).hover()
    before = rows.inner_text()
    hook(teller, "While you point")
    page.get_by_role("log").get_by_text("While you point").wait_for(timeout=10_000)
    assert rows.inner_text() == before
    page.mouse.move(5, 5)
    rows.get_by_text("While you point").wait_for(timeout=10_000)


def hook(teller: Teller, text: str) -> None:
    teller.crm("chat-0", int(time.time() * 1000), text)
    teller.store.project()


def test_a_chat_is_chosen_by_keyboard_and_definitions_show_on_focus(visit: Any, address: str) -> None:
    """From the list of who waits Enter leads to the transcript; Tab reaches each definition."""
    page = visit(address)
    info = page.locator(".tile .info").first
    info.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.get_by_text("by who wrote them").first.wait_for()
    row = page.get_by_role("list", name="Chats that wait").locator("button").nth(1)
    name = row.locator(".name").inner_text()
    row.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=name, exact=True).wait_for()
    assert "tab=conversations" in page.url and "chat=" in page.url


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (720, 450), (390, 844), (320, 256)])
def test_a_definition_can_be_read_and_dismissed(visit: Any, address: str, width: int, height: int) -> None:
    """It lies within the window, stays while the pointer goes onto it, and Escape hides it until one asks again."""
    page = visit(address, width=width)
    page.set_viewport_size({"width": width, "height": height})
    infos, definitions = page.locator(".info"), page.locator("[role=tooltip]")
    for n in range(infos.count()):
        info, definition = infos.nth(n), definitions.nth(n)
        info.scroll_into_view_if_needed()
        info.hover()
        expect(definition).to_be_in_viewport(ratio=1)
        assert definition.evaluate("e => e.getBoundingClientRect().top") >= 56  # below the header
    page.mouse.move(*middle(definition), steps=40)
    assert definition.is_visible()
    page.keyboard.press("Escape")
    expect(definition).to_be_hidden()
    page.mouse.move(1, 1)
    info.hover()
    assert definition.is_visible()
    page.mouse.move(1, 1)
    expect(definition).to_be_hidden()
    infos.first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert definitions.first.is_visible()
    page.keyboard.press("Escape")
    expect(definitions.first).to_be_hidden()


def middle(of: Any) -> tuple[float, float]:
    """Where it is on the screen."""
    box = of.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_an_empty_page_explains_and_fills_by_itself(visit: Any, tmp_path: Path) -> None:
    """Without a database there is an explanation; soon after the first message there are numbers."""
    path = tmp_path / "later" / "kommo.db"
    with dashboard_over(path) as url:
        page = visit(url, width=390, wait_for="text=No messages yet")
        assert page.evaluate(TOO_WIDE) == []
        assert not page.locator(".tile").first.is_visible()
        store = Store(path)
        Teller(store).client("ana", int(time.time() * 1000), "The very first")
        store.project()
        page.get_by_text("The very first").wait_for(timeout=10_000)
        page.get_by_text("No messages yet").wait_for(state="hidden")
        store.close()
        page.close()


def test_a_page_whose_server_is_gone_says_so_and_comes_back(visit: Any, teller: Teller) -> None:
    """It never passes for live without a server, and loads itself anew, with its filters, when there is one again."""
    with dashboard_over(teller.store.path) as url:
        page = visit(f"{url}/?period=90", expected="connect")
        assert page.get_by_text("Live ·").is_visible()
    page.get_by_text("Server gone").wait_for()
    assert not page.get_by_text("Live ·").is_visible()
    with dashboard_over(teller.store.path, port=int(url.rpartition(":")[2])):
        page.get_by_text("Live ·").wait_for()
        page.locator("#snapshot").wait_for(state="detached")
        page.get_by_text("Messages, last 90 days").wait_for()
        page.close()


EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


def test_what_strangers_write_stays_text(visit: Any, tmp_path: Path) -> None:
    """Markup in a name, a text, a file name, an address, an id, an error or a reaction shows as it was written.

    No element comes of it, no script runs, and a file's address is a link only if it leads to the web.
    """
    store, now_ms = Store(tmp_path / "kommo.db"), int(time.time() * 1000)
    teller = Teller(store)
    for n, url in enumerate(("javascript:window.pwned=1", "JAVASCRIPT:window.pwned=1", "data:text/html," + EVIL)):
        teller.client(EVIL, now_ms - 9000 + n, EVIL, type="file", media=url, file_name=EVIL, msgid=f"{EVIL}{n}")
    teller.client(EVIL, now_ms - 8000, "https://x.example/?" + EVIL, msgid="a link")
    answer = teller.crm(EVIL, now_ms - 7000, EVIL, sender=EVIL, reply_to={"message": {"id": EVIL}})
    teller.report(answer, now_ms - 6000, -1, error_code=905, error=EVIL)
    react = {"user": {"id": EVIL}, "conversation": {"id": EVIL}, "message": {"id": answer}, "type": "react"}
    teller.hook(now_ms - 5000, {"account_id": "a", "action": {"reaction": {**react, "emoji": EVIL}}})
    teller.client(EVIL, now_ms - 4000, "=cmd()", msgid="the last")
    store.project()
    store.close()
    with dashboard_over(tmp_path / "kommo.db") as url:
        page = visit(
            f"{url}/?{urlencode({'tab': 'conversations', 'chat': EVIL, 'search': 'img'})}", wait_for="[role=log]"
        )
        page.get_by_role("log").get_by_text(EVIL, exact=True).first.wait_for()
        for summary in page.locator("summary").all():
            summary.click()
        page.get_by_role("button", name="show what travelled").first.click()
        page.locator("pre").first.wait_for()
        assert page.get_by_role("list", name="Conversations").get_by_text(EVIL).count() > 0
        assert page.locator("img[src=x], [onerror]").count() == 0
        addresses = page.get_by_role("log").locator("a").evaluate_all("all => all.map(a => a.href)")
        assert [address.partition("?")[0] for address in addresses] == ["https://x.example/"]
        for tab in ("delivery", "health", "overview"):
            page.get_by_role("button", name=TABS[tab], exact=True).click()
            page.get_by_role("heading", name=READY[tab]).wait_for()
            assert page.locator("img[src=x], [onerror]").count() == 0
        with page.expect_download() as download:
            page.get_by_label("Download Waiting now: 1 as CSV").click()
        rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_bytes().decode(), newline="")))
        assert "'=cmd()" in rows[1]
        assert page.evaluate("window.pwned") is None
        page.close()


def test_the_login_opens_the_page(visit: Any, teller: Teller) -> None:
    """A wrong password is told, the right one leads to the view that was asked for; nothing leaves the machine."""
    with dashboard_over(teller.store.path, password="correct horse") as url:
        page = visit(url, width=390, wait_for="text=Password", color_scheme="dark")
        assert page.evaluate(TOO_WIDE) == []
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("not right").wait_for()
        page.goto(f"{url}/?period=90")
        page.get_by_label("Password").fill("correct horse")
        page.keyboard.press("Enter")
        page.locator(".bar-top").first.wait_for()
        page.locator("#snapshot").wait_for(state="detached")
        page.get_by_text("Messages, last 90 days").wait_for()
        page.close()
