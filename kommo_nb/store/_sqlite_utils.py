"""sqlite-utils without pandas, which it loads only to recognise others' types: 45 MB and 0.3 s in each process."""

from __future__ import annotations

import sys

_missing = [name for name in ("numpy", "pandas") if name not in sys.modules]
for _name in _missing:
    sys.modules[_name] = None  # type: ignore[assignment]  # an import of it fails, as if it were not installed
try:
    from sqlite_utils import Database, Migrations
finally:
    for _name in _missing:
        del sys.modules[_name]

__all__ = ["Database", "Migrations"]
