"""Bodies of the eight calls: Kommo's own samples are built from our values, and wrong types are refused."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kommo_nb.client import ChatsClient
from kommo_nb.wire import payloads
from kommo_nb.wire.channel import Channel
from kommo_nb.wire.messages import (
    Audio,
    Contact,
    DeliveryStatus,
    File,
    Forward,
    Location,
    Message,
    Person,
    Picture,
    Post,
    Quoted,
    SharedPost,
    Sticker,
    Text,
    Video,
    Voice,
)

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
RU_AMOJO_HOST = "https://amojo.example"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}-request.json").read_bytes())


def at(msec: int) -> datetime:
    """The moment of these unix milliseconds, to the microsecond."""
    seconds, rest = divmod(msec, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


AT_761, AT_903, AT_194 = at(1639604761694), at(1639604903161), at(1639605194102)
CLIENT_ID, CONVERSATION = "my_int-1376265f-86df-4c49-a0c3-a4816df41af8", "my_int-d5a421f7f217"
MANAGER_REF, BOT_REF = "76fc2bea-902f-425c-9a3d-dcdac4766090", "f1910c7f-b1e0-4184-bd09-c7def2a9109a"


def client_of(name: str, phone: str) -> Person:
    return Person(
        id=CLIENT_ID,
        name=name,
        avatar="https://example.com/users/avatar.png",
        phone=phone,
        email="example.client@example.com",
        profile_link="https://example.com/profile/example.client",
    )


ADAM, VASYA = client_of("Client name", "+1400000000"), client_of("Вася клиент", "+79151112233")
BOT = Person(id="my_int-bot_user_id", name="Bot", ref_id=BOT_REF)
MANAGER = Person(id="my_int-manager1_user_id", name="Manager name", ref_id=MANAGER_REF)
MANAGER_RU = Person(id="my_int-manager1_user_id", name="Имя менеджера", ref_id=MANAGER_REF)


def post(caption: str) -> Post:
    return Post(
        id="my-int-376265",
        url="https://www.example.com/@example/video/7490",
        preview_url="https://example/1/preview.png",
        preview_permalink="https://example/2/preview.png",
        username="post creator",
        caption=caption,
    )


def incoming(message: Message, sender: Person) -> Any:
    return payloads.new_message(
        message, msgid="my_int-5f2836a8ca475", sent_at=AT_761, conversation_id=CONVERSATION, sender=sender
    )


def of_manager(message: Message, manager: Person, receiver: Person) -> Any:
    return payloads.new_message(
        message,
        msgid="my_int-5f2836a8ca476",
        sent_at=AT_903,
        conversation_id=CONVERSATION,
        sender=manager,
        receiver=receiver,
        silent=True,
    )


def of_bot(text: str, receiver: Person) -> Any:
    return payloads.new_message(
        Text(text),
        msgid="my_int-5f2836a8ca477",
        sent_at=AT_194,
        conversation_id=CONVERSATION,
        sender=BOT,
        receiver=receiver,
        silent=True,
    )


def edited(text: str) -> Any:
    msgid = "my_int-5f2836a8ca477"
    return payloads.edit_message(Text(text), sent_at=AT_194, conversation_id=CONVERSATION, msgid=msgid)


BUILT = {
    "kommo-connect": payloads.connect("52fd2a28-d2eb-4bd8-b862-a67934927b38", title="MyKommo"),
    "ru-connect": payloads.connect(
        "af9945ff-1490-4cad-807d-945c15d88bec", title="ChatIntegration", is_time_window_disabled=True
    ),
    "kommo-create-chat": payloads.create_chat(
        "XXXXXXXX-49af-4448-a2c6-d5a421f7f301",
        Person(
            id="XXXXX-1376265f-86df-4c49-a0c3-a4816df41af0",
            name="Client",
            avatar="https://www.example.com/users/avatar.png",
            phone="+1234567890",
            email="client409@example.com",
        ),
    ),
    "ru-create-chat": payloads.create_chat(
        "skc-8e3e7640-49af-4448-a2c6-d5a421f7f217",
        Person(
            id="sk-1376265f-86df-4c49-a0c3-a4816df41af9",
            name="Example Client",
            avatar="https://example.com/users/avatar.png",
            phone="79151112233",
            email="example.client@example.com",
            profile_link="https://example.com/profile/example.client",
        ),
        source="78001234567",
    ),
    "kommo-send-incoming-text": incoming(Text("Message from a client"), ADAM),
    "ru-send-incoming-text": incoming(Text("Сообщение от клиента"), VASYA),
    "kommo-comment-incoming": incoming(
        Text("Message from the client", post=post("Post description")), client_of("Client name", "+1234567890")
    ),
    "ru-comment-incoming": incoming(Text("Сообщение от клиента", post=post("описание поста")), VASYA),
    "kommo-send-outgoing-manager": of_manager(Text(f"Message from a manager {MANAGER_REF}"), MANAGER, ADAM),
    "ru-send-outgoing-manager": of_manager(Text(f"Сообщение от менеджера {MANAGER_REF}"), MANAGER_RU, VASYA),
    "ru-comment-manager-reply": of_manager(
        Text(f"комментарий от менеджера {MANAGER_REF}", post=post("описание поста")), MANAGER_RU, VASYA
    ),
    "kommo-send-outgoing-bot": of_bot(f"Message from the channel bot {BOT_REF}", ADAM),
    "ru-send-outgoing-bot": of_bot(f"Сообщение от бота канала {BOT_REF}", VASYA),
    "kommo-edit-message": edited("Edited message"),
    "ru-edit-message": edited("Отредактированная версия сообщения"),
    "kommo-react": payloads.reaction(
        "😍",
        conversation_id="my_integration-8e3e7640-49af-4448-a2c6-d5a421f7f217",
        msgid="XXXXXXX-0c4b-11ea-8d71-362b9e155667",
        user=Person(id="XXXXXX-1376265f-86df-4c49-a0c3-a4816df41af8"),
    ),
    "ru-react": payloads.reaction(
        "😍",
        conversation_id="my_integration-8e3e7640-49af-4448-a2c6-d5a421f7f217",
        msgid="fbd27636-0c4b-11ea-8d71-362b9e155667",
        user=Person(id=CLIENT_ID),
    ),
    "kommo-typing": payloads.typing("XXXXXX-80c5-403d-93d9-bada6302810f", "XXXXXXXX-4f66-46ff-b06f-d245fca1af0a"),
    "ru-typing": payloads.typing("my_int-d5a421f7f218", CLIENT_ID),
    "kommo-delivery-status-read": DeliveryStatus(status_code=2).payload(),
    "kommo-delivery-status-error": DeliveryStatus(
        status_code=-1, error_code=905, error="An unknown error occurred"
    ).payload(),
    "ru-delivery-status": DeliveryStatus(status_code=-1, error_code=905, error="Error text").payload(),
}
ELSEWHERE = {
    "kommo-disconnect": "built by the client, tested below",
    "ru-disconnect": "built by the client, tested below",
    "kommo-contacts-chats": "a call of the main API",
    "ru-contacts-chats": "a call of the main API",
}


# --- Kommo's samples ---


def test_no_sample_of_a_request_is_forgotten() -> None:
    """Every sample of a request is built here, or is named as one that is not."""
    names = {path.name.removesuffix("-request.json") for path in SAMPLES.glob("*-request.json")}
    assert names == set(BUILT) | set(ELSEWHERE)


@pytest.mark.parametrize("name", BUILT)
def test_sample_is_built_from_values(name: str) -> None:
    """Our values make exactly the JSON of the documentation: no field more, none less, the same types."""
    assert json.loads(payloads.encode(BUILT[name])) == sample(name)
    assert types(BUILT[name]) == types(sample(name))


def types(value: Any) -> Any:
    """The JSON types in a value: `==` alone takes True for 1 and 1.0 for 1."""
    if isinstance(value, dict):
        return {key: types(each) for key, each in value.items()}
    return [types(each) for each in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("name", ["kommo-disconnect", "ru-disconnect"])
def test_disconnect_sends_the_sample(name: str) -> None:
    """Disconnect is a DELETE that carries the sample's body."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    channel = Channel(id="c", secret="s")
    with ChatsClient(channel, RU_AMOJO_HOST, transport=httpx.MockTransport(answer)) as client:
        client.disconnect(sample(name)["account_id"])
    assert [(request.method, request.url.path) for request in sent] == [("DELETE", "/v2/origin/custom/c/disconnect")]
    assert json.loads(sent[0].content) == sample(name)


