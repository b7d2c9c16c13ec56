"""A store with a year of messages, as many as one wants: five million messages have six million reports.

python tests/benchmarks/years.py FILE [MESSAGES]

Sessions of clients that ask, bots that greet, managers that answer after a log-normal wait, in three channels. The rows
go into the projected tables in order of time and are counted there; there are no raw rows behind them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery, Exchange

DAY_MS, DAYS = 86_400_000, 365
MESSAGES, PER_SESSION, PER_CHAT = 5_000_000, 10, 25
SCOPES = [f"{n}a4e3b50-5cfd-4e8b-9d7e-5b1e0a1b7c1e_{n}c1f2d74-3a88-46a5-8a52-0a9b6e3b7f42" for n in range(3)]
AUTHORS, TYPES = ("client", "manager", "bot"), ("text", "picture", "voice", "file", "sticker")
CHUNK = 100_000

_MESSAGE = """INSERT INTO messages (message_id, scope_id, chat_id, conversation_id, direction, author, type, text,
              sent_at_ms, delivery_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_STATUS = "INSERT INTO statuses (event, message_id, status_code, error_code, reported_at_ms) VALUES (?, ?, ?, ?, ?)"
_CHAT = "INSERT INTO chats (chat_id, conversation_id, scope_id, name, phone) VALUES (?, ?, ?, ?, ?)"


def make(path: Path, count: int = MESSAGES, *, until_ms: int, seed: int = 1) -> Store:
    """A year of so many messages that ends at `until_ms`, in a new file."""
    store, rng = Store(path), np.random.default_rng(seed)
    for pragma in ("synchronous = OFF", "cache_size = -500000", "wal_autocheckpoint = 20000"):
        store.conn.execute(f"PRAGMA {pragma}")
    chats = max(1, count // PER_CHAT)
    names = ((f"chat-{n:036}", f"our-{n}", SCOPES[n % 3], f"Client {n}", f"+1555{n:07}") for n in range(chats))
    store.conn.execute("BEGIN")
    store.conn.execute("INSERT INTO projection VALUES ('exchanges', 0)")
    store.conn.executemany(_CHAT, names)
    store.conn.execute("COMMIT")
    columns = messages(count, chats, until_ms, rng)
    for start in track(range(0, count, CHUNK), description=f"{count:,} messages"):
        rows = [each[start : start + CHUNK].tolist() for each in columns]
        store.conn.execute("BEGIN")
        store.conn.executemany(_MESSAGE, message_rows(start, *rows))
        store.conn.executemany(_STATUS, status_rows(start, *rows, rng))
        store.conn.execute("COMMIT")
    store.project()
    store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return store


def messages(count: int, chats: int, until_ms: int, rng: Any, *, days: int = DAYS) -> tuple[Any, ...]:
    """Chat, author, type and time of each message, in order of time."""
    session = np.arange(count) // PER_SESSION
    place = np.arange(count) % PER_SESSION
    sessions = int(session[-1]) + 1
    chat = rng.integers(0, chats, sessions)[session]
    day, hour = rng.integers(0, days, sessions), np.clip(rng.normal(13, 4, sessions), 0, 23.9)
    begun_ms = until_ms - days * DAY_MS + ((day + hour / 24) * DAY_MS).astype("int64")
    author = np.array([0, 2, 0, 1, 1, 0, 2, 1, 0, 1])[place]
    author[(place == PER_SESSION - 1) & (rng.random(count) < 0.05)] = 0  # nobody answered
    gap_ms = np.where(author == 1, rng.lognormal(5.5, 1.4, count), rng.lognormal(3, 1, count)) * 1000
    steps = np.cumsum(gap_ms)
    sent_at_ms = (begun_ms[session] + steps - steps[session * PER_SESSION]).astype("int64")
    sent_at_ms = np.minimum(sent_at_ms, until_ms - 1)
    kind = rng.choice(len(TYPES), count, p=[0.8, 0.1, 0.05, 0.03, 0.02])
    order = np.argsort(sent_at_ms, kind="stable")
    return chat[order], author[order], kind[order], sent_at_ms[order]


def message_rows(start: int, *columns: list[int]) -> Iterator[tuple[Any, ...]]:
    """The rows of `messages`."""
    for n, (chat, author, kind, at_ms) in enumerate(zip(*columns, strict=True), start):
        direction = "outgoing" if author else "incoming"
        ids = (f"message-{n:028}", SCOPES[chat % 3], f"chat-{chat:036}", f"our-{chat}")
        yield (*ids, direction, AUTHORS[author], TYPES[kind], f"Text of message {n}", at_ms, n if author else None)


def status_rows(start: int, *columns: Any) -> Iterator[tuple[Any, ...]]:
    """Two reports on each message of the CRM: delivered and read, delivered twice, or one failure."""
    *lists, rng = columns
    chance, took_ms = rng.random(len(lists[0])).tolist(), (rng.lognormal(0, 1, (2, len(lists[0]))) * 1500).tolist()
    for n, (_, author, _, at_ms) in enumerate(zip(*lists, strict=True), start):
        if not author:
            continue
        delivered, read = (at_ms + int(each[n - start]) for each in took_ms)
        if chance[n - start] < 0.02:
            yield f"e{2 * n}", f"message-{n:028}", -1, 904, delivered
            continue
        yield f"e{2 * n}", f"message-{n:028}", 1, None, delivered
        again = chance[n - start] > 0.8
        yield f"e{2 * n + 1}", f"message-{n:028}", 1 if again else 2, None, delivered + 20 * (read - at_ms)


def raw_rows(days: int, *, until_ms: int, seed: int = 1) -> list[Delivery | Exchange]:
    """What leads to so many days of the year: calls with the clients' messages, hooks with the others, and reports."""
    count, rng = MESSAGES // DAYS * days, np.random.default_rng(seed)
    columns = [each.tolist() for each in messages(count, MESSAGES // PER_CHAT, until_ms, rng, days=days)]
    rows: list[Delivery | Exchange] = []
    for message_id, scope_id, chat_id, conversation_id, _, author, kind, text, at_ms, _ in message_rows(0, *columns):
        content = {"id": message_id, "type": kind, "text": text}
        about = {"msec_timestamp": at_ms, "timestamp": at_ms // 1000}
        if author == "client":
            sent = {**about, "msgid": f"our-{message_id}", "conversation_id": conversation_id, "message": content}
            asked = {"event_type": "new_message", "payload": {**sent, "sender": {"id": f"u-{chat_id}", "name": "Ada"}}}
            answer = {"new_message": {"msgid": message_id, "conversation_id": chat_id, "sender_id": f"c-{chat_id}"}}
            rows.append(_call(at_ms, "send", scope_id, asked, answer))
        else:
            people = {"sender": {"id": author, "name": "Maria"}, "receiver": {"id": f"c-{chat_id}"}}
            chat = {"id": chat_id, "client_id": conversation_id}
            body = {"account_id": "acc", "message": {**about, **people, "conversation": chat, "message": content}}
            rows.append(Delivery(at_ms, scope_id, json.dumps(body).encode(), "", "valid", 200, 2_000, None))
    for _, message_id, code, error_code, at_ms in status_rows(0, *columns, rng):
        report = {"msgid": message_id, "status_code": code, "error_code": error_code}
        rows.append(_call(at_ms, "delivery_status", f"{SCOPES[0]}/{message_id}/delivery_status", report, None))
    return sorted(rows, key=lambda row: row.received_at_ms if isinstance(row, Delivery) else row.created_at_ms)


def _call(at_ms: int, kind: str, of: str, request: Any, answer: Any) -> Exchange:
    pending = Exchange(at_ms, kind, "POST", f"/v2/origin/custom/{of}", json.dumps(request).encode())
    body = json.dumps(answer).encode() if answer else b""
    return replace(pending, state="done", attempts=1, status=200, response_body=body)


if __name__ == "__main__":
    import time

    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else MESSAGES
    make(Path(sys.argv[1]), wanted, until_ms=int(time.time() * 1000)).close()
