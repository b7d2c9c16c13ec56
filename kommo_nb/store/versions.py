"""What the schema holds, for those who only need to know the names: the schema itself loads sqlite-utils."""

from __future__ import annotations

VERSIONS = ("001_raw", "002_projected", "003_views", "004_receiver", "005_reconcile", "006_replays")
"""The migrations, oldest first."""

PROJECTED = ("messages", "edits", "statuses", "chats", "reactions", "typings", "problems", "projection")
"""The tables that `rebuild` empties and fills again."""
