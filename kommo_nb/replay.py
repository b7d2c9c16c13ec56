"""Replay: stored hooks, sent again to a URL, signed afresh.

A hook is sent byte for byte as it came, unless one edits it. Kommo's hooks end in one newline that it does not sign:
a hook that came so is signed without it and sent with it, any other is signed whole.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import httpx

from .clock import Clock, msec
from .config import is_local
from .errors import ConfigError
from .lines import safe
from .store import Store
from .store.selection import StoredHook
from .wire.keyring import Secrets, of_scope
from .wire.payloads import encode
from .wire.signing import CONTENT_TYPE, Secret, Verdict, require_secret, signature

TIMEOUT_S = 5.0
"""Kommo's own limit for the answer to a hook, and ours for an attempt."""
USER_AGENT = "kommo-nb replay"
_SMALL = 64 * 1024  # bytes of an answer that are read, so that the connection can be used again

Edit = Callable[[Any], Any]
"""Takes a hook's JSON (None where the body is none), and gives the JSON to send; a ValueError says why it cannot."""


@dataclass(frozen=True)
class Request:
    """A hook ready to be sent. The first `signed_size` bytes of the body are signed: all, or all but the newline."""

    url: str
    body: bytes
    signed_size: int
    x_signature: str
    changed: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers that are ours; a connection adds its own."""
        return {"Content-Type": CONTENT_TYPE, "X-Signature": self.x_signature, "User-Agent": USER_AGENT}

    def __str__(self) -> str:
        """The request for people, safe to print; its last newline, which is sent, shows as \\n."""
        headers = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        body = safe(self.body.decode("utf-8", "replace"))
        note = "\n(The newline at the end is sent, and not signed.)" if self.signed_size < len(self.body) else ""
        return f"POST {self.url or '(no URL yet)'}\n{headers}\n\n{body}{note}"


@dataclass(frozen=True)
class Attempt:
    """How it went with one hook; a row of `replays`. `body` is None where the stored one was sent.

    `status` is that of the answer; None if there was none, and then `error` says why.
    """

    delivery_id: int
    sent_at_ms: int
    url: str
    body: bytes | None
    status: int | None
    error: str | None
    elapsed_ms: int

    @property
    def ok(self) -> bool:
        """True for an answer that Kommo takes for a good one: 200, within 5 seconds."""
        return self.status == 200 and self.elapsed_ms < TIMEOUT_S * 1000

    @property
    def outcome(self) -> str:
        """How it went, in words."""
        if self.status is None:
            return self.error or "no answer"
        return f"answered {self.status} after {self.elapsed_ms} ms"

    def facts(self) -> dict[str, Any]:
        """The attempt for programs: its fields, and of the body only whether it was changed."""
        fields = asdict(self) | {"changed": self.body is not None}
        del fields["body"]
        return fields


def replay(
    hooks: Iterable[StoredHook], url: str, *, secret: Secrets, edit: Edit | None = None, log: Store | None = None
) -> Iterator[Attempt]:
    """Send stored hooks one after the other; each is sent when its attempt is asked for.

    A receiver that is down stops nothing: the attempt has an error. A URL that cannot be one is a ConfigError.

    Args:
        hooks: those of `select`. Signed again, a forged hook looks genuine, so give refused ones only on purpose.
        url: where to; `:scope_id` is replaced by the hook's.
        secret: the channel's, or as a `Keyring` takes several. Of those of the hook's channel the first one signs.
        log: where each attempt is noted, in the table `replays`.
    """
    if not isinstance(secret, Mapping):
        _present(secret, "")
    with _client(url) as http:
        for stored in hooks:
            yield _attempt(http, stored, url, secret, edit, log)


def request(stored: StoredHook, url: str, *, secret: Secrets, edit: Edit | None = None) -> Request:
    """The request that replays a hook: the stored bytes, or what the edit made of them; a ValueError if it cannot."""
    body = _edited(stored.body, edit) if edit else stored.body
    size = len(body) - (stored.verdict == Verdict.VALID_TRIMMED and body.endswith(b"\n"))
    target = url.replace(":scope_id", quote(stored.scope_id, safe=""))  # it came from a stranger's path
    key = _present(secret, stored.scope_id)
    return Request(target, body, size, signature(body[:size], secret=key), body != stored.body)


def _present(secrets: Secrets, scope_id: str) -> Secret:
    """The present secret of a scope's channel; a ValueError if there is none."""
    known = of_scope(secrets, scope_id)
    if not known:
        raise ValueError("no secret is known for its scope: name its channel in KOMMO_NB_SECRETS")
    return require_secret(known[0])


