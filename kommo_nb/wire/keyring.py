"""Which secrets hooks may be signed with: one channel's or several', each with its older ones while they are valid."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from .signing import Secret, Verdict, hmac_sha1, hook_verdict, plain

Secrets = Secret | Sequence[Secret] | Mapping[str, Secret | Sequence[Secret]]
"""One secret; several of one channel, the present one first; or either of these by channel id."""


def secret_id(secret: Secret) -> str:
    """Eight hex digits that name a secret in rows and messages, and from which nobody can get it back."""
    return hashlib.sha256(b"kommo_nb secret id\n" + plain(secret).encode()).hexdigest()[:8]


class Keyring:
    """Checks hooks with the secrets that their scope allows, the present one first.

    A scope id is the channel's id, an underscore, and the account's. With secrets by channel id, a scope of another
    channel is unknown; with the secrets of one channel alone, every scope is taken for its own. No secret is a
    ValueError.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._single = not isinstance(secrets, Mapping)
        channels = secrets if isinstance(secrets, Mapping) else {"": secrets}
        self._keys = {channel: _named(given) for channel, given in channels.items()}
        if not all(self._keys.values()) or not self._keys:
            raise ValueError("no secret to check hooks with: set KOMMO_NB_SECRET to the secret_key in support's answer")
        if wrong := [channel for channel in self._keys if "_" in channel]:
            raise ValueError(f"secrets are by channel id, which is what a scope id has before '_', not by {wrong[0]!r}")

    def __repr__(self) -> str:
        return f"Keyring({', '.join(name for keys in self._keys.values() for name, _keyed in keys)})"

    def knows(self, scope_id: str) -> bool:
        """Whether there is a secret for this scope."""
        return bool(self._keys_of(scope_id))

    def check(self, scope_id: str, body: bytes, signature: str | bytes | None) -> tuple[Verdict, str | None]:
        """The verdict on a hook, and the `secret_id` of the secret that matched. Total, as `check_hook` is."""
        verdict = Verdict.MISMATCH if signature else Verdict.MISSING
        for name, keyed in self._keys_of(scope_id):
            verdict = hook_verdict(body, signature, keyed)
            if verdict.ok:
                return verdict, name
        return verdict, None

    def _keys_of(self, scope_id: str) -> tuple[tuple[str, hmac.HMAC], ...]:
        return self._keys.get("" if self._single else _channel(scope_id), ())


def of_scope(secrets: Secrets, scope_id: str) -> Sequence[Secret]:
    """The secrets of a scope's channel, the present one first; none where that channel is not among them."""
    return _several(secrets.get(_channel(scope_id), ()) if isinstance(secrets, Mapping) else secrets)


def _channel(scope_id: str) -> str:
    return scope_id.partition("_")[0]


def _several(given: Secret | Sequence[Secret]) -> Sequence[Secret]:
    return (given,) if isinstance(given, (str, SecretStr)) else given


def _named(given: Secret | Sequence[Secret]) -> tuple[tuple[str, hmac.HMAC], ...]:
    return tuple((secret_id(secret), hmac_sha1(secret)) for secret in _several(given))
