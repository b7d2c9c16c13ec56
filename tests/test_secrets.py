"""No secret is in what we commit, and none gets into what we print, log, show or raise."""

from __future__ import annotations

import json
import logging
import secrets
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import answering, served
from leaks import FAKES, LOOKS, ROOT, leaks

from kommo_nb import Channel, ChatsClient, Person, Settings, SignatureAuth, Store, Text, diagnose_hook
from kommo_nb.capture import Capture
from kommo_nb.clock import Clock
from kommo_nb.config import load_settings
from kommo_nb.errors import KommoError
from kommo_nb.main_api import MainApi
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.serving import Server
from kommo_nb.session import Session
from kommo_nb.widgets import HookInspector, ImportDesk, RegistrationForm, SignatureDoctor, SignatureLab, TwoSidedChat
from kommo_nb.wire.keyring import Keyring

TEXTS = {".ipynb", ".json", ".csv", ".md", ".py", ".js", ".css", ".html", ".svg", ".toml", ".example", ""}


def committed() -> Iterator[Path]:
    """Everything that is ours and may be in the repository: notebooks with all that is in them, fixtures, code."""
    for folder in ("notebooks", "data", "tests", "kommo_nb", "dashboards"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in TEXTS and not {"__pycache__", ".ipynb_checkpoints"} & {*path.parts}:
                yield path
    yield from (ROOT / name for name in ("README.md", "Makefile", "pyproject.toml", ".env.example"))


def test_nothing_committed_holds_a_secret() -> None:
    """No file holds what looks like one, but for the known fakes; in a notebook any 40 hex digits are suspected."""
    paths = list(committed())
    assert len([path for path in paths if path.suffix == ".ipynb"]) >= 10 and len(paths) > 150
    found = {path.name: leaks(path.read_text(encoding="utf-8"), bare=path.suffix == ".ipynb") for path in paths}
    assert {name: hits for name, hits in found.items() if hits} == {}


HEX = secrets.token_hex(20)
JWT = f"eyJ{secrets.token_urlsafe(15)}.{secrets.token_urlsafe(60)}.{secrets.token_urlsafe(30)}"
PLANTED = {
    "a source": {"source": [f'channel = Channel(id="c1", secret="{HEX}")']},
    "an output": {"outputs": [{"text": [f"KOMMO_NB_SECRET={HEX}\n"]}]},
    "a signed output": {"outputs": [{"text": [f"hmac of {HEX}\n"]}]},
    "a shorter key": {"outputs": [{"data": {"text/plain": [f"{{'secret_key': '{HEX[:32]}'}}"]}}]},
    "metadata": {"metadata": {"headers": {"Authorization": f"Bearer {HEX}"}}},
    "a widget's state": {"metadata": {"widgets": {"state": {"value": JWT}}}},
    "a token": {"source": [f'token="{secrets.token_urlsafe(30)}7"']},
}


@pytest.mark.parametrize("where", PLANTED)
def test_a_secret_in_a_notebook_is_found(where: str, tmp_path: Path) -> None:
    """A secret that somebody leaves in a source, an output, the metadata or a widget's state is found."""
    path = tmp_path / "lesson.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", **PLANTED[where]}]}, indent=1))
    assert len(leaks(path.read_text(), bare=True)) == 1


def test_each_look_finds_something_else_and_fakes_are_left_out() -> None:
    """Each of the patterns is needed: what it finds, no other does. A known fake is no find."""
    alone = [f"secret {HEX}", f"secret='x1{JWT[-25:]}'", f"Bearer {HEX[:20]}z", f"see {JWT}"]
    for text, look in zip(alone, LOOKS.values(), strict=True):
        assert [each for each in LOOKS.values() if each.search(text)] == [look], text
    assert [leaks(f'secret="{fake}"', bare=True) for fake in FAKES] == [[]] * len(FAKES)


