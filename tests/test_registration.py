"""The 15 items of a registration, the icon, the letter, and support's answer."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kommo_nb.errors import RegistrationError
from kommo_nb.wire.channel import AllowedAccount, Channel, parse_support_answer, support_answer, warn_second_channel
from kommo_nb.wire.icon import check_icon
from kommo_nb.wire.registration import ITEMS, Registration, letter, problems

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "kommo-register-channel-response.json"
SECRET = "1eqadw323ead22wW2E1SA"
UUID = "0b5a1e1e-1111-4222-8333-444455556666"


def svg(inside: str = "", head: str = 'width="14" height="14"') -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{inside}</svg>'


GOOD: dict[str, Any] = {
    "service_name": "Acme Chat",
    "webhook_url": "https://domain.com/location/:scope_id",
    "account_ids": (12345678, 23456789),
    "email": "dev@domain.com",
    "icon_svg": svg('<circle cx="7" cy="7" r="7"/>'),
    "integration_id": UUID,
    "widget_code": "acme_widget",
}
FULL = GOOD | {
    "write_first": True,
    "time_window_s": 86400,
    "need_template": True,
    "public": True,
    "similar_solutions": "none",
    "unique": "it is `small`",
    "saves_files": True,
    "reactions": "👍😳",
    "quoting": True,
    "voice": True,
    "max_file_size_mb": 20,
}


def answered(values: dict[str, Any] = FULL) -> dict[str, Any]:
    return support_answer(
        Registration(**values),
        channel_id="d0b1c2d3",
        secret=SECRET,
        code="amo.ext.12345678",
        bot_id="b0b1",
        account_amojo_ids={12345678: "am-1", 23456789: "am-2"},
        now_s=1732273375,
    )


def sample() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(SAMPLE.read_bytes())
    return answer


# --- The request ---


def test_items_cover_every_field_in_order() -> None:
    """The 15 items name each field of the registration once, in its order."""
    assert [item.number for item in ITEMS] == list(range(1, 16))
    assert [field for item in ITEMS for field in item.fields] == list(Registration.model_fields)


def test_required_fields_belong_to_required_items() -> None:
    """What has no default is the field of an item that Kommo requires."""
    required = {name for name, field in Registration.model_fields.items() if field.is_required()}
    assert required == {item.fields[0] for item in ITEMS if item.required} - {"public"}


@pytest.mark.parametrize("values", [GOOD, FULL, GOOD | {"account_ids": [1]}])
def test_good_values_have_no_problems(values: dict[str, Any]) -> None:
    """Values that keep every rule make a registration, and have no problems."""
    assert problems(values) == {}
    assert Registration(**values).service_name == "Acme Chat"


BROKEN = [
    ("service_name", "Акме", "Latin characters only"),
    ("service_name", "1Chat", "begin with a letter"),
    ("webhook_url", "http://domain.com/:scope_id", "Write https://"),
    ("webhook_url", "https://domain.com/location", ":scope_id, with the marker once"),
    ("webhook_url", "https://domain.com/:scope_id/:scope_id", "the marker once"),
    ("webhook_url", "https://domain.com/?to=:scope_id", "https://domain.com/location/:scope_id"),
    ("webhook_url", "https://me:pass@domain.com/:scope_id", "https://domain.com/location/:scope_id"),
    ("webhook_url", "http://localhost.domain.com/:scope_id", "Write https://"),
    ("account_ids", (), "numeric account ids"),
    ("account_ids", (UUID,), "not the amojo_id"),
    ("account_ids", (0,), "numeric account ids"),
    ("write_first", "yes", "by phone number"),
    ("time_window_s", -1, "whole number"),
    ("need_template", True, "templates need a window"),
    ("email", "dev at domain", "such as dev@domain.com"),
    ("icon_svg", svg(head='width="15" height="15"'), 'write width="14" height="14"'),
    ("integration_id", "12345", "UUID from the Keys tab"),
    ("widget_code", "", "copy its code"),
    ("public", None, "If yes"),
    ("saves_files", 1, "reachable under the link"),
    ("reactions", "like", "the emoji in one string"),
    ("quoting", "", "quote another"),
    ("voice", None, "carries voice messages"),
    ("max_file_size_mb", 0, "whole number"),
    ("channel", "x", "leave it out"),
]


@pytest.mark.parametrize(("field", "value", "mend"), BROKEN)
def test_broken_rule_says_how_to_mend_it(field: str, value: object, mend: str) -> None:
    """Each broken rule is found in its own field alone, and the message says what to write instead."""
    found = problems(GOOD | {field: value})
    assert list(found) == [field]
    assert mend in found[field]


def test_every_item_has_a_failing_example() -> None:
    """The examples above break each of the 15 items."""
    assert {field for field, _, _ in BROKEN} >= {item.fields[0] for item in ITEMS}


def test_missing_fields_are_answered_with_their_rules() -> None:
    """An empty form gets the rule of each required field."""
    found = problems({})
    assert set(found) == {name for name, field in Registration.model_fields.items() if field.is_required()}
    assert all(any(item.rule in text for item in ITEMS) for text in found.values())


def test_public_needs_both_texts() -> None:
    """A public integration has to name similar solutions and say what is unique."""
    assert set(problems(GOOD | {"public": True})) == {"similar_solutions", "unique"}


@pytest.mark.parametrize("host", ["127.0.0.1:8010", "localhost"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    """The local sandbox may be given an http:// webhook address."""
    assert problems(GOOD | {"webhook_url": f"http://{host}/hooks/:scope_id"}) == {}


