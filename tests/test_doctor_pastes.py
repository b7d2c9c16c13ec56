"""What the signature doctor makes of a paste: nothing of it is quoted back, and what is not whole is said to be so."""

from __future__ import annotations

import re

import pytest

from kommo_nb.wire.doctor import NotARequest, diagnose_pasted
from kommo_nb.wire.doctor.pasted import parse_request

SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
OTHER = "5a44c5dff55f3c15a4cce8d7c4cc27e207c7e189"
HOST = "https://amojo.kommo.com"
SCOPE = "344a5002-f8ca-454d-af3d-396180102ac7_52e591f7-c98f-4255-8495-827210138c81"
TYPING = f"/v2/origin/custom/{SCOPE}/typing"


# --- No request ---


@pytest.mark.parametrize("secret", [OTHER, OTHER.upper(), "sandbox-secret", "QmT0hK3vXz9LrPw5YbN8sDf2GjCa7EuHt4Ro6WiV"])
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "KOMMO_NB_SECRET={}",
        "# ours\nexport KOMMO_NB_SECRET={}\n",
        "POST /v2 HTTP/1.1\nX-Signature {}\n\n",
        "POST /v2 HTTP/1.1\n{}\n",
        "curl https://x/ -H {}",
        "curl https://x/ --{}",
        "curl https://x/ --{}=1",
        "curl https://x/ -d '{}",
        "{} /v2",
        '{{"{}',
    ],
)
def test_what_is_no_request_is_not_quoted(form: str, secret: str) -> None:
    """No piece of the text stands in the message, as it may be a secret, be it one that was given here or not."""
    with pytest.raises(NotARequest) as given:
        diagnose_pasted(form.format(secret), secret=secret)
    with pytest.raises(NotARequest) as not_given:
        diagnose_pasted(form.format(secret), secret=SECRET)
    pieces = {secret[at : at + 7].lower() for at in range(len(secret) - 6)}
    shown = [str(given.value), *([] if secret.startswith("sandbox") else [str(not_given.value)])]
    assert not [piece for piece in pieces for text in shown if piece in text.lower()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("KOMMO_NB_SECRET=abc\n", "This is no request, but looks like a .env file."),
        ("curl https://x/ -G", "In the curl command -G is not understood: leave it out"),
        ("curl https://x/ --tlsv1.2", "In the curl command --tlsv1.2 is not understood: leave it out"),
        ("curl https://x/ --request", "In the curl command --request has no value"),
        ("curl https://x/ -X", "In the curl command -X has no value"),
        ("POST /v2 HTTP/1.1\nDate: x\nhello\n\n", "Header 2 is none"),
    ],
)
def test_what_it_is_instead(text: str, words: str) -> None:
    """What stands in the way is said by its name or its place."""
    with pytest.raises(NotARequest, match=re.escape(words)):
        parse_request(text)
