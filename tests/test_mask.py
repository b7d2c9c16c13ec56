"""The mask: nothing personal is left in what is read through it, a person has one mask, and the rest is equal."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typed import command

from kommo_nb import Store, metrics
from kommo_nb.errors import StoreError
from kommo_nb.mask import Mask
from kommo_nb.sandbox import traffic
from kommo_nb.sandbox.app import Credentials, Sandbox
from kommo_nb.store.selection import Filter, select, select_calls

MASK = Mask("a key")


def test_a_name_has_one_mask_wherever_it_stands() -> None:
    """A name is masked word by word, in any case, so that it is known again in a text; another key, another mask."""
    first, last = MASK.name("Lena Fischer").split()
    assert MASK.text("Good day, LENA! Is fischer, Lena-Marie right?", "Lena Fischer") == (
        f"Good day, {first}! Is {last.lower()}, {first}-Marie right?"
    )
    assert re.fullmatch(r"[A-Z][a-z]{5} [A-Z][a-z]{5}", f"{first} {last}") and "Lena" not in first
    assert Mask("another").name("Lena") != first and Mask("a key").name("Lena") == first
    assert MASK.name("Łukasz Ōno, 李娜").count(" ") == 2 and "李娜" not in MASK.name("Łukasz Ōno, 李娜")


@pytest.mark.parametrize("phone", ["+15550100", "+49 30 123456-78", "(030) 1234 5678", "+4930 12345678"])
def test_phones_go(phone: str) -> None:
    """A phone becomes a number that no country has, the same however it is written."""
    masked = MASK.text(f"Call {phone}, please")
    assert re.fullmatch(r"Call \+0\d{10}, please", masked)
    assert masked == MASK.text(f"Call {''.join(re.findall('[0-9]', phone))}, please")


def test_emails_go() -> None:
    """An e-mail becomes one of example.com, also where it stands for a name."""
    assert re.fullmatch(r"[a-z]{6}@example\.com", MASK.name("lena.fischer+x@mail.example.org"))


@pytest.mark.parametrize(
    "text", ["52e591f7-c98f-4255-8495-827210138c81", "2026-03-02T09:00:00Z", "42 euros for 50", "room 1234567", ""]
)
def test_what_is_not_personal_stays(text: str) -> None:
    """Ids of Kommo, times and small numbers are left alone."""
    assert MASK.text(text) == text


def test_a_body_stays_json_with_its_newline() -> None:
    """In a body, fields for names and links to people are masked, and texts by the names beside them; ids stay."""
    client = {"id": "9d54", "name": "Lena", "phone": "+15550100", "avatar": "https://example.com/lena.jpg"}
    body = {"message": {"receiver": client, "message": {"text": "Dear Lena, call 0301234567"}}, "time": 1772442016}
    masked = MASK.body(json.dumps(body).encode() + b"\n")
    made = json.loads(masked)["message"]
    assert masked.endswith(b"}\n") and b"Lena" not in masked and b"lena" not in masked and b"5550100" not in masked
    assert made["receiver"]["id"] == "9d54" and made["message"]["text"].startswith(f"Dear {made['receiver']['name']}, ")
    assert b"Lena" not in MASK.body(b"Lena, no JSON") and MASK.body(b"") == b""


# --- Through the store ---


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with three days of a shop's conversations."""
    path = tmp_path_factory.mktemp("masked") / "kommo.db"
    store = Store(path)
    world = Sandbox(Credentials()).world
    store.load(list(traffic.history(world, days=3, until=datetime(2026, 3, 2, tzinfo=UTC))))
    store.project()
    store.close()
    return path


def personal(path: Path) -> set[str]:
    """Names, phones and e-mails of all clients."""
    store = Store(path, read_only=True)
    rows = store.query("SELECT name, phone, email FROM chats")
    store.close()
    return {value for row in rows for value in row.values() if value}


