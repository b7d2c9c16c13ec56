"""How fast all threads together may send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

GAIN = 1.0
"""Messages a second that the pace gains in each second in which Kommo takes them."""
SLOWEST = 1.0
"""Messages a second at least."""
FIRST = 10.0
"""Messages a second, when Kommo says 429 before it has taken any."""


class Pace:
    """As fast as the threads can, until Kommo says 429: then all wait, and go on half as fast, gaining slowly.

    `rate` is the most messages a second, None while there is no limit.
    """

    def __init__(
        self, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.rate: float | None = None
        self.sleep = sleep
        self._now = now
        self._lock = threading.Lock()
        self._turn = self._resume = 0.0  # when the next message may go, and when a pause ends
        self._since, self._taken = now(), 0

    def wait(self) -> None:
        """Return when it is the caller's turn to send."""
        while True:
            with self._lock:
                now = self._now()
                turn = max(now, self._turn, self._resume)
                self._turn = turn + 1 / self.rate if self.rate else 0.0
            if turn > now:
                self.sleep(turn - now)
            if self._resume <= turn:  # else a pause began meanwhile, and the turn is gone
                return

    def accepted(self) -> None:
        """Kommo took a message: a little faster."""
        with self._lock:
            self._taken += 1
            if self.rate:
                self.rate += GAIN / self.rate

    def refused(self, wait_s: float) -> None:
        """Kommo said 429: everybody waits, then at half the speed. One burst of refusals halves it once."""
        with self._lock:
            now = self._now()
            if now >= self._resume:
                measured = self._taken / max(now - self._since, 0.001)
                known = [rate for rate in (self.rate, measured) if rate]
                self.rate = max(SLOWEST, min(known, default=2 * FIRST) / 2)
                self._turn = 0.0
            self._resume = max(self._resume, now + wait_s)
            self._since, self._taken = self._resume, 0
