"""Sending hooks as Kommo does: once, 5 seconds at most, and from a slower queue to a receiver that was slow or failed.

How much slower is not documented: the delay here is our choice, and so is sending a scope's hooks one after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import httpx

from .manager import OutgoingHook

TIMEOUT_S = 5.0
SLOW_DELAY_S = 2.0
USER_AGENT = "amoCRM amoJo/1.0"


@dataclass(frozen=True)
class Sent:
    """How one hook went. `status` is None if there was no answer in time."""

    scope_id: str
    kind: str
    status: int | None
    elapsed_ms: int
    slow_queue: bool
    error: str = ""


class Dispatcher:
    """One queue for each scope. A good answer is a 200 within the limit; it also leads back to the fast queue.

    With a `hook_url` all hooks go there, and not to the channel's address.
    """

    def __init__(self, *, hook_url: str | None = None, slow_delay_s: float = SLOW_DELAY_S) -> None:
        self._hook_url, self._slow_delay_s = hook_url, slow_delay_s
        self._queues: dict[str, asyncio.Queue[tuple[OutgoingHook, asyncio.Future[Sent]]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._http: httpx.AsyncClient | None = None
        self.slow: set[str] = set()
        self.log: deque[Sent] = deque(maxlen=1_000)
        self.drop_next = 0

    async def start(self) -> None:
        """Be ready to send."""
        # Hooks to this machine must not go to a proxy that is set for the Internet.
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)

    async def stop(self) -> None:
        """Stop sending; hooks still in a queue are lost, as they are when Kommo gives up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    def put(self, hook: OutgoingHook) -> asyncio.Future[Sent]:
        """Queue a hook; the future tells how it went."""
        if hook.scope_id not in self._queues:
            self._queues[hook.scope_id] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._work(hook.scope_id)))
        done: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self._queues[hook.scope_id].put_nowait((hook, done))
        return done

    async def _work(self, scope_id: str) -> None:
        queue = self._queues[scope_id]
        while True:
            hook, done = await queue.get()
            sent = await self._send(hook)
            self.log.append(sent)
            (self.slow.discard if sent.status == 200 else self.slow.add)(scope_id)
            if not done.cancelled():
                done.set_result(sent)

    async def _send(self, hook: OutgoingHook) -> Sent:
        slow = hook.scope_id in self.slow
        if self.drop_next > 0:
            self.drop_next -= 1
            return Sent(hook.scope_id, hook.kind, None, 0, slow, "dropped, as the fault asked")
        if slow:
            await asyncio.sleep(self._slow_delay_s)
        started = time.monotonic()
        status, error = None, ""
        try:
            status = await asyncio.wait_for(self._post(hook), TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
            error = type(problem).__name__
        return Sent(hook.scope_id, hook.kind, status, round((time.monotonic() - started) * 1000), slow, error)

    async def _post(self, hook: OutgoingHook) -> int:
        assert self._http is not None
        url = (self._hook_url or hook.url).replace(":scope_id", hook.scope_id)
        headers = {"Content-Type": "application/json", "X-Signature": hook.signature, "User-Agent": USER_AGENT}
        response = await self._http.post(url, content=hook.wire_body, headers=headers)
        return response.status_code
