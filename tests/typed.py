"""Every command of the README, typed in a folder of its own beside a sandbox and a receiver that the tests start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from helpers import DATA, until

from kommo_nb import Channel, ChatsClient, Person, Store, Text

SERVING = {
    "demo": "--sandbox-port 0 --capture-port 0 --dashboard-port 0 --no-lab --days 1 --db demo.db",
    "lab": "--port 0 --sandbox-port 0 --capture-port 0",
    "sandbox": "--port 0",
    "capture": "--port 0",
    "project": "",
    "dashboard": "--port 0",
}
"""What is typed behind the name of a program that goes on until it is stopped."""
TOOLS = {
    "check": (0, "{json}"),
    "import": (1, "history.csv {json}"),
    "doctor": (0, "hook.json --signature {signature}"),
    "replay": (0, "1 --url {hooks} {json}"),
    "reconcile": (0, "--since 7d {json}"),
    "export": (0, "folder"),
    "trigger": (0, "text --url {sandbox} {json}"),
}
"""The exit code of a program that ends, and what is typed behind its name. The table to import has rows to mend."""


@dataclass
class Place:
    """A folder with a database that a receiver fills; `printed` is what each command has said so far."""

    folder: Path
    env: dict[str, str]
    facts: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)

    def tool(self, name: str, *, as_json: bool) -> tuple[int, str]:
        """Run a program to its end; its exit code and all that it prints."""
        words = TOOLS[name][1].format(**self.facts, json="--json" * as_json).split()
        done = subprocess.run(command(name, *words), cwd=self.folder, env=self.env, capture_output=True, text=True)
        self.printed[name] = done.stdout + done.stderr
        return done.returncode, self.printed[name]

    @contextmanager
    def program(self, name: str, *more: str, as_json: bool) -> Iterator[str]:
        """Run a program until the block ends; the first line that it prints."""
        words = [*SERVING.get(name, "").split(), *more, *["--json"] * as_json]
        log, trouble = self.folder / f"{name}.txt", self.folder / f"{name}.err.txt"
        with log.open("w") as out, trouble.open("w") as err:
            process = subprocess.Popen(command(name, *words), cwd=self.folder, env=self.env, stdout=out, stderr=err)
        try:
            until(lambda: "\n" in log.read_text() or process.poll() is not None, f"{name} says that it is ready")
            yield log.read_text().partition("\n")[0]
        finally:
            process.terminate()
            process.wait(timeout=30)
            self.printed[name] = log.read_text() + trouble.read_text()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "kommo_nb.cli", *words]


@contextmanager
def place(folder: Path, **settings: str) -> Iterator[Place]:
    """A folder with a sandbox and a receiver beside it, and one hook in its database."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOMMO_NB_")}
    here = Place(folder, clean | {f"KOMMO_NB_{name.upper()}": value for name, value in settings.items()})
    shutil.copy(DATA / "history.csv", folder)
    with ExitStack() as running:
        receiver = json.loads(running.enter_context(here.program("capture", as_json=True)))
        words = ("--hook-url", receiver["hooks"])
        kommo = json.loads(running.enter_context(here.program("sandbox", *words, as_json=True)))
        here.facts = {"hooks": receiver["hooks"], "sandbox": kommo["sandbox"]}
        here.env |= {"KOMMO_NB_BASE_URL": kommo["sandbox"], "KOMMO_NB_HOOK_URL": receiver["hooks"]}
        channel = Channel(id=kommo["channel_id"], secret=kommo["secret"])
        with ChatsClient(channel, kommo["sandbox"]) as client:
            client.connect(kommo["account_id"])
            client.send(Text("Hello"), conversation_id="lena", sender=Person(id="lena", name="Lena"))
        assert here.tool("trigger", as_json=True)[0] == 0
        store = Store(folder / "data/kommo.db", read_only=True)
        until(lambda: bool(store.query("SELECT 1 FROM messages")), "the hook is in the database")
        body, signature = store.conn.execute("SELECT body, signature FROM deliveries").fetchone()
        store.close()
        (folder / "hook.json").write_bytes(body)
        here.facts["signature"] = signature
        yield here
