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
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from benchmarks.load import SECRET, send_hooks

HOOKS = 8_000
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
    """`kommo-nb capture` as people run it; the same server that only answers; and one commit for each hook."""
    with running(*CAPTURE, str(tmp_path / "ours.db")) as (port, _), running("-c", ANSWERS_OK) as (limit_port, _):
        for each in (port, limit_port):
            send_hooks(each, connections, 500)
        # In turns, since a machine is not equally fast all the time; the best of three of each.
        runs = [(send_hooks(port, connections, HOOKS), send_hooks(limit_port, connections, HOOKS)) for _ in range(3)]
    ours, limit = (max(runs_of, key=lambda run: run.rate) for runs_of in zip(*runs, strict=True))
    print(f"\n{connections:>3} connections   ours    {ours}")
    print(f"                  only ok {limit}   ours : it = {ours.rate / limit.rate:4.2f}")
    for name, program in PEERS.items():
        with running("-c", program, str(tmp_path / f"{name}.db")) as (peer_port, _):
            send_hooks(peer_port, connections, 200)
            peer = send_hooks(peer_port, connections, HOOKS // 8)
        print(f"                  {name:<7} {peer}   ours : it = {ours.rate / peer.rate:4.1f}")


def test_projection_keeps_up(tmp_path: Path) -> None:
    """How far the messages are behind the hooks when a burst ends, and how long until none is missing."""
    path = tmp_path / "x.db"
    with running(*CAPTURE, str(path)) as (port, _), closing(sqlite3.connect(path)) as conn:
        burst = send_hooks(port, 64, 20_000, ids=True)
        ended = time.perf_counter()
        missing = 20_000 - conn.execute("SELECT count(*) FROM messages").fetchone()[0]
        while conn.execute("SELECT count(*) FROM messages").fetchone()[0] < 20_000:
            time.sleep(0.05)
        print(
            f"\nburst of 20,000: {burst}; {missing} behind at its end, none after {time.perf_counter() - ended:.1f} s"
        )


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
    """Resident memory of the receiver, its writer and its projector: at rest, and while hooks come by the million."""
    with running(*CAPTURE, str(tmp_path / "x.db")) as (port, process):
        print(f"\nat rest: {memory_mb(process)} MB")
        for done in range(0, MILLION, MILLION // 10):
            load = send_hooks(port, 64, MILLION // 10)
            print(f"{done + MILLION // 10:>9,} hooks: {memory_mb(process)} MB, {load}")
