"""Which of the stored hooks and calls: one filter for replay, tail and the widget.

Rows are read page by page while one iterates, so that a file of millions costs no memory, and no page holds the
database while its rows are worked on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..clock import msec
from ..wire.hooks import Hook, parse_hook
from ..wire.kinds import text_of
from ..wire.records import Exchange
from ..wire.signing import Verdict
from .calls import readable_object

if TYPE_CHECKING:
    from . import Store

PAGE = 50
"""Rows read at a time; a body may have a megabyte."""

VERDICTS = {
    "trusted": tuple(verdict.value for verdict in Verdict if verdict.ok),
    "refused": tuple(verdict.value for verdict in Verdict if not verdict.ok),
    **{verdict.value: (verdict.value,) for verdict in Verdict},
}
"""What a filter may ask for: one verdict, or all those that tell to trust the body, or not to."""


@dataclass(frozen=True)
class Filter:
    """Which rows are wanted; every field that is set must fit. `until_ms` itself is not in the period.

    Attributes:
        ids: those of deliveries.
        kind: of a hook or a call, as in `kommo_nb.wire.kinds`.
        verdict: one of `VERDICTS`.
        text: a part of what was said, in capital letters or small ones.
        problem: only hooks that the projection could not read.
    """

    ids: tuple[int, ...] = ()
    scope_id: str | None = None
    kind: str | None = None
    verdict: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    text: str | None = None
    problem: bool = False

    def says(self, text: str) -> bool:
        """True if the text has the part that is looked for."""
        return self.text is None or self.text.casefold() in text.casefold()

    def takes(self, stored: StoredHook) -> bool:
        """True if kind and text fit. A hook is parsed only where they are asked for."""
        if self.kind is not None and self.kind != stored.kind:
            return False
        return self.text is None or self.says(text_of(stored.hook))


@dataclass(frozen=True)
class StoredHook:
    """One row of `deliveries`; `problem` is why the projection could not read it, if so."""

    id: int
    received_at_ms: int
    scope_id: str
    body: bytes
    signature: str | None
    verdict: str
    http_status: int
    reason: str | None
    ack_us: int | None
    user_agent: str | None
    problem: str | None

    @cached_property
    def hook(self) -> Hook:
        """The event in the body."""
        return parse_hook(self.body)

    @property
    def kind(self) -> str:
        """What kind of hook it is, one of `HOOK_KINDS`."""
        return self.hook.kind

    @property
    def at_ms(self) -> int:
        """When it came, in unix milliseconds."""
        return self.received_at_ms

    @property
    def place(self) -> int:
        """Its place in the order of arrival."""
        return self.id

    @property
    def trusted(self) -> bool:
        """True if the holder of the secret has signed it."""
        return self.verdict in VERDICTS["trusted"]


@dataclass(frozen=True)
class StoredCall(Exchange):
    """One row of `exchanges` that has ended."""

    id: int = 0
    finished_seq: int = 0

    @property
    def at_ms(self) -> int:
        """When it ended, in unix milliseconds."""
        return self.created_at_ms + (self.elapsed_ms or 0)

    @property
    def place(self) -> int:
        """Its place in the order of endings."""
        return self.finished_seq

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request's JSON object, empty if it has none."""
        return readable_object(self.request_body)

    @property
    def response(self) -> dict[str, Any]:
        """The answer's JSON object, empty if it has none."""
        return readable_object(self.response_body)

    @property
    def text(self) -> str:
        """What was said: the text of a message, or the emoji of a reaction."""
        said = below(self.request, "payload", "message").get("text") or self.request.get("emoji")
        return said if isinstance(said, str) else ""


_HOOK_COLUMNS = ", ".join(field.name for field in fields(StoredHook) if field.name != "problem")
_CALL_COLUMNS = ", ".join(field.name for field in fields(StoredCall))
_PLACES = {StoredHook: ("id", "deliveries"), StoredCall: ("finished_seq", "exchanges")}


