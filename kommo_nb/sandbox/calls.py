"""The eight calls, once their signature is found good: what each accepts, answers and changes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from ..wire.channel import Channel
from . import bodies
from .http import Refused, Request, Response, checked, decoded, read
from .world import Chat, Connected, Participant, StoredMessage, World, filled

HISTORY_PAGE = 50


def connect(world: World, channel: Channel, request: Request) -> Response:
    """Connect a channel to an account. Connecting again is accepted; whether Kommo does is not documented."""
    body = read(bodies.Connect, request)
    account = world.accounts.get(body.account_id)
    allowed = {each.amojo_id for each in channel.allowed_accounts}
    if account is None or (allowed and account.amojo_id not in allowed):
        raise Refused(403, "ACCOUNT_NOT_ALLOWED", "this channel is private and the account is not on its list")
    scope_id = f"{channel.id}_{account.amojo_id}"
    world.connected[scope_id] = Connected(scope_id, channel, account, body.hook_api_version)
    known = {"account_id": account.amojo_id, "scope_id": scope_id, "title": body.title or channel.name}
    flags = {"hook_api_version": body.hook_api_version, "is_time_window_disabled": body.is_time_window_disabled}
    return Response(200, known | flags)


def disconnect(world: World, channel: Channel, request: Request) -> Response:
    """Disconnect a channel from an account; its scope vanishes."""
    body = read(bodies.Disconnect, request)
    if world.connected.pop(f"{channel.id}_{body.account_id}", None) is None:
        raise Refused(404, "ORIGIN_NOT_REGISTERED", "NOT_FOUND")
    return Response(200, {})


def create_chat(world: World, connected: Connected, request: Request) -> Response:
    """Make a chat, or answer with the one that is there."""
    body = read(bodies.CreateChat, request)
    person = _person(world, connected, body.user)
    chat = world.chat_of(connected.scope_id, body.conversation_id)
    if chat is None:
        chat = world.open_chat(connected.scope_id, body.conversation_id, person)
        chat.source = body.source.external_id if body.source else None
    return Response(200, {"id": chat.id, "user": _shown(person)})


def message(world: World, connected: Connected, request: Request) -> Response:
    """Take a new message or an edit."""
    event = decoded(request)
    kind = event.get("event_type") if isinstance(event, dict) else None
    if kind == "new_message":
        return _new_message(world, connected, checked(bodies.NewMessage, event.get("payload")))
    if kind == "edit_message":
        return _edit_message(world, connected, checked(bodies.EditMessage, event.get("payload")))
    raise Refused(400, "VALIDATION_ERROR", "Request has invalid event type")


def _new_message(world: World, connected: Connected, body: bodies.NewMessage) -> Response:
    if world.knows_msgid(connected.scope_id, body.msgid):
        raise Refused(400, "MSGID_ALREADY_USED", f"msgid {body.msgid[:60]} was used before")
    known = _known_chat(world, connected, body)
    if body.reply_to:
        _require_known(known, body.reply_to.message)
    colleague = _colleague(connected, body.sender) if body.receiver else None
    # Nothing is refused from here on, so a refused message leaves no trace.
    chat, client = _chat_for(world, connected, body, known)
    sender = colleague or client
    receiver = client if colleague else None
    sent_at_ms = body.msec_timestamp if body.msec_timestamp is not None else body.timestamp * 1000
    content = body.message.model_dump(exclude_none=True)
    message = StoredMessage(world.new_id(), body.msgid, sender, receiver, sent_at_ms, content)
    world.add_message(chat, message)
    accepted = {"msgid": message.id, "ref_id": body.msgid, "conversation_id": chat.id, "sender_id": sender.id}
    return Response(200, {"new_message": accepted | ({"receiver_id": client.id} if receiver else {})})


def _edit_message(world: World, connected: Connected, body: bodies.EditMessage) -> Response:
    chat = world.chat_of(connected.scope_id, body.conversation_id)
    message = chat.find(id=body.id, msgid=body.msgid) if chat else None
    if chat is None or message is None:
        raise Refused(400, "MESSAGE_NOT_FOUND", "no such message in this conversation")
    if body.id and body.msgid:
        world.rename_message(chat, message, body.msgid)
    message.content |= body.message.model_dump(exclude_none=True)
    return Response(200, {})


def delivery_status(world: World, connected: Connected, request: Request, message_id: str) -> Response:
    """Take note of how far a message got; nothing in the API tells it again."""
    read(bodies.Status, request)
    if not world.knows_message(connected.scope_id, message_id):
        raise Refused(404, "MESSAGE_NOT_FOUND", "NOT_FOUND")
    return Response(200, {})


def history(world: World, connected: Connected, request: Request, chat_id: str) -> Response:
    """A page of a chat's messages, newest first; 204 at the end and for an unknown chat."""
    query = parse_qs(request.query)
    offset, limit = (_number(query, name, default) for name, default in (("offset", 0), ("limit", HISTORY_PAGE)))
    chat = world.chat(connected.scope_id, chat_id)
    newest_first = chat.messages[::-1] if chat else []
    items = [_history_item(each) for each in newest_first[offset : offset + min(limit, HISTORY_PAGE)]]
    return Response(200, {"messages": items}) if items else Response(204)


