"""Signing requests to Kommo, and checking the hooks that Kommo signs.

A request carries four headers: Date, Content-Type, Content-MD5 and X-Signature. The signature covers the method, the
other three headers and the path. A hook carries X-Signature alone, over its body.

Source: https://developers.kommo.com/reference/chats-api-authorization-and-headers, read in a copy of 2025-06.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum

from pydantic import SecretStr

CONTENT_TYPE = "application/json"
DATE_WINDOW = timedelta(minutes=15)
"""How long a signature is good, counted from its Date."""

Secret = str | SecretStr


def content_md5(body: bytes) -> str:
    """The Content-MD5 header: lower-case hex (not base64, as RFC 1864 would have it) of the exact bytes sent.

    >>> content_md5(b"")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    return hashlib.md5(body).hexdigest()


def string_to_sign(method: str, md5: str, content_type: str, date: str, path: str) -> str:
    """The five parts that a signature covers, joined by one line feed each; the path without host and query string."""
    return "\n".join((method.upper(), md5, content_type, date, path))


def signature(text: str | bytes, *, secret: Secret) -> str:
    """HMAC-SHA1 of `text` as lower-case hex. The secret is used as it is written, not decoded from hex."""
    message = text.encode() if isinstance(text, str) else text
    return hmac.new(plain(secret).encode(), message, hashlib.sha1).hexdigest()


def request_headers(method: str, path: str, body: bytes, *, secret: Secret, date: datetime) -> dict[str, str]:
    """The four headers of a signed request; a ValueError for a whole URL as path, or a naive date.

    Args:
        path: begins with `/`; a query string is left out of the signature, as Kommo does.
        body: the exact bytes that will be sent, `b""` for GET.
        date: becomes the Date header. Kommo accepts it for 15 minutes.
    """
    if not path.startswith("/"):
        raise ValueError(f"sign the path only, beginning with '/', without scheme and host: got {path[:40]!r}")
    if date.tzinfo is None:
        raise ValueError("date needs a time zone: use datetime.now(timezone.utc)")
    stamp = format_datetime(date.astimezone(UTC))
    md5 = content_md5(body)
    # Not urlsplit, which takes the first segment of a path with two leading slashes for a host.
    text = string_to_sign(method, md5, CONTENT_TYPE, stamp, path.partition("?")[0])
    headers = {"Date": stamp, "Content-Type": CONTENT_TYPE, "Content-MD5": md5}
    return headers | {"X-Signature": signature(text, secret=secret)}


class Verdict(StrEnum):
    """What a hook's signature says; `ok` tells whether to trust the body."""

    VALID = "valid"
    VALID_TRIMMED = "valid_trimmed"
    """Matched without the one trailing newline, which real hooks carry and Kommo does not sign."""
    MISSING = "missing"
    MISMATCH = "mismatch"

    @property
    def ok(self) -> bool:
        """True for a body that the holder of the secret has signed."""
        return self in (Verdict.VALID, Verdict.VALID_TRIMMED)


def check_hook(body: bytes, signature: str | bytes | None, *, secret: Secret) -> Verdict:
    """The verdict on a hook. Takes any bytes and any header, and never raises on them; upper-case hex is accepted.

    No secret is the caller's mistake, and must not pass for a verdict: a ValueError.

    Source: https://developers.kommo.com/reference/receiving-chat-webhooks; the newline was seen in logged traffic.
    """
    return hook_verdict(body, signature, hmac_sha1(secret))


def hmac_sha1(secret: Secret) -> hmac.HMAC:
    """An HMAC-SHA1 with its key set, to be copied for each message; it does not show the key."""
    return hmac.new(plain(require_secret(secret)).encode(), digestmod=hashlib.sha1)


def hook_verdict(body: bytes, signature: str | bytes | None, keyed: hmac.HMAC) -> Verdict:
    """`check_hook` for one who checks many hooks with one secret."""
    if not signature:
        return Verdict.MISSING
    # Any str has these bytes, also one with lone surrogates, as a framework may hand over from hostile headers.
    given = (signature.encode("utf-8", "surrogatepass") if isinstance(signature, str) else signature).strip().lower()

    if body.endswith(b"\n") and _matches(keyed, body[:-1], given):  # the usual case first
        return Verdict.VALID_TRIMMED
    return Verdict.VALID if _matches(keyed, body, given) else Verdict.MISMATCH


def _matches(keyed: hmac.HMAC, data: bytes, given: bytes) -> bool:
    digest = keyed.copy()
    digest.update(data)
    return hmac.compare_digest(digest.hexdigest().encode(), given)


def require_secret(secret: Secret) -> Secret:
    """The secret itself; a ValueError if it is blank, since an HMAC with an empty key would let anybody sign."""
    if not plain(secret).strip():
        raise ValueError("the channel secret is empty: set KOMMO_NB_SECRET to the secret_key in support's answer")
    return secret


def plain(secret: Secret) -> str:
    """The text of a secret, also of one that hides itself."""
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret
