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
from pictures import CHROMIUM_FLAGS
from playwright.sync_api import Page, sync_playwright

YEAR = os.environ.get("KOMMO_NB_BENCH_YEAR")
RUNS = 5

# When the first number is on the page, and when the whole page is the one that follows the store.
WATCH = """
const deep = (root, what) => root.querySelector(what) ??
  [...root.querySelectorAll("*")].reduce((found, e) => found ?? (e.shadowRoot && deep(e.shadowRoot, what)), null)
const look = () => {
  const at = performance.now()
  if (!window.numbers_ms && deep(document, ".tile .number")) window.numbers_ms = at
  if (!window.live_ms && !document.querySelector("#snapshot") && deep(document, ".main .tile .number")) window.live_ms = at
  if (!window.live_ms) requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


@contextmanager
def dashboard_over(path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A dashboard as people run it: its address and its process."""
    words = ["-m", "kommo_nb.cli", "dashboard", "--port", "0", "--json", "--db", str(path)]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())["dashboard"], psutil.Process(server.pid)
        server.terminate()


@contextmanager
def opened(url: str) -> Iterator[Page]:
    """The page in a browser of its own, with nothing in its cache."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1240})
        page.add_init_script(WATCH)
        page.goto(url)
        page.wait_for_function("window.live_ms")
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
