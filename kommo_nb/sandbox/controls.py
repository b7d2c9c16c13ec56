"""The sandbox's own controls, under /_sandbox/: what a learner or a test makes the people of the CRM do.

They are not part of Kommo. Each takes and gives JSON; `wait` (true by default) waits until the hooks were answered.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ..errors import RegistrationError
from ..wire.channel import parse_support_answer, support_answer
from ..wire.registration import Registration, problems
from . import manager
from .bodies import Body, Text
from .dispatch import Dispatcher
from .http import Response, first_problem
from .manager import OutgoingHook
from .world import Chat, Connected, StoredMessage, World


class _InChat(Body):
    """Which chat: by our id or Kommo's; the one written in last if neither is given."""

    conversation_id: Text | None = None
    chat_id: Text | None = None
    manager: str | None = None
    bot: bool = False
    wait: bool = True


class _Attachment(Body):
    type: Literal["file", "video", "picture", "voice", "audio", "sticker"]
    media: Text
    thumbnail: str | None = None
    file_name: str | None = None
    file_size: int | None = None


class _Write(_InChat):
    text: str = ""
    attachments: Annotated[list[_Attachment], Field(max_length=10, default_factory=list)]
    reply_to: Text | None = None
    markup: dict[str, Any] | None = None
    template: dict[str, Any] | None = None


class _WriteFirst(Body):
    phone: Text
    text: Text
    scope_id: Text | None = None
    manager: str | None = None
    wait: bool = True


class _Reaction(_InChat):
    emoji: str | None = None
    id: Text | None = None
    msgid: Text | None = None


class _ClockMove(Body):
    offset_s: Annotated[int, Field(ge=-(10**8), le=10**8)]


class _Faults(Body):
    """The next `times` calls get `status` after `delay_ms`; the next `drop_hooks` hooks are lost on their way."""

    status: Annotated[int, Field(ge=400, le=599)] | None = None
    times: Annotated[int, Field(ge=0)] = 1
    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    retry_after: int | None = None
    drop_hooks: Annotated[int, Field(ge=0)] = 0


class ControlError(Exception):
    """The control cannot do that; the message says what to send instead."""


