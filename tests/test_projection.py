"""Raw rows → tables: known answers, and the promise that order of arrival and time of reading never show."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kommo_nb.store import Store, hook_counts, projection, refresh, rollups, waits
from kommo_nb.store.refresh import Refresh
from kommo_nb.store.versions import PROJECTED
from kommo_nb.wire.records import Delivery, Exchange

SCOPE = "chan_acc"
ROOT = f"/v2/origin/custom/{SCOPE}"
SAMPLES = Path(__file__).parents[1] / "data" / "samples"
Raw = Delivery | Exchange


# --- Raw rows ---


def delivery(value: Any, *, at_ms: int = 5_000, verdict: str = "valid", scope_id: str = SCOPE) -> Delivery:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Delivery(at_ms, scope_id, body, "sig", verdict, 200)


def hook(
    message_id: str = "m-1",
    *,
    chat: int = 1,
    at_ms: int = 1_000,
    sender: str = "manager-1",
    receiver: dict[str, Any] | None = None,
    conversation_id: str | None = "",
    source: str | None = None,
    **message: Any,
) -> Delivery:
    """A message that a manager wrote in the CRM. `conversation_id` is the chat's own by default, None if unknown."""
    conversation = {"id": f"chat-{chat}", "client_id": f"ours-{chat}" if conversation_id == "" else conversation_id}
    known = {"id": f"client-{chat}", "client_id": f"u-{chat}"}
    event = {
        "conversation": conversation,
        "sender": {"id": sender, "name": "Maria"},
        "receiver": known if receiver is None else {**known, **receiver},
        "source": {"external_id": source},
        "timestamp": at_ms // 1000,
        "msec_timestamp": at_ms,
        "message": {"id": message_id, "type": "text", "text": f"text of {message_id}", **message},
    }
    return delivery({"account_id": "acc", "time": at_ms // 1000, "message": event})


def hook_v1(text: str = "old", *, at_ms: int = 1_000) -> Delivery:
    flat = {"receiver": "u-1", "conversation_id": "ours-1", "type": "text", "text": text, "media": "", "file_size": 0}
    return delivery({**flat, "msec_timestamp": at_ms})


def action(kind: str, *, at_ms: int = 5_000, **fields: Any) -> Delivery:
    event = {"user": {"id": "manager-1"}, "conversation": {"id": "chat-1", "client_id": "ours-1"}, **fields}
    return delivery({"account_id": "acc", "time": 5, "action": {kind: event}}, at_ms=at_ms)


def call(
    kind: str, request: Any, answer: Any = None, *, path: str = ROOT, at_ms: int = 7_000, state: str = "done"
) -> Exchange:
    body = None if answer is None else json.dumps(answer).encode()
    pending = Exchange(at_ms, kind, "POST", path, json.dumps(request).encode())
    return replace(pending, state=state, attempts=1, status=200, response_body=body)


def send(
    message_id: str = "m-2",
    *,
    chat: int = 1,
    at_ms: int = 2_000,
    incoming: bool = True,
    sender: dict[str, Any] | None = None,
    answer: dict[str, Any] | None = None,
    **payload: Any,
) -> Exchange:
    """A message that we sent: from the client, or, not incoming, by the manager in the client's chat."""
    client, manager = {"id": f"u-{chat}", "name": "Ada"}, {"id": "our-m", "name": "Maria", "ref_id": "manager-1"}
    people = {"sender": client} if incoming else {"sender": manager, "receiver": client}
    people["sender"] = people["sender"] if sender is None else sender
    request = {
        "timestamp": at_ms // 1000,
        "msec_timestamp": at_ms,
        "msgid": f"ours-{message_id}",
        "conversation_id": f"ours-{chat}",
        **people,
        "message": {"type": "text", "text": f"sent {message_id}"},
        **payload,
    }
    ids = {"sender_id": f"client-{chat}"} if incoming else {"sender_id": "manager-1", "receiver_id": f"client-{chat}"}
    given_back = {"conversation_id": f"chat-{chat}", **ids} if answer is None else answer
    new = {"msgid": message_id, "ref_id": f"ours-{message_id}", **given_back}
    return call("send", {"event_type": "new_message", "payload": request}, {"new_message": new})


def edit(text: str, *, at_ms: int, **names: str) -> Exchange:
    content = {"conversation_id": "ours-1", "message": {"type": "text", "text": text}}
    return call("edit", {"event_type": "edit_message", "payload": {**names, "msec_timestamp": at_ms, **content}}, {})


def status(message_id: str, code: int, *, at_ms: int = 7_000, **error: Any) -> Exchange:
    return call(
        "delivery_status", {"status_code": code, **error}, path=f"{ROOT}/{message_id}/delivery_status", at_ms=at_ms
    )


def page(*message_ids: str, chat: int = 1, at_ms: int = 3_000, msgid: str | None = None, **changes: Any) -> Exchange:
    """A page of history that was imported, of messages that a manager wrote."""
    manager, client = {"id": "manager-1", "name": "Tom"}, {"id": f"client-{chat}", "client_id": f"u-{chat}"}
    items = [
        {
            "msec_timestamp": at_ms,
            "sender": manager,
            "receiver": client,
            "message": {"id": message_id, "client_id": msgid, "type": "text", "text": f"history of {message_id}"},
            **changes,
        }
        for message_id in message_ids
    ]
    path = f"{ROOT}/chats/chat-{chat}/history?limit=50&offset=0"
    return replace(call("reconcile", None, {"messages": items}, path=path), method="GET", request_body=b"")


# --- Tables ---


def projected(store: Store, rows: Sequence[Raw]) -> Store:
    store.load(rows)
    assert store.project() == len(rows)
    return store


@contextmanager
def not_counted() -> Iterator[None]:
    """What is projected here is not in the rollups yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_count", lambda *_: 0)
        yield


def table(store: Store, name: str) -> list[dict[str, Any]]:
    """The rows of a table, only with what is known; of messages what was told, and not what follows from it."""
    rows = store.query(f"SELECT * FROM {name} ORDER BY 1")
    left_out = ("chat", "reached") if name == "messages" else ()
    return [{key: value for key, value in row.items() if value is not None and key not in left_out} for row in rows]


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {name: sorted(store.query(f"SELECT * FROM {name}"), key=repr) for name in PROJECTED}


def empty(store: Store) -> None:
    """Forget all rows, so that the next example begins as in a new file."""
    rollups.clear(store.conn)
    for name in ("deliveries", "exchanges", "channels"):
        store.conn.execute(f"DELETE FROM {name}")


@pytest.fixture(scope="module")
def quick_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for the many examples of a property; it does not wait for the disk."""
    store = Store(tmp_path_factory.mktemp("property") / "kommo.db")
    store.db.execute("PRAGMA synchronous = OFF")
    yield store
    store.close()


# --- Messages and chats ---


def test_a_message_hook_becomes_a_message_and_a_chat(store: Store) -> None:
    """Each field of a hook has its column; the chat is known with the ids of both sides."""
    rows = [
        hook(
            receiver={"name": "Ada", "phone": "+100", "email": "a@b.c"},
            source="shop",
            type="picture",
            media="https://x/a.jpg",
            thumbnail="https://x/t.jpg",
            file_name="a.jpg",
            file_size=5,
            media_group_id="g",
            post={"id": "post-1"},
            reply_to={"message": {"id": "m-0", "text": "before"}},
        )
    ]
    projected(store, rows)
    assert table(store, "messages") == [
        {
            "message_id": "m-1",
            "scope_id": SCOPE,
            "chat_id": "chat-1",
            "conversation_id": "ours-1",
            "direction": "outgoing",
            "author": "manager",
            "sender_id": "manager-1",
            "sender_name": "Maria",
            "type": "picture",
            "text": "text of m-1",
            "media": "https://x/a.jpg",
            "thumbnail": "https://x/t.jpg",
            "file_name": "a.jpg",
            "file_size": 5,
            "media_group_id": "g",
            "reply_to_id": "m-0",
            "post_id": "post-1",
            "sent_at_ms": 1_000,
            "delivery_id": 1,
        }
    ]
    assert table(store, "chats") == [
        {
            "chat_id": "chat-1",
            "conversation_id": "ours-1",
            "scope_id": SCOPE,
            "client_id": "u-1",
            "client_ref_id": "client-1",
            "source": "shop",
            "name": "Ada",
            "name_at_ms": 1_000,
            "phone": "+100",
            "phone_at_ms": 1_000,
            "email": "a@b.c",
            "email_at_ms": 1_000,
        }
    ]
    assert table(store, "problems") == []


def test_a_sent_message_is_incoming_from_the_client(store: Store) -> None:
    """Without a receiver a call brings a message of the client, and the answer tells the CRM's ids."""
    reply_to, post = {"message": {"id": "m-0"}}, {"id": "post-1", "url": "https://x"}
    text = {"type": "text", "text": "hi", "post": post}
    projected(store, [send(message=text, reply_to=reply_to, source={"external_id": "shop"})])
    assert table(store, "messages") == [
        {
            "message_id": "m-2",
            "msgid": "ours-m-2",
            "scope_id": SCOPE,
            "chat_id": "chat-1",
            "conversation_id": "ours-1",
            "direction": "incoming",
            "author": "client",
            "sender_id": "client-1",
            "sender_name": "Ada",
            "type": "text",
            "text": "hi",
            "reply_to_id": "m-0",
            "post_id": "post-1",
            "sent_at_ms": 2_000,
            "exchange_id": 1,
        }
    ]
    assert table(store, "chats") == [
        {
            "chat_id": "chat-1",
            "conversation_id": "ours-1",
            "scope_id": SCOPE,
            "client_id": "u-1",
            "client_ref_id": "client-1",
            "source": "shop",
            "name": "Ada",
            "name_at_ms": 2_000,
        }
    ]


def test_an_imported_message_is_the_managers(store: Store) -> None:
    """With a receiver a call brings a message that went out; the chat's client is the receiver."""
    projected(store, [send(incoming=False)])
    (message,), (chat,) = table(store, "messages"), table(store, "chats")
    assert (message["direction"], message["author"], message["sender_id"]) == ("outgoing", "manager", "manager-1")
    assert (chat["client_id"], chat["client_ref_id"], chat["name"]) == ("u-1", "client-1", "Ada")


@pytest.mark.parametrize("answer", [{}, {"conversation_id": "ours-1", "sender_id": "u-1"}], ids=["oldest", "amocrm.ru"])
def test_an_answer_without_the_crms_chat(store: Store, answer: dict[str, Any]) -> None:
    """Where the answer does not tell the CRM's chat, the message is kept and no chat is invented."""
    projected(store, [send(answer=answer)])
    (message,) = table(store, "messages")
    assert "chat_id" not in message
    assert (message["message_id"], message["conversation_id"]) == ("m-2", "ours-1")
    assert table(store, "chats") == []


def test_the_answer_to_a_write_first_chat_joins_both_sides(store: Store) -> None:
    """A chat that a manager began has no id of ours until we answer with both ids."""
    projected(store, [hook(conversation_id=None, receiver={"client_id": None, "phone": "+100"})])
    (chat,) = table(store, "chats")
    assert "conversation_id" not in chat
    projected(store, [send(answer={}, conversation_ref_id="chat-1", sender={"id": "u-1", "ref_id": "client-1"})])
    (chat,) = table(store, "chats")
    assert (chat["conversation_id"], chat["client_id"], chat["client_ref_id"]) == ("ours-1", "u-1", "client-1")
    assert chat["phone"] == "+100"


def test_create_chat_makes_a_chat_without_messages(store: Store) -> None:
    """A chat that was made before its first message is known with its client."""
    user = {"id": "u-1", "name": "Ada", "profile": {"phone": "+100"}}
    request = {"conversation_id": "ours-1", "source": {"external_id": "shop"}, "user": user}
    projected(store, [call("create_chat", request, {"id": "chat-1", "user": {"id": "client-1"}}, path=f"{ROOT}/chats")])
    assert table(store, "messages") == []
    assert table(store, "chats") == [
        {
            "chat_id": "chat-1",
            "conversation_id": "ours-1",
            "scope_id": SCOPE,
            "client_id": "u-1",
            "client_ref_id": "client-1",
            "source": "shop",
            "name": "Ada",
            "name_at_ms": 7_000,
            "phone": "+100",
            "phone_at_ms": 7_000,
        }
    ]


@pytest.mark.parametrize("hook_first", [True, False])
def test_hook_and_call_of_one_message_are_one_row(store: Store, hook_first: bool) -> None:
    """A message that came as a hook and was sent as a call is one; the hook's word counts, the call completes it."""
    rows: list[Raw] = [
        hook(text="of the hook"),
        send("m-1", incoming=False, message={"type": "text", "text": "of the call"}),
    ]
    for row in rows if hook_first else reversed(rows):
        projected(store, [row])
    (message,) = table(store, "messages")
    assert (message["text"], message["sent_at_ms"]) == ("of the hook", 1_000)
    assert (message["msgid"], message["delivery_id"], message["exchange_id"]) == ("ours-m-1", 1, 1)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
def test_of_two_hooks_that_differ_the_first_counts(store: Store, order: tuple[int, ...]) -> None:
    """A second hook of a message changes nothing of it; a call fills what the first left open, whenever it is read."""
    media = {"type": "picture", "text": "of the call", "media": "of the call"}
    rows: list[Raw] = [
        hook(text="first"),
        hook(text="second", media="second"),
        send("m-1", incoming=False, message=media),
    ]
    for number in order:
        projected(store, [rows[number]])
    (message,) = table(store, "messages")
    assert (message["text"], message["media"], message["delivery_id"]) == ("first", "of the call", 1)


def test_a_repeated_hook_is_one_message(store: Store) -> None:
    """A hook that comes twice leaves one message, and it belongs to the first of both."""
    projected(store, [hook(), hook(at_ms=1_000), hook("m-9")])
    assert [(row["message_id"], row["delivery_id"]) for row in table(store, "messages")] == [("m-1", 1), ("m-9", 3)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_chat_has_its_clients_latest_name(store: Store, order: tuple[int, ...]) -> None:
    """The name of the latest message counts, whenever it came; what later messages do not say, stays."""
    rows = [
        hook("m-1", at_ms=1_000, receiver={"name": "Ada", "phone": "+100", "email": "a@b.c"}),
        hook("m-2", at_ms=3_000, receiver={"name": "Ada Lovelace", "phone": "", "email": None}),
        hook("m-3", at_ms=2_000, receiver={"name": "Countess", "phone": "+200"}),
    ]
    projected(store, [rows[number] for number in order])
    (chat,) = table(store, "chats")
    assert (chat["name"], chat["phone"], chat["email"]) == ("Ada Lovelace", "+200", "a@b.c")
    assert (chat["name_at_ms"], chat["phone_at_ms"], chat["email_at_ms"]) == (3_000, 2_000, 1_000)


def test_hooks_of_version_1_collapse_by_content(store: Store) -> None:
    """A hook of version 1 has no id, so its content is its identity: the same twice is one, another text is another."""
    projected(store, [hook_v1(), hook_v1(), hook_v1("other"), hook_v1(at_ms=2_000)])
    rows = table(store, "messages")
    assert sorted((row["text"], row["sent_at_ms"], row["delivery_id"]) for row in rows) == [
        ("old", 1_000, 1),
        ("old", 2_000, 4),
        ("other", 1_000, 3),
    ]
    assert {row["message_id"][:3] for row in rows} == {"v1-"}
    assert {(row["direction"], row["author"], row["conversation_id"]) for row in rows} == {
        ("outgoing", "manager", "ours-1")
    }
    assert table(store, "chats") == []


@pytest.mark.parametrize("verdict", ["mismatch", "missing"])
def test_what_nobody_signed_is_not_believed(store: Store, verdict: str) -> None:
    """A hook with a wrong signature or none is kept raw, and leaves no trace in any table."""
    doubtful = [hook(), delivery(b"not JSON")]
    projected(store, [each._replace(verdict=verdict, http_status=403) for each in doubtful])
    assert everything(store) == {name: [] for name in PROJECTED} | {
        "projection": [{"source": "deliveries", "read_to": 2}, {"source": "hooks", "read_to": 2}]
    }


def test_a_trimmed_hook_is_believed(store: Store) -> None:
    """The newline of real hooks is no reason for doubt."""
    row = hook()
    projected(store, [row._replace(verdict="valid_trimmed", body=row.body + b"\n")])
    assert [row["message_id"] for row in table(store, "messages")] == ["m-1"]


def test_a_new_bot_takes_the_place_of_the_old(store: Store) -> None:
    """When a channel gets another bot, only that one's messages are the bot's, at once and after a rebuild."""
    store.remember_channel("chan", name="", bot_id="bot-1")
    projected(store, [hook("m-1", sender="bot-1"), hook("m-2", sender="bot-2"), hook("m-3")])
    store.remember_channel("chan", name="", bot_id="bot-2")
    store.project()
    before = everything(store)
    assert {row["message_id"]: row["author"] for row in before["messages"]} == {
        "m-1": "manager",
        "m-2": "bot",
        "m-3": "manager",
    }
    store.rebuild()
    assert everything(store) == before


def test_nobody_is_the_bot_of_a_channel_without_one(store: Store) -> None:
    """An empty sender and a channel whose bot is not known are not the same somebody."""
    store.remember_channel("chan", name="", bot_id="")
    nobody = {"id": "our-m", "name": "Maria", "ref_id": ""}
    projected(store, [send(incoming=False, sender=nobody, answer={"sender_id": ""})])
    store.remember_channel("chan", name="", bot_id="")
    (message,) = table(store, "messages")
    assert (message["author"], message.get("sender_id")) == ("manager", None)


# --- What only history tells ---


def test_an_imported_page_becomes_messages(store: Store) -> None:
    """Each field of a message of history has its column, and the chat learns what the page tells of its client."""
    client = {"id": "client-1", "client_id": "u-1", "name": "Ada", "phone": "+100"}
    message = {"id": "m-1", "type": "picture", "text": "look", "media": "https://x/a.jpg", "thumbnail": "https://x/t"}
    message |= {"file_name": "a.jpg", "file_size": 5, "media_group_id": "g"}
    projected(store, [page("m-1", receiver=client, message=message)])
    columns = {key: value for key, value in message.items() if key != "id"}
    assert table(store, "messages") == [
        {
            "message_id": "m-1",
            "scope_id": SCOPE,
            "chat_id": "chat-1",
            "direction": "outgoing",
            "author": "manager",
            "sender_id": "manager-1",
            "sender_name": "Tom",
            **columns,
            "sent_at_ms": 3_000,
            "history_id": 1,
        }
    ]
    (chat,) = table(store, "chats")
    assert (chat["client_id"], chat["client_ref_id"], chat["name"], chat["phone"]) == ("u-1", "client-1", "Ada", "+100")


def test_history_tells_who_wrote(store: Store) -> None:
    """Without a receiver the client wrote, and what the channel's bot wrote is the bot's, whenever it becomes known."""
    bot = {"id": "bot-1", "name": "Bot"}
    rows = [page("in", receiver=None, sender={"id": "client-1"}, msgid="ours"), page("out"), page("bot", sender=bot)]
    projected(store, rows)
    store.remember_channel("chan", name="", bot_id="bot-1")
    rows = store.query("SELECT message_id, direction, author, msgid FROM messages ORDER BY rowid")
    assert [tuple(row.values()) for row in rows] == [
        ("in", "incoming", "client", "ours"),
        ("out", "outgoing", "manager", None),
        ("bot", "outgoing", "bot", None),
    ]


@pytest.mark.parametrize("kind", ["hook", "call"])
def test_what_history_told_gives_way(store: Store, kind: str) -> None:
    """With its hook or its call, a message is the same as if it had never been imported, whichever came first."""
    later = hook(text=None) if kind == "hook" else send("m-1", message={"type": "picture"})
    found = []
    for rows in ([later], [page("m-1", msgid="ours"), later], [later, page("m-1", msgid="ours")]):
        empty(store)
        projected(store, rows)
        (row,) = store.query("SELECT * FROM messages")
        found.append({key: value is not None if key in IDS else value for key, value in row.items()})
    assert found[0]["history_id"] is False
    assert found[1] == found[2] == found[0]


def test_a_page_that_was_imported_twice_is_one(store: Store) -> None:
    """A message of two pages stays as the first told it."""
    projected(store, [page("m-1", "m-2"), page("m-1", at_ms=4_000)])
    assert [(row["message_id"], row["sent_at_ms"]) for row in table(store, "messages")] == [
        ("m-1", 3_000),
        ("m-2", 3_000),
    ]


@pytest.mark.parametrize("first", ["hook", "page"])
def test_a_hook_of_version_1_is_known_again_in_history(store: Store, first: str) -> None:
    """A hook without an id and the same message in history are one, in any order; others beside it are others."""
    same = {"type": "text", "text": "old"}
    rows = [hook_v1(), page("m-1", at_ms=1_000, message=same | {"id": "m-1"})]
    others = [page("m-8", at_ms=1_001, message=same | {"id": "m-8"}), page("m-9", at_ms=1_000)]
    projected(store, [send("m-7"), *others])
    for row in rows if first == "hook" else reversed(rows):
        projected(store, [row])
    assert [row["message_id"][:3] for row in table(store, "messages")] == ["m-7", "m-8", "m-9", "v1-"]


def test_a_lost_hook_waits_for_a_status(store: Store) -> None:
    """A message that only history tells of was written to be delivered; one that we sent ourselves was not."""
    projected(store, [page("m-1"), page("m-2", msgid="ours"), status("m-1", 1, at_ms=9)])
    assert store.query("SELECT message_id, status FROM delivery") == [{"message_id": "m-1", "status": "delivered"}]


# --- Edits, statuses, reactions, typing ---


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_latest_edit_is_shown(store: Store, order: tuple[int, int]) -> None:
    """Edits are a ledger; the transcript shows the latest by its own time, and the message keeps its first text."""
    edits = [edit("second", at_ms=9_000, msgid="ours-m-2"), edit("first", at_ms=8_000, id="m-2")]
    projected(store, [send(), *(edits[number] for number in order)])
    assert {(row["text"], row["edited_at_ms"]) for row in table(store, "edits")} == {
        ("first", 8_000),
        ("second", 9_000),
    }
    (line,) = store.query("SELECT text, edited FROM transcript")
    assert line == {"text": "second", "edited": 1}
    assert table(store, "messages")[0]["text"] == "sent m-2"


def test_of_two_edits_at_one_time_the_later_call_is_shown(store: Store) -> None:
    """Within one millisecond the call that was made later counts, also when its number has a digit more."""
    edits = [edit(f"edit {number}", at_ms=9_000, msgid="ours-m-2") for number in range(12)]
    projected(store, [send(), *edits])
    assert store.query("SELECT text FROM transcript") == [{"text": "edit 11"}]


def test_a_message_of_the_crm_is_edited_by_its_id(store: Store) -> None:
    """An edit that names Kommo's id belongs to the hook's message."""
    projected(store, [hook(), hook("m-9"), edit("mended", at_ms=9_000, id="m-1")])
    texts = {row["message_id"]: row["text"] for row in store.query("SELECT message_id, text FROM transcript")}
    assert texts == {"m-1": "mended", "m-9": "text of m-9"}


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], ("not reported", None, None)),
        ([(1, 10)], ("delivered", 10, None)),
        ([(1, 10), (2, 20)], ("read", 10, 20)),
        ([(2, 20), (1, 30)], ("read", 30, 20)),
        ([(1, 10), (1, 5), (2, 20), (2, 40)], ("read", 5, 20)),
        ([(-1, 10)], ("failed", None, None)),
        ([(-1, 10), (1, 20)], ("delivered", 20, None)),
        ([(1, 20), (-1, 30)], ("delivered", 20, None)),
    ],
)
def test_a_delivery_status_never_goes_back(
    store: Store, reports: list[tuple[int, int]], expected: tuple[Any, ...]
) -> None:
    """Every report is kept; read beats delivered beats failed, and the first time of each counts."""
    error = {-1: {"error_code": 904, "error": "no such number"}}
    rows = [status("m-1", code, at_ms=at_ms, **error.get(code, {})) for code, at_ms in reports]
    projected(store, [hook(), *rows])
    assert [(row["status_code"], row["reported_at_ms"]) for row in table(store, "statuses")] == reports
    (row,) = store.query("SELECT * FROM delivery")
    assert (row["status"], row["delivered_at_ms"], row["read_at_ms"]) == expected
    failed = any(code == -1 for code, _ in reports)
    assert (row["error_code"], row["error"]) == ((904, "no such number") if failed else (None, None))


