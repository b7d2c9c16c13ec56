"""What Kommo sends: the sample bodies, every way of saying nothing, and bytes of every other kind."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kommo_nb.wire.hooks import (
    Hook,
    MessageHook,
    MessageHookV1,
    ReactionHook,
    TypingHook,
    UnknownHook,
    parse_hook,
)
from kommo_nb.wire.reading import MAX_MSEC, Participant

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
BODIES = {path.stem: path.read_bytes() for path in sorted(SAMPLES.glob("hook-*.json"))}


def body(name: str) -> Any:
    return json.loads(BODIES[name])


def parsed(value: Any) -> Hook:
    return parse_hook(json.dumps(value).encode())


# --- The samples ---

TEXT_OF_STEP_BY_STEP: dict[str, Any] = {
    "account_id": "52e591f7-c98f-4255-8495-827210138c81",
    "time_s": 1639572261,
    "chat_id": "8e4d4baa-9e6c-4a88-838a-5f62be227bdc",
    "conversation_id": "my_int-d5a421f7f218",
    "sender": Participant(id="76fc2bea-902f-425c-9a3d-dcdac4766090"),
    "receiver": Participant(
        id="2ed64e26-70a1-4857-8382-bb066a076219",
        client_id="my_int-1376265f-86df-4c49-a0c3-a4816df41af8",
        phone="79161234567",
        email="example.client@example.com",
    ),
    "message_id": "0371a0ff-b78a-4c7b-8538-a7d547e10692",
    "type": "text",
    "sent_at_ms": 1639572260980,
    "text": "Текст сообщения Сделка #15926745",
    "source": "78001234567",
}
WHERE_OF_ACTIONS = {
    "account_id": "81ede28b-8952-4785-abe2-c8d93f5fcc7d",
    "time_s": 1637087558,
    "chat_id": "f1e4e02c-f502-4165-9377-8575c55c5ebd",
    "conversation_id": "c7",
    "user_id": "fb0fb604-9e04-4e1d-bee9-37c71924cdc2",
}

EXPECTED: dict[str, Hook] = {
    "hook-v2-text-with-source": MessageHook(
        **TEXT_OF_STEP_BY_STEP
        | {
            "receiver": Participant(
                id="2ed64e26-70a1-4857-8382-bb066a076219",
                client_id="my_int-1376265f-86df-4c49-a0c3-a4816df41af8",
                phone="+79151112233",
                email="example.client@example.com",
            ),
            "source": "79039876543",
            "file_size": 0,
        }
    ),
    "hook-v2-list-message": MessageHook(
        **TEXT_OF_STEP_BY_STEP
        | {
            "markup": {
                "list_message": {
                    "header": "Какой вид услуги вы хотите получить?",
                    "body": "Пожалуйста, выберите один из вариантов ответа в меню по кнопке ниже.",
                    "footer": "С уважением, Тестовая Компания",
                    "button": "Меню услуг",
                    "sections": [
                        {
                            "title": "Доступные услуги",
                            "rows": [
                                {
                                    "callback_data": "vG9ujre8N7",
                                    "title": "Услуга 1",
                                    "description": "Описание услуги 1",
                                }
                            ],
                        }
                    ],
                }
            }
        }
    ),
    "hook-v2-picture-template-buttons": MessageHook(
        **TEXT_OF_STEP_BY_STEP
        | {
            "type": "picture",
            "media": "https://amojo.amocrm.ru/attachments/image.jpg",
            "thumbnail": "https://amojo.amocrm.ru/attachments/image_320x200.jpg",
            "file_size": 0,
            "markup": {"mode": "inline", "buttons": [[{"text": "Принять заказ"}, {"text": "Отменить заказ"}]]},
            "template": {
                "id": 7103,
                "external_id": "my_external_id",
                "content": "Текст сообщения {{lead.name}}",
                "params": [{"key": "{{lead.id}}", "value": "15926745"}],
            },
        }
    ),
    "hook-v2-comment-reply": MessageHook(
        account_id="bb037c36-8101-4bfd-8e7b-1cd3d576d124",
        time_s=1752066224,
        chat_id="7573b310-9258-477c-8986-a8c7f893f3f3",
        conversation_id="d0111a11-d001-44b3-a541-8c05293d2d8f",
        sender=Participant(id="38d777b1-f9ee-4d01-871e-1e4d3e4a0034", name="Имя менеджера"),
        receiver=Participant(
            id="0d1eb48c-b2b0-4550-b126-05544e6483ed",
            client_id="11000f5f-4554-4de4-be9d-83a3ca0e275d",
            name="Имя клинета",
        ),
        message_id="c9b5d6f2-07e0-4c63-9018-cbc0fde8424a",
        type="text",
        sent_at_ms=1752066224654,
        text="Привет!",
        file_size=0,
        post_id="1999992",
        reply_to={
            "message": {
                "id": "90e985eb-3e5d-426e-bd62-1eb78ef6db67",
                "msgid": "d0111a04-c111-44b3-a541-8c05293d2d8f",
                "type": "text",
                "text": "Привет",
                "timestamp": 1751641366,
                "msec_timestamp": 1751641366000,
                "sender": {
                    "id": "0d1eb48c-b2b0-4550-b126-05544e6483ed",
                    "name": "Имя клиента",
                    "client_id": "11000f5f-4554-4de4-be9d-83a3ca0e275d",
                },
            }
        },
    ),
    "hook-typing": TypingHook(**WHERE_OF_ACTIONS, expired_at_s=1637087563, post_id="203055422"),
    "hook-reaction-old-shape": ReactionHook(
        **WHERE_OF_ACTIONS, message_id="cd05887d-bb16-4e11-b298-40455cc77195", type="react", emoji="😍"
    ),
    "hook-v1-text": MessageHookV1(
        conversation_id="a4a5ab10-ea6f-4af4-8514-a8265e5c71bd",
        receiver_id="b55770b5-974f-4dd6-8dd3-0356c08dc600",
        type="text",
        sent_at_ms=1596470952116,
        text="Можете уточнить адрес доставки заказа ?",
        file_size=0,
    ),
}


def test_every_sample_has_its_expectation() -> None:
    """No sample of a hook is left untested."""
    assert set(BODIES) == set(EXPECTED)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"], ids=["as is", "newline", "crlf"])
@pytest.mark.parametrize("name", EXPECTED)
def test_sample_becomes_its_event(name: str, ending: bytes) -> None:
    """Each sample is read field by field, with the trailing newline of real hooks and without."""
    assert parse_hook(BODIES[name].rstrip() + ending) == EXPECTED[name]


# --- Samples x predicates ---

PREDICATES = {
    "is a message": lambda hook: isinstance(hook, MessageHook),
    "is of version 1": lambda hook: isinstance(hook, MessageHookV1),
    "is typing": lambda hook: isinstance(hook, TypingHook),
    "is a reaction": lambda hook: isinstance(hook, ReactionHook),
    "is unknown": lambda hook: isinstance(hook, UnknownHook),
    "written first": lambda hook: isinstance(hook, MessageHook) and hook.write_first,
    "answers a comment": lambda hook: isinstance(hook, MessageHook) and hook.post_id is not None,
    "quotes": lambda hook: isinstance(hook, MessageHook) and hook.reply_to is not None,
    "has buttons": lambda hook: isinstance(hook, MessageHook) and "buttons" in (hook.markup or {}),
    "has a list": lambda hook: isinstance(hook, MessageHook) and "list_message" in (hook.markup or {}),
    "of a template": lambda hook: isinstance(hook, MessageHook) and hook.template is not None,
    "has a file": lambda hook: isinstance(hook, MessageHook | MessageHookV1) and hook.media is not None,
    "taken back": lambda hook: isinstance(hook, ReactionHook) and hook.emoji is None,
}


def without_client_ids(value: Any) -> Any:
    del value["message"]["conversation"]["client_id"]
    del value["message"]["receiver"]["client_id"]
    return value


def new_shape(value: Any) -> Any:
    """The reaction as the field table has it since 22 Sep 2023."""
    del value["action"]["reaction"]["msgid"]
    value["action"]["reaction"]["message"] = {
        "id": "crm-m1",
        "client_id": "ours-m1",
        "receiver": {"id": "crm-r"},
        "sender": {"id": "crm-s"},
        "timestamp": 1695400000,
        "msec_timestamp": 1695400000123,
    }
    return value


def taken_back(value: Any) -> Any:
    del value["action"]["reaction"]["emoji"]
    value["action"]["reaction"]["type"] = "unreact"
    return value


CORPUS: dict[str, tuple[Any, set[str]]] = {
    "text": (body("hook-v2-text-with-source"), {"is a message"}),
    "list": (body("hook-v2-list-message"), {"is a message", "has a list"}),
    "picture": (
        body("hook-v2-picture-template-buttons"),
        {"is a message", "has buttons", "of a template", "has a file"},
    ),
    "comment": (body("hook-v2-comment-reply"), {"is a message", "answers a comment", "quotes"}),
    "write first": (without_client_ids(body("hook-v2-text-with-source")), {"is a message", "written first"}),
    "typing": (body("hook-typing"), {"is typing"}),
    "reaction": (body("hook-reaction-old-shape"), {"is a reaction"}),
    "new reaction": (new_shape(body("hook-reaction-old-shape")), {"is a reaction"}),
    "unreact": (taken_back(body("hook-reaction-old-shape")), {"is a reaction", "taken back"}),
    "version 1": (body("hook-v1-text"), {"is of version 1"}),
    "main webhook": ({"leads": {"add": [{"id": 5}]}}, {"is unknown"}),
    "empty": ({}, {"is unknown"}),
}


@pytest.mark.parametrize("predicate", PREDICATES)
@pytest.mark.parametrize("name", CORPUS)
def test_corpus_by_predicates(name: str, predicate: str) -> None:
    """Each body of the corpus is what it is and nothing else."""
    value, true_of_it = CORPUS[name]
    assert PREDICATES[predicate](parsed(value)) is (predicate in true_of_it)


def test_write_first_has_no_id_of_ours() -> None:
    """A chat that a manager began has only the CRM's ids, and the phone that the manager chose."""
    hook = parsed(without_client_ids(body("hook-v2-text-with-source")))
    assert isinstance(hook, MessageHook)
    assert (hook.conversation_id, hook.receiver.client_id) == (None, None)
    assert (hook.chat_id, hook.receiver.phone) == ("8e4d4baa-9e6c-4a88-838a-5f62be227bdc", "+79151112233")


