"""The part of the main API that a channel needs: the account's and the users' amojo_id, with a Bearer token.

Source: https://developers.kommo.com/reference/chat-api-accountid, read in a copy of 2025-06.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qs

from .http import Request, Response
from .world import Account, User, World


def answer(world: World, request: Request) -> Response:
    """What the main API answers; errors are problem+json, unlike those of the Chats API."""
    account = _account_of_token(world, request.headers.get("authorization", ""))
    if account is None:
        return _problem(401, "Unauthorized", "send Authorization: Bearer with the account's token")
    if request.method != "GET":
        return _problem(405, "Method Not Allowed", "the sandbox knows GET here")
    wanted = ",".join(parse_qs(request.query).get("with", []))
    with_amojo_id = "amojo_id" in wanted.split(",")
    match request.path.removeprefix("/api/v4/").split("/"):
        case ["account"]:
            return _found(_account(account, with_amojo_id))
        case ["users"]:
            users = [_user(user, with_amojo_id) for user in account.users]
            return _found({"_total_items": len(users), "_page": 1, "_embedded": {"users": users}})
        case ["users", id_]:
            for user in account.users:
                if str(user.id) == id_:
                    return _found(_user(user, with_amojo_id))
    return _problem(404, "Not Found", "no such entity")


def _account_of_token(world: World, header: str) -> Account | None:
    scheme, _, token = header.partition(" ")
    for account in world.accounts.values():
        if scheme == "Bearer" and hmac.compare_digest(token.encode("utf-8", "replace"), account.token.encode()):
            return account
    return None


def _account(account: Account, with_amojo_id: bool) -> dict[str, Any]:
    shown = {"id": account.id, "name": account.name, "subdomain": account.subdomain}
    return shown | ({"amojo_id": account.amojo_id} if with_amojo_id else {})


def _user(user: User, with_amojo_id: bool) -> dict[str, Any]:
    return {"id": user.id, "name": user.name} | ({"amojo_id": user.amojo_id} if with_amojo_id else {})


def _found(payload: Any) -> Response:
    return Response(200, payload, "application/hal+json")


def _problem(status: int, title: str, detail: str) -> Response:
    payload = {"title": title, "type": "https://httpstatus.es/" + str(status), "status": status, "detail": detail}
    return Response(status, payload, "application/problem+json")