@pytest.mark.parametrize("reactions", ["", "all", "👍", "❤️👨‍👩‍👧🇧🇷"])
def test_reactions_are_none_all_or_emoji(reactions: str) -> None:
    """Reactions are none, all, or any emoji, joined and coloured ones too."""
    assert problems(GOOD | {"reactions": reactions}) == {}


def test_constructor_uses_the_same_words() -> None:
    """A registration built directly fails with the rule, and without the value."""
    with pytest.raises(ValidationError, match="begin with a letter") as caught:
        Registration(**GOOD | {"service_name": "9 lives"})
    assert "9 lives" not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(Registration.model_fields)) | st.text(), anything, max_size=5))
def test_problems_never_raises(values: dict[str, Any]) -> None:
    """Any values give messages, never an exception."""
    assert all(problems(values).values())


def test_letter_has_fifteen_numbered_lines() -> None:
    """The letter answers each item under its number, and names the icon as an attachment."""
    lines = letter(Registration(**FULL)).splitlines()
    numbered = [line for line in lines if line[:2].strip().isdigit()]
    assert [int(line[:2]) for line in numbered] == list(range(1, 16))
    assert numbered[4] == " 5. Time window, seconds: 86400; need template: yes"
    assert numbered[2].endswith("12345678, 23456789")
    assert "attached" in numbered[6]
    assert "<svg" not in "".join(lines)


def test_an_answer_keeps_to_its_line() -> None:
    """An answer of several lines stands in one, so that it cannot look like another item."""
    lines = letter(Registration(**FULL | {"unique": "a\n11. b"})).splitlines()
    assert "10. Public: yes; similar solutions: none; unique: a 11. b" in lines


# --- The answer ---


def test_sample_answer_is_read() -> None:
    """Kommo's own sample gives the channel that it describes."""
    channel = parse_support_answer(SAMPLE.read_bytes())
    assert channel.secret.get_secret_value() == SECRET
    assert channel.model_dump(exclude={"secret"}) == {
        "id": "dw2asda2-929f-47c3-b1e7-c845a941833b",
        "name": "Chat",
        "code": "Codechat",
        "account_id": "",
        "scope_id": "",
        "bot_id": "adads312-7ad01b-asdw3d23-das213-243r513sa",
        "bot_name": "Chat",
        "webhook_url": "https://webhook.site/4e6a83e5-90d02-4212192c-9c6d-adwdas212",
        "webhook_v2": True,
        "webhook_events": ("messages", "typing"),
        "allowed_accounts": ({"amojo_id": "1232d-d75c-4ee0-2dasd3-21easda212", "crm_account_id": 1234567},),
        "time_window_s": 100000,
        "need_template": True,
        "write_first": True,
        "supports_reply": True,
        "supports_voice": True,
        "saves_files": True,
        "reactions": "all",
        "picture_size": 2,
        "video_size": 2,
        "voice_size": 2,
        "file_size": 2,
        "client_uuid": "adwdasd2-21e2sdd-40ee-2dasd21-21e21e2esa",
        "test_mode": True,
    }


