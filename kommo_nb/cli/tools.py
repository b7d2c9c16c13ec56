"""The commands that do one thing and end: trigger, doctor."""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Any

import click

from ..config import SANDBOX_PORT, Settings
from .options import cli, json_option, secret_option

if TYPE_CHECKING:
    from ..wire.signing import Secret

TRIGGERS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("manager/message", {"text": "Hello, how can I help?"}),
    "picture": (
        "manager/message",
        {"text": "Here it is", "attachments": [{"type": "picture", "media": "https://example.com/tulips.jpg"}]},
    ),
    "media-group": (
        "manager/message",
        {
            "text": "Two views",
            "attachments": [
                {"type": "picture", "media": "https://example.com/front.jpg"},
                {"type": "picture", "media": "https://example.com/side.jpg"},
            ],
        },
    ),
    "template": (
        "manager/message",
        {
            "text": "Your order 15926745 is ready",
            "template": {"id": 7103, "external_id": "order-ready", "content": "Your order {{lead.id}} is ready"},
            "markup": {"mode": "inline", "buttons": [[{"text": "Thanks"}, {"text": "When?"}]]},
        },
    ),
    "typing": ("manager/typing", {}),
    "reaction": ("manager/reaction", {"emoji": "👍"}),
    "write-first": ("manager/write-first", {"phone": "+15550100", "text": "Hello, you asked us to write."}),
}
"""What the sandbox's manager can be made to do: its control, and what it says by default."""


@cli.command()
@click.argument("name", type=click.Choice(list(TRIGGERS)))
@click.option("--url", default=f"http://127.0.0.1:{SANDBOX_PORT}", show_default=True, help="The sandbox.")
@click.option("--text", help="What is written.")
@click.option("--conversation-id", help="In which chat; the one written in last by default.")
@click.option("--phone", help="To whom, for write-first.")
@click.option("--emoji", help="For reaction.")
@json_option
def trigger(
    name: str,
    url: str,
    text: str | None,
    conversation_id: str | None,
    phone: str | None,
    emoji: str | None,
    as_json: bool,
) -> None:
    """Make the sandbox's manager do something."""
    from ..press import press

    action, payload = TRIGGERS[name]
    given = {"text": text, "conversation_id": conversation_id, "phone": phone, "emoji": emoji}
    answer = press(url, action, payload | {key: value for key, value in given.items() if value})
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for hook in answer["hooks"]:
        outcome = f"answered {hook['status']}" if hook["status"] else f"not delivered ({hook['error']})"
        click.echo(f"{name}: {hook['kind']} hook {outcome} after {hook['elapsed_ms']} ms")
    if not answer["hooks"]:
        click.echo(f"{name}: done, but this channel gets no hook for it")


@cli.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--signature", help="FILE is the body of a hook, and this its X-Signature.")
@click.option("--other-secret", "others", multiple=True, help="A secret that may have been taken instead; repeatable.")
@secret_option
def doctor(file: IO[bytes], signature: str | None, others: tuple[str, ...], secret: str | None) -> None:
    """Explain a refused signature. FILE or standard input is a curl command, raw HTTP, HAR, or a hook's body.

    The other secrets of the settings, KOMMO_NB_OLD_SECRET and KOMMO_NB_SECRETS, are tried, too.
    """
    from ..config import load_settings
    from ..errors import ConfigError
    from ..wire.doctor import diagnose_pasted
    from ..wire.doctor.mistakes import AROUND
    from ..wire.signing import plain

    text, settings = file.read(), load_settings()
    key = (secret or "").strip() or _secret_of(text, settings)
    if not plain(key).strip(AROUND):
        raise ConfigError("no channel secret: set KOMMO_NB_SECRET to the secret_key of support's answer")
    more = _secrets(settings) | {f"number {number} of the others": each for number, each in enumerate(others, 1)}
    diagnosis = diagnose_pasted(text, secret=key, other_secrets=more, hook_signature=signature)
    click.echo(str(diagnosis))
    sys.exit(0 if diagnosis.ok else 1)


def _secrets(settings: Settings) -> dict[str, Secret]:
    """Every secret that the settings have, by its variable, and by its channel where there are several."""
    named: dict[str, Secret] = {"KOMMO_NB_SECRET": settings.secret, "KOMMO_NB_OLD_SECRET": settings.old_secret}
    for channel_id, secrets in settings.secrets.items():
        named |= {f"KOMMO_NB_SECRETS, number {at} of {channel_id}": each for at, each in enumerate(secrets, 1)}
    return named


def _secret_of(text: bytes, settings: Settings) -> Secret:
    """The configured secret to check this text with: of several channels that of the one it names, or the first."""
    if settings.secret.get_secret_value().strip():
        return settings.secret
    channels = sorted(settings.secrets.items(), key=lambda each: each[0].encode() not in text)
    return next((each for _, secrets in channels for each in secrets), "")
