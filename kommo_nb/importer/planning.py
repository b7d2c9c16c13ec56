"""Rows → a plan: messages by conversation, what is wrong, and what the import will cause. No network, no store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ..clock import Clock
from ..errors import KommoError
from ..lines import counted, safe, shortlist
from ..store import Store
from ..wire.channel import Channel
from ..wire.messages import Person
from .conversations import Conversation, Item, Problem
from .items import EPOCH, Wrong, conversation_id_of, item_of, text_of
from .report import Report
from .rows import COLUMNS, read
from .running import THREADS, Run

CARD = timedelta(hours=24)
"""How far back the card of a lead shows messages."""


@dataclass
class Plan:
    """What an import will do; its text says it in words.

    Attributes:
        conversations: that can be imported, in the order in which they appear.
        problems: rows that are wrong. Their chats wait until they are mended, for a chat keeps its order.
        waiting: messages of those chats that are right, by conversation_id.
        repeated: rows that say what an earlier one says, and are left out: row → the earlier row.
        unused: columns that have no meaning here.
        made_at: the moment to which it was compared.
    """

    conversations: list[Conversation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    repeated: dict[int, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    made_at: datetime = EPOCH

    @property
    def chats(self) -> int:
        """Chats that will be imported. Each causes one notification, and one lead at most."""
        return len(self.conversations)

    @property
    def messages(self) -> int:
        """Messages that will be imported."""
        return sum(len(each.items) for each in self.conversations)

    def run(
        self,
        channel: Channel,
        base_url: str,
        store: Store,
        *,
        threads: int = THREADS,
        on_progress: Callable[[int, int], None] | None = None,
        clock: Clock | None = None,
    ) -> Report:
        """Import what the store does not have as done: each chat in order, so many chats side by side.

        Nothing is sent twice: a message that was on its way when a run was cut short goes again with its msgid, which
        Kommo refuses if it has it. A 429 slows all threads down. Ctrl-C ends the run in peace, with a report.

        Args:
            channel: with a scope, so connected; and its bot_id, where the bot stands in for an unknown manager.
            store: keeps every call, and so how far the import is. It alone is needed to go on.
            threads: 1 to 32 connections.
            on_progress: called from this thread with the number of messages that are done, and of all. It ends the
                run as Ctrl-C does by raising KeyboardInterrupt.

        Raises:
            KommoError: the channel lacks something, or a wrong row does not tell its chat, so that no order is safe.
        """
        if lost := [problem for problem in self.problems if problem.conversation_id is None]:
            raise KommoError(
                f"row {lost[0].row}: {lost[0].reason}. Mend it first: nobody can tell which chat it belongs to"
            )
        ready = Run(self.conversations, channel, base_url, store, threads=threads, clock=clock)
        report = ready.all(on_progress or (lambda *_: None))
        report.waiting, report.problems = dict(self.waiting), list(self.problems)
        return report

    def __str__(self) -> str:
        return "\n".join([*self._causes(), *self._mends()])

    def _causes(self) -> Iterator[str]:
        times = [item.sent_at for each in self.conversations for item in each.items]
        if not times:
            yield "Nothing can be imported yet."
            return
        first, last = min(times).date(), max(times).date()
        days = f"of {first}" if first == last else f"from {first} to {last}"
        yield f"{counted(self.messages, 'message')} in {counted(self.chats, 'chat')}, {days}."
        causes = f"{counted(self.chats, 'notification')} and {counted(self.chats, 'lead')} at most"
        yield f"It will cause {causes}: the newest message of each chat, all others are silent."
        if old := sum(self.made_at - each > CARD for each in times):
            yield f"The card of a new lead shows its last 24 hours; {counted(old, 'message')} will be older than that."

    def _mends(self) -> Iterator[str]:
        if self.problems:
            rows, chats = counted(len(self.problems), "row"), counted(len(self.waiting), "chat")
            good = counted(sum(self.waiting.values()), "good message")
            yield f"{rows} to mend; until then {chats} with {good} will wait:"
            yield from shortlist([f"row {each.row}: {each.reason}" for each in self.problems], "row")
        if self.repeated:
            row, earlier = next(iter(self.repeated.items()))
            yield (
                f"{counted(len(self.repeated), 'row')} left out, for an earlier one says the same (row {row} as row "
                f"{earlier}). If both were written, give each an id of its own."
            )
        if self.unused:
            yield f"Columns that mean nothing here: {safe(', '.join(self.unused))[:300]}."


def plan(source: Any, *, zone: tzinfo | str | None = None, clock: Clock | None = None) -> Plan:
    """What an import of these rows will do, and what is wrong with them; a KommoError if it is no table of messages.

    Args:
        source: the path of a CSV or JSON Lines file, a DataFrame, or an iterable of dicts.
        zone: of the times that do not name theirs, such as `Europe/Berlin`.
    """
    zone = _zone(zone) if isinstance(zone, str) else zone
    rows, made_at = read(source), (clock or Clock()).now()
    chats: dict[str, _Chat] = {}
    made = Plan(made_at=made_at)
    first_of: dict[str, tuple[int, str]] = {}  # msgid → row, and what it says
    for row in rows:
        conversation_id = None
        try:
            conversation_id = conversation_id_of(row)
            chat = chats.setdefault(conversation_id, _Chat())
            item, said = item_of(row, conversation_id, zone, made_at)
            earlier, said_before = first_of.setdefault(item.msgid, (row.number, said))
            if earlier == row.number:
                chat.add(item, row.values)
            elif said == said_before:
                made.repeated[row.number] = earlier
            else:
                raise Wrong(f"it has the id of row {earlier}, but says something else: each message needs its own id")
        except Wrong as wrong:
            made.problems.append(Problem(row.number, conversation_id, str(wrong)))
    stopped = {problem.conversation_id for problem in made.problems}
    made.waiting = {name: len(chat.items) for name, chat in chats.items() if name in stopped}
    made.conversations = [chat.built(name) for name, chat in chats.items() if name not in stopped]
    made.unused = sorted({column for row in rows for column in row.values} - set(COLUMNS))
    return made


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder, a path, unknown
        raise KommoError(f"{safe(name[:40])} is no time zone; one looks like Europe/Berlin") from None


class _Chat:
    """A conversation while its rows are read."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._client: list[tuple[datetime, dict[str, str]]] = []
        self._client_id: str | None = None

    def add(self, item: Item, values: Mapping[str, Any]) -> None:
        client = {name: text_of(values, f"client_{name}") for name in ("id", "name", "phone", "email")}
        known = {name: value for name, value in client.items() if value}
        self._client_id = self._client_id or known.get("id")
        if known.get("id", self._client_id) != self._client_id:
            raise Wrong("client_id is another than in an earlier row of this chat: a chat has one client")
        self._client.append((item.sent_at, known))
        self.items.append(item)

    def built(self, conversation_id: str) -> Conversation:
        """In the order of time, and of the rows where the time is the same; of the client what was said last."""
        client: dict[str, str] = {"id": conversation_id}
        for _, known in sorted(self._client, key=lambda each: each[0]):
            client |= known
        client.setdefault("name", client.get("phone") or client["id"])  # Kommo wants a name
        return Conversation(conversation_id, Person(**client), tuple(sorted(self.items, key=lambda item: item.sent_at)))