def test_only_messages_of_the_crm_wait_for_a_status(store: Store) -> None:
    """Delivery is about what a manager wrote; what we sent ourselves needs no report."""
    projected(store, [hook(), send(), send("m-3", incoming=False)])
    assert [row["message_id"] for row in store.query("SELECT message_id FROM delivery")] == ["m-1"]


def test_reactions_of_both_sides_are_a_ledger(store: Store) -> None:
    """Reactions of managers come by hook, those of clients go by call; taking one back is a row of its own."""
    request = {"conversation_id": "ours-1", "msgid": "ours-m-2", "type": "react", "emoji": "👍", "user": {"id": "u-1"}}
    crm = {
        "conversation_ref_id": "chat-1",
        "id": "m-1",
        "type": "unreact",
        "user": {"id": "our-m", "ref_id": "manager-1"},
    }
    rows = [
        action("reaction", msgid="m-2", type="react", emoji="😍"),
        action("reaction", message={"id": "m-2", "client_id": "ours-m-2"}, type="unreact", at_ms=6_000),
        call("react", request, {}),
        call("react", crm, {}),
    ]
    projected(store, rows)
    here = {"chat_id": "chat-1", "conversation_id": "ours-1", "user_id": "manager-1"}
    assert table(store, "reactions") == [
        {"event": "d1", **here, "message_id": "m-2", "type": "react", "emoji": "😍", "at_ms": 5_000},
        {"event": "d2", **here, "message_id": "m-2", "msgid": "ours-m-2", "type": "unreact", "at_ms": 6_000},
        {
            "event": "e1",
            "conversation_id": "ours-1",
            "user_id": "u-1",
            "msgid": "ours-m-2",
            "type": "react",
            "emoji": "👍",
            "at_ms": 7_000,
        },
        {
            "event": "e2",
            "chat_id": "chat-1",
            "user_id": "manager-1",
            "message_id": "m-1",
            "type": "unreact",
            "at_ms": 7_000,
        },
    ]


