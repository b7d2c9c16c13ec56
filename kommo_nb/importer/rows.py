"""Rows from a CSV file, a JSON Lines file, a DataFrame or plain dicts, each with its number in the source."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import KommoError

REQUIRED = ("conversation_id", "sent_at", "author")
COLUMNS = (
    *REQUIRED,
    *("text", "id", "type", "media", "file_name", "file_size"),
    *("client_id", "client_name", "client_phone", "client_email", "manager_id", "manager_name"),
)
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Row:
    """The values of a row by column, or why it cannot be read."""

    number: int
    values: Mapping[str, Any]
    problem: str = ""


def read(source: Any) -> list[Row]:
    """All rows of a path, a DataFrame, or an iterable of dicts that are not empty. A KommoError if it is no table."""
    rows = list(_rows(source))
    if not rows:
        raise KommoError(f"{_name(source)} has no rows: there is nothing to import")
    columns = {column for row in rows for column in row.values}
    missing = [name for name in REQUIRED if name not in columns]
    if missing and columns:
        found = ", ".join(sorted(columns)[:20])
        raise KommoError(
            f"{_name(source)} has no column {' and no '.join(missing)}; it has {found[:300]}. Rename its columns to "
            f"those that kommo-nb import --help lists"
        )
    return rows


def _rows(source: Any) -> Iterator[Row]:
    if isinstance(source, str | Path):
        text = _text(Path(source))
        yield from _json_lines(text) if text.lstrip()[:1] in {"{", "["} else _csv(text, Path(source).name)
    elif hasattr(source, "to_dict"):  # a DataFrame, without an import of pandas
        yield from _dicts(source.to_dict("records"), 0)
    else:
        yield from _dicts(source, 1)


def _name(source: Any) -> str:
    return Path(source).name if isinstance(source, str | Path) else "the table"


def _text(path: Path) -> str:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise KommoError(f"{path} cannot be read ({error.strerror}): check its name and its rights") from None
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as a spreadsheet's «Unicode text»
    try:
        text = body.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise KommoError(
            f"{path.name}, line {line}: this is no UTF-8. Save it as «CSV UTF-8» in the spreadsheet, or run "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new.csv"
        ) from None
    if not text.strip():
        raise KommoError(f"{path.name} is empty: its first line has to name the columns ({', '.join(REQUIRED)}, text)")
    return text


def _csv(text: str, name: str) -> Iterator[Row]:
    first = text.lstrip("\r\n").partition("\n")[0]
    names = {each: _header(first.split(each)) for each in SEPARATORS}
    separator = max(SEPARATORS, key=lambda each: (len(set(names[each]) & set(COLUMNS)), len(names[each])))
    # strict: else a quote that is never closed would swallow the rest of the file in silence
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    try:
        for number, cells in enumerate(reader, 1):
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells)
                continue
            yield _csv_row(number, header, cells, separator)
    except csv.Error as error:
        raise KommoError(
            f"{name}, line {reader.line_num}: {error}. A quote is open or stands alone: write a quote inside a value "
            f'twice (""), and put such a value in quotes'
        ) from None


def _header(cells: list[str]) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in cells]


def _csv_row(number: int, header: list[str], cells: list[str], separator: str) -> Row:
    values = {column: cell for column, cell in zip(header, cells, strict=False) if column}
    count = f"it has {len(cells)} values for {len(header)} columns"
    too_many = f"{count}: a value with «{separator}» in it needs quotes around it"
    return Row(number, values, too_many if any(cells[len(header) :]) else "")


def _json_lines(text: str) -> Iterator[Row]:
    # Not splitlines(): JSON may hold its other line ends, such as U+2028, inside a string.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield from _dicts([value], number)
        else:
            yield Row(number, {}, "it is no JSON object: JSON Lines has one {…} on each line (jq -c '.[]' makes them)")


def _dicts(rows: Iterable[Mapping[Any, Any]], first: int) -> Iterator[Row]:
    for number, row in enumerate(rows, first):
        yield Row(number, {str(key).strip().lower(): value for key, value in row.items()})
