"""How fast an import is, beside the ideal for its connections and beside a plain loop; and ten kills in the midst.

Prints ratios of one run; asserts only that nothing is lost, doubled or out of order.

make bench
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import requests
from helpers import ROOT, new_message, served, signed
from importing import Recording, check_everything_once, conversations

from kommo_nb import ChatsClient, Store
from kommo_nb.importer import plan
from kommo_nb.sandbox.app import Credentials

MESSAGES = int(os.environ.get("KOMMO_NB_BENCH_MESSAGES", "10000"))
LATENCY_MS = 100
LOOP = 200
CREDENTIALS = Credentials()
CHANNEL = CREDENTIALS.channel()


def prepare(url: str) -> None:
    """Connect the channel, and make every answer take its time."""
    with ChatsClient(CHANNEL, url) as client:
        client.connect(CREDENTIALS.account_id)
    faults = {"delay_ms": LATENCY_MS, "times": 10**9}
    httpx.post(f"{url}/_sandbox/faults", json=faults, trust_env=False).raise_for_status()


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox in a process of its own."""
    words = [sys.executable, "-m", "kommo_nb.cli", "sandbox", "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["sandbox"]
            prepare(url)
            yield url
        finally:
            process.terminate()


def plain_loop(url: str) -> float:
    """Messages a second of a loop with one `requests.post` for each: what one would write at first."""
    path = f"{ROOT}/{CREDENTIALS.scope_id}"
    started = time.perf_counter()
    for number in range(LOOP):
        body = json.dumps(new_message(msgid=f"loop-{number}", conversation_id=f"loop-{number % 10}")).encode()
        headers = signed("POST", path, body, secret=CREDENTIALS.secret)
        requests.post(url + path, data=body, headers=headers, timeout=10).raise_for_status()
    return LOOP / (time.perf_counter() - started)


def test_import_beside_the_ideal_and_a_loop(tmp_path: Path) -> None:
    """16 and 32 connections to a sandbox that answers after 100 ms; the ideal does nothing but wait for it."""
    with sandbox() as url:
        loop = plain_loop(url)
        for threads, messages in ((16, MESSAGES // 4), (32, MESSAGES)):
            rows = conversations(messages, longest=60, seed=threads)
            started = time.perf_counter()
            made = plan(rows)
            planned_s = time.perf_counter() - started
            store = Store(tmp_path / f"{threads}.db")
            report = made.run(CHANNEL, url, store, threads=threads)
            store.close()
            assert report.complete, report
            rate, ideal = report.sent / report.elapsed_s, threads * 1000 / LATENCY_MS
            print(
                f"\n{threads} connections, {report.sent:6,} messages (planned in {planned_s:.2f} s): {rate:4.0f}/s   "
                f"ideal {ideal:4.0f}/s   ours : ideal = {rate / ideal:4.2f}   "
                f"loop {loop:4.1f}/s   ours : loop = {rate / loop:4.1f}"
            )


def test_ten_kills(tmp_path: Path) -> None:
    """`kommo-nb import` killed with SIGKILL at ten random points; checked by what Kommo took."""
    rows, rng, kommo = conversations(MESSAGES, longest=60), random.Random(), Recording()
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    words = [sys.executable, "-m", "kommo_nb.cli", "import", str(path), "--db", str(tmp_path / "x.db"), "--json"]
    with served(kommo) as url:
        prepare(url)
        options = {"env": os.environ | {"KOMMO_NB_BASE_URL": url}, "stderr": subprocess.DEVNULL}
        kills = sorted(rng.sample(range(1, MESSAGES), 10))
        started = time.perf_counter()
        for at in kills:
            process = subprocess.Popen([*words, "--threads", "32"], stdout=subprocess.DEVNULL, **options)
            while len(kommo.taken) < at and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
        last = subprocess.run([*words, "--threads", "32"], stdout=subprocess.PIPE, check=True, **options)
    report = json.loads(last.stdout)
    check_everything_once(rows, kommo)
    print(
        f"\n{MESSAGES:,} messages, killed after {', '.join(map(str, kills))}: each once, in order, "
        f"{sum(not each['silent'] for each in kommo.taken)} notifications in {report['chats']} chats; "
        f"{time.perf_counter() - started:.0f} s in all"
    )
