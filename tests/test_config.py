"""Settings: the sandbox by default, live when asked for, and a secret that nothing shows."""

from __future__ import annotations

import pickle
import re
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from kommo_nb.config import LIVE_URL, Settings, load_settings
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


def dotenv(folder: Path, text: str, mode: int = 0o600) -> None:
    (folder / ".env").write_text(text)
    (folder / ".env").chmod(mode)


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
    dotenv(tmp_path, "KOMMO_NB_PROFILE=live\nKOMMO_NB_DB=here.db\nDATABASE_URL=x\nKOMMO_NB_COLOUR=red\n")
    assert (load_settings().profile, load_settings().db) == ("live", Path("here.db"))
    given(monkeypatch, KOMMO_NB_PROFILE="sandbox")
    assert (load_settings().profile, load_settings().db) == ("sandbox", Path("here.db"))


def test_a_lesson_finds_the_dotenv_of_the_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lesson works in a folder of its own, and reads the `.env` one above; one in its own folder goes before it."""
    dotenv(tmp_path, "KOMMO_NB_CHANNEL_ID=above\nKOMMO_NB_ACCOUNT_ID=acc\n")
    (tmp_path / "lessons").mkdir()
    monkeypatch.chdir(tmp_path / "lessons")
    assert (load_settings().channel_id, load_settings().account_id) == ("above", "acc")
    dotenv(tmp_path / "lessons", "KOMMO_NB_CHANNEL_ID=here\n")
    assert (load_settings().channel_id, load_settings().account_id) == ("here", "acc")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
@pytest.mark.parametrize("make", [load_settings, Settings])
def test_a_dotenv_that_others_can_read_is_refused(tmp_path: Path, mode: int, make: Callable[[], Settings]) -> None:
    """Settings that others can read or write are not taken; the message has the command that mends it, and no value."""
    dotenv(tmp_path, f"KOMMO_NB_SECRET={SECRET}\n", mode)
    with pytest.raises(ConfigError, match=r"chmod 600 \.env$") as caught:
        make()
    assert SECRET not in str(caught.value)
    subprocess.run(str(caught.value).rpartition(": ")[2].split(), check=True)
    assert make().secret.get_secret_value() == SECRET


def test_a_dotenv_of_another_program_may_be_open(tmp_path: Path) -> None:
    """A `.env` that holds nothing of ours is none of our business."""
    dotenv(tmp_path, "DATABASE_URL=x\n", 0o644)
    assert load_settings().profile == "sandbox"


def example() -> dict[str, str]:
    """The variables of `.env.example`, those in comments too."""
    text = (Path(__file__).parents[1] / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^(?:# )?(KOMMO_NB_[A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_the_example_has_every_setting(tmp_path: Path) -> None:
    """`.env.example` names each variable once, and nothing that is no setting; as it is, it makes a live profile."""
    text = (Path(__file__).parents[1] / ".env.example").read_text(encoding="utf-8")
    assert sorted(example()) == sorted(f"KOMMO_NB_{name.upper()}" for name in Settings.model_fields)
    assert all(len(re.findall(rf"^(?:# )?{name}=", text, re.MULTILINE)) == 1 for name in example())
    dotenv(tmp_path, text)
    settings = load_settings()
    assert (settings.profile, settings.db, settings.kommo_url) == ("live", Path("data/kommo.db"), LIVE_URL)


def test_the_examples_other_lines_are_good_too(tmp_path: Path) -> None:
    """The lines in comments and the examples within comments are taken as they are."""
    dotenv(tmp_path, "".join(f"{name}={value}\n" for name, value in example().items()))
    assert load_settings().secrets.keys() == {"channel id"}
    for name in ("KOMMO_NB_ACCOUNT_URL=https://example.kommo.com", "KOMMO_NB_BASE_URL=https://amojo.kommo.com"):
        dotenv(tmp_path, f"KOMMO_NB_PROFILE=live\n{name}\n")
        assert load_settings().kommo_url == LIVE_URL


@pytest.mark.parametrize(
    ("account", "amojo"),
    [
        ("https://example.kommo.com", "https://amojo.kommo.com"),
        ("https://example.kommo.com/", "https://amojo.kommo.com"),
        ("https://EXAMPLE.amocrm.ru", "https://amojo.amocrm.ru"),
        ("https://example.amocrm.com", "https://amojo.amocrm.com"),
    ],
)
def test_each_domain_has_its_chats_api(monkeypatch: pytest.MonkeyPatch, account: str, amojo: str) -> None:
    """The account's address tells which amojo host it belongs to, and is its main API; KOMMO_NB_BASE_URL wins."""
    given(monkeypatch, KOMMO_NB_PROFILE="live", KOMMO_NB_ACCOUNT_URL=account)
    assert (load_settings().kommo_url, load_settings().main_url) == (amojo, account.rstrip("/"))
    given(monkeypatch, KOMMO_NB_BASE_URL="https://amojo.example.org")
    assert (load_settings().kommo_url, load_settings().main_url) == ("https://amojo.example.org", account.rstrip("/"))


@pytest.mark.parametrize(
    "account", ["https://example.org", "https://kommo.com.example.org", "https://evil-kommo.com.br"]
)
def test_another_domain_has_none(monkeypatch: pytest.MonkeyPatch, account: str) -> None:
    """Which Chats API an account elsewhere has is not guessed, but asked for."""
    given(monkeypatch, KOMMO_NB_PROFILE="live", KOMMO_NB_ACCOUNT_URL=account)
    with pytest.raises(ConfigError, match="set KOMMO_NB_BASE_URL"):
        load_settings().kommo_url  # noqa: B018


def test_the_main_api_of_a_live_account_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox is both APIs at once; of a live account the address has to be known."""
    assert load_settings().main_url == load_settings().kommo_url
    given(monkeypatch, KOMMO_NB_PROFILE="live")
    with pytest.raises(ConfigError, match="KOMMO_NB_ACCOUNT_URL"):
        load_settings().main_url  # noqa: B018


@pytest.mark.parametrize("name", ["KOMMO_NB_BASE_URL", "KOMMO_NB_ACCOUNT_URL"])
def test_nothing_live_goes_unencrypted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """In the live profile an address is https, or on this machine."""
    given(monkeypatch, KOMMO_NB_PROFILE="live", **{name: "http://example.kommo.com"})
    with pytest.raises(ConfigError, match=rf"^{name} does not fit: on a live account it begins with https"):
        load_settings()
    for good in ("http://127.0.0.1:8010", "http://localhost:8010", "http://[::1]:8010"):
        given(monkeypatch, **{name: good})
        assert good in (load_settings().base_url, load_settings().account_url)


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
    """Neither repr, str, JSON, a dict of it, nor the channel made from it shows a secret."""
    given(monkeypatch, KOMMO_NB_TOKEN=SECRET, KOMMO_NB_DASHBOARD_PASSWORD=SECRET, KOMMO_NB_OLD_SECRET=SECRET, **CHANNEL)
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
