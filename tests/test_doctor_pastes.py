"""What the signature doctor makes of a paste: nothing of it is quoted back, and what is not whole is said to be so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import openssl_sha1, program, receiving

from kommo_nb.wire.doctor import NotARequest, diagnose_pasted
from kommo_nb.wire.doctor.pasted import parse_request

SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
OTHER = "5a44c5dff55f3c15a4cce8d7c4cc27e207c7e189"
HOST = "https://amojo.kommo.com"
SCOPE = "344a5002-f8ca-454d-af3d-396180102ac7_52e591f7-c98f-4255-8495-827210138c81"
FORM = "application/x-www-form-urlencoded"
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


# --- curl ---

BODIES = [
    r"""-d '{"text":"Thanks ^_^"}'""",
    r"""-d '{"text":"a^"}'""",
    r"""-d '^"' -d "a^" """,
    r"""-d "{\"text\":\"it costs \$5, \`x\` \\ \n \a\"}" """,
    r"""-d $'{"text":"don\'t shout\041 \101\x41\u00e9\U0001F600 \x9 \e\?\z"}'""",
    r"""-d $'\303\241'""",
    r"""-d '{"text":" $'\''5'\''"}'""",
    r"""-d "he said $'x'" """,
    r"""-d$'a\tb'""",
    r"""-dpre$'a\tb'post""",
    r"""-d $"a" -d '$a ${b} $(c) `d`'""",
    "-d 'a\\\nb' -d \"a\\\nb\" -d a\\\nb",
    "-d 'a ^\n b' -d 'a`\nb'",
    r"""-d 'à la carte' -d à""",
    "-d x # it's a comment",
    "\\\n# no comment for curl\n",
    "-d a\\ b -d \\$c -d \\'",
    r"""-d {"a":1} -d a^b -d a$ -d "$" -d '' -d "" """,
    r"""-d x 2>/dev/null""",
    r"""-d x>/dev/null""",
    r"""-d '{"text":"<b>|;&"}';echo""",
]


@pytest.mark.parametrize("words", BODIES)
def test_a_body_is_read_as_bash_and_curl_send_it(words: str) -> None:
    """Quotes, carets, dollars and escapes mean to the doctor what they mean to bash."""
    with receiving() as receiver:
        command = f"curl -s {receiver.url}/x -H 'Content-Type: application/json' -XPOST {words}"
        env = os.environ | {"LC_ALL": "C.UTF-8", "NO_PROXY": "*"}
        subprocess.run([program("bash"), "-c", command], env=env, timeout=20, check=False, capture_output=True)
        (seen,) = receiver.seen
    pasted = parse_request(command)
    assert (pasted.method, pasted.url, pasted.body) == (seen.method, receiver.url + seen.path, seen.body)


def test_the_line_that_set_x_shows_is_read() -> None:
    """What bash prints after set -x, where the values of variables stand, is read as it was sent."""
    script = """BODY=$'{"text":"it\\'s $5 ^_^ \\u00e1\\n"}'; curl() { :; }; set -x; curl https://x/y -d "$BODY" """
    for locale in ("C", "C.UTF-8"):
        env = os.environ | {"LC_ALL": locale}
        done = subprocess.run([program("bash"), "-c", script], env=env, timeout=20, check=True, capture_output=True)
        sent = done.stderr.splitlines(keepends=True)
        line = b"".join(sent[: sent.index(b"+ :\n")])
        assert parse_request(line).body.decode() in (
            """{"text":"it's $5 ^_^ \xe1\n"}""",
            """{"text":"it's $5 ^_^ \\u00E1\n"}""",
        )


LINES = '{\n  "a": "50% & \\"it\'s\\" $5 `x` á",\n  "b": [\n    -1\n  ]\n}'
# Chrome's "Copy as cURL (cmd)": \ and " escaped, a caret before each odd letter, two line ends for one.
CHROME = r"""curl ^"https://amojo.kommo.com/x^" ^
  -H ^"Date: x^" ^
  --data-raw ^"^{^

  ^\^"a^\^": ^\^"50^% ^& ^\^\^\^"it's^\^\^\^" ^$5 `x` ^á^\^",^

  ^\^"b^\^": ^[^

    -1^

  ^]^

^}^"
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_body_of_many_lines_for_cmd(end: str) -> None:
    """Chrome's command for cmd.exe gives the body with its line ends, and no caret."""
    pasted = parse_request(CHROME.replace("\n", end))
    assert pasted == ("POST", HOST + "/x", {"Date": "x", "Content-Type": FORM}, LINES.encode())
    old = CHROME.replace('^"https://amojo.kommo.com/x^"', '"https://amojo.kommo.com/x"').replace(end, "\n")
    assert parse_request(old) == pasted


