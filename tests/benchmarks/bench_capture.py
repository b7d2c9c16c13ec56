"""How fast hooks become durable, beside the same server without the work and beside what one would write at first.

Prints ratios of one run; asserts only that every hook was answered with 200.

make bench
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest
from benchmarks.load import SECRET, Load, send_hooks

HOOKS, TURNS = 8_000, 9
REST_S = 1.5  # the projection goes on after a burst, and must not slow down whose turn is next
MILLION = int(os.environ.get("KOMMO_NB_BENCH_HOOKS", "1000000"))

CAPTURE = ["-m", "kommo_nb.cli", "capture", "--port", "0", "--json", "--db"]

# The same server, which reads the request and answers: what is left without verifying and storing.
ANSWERS_OK = """
import sys
from kommo_nb.asgi import lifespan, read_body, respond
from kommo_nb.serving import Server

async def nothing(): pass

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send, nothing, nothing)
    else:
        await read_body(receive, limit=10**6)
        await respond(send, 200, b"ok", "text/plain")

Server(app, on_ready=lambda url: print('{"capture": "%s"}' % url, flush=True)).run_here()
"""

# What one would write at first: verify, insert, commit, answer. Also durable: WAL and synchronous=FULL.
PLAIN = """
import hashlib, hmac, json, sqlite3, sys
conn = sqlite3.connect(sys.argv[1], check_same_thread=False)
conn.execute("PRAGMA journal_mode = WAL")
conn.execute("PRAGMA synchronous = FULL")
conn.execute("CREATE TABLE IF NOT EXISTS hooks (id INTEGER PRIMARY KEY, scope_id TEXT, body BLOB, signature TEXT)")

def keep(scope_id, body, signature):
    right = hmac.new(b"bench", body[:-1], hashlib.sha1).hexdigest()
    if not hmac.compare_digest(right, signature):
        return 403
    with conn:
        conn.execute("INSERT INTO hooks (scope_id, body, signature) VALUES (?, ?, ?)", (scope_id, body, signature))
    return 200
"""
TORNADO = (
    PLAIN
    + """
import asyncio, tornado.web

class Hooks(tornado.web.RequestHandler):
    def post(self, scope_id):
        self.set_status(keep(scope_id, self.request.body, self.request.headers.get("X-Signature", "")))

async def main():
    server = tornado.web.Application([(r"/hooks/(.*)", Hooks)]).listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    print(json.dumps({"capture": f"http://127.0.0.1:{port}"}), flush=True)
    await asyncio.Event().wait()

import logging
logging.getLogger("tornado.access").setLevel(logging.ERROR)
asyncio.run(main())
"""
)
FASTAPI = (
    PLAIN
    + """
import socket, uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()

@app.post("/hooks/{scope_id}")
async def hooks(scope_id: str, request: Request):
    return Response(status_code=keep(scope_id, await request.body(), request.headers.get("x-signature", "")))

