"""The shape of the package: what it costs to import, what may import what, and that everything is documented."""

from __future__ import annotations

import ast
import asyncio
import doctest
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

import kommo_nb

PACKAGE = Path(kommo_nb.__file__).parent
HEAVY = {"pandas", "panel", "uvicorn", "ipywidgets", "bokeh", "httpx"}

# From top to bottom: a module may import what stands below it, and its own line where that is a folder.
LAYERS = (
    *("cli", "demo", "widgets", "metrics", "session", "checks", "importer", "reconcile", "replay", "tail", "lines"),
    *("capture", "client", "main_api", "calls", "sandbox", "store", "mask", "wire", "processes", "press", "serving"),
    *("asgi", "config", "errors", "clock"),
)
UPWARD = {("config", "wire.channel"), ("config", "wire.keyring")}
"""What points up: Settings makes a Channel, and asks a Keyring whether its secrets make one."""


# --- Names and cost ---


def test_every_public_name_is_loaded_from_its_home() -> None:
    """`__all__`, the map of lazy names and the imports that type checkers see are the same, and each resolves."""
    seen_by_checkers = {
        alias.name: "." + (node.module or "")
        for node in ast.walk(tree("__init__"))
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert seen_by_checkers == kommo_nb._HOME_OF
    assert sorted(kommo_nb.__all__) == sorted(kommo_nb._HOME_OF) == dir(kommo_nb)
    for name, home in kommo_nb._HOME_OF.items():
        assert getattr(kommo_nb, name) is getattr(import_module(home, "kommo_nb"), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is missing in the ordinary way, so that hasattr and pickle work."""
    with pytest.raises(AttributeError, match="module 'kommo_nb' has no attribute 'Shop'"):
        kommo_nb.Shop  # noqa: B018


def fresh_import() -> dict[str, Any]:
    code = (
        "import sys, time, json; start = time.perf_counter(); import kommo_nb; "
        "print(json.dumps({'took_s': time.perf_counter() - start, 'modules': sorted(sys.modules)}))"
    )
    answer: dict[str, Any] = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    return answer


def test_import_brings_in_nothing_heavy_and_is_quick() -> None:
    """`import kommo_nb` loads none of the big libraries and takes under 0.25 s in a fresh interpreter."""
    runs = [fresh_import() for _ in range(5)]
    assert HEAVY.isdisjoint(runs[0]["modules"])
    assert "kommo_nb" in runs[0]["modules"]
    assert min(run["took_s"] for run in runs) < 0.25


# --- Who imports whom ---


@cache
def modules() -> dict[str, Path]:
    """Every module, by its dotted name within the package; a folder's `__init__` by the folder's name."""
    names = {path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(name: str) -> Iterator[str]:
    """Every module that this one imports, anywhere in its file: our own ones without the package's name."""
    base = ["kommo_nb", *name.split(".")]
    if modules()[name].name != "__init__.py":
        base.pop()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (_own(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = base[: len(base) - node.level + 1] if node.level else []
            source = _own(".".join([*package, *(node.module or "").split(".")]).strip("."))
            for alias in node.names:
                inner = f"{source}.{alias.name}".removeprefix("kommo_nb.")
                yield inner if inner in modules() else source


def _own(name: str) -> str:
    return name.removeprefix("kommo_nb.")


def layer(name: str) -> str:
    return name.split(".")[0]


NAMES = sorted(set(modules()) - {"__init__"})


def tops(name: str) -> set[str]:
    """The top-level packages, our own or others', that a module imports."""
    return {layer(each) for each in imported(name)}


@pytest.mark.parametrize("name", NAMES)
def test_imports_only_point_down(name: str) -> None:
    """A module imports its own folder and what stands below it in the design's list, lazily or not."""
    assert layer(name) in LAYERS, f"give kommo_nb.{name} its place in LAYERS, and in the design"
    up = {
        target
        for target in imported(name)
        if target in modules()
        and layer(target) != layer(name)
        and LAYERS.index(layer(target)) < LAYERS.index(layer(name))
    }
    assert {(name, target) for target in up} <= UPWARD


def test_no_module_imports_the_package_itself() -> None:
    """Inside the package nothing goes through the lazy names, which would hide an import from the test above."""
    assert [name for name in NAMES if "kommo_nb" in set(imported(name))] == []


def test_modules_of_one_folder_form_no_circle() -> None:
    """Within a folder, too, imports have a direction."""
    done: list[str] = []
    waiting = {name: {each for each in imported(name) if each in modules()} - {name} for name in NAMES}
    while ready := [name for name, needs in waiting.items() if needs <= set(done)]:
        done += ready
        for name in ready:
            del waiting[name]
    assert waiting == {}


@pytest.mark.parametrize("name", [name for name in NAMES if layer(name) == "wire"])
def test_wire_is_pure(name: str) -> None:
    """What travels is computed without a file, a socket or a process; only auth knows httpx, for httpx.Auth."""
    allowed = {"httpx"} if name == "wire.auth" else set()
    io = {"sqlite3", "sqlite_utils", "socket", "subprocess", "os", "pathlib", "io", "asyncio", "threading", "httpx"}
    assert tops(name) & io <= allowed
    assert not any(isinstance(node, ast.Name) and node.id == "open" for node in ast.walk(tree(name)))


@pytest.mark.parametrize("name", [name for name in NAMES if layer(name) == "sandbox"])
def test_sandbox_knows_neither_client_nor_store(name: str) -> None:
    """The sandbox cannot agree with the client by sharing its code; what they share is the wire."""
    assert tops(name).isdisjoint({"client", "calls", "store", "sqlite3", "sqlite_utils"})


@pytest.mark.parametrize("name", ["client", "calls"])
def test_client_knows_no_sqlite(name: str) -> None:
    """The client notes its calls through a protocol, so that it works without a store."""
    assert tops(name).isdisjoint({"store", "sqlite3", "sqlite_utils"})


@pytest.mark.parametrize("name", [name for name in NAMES if layer(name) == "store"])
def test_store_knows_no_http(name: str) -> None:
    """The store imports no HTTP library, and of the signature only the verdict."""
    assert tops(name).isdisjoint({"httpx", "uvicorn", "http", "urllib"})


@pytest.mark.parametrize(
    ("name", "may"), [("serving", {"errors"}), ("asgi", set()), ("errors", set()), ("clock", set())]
)
def test_the_foundation_stands_alone(name: str, may: set[str]) -> None:
    """The lowest modules import nothing of the package but, for serving, its errors."""
    assert tops(name) & set(LAYERS) <= may


def test_only_the_command_knows_the_dashboard() -> None:
    """The dashboard stands on the package; of the package, only the command line starts it."""
    assert {layer(name) for name in NAMES if "dashboards" in tops(name)} <= {"cli"}


# --- Size and words ---


@pytest.mark.parametrize("name", NAMES)
def test_no_module_is_longer_than_320_lines(name: str) -> None:
    """A module is a page or two."""
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= 320


def definitions(node: ast.Module | ast.ClassDef, place: str) -> Iterator[tuple[str, ast.AST]]:
    """Public classes and functions, and the public methods of such classes that override nothing of a library."""
    yield place, node
    for each in node.body:
        if not isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or each.name.startswith("_"):
            continue
        if isinstance(each, ast.ClassDef):
            yield from definitions(each, f"{place}.{each.name}")
        else:
            yield f"{place}.{each.name}", each


# httpx, uvicorn and click document them
OVERRIDES = {"wire.auth.SignatureAuth.auth_flow", "serving.Server.startup", "cli.options.Moment.convert"}
PROTOCOLS = {"calls.ExchangeLog", "capture.remote.DeliveryLog"}  # the class says what its methods are for


@pytest.mark.parametrize("name", ["__init__", *NAMES])
def test_every_public_name_has_a_docstring(name: str) -> None:
    """Modules, classes, functions and methods say what they return or guarantee."""
    silent = {place for place, node in definitions(tree(name), name) if not ast.get_docstring(node)}  # type: ignore[arg-type]
    assert {place for place in silent - OVERRIDES if place.rpartition(".")[0] not in PROTOCOLS} == set()


def test_the_examples_in_docstrings_are_true() -> None:
    """The doctests of the wire pass, and there are some."""
    results = [doctest.testmod(import_module(f"kommo_nb.{name}")) for name in NAMES if layer(name) == "wire"]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 2


# --- The tests' own fence ---


def test_a_foreign_address_is_out_of_reach() -> None:
    """A test cannot connect beyond this machine: not by socket, not by name, not by httpx."""
    with pytest.raises(Exception, match=r"loopback only.*192\.0\.2\.1"), socket.socket() as sock:
        sock.connect(("192.0.2.1", 80))
    with pytest.raises(Exception, match=r"loopback only.*amojo\.kommo\.com"):
        socket.getaddrinfo("amojo.kommo.com", 443)
    with pytest.raises(Exception, match=r"loopback only.*amojo\.kommo\.com"):
        httpx.get("https://amojo.kommo.com/", trust_env=False)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_foreign_address_is_out_of_reach_of_event_loops(loop: str) -> None:
    """The fence holds in asyncio, and in uvloop, which opens sockets of its own in C."""

    async def reach() -> None:
        await asyncio.open_connection("amojo.kommo.com", 443)

    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner, pytest.raises(Exception, match="loopback only"):
        runner.run(reach())


def test_loopback_stays_open() -> None:
    """The fence leaves this machine's own addresses alone."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(("localhost", server.getsockname()[1])) as client:
            assert client.getpeername() == server.getsockname()
