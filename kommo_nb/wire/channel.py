"""A registered channel, and the answer of support that makes one.

Source: Kommo page "Step 1: Register a new channel", https://developers.kommo.com/reference/register-channel, read in
copies of 2025-06.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from ..errors import RegistrationError
from .registration import Registration


class AllowedAccount(BaseModel):
    """An account that may connect to a channel: its id in the chat service, and its numeric id in the CRM if known."""

    model_config = ConfigDict(frozen=True)

    amojo_id: str
    crm_account_id: int | None = None


class Channel(BaseModel):
    """A registered channel. Its id and secret are enough to sign; no text made of it shows the secret.

    `account_id` is the amojo_id of the account that it is connected to; `scope_id` follows from both ids when it is not
    given. `reactions` is as in `Registration`. Kommo does not say the unit of the four sizes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1)
    secret: SecretStr = Field(min_length=1)
    name: str = ""
    code: str = ""
    account_id: str = ""
    scope_id: str = Field(default="", validate_default=True)
    bot_id: str = ""
    bot_name: str = ""
    webhook_url: str = ""
    webhook_v2: bool = True
    webhook_events: tuple[str, ...] = ()
    allowed_accounts: tuple[AllowedAccount, ...] = ()
    time_window_s: int | None = None
    need_template: bool = False
    write_first: bool = False
    supports_reply: bool = False
    supports_voice: bool = False
    saves_files: bool = False
    reactions: str = ""
    picture_size: int | None = None
    video_size: int | None = None
    voice_size: int | None = None
    file_size: int | None = None
    client_uuid: str = ""
    test_mode: bool = False

    @field_validator("scope_id")
    @classmethod
    def _of_both_ids(cls, value: str, info: ValidationInfo) -> str:
        account_id = info.data.get("account_id")
        return value or (f"{info.data.get('id')}_{account_id}" if account_id else "")


def parse_support_answer(text_or_dict: str | bytes | Mapping[str, object]) -> Channel:
    """The channel in support's answer: the whole answer or its inner object, as JSON or as a dict, in any language.

    For anything else a RegistrationError that says what to do, and shows nothing of the answer.
    """
    # null, "" and absent mean the same at Kommo
    given = {key: value for key, value in _inner(text_or_dict).items() if value is not None and value != ""}
    for key in ("id", "secret_key"):
        if key not in given:
            raise RegistrationError(f"support's answer has no {key}: paste all of it, or ask support for the {key}")
    window, bot = _mapping(given.get("time_window")), _mapping(given.get("bot"))
    renamed = {
        "secret": given["secret_key"],
        "webhook_url": given.get("webhook_url_v2") or given.get("webhook_url", ""),
        "bot_id": bot.get("id") or "",
        "bot_name": bot.get("name") or "",
        "allowed_accounts": _allowed(given.get("allowed_acc_list")),
        "time_window_s": window.get("expires") or None if window.get("enabled", True) else None,
        "need_template": window.get("need_template") or False,
        "reactions": "all" if given.get("reactions_all") else given.get("reactions_list", ""),
    }
    try:
        return Channel.model_validate({key: given[key] for key in given if key in Channel.model_fields} | renamed)
    except ValidationError as error:
        fields = ", ".join(sorted({str(each["loc"][0]) for each in error.errors()}))
    raise RegistrationError(f"support's answer has a value of the wrong type for {fields}: compare it with the sample")


def _inner(answer: object) -> Mapping[str, object]:
    if isinstance(answer, str | bytes):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            answer = None
    if not isinstance(answer, Mapping):
        raise RegistrationError("support's answer is not a JSON object: paste it from its first { to its last }")
    if answer.get("error"):
        raise RegistrationError(
            "support refused the request: read `error` in the answer, mend the request, send it again"
        )
    inner = _mapping(answer.get("result", answer))
    if "id" in inner or "secret_key" in inner:
        return inner
    return next((value for value in inner.values() if isinstance(value, Mapping)), {})  # one level down, by language


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _allowed(accounts: object) -> Iterator[AllowedAccount]:
    for account in map(_mapping, accounts if isinstance(accounts, list) else ()):
        number = re.fullmatch(r"amocrm:([0-9]{1,18})", str(account.get("external_id")))
        if amojo_id := account.get("id"):
            yield AllowedAccount(amojo_id=str(amojo_id), crm_account_id=int(number[1]) if number else None)


def support_answer(
    registration: Registration,
    *,
    channel_id: str,
    secret: str,
    code: str,
    bot_id: str,
    account_amojo_ids: Mapping[int, str],
    now_s: int,
) -> dict[str, object]:
    """The answer that support would send, in the shape of Kommo's sample; the sandbox's support desk sends it.

    Args:
        account_amojo_ids: CRM account id to amojo_id; a RegistrationError if one of the registration is not among them.
        now_s: unix seconds.
    """
    r, window_s = registration, registration.time_window_s
    if unknown := sorted(set(r.account_ids) - set(account_amojo_ids)):
        raise RegistrationError(f"there is no account {unknown[0]}: name one of {sorted(account_amojo_ids)}")
    accounts = [{"id": account_amojo_ids[number], "external_id": f"amocrm:{number}"} for number in r.account_ids]
    window = {"enabled": bool(window_s), "expires": window_s or 0, "tags": None, "need_template": r.need_template}
    channel = {
        "id": channel_id,
        "code": code,
        "secret_key": secret,
        "name": r.service_name,
        "webhook_url": r.webhook_url,
        "enabled": True,
        "test_mode": True,
        "allowed_acc_list": accounts,
        "contact_email": r.email,
        "created_at": now_s,
        "updated_at": now_s,
        "widget_code": r.widget_code,
        "supports_reply": r.quoting,
        "write_first": r.write_first,
        "webhook_url_v2": r.webhook_url,
        "time_window": window,
        "bot": {"id": bot_id, "name": r.service_name, "is_bot": True},
        "webhook_events": ["messages", "typing"],
        "saves_files": r.saves_files,
        "supports_voice": r.voice,
        "supports_delivery_notification": True,
        "icon": f"https://st1.amocrm.com/origins_icons/{code}.svg?{now_s}",
        "webhook_v2": True,
        "time_window_support": bool(window_s),
        "need_display_template": r.need_template,
        "time_window_enum": window_s or 0,
        "reactions_all": r.reactions == "all",
        "reactions_list": r.reactions.removeprefix("all"),
        **dict.fromkeys(("picture_size", "video_size", "voice_size", "file_size"), r.max_file_size_mb),
        "opposite_platform_enabled": False,
        "client_uuid": r.integration_id,
    }
    return {"result": {"en": channel}, "error": None}


def warn_second_channel(channels: Iterable[Channel], registration: Registration) -> str | None:
    """Why not to register this one, when its integration already has a channel among these; else None."""
    integration_id = registration.integration_id.lower()
    names = [channel.name or channel.id for channel in channels if channel.client_uuid.lower() == integration_id]
    if not names:
        return None
    return (
        f"Integration {integration_id} already has a channel: {', '.join(names)}. Kommo advises one channel for each "
        "integration: sources and the default source belong to the integration, not to the channel, so two channels "
        "share one default source and clash on source ids. Use the channel that you have, or make another integration."
    )
