"""The kommo-nb command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import click

from .config import CAPTURE_PORT, DASHBOARD_PORT, LAB_PORT, SANDBOX_PORT
from .errors import KommoError

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
_db = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="KOMMO_NB_DB",
    default=Path("data/kommo.db"),
    show_default=True,
    help="The SQLite file.",
)
_secret = click.option("--secret", envvar="KOMMO_NB_SECRET", help="The channel secret; better set KOMMO_NB_SECRET.")


def _port(default: int, name: str = "--port") -> Callable[..., Any]:
    return click.option(name, type=click.IntRange(0, 65535), default=default, show_default=True, help="0: a free one.")


@click.group()
def cli() -> None:
    """Learn, build and watch a Kommo Chats API channel."""


@cli.command()
@_port(SANDBOX_PORT, "--sandbox-port")
@_port(CAPTURE_PORT, "--capture-port")
@_port(DASHBOARD_PORT, "--dashboard-port")
@_port(LAB_PORT, "--lab-port")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), default=Path("data/demo.db"), show_default=True)
@click.option(
    "--days", type=click.IntRange(0, 365), default=90, show_default=True, help="Days of history to begin with."
)
@click.option("--lab/--no-lab", default=True, help="With or without JupyterLab.")
@_json
def demo(
    sandbox_port: int,
    capture_port: int,
    dashboard_port: int,
    lab_port: int,
    db: Path,
    days: int,
    lab: bool,
    as_json: bool,
) -> None:
    """Sandbox, receiver, seeded traffic, dashboard and JupyterLab side by side, until Ctrl-C."""
    from .demo import Ports, run_demo

    ports = Ports(sandbox_port, capture_port, dashboard_port, lab_port)
    run_demo(ports, db, days=days, lab=lab, announce=_announcer(as_json))


@cli.command()
@_port(LAB_PORT)
@_port(SANDBOX_PORT, "--sandbox-port")
@_port(CAPTURE_PORT, "--capture-port")
@_db
@_json
def lab(port: int, sandbox_port: int, capture_port: int, db: Path, as_json: bool) -> None:
    """JupyterLab on the lessons, sandbox and receiver beside it."""
    from .demo import Ports, run_lab

    run_lab(Ports(sandbox_port, capture_port, 0, port), db, announce=_announcer(as_json))


@cli.command()
@_port(SANDBOX_PORT)
@click.option("--channel-id", help="The channel that is registered from the start.")
@click.option("--account-id", help="The amojo_id of the account.")
@click.option("--hook-url", help="Where hooks go; :scope_id is replaced. Default: the channel's registered address.")
@_secret
@_json
def sandbox(
    port: int, channel_id: str | None, account_id: str | None, hook_url: str | None, secret: str | None, as_json: bool
) -> None:
    """The local Kommo alone."""
    from .sandbox.app import Credentials, Sandbox
    from .serving import Server

    given: dict[str, Any] = {"channel_id": channel_id, "account_id": account_id, "secret": secret}
    credentials = replace(Credentials(), **{key: value for key, value in given.items() if value})
    shown = {
        key: getattr(credentials, key) for key in ("channel_id", "secret", "account_id", "scope_id", "bot_id", "token")
    }
    announce = _announcer(as_json)
    app = Sandbox(credentials, hook_url=hook_url)
    Server(app, port=port, on_ready=lambda url: announce({"sandbox": url, **shown})).run_here()


@cli.command()
@_port(CAPTURE_PORT)
@_db
@_secret
@_json
def capture(port: int, db: Path, secret: str | None, as_json: bool) -> None:
    """The receiver of hooks alone, at POST /hooks/{scope_id}."""
    from .capture import Capture
    from .config import load_settings
    from .serving import Server
    from .store import Store

    key = secret or load_settings().require_secret()
    announce = _announcer(as_json)
    app = Capture(Store(db), key)

    def on_ready(url: str) -> None:
        announce({"capture": url, "hooks": f"{url}/hooks/:scope_id", "db": str(db)})

    Server(app, port=port, on_ready=on_ready).run_here()


@cli.command()
@_port(DASHBOARD_PORT)
@_db
@_json
def dashboard(port: int, db: Path, as_json: bool) -> None:
    """The dashboard alone."""
    from dashboards.app import serve

    announce = _announcer(as_json)
    serve(db, port=port, on_ready=lambda url: announce({"dashboard": url, "db": str(db)}))


TRIGGERS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("manager/message", {"text": "Hello, how can I help?"}),
    "picture": (
        "manager/message",
        {"text": "Here it is", "attachments": [{"type": "picture", "media": "https://example.com/tulips.jpg"}]},
    ),
    "media-group": (
        "manager/message",
        {
            "text": "Two views",
            "attachments": [
                {"type": "picture", "media": "https://example.com/front.jpg"},
                {"type": "picture", "media": "https://example.com/side.jpg"},
            ],
        },
    ),
    "template": (
        "manager/message",
        {
            "text": "Your order 15926745 is ready",
            "template": {"id": 7103, "external_id": "order-ready", "content": "Your order {{lead.id}} is ready"},
            "markup": {"mode": "inline", "buttons": [[{"text": "Thanks"}, {"text": "When?"}]]},
        },
    ),
    "typing": ("manager/typing", {}),
    "reaction": ("manager/reaction", {"emoji": "👍"}),
    "write-first": ("manager/write-first", {"phone": "+15550100", "text": "Hello, you asked us to write."}),
}
"""What the sandbox's manager can be made to do: its control, and what it says by default."""


