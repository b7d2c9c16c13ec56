"""The part of the account's main API that a channel needs: amojo_ids, chats of contacts, sources, chat templates.

Source: https://developers.kommo.com/reference/ (chat-api-accountid, link-chat-contact, add-sources, get-templates) and
/docs/http-codes, read in copies of 2025-06.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr

from .config import is_local
from .errors import ApiError, BadRequest, ConfigError, NotFound, RateLimited, ServerError, TransportError
from .wire.signing import Secret

_PAGE = {"users": 250, "chats/templates": 50}
"""Rows of the largest page; that of users is not documented, and sources come in one."""
_MEANINGS: dict[int, tuple[type[ApiError], str]] = {
    400: (BadRequest, "compare the request with Kommo's table"),
    401: (ApiError, "the token is wrong, has expired, or is another account's: put a new one into KOMMO_NB_TOKEN"),
    402: (ApiError, "the account is not paid"),
    403: (ApiError, "administrator rights are needed; after too many calls everything is refused for a while"),
    404: (NotFound, "check the id: an integration sees its own things only"),
    429: (RateLimited, "at most 7 requests a second: wait five minutes"),
}


class MainApi:
    """Calls the main API of one account. `path` is what follows `/api/v4/`; rows are Kommo's own JSON.

    Nothing is retried. Each call is a request of its own that keeps no cookie: with session cookies `contacts/chats`
    fails. Administrator rights are needed for all but the account and its users.

    Args:
        base_url: the account, such as `https://example.kommo.com`, or the sandbox.
        token: an OAuth access token, or the long-lived one of a private integration.

    Raises:
        ConfigError: there is no token, or it would travel unencrypted.
        ApiError, TransportError: by any call; what Kommo refused, or that it cannot be reached.
    """

    def __init__(self, base_url: str, token: Secret, *, timeout_s: float = 10.0) -> None:
        self._token = token if isinstance(token, SecretStr) else SecretStr(token)
        if not self._token.get_secret_value():
            raise ConfigError("no token for the main API: set KOMMO_NB_TOKEN, such as the one of the Keys tab")
        if not base_url.startswith("https://") and not is_local(base_url):
            raise ConfigError("the main API's address must look like https://example.kommo.com: the token goes there")
        self._base_url, self._timeout_s = base_url.rstrip("/"), timeout_s

    def account(self) -> dict[str, Any]:
        """The account, with its `amojo_id`."""
        return self.get("account?with=amojo_id")

    def users(self) -> list[dict[str, Any]]:
        """Everybody who works in the CRM; `amojo_id` is None for one who never opened the chats."""
        return self.rows("users", {"with": "amojo_id"})

    def link_chat(self, chat_id: str, contact_id: int) -> dict[str, Any]:
        """Give a chat, named by Kommo's id, to a contact; a chat has one at a time."""
        return self.add("contacts/chats", chat_id=chat_id, contact_id=contact_id)

    def get(self, path: str) -> dict[str, Any]:
        """What GET answers; {} if there is nothing."""
        return self._call("GET", path)

    def rows(self, path: str, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of `sources`, `chats/templates` or `users`; of `contacts/chats` by `{"chat_id[]": [...]}`."""
        found: list[dict[str, Any]] = []
        limit, page = _PAGE.get(path), 1
        while True:
            paging = {"page": page, "limit": limit} if limit else {}
            rows = _embedded(self.get(f"{path}?{urlencode({**(query or {}), **paging}, doseq=True)}"))
            found += rows
            page += 1
            if limit is None or len(rows) < limit:
                return found

    def add(self, path: str, **fields: Any) -> dict[str, Any]:
        """A new source or chat template, as Kommo made it."""
        return next(iter(_embedded(self._call("POST", path, [fields]))), {})

    def edit(self, path: str, id: int, **fields: Any) -> dict[str, Any]:
        """A source or chat template after a change of these fields."""
        return self._call("PATCH", f"{path}/{id}", fields)

    def delete(self, path: str, id: int) -> None:
        """Delete a source or chat template."""
        self._call("DELETE", f"{path}/{id}")

    def _call(self, method: str, path: str, payload: Any = None) -> dict[str, Any]:
        what, url = f"{method} {path.partition('?')[0]}", f"{self._base_url}/api/v4/{path}"
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        try:
            response = httpx.request(
                method, url, json=payload, headers=headers, timeout=self._timeout_s, trust_env=not is_local(url)
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            hint = f"check that {self._base_url} is right"
            raise TransportError(f"{what}: no answer of the main API ({type(error).__name__}); {hint}") from None
        try:
            answer = response.json() if response.content else {}
        except ValueError:
            answer = None
        if response.is_success and isinstance(answer, dict):
            return answer
        answer, status = answer if isinstance(answer, dict) else {}, response.status_code
        error_class, hint = _MEANINGS.get(status, (ServerError if status >= 500 else ApiError, "is the address right?"))
        said = ". ".join([str(answer.get("detail") or answer.get("title") or "")[:200], *_complaints(answer)])
        raise error_class(f"{what}: {status} {said}; {hint}", status=status)


def _embedded(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of an answer, by whatever name."""
    return next(iter((answer.get("_embedded") or {}).values()), [])


def _complaints(answer: dict[str, Any]) -> list[str]:
    errors = [error for row in answer.get("validation-errors") or () for error in row.get("errors") or ()]
    return [f"{error.get('path')}: {error.get('detail')}"[:200] for error in errors]
