"""The receiver without a server: a function from a request to the row to commit."""

from __future__ import annotations

from ..clock import Clock, msec
from ..wire.keyring import Keyring, Secrets
from ..wire.records import Delivery
from ..wire.signing import Verdict

_STATUS = {Verdict.VALID: 200, Verdict.VALID_TRIMMED: 200, Verdict.MISSING: 401, Verdict.MISMATCH: 403}
_REASON = {
    Verdict.MISSING: "no X-Signature header",
    Verdict.MISMATCH: "the signature fits no secret of this channel",
}
_UNKNOWN_SCOPE = "no secret is known for this scope"


def receive(
    scope_id: str,
    body: bytes,
    signature: str | bytes | None,
    *,
    secret: Secrets | Keyring,
    received_at_ms: int | None = None,
    user_agent: str | None = None,
) -> Delivery:
    """The row to commit for a hook, with its verdict and the status to answer once it is stored. Total on input.

    Args:
        scope_id: the last part of the path that the hook came to.
        body: the raw bytes; a decoded and encoded body has another signature.
        signature: the X-Signature header.
        secret: one secret, several, several by channel id, or a `Keyring` of them.
        received_at_ms: unix milliseconds; now if left out.

    Raises:
        ValueError: there is no secret, which is the caller's mistake and must not pass for a verdict.
    """
    keyring = secret if isinstance(secret, Keyring) else Keyring(secret)
    verdict, secret_id = keyring.check(scope_id, body, signature)
    status, reason = _STATUS[verdict], _REASON.get(verdict)
    if not verdict.ok and not keyring.knows(scope_id):
        status, reason = 404, _UNKNOWN_SCOPE
    at_ms = msec(Clock().now()) if received_at_ms is None else received_at_ms
    scope_id, signature, user_agent = _storable(scope_id) or "", _storable(signature), _storable(user_agent)
    return Delivery(at_ms, scope_id, body, signature, verdict.value, status, None, user_agent, reason, secret_id)


def _storable(text: str | bytes | None) -> str | None:
    """The text; half a surrogate pair, which some frameworks make of hostile headers, could not be stored."""
    if isinstance(text, bytes):
        return text.decode("latin-1")
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()