@pytest.mark.parametrize(
    "words",
    [
        '-H "Date: $DATE"',
        '-d "${BODY}"',
        "-d $BODY",
        '-d "$(cat body.json)"',
        "-d `cat body.json`",
        '-d "\\\\$BODY"',
        '-d "a"$BODY',
        '-d "{\\"costs\\":\\"$5\\"}"',
    ],
)
def test_a_variable_of_the_shell_is_not_known(words: str) -> None:
    """A command with variables is not diagnosed as if they were what was sent; how to see their values is said."""
    with pytest.raises(NotARequest, match=r"a variable or a command of the shell.*set -x"):
        parse_request(f"curl {HOST}{TYPING} {words}")


@pytest.mark.parametrize("before", ["$ ", "/usr/bin/", "# send it\n# now\n\n", "#!/bin/sh\n+ ", "# ", "~/bin/"])
def test_what_stands_before_curl(before: str) -> None:
    """A prompt, a folder, and lines of comment are left out."""
    assert parse_request(f"{before}curl {HOST}/x -d a").body == b"a"


# --- The body ---

BODY = '{"conversation_id":"c/1","sender":{"id":"olá"},"duration_ms":5000}'
SIZE = len(BODY.encode())
INDENTED = '{\n  "conversation_id": "c/1",\n  "duration_ms": 5000\n}'


def raw(body: str, *headers: str, gap: str = "\n") -> str:
    return "\n".join([f"POST {TYPING} HTTP/1.1", "Host: amojo.kommo.com", *headers]) + "\n" + gap + body


def har(text: str | None, *headers: dict[str, object], **more: object) -> str:
    request = {"method": "POST", "url": HOST + TYPING, "headers": headers, "postData": {"text": text}, **more}
    return json.dumps({"log": {"entries": [{"request": request, "response": None}]}})


@pytest.mark.parametrize(
    ("text", "size", "words"),
    [
        (BODY, SIZE, BODY),
        (BODY + "\n", SIZE, BODY),
        (BODY + "\r\n\r\n", SIZE, BODY),
        (BODY + "\n", SIZE + 1, BODY + "\n"),
        (BODY, SIZE + 1, BODY + "\n"),
        (BODY, SIZE + 2, BODY + "\r\n"),
        (INDENTED, len(INDENTED), INDENTED),
        (INDENTED.replace("\n", "\r\n"), len(INDENTED), INDENTED),
        (INDENTED + "\n", len(INDENTED) + 3, INDENTED.replace("\n", "\r\n")),
        ("\n", 0, ""),
    ],
)
def test_content_length_tells_what_the_line_ends_were(text: str, size: int, words: str) -> None:
    """Line ends that an editor changed, added or took away are put right by the Content-Length."""
    assert parse_request(raw(text, f"Content-Length: {size}")).body == words.encode()


@pytest.mark.parametrize(
    ("text", "size", "here"),
    [("", 291, 0), ("", 2, 0), (BODY[:-1], SIZE, SIZE - 1), (BODY[:-20], SIZE, SIZE - 20), (BODY, 20, SIZE)],
)
def test_a_body_that_is_not_whole_is_no_wrong_md5(text: str, size: int, here: int) -> None:
    """Where the Content-Length tells that the paste lacks some of the body, that is said, in raw HTTP and in HAR."""
    length = {"name": "content-length", "value": str(size)}
    pastes = [raw(text, f"Content-Length: {size}"), har(text, length)]
    pastes += [har(None, length), har("", length, postData=None)] if not text else []
    for paste in pastes:
        with pytest.raises(NotARequest, match=f"announce {size} bytes of body, but {here} are here: paste the whole"):
            diagnose_pasted(paste, secret=SECRET)


@pytest.mark.parametrize("body", [BODY, INDENTED, json.dumps({"1:2": 3}), "[1, 2]"])
def test_a_lost_empty_line(body: str) -> None:
    """A body that follows the headers without an empty line is not taken for one of them."""
    with pytest.raises(NotARequest, match=r"Header 3 is none; .* an empty line ends them"):
        diagnose_pasted(raw(body, "Date: x", gap=""), secret=SECRET)


def test_names_of_headers() -> None:
    """Names with look-alike letters are headers, for they are named as the mistake; so are those of HTTP/2."""
    pasted = parse_request(raw("{}", "D\u0430te: x", "X-Signature : y", ":authority: z"))
    assert pasted.headers == {"Host": "amojo.kommo.com", "D\u0430te": "x", "X-Signature": "y"}


