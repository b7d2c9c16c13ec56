"""kommo-nb check: an empty, a half-filled and a full configuration, each mistake with the next step, never a secret."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from helpers import FrozenClock, answering, minutes_ago, program, rfc2822, sample, served
from pydantic import SecretStr

from kommo_nb import Person, Store, Text
from kommo_nb.capture import Capture
from kommo_nb.checks import Check, account, database, last_hook, receiver, run, signature, time_of
from kommo_nb.cli import cli
from kommo_nb.client import ChatsClient
from kommo_nb.config import Settings
from kommo_nb.press import press
from kommo_nb.sandbox.app import Credentials, Sandbox

IDS = Credentials()
WRONG = "another-channels-secret-00000000000000000"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a folder of its own for its `.env` and its database."""
    monkeypatch.chdir(tmp_path)


def check(monkeypatch: pytest.MonkeyPatch, *words: str, **variables: str) -> Result:
    """What the command prints with these settings alone."""
    for name in [name for name in os.environ if name.startswith("KOMMO_NB_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(f"KOMMO_NB_{name}", value)
    return CliRunner().invoke(cli, ["check", *words])


def closed_port() -> str:
    """An address of this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


def results(checks: Any) -> dict[str, str]:
    return {each.what: each.result for each in checks}


def found(checks: Iterator[Check], what: str) -> Check:
    return {each.what: each for each in checks}[what]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a live profile that leads to a sandbox with a connected channel, and to its receiver."""
    db = tmp_path_factory.mktemp("live") / "kommo.db"
    store = Store(db)
    with served(Capture(store, IDS.secret)) as capture:
        hooks = f"{capture}/hooks/:scope_id"
        with served(Sandbox(IDS, hook_url=hooks)) as url:
            with ChatsClient(IDS.channel(), url) as client:
                client.connect(IDS.account_id)
                client.send(Text("Hello?"), conversation_id="lena", sender=Person(id="lena", name="Lena"))
            press(url, "manager/message", {"text": "Yes?"})
            yield {
                "PROFILE": "live",
                "BASE_URL": url,
                "ACCOUNT_URL": url,
                "CHANNEL_ID": IDS.channel_id,
                "SECRET": IDS.secret,
                "ACCOUNT_ID": IDS.account_id,
                "BOT_ID": IDS.bot_id,
                "TOKEN": IDS.token,
                "HOOK_URL": hooks,
                "DB": str(db),
            }
    store.close()


@pytest.fixture
def settings(live: dict[str, str]) -> Settings:
    return Settings(**{name.lower(): value for name, value in live.items()})  # type: ignore[arg-type]


# --- the three configurations ---

EMPTY = """\
ok       profile               live
missing  KOMMO_NB_CHANNEL_ID   not set
         → set it to the id in support's answer (lesson 01)
missing  KOMMO_NB_SECRET       not set
         → set it to the secret_key in support's answer (lesson 01)
missing  KOMMO_NB_ACCOUNT_ID   not set
         → set it to the account's amojo_id, a UUID (lesson 03)
missing  KOMMO_NB_HOOK_URL     not set
         → set it to the webhook URL that you registered, such as https://bot.example.com/hooks/:scope_id
warning  KOMMO_NB_BOT_ID       not set
         → set it to bot.id of support's answer, or the bot's messages count as a manager's
warning  KOMMO_NB_TOKEN        not set
         → set it to a token of the integration (its Keys tab), to have the account's id compared
failed   Kommo                 URL: ConnectError: [Errno 111] Connection refused
         → start it: kommo-nb sandbox
warning  database              data/kommo.db is not there yet
         → start the receiver, which makes it
"""


def test_an_empty_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the profile alone everything that is missing is named, with where to get it; nothing is made; it exits 1."""
    url = closed_port()
    done = check(monkeypatch, PROFILE="live", BASE_URL=url)
    assert (done.exit_code, done.output.replace(url, "URL")) == (1, EMPTY)
    assert list(Path.cwd().iterdir()) == []


def test_a_half_filled_configuration(monkeypatch: pytest.MonkeyPatch, live: dict[str, str]) -> None:
    """What can be tried without the secret is tried; a number in place of the amojo_id and stray quotes are found."""
    half = live | {"SECRET": "", "ACCOUNT_ID": "12345678", "BOT_ID": f'"{IDS.bot_id}"'}
    done = check(monkeypatch, **half)
    shown = [line for line in done.output.splitlines() if not line.startswith("ok ")]
    assert (done.exit_code, shown) == (
        1,
        [
            "missing  KOMMO_NB_SECRET       not set",
            "         → set it to the secret_key in support's answer (lesson 01)",
            "failed   KOMMO_NB_ACCOUNT_ID   12345678 is the account's number",
            "         → set it to the account's amojo_id, a UUID (lesson 03)",
            "failed   KOMMO_NB_BOT_ID       it has space or quotes around it",
            "         → take them away",
        ],
    )
    assert "ok       Kommo " in done.output and "ok       receiver " in done.output


def test_a_full_configuration(monkeypatch: pytest.MonkeyPatch, live: dict[str, str]) -> None:
    """Against a Kommo that is there everything is ok, in text and in JSON, and nobody's secret or token is shown."""
    done = check(monkeypatch, **live)
    assert (done.exit_code, {line.split()[0] for line in done.output.splitlines()}) == (0, {"ok"}), done.output
    as_json = check(monkeypatch, "--json", **live)
    told = json.loads(as_json.output)
    assert (as_json.exit_code, told["ok"]) == (0, True)
    assert [each["what"] for each in told["checks"]][-7:] == [
        *("Kommo", "clock", "signature", "account", "database", "last hook", "receiver")
    ]
    assert all(set(each) == {"what", "result", "seen", "next_step"} for each in told["checks"])
    assert not [secret for secret in (IDS.secret, IDS.token) if secret in done.output + as_json.output]


def test_the_sandbox_profile_needs_no_settings(monkeypatch: pytest.MonkeyPatch, live: dict[str, str]) -> None:
    """In the sandbox profile its known ids stand in for what is not set."""
    done = check(monkeypatch, BASE_URL=live["BASE_URL"], HOOK_URL=live["HOOK_URL"], DB=live["DB"])
    assert done.exit_code == 0 and "ok       profile               sandbox" in done.output, done.output


def test_an_open_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` that others can read is told as a check, with the command that mends it."""
    Path(".env").write_text(f"KOMMO_NB_SECRET={WRONG}\n")
    Path(".env").chmod(0o644)
    done = check(monkeypatch)
    assert (done.exit_code, done.output) == (
        1,
        "failed   settings              others on this machine can read .env, which holds secrets\n"
        "         → close it: chmod 600 .env\n",
    )
    assert json.loads(check(monkeypatch, "--json").output)["checks"][0]["next_step"] == "close it: chmod 600 .env"


def test_checks_leave_three_refused_hooks(settings: Settings) -> None:
    """Kommo knows no new chat afterwards, and the store nothing but three refused hooks: so the help says."""
    import httpx

    store = Store(settings.db)

    def state() -> tuple[Any, Any]:
        chats = httpx.get(f"{settings.kommo_url}/_sandbox/state", trust_env=False).json()["chats"]
        tables = ("exchanges", "messages", "chats", "statuses")
        counts = [store.query(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables]
        return chats, counts

    hooks = "SELECT http_status, signature, reason FROM deliveries ORDER BY id"
    before, hooks_before = state(), store.query(hooks)
    assert set(results(run(settings)).values()) == {"ok"}
    assert state() == before
    left = {"http_status": 401, "signature": None, "reason": "no X-Signature header"}
    assert store.query(hooks) == [*hooks_before, *[left] * 3]
    assert "three hooks without a signature" in " ".join(CliRunner().invoke(cli, ["check", "--help"]).output.split())
    store.close()


# --- each step ---


@pytest.mark.parametrize(
    ("minutes", "result", "side"),
    [
        (0, "ok", "agrees"),
        (-0.5, "ok", "agrees"),
        (3, "warning", "behind"),
        (-10, "warning", "ahead of"),
        (16, "failed", ""),
    ],
)
def test_the_clock(minutes: float, result: str, side: str) -> None:
    """A clock that differs from the server's by a minute is a warning, by more than 15 a failure."""
    with answering(404, Date=rfc2822(minutes_ago(-minutes))) as (url, _):
        seen = time_of(Settings(base_url=url))
    assert seen.result == result and side in seen.seen
    assert ("timedatectl" in seen.next_step) == (result != "ok")


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 16 Dec 2021 13:15:29 -0000"])
def test_a_host_that_tells_no_time(date: str) -> None:
    """Without a Date that can be read the clock is not compared, and the check says so."""
    with answering(200, Date=date) as (url, _):
        assert time_of(Settings(base_url=url)).seen == "not compared: the host tells no Date"


def test_a_wrong_secret(settings: Settings) -> None:
    """A 403 to what was signed well means another channel's secret, which is not shown."""
    wrong = settings.model_copy(update={"secret": SecretStr(WRONG)})
    seen = found(run(wrong), "signature")
    assert (seen.result, "not this channel's" in seen.seen, "KOMMO_NB_SECRET" in seen.next_step) == (
        "failed",
        True,
        True,
    )
    assert WRONG not in str(seen)


def test_a_clock_that_is_off_explains_a_refusal(settings: Settings) -> None:
    """A 403 of a server whose time is 20 minutes ahead is explained by the doctor: our Date is too old."""
    with answering(403, sample("error-amojo-403-signature"), Date=rfc2822(minutes_ago(-20))) as (url, _):
        seen = results(run(settings.model_copy(update={"base_url": url})))
        told = signature(settings.model_copy(update={"base_url": url}))
    assert (seen["clock"], seen["signature"]) == ("failed", "failed")
    assert "15 minutes" in told.next_step and "clock" in told.next_step and "secret" not in told.seen


def test_while_a_secret_is_replaced(settings: Settings) -> None:
    """If Kommo still takes the old secret, the check says so."""
    early = settings.model_copy(update={"secret": SecretStr(WRONG), "old_secret": settings.secret})
    seen = signature(early)
    assert (seen.result, seen.seen) == ("failed", "403: Kommo still takes KOMMO_NB_OLD_SECRET")
    neither = settings.model_copy(update={"secret": SecretStr(WRONG), "old_secret": SecretStr(WRONG + "1")})
    assert "not this channel's" in signature(neither).seen


def test_a_channel_that_is_not_connected(settings: Settings) -> None:
    """Another account is a 404, whose next step is to connect."""
    seen = signature(settings.model_copy(update={"account_id": "00000000-0000-4000-8000-000000000001"}))
    assert (seen.result, seen.seen[:4], "connect" in seen.next_step) == ("failed", "404:", True)


def test_a_kommo_that_fails(settings: Settings) -> None:
    """An answer that is no answer of Kommo's is a failed check, not a traceback."""
    with answering(500, b"<html>") as (url, _):
        seen = results(run(settings.model_copy(update={"base_url": url, "account_url": url})))
    assert (seen["Kommo"], seen["signature"], seen["account"]) == ("ok", "failed", "failed")


def test_the_token_of_another_account(settings: Settings) -> None:
    """The main API's amojo_id is compared with the configured one, and a token that it refuses is explained."""
    seen = account(settings.model_copy(update={"account_id": "x"}))
    assert (seen.result, IDS.account_id in seen.seen, seen.next_step) == (
        "failed",
        True,
        "set KOMMO_NB_ACCOUNT_ID to that",
    )
    seen = found(run(settings.model_copy(update={"token": SecretStr("wrong-token")})), "account")
    assert seen.result == "failed" and "KOMMO_NB_TOKEN" in seen.next_step and "wrong-token" not in str(seen)


def test_a_database_that_takes_no_writes(settings: Settings, tmp_path: Path) -> None:
    """A file that is no database fails, and one without any hook warns."""
    (tmp_path / "text.db").write_text("this is no database, but a text of some length " * 20)
    (seen,) = [
        each for each in run(settings.model_copy(update={"db": tmp_path / "text.db"})) if each.what == "database"
    ]
    assert (seen.result, "text.db" in seen.seen) == ("failed", True)
    Store(tmp_path / "new.db").close()
    new = settings.model_copy(update={"db": tmp_path / "new.db"})
    assert (database(new).result, last_hook(new).result) == ("ok", "warning") and "manager" in last_hook(new).next_step


def test_a_slow_disk(settings: Settings, store: Store) -> None:
    """The time since the last good hook is told, and an acknowledgement that came close to the 5 s is a warning."""
    hook = (1_750_000_000_000, "s", b"{}", "x", "valid", 200, 2_700_000, None, None, None)
    store.add_deliveries([hook, (1_750_000_600_000, *hook[1:6], 900, *hook[7:])])
    clock = FrozenClock(datetime.fromtimestamp(1_750_001_200, UTC))
    seen = last_hook(settings.model_copy(update={"db": store.path}), clock=clock)
    assert (seen.result, seen.seen) == ("warning", "10 minutes ago") and "2.7 s" in seen.next_step


# --- the way of a hook ---


@pytest.mark.parametrize(
    "url",
    [
        "https://bot.example.com/hooks",
        "http://bot.example.com/hooks/:scope_id",
        "bot.example.com/:scope_id",
        "https://[",
    ],
)
def test_an_address_that_support_would_refuse(settings: Settings, url: str) -> None:
    """The webhook address is held to the rule of the registration, before anything is sent there."""
    seen = receiver(settings.model_copy(update={"hook_url": url}))
    assert (seen.result, ":scope_id" in seen.next_step) == ("failed", True)


@pytest.mark.parametrize(
    ("host", "address", "why"),
    [
        ("192.168.1.4", "192.168.1.4", "192.168.1.4, which is no public address"),
        ("bot.example.com", "10.1.2.3", "10.1.2.3, which is no public address"),
        ("localhost", "127.0.0.1", "127.0.0.1, which is no public address"),
        ("bot.example.com", None, "nobody knows the name bot.example.com"),
    ],
)
def test_an_address_that_kommo_cannot_reach(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, host: str, address: str | None, why: str
) -> None:
    """For a Kommo elsewhere an address within the house, or a name that nobody knows, is no way to the receiver."""

    def getaddrinfo(asked: str, _port: Any, *_: Any) -> Any:
        assert asked == host
        if address is None:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, 1, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    outside = {"base_url": "https://amojo.kommo.com", "hook_url": f"https://{host}/hooks/:scope_id"}
    seen = receiver(settings.model_copy(update=outside))
    assert (seen.result, why in seen.seen, "public https address" in seen.next_step) == ("failed", True, True)


@pytest.mark.parametrize(
    ("status", "result", "hint"),
    [
        (401, "ok", ""),
        (403, "ok", ""),
        (200, "failed", "X-Signature"),
        (204, "failed", "X-Signature"),
        (302, "failed", "leads"),
        (404, "failed", "path"),
        (502, "failed", "proxy"),
        (503, "failed", "healthz"),
    ],
)
def test_what_the_receiver_answers(settings: Settings, status: int, result: str, hint: str) -> None:
    """A receiver refuses what is not signed; any other answer has its own next step."""
    with answering(status) as (url, seen):
        told = receiver(settings.model_copy(update={"hook_url": f"{url}/in/:scope_id"}))
    assert (told.result, hint in told.next_step, str(status) in told.seen) == (result, True, result == "failed")
    assert len(seen) == 3 and all(request["X-Signature"] is None for request in seen)


def test_nobody_receives(settings: Settings) -> None:
    """An address where nobody listens fails, and says what to start."""
    url = closed_port()
    seen = found(run(settings.model_copy(update={"hook_url": f"{url}/hooks/:scope_id"})), "receiver")
    assert (seen.result, seen.next_step[:28]) == ("failed", "start it: kommo-nb capture; ")


def test_a_path_may_be_a_secret(settings: Settings) -> None:
    """Of an address only scheme and host are shown, as its path or its user may be a password."""
    secretive = {"hook_url": "http://user:s3cr3t@127.0.0.1:1/s3cr3t/:scope_id", "base_url": closed_port() + "/s3cr3t"}
    assert "s3cr3t" not in "".join(map(str, run(settings.model_copy(update=secretive))))


def test_commands_take_the_database_of_the_dotenv() -> None:
    """KOMMO_NB_DB in `.env` names the file for every command, as the environment does, and an option goes before it."""
    Path(".env").write_text("KOMMO_NB_DB=of-the-dotenv.db\n")
    Path(".env").chmod(0o600)
    for words, name in (
        (["replay", "--dry-run", "1"], "of-the-dotenv"),
        (["replay", "1", "--dry-run", "--db", "x.db"], "x"),
    ):
        problem = CliRunner().invoke(cli, words, env={"KOMMO_NB_SECRET": "s"}).exception
        assert f"{name}.db" in str(problem)


def test_a_certificate_that_nobody_vouches_for(settings: Settings, tmp_path: Path) -> None:
    """An https address whose certificate browsers refuse fails, and the next step names the certificate."""
    key, made = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", made]
    subprocess.run([program("openssl"), *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_shake_hands, args=(listening, context), daemon=True).start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/hooks/:scope_id"
        seen = found(run(settings.model_copy(update={"hook_url": url})), "receiver")
    assert (seen.result, "CERTIFICATE_VERIFY_FAILED" in seen.seen, "certificate" in seen.next_step) == (
        "failed",
        True,
        True,
    )


def _shake_hands(listening: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError), listening.accept()[0] as connection:
        context.wrap_socket(connection, server_side=True)
