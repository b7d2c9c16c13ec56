"""What people in the CRM do, and the hooks that Kommo sends for it.

Source: https://developers.kommo.com/reference/receiving-chat-webhooks and
https://www.amocrm.ru/developers/content/chats/chat-webhooks. As in logged traffic, "" and null stand for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..wire.payloads import encode
from ..wire.signing import signature
from .world import REACTIONS, Chat, Connected, Participant, StoredMessage, World, filled


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

    An attachment has `type`, `media`, and where known `thumbnail`, `file_name`, `file_size`; `extras` are `markup`,
    `template` or `tag` as Kommo would send them; `reply_to` is Kommo's id of the message quoted.
    """
    contents = [dict(each) for each in attachments or [{"type": "text"}]]
    contents[0]["text"] = text
    group = {"media_group_id": world.new_id()} if len(contents) > 1 else {}
    quoted = chat.find(id=reply_to) if reply_to else None
    common = group | (extras or {})
    messages, hooks = [], []
    for content in contents:
        message = StoredMessage(world.new_id(), None, author, chat.client, world.now_ms(), content | common)
        world.add_message(chat, message)
        messages.append(message)
        v2, v1 = {"message": _event(chat, message, quoted)}, _message_v1(chat, message)
        hooks += _hooks(world, chat, "messages", world.now_ms(), v2, v1)
    return messages, hooks


def begin_chat(world: World, connected: Connected, phone: str) -> Chat:
    """The chat in which a manager writes first, to a phone number: its hooks know no ids of ours."""
    return world.open_chat(connected.scope_id, None, Participant(world.new_id(), phone=phone))


def types(world: World, chat: Chat, *, author: Participant) -> list[OutgoingHook]:
    """A manager is typing, for 5 seconds."""
    now_ms = world.now_ms()
    event = {"user": {"id": author.id}, "conversation": _conversation(chat), "expired_at": now_ms // 1000 + 5}
    return _hooks(world, chat, "typing", now_ms, {"action": {"typing": event}})


def reacts(
    world: World, chat: Chat, message: StoredMessage, emoji: str | None, *, author: Participant
) -> list[OutgoingHook]:
    """A manager reacts to a message, or takes it back (`emoji` None)."""
    about: dict[str, Any] = {
        "id": message.id,
        **filled(client_id=message.client_id),
        "sender": {"id": message.sender.id},
        **filled(receiver={"id": message.receiver.id} if message.receiver else None),
        **_moment(message),
    }
    kind = {"type": "react" if emoji else "unreact", **filled(emoji=emoji)}
    event = {"message": about, "user": {"id": author.id}, "conversation": _conversation(chat), **kind}
    return _hooks(world, chat, REACTIONS, world.now_ms(), {"action": {"reaction": event}})


def person_of(connected: Connected, name: str | None = None, *, bot: bool = False) -> Participant:
    """The manager of that name, the account's first one, or the channel's bot."""
    if bot:
        return connected.bot
    users = [user for user in connected.account.users if user.amojo_id]
    user = next((user for user in users if user.name == name), users[0])
    return Participant(user.amojo_id or "", name=user.name)


def _hooks(
    world: World, chat: Chat, kind: str, at_ms: int, v2: dict[str, Any], v1: dict[str, Any] | None = None
) -> list[OutgoingHook]:
    """The signed hook, in the version that connect asked for.

    None where that version knows nothing of the kind, once the scope is gone, or if the channel wants no such hooks.
    """
    connected = world.connected.get(chat.scope_id)
    if connected is None or kind not in connected.channel.webhook_events:
        return []
    if connected.hook_api_version == "v2":
        payload = {"account_id": connected.account.amojo_id, "time": at_ms // 1000, **v2}
    elif v1:
        payload = v1
    else:
        return []
    body = encode(payload)
    url = connected.channel.webhook_url.replace(":scope_id", chat.scope_id)
    return [OutgoingHook(chat.scope_id, kind, url, body, signature(body, secret=connected.channel.secret))]


def _event(chat: Chat, message: StoredMessage, quoted: StoredMessage | None) -> dict[str, Any]:
    client = chat.client
    receiver = {"id": client.id, "name": client.name, "phone": client.phone, "email": client.email}
    return {
        "receiver": receiver | filled(client_id=client.client_id),
        "sender": {"id": message.sender.id, "name": message.sender.name},
        "conversation": _conversation(chat),
        **filled(source=filled(external_id=chat.source)),
        **_moment(message),
        "message": {"id": message.id} | _content(message) | filled(reply_to=quoted and _quote(quoted)),
    }


def _message_v1(chat: Chat, message: StoredMessage) -> dict[str, Any] | None:
    if chat.conversation_id is None:  # v1 knows no write-first
        return None
    where = {"receiver": chat.client.client_id, "conversation_id": chat.conversation_id}
    return where | {"msec_timestamp": message.sent_at_ms} | _content(message)


def _content(message: StoredMessage) -> dict[str, Any]:
    content = message.content
    texts = {key: content.get(key) or "" for key in ("text", "tag", "media", "thumbnail", "file_name")}
    more = filled(template=content.get("template"), media_group_id=content.get("media_group_id"))
    size = content.get("file_size") or 0
    return {"type": content["type"], **texts, "file_size": size, "markup": content.get("markup"), **more}


def _quote(quoted: StoredMessage) -> dict[str, Any]:
    sender = {"id": quoted.sender.id, "name": quoted.sender.name, "client_id": quoted.sender.client_id}
    ids = {"id": quoted.id} | filled(msgid=quoted.client_id)
    texts = {key: quoted.content.get(key) or "" for key in ("type", "text", "media", "file_name")}
    return {"message": ids | texts | _moment(quoted) | {"sender": sender}}


def _conversation(chat: Chat) -> dict[str, str]:
    return {"id": chat.id} | filled(client_id=chat.conversation_id)


def _moment(message: StoredMessage) -> dict[str, int]:
    return {"timestamp": message.sent_at_ms // 1000, "msec_timestamp": message.sent_at_ms}
