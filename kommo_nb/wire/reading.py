"""Reading Kommo's JSON liberally: a missing, null or empty value is the same nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

Kind = TypeVar("Kind")

MAX_MSEC = 253_402_300_799_999
"""The end of the year 9999; a later time is not a time, and would not fit the store either."""


@dataclass(frozen=True)
class Participant:
    """Somebody in a hook or an answer. `id` is Kommo's, `client_id` is ours and absent for people of the CRM."""

    id: str
    client_id: str | None = None
    name: str | None = None
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a message says, in hooks of both versions and in history."""

    type: str
    sent_at_ms: int
    text: str | None = None
    media: str | None = None
    thumbnail: str | None = None
    file_name: str | None = None
    file_size: int | None = None
    media_group_id: str | None = None


class Unreadable(Exception):
    """A field that must be there is missing or of another type."""


def built(kind: type[Kind], fields: dict[str, Any]) -> Kind:
    """A frozen dataclass from all its fields, in their order; its own `__init__` is several times as slow."""
    made = object.__new__(kind)
    vars(made).update(fields)
    return made


class Fields:
    """One JSON object, read liberally: a missing, null or empty value is None, and absent sub-objects are empty."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise Unreadable(f"{place} is not a JSON object")
        self._value, self._place = value, place

    def has(self, key: str) -> bool:
        """True for an object or a text that is not empty."""
        return isinstance(self._value.get(key), dict) or bool(self.text(key))

    def sub(self, key: str) -> Fields:
        """The object under `key`, empty if absent."""
        return Fields(self._value.get(key) or {}, key)

    def object(self, key: str) -> dict[str, Any] | None:
        """The object under `key` as it is, or None."""
        value = self._value.get(key)
        return value if isinstance(value, dict) and value else None

    def text(self, key: str) -> str | None:
        """The text under `key`, or None."""
        value = self._value.get(key)
        if type(value) is not str or not value:
            return None
        # A lone surrogate is legal JSON but no text: it could be neither stored nor shown.
        return value if value.isascii() else value.encode("utf-8", "replace").decode()

    def texts(self, *keys: str) -> dict[str, Any]:
        """The texts under these keys."""
        return {key: self.text(key) for key in keys}

    def need(self, key: str) -> str:
        """The text under `key`; Unreadable without it."""
        value = self.text(key)
        if value is None:
            raise Unreadable(f"{self._place}.{key} is missing or not a text")
        return value

    def number(self, key: str) -> int | None:
        """The whole number under `key` where it makes sense as an id, a size or a time, or None."""
        value = self._value.get(key)
        return value if type(value) is int and 0 <= value <= MAX_MSEC else None


def person(fields: Fields) -> Participant:
    """A participant. Sources disagree on phone and email: flat, or nested in `profile`; both are read."""
    profile = fields.sub("profile") if fields._value.get("profile") else None
    who = {"id": fields.need("id"), "client_id": fields.text("client_id"), "name": fields.text("name")}
    who["phone"] = fields.text("phone") or (profile.text("phone") if profile else None)
    who["email"] = fields.text("email") or (profile.text("email") if profile else None)
    return built(Participant, who)


def content(event: Fields, message: Fields) -> dict[str, Any]:
    """The fields of `Content`: the time stands in the event, what is said in its message."""
    sent_at_ms = event.number("msec_timestamp")
    if sent_at_ms is None and (seconds := event.number("timestamp")) is not None:
        sent_at_ms = min(seconds * 1000, MAX_MSEC)
    if sent_at_ms is None:
        raise Unreadable("msec_timestamp and timestamp are both missing")
    return {
        "type": message.need("type"),
        "sent_at_ms": sent_at_ms,
        "text": message.text("text"),
        "media": message.text("media"),
        "thumbnail": message.text("thumbnail"),
        "file_name": message.text("file_name"),
        "file_size": message.number("file_size"),
        "media_group_id": message.text("media_group_id"),
    }
