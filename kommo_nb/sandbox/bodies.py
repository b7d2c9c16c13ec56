"""What Kommo demands of each body: its tables, as strict types. Unknown fields are ignored.

Written from the tables and apart from `wire.messages`, so that the client and the sandbox cannot share a mistake here.
Where sources disagree a field is optional; where a rule is not documented the strict reading is our choice.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
UnixSeconds = Annotated[int, Field(ge=0, lt=10**11)]
UnixMilliseconds = Annotated[int, Field(ge=0, lt=10**14)]


def _whole(value: Any) -> Any:
    if type(value) is not int:  # pydantic, even where it is strict, takes true and 1.0 for the literal 1
        raise ValueError("a whole number is required")
    return value


StatusCode = Annotated[Literal[1, 2, -1], BeforeValidator(_whole)]
ErrorCode = Annotated[Literal[901, 902, 903, 904, 905], BeforeValidator(_whole)]

MEDIA_TYPES = ("file", "video", "picture", "voice", "audio", "sticker")


class Body(BaseModel):
    """Strict: a number is no string, and "1" is no number."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Connect(Body):
    """POST {channel_id}/connect. Without a version Kommo still sends v1 hooks."""

    account_id: Text
    title: str | None = None
    hook_api_version: Literal["v1", "v2"] = "v1"
    is_time_window_disabled: bool = False


class Disconnect(Body):
    """DELETE {channel_id}/disconnect."""

    account_id: Text


class Source(Body):
    """Up to 40 printable ASCII characters; another source says 36."""

    external_id: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[ -~]+$")]


class Profile(Body):
    """Contact details of a person."""

    phone: str | None = None
    email: str | None = None


class Person(Body):
    """A sender, receiver or user. Logged bodies name a user by `ref_id` alone, so either id will do."""

    id: Text | None = None
    ref_id: Text | None = None
    name: str | None = None
    avatar: str | None = None
    profile: Profile | None = None
    profile_link: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Person:
        if self.id is None and self.ref_id is None:
            raise ValueError("id is required")
        return self


class CreateChat(Body):
    """POST {scope_id}/chats."""

    conversation_id: Text
    source: Source | None = None
    user: Person


class Coordinates(Body):
    """Of a location."""

    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]


class Card(Body):
    """Of a contact."""

    name: Text
    phone: Text


class Post(Body):
    """Makes a message a comment."""

    id: Text
    url: Text


class SharedPost(Body):
    """A post that the client shared."""

    url: Text | None = None
    type: Literal["post"] | None = None


class Status(Body):
    """POST {scope_id}/{message_id}/delivery_status; clients of older texts call it `delivery_status`."""

    status_code: StatusCode | None = None
    delivery_status: StatusCode | None = None
    error_code: ErrorCode | None = None
    error: str | None = None

    @property
    def code(self) -> int | None:
        """The status, whichever of the two names it came under."""
        return self.status_code if self.status_code is not None else self.delivery_status

    @model_validator(mode="after")
    def _explained(self) -> Status:
        if self.code is None:
            raise ValueError("status_code is required")
        if self.code == -1 and self.error_code is None:
            raise ValueError("error_code is required when status_code is -1")
        if self.code == -1 and self.error_code == 905 and not self.error:
            raise ValueError("error is required when error_code is 905")
        return self


class Message(Body):
    """`payload.message`, by its type. A file's name and size are required by one source only, so by none here."""

    type: Literal["text", "contact", "file", "video", "picture", "voice", "audio", "sticker", "location"]
    text: str | None = None
    media: Url | None = None
    file_name: str | None = None
    file_size: Annotated[int, Field(ge=0)] | None = None
    media_duration: Annotated[int, Field(ge=0)] | None = None
    sticker_id: str | None = None
    callback_data: str | None = None
    contact: Card | None = None
    location: Coordinates | None = None
    shared_post: SharedPost | None = None
    post: Post | None = None
    delivery_status: Status | None = None

    @model_validator(mode="after")
    def _complete(self) -> Message:
        needed = {"text": self.text, "contact": self.contact, "location": self.location}
        if self.type in needed and not needed[self.type]:
            raise ValueError(f"{self.type} is required for a message of type {self.type}")
        return self


class Quoted(Body):
    """A message inside another one, named by an id or else complete."""

    id: Text | None = None
    msgid: Text | None = None
    type: str | None = None
    timestamp: UnixSeconds | None = None
    msec_timestamp: UnixMilliseconds | None = None
    sender: dict[str, Any] | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _enough(self) -> Quoted:
        complete = self.type and self.timestamp is not None and self.msec_timestamp is not None and self.sender
        if not (self.id or self.msgid or complete):
            raise ValueError("id or msgid, or else type, timestamp, msec_timestamp and sender, are required")
        return self


class ReplyTo(Body):
    """A quote."""

    message: Quoted


class Forwards(Body):
    """A forward: one message at present."""

    messages: Annotated[list[Quoted], Field(min_length=1, max_length=1)]
    conversation_ref_id: str | None = None
    conversation_id: str | None = None


class NewMessage(Body):
    """`payload` of new_message. Bodies without `msec_timestamp` were in use in 2021."""

    timestamp: UnixSeconds
    msec_timestamp: UnixMilliseconds | None = None
    msgid: Text
    conversation_id: Text
    conversation_ref_id: Text | None = None
    silent: bool = False
    source: Source | None = None
    sender: Person
    receiver: Person | None = None
    message: Message
    reply_to: ReplyTo | None = None
    forwards: Forwards | None = None

    @model_validator(mode="after")
    def _has_media(self) -> NewMessage:
        if self.message.type in MEDIA_TYPES and not self.message.media:
            raise ValueError(f"media is required for a message of type {self.message.type}")
        return self


class EditMessage(Body):
    """`payload` of edit_message."""

    timestamp: UnixSeconds
    msec_timestamp: UnixMilliseconds | None = None
    msgid: Text | None = None
    id: Text | None = None
    conversation_id: Text
    message: Message

    @model_validator(mode="after")
    def _named(self) -> EditMessage:
        if not (self.msgid or self.id):
            raise ValueError("msgid or id is required")
        return self


class Sender(Body):
    """Who is typing."""

    id: Text


class Typing(Body):
    """POST {scope_id}/typing."""

    conversation_id: Text
    sender: Sender
    duration_ms: Annotated[int, Field(gt=0)] | None = None


class Reactor(Body):
    """Who reacts."""

    id: Text | None = None
    ref_id: Text | None = None


class React(Body):
    """POST {scope_id}/react."""

    conversation_id: Text | None = None
    conversation_ref_id: Text | None = None
    id: Text | None = None
    msgid: Text | None = None
    user: Reactor | None = None
    type: Literal["react", "unreact"]
    emoji: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> React:
        if not (self.conversation_id or self.conversation_ref_id):
            raise ValueError("conversation_id or conversation_ref_id is required")
        if not (self.id or self.msgid):
            raise ValueError("id or msgid is required")
        if self.type == "react" and not self.emoji:
            raise ValueError("emoji is required for react")
        return self
