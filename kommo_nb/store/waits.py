"""How long clients waited in each chat, told anew where a chat has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from .counting import Counts
from .rollups import step

SILENCE_MS = 24 * 3_600_000
"""A longer silence ends a session. Kommo tells of no end, so this is our choice."""

AT_ONCE = 10
"""Chats told anew in one transaction: about a millisecond, for a receiver may wait for the write lock."""

_FAR_MS = 2**62
_SEARCHED = ("name", "phone", "email", "client_id", "conversation_id")


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


def refresh(conn: sqlite3.Connection) -> int:
    """Tell the next stale chats anew, in the caller's transaction; how many there were."""
    chats = conn.execute("SELECT chat, since_ms FROM stale ORDER BY rowid LIMIT ?", (AT_ONCE,)).fetchall()
    counts = Counts()
    for chat, since_ms in chats:
        _tell_waits(conn, chat, since_ms, counts)
        _tell_totals(conn, chat)
    counts.write(conn)
    conn.executemany("DELETE FROM stale WHERE chat = ?", [(chat,) for chat, _ in chats])
    return len(chats)


def _tell_waits(conn: sqlite3.Connection, chat: str, since_ms: int, counts: Counts) -> None:
    """Make the waits of a chat true again; nothing before that time has changed.

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
    told = {wait for wait in _waits(rest) if wait.kind == "first_response" or wait.began_ms > answered_ms}
    known = conn.execute(
        """SELECT rowid, kind, scope_id, began_ms, asked_ms, answered_ms FROM waits
           WHERE chat = ? AND began_ms > CASE kind WHEN 'response' THEN ? ELSE ? END""",
        (chat, answered_ms, begin_ms - 1),
    )
    rowids = {Wait(*row[1:]): row[0] for row in known}
    gone, new = rowids.keys() - told, sorted(told - rowids.keys(), key=lambda wait: (wait.kind, wait.asked_ms))
    conn.executemany("DELETE FROM waits WHERE rowid = ?", [(rowids[wait],) for wait in gone])
    conn.executemany(
        """INSERT INTO waits (kind, chat, scope_id, began_ms, asked_ms, answered_ms, wait, span)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [(wait.kind, chat, *wait[1:], *wait.steps) for wait in new],
    )
    for sign, waits in ((-1, gone), (1, new)):
        for wait in waits:
            if wait.answered_ms is not None:
                length_ms = wait.answered_ms - wait.asked_ms
                counts.add_length(sign, wait.kind, wait.asked_ms, wait.scope_id or "", length_ms)


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


def _tell_totals(conn: sqlite3.Connection, chat: str) -> None:
    known = conn.execute(f"SELECT {', '.join(_SEARCHED)} FROM chats WHERE chat_id = ?", (chat,)).fetchone() or ()
    search = "\n".join([*(text for text in known if text), chat]).casefold()
    conn.execute("DELETE FROM chat_totals WHERE chat = ?", (chat,))
    conn.execute(
        """INSERT INTO chat_totals (chat, messages, last_ms, client_ms, manager_ms, search, scope_id)
           SELECT :chat, count(*), max(sent_at_ms), max(sent_at_ms) FILTER (WHERE author = 'client'),
                  max(sent_at_ms) FILTER (WHERE author = 'manager'), :search,
                  (SELECT scope_id FROM messages WHERE chat = :chat ORDER BY sent_at_ms DESC, message_id DESC LIMIT 1)
           FROM messages WHERE chat = :chat HAVING count(*) > 0""",
        {"chat": chat, "search": search},
    )
