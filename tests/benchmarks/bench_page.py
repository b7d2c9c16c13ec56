"""The page in a fresh Chromium: when numbers are there, what grows while hooks come, and what hooks notice of it.

make bench. KOMMO_NB_BENCH_YEAR names a store that years.py has made, KOMMO_NB_BENCH_PAGE_S how long the page is open.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from benchmarks import years
from benchmarks.bench_capture import CAPTURE, running
from benchmarks.load import Load, send_hooks
from pictures import CHROMIUM_FLAGS
from playwright.sync_api import Page, sync_playwright
from telling import Teller

from kommo_nb.store import Store

YEAR = os.environ.get("KOMMO_NB_BENCH_YEAR")
OPEN_S = float(os.environ.get("KOMMO_NB_BENCH_PAGE_S", "60"))
RUNS, HOOKS_A_SECOND = 5, 5

# When the first number is on the page, and when the whole page is the one that follows the store.
WATCH = """
const shows = root => root.querySelector(".tile .number, [role=log]") ||
  [...root.querySelectorAll("*")].some(e => e.shadowRoot && shows(e.shadowRoot))
const look = () => {
  if (!window.numbers_ms && shows(document)) window.numbers_ms = performance.now()
  if (window.numbers_ms && !document.querySelector("#snapshot")) window.live_ms = performance.now()
  else requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


@contextmanager
def dashboard_over(path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A dashboard as people run it: its address and its process."""
    words = ["-m", "kommo_nb.cli", "dashboard", "--port", "0", "--json", "--db", str(path)]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["dashboard"], psutil.Process(server.pid)
        finally:
            server.terminate()


@contextmanager
def opened(url: str, view: str = "") -> Iterator[Page]:
    """The page in a browser of its own, with nothing in its cache."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1240})
        page.add_init_script(WATCH)
        page.goto(url + view)
        page.wait_for_function("window.numbers_ms && window.live_ms")
        yield page
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of messages."""
    found = Path(YEAR) if YEAR else tmp_path_factory.mktemp("year") / "year.db"
    if not found.exists():
        years.make(found, 100_000, until_ms=int(time.time() * 1000)).close()
    return found


def test_first_content(path: Path) -> None:
    """From the click on the address to the first number, and to the page that follows the store."""
    with dashboard_over(path) as (url, _):
        runs = []
        for _ in range(RUNS):
            with opened(url) as page:
                runs.append(page.evaluate("[performance.timing.responseStart - performance.timing.navigationStart,"
                                          " window.numbers_ms, window.live_ms]"))  # fmt: skip
    print(f"\n{RUNS} fresh browsers, load {os.getloadavg()[0]:.1f}")
    for name, times in zip(("server answers", "first number", "live"), zip(*runs, strict=True), strict=True):
        print(f"{name:15} median {statistics.median(times):5.0f} ms ({', '.join(f'{each:.0f}' for each in times)})")


def test_memory(path: Path, tmp_path: Path) -> None:
    """What the server holds once every tab has been open: over a year of messages, and over one message."""
    small = Store(tmp_path / "small.db")
    Teller(small).client("chat", int(time.time() * 1000), "Hello")
    small.project()
    small.close()
    for each in (small.path, path):
        with dashboard_over(each) as (url, server):
            with opened(url, "/?period=90") as page:
                for tab in ("Delivery", "Conversations", "Channel health", "Overview"):
                    page.get_by_role("button", name=tab, exact=True).click()
                    page.wait_for_timeout(1500)
            size = each.stat().st_size / 2**20
            print(f"\n{size:6,.0f} MB of messages: server {server.memory_info().rss / 2**20:.0f} MB", end="")


def state_of(page: Page, server: psutil.Process) -> str:
    """What the page holds: the server's memory, the browser's heap after a collection, nodes, listeners."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Performance.enable")
    held = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    devtools.detach()
    return (
        f"server {server.memory_info().rss / 2**20:4.0f} MB, heap {held['JSHeapUsedSize'] / 2**20:5.1f} MB, "
        f"{held['Nodes']:.0f} nodes, {held['JSEventListeners']:.0f} listeners"
    )


def test_a_page_open_for_long(tmp_path: Path) -> None:
    """What the page holds, and how long a hook takes to it, while hooks come to forty chats."""
    store = Store(tmp_path / "page.db")
    teller, sent = Teller(store), 0

    def tell() -> str:
        nonlocal sent
        sent += 1
        teller.client(f"chat-{sent % 40}", int(time.time() * 1000), f"hook {sent} end")
        store.project()
        return f"hook {sent} end"

    tell()
    with dashboard_over(store.path) as (url, server), opened(url, "/?tab=conversations&chat=chat-1") as page:
        begun, last = time.monotonic(), ""
        while (passed := time.monotonic() - begun) < OPEN_S:
            if (part := f"{passed / OPEN_S:.1f}"[:3]) != last and sent > 40:
                last, delays = part, []
                for _ in range(9):
                    asked = time.perf_counter()
                    page.get_by_role("list", name="Conversations").get_by_text(tell(), exact=True).wait_for()
                    delays.append(time.perf_counter() - asked)
                delay = f"hook to page {statistics.median(delays) * 1e3:.0f} ms"
                print(f"\n{passed:4.0f} s, {sent} hooks: {state_of(page, server)}, {delay}", end="", flush=True)
            tell()
            page.wait_for_timeout(1000 / HOOKS_A_SECOND)
    store.close()


def test_hooks_beside_the_page(tmp_path: Path) -> None:
    """Acknowledgement over 16 connections at a moderate rate, without a page and with one that follows."""

    def moderate() -> list[Load]:
        runs = []
        for _ in range(20):
            runs.append(send_hooks(port, 16, 160, first_id=0))
            time.sleep(0.5)
        return runs

    def said(runs: list[Load]) -> str:
        return " / ".join(f"{statistics.median(each):.2f}" for each in zip(*((r.p50_ms, r.p99_ms) for r in runs),
                                                                          strict=True)) + " ms"  # fmt: skip

    with running(*CAPTURE, str(tmp_path / "x.db")) as (port, _):
        send_hooks(port, 16, 500, first_id=0)
        alone = moderate()
        with dashboard_over(tmp_path / "x.db") as (url, _), opened(url):
            beside = moderate()
        again = moderate()
    print(f"\np50 / p99: without a page {said(alone)}, with {said(beside)}, without again {said(again)}")
