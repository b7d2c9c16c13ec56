"""The doctor: why is this request or this hook refused?"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from ...clock import Clock
from .. import signing
from ..signing import CONTENT_TYPE, DATE_WINDOW, Secret, content_md5, plain
from .diagnosis import Diagnosis, Finding, difference
from .mistakes import AROUND, MISTAKES, Case, Guess, Part, body_parts, request_parts, request_text
from .pasted import NotARequest, parse_request
from .search import Explained, explain
from .writings import good_date, objects, utf8

OtherSecrets = Iterable[Secret] | Mapping[str, Secret]


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
    """What is wrong with a request to the Chats API that Kommo answers with 403; a ValueError without a secret.

    Args:
        url: the whole URL or its path, with the query string if there is one.
        other_secrets: those of other channels or of the integration, in a mapping with names for the report.
        now: when the request is sent, aware; the present time by default.
    """
    if now and now.tzinfo is None:
        raise ValueError("now needs a time zone: use datetime.now(timezone.utc)")
    named = {name.strip().lower().translate(_LOOKALIKES): value.strip() for name, value in headers.items()}
    case = _case(body, secret, other_secrets, now, method=method, url=url, headers=named, is_hook=False)
    parts = request_parts(case)
    explained = explain(case, parts)
    sent = request_text([part.sent for part in parts[:-2]]) if explained.text is None else explained.text
    findings = [*_findings(case, parts, explained), *_doubtful(case, headers)]
    right, corrected = _corrected(case, parts)
    return _told(case, findings, sent, right, corrected=corrected, ruled_out=explained.ruled_out)


def _corrected(case: Case, parts: Sequence[Part]) -> tuple[bytes, dict[str, str]]:
    """The right string to sign, and the right headers, {} where path or secret cannot be known."""
    method, md5, _, _, date, _, path, *_, key, _ = (part.right for part in parts)
    moment = good_date(date)
    if not moment or abs(case.now - moment) > DATE_WINDOW:
        date = format_datetime(case.now.astimezone(UTC))
    text = utf8(signing.string_to_sign(method, md5, CONTENT_TYPE, date, path))
    if not path or not key:
        return text, {}
    signature = signing.signature(text, secret=key.decode())
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
    given = (signature or b"").decode("utf-8", "replace") if not isinstance(signature, str) else signature
    case = _case(body.removesuffix(b"\n"), secret, other_secrets, headers={"x-signature": given})
    verdict = signing.check_hook(body, signature, secret=case.key.decode())
    if verdict.ok:
        return _told(case, [], body, body if verdict is signing.Verdict.VALID else case.body)
    parts = body_parts(case)
    explained = explain(case, parts)
    return _told(case, _findings(case, parts, explained), body, explained.text or b"", ruled_out=explained.ruled_out)


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
    try:
        method, url, headers, body = parse_request(text)
    except NotARequest as problem:
        raise NotARequest(_case(b"", secret, other_secrets).hide(problem.what)) from None
    names = {name.lower(): value for name, value in headers.items()}
    if "content-md5" not in names and "/v2/origin/custom/" not in url:
        return diagnose_hook(body, names.get("x-signature"), **more)
    return diagnose_request(method, url, headers=headers, body=body, now=now, **more)


def _case(body: bytes, secret: Secret, other_secrets: OtherSecrets, now: datetime | None = None, **more: Any) -> Case:
    if not isinstance(other_secrets, Mapping):
        other_secrets = {f"number {number} of the others": each for number, each in enumerate(other_secrets, 1)}
    keys = {str(name): utf8(plain(each)) for name, each in {"as it was given": secret, **other_secrets}.items()}
    key = utf8(plain(signing.require_secret(plain(secret).strip(AROUND))))
    return Case(body, key, {name: each for name, each in keys.items() if each.strip()}, now or Clock().now(), **more)


def _told(case: Case, findings: list[Finding], sent: bytes = b"", right: bytes = b"", **more: Any) -> Diagnosis:
    """The diagnosis, each cause once, and with every secret hidden in it."""
    once: dict[str, Finding] = {}
    for each in findings:
        once.setdefault(each.cause, each._replace(seen=case.hide(each.seen)))
    as_given, as_right = (case.hide(text.decode("utf-8", "backslashreplace")) for text in (sent, right))
    return Diagnosis(tuple(once.values()), as_given, as_right, **more)


_HEADERS = ("Date", "Content-Type", "Content-MD5", "X-Signature")
_LOOKALIKES = str.maketrans("авсԁеһіјкӏмнорԛѕтхуѵԝԌАВСЕНІЈКМОРԚЅТХУԜ", "abcdehijklmnopqstxyvwGABCEHIJKMOPQSTXYW")


def _findings(case: Case, parts: Sequence[Part], explained: Explained) -> list[Finding]:
    """What makes Kommo refuse the request whatever its signature is, and what the signature was made with."""
    missing = [name for name in _HEADERS[3 * case.is_hook :] if not case.headers.get(name.lower())]
    odd = [part for part in parts if part.sent and part.sent != part.right]
    wrong = [next(guess for guess in part.guesses if guess.value == part.sent) for part in odd]
    wrong += [Guess(None, "header_missing", ", ".join(missing))] * bool(missing)
    seen = [_found(case, f"The {'hook' if case.is_hook else 'request'} was made with", guess) for guess in wrong]
    made = [_found(case, "The signature was made with", guess) for guess in explained.mistakes]
    return seen + made if explained.ruled_out else made + seen


def _found(case: Case, lead: str, guess: Guess) -> Finding:
    """The finding that a guess is right; for another body, with the place where it begins to differ."""
    detail = [guess.detail] if guess.detail else []
    if guess.cause.startswith(("body_re", "body_new", "empty_", "hook_")):
        other = next(each.value for each in case.bodies if guess.value in (each.value, content_md5(each.value)))
        one, two = (case.hide(text.decode("utf-8", "replace")) for text in (other, case.body))
        shown = slice(max(0, (spot := difference(one, two)) - 12), spot + 12)
        was, now = ("signed", "given") if case.is_hook else ("hashed", "sent")
        detail.append(f"{was} {one[shown]!r}, {now} {two[shown]!r}")
        detail.append(f"different from byte {difference(other, case.body)} on")
    more = f" ({case.hide('; '.join(detail))[:200]})" if detail else ""
    return Finding(guess.cause, f"{lead} {MISTAKES[guess.cause][0]}{more}")


def _doubtful(case: Case, headers: Iterable[str]) -> Iterator[Finding]:
    """What may be no mistake when the request was copied some time ago, or has nothing to do with the signature."""
    late = case.now - (good_date(case.headers.get("date", "")) or case.now)
    span = f"{abs(late).days} days" if abs(late).days > 1 else f"{abs(late) // timedelta(minutes=1)} minutes"
    if abs(late) > DATE_WINDOW:
        cause, seen = ("date_stale", "is old") if late > DATE_WINDOW else ("date_future", "lies ahead")
        yield Finding(cause, f"The Date {seen}, by {span}, if the request is sent now")
    if not case.call[-1]:
        yield Finding("path_unknown", f"The request was made with {MISTAKES['path_unknown'][0]}")
    for name in (*headers, *(name for one in objects(case.payload) for name in one)):
        if not name.isascii() and name.translate(_LOOKALIKES).isascii():
            place = next(place for place, letter in enumerate(name) if not letter.isascii())
            seen = f"{case.quoted(name)} has {unicodedata.name(name[place])} at place {place + 1}"
            return (yield Finding("lookalike_letters", f"The name {seen}"))
