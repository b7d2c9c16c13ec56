"""What travelled, as it is kept: one hook that came, one call that was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Delivery(NamedTuple):  # a tuple, because a receiver makes thousands a second, and each becomes a row as it is
    """One hook as it came.

    Attributes:
        body, signature: untouched.
        verdict: what the signature says, a `Verdict`; `secret_id` names the secret that matched.
        http_status: how it was answered; `reason` says why it was refused.
        ack_us: from the whole body received to its commit; None until that is known.
    """

    received_at_ms: int
    scope_id: str
    body: bytes
    signature: str | None
    verdict: str
    http_status: int
    ack_us: int | None = None
    user_agent: str | None = None
    reason: str | None = None
    secret_id: str | None = None


@dataclass(frozen=True)
class Exchange:
    """One call: the request that was signed, and how it ended.

    Attributes:
        kind: one of `kinds.CALL_KINDS`; reconcile for the messages of history that nothing else had told of.
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
