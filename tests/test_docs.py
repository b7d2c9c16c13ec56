"""README and lessons as promises: they name everything, what they name is there, and what they tell to type works."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import lesson_index
import pytest
from helpers import program
from leaks import leaks
from typed import SERVING, TOOLS, Place, place

import kommo_nb
from kommo_nb import Store
from kommo_nb.cli.options import cli
from kommo_nb.config import Settings
from kommo_nb.sandbox.app import Credentials

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def cells(path: Path, kind: str) -> list[str]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


PAGES = {ROOT / "README.md": README} | {path: "\n\n".join(cells(path, "markdown")) for path in lesson_index.LESSONS}
"""What people read, as Markdown."""
EVERYTHING = "\n".join([*PAGES.values(), *(code for path in lesson_index.LESSONS for code in cells(path, "code"))])

each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


# --- Everything is named ---


def test_the_readme_has_every_command() -> None:
    """The table of commands has each command once, and no other."""
    assert sorted(re.findall(r"(?m)^\| `kommo-nb ([\w-]+)", README)) == sorted(cli.commands)


@pytest.mark.parametrize("name", kommo_nb.__all__)
def test_every_public_name_is_told_of(name: str) -> None:
    """A name that people can import stands in the README or a lesson."""
    assert re.search(rf"\b{name}\b", EVERYTHING)


def test_every_variable_that_is_told_of_exists() -> None:
    """Where a page says KOMMO_NB_…, it is a setting."""
    told = set(re.findall(r"KOMMO_NB_([A-Z_]+)\b", EVERYTHING))
    assert told and {name.lower() for name in told} <= set(Settings.model_fields)


def test_the_map_is_the_package() -> None:
    """The README's map names every module and folder at the top of the package, each once, and nothing else."""
    package, rest = README.split("## The map")[1].split("```")[1].split("dashboards/")
    named = [word for line in package.splitlines()[2:] for word in line[2:35].split()]
    there = {path.name + "/" * path.is_dir() for path in (ROOT / "kommo_nb").iterdir() if path.name[0] not in "_."}
    assert sorted(named) == sorted(there)
    assert all((ROOT / folder).is_dir() for folder in ("dashboards", *re.findall(r"(?m)^(\w+)/", rest)))


# --- What is named is there ---


def links(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S))


def anchors(text: str) -> set[str]:
    """The names of headings, made as GitHub makes them."""
    titles = re.findall(r"(?m)^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_links_resolve(path: Path) -> None:
    """A link leads to a file, and to a heading in it; one in a lesson to where JupyterLab may go, its own folder."""
    for link in links(PAGES[path]):
        if link.startswith("https://"):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists() and target.is_relative_to(path.parent), link
        assert not anchor or anchor in anchors(PAGES[target]), link


def test_the_index_of_lessons_is_up_to_date() -> None:
    """README and lesson 00 list all ten lessons as their cards have them; `make index` mends it."""
    assert len(lesson_index.LESSONS) == 10
    cell = lesson_index.index_cell(json.loads(lesson_index.START.read_text(encoding="utf-8")))
    assert lesson_index.table("notebooks/") in README, "run: make index"
    assert lesson_index.table() in "".join(cell["source"]), "run: make index"


# --- What is to be typed works ---


def typed() -> set[str]:
    """Every command that stands in the README, in a block or within a line, without its arguments."""
    spans = [span for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.S))]
    blocks = re.findall(r"```\n(.*?)```", README, re.S)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    found = [each for each in [*spans, *lines] if re.match(r"(make|kommo-nb|cp|apt|\.) ", each)]
    return {" ".join(each.split()[:2]) for each in found}


def test_each_command_of_the_readme_is_run_here() -> None:
    """No command comes into the README that no test types; those of kommo-nb are typed below, and by tests/typed.py."""
    elsewhere = {"cp .env.example", "apt install", ". .venv/bin/activate", "kommo-nb NAME"}
    made = {f"make {target}" for target in targets()}
    assert typed() - elsewhere - made == {f"kommo-nb {name}" for name in (*SERVING, *TOOLS, "tail")}
    assert "cp .env.example .env && chmod 600 .env" in README
    assert typed() & made


def targets() -> list[str]:
    return re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted({each.split()[1] for each in typed() if each.startswith("make ")}))
def test_each_target_of_the_readme_starts_what_it_says(name: str) -> None:
    """`make NAME` is a target, and passes ARGS on where it starts a program."""
    words = [program("make"), "-n", "-o", ".venv/.ready", name, "ARGS=--no-lab --json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if name in cli.commands:
        assert f"kommo-nb {name} --no-lab --json" in done.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox whose secret is none of the known ones, and a receiver, as started by their commands."""
    with place(tmp_path_factory.mktemp("place"), secret=SECRET, old_secret=OLD, dashboard_password=OLD) as made:
        yield made


SECRET, OLD = secrets.token_hex(20), secrets.token_hex(20)


@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "as JSON"])
@pytest.mark.parametrize("name", TOOLS)
def test_each_tool_of_the_readme_works(name: str, as_json: bool, here: Place) -> None:
    """A command that ends does so with the exit code that it promises, and shows no secret."""
    code, printed = here.tool(name, as_json=as_json)
    assert code == TOOLS[name][0], printed
    assert len(printed) > 40 and "Traceback" not in printed
    assert SECRET not in printed and OLD not in printed and leaks(printed) == []


@pytest.mark.parametrize("name", [*(name for name in SERVING if name not in ("sandbox", "capture")), "tail"])
def test_each_program_of_the_readme_starts_and_stops(name: str, here: Place) -> None:
    """A command that goes on tells where it is, or what there is, in one JSON line, and shows no secret."""
    with here.program(name, as_json=True) as line:
        told = json.loads(line)
    assert {"demo": "dashboard", "project": "project", "tail": "kind"}.get(name, name) in told
    printed = here.printed[name]
    assert "Traceback" not in printed and SECRET not in printed and OLD not in printed


def test_only_the_sandbox_prints_the_secret_that_it_was_given(here: Place) -> None:
    """Everybody who talks to a sandbox needs its secret; the receiver, which has the same, keeps it."""
    kommo, receiver = (
        "".join(log.read_text() for log in here.folder.glob(f"{each}.*")) for each in ("sandbox", "capture")
    )
    assert SECRET in kommo and SECRET not in receiver and OLD not in kommo + receiver


def test_the_readmes_first_lines_of_code_work(here: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The example of the client connects and sends, once the channel's id, its secret and the account are filled in."""
    monkeypatch.chdir(tmp_path)
    code = README.split("```python\n")[1].split("```")[0]
    known = {'id="…"': f'id="{Credentials.channel_id}"', 'secret="…"': f'secret="{SECRET}"'}
    known |= {"the account's amojo_id": Credentials.account_id, "http://127.0.0.1:8010": here.facts["sandbox"]}
    for blank, value in known.items():
        assert code.count(blank) == 1
        code = code.replace(blank, value)
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 our own README
    space["client"].close()
    store = Store("data/kommo.db", read_only=True)
    assert store.query("SELECT kind, status FROM calls") == [
        {"kind": kind, "status": 200} for kind in ("connect", "send")
    ]
    store.close()
