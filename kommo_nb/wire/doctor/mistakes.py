"""The known mistakes in a signature: their names and words in one table, and what each of them would have signed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from ..signing import CONTENT_TYPE, content_md5
from .writings import good_date, is_foreign, other_dates, rewritings, utf8

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
double_slash: two slashes where the path begins | The base URL ends with a slash, the path begins with one: keep one.
path_unknown: a path that the API does not have | Compare it with the reference: each id, and the last word.
channel_id_for_scope_id: the channel id where the scope id belongs | Only connect and disconnect take the channel id.
scope_id_for_channel_id: the scope id where the channel id belongs | Connect and disconnect take the channel id alone.
letter_n: the letter n in place of the line feed | Join with a real line feed, one byte 0x0A.
backslash_n: the two characters \n in place of the line feed | Join with a real line feed: in PHP "\n", not '\n'.
crlf: a Windows line end in place of the line feed | Join with one byte 0x0A, not with the system's line end.
line_feed_at_end: a line feed after the path | Nothing follows the path: in a shell printf %s, not echo.
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
unexplained: none of the known mistakes | Compare the secret with support's answer, and this body with the bytes sent.
"""

MISTAKES = {row.partition(": ")[0]: row.partition(": ")[2].split(" | ") for row in _TABLE.strip().splitlines()}
"""Every cause that the doctor can name: what was done ("the signature was made with …"), and the advice."""

_CALLS = {"": "POST", "/chats": "POST", "/chats/[^/]+/history": "GET", "/[^/]+/delivery_status": "POST"}
_CALLS |= {"/typing": "POST", "/react": "POST", "/connect": "POST", "/disconnect": "DELETE"}
"""The method of every call of the Chats API, by what stands after the scope id or the channel id."""

AROUND = " \t\r\n\v\f\"'\ufeff\u200b\xa0"
"""What comes along when a secret is copied."""


class Guess(NamedTuple):
    """What a part may have been by mistake, and the mistake."""

    value: Any
    cause: str = ""
    detail: str = ""


class Part(NamedTuple):
    """One part of what is signed: as it was sent, as it is right ("" if unknown), and what it may have been instead.

    What was sent and is wrong is one of the guesses.
    """

    sent: Any
    right: Any
    guesses: list[Guess]

    @property
    def wrong(self) -> list[Guess]:
        """What it may have been beside what was sent and what is right."""
        return [guess for guess in self.guesses if guess.value not in (self.sent, self.right)]


@dataclass(frozen=True, repr=False)
class Case:
    """What the doctor is shown, a hook without its unsigned newline. Has no repr, for it holds the secrets."""

    body: bytes
    key: bytes
    other_keys: Mapping[str, bytes]
    now: datetime
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_hook: bool = True

    @cached_property
    def place(self) -> tuple[str, str, str]:
        """Host, path and query of the URL, the path as it travels."""
        rest, _, query = self.url.partition("#")[0].partition("?")
        url = re.fullmatch(r"(?s)(?:[^/]*://([^/]*)|([^/]*[.:][^/]*|localhost))?/?(.*)", rest)
        assert url  # it fits any text
        return url[1] or url[2] or "", "/" + quote(url[3], safe="/%:@!$&'()*+,;=~", errors="surrogatepass"), query

    @cached_property
    def call(self) -> tuple[str, str, str, str, str]:
        """The path of the call in its parts: root, channel, account and tail; and its method, "" if there is none."""
        match = re.fullmatch(r"(?s)/+(v2/origin/custom/)([^/_]+)(?:_([^/]+))?(|/.*)", self.place[1])
        root, channel, account, tail = match.groups("") if match else ("", "", "", "?")
        method = next((method for call, method in _CALLS.items() if re.fullmatch(call, tail)), "")
        return f"/{root}", channel, account, tail, method

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
        keys = [key.decode("utf-8", "surrogatepass") for key in (self.key, *self.other_keys.values())]
        hidden = {word for key in keys for word in (key, key.strip(AROUND)) if len(word) > 5}
        words = "|".join(re.escape(word) for word in sorted(hidden, key=len, reverse=True))
        pattern = re.compile(words or "(?!)", re.IGNORECASE)
        return lambda text: pattern.sub("[secret]", text)

    def quoted(self, text: str) -> str:
        """The beginning of a foreign text for a sentence. Hidden before it is cut, or a piece of a secret remained."""
        return repr(self.hide(text)[:80])


def reading(text: str) -> tuple[bytes, str]:
    """The hash that the text stands for, b"" if it is none, and how it is written: hex, base64 or upper_case."""
    text = text.strip()
    try:
        in_hex = re.fullmatch("[0-9a-fA-F]+", text)
        raw = bytes.fromhex(text) if in_hex else base64.b64decode(text, validate=True)
    except ValueError:
        return b"", "hex"
    return raw, "base64" if not in_hex else "hex" if text == text.lower() else "upper_case"


