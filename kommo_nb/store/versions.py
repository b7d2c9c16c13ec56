"""What the schema holds, for those who only need to know the names: the schema itself loads sqlite-utils."""

from __future__ import annotations

VERSIONS = (
    *("001_raw", "002_projected", "003_views", "004_receiver", "005_reconcile", "006_replays", "007_rollups"),
    *("008_stale", "009_waits", "010_changed"),
)
"""The migrations, oldest first."""

LEDGERS = ("messages", "edits", "statuses", "chats", "reactions", "typings", "problems", "repeats", "projection")
ROLLUPS = ("quarter_hours", "hook_quarters", "lengths", "waits", "chat_totals")
PROJECTED = (*LEDGERS, *ROLLUPS)
"""The tables that `rebuild` empties and fills again."""
