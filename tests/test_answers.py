"""What Kommo answers: the samples of both documentations, and the shapes on which they disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kommo_nb.wire import answers
from kommo_nb.wire.answers import Chat, Connection, HistoryMessage, Receipt
from kommo_nb.wire.reading import Participant, Unreadable

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


def receipt(answer: Any, *, conversation_id: str = "ours-c", msgid: str = "ours-m") -> Receipt:
    return answers.receipt(answer, msgid=msgid, conversation_id=conversation_id, exchange_id=7)


# --- Connect ---


def test_connection_of_kommo() -> None:
    """Kommo's answer to connect is read field by field."""
    assert answers.connection(sample("kommo-connect-response")) == Connection(
        account_id="52fd2a28-d2eb-4bd8-b862-b57934927b38",
        scope_id="f62a0162-46a7-430e-b06c-0ef798d56b21_52fd2a28-d2eb-4bd8-b862-b57934927b38",
        title="MyKommo",
        hook_api_version="v2",
        is_time_window_disabled=False,
    )


def test_connection_of_amocrm() -> None:
    """The answer of amocrm.ru has the same shape."""
    assert answers.connection(sample("ru-connect-response")) == Connection(
        account_id="af9945ff-1490-4cad-807d-945c15d88bec",
        scope_id="f90ba33d-c9d9-44da-b76c-c349b0ecbe41_af9945ff-1490-4cad-807d-945c15d88bec",
        title="ChatIntegration",
        hook_api_version="v2",
        is_time_window_disabled=True,
    )


def test_connection_of_2021_says_nothing_of_the_time_window() -> None:
    """Answers of 2021 lack the flag: then it is not known, which is neither on nor off."""
    answer = {**sample("kommo-connect-response"), "title": ""}
    del answer["is_time_window_disabled"]
    connection = answers.connection(answer)
    assert (connection.is_time_window_disabled, connection.title) == (None, None)


# --- Create chat ---


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "kommo-create-chat-response",
            Chat(
                id="XXXXXXX-10e9-4f88-af0b-6581795e15e2",
                user=Participant(
                    id="XXXXXXX-7bd3-4934-b05f-23f1db1a6514",
                    client_id="XXXXXXX-86df-4c49-a0c3-a4816df41af0",
                    name="Client",
                    phone="+1234567890",
                    email="client409@example.com",
                ),
            ),
        ),
        (
            "ru-create-chat-response",
            Chat(
                id="6cbab3d5-c4c1-46ff-b710-ad59ad10805f",
                user=Participant(
                    id="86a0caef-41ec-49ac-814b-b27da2cea267",
                    client_id="sk-1376265f-86df-4c49-a0c3-a4816df41af9",
                    name="Example Client",
                    phone="79151112233",
                    email="example.client@example.com",
                ),
            ),
        ),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_created_chat(name: str, expected: Chat, nested: bool) -> None:
    """The chat and its client are read, with phone and email flat, as in the table, or nested in `profile`."""
    answer = sample(name)
    if nested:
        answer["user"]["profile"] = {key: answer["user"].pop(key) for key in ("phone", "email")}
    assert answers.chat(answer) == expected


def test_created_chat_of_a_crm_user() -> None:
    """A person of the CRM has no id of ours, and what was not sent is not known."""
    assert answers.chat({"id": "c", "user": {"id": "u", "name": "", "avatar": ""}}) == Chat("c", Participant(id="u"))


# --- Send ---


def test_receipt_of_amocrm_leaves_our_own_id_out() -> None:
    """Where the answer repeats our conversation_id, as on amocrm.ru's page, the CRM's id of the chat is not known."""
    found = receipt(sample("ru-send-response"), conversation_id="my_int-d5a421f7f217")
    assert found == Receipt(
        message_id="8f1176d7-c357-42b0-b944-a15d537a27d3",
        msgid="my_int-5f2836a8ca468",
        chat_id=None,
        sender_id="my_int-1376265f-86df-4c49-a0c3-a4816df41af8",
        receiver_id="123e4567-e89b-12d3-a456-426614174000",
        exchange_id=7,
    )


def test_receipt_before_receiver_id_was_added() -> None:
    """Kommo's older answer has no receiver; its chat is the CRM's."""
    assert receipt(sample("kommo-send-response-old"), msgid="msgid1") == Receipt(
        message_id="XXXXXXXXX-iw204is04",
        msgid="msgid1",
        chat_id="XXXXXXXXX-a27e-7ajfj39223edd",
        sender_id="XXXXXXXXX-daw2332fw",
        receiver_id=None,
        exchange_id=7,
    )


def test_receipt_of_the_oldest_answer() -> None:
    """Before the change only both ids of the message came back, and the receipt has no more."""
    assert receipt({"new_message": {"msgid": "crm-m", "ref_id": "ours-m"}}) == Receipt("crm-m", "ours-m", exchange_id=7)