def test_typing_of_both_sides(store: Store) -> None:
    """Typing ends when the hook says, or after the call's duration, which is 5 s where none is given."""
    request = {"conversation_id": "ours-1", "sender": {"id": "u-1"}}
    rows = [
        action("typing", expired_at=1_234),
        call("typing", request),
        call("typing", {**request, "duration_ms": 1_500}),
    ]
    projected(store, rows)
    client = {"conversation_id": "ours-1", "user_id": "u-1", "at_ms": 7_000}
    here = {"chat_id": "chat-1", "conversation_id": "ours-1", "user_id": "manager-1"}
    assert table(store, "typings") == [
        {"event": "d1", **here, "at_ms": 5_000, "expired_at_ms": 1_234_000},
        {"event": "e1", **client, "expired_at_ms": 12_000},
        {"event": "e2", **client, "expired_at_ms": 8_500},
    ]


# --- Problems, and what ends late ---


def test_an_unreadable_hook_is_a_problem(store: Store) -> None:
    """A signed body that fits no kind is named with its reason, and what came after it is read."""
    projected(store, [delivery(b"<html>"), delivery({"leads": {}}), hook()])
    assert table(store, "problems") == [
        {"event": "d1", "at_ms": 5_000, "reason": "the body is not JSON"},
        {
            "event": "d2",
            "at_ms": 5_000,
            "reason": "no message, action.typing, action.reaction or conversation_id in the body",
        },
    ]
    assert len(table(store, "messages")) == 1


