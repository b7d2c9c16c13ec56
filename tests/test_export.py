"""kommo-nb export: what is stored comes out as it is, in chunks, without secrets and without formulas."""

from __future__ import annotations

import csv
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner
from telling import SCOPE, Teller, at

from kommo_nb.cli import exporting
from kommo_nb.cli.options import cli
from kommo_nb.errors import ConfigError, StoreError
from kommo_nb.store import Store
from kommo_nb.wire.records import Delivery

NINE = at(2, "09:00")


def export(store: Store | Path, folder: Path, *words: str) -> str:
    """What the command prints; its error is raised."""
    db = store if isinstance(store, Path) else store.path
    outcome = CliRunner().invoke(cli, ["export", str(folder), "--db", str(db), *words], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def told(store: Store) -> Store:
    """Ada asks at 9:00, Elena answers at 9:01; it fails at 9:02."""
    teller = Teller(store)
    teller.client("ada", NINE, 'Tulips, "red"\nor none?', msgid="m-1")
    message_id = teller.crm("ada", NINE + 60_000, "Наши красные 🌷")
    teller.report(message_id, NINE + 120_000, -1, error_code=905, error="off")
    store.project()
    return store


def test_every_table(told: Store, tmp_path: Path) -> None:
    """Messages, statuses and deliveries are there, each value as it was stored, times in ISO form and UTC."""
    output = export(told, tmp_path / "out")
    assert [line.rpartition("/")[2] for line in output.splitlines()] == [
        "messages.csv: 2 rows",
        "statuses.csv: 1 rows",
        "deliveries.csv: 1 rows",
    ]
    asked, answered = sorted(table(tmp_path / "out/messages.csv"), key=lambda row: row["sent_at"])
    assert asked["sent_at"] == "2026-03-02T09:00:00.000Z" and asked["text"] == 'Tulips, "red"\nor none?'
    assert (asked["client"], asked["author"], asked["msgid"], asked["delivery"]) == ("Ada", "client", "m-1", "")
    assert (answered["text"], answered["author"], answered["delivery"]) == ("Наши красные 🌷", "manager", "failed")
    assert (answered["chat_id"], answered["conversation_id"]) == ("ada", "conversation-ada")
    (status,) = table(tmp_path / "out/statuses.csv")
    assert status == {
        "reported_at": "2026-03-02T09:02:00.000Z",
        "message_id": answered["message_id"],
        "status_code": "-1",
        "error_code": "905",
        "error": "off",
    }
    (delivery,) = table(tmp_path / "out/deliveries.csv")
    assert delivery["body"].encode() == told.query("SELECT body FROM deliveries")[0]["body"]
    assert (delivery["scope_id"], delivery["verdict"], delivery["http_status"]) == (SCOPE, "valid_trimmed", "200")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1"])
def test_no_cell_is_a_formula(store: Store, tmp_path: Path, text: str) -> None:
    """A text that a spreadsheet would compute begins with an apostrophe; a number stays one."""
    teller = Teller(store)
    teller.report(teller.crm("ada", NINE, text), NINE, -1, error_code=901)
    store.project()
    export(store, tmp_path)
    assert table(tmp_path / "messages.csv")[0]["text"] == f"'{text}"
    assert table(tmp_path / "statuses.csv")[0]["status_code"] == "-1"


def test_nothing_that_signs(told: Store, tmp_path: Path) -> None:
    """Signatures and the names of secrets stay in the database."""
    hook = Delivery(NINE, SCOPE, b"{}", "the-signature", "valid", 200, secret_id="1234abcd")
    told.add_deliveries([hook])
    export(told, tmp_path)
    written = "".join(path.read_text() for path in tmp_path.glob("*.csv"))
    assert "the-signature" not in written and "1234abcd" not in written and "valid_trimmed" in written


def test_any_bytes_and_an_old_file(told: Store, tmp_path: Path) -> None:
    """A body that is no text is written with replacement marks, and the file of an earlier export gives way."""
    export(told, tmp_path)
    told.add_deliveries([Delivery(NINE, SCOPE, b"\xff\x00{", None, "missing", 401)])
    export(told, tmp_path)
    assert [row["body"] for row in table(tmp_path / "deliveries.csv")][1:] == ["\ufffd\x00{"]
    assert sorted(path.name for path in tmp_path.glob("*.*") if path.suffix in (".csv", ".part")) == [
        *("deliveries.csv", "messages.csv", "statuses.csv"),
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_place_that_cannot_be_written(told: Store, tmp_path: Path, kind: str) -> None:
    """A folder that cannot be made, and a folder of a file's name, are told in a sentence; no part of a file stays."""
    if kind == "parquet":
        pytest.importorskip("pyarrow.parquet")
    (tmp_path / "file").touch()
    (tmp_path / f"out/messages.{kind}").mkdir(parents=True)
    for folder, why in (("file/out", "Not a directory"), ("out", "Is a directory"), ("x" * 300, "File name too long")):
        with pytest.raises(ConfigError, match=rf"messages\.{kind} cannot be written \({why}\): .*another folder"):
            export(told, tmp_path / folder, "--format", kind)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"messages.{kind}"]


def peak_of_export(store: Store, folder: Path) -> int:
    tracemalloc.start()
    try:
        export(store, folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_history(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times as many rows, of 20 kB each, take no more than the memory of some chunks."""
    monkeypatch.setattr(exporting, "BATCH", 10)

    def add(count: int) -> None:
        store.add_deliveries([Delivery(NINE, SCOPE, b"x" * 20_000, None, "missing", 401)] * count)

    add(50)
    export(store, tmp_path)  # what is loaded once is loaded now
    small = peak_of_export(store, tmp_path)
    add(350)
    assert peak_of_export(store, tmp_path) < small + 500_000, "the 350 rows have 7 MB"


def test_parquet_says_what_it_needs(told: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the command says how to install it, and writes nothing."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="python -m pip install pyarrow"):
        export(told, tmp_path / "out", "--format", "parquet")
    assert not (tmp_path / "out").exists()


def test_parquet(told: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pyarrow the same rows are written, times as timestamps, numbers as numbers, chunk after chunk."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(exporting, "BATCH", 1)
    export(told, tmp_path, "--format", "parquet")
    rows = parquet.read_table(tmp_path / "messages.parquet").to_pylist()
    assert sorted(row["sent_at"].isoformat() for row in rows) == [
        "2026-03-02T09:00:00+00:00",
        "2026-03-02T09:01:00+00:00",
    ]
    (status,) = parquet.read_table(tmp_path / "statuses.parquet").to_pylist()
    assert (status["status_code"], status["error_code"]) == (-1, 905)


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    """Another file, or none, is told in a sentence, and nothing is written."""
    (tmp_path / "other.db").write_bytes(b"")
    for name in ("other.db", "none.db"):
        with pytest.raises(StoreError):
            export(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_as_a_command(told: Store, tmp_path: Path) -> None:
    """The program itself does it, and sqlite-utils reads what it wrote."""
    words = ["-m", "kommo_nb.cli", "export", str(tmp_path), "--db", str(told.path)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    sql = "SELECT count(*) AS n FROM messages"
    words = ["-m", "sqlite_utils", "memory", str(tmp_path / "messages.csv"), sql, "--csv", "--no-headers"]
    assert subprocess.check_output([sys.executable, *words], text=True).strip() == "2"
