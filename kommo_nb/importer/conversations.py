"""What is to be imported, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..wire.messages import Message, Person


@dataclass(frozen=True)
class Item:
    """A message, and the row it comes from.

    Attributes:
        row: as the source counts it: the header of a CSV file is row 1, the first of a DataFrame is row 0.
        msgid: ours; it follows from the row, so that the same row has the same one in every run.
        author: client, manager or bot.
        manager: who wrote it; None for the client, and for the bot, who also stands in for an unknown manager.
    """

    row: int
    msgid: str
    sent_at: datetime
    author: str
    message: Message
    manager: Person | None = None


@dataclass(frozen=True)
class Conversation:
    """A chat: its client, and its messages in the order of their time."""

    conversation_id: str
    client: Person
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row, and how to mend it. `conversation_id` is None where the row does not tell it."""

    row: int
    conversation_id: str | None
    reason: str


def counted(count: int, word: str) -> str:
    """A number and its noun: 1 chat, 2 chats."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
