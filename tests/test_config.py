"""Settings: the sandbox by default, live when asked for, and a secret that nothing shows."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from kommo_nb.config import Settings, load_settings
from kommo_nb.errors import ConfigError

SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
CHANNEL = {"KOMMO_NB_CHANNEL_ID": "chan", "KOMMO_NB_ACCOUNT_ID": "acc", "KOMMO_NB_SECRET": SECRET}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a folder of its own for its `.env`."""
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_the_default_is_the_sandbox_on_this_machine() -> None:
    """Without any setting nothing leaves this machine, and there is no channel yet."""
    settings = load_settings()
    assert (settings.profile, settings.kommo_url) == ("sandbox", "http://127.0.0.1:8010")
    assert settings.db == Path("data/kommo.db")
    assert settings.secret.get_secret_value() == ""


def test_live_is_kommo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile `live` means Kommo's own host, and takes the channel from the environment."""
    given(monkeypatch, KOMMO_NB_PROFILE="live", KOMMO_NB_BOT_ID="bot", **CHANNEL)
    settings = load_settings()
    assert settings.kommo_url == "https://amojo.kommo.com"
    channel = settings.channel()
    assert (channel.id, channel.account_id, channel.scope_id, channel.bot_id) == ("chan", "acc", "chan_acc", "bot")
    assert channel.secret.get_secret_value() == SECRET


@pytest.mark.parametrize("profile", ["sandbox", "live"])
def test_another_address_goes_before_the_profiles(monkeypatch: pytest.MonkeyPatch, profile: str) -> None:
    """Accounts on another host, and sandboxes on another port, are named by their address."""
    given(monkeypatch, KOMMO_NB_PROFILE=profile, KOMMO_NB_BASE_URL="https://amojo.amocrm.ru")
    assert load_settings().kommo_url == "https://amojo.amocrm.ru"


def test_settings_come_from_a_dotenv_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `.env` in the working folder is read, foreign lines in it are ignored, and the environment goes before it."""
    (tmp_path / ".env").write_text("KOMMO_NB_PROFILE=live\nKOMMO_NB_DB=here.db\nDATABASE_URL=x\nKOMMO_NB_COLOUR=red\n")
    assert (load_settings().profile, load_settings().db) == ("live", Path("here.db"))
    given(monkeypatch, KOMMO_NB_PROFILE="sandbox")
    assert (load_settings().profile, load_settings().db) == ("sandbox", Path("here.db"))


@pytest.mark.parametrize("missing", ["KOMMO_NB_CHANNEL_ID", "KOMMO_NB_ACCOUNT_ID", "KOMMO_NB_SECRET"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, how: str) -> None:
    """A channel cannot be made without its id, account and secret; the message names the one that is missing, alone."""
    values = {name: value for name, value in CHANNEL.items() if name != missing}
    given(monkeypatch, **values, **({missing: ""} if how == "empty" else {}))
    with pytest.raises(ConfigError) as caught:
        load_settings().channel()
    assert {name for name in CHANNEL if name in str(caught.value)} == {missing}
    assert SECRET not in str(caught.value)


def test_all_missing_variables_are_named_at_once() -> None:
    """Who has set nothing yet learns of the channel and the account in one message."""
    with pytest.raises(ConfigError, match="set KOMMO_NB_CHANNEL_ID and KOMMO_NB_ACCOUNT_ID"):
        load_settings().channel()


def test_without_a_secret_there_is_no_start() -> None:
    """Capture asks for the secret alone, and is told which variable to set."""
    with pytest.raises(ConfigError, match="no channel secret: set KOMMO_NB_SECRET"):
        load_settings().require_secret()


def test_a_value_that_does_not_fit_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong profile is an error that names its variable and what it may be, and shows no value of any variable."""
    given(monkeypatch, KOMMO_NB_PROFILE="produktion", KOMMO_NB_BOT_ID="some-bot", **CHANNEL)
    with pytest.raises(ConfigError, match=r"KOMMO_NB_PROFILE does not fit: .*'sandbox' or 'live'") as caught:
        load_settings()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.__context__)
    assert [value for value in ("produktion", "some-bot", SECRET, "chan_") if value in shown] == []


def test_no_text_made_of_settings_shows_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr, str, JSON, a dict of it, nor the channel made from it shows the secret."""
    given(monkeypatch, **CHANNEL)
    settings = load_settings()
    channel = settings.channel()
    for each in (settings, channel):
        shown = [repr(each), str(each), f"{each}", each.model_dump_json(), str(each.model_dump()), repr(vars(each))]
        assert [text for text in shown if SECRET in text] == []
        assert "chan" in shown[0]


def test_settings_do_not_change() -> None:
    """Settings are frozen: what a client was made with stays true."""
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.profile = "live"  # type: ignore[misc]
    assert settings.profile == "sandbox"


def test_settings_can_be_given_in_code() -> None:
    """Notebooks and tests make settings directly, without touching the environment."""
    settings = Settings(profile="live", channel_id="c", account_id="a", secret="s")  # type: ignore[arg-type]
    assert settings.channel().scope_id == "c_a"
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301
