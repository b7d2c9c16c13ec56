"""The kommo-nb command: each program starts, says where it is, does its job, and stops."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]


def run(*words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kommo_nb.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=clean_env() | (env or {}),
    )


def clean_env() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("KOMMO_NB_")}


@contextmanager
def running(*words: str, cwd: Path, env: dict[str, str] | None = None) -> Iterator[tuple[dict[str, Any], Any]]:
    """A command that prints its JSON line; stopped by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kommo_nb.cli", *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=clean_env() | (env or {}),
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    try:
        assert line, process.stderr.read()
        yield json.loads(line), process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def eventually(check: Any, *, within_s: float = 5.0) -> Any:
    """The first true value that `check` gives, within a deadline."""
    deadline = time.monotonic() + within_s
    while not (value := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def test_help_lists_the_commands() -> None:
    """--help names every command that the design promises for this floor."""
    shown = run("--help").stdout
    assert all(
        f"  {name} " in shown for name in ("demo", "sandbox", "capture", "dashboard", "lab", "trigger", "doctor")
    )


def test_capture_without_a_secret(tmp_path: Path) -> None:
    """Without a secret the receiver refuses to start, and names the variable; the database is not even made."""
    done = run("capture", "--port", "0", "--db", "x.db", cwd=tmp_path)
    assert done.returncode == 2 and "KOMMO_NB_SECRET" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("settings", "signed_with", "scope_id"),
    [
        ({"KOMMO_NB_SECRET": "new", "KOMMO_NB_OLD_SECRET": "old"}, "old", "c1_a"),
        ({"KOMMO_NB_SECRET": "new", "KOMMO_NB_SECRETS": '{"c1": ["one"], "c2": ["two"]}'}, "two", "c2_a"),
    ],
)
def test_capture_takes_every_secret_of_the_environment(
    settings: dict[str, str], signed_with: str, scope_id: str, tmp_path: Path
) -> None:
    """Also the one that is being replaced, and those of other channels, beside KOMMO_NB_SECRET."""
    with running("capture", "--port", "0", "--db", "x.db", cwd=tmp_path, env=settings) as (receiver, _):
        headers = {"X-Signature": hmac.new(signed_with.encode(), b"{}", hashlib.sha1).hexdigest()}
        answer = httpx.post(f"{receiver['capture']}/hooks/{scope_id}", content=b"{}", headers=headers)
    assert (answer.status_code, answer.text) == (200, "stored")


def test_a_blank_secret_is_refused(tmp_path: Path) -> None:
    """On the command line and in the environment: with it anybody could sign."""
    words = ("capture", "--port", "0", "--db", "x.db")
    for done in (
        run(*words, "--secret", " ", cwd=tmp_path),
        run(*words, env={"KOMMO_NB_SECRET": " "}, cwd=tmp_path),
        run(*words, env={"KOMMO_NB_SECRETS": '{"c1": [""]}'}, cwd=tmp_path),
    ):
        assert done.returncode == 2 and "secret" in done.stderr.lower() and "Traceback" not in done.stderr


def test_settings_in_another_encoding(tmp_path: Path) -> None:
    """A `.env` as an old PowerShell writes it: the error says how to save it."""
    env = tmp_path / ".env"
    env.write_text("KOMMO_NB_SECRET=s\n", encoding="utf-16")
    env.chmod(0o600)
    done = run("project", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "kommo-nb: the .env is not UTF-8: save it with that encoding\n")


@pytest.mark.parametrize("name", ["sandbox", "capture", "project"])
def test_ctrl_c_is_a_good_end(name: str, tmp_path: Path) -> None:
    """What goes on until Ctrl-C ends with it, without a complaint."""
    words = {"sandbox": ("--port", "0"), "capture": ("--port", "0", "--db", "x.db"), "project": ("--db", "x.db")}[name]
    with running(name, *words, cwd=tmp_path, env={"KOMMO_NB_SECRET": "s"}) as (_, process):
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (0, "")


def test_trigger_where_no_sandbox_answers(tmp_path: Path) -> None:
    """Another program at that address is told from a sandbox in a sentence."""
    with running("capture", "--port", "0", "--db", "x.db", cwd=tmp_path, env={"KOMMO_NB_SECRET": "s"}) as (receiver, _):
        done = run("trigger", "text", "--url", receiver["capture"])
    assert (done.returncode, "is no sandbox" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["sandbox", "capture", "dashboard"])