# --- The nine kinds and what hangs on them ---

URL = "https://example.com/a"
KINDS = [
    (
        Picture(f"{URL}.jpg", text="caption", file_name="a.jpg", file_size=61055),
        {"type": "picture", "text": "caption", "media": f"{URL}.jpg", "file_name": "a.jpg", "file_size": 61055},
    ),
    (
        File(f"{URL}.pdf", text="", file_name="a.pdf", file_size=1024),
        {"type": "file", "text": "", "media": f"{URL}.pdf", "file_name": "a.pdf", "file_size": 1024},
    ),
    (
        Video(f"{URL}.mp4", file_name="a.mp4", file_size=2048, media_duration=12),
        {"type": "video", "media": f"{URL}.mp4", "file_name": "a.mp4", "file_size": 2048, "media_duration": 12},
    ),
    (Voice(f"{URL}.ogg", media_duration=5), {"type": "voice", "media": f"{URL}.ogg", "media_duration": 5}),
    (
        Audio(f"{URL}.mp3", file_name="a.mp3", file_size=4096, media_duration=180),
        {"type": "audio", "media": f"{URL}.mp3", "file_name": "a.mp3", "file_size": 4096, "media_duration": 180},
    ),
    (Sticker(f"{URL}.webp", sticker_id="s-1"), {"type": "sticker", "media": f"{URL}.webp", "sticker_id": "s-1"}),
    (Location(lon=-46.63, lat=-23.55), {"type": "location", "location": {"lon": -46.63, "lat": -23.55}}),
    (
        Contact(name="Name", phone="+10000000000"),
        {"type": "contact", "contact": {"name": "Name", "phone": "+10000000000"}},
    ),
    (Text("hello"), {"type": "text", "text": "hello"}),
    (
        Text("Row title", callback_data="vG9ujre8N7"),
        {"type": "text", "text": "Row title", "callback_data": "vG9ujre8N7"},
    ),
    (
        Text("look", shared_post=SharedPost(url=URL, preview_permalink=f"{URL}.jpg", site_name="example")),
        {
            "type": "text",
            "text": "look",
            "shared_post": {
                "url": URL,
                "preview_permalink": f"{URL}.jpg",
                "type": "post",
                "site_name": "example",
            },
        },
    ),
    (Picture(text="new caption"), {"type": "picture", "text": "new caption"}),
    (
        Text("x", delivery_status=DeliveryStatus(status_code=-1, error_code=902)),
        {"type": "text", "text": "x", "delivery_status": {"status_code": -1, "error_code": 902}},
    ),
]


