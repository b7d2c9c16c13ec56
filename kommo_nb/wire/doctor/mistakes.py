"""The known mistakes in a signature: their names and words in one table, and what each of them would have signed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import chain, permutations, product
from typing import Any, NamedTuple
from urllib.parse import quote

from ..signing import CONTENT_TYPE, content_md5

_TABLE = r"""
wrong_method: another method than the call's | Send and sign the same one, in capitals; watch for redirects.
body_reencoded: the body written in another way | Encode once, hash and send those bytes: content=, never json=.
body_newline: other white space around the body | Hash exactly the bytes that travel; a line end counts.
empty_body_hashed: [], {} or "" hashed, where the body is empty | Without a body take the MD5 of nothing, d41d8cd9...
md5_base64: the MD5 in base64 instead of hex | Content-MD5 is 32 small hex digits here: hexdigest(), not digest().
md5_upper_case: the MD5 in capital letters | Write its hex digits small.
md5_wrong: an MD5 that is not the body's | Something changed the body after it was hashed, or it was not given as sent.
content_type_charset: a Content-Type with a charset | Send and sign application/json; some libraries add the charset.
content_type_other: another Content-Type than application/json | Send and sign application/json, on GET and DELETE too.
date_differs: another Date than the header's | Take the time once, and use that one text for header and signature.
date_localized: a Date in another language | Write days and months in English, whatever the machine's locale.
date_format: a Date that is not RFC 2822 | Write it like Thu, 16 Dec 2021 13:15:29 +0000.
date_stale: an old Date | A signature is good for 15 minutes: sign each attempt afresh, and check the machine's clock.
date_future: a Date that lies ahead | Check the machine's clock, and that the hour and the zone belong together.
query_in_path: the query string in the path | Sign the path up to the question mark; the query string is not signed.
host_in_path: the host in the path | Sign the path alone, from its first slash, without scheme and host.
path_without_slash: the path without its leading slash | Begin the path with a slash.
channel_id_for_scope_id: the channel id where the scope id belongs | Only connect and disconnect take the channel id.
scope_id_for_channel_id: the scope id where the channel id belongs | Connect and disconnect take the channel id alone.
letter_n: the letter n in place of the line feed | Join with a real line feed, one byte 0x0A.
backslash_n: the two characters \n in place of the line feed | Join with a real line feed: in PHP "\n", not '\n'.
body_only: the body alone, not the five parts | That is for hooks. Sign method, MD5, Content-Type, Date and path.
secret_hex_decoded: the secret decoded from hex | The key is the text of the secret, not the bytes it could stand for.
secret_whitespace: white space around the secret | Strip it when reading it: files and copied lines have a line end.
wrong_channel_secret: another secret than this channel's | Take the secret of the channel that the path names.
integration_secret: a secret like an integration's or a token | Take the channel's, which support sends with its id.
sha256: SHA-256 instead of SHA-1 | Take HMAC-SHA1; it has 40 hex digits.
base64: base64 instead of hex | Write X-Signature as 40 small hex digits: hexdigest(), not digest() in base64.
upper_case: capital letters in its hex digits | Write the hex digits small.
signature_malformed: something that is no signature | X-Signature holds 40 small hex digits, the HMAC-SHA1.
header_missing: a header missing | A request has Date, Content-Type, Content-MD5 and X-Signature, a hook X-Signature.
lookalike_letters: a Cyrillic letter that looks like a Latin one | Type the name again on a Latin keyboard.
hook_newline: other white space at the end of the body | Kommo sends one newline that it does not sign: take it off.
hook_reencoded: the body written in another way than here | Check the raw bytes, before anything parses them.
unexplained: something unknown | Compare the secret with support's answer, and what was given here with what was sent.
"""


MISTAKES = {row.partition(": ")[0]: row.partition(": ")[2].split(" | ") for row in _TABLE.strip().splitlines()}
"""Every cause that the doctor can name: what was done ("the signature was made with …"), and the advice."""


class Guess(NamedTuple):
    """What a part may have been; without a cause it is what was sent, or what is right."""

    value: Any
    cause: str = ""
    detail: str = ""


def utf8(text: str) -> bytes:
    """The bytes of any text, also of one with lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