def request_parts(case: Case) -> list[Part]:
    """What a request's signature is made of; the last two make the key."""
    (host, path, query), method = case.place, case.method.upper()
    right_method, cause, right_path, wrong_path = _call(case)
    methods = ["POST", "GET", "DELETE", "PUT", "PATCH", "HEAD", method, method.lower()]
    hosts = [host] if host else ["amojo.kommo.com", "amojo.amocrm.ru", "amojo.amocrm.com"]
    origins = [origin for name in hosts for origin in (f"https://{name}", f"http://{name}", name)]
    doubled = [Guess(path, "double_slash")] * path.startswith("//")
    ids = [Guess(other, cause) for other in (wrong_path, path) if other not in ("", right_path)]
    return [
        Part(method, right_method, [Guess(name, "wrong_method", case.quoted(name)) for name in methods]),
        *_md5(case),
        _content_type(case),
        _date(case),
        Part("", "", [Guess(origin, "host_in_path") for origin in origins]),
        Part(path, right_path, [*doubled, Guess(path.lstrip("/"), "path_without_slash"), *ids]),
        Part("", "", [Guess(f"?{query}", "query_in_path")] if query else []),
        Part("\n", "\n", [Guess("n", "letter_n"), Guess("\\n", "backslash_n"), Guess("\r\n", "crlf")]),
        Part("", "", [Guess("\n", "line_feed_at_end")]),
        *_key(case),
    ]


def request_text(values: Iterable[Any]) -> bytes:
    """The text that is signed, of the parts' values but the last two."""
    method, md5, written, content_type, date, origin, path, query, line_feed, end = values
    return utf8(line_feed.join((method, written(md5), content_type, date, origin + path + query)) + end)


def _md5(case: Case) -> Iterator[Part]:
    """The hash of the body, and how it is written."""
    given = case.headers.get("content-md5", "")
    digest, writing = reading(given)
    sent = digest.hex() if len(digest) == 16 else given
    bodies = [guess._replace(value=content_md5(guess.value)) for guess in case.bodies]
    yield Part(sent, content_md5(case.body), [*bodies, Guess(sent, "md5_wrong")])
    writings = {"hex": str, "base64": _base64, "upper_case": str.upper}
    guesses = [Guess(_base64, "md5_base64"), Guess(str.upper, "md5_upper_case")]
    yield Part(writings[writing] if len(digest) == 16 else str, str, guesses)


def _base64(md5: str) -> str:
    return base64.b64encode(reading(md5)[0]).decode()


def _content_type(case: Case) -> Part:
    sent = case.headers.get("content-type", "")
    charsets = [f"{CONTENT_TYPE}{gap}charset={name}" for gap in ("; ", ";") for name in ("utf-8", "UTF-8")]
    guesses = []
    for name in (*charsets, "application/x-www-form-urlencoded", "", sent):
        has_charset = name.lower().startswith(CONTENT_TYPE + ";")
        guesses += [Guess(name, "content_type_charset" if has_charset else "content_type_other", case.quoted(name))]
    return Part(sent, CONTENT_TYPE, guesses)


def _date(case: Case) -> Part:
    sent = case.headers.get("date", "")
    texts = [text for text in other_dates(sent, case.now) if text != sent]
    guesses = [Guess(text, "date_differs", text) for text in texts]
    guesses += [Guess(sent, "date_localized" if is_foreign(sent) else "date_format", case.quoted(sent))]
    return Part(sent, sent if good_date(sent) else "", guesses)


def _call(case: Case) -> tuple[str, str, str, str]:
    """The method of this call, the cause for a wrong kind of id, and its path with the right and with the wrong kind.

    A path is "" where the account's id is not known. A path that is none of the API's is right as it is.
    """
    root, channel, account, tail, method = case.call
    if not method:
        path = "/" + case.place[1].lstrip("/")
        return case.method.upper(), "", path, path
    named = case.payload.get("account_id") if isinstance(case.payload, dict) else None
    account = account or (named if isinstance(named, str) and re.fullmatch("[-0-9A-Za-z]+", named) else "")
    with_channel, with_scope = f"{root}{channel}{tail}", f"{root}{channel}_{account}{tail}" if account else ""
    if tail in ("/connect", "/disconnect"):
        return method, "scope_id_for_channel_id", with_channel, with_scope
    return method, "channel_id_for_scope_id", with_scope, with_channel


def body_parts(case: Case) -> list[Part]:
    """What the signature of a hook is made of; the last two make the key."""
    return [Part(case.body, case.body, case.bodies), *_key(case)]


def _key(case: Case) -> Iterator[Part]:
    """Whose secret was the key, and what was done to it."""
    guesses = [Guess(case.key, "integration_secret")]
    for name, other in case.other_keys.items():
        cause = "integration_secret" if _looks_like_integration(other) else "wrong_channel_secret"
        cause = "secret_whitespace" if other.strip(AROUND.encode()) == case.key else cause
        guesses += [Guess(value, cause, name) for value in dict.fromkeys((other.strip(), other))]
    yield Part(case.key, b"" if _looks_like_integration(case.key) else case.key, guesses)
    forms = (b"%b\n", b"%b\r\n", b"%b ", b" %b", b" %b ", b"%b\t")
    with_space = [Guess(form.__mod__, "secret_whitespace") for form in forms]
    yield Part(bytes, bytes, [Guess(_from_hex, "secret_hex_decoded"), *with_space])


def _from_hex(key: bytes) -> bytes:
    return bytes.fromhex(key.decode()) if re.fullmatch(rb"(?:[0-9a-fA-F]{2})+", key) else key


def _looks_like_integration(key: bytes) -> bool:
    """True for 64 letters and digits beyond hex, as an integration's secret has, and for an OAuth token."""
    return bool(re.fullmatch(rb"(?=.*[g-zG-Z])[0-9A-Za-z]{64}|eyJ[\w-]+\.[\w-]+\.[\w-]+", key))