def test_all_forms_of_an_answer_give_the_same_channel() -> None:
    """JSON text or bytes, a dict, another language, the bare inner object: the same channel."""
    inner = sample()["result"]["en"]
    forms = [SAMPLE.read_text(), sample(), {"result": {"pt": inner}}, {"result": inner, "error": None}, inner]
    assert {repr(parse_support_answer(form)) for form in forms} == {repr(parse_support_answer(SAMPLE.read_bytes()))}


@pytest.mark.parametrize("empty", [None, "", ...])
def test_only_id_and_secret_are_needed(empty: object) -> None:
    """Whatever else is null, empty or absent leaves its default."""
    inner = {key: value if key in ("id", "secret_key") else empty for key, value in sample()["result"]["en"].items()}
    given_keys = {key: value for key, value in inner.items() if value is not ...}
    assert parse_support_answer(given_keys) == Channel(id=inner["id"], secret=SECRET)


def test_old_webhook_address_is_used_where_the_new_one_is_missing() -> None:
    """webhook_url_v2 comes first, webhook_url after it."""
    inner = {"id": "a", "secret_key": "b", "webhook_url": "https://one", "webhook_url_v2": "https://two"}
    assert parse_support_answer(inner).webhook_url == "https://two"
    assert parse_support_answer(inner | {"webhook_url_v2": ""}).webhook_url == "https://one"


@pytest.mark.parametrize(
    ("answer", "mend"),
    [
        ("Dear customer", "from its first {"),
        (b"\xff{", "from its first {"),
        ("[" * 100_000, "from its first {"),
        ([], "from its first {"),
        ({"result": None, "error": f"no {SECRET}"}, "mend the request"),
        ({"result": {"en": {"secret_key": SECRET}}}, "ask support for the id"),
        ({"id": "a", "secret_key": ""}, "ask support for the secret_key"),
        ({"id": "a", "secret_key": SECRET, "file_size": SECRET}, "file_size: compare it with the sample"),
        ({"id": "a", "secret_key": [SECRET]}, "secret: compare it with the sample"),
    ],
)
def test_unusable_answer_says_what_to_do(answer: Any, mend: str) -> None:
    """An answer that is no channel raises what to do next, and shows no secret, not even to a debugger."""
    with pytest.raises(RegistrationError) as caught:
        parse_support_answer(answer)
    assert mend in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@given(st.text() | st.binary() | anything | anything.map(json.dumps))
def test_parse_raises_nothing_else(answer: Any) -> None:
    """Any input gives a channel or a RegistrationError."""
    with suppress(RegistrationError):
        parse_support_answer(answer)


@given(st.sampled_from(sorted(sample()["result"]["en"])), anything)
def test_parse_survives_any_value_in_any_place(key: str, value: object) -> None:
    """Any value in any place of the sample gives a channel or a RegistrationError."""
    answer = sample()
    answer["result"]["en"][key] = value
    with suppress(RegistrationError):
        assert parse_support_answer(answer).id


def test_secret_is_never_shown() -> None:
    """No text made of a channel, and no error about one, holds its secret."""
    channel = parse_support_answer(sample())
    shown = [repr(channel), str(channel), str(channel.model_dump()), channel.model_dump_json(), f"{[channel]}"]
    with pytest.raises(ValidationError) as caught:
        Channel(id=None, secret=SECRET)
    assert not [text for text in (*shown, str(caught.value)) if SECRET in text]


def test_channel_of_two_words_is_valid() -> None:
    """An id and a secret make a channel; the scope id follows once the account is known."""
    assert Channel(id="c", secret="s").scope_id == ""
    assert Channel(id="c", secret="s", account_id="a").scope_id == "c_a"
    assert Channel(id="c", secret="s", account_id="a", scope_id="given").scope_id == "given"


@pytest.mark.parametrize("secret", ["", None])
def test_channel_without_a_secret_is_refused(secret: str | None) -> None:
    """Without a secret there is no channel, so nothing can be signed or verified with an empty key."""
    with pytest.raises(ValidationError):
        Channel(id="c", secret=secret)


