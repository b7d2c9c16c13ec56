"""What the calls that were made lead to: messages, edits, statuses, chats, reactions, typings."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress

from ..wire import answers
from ..wire.reading import Participant
from . import history
from .rows import Row, Seen, bots, content, ignore_known, upsert_chats, upsert_message


class Call:
    """A finished exchange, its bodies decoded."""

    def __init__(self, id_: int, at_ms: int, path: str, request: Row, response: Row) -> None:
        self.id, self.at_ms, self.request, self.response = id_, at_ms, request, response
        self.event = f"e{id_}"
        self.parts = path.removeprefix("/v2/origin/custom/").split("/")
        self.scope_id = self.parts[0]


def _call_send(conn: sqlite3.Connection, call: Call) -> None:
    payload, answer = call.request["payload"], call.response["new_message"]
    sender, receiver = payload["sender"], payload.get("receiver")
    client = sender if receiver is None else receiver
    # The documentation of amocrm.ru shows our own conversation_id here; logged traffic has the CRM's.
    answered = answer.get("conversation_id")
    chat_id = payload.get("conversation_ref_id") or (answered if answered != payload["conversation_id"] else None)
    sender_id = sender.get("ref_id") or answer.get("sender_id") or None
    author = "client" if receiver is None else "bot" if sender_id in bots(conn) else "manager"
    upsert_message(
        conn,
        {
            "message_id": answer["msgid"],
            "msgid": payload["msgid"],
            "scope_id": call.scope_id,
            "chat_id": chat_id,
            "conversation_id": payload["conversation_id"],
            "direction": "incoming" if receiver is None else "outgoing",
            "author": author,
            "sender_id": sender_id,
            "sender_name": sender.get("name"),
            **content(payload["message"]),
            "reply_to_id": payload.get("reply_to", {}).get("message", {}).get("id"),
            "post_id": payload["message"].get("post", {}).get("id"),
            "sent_at_ms": payload["msec_timestamp"],
            "exchange_id": call.id,
        },
    )
    if chat_id:
        ref_id = answer.get("sender_id") if receiver is None else answer.get("receiver_id")
        person = _participant(client, ref_id)
        source = payload.get("source", {}).get("external_id")
        at_ms = payload["msec_timestamp"]
        upsert_chats(conn, [Seen(chat_id, payload["conversation_id"], call.scope_id, person, at_ms, source)])


def _call_edit(conn: sqlite3.Connection, call: Call) -> None:
    payload = call.request["payload"]
    names = {"event": call.event, "message_id": payload.get("id"), "msgid": payload.get("msgid")}
    row = {**names, **content(payload["message"]), "edited_at_ms": payload["msec_timestamp"]}
    ignore_known(conn, "edits", row)


def _call_create_chat(conn: sqlite3.Connection, call: Call) -> None:
    request, answer = call.request, call.response
    person = _participant(request["user"], answer.get("user", {}).get("id"))
    source = request.get("source", {}).get("external_id")
    seen = Seen(answer["id"], request["conversation_id"], call.scope_id, person, call.at_ms, source)
    upsert_chats(conn, [seen])


def _call_delivery_status(conn: sqlite3.Connection, call: Call) -> None:
    status = {key: call.request.get(key) for key in ("status_code", "error_code", "error")}
    row = {"event": call.event, "message_id": call.parts[1], **status, "reported_at_ms": call.at_ms}
    ignore_known(conn, "statuses", row)


def _call_typing(conn: sqlite3.Connection, call: Call) -> None:
    request = call.request
    who = {"conversation_id": request["conversation_id"], "user_id": request["sender"]["id"]}
    expired_at_ms = call.at_ms + request.get("duration_ms", 5000)
    ignore_known(conn, "typings", {"event": call.event, **who, "at_ms": call.at_ms, "expired_at_ms": expired_at_ms})


def _call_react(conn: sqlite3.Connection, call: Call) -> None:
    request, user = call.request, call.request.get("user", {})
    chat = {"chat_id": request.get("conversation_ref_id"), "conversation_id": request.get("conversation_id")}
    what = {"message_id": request.get("id"), "msgid": request.get("msgid"), "emoji": request.get("emoji")}
    who = {"user_id": user.get("ref_id") or user.get("id"), "type": request["type"], "at_ms": call.at_ms}
    ignore_known(conn, "reactions", {"event": call.event, **chat, **what, **who})


def _call_reconcile(conn: sqlite3.Connection, call: Call) -> None:
    """The messages of a history that neither a hook nor a call had told of; one that does, counts more."""
    channel_bots = bots(conn)
    for item in answers.history({"messages": call.response["messages"]}):
        incoming = item.receiver is None
        chat_id = call.parts[2]
        row = {
            "message_id": item.message_id,
            "msgid": item.msgid,
            "scope_id": call.scope_id,
            "chat_id": chat_id,
            "direction": "incoming" if incoming else "outgoing",
            "author": "client" if incoming else "bot" if item.sender.id in channel_bots else "manager",
            "sender_id": item.sender.id,
            "sender_name": item.sender.name,
            **content(vars(item)),
            "media_group_id": item.media_group_id,
            "sent_at_ms": item.sent_at_ms,
            "history_id": call.id,
        }
        client = item.receiver or item.sender
        upsert_chats(conn, [Seen(chat_id, None, call.scope_id, client, item.sent_at_ms, None)])
        history.add(conn, row)


CALLS = {
    "send": _call_send,
    "edit": _call_edit,
    "create_chat": _call_create_chat,
    "delivery_status": _call_delivery_status,
    "typing": _call_typing,
    "react": _call_react,
    "reconcile": _call_reconcile,
}
"""What to do with a call that was done, by its kind; of other kinds nothing follows."""


def json_object(body: bytes | None) -> Row:
    """The JSON object in a body, empty if it holds none."""
    value = json.loads(body) if body else {}
    return value if isinstance(value, dict) else {}


def readable_object(body: bytes | None) -> Row:
    """The same, and empty for a body that is no JSON."""
    with suppress(ValueError, RecursionError):
        return json_object(body)
    return {}


def _participant(person: Row, ref_id: str | None) -> Participant:
    profile = person.get("profile") or {}
    contact = {key: profile.get(key) for key in ("phone", "email")}
    return Participant(id=ref_id or "", client_id=person.get("id"), name=person.get("name"), **contact)
