"""What several commands share: the group, and the options that mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import CAPTURE_PORT, Settings, load_settings

if TYPE_CHECKING:
    from ..wire.channel import Channel


@click.group()
def cli() -> None:
    """Learn, build and watch a Kommo Chats API channel."""


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")


def _not_blank(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it is blank")
    return value


# The environment is read with the other settings: they may name more secrets than one.
secret_option = click.option(
    "--secret", callback=_not_blank, help="The channel secret; better set KOMMO_NB_SECRET, which no process list shows."
)


def db_option(help: str = "The SQLite file.", *, exists: bool = False) -> Callable[..., Any]:
    """The SQLite file, by default the one that the settings name; with `exists` one that is not there is refused."""
    kind = click.Path(exists=exists, dir_okay=False, path_type=Path)
    return click.option("--db", type=kind, default=lambda: load_settings().db, show_default="data/kommo.db", help=help)


def port_option(default: int, name: str = "--port") -> Callable[..., Any]:
    """The port to listen on."""
    return click.option(name, type=click.IntRange(0, 65535), default=default, show_default=True, help="0: a free one.")


class Moment(click.ParamType[int]):
    """A time in unix milliseconds, given as an ISO time or as a span before now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from ..store.selection import moment_ms

        try:
            return moment_ms(value, now=datetime.now(UTC))
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


def complete(settings: Settings) -> Settings:
    """The settings; in the sandbox profile, with its own known ids and secrets where nothing is configured."""
    if settings.profile == "live":
        return settings
    from ..sandbox.app import Credentials

    known = {**Credentials().settings(), "hook_url": f"http://127.0.0.1:{CAPTURE_PORT}/hooks/:scope_id"}
    return settings.model_copy(update={name: value for name, value in known.items() if not getattr(settings, name)})


def channel_of(settings: Settings) -> Channel:
    """The configured channel; in the sandbox, its own known one where nothing is configured."""
    return complete(settings).channel()
