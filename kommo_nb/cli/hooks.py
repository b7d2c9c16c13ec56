"""The commands about what is stored: replay, tail."""

from __future__ import annotations

import io
import json
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from ..wire.kinds import CALL_KINDS, HOOK_KINDS
from .options import Moment, cli, db_option, secret_option

if TYPE_CHECKING:
    from ..replay import Edit
    from ..store import Store
    from ..store.selection import Filter

VERDICTS = ("trusted", "refused", "valid", "valid_trimmed", "missing", "mismatch")
"""Those of `kommo_nb.store.selection`, whose import would slow every command down."""


class _Change(click.ParamType[tuple[str, Any]]):
    name = "path=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        path, found, text = value.partition("=")
        if not found or not path:
            self.fail(f"{value[:40]!r} is not like message.message.text=Hello", param, ctx)
        with suppress(ValueError, RecursionError):
            return path, json.loads(text)
        return path, text


def _filters(kinds: tuple[str, ...], verdict: str | None) -> Callable[..., Any]:
    """The options that replay and tail share; each is a field of `Filter`."""
    options = (
        click.option("--scope", "scope_id", help="Only of this scope_id."),
        click.option("--kind", type=click.Choice(kinds), help="Only of this kind."),
        click.option("--verdict", type=click.Choice(VERDICTS), default=verdict, show_default=True, help="Of hooks."),
        click.option("--since", "since_ms", type=Moment(), help="An ISO time, or a span before now: 30m, 2h, 7d."),
        click.option("--text", help="Only those that say this, in capital letters or small ones."),
    )

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@cli.command()
@click.argument("ids", nargs=-1, type=click.IntRange(min=1))
@click.option("--url", help="Where to; :scope_id is replaced. Not needed for a dry run.")
@_filters(HOOK_KINDS, "trusted")
@click.option("--until", "until_ms", type=Moment(), help="The end of the period, in the same forms.")
@click.option("--problem", is_flag=True, help="Only those that could not be read.")
@click.option("--set", "changes", multiple=True, type=_Change(), help="Change a field of the body; repeatable.")
@click.option("--dry-run", is_flag=True, help="Show the requests; send nothing and note nothing.")
@db_option()
@secret_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line for each hook.")
def replay(
    ids: tuple[int, ...],
    url: str | None,
    changes: tuple[tuple[str, Any], ...],
    dry_run: bool,
    db: Path,
    secret: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Send stored hooks to a URL again, signed afresh. They are chosen by IDS, by the filters, or by both.

    Each is sent as it came, and signed with or without its last newline, as it was. A value for --set that is JSON is
    taken as that, any other as text: --set message.message.text=Hello. A message keeps its id, so that a receiver may
    know it already: set message.message.id too. The secret is that of the hook's channel, if KOMMO_NB_SECRETS has
    several.

    Hooks whose signature was refused are left out, because signed again a forged hook looks genuine. Ask for them by
    --verdict if that is what you want.

    Every attempt is noted in the table `replays`. The exit code is 1 if one was not answered 200 within 5 seconds.
    """
    from ..config import load_settings
    from ..replay import set_fields
    from ..store import Store
    from ..store.selection import Filter

    asked = click.get_current_context().get_parameter_source("verdict") is click.core.ParameterSource.COMMANDLINE
    if not ids and not asked and not any(value for name, value in filters.items() if name != "verdict"):
        raise click.UsageError("Say which hooks: their ids, or a filter. All of them are: --verdict trusted")
    if not url and not dry_run:
        raise click.UsageError("Say where to: --url http://127.0.0.1:9000/hooks/:scope_id, or look first: --dry-run")
    key, edit = secret or load_settings().hook_secrets(), set_fields(dict(changes)) if changes else None
    store, wanted = Store(db, read_only=True), Filter(ids=ids, **filters)
    count = _count(store, wanted)
    if not count:
        click.echo("No stored hook fits.", err=True)
    elif dry_run:
        sys.exit(_show(store, wanted, url or "", key, edit, as_json))
    else:
        sys.exit(_send(store, wanted, count, url or "", key, edit, as_json))


def _count(store: Store, wanted: Filter) -> int:
    """How many hooks fit; an error if one that was named by its id is not among them."""
    from ..store.selection import Filter, select

    left, count = set(wanted.ids), 0
    for stored in select(store, wanted):
        left.discard(stored.id)
        count += 1
    for stored in select(store, Filter(ids=tuple(left))) if left else ():
        if not stored.trusted and wanted.verdict == "trusted":
            raise ConfigError(
                f"hook {stored.id} was refused ({stored.verdict}), and signed again it would look genuine: "
                f"if that is what you want, add --verdict {stored.verdict}"
            )
    if left:
        raise ConfigError(f"no hook {', '.join(map(str, sorted(left)))} in {store.path} fits: kommo-nb tail shows them")
    return count


def _show(store: Store, wanted: Filter, url: str, secret: Any, edit: Edit | None, as_json: bool) -> int:
    """Print what would be sent; the exit code."""
    from ..lines import safe
    from ..replay import request
    from ..store.selection import select

    _take_any_letter()
    failed = 0
    for stored in select(store, wanted):
        try:
            ready = request(stored, url, secret=secret, edit=edit)
        except ValueError as problem:
            failed = 1
            click.echo(f"hook {stored.id}: not to be sent: {safe(str(problem))}", err=True)
            continue
        body = ready.body.decode("utf-8", "surrogateescape")
        facts = {"delivery_id": stored.id, "method": "POST", "url": url and ready.url, "headers": ready.headers}
        click.echo(json.dumps({**facts, "body": body}) if as_json else f"{ready}\n")
    return failed


def _send(store: Store, wanted: Filter, count: int, url: str, secret: Any, edit: Edit | None, as_json: bool) -> int:
    """Send them, with a progress bar where somebody looks; the exit code."""
    from rich.console import Console
    from rich.progress import track

    from ..lines import safe
    from ..replay import replay
    from ..store import Store
    from ..store.selection import select

    console = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    attempts = replay(select(store, wanted), url, secret=secret, edit=edit, log=Store(store.path))
    bar = track(attempts, "Replay", total=count, console=console, transient=True, disable=not console.is_terminal)
    done = good = 0
    try:
        for attempt in bar:
            done, good = done + 1, good + attempt.ok
            if as_json:
                click.echo(json.dumps(attempt.facts()))
            elif not attempt.ok:
                console.print(f"hook {attempt.delivery_id}: {safe(attempt.outcome)}")
    finally:
        if done and not as_json:
            click.echo(f"{good} of {done} answered 200 by {url}")
    return int(good < done)


@cli.command()
@_filters((*HOOK_KINDS, *(kind for kind in CALL_KINDS if kind not in HOOK_KINDS)), None)
@click.option("--hooks/--no-hooks", default=True, help="The hooks that came.")
@click.option("--calls/--no-calls", default=True, help="The calls that were made.")
@click.option("-n", "--lines", "past", type=click.IntRange(0), help="How many of the past come first. [default: 10]")
@db_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, with ids and everything parsed.")
def tail(hooks: bool, calls: bool, past: int | None, db: Path, as_json: bool, **filters: Any) -> None:
    """Hooks (←) and calls (→) as they happen, a line each, until Ctrl-C.

    A line has the time, the id, the kind, the verdict or status, the milliseconds until the answer, who, in which
    conversation, and the text. With --since it begins there, otherwise with the last 10. A verdict is a hook's alone.

    A hook is shown once its milliseconds are stored, about half a second after it came, or after a second without.
    """
    from ..config import load_settings
    from ..lines import json_line, line
    from ..store.selection import Filter
    from ..tail import Tail, wait_for_store

    if past is None and filters["since_ms"] is None:
        past = 10
    on_terminal = sys.stdout.isatty()
    _take_any_letter()
    mask, told = load_settings().mask.get_secret_value(), f"Waiting for {db} to be made."
    with suppress(KeyboardInterrupt):
        store = wait_for_store(db, on_wait=lambda: click.echo(told, err=True), mask=mask)
        for row in Tail(store, Filter(**filters), past=past, hooks=hooks, calls=calls).follow(threading.Event()):
            width = shutil.get_terminal_size().columns if on_terminal else 140
            click.echo(json_line(row) if as_json else line(row, width=width))


def _take_any_letter() -> None:
    """What the terminal's encoding has no place for is escaped, instead of ending the program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