def test_both_shapes_of_a_reaction() -> None:
    """The message of a reaction stands in `message.id` today and stood in `msgid`; ours is only in the new one."""
    old, new = parsed(CORPUS["reaction"][0]), parsed(CORPUS["new reaction"][0])
    assert isinstance(old, ReactionHook)
    assert isinstance(new, ReactionHook)
    assert (old.message_id, old.msgid) == ("cd05887d-bb16-4e11-b298-40455cc77195", None)
    assert (new.message_id, new.msgid, new.emoji) == ("crm-m1", "ours-m1", "😍")


def test_new_shape_of_a_reaction_to_a_message_of_the_crm() -> None:
    """A message that was written in the CRM has no id of ours."""
    value = new_shape(body("hook-reaction-old-shape"))
    del value["action"]["reaction"]["message"]["client_id"]
    hook = parsed(value)
    assert isinstance(hook, ReactionHook)
    assert (hook.message_id, hook.msgid) == ("crm-m1", None)


def test_typing_user_beside_the_event() -> None:
    """The user may stand in `action.typing`, as in the sample, or beside it, as in the table of the same page."""
    value = body("hook-typing")
    value["action"]["user"] = value["action"]["typing"].pop("user")
    assert parsed(value) == EXPECTED["hook-typing"]


