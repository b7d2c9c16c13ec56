"""What Kommo answers to the eight calls, as values.

Source: https://developers.kommo.com/reference/ (connect-channel, create-chat, send-import-messages, chat-history).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .reading import Content, Fields, Participant, Unreadable, content, person


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


@dataclass(frozen=True, kw_only=True)
class HistoryMessage(Content):
    """One message of a chat's history. `msgid` is None for what was written in the CRM."""

    message_id: str
    msgid: str | None
    sender: Participant
    receiver: Participant | None


def connection(answer: Any) -> Connection:
    """The answer of connect."""
    fields = Fields(answer, "the answer")
    disabled = answer.get("is_time_window_disabled")
    return Connection(
        fields.need("account_id"),
        fields.need("scope_id"),
        **fields.texts("title", "hook_api_version"),
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
        new.need("msgid"),
        new.text("ref_id") or msgid,
        chat_id if chat_id != conversation_id else None,
        **new.texts("sender_id", "receiver_id"),
        exchange_id=exchange_id,
    )


def history(answer: Any) -> list[HistoryMessage]:
    """The answer of history, in its order: newest first."""
    return [history_message(item) for item in history_items(answer)]


def history_items(answer: Any) -> list[Any]:
    """The messages in the answer of history, as they came."""
    if not isinstance(answer, dict) or not isinstance(items := answer.get("messages") or [], list):
        raise Unreadable("the answer has no list of messages")
    return items


def history_message(item: Any) -> HistoryMessage:
    """One message of history."""
    event = Fields(item, "messages[]")
    message, receiver = event.sub("message"), event.sub("receiver")
    return HistoryMessage(
        message_id=message.need("id"),
        msgid=message.text("client_id"),
        sender=person(event.sub("sender")),
        receiver=person(receiver) if receiver.has("id") else None,
        **content(event, message),
    )
