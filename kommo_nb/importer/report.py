"""What an import did, as values and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..lines import counted, safe, shortlist
from .conversations import Problem


@dataclass(frozen=True)
class Failure:
    """A message that Kommo did not take. The rest of its chat was left for the next run, to keep its order."""

    row: int
    conversation_id: str
    reason: str


@dataclass
class Report:
    """How an import ended; its text says it in words. `pandas.DataFrame(report.failures)` makes a table of it.

    Attributes:
        messages: that were to be imported, in `chats`; `chats_done` have all of theirs in Kommo now.
        sent: taken by Kommo in this run.
        before: that the store had as done already.
        arrived: that Kommo had, and the store did not know it, as after a crash.
        failures: rows that Kommo refused.
        problems, waiting: of the plan: rows to mend, and the messages of their chats that wait for it.
        stopped: why the run ended early; "" if it did not.
    """

    messages: int
    chats: int
    threads: int
    before: int = 0
    sent: int = 0
    arrived: int = 0
    chats_done: int = 0
    failures: list[Failure] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    elapsed_s: float = 0.0

    @property
    def done(self) -> int:
        """Messages that Kommo has now."""
        return self.before + self.sent + self.arrived

    @property
    def left(self) -> int:
        """Messages that it does not have yet; those that wait for a mended row not counted."""
        return self.messages - self.done

    @property
    def complete(self) -> bool:
        """True if every row of the source is in Kommo now."""
        return not (self.left or self.problems)

    def __str__(self) -> str:
        return "\n".join(_told(self))


def _told(report: Report) -> Iterator[str]:
    rate = f", {report.sent / report.elapsed_s:,.0f} a second" if report.sent and report.elapsed_s else ""
    yield f"Imported {counted(report.sent, 'message')} in {report.elapsed_s:,.1f} s{rate}."
    if report.before:
        yield f"{counted(report.before, 'message')} had been imported before."
    if report.arrived:
        yield (
            f"{counted(report.arrived, 'message')} had arrived in a run that was cut short; kommo-nb reconcile brings "
            "them into the database."
        )
    yield f"Kommo has {report.done:,} of {counted(report.messages, 'message')}, {report.chats_done:,} of " + (
        f"{counted(report.chats, 'chat')} whole."
    )
    if report.stopped:
        yield f"Stopped: {safe(report.stopped)}"
    if report.failures:
        yield f"Not taken, and the rest of {counted(len(report.failures), 'chat')} left for the next run:"
        told = [
            f"row {each.row}, chat {safe(each.conversation_id[:60])}: {safe(each.reason)}" for each in report.failures
        ]
        yield from shortlist(told, "row")
    if report.problems:
        wait = f"{counted(len(report.waiting), 'chat')} with {counted(sum(report.waiting.values()), 'message')}"
        yield f"{counted(len(report.problems), 'row')} to mend; {wait} will wait for it."
    if not report.complete:
        yield "Run it again to go on: nothing is sent twice."