@pytest.mark.parametrize("nesting", ["flat", "profile"])
def test_phone_and_email_are_read_flat_and_nested(nesting: str) -> None:
    """Sources disagree on where phone and email of a person stand, so both places are read."""
    value = body("hook-v2-text-with-source")
    receiver = value["message"]["receiver"]
    contact = {key: receiver.pop(key) for key in ("phone", "email")}
    receiver.update(contact if nesting == "flat" else {"profile": contact})
    assert parsed(value) == EXPECTED["hook-v2-text-with-source"]


# --- Ways of saying nothing ---

ABSENT = object()
OPTIONAL = [
    ("hook-v2-text-with-source", "message.conversation.client_id", "conversation_id"),
    ("hook-v2-text-with-source", "message.receiver.client_id", "receiver.client_id"),
    ("hook-v2-text-with-source", "message.receiver.phone", "receiver.phone"),
    ("hook-v2-text-with-source", "message.receiver.email", "receiver.email"),
    ("hook-v2-comment-reply", "message.receiver.name", "receiver.name"),
    ("hook-v2-comment-reply", "message.sender.name", "sender.name"),
    ("hook-v2-text-with-source", "message.source", "source"),
    ("hook-v2-text-with-source", "message.source.external_id", "source"),
    ("hook-v2-text-with-source", "message.message.text", "text"),
    ("hook-v2-text-with-source", "message.message.tag", "tag"),
    ("hook-v2-picture-template-buttons", "message.message.media", "media"),
    ("hook-v2-picture-template-buttons", "message.message.thumbnail", "thumbnail"),
    ("hook-v2-picture-template-buttons", "message.message.file_name", "file_name"),
    ("hook-v2-picture-template-buttons", "message.message.file_size", "file_size"),
    ("hook-v2-picture-template-buttons", "message.message.media_group_id", "media_group_id"),
    ("hook-v2-picture-template-buttons", "message.message.markup", "markup"),
    ("hook-v2-picture-template-buttons", "message.message.template", "template"),
    ("hook-v2-comment-reply", "message.message.post", "post_id"),
    ("hook-v2-comment-reply", "message.message.post.id", "post_id"),
    ("hook-v2-comment-reply", "message.message.reply_to", "reply_to"),
    ("hook-v2-comment-reply", "message.message.forwards", "forwards"),
    ("hook-typing", "action.typing.conversation.client_id", "conversation_id"),
    ("hook-typing", "action.typing.expired_at", "expired_at_s"),
    ("hook-typing", "action.typing.post_id", "post_id"),
    ("hook-reaction-old-shape", "action.reaction.conversation.client_id", "conversation_id"),
    ("hook-reaction-old-shape", "action.reaction.emoji", "emoji"),
    ("hook-v1-text", "text", "text"),
    ("hook-v1-text", "media", "media"),
    ("hook-v1-text", "file_size", "file_size"),
]


