"""Learn, build and watch a Kommo Chats API channel.

The names below are loaded when they are first used, so that `import kommo_nb` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import ChatsClient
    from .config import Settings
    from .store import Store
    from .wire.auth import SignatureAuth
    from .wire.channel import Channel
    from .wire.doctor import diagnose_hook, diagnose_request
    from .wire.hooks import parse_hook
    from .wire.messages import (
        Audio,
        Contact,
        DeliveryStatus,
        File,
        Forward,
        Location,
        Person,
        Picture,
        Post,
        Quoted,
        SharedPost,
        Sticker,
        Text,
        Video,
        Voice,
    )
    from .wire.signing import Verdict, check_hook, request_headers

_HOMES = {
    ".client": ("ChatsClient",),
    ".config": ("Settings",),
    ".store": ("Store",),
    ".wire.auth": ("SignatureAuth",),
    ".wire.channel": ("Channel",),
    ".wire.doctor": ("diagnose_hook", "diagnose_request"),
    ".wire.hooks": ("parse_hook",),
    ".wire.messages": (
        *("Text", "Picture", "File", "Video", "Voice", "Audio", "Sticker", "Location", "Contact"),
        *("Person", "Post", "SharedPost", "DeliveryStatus", "Quoted", "Forward"),
    ),
    ".wire.signing": ("Verdict", "check_hook", "request_headers"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Audio",
    "Channel",
    "ChatsClient",
    "Contact",
    "DeliveryStatus",
    "File",
    "Forward",
    "Location",
    "Person",
    "Picture",
    "Post",
    "Quoted",
    "Settings",
    "SharedPost",
    "SignatureAuth",
    "Sticker",
    "Store",
    "Text",
    "Verdict",
    "Video",
    "Voice",
    "check_hook",
    "diagnose_hook",
    "diagnose_request",
    "parse_hook",
    "request_headers",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
