"""The same people, live: they write by a client's calls, and managers answer by the sandbox's controls."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ...errors import KommoError
from .people import MANAGERS, REGULARS, Talk, customers, file_of, message_of, new_talk

Press = Callable[[str, dict[str, Any]], dict[str, Any]]


def live(client: Any, press: Press, *, stop: threading.Event, seed: int = 1, pace_s: float = 3.0) -> None:
    """Let the same people write, and managers answer, until `stop` is set. Failing calls are survived.

    Args:
        client: has `send`, `typing` and `set_delivery_status` as a connected ChatsClient has them.
        press: posts a payload to one of the sandbox's controls, such as `manager/message`, and returns its answer.
        pace_s: seconds between two messages of clients, on average.
    """
    rng, people = random.Random(seed), customers(seed)[:REGULARS]
    talks: list[Talk] = []
    unreported: deque[tuple[str, int]] = deque()
    for who in people:  # not what the history began with
        rng.shuffle(who.script)
    while not stop.wait(rng.expovariate(2 / pace_s)):  # every other message is a manager's
        try:
            for _ in range(min(len(unreported), 1 + len(unreported) // 8)):
                client.set_delivery_status(*unreported.popleft())
            if len(talks) < 4:
                idle = [who for who in people if all(who is not talk.who for talk in talks)]
                talks.append(new_talk(rng.choice(idle), MANAGERS, rng))
            talk = rng.choice(talks)
            unreported.extend(_next_line(client, press, talk, rng))
            if not talk.lines:
                talks.remove(talk)
        except KommoError:
            talks.clear()  # a sandbox that was started again knows none of their messages
            stop.wait(pace_s)


def _next_line(client: Any, press: Press, talk: Talk, rng: random.Random) -> list[tuple[str, int]]:
    """Have the next line of a talk said; the statuses to report for it."""
    side, kind, text = talk.lines.pop(0)
    key, person = talk.who.conversation_id, talk.who.person
    if side == "<":
        if talk.ids and rng.random() < 0.4:
            client.typing(key, person.id)
        reply_to = talk.quoted(">", rng)
        where = {"conversation_id": key, "source": talk.who.source.id}
        receipt = client.send(message_of(kind, text, rng), sender=person, reply_to=reply_to, **where)
        talk.ids["<"] = receipt.message_id
        return []
    files = [{"type": kind, **file_of(kind, rng)}] if kind else []
    what = {"conversation_id": key, "text": text, "manager": talk.manager, "attachments": files}
    answer = press("manager/message", what)
    ids = answer["message_ids"]
    talk.ids[">"] = ids[-1]
    if not all(hook["status"] == 200 for hook in answer.get("hooks", ())):
        return []  # an integration cannot report on a message whose hook did not come
    return [(id, status) for status in ((1, 2) if rng.random() < 0.8 else (1,)) for id in ids]
