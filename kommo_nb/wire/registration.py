"""Registering a channel: the 15 items that support asks for, their rules, and the letter.

There is no endpoint for it: one writes to Kommo's support, waits one to three business days, and gets the channel's id
and secret. Where the page leaves a question open, the strict reading here is our choice.

Source: Kommo page "Step 1: Register a new channel", https://developers.kommo.com/reference/register-channel, read in
copies of 2025-06.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from .icon import check_icon


class Item(NamedTuple):
    """One of the 15 items: its number, its fields in `Registration`, its title in the letter, the rule it keeps."""

    number: int
    fields: tuple[str, ...]
    title: str
    rule: str
    required: bool = False


ITEMS = (
    Item(1, ("service_name",), "Name of the service", "Use Latin characters only, and begin with a letter.", True),
    Item(
        2, ("webhook_url",), "Webhook URL", "Write https://domain.com/location/:scope_id, with the marker once.", True
    ),
    Item(3, ("account_ids",), "Kommo account ID", "List numeric account ids such as 12345678, not the amojo_id.", True),
    Item(4, ("write_first",), "Write first", "Say yes if managers may start a chat by phone number."),
    Item(
        5, ("time_window_s", "need_template"), "Time window, seconds", "Give a whole number; templates need a window."
    ),
    Item(6, ("email",), "E-mail", "Give one address for times of trouble, such as dev@domain.com.", True),
    Item(7, ("icon_svg",), "SVG icon", "Draw 14x14 px, round or inside the circle, in at most 100 KB.", True),
    Item(8, ("integration_id",), "Integration ID", "Copy the UUID from the Keys tab of the integration.", True),
    Item(9, ("widget_code",), "Widget code", "Upload a widget to the integration, and copy its code.", True),
    Item(
        10, ("public", "similar_solutions", "unique"), "Public", "If yes, name similar ones and what is unique.", True
    ),
    Item(11, ("saves_files",), "Stores files", "Say yes if a file stays reachable under the link of its webhook."),
    Item(12, ("reactions",), "Reactions", "Write all, or the emoji in one string such as 👍😳, or nothing for none."),
    Item(13, ("quoting",), "Quoting", "Say yes if a message can quote another."),
    Item(14, ("voice",), "Voice messages", "Say yes if the messenger carries voice messages."),
    Item(15, ("max_file_size_mb",), "Largest file, MB", "Give a whole number, or leave it out if nothing limits it."),
)
"""What the request must say, in Kommo's order: the one source of the wording for letter, form and messages."""

_ITEM_OF = {field: item for item in ITEMS for field in item.fields}
_HOST = r"(?i:https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:[0-9]+)?"
_WEBHOOK = rf"^{_HOST}(/[^/:?#\s]+)*/:scope_id(/[^/:?#\s]+)*/?$"
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_EMOJI = r"^(all|[^\p{L}\p{N}\s\x00-\x7F]*)$"
Positive = Annotated[int, Field(gt=0)]


class Registration(BaseModel):
    """The 15 items of a request for a channel, each kept to its rule in `ITEMS`; a broken one says how to mend it.

    `reactions` is "" for none, "all", or the emoji in one string. For the local sandbox alone, a `webhook_url` on
    127.0.0.1 or localhost may begin with http://.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    service_name: str = Field(pattern=r"^[A-Za-z][ -~]*$")
    webhook_url: str = Field(pattern=_WEBHOOK)
    account_ids: tuple[Positive, ...] = Field(min_length=1, strict=False)
    write_first: bool = False
    time_window_s: Positive | None = None
    need_template: bool = False
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")
    icon_svg: str
    integration_id: str = Field(pattern=_UUID)
    widget_code: str = Field(pattern=r"^\S+$")
    public: bool = False
    similar_solutions: str = Field(default="", validate_default=True)
    unique: str = Field(default="", validate_default=True)
    saves_files: bool = False
    reactions: str = Field(default="", pattern=_EMOJI)
    quoting: bool = False
    voice: bool = False
    max_file_size_mb: Positive | None = None

    @field_validator("need_template")
    @classmethod
    def _needs_a_window(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("time_window_s", nan) is None:
            raise ValueError("There is no time window.")
        return value

    @field_validator("icon_svg")
    @classmethod
    def _is_an_icon(cls, value: str) -> str:
        if found := check_icon(value):
            raise ValueError(" ".join(found))
        return value

    @field_validator("similar_solutions", "unique")
    @classmethod
    def _said_if_public(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("public") and not value.strip():
            raise ValueError("This text is missing.")
        return value

    @field_validator("*", mode="wrap")
    @classmethod
    def _says_how_to_mend(cls, value: object, check: Callable[[object], object], info: ValidationInfo) -> object:
        try:
            return check(value)
        except ValidationError as error:
            details = [str(each["ctx"]["error"]) for each in error.errors() if each["type"] == "value_error"]
            raise ValueError(_mend(str(info.field_name), *details)) from None


def _mend(field: str, *details: str) -> str:
    if field not in _ITEM_OF:
        return "The registration has no such field: leave it out."
    return " ".join((f"{_ITEM_OF[field].title}:", *details, _ITEM_OF[field].rule))


def problems(values: Mapping[str, object]) -> dict[str, str]:
    """For each field that keeps these values from being a `Registration`: how to mend it. Empty when all is well."""
    try:
        Registration.model_validate(dict(values))
    except ValidationError as error:
        found = {str(each["loc"][0]): each for each in error.errors()}
        ours = "Value error, "  # what pydantic puts before the words of our validators
        return {
            field: each["msg"].removeprefix(ours) if each["type"] == "value_error" else _mend(field)
            for field, each in found.items()
        }
    return {}


def letter(registration: Registration) -> str:
    """The request to support as a plain text e-mail. The icon goes with it as a file."""
    lines = (f"{item.number:>2}. {item.title}: {_answer(registration, item)}" for item in ITEMS)
    # Kommo sends typing webhooks only to those who ask, and no item does
    closing = "Please send us typing webhooks as well. Thank you!"
    return "\n".join(("Hello, please register a channel for the Chats API.", "", *lines, "", closing, ""))


def _answer(registration: Registration, item: Item) -> str:
    if "icon_svg" in item.fields:
        return "attached as icon.svg"
    first, *more = [(field.replace("_", " "), _said(getattr(registration, field))) for field in item.fields]
    return "; ".join((first[1], *map(": ".join, more)))


def _said(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return " ".join(str(value or "none").split())
