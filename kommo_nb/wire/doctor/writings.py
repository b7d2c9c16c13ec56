"""Other ways to write the same JSON, and the same moment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import permutations, product
from typing import Any

MAX_WRITTEN, MAX_INDENTED = 8_000_000, 10_000
"""Bytes written while looking for the JSON that was hashed; and bytes of a body that is tried indented, at most."""

_STOOD, _SORTED, _OTHER = "the keys as they stood", "the keys sorted", "the keys in another order"
_FLAT: dict[str, Any] = {"no spaces": {"separators": (",", ":")}, "a space after commas and colons": {}}
_INDENTED: dict[str, Any] = {"indented by 2": {"indent": 2}, "indented by 4": {"indent": 4}}
_LETTERS = {"letters beyond ASCII as they are": False, "\\uXXXX for letters beyond ASCII": True}
_SLASHES = {"/ as it is": "/", "\\/ for /": "\\/"}


def utf8(text: str) -> bytes:
    """The bytes of any text, also of one with lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a decoded JSON value, the outer ones first."""
    waiting = [value]
    for value in waiting:
        if isinstance(value, dict):
            yield value
        waiting.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())


def rewritings(body: bytes) -> list[tuple[bytes, str]]:
    """Other ways to write the same JSON, the likely ones first, each with its difference in words; [] for no JSON."""
    found: dict[bytes, tuple[str, ...]] = {}
    written = 0
    with suppress(ValueError, RecursionError):  # not JSON, or nested too deep
        for data, style in _written(body):
            written += len(data)
            if written > MAX_WRITTEN:
                break
            found.setdefault(data, style)
    own = found.pop(body, ())
    return [(data, "with " + ", ".join(word for word in style if word not in own)) for data, style in found.items()]


def _written(body: bytes) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    value = json.loads(body)
    for spaces in (_FLAT, _INDENTED) if len(body) <= MAX_INDENTED else (_FLAT,):
        for order in (_STOOD, _SORTED):
            yield from _styles(value, order, spaces)
    for _ in _reorder(value):
        yield from _styles(value, _OTHER, _FLAT)


def _styles(value: Any, order: str, spaces: dict[str, Any]) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    for space, letters in product(spaces, _LETTERS):
        text = json.dumps(value, sort_keys=order == _SORTED, ensure_ascii=_LETTERS[letters], **spaces[space])
        for words, slash in _SLASHES.items():
            yield utf8(text.replace("/", slash)), (order, space, letters, words)


def _reorder(value: Any) -> Iterator[None]:
    """Puts the keys of one object after the other into every other order; of many keys, each one to each place."""
    for one in objects(value):
        items = list(one.items())
        for order in permutations(items) if len(items) <= 5 else _moved(items):
            one.clear()
            one.update(order)
            yield
        one.clear()
        one.update(items)


def _moved(items: list[Any]) -> Iterator[list[Any]]:
    for at, to in permutations(range(len(items)), 2):
        order = items[:at] + items[at + 1 :]
        order.insert(to, items[at])
        yield order


_DAYS, _MONTHS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_RFC_2822 = rf"(?a:(?:(?:{_DAYS}), )?\d\d? (?:{_MONTHS}) \d{{4}} \d\d:\d\d(?::\d\d)? (?:[+-]\d{{4}}|GMT|UT))"
_FORMS = (
    *("{rfc} +0000", "{rfc} GMT", "{rfc} -0000", "{rfc} UTC", "{iso}Z", "{iso}.000Z", "{iso}+00:00"),
    *("{at:%Y-%m-%d %H:%M:%S}", "{c}"),
    "{c:.8}{at:%d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)",
)
_AWAY = [timedelta(seconds=sign * off) for off in range(1, 181) for sign in (1, -1)]
_AWAY += [timedelta(hours=hours) for hours in range(-12, 15)]


def good_date(text: str) -> datetime | None:
    """The moment that a Date header means if it is RFC 2822, else None."""
    return _read(text) if re.fullmatch(_RFC_2822, text) else None


def is_foreign(date: str) -> bool:
    """True if the words in a date are not English."""
    words = re.findall(r"[^\W\d_]{2,}", date[:100])
    named = [word[:3].capitalize() in _DAYS + _MONTHS for word in words[:2]]
    return bool(words) and not all(named) and words[0].upper() not in ("GMT", "UTC", "UT", "AM", "PM")


def other_dates(sent: str, now: datetime) -> list[str]:
    """How a Date may have been written beside the one sent: in other forms, a few seconds or some hours away."""
    moment = _read(sent) or now
    texts = [_date(moment, form) for form in _FORMS]
    own = [form for form, text in zip(_FORMS, texts, strict=True) if text == sent]
    near = [_date(moment + away, form) for away in _AWAY for form in dict.fromkeys([*own, *_FORMS[:2]])]
    return list(dict.fromkeys([*texts, *near]))


def _read(text: str) -> datetime | None:
    """The moment that a date means, in whatever form, or None; without a zone it is taken for UTC."""
    for read in (parsedate_to_datetime, datetime.fromisoformat) if len(text) <= 100 else ():
        with suppress(ValueError, TypeError, IndexError, OverflowError, OSError):  # parsedate has raised all of them
            moment = read(text)
            if 1980 < moment.year < 2200:  # so that a neighbour is a date too
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _date(moment: datetime, form: str) -> str:
    at = moment.astimezone(UTC)
    # Neither follows the machine's locale, as strftime's names do.
    return form.format(at=at, rfc=format_datetime(at)[:-6], c=at.ctime(), iso=f"{at:%Y-%m-%dT%H:%M:%S}")