@pytest.mark.parametrize(("message", "expected"), KINDS, ids=lambda value: getattr(value, "type", ""))
def test_message_object_of_each_kind(message: Message, expected: dict[str, Any]) -> None:
    """Each kind makes the `message` object of the reference, with only the fields that were given."""
    assert message.payload() == expected
    assert types(message.payload()) == types(expected)


def test_all_nine_kinds_are_known() -> None:
    """The kinds tested above are the nine of the documentation."""
    documented = {"text", "contact", "file", "video", "picture", "voice", "audio", "sticker", "location"}
    assert {message.type for message, _ in KINDS} == documented


def sent(**more: Any) -> dict[str, Any]:
    payload: dict[str, Any] = payloads.new_message(
        Text("x"), msgid="m-1", sent_at=AT_761, conversation_id="c-1", sender=Person(id="u-1"), **more
    )["payload"]
    return payload


def test_fields_that_are_not_used_are_left_out() -> None:
    """A plain incoming message names neither receiver, source, quote, forward nor the CRM's chat."""
    assert sent() == {
        "timestamp": 1639604761,
        "msec_timestamp": 1639604761694,
        "msgid": "m-1",
        "conversation_id": "c-1",
        "sender": {"id": "u-1"},
        "message": {"type": "text", "text": "x"},
        "silent": False,
    }


