"""Values between a receiver and the process that writes for it: four bytes of length, then the value by marshal."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from typing import Any

_HEAD = 4


def frame(value: Any) -> bytes:
    """The bytes of one value: numbers, texts, bytes, None, and lists, tuples and dicts of them."""
    data = marshal.dumps(value)
    return len(data).to_bytes(_HEAD) + data


def unframe(received: bytearray) -> Iterator[Any]:
    """Take the values that are whole out of what was received, one by one."""
    while len(received) >= _HEAD and len(received) >= (end := _HEAD + int.from_bytes(received[:_HEAD])):
        value = marshal.loads(received[_HEAD:end])  # noqa: S302 both ends are this program
        del received[:end]
        yield value