AROUND = " \t\r\n\v\f\"'\ufeff\u200b\xa0"
"""What comes along when a secret is copied."""


@dataclass(frozen=True, repr=False)
class Case:
    """What the doctor is shown, taken apart. Has no repr, for it holds the secrets."""

    body: bytes
    key: bytes
    given_key: bytes
    other_keys: Mapping[str, bytes]
    now: datetime
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    is_hook: bool = True

    @cached_property
    def place(self) -> tuple[str, str, str]:
        """Host, path and query of the URL, the path as it travels."""
        rest, _, query = self.url.partition("#")[0].partition("?")
        _, found, behind = ("", "", rest) if rest.startswith("/") else rest.rpartition("://")
        first = behind.partition("/")[0]
        host = first if found or re.search(r"[.:]|^localhost$", first) else ""
        path = "/" + behind[len(host) :].removeprefix("/")
        return host, quote(path, safe="/%:@!$&'()*+,;=~", errors="surrogatepass"), query

    @cached_property
    def payload(self) -> Any:
        """The body as JSON, None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def bodies(self) -> list[Guess]:
        """What else may have been hashed for the body."""
        kind = "hook" if self.is_hook else "body"
        marks = () if self.body.strip() else (b"[]", b"{}", b'""')
        ends = (self.body + b"\n", self.body + b"\r\n", self.body.removesuffix(b"\n"), self.body.strip())
        guesses = [Guess(mark, "empty_body_hashed") for mark in marks]
        guesses += [Guess(other, f"{kind}_newline") for other in dict.fromkeys(ends) if other != self.body]
        return guesses + [Guess(other, f"{kind}_reencoded", words) for other, words in rewritings(self.body)]

    @cached_property
    def hide(self) -> Callable[[str], str]:
        """Puts `[secret]` in the place of every secret in a text."""
        texts = [key.decode("utf-8", "surrogatepass") for key in (self.key, self.given_key, *self.other_keys.values())]
        hidden = {word for text in texts for word in (text, text.strip(AROUND)) if len(word) > 5}
        words = "|".join(re.escape(word) for word in sorted(hidden, key=len, reverse=True))
        pattern = re.compile(words or "(?!)", re.IGNORECASE)
        return lambda text: pattern.sub("[secret]", text)

    def quoted(self, text: str) -> str:
        """The beginning of a foreign text for a sentence. Hidden before it is cut, or a piece of a secret remained."""
        return repr(self.hide(text)[:80])


_METHODS = {"connect": "POST", "disconnect": "DELETE", "": "POST", "chats": "POST", "history": "GET"}
_METHODS |= dict.fromkeys(("delivery_status", "typing", "react"), "POST")
_UUID = re.compile(r"[0-9A-Za-z]{6,8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}")


def _call_of(path: str) -> tuple[str, str]:
    before, found, rest = path.partition("/v2/origin/custom/")
    given, *tail = rest.split("/")
    call = tail[-1] if tail else ""
    return (given, call) if found and not before and call in _METHODS else ("", "?")


def right_method(case: Case) -> str:
    """The method of the call that the path names; for an unknown path that of the request."""
    return _METHODS.get(_call_of(case.place[1])[1], case.method.upper())


def other_id(case: Case) -> tuple[str, bool, str]:
    """The cause for a wrong kind of id in this path, whether it is there, and the path with the other kind if known."""
    given, call = _call_of(case.place[1])
    channel, _, account = given.partition("_")
    if not all(_UUID.fullmatch(each) for each in (channel, account or channel)):
        return "", False, ""
    named = case.payload.get("account_id") if isinstance(case.payload, dict) else None
    scope = f"{channel}_{named}" if isinstance(named, str) and _UUID.fullmatch(named) else ""
    other, takes_channel = channel if account else scope, call in ("connect", "disconnect")
    cause = "scope_id_for_channel_id" if takes_channel else "channel_id_for_scope_id"
    return cause, bool(account) == takes_channel, other and case.place[1].replace(given, other, 1)


def wrong_parts(case: Case) -> tuple[list[Guess], ...]:
    """What method, MD5, Content-Type, Date and path may have been by mistake."""
    names = ("POST", "GET", "DELETE", "PUT", "PATCH", "HEAD", case.method.lower())
    right = content_md5(case.body)
    md5s = [
        Guess(base64.b64encode(bytes.fromhex(right)).decode(), "md5_base64"),
        Guess(right.upper(), "md5_upper_case"),
    ]
    md5s += [guess._replace(value=content_md5(guess.value)) for guess in case.bodies]
    charsets = [f"{CONTENT_TYPE}{gap}charset={name}" for gap in ("; ", ";") for name in ("utf-8", "UTF-8")]
    types = [Guess(name, "content_type_charset") for name in charsets]
    types += [Guess(name, "content_type_other", repr(name)) for name in ("application/x-www-form-urlencoded", "")]
    return [Guess(name, "wrong_method", name) for name in names], md5s, types, list(_dates(case)), list(_paths(case))


def _paths(case: Case) -> Iterator[Guess]:
    host, path, query = case.place
    with_query = [f"{path}?{query}"] if query else []
    hosts = [host] if host else ["amojo.kommo.com", "amojo.amocrm.ru", "amojo.amocrm.com"]
    origins = [origin for name in hosts for origin in (f"https://{name}", f"http://{name}", name)]
    yield from (Guess(each, "query_in_path") for each in with_query)
    yield from (Guess(origin + each, "host_in_path") for origin in origins for each in (path, *with_query))
    yield Guess(path[1:], "path_without_slash")
    cause, _, other = other_id(case)
    yield from [Guess(other, cause)] if other else []


def keys(case: Case) -> Iterator[Guess]:
    """What else may have been used as the key."""
    key = case.key
    for name, other in case.other_keys.items():
        cause = "integration_secret" if looks_like_integration(other) else "wrong_channel_secret"
        yield from (Guess(value, cause, name) for value in {other, other.strip()} - {key})
    if re.fullmatch(rb"(?:[0-9a-fA-F]{2})+", key):
        yield Guess(bytes.fromhex(key.decode()), "secret_hex_decoded")
    around = (key + b"\n", key + b"\r\n", key + b" ", b" " + key, b" %b " % key, key + b"\t", case.given_key)
    yield from (Guess(value, "secret_whitespace") for value in around if value != key)


def looks_like_integration(key: bytes) -> bool:
    """True for 64 letters and digits beyond hex, as an integration's secret has, and for an OAuth token."""
    return bool(re.fullmatch(rb"(?=.*[g-zG-Z])[0-9A-Za-z]{64}|eyJ[\w-]+\.[\w-]+\.[\w-]+", key))