def test_a_body_in_chunks_is_refused() -> None:
    """Chunks are no body; what to do about them is said."""
    chunked = raw(f"{SIZE:x}\r\n{BODY}\r\n0\r\n\r\n", "Transfer-Encoding: Chunked")
    with pytest.raises(NotARequest, match="in chunks: join them without their sizes"):
        diagnose_pasted(chunked, secret=SECRET)


def test_nulls_and_numbers_in_har() -> None:
    """What tools leave null in a HAR is taken for nothing, and numbers for text."""
    pasted = parse_request(har(None, {"name": "X", "value": 5}, postData=None))
    assert pasted == ("POST", HOST + TYPING, {"X": "5"}, b"")
    assert parse_request(har(None, headers=None)) == pasted._replace(headers={})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_texts_as_windows_saves_them(encoding: str) -> None:
    """A text in UTF-16 that says so is read, as is one in UTF-8 with its mark."""
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    assert parse_request((mark + raw(BODY)).encode(encoding)).body == BODY.encode()
    assert parse_request((mark + f"curl {HOST}/x -d 'olá'").encode(encoding)).body == "olá".encode()


@pytest.mark.parametrize("start", ["```bash\n", "```\n", "\n```http\r\n"])
def test_a_fence_is_left_out(start: str) -> None:
    """The marks that a chat puts around a command are no part of it, also where the last one was not copied."""
    for end in ("\n```", "\n```\n", ""):
        assert parse_request(f"{start}curl {HOST}/x -d a{end}").body == b"a"
        assert parse_request(start + raw(BODY) + end).body == BODY.encode()


# --- The command ---

HOOK = '{"time":1}'
CHANNELS = json.dumps(
    {"344a5002-f8ca-454d-af3d-396180102ac7": [SECRET], "f90ba33d-c9d9-44da-b76c-c349b0ecbe41": [OTHER]}
)


def doctor(text: str, tmp_path: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command on this text, with nothing configured but these variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KOMMO_NB_")}
    return subprocess.run(
        [sys.executable, "-m", "kommo_nb.cli", "doctor", *words],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=clean | {f"KOMMO_NB_{name}": value for name, value in env.items()},
    )


@pytest.mark.parametrize("secret", ["--secret= '' ", '--secret="', "--secret=\ufeff"])
def test_a_secret_of_nothing_but_quotes(secret: str, tmp_path: Path) -> None:
    """A secret that is empty once its quotes are off is an error in a sentence."""
    done = doctor(HOOK, tmp_path, secret, "--signature", "0" * 40)
    assert done.returncode == 2 and done.stderr.startswith("kommo-nb: no channel secret")
    assert doctor(HOOK, tmp_path, "--signature", "0" * 40, SECRET=" '' ").stderr == done.stderr


def test_the_secrets_of_the_settings_are_tried(tmp_path: Path) -> None:
    """A hook signed with the old secret or with another channel's is explained, and no secret is shown."""
    words = ("--signature", openssl_sha1(HOOK.encode(), OTHER))
    old = doctor(HOOK, tmp_path, *words, SECRET=SECRET, OLD_SECRET=OTHER)
    several = doctor(HOOK, tmp_path, *words, SECRETS=CHANNELS)
    given = doctor(HOOK, tmp_path, *words, "--secret", SECRET, "--other-secret", OTHER)
    for done, name in (
        (old, "(KOMMO_NB_OLD_SECRET)"),
        (several, "(KOMMO_NB_SECRETS, number 1 of f90ba33d"),
        (given, "(number 1 of the others)"),
    ):
        assert (
            done.returncode == 1
            and done.stdout.startswith("wrong_channel_secret")
            and name in " ".join(done.stdout.split())
        )
        assert OTHER not in done.stdout and SECRET not in done.stdout
    assert doctor(HOOK, tmp_path, *words, SECRET=SECRET).stdout.startswith("unexplained")


def test_of_several_channels_the_one_that_is_named(tmp_path: Path) -> None:
    """With secrets by channel alone, a hook is checked with the secret of the channel in its address."""
    for channel_id, secret in json.loads(CHANNELS).items():
        sent = f"POST /hooks/{channel_id}_a HTTP/1.1\nX-Signature: {openssl_sha1(HOOK.encode(), secret[0])}\n\n{HOOK}"
        assert doctor(sent, tmp_path, SECRETS=CHANNELS).returncode == 0
