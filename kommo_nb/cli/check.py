"""The command that tells what stands between a configuration and a working channel: check."""

from __future__ import annotations

import json
import sys

import click

from ..config import load_settings
from ..errors import ConfigError
from .options import cli, complete

_COLOURS = {"ok": "green", "warning": "yellow", "missing": "red", "failed": "red"}


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON line.")
def check(as_json: bool) -> None:
    """Tell what is missing or wrong, and the next step.

    It says what is configured, and tries each step to a working channel. All that it leaves behind is three hooks
    without a signature, which the receiver refuses and keeps as refused: tail shows them.
    The settings come from the environment and from .env. In the sandbox profile it looks at this machine's sandbox and
    receiver. The exit code is 1 if something is missing or failed.
    """
    from ..checks import failed, run

    try:
        checks = run(complete(load_settings()))
    except ConfigError as error:
        checks = iter([failed("settings", error)])
    found = []
    for each in checks:
        found.append(each)
        if not as_json:
            click.echo(click.style(str(each)[:9], fg=_COLOURS[each.result]) + str(each)[9:])
    good = all(each.ok for each in found)
    if as_json:
        click.echo(json.dumps({"ok": good, "checks": [each._asdict() for each in found]}))
    sys.exit(0 if good else 1)
