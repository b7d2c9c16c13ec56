"""How fast hooks become durable. Prints ratios of one run; asserts only that every hook was answered.

make bench
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECRET = "bench"
HOOKS = 4_000
BODY = (Path(__file__).parents[2] / "data/samples/hook-v2-text-with-source.json").read_bytes() + b"\n"
PLAIN = """
from kommo_nb.asgi import read_body, respond
from kommo_nb.serving import Server

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
    else:
        await read_body(receive, limit=10**6)
        await respond(send, 200, b"ok", "text/plain")

Server(app, on_ready=lambda url: print('{"capture": "%s"}' % url, flush=True)).run_here()
"""


@pytest.mark.parametrize("connections", [1, 16, 64])
def test_durable_hooks_a_second(connections: int, tmp_path: Path) -> None:
    """Our receiver (verify, one durable commit, answer) beside the same server that answers 'ok' and does nothing."""
    capture = [sys.executable, "-m", "kommo_nb.cli", "capture", "--port", "0", "--db", str(tmp_path / "x.db"), "--json"]
    ours = measured(capture, connections)
    limit = measured([sys.executable, "-c", PLAIN], connections)
    share = ours[0] / limit[0]
    print(
        f"\n{connections:>3} connections: ours {ours[0]:6.0f}/s (p50 {ours[1]:5.2f} ms, p99 {ours[2]:6.2f} ms)"
        f"   answers only {limit[0]:6.0f}/s (p50 {limit[1]:5.2f} ms, p99 {limit[2]:6.2f} ms)   ratio {share:4.2f}"
    )


def measured(command: list[str], connections: int) -> tuple[float, float, float]:
    """Hooks a second, and p50 and p99 of the answer in ms."""
    env = os.environ | {"KOMMO_NB_SECRET": SECRET}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert server.stdout is not None
        port = int(json.loads(server.stdout.readline())["capture"].rpartition(":")[2])
        asyncio.run(load(port, connections, 400))
        started = time.perf_counter()
        times = sorted(asyncio.run(load(port, connections, HOOKS)))
        rate = len(times) / (time.perf_counter() - started)
        return rate, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
    finally:
        server.terminate()
        server.communicate(timeout=20)


async def load(port: int, connections: int, total: int) -> list[float]:
    """Seconds that each answer took. A hand-written HTTP client, since a full one would be what we measure."""
    signature = hmac.new(SECRET.encode(), BODY[:-1], hashlib.sha1).hexdigest()
    head = f"POST /hooks/c_a HTTP/1.1\r\nHost: x\r\nX-Signature: {signature}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    request = head.encode() + BODY

    async def one_connection(count: int) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        times = []
        for _ in range(count):
            started = time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - started)
        writer.close()
        return times

    found = await asyncio.gather(*(one_connection(total // connections) for _ in range(connections)))
    return [each for times in found for each in times]
