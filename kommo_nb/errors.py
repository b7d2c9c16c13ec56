"""The exception tree: mistakes of the caller or of the environment.

Hostile *input* never raises: it becomes a value, a :class:`~kommo_nb.wire.signing.Verdict` or a `problems` row.
Every message says what failed, with harmless ids, and what to try next; none holds a secret or a whole body.
"""

from __future__ import annotations


class KommoError(Exception):
    """The root of all errors that kommo_nb raises on purpose."""


class ConfigError(KommoError):
    """A setting is missing or does not fit; the message names the variable."""


class RegistrationError(KommoError):
    """A registration request, or support's answer to one, cannot be used as it is."""


class StoreError(KommoError):
    """The SQLite file cannot be opened, read or written; what it holds is untouched."""


class TransportError(KommoError):
    """No answer from Kommo: not reachable, or no answer in time.

    Attributes:
        exchange_id: the row in `exchanges` that holds the request, or None without a store.
    """

    def __init__(self, message: str, *, exchange_id: int | None = None) -> None:
        super().__init__(message)
        self.exchange_id = exchange_id


class ApiError(KommoError):
    """Kommo answered with an error.

    Attributes:
        status: HTTP status.
        error_type: Kommo's own word for it, such as `ORIGIN_INVALID_SIGNATURE`, or "" where the body has none.
        exchange_id: the row in `exchanges` that holds request and answer, or None without a store.
    """

    def __init__(self, message: str, *, status: int, error_type: str = "", exchange_id: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.exchange_id = exchange_id


class BadRequest(ApiError):
    """400: the payload is not what Kommo expects; its types are strict (ids are strings)."""


class RepeatedMsgid(BadRequest):
    """400: this msgid was used before. After a retry it means that an earlier attempt did arrive."""


class SignatureRefused(ApiError):
    """403: wrong secret, changed body, or a Date more than 15 minutes off. Kommo does not say which."""


class NotFound(ApiError):
    """404: unknown channel, scope, chat or message; often an id of the wrong side."""


class RateLimited(ApiError):
    """429: too many requests, and still so after the last retry."""


class ServerError(ApiError):
    """5xx, and still so after the last retry."""
