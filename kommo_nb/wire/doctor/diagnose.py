"""The doctor: why is this request or this hook refused?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from textwrap import fill, indent
from typing import Any

from pydantic import SecretStr

from ...clock import Clock
from .. import signing
from ..signing import CONTENT_TYPE, DATE_WINDOW, Secret, content_md5
from . import mistakes, search
from .mistakes import Case, Guess, utf8
from .pasted import parse_request
from .search import Finding, finding, found

OtherSecrets = Iterable[Secret] | Mapping[str, Secret]
_WIDTH = 76
_VISIBLE = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a signed request or hook. Never holds a secret; `str()` is the report for people.

    Attributes:
        findings: all that was found, the most decisive first.
        string_as_sent: the text that was signed, as far as it was found out; of a hook the body given.
        string_right: the text to sign; of a hook the body that Kommo signed.
        corrected: the four headers of the request, right; {} where they cannot be known, and for a hook.
        ruled_out: the mistakes that were tried in vain, if the signature could not be explained.
    """

    findings: tuple[Finding, ...] = ()
    string_as_sent: str = ""
    string_right: str = ""
    corrected: dict[str, str] = field(default_factory=dict)
    ruled_out: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if the signature is right, and nothing else is wrong."""
        return not self.findings

    @property
    def cause(self) -> str | None:
        """The name of the most decisive finding, or None."""
        return self.findings[0].cause if self.findings else None

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of all findings."""
        return tuple(finding.cause for finding in self.findings)

    @property
    def explanation(self) -> str:
        """The most decisive finding in words."""
        if self.findings:
            return self.findings[0].explanation
        newline = "" if self.first_difference is None else " The last newline is not signed, as in every hook of Kommo."
        return "The signature is right, and nothing else is wrong." + newline

    @property
    def first_difference(self) -> int | None:
        """The place of the first character in which the two strings differ, or None if they are the same."""
        sent, right = self.string_as_sent, self.string_right
        return None if sent == right else search.difference(sent, right)

    def marked(self) -> str:
        """Both strings one above the other, in rows, with `^` under the first difference; a line feed shows as ␊."""
        sent, right, spot = _rows(self.string_as_sent), _rows(self.string_right), self.first_difference
        if spot is None:
            return "\n".join(f"{'both':>8}  {row}" for row in right[:3])
        lines, at = [], spot // _WIDTH
        for number in range(max(0, at - 3), min(max(len(sent), len(right)), at + 4)):
            for name, rows in (("as sent", sent), ("right", right)):
                lines.append(f"{name:>8}  {''.join(rows[number : number + 1])}".rstrip())
            if number == at:
                lines.append(f"{'':>8}  {'':>{spot % _WIDTH}}^ differs from place {spot} on")
        return "\n".join(lines)

    def __str__(self) -> str:
        if self.ok:
            return self.explanation
        paragraphs = [f"{each.cause}\n{indent(fill(each.explanation, 98), '  ')}" for each in self.findings]
        paragraphs += [self.marked()] if self.string_right else []
        paragraphs += [fill(f"Ruled out: {'; '.join(self.ruled_out)}.", 100)] if self.ruled_out else []
        headers = [f"  {name}: {value}" for name, value in self.corrected.items()]
        return "\n\n".join([*paragraphs, "\n".join(["The right headers:", *headers])][: None if headers else -1])


def _rows(text: str) -> list[str]:
    # One character stays one character, so that the rows stay in line.
    shown = "".join(char if char.isprintable() else _VISIBLE.get(ord(char), "�") for char in text)
    return [shown[start : start + _WIDTH] for start in range(0, len(shown), _WIDTH)]


def diagnose_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    secret: Secret,
    other_secrets: OtherSecrets = (),
    now: datetime | None = None,
) -> Diagnosis:
    """What is wrong with a request to the Chats API that Kommo answers with 403. Takes bounded time.

    Args:
        url: the whole URL or its path, with the query string if there is one.
        other_secrets: those of other channels or of the integration, in a mapping with names for the report.
        now: when the request is sent, aware; the present time by default.

    Raises ValueError if the secret is empty, or `now` is naive.
    """
    if now and now.tzinfo is None:
        raise ValueError("now needs a time zone: use datetime.now(timezone.utc)")
    named = {name.strip().lower().translate(_LOOKALIKES): value.strip() for name, value in headers.items()}
    more = {"method": method, "url": url, "headers": named, "names": tuple(headers), "is_hook": False}
    case = _case(body, secret, other_secrets, now, **more)
    given = case.headers.get("x-signature", "")
    explained = search.explain(case, given, search.request_spaces(case)) if given else search.Explained()
    seen = list(_certain(case))
    known = [*seen, *explained.findings] if explained.ruled_out else [*explained.findings, *seen]
    sent = utf8("\n".join(search.as_sent(case))) if explained.text is None else explained.text
    findings = [*_odd_secret(case), *known, *_doubtful(case)]
    right, corrected = _corrected(case)
    return _told(case, findings, sent, right, corrected=corrected, ruled_out=explained.ruled_out)