def test_support_answer_has_the_keys_and_types_of_the_sample() -> None:
    """The sandbox's answer has exactly the sample's keys, in its order, and its types."""
    ours, theirs = answered(), sample()
    assert list(ours) == list(theirs)
    ours, theirs = ours["result"]["en"], theirs["result"]["en"]
    assert list(ours) == list(theirs)
    assert [type(value) for value in ours.values()] == [type(value) for value in theirs.values()]
    for key in ("time_window", "bot"):
        assert list(ours[key]) == list(theirs[key])
    assert list(ours["allowed_acc_list"][0]) == list(theirs["allowed_acc_list"][0])


def test_support_answer_round_trips() -> None:
    """The channel read from the sandbox's answer is the one that was asked for."""
    channel = parse_support_answer(json.dumps(answered()))
    expected = Channel(
        id="d0b1c2d3",
        secret=SECRET,
        name="Acme Chat",
        code="amo.ext.12345678",
        bot_id="b0b1",
        bot_name="Acme Chat",
        webhook_url="https://domain.com/location/:scope_id",
        webhook_events=("messages", "typing"),
        allowed_accounts=(
            AllowedAccount(amojo_id="am-1", crm_account_id=12345678),
            AllowedAccount(amojo_id="am-2", crm_account_id=23456789),
        ),
        time_window_s=86400,
        need_template=True,
        write_first=True,
        supports_reply=True,
        supports_voice=True,
        saves_files=True,
        reactions="👍😳",
        **dict.fromkeys(("picture_size", "video_size", "voice_size", "file_size"), 20),
        client_uuid=UUID,
        test_mode=True,
    )
    assert channel == expected


@pytest.mark.parametrize("reactions", ["", "all"])
def test_modest_support_answer_round_trips(reactions: str) -> None:
    """No window, no limit, no emoji of one's own: they come back as they went."""
    channel = parse_support_answer(answered(GOOD | {"reactions": reactions}))
    assert (channel.time_window_s, channel.file_size, channel.reactions) == (None, None, reactions)


def test_support_answer_names_an_unknown_account() -> None:
    """The support desk refuses an account that it does not know, and says which ones it does."""
    with pytest.raises(RegistrationError, match=r"no account 99: name one of \[12345678, 23456789\]"):
        answered(GOOD | {"account_ids": (12345678, 99)})


def test_second_channel_of_an_integration_is_warned_of() -> None:
    """A channel of the same integration brings the warning with its reason; another one does not."""
    first = Channel(id="c", secret="s", name="Acme", client_uuid=UUID.upper())
    warning = warn_second_channel([first], Registration(**GOOD))
    assert warning is not None
    assert "Acme" in warning and "share one default source" in warning and "clash on source ids" in warning
    assert warn_second_channel([Channel(id="c", secret="s")], Registration(**GOOD)) is None


# --- The icon ---

SQUARE_VIEW = 'width="14px" height="14px" viewBox="-12 -12 24 24"'


@pytest.mark.parametrize(
    "icon",
    [
        svg('<circle cx="7" cy="7" r="7"/>'),
        svg('<ellipse cx="7" cy="7" rx="7" ry="3"/>', 'viewBox="0 0 14 14"'),
        svg('<circle r="12"/>', SQUARE_VIEW),
        svg('<rect width="14" height="14" rx="7"/>'),
        svg('<rect width="100%" height="100%" ry="50%"/>'),
        svg('<rect x="2.1" y="2.1" width="9.8" height="9.8"/>'),
        svg('<polygon points="7,0 14,7 7,14 0,7"/>'),
        svg('<line x1="0" y1="7" x2="14" y2="7" stroke="red"/>'),
        svg('<rect width="14" height="14" fill="none"/><circle cx="7" cy="7" r="3"/>'),
        svg('<g style="fill: none"><rect width="14" height="14"/></g>'),
        svg('<defs><clipPath id="a"><rect width="14" height="14"/></clipPath></defs><g clip-path="url(#a)"/>'),
        '<?xml version="1.0" encoding="windows-1251"?>' + svg('<use href="#a"/>'),
    ],
)
def test_good_icon(icon: str) -> None:
    """Round icons, icons inside the circle, and squares that nobody sees have no problems."""
    assert check_icon(icon) == []


