"""Sends hooks as fast as a receiver answers. Written by hand on epoll: a full client would be what we measure."""

from __future__ import annotations

import hashlib
import hmac
import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path

SECRET = "bench"
BODY = (Path(__file__).parents[2] / "data/samples/hook-v2-text-with-source.json").read_bytes() + b"\n"


@dataclass(frozen=True)
class Load:
    """How it went: hooks a second, and the time to the answer in ms."""

    rate: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.rate:7.0f}/s  p50 {self.p50_ms:6.2f}  p99 {self.p99_ms:6.2f} ms"


def send_hooks(port: int, connections: int, total: int, *, first_id: int | None = None) -> Load:
    """Send hooks over so many connections, each as soon as its last one is answered. Every answer must be a 200.

    Args:
        first_id: send messages of their own, from this number on, for what reads the bodies.
    """
    poll, sockets, waiting = select.epoll(), {}, {}
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
    one, partial, times = _request(None), {}, []
    started = time.perf_counter()
    sent = 0
    for fd in sockets:
        waiting[fd] = time.perf_counter()
        sockets[fd].send(one if first_id is None else _request(first_id + sent))
        sent += 1
    while len(times) < total:
        for fd, _event in poll.poll():
            answer = partial.pop(fd, b"") + sockets[fd].recv(4096)
            if not _is_whole(answer):
                partial[fd] = answer
                continue
            times.append(time.perf_counter() - waiting[fd])
            assert answer.startswith(b"HTTP/1.1 200"), answer
            if sent < total:
                waiting[fd] = time.perf_counter()
                sockets[fd].send(one if first_id is None else _request(first_id + sent))
                sent += 1
    rate = len(times) / (time.perf_counter() - started)
    for sock in sockets.values():
        sock.close()
    times.sort()
    return Load(rate, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3)


def _request(number: int | None) -> bytes:
    body = BODY if number is None else _hook(number)
    signature = hmac.new(SECRET.encode(), body[:-1], hashlib.sha1).hexdigest()
    head = f"POST /hooks/c_a HTTP/1.1\r\nHost: x\r\nX-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _hook(number: int) -> bytes:
    """A message of its own, 8 ms after the one before, in one of 2,000 chats."""
    chat = b"%08x" % (number % 2000)
    body = BODY.replace(b"8e4d4baa", chat).replace(b"my_int-d5a421f7", b"my_int-" + chat)
    return body.replace(b"0371a0ff", b"%08x" % number).replace(b"1639572260980", b"%d" % (1639572260980 + 8 * number))


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return bool(end) and len(body) >= int(length or 0)
