"""What an integration says: people, the nine kinds of message, and what may hang on one.

The classes carry our own field names where Kommo's are ambiguous, and build exactly Kommo's JSON. Types are strict, as
Kommo's are: an id given as a number is refused here, before it costs a 400.

Source: https://developers.kommo.com/reference/send-import-messages, read in a copy of 2025-06.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from ..clock import msec

Payload = dict[str, Any]
NonEmpty = Annotated[str, Field(min_length=1)]

_strict = ConfigDict(strict=True, extra="forbid")

SENT_STATUS_CODES = {1: "delivered", 2: "read", -1: "failed"}
ERROR_CODES = {
    901: "the user deleted the conversation",
    902: "the integration is switched off on the channel side",
    903: "internal server error",
    904: "the conversation cannot be created",
    905: "other, see the error text",
}


def compact(**values: Any) -> Payload:
    """The values that are set, each part as its payload; Kommo asks that unused fields be left out altogether."""
    given = {key: value for key, value in values.items() if value is not None}
    return {key: value.payload() if isinstance(value, Part) else value for key, value in given.items()}


def _nested(payload: Payload, key: str, *names: str) -> Payload:
    """The payload with these fields in an object of their own, if any of them is set."""
    inner = {name: payload.pop(name) for name in names if name in payload}
    return payload | ({key: inner} if inner else {})


def moment(sent_at: datetime) -> Payload:
    """The two time fields of a message: unix seconds and milliseconds."""
    milliseconds = msec(sent_at)
    return {"timestamp": milliseconds // 1000, "msec_timestamp": milliseconds}


class Part:
    """What becomes an object of Kommo's JSON: the fields that are set, under Kommo's names."""

    def payload(self) -> Payload:
        """The object, as it travels."""
        return compact(**vars(self))


@dataclass(frozen=True, config=_strict, kw_only=True)
class Person(Part):
    """A participant: a client, a manager or the channel's bot.

    Attributes:
        id: the participant on our side, any string.
        ref_id: the participant in the CRM: a manager's amojo_id, the bot's id, or the receiver of a write-first hook.
        avatar: URL that Kommo downloads without a login.
        phone, email: used to find duplicates, and written to a newly made contact.
    """

    id: NonEmpty
    name: str | None = None
    avatar: str | None = None
    phone: str | None = None
    email: str | None = None
    profile_link: str | None = None
    ref_id: str | None = None

    def payload(self) -> Payload:
        """Kommo's `sender`, `receiver` or `user` object; phone and email stand in its `profile`."""
        return _nested(super().payload(), "profile", "phone", "email")


@dataclass(frozen=True, config=_strict, kw_only=True)
class Post(Part):
    """The post that a comment belongs to; it makes a message a comment. `id` is the post's id on our side."""

    id: NonEmpty
    url: NonEmpty
    preview_url: str | None = None
    preview_permalink: str | None = None
    username: str | None = None
    caption: str | None = None


@dataclass(frozen=True, config=_strict, kw_only=True)
class SharedPost(Part):
    """A post that the client shared. `preview_permalink` (not downloaded) wins over `preview_link` (downloaded)."""

    url: NonEmpty
    preview_link: str | None = None
    preview_permalink: str | None = None
    site_name: str | None = None

    def payload(self) -> Payload:
        """Kommo's `message.shared_post` object."""
        return {**super().payload(), "type": "post"}


@dataclass(frozen=True, config=_strict, kw_only=True)
class DeliveryStatus(Part):
    """How far a message got: 1 delivered, 2 read, -1 not delivered, which needs an error code from 901 to 905."""

    status_code: int
    error_code: int | None = None
    error: str | None = None

    @model_validator(mode="after")
    def _known(self) -> DeliveryStatus:
        if self.status_code not in SENT_STATUS_CODES:
            raise ValueError("status_code is 1 (delivered), 2 (read) or -1 (failed); «sent» is not reported")
        if self.status_code != -1 and (self.error_code is not None or self.error is not None):
            raise ValueError("error_code and error belong to status_code -1 only")
        if self.status_code == -1 and self.error_code not in ERROR_CODES:
            raise ValueError("status_code -1 needs an error_code from 901 to 905")
        if self.error_code == 905 and not self.error:
            raise ValueError("error_code 905 needs an error text: it is shown to the manager")
        return self