sock = socket.socket()
sock.bind(("127.0.0.1", 0))
sock.listen(128)
print(json.dumps({"capture": f"http://127.0.0.1:{sock.getsockname()[1]}"}), flush=True)
uvicorn.Server(uvicorn.Config(app, access_log=False)).run(sockets=[sock])
"""
)
PEERS = {"tornado": TORNADO, "FastAPI": FASTAPI}


@contextmanager
def running(*words: str) -> Iterator[tuple[int, psutil.Process]]:
    """A receiver: its port and its process."""
    env = os.environ | {"KOMMO_NB_SECRET": SECRET}
    server = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
    )
    try:
        assert server.stdout is not None
        yield int(json.loads(server.stdout.readline())["capture"].rpartition(":")[2]), psutil.Process(server.pid)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def memory_mb(process: psutil.Process) -> str:
    """Resident memory of a process and of the processes that it started."""
    return " + ".join(f"{each.memory_info().rss / 2**20:.0f}" for each in [process, *process.children()])


@pytest.mark.parametrize("connections", [1, 16, 64])
def test_durable_hooks_a_second(connections: int, tmp_path: Path) -> None:
    """`kommo-nb capture` as people run it; the same server that only answers; and one commit for each hook.

    In turns, since a machine is not equally fast all the time. The turn with the median ratio counts.
    """
    programs = {"ours": (*CAPTURE, str(tmp_path / "ours.db")), "only ok": ("-c", ANSWERS_OK)}
    programs |= {name: ("-c", program, str(tmp_path / f"{name}.db")) for name, program in PEERS.items()}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(running(*words))[0] for name, words in programs.items()}
        turns = list[dict[str, Load]]()
        for turn in range(TURNS + 1):
            turns.append({})
            for name, port in ports.items():
                count = HOOKS // (8 if connections == 1 or name in PEERS else 1)
                turns[-1][name] = send_hooks(port, connections, count, first_id=turn * HOOKS)
                time.sleep(REST_S if name == "ours" else 0)
        del turns[0]  # it warmed up
    print(f"\n{connections:>3} connections")
    for name in ports:
        ratio, turn = sorted((turn["ours"].rate / turn[name].rate, at) for at, turn in enumerate(turns))[TURNS // 2]
        print(f"  ours {turns[turn]['ours']}   {name:8} {turns[turn][name]}   ours : it = {ratio:5.2f}")


def test_projection_keeps_up(tmp_path: Path) -> None:
    """How far the messages are behind the hooks at the end of a burst, of half a minute and of steady loads."""
    path, sent = tmp_path / "x.db", 0
    with running(*CAPTURE, str(path)) as (port, _), closing(sqlite3.connect(path)) as conn:

        def missing() -> int:
            return sent - int(conn.execute("SELECT count(*) FROM messages").fetchone()[0])

        for rate, count in ((None, 20_000), (None, 400_000), (500, 5_000), (2_000, 20_000), (4_000, 40_000)):
            started = time.perf_counter()
            if rate is None:
                name = f"{count:,} as fast as they go: {send_hooks(port, 64, count, first_id=sent)}"
            else:
                name = f"{rate:,}/s for 10 s"
                for part in range(100):
                    time.sleep(max(0.0, started + part / 10 - time.perf_counter()))
                    send_hooks(port, 16, rate // 10, first_id=sent + part * rate // 10)
            sent += count
            took_s, behind = time.perf_counter() - started, missing()
            ended = time.perf_counter()
            while missing():
                time.sleep(0.01)
            later_s = time.perf_counter() - ended
            print(f"\n{name}: took {took_s:.1f} s, {behind} behind at the end, none {later_s:.1f} s later")


READER = """
import sqlite3, sys
print("{}", flush=True)
conn = sqlite3.connect(sys.argv[1])
while True:
    conn.execute("SELECT length(body) % 7 AS n, count(*), sum(ack_us) FROM deliveries GROUP BY n").fetchall()
    sum(number * number for number in range(200_000))
"""


def test_beside_a_heavy_reader(tmp_path: Path) -> None:
    """Acknowledgement while another process reads the whole file and computes, again and again."""
    path = tmp_path / "x.db"
    with running(*CAPTURE, str(path)) as (port, _):
        send_hooks(port, 16, 20_000)
        alone = send_hooks(port, 16, HOOKS)
        reader = subprocess.Popen([sys.executable, "-c", READER, str(path)], stdout=subprocess.PIPE)
        try:
            assert reader.stdout is not None
            reader.stdout.readline()
            beside = send_hooks(port, 16, HOOKS)
        finally:
            reader.kill()
            reader.communicate()
    print(f"\n16 connections   alone {alone}\n       beside a reader {beside}")


def test_memory_over_many_hooks(tmp_path: Path) -> None:
    """Memory of receiver, writer and projector at rest and over a million hooks, and how late the messages are."""
    path, part = tmp_path / "x.db", MILLION // 10
    with running(*CAPTURE, str(path)) as (port, process), closing(sqlite3.connect(path)) as conn:
        print(f"\nat rest: {memory_mb(process)} MB")
        for sent in range(part, MILLION + 1, part):
            load = send_hooks(port, 64, part, first_id=sent - part)
            behind = sent - conn.execute("SELECT count(*) FROM messages").fetchone()[0]
            print(f"{sent:>9,} hooks: {memory_mb(process)} MB, {load}, {behind:,} behind")
