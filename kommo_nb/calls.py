"""One call: signed, sent, retried where that is safe, noted, and its outcome turned into an answer or one error."""

from __future__ import annotations

import json
import random
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from .clock import Clock, msec
from .config import is_local
from .errors import (
    ApiError,
    BadRequest,
    ConfigError,
    NotFound,
    RateLimited,
    RepeatedMsgid,
    ServerError,
    SignatureRefused,
    TransportError,
)
from .wire.auth import SignatureAuth
from .wire.messages import Payload
from .wire.payloads import encode
from .wire.records import Exchange
from .wire.signing import Secret

MAX_WAIT_S = 60.0
"""The longest wait before a retry, whatever the answer asks for."""


class ExchangeLog(Protocol):
    """Where calls are noted: before the socket is touched, and once they have ended. `Store` is one."""

    def begin_exchange(self, exchange: Exchange) -> int: ...
    def finish_exchange(self, exchange_id: int, **outcome: Any) -> None: ...
    def pending_exchanges(self, *, before_ms: int) -> list[dict[str, Any]]: ...


class Calls:
    """Makes calls on one host with one secret. Its arguments are those of `ChatsClient`."""

    def __init__(
        self,
        secret: Secret,
        base_url: str,
        *,
        log: ExchangeLog | None,
        clock: Clock,
        timeout_s: float,
        attempts: int,
        event_hooks: Mapping[str, list[Callable[..., Any]]] | None,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._log, self._clock, self._attempts, self._sleep = log, clock, max(1, attempts), sleep
        _require_address(base_url)
        self._http = httpx.Client(
            base_url=base_url,
            auth=SignatureAuth(secret, clock=clock),
            timeout=timeout_s,
            follow_redirects=False,  # a signature holds for one path only
            trust_env=not is_local(base_url),  # a proxy set for the Internet must not swallow calls to this machine
            event_hooks=event_hooks,
            verify=_tls(),
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def make(
        self, kind: str, method: str, path: str, payload: Payload | None = None, *, msgid: str | None = None
    ) -> tuple[Any, int | None]:
        """The decoded answer of one call (None where it has no body), and the id of its exchange."""
        body = encode(payload) if payload is not None else b""
        exchange_id = None
        if self._log is not None:
            created_at_ms = msec(self._clock.now())
            exchange_id = self._log.begin_exchange(Exchange(created_at_ms, kind, method, path, body, msgid))
        return self._settle(exchange_id, kind, method, path, body), exchange_id

    def resume(self, *, older_than_s: float) -> int:
        """Make again, byte for byte, what was begun and never ended; how many calls that were."""
        if self._log is None:
            raise ConfigError("resume needs the store where the calls were noted: ChatsClient(..., store=Store(path))")
        before_ms = msec(self._clock.now() - timedelta(seconds=older_than_s))
        pending = self._log.pending_exchanges(before_ms=before_ms)
        for row in pending:
            with suppress(ApiError):  # settled, though not as one hoped; its row says how
                self._settle(row["id"], row["kind"], row["method"], row["path"], row["request_body"], again=True)
        return len(pending)

    def _settle(
        self, exchange_id: int | None, kind: str, method: str, path: str, body: bytes, *, again: bool = False
    ) -> Any:
        """Send until there is an outcome, note it, and only then return or raise it.

        Made `again`, a call that finds Kommo out of reach stays pending for the next time.
        """
        started = time.monotonic()
        response, failure, attempts = self._send(method, path, body)
        error = _error(kind, str(self._http.base_url), response, failure, exchange_id)
        unsettled = again and response is None
        if self._log is not None and exchange_id is not None and not unsettled:
            self._log.finish_exchange(
                exchange_id,
                state="failed" if error else "done",
                attempts=attempts,
                status=response.status_code if response is not None else None,
                response_body=response.content if response is not None else None,
                error_type=(getattr(error, "error_type", "") or type(error).__name__) if error else None,
                elapsed_ms=round((time.monotonic() - started) * 1000),
            )
        if error is not None:
            raise error from failure
        return _json(response)

    def _send(self, method: str, path: str, body: bytes) -> tuple[httpx.Response | None, Exception | None, int]:
        """The last attempt's answer or failure, and how many attempts there were. Each is signed afresh."""
        for attempt in range(1, self._attempts + 1):
            response, failure = None, None
            try:
                response = self._http.request(method, path, content=body)
            except httpx.RequestError as error:
                failure = error
            wait_s = _wait_s(response, attempt)
            if wait_s is None or attempt == self._attempts:
                break
            self._sleep(wait_s)
        return response, failure, attempt


@cache
def _tls() -> ssl.SSLContext:
    """What verifies Kommo's certificate. Made once, for it costs 25 ms and more, and an importer has many clients."""
    return httpx.create_ssl_context()


def _require_address(base_url: str) -> None:
    with suppress(ValueError, httpx.InvalidURL):
        address, _ = urlsplit(base_url), httpx.URL(base_url)
        if address.scheme in {"http", "https"} and address.hostname and address.port != 0:
            return
    raise ConfigError(f"the base URL must look like https://amojo.kommo.com, and not like {base_url[:60]!r}")


def _wait_s(response: httpx.Response | None, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None when the answer settles the call."""
    if response is not None and response.status_code != 429 and response.status_code < 500:
        return None
    backoff: float = 0.5 * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
    if response is not None and response.status_code == 429:
        asked = str(response.headers.get("Retry-After") or _object(response).get("retry_after"))
        backoff = max(backoff, float(asked)) if asked.isdecimal() else backoff
    return min(backoff, MAX_WAIT_S)


def _error(
    kind: str, base_url: str, response: httpx.Response | None, failure: Exception | None, exchange_id: int | None
) -> ApiError | TransportError | None:
    """What went wrong, in words that say what to try next; None when nothing did."""
    if response is None:
        reason = "did not answer in time" if isinstance(failure, httpx.TimeoutException) else "cannot be reached"
        hint = f"check that {base_url} is right and running (the sandbox: kommo-nb sandbox)"
        return TransportError(f"{kind}: Kommo {reason} ({type(failure).__name__}); {hint}", exchange_id=exchange_id)
    if response.is_success:
        return None
    answer = _object(response)
    error_type = str(answer.get("error_type") or "")
    description = str(answer.get("error_description") or answer.get("detail") or "")[:200]
    error_class, hint = _meaning(response.status_code, error_type)
    said = " ".join(filter(None, (str(response.status_code), error_type, description)))
    message = f"{kind}: {said}; {hint}"
    return error_class(message, status=response.status_code, error_type=error_type, exchange_id=exchange_id)


_MEANINGS: dict[int, tuple[type[ApiError], str]] = {
    400: (BadRequest, "compare the request with Kommo's table: ids are strings, times are whole numbers"),
    403: (
        SignatureRefused,
        "check that the secret belongs to this channel, that this machine's clock is right to 15 minutes, "
        "and that the account may connect; kommo-nb doctor explains a request",
    ),
    404: (NotFound, "check the ids: connect first, take the scope_id for the path, and Kommo's id of the message"),
    429: (RateLimited, "slow down: the call was retried and refused each time"),
}


def _meaning(status: int, error_type: str) -> tuple[type[ApiError], str]:
    if error_type == "MSGID_ALREADY_USED":  # the sandbox's word; Kommo's is not documented
        return RepeatedMsgid, "a new message needs a new msgid; a message sent again has arrived before"
    if 300 <= status < 400:
        return ApiError, "a redirect is not followed, because a signature holds for one path: check the base URL"
    return _MEANINGS.get(status, (ServerError if status >= 500 else ApiError, "try again later"))


def _json(response: httpx.Response | None) -> Any:
    """The decoded body; None without one, as several calls answer with nothing at all; its text if it is no JSON."""
    if response is None or not response.content:
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.text


def _object(response: httpx.Response) -> dict[str, Any]:
    value = _json(response)
    return value if isinstance(value, dict) else {}