def test_half_a_surrogate_in_a_quote_stops_nothing(store: Store) -> None:
    """The id of a quoted message is cleaned like every other text, for SQLite takes no lone surrogate."""
    projected(store, [hook(reply_to={"message": {"id": "m\ud800"}}), hook("m-9")])
    assert [row.get("reply_to_id") for row in table(store, "messages")] == ["m?", None]


GOOD_SEND = json.loads(send().request_body)
UNKNOWN_CALLS = {
    "no answer": ("send", GOOD_SEND, None, ROOT),
    "an answer that is a list": ("send", GOOD_SEND, {"new_message": []}, ROOT),
    "an id that is null": ("send", GOOD_SEND, {"new_message": {"msgid": None}}, ROOT),
    "an id that is an object": ("send", GOOD_SEND, {"new_message": {"msgid": {"id": "m"}}}, ROOT),
    "an id beyond 64 bits": ("send", GOOD_SEND, {"new_message": {"msgid": 2**70}}, ROOT),
    "half a surrogate": ("send", GOOD_SEND, {"new_message": {"msgid": "\ud800"}}, ROOT),
    "no chat": ("create_chat", {"conversation_id": "c", "user": {"id": "u"}}, {"user": {}}, f"{ROOT}/chats"),
    "an edit without a time": ("edit", {"payload": {"msgid": "m", "message": {"text": "x"}}}, {}, ROOT),
    "a status without a message": ("delivery_status", {"status_code": 1}, {}, ROOT),
    "a status that is a text": ("delivery_status", {"status_code": "read"}, {}, f"{ROOT}/m/delivery_status"),
    "a request that is a list": ("react", [], {}, ROOT),
    "a history without messages": ("reconcile", {}, {}, f"{ROOT}/chats/chat-1/history"),
    "a history of a chat without a name": ("reconcile", {}, json.loads(page("m").response_body or b""), ROOT),
    "a message of history without an id": ("reconcile", {}, {"messages": [{"message": {}}]}, f"{ROOT}/chats/c/history"),
}