def test_a_taken_port_is_one_sentence(name: str, tmp_path: Path) -> None:
    """A port that somebody else has gives a sentence that says what to do, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(name, "--port", port, cwd=tmp_path, env={"KOMMO_NB_SECRET": "s"})
    assert done.returncode == 2 and f"port {port} cannot be used" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"this is no database, but a text of some length " * 20, None])
def test_a_database_that_cannot_be_used(content: bytes | None, tmp_path: Path) -> None:
    """A file that is no database, or a folder in its place, gives a sentence; the file is left as it was."""
    path = tmp_path / "x.db"
    path.write_bytes(content) if content is not None else path.mkdir()
    done = run("capture", "--port", "0", "--db", str(path), env={"KOMMO_NB_SECRET": "s"}, cwd=tmp_path)
    assert done.returncode == 2 and "x.db" in done.stderr and "Traceback" not in done.stderr
    assert content is None or path.read_bytes() == content


def test_sandbox_capture_and_trigger_work_together(tmp_path: Path) -> None:
    """Three separate programs: a message set off from a terminal is verified and stored by the receiver."""
    secret = {"KOMMO_NB_SECRET": "a-secret-of-this-test"}
    with running("capture", "--port", "0", "--db", "x.db", cwd=tmp_path, env=secret) as (receiver, _):
        hooks = receiver["hooks"]
        words = ("sandbox", "--port", "0", "--hook-url", hooks, "--channel-id", "c1", "--account-id", "a1")
        with running(*words, cwd=tmp_path, env=secret) as (kommo, _):
            assert (kommo["scope_id"], kommo["secret"]) == ("c1_a1", secret["KOMMO_NB_SECRET"])
            refused = run("trigger", "text", "--url", kommo["sandbox"])
            assert refused.returncode == 2 and "no such chat" in refused.stderr
            connect(kommo, secret["KOMMO_NB_SECRET"])
            for name in ("write-first", "text", "picture", "media-group", "template", "typing"):
                done = run("trigger", name, "--url", kommo["sandbox"])
                assert done.returncode == 0 and "answered 200" in done.stdout, done
    db = sqlite3.connect(tmp_path / "x.db")
    verdicts = db.execute("SELECT verdict, count(*) FROM deliveries GROUP BY 1").fetchall()
    kinds = db.execute("SELECT type, count(*) FROM messages GROUP BY 1 ORDER BY 1").fetchall()
    db.close()
    assert verdicts == [("valid_trimmed", 7)]
    assert kinds == [("picture", 3), ("text", 3)]


def connect(kommo: dict[str, Any], secret: str) -> None:
    from kommo_nb import Channel, ChatsClient

    with ChatsClient(Channel(id=kommo["channel_id"], secret=secret), kommo["sandbox"]) as client:
        client.connect(kommo["account_id"])


def test_trigger_without_a_sandbox() -> None:
    """Where no sandbox answers, trigger says how to start one."""
    done = run("trigger", "text", "--url", "http://127.0.0.1:9")
    assert done.returncode == 2 and "kommo-nb sandbox" in done.stderr


def test_doctor_names_the_mistake(tmp_path: Path) -> None:
    """A published request whose body was written again is explained, and its secret does not show."""
    vector = json.loads((ROOT / "data/vectors/signature-vectors.json").read_text())[0]
    headers = {"Date": vector["date"], "Content-MD5": vector["content_md5"], "X-Signature": vector["x_signature"]}
    lines = [f"{name}: {value}" for name, value in {"Content-Type": "application/json", **headers}.items()]
    body = json.dumps(json.loads(vector["body"]))
    pasted = "\r\n".join([f"POST {vector['path']} HTTP/1.1", "Host: amojo.kommo.com", *lines, "", body])
    (tmp_path / "request.txt").write_text(pasted)
    done = run("doctor", str(tmp_path / "request.txt"), env={"KOMMO_NB_SECRET": vector["secret"]})
    assert done.returncode == 1 and done.stdout.startswith("body_reencoded") and "no spaces" in done.stdout
    assert vector["secret"] not in done.stdout + done.stderr


def test_doctor_says_what_to_paste() -> None:
    """What is no request gets a sentence that says what is."""
    done = run("doctor", str(ROOT / "Makefile"), env={"KOMMO_NB_SECRET": "s"})
    assert done.returncode == 2 and "curl command" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_demo_starts_answers_and_stops(stop: signal.Signals, tmp_path: Path) -> None:
    """The demo prints its addresses once all answer, hooks reach the store, and a signal stops every part of it.

    A live channel in the environment changes nothing: the demo is the sandbox's.
    """
    live = {"KOMMO_NB_PROFILE": "live", "KOMMO_NB_SECRET": "of-a-live-channel"}
    free = ("--sandbox-port", "0", "--capture-port", "0", "--dashboard-port", "0", "--lab-port", "0")
    lab = "--lab" if stop is signal.SIGTERM else "--no-lab"
    with running("demo", *free, "--db", "demo.db", "--days", "2", lab, cwd=tmp_path, env=live) as (facts, process):
        assert set(facts) == {"sandbox", "capture", "dashboard", "lab", "channel_id", "account_id", "scope_id", "db"}
        addresses = [facts[name] for name in ("sandbox", "capture", "dashboard", "lab") if facts[name]]
        assert (facts["lab"] is None) == (lab == "--no-lab")
        assert [httpx.get(url, follow_redirects=True).status_code for url in addresses] == [200] * len(addresses)
        words = ("trigger", "write-first", "--text", "Are you there?", "--url", facts["sandbox"])
        assert "answered 200" in run(*words).stdout
        db = sqlite3.connect(tmp_path / "demo.db")
        eventually(lambda: db.execute("SELECT 1 FROM messages WHERE text = 'Are you there?'").fetchone())
        db.close()
        process.send_signal(stop)
        assert process.wait(timeout=20) == 0
    for url in addresses:
        with pytest.raises(httpx.HTTPError):
            httpx.get(url, timeout=2)


def test_demo_ends_when_a_part_cannot_start(tmp_path: Path) -> None:
    """A port that is taken ends the demo with one sentence, and leaves nothing running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("demo", "--no-lab", "--sandbox-port", port, "--db", "d.db", cwd=tmp_path)
    assert done.returncode == 2 and f"port {port} cannot be used" in done.stderr and "Traceback" not in done.stderr
