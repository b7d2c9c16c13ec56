"""Requests as people paste them: a curl command, raw HTTP, a HAR file or one of its entries."""

from __future__ import annotations

import base64
import getopt
import json
import re
import shlex
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from ...errors import KommoError
from .shell import words
from .writings import utf8

MAX_BYTES, MAX_CURL_BYTES, _MAX_WORDS = 32_000_000, 100_000, 1_000
"""Longer texts are refused; Linux allows 128 KiB in one word of a command."""


class NotARequest(KommoError, ValueError):
    """The pasted text is no request; the message says what to paste, and quotes nothing: it may be a secret.

    Attributes:
        what: the first sentence of the message, without its full stop.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        forms = "a curl command, as raw HTTP (POST /v2/... HTTP/1.1, the headers, an empty line, the body), or as HAR"
        super().__init__(f"{what}. Paste the request as {forms}.")


class Pasted(NamedTuple):
    """A request as it was pasted; of headers given twice the last one counts."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def parse_request(text: str | bytes) -> Pasted:
    """The request in a curl command, in raw HTTP or in HAR, told apart by how the text begins. Else NotARequest."""
    raw = _raw(text)
    if raw.lstrip().startswith((b"{", b"[")):
        return parse_har(raw)
    return parse_curl(raw) if _CURL.match(raw) else parse_http(raw)


def _raw(text: str | bytes) -> bytes:
    if len(text) > MAX_BYTES:
        raise NotARequest(f"The text is longer than {MAX_BYTES:,} characters")
    raw = utf8(text) if isinstance(text, str) else text
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):  # as Windows saves a text that it calls Unicode
        raw = utf8(raw.decode("utf-16", "replace"))
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip().startswith(b"```"):  # as a chat shows it
        inside, _, last = raw.lstrip().partition(b"\n")[2].rpartition(b"```")
        raw = inside or last
    return raw


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]*")
"""A name by RFC 9110, with letters of any script, for the doctor to find those that only look right."""


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = (_shown(part).strip() for part in line.partition(b":"))
        if not _NAME.fullmatch(name) or (name and not colon):
            raise NotARequest(f"Header {number} is none; one is like Date: ..., and an empty line ends them")
        if name:
            headers[name] = value
    return headers


def _whole(headers: dict[str, str], body: bytes) -> bytes:
    """The body as long as its Content-Length, whatever became of its line ends. A NotARequest if more is amiss."""
    length = next((value for name, value in headers.items() if name.lower() == "content-length"), "")
    if not re.fullmatch("[0-9]{1,9}", length):
        return body
    size, lost = int(length), int(length) - len(body)
    for text in (body, body.replace(b"\r\n", b"\n"), re.sub(rb"\r?\n", b"\r\n", body)):
        if len(text) >= size and not text[size:].strip():
            return text[:size]
    with suppress(ValueError, RecursionError):  # of whole JSON, nothing but the line end can be lost
        if lost in (1, 2):
            json.loads(body)
            return body + (b"\n" if lost == 1 else b"\r\n")
    raise NotARequest(
        f"The headers announce {size:,} bytes of body, but {len(body):,} are here: "
        "paste the whole body as it was sent, after an empty line"
    )


def parse_http(text: str | bytes) -> Pasted:
    """The request in raw HTTP text. Without a Content-Length, a last line end is the editor's. Else NotARequest."""
    raw = _raw(text).lstrip(b"\r\n \t")
    end = re.search(rb"\r?\n[ \t]*\r?\n", raw)
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
    first, *lines = head.splitlines() or [b""]
    match = re.fullmatch(rb"([A-Za-z]{3,10})[ \t]+(\S+)(?:[ \t]+HTTP/[0-9.]+)?", first.strip())
    if match is None:
        like = ", but looks like a .env file" if re.match(rb"(export +)?\w+ *=", first) else ""
        raise NotARequest(f"This is no request{like}")
    headers, path = _headers(lines), _shown(match[2])
    known = {name.lower(): value for name, value in headers.items()}
    url = f"https://{known['host']}{path}" if known.get("host") and path.startswith("/") else path
    if "chunked" in known.get("transfer-encoding", "").lower():
        raise NotARequest("The body came in chunks: join them without their sizes, and take out Transfer-Encoding")
    if "content-length" not in known:
        body = body.removesuffix(b"\r\n" if body.endswith(b"\r\n") else b"\n")
    return Pasted(_shown(match[1]).upper(), url, headers, _whole(headers, body))


