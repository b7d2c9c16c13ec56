"""One hook or call in one readable line, for tail and the hook inspector.

What strangers wrote must not drive a terminal: `safe` shows control characters, escape sequences and marks that turn
the direction of writing as escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from .store.selection import StoredCall, StoredHook, below
from .wire.hooks import MessageHook, MessageHookV1, ReactionHook, TypingHook, UnknownHook
from .wire.kinds import text_of
from .wire.messages import SENT_STATUS_CODES
from .wire.reading import Content

_JOINERS = "\u200c\u200d"
"""Not printable by the letter, but harmless: they hold letters and emoji together."""
_SHOWN = 400
"""Letters of a text that are looked at; no line is that wide."""


def safe(text: str, *, keep: str = "") -> str:
    """The text with all that is not printable as JSON has it, such as \\n and \\u202e, but for what is to be kept."""
    return "".join(char if char.isprintable() or char in keep + _JOINERS else json.dumps(char)[1:-1] for char in text)


def csv_cell(value: Any) -> Any:
    """A value for CSV: a text that a spreadsheet would take for a formula gets a ' in front; numbers stay numbers."""
    return "'" + value if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def counted(count: int, word: str) -> str:
    """A number and its noun: 1 chat, 2 chats."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def shortlist(items: Sequence[str], word: str) -> Iterator[str]:
    """The first ten of many, each on a line, and how many more there are of what the word names."""
    yield from (f"  {each}" for each in items[:10])
    if len(items) > 10:
        yield f"  and {counted(len(items) - 10, word)} more"


@dataclass(frozen=True)
class Entry:
    """What a line tells of one hook or call.

    Attributes:
        mark: ← for a hook that came, → for a call that was made.
        state: the verdict in a word, or the status of the answer; `ok` unless refused or failed.
        who, where: who acted, and in which conversation.
        elapsed_ms: until the answer.
        problem: why the hook could not be read, or why the call failed.
    """

    at_ms: int
    mark: str
    kind: str
    state: str
    ok: bool
    who: str
    where: str
    text: str
    elapsed_ms: float | None
    problem: str = ""


def entry(row: StoredHook | StoredCall) -> Entry:
    """What there is to tell of a row."""
    return _of_hook(row) if isinstance(row, StoredHook) else _of_call(row)


def _of_hook(row: StoredHook) -> Entry:
    hook, who, where, text = row.hook, "", "", text_of(row.hook)
    match hook:
        case MessageHook():
            who, where = hook.sender.name or hook.sender.id, hook.conversation_id or hook.receiver.phone or hook.chat_id
        case MessageHookV1():
            where = hook.conversation_id
        case TypingHook() | ReactionHook():
            who, where = hook.user_id, hook.conversation_id or hook.chat_id
            text = text or ("" if isinstance(hook, TypingHook) else hook.type)
    if isinstance(hook, Content) and hook.type != "text":
        text = f"[{hook.type}] {text or hook.file_name or hook.media or ''}"
    problem = row.problem or (hook.reason if isinstance(hook, UnknownHook) else "")
    ack_ms = None if row.ack_us is None else row.ack_us / 1000
    state = "valid" if row.trusted else row.verdict
    return Entry(row.at_ms, "←", row.kind, state, row.trusted, who, where, text, ack_ms, problem)


def _of_call(row: StoredCall) -> Entry:
    payload = below(row.request, "payload") or row.request
    person = below(payload, "sender") or below(payload, "user")
    who = person.get("name") or person.get("id") or payload.get("account_id")
    where = payload.get("conversation_id") or payload.get("conversation_ref_id")
    text: Any = row.text
    if row.kind in ("delivery_status", "history", "reconcile"):
        where = row.path.partition("?")[0].rpartition("/")[0].rpartition("/")[2]  # the id before the last word
        text = _status_text(payload) if row.kind == "delivery_status" else ""
    elif row.kind == "react":
        text = row.text or payload.get("type")
    elif (kind := below(payload, "message").get("type")) not in (None, "text"):
        text = f"[{kind}] {row.text}"
    state = "no answer" if row.status is None else str(row.status)
    ok = row.state == "done"
    who, where, text = (str(value or "") for value in (who, where, text))
    return Entry(row.at_ms, "→", row.kind, state, ok, who, where, text, row.elapsed_ms, row.error_type or "")


def _status_text(payload: dict[str, Any]) -> str:
    code = payload.get("status_code", payload.get("delivery_status"))
    word = SENT_STATUS_CODES.get(code, str(code)) if isinstance(code, int) else str(code)
    return " ".join(str(part) for part in (word, payload.get("error_code"), payload.get("error")) if part)


def line(row: StoredHook | StoredCall, *, width: int = 140) -> str:
    """The row in one line of that width, 80 at least, in colours; `click.echo` drops them where no terminal is."""
    told = entry(row)
    is_wide = width >= 110
    moment = datetime.fromtimestamp(told.at_ms / 1000).strftime("%m-%d %H:%M:%S" if is_wide else "%H:%M:%S")
    took = "" if told.elapsed_ms is None else f"{told.elapsed_ms:.0f} ms"
    name, kind = min(18, max(8, (width - 64) // 3)), 15 if is_wide else 9
    parts: tuple[tuple[str, int, dict[str, Any]], ...] = (
        (moment, len(moment), {"dim": True}),
        (told.mark, 1, {"fg": "cyan" if told.mark == "←" else "blue"}),
        (str(row.id).rjust(5), max(5, len(str(row.id))), {"dim": True}),
        (told.kind, kind, {"bold": True}),
        (told.state, 9, {"fg": "green" if told.ok else "red"}),
        (took.rjust(7), 7, {"dim": True}),
        (told.who, name, {}),
        ("→" if told.where else "", 1, {"dim": True}),
        (told.where, name, {}),
    )
    sized = [(set_cell_size(_cut(text, size), size), look) for text, size, look in parts]
    cells = [click.style(cell, **look) if cell.strip() else cell for cell, look in sized]
    left = max(width - sum(size + 1 for _, size, _ in parts), 0)
    problem = _cut(f"! {told.problem}", left) if told.problem else ""
    text = _cut(told.text, left - cell_len(problem) - bool(problem))
    said = " ".join(filter(None, (click.style(problem, fg="red") if problem else "", text)))
    return " ".join([*cells, said]).rstrip()


def label(row: StoredHook | StoredCall) -> str:
    """The row in a few words, for a list that may be narrow."""
    told = entry(row)
    moment = datetime.fromtimestamp(told.at_ms / 1000).strftime("%H:%M")
    what = told.kind if told.ok else f"✗ {told.state}"
    said = f"! {told.problem}" if told.problem else f"{told.who}: {told.text}" if told.who else told.text
    return _cut(f"{row.id} {moment} {what} {said}", 110)


def _cut(text: str, size: int) -> str:
    """The beginning of a text, safe to show, in so many columns of a terminal at most."""
    shown = safe(text[:_SHOWN])
    if cell_len(shown) <= size:
        return shown
    return set_cell_size(shown, size - 1).rstrip() + "…" if size > 0 else ""


def json_line(row: StoredHook | StoredCall) -> str:
    """The row as one line of JSON, in ASCII: its ids, and the event or the call parsed."""
    told = entry(row)
    at = datetime.fromtimestamp(told.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    head = {"source": "hook" if told.mark == "←" else "call", "id": row.id, "at": at, "kind": told.kind}
    names: tuple[str, ...] = ("scope_id", "verdict", "http_status", "reason")
    if isinstance(row, StoredHook):
        more = {"ack_ms": told.elapsed_ms, "problem": told.problem or None}
        parsed = {"event": {name: value for name, value in vars(row.hook).items() if name != "body"}}
    else:
        names = ("finished_seq", "method", "path", "msgid", "state", "status", "error_type", "attempts", "elapsed_ms")
        more, parsed = {}, {"request": row.request, "response": row.response}
    known = head | {name: getattr(row, name) for name in names} | more
    try:
        return json.dumps(known | parsed, default=vars, allow_nan=False)
    except (ValueError, RecursionError):  # NaN is no JSON, and what could just be read may be too deep to be written
        return json.dumps(known | dict.fromkeys(parsed))
