"""The messengers behind the channel. People are not the same on each: when they write, how fast they read."""

from __future__ import annotations

from dataclasses import dataclass

Wait = tuple[float, float]
"""Its median in seconds, and the spread of its logarithm."""


@dataclass(frozen=True, eq=False)
class Source:
    """A messenger, and how people are there. `id` is Kommo's `source.external_id`.

    Attributes:
        peaks: when most is written: hour of the day, and spread.
        weekdays: how much is written, Monday to Sunday.
        fates: of a hundred messages to the client, how many end where.
    """

    id: str
    peaks: tuple[tuple[float, float], ...]
    weekdays: tuple[float, ...]
    delivered: Wait
    read: Wait
    reply: Wait
    fates: dict[str, int]


WHATSAPP = Source(
    "whatsapp",
    peaks=((11.5, 2.6), (18.5, 1.6)),
    weekdays=(1.0, 0.95, 0.95, 1.0, 0.9, 0.6, 0.35),
    delivered=(2.0, 0.8),
    read=(120.0, 1.5),
    reply=(480.0, 2.0),
    fates={"read": 79, "delivered": 17, "failed": 1, "never reported": 3},
)
TELEGRAM = Source(  # the evening's
    "telegram",
    peaks=((18.0, 2.5), (20.5, 1.3)),
    weekdays=(0.8, 0.8, 0.85, 0.9, 1.0, 0.75, 0.6),
    delivered=(0.7, 0.5),
    read=(30.0, 1.4),
    reply=(180.0, 1.8),
    fates={"read": 88, "delivered": 9, "failed": 1, "never reported": 2},
)
WEB_CHAT = Source(  # read while the page is open, or not at all
    "web-chat",
    peaks=((10.5, 1.7), (14.5, 1.7)),
    weekdays=(1.0, 1.0, 1.0, 1.0, 0.9, 0.3, 0.15),
    delivered=(0.3, 0.4),
    read=(8.0, 0.8),
    reply=(45.0, 0.9),
    fates={"read": 52, "delivered": 26, "failed": 6, "never reported": 16},
)
# Of ten people, so many are on each; the first write most.
MIX = (WHATSAPP, TELEGRAM, WHATSAPP, WEB_CHAT, WHATSAPP, TELEGRAM, WHATSAPP, WHATSAPP, TELEGRAM, WEB_CHAT)
