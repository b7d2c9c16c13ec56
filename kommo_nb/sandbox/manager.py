"""What people in the CRM do, and the hooks that Kommo sends for it.

Source: https://developers.kommo.com/reference/receiving-chat-webhooks and
https://www.amocrm.ru/developers/content/chats/chat-webhooks. As in logged traffic, "" and null stand for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..wire.signing import signature
from .world import REACTIONS, Chat, Connected, Participant, StoredMessage, World


@dataclass(frozen=True)
class OutgoingHook:
    """A hook that is ready to be sent, once."""

    scope_id: str
    kind: str
    url: str
    body: bytes
    signature: str

    @property
    def wire_body(self) -> bytes:
        """What stands on the wire: the signed body and one newline, which Kommo does not sign."""
        return self.body + b"\n"


def writes(
    world: World,
    chat: Chat,
    text: str,
    *,
    author: Participant,
    attachments: Sequence[dict[str, Any]] = (),
    reply_to: str | None = None,
    extras: dict[str, Any] | None = None,
) -> tuple[list[StoredMessage], list[OutgoingHook]]:
    """A manager or bot writes: one message and one hook, or one of each for every attachment, with a common group id.

    Args:
        attachments: `type`, `media`, and where known `thumbnail`, `file_name`, `file_size`.
        reply_to: Kommo's id of the message quoted.
        extras: `markup`, `template` or `tag`, as Kommo would send them.
    """
    contents: list[dict[str, Any]] = [{"type": "text", "text": text}] if not attachments else list(attachments)
    if attachments:
        contents[0] = contents[0] | {"text": text}
    group = {"media_group_id": world.new_id()} if len(contents) > 1 else {}
    quoted = chat.find(id=reply_to) if reply_to else None
    messages, hooks = [], []
    for content in contents:
        quote = {"reply_to": quoted.id} if quoted else {}
        whole = content | group | (extras or {}) | quote
        message = StoredMessage(world.new_id(), None, author, chat.client, world.now_ms(), whole)
        world.add_message(chat, message)
        messages.append(message)
        hooks += _hooks(world, chat.scope_id, "messages", lambda c, m=message: _message_hook(c, world, chat, m, quoted))
    return messages, hooks


def begin_chat(world: World, connected: Connected, phone: str) -> Chat:
    """The chat in which a manager writes first, to a phone number: its hooks know no ids of ours."""
    return world.open_chat(connected.scope_id, None, Participant(world.new_id(), phone=phone))


def types(world: World, chat: Chat, *, author: Participant) -> list[OutgoingHook]:
    """A manager is typing, for 5 seconds."""
    now_s = world.now_ms() // 1000
    event = {"user": {"id": author.id}, "conversation": _conversation(chat), "expired_at": now_s + 5}
    return _hooks(world, chat.scope_id, "typing", lambda c: _action(c, now_s, "typing", event))


def reacts(
    world: World, chat: Chat, message: StoredMessage, emoji: str | None, *, author: Participant
) -> list[OutgoingHook]:
    """A manager reacts to a message, or takes it back (`emoji` None)."""
    if emoji:
        message.reactions[author.id] = emoji
    else:
        message.reactions.pop(author.id, None)
    about = {
        "id": message.id,
        **({"client_id": message.client_id} if message.client_id else {}),
        "sender": {"id": message.sender.id},
        **({"receiver": {"id": message.receiver.id}} if message.receiver else {}),
        **_moment(message),
    }
    event = {"message": about, "user": {"id": author.id}, "conversation": _conversation(chat)}
    event |= {"type": "react", "emoji": emoji} if emoji else {"type": "unreact"}
    now_s = world.now_ms() // 1000
    return _hooks(world, chat.scope_id, REACTIONS, lambda c: _action(c, now_s, "reaction", event))


def person_of(connected: Connected, name: str | None = None, *, bot: bool = False) -> Participant:
    """The manager of that name, the account's first one, or the channel's bot."""
    if bot:
        return Participant(connected.channel.bot_id, name=connected.channel.bot_name or connected.channel.name)
    users = [user for user in connected.account.users if user.amojo_id]
    user = next((user for user in users if user.name == name), users[0])
    return Participant(user.amojo_id or "", name=user.name)


def _hooks(world: World, scope_id: str, event: str, build: Any) -> list[OutgoingHook]:
    """The hook for an event, signed; none once the scope is gone, or if the channel did not ask for such events."""
    connected = world.connected.get(scope_id)
    if connected is None or event not in connected.channel.webhook_events:
        return []
    payload = build(connected)
    if payload is None:
        return []
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    url = connected.channel.webhook_url.replace(":scope_id", scope_id)
    return [OutgoingHook(scope_id, event, url, body, signature(body, secret=connected.channel.secret))]


def _message_hook(
    connected: Connected, world: World, chat: Chat, message: StoredMessage, quoted: StoredMessage | None
) -> dict[str, Any] | None:
    if connected.hook_api_version == "v1":
        return _message_hook_v1(chat, message)
    client = chat.client
    receiver = {"id": client.id, "name": client.name, "phone": client.phone, "email": client.email}
    event = {
        "receiver": receiver | ({"client_id": client.client_id} if client.client_id else {}),
        "sender": {"id": message.sender.id, "name": message.sender.name},
        "conversation": _conversation(chat),
        **({"source": {"external_id": chat.source}} if chat.source else {}),
        **_moment(message),
        "message": {"id": message.id} | _content(message) | ({"reply_to": _quote(quoted)} if quoted else {}),
    }
    return {"account_id": connected.account.amojo_id, "time": world.now_ms() // 1000, "message": event}


def _message_hook_v1(chat: Chat, message: StoredMessage) -> dict[str, Any] | None:
    if chat.conversation_id is None:  # v1 knows no write-first
        return None
    where = {"receiver": chat.client.client_id, "conversation_id": chat.conversation_id}
    return where | {"msec_timestamp": message.sent_at_ms} | _content(message)


def _content(message: StoredMessage) -> dict[str, Any]:
    content = message.content
    texts = {key: content.get(key) or "" for key in ("text", "tag", "media", "thumbnail", "file_name")}
    more = {key: content[key] for key in ("template", "media_group_id") if content.get(key)}
    size = content.get("file_size") or 0
    return {"type": content["type"], **texts, "file_size": size, "markup": content.get("markup"), **more}


def _quote(quoted: StoredMessage) -> dict[str, Any]:
    sender = {"id": quoted.sender.id, "name": quoted.sender.name, "client_id": quoted.sender.client_id}
    ids = {"id": quoted.id} | ({"msgid": quoted.client_id} if quoted.client_id else {})
    texts = {key: quoted.content.get(key) or "" for key in ("type", "text", "media", "file_name")}
    return {"message": ids | texts | _moment(quoted) | {"sender": sender}}


def _action(connected: Connected, now_s: int, kind: str, event: dict[str, Any]) -> dict[str, Any] | None:
    if connected.hook_api_version == "v1":  # v1 knows neither typing nor reactions
        return None
    return {"account_id": connected.account.amojo_id, "time": now_s, "action": {kind: event}}


def _conversation(chat: Chat) -> dict[str, str]:
    return {"id": chat.id} | ({"client_id": chat.conversation_id} if chat.conversation_id else {})


def _moment(message: StoredMessage) -> dict[str, int]:
    return {"timestamp": message.sent_at_ms // 1000, "msec_timestamp": message.sent_at_ms}