def parse_har(text: str | bytes) -> Pasted:
    """The request in a HAR entry, of a whole file the last signed one, those that got 403 first. Else NotARequest."""
    try:
        entries = json.loads(_raw(text))
    except (ValueError, RecursionError):
        raise NotARequest("This begins like a HAR file, and is no JSON") from None
    with suppress(LookupError, TypeError):  # it may be one entry, or a request alone
        entries = entries["log"]["entries"]
    found: list[tuple[bool, bool, Pasted]] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        with suppress(LookupError, TypeError, AttributeError, ValueError):  # an entry of another shape
            pasted = _from_har(entry.get("request", entry))
            signed = "x-signature" in map(str.lower, pasted.headers)
            found.append((signed, signed and (entry.get("response") or {}).get("status") == 403, pasted))
    if not found:
        raise NotARequest("This JSON holds no request; the body of a hook needs its X-Signature beside it")
    pasted = sorted(found, key=lambda each: each[:2])[-1][2]
    return pasted._replace(body=_whole(pasted.headers, pasted.body))


def _from_har(request: Any) -> Pasted:
    headers = {each["name"].strip(): str(each["value"]).strip() for each in request.get("headers") or []}
    data = request.get("postData") or {}
    body = utf8(data.get("text") or "")
    body = base64.b64decode(body) if data.get("encoding") == "base64" else body
    return Pasted(request["method"].strip().upper(), request["url"].strip(), headers, body)


_CURL = re.compile(rb"(?:\s*#[^\n]*\n){0,20}\s*(?:[$#>%+]\s*)?(?:[\w./~-]{1,200}/)?curl(?:\.exe)?\s")
_SHORT = "#0123469afgijJkKlLMnNOpqRsSvVZX:A:b:c:C:d:D:e:E:H:m:o:P:Q:r:t:u:U:w:x:y:Y:z:"
_DATA = ("--data", "--data-ascii", "--data-raw", "--data-binary", "--json", "-d")
_LONG = shlex.split("""compressed insecure location silent show-error verbose include fail http2 http1.1
    request= header= url= data= data-ascii= data-raw= data-binary= json= output= proxy= connect-timeout= max-time=
    retry= cacert= cert= key= cookie= user= user-agent= referer= resolve= write-out=""")


def parse_curl(text: str | bytes) -> Pasted:
    """The request that a curl command would send. Variables of the shell are not known here. Else NotARequest."""
    options, others = _read(_raw(text))
    urls = [_shown(value) for name, value in options if name == "--url"] + [_shown(each) for each in others]
    url = next((value for value in urls if re.search(r"[/.]", value)), None)
    if url is None:
        raise NotARequest("The curl command has no URL")
    for name, value in options:
        if value.startswith(b"@") and name in ("--header", "-H", *_DATA) and name != "--data-raw":
            raise NotARequest(f"The curl command reads {name} from a file: write its content there instead")
    data = [value for name, value in options if name in _DATA]
    headers = _headers([value for name, value in options if name in ("-H", "--header")])
    if data and "content-type" not in map(str.lower, headers):
        is_json = any(name == "--json" for name, _ in options)
        headers["Content-Type"] = "application/json" if is_json else "application/x-www-form-urlencoded"
    sent = {name: value for name, value in headers.items() if value}  # curl leaves out what is given empty
    methods = [_shown(value).upper() for name, value in options if name in ("-X", "--request")]
    return Pasted(["POST" if data else "GET", *methods][-1], url, sent, b"&".join(data))


def _read(raw: bytes) -> tuple[list[tuple[str, bytes]], list[bytes]]:
    """The options of the command with their values, and its other words."""
    if not (start := _CURL.match(raw)):
        raise NotARequest("This is no curl command")
    if len(raw) > MAX_CURL_BYTES:
        raise NotARequest(f"The curl command is longer than {MAX_CURL_BYTES:,} bytes")
    # Latin-1 has a letter for each byte, so that no byte of the body is lost.
    text = raw[start.end() :].decode("latin-1")
    try:
        options, others = getopt.gnu_getopt(list(islice(words(text), _MAX_WORDS)), _SHORT, _LONG)
    except getopt.GetoptError as problem:
        raise NotARequest(_refused(problem)) from None
    except ValueError as problem:
        raise NotARequest(f"In the curl command {problem}") from None
    return [(name, value.encode("latin-1")) for name, value in options], [each.encode("latin-1") for each in others]


def _refused(problem: getopt.GetoptError) -> str:
    """Why getopt refuses an option. A word that is none of curl's may be a secret, and is not named."""
    name = f"-{problem.opt}" if len(problem.opt) == 1 else f"--{problem.opt}"
    shown = name if re.fullmatch("-[!-~]|--[a-z][a-z-]{0,24}[0-9.]{0,3}", name) else "an option"
    if "requires" in problem.msg:
        return f"In the curl command {shown} has no value"
    return f"In the curl command {shown} is not understood: leave it out, if the request is the same without it"