def changed(value: Any, path: str, to: Any) -> Any:
    """A copy with another value at this place, or none if it is ABSENT."""
    result = copy.deepcopy(value)
    *way, last = path.split(".")
    target = result
    for key in way:
        target = target[key]
    if to is ABSENT:
        target.pop(last, None)
    else:
        target[last] = to
    return result


def read(hook: Any, attribute: str) -> Any:
    for part in attribute.split("."):
        hook = getattr(hook, part)
    return hook


@pytest.mark.parametrize("nothing", [ABSENT, None, ""], ids=["absent", "null", "empty"])
@pytest.mark.parametrize(("name", "path", "attribute"), OPTIONAL, ids=[f"{name}:{path}" for name, path, _ in OPTIONAL])
def test_absent_null_and_empty_are_none(name: str, path: str, attribute: str, nothing: Any) -> None:
    """An optional field that is absent, null or empty is None, and the rest of the hook is read as ever."""
    hook = parsed(changed(body(name), path, nothing))
    assert type(hook) is type(EXPECTED[name])
    assert read(hook, attribute) is None
    assert vars(hook).keys() == vars(EXPECTED[name]).keys()
    top = attribute.split(".")[0]
    assert {key: value for key, value in vars(hook).items() if key != top} == {
        key: value for key, value in vars(EXPECTED[name]).items() if key != top
    }


@pytest.mark.parametrize("wrong", [7, True, 1.5, ["x"], {"x": 1}], ids=str)
@pytest.mark.parametrize("field", ["text", "media", "tag", "media_group_id"])
def test_a_text_of_another_type_is_none(field: str, wrong: Any) -> None:
    """A value that is no text is not made one; the message is kept without it."""
    hook = parsed(changed(body("hook-v2-text-with-source"), f"message.message.{field}", wrong))
    assert isinstance(hook, MessageHook)
    assert read(hook, field) is None


