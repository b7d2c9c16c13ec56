"""What the local Kommo knows: channels, accounts, scopes, chats, people, messages. No HTTP and no bodies here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from ..clock import Clock, derived_id, msec
from ..wire.channel import Channel

REACTIONS = "reactions"
"""Our name for reactions among a channel's `webhook_events`; Kommo's is not documented."""


def filled(**values: Any) -> dict[str, Any]:
    """The values that are not empty: an optional field of an answer or a hook is left out."""
    return {key: value for key, value in values.items() if value}


@dataclass
class User:
    """Somebody who works in the CRM. `amojo_id` is None for one who never opened the chats."""

    id: int
    name: str
    amojo_id: str | None


@dataclass
class Account:
    """A Kommo account with its users. `token` opens the main API.

    `shelves` hold sources and chat templates by id, `contacts` names, and `links` (link id, contact id) by chat id.
    """

    id: int
    amojo_id: str
    name: str
    subdomain: str
    token: str = field(repr=False)
    users: list[User] = field(default_factory=list)
    shelves: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    contacts: dict[int, str] = field(default_factory=dict)
    links: dict[str, tuple[int, int]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=partial(count, 2001))


@dataclass
class Participant:
    """A person in chats: `id` is Kommo's, `client_id` the integration's, None for people of the CRM."""

    id: str
    client_id: str | None = None
    name: str = ""
    avatar: str = ""
    phone: str = ""
    email: str = ""


@dataclass
class Connected:
    """A channel connected to an account."""

    scope_id: str
    channel: Channel
    account: Account
    hook_api_version: str

    @property
    def bot(self) -> Participant:
        """The channel's bot, who writes where no manager is named."""
        return Participant(self.channel.bot_id, name=self.channel.bot_name or self.channel.name)


@dataclass
class StoredMessage:
    """A message as history shows it. `client_id` is the integration's msgid, None for one written in the CRM."""

    id: str
    client_id: str | None
    sender: Participant
    receiver: Participant | None
    sent_at_ms: int
    content: dict[str, Any]


@dataclass
class Chat:
    """A chat. `conversation_id` is the integration's, None until it answers a chat that a manager began."""

    id: str
    scope_id: str
    client: Participant
    conversation_id: str | None = None
    source: str | None = None
    messages: list[StoredMessage] = field(default_factory=list)

    def find(self, *, id: str | None = None, msgid: str | None = None) -> StoredMessage | None:
        """The message with Kommo's id, or else with the integration's."""
        for message in reversed(self.messages):
            if (id and message.id == id) or (not id and msgid and message.client_id == msgid):
                return message
        return None


class World:
    """The state of one sandbox. Its clock can be moved with `offset`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.offset = timedelta()
        self.channels: dict[str, Channel] = {}
        self.accounts: dict[str, Account] = {}
        self.connected: dict[str, Connected] = {}
        self.chats: dict[str, Chat] = {}
        self._by_conversation: dict[tuple[str, str], Chat] = {}
        self._people: dict[tuple[str, str], Participant] = {}
        self._message_ids: set[tuple[str, str]] = set()
        self._msgids: set[tuple[str, str]] = set()

    def now(self) -> datetime:
        """The sandbox's time."""
        return self.clock.now() + self.offset

    def now_ms(self) -> int:
        """The sandbox's time in unix milliseconds."""
        return msec(self.now())

    def new_id(self) -> str:
        """A new id in Kommo's form."""
        return self.clock.new_id()

    def register(self, channel: Channel) -> None:
        """Make a channel known. Reactions are among its webhook events where the channel has them."""
        events = tuple(event for event in channel.webhook_events if event != REACTIONS)
        events += (REACTIONS,) if channel.reactions else ()
        self.channels[channel.id] = channel.model_copy(update={"webhook_events": events})

    def person(self, scope_id: str, client_id: str) -> Participant:
        """The participant that the integration calls `client_id`, made on first sight.

        Ids of people and chats follow from the integration's own, so a sandbox that was started again knows them.
        """
        key = (scope_id, client_id)
        if key not in self._people:
            self._people[key] = Participant(derived_id("person", *key), client_id)
        return self._people[key]

    def chat_of(self, scope_id: str, conversation_id: str) -> Chat | None:
        """The chat that the integration calls `conversation_id`."""
        return self._by_conversation.get((scope_id, conversation_id))

    def chat(self, scope_id: str, chat_id: str | None) -> Chat | None:
        """The chat of this scope with Kommo's id."""
        chat = self.chats.get(chat_id or "")
        return chat if chat and chat.scope_id == scope_id else None

    def open_chat(self, scope_id: str, conversation_id: str | None, client: Participant) -> Chat:
        """A new chat; without a `conversation_id` it is one that a manager began."""
        id_ = derived_id("chat", scope_id, conversation_id) if conversation_id else self.new_id()
        chat = Chat(id_, scope_id, client)
        self.chats[chat.id] = chat
        if conversation_id:
            self.name_chat(chat, conversation_id)
        return chat

    def name_chat(self, chat: Chat, conversation_id: str, client_id: str | None = None) -> None:
        """Tie the integration's name to a chat, and to the client whom a manager wrote first."""
        chat.conversation_id = conversation_id
        self._by_conversation[chat.scope_id, conversation_id] = chat
        if client_id:
            chat.client.client_id = client_id
            self._people[chat.scope_id, client_id] = chat.client

    def knows_msgid(self, scope_id: str, msgid: str) -> bool:
        """True once the integration has used this msgid; it is never free again."""
        return (scope_id, msgid) in self._msgids

    def add_message(self, chat: Chat, message: StoredMessage) -> None:
        """Put a message into a chat, in the order of its time."""
        place = len(chat.messages)
        while place and chat.messages[place - 1].sent_at_ms > message.sent_at_ms:
            place -= 1
        chat.messages.insert(place, message)
        self._message_ids.add((chat.scope_id, message.id))
        if message.client_id:
            self._msgids.add((chat.scope_id, message.client_id))

    def rename_message(self, chat: Chat, message: StoredMessage, msgid: str) -> None:
        """Give a message another msgid, as an edit by Kommo's id does."""
        message.client_id = msgid
        self._msgids.add((chat.scope_id, msgid))

    def knows_message(self, scope_id: str, message_id: str) -> bool:
        """True for Kommo's id of a message."""
        return (scope_id, message_id) in self._message_ids
