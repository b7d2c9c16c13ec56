"""What Kommo tells an integration: the bytes of a hook → one typed event.

Liberal in what it reads: null, "" and an absent field are the same nothing, and both shapes of a field whose sources
disagree are taken. What cannot be read becomes an :class:`UnknownHook` that keeps the bytes and says why.

Source: https://developers.kommo.com/reference/receiving-chat-webhooks and
https://www.amocrm.ru/developers/content/chats/chat-webhooks, read in copies of 2025-06 and 2026-01.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic_core import from_json

from .reading import Content, Fields, Participant, Unreadable, built, content, person


@dataclass(frozen=True, kw_only=True)
class InChat:
    """What every hook of version 2 tells.

    Attributes:
        chat_id: `conversation.id`, the chat in the CRM.
        conversation_id: `conversation.client_id`, the chat on our side; None when a manager began it.
    """

    account_id: str
    time_s: int
    chat_id: str
    conversation_id: str | None


@dataclass(frozen=True, kw_only=True)
class MessageHook(Content, InChat):
    """A manager or a bot wrote (hook version 2).

    Attributes:
        message_id: `message.id`, Kommo's; the one that the delivery status call wants.
        post_id: our id of the post, when this answers a comment.
        markup, template, reply_to, forwards: as Kommo sent them, or None.
    """

    kind: ClassVar[str] = "message"
    sender: Participant
    receiver: Participant
    message_id: str
    source: str | None = None
    tag: str | None = None
    post_id: str | None = None
    markup: dict[str, Any] | None = None
    template: dict[str, Any] | None = None
    reply_to: dict[str, Any] | None = None
    forwards: dict[str, Any] | None = None

    @property
    def write_first(self) -> bool:
        """True when a manager began the chat, so that it has no id of ours yet."""
        return self.conversation_id is None


@dataclass(frozen=True, kw_only=True)
class TypingHook(InChat):
    """A manager is typing, until `expired_at_s` (unix seconds)."""

    kind: ClassVar[str] = "typing"
    user_id: str
    expired_at_s: int | None = None
    post_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReactionHook(InChat):
    """A manager reacted, or took it back: then `emoji` is None and `type` is `unreact`.

    `msgid` is our id of the message: absent if the message was written in the CRM, and in the old shape of the hook.
    """

    kind: ClassVar[str] = "reaction"
    user_id: str
    message_id: str
    type: str
    emoji: str | None = None
    msgid: str | None = None


@dataclass(frozen=True, kw_only=True)
class MessageHookV1(Content):
    """A manager wrote, in the deprecated version 1: no message id, so no delivery status can be reported."""

    kind: ClassVar[str] = "message_v1"
    conversation_id: str
    receiver_id: str


@dataclass(frozen=True)
class UnknownHook:
    """A body that fits none of the known kinds, kept as it came, and the reason."""

    kind: ClassVar[str] = "unknown"
    body: bytes
    reason: str


Hook = MessageHook | TypingHook | ReactionHook | MessageHookV1 | UnknownHook


def parse_hook(body: bytes) -> Hook:
    """The event in a hook's body. Never raises on any bytes."""
    try:
        root = Fields(_json(body), "the body")
        if root.has("message"):
            return _message(root)
        action = root.sub("action")
        if action.has("typing"):
            return _typing(root, action.sub("typing"))
        if action.has("reaction"):
            return _reaction(root, action.sub("reaction"))
        if root.has("conversation_id"):
            return _message_v1(root)
    except Unreadable as problem:
        return UnknownHook(body, str(problem))
    except (ValueError, RecursionError):  # ValueError: broken JSON, bytes that are not UTF-8, a number of 5,000 digits
        return UnknownHook(body, "the body is not JSON")
    return UnknownHook(body, "no message, action.typing, action.reaction or conversation_id in the body")


def _json(body: bytes) -> Any:
    """What `json.loads` reads. pydantic's reader is faster, but refuses UTF-16, lone surrogates and great depth."""
    try:
        return from_json(body)
    except (TypeError, ValueError):
        return json.loads(body)


def _where(root: Fields, event: Fields) -> dict[str, Any]:
    """The account, time and chat, which every hook of version 2 names."""
    conversation = event.sub("conversation")
    return {
        "account_id": root.need("account_id"),
        "time_s": root.number("time") or 0,
        "chat_id": conversation.need("id"),
        "conversation_id": conversation.text("client_id"),
    }


def _message(root: Fields) -> MessageHook:
    event = root.sub("message")
    message = event.sub("message")
    fields = {
        **_where(root, event),
        **content(event, message),
        "sender": person(event.sub("sender")),
        "receiver": person(event.sub("receiver")),
        "message_id": message.need("id"),
        "source": event.sub("source").text("external_id"),
        "tag": message.text("tag"),
        "post_id": message.sub("post").text("id"),
        "markup": message.object("markup"),
        "template": message.object("template"),
        "reply_to": message.object("reply_to"),
        "forwards": message.object("forwards"),
    }
    return built(MessageHook, fields)


def _typing(root: Fields, typing: Fields) -> TypingHook:
    user = typing.sub("user")
    if not user.has("id"):  # the table of the same page puts the user beside `typing`, not into it
        user = root.sub("action").sub("user")
    return TypingHook(
        **_where(root, typing),
        user_id=user.need("id"),
        expired_at_s=typing.number("expired_at"),
        post_id=typing.text("post_id"),
    )


def _reaction(root: Fields, reaction: Fields) -> ReactionHook:
    message = reaction.sub("message")  # since 22 Sep 2023; before, Kommo's message id stood in `msgid`
    return ReactionHook(
        **_where(root, reaction),
        user_id=reaction.sub("user").need("id"),
        message_id=message.text("id") or reaction.need("msgid"),
        type=reaction.need("type"),
        emoji=reaction.text("emoji"),
        msgid=message.text("client_id"),
    )


def _message_v1(root: Fields) -> MessageHookV1:
    return MessageHookV1(
        conversation_id=root.need("conversation_id"), receiver_id=root.need("receiver"), **content(root, root)
    )