@pytest.mark.parametrize(
    "wrong", [True, False, 1.5, -1, "12", MAX_MSEC + 1, 10**400], ids=lambda value: str(value)[:16]
)
def test_a_number_that_makes_no_sense_is_none(wrong: Any) -> None:
    """A truth value, a fraction, a text, and what is negative or beyond any calendar, is no number of bytes."""
    hook = parsed(changed(body("hook-v2-text-with-source"), "message.message.file_size", wrong))
    assert isinstance(hook, MessageHook)
    assert hook.file_size is None


@pytest.mark.parametrize("wrong", [True, "1639572260980", None, 1639572260980.0, -5])
def test_time_falls_back_to_seconds(wrong: Any) -> None:
    """Without usable milliseconds the time in seconds counts."""
    hook = parsed(changed(body("hook-v2-text-with-source"), "message.msec_timestamp", wrong))
    assert isinstance(hook, MessageHook)
    assert hook.sent_at_ms == 1639572260000


def test_a_time_in_seconds_stays_within_the_calendar() -> None:
    """Milliseconds put where seconds belong give the last moment of the year 9999, not a number that nothing holds."""
    value = changed(body("hook-v2-text-with-source"), "message.msec_timestamp", None)
    hook = parsed(changed(value, "message.timestamp", 1639572260980))
    assert isinstance(hook, MessageHook)
    assert hook.sent_at_ms == MAX_MSEC


def test_half_a_surrogate_is_replaced() -> None:
    r"""JSON may say \ud83d alone; as it is no text, a question mark stands for it."""
    hook = parsed(changed(body("hook-v2-text-with-source"), "message.message.text", "a\ud83db"))
    assert isinstance(hook, MessageHook)
    assert hook.text == "a?b"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", EXPECTED)
def test_json_in_any_of_its_encodings(name: str, encoding: str) -> None:
    """A body that came in another encoding of Unicode is read as in UTF-8."""
    assert parse_hook(BODIES[name].decode().encode(encoding)) == EXPECTED[name]


def test_a_deep_part_is_kept() -> None:
    """What Kommo nests deeper than anyone expects is kept as it came."""
    deep: Any = {}
    for _ in range(300):
        deep = {"inner": deep}
    hook = parsed(changed(body("hook-v2-text-with-source"), "message.message.markup", deep))
    assert isinstance(hook, MessageHook)
    assert hook.markup == deep


# --- What cannot be read ---

NEEDED = [
    ("hook-v2-text-with-source", "account_id", "the body.account_id is missing or not a text"),
    ("hook-v2-text-with-source", "message.conversation.id", "conversation.id is missing or not a text"),
    ("hook-v2-text-with-source", "message.sender", "sender.id is missing or not a text"),
    ("hook-v2-text-with-source", "message.receiver.id", "receiver.id is missing or not a text"),
    ("hook-v2-text-with-source", "message.message", "message.type is missing or not a text"),
    ("hook-v2-text-with-source", "message.message.id", "message.id is missing or not a text"),
    ("hook-v2-text-with-source", "message.message.type", "message.type is missing or not a text"),
    ("hook-typing", "account_id", "the body.account_id is missing or not a text"),
    ("hook-typing", "action.typing.user.id", "user.id is missing or not a text"),
    ("hook-typing", "action.typing.conversation", "conversation.id is missing or not a text"),
    ("hook-reaction-old-shape", "action.reaction.msgid", "reaction.msgid is missing or not a text"),
    ("hook-reaction-old-shape", "action.reaction.type", "reaction.type is missing or not a text"),
    ("hook-reaction-old-shape", "action.reaction.user", "user.id is missing or not a text"),
    ("hook-v1-text", "receiver", "the body.receiver is missing or not a text"),
    ("hook-v1-text", "msec_timestamp", "msec_timestamp and timestamp are both missing"),
]


@pytest.mark.parametrize("nothing", [ABSENT, None, ""], ids=["absent", "null", "empty"])
@pytest.mark.parametrize(("name", "path", "reason"), NEEDED, ids=[f"{name}:{path}" for name, path, _ in NEEDED])
def test_without_a_needed_field_a_hook_is_unknown(name: str, path: str, reason: str, nothing: Any) -> None:
    """What lacks an id, a type or a time is kept as it came, and the reason names the field."""
    raw = json.dumps(changed(body(name), path, nothing)).encode()
    assert parse_hook(raw) == UnknownHook(raw, reason)