def test_nothing_personal_is_in_any_table_or_view(path: Path) -> None:
    """Each table and view has the same rows as without the mask, and in none is a client's name, phone or e-mail."""
    store, plain = Store(path, read_only=True, mask="a key"), Store(path, read_only=True)
    names = [row["name"] for row in store.query("SELECT name FROM main.sqlite_master WHERE type IN ('table', 'view')")]
    look = re.compile("|".join(map(re.escape, personal(path))))
    assert len(names) > 20 and len(personal(path)) > 20
    seen = {}
    for name in set(names) - {"chat_totals"}:  # its column for the search keeps both
        rows, others = (each.query(f"SELECT * FROM {name}") for each in (store, plain))
        assert [list(row) for row in rows] == [list(row) for row in others]
        seen[name] = bool(look.search(str(others)))
        assert not look.search(str(rows)), (name, look.findall(str(rows))[:3])
    assert all(seen[name] for name in ("chats", "messages", "deliveries", "exchanges", "transcript", "hooks", "calls"))
    store.close(), plain.close()


def test_every_reader_is_masked_and_counts_the_same(path: Path) -> None:
    """Metrics, tail's rows and the id map show masked names; what they count is equal; the search finds both names."""
    store, plain = Store(path, read_only=True, mask="a key"), Store(path, read_only=True)
    where = metrics.Filter(0, 4_000_000_000_000)
    masked, real = (metrics.conversations(each, where) for each in (store, plain))
    assert list(masked["name"]) == [Mask("a key").name(name) for name in real["name"]]
    said = ["name", "phone", "text", "sender_name"]
    assert masked.drop(columns=said).equals(real.drop(columns=said))
    assert metrics.volume(store, where, grain="day").equals(metrics.volume(plain, where, grain="day"))
    for word in (masked["name"][0], real["name"][0]):
        assert masked["chat_id"][0] in set(metrics.conversations(store, where, search=word)["chat_id"])
    hooks, calls = list(select(store, Filter())), list(select_calls(store, Filter()))
    look = re.compile("|".join(map(re.escape, personal(path))))
    assert hooks and calls and not look.search(str(hooks)) and not look.search(str(calls))
    assert len(hooks) == len(list(select(plain, Filter())))
    assert real["name"][0] not in str(store.ids(real["chat_id"][0]))
    store.close(), plain.close()


def test_tail_and_export_take_the_mask_from_the_settings(path: Path, tmp_path: Path) -> None:
    """With KOMMO_NB_MASK set, what tail prints and export writes is masked."""
    env = os.environ | {"KOMMO_NB_MASK": "a key", "KOMMO_NB_DB": str(path)}
    subprocess.run(command("export", str(tmp_path / "out")), env=env, cwd=tmp_path, check=True, capture_output=True)
    written = "".join(each.read_text() for each in (tmp_path / "out").iterdir())
    tail = subprocess.Popen(command("tail", "-n", "20"), env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert tail.stdout is not None
    printed = "".join(tail.stdout.readline() for _ in range(20))
    tail.terminate()
    tail.communicate(timeout=30)
    look = re.compile("|".join(map(re.escape, personal(path))))
    assert len(written) > 10_000 and not look.search(written) and not look.search(printed)
    messages = (tmp_path / "out/messages.csv").read_text().splitlines()
    clients = {row["client"] for row in csv.DictReader(messages)}
    assert clients & {Mask("a key").name(name) for name in personal(path)}


def test_a_database_that_is_not_made_yet_is_never_shown_without_its_mask(tmp_path: Path) -> None:
    """Before the tables are there nothing can be covered, and so nothing is shown; nor is a file made."""
    (tmp_path / "x.db").touch()
    with pytest.raises(StoreError, match="no such table"):
        Store(tmp_path / "x.db", mask="a key").query("SELECT 1")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "y.db", mask="a key")
    assert not (tmp_path / "y.db").exists()


def test_the_dashboard_takes_the_mask_from_the_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KOMMO_NB_MASK set, the page's store shows no client's name."""
    from dashboards.app import Source

    monkeypatch.setenv("KOMMO_NB_MASK", "a key")
    source = Source(path)
    store = source.store()
    assert store is not None
    assert personal(path).isdisjoint(row["name"] for row in store.query("SELECT name FROM chats"))
    source.close()
