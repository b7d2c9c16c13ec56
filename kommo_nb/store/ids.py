"""The id map: every id around a chat, whose it is and where it came from; and what an id at hand names.

One table says which id stands at which place of which call or hook. Read along it, raw rows tell where an id came from,
and recent calls show an id that stands where another one belongs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .calls import readable_object

Query = Callable[..., list[dict[str, Any]]]
Row = dict[str, Any]

RECENT = 500
"""How many of the last calls are searched for ids at the wrong place."""
OURS = ("conversation_id", "msgid", "id")
"""The names of ids that we choose; all others are Kommo's."""

_TABLE = """
connect          path.0=channel_id request.account_id=account_id answer.scope_id=scope_id
disconnect       path.0=channel_id request.account_id=account_id
create_chat      path.0=scope_id request.conversation_id=conversation_id answer.id=chat_id
create_chat      request.user.id=client.id answer.user.id=client.ref_id request.user.name=client.name
send             path.0=scope_id request.payload.conversation_id=conversation_id
send             request.payload.conversation_ref_id=chat_id answer.new_message.conversation_id=chat_id
send             request.payload.msgid=msgid answer.new_message.msgid=message_id
send             request.payload.sender.id=sender.id request.payload.sender.ref_id=sender.ref_id
send             answer.new_message.sender_id=sender.ref_id request.payload.sender.name=sender.name
send             request.payload.receiver.id=client.id request.payload.receiver.ref_id=client.ref_id
send             answer.new_message.receiver_id=client.ref_id request.payload.receiver.name=client.name
edit             path.0=scope_id request.payload.conversation_id=conversation_id
edit             request.payload.msgid=msgid request.payload.id=message_id
delivery_status  path.0=scope_id path.1=message_id
history          path.0=scope_id path.2=chat_id
typing           path.0=scope_id request.conversation_id=conversation_id request.sender.id=sender.id
react            path.0=scope_id request.conversation_id=conversation_id request.conversation_ref_id=chat_id
react            request.msgid=msgid request.id=message_id request.user.id=sender.id request.user.ref_id=sender.ref_id
reconcile        path.0=scope_id path.2=chat_id item.message.id=message_id item.message.client_id=msgid
reconcile        item.sender.id=sender.ref_id item.sender.client_id=sender.id item.sender.name=sender.name
reconcile        item.receiver.id=client.ref_id item.receiver.client_id=client.id item.receiver.name=client.name
hook             address=scope_id hook.account_id=account_id hook.message.conversation.id=chat_id
hook             hook.message.conversation.client_id=conversation_id hook.message.message.id=message_id
hook             hook.message.sender.id=sender.ref_id hook.message.sender.name=sender.name
hook             hook.message.receiver.id=client.ref_id hook.message.receiver.client_id=client.id
hook             hook.message.receiver.name=client.name hook.conversation_id=conversation_id hook.receiver=client.id
"""
PLACES: dict[str, list[tuple[str, str]]] = defaultdict(list)
"""By the kind of call or hook: at which place of it stands which id. `sender` is the client, or who writes to them."""
for _line in _TABLE.strip().splitlines():
    _kind, *_pairs = _line.split()
    PLACES[_kind] += [(_place, _name) for _place, _, _name in (pair.partition("=") for pair in _pairs)]

_EXPLAINED = {
    "channel_id": "Only connect and disconnect have it in their path. All other calls have the scope_id.",
    "account_id": "It is the account's amojo_id, not its number. connect wants it, all other calls the scope_id.",
    "scope_id": "It is channel and account together, in the path of every call but connect and disconnect.",
    "chat_id": "It is Kommo's. history and conversation_ref_id want it.",
    "conversation_id": "It is yours. history and conversation_ref_id want Kommo's, the chat_id.",
    "message_id": "It is Kommo's, whose answers and whose delivery path call it msgid. The delivery status wants it.",
    "msgid": "It is yours. The delivery status wants Kommo's, the message_id.",
    "id": "It is yours: id in calls, client_id in hooks.",
    "ref_id": "It is Kommo's: ref_id in calls, plain id in hooks; a user's amojo_id, not the user's number.",
}
_UNKNOWN = {
    r"[0-9a-f]{40}": "40 hex digits look like a secret or a signature. A secret belongs in no notebook.",
    r"\d+": "{} is no id of the Chats API, but accounts, users, leads and talks of the CRM have numbers. An account "
    "or a user is named by its amojo_id here, a chat by its chat_id.",
    r"[0-9a-f-]{36}_[0-9a-f-]{36}": "{} looks like a scope_id. No chat of it is stored.",
    r"[0-9a-f-]{36}": "{} looks like an id of Kommo's. No stored row has it: does it belong to another account?",
    r"(?s).*": "{} is in no stored row. If it is new, store.project() brings the tables up to date.",
}
"""What to say of an id that is not stored, by what it looks like."""


