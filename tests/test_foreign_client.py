"""A program that is not ours, and not in Python, works against the sandbox: bash, curl and openssl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import Stage, program, sample

from kommo_nb.sandbox.app import Credentials, Sandbox

SCRIPT = r"""
set -euo pipefail
export LC_ALL=C

call() { # method, path with query, body
    local date md5 signature
    date=$(date -u '+%a, %d %b %Y %H:%M:%S +0000')
    md5=$(printf %s "$3" | openssl dgst -md5 | sed 's/.*= *//')
    signature=$(printf '%s\n%s\n%s\n%s\n%s' "$1" "$md5" application/json "$date" "${2%%\?*}" |
        openssl dgst -sha1 -hmac "$SECRET" | sed 's/.*= *//')
    curl --silent --show-error --noproxy '*' --max-time 10 --request "$1" --data-binary "$3" \
        --header "Date: $date" --header 'Content-Type: application/json' \
        --header "Content-MD5: $md5" --header "X-Signature: $signature" \
        --write-out '\n%{http_code}\n' "$URL$2"
}

root=/v2/origin/custom
scope=${CHANNEL}_$ACCOUNT
message() { # msgid, text
    printf '{"event_type":"new_message","payload":{"timestamp":%s,"msec_timestamp":%s000,"msgid":"%s",' \
        "$NOW" "$NOW" "$1"
    printf '"conversation_id":"c-1","silent":false,"sender":{"id":"ada","name":"Ada"},'
    printf '"message":{"type":"text","text":"%s"}}}' "$2"
}

call POST "$root/$CHANNEL/connect" '{"account_id":"'"$ACCOUNT"'","title":"Shell","hook_api_version":"v2"}'
sent=$(call POST "$root/$scope" "$(message m-1 'Olá, ação 😍')")
printf '%s\n' "$sent"
call POST "$root/$scope" "$(message m-1 again)"
chat=$(printf %s "$sent" | sed -n 's/.*"conversation_id": *"\([^"]*\)".*/\1/p')
call GET "$root/$scope/chats/$chat/history?limit=50&offset=0" ''
call GET "$root/$scope/chats/$chat/history?limit=50&offset=1" ''
SECRET=wrong call POST "$root/$scope" "$(message m-2 forged)"
call DELETE "$root/$CHANNEL/disconnect" '{"account_id":"'"$ACCOUNT"'"}'
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


def answers(output: str) -> list[tuple[int, Any]]:
    """Status and decoded body of each call that the script made."""
    lines = output.splitlines()
    return [
        (int(status), json.loads(body) if body else None) for body, status in zip(lines[::2], lines[1::2], strict=True)
    ]


def test_shell_script_connects_sends_and_reads(stage: Stage) -> None:
    """curl and openssl connect, send, are refused a second time, read history to its end, and disconnect."""
    sandbox = Sandbox(Credentials(secret="f2d7f8704eff95087ed45b23ba99c0b5aac8278e"))
    credentials = stage.play(sandbox).credentials
    environment = {"URL": stage.url, "SECRET": credentials.secret, "CHANNEL": credentials.channel_id}
    environment |= {"ACCOUNT": credentials.account_id, "NOW": "1772366400", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    program("curl"), program("openssl")
    run = subprocess.run([program("bash"), "-c", SCRIPT], env=environment, capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stderr.decode()) == (0, "")
    connected, sent, repeated, page, end, forged, disconnected = answers(run.stdout.decode())
    assert (connected[0], connected[1]["scope_id"], connected[1]["title"]) == (200, credentials.scope_id, "Shell")
    assert (sent[0], sent[1]["new_message"]["ref_id"]) == (200, "m-1")
    assert (repeated[0], repeated[1]["error_type"]) == (400, "MSGID_ALREADY_USED")
    (item,) = page[1]["messages"]
    assert (page[0], item["message"]["id"]) == (200, sent[1]["new_message"]["msgid"])
    assert (item["message"]["text"], item["timestamp"]) == ("Olá, ação 😍", 1772366400)
    assert end == (204, None)
    assert forged == (403, sample("error-amojo-403-signature"))
    assert disconnected == (200, {})
