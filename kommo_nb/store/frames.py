"""Values between a receiver and the process that writes for it: four bytes of length, then the value by marshal."""

from __future__ import annotations

import marshal
from typing import Any

HEAD = 4


def frame(value: Any) -> bytes:
    """The bytes of one value: numbers, texts, bytes, None, and lists, tuples and dicts of them."""
    data = marshal.dumps(value)
    return len(data).to_bytes(HEAD) + data


def unframe(data: bytes | bytearray) -> Any:
    """The value at the beginning; None while it is not whole yet."""
    size = int.from_bytes(data[:HEAD])
    if len(data) < HEAD or len(data) < HEAD + size:
        return None
    return marshal.loads(memoryview(data)[HEAD : HEAD + size])  # noqa: S302 both ends are this program
