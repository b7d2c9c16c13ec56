"""The keyring: which secret a hook was signed with, while one is being replaced and for several channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import openssl_sha1
from pydantic import SecretStr

from kommo_nb import Store, Verdict
from kommo_nb.capture import receive
from kommo_nb.config import load_settings
from kommo_nb.errors import ConfigError
from kommo_nb.wire.keyring import Keyring, secret_id

NEW, OLD, OTHER = "new-secret-0001", "old-secret-0002", "other-secret-0003"
BODY = b'{"account_id":"52e591f7"}'


def signed(secret: str) -> str:
    return openssl_sha1(BODY, secret)


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_rotation(secret: str) -> None:
    """While a secret is replaced both are valid, and the row names the one that matched."""
    row = receive("c_a", BODY, signed(secret), secret=[NEW, SecretStr(OLD)])
    assert (row.verdict, row.http_status, row.secret_id) == ("valid", 200, secret_id(secret))
    assert row.reason is None


def test_after_the_rotation() -> None:
    """A secret that is no longer given is refused, and the reason says so."""
    row = receive("c_a", BODY, signed(OLD), secret=NEW)
    assert (row.verdict, row.http_status, row.secret_id) == ("mismatch", 403, None)
    assert row.reason == "the signature fits no secret of this channel"


def test_channels_have_their_own() -> None:
    """With secrets by channel id, a scope is checked with those of its channel alone."""
    keyring = Keyring({"channel-1": NEW, "channel-2": [OTHER, OLD]})
    assert keyring.check("channel-1_account", BODY, signed(NEW)) == (Verdict.VALID, secret_id(NEW))
    assert keyring.check("channel-2_account", BODY, signed(OLD)) == (Verdict.VALID, secret_id(OLD))
    assert keyring.check("channel-1_account", BODY, signed(OTHER)) == (Verdict.MISMATCH, None)
    assert keyring.check("channel-1_account", BODY, None) == (Verdict.MISSING, None)


@pytest.mark.parametrize("scope_id", ["channel-9_account", "", "_", "channel", "channel-10_a"])
def test_unknown_scope(scope_id: str) -> None:
    """A scope of a channel that has no secret here is a 404, whoever signed, and the reason says why."""
    row = receive(scope_id, BODY, signed(NEW), secret={"channel-1": NEW})
    assert (row.verdict, row.http_status) == ("mismatch", 404)
    assert row.reason == "no secret is known for this scope"


@pytest.mark.parametrize("secrets", ["", " ", [], {}, [NEW, ""], {"channel-1": []}, {"channel-1": ""}, SecretStr("\n")])
def test_no_secret(secrets: Any) -> None:
    """A blank secret, or none, is the caller's mistake: with it anybody could sign."""
    with pytest.raises(ValueError, match="KOMMO_NB_SECRET"):
        Keyring(secrets)


def test_a_secret_is_named_and_never_shown(store: Store) -> None:
    """Neither the keyring, nor a row, nor the database has the secret in it; its name is the same everywhere."""
    keyring = Keyring({"channel-1": [NEW, OLD]})
    row = receive("channel-1_a", BODY, signed(NEW), secret=keyring)
    store.add_deliveries([row])
    shown = repr(keyring) + repr(vars(keyring)) + repr(row)
    assert NEW not in shown and OLD not in shown
    assert NEW.encode() not in store.path.read_bytes() + Path(f"{store.path}-wal").read_bytes()
    assert repr(keyring) == f"Keyring({secret_id(NEW)}, {secret_id(OLD)})"
    assert len({secret_id(each) for each in (NEW, OLD, OTHER)}) == 3


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """KOMMO_NB_SECRET with KOMMO_NB_OLD_SECRET, or KOMMO_NB_SECRETS by channel, reach the keyring hidden."""
    monkeypatch.setenv("KOMMO_NB_SECRET", NEW)
    assert repr(Keyring(load_settings().hook_secrets())) == f"Keyring({secret_id(NEW)})"
    monkeypatch.setenv("KOMMO_NB_OLD_SECRET", OLD)
    settings = load_settings()
    assert repr(Keyring(settings.hook_secrets())) == f"Keyring({secret_id(NEW)}, {secret_id(OLD)})"
    monkeypatch.setenv("KOMMO_NB_SECRETS", f'{{"channel-1": ["{OTHER}"]}}')
    several = load_settings()
    assert Keyring(several.hook_secrets()).knows("channel-1_a")
    monkeypatch.setenv("KOMMO_NB_CHANNEL_ID", "channel-2")
    both = Keyring(load_settings().hook_secrets())
    pairs = [(f"channel-{n}_a", secret) for n in (1, 2) for secret in (NEW, OLD, OTHER)]
    taken = [pair for pair in pairs if both.check(pair[0], BODY, signed(pair[1]))[0].ok]
    assert taken == [("channel-1_a", OTHER), ("channel-2_a", NEW), ("channel-2_a", OLD)]
    assert not any(secret in repr(settings) + repr(several) for secret in (NEW, OLD, OTHER))


def test_settings_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """KOMMO_NB_SECRETS that is no JSON of that shape is refused by name, and not shown."""
    wrong_lists = (f'{{"channel-1_account": ["{NEW}"]}}', '{"channel-1": []}', '{"channel-1": [" "]}')
    for wrong in ("{", '["a"]', f'{{"channel-1": "{NEW}"}}', *wrong_lists):
        monkeypatch.setenv("KOMMO_NB_SECRETS", wrong)
        with pytest.raises(ConfigError, match="KOMMO_NB_SECRETS") as caught:
            load_settings()
        assert NEW not in str(caught.value)
