# Lesson 05: the author is a word that the plan knows, and a time has its day and its zone.
lines = [
    {"conversation_id": "paul", "sent_at": "2026-02-27T10:00:00+01:00", "author": "client", "text": "Do you have roses?"},
    {"conversation_id": "paul", "sent_at": "2026-02-27T10:05:00+01:00", "author": "manager", "text": "From May on."},
]