def set_fields(changes: Mapping[str, Any]) -> Edit:
    """An edit that sets fields by their dotted paths: `{"message.message.text": "Hello"}`. Numbers count in lists."""

    def edit(payload: Any) -> Any:
        for path, value in changes.items():
            *above, last = path.split(".")
            place = payload
            for name in above:
                place = _below(place, name, path)
            if isinstance(place, dict):  # may be new in an object, but not in a list
                place[last] = value
            else:
                _below(place, last, path)
                place[int(last)] = value
        return payload

    return edit


def _below(place: Any, name: str, path: str) -> Any:
    if isinstance(place, dict) and name in place:
        return place[name]
    if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
        return place[int(name)]
    raise ValueError(f"its body has no {path[:80]}")


def _edited(body: bytes, edit: Edit) -> bytes:
    """The new body; the very one that there was if the edit changed nothing."""
    try:
        payload = json.loads(body)
        before = encode(payload)
    except (ValueError, RecursionError):
        payload, before = None, b""
    after = encode(edit(payload))
    return body if after == before else after + (b"\n" if body.endswith(b"\n") else b"")


def _client(url: str) -> httpx.Client:
    """The connection to a receiver; a ConfigError for a URL that cannot be one."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL("")
    if address.scheme not in {"http", "https"} or not address.host:
        raise ConfigError(f"hooks are sent to a URL such as http://127.0.0.1:8011/hooks/:scope_id, not {url[:60]!r}")
    if address.userinfo:
        raise ConfigError("leave user and password out of the URL, because it is noted with every attempt")
    # A proxy set for the Internet must not swallow calls to this machine.
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=not is_local(url))


def _attempt(
    http: httpx.Client, stored: StoredHook, url: str, secret: Secrets, edit: Edit | None, log: Store | None
) -> Attempt:
    """One attempt, noted however it ends."""
    sent_at_ms, started = msec(Clock().now()), time.monotonic()
    body: bytes | None = None
    status: int | None = None
    error: str | None = "interrupted"
    try:
        ready = request(stored, url, secret=secret, edit=edit)
        url, body = ready.url, ready.body if ready.changed else None
        status, error = _post(http, ready), None
    except ValueError as problem:
        error = f"not sent: {problem}"
    except (TimeoutError, httpx.TimeoutException):
        error = f"no answer within {TIMEOUT_S:g} s"
    except httpx.ConnectError as problem:
        error = f"nobody answers at {url}: is the receiver running? ({problem})"
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        error = type(problem).__name__
    finally:
        elapsed_ms = round((time.monotonic() - started) * 1000)
        attempt = Attempt(stored.id, sent_at_ms, url, body, status, error, elapsed_ms)
        if log is not None:
            log.add_replay(asdict(attempt))
    return attempt


def _post(http: httpx.Client, ready: Request) -> int:
    """The status of the answer; a TimeoutError if it has not come within the limit.

    It is waited for from outside: httpx bounds each read alone, so that one header line a second would never end.
    """
    status: Future[int] = Future()
    asking = threading.Thread(target=_ask, args=(http, ready, status), daemon=True)
    asking.start()
    asking.join(TIMEOUT_S)
    return status.result(0)


def _ask(http: httpx.Client, ready: Request, status: Future[int]) -> None:
    try:
        with http.stream("POST", ready.url, content=ready.body, headers=ready.headers) as response:
            status.set_result(response.status_code)
            if (length := response.headers.get("Content-Length", "")).isdecimal() and int(length) <= _SMALL:
                response.read()
    except BaseException as error:
        if not status.done():  # else it has come, whatever becomes of the text
            status.set_exception(error)