class Controls:
    """Acts for the people of the CRM and for Kommo's support."""

    def __init__(self, world: World, dispatcher: Dispatcher) -> None:
        self._world, self._dispatcher = world, dispatcher
        self.faults = _Faults(times=0)

    async def answer(self, method: str, name: str, body: bytes) -> Response:
        """What a control answers; a 400 with `error` for what it cannot do."""
        actions = {
            ("POST", "manager/message"): self._write,
            ("POST", "manager/typing"): self._typing,
            ("POST", "manager/reaction"): self._reaction,
            ("POST", "manager/write-first"): self._write_first,
            ("POST", "support/registration"): self._register,
            ("POST", "faults"): self._set_faults,
            ("POST", "clock"): self._move_clock,
            ("GET", "state"): self._state,
        }
        action = actions.get((method, name))
        if action is None:
            return Response(404, {"error": f"no such control; there are {sorted(f'{m} {n}' for m, n in actions)}"})
        try:
            return Response(200, await action(body))
        except ValidationError as error:
            return Response(400, {"error": first_problem(error)})
        except (ControlError, RegistrationError) as error:
            return Response(400, {"error": str(error)})

    # --- people of the CRM --------------------------------------------------------------------------------------------

    async def _write(self, body: bytes) -> Any:
        do = _Write.model_validate_json(body or b"{}")
        chat, connected = self._chat(do)
        author = manager.person_of(connected, do.manager, bot=do.bot)
        extras = {key: value for key, value in (("markup", do.markup), ("template", do.template)) if value}
        attachments = [each.model_dump(exclude_none=True) for each in do.attachments]
        messages, hooks = manager.writes(
            self._world, chat, do.text, author=author, attachments=attachments, reply_to=do.reply_to, extras=extras
        )
        return {**self._written(chat, messages), "hooks": await self._send(hooks, do.wait)}

    async def _write_first(self, body: bytes) -> Any:
        do = _WriteFirst.model_validate_json(body or b"{}")
        connected = self._scope(do.scope_id)
        if not connected.channel.write_first:
            raise ControlError("this channel was registered without write first")
        author = manager.person_of(connected, do.manager)
        chat = manager.begin_chat(self._world, connected, do.phone)
        messages, hooks = manager.writes(self._world, chat, do.text, author=author)
        return {**self._written(chat, messages), "hooks": await self._send(hooks, do.wait)}

    async def _typing(self, body: bytes) -> Any:
        do = _InChat.model_validate_json(body or b"{}")
        chat, connected = self._chat(do)
        hooks = manager.types(self._world, chat, author=manager.person_of(connected, do.manager, bot=do.bot))
        return {"chat_id": chat.id, "hooks": await self._send(hooks, do.wait)}

    async def _reaction(self, body: bytes) -> Any:
        do = _Reaction.model_validate_json(body or b"{}")
        chat, connected = self._chat(do)
        from_client = [each for each in chat.messages if each.receiver is None]
        named = bool(do.id or do.msgid)
        message = chat.find(id=do.id, msgid=do.msgid) if named else next(reversed(from_client), None)
        if message is None:
            raise ControlError("no such message in this chat: give its id or msgid")
        author = manager.person_of(connected, do.manager, bot=do.bot)
        hooks = manager.reacts(self._world, chat, message, do.emoji, author=author)
        return {"chat_id": chat.id, "message_id": message.id, "hooks": await self._send(hooks, do.wait)}

    async def _send(self, hooks: list[OutgoingHook], wait: bool) -> list[dict[str, Any]]:
        futures = [self._dispatcher.put(hook) for hook in hooks]
        return [asdict(sent) for sent in await asyncio.gather(*futures)] if wait else []

    def _written(self, chat: Chat, messages: list[StoredMessage]) -> dict[str, Any]:
        return {"chat_id": chat.id, "message_ids": [message.id for message in messages]}

    def _scope(self, scope_id: str | None) -> Connected:
        scopes = self._world.connected
        connected = scopes.get(scope_id) if scope_id else next(reversed(scopes.values()), None)
        if connected is None:
            raise ControlError("no such scope is connected: connect the channel first")
        return connected

    def _chat(self, do: _InChat) -> tuple[Chat, Connected]:
        chats = [chat for chat in self._world.chats.values() if chat.scope_id in self._world.connected]
        if do.conversation_id or do.chat_id:
            named = {do.conversation_id, do.chat_id} - {None}
            chats = [chat for chat in chats if chat.id in named or chat.conversation_id in named]
        if not chats:
            raise ControlError(
                "no such chat in a connected scope: let a client write first, or use manager/write-first"
            )
        chat = max(chats, key=lambda each: each.messages[-1].sent_at_ms if each.messages else 0)
        return chat, self._world.connected[chat.scope_id]

    # --- support, faults, clock, state --------------------------------------------------------------------------------

    async def _register(self, body: bytes) -> Any:
        """The support desk. It answers at once; Kommo's takes one to three business days."""
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            raise ControlError("the registration is not JSON") from None
        found = problems(values) if isinstance(values, dict) else {"": "the registration is not a JSON object"}
        if found:
            raise ControlError(" ".join(found.values()))
        world = self._world
        answer = support_answer(
            Registration.model_validate_json(body),
            channel_id=world.new_id(),
            secret=self.new_secret(),
            code=f"amo.ext.{10_000_000 + len(world.channels)}",
            bot_id=world.new_id(),
            account_amojo_ids={account.id: account.amojo_id for account in world.accounts.values()},
            now_s=world.now_ms() // 1000,
        )
        world.register(parse_support_answer(answer))
        return answer

    def new_secret(self) -> str:
        """A channel secret in Kommo's form: 40 hex digits."""
        return secrets.token_hex(20)

    async def _set_faults(self, body: bytes) -> Any:
        self.faults = _Faults.model_validate_json(body or b"{}")
        self._dispatcher.drop_next = self.faults.drop_hooks
        return self.faults.model_dump()

    async def next_fault(self) -> Response | None:
        """The answer that a fault puts in place of Kommo's, after its delay."""
        fault = self.faults
        if fault.times <= 0 or (fault.status is None and not fault.delay_ms):
            return None
        fault.times -= 1
        await asyncio.sleep(fault.delay_ms / 1000)
        if fault.status is None:
            return None
        again = {"retry_after": fault.retry_after} if fault.retry_after is not None else {}
        return Response(fault.status, {"title": "A fault that was asked for", "status": fault.status, **again})

    async def _move_clock(self, body: bytes) -> Any:
        self._world.offset = timedelta(seconds=_ClockMove.model_validate_json(body or b"{}").offset_s)
        return {"now": self._world.now().isoformat()}

    async def _state(self, body: bytes) -> Any:
        world = self._world
        scopes = [
            {
                "scope_id": each.scope_id,
                "hook_api_version": each.hook_api_version,
                "slow": scope_id in self._dispatcher.slow,
            }
            for scope_id, each in world.connected.items()
        ]
        chats = [
            {"chat_id": each.id, "conversation_id": each.conversation_id, "messages": len(each.messages)}
            for each in world.chats.values()
        ]
        return {
            "now": world.now().isoformat(),
            "channels": [{"id": each.id, "name": each.name} for each in world.channels.values()],
            "scopes": scopes,
            "chats": chats,
            "hooks": [asdict(sent) for sent in self._dispatcher.log],
        }
