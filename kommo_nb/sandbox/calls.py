"""The eight calls, once their signature is found good: what each accepts, answers and changes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from ..wire.channel import Channel
from . import bodies
from .http import Refused, Request, Response, checked, decoded, read
from .world import Chat, Connected, Participant, StoredMessage, World

HISTORY_PAGE = 50


def connect(world: World, channel: Channel, request: Request) -> Response:
    """Connect a channel to an account. Connecting again is accepted; whether Kommo does is not documented."""
    body = read(bodies.Connect, request)
    account = world.accounts.get(body.account_id)
    allowed = {each.amojo_id for each in channel.allowed_accounts}
    if account is None or (allowed and account.amojo_id not in allowed):
        raise Refused(403, "ACCOUNT_NOT_ALLOWED", "this channel is private and the account is not on its list")
    connected = Connected(
        scope_id=f"{channel.id}_{account.amojo_id}",
        channel=channel,
        account=account,
        title=body.title or channel.name,
        hook_api_version=body.hook_api_version,
        is_time_window_disabled=body.is_time_window_disabled,
    )
    world.connected[connected.scope_id] = connected
    known = {"account_id": account.amojo_id, "scope_id": connected.scope_id, "title": connected.title}
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
    quoted = _find_quoted(known, body.reply_to) if body.reply_to else None
    colleague = _colleague(connected, body.sender) if body.receiver else None
    # Nothing is refused from here on, so a refused message leaves no trace.
    chat, client = _chat_for(world, connected, body, known)
    sender = colleague or client
    content = body.message.model_dump(exclude_none=True)
    message = StoredMessage(
        id=world.new_id(),
        client_id=body.msgid,
        sender=sender,
        receiver=client if colleague else None,
        sent_at_ms=body.msec_timestamp if body.msec_timestamp is not None else body.timestamp * 1000,
        content=content | ({"reply_to": quoted.id} if quoted else {}),
    )
    world.add_message(chat, message)
    accepted = {"msgid": message.id, "ref_id": body.msgid, "conversation_id": chat.id, "sender_id": sender.id}
    return Response(200, {"new_message": accepted | ({"receiver_id": client.id} if message.receiver else {})})


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
    """Note how far a message got."""
    body = read(bodies.Status, request)
    found = world.message(connected.scope_id, message_id)
    if found is None:
        raise Refused(404, "MESSAGE_NOT_FOUND", "NOT_FOUND")
    found[1].status_code = body.code or 0
    return Response(200, {})


def history(world: World, connected: Connected, request: Request, chat_id: str) -> Response:
    """A page of a chat's messages, newest first; 204 at the end and for an unknown chat."""
    query = parse_qs(request.query)
    offset, limit = (_number(query, name, default) for name, default in (("offset", 0), ("limit", HISTORY_PAGE)))
    chat = world.chats.get(chat_id)
    if chat is None or chat.scope_id != connected.scope_id:
        return Response(204)
    newest_first = chat.messages[::-1][offset : offset + min(limit, HISTORY_PAGE)]
    return (
        Response(200, {"messages": [_history_item(each) for each in newest_first]}) if newest_first else Response(204)
    )


def typing(world: World, connected: Connected, request: Request) -> Response:
    """Take note that somebody on the other side is typing."""
    body = read(bodies.Typing, request)
    if world.chat_of(connected.scope_id, body.conversation_id) is None:
        raise Refused(404, "CHAT_NOT_FOUND", "NOT_FOUND")
    return Response(204)


def react(world: World, connected: Connected, request: Request) -> Response:
    """Set or take back a reaction."""
    body = read(bodies.React, request)
    chat = world.chat_of(connected.scope_id, body.conversation_id or "") or world.chats.get(
        body.conversation_ref_id or ""
    )
    message = chat.find(id=body.id, msgid=body.msgid) if chat and chat.scope_id == connected.scope_id else None
    if message is None:
        raise Refused(404, "MESSAGE_NOT_FOUND", "NOT_FOUND")
    who = (body.user.ref_id or body.user.id if body.user else None) or ""
    if body.type == "react":
        message.reactions[who] = body.emoji or ""
    else:
        message.reactions.pop(who, None)
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
    bot = connected.channel
    if given.ref_id in (None, bot.bot_id):
        return Participant(bot.bot_id, name=bot.bot_name or bot.name)
    for user in connected.account.users:
        if user.amojo_id == given.ref_id:
            return Participant(user.amojo_id or "", name=user.name)
    raise Refused(400, "VALIDATION_ERROR", "sender.ref_id is neither a user of the account nor the channel's bot")


def _known_chat(world: World, connected: Connected, body: bodies.NewMessage) -> Chat | None:
    """The chat that a message names by our id, or else by Kommo's; None when it begins a new one."""
    chat = world.chat_of(connected.scope_id, body.conversation_id)
    if chat is None and body.conversation_ref_id:
        chat = world.chats.get(body.conversation_ref_id)
        if chat is None or chat.scope_id != connected.scope_id:
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
        world.name_chat(chat, body.conversation_id)
        if given.id and given.ref_id == chat.client.id:
            world.name_person(connected.scope_id, chat.client, given.id)
    client = _person(world, connected, given)
    if chat is None:
        chat = world.open_chat(connected.scope_id, body.conversation_id, client)
        chat.source = body.source.external_id if body.source else None
    return chat, client


def _find_quoted(chat: Chat | None, reply_to: bodies.ReplyTo) -> StoredMessage | None:
    quoted = reply_to.message
    if not (quoted.id or quoted.msgid):
        return None
    message = chat.find(id=quoted.id, msgid=quoted.msgid) if chat else None
    if message is None:
        raise Refused(400, "VALIDATION_ERROR", "reply_to.message names no message of this chat")
    return message


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Refused(400, "VALIDATION_ERROR", f"{name} must be a whole number")
    return int(text)


def _shown(person: Participant) -> dict[str, str]:
    """A person in an answer; empty values are left out."""
    fields = {"id": person.id, "client_id": person.client_id, "name": person.name, "avatar": person.avatar}
    fields |= {"phone": person.phone, "email": person.email}
    return {key: value for key, value in fields.items() if value}


def _history_item(message: StoredMessage) -> dict[str, Any]:
    content = message.content
    texts = {key: content.get(key) or "" for key in ("type", "text", "media", "thumbnail", "file_name")}
    more = {key: content[key] for key in ("media_group_id", "location", "contact") if content.get(key)}
    ids = {"id": message.id} | ({"client_id": message.client_id} if message.client_id else {})
    return {
        "timestamp": message.sent_at_ms // 1000,
        "msec_timestamp": message.sent_at_ms,
        "sender": _shown(message.sender),
        **({"receiver": _shown(message.receiver)} if message.receiver else {}),
        "message": ids | texts | {"file_size": content.get("file_size") or 0} | more,
    }