def test_answer_to_a_write_first_chat_names_both_sides() -> None:
    """Our id and the CRM's, of the chat and of the client, tie a chat that a manager began to ours."""
    payload = payloads.new_message(
        Text("hi"),
        msgid="m",
        sent_at=AT_761,
        conversation_id="ours",
        conversation_ref_id="theirs",
        sender=Person(id="client", ref_id="receiver-of-the-hook"),
    )["payload"]
    assert (payload["conversation_id"], payload["conversation_ref_id"]) == ("ours", "theirs")
    assert payload["sender"] == {"id": "client", "ref_id": "receiver-of-the-hook"}


def test_source_travels_as_an_object() -> None:
    """The source is named by its external_id, in an object of its own."""
    assert sent(source="78001234567")["source"] == {"external_id": "78001234567"}


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        (Quoted(id="crm-1"), {"id": "crm-1"}),
        (Quoted(msgid="ours-1"), {"msgid": "ours-1"}),
        (
            Quoted(message=Text("before"), sent_at=AT_903, sender=Person(id="u-2", name="Eve")),
            {
                "type": "text",
                "text": "before",
                "timestamp": 1639604903,
                "msec_timestamp": 1639604903161,
                "sender": {"id": "u-2", "name": "Eve"},
            },
        ),
        (
            Quoted(msgid="ours-1", message=Location(lon=1.5, lat=2.5)),
            {"msgid": "ours-1", "type": "location", "location": {"lon": 1.5, "lat": 2.5}},
        ),
    ],
    ids=["id", "msgid", "complete", "msgid and message"],
)
def test_quotes_and_forwards_embed_a_message(quoted: Quoted, expected: dict[str, Any]) -> None:
    """A quoted message is named by either id or is complete; a forward holds one, and may name its chat."""
    assert sent(reply_to=quoted)["reply_to"] == {"message": expected}
    assert sent(forwards=Forward(message=quoted))["forwards"] == {"messages": [expected]}
    forward = Forward(message=quoted, conversation_id="ours", conversation_ref_id="theirs")
    assert sent(forwards=forward)["forwards"] == {
        "messages": [expected],
        "conversation_id": "ours",
        "conversation_ref_id": "theirs",
    }


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"id": "", "msgid": ""},
        {"message": Text("x"), "sent_at": AT_761},
        {"message": Text("x"), "sender": Person(id="u")},
        {"sent_at": AT_761, "sender": Person(id="u")},
    ],
)
def test_an_incomplete_quote_is_refused(parts: dict[str, Any]) -> None:
    """Without an id of either side, a quoted message needs content, time and sender."""
    with pytest.raises(ValidationError, match="needs its id or msgid, or else message, sent_at and sender"):
        Quoted(**parts)


def test_edit_names_the_message_by_either_id_or_both() -> None:
    """An edit takes Kommo's id, ours, or both; without any it is refused."""

    def names(**ids: str) -> dict[str, str]:
        payload = payloads.edit_message(Text("x"), sent_at=AT_761, conversation_id="c", **ids)["payload"]
        return {key: payload[key] for key in ("id", "msgid") if key in payload}

    for ids in ({"id": "theirs"}, {"msgid": "ours"}, {"id": "theirs", "msgid": "ours"}):
        assert names(**ids) == ids
    with pytest.raises(ValueError, match="an edit needs the msgid"):
        names()


@pytest.mark.parametrize("chat", ["conversation_id", "conversation_ref_id"])
@pytest.mark.parametrize("message", ["msgid", "id"])
def test_reaction_names_chat_and_message_by_either_side(chat: str, message: str) -> None:
    """Chat and message of a reaction may each be named by our id or by Kommo's."""
    expected = {chat: "c", message: "m", "type": "react", "emoji": "👍"}
    assert payloads.reaction("👍", **{chat: "c", message: "m"}) == expected


@pytest.mark.parametrize("nothing", [None, ""])
def test_taking_a_reaction_back_carries_no_emoji(nothing: str | None) -> None:
    """Without an emoji the call is `unreact`, and has no `emoji` field."""
    manager = Person(id="u", name="left out", ref_id="crm-u")
    assert payloads.reaction(nothing, conversation_id="c", msgid="m", user=manager) == {
        "conversation_id": "c",
        "msgid": "m",
        "user": {"id": "u", "ref_id": "crm-u"},
        "type": "unreact",
    }


