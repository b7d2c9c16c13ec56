"""The kommo-nb command; no logic of its own."""

from __future__ import annotations

import sys

import click

from ..errors import KommoError
from . import check, exporting, hooks, importing, programs, reconcile, tools  # noqa: F401 each adds its commands to the group
from .options import cli


def main() -> None:
    """Run the command. What went wrong is told in a sentence, not in a traceback."""
    try:
        cli()
    except KommoError as error:
        click.echo(f"kommo-nb: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(0)
