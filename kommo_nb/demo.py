"""The demo and the lab: several programs side by side, with a history to look at and traffic that goes on."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .client import ChatsClient
from .errors import KommoError
from .importer import bar
from .press import press
from .processes import Processes, command
from .sandbox import traffic
from .sandbox.app import Credentials, Sandbox
from .sandbox.world import World
from .serving import HOST, Server, bound_socket
from .store import Store

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WORKBOOKS = NOTEBOOKS.parent / "lessons"
"""The learner's own copies, which git ignores: what is saved there neither changes nor breaks the lessons."""


@dataclass(frozen=True)
class Ports:
    """Where each program listens; 0 takes a free port."""

    sandbox: int
    capture: int
    dashboard: int
    lab: int


def run_demo(ports: Ports, db: Path, *, days: int, lab: bool, announce: Callable[[dict[str, Any]], None]) -> None:
    """Start everything, announce the addresses once all answer, and go on until Ctrl-C or SIGTERM.

    The sandbox runs in this process and remembers the history that it made for a new database, so that `reconcile`
    finds there what the receiver missed. It forgets that when it ends: with a database of an earlier demo it is empty.
    """
    credentials = Credentials()
    with Processes() as processes:
        for port in (ports.sandbox, ports.capture, ports.dashboard, ports.lab if lab else 0):
            bound_socket(HOST, port).close()  # a taken port is told at once, in one sentence
        receiver = _start_receiver(processes, ports.capture, db)
        dashboard = processes.start(
            "dashboard", command("dashboard", "--port", str(ports.dashboard), "--db", str(db), "--json")
        )
        lab_url, lab_ready = _start_lab(processes, ports.lab, db, _SANDBOX) if lab else (None, None)
        capture_url = receiver()["capture"]
        sandbox = Sandbox(credentials, hook_url=_hook_url(capture_url))
        _seed(db, credentials, sandbox.world, days)
        server = Server(sandbox, port=ports.sandbox).start()
        addresses = {"sandbox": server.url, "capture": capture_url, "dashboard": dashboard()["dashboard"]}
        if lab_ready is not None:
            lab_ready()
        stop = threading.Event()
        _go_on(addresses["sandbox"], db, credentials, stop)
        ids = {key: getattr(credentials, key) for key in ("channel_id", "account_id", "scope_id")}
        announce({**addresses, "lab": lab_url, **ids, "db": str(db)})
        try:
            processes.wait()
        finally:
            stop.set()
            server.stop()


def run_lab(ports: Ports, db: Path, *, announce: Callable[[dict[str, Any]], None]) -> None:
    """JupyterLab on the lessons, with a sandbox and a receiver beside it."""
    with Processes() as processes:
        for port in (ports.sandbox, ports.capture, ports.lab):
            bound_socket(HOST, port).close()
        receiver = _start_receiver(processes, ports.capture, db)
        lab_url, lab_ready = _start_lab(processes, ports.lab, db, {})
        capture_url = receiver()["capture"]
        sandbox = _start_sandbox(processes, ports.sandbox, capture_url)
        lab_ready()
        announce({"lab": lab_url, "sandbox": sandbox()["sandbox"], "capture": capture_url, "db": str(db)})
        processes.wait()


# By the environment, since a command line can be read by every user of the machine; and for both programs, since the
# shell may hold the settings of a live channel.
_SANDBOX = {"KOMMO_NB_PROFILE": "sandbox", "KOMMO_NB_SECRET": Credentials().secret}
_SANDBOX |= {"KOMMO_NB_OLD_SECRET": "", "KOMMO_NB_SECRETS": "{}"}


def _start_receiver(processes: Processes, port: int, db: Path) -> Callable[[], dict[str, Any]]:
    words = command("capture", "--port", str(port), "--db", str(db), "--json")
    return processes.start("capture", words, env=_SANDBOX)


