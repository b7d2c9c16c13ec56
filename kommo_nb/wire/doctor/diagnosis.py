"""What the doctor found, and how it is told."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from textwrap import fill
from typing import NamedTuple

from .mistakes import MISTAKES

_WIDTH, _BEFORE, _LINES = 98, 50, 7
_VISIBLE = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}


class Finding(NamedTuple):
    """One thing that is wrong: the name of its cause, and what was seen of it."""

    cause: str
    seen: str

    @property
    def advice(self) -> str:
        """How to mend it."""
        return MISTAKES[self.cause][1]

    @property
    def explanation(self) -> str:
        """What was seen, and how to mend it."""
        return f"{self.seen}. {self.advice}"


def difference(one: str | bytes, other: str | bytes) -> int:
    """The first place in which two texts differ; if they do not, the length of the shorter."""
    sizes = range(1, min(len(one), len(other)) + 1)
    return bisect_left(sizes, True, key=lambda size: one[:size] != other[:size])


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a signed request or hook. Never holds a secret; `str()` is the report for people.

    Attributes:
        findings: all that was found, the most decisive first.
        string_as_sent: the text that was signed, as far as it was found out; of a hook the body given.
        string_right: the text to sign; of a hook the body that Kommo signed, "" if that is not known.
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
        """True if the signature is right, and nothing else was seen that Kommo refuses."""
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
        return "The signature is right." + newline

    @property
    def first_difference(self) -> int | None:
        """The place of the first character in which the two strings differ, or None if they are the same."""
        sent, right = self.string_as_sent, self.string_right
        return None if sent == right else difference(sent, right)

    def marked(self) -> str:
        """The strings line by line, one above the other where they differ, with `^` under the first difference.

        Of long ones what stands around it. A line feed shows as ␊.
        """
        start = max(0, (self.first_difference or 0) - 5 * _BEFORE)
        texts = (_visible(text[start : start + 1_000]) for text in (self.string_as_sent, self.string_right))
        rows = []
        for yours, right in islice(zip_longest(*texts, fillvalue=""), _LINES):
            if yours == right:
                rows.append(f"{'':7}{right[:_WIDTH]}")
                continue
            at = difference(yours, right)
            shown = slice(max(0, at - _BEFORE), max(0, at - _BEFORE) + _WIDTH)
            rows += [f"{name}  {line[shown]}" for name, line in (("yours", yours), ("right", right)) if line]
            if yours and right:
                rows.append(f"{'':{7 + at - shown.start}}^")
        return "\n".join(rows)

    def __str__(self) -> str:
        if self.ok:
            return self.explanation
        paragraphs = [
            _paragraph(f"{each.cause}: {each.seen}.") + "\n" + _paragraph(f"  → {each.advice}")
            for each in self.findings
        ]
        if self.string_right:
            same = self.first_difference is None
            paragraphs += [f"The text to sign{'' if same else ', yours and the right one'}:\n{self.marked()}"]
        if self.ruled_out:
            paragraphs += [_paragraph(f"Ruled out: {'; '.join(self.ruled_out)}.")]
        if self.corrected:
            headers = "\n".join(f"  {name}: {value}" for name, value in self.corrected.items())
            paragraphs += [
                f"The right headers by the secret given here, good for 15 minutes from their Date:\n{headers}"
            ]
        return "\n\n".join(paragraphs)


def _paragraph(text: str) -> str:
    return fill(text, _WIDTH, subsequent_indent="    ")


def _visible(text: str) -> list[str]:
    """The lines of a text; one character stays one character, so that two texts stay in line."""
    shown = "".join(char if char.isprintable() or char == "\n" else _VISIBLE.get(ord(char), "�") for char in text)
    return shown.replace("\n", "␊\n").split("\n")
