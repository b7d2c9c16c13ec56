"""The index of lessons in the README and in lesson 00, made from the lessons' own cards. Run by `make index`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
START = ROOT / "notebooks" / "00-start-here.ipynb"
README = ROOT / "README.md"
LESSONS = sorted(ROOT.glob("notebooks/[0-9][0-9]-*.ipynb"))
_TABLE = re.compile(r"(?<=\n)\| lesson \|.*?\|(?=\n\n)", re.S)


def main() -> None:
    """Write both tables anew."""
    README.write_text(with_table(README.read_text(encoding="utf-8"), table("notebooks/")), encoding="utf-8")
    notebook = json.loads(START.read_text(encoding="utf-8"))
    cell = index_cell(notebook)
    cell["source"] = with_table("".join(cell["source"]), table()).splitlines(keepends=True)
    START.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(folder: str = "") -> str:
    """The lessons with their minutes, each a link into that folder."""
    lines = ["| lesson | minutes | you will have |", "|---|---|---|"]
    for path in LESSONS:
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title = first.partition("\n")[0].removeprefix("# ").replace(" · ", " ")
        minutes, result = (re.search(rf"\*\*{word}\*\* (.+)\.", first) for word in ("Minutes", "You will have"))
        assert minutes and result, f"{path.name} has no card"
        lines.append(f"| [{title}]({folder}{path.name}) | {minutes[1]} | {result[1]} |")
    return "\n".join(lines)


def with_table(text: str, new: str) -> str:
    """The text with its table of lessons replaced."""
    made, count = _TABLE.subn(lambda _: new, text)
    assert count == 1, "one table begins with «| lesson |», and an empty line ends it"
    return made


def index_cell(notebook: dict[str, Any]) -> dict[str, Any]:
    """The cell of lesson 00 that has the table."""
    (cell,) = [cell for cell in notebook["cells"] if "| lesson |" in "".join(cell["source"])]
    found: dict[str, Any] = cell
    return found


if __name__ == "__main__":
    main()