MAX_BYTES = 32_000_000  # how much is written at most while looking for the bytes that were hashed

_SPACES: dict[str, dict[str, Any]] = {
    "no spaces": {"separators": (",", ":")},
    "a space after commas and colons": {},
    "indented by 2": {"indent": 2},
    "indented by 4": {"indent": 4},
}
_LETTERS = {"letters beyond ASCII as they are": False, "\\uXXXX for letters beyond ASCII": True}
_SLASHES = {"/ as it is": "/", "\\/ for /": "\\/"}


def rewritings(body: bytes) -> list[tuple[bytes, str]]:
    """Other ways to write the same JSON, MAX_BYTES in all, the likely ones first, each with its difference in words."""
    found: dict[bytes, tuple[str, ...]] = {}
    written = 0
    try:
        for data, style in _written(body):
            written += len(data)
            found.setdefault(data, style)
            if written > MAX_BYTES:
                break
    except (ValueError, RecursionError):  # not JSON, or nested too deep
        return []
    own = found.pop(body, ("",) * 4)
    return [(data, "with " + ", ".join(word for word in style if word not in own)) for data, style in found.items()]


def _written(body: bytes) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    value = json.loads(body)
    for order, arranged in chain([("the keys as they stood", value), ("the keys sorted", value)], _orders(value)):
        is_sorted = order == "the keys sorted"
        for spaces, letters, slashes in product(_SPACES, _LETTERS, _SLASHES):
            text = json.dumps(arranged, sort_keys=is_sorted, ensure_ascii=_LETTERS[letters], **_SPACES[spaces])
            yield utf8(text.replace("/", _SLASHES[slashes])), (order, spaces, letters, slashes)


