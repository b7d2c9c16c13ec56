"""Settings: which Kommo, which channel, which file. From the environment and `.env`, all named KOMMO_NB_…"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from .errors import ConfigError
from .wire.channel import Channel
from .wire.keyring import Keyring

SANDBOX_PORT, CAPTURE_PORT, DASHBOARD_PORT, LAB_PORT = 8010, 8011, 8012, 8013
LIVE_URL = "https://amojo.kommo.com"
AMOJO = {domain: f"https://amojo.{domain}" for domain in ("kommo.com", "amocrm.ru", "amocrm.com")}
"""The Chats API of the accounts at each domain."""


class Settings(BaseSettings):
    """What the toolkit works with; the default is the sandbox on this machine.

    Attributes:
        profile: KOMMO_NB_PROFILE, `sandbox` or `live`.
        account_url: KOMMO_NB_ACCOUNT_URL, the account as the browser shows it: its main API, and whose Chats API it is.
        base_url: KOMMO_NB_BASE_URL, the Chats API, if it is neither that of the account nor the profile's.
        channel_id, secret, account_id, bot_id: from support's answer; the account is its amojo_id.
        token: KOMMO_NB_TOKEN, opens the main API: an OAuth access token, or the integration's long-lived one.
        hook_url: KOMMO_NB_HOOK_URL, the registered address of hooks, with `:scope_id`.
        old_secret: KOMMO_NB_OLD_SECRET, while a secret is being replaced: hooks signed with it are still taken.
        secrets: KOMMO_NB_SECRETS, for a receiver of several channels: JSON of lists of secrets by channel id. The
            configured channel's own need not be repeated there.
        dashboard_password: KOMMO_NB_DASHBOARD_PASSWORD, asked for before the dashboard shows anything.
        db: KOMMO_NB_DB, the SQLite file.
        mask: KOMMO_NB_MASK, any word: dashboard, tail and export mask names, phones and e-mails by it.

    Raises:
        ConfigError: others can read the `.env`.
    """

    model_config = SettingsConfigDict(
        env_prefix="KOMMO_NB_",
        env_file=("../.env", ".env"),  # a lesson works in its own folder, one below
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    profile: Literal["sandbox", "live"] = "sandbox"
    base_url: str = ""
    account_url: str = ""
    channel_id: str = ""
    secret: SecretStr = SecretStr("")
    old_secret: SecretStr = SecretStr("")
    secrets: dict[str, list[SecretStr]] = {}
    account_id: str = ""
    bot_id: str = ""
    token: SecretStr = SecretStr("")
    hook_url: str = ""
    dashboard_password: SecretStr = SecretStr("")
    db: Path = Path("data/kommo.db")
    mask: SecretStr = SecretStr("")

    @classmethod
    def settings_customise_sources(cls, *args: Any, **sources: Any) -> tuple[Any, ...]:
        """Where settings come from, as pydantic has it; a `.env` that others can read is refused."""
        files = sources["dotenv_settings"].env_file or ()
        for path in (files,) if isinstance(files, str | Path) else files:
            _require_private(Path(path))
        return super().settings_customise_sources(*args, **sources)

    @field_validator("base_url", "account_url")
    @classmethod
    def _is_safe(cls, url: str, info: ValidationInfo) -> str:
        if url and info.data.get("profile") == "live" and not url.startswith("https://") and not is_local(url):
            raise ValueError("on a live account it begins with https://, as messages and the token go there")
        return url.rstrip("/")

    @field_validator("secrets")
    @classmethod
    def _is_by_channel(cls, secrets: dict[str, list[SecretStr]]) -> dict[str, list[SecretStr]]:
        if secrets:
            Keyring(secrets)
        return secrets

    @property
    def kommo_url(self) -> str:
        """The address of the Chats API.

        Raises:
            ConfigError: it does not follow from the account's address.
        """
        if self.base_url or self.profile == "sandbox":
            return self.base_url or f"http://127.0.0.1:{SANDBOX_PORT}"
        if not self.account_url:
            return LIVE_URL
        domain = ".".join((urlsplit(self.account_url).hostname or "").rsplit(".", 2)[-2:])
        if domain not in AMOJO:
            raise ConfigError(f"KOMMO_NB_ACCOUNT_URL ends in none of {', '.join(AMOJO)}; set KOMMO_NB_BASE_URL, too")
        return AMOJO[domain]

    @property
    def main_url(self) -> str:
        """The address of the account's main API.

        Raises:
            ConfigError: on a live account it is not set.
        """
        if not self.account_url and self.profile == "live":
            raise ConfigError(
                "the live account has an address, too; set KOMMO_NB_ACCOUNT_URL: https://example.kommo.com"
            )
        return self.account_url or self.kommo_url

    def channel(self) -> Channel:
        """The configured channel.

        Raises:
            ConfigError: a variable is missing; the message names it.
        """
        missing = [f"KOMMO_NB_{name.upper()}" for name in ("channel_id", "account_id") if not getattr(self, name)]
        if missing:
            raise ConfigError(f"set {' and '.join(missing)} (support's answer to the registration names them)")
        return Channel(id=self.channel_id, secret=self.require_secret(), account_id=self.account_id, bot_id=self.bot_id)

    def require_secret(self) -> SecretStr:
        """The channel's secret.

        Raises:
            ConfigError: there is none. Without it nobody could tell Kommo's hooks from a stranger's.
        """
        if not self.secret.get_secret_value().strip():
            raise ConfigError("no channel secret: set KOMMO_NB_SECRET to the secret_key of support's answer")
        return self.secret

    def hook_secrets(self) -> list[SecretStr] | dict[str, list[SecretStr]]:
        """Every secret that a hook may be signed with, as a `Keyring` takes them.

        Raises:
            ConfigError: there is none.
        """
        own = [secret for secret in (self.secret, self.old_secret) if secret.get_secret_value().strip()]
        if not self.secrets:
            return [self.require_secret(), *own[1:]]
        known = self.secrets.get(self.channel_id, [])
        all_of_it = [*own, *(secret for secret in known if secret not in own)]
        return self.secrets | ({self.channel_id: all_of_it} if self.channel_id and all_of_it else {})


def load_settings() -> Settings:
    """Settings from environment and `.env`.

    Raises:
        ConfigError: a variable has a value that does not fit; the message names it, and never shows the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"KOMMO_NB_{str(first['loc'][0]).upper()} does not fit: {problem}") from None
    except SettingsError:  # its cause holds the value
        shape = '{"channel id": ["secret", "older secret"]}'
        raise ConfigError(f"KOMMO_NB_SECRETS is no JSON: it must look like {shape}") from None
    except UnicodeDecodeError:
        raise ConfigError("the .env is not UTF-8: save it with that encoding") from None


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    try:
        return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:  # no address at all
        return False


def _require_private(path: Path) -> None:
    """Refuse a file with our settings that other users of the machine can read."""
    if os.name != "posix" or not path.is_file() or not path.stat().st_mode & 0o077:
        return
    if "KOMMO_NB_" in path.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(f"others on this machine can read {path}, which holds secrets; close it: chmod 600 {path}")