@pytest.mark.parametrize("ids", [{}, {"conversation_id": "c"}, {"msgid": "m"}, {"id": "m", "msgid": "n"}])
def test_a_reaction_to_nothing_is_refused(ids: dict[str, str]) -> None:
    """A reaction needs a chat and a message."""
    with pytest.raises(ValueError, match="a reaction needs conversation_id or conversation_ref_id, and msgid or id"):
        payloads.reaction("👍", **ids)


def test_typing_may_say_how_long() -> None:
    """A duration is sent in milliseconds when it is given."""
    expected = {"conversation_id": "c", "sender": {"id": "u"}, "duration_ms": 2500}
    assert payloads.typing("c", "u", duration_ms=2500) == expected


def test_connect_asks_for_hooks_of_version_2() -> None:
    """Without saying so one gets v2; the default of amocrm.ru, v1, has no message id."""
    assert payloads.connect("a") == {"account_id": "a", "hook_api_version": "v2"}


# --- Strictness ---

NOT_TEXT = [7, 79151112233, True, 1.5, b"x", ["x"], {"id": "x"}]


@pytest.mark.parametrize("value", [*NOT_TEXT, None, ""])
def test_an_id_is_a_text(value: Any) -> None:
    """The id of a person or a post must be a text that is not empty."""
    for build in (lambda: Person(id=value), lambda: Post(id=value, url=URL)):
        with pytest.raises(ValidationError):
            build()


@pytest.mark.parametrize("value", NOT_TEXT)
@pytest.mark.parametrize("field", ["name", "avatar", "phone", "email", "profile_link", "ref_id"])
def test_whatever_a_person_has_is_text(field: str, value: Any) -> None:
    """A phone given as a number, like anything else that is no text, is refused before Kommo answers 400."""
    with pytest.raises(ValidationError, match=field):
        Person(id="u", **{field: value})


@pytest.mark.parametrize("value", NOT_TEXT)
@pytest.mark.parametrize("field", ["msgid", "conversation_id", "conversation_ref_id", "source"])
def test_ids_of_a_call_are_text(field: str, value: Any) -> None:
    """A number used as conversation_id, as a phone number easily is, is refused by name."""
    good = {"msgid": "m", "conversation_id": "c"}
    with pytest.raises(ValidationError, match=field):
        payloads.new_message(Text("x"), sent_at=AT_761, sender=Person(id="u"), **(good | {field: value}))


@pytest.mark.parametrize(
    "call",
    [
        lambda: payloads.connect(12345678),  # type: ignore[arg-type]
        lambda: payloads.create_chat(79151112233, Person(id="u")),  # type: ignore[arg-type]
        lambda: payloads.typing("c", 5),  # type: ignore[arg-type]
        lambda: payloads.typing("c", "u", duration_ms="5000"),  # type: ignore[arg-type]
        lambda: payloads.reaction("👍", conversation_id=7, msgid="m"),  # type: ignore[arg-type]
        lambda: payloads.edit_message(Text("x"), sent_at=AT_761, conversation_id="c", msgid=7),  # type: ignore[arg-type]
        lambda: payloads.new_message(
            Text("x"),
            msgid="m",
            sent_at=AT_761,
            conversation_id="c",
            sender=Person(id="u"),
            silent="no",  # type: ignore[arg-type]
        ),
    ],
    ids=["connect", "create_chat", "typing", "duration", "reaction", "edit", "silent"],
)
def test_every_call_is_strict(call: Any) -> None:
    """No call turns a value of another type into what Kommo wants; it is refused."""
    with pytest.raises(ValidationError):
        call()


@pytest.mark.parametrize("value", [True, 1.0, "1", -1])
@pytest.mark.parametrize(("kind", "field"), [(Picture, "file_size"), (Video, "file_size"), (Voice, "media_duration")])
def test_sizes_and_durations_are_whole_numbers(kind: type[Message], field: str, value: Any) -> None:
    """Sizes and durations are whole and not negative; a truth value, a text or a float is none."""
    with pytest.raises(ValidationError):
        kind(**{field: value})


@pytest.mark.parametrize(
    "place",
    [
        {"lon": 181.0, "lat": 0.0},
        {"lon": 0.0, "lat": -90.5},
        {"lon": float("nan"), "lat": 0.0},
        {"lon": 0.0, "lat": float("inf")},
        {"lon": "1", "lat": 0.0},
        {"lon": 1.0},
    ],
)
def test_a_place_is_on_earth(place: dict[str, Any]) -> None:
    """Longitude and latitude are numbers within their range; NaN and infinity, which JSON lacks, are refused."""
    with pytest.raises(ValidationError):
        Location(**place)


