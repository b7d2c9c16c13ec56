"""The forms of the notebooks: they check while one types, and keep the secret out of their state."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from helpers import sha1

from kommo_nb.errors import RegistrationError
from kommo_nb.widgets import RegistrationForm, SignatureDoctor, SignatureLab
from kommo_nb.wire.registration import Registration

VECTOR = json.loads((Path(__file__).parents[1] / "data/vectors/signature-vectors.json").read_text())[0]
GOOD = {
    "service_name": "Tulips",
    "webhook_url": "https://tulips.example/hooks/:scope_id",
    "account_ids": ["12345678"],
    "email": "dev@tulips.example",
    "icon_svg": '<svg xmlns="http://www.w3.org/2000/svg" width="14" height="14"><circle cx="7" cy="7" r="7"/></svg>',
    "integration_id": "9a1f2c3d-0000-4000-8000-000000000001",
    "widget_code": "tulips_chat",
}


def state_of(widget: object) -> str:
    """What ipywidgets would send to the browser and save in a notebook, of the widget and all its parts."""
    children = getattr(widget, "children", ())
    return json.dumps(widget.get_state(), default=str, ensure_ascii=False) + "".join(map(state_of, children))  # type: ignore[attr-defined]


def test_a_good_form_gives_a_registration() -> None:
    """A filled-in form gives the registration with its types: numbers are numbers, empty fields are left out."""
    form = RegistrationForm(GOOD).fill(time_window_s=86400, quoting=True)
    registration = form.registration
    assert isinstance(registration, Registration) and form.problems == {}
    assert (registration.account_ids, registration.time_window_s) == ((12345678,), 86400)
    assert registration.quoting and registration.max_file_size_mb is None
    assert repr(form) == "RegistrationForm: ready to send"


@pytest.mark.parametrize(
    ("field", "value"),
    [("service_name", "24 Tulips"), ("account_ids", "no number"), ("time_window_s", "a day"), ("email", "dev")],
)
def test_what_is_wrong_is_said_beside_its_field(field: str, value: str) -> None:
    """A value that breaks a rule is named with how to mend it, at once; mended, the message goes."""
    form = RegistrationForm(GOOD)
    assert "✗" not in state_of(form)
    form.fill(**{field: value})
    assert list(form.problems) == [field] and "✗" in state_of(form)
    with pytest.raises(RegistrationError, match=re.escape(form.problems[field])):
        _ = form.registration
    form.fill(**{field: GOOD.get(field)})
    assert form.problems == {} and "✗" not in state_of(form)


def test_strangers_markup_is_shown_as_text() -> None:
    """What is typed into the form cannot become markup in its labels and notes."""
    form = RegistrationForm(GOOD | {"icon_svg": "<img src=x onerror=alert(1)>"})
    labels = [row.children[0].value + row.children[1].children[-1].value for row in form.children[:-1]]
    assert not any("<img" in text for text in labels)


def test_signature_lab_knows_the_published_answer() -> None:
    """Filled with a published request, the lab shows the published signature; another body gives another one."""
    date = datetime(2021, 12, 15, 23, 12, 55, tzinfo=UTC)
    lab = SignatureLab(method="POST", path=VECTOR["path"], body=VECTOR["body"], secret=VECTOR["secret"], date=date)
    assert lab.headers["X-Signature"] == VECTOR["x_signature"] and VECTOR["x_signature"] in state_of(lab)
    lab.children[2].value += " "
    assert lab.headers["X-Signature"] != VECTOR["x_signature"] and VECTOR["x_signature"] not in state_of(lab)
    lab.children[1].value = "https://amojo.kommo.com/v2"
    assert lab.headers == {} and "begins with a slash" in state_of(lab)


def test_the_secret_is_in_no_widget_state() -> None:
    """The lab signs with the secret, and neither its state nor its repr holds it."""
    date = datetime(2021, 12, 15, tzinfo=UTC)
    lab = SignatureLab(method="GET", path="/v2", body="", secret="a-secret-of-this-test", date=date)
    assert "a-secret-of-this-test" not in state_of(lab) + repr(lab)


DATE = datetime(2021, 12, 15, 23, 12, 55, tzinfo=UTC)


def pasted(body: str = VECTOR["body"], **changes: str) -> str:
    """The published request as raw HTTP, with another body or other headers."""
    headers = {"Date": VECTOR["date"], "Content-Type": "application/json", "Content-MD5": VECTOR["content_md5"]}
    headers |= {
        "X-Signature": VECTOR["x_signature"],
        **{name.replace("_", "-"): text for name, text in changes.items()},
    }
    return "\n".join(
        [f"POST {VECTOR['path']} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items()), "", body]
    )


def doctor(text: str = "", *, secret: str = VECTOR["secret"]) -> SignatureDoctor:
    return SignatureDoctor(text, secret=secret, now=DATE)


def test_signature_doctor_is_silent_on_what_is_right() -> None:
    """The published request is right, and the widget says so in green."""
    widget = doctor(pasted())
    assert repr(widget) == "SignatureDoctor: the signature is right" and "✓" in state_of(widget)


def test_signature_doctor_shows_where_the_texts_differ() -> None:
    """A body with spaces is explained: the cause, both texts with the first difference marked, the right headers."""
    widget = doctor(pasted(VECTOR["body"].replace(":", ": ")))
    shown = widget.children[-1].value
    assert repr(widget) == "SignatureDoctor: body_reencoded"
    md5 = hashlib.md5(VECTOR["body"].replace(":", ": ").encode()).hexdigest()
    for text in (VECTOR["content_md5"], md5):
        assert f">{text[0]}</mark>{text[1:]}↵" in shown and "POST↵\n<mark" in shown
    assert f"Content-MD5: {md5}" in shown


def test_signature_doctor_explains_again() -> None:
    """Mended in the field and asked again, the complaint goes; what is no request gets a sentence."""
    widget = doctor(pasted(Content_Type="application/json; charset=utf-8"))
    assert widget.diagnosis is not None and "content_type_charset" in widget.diagnosis.causes
    widget.children[1].value = pasted()
    widget.explain()
    assert widget.diagnosis.ok
    widget.children[1].value = "hello"
    widget.explain()
    assert widget.diagnosis is None and "This is no request" in widget.children[-1].value
    widget.children[1].value = ""
    widget.explain()
    assert widget.children[-1].value == "" and repr(widget) == "SignatureDoctor: nothing pasted yet"


def test_signature_doctor_takes_hooks() -> None:
    """With a signature beside it, what was pasted is the body of a hook."""
    widget = doctor(secret="sandbox-secret")
    widget.children[1].value = '{"time": 1}'
    widget.children[2].value = " 849d1ef8d0ed6a293fcc7e63fd50856a43fdee34 "
    widget.explain()
    assert widget.diagnosis is not None and widget.diagnosis.cause == "hook_reencoded"


def test_signature_doctor_shows_markup_as_text() -> None:
    """Nothing that was pasted becomes markup in what is shown."""
    evil = "<img src=x onerror=alert(1)>"
    for text in (pasted(evil, Date=evil), evil, pasted(evil).replace(VECTOR["path"], f"/{evil}")):
        widget = doctor(text)
        assert "<img" not in widget.children[-1].value and widget.children[-1].value
    hook = doctor(secret="s")
    hook.children[1].value = json.dumps({"text": evil})
    hook.children[2].value = sha1(json.dumps({"text": evil}, separators=(",", ":")).encode(), "s")
    hook.explain()
    shown = hook.children[-1].value
    assert "</mark>" in shown and "&lt;img" in shown and "<img" not in shown


def test_signature_doctor_keeps_the_secret() -> None:
    """Neither the state nor the repr of the doctor holds a secret, not even one that was pasted as a signature."""
    widget = SignatureDoctor(pasted(), secret="a-secret-of-this-test", other_secrets=["another-secret-here"], now=DATE)
    assert widget.diagnosis is not None and not widget.diagnosis.ok
    assert "a-secret-of-this-test" not in state_of(widget) + repr(widget)
    assert "another-secret-here" not in state_of(widget) + repr(widget)