def typing(world: World, connected: Connected, request: Request) -> Response:
    """Take note that somebody on the other side is typing."""
    body = read(bodies.Typing, request)
    if world.chat_of(connected.scope_id, body.conversation_id) is None:
        raise Refused(404, "CHAT_NOT_FOUND", "NOT_FOUND")
    return Response(204)


def react(world: World, connected: Connected, request: Request) -> Response:
    """Take note of a reaction; nothing in the API tells it again."""
    body = read(bodies.React, request)
    scope_id = connected.scope_id
    chat = world.chat_of(scope_id, body.conversation_id or "") or world.chat(scope_id, body.conversation_ref_id)
    if not (chat and chat.find(id=body.id, msgid=body.msgid)):
        raise Refused(404, "MESSAGE_NOT_FOUND", "NOT_FOUND")
    return Response(200, {})


# --- people, chats, messages ------------------------------------------------------------------------------------------


def _person(world: World, connected: Connected, given: bodies.Person) -> Participant:
    """The client that a body names, with what it tells of them noted."""
    person = world.person(connected.scope_id, given.id or given.ref_id or "")
    profile = given.profile or bodies.Profile()
    person.name, person.avatar = given.name or person.name, given.avatar or person.avatar
    person.phone, person.email = profile.phone or person.phone, profile.email or person.email
    return person


def _colleague(connected: Connected, given: bodies.Person) -> Participant:
    """The manager or bot that an outgoing message names by `ref_id`; without one, the channel's bot."""
    if given.ref_id in (None, connected.bot.id):
        return connected.bot
    for user in connected.account.users:
        if user.amojo_id == given.ref_id:
            return Participant(user.amojo_id or "", name=user.name)
    raise Refused(400, "VALIDATION_ERROR", "sender.ref_id is neither a user of the account nor the channel's bot")


def _known_chat(world: World, connected: Connected, body: bodies.NewMessage) -> Chat | None:
    """The chat that a message names by our id, or else by Kommo's; None when it begins a new one."""
    chat = world.chat_of(connected.scope_id, body.conversation_id)
    if chat is None and body.conversation_ref_id:
        chat = world.chat(connected.scope_id, body.conversation_ref_id)
        if chat is None:
            raise Refused(400, "VALIDATION_ERROR", "conversation_ref_id names no chat of this scope")
    return chat


def _chat_for(
    world: World, connected: Connected, body: bodies.NewMessage, chat: Chat | None
) -> tuple[Chat, Participant]:
    """The chat of a message, made if it is new, and the client who writes or is written to.

    A chat that a manager began, and that the body names by Kommo's id, is tied to our ids.
    """
    given = body.receiver or body.sender
    if chat is not None and chat.conversation_id != body.conversation_id:
        world.name_chat(chat, body.conversation_id, given.id if given.ref_id == chat.client.id else None)
    client = _person(world, connected, given)
    if chat is None:
        chat = world.open_chat(connected.scope_id, body.conversation_id, client)
        chat.source = body.source.external_id if body.source else None
    return chat, client


def _require_known(chat: Chat | None, quoted: bodies.Quoted) -> None:
    if (quoted.id or quoted.msgid) and not (chat and chat.find(id=quoted.id, msgid=quoted.msgid)):
        raise Refused(400, "VALIDATION_ERROR", "reply_to.message names no message of this chat")


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Refused(400, "VALIDATION_ERROR", f"{name} must be a whole number")
    return int(text)


def _shown(person: Participant) -> dict[str, str]:
    """A person in an answer."""
    return filled(**vars(person))


def _history_item(message: StoredMessage) -> dict[str, Any]:
    content = message.content
    return {
        "timestamp": message.sent_at_ms // 1000,
        "msec_timestamp": message.sent_at_ms,
        "sender": _shown(message.sender),
        **filled(receiver=_shown(message.receiver) if message.receiver else None),
        "message": {
            "id": message.id,
            **filled(client_id=message.client_id),
            **{key: content.get(key) or "" for key in ("type", "text", "media", "thumbnail", "file_name")},
            "file_size": content.get("file_size") or 0,
            **filled(**{key: content.get(key) for key in ("media_group_id", "location", "contact")}),
        },
    }
