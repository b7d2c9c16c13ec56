"""The bodies of the eight calls, built from typed values, and their encoding to bytes, once.

Source: https://developers.kommo.com/reference/send-import-messages and its neighbours, read in copies of 2025-06.
"""

from __future__ import annotations

import json

from pydantic import AwareDatetime, ConfigDict, validate_call

from .messages import Forward, Message, Payload, Person, Quoted, compact, moment

# Kommo answers 400 to an id that is a number, such as a phone used as conversation_id; here it costs no call.
_strict = validate_call(config=ConfigDict(strict=True))


def encode(payload: Payload) -> bytes:
    """The body of a request. Encode once, then hash, sign, send and store these very bytes.

    >>> encode({"text": "olá"}).decode()
    '{"text":"olá"}'
    """
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


@_strict
def new_message(
    message: Message,
    *,
    msgid: str,
    sent_at: AwareDatetime,
    conversation_id: str,
    sender: Person,
    receiver: Person | None = None,
    conversation_ref_id: str | None = None,
    silent: bool = False,
    reply_to: Quoted | None = None,
    forwards: Forward | None = None,
    source: str | None = None,
) -> Payload:
    """The payload that sends or imports a message. Without a receiver it comes from the client."""
    return {
        "event_type": "new_message",
        "payload": {
            **moment(sent_at),
            "msgid": msgid,
            "conversation_id": conversation_id,
            **compact(conversation_ref_id=conversation_ref_id, source=_source(source)),
            "sender": sender.payload(),
            **compact(receiver=receiver.payload() if receiver else None),
            "message": message.payload(),
            **compact(
                reply_to={"message": reply_to.payload()} if reply_to else None,
                forwards=forwards.payload() if forwards else None,
            ),
            "silent": silent,
        },
    }


@_strict
def edit_message(
    message: Message, *, sent_at: AwareDatetime, conversation_id: str, msgid: str | None = None, id: str | None = None
) -> Payload:
    """The payload that edits a message, named by our msgid, by Kommo's id, or by both."""
    if not (msgid or id):
        raise ValueError("an edit needs the msgid (ours) or the id (Kommo's) of the message")
    names = compact(id=id, msgid=msgid)
    content = {"conversation_id": conversation_id, "message": message.payload()}
    return {"event_type": "edit_message", "payload": {**moment(sent_at), **names, **content}}


@_strict
def connect(
    account_id: str, *, title: str | None = None, hook_api_version: str = "v2", is_time_window_disabled: bool = False
) -> Payload:
    """The payload of connect. The time window is named only when it is to be switched off."""
    window = {"is_time_window_disabled": True} if is_time_window_disabled else {}
    return {**compact(account_id=account_id, title=title, hook_api_version=hook_api_version), **window}


@_strict
def create_chat(conversation_id: str, user: Person, *, source: str | None = None) -> Payload:
    """The payload that makes a chat before its first message."""
    return {"conversation_id": conversation_id, **compact(source=_source(source)), "user": user.payload()}


@_strict
def typing(conversation_id: str, sender_id: str, *, duration_ms: int | None = None) -> Payload:
    """The payload of «is typing»; Kommo takes 5,000 ms where no duration is given."""
    return {"conversation_id": conversation_id, "sender": {"id": sender_id}, **compact(duration_ms=duration_ms)}


@_strict
def reaction(
    emoji: str | None,
    *,
    user: Person | None = None,
    conversation_id: str | None = None,
    conversation_ref_id: str | None = None,
    msgid: str | None = None,
    id: str | None = None,
) -> Payload:
    """The payload that sets a reaction, or takes it back where `emoji` is None."""
    if not (conversation_id or conversation_ref_id) or not (msgid or id):
        raise ValueError("a reaction needs conversation_id or conversation_ref_id, and msgid or id")
    chat = compact(conversation_id=conversation_id, conversation_ref_id=conversation_ref_id)
    who = compact(user=compact(id=user.id, ref_id=user.ref_id) if user else None)
    kind = "react" if emoji else "unreact"
    return {**chat, **compact(id=id, msgid=msgid), **who, "type": kind, **compact(emoji=emoji or None)}


def _source(external_id: str | None) -> Payload | None:
    return {"external_id": external_id} if external_id is not None else None
