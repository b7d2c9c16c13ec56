"""The command that imports conversations: import."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import channel_of, cli, db_option

if TYPE_CHECKING:
    from ..importer import Plan


@cli.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@db_option()
@click.option("--threads", type=click.IntRange(1, 32), default=16, show_default=True, help="Connections to Kommo.")
@click.option("--zone", help="Of times that do not name theirs, such as Europe/Berlin.")
@click.option("--dry-run", is_flag=True, help="Show the plan; send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before writing to a live account.")
@click.option("--json", "as_json", is_flag=True, help="Print the report, or of a dry run the plan, as one JSON line.")
def import_(file: Path, db: Path, threads: int, zone: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Import conversations from FILE, CSV or JSON Lines, into the channel of the settings.

    First it shows the plan: what will be imported, what that causes, which rows are wrong and how to mend them. Then it
    sends each chat in order, silent but for the newest message. Stop it at any point and run it again: it goes on,
    and sends nothing twice.

    \b
    Columns, of which the first three are always needed:
      conversation_id   the chat on your side, any text
      sent_at           an ISO time with its zone, or unix seconds or milliseconds
      author            client, manager or bot
      text              what was written, or the caption of a file
      id                the message on your side, if texts may be mended later
      type, media       picture, file, video, voice, audio or sticker, and its URL
      file_name, file_size     of the file, in bytes
      client_id, client_name, client_phone, client_email
      manager_id, manager_name     amojo_id and name; else the bot stands in

    The exit code is 0 if all rows are in Kommo now, and 1 if not.
    """
    from ..config import load_settings
    from ..importer import bar, plan
    from ..store import Store

    settings = load_settings()
    made = plan(file, zone=zone)
    if dry_run:
        click.echo(json.dumps(_facts(made)) if as_json else str(made))
        sys.exit(1 if made.problems else 0)
    click.echo(str(made), err=True)
    if settings.profile == "live" and made.messages and not yes:
        click.confirm(f"Write this into the live account, by {settings.kommo_url}?", abort=True, err=True)
    with bar() as on_progress:
        report = made.run(channel_of(settings), settings.kommo_url, Store(db), threads=threads, on_progress=on_progress)
    if as_json:
        click.echo(json.dumps({"complete": report.complete, "left": report.left, **asdict(report)}))
    else:
        click.echo(str(report))
    sys.exit(0 if report.complete else 1)


def _facts(made: Plan) -> dict[str, object]:
    """The plan without its messages."""
    counts = {name: made.chats for name in ("chats", "notifications", "leads_at_most")}
    problems = [asdict(problem) for problem in made.problems]
    rest = {"waiting": made.waiting, "repeated": made.repeated, "unused": made.unused}
    return {"messages": made.messages, **counts, "problems": problems, **rest}
