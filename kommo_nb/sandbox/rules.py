"""What Kommo accepts and refuses: request → response. It changes the world, and does nothing else.

Documented: paths, methods, success codes, the two error bodies of 403 and 404, the 15-minute window, strict types.
Our choices, since nothing is documented: every other `error_type`; a Date in the future is refused like an old one; an
account that is not on the list gets 403; a scope that is not connected gets the 404 of an unknown channel; a repeated
msgid gets 400; a history limit over 50 gives 50; a Date without its zone is refused.

Source: https://developers.kommo.com/reference/ (the eight calls) and /docs/http-codes, read in copies of 2025-06.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from ..wire.channel import Channel
from ..wire.signing import CONTENT_TYPE, DATE_WINDOW, content_md5, signature, string_to_sign
from . import calls, crm
from .http import Refused, Request, Response
from .world import World

ROOT = "/v2/origin/custom/"


def answer(world: World, request: Request) -> Response:
    """What Kommo answers. Never raises on any request."""
    try:
        if request.path.startswith("/api/v4/"):
            return crm.answer(world, request)
        return _answer_chats_api(world, request)
    except Refused as refusal:
        return refusal.response


def _answer_chats_api(world: World, request: Request) -> Response:
    if not request.path.startswith(ROOT):
        raise Refused(404, "NOT_FOUND", "no such path")
    owner, *rest = request.path.removeprefix(ROOT).split("/")
    channel = world.channels.get(owner.partition("_")[0])
    if channel is None:
        raise Refused(404, "ORIGIN_NOT_REGISTERED", "NOT_FOUND")
    call, args = _route(request.method, owner, [unquote(part) for part in rest])
    _check_signature(world, channel, request)
    if call in (calls.connect, calls.disconnect):
        return call(world, channel, request)
    connected = world.connected.get(owner)
    if connected is None:
        raise Refused(404, "ORIGIN_NOT_REGISTERED", "NOT_FOUND")
    return call(world, connected, request, *args)


def _route(method: str, owner: str, rest: list[str]) -> tuple[Callable[..., Response], list[str]]:
    """The call that a method and a path name. A channel id where a scope id belongs, or the reverse, names none."""
    kind = "scope" if "_" in owner else "channel"
    match [method, kind, *rest]:
        case ["POST", "channel", "connect"]:
            return calls.connect, []
        case ["DELETE", "channel", "disconnect"]:
            return calls.disconnect, []
        case ["POST", "scope"]:
            return calls.message, []
        case ["POST", "scope", "chats"]:
            return calls.create_chat, []
        case ["GET", "scope", "chats", chat_id, "history"]:
            return calls.history, [chat_id]
        case ["POST", "scope", "typing"]:
            return calls.typing, []
        case ["POST", "scope", "react"]:
            return calls.react, []
        case ["POST", "scope", message_id, "delivery_status"]:
            return calls.delivery_status, [message_id]
    raise Refused(404, "NOT_FOUND", "no such method and path")


_ZONE_WITH_COLON = re.compile(r"([+-]\d\d):(\d\d)$")


def _check_signature(world: World, channel: Channel, request: Request) -> None:
    """One answer for every mistake: Kommo does not tell them apart."""
    headers = request.headers
    date, md5, content_type = (headers.get(name, "") for name in ("date", "content-md5", "content-type"))
    text = string_to_sign(request.method, md5, content_type, date, request.path)
    expected = signature(text.encode("latin-1", "replace"), secret=channel.secret)
    given = headers.get("x-signature", "").encode("utf-8", "replace")
    good = (
        hmac.compare_digest(expected.encode(), given)
        and md5 == content_md5(request.body)
        and content_type == CONTENT_TYPE
        and _in_window(world, date)
    )
    if not good:
        raise Refused(403, "ORIGIN_INVALID_SIGNATURE", "invalid signature")


def _in_window(world: World, date: str) -> bool:
    try:
        moment = parsedate_to_datetime(_ZONE_WITH_COLON.sub(r"\1\2", date))
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    if moment.tzinfo is None:
        if not date.endswith(" -0000"):  # as Python's formatdate() writes UTC
            return False
        moment = moment.replace(tzinfo=UTC)
    return abs(world.now() - moment) <= DATE_WINDOW