@cli.command()
@click.argument("name", type=click.Choice(list(TRIGGERS)))
@click.option("--url", default=f"http://127.0.0.1:{SANDBOX_PORT}", show_default=True, help="The sandbox.")
@click.option("--text", help="What is written.")
@click.option("--conversation-id", help="In which chat; the one written in last by default.")
@click.option("--phone", help="To whom, for write-first.")
@click.option("--emoji", help="For reaction.")
@_json
def trigger(
    name: str,
    url: str,
    text: str | None,
    conversation_id: str | None,
    phone: str | None,
    emoji: str | None,
    as_json: bool,
) -> None:
    """Make the sandbox's manager do something."""
    from .press import press

    action, payload = TRIGGERS[name]
    given = {"text": text, "conversation_id": conversation_id, "phone": phone, "emoji": emoji}
    answer = press(url, action, payload | {key: value for key, value in given.items() if value})
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for hook in answer["hooks"]:
        outcome = f"answered {hook['status']}" if hook["status"] else f"not delivered ({hook['error']})"
        click.echo(f"{name}: {hook['kind']} hook {outcome} after {hook['elapsed_ms']} ms")
    if not answer["hooks"]:
        click.echo(f"{name}: done, but this channel gets no hook for it")


@cli.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--signature", help="FILE is the body of a hook, and this its X-Signature.")
@click.option("--other-secret", "others", multiple=True, help="A secret that may have been taken instead; repeatable.")
@_secret
def doctor(file: IO[bytes], signature: str | None, others: tuple[str, ...], secret: str | None) -> None:
    """Explain a refused signature. FILE or standard input is a curl command, raw HTTP, HAR, or a hook's body."""
    from .config import load_settings
    from .wire.doctor import diagnose_pasted

    key = secret or load_settings().require_secret()
    diagnosis = diagnose_pasted(file.read(), secret=key, other_secrets=others, hook_signature=signature)
    click.echo(str(diagnosis))
    sys.exit(0 if diagnosis.ok else 1)


def _announcer(as_json: bool) -> Callable[[dict[str, Any]], None]:
    """Prints addresses once they answer: a JSON line, or lines for people."""

    def announce(facts: dict[str, Any]) -> None:
        if as_json:
            click.echo(json.dumps(facts))
        else:
            for name, value in facts.items():
                click.echo(f"{name:>12}  {value}")
            click.echo("Ctrl-C stops it.")
        sys.stdout.flush()

    return announce


def main() -> None:
    """Run the command. What went wrong is told in a sentence, not in a traceback."""
    try:
        cli()
    except KommoError as error:
        click.echo(f"kommo-nb: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