@pytest.mark.parametrize(
    ("icon", "mend"),
    [
        (svg("<!--" + "é" * 52_000 + "-->"), "larger than 100 KB"),
        ('<!DOCTYPE svg [<!ENTITY a "aa">]>' + svg("&a;"), "remove that line"),
        ('<?xml-stylesheet href="https://x.com/a.css"?>' + svg(), "remove that line"),
        ("<svg", "not well-formed"),
        ("", "not well-formed"),
        ("<html/>", "begin with <svg"),
        ('<svg width="14" height="14"/>', "begin with <svg"),
        (svg(head=""), 'write width="14"'),
        (svg(head='width="14"'), 'write width="14"'),
        (svg(head='width="14mm" height="14mm"'), 'write width="14"'),
        (svg(head='viewBox="0 0 24 24"'), 'write width="14"'),
        (svg(head='width="14" height="14" viewBox="0 0 28 14"'), "not a square"),
        (svg("<script>1</script>"), "script or a link"),
        (svg('<circle onclick="a()"/>'), "script or a link"),
        (svg('<image href="http://x.com/a.png"/>'), "script or a link"),
        (
            svg('<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="//x.com/a.svg#b"/>'),
            "script or a link",
        ),
        (svg("<style>@import 'https://x.com'</style>"), "script or a link"),
        (svg("<circle style=\"fill:url( 'https://x.com/a')\"/>"), "script or a link"),
        (svg('<rect width="14" height="14"/>'), "(rect): shrink or round it"),
        (svg('<rect width="14" height="14" rx="2"/>'), "(rect)"),
        (svg('<rect width="100%" height="100%"/>'), "(rect)"),
        (svg('<circle cx="8" cy="7" r="7"/>'), "(circle)"),
        (svg('<circle r="13"/>', SQUARE_VIEW), "(circle)"),
        (svg('<ellipse cx="7" cy="7" rx="7" ry="8"/>'), "(ellipse)"),
        (svg('<g><line x2="14" y2="14"/></g><polyline points="0 0 7 7"/>'), "(line, polyline)"),
        (svg('<rect width="14" height="14" fill="none" stroke="red"/>'), "(rect)"),
        (svg('<g stroke="red"><polygon points="0,0 7,7" fill="none"/></g>'), "(polygon)"),
    ],
)
def test_bad_icon_says_how_to_mend_it(icon: str, mend: str) -> None:
    """Each fault of an icon is named with what to do about it."""
    assert mend in " ".join(check_icon(icon))


def test_icon_may_be_exactly_100_kb() -> None:
    """The limit counts the bytes of UTF-8, and the last one still fits."""
    room = 100 * 1024 - len(svg("<!---->").encode())
    assert check_icon(svg(f"<!--{'x' * room}-->")) == []
    assert check_icon(svg(f"<!--{'x' * (room + 1)}-->"))


def test_deep_icon_does_not_exhaust_the_stack() -> None:
    """Ten thousand nested groups are read like one."""
    assert check_icon(svg("<g>" * 10_000 + "</g>" * 10_000)) == []


tags = st.sampled_from(["rect", "circle", "ellipse", "line", "polygon", "path", "script", "g", "svg"])
names = st.sampled_from(["x", "y", "width", "height", "r", "rx", "cx", "points", "style", "fill", "viewBox", "href"])
values = st.text("0123456789.-+e %px,", max_size=12)
drawings = st.builds('<{} {}="{}"/>'.format, tags, names, values).map(svg)
boxes = st.builds('width="14" height="14" viewBox="{}"'.format, values).map(lambda head: svg("<circle/>", head))


@given(st.text() | st.text().map(svg) | drawings | boxes)
def test_check_icon_never_raises(icon: str) -> None:
    """Any text, well-formed or not, gives a list of problems."""
    assert all(isinstance(problem, str) for problem in check_icon(icon))


@pytest.mark.parametrize(
    "icon",
    [
        "\ud800",
        "\x00",
        svg('<rect width="1e999" height="1e999" rx="-1e999"/>'),
        svg(f'<rect width="{"1" * 90_000}em"/>'),
        svg(f'<rect width="{" " * 90_000}em" style="fill{" " * 9_000}"/>'),
    ],
    ids=["surrogate", "NUL", "infinite", "digits", "spaces"],
)
def test_odd_text_is_no_exception(icon: str) -> None:
    """Lone surrogates, NUL and numbers without end are answered, and soon, not raised."""
    assert isinstance(check_icon(icon), list)
