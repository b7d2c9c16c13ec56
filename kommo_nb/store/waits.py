"""How long clients waited in each chat, told anew where a chat has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from .counting import Marks, Write, settled
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


class Chat(NamedTuple):
    """What is told of a chat.

    Attributes:
        answered_ms, begin_ms: behind its last answer before the change, and where telling began, in that session.
        totals: its row of `chat_totals`; None if it has no message.
    """

    chat: str
    answered_ms: int
    begin_ms: int
    waits: set[Wait]
    totals: tuple[Any, ...] | None


def stale_chats(conn: sqlite3.Connection) -> Write | None:
    """Tell some stale chats anew."""
    marks = conn.execute("SELECT chat, since_ms, version FROM stale_chats LIMIT ?", (AT_ONCE,)).fetchall()
    if not marks:
        return None
    chats = [_tell(conn, chat, since_ms) for chat, since_ms, _ in marks]
    return partial(_write, marks=[(chat, version) for chat, _, version in marks], chats=chats)


def _tell(conn: sqlite3.Connection, chat: str, since_ms: int) -> Chat:
    """What is true of a chat; nothing before that time has changed.

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
    names = conn.execute(f"SELECT {', '.join(_SEARCHED)} FROM chats WHERE chat_id = ?", (chat,)).fetchone() or ()
    search = "\n".join([*(text for text in names if text), chat]).casefold()
    totals = conn.execute(_TOTALS, {"chat": chat, "search": search}).fetchone()
    return Chat(chat, answered_ms, begin_ms, waits, totals)


def _write(conn: sqlite3.Connection, marks: Marks, chats: Iterable[Chat]) -> int:
    if not settled(conn, "stale_chats", "chat", marks):
        return len(marks)
    days: set[int] = set()
    for chat in chats:
        days |= {wait.asked_ms // DAY_MS * DAY_MS for wait in _write_waits(conn, chat) if wait.answered_ms is not None}
        if chat.totals:
            conn.execute("INSERT OR REPLACE INTO chat_totals VALUES (?, ?, ?, ?, ?, ?, ?)", chat.totals)
        else:
            conn.execute("DELETE FROM chat_totals WHERE chat = ?", (chat.chat,))
    conn.executemany(
        "INSERT INTO stale_days VALUES (?, random()) ON CONFLICT DO UPDATE SET version = excluded.version",
        [(day_ms,) for day_ms in days],
    )
    return len(marks)


def _write_waits(conn: sqlite3.Connection, chat: Chat) -> set[Wait]:
    """Make the waits of a chat true; those that differ."""
    known = conn.execute(
        """SELECT rowid, kind, scope_id, began_ms, asked_ms, answered_ms FROM waits
           WHERE chat = ? AND began_ms > CASE kind WHEN 'response' THEN ? ELSE ? END""",
        (chat.chat, chat.answered_ms, chat.begin_ms - 1),
    )
    rowids = {Wait(*row[1:]): row[0] for row in known}
    gone, new = rowids.keys() - chat.waits, chat.waits - rowids.keys()
    conn.executemany("DELETE FROM waits WHERE rowid = ?", [(rowids[wait],) for wait in gone])
    conn.executemany(
        """INSERT INTO waits (kind, chat, scope_id, began_ms, asked_ms, answered_ms, wait, span)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [(wait.kind, chat.chat, *wait[1:], *wait.steps) for wait in new],
    )
    return gone | new


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
