"""The words of a pasted command, as a POSIX shell splits them, or as browsers write them for cmd.exe."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECE = re.compile(
    r"""(?xsa)
    '(?P<single>[^']*)'
    | \$'(?P<ansi>[^'\\]*(?:\\.[^'\\]*)*)'
    | \$?"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"
    | [\\^`]\r?\n                                 # the command goes on: bash, cmd.exe, PowerShell
    | \\(?P<escaped>.)
    | (?P<space>\s+(?:\#[^\n]*)?)
    | (?P<end>[|;&<>])
    | (?P<live>\$[\w{(]|`)
    | (?P<plain>[^\s'"\\|;&<>$^`]+|[$^])
    """
)
_IN_DOUBLE = re.compile(r"(?a)\\(?:\r?\n|(?P<kept>[$`\"\\]))|(?P<live>\$[\w{(]|`)")
_IN_ANSI = re.compile(r"(?s)\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))")
_LETTERS = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


def words(text: str) -> Iterator[str]:
    """The words up to a pipe, a redirection or the end of the command; a line end alone is a space.

    Args:
        text: has a letter for each byte.

    Raises:
        ValueError: a quotation mark is not closed, or the shell has more to do; its message quotes nothing.
    """
    word: str | None = None
    text = _without_carets(text)
    at = 0
    while at < len(text):
        if not (piece := _PIECE.match(text, at)):
            raise ValueError("a quotation mark is not closed")
        at, kind, value = piece.end(), piece.lastgroup, piece[piece.lastgroup or 0]
        if kind in ("space", "end"):
            if word is not None:
                yield word
            if kind == "end":
                return
            word = None
        elif kind is not None:
            word = (word or "") + _meant(kind, value)
    if word is not None:
        yield word


def _meant(kind: str, value: str) -> str:
    """What the shell makes of a piece."""
    if kind == "ansi":
        return _IN_ANSI.sub(_unescaped, value)
    live = kind == "live" or (kind == "double" and any(each["live"] for each in _IN_DOUBLE.finditer(value)))
    if live:
        raise ValueError(
            "stands a variable or a command of the shell, and not its value: run it after set -x, and paste the line "
            "that shows then, or write the value there; what is meant as it stands belongs into single quotes"
        )
    return _IN_DOUBLE.sub(lambda each: each["kept"] or "", value) if kind == "double" else value


def _without_carets(text: str) -> str:
    """The command without the carets that browsers write for cmd.exe, before every odd letter and each line end."""
    first = re.search("['\"]", text)
    if not first or not (text[: first.start()].endswith("^") or (first[0] == '"' and '^\\^"' in text)):
        return text
    # A line end that is meant is doubled. To cmd.exe neither $ nor ` means anything.
    text = re.sub(r"(?s)\^(?:\r?\n(\r?\n)?|(.))", lambda each: each[2] or "\n" * bool(each[1]), text)
    return re.sub(r"[$`]", r"\\\g<0>", text)


def _unescaped(found: re.Match[str]) -> str:
    r"""What an escape means in $'…', with which browsers write a body that has quotes or \u escapes."""
    byte, short, long, octal, letter = found.groups()
    if short or long:
        return chr(min(int(short or long, 16), 0x10FFFF)).encode("utf-8", "surrogatepass").decode("latin-1")
    if byte or octal:
        return chr((int(byte, 16) if byte else int(octal, 8)) & 0xFF)
    return _LETTERS.get(letter, "\\" + letter)
