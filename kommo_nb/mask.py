"""Names, phones and e-mails under a mask, for pictures and for output that others see; the same one each time.

The mask lies between an SQLite connection and what reads from it: temporary views of the same names stand before the
tables, so that every query, view and metric sees masked rows only. The file stays as it is.

People's names in the fields for names are masked, and the client's own where it is said in the same chat; phones and
e-mails everywhere. A name of somebody else in a text, and what a picture shows, are not.
"""

from __future__ import annotations

import hmac
import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

_EMAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_PHONE = r"(?<![\w-])(?!\d{4}-\d\d-\d\d)\+?\(?\d(?:[ ().-]{0,2}\d){7,}(?![\w-])"  # eight digits or more, and no UUID
_FOUND = re.compile(f"({_EMAIL})|{_PHONE}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_PERSONAL_LINKS = {"avatar", "profile_link"}

_OF_CHAT = "(SELECT name FROM main.chats c WHERE c.chat_id = t.chat_id)"
_OF_EDIT = """(SELECT name FROM main.messages m JOIN main.chats USING (chat_id)
               WHERE m.message_id = t.message_id OR m.msgid = t.msgid LIMIT 1)"""
_IDS = {"conversation_id": "mask_text(conversation_id, NULL)", "user_id": "mask_text(user_id, NULL)"}
_PLACES: dict[str, dict[str, str]] = {
    "chats": {
        **dict(_IDS, client_id="mask_text(client_id, NULL)"),
        **{name: f"mask_name({name})" for name in ("name", "phone", "email")},
    },
    "messages": {
        **dict(_IDS, sender_name="mask_name(sender_name)"),
        **{name: f"mask_text({name}, {_OF_CHAT})" for name in ("text", "file_name", "error")},
    },
    "edits": {name: f"mask_text({name}, {_OF_EDIT})" for name in ("text", "file_name")},
    "statuses": {"error": "mask_text(error, NULL)"},
    "reactions": _IDS,
    "typings": _IDS,
    "deliveries": {"body": "mask_body(body)"},
    "exchanges": {name: f"mask_body({name})" for name in ("request_body", "response_body")},
    "replays": {"body": "mask_body(body)"},
    "chat_totals": {"search": "mask_search(search)"},
}
"""What is personal in each table; `t` is its row."""


class Mask:
    """Replaces what is personal. The same key gives the same mask; without the key nobody can try names."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __repr__(self) -> str:
        return "Mask(…)"

    def name(self, text: str) -> str:
        """A name as words that can be spoken and are no name. One that is a phone or an e-mail is masked as that."""
        return self.text(text) if _FOUND.search(text) else _WORD.sub(lambda word: self._word(word[0]), text)

    def text(self, text: str, *names: str) -> str:
        """A text without phones and e-mails, in which these names are masked as `name` does."""
        text = _FOUND.sub(lambda hit: self._address(hit[0]), text)
        words = {re.escape(word) for name in names for word in _WORD.findall(name) if len(word) > 2}
        if not words:
            return text
        return re.sub(rf"\b(?:{'|'.join(sorted(words))})\b", lambda hit: self._word(hit[0]), text, flags=re.IGNORECASE)

    def body(self, body: bytes) -> bytes:
        """A JSON body with what is personal masked; of anything else, nothing."""
        try:
            value = json.loads(body)
            masked = json.dumps(self._value("", value, tuple(_names(value))), ensure_ascii=False, separators=(",", ":"))
            return masked.encode() + body[len(body.rstrip(b"\n")) :]
        except (ValueError, RecursionError):
            return b"(no JSON, so it is masked as a whole)" if body else b""

    def _value(self, key: str, value: Any, names: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {name: self._value(name, each, names) for name, each in value.items()}
        if isinstance(value, list):
            return [self._value(key, each, names) for each in value]
        if not isinstance(value, str) or not value:
            return value
        if key in _PERSONAL_LINKS:
            return "https://example.com/masked"
        return self.name(value) if key == "name" else self.text(value, *names)

    def _word(self, word: str) -> str:
        digest = self._digest(word.casefold())
        made = "".join("bdfgklmnprstvz"[byte % 14] + "aeiou"[byte % 5] for byte in digest[:3])
        return made.capitalize() if word[0].isupper() else made

    def _address(self, found: str) -> str:
        if "@" in found:
            return f"{self._word(found)}@example.com".lower()
        digits = "".join(filter(str.isdigit, found))  # however it is written
        return f"+0{int.from_bytes(self._digest(digits)[:4], 'big'):010}"  # no country's number begins with 0

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")


def cover(conn: sqlite3.Connection, key: str) -> None:
    """Let this connection see masked rows only, in every table and view.

    Raises:
        sqlite3.OperationalError: a table that would be masked is not there.
    """
    mask = Mask(key)
    functions: dict[str, tuple[int, Any]] = {
        "mask_name": (1, mask.name),
        "mask_text": (2, lambda text, name: mask.text(text, *filter(None, [name]))),
        "mask_body": (1, mask.body),
        "mask_search": (1, lambda lines: "\n".join([lines, *map(mask.name, lines.split("\n"))]).casefold()),
    }
    for name, (count, function) in functions.items():
        conn.create_function(name, count, _or_none(function), deterministic=True)
    for table, masked in _PLACES.items():
        columns = [row[1] for row in conn.execute(f"PRAGMA main.table_xinfo({table})")]  # info has no generated ones
        if not columns:
            raise sqlite3.OperationalError(f"no such table: {table}")
        shown = ", ".join(f"{masked[name]} AS {name}" if name in masked else name for name in columns)
        conn.execute(f"CREATE TEMP VIEW {table} AS SELECT {shown} FROM main.{table} t")  # noqa: S608 our own names
    for (sql,) in conn.execute("SELECT sql FROM main.sqlite_master WHERE type = 'view'").fetchall():
        conn.execute(sql.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def _or_none(function: Any) -> Any:
    return lambda value, *more: None if value is None else function(value, *more)


def _names(value: Any) -> Iterator[str]:
    """Every name in a body."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _names(each)
