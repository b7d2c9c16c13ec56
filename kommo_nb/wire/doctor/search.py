"""The search for the mistakes that explain a signature: none, then each alone, then every two together."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, groupby, islice, product
from typing import Any, NamedTuple

from .mistakes import MISTAKES, Case, Guess, Part, body_parts, reading, request_text

MAX_HASHED = 100_000_000
"""Bytes hashed at most in one search, each try counting as 500 more; a request gets two searches, one of its body."""
_PAIRED = 40  # guesses of one cause that are tried together with other mistakes; the others are tried alone
_FEW = " (together with another mistake only the likeliest)"

Space = tuple[str, Sequence[Part], Callable[[Sequence[Any]], bytes]]


class Explained(NamedTuple):
    """The text that was signed and what is wrong with it, or what was tried in vain."""

    text: bytes | None = None
    mistakes: tuple[Guess, ...] = ()
    ruled_out: tuple[str, ...] = ()


def explain(case: Case, parts: Sequence[Part]) -> Explained:
    """Looks for the mistakes that make the signature, in the parts of the request or hook, and in the body alone."""
    given = case.headers.get("x-signature", "")
    digest, writing = reading(given)
    kind = {20: "sha1", 32: "sha256"}.get(len(digest))
    if kind is None:
        malformed = Guess(None, "signature_malformed", f"{case.quoted(given)}, {len(given)} characters")
        return Explained(None, (malformed,) if given else ())
    spaces: list[Space] = [("body_only", body_parts(case), b"".join)]
    spaces = [("", parts, b"".join)] if case.is_hook else [("", parts, request_text), *spaces]
    tried, short = Counter(("base64", "upper_case", "sha256")), ""
    for cause, space, text_of in spaces:
        left = MAX_HASHED
        for choice in _choices(space):
            *values, key, used = (guess.value for guess in choice)
            text = text_of(values)
            left -= len(text) + len(key) + 500
            if left < 0:
                short = "not all pairs were tried"
                break
            if hmac.digest(used(key), text, kind) == digest:
                made = [Guess(None, cause), *choice, Guess(None, writing), Guess(None, kind)]
                return Explained(text, tuple(guess for guess in made if guess.cause in MISTAKES))
        tried |= Counter([cause, *(guess.cause for part in space for guess in part.wrong)])
    ruled_out = tuple(what + _FEW * (tried[cause] > _PAIRED) for cause, (what, _) in MISTAKES.items() if tried[cause])
    return Explained(None, (Guess(None, "unexplained", short),), ruled_out)


def _choices(parts: Sequence[Part]) -> Iterator[tuple[Guess, ...]]:
    """One guess for each part: every choice without a mistake, then with one, then with two."""
    plain = [[Guess(value) for value in dict.fromkeys((part.right, part.sent))] for part in parts]
    wrong = [part.wrong for part in parts]
    alike = [groupby(guesses, key=lambda guess: guess.cause) for guesses in wrong]
    few = [[guess for _, same in groups for guess in islice(same, _PAIRED)] for groups in alike]
    for count, guesses in enumerate((wrong, wrong, few)):
        for places in combinations(range(len(parts)), count):
            yield from product(*(guesses[at] if at in places else plain[at] for at in range(len(parts))))
