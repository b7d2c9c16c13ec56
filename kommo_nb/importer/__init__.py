"""Bulk import of conversations that took place before Kommo: a plan first, then a run that can be stopped anywhere.

    >>> made = plan([{"conversation_id": "lena", "sent_at": 1772442000, "author": "client", "text": "Hello"}])
    >>> made.chats, made.messages, made.problems
    (1, 1, [])

`print(made)` tells it in words.

The columns, of which the first three are always needed:

conversation_id   the chat on your side; any text.
sent_at           an ISO time with its zone, or unix seconds or milliseconds.
author            client, manager or bot.
text              what was written, or the caption of a file.
id                the message on your side. Without it a message is known by what it says, so that a text which is
                  mended after it was sent counts as a new one.
type, media       picture, file, video, voice, audio or sticker, and the URL from which Kommo downloads it.
file_name, file_size   of the file, in bytes; amocrm.ru demands them for pictures, files and videos.
client_id         the client on your side; the conversation_id if left out.
client_name, client_phone, client_email   of the client, in any row of the chat.
manager_id        the manager's amojo_id; without it Kommo shows the message as the bot's.
manager_name      the manager's name.

`plan("history.csv").run(channel, base_url, store)` sends what the store does not have as done. So the same line goes on
after Ctrl-C, a crash or a cut line, and sends nothing twice.
"""

from .conversations import Conversation, Item, Problem
from .planning import Plan, plan
from .progress import bar
from .report import Failure, Report

__all__ = ["Conversation", "Failure", "Item", "Plan", "Problem", "Report", "bar", "plan"]
