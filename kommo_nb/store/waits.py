"""How long clients waited in each chat, told anew where a chat has changed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from .counting import Length, Marks, Write, add_lengths, settled
from .rollups import DAY_MS, step

SILENCE_MS = 24 * 3_600_000
"""A longer silence ends a session. Kommo tells of no end, so this is our choice."""

AT_ONCE = 25
"""Chats told anew together: a millisecond or two of the write lock, for which a receiver may wait."""

_FAR_MS = 2**62
_SEARCHED = ("name", "phone", "email", "client_id", "conversation_id")
_TOTALS = """
    SELECT :chat, (SELECT scope_id FROM messages WHERE chat = :chat ORDER BY sent_at_ms DESC, message_id DESC LIMIT 1),
           count(*), max(sent_at_ms), max(sent_at_ms) FILTER (WHERE author = 'client'),
           max(sent_at_ms) FILTER (WHERE author = 'manager'), :search
    FROM messages WHERE chat = :chat HAVING count(*) > 0"""


class Wait(NamedTuple):
    """A wait for a person's answer, which is open while `answered_ms` is None."""

    kind: str
    scope_id: str | None
    began_ms: int
    asked_ms: int
    answered_ms: int | None

    @property
    def steps(self) -> tuple[int | None, int | None]:
        """The steps of how long it took, from the last question and from the beginning."""
        if self.answered_ms is None:
            return None, None
        return step(self.answered_ms - self.asked_ms), step(self.answered_ms - self.began_ms)

    @property
    def length(self) -> Length:
        """Where it counts once it was answered."""
        return Length(self.kind, self.asked_ms // DAY_MS * DAY_MS, self.scope_id or "", self.steps[0] or 0)


class Told:
    """What differs from what was told of some chats before.

    Attributes:
        gone, new: rows of `waits`, by rowid and whole.
        totals: rows of `chat_totals`; `empty` are chats that have no message left.
        lengths: of the waits that are over.
    """

    def __init__(self) -> None:
        self.gone: list[tuple[int]] = []
        self.new: list[tuple[Any, ...]] = []
        self.totals: list[tuple[Any, ...]] = []
        self.empty: list[tuple[str]] = []
        self.lengths = Counter[Length]()


def stale_chats(conn: sqlite3.Connection) -> Write | None:
    """Tell some stale chats anew."""
    if not conn.execute("SELECT 1 FROM stale_chats LIMIT 1").fetchone():
        return None
    sql = """UPDATE stale_chats SET version = random() WHERE chat IN (SELECT chat FROM stale_chats LIMIT ?)
             RETURNING chat, since_ms, version"""
    marks, told = conn.execute(sql, (AT_ONCE,)).fetchall(), Told()
    for chat, since_ms, _ in marks:
        _tell(conn, chat, since_ms, told)
    return partial(_write, marks=[(chat, version) for chat, _, version in marks], told=told)


def _tell(conn: sqlite3.Connection, chat: str, since_ms: int, told: Told) -> None:
    """Tell what is true of a chat; nothing before that time has changed.

    What was answered before it stays: the last answer ends the turns, and its session is where telling begins.
    """
    before = "SELECT sent_at_ms FROM messages WHERE chat = ? AND sent_at_ms {} ? {} ORDER BY sent_at_ms DESC"
    answer = conn.execute(before.format("<", "AND author = 'manager'") + " LIMIT 1", (chat, since_ms)).fetchone()
    answered_ms = begin_ms = answer[0] if answer else -_FAR_MS
    for (sent_at_ms,) in conn.execute(before.format("<", ""), (chat, begin_ms)):
        if begin_ms - sent_at_ms > SILENCE_MS:
            break
        begin_ms = sent_at_ms
    rest = conn.execute(
        """SELECT sent_at_ms, author, scope_id FROM messages WHERE chat = ? AND sent_at_ms >= ?
           ORDER BY sent_at_ms, author = 'manager', message_id""",
        (chat, begin_ms),
    )
    waits = {wait for wait in _waits(rest) if wait.kind == "first_response" or wait.began_ms > answered_ms}
    stored = conn.execute(
        """SELECT rowid, kind, scope_id, began_ms, asked_ms, answered_ms FROM waits
           WHERE chat = ? AND began_ms > CASE kind WHEN 'response' THEN ? ELSE ? END""",
        (chat, answered_ms, begin_ms - 1),
    )
    known = {Wait(*row[1:]): row[0] for row in stored}
    gone, new = known.keys() - waits, waits - known.keys()
    told.gone += [(known[wait],) for wait in gone]
    told.new += [(wait.kind, chat, *wait[1:], *wait.steps) for wait in new]
    told.lengths.update(wait.length for wait in new if wait.answered_ms is not None)
    told.lengths.subtract(wait.length for wait in gone if wait.answered_ms is not None)

    names = conn.execute(f"SELECT {', '.join(_SEARCHED)} FROM chats WHERE chat_id = ?", (chat,)).fetchone() or ()
    search = "\n".join([*(text for text in names if text), chat]).casefold()
    if totals := conn.execute(_TOTALS, {"chat": chat, "search": search}).fetchone():
        told.totals.append(totals)
    else:
        told.empty.append((chat,))


def _write(conn: sqlite3.Connection, marks: Marks, told: Told) -> int:
    if settled(conn, "stale_chats", "chat", marks):
        conn.executemany("DELETE FROM waits WHERE rowid = ?", told.gone)
        conn.executemany("INSERT INTO waits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", told.new)
        conn.executemany("INSERT OR REPLACE INTO chat_totals VALUES (?, ?, ?, ?, ?, ?, ?)", told.totals)
        conn.executemany("DELETE FROM chat_totals WHERE chat = ?", told.empty)
        add_lengths(conn, told.lengths)
    return len(marks)


def _waits(messages: Iterable[tuple[int, str, str | None]]) -> Iterable[Wait]:
    """The waits in messages in their order, as time, author and scope; the first one begins a session."""
    last_ms, asked_in_session = -_FAR_MS, True
    firsts: list[Wait] = []
    turn: Wait | None = None
    for at_ms, author, scope_id in messages:
        if at_ms - last_ms > SILENCE_MS:
            asked_in_session = False
        last_ms = at_ms
        if author == "client":
            turn = Wait("response", scope_id, turn.began_ms if turn else at_ms, at_ms, None)
            if not asked_in_session:
                firsts.append(Wait("first_response", scope_id, at_ms, at_ms, None))
            asked_in_session = True
        elif author == "manager":
            for wait in (*firsts, *([turn] if turn else ())):
                yield wait._replace(answered_ms=at_ms)
            firsts, turn = [], None
    yield from firsts
    if turn:
        yield turn
