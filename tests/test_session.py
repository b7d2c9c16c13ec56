"""A lesson's session: the same for everybody, offline, and one switch away from a real account."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kommo_nb import Person, Text
from kommo_nb.errors import ConfigError, KommoError
from kommo_nb.session import open_session

LENA = Person(id="client-lena", name="Lena Fischer")


def one_round(lesson: str) -> tuple[list[str], str]:
    """The ids of a client's message and the manager's answer, and the hook's body."""
    session = open_session(lesson)
    try:
        session.connect()
        receipt = session.client.send(Text("Hello?"), conversation_id="lena", sender=LENA)
        answer = session.crm("manager/message", conversation_id="lena", text="Yes?")
        body = session.store.query("SELECT body FROM deliveries")[0]["body"]
        return [receipt.message_id, receipt.msgid, *answer["message_ids"]], body.decode()
    finally:
        session.close()


def test_the_same_for_everybody() -> None:
    """Two sessions of one lesson give the same ids, times and hook bytes; another lesson gives others."""
    first, again, other = one_round("04"), one_round("04"), one_round("05")
    assert first == again
    assert set(first[0]).isdisjoint(other[0])
    assert json.loads(first[1])["time"] == json.loads(again[1])["time"]


def test_a_shared_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KOMMO_NB_DB set, rows go into that file, and a lesson done twice is there twice."""
    monkeypatch.setenv("KOMMO_NB_DB", str(tmp_path / "shared.db"))
    ids: list[str] = []
    for _ in range(2):
        session = open_session("04")
        session.connect()
        ids.append(session.client.send(Text("Hello?"), conversation_id="lena", sender=LENA).message_id)
        session.store.project()
        count = session.store.query("SELECT count(*) AS n FROM messages")[0]["n"]
        assert session.store.path == tmp_path / "shared.db"
        session.close()
    assert count == 2 and len(set(ids)) == 2


def test_live_needs_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the live profile nothing is made up: what is missing is named."""
    monkeypatch.setenv("KOMMO_NB_PROFILE", "live")
    with pytest.raises(ConfigError, match=r"KOMMO_NB_CHANNEL_ID and KOMMO_NB_ACCOUNT_ID"):
        open_session("04")


@pytest.mark.parametrize(("answer", "opens"), [("yes", True), ("YES", True), ("", False), ("no", False)])
def test_live_asks_before_it_writes(answer: str, opens: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a live account a lesson that writes says what and where, and goes on with a yes only."""
    for name, value in {"PROFILE": "live", "CHANNEL_ID": "c", "ACCOUNT_ID": "acc-1", "SECRET": "s3cr3t"}.items():
        monkeypatch.setenv(f"KOMMO_NB_{name}", value)
    monkeypatch.setenv("KOMMO_NB_DB", str(tmp_path / "live.db"))
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    if opens:
        open_session("04", writes="a chat").close()
    else:
        with pytest.raises(ConfigError, match="nothing was written"):
            open_session("04", writes="a chat")
    assert len(asked) == 1 and "a chat" in asked[0] and "acc-1" in asked[0]
    assert (tmp_path / "live.db").exists() == opens


def test_the_sandbox_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the sandbox a lesson that writes goes on at once; connected, its channel knows its scope."""
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    session = open_session("04", writes="a chat")
    assert session.channel.scope_id == ""
    assert session.connect().scope_id == session.channel.scope_id != ""
    session.close()


def test_live_acts_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a live account the session does not act for the people in the CRM, and says who does."""
    for name, value in {"PROFILE": "live", "CHANNEL_ID": "c", "ACCOUNT_ID": "a", "SECRET": "s3cr3t"}.items():
        monkeypatch.setenv(f"KOMMO_NB_{name}", value)
    monkeypatch.setenv("KOMMO_NB_DB", str(tmp_path / "live.db"))
    session = open_session("04")
    assert session.kommo_url == "https://amojo.kommo.com" and "s3cr3t" not in repr(session)
    for act in (lambda: session.crm("manager/typing"), lambda: session.main_api("/api/v4/account")):
        with pytest.raises(KommoError, match="live account"):
            act()
    session.close()
