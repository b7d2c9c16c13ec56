"""One row → one message, or what is wrong with the row and how to mend it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from ..clock import derived_id, msec
from ..lines import safe
from ..wire.messages import Audio, File, Message, Person, Picture, Sticker, Text, Video, Voice
from .conversations import Item
from .rows import Row

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""An older time is a mistake: seconds in another unit, or a spreadsheet's count of days."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AUTHORS = ("client", "manager", "bot")
_FILES: dict[str, Callable[..., Message]] = {each.type: each for each in (Picture, File, Video, Voice, Audio, Sticker)}
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")
_FLOATED = re.compile(r"\d+\.0")
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)


class Wrong(Exception):
    """What is wrong with a row, and how to mend it."""


def conversation_id_of(row: Row) -> str:
    """The chat that a row belongs to, if it tells."""
    if value := text_of(row.values, "conversation_id"):
        return value
    raise Wrong(row.problem or "conversation_id is empty: it names the chat on your side, any text will do")


def item_of(row: Row, conversation_id: str, zone: tzinfo | None, now: datetime) -> tuple[Item, str]:
    """The message of a row, and all that it says, as text."""
    if row.problem:
        raise Wrong(row.problem)
    values = row.values
    author = (text_of(values, "author") or "").lower()
    if author not in _AUTHORS:
        raise Wrong(f"author is {_shown(values.get('author'))}: write client, manager or bot")
    sent_at = _sent_at(values.get("sent_at"), zone, now)
    message = _message(values)
    media = text_of(values, "media") or ""  # a table's NaN for nothing must not make another message of it
    said = json.dumps([conversation_id, msec(sent_at), author, message.type, message.text, media])
    own_id = text_of(values, "id")
    identity = json.dumps([conversation_id, own_id]) if own_id else said
    manager = None
    if author == "manager" and (manager_id := text_of(values, "manager_id")):
        manager = Person(id=manager_id, name=text_of(values, "manager_name") or "Manager", ref_id=manager_id)
    return Item(row.number, derived_id("import", identity), sent_at, author, message, manager), said


def _message(values: Mapping[str, Any]) -> Message:
    text, media = text_of(values, "text", strip=False), text_of(values, "media")
    kind = (text_of(values, "type") or "").lower()
    if media and kind not in _FILES:
        raise Wrong(f"type is {_shown(values.get('type'))}, with a media: write {', '.join(_FILES)}")
    if kind in _FILES and not (media or "").startswith(("http://", "https://")):
        raise Wrong(f"media is {_shown(media)}: a {kind} needs the URL from which Kommo downloads it, without a login")
    if kind not in {"", "text", *_FILES}:
        raise Wrong(f"type is {_shown(kind)}: write text, {', '.join(_FILES)}; other kinds can be imported as text")
    if not media and not (text or "").strip():
        raise Wrong("text is empty: write what was said, or delete the row")
    size = text_of(values, "file_size")
    if size and not re.fullmatch(r"[0-9]{1,15}", size):
        raise Wrong(f"file_size is {_shown(size)}: write whole bytes, or nothing")
    try:
        if not media:
            return Text(text or "")
        return _FILES[kind](
            media, text=text, file_name=text_of(values, "file_name"), file_size=int(size) if size else None
        )
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise Wrong(f"{first['loc'][-1] if first['loc'] else 'the message'}: {first['msg']}") from None


def text_of(values: Mapping[str, Any], name: str, *, strip: bool = True) -> str | None:
    """A value as text, None where there is none. Tables make numbers of ids and phones, and NaN of nothing."""
    value = values.get(name)
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Wrong(f"{name} is {_shown(value)}: it must be text")
    if name.endswith("id") and _ROUNDED.fullmatch(value.strip()):
        raise Wrong(f"{name} is {_shown(value)}: a spreadsheet rounded it; make its column text there, export again")
    if _FLOATED.fullmatch(value) and name.endswith(("id", "phone")):  # as pandas writes whole numbers beside gaps
        value = value.removesuffix(".0")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{name} has half a character (a lone surrogate): write its text again") from None
    return (value.strip() if strip else value) or None


def _sent_at(value: Any, zone: tzinfo | None, now: datetime) -> datetime:
    """The moment, to the millisecond."""
    moment = _moment(value)
    if moment.tzinfo is None:
        if zone is None:
            raise Wrong(
                f"sent_at is {_shown(value)}, and names no time zone: write one behind it, such as +01:00, or say "
                'whose times these are (--zone Europe/Berlin, or zone="Europe/Berlin")'
            )
        moment = moment.replace(tzinfo=zone)
    try:
        sent_at = EPOCH + timedelta(milliseconds=msec(moment))
    except OverflowError:
        raise Wrong(f"sent_at is {_shown(value)}, out of all bounds") from None
    if sent_at < EARLIEST:
        raise Wrong(f"sent_at is {_shown(value)}, before 2000: is its unit seconds or milliseconds since 1970?")
    if sent_at > now:
        raise Wrong(f"sent_at is {_shown(value)}, in the future: check its unit and its time zone")
    return sent_at


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime) and value == value:  # pandas' NaT is a datetime, and equals nothing
        return value
    text = text_of({"sent_at": value}, "sent_at") if not isinstance(value, float) or value != value else f"{value:.3f}"
    if not text:
        raise Wrong("sent_at is empty: write an ISO time with its zone, or unix seconds or milliseconds")
    try:
        if _NUMBER.fullmatch(text):
            number = Decimal(text)
            return EPOCH + timedelta(milliseconds=int(number if number >= 10**11 else number * 1000))
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Wrong(
            f"sent_at is {_shown(value)}: write it as 2026-03-02T09:00:00+01:00, or as unix seconds or milliseconds"
        ) from None


def _shown(value: Any) -> str:
    return f"«{safe(str(value)[:40])}»" if value is not None and value != "" else "empty"
