"""What Kommo answers to the eight calls, as values.

Source: https://developers.kommo.com/reference/ (connect-channel, create-chat, send-import-messages, chat-history).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .reading import Fields, Participant, Unreadable, person, sent_at_ms


@dataclass(frozen=True)
class Connection:
    """A channel connected to an account. `scope_id` names the pair in every later call."""

    account_id: str
    scope_id: str
    title: str | None
    hook_api_version: str | None
    is_time_window_disabled: bool | None  # answers of 2021 lack it


@dataclass(frozen=True)
class Chat:
    """A chat in the CRM: `id` is Kommo's, `user` its client."""

    id: str
    user: Participant


@dataclass(frozen=True)
class Receipt:
    """A message that Kommo accepted.

    Attributes:
        message_id: Kommo's id of it (`new_message.msgid` in the answer).
        msgid: ours (`new_message.ref_id`).
        chat_id: the chat in the CRM, where the answer tells it.
        exchange_id: the row in `exchanges`, or None without a store.
    """

    message_id: str
    msgid: str
    chat_id: str | None = None
    sender_id: str | None = None
    receiver_id: str | None = None
    exchange_id: int | None = None


@dataclass(frozen=True)
class HistoryMessage:
    """One message of a chat's history. `msgid` is None for what was written in the CRM."""

    message_id: str
    msgid: str | None
    type: str
    text: str | None
    media: str | None
    file_name: str | None
    file_size: int | None
    media_group_id: str | None
    sender: Participant
    receiver: Participant | None
    sent_at_ms: int


def connection(answer: Any) -> Connection:
    """The answer of connect."""
    fields = Fields(answer, "the answer")
    disabled = answer.get("is_time_window_disabled")
    return Connection(
        account_id=fields.need("account_id"),
        scope_id=fields.need("scope_id"),
        title=fields.text("title"),
        hook_api_version=fields.text("hook_api_version"),
        is_time_window_disabled=disabled if isinstance(disabled, bool) else None,
    )


def chat(answer: Any) -> Chat:
    """The answer of create chat."""
    fields = Fields(answer, "the answer")
    return Chat(id=fields.need("id"), user=person(fields.sub("user")))


def receipt(answer: Any, *, msgid: str, conversation_id: str, exchange_id: int | None) -> Receipt:
    """The answer of send. Our own id in the place of the chat's, as on amocrm.ru's page, is left out."""
    new = Fields(answer, "the answer").sub("new_message")
    chat_id = new.text("conversation_id")
    return Receipt(
        message_id=new.need("msgid"),
        msgid=new.text("ref_id") or msgid,
        chat_id=chat_id if chat_id != conversation_id else None,
        sender_id=new.text("sender_id"),
        receiver_id=new.text("receiver_id"),
        exchange_id=exchange_id,
    )


def history(answer: Any) -> list[HistoryMessage]:
    """The answer of history, in its order: newest first."""
    if not isinstance(answer, dict) or not isinstance(items := answer.get("messages") or [], list):
        raise Unreadable("the answer has no list of messages")
    return [_history_message(Fields(item, "messages[]")) for item in items]


def _history_message(item: Fields) -> HistoryMessage:
    message = item.sub("message")
    receiver = item.sub("receiver")
    return HistoryMessage(
        message_id=message.need("id"),
        msgid=message.text("client_id"),
        type=message.need("type"),
        text=message.text("text"),
        media=message.text("media"),
        file_name=message.text("file_name"),
        file_size=message.number("file_size"),
        media_group_id=message.text("media_group_id"),
        sender=person(item.sub("sender")),
        receiver=person(receiver) if receiver.has("id") else None,
        sent_at_ms=sent_at_ms(item),
    )
