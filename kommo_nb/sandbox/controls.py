"""The sandbox's own controls, under /_sandbox/: what a learner or a test makes the people of the CRM do.

They are not part of Kommo. Each takes and gives JSON; `wait` (true by default) waits until the hooks were answered.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from ..errors import RegistrationError
from ..wire.channel import parse_support_answer, support_answer
from ..wire.registration import Registration, problems
from . import manager
from .bodies import Body, Text
from .dispatch import Dispatcher
from .http import Response, first_problem
from .manager import OutgoingHook
from .world import Chat, Connected, World


class _Act(Body):
    """What a manager, or the bot, does."""

    manager: str | None = None
    bot: bool = False
    wait: bool = True


class _InChat(_Act):
    """Which chat: by our id or Kommo's; the one written in last if neither is given."""

    conversation_id: Text | None = None
    chat_id: Text | None = None


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


class _WriteFirst(_Act):
    phone: Text
    text: Text
    scope_id: Text | None = None


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


class _Any(Body):
    model_config = ConfigDict(extra="allow")


class ControlError(Exception):
    """The control cannot do that; the message says what to send instead."""


class Controls:
    """Acts for the people of the CRM and for Kommo's support."""

    def __init__(self, world: World, dispatcher: Dispatcher) -> None:
        self._world, self._dispatcher = world, dispatcher
        self.faults = _Faults(times=0)

    async def answer(self, method: str, name: str, body: bytes) -> Response:
        """What a control answers; a 400 with `error` for what it cannot do."""
        actions: dict[tuple[str, str], tuple[type[Body], Callable[[Any], Awaitable[dict[str, Any]]]]] = {
            ("POST", "manager/message"): (_Write, self._write),
            ("POST", "manager/typing"): (_InChat, self._typing),
            ("POST", "manager/reaction"): (_Reaction, self._reaction),
            ("POST", "manager/write-first"): (_WriteFirst, self._write_first),
            ("POST", "support/registration"): (_Any, self._register),
            ("POST", "faults"): (_Faults, self._set_faults),
            ("POST", "clock"): (_ClockMove, self._move_clock),
            ("GET", "state"): (_Any, self._state),
        }
        if (method, name) not in actions:
            return Response(404, {"error": f"no such control; there are {sorted(f'{m} {n}' for m, n in actions)}"})
        model, act = actions[method, name]
        try:
            return Response(200, await act(model.model_validate_json(body or b"{}")))
        except ValidationError as error:
            return Response(400, {"error": first_problem(error)})
        except (ControlError, RegistrationError) as error:
            return Response(400, {"error": str(error)})

    # --- people of the CRM --------------------------------------------------------------------------------------------

    async def _write(self, do: _Write) -> Any:
        chat, connected = self._chat(do)
        author = manager.person_of(connected, do.manager, bot=do.bot)
        extras = {key: value for key, value in (("markup", do.markup), ("template", do.template)) if value}
        attachments = [each.model_dump(exclude_none=True) for each in do.attachments]
        messages, hooks = manager.writes(
            self._world, chat, do.text, author=author, attachments=attachments, reply_to=do.reply_to, extras=extras
        )
        ids = [message.id for message in messages]
        return {"chat_id": chat.id, "message_ids": ids, "hooks": await self._send(hooks, do.wait)}

    async def _write_first(self, do: _WriteFirst) -> Any:
        connected = self._scope(do.scope_id)
        if not connected.channel.write_first:
            raise ControlError("this channel was registered without write first")
        author = manager.person_of(connected, do.manager, bot=do.bot)
        chat = manager.begin_chat(self._world, connected, do.phone)
        (message,), hooks = manager.writes(self._world, chat, do.text, author=author)
        return {"chat_id": chat.id, "message_ids": [message.id], "hooks": await self._send(hooks, do.wait)}

    async def _typing(self, do: _InChat) -> Any:
        chat, connected = self._chat(do)
        hooks = manager.types(self._world, chat, author=manager.person_of(connected, do.manager, bot=do.bot))
        return {"chat_id": chat.id, "hooks": await self._send(hooks, do.wait)}

    async def _reaction(self, do: _Reaction) -> Any:
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

    async def _register(self, do: _Any) -> Any:
        """The support desk. It answers at once; Kommo's takes one to three business days."""
        values, world = do.model_extra or {}, self._world
        if found := problems(values):
            raise ControlError(" ".join(found.values()))
        answer = support_answer(
            Registration.model_validate(values),
            channel_id=world.new_id(),
            secret=secrets.token_hex(20),
            code=f"amo.ext.{10_000_000 + len(world.channels)}",
            bot_id=world.new_id(),
            account_amojo_ids={account.id: account.amojo_id for account in world.accounts.values()},
            now_s=world.now_ms() // 1000,
        )
        world.register(parse_support_answer(answer))
        return answer

    async def _set_faults(self, do: _Faults) -> Any:
        self.faults = do
        self._dispatcher.drop_next = do.drop_hooks
        return do.model_dump()

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

    async def _move_clock(self, do: _ClockMove) -> Any:
        self._world.offset = timedelta(seconds=do.offset_s)
        return {"now": self._world.now().isoformat()}

    async def _state(self, _: _Any) -> Any:
        world, slow = self._world, self._dispatcher.slow
        return {
            "now": world.now().isoformat(),
            "channels": [{"id": each.id, "name": each.name} for each in world.channels.values()],
            "scopes": [
                {"scope_id": each.scope_id, "hook_api_version": each.hook_api_version, "slow": each.scope_id in slow}
                for each in world.connected.values()
            ],
            "chats": [
                {"chat_id": each.id, "conversation_id": each.conversation_id, "messages": len(each.messages)}
                for each in world.chats.values()
            ],
            "hooks": [asdict(sent) for sent in self._dispatcher.log],
        }
