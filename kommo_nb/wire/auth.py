"""Signing for httpx."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pydantic import SecretStr

from ..clock import Clock
from .signing import Secret, request_headers, require_secret


class SignatureAuth(httpx.Auth):
    """Signs whatever httpx sends, each attempt with a fresh Date: `httpx.Client(auth=SignatureAuth(secret))`.

    The bytes that httpx is about to send are the bytes hashed, so `json=` and `content=` are equally safe.
    """

    requires_request_body = True

    def __init__(self, secret: Secret, *, clock: Clock | None = None) -> None:
        require_secret(secret)
        # A SecretStr stays hidden, also where a debugger or a log prints the attributes.
        self._secret = secret if isinstance(secret, SecretStr) else SecretStr(secret)
        self._clock = clock or Clock()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        path = request.url.raw_path.decode("ascii")
        headers = request_headers(request.method, path, request.content, secret=self._secret, date=self._clock.now())
        request.headers.update(headers)
        yield request