def _orders(value: Any) -> Iterator[tuple[str, Any]]:
    items = list(value.items()) if isinstance(value, dict) else []
    moved = ([*items[:at], *items[at + 1 :], items[at]] for at in range(len(items)))  # one key put at the end
    for other in permutations(items) if len(items) <= 5 else moved:
        yield "the keys in another order", dict(other)


SECONDS = 180  # how far from the header's Date another second is looked for, on both sides

_NAMES = {
    "en": ("Mon Tue Wed Thu Fri Sat Sun", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
    "ru": ("пн вт ср чт пт сб вс", "янв фев мар апр май июн июл авг сен окт ноя дек"),
    "es": ("lun mar mié jue vie sáb dom", "ene feb mar abr may jun jul ago sep oct nov dic"),
    "pt": ("seg ter qua qui sex sáb dom", "jan fev mar abr mai jun jul ago set out nov dez"),
}
_USUAL = ("{a}, {d:02} {b} {y} {t} +0000", "{a}, {d:02} {b} {y} {t} GMT")
_FORMS = (
    *(*_USUAL, "{a}, {d:02} {b} {y} {t} -0000", "{a}, {d:02} {b} {y} {t} UTC", "{a} {b} {d:2} {t} {y}"),
    *("{a} {b} {d:02} {y} {t} GMT+0000 (Coordinated Universal Time)", "{day}T{t}Z", "{day}T{t}.000Z"),
    *(
        "{day}T{t}+00:00",
        "{day} {t}",
    ),
)


def read_date(text: str) -> datetime | None:
    """The moment that a Date header means, in whatever form, or None; without a zone it is taken for UTC."""
    for read in (parsedate_to_datetime, datetime.fromisoformat) if len(text) <= 100 else ():
        with suppress(ValueError, TypeError, IndexError, OverflowError, OSError):  # parsedate has raised all of them
            moment = read(text)
            if 1980 < moment.year < 2200:  # so that a neighbour is a date too
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _dates(case: Case) -> Iterator[Guess]:
    sent = case.headers.get("date", "")
    moment = read_date(sent) or case.now
    own = [form for form in _FORMS if _date(moment, form) == sent][:1]
    away = [timedelta(seconds=sign * off) for off in range(1, SECONDS + 1) for sign in (1, -1)]
    away += [timedelta(hours=hours) for hours in range(-12, 15)]
    texts = [_date(moment, form) for form in _FORMS]
    texts += [_date(moment + time, form) for time in away for form in dict.fromkeys((*own, *_USUAL))]
    foreign = [_date(moment, form, language) for language in list(_NAMES)[1:] for form in _USUAL]
    yield from (Guess(text, "date_differs", text) for text in dict.fromkeys(texts))
    yield from (Guess(text, "date_localized", text) for text in foreign)


def _date(moment: datetime, form: str, language: str = "en") -> str:
    at = moment.astimezone(UTC)
    days, months = (names.split() for names in _NAMES[language])  # not strftime's, which follow the locale
    words = {"a": days[at.weekday()], "b": months[at.month - 1], "d": at.day, "y": at.year}
    return form.format(**words, day=f"{at:%Y-%m-%d}", t=f"{at:%H:%M:%S}")
