"""The part of the main API that a channel needs, with a Bearer token: amojo_ids, chats of contacts, sources, templates.

Our choices, since nothing is documented: a call with a cookie gets 401; a chat or contact that is not known here gets
400, and so does a question for links that names neither. A chat's contact is made when somebody first asks for it.

Source: https://developers.kommo.com/reference/ (chat-api-accountid, link-chat-contact), read in copies of 2025-06.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qs

from .bodies import Body, Text
from .entities import Problem, Row, Shelf, Source, Template, embedded, found, rows_of
from .http import Request, Response
from .world import Account, User, World


class Link(Body):
    """A row of POST `/api/v4/contacts/chats`."""

    contact_id: int
    chat_id: Text
    request_id: str = ""


_SOURCES, _TEMPLATES = Shelf("sources", Source, 100), Shelf("chat_templates", Template, 50)


def answer(world: World, request: Request) -> Response:
    """What the main API answers. Raises a Problem, whose response is the answer then."""
    account = _account_of_token(world, request.headers.get("authorization", ""))
    if account is None:
        raise Problem(401, "send Authorization: Bearer with the account's token")
    query = parse_qs(request.query)
    with_amojo_id = "amojo_id" in ",".join(query.get("with", [])).split(",")
    match [request.method, *request.path.removeprefix("/api/v4/").split("/")]:
        case [_, "sources", *rest]:
            return _SOURCES.answer(account, request, rest)
        case [_, "chats", "templates", *rest]:
            return _TEMPLATES.answer(account, request, rest)
        case ["GET" | "POST" as method, "contacts", "chats"]:
            if "cookie" in request.headers:
                raise Problem(401, "send no session cookies here")
            chat_ids = _chats_with_contacts(world, account)
            return _links(account, query) if method == "GET" else _link(account, chat_ids, rows_of(Link, request.body))
        case ["GET", "contacts"]:
            return embedded("contacts", [{"id": id_, "name": name} for id_, name in account.contacts.items()])
        case ["GET", "account"]:
            return found(_account(account, with_amojo_id))
        case ["GET", "users"]:
            users = [_user(user, with_amojo_id) for user in account.users]
            return found({"_total_items": len(users), "_page": 1, "_embedded": {"users": users}})
        case ["GET", "users", id_]:
            for user in account.users:
                if str(user.id) == id_:
                    return found(_user(user, with_amojo_id))
        case [method, *_] if method != "GET":
            raise Problem(405, "the sandbox knows GET here")
    raise Problem(404, "no such entity")


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


# --- chats of contacts ---


def _chats_with_contacts(world: World, account: Account) -> set[str]:
    """The ids of the account's chats; each that is visible has a contact now, as its incoming lead does it."""
    chats = [chat for chat in world.chats.values() if chat.scope_id.endswith(f"_{account.amojo_id}")]
    for chat in chats:
        if chat.messages and chat.id not in account.links:
            contact_id = next(account.numbers)
            account.contacts[contact_id] = chat.client.name
            account.links[chat.id] = (next(account.numbers), contact_id)
    return {chat.id for chat in chats}


def _links(account: Account, query: dict[str, list[str]]) -> Response:
    chat_ids, contact_ids = query.get("chat_id[]", []), query.get("contact_id[]", [])
    if not (chat_ids or contact_ids):
        raise Problem(400, "name chats by chat_id[] or contacts by contact_id[]")
    shown = [
        {"chat_id": chat_id, "contact_id": contact_id, "id": id_}
        for chat_id, (id_, contact_id) in account.links.items()
        if chat_id in chat_ids or str(contact_id) in contact_ids
    ]
    return embedded("chats", shown)


def _link(account: Account, chat_ids: set[str], rows: list[Row]) -> Response:
    for number, row in enumerate(rows):
        if row["contact_id"] not in account.contacts:
            raise Problem(400, "no such contact", path="contact_id", number=number)
        if row["chat_id"] not in chat_ids:
            raise Problem(400, "no such chat of this integration", path="chat_id", number=number)
    shown = [row | {"id": next(account.numbers)} for row in rows]
    account.links |= {row["chat_id"]: (row["id"], row["contact_id"]) for row in shown}
    return embedded("chats", shown)
