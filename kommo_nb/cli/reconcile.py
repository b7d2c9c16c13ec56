"""The command that compares history with the store: reconcile."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from .options import Moment, channel_of, cli, db_option


@cli.command()
@db_option("The SQLite file of the receiver.", exists=True)
@click.option("--since", type=Moment(), help="Nothing older: an ISO time, or a span before now: 30m, 2h, 7d.")
@click.option("--dry-run", is_flag=True, help="Report only; import nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON line.")
def reconcile(db: Path, since: int | None, dry_run: bool, as_json: bool) -> None:
    """Find what Kommo's history has and the database lacks, such as hooks that came while the receiver was down.

    It reads the history of every known chat, each time only what the last run has not compared, and imports what is
    missing. A run that was cut short goes on where it stopped. Messages of the last minute are left to the next run.

    The channel is that of the settings, by default the sandbox's. The exit code is 0 if the database is complete now,
    and 1 if not: a chat could not be read, or it was a dry run.
    """
    from ..client import ChatsClient
    from ..config import load_settings
    from ..importer import bar
    from ..reconcile import reconcile
    from ..store import Store

    settings = load_settings()
    start = None if since is None else datetime.fromtimestamp(since / 1000, UTC)
    with ChatsClient(channel_of(settings), settings.kommo_url) as client, bar("Chats") as on_progress:
        report = reconcile(client, Store(db), since=start, dry_run=dry_run, on_progress=on_progress)
    if as_json:
        click.echo(json.dumps({"complete": report.complete, **asdict(report)}))
    else:
        click.echo(str(report))
    sys.exit(0 if report.complete else 1)
