"""The commands that go on until Ctrl-C: demo, lab, sandbox, capture, dashboard."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..config import CAPTURE_PORT, DASHBOARD_PORT, LAB_PORT, SANDBOX_PORT, load_settings
from .options import cli, db_option, json_option, port_option, secret_option


@cli.command()
@port_option(SANDBOX_PORT, "--sandbox-port")
@port_option(CAPTURE_PORT, "--capture-port")
@port_option(DASHBOARD_PORT, "--dashboard-port")
@port_option(LAB_PORT, "--lab-port")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), default=Path("data/demo.db"), show_default=True)
@click.option(
    "--days", type=click.IntRange(0, 365), default=90, show_default=True, help="Days of history to begin with."
)
@click.option("--lab/--no-lab", default=True, help="With or without JupyterLab.")
@json_option
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
    from ..demo import Ports, run_demo

    ports = Ports(sandbox_port, capture_port, dashboard_port, lab_port)
    run_demo(ports, db, days=days, lab=lab, announce=_announcer(as_json))


@cli.command()
@port_option(LAB_PORT)
@port_option(SANDBOX_PORT, "--sandbox-port")
@port_option(CAPTURE_PORT, "--capture-port")
@db_option()
@json_option
def lab(port: int, sandbox_port: int, capture_port: int, db: Path, as_json: bool) -> None:
    """JupyterLab on the lessons, sandbox and receiver beside it."""
    from ..demo import Ports, run_lab

    run_lab(Ports(sandbox_port, capture_port, 0, port), db, announce=_announcer(as_json))


@cli.command()
@port_option(SANDBOX_PORT)
@click.option("--channel-id", help="The channel that is registered from the start.")
@click.option("--account-id", help="The amojo_id of the account.")
@click.option("--hook-url", help="Where hooks go; :scope_id is replaced. Default: the channel's registered address.")
@secret_option
@json_option
def sandbox(
    port: int, channel_id: str | None, account_id: str | None, hook_url: str | None, secret: str | None, as_json: bool
) -> None:
    """The local Kommo alone."""
    from ..sandbox.app import Credentials, Sandbox
    from ..serving import Server

    secret = secret or load_settings().secret.get_secret_value()
    given: dict[str, Any] = {"channel_id": channel_id, "account_id": account_id, "secret": secret}
    credentials = replace(Credentials(), **{key: value for key, value in given.items() if value})
    shown = {
        key: getattr(credentials, key) for key in ("channel_id", "secret", "account_id", "scope_id", "bot_id", "token")
    }
    announce = _announcer(as_json)
    app = Sandbox(credentials, hook_url=hook_url)
    Server(app, port=port, on_ready=lambda url: announce({"sandbox": url, **shown})).run_here()


@cli.command()
@port_option(CAPTURE_PORT)
@db_option()
@secret_option
@json_option
def capture(port: int, db: Path, secret: str | None, as_json: bool) -> None:
    """The receiver of hooks alone, at POST /hooks/{scope_id}."""
    from ..capture import Capture, ProjectorProcess
    from ..serving import Server
    from ..store import Store

    secrets = secret or load_settings().hook_secrets()
    announce = _announcer(as_json)

    def on_ready(url: str) -> None:
        announce({"capture": url, "hooks": f"{url}/hooks/:scope_id", "db": str(db)})

    with ProjectorProcess(db):
        Server(Capture(Store(db), secrets, project=False), port=port, on_ready=on_ready).run_here()


@cli.command()
@db_option()
@click.option("--until-eof", is_flag=True, help="End with the program that writes to its standard input.")
@json_option
def project(db: Path, until_eof: bool, as_json: bool) -> None:
    """Keep messages, statuses and chats up to date with the hooks that another program stores."""
    from ..capture.projector import follow
    from ..store import Store

    Store(db).close()
    ended = threading.Event()
    if until_eof:
        os.nice(10)  # the receiver goes first
        threading.Thread(target=_wait_for_end_of_input, args=(ended,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        _announcer(as_json)({"project": str(db)})
        follow(db, ended.wait)


@cli.command()
@port_option(DASHBOARD_PORT)
@db_option()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to listen on; another one needs a password."
)
@click.option("--origin", multiple=True, help="host:port in the address bar, where it differs, as behind a proxy.")
@json_option
def dashboard(port: int, db: Path, host: str, origin: tuple[str, ...], as_json: bool) -> None:
    """The dashboard alone.

    It asks for the password in KOMMO_NB_DASHBOARD_PASSWORD where that is set, and serves other machines only then.
    """
    from dashboards.server import serve

    announce = _announcer(as_json)
    serve(
        db,
        port=port,
        address=host,
        password=load_settings().dashboard_password.get_secret_value(),  # no option: all can read a command line
        origins=origin,
        on_ready=lambda url: announce({"dashboard": url, "db": str(db)}),
    )


def _wait_for_end_of_input(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


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
