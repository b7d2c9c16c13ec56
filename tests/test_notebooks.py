"""The lessons as files: tidy, executed in order, each exercise solvable. nbval compares outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kommo_nb.demo import copy_lessons

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text())
    return [cell | {"source": "".join(cell["source"])} for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_lessons_are_numbered() -> None:
    """The ten lessons are there, numbered without gaps."""
    assert [path.name[:2] for path in LESSONS] == [f"{number:02}" for number in range(len(LESSONS))]
    assert len(LESSONS) == 10


@each_lesson
def test_frame(path: Path) -> None:
    """A lesson begins with its number and title, then its card, and ends with where to go next."""
    texts = [cell["source"] for cell in cells(path, "markdown")]
    assert texts[0].startswith(f"# {path.name[:2]} · ")
    assert all(f"**{word}**" in texts[0] for word in ("Goal", "You need", "Minutes", "You will have"))
    headings = [line for text in texts for line in text.splitlines() if line.startswith("## ")]
    steps = [int(found[1]) for heading in headings if (found := re.match(r"## (\d+) · ", heading))]
    assert steps == list(range(len(steps))) and steps, "steps are numbered 0, 1, 2, … without gaps"
    assert headings[-2:] == ["## Your turn", "## Where next"]


@each_lesson
def test_executed_in_order(path: Path) -> None:
    """Every code cell ran once, in order, and none of them failed; nbval skips cells that never ran."""
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]


@each_lesson
def test_short_cells_and_prose(path: Path) -> None:
    """A cell has 15 lines at most, and the prose before it 120 words: longer logic belongs in the package."""
    assert max(len(cell["source"].splitlines()) for cell in cells(path, "code")) <= 15
    for cell in cells(path, "markdown"):
        prose = [line for line in cell["source"].splitlines() if not line.startswith(("|", "#", ">", "!"))]
        assert len(" ".join(prose).split()) <= 120, cell["source"][:60]


@each_lesson
def test_nothing_private(path: Path) -> None:
    """No path of a machine, and no widget state; tests/test_secrets.py looks for secrets."""
    text = path.read_text()
    assert not re.search(r"/(home|root|Users|tmp|work)/", text)
    assert "widget-state" not in text and '"widgets"' not in text


@each_lesson
def test_exercise_and_solution(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkpoint says «Not yet» to the stub, and a tick once the solution takes the stub's place."""
    monkeypatch.chdir(NOTEBOOKS)
    monkeypatch.delenv("KOMMO_NB_DB", raising=False)
    code = cells(path, "code")
    tags = [cell["metadata"].get("tags", []) for cell in code]
    stub, checkpoint = tags.index(["exercise"]), tags.index(["checkpoint"])
    solution = (NOTEBOOKS / "solutions" / f"{path.name[:2]}.py").read_text()
    assert "".join(code[checkpoint]["outputs"][0]["text"]).startswith("Not yet: ")
    space: dict[str, Any] = {"__name__": "__main__"}
    try:
        for cell in code[:stub]:
            exec(cell["source"], space)  # noqa: S102 our own lessons
        exec(solution, space)  # noqa: S102
        capsys.readouterr()
        exec(code[checkpoint]["source"], space)  # noqa: S102
        assert capsys.readouterr().out.startswith("✓ ")
    finally:
        exec(code[-1]["source"], space)  # noqa: S102 it stops what the lesson started


@each_lesson
def test_a_lesson_that_writes_asks_first(path: Path) -> None:
    """A lesson that connects the channel says what it writes, so that the session asks on a live account."""
    code = "\n".join(cell["source"] for cell in cells(path, "code"))
    assert (".connect(" in code) == (", writes=" in code)


def write(path: Path, source: str, output: str = "") -> None:
    for folder in ("pictures", "solutions"):
        (path.parent / folder).mkdir(parents=True, exist_ok=True)
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source, "outputs": outputs}]}))


def test_an_updated_lesson_replaces_a_copy_that_was_only_run(tmp_path: Path) -> None:
    """After an update the learner gets the new lesson, with no trace of the old one."""
    lesson, copy = tmp_path / "notebooks/00.ipynb", tmp_path / "lessons/00.ipynb"
    write(lesson, "1 + 1")
    assert copy_lessons(lesson.parent, copy.parent) == []
    write(copy, "1 + 1", output="2")
    assert copy_lessons(lesson.parent, copy.parent) == [] and '"2"' in copy.read_text(), "what was run stays"
    write(lesson, "1 + 2")
    assert copy_lessons(lesson.parent, copy.parent) == []
    assert copy.read_text() == lesson.read_text()


def test_a_copy_with_changes_is_kept_and_a_newer_lesson_is_named(tmp_path: Path) -> None:
    """What the learner wrote is never lost; the name of the lesson is told only where a newer one waits."""
    lesson, copy = tmp_path / "notebooks/00.ipynb", tmp_path / "lessons/00.ipynb"
    write(lesson, "stub")
    copy_lessons(lesson.parent, copy.parent)
    write(copy, "my solution")
    assert copy_lessons(lesson.parent, copy.parent) == []
    write(lesson, "newer stub")
    assert copy_lessons(lesson.parent, copy.parent) == ["00"]
    assert "my solution" in copy.read_text()
    copy.unlink()
    assert copy_lessons(lesson.parent, copy.parent) == []
    assert copy.read_text() == lesson.read_text()