def _start_sandbox(processes: Processes, port: int, capture_url: str) -> Callable[[], dict[str, Any]]:
    words = command("sandbox", "--port", str(port), "--hook-url", _hook_url(capture_url), "--json")
    return processes.start("sandbox", words, env=_SANDBOX)


def _hook_url(capture_url: str) -> str:
    return f"{capture_url}/hooks/:scope_id"


def _start_lab(processes: Processes, port: int, db: Path, env: dict[str, str]) -> tuple[str, Callable[[], None]]:
    if port == 0:
        with bound_socket(HOST, 0) as free:
            port = free.getsockname()[1]
    if newer := copy_lessons(NOTEBOOKS, WORKBOOKS):
        text = f"Newer than your copy: {', '.join(newer)}. Delete yours in {WORKBOOKS.name}/ to get it."
        print(text, file=sys.stderr)
    token = secrets.token_hex(16)
    options = [
        "--no-browser",
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={WORKBOOKS}",
        "--ServerApp.allow_root=True",
        "--ServerApp.log_level=ERROR",
        "--LabApp.log_level=ERROR",
        "--LabApp.news_url=None",  # nothing may leave the machine
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    url = f"http://{HOST}:{port}/lab/tree/00-start-here.ipynb?token={token}"
    # The folder .jupyter switches the question for news off, which would be the one thing to load from outside.
    config_path = os.pathsep.join(filter(None, (str(NOTEBOOKS / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH"))))
    env = env | {"JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": config_path, "KOMMO_NB_DB": str(db.absolute())}
    return url, processes.start_url("JupyterLab", [sys.executable, "-m", "jupyterlab", *options], url, env=env)


def copy_lessons(source: Path, target: Path) -> list[str]:
    """Copy the lessons into the learner's folder; the names of those that are newer there than what is kept here.

    A copy in which the learner has changed nothing but outputs is replaced by a newer lesson. One with changes is kept.
    """
    for folder in ("pictures", "solutions"):
        shutil.copytree(source / folder, target / folder, dirs_exist_ok=True)
    newer = []
    for path in sorted(source.glob("*.ipynb")):
        copy, first = target / path.name, target / ".first" / path.name  # as it was when it was copied
        lesson = _cells(path)
        if _cells(copy) not in (None, lesson, _cells(first)):
            newer += [path.stem] if _cells(first) != lesson else []
            continue
        for each in (copy, first):
            if _cells(each) != lesson:
                each.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, each)
    return newer


def _cells(path: Path) -> list[str] | None:
    """What is written in a notebook, without what running it adds; None if there is no such file."""
    try:
        return ["".join(cell["source"]) for cell in json.loads(path.read_bytes())["cells"]]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):  # broken by hand: it is kept
        return []


def _seed(db: Path, credentials: Credentials, world: World, days: int) -> None:
    """Write a history into a new database, and let the world remember it; one that holds something is left as it is."""
    store = Store(db)
    channel = credentials.channel()
    store.remember_channel(channel.id, name=channel.name, bot_id=channel.bot_id)
    if days and not store.query("SELECT 1 FROM deliveries LIMIT 1"):
        with bar(f"{days} days of conversations") as on_day:
            # All of it first, then one short transaction: hooks must not wait for the write lock meanwhile.
            store.load(list(traffic.history(world, days=days, until=datetime.now().astimezone(), on_day=on_day)))
            store.project()
    store.close()


def _go_on(sandbox_url: str, db: Path, credentials: Credentials, stop: threading.Event) -> None:
    """Let the people go on writing, from a thread."""
    store = Store(db)
    client = ChatsClient(credentials.channel(), sandbox_url, store=store)
    client.connect(credentials.account_id)

    def press_here(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return press(sandbox_url, action, payload)

    def live() -> None:
        try:
            traffic.live(client, press_here, stop=stop)
        except KommoError as error:
            print(f"traffic stopped: {error}", file=sys.stderr)

    threading.Thread(target=live, name="kommo-nb-traffic", daemon=True).start()
