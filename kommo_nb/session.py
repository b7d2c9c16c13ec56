"""What a lesson works with: a Kommo, a receiver, a store and a client, opened in one line.

In the sandbox profile all of it starts inside the notebook's process, in threads beside the kernel's loop. Times and
ids are seeded there, so that everybody sees the same output.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .capture import Capture
from .client import ChatsClient
from .clock import Clock, SeededClock
from .config import Settings, load_settings
from .errors import ConfigError
from .main_api import MainApi
from .press import press
from .sandbox.app import Credentials, Sandbox
from .serving import Server
from .store import Store
from .wire.answers import Connection
from .wire.channel import Channel

LESSON_TIME = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When lessons take place: a Monday morning."""


class Session:
    """A lesson's Kommo. Use `open_session`.

    Attributes:
        settings: as in the environment; in the sandbox, with its own addresses, ids and secrets.
        kommo_url: the address of the Chats API and, in the sandbox, of the main API too.
        account_id: the account's amojo_id.
        store: where calls and hooks are kept.
        client: makes the eight calls, each noted in the store.
        clock: the time and ids of the lesson.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        channel: Channel,
        store: Store,
        clock: Clock,
        servers: tuple[Server, ...] = (),
    ) -> None:
        self.settings, self.kommo_url, self.account_id = settings, settings.kommo_url, settings.account_id
        self.store, self.clock = store, clock
        self.client = ChatsClient(channel, self.kommo_url, store=store, clock=clock)
        self._servers = servers

    def __repr__(self) -> str:
        return f"Session({'sandbox' if self._servers else 'live'}, channel {self.channel.id})"

    @property
    def channel(self) -> Channel:
        """The channel, its secret hidden; with its scope once it is connected."""
        return self.client.channel

    def connect(self) -> Connection:
        """Connect the channel to the account; lesson 03 takes this apart."""
        return self.client.connect(self.account_id)

    def crm(self, action: str, **payload: Any) -> dict[str, Any]:
        """Act for the people of the CRM, in the sandbox: `crm("manager/message", text="Hello")`.

        Returns what happened, and how each hook was answered.
        """
        if not self._servers:
            raise ConfigError(f"{action}: on a live account, do this yourself in Kommo; the sandbox does it for you")
        return press(self.kommo_url, action, payload)

    def main_api(self, path: str) -> dict[str, Any]:
        """GET a path of the account's main API, such as `/api/v4/account`; the decoded answer."""
        return MainApi(self.settings.main_url, self.settings.token).get(path.removeprefix("/api/v4/"))

    def close(self) -> None:
        """Stop what was started; what was stored stays."""
        self.client.close()
        for server in self._servers:
            server.stop()
        self.store.close()


def open_session(lesson: str, *, writes: str = "") -> Session:
    """A session for one lesson, in the profile that KOMMO_NB_PROFILE names.

    In the sandbox it keeps its rows in a new temporary file. Where KOMMO_NB_DB is set, as `kommo-nb demo` and
    `kommo-nb lab` do, they go into that file, so that the dashboard shows them; then ids and times are real, and the
    account is a new one each time.

    Args:
        writes: what the lesson writes into the account. On a live one it asks first.

    Raises:
        ConfigError: a setting is missing, or the answer was not yes.
    """
    settings = load_settings()
    if settings.profile == "live":
        channel = settings.channel()
        if writes and input(f"Write {writes} into the live account {channel.account_id}? [yes/no] ").lower() != "yes":
            raise ConfigError("nothing was written; without KOMMO_NB_PROFILE=live the lesson works on the sandbox")
        return Session(settings=settings, channel=channel, store=Store(settings.db), clock=Clock())
    credentials = Credentials()
    clock: Clock = SeededClock(lesson, start=LESSON_TIME)
    path = Path(tempfile.mkdtemp(prefix="kommo-nb-")) / f"{lesson}.db"
    if os.environ.get("KOMMO_NB_DB"):
        credentials, clock, path = replace(credentials, account_id=str(uuid.uuid4())), Clock(), settings.db
    store = Store(path)
    capture = Server(Capture(store, credentials.secret, clock=clock)).start()
    hooks = f"{capture.url}/hooks/:scope_id"
    sandbox = Server(Sandbox(credentials, hook_url=hooks, clock=clock)).start()
    # Like a channel on its first day: known to support, connected to no account yet.
    channel = credentials.channel().model_copy(update={"account_id": "", "scope_id": ""})
    store.remember_channel(channel.id, name=channel.name, bot_id=channel.bot_id)
    its_own = credentials.settings() | {"base_url": sandbox.url, "account_url": "", "hook_url": hooks, "db": path}
    settings = settings.model_copy(update=its_own)
    return Session(settings=settings, channel=channel, store=store, clock=clock, servers=(sandbox, capture))
