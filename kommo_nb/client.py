"""ChatsClient: the eight calls of the Chats API over httpx."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from .calls import Calls, ExchangeLog
from .clock import Clock
from .errors import ApiError, ConfigError
from .wire import answers, payloads
from .wire.answers import Chat, Connection, HistoryMessage, Receipt
from .wire.channel import Channel
from .wire.messages import DeliveryStatus, Forward, Message, Person, Quoted
from .wire.reading import Unreadable

ROOT = "/v2/origin/custom"
HISTORY_PAGE = 50
"""Kommo's largest page of history."""

T = TypeVar("T")


class ChatsClient:
    """The eight calls, each signed, retried where that is safe, and noted in a store if there is one.

    Retried: no connection, no answer in time, 429 (after `retry_after`) and 5xx, each attempt with the same body and
    msgid and a fresh signature. Kommo refuses a msgid that it knows, so nothing doubles.

    Args:
        channel: its id and secret; `scope_id`, or `account_id` from which it follows, may come later with `connect`.
        base_url: `https://amojo.kommo.com`, or the sandbox's address.
        store: notes every call there, as pending before it is made.
        timeout_s: for each of connecting, sending and reading.
        attempts: requests at most for one call.
        event_hooks: httpx's, called with each request or each response, also those that are retried.
        sleep: how to wait before a retry.
        transport: for tests.

    Use one client for each thread.
    """

    def __init__(
        self,
        channel: Channel,
        base_url: str,
        *,
        store: ExchangeLog | None = None,
        clock: Clock | None = None,
        timeout_s: float = 10.0,
        attempts: int = 4,
        event_hooks: Mapping[str, list[Callable[..., Any]]] | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.channel = channel
        self.scope_id = channel.scope_id
        self._clock = clock or Clock()
        self._calls = Calls(
            channel.secret,
            base_url,
            log=store,
            clock=self._clock,
            timeout_s=timeout_s,
            attempts=attempts,
            event_hooks=event_hooks,
            transport=transport,
            sleep=sleep,
        )

    def __enter__(self) -> ChatsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to Kommo."""
        self._calls.close()

    def connect(
        self,
        account_id: str,
        *,
        title: str | None = None,
        hook_api_version: str = "v2",
        is_time_window_disabled: bool = False,
    ) -> Connection:
        """Connect the channel to an account, and use that scope from now on; `self.channel` then names both.

        To be repeated after each install.

        Args:
            account_id: the account's amojo_id, not the number of the account.
            title: the channel's name in the account; its own name if left out.
        """
        payload = payloads.connect(
            account_id,
            title=title or self.channel.name or None,
            hook_api_version=hook_api_version,
            is_time_window_disabled=is_time_window_disabled,
        )
        answer, _ = self._calls.make("connect", "POST", f"{ROOT}/{self.channel.id}/connect", payload)
        connection = self._read(answers.connection, answer)
        self.scope_id = connection.scope_id
        ids = {"account_id": connection.account_id, "scope_id": connection.scope_id}
        self.channel = self.channel.model_copy(update=ids)
        return connection

    def disconnect(self, account_id: str) -> None:
        """Disconnect the channel from an account: its scope vanishes and hooks stop."""
        self._calls.make("disconnect", "DELETE", f"{ROOT}/{self.channel.id}/disconnect", {"account_id": account_id})

    def create_chat(self, conversation_id: str, user: Person, *, source: str | None = None) -> Chat:
        """Make a chat before its first message, or return the one that is there. It stays unseen until a message comes.

        Args:
            source: `external_id` of a source of the integration.
        """
        payload = payloads.create_chat(conversation_id, user, source=source)
        answer, _ = self._calls.make("create_chat", "POST", f"{self._scope()}/chats", payload)
        return self._read(answers.chat, answer)

    def send(
        self,
        message: Message,
        *,
        conversation_id: str,
        sender: Person,
        receiver: Person | None = None,
        conversation_ref_id: str | None = None,
        msgid: str | None = None,
        silent: bool = False,
        reply_to: Quoted | None = None,
        forwards: Forward | None = None,
        source: str | None = None,
        sent_at: datetime | None = None,
    ) -> Receipt:
        """Put a message into the CRM: from the client without a receiver, else one that went out to the client.

        Args:
            msgid: our id of the message; a new one if left out. Kommo takes each once.
            conversation_ref_id: the CRM's id of the chat, needed to answer one that a manager began.
            silent: import without notice and lead.
            sent_at: when it was written; now if left out.

        Raises:
            RepeatedMsgid: this msgid was used before.
            ApiError, TransportError: what Kommo refused, or that it could not be reached.
        """
        msgid = msgid or self._clock.new_id()
        payload = payloads.new_message(
            message,
            msgid=msgid,
            sent_at=sent_at or self._clock.now(),
            conversation_id=conversation_id,
            sender=sender,
            receiver=receiver,
            conversation_ref_id=conversation_ref_id,
            silent=silent,
            reply_to=reply_to,
            forwards=forwards,
            source=source,
        )
        answer, exchange_id = self._calls.make("send", "POST", self._scope(), payload, msgid=msgid)
        read = partial(answers.receipt, msgid=msgid, conversation_id=conversation_id, exchange_id=exchange_id)
        return self._read(read, answer)

    def edit(
        self,
        message: Message,
        *,
        conversation_id: str,
        msgid: str | None = None,
        id: str | None = None,
        edited_at: datetime | None = None,
    ) -> None:
        """Change a message that is named by our msgid or by Kommo's id. No notice, no lead."""
        moment = edited_at or self._clock.now()
        payload = payloads.edit_message(message, sent_at=moment, conversation_id=conversation_id, msgid=msgid, id=id)
        self._calls.make("edit", "POST", self._scope(), payload)

    def set_delivery_status(
        self, message_id: str, status: int, error_code: int | None = None, error: str | None = None
    ) -> None:
        """Report how far a message of the CRM got.

        Args:
            message_id: Kommo's, from the hook; not our msgid.
            status: 1 delivered, 2 read, -1 failed.
            error_code: 901 to 905, with -1 only; 905 needs the `error` text.
        """
        payload = DeliveryStatus(status_code=status, error_code=error_code, error=error).payload()
        self._calls.make("delivery_status", "POST", f"{self._scope()}/{_quoted(message_id)}/delivery_status", payload)

    def history(self, chat_id: str, *, limit: int = HISTORY_PAGE, offset: int = 0) -> list[HistoryMessage]:
        """A page of a chat's messages, newest first; empty at the end, or if the chat is unknown.

        Args:
            chat_id: the CRM's id of the chat, not our conversation_id.
            limit: 50 at most.
        """
        _, answer = self.history_answer(chat_id, limit=limit, offset=offset)
        return [] if answer is None else self._read(answers.history, answer)

    def history_answer(self, chat_id: str, *, limit: int = HISTORY_PAGE, offset: int = 0) -> tuple[str, Any]:
        """The same page as it came: the path that was asked for, and its answer decoded, None at the end."""
        query = urlencode({"limit": limit, "offset": offset})
        path = f"{self._scope()}/chats/{_quoted(chat_id)}/history?{query}"
        answer, _ = self._calls.make("history", "GET", path)
        return path, answer

    def iter_history(self, chat_id: str) -> Iterator[HistoryMessage]:
        """All messages of a chat, newest first, page by page. Each once, also when new ones come in meanwhile."""
        seen: set[str] = set()
        offset = 0
        while page := self.history(chat_id, offset=offset):
            for item in page:
                if item.message_id not in seen:
                    seen.add(item.message_id)
                    yield item
            if len(page) < HISTORY_PAGE:
                return
            offset += len(page)

    def typing(self, conversation_id: str, sender_id: str, duration_ms: int | None = None) -> None:
        """Show that somebody is typing, for 5,000 ms if not said otherwise."""
        payload = payloads.typing(conversation_id, sender_id, duration_ms=duration_ms)
        self._calls.make("typing", "POST", f"{self._scope()}/typing", payload)

    def react(
        self,
        emoji: str,
        *,
        conversation_id: str | None = None,
        conversation_ref_id: str | None = None,
        msgid: str | None = None,
        id: str | None = None,
        user: Person | None = None,
    ) -> None:
        """React to a message. Chat and message may each be named by our id or by Kommo's."""
        payload = payloads.reaction(
            emoji,
            user=user,
            conversation_id=conversation_id,
            conversation_ref_id=conversation_ref_id,
            msgid=msgid,
            id=id,
        )
        self._calls.make("react", "POST", f"{self._scope()}/react", payload)

    def unreact(
        self,
        *,
        conversation_id: str | None = None,
        conversation_ref_id: str | None = None,
        msgid: str | None = None,
        id: str | None = None,
        user: Person | None = None,
    ) -> None:
        """Take a reaction back."""
        chat = {"conversation_id": conversation_id, "conversation_ref_id": conversation_ref_id}
        self.react("", **chat, msgid=msgid, id=id, user=user)

    def resume(self, *, older_than_s: float = 60.0) -> int:
        """Make again, byte for byte, the calls that a crash left pending in the store; how many they were.

        A call that Kommo refuses is noted as failed. Refused with `MSGID_ALREADY_USED`, its message had arrived before
        the crash, and stands in the chat's history.

        Args:
            older_than_s: leaves younger calls alone, which another process may still be making.

        Raises:
            TransportError: Kommo is out of reach; what is left stays pending.
        """
        return self._calls.resume(older_than_s=older_than_s)

    def _scope(self) -> str:
        if not self.scope_id:
            raise ConfigError("no scope yet: call client.connect(account_id) first, or give Channel(scope_id=...)")
        return f"{ROOT}/{self.scope_id}"

    def _read(self, read: Callable[[Any], T], answer: Any) -> T:
        try:
            if not isinstance(answer, dict):  # such as the page of a proxy, which must not pass for an empty history
                raise Unreadable("it is not a JSON object")
            return read(answer)
        except Unreadable as problem:
            raise ApiError(f"Kommo accepted the call, but its answer cannot be read: {problem}", status=200) from None


def _quoted(segment: str) -> str:
    return quote(segment, safe="")
