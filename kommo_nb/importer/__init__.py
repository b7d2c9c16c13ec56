"""Bulk import of conversations that took place before Kommo: a plan first, then a run that can be stopped anywhere.

    >>> made = plan([{"conversation_id": "lena", "sent_at": 1772442000, "author": "client", "text": "Hello"}])
    >>> made.chats, made.messages, made.problems
    (1, 1, [])

`print(made)` tells it in words.

`kommo-nb import --help` lists the columns; conversation_id, sent_at and author are always needed. Without an id a
message is known by what it says, so that a text which is mended after it was sent counts as a new one. Without
manager_id, the manager's amojo_id, Kommo shows a message as the bot's. amocrm.ru demands a file's name and size.

`plan("history.csv").run(channel, base_url, store)` sends what the store does not have as done. So the same line goes on
after Ctrl-C, a crash or a cut line, and sends nothing twice.
"""

from .conversations import Conversation, Item, Problem
from .planning import Plan, plan
from .progress import bar
from .report import Failure, Report

__all__ = ["Conversation", "Failure", "Item", "Plan", "Problem", "Report", "bar", "plan"]