@pytest.mark.parametrize("value", ["", None, 5, b"x", "\ud800"])
def test_a_text_has_text(value: Any) -> None:
    """An empty text, and what cannot be encoded as UTF-8, is no message."""
    with pytest.raises(ValidationError):
        Text(value)


def test_unknown_fields_are_refused() -> None:
    """A misspelt field is an error here, not a field that Kommo silently ignores."""
    with pytest.raises(ValidationError):
        Person(id="u", nick="x")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Text("x", media="https://example.com")  # type: ignore[call-arg]


def test_values_do_not_change() -> None:
    """Messages and people are frozen, so that what was signed stays what was said."""
    person = Person(id="u")
    with pytest.raises(FrozenInstanceError):
        person.id = "v"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status_code": 0}, "1 .delivered., 2 .read. or -1"),
        ({"status_code": 3}, "1 .delivered., 2 .read. or -1"),
        ({"status_code": 2, "error_code": 905}, "belong to status_code -1 only"),
        ({"status_code": 1, "error": "x"}, "belong to status_code -1 only"),
        ({"status_code": -1}, "needs an error_code from 901 to 905"),
        ({"status_code": -1, "error_code": 900}, "needs an error_code from 901 to 905"),
        ({"status_code": -1, "error_code": 905}, "905 needs an error text"),
        ({"status_code": -1, "error_code": 905, "error": ""}, "905 needs an error text"),
        ({"status_code": "2"}, "valid integer"),
        ({"status_code": True}, "valid integer"),
    ],
)
def test_an_impossible_delivery_status_is_refused(fields: dict[str, Any], reason: str) -> None:
    """A status is delivered, read or failed; only a failure has a code, and 905 needs its text."""
    with pytest.raises(ValidationError, match=reason):
        DeliveryStatus(**fields)


@pytest.mark.parametrize("error_code", [901, 902, 903, 904])
def test_the_preset_errors_need_no_text(error_code: int) -> None:
    """Kommo shows its own words for 901 to 904."""
    status = DeliveryStatus(status_code=-1, error_code=error_code)
    assert status.payload() == {"status_code": -1, "error_code": error_code}


@pytest.mark.parametrize("build", [payloads.new_message, payloads.edit_message])
def test_a_time_without_zone_is_refused(build: Any) -> None:
    """A naive time could be hours off, and the message would land in the wrong place of the chat."""
    more = {"sender": Person(id="u")} if build is payloads.new_message else {}
    with pytest.raises(ValidationError, match="timezone"):
        build(Text("x"), msgid="m", sent_at=datetime(2026, 3, 2), conversation_id="c", **more)
    with pytest.raises(ValidationError, match="timezone"):
        Quoted(message=Text("x"), sent_at=datetime(2026, 3, 2), sender=Person(id="u"))


# --- Encoding ---


def test_bytes_are_compact_utf_8() -> None:
    """No spaces, no escapes: the bytes are what a person would write down, in UTF-8."""
    assert payloads.encode({"text": "olá / 你好", "n": [1, None, True]}) == (
        b'{"text":"ol\xc3\xa1 / \xe4\xbd\xa0\xe5\xa5\xbd","n":[1,null,true]}'
    )


@given(st.text(min_size=1), st.text(), st.datetimes(timezones=st.just(UTC)))
def test_any_text_survives_the_encoding(text: str, name: str, moment: datetime) -> None:
    """Whatever is said, by whomever and whenever, is what the bytes say, and its time is exact to the millisecond."""
    sender = Person(id="u", name=name)
    payload = payloads.new_message(Text(text), msgid="m", sent_at=moment, conversation_id="c", sender=sender)
    read = json.loads(payloads.encode(payload).decode("utf-8"))
    assert read == payload
    assert (read["payload"]["message"]["text"], read["payload"]["sender"]["name"]) == (text, name)
    assert at(read["payload"]["msec_timestamp"]) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert read["payload"]["timestamp"] == read["payload"]["msec_timestamp"] // 1000