@pytest.mark.parametrize("name", UNKNOWN_CALLS)
def test_an_unreadable_call_is_a_problem(store: Store, name: str) -> None:
    """A finished call whose bodies fit nothing known is named as a problem, and never stops what comes after it."""
    kind, request, answer, path = UNKNOWN_CALLS[name]
    projected(store, [call(kind, request, answer, path=path), send("m-9")])
    (problem,) = table(store, "problems")
    assert (problem["event"], problem["at_ms"]) == ("e1", 7_000)
    assert problem["reason"].startswith(f"{kind}: the call or its answer has an unknown shape (")
    assert "m-9" in {row["message_id"] for row in table(store, "messages")}


def test_an_answer_of_endless_depth_is_a_problem(store: Store) -> None:
    """An answer nested deeper than Python reads is a problem like any other."""
    projected(store, [replace(send(), response_body=b"[" * 100_000), send("m-9")])
    assert [row["event"] for row in table(store, "problems")] == ["e1"]
    assert [row["message_id"] for row in table(store, "messages")] == ["m-9"]


def test_calls_that_change_nothing_are_only_read(store: Store) -> None:
    """Connect, disconnect and history leave no rows, whatever they were answered."""
    projected(store, [call(kind, {}, {}) for kind in ("connect", "disconnect", "history")])
    assert {name for name, rows in everything(store).items() if rows} == {"projection"}


