"""How long clients waited in each chat, and what a list of chats shows of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .counting import Length, add_lengths
from .rollups import DAY_MS, LATER, step

SILENCE_MS = 24 * 3_600_000
"""A longer silence ends a session. Kommo tells of no end, so this is our choice."""

Wait = tuple[str, str | None, int, int, int | None]
"""A wait for a person's answer: kind, scope_id, began_ms, asked_ms, and answered_ms, which is None while it is open."""
Message = tuple[int, str, str | None]
"""sent_at_ms, author, scope_id."""

_MESSAGES = "SELECT sent_at_ms, author, scope_id FROM messages WHERE chat = ?"
# Authors in this order, so that a client who asks in the millisecond of an answer has asked before it.
_IN_ORDER = "ORDER BY sent_at_ms, author, scope_id"
_LAST = "ORDER BY sent_at_ms DESC, author DESC, scope_id DESC LIMIT 1"
_SEARCHED = "name, phone, email, client_id, conversation_id"


class Told:
    """What differs from what was told of some chats before.

    Attributes:
        gone, new: rows of `waits`, by rowid and whole.
        totals: rows of `chat_totals`; `empty` are chats that have no message left.
        lengths: of the waits that are over.
        since: the time from which on each chat is told; all of it, where nothing was known.
    """

    def __init__(self) -> None:
        self.gone: list[tuple[int]] = []
        self.new: list[tuple[Any, ...]] = []
        self.totals: list[tuple[Any, ...]] = []
        self.empty: list[tuple[str]] = []
        self.lengths = Counter[Length]()
        self.since: dict[str, int] = {}

    def add(self, chat: str, waits: set[Wait], known: Mapping[Wait, int]) -> None:
        """Add the waits of a chat, beside those that are stored of the same time."""
        for wait in known.keys() - waits:
            self.gone.append((known[wait],))
            self._count(wait, -1)
        for wait in waits - known.keys():
            self.new.append((wait[0], chat, *wait[1:], *self._count(wait, 1)))

    def _count(self, wait: Wait, by: int) -> tuple[int | None, int | None]:
        """Count a wait that is over; the steps of how long it took, from the last question and from the beginning."""
        kind, scope_id, began_ms, asked_ms, answered_ms = wait
        if answered_ms is None:
            return None, None
        took = step(answered_ms - asked_ms)
        self.lengths[Length(kind, asked_ms // DAY_MS * DAY_MS, scope_id or "", took)] += by
        return took, step(answered_ms - began_ms)

    def write(self, conn: sqlite3.Connection) -> None:
        """Write it, in the caller's transaction."""
        conn.executemany("DELETE FROM waits WHERE rowid = ?", self.gone)
        conn.executemany("INSERT INTO waits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", self.new)
        conn.executemany("INSERT OR REPLACE INTO chat_totals VALUES (?, ?, ?, ?, ?, ?, ?)", self.totals)
        conn.executemany("DELETE FROM chat_totals WHERE chat = ?", self.empty)
        add_lengths(conn, self.lengths)


def recount(conn: sqlite3.Connection, chats: Mapping[str, int]) -> Told:
    """Tell some chats anew, each from a time on before which nothing has changed."""
    told, these = Told(), f"IN ({', '.join('?' * len(chats))})"
    named = conn.execute(f"SELECT chat_id, {_SEARCHED} FROM chats WHERE chat_id {these}", [*chats])
    names = {chat: "\n".join([*filter(None, texts), chat]).casefold() for chat, *texts in named}
    known = {chat for (chat,) in conn.execute(f"SELECT chat FROM chat_totals WHERE chat {these}", [*chats])}
    for chat, since_ms in chats.items():
        name = names.get(chat) or chat.casefold()
        told.since[chat] = since_ms if chat in known else -LATER
        if chat in known:
            _tell_from(conn, chat, since_ms, told)
            totals = _totals(conn, chat)
        else:
            messages = conn.execute(f"{_MESSAGES} {_IN_ORDER}", (chat,)).fetchall()
            told.add(chat, {*_waits(messages)}, {})
            totals = _totals_of(messages)
        if totals:
            told.totals.append((chat, *totals, name))
        else:
            told.empty.append((chat,))
    return told


def _tell_from(conn: sqlite3.Connection, chat: str, since_ms: int, told: Told) -> None:
    """Tell the waits of a chat that was told before: those behind the last answer before that time; it ended others."""
    answers = "SELECT max(sent_at_ms) FROM messages WHERE chat = ? AND sent_at_ms < ? AND author = 'manager'"
    (answered_ms,) = conn.execute(answers, (chat, since_ms)).fetchone()
    last_ms = answered_ms = -LATER if answered_ms is None else answered_ms
    asked = False
    before = "SELECT sent_at_ms, author FROM messages WHERE chat = ? AND sent_at_ms <= ? ORDER BY sent_at_ms DESC"
    for sent_at_ms, author in conn.execute(before, (chat, answered_ms)):
        if asked or last_ms - sent_at_ms > SILENCE_MS:
            break
        asked, last_ms = author == "client", sent_at_ms
    messages = conn.execute(f"{_MESSAGES} AND sent_at_ms > ? {_IN_ORDER}", (chat, answered_ms))
    stored = conn.execute(
        """SELECT rowid, kind, scope_id, began_ms, asked_ms, answered_ms FROM waits
           WHERE chat = ? AND kind IN ('response', 'first_response') AND began_ms > ?""",
        (chat, answered_ms),
    )
    known = {(kind, *wait): rowid for rowid, kind, *wait in stored}
    told.add(chat, {*_waits(messages, answered_ms, asked)}, known)


def _totals(conn: sqlite3.Connection, chat: str) -> tuple[Any, ...] | None:
    """The scope of the last message, how many there are, when the last one came, of clients, and of managers."""
    row: tuple[Any, ...] = conn.execute(
        f"""SELECT (SELECT scope_id FROM messages WHERE chat = :chat {_LAST}),
            count(*), max(sent_at_ms), max(sent_at_ms) FILTER (WHERE author = 'client'),
            max(sent_at_ms) FILTER (WHERE author = 'manager') FROM messages WHERE chat = :chat""",
        {"chat": chat},
    ).fetchone()
    return row if row[1] else None


def _totals_of(messages: list[Message]) -> tuple[Any, ...] | None:
    """The same of messages in their order."""
    if not messages:
        return None
    last_ms = {author: at_ms for at_ms, author, _ in messages}
    return messages[-1][2], len(messages), messages[-1][0], last_ms.get("client"), last_ms.get("manager")


def _waits(messages: Iterable[Message], last_ms: int = -LATER, asked_in_session: bool = False) -> Iterator[Wait]:
    """The waits in messages in their order, behind an answer at `last_ms` if there is one."""
    firsts: list[tuple[str | None, int, int]] = []
    turn: tuple[str | None, int, int] | None = None
    for at_ms, author, scope_id in messages:
        if at_ms - last_ms > SILENCE_MS:
            asked_in_session = False
        last_ms = at_ms
        if author == "client":
            turn = (scope_id, turn[1] if turn else at_ms, at_ms)
            if not asked_in_session:
                firsts.append((scope_id, at_ms, at_ms))
            asked_in_session = True
        elif author == "manager":
            if turn:
                yield ("response", *turn, at_ms)
            yield from (("first_response", *first, at_ms) for first in firsts)
            firsts, turn = [], None
    if turn:
        yield ("response", *turn, None)
    yield from (("first_response", *first, None) for first in firsts)
