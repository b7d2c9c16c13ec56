"""The search for the mistakes that explain a signature: none, then each alone, then every two together."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations, product
from typing import NamedTuple

from ..signing import CONTENT_TYPE, content_md5
from . import mistakes
from .mistakes import MISTAKES, Case, Guess, utf8

MAX_TRIES = 250_000  # signatures computed at most in one search; a request gets two, one of its body alone
MAX_HASHED = 128_000_000  # bytes hashed at most in one search
_PAIRED = 40  # guesses of one cause that are tried together with other mistakes; the others are tried alone


Choice = tuple[Guess, ...]


class Finding(NamedTuple):
    """One thing that is wrong: its name for programs, and what it is and how to mend it in words."""

    cause: str
    explanation: str


def finding(cause: str, lead: str) -> Finding:
    """A finding: what was seen, and the advice that belongs to its cause."""
    return Finding(cause, f"{lead}. {MISTAKES[cause][1]}")


def difference(one: Sequence[object], other: Sequence[object]) -> int:
    """The first place in which two texts differ; if they do not, the length of the shorter."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (mine, yours) in pairs if mine != yours), min(len(one), len(other)))


_HASHES = {16: "md5", 20: "sha1", 32: "sha256"}


def reading(text: str) -> tuple[bytes, str, str]:
    """The hash that the text stands for, its kind ("" if it is none), and the mistake in the way it is written."""
    text = text.strip()
    try:
        in_hex = re.fullmatch("[0-9a-fA-F]+", text)
        raw = bytes.fromhex(text) if in_hex else base64.b64decode(text, validate=True)
    except ValueError:
        return b"", "", ""
    return raw, _HASHES.get(len(raw), ""), "base64" if not in_hex else "" if text == text.lower() else "upper_case"


class Space(NamedTuple):
    """What the search goes through: guesses for each part, the last being the key, and how they make the text."""

    parts: list[list[Guess]]
    text_of: Callable[[Choice], bytes]
    cause: str = ""


class Explained(NamedTuple):
    """The text that was signed, if the search found it; why, or that nothing explains it; and what it is not."""

    text: bytes | None = None
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[str, ...] = ()


def explain(case: Case, given: str, spaces: Iterator[Space]) -> Explained:
    """Goes through the spaces until one explains the signature."""
    digest, kind, writing = reading(given)
    if kind not in ("sha1", "sha256"):
        guess = Guess(None, "signature_malformed", f"{case.quoted(given)}, {len(given)} characters")
        return Explained(None, (found(case, "X-Signature", guess),))
    tried, whole = {"base64", "upper_case", "sha256"}, True
    for space in spaces:
        text, choice, ended = _search(space, digest, kind)
        if text is not None:
            made = [
                Guess(None, space.cause),
                *choice,
                Guess(None, writing),
                Guess(None, kind if kind != "sha1" else ""),
            ]
            return Explained(text, tuple(found(case, "The signature", guess) for guess in made if guess.cause))
        tried |= {space.cause, *(guess.cause for part in space.parts for guess in part)}
        whole = whole and ended
    lead = "No known mistake explains the signature" + ("" if whole else ", but not all pairs were tried")
    ruled_out = tuple(what for cause, (what, _) in MISTAKES.items() if cause in tried)
    return Explained(None, (finding("unexplained", lead),), ruled_out)


def _search(space: Space, digest: bytes, kind: str) -> tuple[bytes | None, Choice, bool]:
    """The text and choice that give the signature, fewest mistakes first; and whether the search came to its end."""
    plain = [[guess for guess in part if not guess.cause] for part in space.parts]
    wrong = [[guess for guess in part if guess.cause] for part in space.parts]
    alike = [[[g for g in part if g.cause == cause] for cause in {g.cause: 0 for g in part}] for part in wrong]
    few = [[guess for same in part for guess in same[:_PAIRED]] for part in alike]
    tries, hashed = MAX_TRIES, MAX_HASHED
    for choice in chain(_choices(plain, wrong, 0), _choices(plain, wrong, 1), _choices(plain, few, 2)):
        text, key = space.text_of(choice), choice[-1].value
        tries, hashed = tries - 1, hashed - len(text) - len(key)
        if tries < 0 or hashed < 0:
            return None, (), False
        if hmac.digest(key, text, kind) == digest:
            return text, choice, True
    return None, (), True


def _choices(plain: list[list[Guess]], wrong: list[list[Guess]], count: int) -> Iterator[Choice]:
    for places in combinations(range(len(plain)), count):
        yield from product(*(wrong[place] if place in places else plain[place] for place in range(len(plain))))


def found(case: Case, thing: str, guess: Guess) -> Finding:
    """The finding that a thing was made with this; for another body, with the place where it begins to differ."""
    detail = guess.detail
    if guess.cause.startswith(("body_re", "body_new", "empty_", "hook_")):
        other = next(each.value for each in case.bodies if guess.value in (each.value, content_md5(each.value)))
        one, two = (case.hide(text.decode("utf-8", "replace")) for text in (other, case.body))
        shown = slice(max(0, (spot := difference(one, two)) - 12), spot + 12)
        was = f"signed {one[shown]!r}, given" if case.is_hook else f"hashed {one[shown]!r}, sent"
        detail += "; " * bool(detail) + f"{was} {two[shown]!r}, different from byte {difference(other, case.body)} on"
    detail = detail and f" ({case.hide(detail)[:200]})"
    return finding(guess.cause, f"{thing} was made with {MISTAKES[guess.cause][0]}{detail}")


def as_sent(case: Case) -> tuple[str, ...]:
    """The five parts as the request carries them; a missing header is an empty text."""
    md5, content_type, date = (case.headers.get(name, "") for name in ("content-md5", "content-type", "date"))
    return case.method.upper(), md5, content_type, date, case.place[1]


def request_spaces(case: Case) -> Iterator[Space]:
    """The five parts as they are or should be, and with the known mistakes; then the body alone."""
    _, misplaced, other = mistakes.other_id(case)
    right = mistakes.right_method(case), content_md5(case.body), CONTENT_TYPE, "", other if misplaced else ""
    parts = []
    for sent, should, wrong in zip(as_sent(case), right, mistakes.wrong_parts(case), strict=True):
        plain = dict.fromkeys((sent, should or sent))
        parts.append([*map(Guess, plain), *(guess for guess in wrong if guess.value not in plain)])
    joiners = [Guess("\n"), Guess("n", "letter_n"), Guess("\\n", "backslash_n")]
    keys = [Guess(case.key), *mistakes.keys(case)]
    yield Space([*parts, joiners, keys], lambda made: utf8(made[5].value.join([each.value for each in made[:5]])))
    yield Space([[Guess(case.body), *case.bodies], keys], lambda choice: bytes(choice[0].value), "body_only")


def hook_spaces(case: Case) -> Iterator[Space]:
    """The body, with and without its last newline, and everything that it may have been."""
    trimmed = case.body.removesuffix(b"\n")
    plain = [Guess(body) for body in dict.fromkeys((case.body, trimmed))]
    bodies = [guess for guess in case.bodies if guess.value != trimmed]
    yield Space([plain + bodies, [Guess(case.key), *mistakes.keys(case)]], lambda choice: bytes(choice[0].value))
