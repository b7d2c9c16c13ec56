"""The sandbox as an ASGI app, and as something to start in one line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from pydantic import SecretStr

from ..asgi import Receive, Scope, Send, header_dict, lifespan, read_body, respond
from ..clock import Clock
from ..wire.channel import AllowedAccount, Channel
from . import rules
from .controls import Controls
from .dispatch import SLOW_DELAY_S, Dispatcher
from .http import Refused, Request, Response
from .rules import ROOT
from .world import Account, User, World

MAX_BODY = 1024 * 1024
"""Bytes of a request at most; Kommo's limit is not documented."""


@dataclass(frozen=True)
class Credentials:
    """What a sandbox starts with. These are made up, known to everybody, and open nothing but a sandbox."""

    channel_id: str = "344a5002-f8ca-454d-af3d-396180102ac7"
    secret: str = field(default="sandbox-secret-0000000000000000000000000", repr=False)
    account_id: str = "52e591f7-c98f-4255-8495-827210138c81"
    account_number: int = 12345678
    bot_id: str = "f1910c7f-b1e0-4184-bd09-c7def2a9109a"
    token: str = field(default="sandbox-token", repr=False)
    hook_url: str = ""

    @property
    def scope_id(self) -> str:
        """What connect will answer."""
        return f"{self.channel_id}_{self.account_id}"

    def settings(self) -> dict[str, str | SecretStr]:
        """The fields of `Settings` that lead here."""
        ids = {name: getattr(self, name) for name in ("channel_id", "account_id", "bot_id")}
        return {**ids, "secret": SecretStr(self.secret), "token": SecretStr(self.token)}

    def channel(self) -> Channel:
        """The channel as support's answer would describe it."""
        return Channel(
            id=self.channel_id,
            secret=SecretStr(self.secret),
            name="Sandbox",
            code="amo.ext.10000000",
            account_id=self.account_id,
            bot_id=self.bot_id,
            bot_name="Sandbox bot",
            webhook_url=self.hook_url,
            webhook_events=("messages", "typing"),
            allowed_accounts=(AllowedAccount(amojo_id=self.account_id, crm_account_id=self.account_number),),
            write_first=True,
            supports_reply=True,
            supports_voice=True,
            reactions="all",
            time_window_s=24 * 3600,
            test_mode=True,
        )


def new_world(credentials: Credentials, *, clock: Clock | None = None) -> World:
    """A world with one account of three users, and one registered channel that is not connected yet."""
    world = World(clock)
    world.register(credentials.channel())
    users = [
        User(1001, "Maria Silva", "76fc2bea-902f-425c-9a3d-dcdac4766090"),
        User(1002, "Tom Becker", "5d1a6a4e-3c0b-4f6e-9c55-5f0f6a1f7b02"),
        User(1003, "Not in chats yet", None),
    ]
    account = Account(
        credentials.account_number, credentials.account_id, "Sandbox account", "sandbox", credentials.token, users
    )
    world.accounts[account.amojo_id] = account
    return world


class Sandbox:
    """The ASGI app of the local Kommo: the Chats API, the main API's ids, and the controls under /_sandbox/.

    Args:
        credentials: the channel and account that it starts with.
        hook_url: where hooks go instead of the channel's registered address.
        clock: a seeded one makes its times and ids the same each time.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        hook_url: str | None = None,
        clock: Clock | None = None,
        slow_delay_s: float = SLOW_DELAY_S,
    ) -> None:
        self.credentials = credentials or Credentials()
        self.world = new_world(self.credentials, clock=clock)
        self.dispatcher = Dispatcher(hook_url=hook_url, slow_delay_s=slow_delay_s)
        self.controls = Controls(self.world, self.dispatcher)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send, self.dispatcher.start, self.dispatcher.stop)
        elif scope["type"] == "http":
            response = await self._answer(scope, receive)
            body = b"" if response.payload is None else json.dumps(response.payload, ensure_ascii=False).encode()
            await respond(send, response.status, body, response.content_type)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        body = await read_body(receive, limit=MAX_BODY)
        if body is None:
            return Refused(413, "BODY_TOO_LARGE", f"a body has {MAX_BODY} bytes at most").response
        path = scope["raw_path"].decode("latin-1")
        if (scope["method"], path) == ("GET", "/"):
            return Response(200, {"sandbox": "a local Kommo", "chats_api": ROOT, "state": "/_sandbox/state"})
        if path.startswith("/_sandbox/"):
            return await self.controls.answer(scope["method"], path.removeprefix("/_sandbox/"), body)
        fault = await self.controls.next_fault()
        if fault is not None:
            return fault
        query = scope["query_string"].decode("latin-1")
        return rules.answer(self.world, Request(scope["method"], path, query, header_dict(scope), body))
