"""The command that takes what is stored elsewhere: export."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..config import load_settings
from ..errors import ConfigError
from .options import cli, db_option

BATCH = 5_000
_TABLES = {
    "messages": "SELECT * FROM transcript",
    "statuses": """SELECT strftime('%Y-%m-%dT%H:%M:%fZ', reported_at_ms / 1000.0, 'unixepoch') AS reported_at,
                          message_id, status_code, error_code, error FROM statuses""",
    "deliveries": "SELECT id, received_at, scope_id, verdict, http_status, reason, ack_ms, user_agent, body FROM hooks",
}
_TYPES = {"ack_ms": "float64"} | dict.fromkeys(("id", "edited", "status_code", "error_code", "http_status"), "int64")


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--format", "kind", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@db_option()
def export(folder: Path, kind: str, db: Path) -> None:
    """Write messages, statuses and deliveries into FOLDER, as CSV or Parquet. No secret is among them.

    Texts and bodies come from strangers: in CSV, a cell that a spreadsheet would take for a formula begins with '.
    With KOMMO_NB_MASK set, names, phones and e-mails are masked.
    Parquet needs pyarrow.
    """
    from ..store import Store

    write = _write_csv if kind == "csv" else _write_parquet
    if kind == "parquet":
        _arrow("")
    store = Store(db, read_only=True, mask=load_settings().mask.get_secret_value())
    store.query("SELECT 1 FROM transcript LIMIT 0")  # a file of another kind is told in a sentence
    store.conn.text_factory = lambda data: data.decode("utf-8", "replace")  # a body may hold any bytes
    store.conn.execute("BEGIN")  # the three files show one moment
    for name, sql in _TABLES.items():
        path, part = folder / f"{name}.{kind}", folder / f"{name}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            count = write(part, store.conn.execute(sql))
            part.replace(path)  # half a file never looks like a whole one
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            reason = error.strerror or type(error).__name__
            raise ConfigError(
                f"{path} cannot be written ({reason}): check its name and rights, or name another folder"
            ) from None
        click.echo(f"{path}: {count:,} rows")


def _write_csv(path: Path, rows: sqlite3.Cursor) -> int:
    from ..lines import csv_cell

    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(column[0] for column in rows.description)
        while batch := rows.fetchmany(BATCH):
            writer.writerows(map(csv_cell, row) for row in batch)
            count += len(batch)
    return count


def _write_parquet(path: Path, rows: sqlite3.Cursor) -> int:
    pa = _arrow("")
    names = [column[0] for column in rows.description]
    stamp = pa.timestamp("ms", tz="UTC")
    types = [stamp if name.endswith("_at") else pa.type_for_alias(_TYPES.get(name, "string")) for name in names]
    count = 0
    with _arrow(".parquet").ParquetWriter(path, pa.schema(list(zip(names, types, strict=True)))) as writer:
        while batch := rows.fetchmany(BATCH):
            columns = zip(zip(*batch, strict=True), types, strict=True)
            arrays = [pa.array(cells).cast(type_) for cells, type_ in columns]
            writer.write_batch(pa.record_batch(arrays, names=names))
            count += len(batch)
    return count


def _arrow(module: str) -> Any:
    try:
        return import_module(f"pyarrow{module}")
    except ImportError:
        text = "Parquet needs pyarrow: python -m pip install pyarrow. CSV needs nothing: --format csv"
        raise ConfigError(text) from None