def select(store: Store, wanted: Filter, *, after: int = 0, newest_first: bool = False) -> Iterator[StoredHook]:
    """The stored hooks that fit, by id, `after` that one, as far as there were any when one began to iterate."""
    reason = "(SELECT reason FROM problems WHERE event = 'd' || deliveries.id)"
    allowed = VERDICTS[wanted.verdict] if wanted.verdict else ()
    conditions = [
        f"id IN ({', '.join(map(str, map(int, wanted.ids)))})" if wanted.ids else "",
        "scope_id = :scope_id" if wanted.scope_id else "",
        f"verdict IN ({', '.join(map(repr, allowed))})" if allowed else "",
        "received_at_ms >= :since_ms" if wanted.since_ms is not None else "",
        "received_at_ms < :until_ms" if wanted.until_ms is not None else "",
        f"{reason} IS NOT NULL" if wanted.problem else "",
    ]
    sql = f"SELECT {_HOOK_COLUMNS}, {reason} AS problem FROM deliveries"
    places = range(after + 1, last_place(store, StoredHook) + 1)
    for row in _paged(store, sql, "id", conditions, vars(wanted), places, newest_first):
        stored = StoredHook(**row)
        if wanted.takes(stored):
            yield stored


def select_calls(store: Store, wanted: Filter, *, after: int = 0, newest_first: bool = False) -> Iterator[StoredCall]:
    """The calls that fit, by `finished_seq`, the order of their endings. A verdict or a problem is no call's."""
    if wanted.verdict or wanted.problem or wanted.ids:
        return
    conditions = [
        "instr(path || '/', :scope_path) = 1" if wanted.scope_id else "",
        "kind = :kind" if wanted.kind else "",
        "created_at_ms >= :since_ms" if wanted.since_ms is not None else "",
        "created_at_ms < :until_ms" if wanted.until_ms is not None else "",
    ]
    params = vars(wanted) | {"scope_path": f"/v2/origin/custom/{wanted.scope_id}/"}
    sql = f"SELECT {_CALL_COLUMNS} FROM exchanges"
    places = range(after + 1, last_place(store, StoredCall) + 1)
    for row in _paged(store, sql, "finished_seq", conditions, params, places, newest_first):
        call = StoredCall(**row)
        if wanted.says(call.text):
            yield call


def last_place(store: Store, kind: type[StoredHook] | type[StoredCall]) -> int:
    """The greatest `place` of a hook, or of a call that has ended; 0 if there is none."""
    key, table = _PLACES[kind]
    return int(store.query(f"SELECT coalesce(max({key}), 0) AS place FROM {table}")[0]["place"])


def _paged(
    store: Store, sql: str, key: str, conditions: list[str], params: dict[str, Any], places: range, newest_first: bool
) -> Iterator[dict[str, Any]]:
    """The rows of a SELECT whose key is among the places, in order of the key, read a page at a time."""
    where = " AND ".join([f"{key} BETWEEN :first AND :last", *filter(None, conditions)])
    page = f"{sql} WHERE {where} ORDER BY {key} {'DESC' if newest_first else 'ASC'} LIMIT {PAGE}"
    while rows := store.query(page, {**params, "first": places.start, "last": places.stop - 1}):
        yield from rows
        end = rows[-1][key]
        places = range(places.start, end) if newest_first else range(end + 1, places.stop)


_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment_ms(text: str, *, now: datetime) -> int:
    """Unix milliseconds of an ISO date or time, local where it names no zone, or of a span before now such as 30m."""
    try:
        if span := _SPAN.fullmatch(text.strip()):
            return msec(now - timedelta(**{_UNITS[span[2]]: int(span[1])}))
        return msec(datetime.fromisoformat(text.strip()).astimezone())
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text[:40]!r} is neither a time such as 2026-03-02T09:00 nor a span such as 30m") from None


def below(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """The object under these names, one in the other; empty where there is none."""
    for name in names:
        found = value.get(name)
        value = found if isinstance(found, dict) else {}
    return value
