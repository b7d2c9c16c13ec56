"""Settings: which Kommo, which channel, which file. From the environment and `.env`, all named KOMMO_NB_…"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from .errors import ConfigError
from .wire.channel import Channel

SANDBOX_PORT, CAPTURE_PORT, DASHBOARD_PORT, LAB_PORT = 8010, 8011, 8012, 8013
LIVE_URL = "https://amojo.kommo.com"


class Settings(BaseSettings):
    """What the toolkit works with; the default is the sandbox on this machine.

    Attributes:
        profile: KOMMO_NB_PROFILE, `sandbox` or `live`.
        base_url: KOMMO_NB_BASE_URL, the Chats API; by default the profile's.
        channel_id, secret, account_id, bot_id: from support's answer; the account is its amojo_id.
        old_secret: KOMMO_NB_OLD_SECRET, while a secret is being replaced: hooks signed with it are still taken.
        secrets: KOMMO_NB_SECRETS, for a receiver of several channels: JSON of lists of secrets by channel id.
        db: KOMMO_NB_DB, the SQLite file.
    """

    model_config = SettingsConfigDict(
        env_prefix="KOMMO_NB_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    profile: Literal["sandbox", "live"] = "sandbox"
    base_url: str = ""
    channel_id: str = ""
    secret: SecretStr = SecretStr("")
    old_secret: SecretStr = SecretStr("")
    secrets: dict[str, list[SecretStr]] = {}
    account_id: str = ""
    bot_id: str = ""
    db: Path = Path("data/kommo.db")

    @property
    def kommo_url(self) -> str:
        """The address of the Chats API."""
        return self.base_url or (LIVE_URL if self.profile == "live" else f"http://127.0.0.1:{SANDBOX_PORT}")

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
        if not self.secret.get_secret_value():
            raise ConfigError("no channel secret: set KOMMO_NB_SECRET to the secret_key of support's answer")
        return self.secret

    def hook_secrets(self) -> list[SecretStr] | dict[str, list[SecretStr]]:
        """Every secret that a hook may be signed with, as a `Keyring` takes them.

        Raises:
            ConfigError: there is none.
        """
        if self.secrets:
            return self.secrets
        return [secret for secret in (self.require_secret(), self.old_secret) if secret.get_secret_value()]


def load_settings() -> Settings:
    """Settings from environment and `.env`.

    Raises:
        ConfigError: a variable has a value that does not fit; the message names it, and never shows the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ConfigError(f"KOMMO_NB_{str(first['loc'][0]).upper()} does not fit: {first['msg']}") from None
    except SettingsError:  # its cause holds the value
        shape = '{"channel id": ["secret", "older secret"]}'
        raise ConfigError(f"KOMMO_NB_SECRETS is no JSON: it must look like {shape}") from None
