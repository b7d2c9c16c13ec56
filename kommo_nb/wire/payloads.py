"""The bodies of the eight calls, built from typed values, and their encoding to bytes, once.

Source: https://developers.kommo.com/reference/send-import-messages and its neighbours, read in copies of 2025-06.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import AwareDatetime, ConfigDict, validate_call

from .messages import Forward, Message, Payload, Person, Quoted, compact, moment

# Kommo answers 400 to an id that is a number, such as a phone used as conversation_id; here it costs no call.
_strict = validate_call(config=ConfigDict(strict=True))


def encode(payload: Any) -> bytes:
    """The body of a request. Encode once, then hash, sign, send and store these very bytes.

    >>> encode({"text": "olá"}).decode()
    '{"text":"olá"}'
    """
    # Half of a surrogate pair is legal JSON but no UTF-8; its escape is both.
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


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
    payload = compact(
        **moment(sent_at),
        msgid=msgid,
        conversation_id=conversation_id,
        conversation_ref_id=conversation_ref_id,
        source=_source(source),
        sender=sender,
        receiver=receiver,
        message=message,
        reply_to={"message": reply_to.payload()} if reply_to else None,
        forwards=forwards,
        silent=silent,
    )
    return {"event_type": "new_message", "payload": payload}


@_strict
def edit_message(
    message: Message, *, sent_at: AwareDatetime, conversation_id: str, msgid: str | None = None, id: str | None = None
) -> Payload:
    """The payload that edits a message, named by our msgid, by Kommo's id, or by both."""
    if not (msgid or id):
        raise ValueError("an edit needs the msgid (ours) or the id (Kommo's) of the message")
    payload = compact(**moment(sent_at), id=id, msgid=msgid, conversation_id=conversation_id, message=message)
    return {"event_type": "edit_message", "payload": payload}


@_strict
def connect(
    account_id: str, *, title: str | None = None, hook_api_version: str = "v2", is_time_window_disabled: bool = False
) -> Payload:
    """The payload of connect. The time window is named only when it is to be switched off."""
    disabled = True if is_time_window_disabled else None
    return compact(
        account_id=account_id, title=title, hook_api_version=hook_api_version, is_time_window_disabled=disabled
    )


@_strict
def create_chat(conversation_id: str, user: Person, *, source: str | None = None) -> Payload:
    """The payload that makes a chat before its first message."""
    return compact(conversation_id=conversation_id, source=_source(source), user=user)


@_strict
def typing(conversation_id: str, sender_id: str, *, duration_ms: int | None = None) -> Payload:
    """The payload of «is typing»; Kommo takes 5,000 ms where no duration is given."""
    return compact(conversation_id=conversation_id, sender={"id": sender_id}, duration_ms=duration_ms)


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
    return compact(
        conversation_id=conversation_id,
        conversation_ref_id=conversation_ref_id,
        id=id,
        msgid=msgid,
        user=compact(id=user.id, ref_id=user.ref_id) if user else None,
        type="react" if emoji else "unreact",
        emoji=emoji or None,
    )


def _source(external_id: str | None) -> Payload | None:
    return None if external_id is None else {"external_id": external_id}