# --- What our objects tell of themselves ---


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a live channel, with a secret in every place that takes one."""
    old, password = secrets.token_hex(20), secrets.token_hex(16)
    monkeypatch.setenv("KOMMO_NB_PROFILE", "live")
    monkeypatch.setenv("KOMMO_NB_SECRET", HEX)
    monkeypatch.setenv("KOMMO_NB_OLD_SECRET", old)
    monkeypatch.setenv("KOMMO_NB_SECRETS", json.dumps({"c1": [HEX, old]}))
    monkeypatch.setenv("KOMMO_NB_TOKEN", JWT)
    monkeypatch.setenv("KOMMO_NB_DASHBOARD_PASSWORD", password)
    return load_settings()


def hidden(settings: Settings) -> set[str]:
    names = ("secret", "old_secret", "token", "dashboard_password")
    return {getattr(settings, name).get_secret_value() for name in names}


def test_no_object_shows_its_secret(live: Settings, store: Store) -> None:
    """str and repr of all that is made with a secret show none, nor does JSON of the settings."""
    channel = Channel(id="c1", secret=live.secret, account_id="a1")
    client = ChatsClient(channel, "http://127.0.0.1:9", store=store)
    plain = live.secret.get_secret_value()
    things = [
        *(live, channel, client, SignatureAuth(plain), Capture(store, [plain]), Keyring([plain])),
        *(MainApi("https://example.kommo.com", live.token), store),
        Session(settings=live, channel=channel, store=store, clock=Clock()),
        diagnose_hook(b"{}", "0" * 40, secret=plain),
    ]
    told = "\n".join(f"{thing!r} {thing} {vars(thing) if hasattr(thing, '__dict__') else ''}" for thing in things)
    told += f"{live.model_dump_json()} {channel.model_dump_json()} {Credentials(secret=HEX, token=JWT)}"
    assert len(hidden(live)) == 4 and not [secret for secret in hidden(live) if secret in told]
    client.close()


def test_no_error_or_log_shows_a_secret(live: Settings, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What a call raises when it is refused, misdirected or not answered shows no secret, nor do logs."""
    caplog.set_level(logging.DEBUG)
    channel = Channel(id=Credentials.channel_id, secret=live.secret, account_id="a1", scope_id="c1_a1")
    told = []
    with served(Sandbox()) as url, answering(500, HEX.encode()) as (broken, _):
        for address in (url, broken, "http://127.0.0.1:9"):
            with ChatsClient(channel, address, store=store, attempts=1) as client:
                for call in (
                    lambda: client.connect("a1"),
                    lambda: client.send(MESSAGE, conversation_id="l", sender=ADA),
                ):
                    told.append(raised(call))
            told.append(raised(MainApi(address, live.token).account))
    assert len(told) == 9 and len(caplog.records) > 20
    everything = "\n".join([*told, caplog.text, *(str(vars(record)) for record in caplog.records)])
    assert not [secret for secret in hidden(live) if secret in everything]
    assert not [
        row for row in store.query("SELECT * FROM calls") if HEX in str(row["method"] + row["path"] + row["request"])
    ]


MESSAGE, ADA = Text("Hello"), Person(id="ada", name="Ada")


def raised(call: Any) -> str:
    """The error of a call with its traceback, and all that it carries."""
    try:
        call()
    except KommoError as error:
        return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    raise AssertionError("it was to fail")


@pytest.mark.parametrize("name", ["SECRETS", "PROFILE", "DB"])
def test_a_setting_that_does_not_fit_is_not_repeated(
    name: str, live: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in the wrong variable, or in one that cannot be read, is not in the error."""
    monkeypatch.setenv(f"KOMMO_NB_{name}", HEX if name != "DB" else "x.db")
    monkeypatch.setenv("KOMMO_NB_ACCOUNT_URL", f"http://{HEX}")
    assert HEX not in raised(load_settings)


def test_no_widget_holds_a_secret_in_its_state(store: Store) -> None:
    """What a notebook would save of the widgets has no secret: not of one, nor of the fields inside it."""
    credentials = Credentials(secret=HEX)
    receiver = Server(Capture(store, HEX)).start()
    with served(Sandbox(credentials, hook_url=f"{receiver.url}/hooks/:scope_id")) as url:
        settings = Settings(base_url=url, secret=HEX, account_id=credentials.account_id)
        session = Session(settings=settings, channel=credentials.channel(), store=store, clock=Clock())
        session._servers = (receiver,)
        session.connect()
        chat = TwoSidedChat(session, ADA, conversation_id="ada")
        chat.client_writes("Hello")
        chat.manager_writes("Hello, Ada")
        made = [
            *(chat, RegistrationForm(), HookInspector(store, secret=HEX)),
            SignatureLab(method="GET", path="/v2", body="", secret=HEX, date=Clock().now()),
            SignatureDoctor('{"time":1}', secret=HEX, other_secrets=[HEX[::-1]]),
            ImportDesk(ROOT / "data/history.csv", session.channel, url, store),
        ]
        states = "\n".join(f"{each!r} {state(each)}" for each in made)
        session.close()
    assert HEX not in states and HEX[::-1] not in states and "Hello, Ada" in states


def state(widget: Any) -> str:
    """What is saved of a widget and of those in it."""
    return str(widget.get_state()) + "".join(state(child) for child in getattr(widget, "children", ()))
