"""Conversations told to a store, for the tests of metrics and dashboard."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kommo_nb.clock import msec
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery, Exchange

SCOPE = "channel_account"
BOT, ELENA, TOM = "bot-ref", "elena-ref", "tom-ref"


def at(day: int, clock: str) -> int:
    """A moment of March 2026 (UTC) in milliseconds; the 2nd is a Monday."""
    hour, minute = map(int, clock.split(":"))
    return msec(datetime(2026, 3, day, hour, minute, tzinfo=UTC))


class Teller:
    """Tells conversations to a store in the raw rows that Kommo and the client would have left."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.remember_channel("channel", name="Demo", bot_id=BOT)

    def client(self, chat: str, sent_at_ms: int, text: str, *, msgid: str | None = None, **message: Any) -> str:
        """The client writes: a call that the integration made. Returns Kommo's message id."""
        msgid = msgid or f"our-{chat}-{sent_at_ms}"
        sender = {"id": f"client-{chat}", "name": chat.capitalize(), "profile": {"phone": "+351900000"}}
        where = {"msec_timestamp": sent_at_ms, "msgid": msgid, "conversation_id": f"conversation-{chat}"}
        content = {"type": "text", "text": text, **message}
        payload = {"event_type": "new_message", "payload": {**where, "sender": sender, "message": content}}
        answer = {"new_message": {"conversation_id": chat, "msgid": f"id-{msgid}", "sender_id": f"ref-{chat}"}}
        self.call("send", "", sent_at_ms, payload, answer)
        return f"id-{msgid}"

    def crm(self, chat: str, sent_at_ms: int, text: str, *, sender: str = ELENA, **message: Any) -> str:
        """A manager or the bot writes in the CRM: a hook. Returns Kommo's message id."""
        message_id = f"id-{chat}-{sent_at_ms}"
        event = {
            "conversation": {"id": chat, "client_id": f"conversation-{chat}"},
            "sender": {"id": sender, "name": {ELENA: "Elena", TOM: "Tom"}.get(sender)},
            "receiver": {"id": f"ref-{chat}", "client_id": f"client-{chat}"},
            "msec_timestamp": sent_at_ms,
            "message": {"id": message_id, "type": "text", "text": text, **message},
        }
        self.hook(sent_at_ms, {"account_id": "account", "time": sent_at_ms // 1000, "message": event})
        return message_id

    def report(self, message_id: str, reported_at_ms: int, code: int, **error: Any) -> None:
        """The integration reports a delivery status."""
        body = {"msgid": message_id, "delivery_status": code, "status_code": code, **error}
        self.call("delivery_status", f"/{message_id}/delivery_status", reported_at_ms, body, None)

    def hook(self, received_at_ms: int, body: Any) -> None:
        raw = json.dumps(body).encode() + b"\n"
        self.store.add_deliveries([Delivery(received_at_ms, SCOPE, raw, "signature", "valid_trimmed", 200)])

    def call(self, kind: str, path: str, at_ms: int, body: Any, answer: Any) -> None:
        request, response = json.dumps(body).encode(), json.dumps(answer).encode() if answer else None
        path = f"/v2/origin/custom/{SCOPE}{path}"
        self.store.begin_exchange(
            Exchange(at_ms, kind, "POST", path, request, state="done", attempts=1, status=200, response_body=response)
        )