@pytest.mark.parametrize("ref_id", [None, ""])
def test_receipt_knows_our_id_anyway(ref_id: str | None) -> None:
    """Without `ref_id` our message id is the one that we sent; null receivers are unknown."""
    found = receipt({"new_message": {"msgid": "crm-m", "ref_id": ref_id, "receiver_id": None}})
    assert (found.msgid, found.receiver_id) == ("ours-m", None)


# --- History ---


def test_history_of_kommo() -> None:
    """A picture from a manager: people, media, and the exact time."""
    media = (
        "https://amojo.kommo.com/attachments/XXXXXXX-d2eb-4bd8-b862-a67934927b38/"
        "14723c64-c40d-4efc-9f78-9625adac414c/zDCRN_logo-min.jpg"
    )
    assert answers.history(sample("kommo-history-picture-response")) == [
        HistoryMessage(
            message_id="XXXXXXX-de79-468b-a923-9a7c88c733d7",
            msgid=None,
            type="picture",
            text="Hello from Kommo",
            media=media,
            thumbnail=media.removesuffix(".jpg") + "_320x200.jpg",
            file_name="logo-min.png",
            file_size=27107,
            media_group_id=None,
            sender=Participant(id="XXXXXX-ec21-4463-965f-1fe1d4cd5b89", name="Harry Potter"),
            receiver=Participant(
                id="XXXXXXX-a3ab-4695-832c-919dbfc598ea",
                client_id="XXXXXXXXX-ec21-4463-965f-1fe1d4cd5a89",
                name="Adam",
                phone="+1234567890",
            ),
            sent_at_ms=1670930693280,
        )
    ]


def test_history_of_amocrm_without_milliseconds() -> None:
    """Older answers have seconds only; an incoming message has no receiver; the order is Kommo's, newest first."""
    client = Participant(
        id="86a0caef-41ec-49ac-814b-b27da2cea267",
        client_id="sk-1376265f-86df-4c49-a0c3-a4816df41af9",
        name="Example Client",
        phone="79151112233",
        email="example.client@example.com",
    )
    nothing: dict[str, Any] = {"media": None, "file_name": None, "file_size": 0, "media_group_id": None}
    assert answers.history(sample("ru-history-response")) == [
        HistoryMessage(
            message_id="3985523d-78b3-45b7-aeaf-142405bbf1dc",
            msgid="skm-5f2836a8ca468",
            type="text",
            text="Да, конечно. Вы можете оплатить наличными и картой курьеру при получении.",
            sender=Participant(id="d8d9f9c4-9611-4794-a136-a253a13e1bb5", name="Менеджер Василий"),
            receiver=client,
            sent_at_ms=1596470953000,
            **nothing,
        ),
        HistoryMessage(
            message_id="1bf6a765-ec6f-4680-8cd5-6f2d31f78ebc",
            msgid="5f283618af2c8",
            type="text",
            text="Можно ли оплатить заказ при получении ?",
            sender=client,
            receiver=None,
            sent_at_ms=1596470809000,
            **nothing,
        ),
    ]


@pytest.mark.parametrize("answer", [{}, {"messages": []}, {"messages": None}])
def test_history_that_is_empty(answer: Any) -> None:
    """No messages, in whichever way it is said, are an empty page."""
    assert answers.history(answer) == []


# --- What cannot be read ---


@pytest.mark.parametrize("answer", [None, [], "ok", 5])
@pytest.mark.parametrize("read", [answers.connection, answers.chat, receipt])
def test_an_answer_that_is_no_object_is_unreadable(read: Any, answer: Any) -> None:
    """A call that needs an answer says so when there is none, instead of failing on it."""
    with pytest.raises(Unreadable, match="the answer is not a JSON object"):
        read(answer)


@pytest.mark.parametrize(
    ("read", "answer", "reason"),
    [
        (answers.connection, {"account_id": "a"}, "the answer.scope_id is missing"),
        (answers.connection, {"account_id": 5, "scope_id": "s"}, "the answer.account_id is missing or not a text"),
        (answers.chat, {"id": "c"}, "user.id is missing"),
        (answers.chat, {"id": "c", "user": "u"}, "user is not a JSON object"),
        (receipt, {}, "new_message.msgid is missing"),
        (receipt, {"new_message": []}, "new_message.msgid is missing"),
        (receipt, {"new_message": {"msgid": 5}}, "new_message.msgid is missing or not a text"),
        (answers.history, {"messages": ["x"]}, r"messages\[\] is not a JSON object"),
        (answers.history, {"messages": {"a": 1}}, "the answer has no list of messages"),
        (answers.history, {"messages": 5}, "the answer has no list of messages"),
        (answers.history, ["x"], "the answer has no list of messages"),
        (answers.history, {"messages": [{"message": {"id": "m", "type": "text"}}]}, "sender.id is missing"),
        (
            answers.history,
            {"messages": [{"message": {"id": "m", "type": "text"}, "sender": {"id": "u"}}]},
            "msec_timestamp and timestamp are both missing",
        ),
    ],
)
def test_what_lacks_an_id_is_unreadable(read: Any, answer: Any, reason: str) -> None:
    """An answer without its ids, or with ids that are no texts, is named for what it lacks."""
    with pytest.raises(Unreadable, match=reason):
        read(answer)
