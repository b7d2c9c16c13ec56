"""How long a person waits: for the demo, for its history, for a manager's message on the page. It only prints.

make bench
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import psutil
from helpers import program
from playwright.sync_api import sync_playwright

from kommo_nb.sandbox import traffic
from kommo_nb.sandbox.app import Credentials, new_world
from kommo_nb.store import Store

KOMMO_NB = [sys.executable, "-m", "kommo_nb.cli"]


def test_history_of_90_days(tmp_path: Path) -> None:
    """Made by the sandbox's rules, loaded in one transaction, projected, and rebuilt from the raw rows."""
    store, times = Store(tmp_path / "x.db"), [time.perf_counter()]
    rows = list(traffic.history(new_world(Credentials()), until=datetime.now().astimezone()))
    for step in (lambda: None, lambda: store.load(rows), store.project, store.rebuild):
        step()
        times.append(time.perf_counter())
    made, loaded, projected, rebuilt = (end - start for start, end in pairwise(times))
    print(
        f"\n{len(rows)} raw rows: made {made:.1f} s, load {loaded:.1f}, project {projected:.1f}, rebuild {rebuilt:.1f}"
    )
    store.close()


def test_from_trigger_to_page(tmp_path: Path) -> None:
    """The demo's start, the receiver's memory, and a triggered message on the open page, three times."""
    free = [word for name in ("sandbox", "capture", "dashboard") for word in (f"--{name}-port", "0")]
    words = [*KOMMO_NB, "demo", "--no-lab", "--json", "--db", str(tmp_path / "demo.db"), *free]
    started = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as demo, sync_playwright() as play:
        assert demo.stdout is not None
        try:
            addresses = json.loads(demo.stdout.readline())
            print(f"\ndemo up after {time.perf_counter() - started:.1f} s")
            browser = play.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            page.goto(addresses["dashboard"])
            page.locator(".tile >> nth=4").wait_for()
            for number in range(3):
                text, began = f"Message {number} of the benchmark", time.perf_counter()
                told = ["--phone", f"+1555010{number}", "--text", text, "--url", addresses["sandbox"]]
                subprocess.run([*KOMMO_NB, "trigger", "write-first", *told], check=True, capture_output=True)
                ended = time.perf_counter()
                page.get_by_text(text).first.wait_for()
                seen = time.perf_counter()
                print(f"on the page {seen - ended:.2f} s after the trigger ended, {seen - began:.2f} s after it began")
            receivers = [each for each in psutil.Process(demo.pid).children() if "capture" in each.cmdline()]
            print(f"receiver: {receivers[0].memory_info().rss / 1e6:.0f} MB")
            browser.close()
        finally:
            demo.terminate()