NOT_JSON = "the body is not JSON"
NO_KIND = "no message, action.typing, action.reaction or conversation_id in the body"
UNKNOWN = {
    "nothing": (b"", NOT_JSON),
    "not UTF-8": (b'{"message":"\xff"}', NOT_JSON),
    "cut off": (BODIES["hook-v1-text"][:-20], NOT_JSON),
    "form-encoded": (b"account%5Bid%5D=1&message%5Badd%5D=2", NOT_JSON),
    "deep": (b"[" * 100_000, NOT_JSON),
    "deep and closed": (b'{"message":' * 50_000 + b"1" + b"}" * 50_000, NOT_JSON),
    "a number of 5,000 digits": (b'{"message":' + b"9" * 5_000 + b"}", NOT_JSON),
    "a list": (b"[]", "the body is not a JSON object"),
    "null": (b"null", "the body is not a JSON object"),
    "a text": (b'"message"', "the body is not a JSON object"),
    "a number": (b"NaN", "the body is not a JSON object"),
    "an empty object": (b"{}", NO_KIND),
    "another kind of action": (b'{"account_id":"a","action":{"read":{}}}', NO_KIND),
    "an action that is a list": (b'{"action":["typing"]}', "action is not a JSON object"),
    "a message that is a text": (b'{"message":"hi"}', "message is not a JSON object"),
    "a person that is a text": (
        json.dumps(changed(body("hook-v2-text-with-source"), "message.sender", "Bob")).encode(),
        "sender is not a JSON object",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_body_is_kept_with_its_reason(name: str) -> None:
    """What is no known hook keeps its bytes and says why."""
    raw, reason = UNKNOWN[name]
    assert parse_hook(raw) == UnknownHook(raw, reason)


def test_a_message_of_an_unknown_type_is_still_a_message() -> None:
    """Kommo may add types; such a message has its ids and its time, and is kept."""
    hook = parsed(changed(body("hook-v2-text-with-source"), "message.message.type", "hologram"))
    assert isinstance(hook, MessageHook)
    assert hook.type == "hologram"


# --- Any input ---

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs"]))  # lone surrogates
    | st.sampled_from([10**30, -(10**30), 1e400, "\ud800", "", "0"])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a body."""
    found = [way] if way else []
    for key in value if isinstance(value, dict) else ():
        found += places(value[key], (*way, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A sample in which a few values have become any JSON value, or have vanished."""
    value = body(draw(st.sampled_from(sorted(BODIES))))
    for way in draw(st.lists(st.sampled_from(places(value)), min_size=1, max_size=4, unique=True)):
        target = value
        for key in way[:-1]:
            target = target.get(key) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target[way[-1]] = draw(JSON)
            if draw(st.booleans()):
                del target[way[-1]]
    return value


def storable(value: Any) -> bool:
    """True for what SQLite can hold and a page can show."""
    if isinstance(value, Participant):
        return all(map(storable, vars(value).values()))
    if isinstance(value, str):
        return value == value.encode("utf-8").decode()
    return value is None or (type(value) is int and 0 <= value <= MAX_MSEC)


def is_sound(hook: Hook) -> bool:
    """Every field of an event that was read is of its type, and can be stored; raw parts aside."""
    if isinstance(hook, UnknownHook):
        return bool(hook.reason)
    raw = {"markup", "template", "reply_to", "forwards"}
    return all(storable(value) for key, value in vars(hook).items() if key not in raw)


@given(st.binary())
def test_any_bytes_are_a_hook(raw: bytes) -> None:
    """No bytes raise."""
    assert is_sound(parse_hook(raw))


@given(JSON)
def test_any_json_is_a_hook(value: Any) -> None:
    """No JSON value raises, the odd numbers that Python's reader takes included."""
    assert is_sound(parsed(value))


@given(mutated())
def test_a_spoilt_sample_is_a_hook(value: Any) -> None:
    """A known body with any value in any place is read or is unknown, and what is read can be stored."""
    assert is_sound(parsed(value))
