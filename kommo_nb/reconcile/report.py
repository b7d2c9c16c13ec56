"""What a comparison with history found, as values and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..lines import counted, safe, shortlist


@dataclass(frozen=True)
class Missing:
    """A message of history that the store did not hold. `msgid` is ours, None for what was written in the CRM."""

    chat_id: str
    message_id: str
    msgid: str | None
    author: str
    sent_at_ms: int
    type: str
    text: str | None

    @property
    def hook_lost(self) -> bool:
        """True if a hook should have told of it; else it was sent to Kommo, and the store was not told."""
        return self.msgid is None and self.author != "client"

    def __str__(self) -> str:
        said = safe((self.text or f"[{self.type}]")[:80])
        return f"{_moment(self.sent_at_ms)} {self.author} in chat {safe(self.chat_id)}: {said}"


@dataclass(frozen=True)
class Gap:
    """A stretch of time of whose messages no hook was captured: the first one lost, the last one, how many."""

    first_ms: int
    last_ms: int
    messages: int

    def __str__(self) -> str:
        return f"gap from {_moment(self.first_ms)} to {_moment(self.last_ms)}: {counted(self.messages, 'hook')}"


@dataclass
class Report:
    """What a comparison found; its text says it in words. `pandas.DataFrame(report.missing)` makes a table of it.

    Attributes:
        until_ms: what is younger was not compared.
        chats: compared now; `chats_before`, by the part of this run that was cut short, and has its say here as well.
        messages: read from history now.
        empty: chats of which Kommo shows no history.
        missing: oldest first.
        gaps: of the lost hooks, oldest first.
        unread: why a chat could not be read, or not all of it, by chat_id. It is read again by the next run.
    """

    until_ms: int
    dry_run: bool = False
    chats: int = 0
    chats_before: int = 0
    messages: int = 0
    empty: int = 0
    missing: list[Missing] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """True if the store now holds all that history shows of the known chats."""
        return not self.unread and not (self.missing and self.dry_run)

    def __str__(self) -> str:
        return "\n".join(_told(self))


def _told(report: Report) -> Iterator[str]:
    before = f", after {counted(report.chats_before, 'chat')} before" if report.chats_before else ""
    read = f"{counted(report.chats, 'chat')} with {counted(report.messages, 'message')} of history"
    yield f"Compared {read}{before}, up to {_moment(report.until_ms)}."
    lost = [each for each in report.missing if each.hook_lost]
    yield from _told_missing(report, lost)
    yield from shortlist([str(gap) for gap in report.gaps], "gap")
    yield from shortlist([str(each) for each in lost], "message")
    if report.empty:
        yield f"Kommo shows no history of {counted(report.empty, 'chat')}."
    for reason, count in Counter(report.unread.values()).most_common(10):
        yield f"Not read to its end, {counted(count, 'chat')}: {safe(reason)}"


def _told_missing(report: Report, lost: list[Missing]) -> Iterator[str]:
    if not report.missing:
        yield "Nothing is missing."
        return
    chats = counted(len({each.chat_id for each in report.missing}), "chat")
    yield f"Missing in {chats}: {counted(len(lost), 'hook')} that never came."
    if ours := len(report.missing) - len(lost):
        yield f"Missing, too: {counted(ours, 'message')} sent to Kommo without this store."
    yield "Nothing was imported." if report.dry_run else "All of it is imported now."


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