def _corrected(case: Case) -> tuple[bytes, dict[str, str]]:
    """The right string to sign, and the right headers, {} where path or secret cannot be known."""
    _, misplaced, other = mistakes.other_id(case)
    path = other if misplaced else case.place[1]
    given, md5 = case.headers.get("date", ""), content_md5(case.body)
    moment = _good_date(given)
    fresh = moment and abs(case.now - moment) <= DATE_WINDOW
    date = given if fresh else format_datetime(case.now.astimezone(UTC))
    text = utf8(signing.string_to_sign(mistakes.right_method(case), md5, CONTENT_TYPE, date, path))
    if not path or _odd_secret(case):
        return text, {}
    signature = signing.signature(text, secret=case.key.decode())
    return text, {"Date": date, "Content-Type": CONTENT_TYPE, "Content-MD5": md5, "X-Signature": signature}


def diagnose_hook(
    body: bytes, signature: str | bytes | None, *, secret: Secret, other_secrets: OtherSecrets = ()
) -> Diagnosis:
    """What is wrong with a hook that does not pass the check, or with the way its body reached the check.

    Example:
        >>> signature = "849d1ef8d0ed6a293fcc7e63fd50856a43fdee34"
        >>> diagnose_hook(b'{"time": 1}', signature, secret="sandbox-secret").cause
        'hook_reencoded'
    """
    case = _case(body, secret, other_secrets)
    trimmed = body.removesuffix(b"\n")
    verdict = signing.check_hook(body, signature, secret=case.key.decode())
    if verdict.ok:
        return _told(case, [], body, body if verdict is signing.Verdict.VALID else trimmed)
    if not signature:
        return _told(case, [finding("header_missing", "The hook carries no X-Signature, so nobody signed it")])
    given = signature.decode("utf-8", "replace") if isinstance(signature, bytes) else signature
    explained = search.explain(case, given, search.hook_spaces(case))
    right = trimmed if explained.text is None else explained.text
    return _told(case, [*_odd_secret(case), *explained.findings], body, right, ruled_out=explained.ruled_out)


def diagnose_pasted(
    text: str | bytes,
    *,
    secret: Secret,
    other_secrets: OtherSecrets = (),
    hook_signature: str | None = None,
    now: datetime | None = None,
) -> Diagnosis:
    """The diagnosis of a request or hook pasted as curl, raw HTTP or HAR (else NotARequest), or of a bare hook body.

    Args:
        hook_signature: makes `text` the body of a hook with this X-Signature. Without it a request that has no
            Content-MD5, and does not go to Kommo's path, is taken for a hook.
    """
    more: dict[str, Any] = {"secret": secret, "other_secrets": other_secrets}
    if hook_signature is not None:
        body = utf8(text) if isinstance(text, str) else text
        return diagnose_hook(body, hook_signature, **more)
    method, url, headers, body = parse_request(text)
    names = {name.lower(): value for name, value in headers.items()}
    if "content-md5" not in names and "/v2/origin/custom/" not in url:
        return diagnose_hook(body, names.get("x-signature"), **more)
    return diagnose_request(method, url, headers=headers, body=body, now=now, **more)


def _case(body: bytes, secret: Secret, other_secrets: OtherSecrets, now: datetime | None = None, **more: Any) -> Case:
    if isinstance(other_secrets, str | SecretStr):
        other_secrets = (other_secrets,)
    if not isinstance(other_secrets, Mapping):
        other_secrets = {f"number {number} of the others": each for number, each in enumerate(other_secrets, 1)}
    others = {str(name): utf8(_text(each)) for name, each in other_secrets.items() if _text(each).strip()}
    given = _text(secret)
    key = _text(signing.require_secret(given.strip(mistakes.AROUND))).encode()
    return Case(body, key, given.encode(), others, now or Clock().now(), **more)