def test_a_call_that_ends_late_is_projected_then(store: Store) -> None:
    """A call that was begun before others and ends after they were read is not forgotten."""
    row = send()
    begun = store.begin_exchange(replace(row, state="pending", attempts=0, status=None, response_body=None))
    projected(store, [send("m-9")])
    assert [row["message_id"] for row in table(store, "messages")] == ["m-9"]
    outcome = {"state": "done", "attempts": 1, "status": 200, "response_body": row.response_body}
    store.finish_exchange(begun, **outcome, error_type=None, elapsed_ms=1)
    assert store.project() == 1
    assert [row["message_id"] for row in table(store, "messages")] == ["m-2", "m-9"]


def test_a_failed_call_leaves_nothing_until_it_succeeds(store: Store) -> None:
    """A call that failed says nothing about the CRM; when it is made again and succeeds, it does."""
    row = replace(send(), state="failed", status=500, response_body=b"")
    projected(store, [row])
    assert table(store, "messages") == table(store, "problems") == []
    outcome = {"state": "done", "attempts": 1, "status": 200, "response_body": send().response_body}
    store.finish_exchange(1, **outcome, error_type=None, elapsed_ms=1)
    assert store.project() == 1
    assert [row["message_id"] for row in table(store, "messages")] == ["m-2"]


def test_projecting_again_finds_nothing_new(store: Store) -> None:
    """Each raw row is read once."""
    projected(store, [hook(), send(), edit("x", at_ms=9_000, msgid="ours-m-2")])
    before = everything(store)
    assert store.project() == 0
    assert everything(store) == before
    read_to = {row["source"]: row["read_to"] for row in before["projection"]}
    assert read_to == {"deliveries": 1, "exchanges": 2, "hooks": 1}


def test_rollups_keep_no_message_waiting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while rollups are brought up to date is projected before they go on."""
    messages: list[int] = []

    def count(self: Store, _: Refresh) -> int:
        messages.append(self.query("SELECT count(*) AS n FROM messages")[0]["n"])
        if len(messages) == 1:
            store.load([hook("late")])
        return int(len(messages) < 4)

    monkeypatch.setattr(Store, "_count", count)
    assert store.project() == 1
    assert messages == [0, 1, 1, 1]


def test_others_go_first_while_they_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a receiver the projection pauses, the longer the fresher its rows are, and alone it does not."""
    pauses, seconds, now_ms = list[float](), itertools.count(), time.time_ns() // 1_000_000
    receiver, read = Store(store.path), projection.read
    monkeypatch.setattr("kommo_nb.store.time.sleep", pauses.append)
    monkeypatch.setattr("kommo_nb.store.time.monotonic", lambda: float(next(seconds)))  # each transaction takes 1 s
    monkeypatch.setattr(projection, "LARGE_BATCH", 1)
    projected(store, [delivery(b"", at_ms=now_ms) for _ in range(9)])
    assert not pauses

    def read_beside_receiver(conn: Any, **beside: Any) -> Any:
        receiver.put("channels", id="c", name="", bot_id="b")
        return read(conn, **beside)

    monkeypatch.setattr(projection, "read", read_beside_receiver)
    monkeypatch.setattr(Store, "_count", lambda *_: 0)
    for age_s in (0, 5, 600):
        projected(store, [delivery(b"", at_ms=now_ms - age_s * 1000) for _ in range(2)])
    fresh, _, late, _, latest, _ = pauses
    assert (fresh, late, latest) == (pytest.approx(9, abs=1), pytest.approx(3, abs=0.3), 1)
    receiver.close()


def test_a_zero_byte_in_an_id_stops_nothing(store: Store) -> None:
    """Ids with a zero byte, which SQLite's JSON functions cut off, are ids like others, also when they come again."""
    body = json.loads(hook("zero\0byte").body)
    body["message"]["conversation"] |= {"id": "chat\0zero", "client_id": "ours\0zero"}
    for _ in range(2):
        projected(store, [delivery(body), hook("after it")])
    assert {row["message_id"] for row in store.query("SELECT * FROM messages")} == {"zero\0byte", "after it"}
    assert {row["chat"] for row in store.query("SELECT * FROM chat_totals")} == {"chat\0zero", "chat-1"}
    assert len(table(store, "changed")) == 1


def test_what_was_told_too_late_is_not_written(store: Store) -> None:
    """A projector that waited for the write lock while another told the same anew leaves what that one wrote."""
    slow = Store(store.path)
    with not_counted():
        projected(store, [send("1", at_ms=1_000), hook("2", at_ms=2_000)])
    write = Refresh().next(slow.conn)
    assert write
    projected(store, [send("3", at_ms=3_000), hook("4", at_ms=5_000)])
    told = everything(store)
    write(slow.conn)
    assert everything(store) == told
    slow.close()


def test_what_comes_while_it_is_told_is_told_too(store: Store) -> None:
    """A message that comes between reading what is stale and writing what was told of it is counted as well."""
    told = []

    def tell_some(self: Store, refresh: Refresh) -> int:
        if not told:
            told.append(refresh.next(self.conn))
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_count", tell_some)
        projected(store, [send("1", at_ms=1_000), hook("2", at_ms=2_000)])
        projected(store, [send("3", at_ms=3_000), hook("4", at_ms=5_000)])
    store.write(told)
    store.project()
    counted = everything(store)
    store.rebuild()
    assert everything(store) == counted


