"""What the importer's tests and benchmark share: conversations, and a Kommo that remembers what it took."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from kommo_nb.sandbox.app import Sandbox

START = datetime(2024, 5, 1, 9, 0, tzinfo=UTC)
ROOT = b"/v2/origin/custom/"


class Recording(Sandbox):
    """A sandbox that notes each message it answers with 200, in the order of its answers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.taken: list[dict[str, Any]] = []
        self.requests = 0
        self.flying = self.most_flying = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["raw_path"].startswith(ROOT):
            return await super().__call__(scope, receive, send)
        body = b""

        async def reading() -> Any:
            nonlocal body
            event = await receive()
            body += event.get("body", b"")
            return event

        async def sending(event: Any) -> None:
            if event["type"] == "http.response.start" and event["status"] == 200 and b"new_message" in body:
                self.taken.append(json.loads(body)["payload"])
            await send(event)

        self.requests += 1
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await super().__call__(scope, reading, sending)
        finally:
            self.flying -= 1

    def by_chat(self) -> dict[str, list[dict[str, Any]]]:
        """What it took, by conversation_id."""
        chats = defaultdict(list)
        for payload in self.taken:
            chats[payload["conversation_id"]].append(payload)
        return dict(chats)


def conversations(messages: int, *, longest: int, seed: int = 5) -> list[dict[str, Any]]:
    """Rows of chats of 1 to `longest` messages, mixed as an export by time mixes them. The text tells the order."""
    rng, rows = random.Random(seed), []
    while len(rows) < messages:
        name, at = f"chat-{len(rows)}", START + timedelta(minutes=rng.randrange(10_000))
        for number in range(min(rng.randint(1, longest), messages - len(rows))):
            author = rng.choice(["client", "manager"])
            row = {"conversation_id": name, "sent_at": (at + timedelta(seconds=30 * number)).isoformat()}
            rows.append(row | {"author": author, "client_name": f"Client {name}", "text": f'{number}: ü, "{name}"'})
    return sorted(rows, key=lambda row: row["sent_at"])


def check_everything_once(rows: list[dict[str, Any]], kommo: Recording) -> None:
    """Each row was taken exactly once, in its order within the chat, and the last of each chat alone is not silent."""
    expected: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        expected[row["conversation_id"]].append(row["text"])
    chats = kommo.by_chat()
    assert {name: [each["message"]["text"] for each in taken] for name, taken in chats.items()} == expected
    assert len({each["msgid"] for each in kommo.taken}) == len(rows)
    for taken in chats.values():
        assert [each["silent"] for each in taken] == [True] * (len(taken) - 1) + [False]
