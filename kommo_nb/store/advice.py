"""SQLite's errors in words that say what to do."""

from __future__ import annotations


def advice(error: Exception) -> str:
    """What an error of SQLite or of the file system means, and what to do."""
    text = str(error)
    if "locked" in text:
        return "another program holds the database locked: close it, or wait; nothing was written"
    if "readonly" in text or isinstance(error, PermissionError):
        return "the database is not writable: check the rights of the file and its folder; nothing was written"
    if "unable to open" in text or isinstance(error, OSError):
        return "the database cannot be opened: check that the path exists and is readable"
    if "not a database" in text or "malformed" in text:
        return "this is not an SQLite database, or it is damaged: name another file with KOMMO_NB_DB"
    if "no such column" in text or "no such table" in text:
        return f"{text}; if an older kommo_nb made the file, kommo-nb capture brings it up to date"
    if "full" in text:
        return "the disk is full: free some space; nothing was written"
    return text
