"""What travelled, as it is kept: one hook that came, one call that was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """One hook as it came. `body` and `signature` are untouched; `ack_us` is how long it had waited when written."""

    received_at_ms: int
    scope_id: str
    body: bytes
    signature: str | None
    verdict: str
    http_status: int
    ack_us: int | None = None
    user_agent: str | None = None


@dataclass(frozen=True)
class Exchange:
    """One call: the request that was signed, and how it ended.

    Attributes:
        kind: connect, disconnect, create_chat, send, edit, delivery_status, history, typing or react.
        state: pending until an answer came or the last attempt failed, then done or failed.
        attempts: requests sent for it.
    """

    created_at_ms: int
    kind: str
    method: str
    path: str
    request_body: bytes
    msgid: str | None = None
    state: str = "pending"
    attempts: int = 0
    status: int | None = None
    response_body: bytes | None = None
    error_type: str | None = None
    elapsed_ms: int | None = None