def _text(secret: Secret) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def _told(case: Case, findings: list[Finding], sent: bytes = b"", right: bytes = b"", **more: Any) -> Diagnosis:
    """The diagnosis, each cause once, and with every secret hidden in it."""
    once: dict[str, Finding] = {}
    for each in findings:
        once.setdefault(each.cause, Finding(each.cause, case.hide(each.explanation)))
    as_given, as_right = (case.hide(text.decode("utf-8", "backslashreplace")) for text in (sent, right))
    return Diagnosis(tuple(once.values()), as_given, as_right, **more)


_NAMES = {"date": "Date", "content-type": "Content-Type", "content-md5": "Content-MD5", "x-signature": "X-Signature"}
_LOOKALIKES = str.maketrans("авсԁеһіјкӏмнорԛѕтхуѵԝԌАВСЕНІЈКМОРԚЅТХУԜ", "abcdehijklmnopqstxyvwGABCEHIJKMOPQSTXYW")
_ENGLISH = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_RFC_2822 = r"(?a:(?:(?:{}), )?\d\d? (?:{}) \d{{4}} \d\d:\d\d(?::\d\d)? (?:[+-]\d{{4}}|GMT|UT))".format(*_ENGLISH)


def _odd_secret(case: Case) -> list[Finding]:
    lead = "The secret given here looks like the integration's or like an OAuth token"
    return [finding("integration_secret", lead)] if mistakes.looks_like_integration(case.key) else []


def _certain(case: Case) -> Iterator[Finding]:
    """What makes Kommo refuse the request whatever its signature is."""
    if missing := [name for key, name in _NAMES.items() if not case.headers.get(key)]:
        yield finding("header_missing", f"The request carries no {' and no '.join(missing)}")
    yield from _md5(case)
    given, date = case.headers.get("content-type", ""), case.headers.get("date", "")
    if given not in ("", CONTENT_TYPE):
        cause = "content_type_charset" if given.lower().startswith(CONTENT_TYPE + ";") else "content_type_other"
        yield found(case, "The request", Guess(None, cause, case.quoted(given)))
    if date and not _good_date(date):
        words = re.findall(r"[^\W\d_]{2,}", date[:100])
        named = [word[:3].capitalize() in "|".join(_ENGLISH) for word in words[:2]]
        foreign = words and not all(named) and words[0].upper() not in ("GMT", "UTC", "UT", "AM", "PM")
        yield found(case, "The request", Guess(None, "date_localized" if foreign else "date_format", case.quoted(date)))
    if (right := mistakes.right_method(case)) != case.method.upper():
        yield finding(
            "wrong_method", f"The path is that of a {right} call, sent was {case.quoted(case.method.upper())}"
        )
    cause, misplaced, _ = mistakes.other_id(case)
    if misplaced:
        yield finding(cause, f"The path holds {mistakes.MISTAKES[cause][0]}")


def _md5(case: Case) -> Iterator[Finding]:
    given, right = case.headers.get("content-md5", ""), content_md5(case.body)
    if given in ("", right):
        return
    digest, kind, writing = search.reading(given)
    if kind == "md5" and writing:
        yield found(case, "Content-MD5", Guess(None, f"md5_{writing}"))
    if digest.hex() != right:
        guess = next((guess for guess in case.bodies if content_md5(guess.value) == digest.hex()), None)
        yield found(case, "Content-MD5", guess or Guess(None, "md5_wrong"))


def _good_date(date: str) -> datetime | None:
    return mistakes.read_date(date) if re.fullmatch(_RFC_2822, date) else None


def _doubtful(case: Case) -> Iterator[Finding]:
    """What may be no mistake when the request was copied some time ago, or has nothing to do with the signature."""
    late = case.now - (_good_date(case.headers.get("date", "")) or case.now)
    span = f"{abs(late).days} days" if abs(late).days > 1 else f"{abs(late) // timedelta(minutes=1)} minutes"
    if abs(late) > DATE_WINDOW:
        cause, seen = ("date_stale", "is old") if late > DATE_WINDOW else ("date_future", "lies ahead")
        yield finding(cause, f"The Date {seen}, by {span}, if the request is sent now")
    for name in (*case.names, *_field_names(case.payload)):
        if not name.isascii() and name.translate(_LOOKALIKES).isascii():
            place = next(place for place, letter in enumerate(name) if not letter.isascii())
            seen = f"{case.quoted(name)} has {unicodedata.name(name[place])} at place {place + 1}"
            return (yield finding("lookalike_letters", f"The name {seen}"))


def _field_names(payload: object) -> Iterator[str]:
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