@pytest.mark.parametrize("changes", [1, 1_000])
@pytest.mark.parametrize("later_first", [False, True])
def test_an_earlier_answer_is_told_beside_later_messages(
    changes: int, later_first: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many changes are told at a time: what is told of a chat goes back to the earliest of its own."""
    monkeypatch.setattr(refresh, "CHANGES", changes)
    monkeypatch.setattr("kommo_nb.store.MANY", 1)
    projected(store, [send("asked", at_ms=1_000), hook("answered", at_ms=5_000)])
    with not_counted():
        for row in [hook("before", at_ms=3_000), send("after", at_ms=9_000)][:: -1 if later_first else 1]:
            projected(store, [row])
    store.project()
    told = everything(store)
    assert [(row["kind"], row["answered_ms"]) for row in told["waits"]] == [
        ("first_response", 3_000),
        ("response", 3_000),
        ("response", None),
    ]
    store.rebuild()
    assert everything(store) == told


def test_hooks_are_counted_while_a_rebuild_begins(store: Store) -> None:
    """Hooks that were read before another program emptied the tables are not counted beside all those before them."""
    projected(store, [hook(f"m-{number}") for number in range(10)])
    store.load([hook(f"n-{number}") for number in range(5)])
    write = hook_counts.uncounted(store.conn)
    assert write
    store.write([rollups.clear, write])
    store.project()
    assert store.query("SELECT sum(hooks) AS hooks FROM hook_quarters") == [{"hooks": 15}]


def test_hooks_that_another_left_are_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds that another has counted the same hooks goes on with those behind them."""
    monkeypatch.setattr(hook_counts, "AT_ONCE", 2)
    uncounted = hook_counts.uncounted

    def beside_another(conn: Any) -> Any:
        monkeypatch.setattr(hook_counts, "uncounted", uncounted)
        write, same = uncounted(conn), uncounted(other.conn)
        assert same
        conn.commit()
        other.write([same])
        return write

    other = Store(store.path)
    with not_counted():
        projected(store, [delivery(b"", at_ms=5_000) for _ in range(5)])
    monkeypatch.setattr(hook_counts, "uncounted", beside_another)
    store.project()
    other.close()
    assert store.query("SELECT sum(hooks) AS hooks FROM hook_quarters") == [{"hooks": 5}]


def test_a_chat_is_told_as_it_was_at_one_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that gives a chat its other id while it is told leaves nothing of it behind."""
    projected(store, [send("1", at_ms=1_000, answer={}), send("2", at_ms=2_000, incoming=False, answer={})])
    other, totals = Store(store.path), waits._totals
    asked = {"conversation_id": "ours-1", "user": {"id": "u-1"}}
    mapped = call("create_chat", asked, {"id": "chat-1", "user": {"id": "client-1"}}, path=f"{ROOT}/chats")

    def late(conn: Any, chat: str) -> Any:
        monkeypatch.setattr(waits, "_totals", totals)
        with not_counted():
            projected(other, [mapped])
        return totals(conn, chat)

    monkeypatch.setattr(waits, "_totals", late)
    store.load([send("3", at_ms=3_000, answer={})])
    store.project()
    assert {row["chat"] for row in store.query("SELECT chat FROM waits")} == {"chat-1"}
    told = everything(store)
    store.rebuild()
    assert everything(store) == told
    other.close()


def test_a_history_that_goes_back_is_told_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, as pages of history come: the chat is not read again for each message that is older."""
    told: list[str] = []
    monkeypatch.setattr(refresh, "QUARTERS", 1)
    monkeypatch.setattr("kommo_nb.store.MANY", 1)
    monkeypatch.setattr(waits, "recount", lambda conn, chats, of=waits.recount: told.extend(chats) or of(conn, chats))
    projected(store, [send(f"m-{hour}", at_ms=hour * 3_600_000) for hour in range(50, 0, -1)])
    assert told.count("chat-1") <= 3


def test_old_files_are_counted_with_times_before_1970(store: Store) -> None:
    """What is noted as changed when an old file is opened begins where the quarters of an hour begin."""
    projected(store, [send("1", at_ms=-5), send("2", at_ms=-900_001), hook("3")])
    told = everything(store)
    store.write([rollups.create])
    store.project()
    assert everything(store) == told


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_an_old_hook_and_its_page_are_one_message(order: tuple[int, ...], store: Store) -> None:
    """Whichever comes first of the page of history, the hook of version 1, and what tells whose chat it is."""
    told = json.loads(page("k-1", at_ms=1_000).response_body or b"")
    told["messages"][0]["message"]["text"] = "old"
    rows = [replace(page("k-1"), response_body=json.dumps(told).encode()), hook_v1("old"), hook("z", at_ms=9_000)]
    for each in order:
        projected(store, [rows[each]])
    assert [row["text"] for row in store.query("SELECT text FROM messages WHERE sent_at_ms = 1000")] == ["old"]
    before = everything(store)
    store.rebuild()
    assert everything(store) == before


def test_two_projectors_share_the_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that project the same file at once read each row once between them, batch by batch."""
    monkeypatch.setattr(projection, "LARGE_BATCH", 7)
    store.load([hook(f"m-{number}") for number in range(150)] + [send(f"s-{number}") for number in range(150)])
    other = Store(store.path)
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(Store.project, (store, other)))
    other.close()
    assert sum(counts) == 300
    assert len(table(store, "messages")) == 300


# --- Properties ---

NAMES = st.sampled_from([None, "", "Ada", "Bob"])


@st.composite
def raw_rows(draw: st.DrawFn) -> Raw:
    """Any raw row of a small world, in which the same messages, chats and people come up again and again.

    The content of a message follows from its id, as in real life; people change their names as they like.
    """
    number, chat = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    at_ms = 1_000 * number
    kind = draw(
        st.sampled_from(["hook", "send", "edit", "status", "chat", "typing", "reaction", "v1", "page", "noise"])
    )
    match kind:
        case "hook":
            bot, short = number == 4, number == 2
            words = {"media": "https://x/a"} | ({"text": None} if short else {})
            row = hook(f"m-{number}", chat=1, at_ms=at_ms, sender="bot-1" if bot else "manager-1", source="s", **words)
            return row._replace(verdict=draw(st.sampled_from(["valid", "valid_trimmed", "mismatch"])))
        case "send":
            old = {} if number == 3 else None  # an answer that does not tell the chat
            return send(f"m-{number}", chat=1, at_ms=at_ms + 7, incoming=False, answer=old)
        case "edit":
            names = draw(st.sampled_from([{"msgid": f"ours-m-{number}"}, {"id": f"m-{number}"}]))
            when = draw(st.integers(1, 5))
            return edit(f"edit {when}", at_ms=when, **names)
        case "status":
            code = draw(st.sampled_from([1, 2, -1]))
            error = {"error_code": draw(st.sampled_from([901, 902])), "error": "no"} if code == -1 else {}
            return status(f"m-{number}", code, at_ms=draw(st.integers(1, 3)), **error)
        case "chat":
            name, phone = draw(NAMES), draw(NAMES)
            user = {"id": f"u-{draw(st.integers(1, 2))}", "name": name, "profile": {"phone": phone}}
            request = {"conversation_id": f"ours-{chat}", "user": user}
            answer = {"id": f"chat-{draw(st.integers(1, 2))}", "user": {"id": f"client-{chat}"}}
            return call("create_chat", request, answer, path=f"{ROOT}/chats", at_ms=draw(st.integers(1, 3)))
        case "typing":
            return action("typing", at_ms=at_ms, expired_at=draw(st.sampled_from([None, 9])))
        case "reaction":
            return action("reaction", at_ms=at_ms, msgid=f"m-{number}", type="react", emoji="👍")
        case "v1":
            return hook_v1(f"old {number}", at_ms=at_ms)
        case "page":
            sender = {"id": "bot-1" if number == 4 else "manager-1"}
            return page(
                f"m-{number}", at_ms=at_ms + 3, msgid=f"ours-m-{number}" if number == 3 else None, sender=sender
            )
        case _:
            odd = [delivery(b"noise"), call("send", {}, {}), replace(send(), state="failed"), call("history", {}, {})]
            return draw(st.sampled_from(odd))


@st.composite
def receiver_hooks(draw: st.DrawFn) -> Raw:
    """A hook of a message of its own, with whatever is known of the client at that time."""
    at_ms = draw(st.integers(1, 3))
    receiver = {key: draw(NAMES) for key in ("name", "phone", "email", "client_id")}
    chat = {
        "conversation_id": draw(st.sampled_from([None, "ours-0", "ours-1"])),
        "source": draw(st.sampled_from([None, "a"])),
    }
    identity = json.dumps([at_ms, receiver, chat])
    return hook(identity, at_ms=at_ms, receiver=receiver, **chat)


@st.composite
def differing_hooks(draw: st.DrawFn) -> Raw:
    """A hook that says something of its own about a message that other rows know too."""
    words = {key: draw(st.sampled_from([None, "this", "that"])) for key in ("text", "media", "file_name")}
    return hook(f"m-{draw(st.integers(1, 3))}", at_ms=draw(st.integers(1, 3)), **words)


ROWS = st.lists(raw_rows() | receiver_hooks(), max_size=12)
CONTRADICTING_ROWS = st.lists(raw_rows() | receiver_hooks() | differing_hooks(), max_size=12)
IDS = {"event", "delivery_id", "exchange_id", "history_id", "read_to"}


def content(store: Store) -> dict[str, list[str]]:
    """All tables and the views on messages, without the numbers of raw rows, in an order that is only theirs."""
    found = {}
    for name in (*PROJECTED, "transcript", "delivery"):
        rows = store.query(f"SELECT * FROM {name}")
        known = [{key: value if key not in IDS else value is not None for key, value in row.items()} for row in rows]
        found[name] = sorted(json.dumps(row) for row in known)
    return found


@given(st.data())
def test_the_order_of_arrival_never_shows(quick_store: Store, data: st.DataObject) -> None:
    """Whatever order the raw rows come in, and whenever the bot becomes known, the tables say the same."""
    rows = data.draw(ROWS)
    arrivals = [rows, data.draw(st.permutations(rows))]
    bot_known_after = data.draw(st.lists(st.integers(0, len(rows)), min_size=2, max_size=2))
    found = []
    for arrival, known_after in zip(arrivals, bot_known_after, strict=True):
        empty(quick_store)
        projected(quick_store, arrival[:known_after])
        quick_store.remember_channel("chan", name="Shop", bot_id="bot-1")
        projected(quick_store, arrival[known_after:])
        found.append(content(quick_store))
    assert found[0] == found[1]


@given(CONTRADICTING_ROWS, st.integers(1, 5))
def test_reading_row_by_row_at_once_or_again_is_the_same(quick_store: Store, rows: list[Raw], batch: int) -> None:
    """Projecting after each row, all at the end, in any batches, and by a rebuild lead to the same rows."""
    empty(quick_store)
    for row in rows:
        projected(quick_store, [row])
    one_by_one = everything(quick_store)
    quick_store.rebuild()
    assert everything(quick_store) == one_by_one
    empty(quick_store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "LARGE_BATCH", batch)
        patch.setattr(refresh, "CHATS", batch)  # so that rollups are brought up to date bit by bit in between
        patch.setattr("kommo_nb.store.COUNT_EVERY", 0)
        patch.setattr("kommo_nb.store.MANY", 1)
        projected(quick_store, rows)
    assert everything(quick_store) == one_by_one


ODD = st.sampled_from([None, "", "x", "\ud800", True, -1, 1.5, 10**30, [], ["x"], {}, {"id": "x"}, {"id": "\udfff"}])
BODIES = [json.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("hook-*.json"))]
CALLS = [
    send(reply_to={"message": {"id": "m"}}, source={"external_id": "s"}),
    send(incoming=False),
    edit("x", at_ms=1, id="m"),
    status("m", -1, error_code=905, error="x"),
    call(
        "create_chat",
        {"conversation_id": "c", "user": {"id": "u", "profile": {"phone": "1"}}},
        {"id": "c", "user": {"id": "u"}},
    ),
    call("typing", {"conversation_id": "c", "sender": {"id": "u"}, "duration_ms": 5}),
    call("react", {"conversation_id": "c", "msgid": "m", "type": "react", "emoji": "x", "user": {"id": "u"}}),
    replace(page("m"), request_body=b"{}"),
]


def spoil(draw: st.DrawFn, value: Any) -> Any:
    """A copy in which up to three values have become something odd."""
    result = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        target = result
        while isinstance(target, dict) and target:
            key = draw(st.sampled_from(sorted(target)))
            if not isinstance(target[key], dict) or draw(st.integers(0, 3)) == 0:
                target[key] = copy.deepcopy(draw(ODD))
                break
            target = target[key]
    return result


@st.composite
def spoilt(draw: st.DrawFn) -> Raw:
    if draw(st.booleans()):
        return delivery(spoil(draw, draw(st.sampled_from(BODIES))))
    good = draw(st.sampled_from(CALLS))
    request, answer = json.loads(good.request_body), json.loads(good.response_body or b"{}")
    if draw(st.booleans()):
        request = spoil(draw, request)
    else:
        answer = spoil(draw, answer) if answer else draw(ODD)
    return replace(good, request_body=json.dumps(request).encode(), response_body=json.dumps(answer).encode())


@given(st.lists(spoilt(), min_size=1, max_size=5))
def test_no_signed_hook_and_no_finished_call_stops_the_projection(quick_store: Store, rows: list[Raw]) -> None:
    """Whatever a body holds, it becomes rows or a problem, and what comes after it is read as well."""
    empty(quick_store)
    projected(quick_store, [*rows, hook("last"), send("last call")])
    assert {"last", "last call"} <= {row["message_id"] for row in table(quick_store, "messages")}
    assert all(row["reason"] for row in table(quick_store, "problems"))