@dataclass(frozen=True, config=_strict)
class Message(Part):
    """What every kind of message has; use one of the nine kinds below.

    `text` is a caption for all but Text, `post` makes it a comment, and only an edited message has a `delivery_status`.
    """

    type: ClassVar[str]
    text: str | None = field(default=None, kw_only=True)
    post: Post | None = field(default=None, kw_only=True)
    delivery_status: DeliveryStatus | None = field(default=None, kw_only=True)

    def payload(self) -> Payload:
        """Kommo's `message` object."""
        return {"type": self.type, **super().payload()}


@dataclass(frozen=True, config=_strict)
class Text(Message):
    """A text. `callback_data` answers a WhatsApp List Message with the row that the client chose."""

    type: ClassVar[str] = "text"
    text: NonEmpty
    callback_data: str | None = field(default=None, kw_only=True)
    shared_post: SharedPost | None = field(default=None, kw_only=True)


@dataclass(frozen=True, config=_strict)
class Media(Message):
    """A message with a file behind a URL, which Kommo downloads some time later, without a login.

    Only an edit that leaves the file as it is has no `media`. amocrm.ru demands name and size (bytes) for file, video
    and picture; send them where you know them.
    """

    media: NonEmpty | None = None
    file_name: str | None = field(default=None, kw_only=True)
    file_size: Annotated[int, Field(ge=0)] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, config=_strict)
class Picture(Media):
    """A picture."""

    type: ClassVar[str] = "picture"


@dataclass(frozen=True, config=_strict)
class File(Media):
    """Any file."""

    type: ClassVar[str] = "file"


@dataclass(frozen=True, config=_strict)
class Timed(Media):
    """A medium that plays. `media_duration` is in seconds."""

    media_duration: Annotated[int, Field(ge=0)] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, config=_strict)
class Video(Timed):
    """A video."""

    type: ClassVar[str] = "video"


@dataclass(frozen=True, config=_strict)
class Voice(Timed):
    """A voice message; its file name is ignored."""

    type: ClassVar[str] = "voice"


@dataclass(frozen=True, config=_strict)
class Audio(Timed):
    """A piece of audio."""

    type: ClassVar[str] = "audio"


@dataclass(frozen=True, config=_strict)
class Sticker(Media):
    """A sticker. `sticker_id` is common to all accounts."""

    type: ClassVar[str] = "sticker"
    sticker_id: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, config=_strict)
class Location(Message):
    """A place, in degrees."""

    type: ClassVar[str] = "location"
    lon: Annotated[float, Field(ge=-180, le=180)] = field(kw_only=True)
    lat: Annotated[float, Field(ge=-90, le=90)] = field(kw_only=True)

    def payload(self) -> Payload:
        """Kommo's `message` object with its `location`."""
        return _nested(super().payload(), "location", "lon", "lat")


@dataclass(frozen=True, config=_strict)
class Contact(Message):
    """A contact card."""

    type: ClassVar[str] = "contact"
    name: NonEmpty = field(kw_only=True)
    phone: NonEmpty = field(kw_only=True)

    def payload(self) -> Payload:
        """Kommo's `message` object with its `contact`."""
        return _nested(super().payload(), "contact", "name", "phone")


@dataclass(frozen=True, config=_strict, kw_only=True)
class Quoted(Part):
    """A message inside another one. With `id` (CRM side) or `msgid` (ours) Kommo fills in the rest.

    Without either, `message`, `sent_at` and `sender` are all needed.
    """

    id: str | None = None
    msgid: str | None = None
    message: Message | None = None
    sent_at: AwareDatetime | None = None
    sender: Person | None = None

    @model_validator(mode="after")
    def _enough(self) -> Quoted:
        if not (self.id or self.msgid) and not (self.message and self.sent_at and self.sender):
            raise ValueError("a quoted message needs its id or msgid, or else message, sent_at and sender")
        return self

    def payload(self) -> Payload:
        """Kommo's embedded message: its content stands beside its ids, not below `message`."""
        payload = super().payload()
        content: Payload = payload.pop("message", {})
        time = moment(payload.pop("sent_at")) if self.sent_at else {}
        return payload | content | time


@dataclass(frozen=True, config=_strict, kw_only=True)
class Forward(Part):
    """A forwarded message (Kommo takes one) and the chat it comes from."""

    message: Quoted
    conversation_id: str | None = None
    conversation_ref_id: str | None = None

    def payload(self) -> Payload:
        """Kommo's `forwards` object."""
        payload = super().payload()
        return {"messages": [payload.pop("message")], **payload}
