"""What is to be imported, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..wire.messages import Message, Person


@dataclass(frozen=True)
class Item:
    """A message, and the row it comes from, as the source counts it. The same row has the same msgid in every run.

    `manager` is None for the client, and for the bot, who also stands in for an unknown manager.
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