@dataclass(frozen=True)
class Id:
    """One id, and where it was seen first.

    Attributes:
        name: channel_id, account_id, scope_id, chat_id, conversation_id, message_id or msgid; a person's: id, ref_id.
        event: the raw row; e9 is exchange 9, d17 is delivery 17.
        kind: of the call, or hook.
        place: where in it, such as answer.new_message.msgid; path.0 is the first part of the path after custom/.
        at_ms: when, unix milliseconds.
    """

    name: str
    value: str
    event: str
    kind: str
    place: str
    at_ms: int


@dataclass(frozen=True)
class Thing:
    """What ids name: channel, account, scope, chat, client, manager, bot or message; by our id, by Kommo's, or both."""

    what: str
    ours: Id | None = None
    kommos: Id | None = None
    label: str = ""

    @property
    def ids(self) -> tuple[Id, ...]:
        """The ids that are known, ours first."""
        return tuple(id_ for id_ in (self.ours, self.kommos) if id_)


@dataclass(frozen=True, repr=False)
class IdMap:
    """What an id is, and all ids of the chat that it belongs to.

    Attributes:
        answers: what it is, in sentences; several if it names several things.
        things: empty if it is not known. Of the messages the first, the newest, and the one that was asked for.
        warnings: ids that stand in a recent call where another one belongs.
    """

    answers: tuple[str, ...]
    things: tuple[Thing, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [*self.answers, *(f"! {warning}" for warning in self.warnings)]
        # What strangers wrote must not drive a terminal.
        return "\n".join("".join(char if char.isprintable() else "\ufffd" for char in line) for line in lines)


_CHAT = "SELECT chat_id, conversation_id, scope_id FROM chats WHERE"
# The plus sign: few messages are sorted, instead of all being read in the index's order.
_FOUND = """
    SELECT * FROM (SELECT chat, message_id FROM messages
                   WHERE message_id = :id OR msgid = :id OR (conversation_id = :id AND chat_id IS NULL)
                   ORDER BY +sent_at_ms DESC LIMIT 1)
    UNION ALL SELECT * FROM (SELECT chat_id, NULL FROM chats
                             WHERE :id IN (chat_id, conversation_id, client_id, client_ref_id)
                             ORDER BY chat_id <> :id, rowid DESC LIMIT 1)"""
_WIDER = """
    SELECT * FROM (SELECT chat_id AS chat, NULL AS message_id FROM chats
                   WHERE instr('_' || scope_id || '_', '_' || :id || '_') LIMIT 1)
    UNION ALL SELECT * FROM (SELECT chat, message_id FROM messages WHERE sender_id = :id LIMIT 1)"""
_SAID = """
    SELECT message_id, author || ': ' || substr(coalesce(text, '[' || type || ']'), 1, 80) AS label,
           exchange_id, delivery_id, history_id
    FROM messages WHERE message_id = :message_id
       OR message_id = (SELECT message_id FROM messages WHERE chat = :chat ORDER BY sent_at_ms LIMIT 1)
       OR message_id IN (SELECT message_id FROM messages WHERE chat = :chat ORDER BY sent_at_ms DESC LIMIT :count)
    ORDER BY +sent_at_ms, message_id"""
_HOOKS = "SELECT id, received_at_ms AS at_ms, scope_id, body FROM deliveries"
_CALLS = "SELECT id, created_at_ms AS at_ms, kind, status, path, request_body, response_body FROM exchanges"
# What a chat began with: the answer holds the id that it gave.
_BEGAN = f"""{_CALLS} WHERE kind IN ('connect', 'create_chat') AND state = 'done'
    AND instr(CAST(response_body AS TEXT), '"' || iif(kind = 'connect', :scope_id, :chat_id) || '"') ORDER BY id"""


def find(query: Query, asked: str, *, messages: int = 20) -> IdMap:
    """What an id names in the store behind `query`; the arguments are those of `Store.ids`."""
    found = query(_FOUND, {"id": asked}) or query(_WIDER, {"id": asked})
    if not found:
        return IdMap((next(told for shape, told in _UNKNOWN.items() if re.fullmatch(shape, asked)).format(asked),))
    chats = query(f"{_CHAT} chat_id = :chat", found[0])
    chat = chats[0] if chats else {"chat_id": None, "conversation_id": found[0]["chat"], "scope_id": None}
    said = query(_SAID, {**found[0], "count": messages})
    reads = _reads(query, chat, said)
    things = _things(reads, said, {row["bot_id"] for row in query("SELECT bot_id FROM channels")})
    named = [(thing, id_) for thing in things for id_ in thing.ids if id_.value == asked]
    answers = tuple(dict.fromkeys(_answer(thing, id_, chat) for thing, id_ in named))
    if any(thing in things[:3] for thing, _ in named):
        return IdMap(answers, things[:3])
    about_chat = any(thing.what == "chat" for thing, _ in named)
    warnings = [text for text in _warnings(query, chat, reads, things) if about_chat or asked in text]
    return IdMap(answers or (f"{asked} belongs to the chat {chat['chat_id']}.",), things, tuple(warnings))


def _answer(thing: Thing, id_: Id, chat: Row) -> str:
    of = f" of the {thing.what} {thing.label}" if thing.what in ("client", "manager", "bot") else ""
    if thing.what == "message":
        of = f" of a message in the chat {chat['conversation_id'] or chat['chat_id']} ({thing.label})"
    other = "".join(f" The {each.name} is {each.value}." for each in thing.ids if each is not id_)
    return f"{id_.value} is the {id_.name}{of.rstrip()}. {_EXPLAINED[id_.name]}{other}"


# --- Where ids came from ----------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """What a raw row says, about one message if it has several; people's ids as client.id, manager.ref_id."""

    at_ms: int
    ids: dict[str, Id]
    names: dict[str, str]
    message_id: str | None


def _reads(query: Query, chat: Row, said: list[Row]) -> list[_Read]:
    """The raw rows behind a chat and these messages of it, in order of time."""
    reads = [_read(row) for row in query(_BEGAN, chat)]
    for message in said:
        for source, sql in (("exchange_id", _CALLS), ("delivery_id", _HOOKS), ("history_id", _CALLS)):
            reads += [_read(row, message["message_id"]) for row in query(f"{sql} WHERE id = ?", [message[source]])]
    return sorted(reads, key=lambda read: read.at_ms)


def _read(row: Row, message_id: str | None = None) -> _Read:
    if "body" in row:
        kind, event, root = "hook", f"d{row['id']}", {"address": row["scope_id"], "hook": readable_object(row["body"])}
    else:
        kind, event, answer = row["kind"], f"e{row['id']}", readable_object(row["response_body"])
        path = row["path"].partition("?")[0].removeprefix("/v2/origin/custom/").split("/")
        root = {"path": {str(n): part for n, part in enumerate(path)}, "request": readable_object(row["request_body"])}
        items = answer.get("messages") or () if kind == "reconcile" else ()
        root |= {"answer": answer, "item": next((each for each in items if _at(each, "message.id") == message_id), {})}
    to_client = kind == "hook" or _at(root, "request.payload.receiver") or _at(root, "item.receiver")
    read = _Read(row["at_ms"], {}, {}, message_id)
    for place, name in PLACES.get(kind, ()):
        value, name = _at(root, place), name.replace("sender", "manager" if to_client else "client")
        # The documentation of amocrm.ru shows our own conversation_id in the place of the chat's.
        ours_again = name == "chat_id" and value == _at(root, "request.payload.conversation_id")
        if not isinstance(value, str) or not value or ours_again:
            continue
        if name.endswith(".name"):
            read.names[name] = value
        else:
            read.ids.setdefault(name, Id(name.rpartition(".")[2], value, event, kind, place, row["at_ms"]))
    return read


def _at(value: Any, place: str) -> Any:
    for key in place.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _things(reads: list[_Read], said: list[Row], bots: set[str]) -> tuple[Thing, ...]:
    """What the ids name, each with the first row that has it: channel, account and scope, then the chat's own."""
    first: dict[str, Id] = {}
    people: list[Thing] = []
    messages: dict[str, dict[str, Id]] = defaultdict(dict)
    for read in reads:
        first = read.ids | first
        for who in ("client", "manager"):
            _add_person(people, who, read, bots)
        if read.message_id:
            messages[read.message_id] = read.ids | messages[read.message_id]
    if scope := first.get("scope_id"):
        parts = zip(("channel_id", "account_id"), scope.value.split("_", 1), strict=False)
        first = {name: replace(scope, name=name, value=value) for name, value in parts} | first
    things = [Thing(name[:-3], None, first.get(name)) for name in ("channel_id", "account_id", "scope_id")]
    things += [Thing("chat", first.get("conversation_id"), first.get("chat_id")), *people]
    for row in said:
        ids = messages[row["message_id"]]
        things.append(Thing("message", ids.get("msgid"), ids.get("message_id"), row["label"]))
    return tuple(things)


def _add_person(people: list[Thing], who: str, read: _Read, bots: set[str]) -> None:
    """Add somebody whom a row names, or complete what is known of them."""
    ours, kommos = read.ids.get(f"{who}.id"), read.ids.get(f"{who}.ref_id")
    values = {id_.value for id_ in (ours, kommos) if id_}
    if not values:
        return
    what = "bot" if kommos and kommos.value in bots else who
    known = [each for each in people if each.what == what and values & {id_.value for id_ in each.ids}]
    old = known[0] if known else Thing(what)
    new = Thing(what, old.ours or ours, old.kommos or kommos, old.label or read.names.get(f"{who}.name", ""))
    people[:] = [new if each is old else each for each in people] if known else [*people, new]


# --- The usual confusions ---------------------------------------------------------------------------------------------


def _warnings(query: Query, chat: Row, reads: list[_Read], things: tuple[Thing, ...]) -> Iterator[str]:
    if query(f"{_CHAT} chat_id = :conversation_id", chat):
        yield f"The conversation_id {chat['conversation_id']} is the chat_id of another chat, so a second one began."
    if len(same := query(f"{_CHAT} conversation_id = :conversation_id", chat)) > 1:
        yield f"{len(same)} chats are called {chat['conversation_id']}: ask for one by its chat_id."
    named: dict[str, set[str]] = defaultdict(set)
    for id_ in [*things[0].ids, *things[1].ids, *(id_ for read in reads for id_ in read.ids.values())]:
        if id_.name in OURS or not id_.place.startswith("request"):  # where Kommo has a word, a call may be wrong
            named[id_.value].add(id_.name)
    names = {value: seen - {*OURS} or seen for value, seen in named.items()}
    groups = [[id_ for thing in things[:3] for id_ in thing.ids], *(thing.ids for thing in things[3:])]
    right = {(a.value, b.name): f": {b.value}" for ids in groups for a in ids for b in ids if a.value != b.value}
    here = {id_.value for id_ in groups[0]}
    of_chat = {id_.value for thing in things[3:] if thing.what in ("chat", "client", "message") for id_ in thing.ids}
    for row in reversed(query(f"{_CALLS} ORDER BY id DESC LIMIT {RECENT}")):
        ids = _read(row | {"response_body": None}).ids.values()
        values = {id_.value for id_ in ids}
        about = here & values and (of_chat & values or row["kind"].endswith("connect"))
        for id_ in ids if about else ():
            seen = names.get(id_.value, {id_.name})
            if id_.name not in seen:
                call = f"{id_.event}, {id_.kind} ({row['status'] or 'no answer'})"
                wrong = f"has the {min(seen)} {id_.value} where the {id_.name} belongs"
                yield f"{call}, {wrong}{right.get((id_.value, id_.name), '')}"
