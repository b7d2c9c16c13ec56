"""What looks like a secret, and the few that are known to be none."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

FAKES = {
    "f2d7f8704eff95087ed45b23ba99c0b5aac8278e": "the secret with which Kommo's pages sign their examples",
    "1eqadw323ead22wW2E1SA": "the secret_key in the answer that Kommo's page on registration prints",
    "sandbox-secret-0000000000000000000000000": "the sandbox's own, which opens nothing else",
    "5a44c5dff55f3c15a4cce8d7c4cc27e207c7e189": "the one in the pages of 2020 and 2021",
}
"""Why each of them may be seen."""

_NAME = r"(?i:secret|token|passw(?:or)?d|api_?key)\w{0,12}"
LOOKS = {
    "a key beside its name": re.compile(rf"{_NAME}\W{{1,12}}([0-9a-fA-F]{{40}}|[0-9a-fA-F]{{32}})\b"),
    "a value beside its name": re.compile(
        rf"{_NAME}[\\\"']*\s?[:=]\s?\\?[\"'](?=[^\s\"'\\]*\d)([^\s\"'\\{{}}<>]{{20,}})"
    ),
    "a bearer token": re.compile(r"(?i:bearer) ([\w.~+/-]{16,})"),
    "a JSON Web Token": re.compile(r"\b(eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"),
}
_BARE = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")


def leaks(text: str, *, bare: bool = False) -> list[str]:
    """What looks like a secret in a text. With `bare`, any 40 hex digits do that are no published signature."""
    found = {hit for look in LOOKS.values() for hit in look.findall(text)}
    if bare:
        found |= set(_BARE.findall(text)) - _signatures()
    return sorted(found - FAKES.keys())


def _signatures() -> set[str]:
    vectors = json.loads((ROOT / "data/vectors/signature-vectors.json").read_bytes())
    return {vector["x_signature"] for vector in vectors}
