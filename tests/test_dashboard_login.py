"""Who gets at the dashboard: nobody without the password, and no page that was opened under another name."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from telling import Teller, at

from dashboards.server import make_server
from kommo_nb.errors import ConfigError
from kommo_nb.serving import bound_socket
from kommo_nb.store import Store

PASSWORD = "pass word & <b>"
ANYWHERE = "0.0.0.0"  # noqa: S104 with a password
VARIABLE = "KOMMO_NB_DASHBOARD_PASSWORD"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a dashboard with a password listens, on every address of this machine."""
    path = tmp_path_factory.mktemp("login") / "kommo.db"
    store = Store(path)
    Teller(store).client("ana", at(2, "10:00"), "Nobody else may read this")
    store.project()
    store.close()
    with bound_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = ["--db", str(path), "--host", ANYWHERE, "--origin", f"team.example:{port}", "--port", str(port), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "kommo_nb.cli", "dashboard", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {VARIABLE: PASSWORD},
    ) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["dashboard"] == f"http://team.example:{port}"
        yield port
        process.terminate()


@pytest.fixture
def visitor(port: int) -> Iterator[httpx.Client]:
    """Somebody with a browser's cookies, and no password yet."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


def log_in(visitor: httpx.Client, password: str = PASSWORD) -> httpx.Response:
    return visitor.post("/login", data={"username": "team", "password": password})


def socket_says(visitor: httpx.Client, token: str, *, origin: str, host: str = "") -> str:
    """What comes of the page's socket: "talks", or a status of HTTP."""
    host = host or visitor.base_url.netloc.decode()
    cookies = "; ".join(f"{key}={value}" for key, value in visitor.cookies.items())
    head = f"GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: {cookies}\r\n"
    head += f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: bokeh, {token}\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with (
        socket.create_connection((visitor.base_url.host, visitor.base_url.port), 10) as raw,
        raw.makefile("rb") as read,
    ):
        raw.sendall(head.encode())
        status = read.readline().split()[1]
        if status != b"101":
            return status.decode()
        while read.readline().strip():
            pass
        return "talks" if read.read(1) == b"\x81" else "is closed"  # the first byte of a frame with text


def token_of(page: httpx.Response) -> str:
    found = re.search(r'"token":"([^"]+)"', page.text)
    assert found, page.text[:500]
    return found[1]


@pytest.mark.parametrize("path", ["/", "/?chat=ana", "/autoload.js?bokeh-autoload-element=x", "/metadata", "/ws"])
def test_without_the_password_there_is_nothing(visitor: httpx.Client, path: str) -> None:
    """Each address of the page leads to the login, or nowhere, and tells nothing."""
    answer = visitor.get(path)
    assert answer.status_code in (302, 400, 403)
    assert answer.status_code != 302 or answer.headers["location"].lstrip(".").startswith("/login?next=")
    assert "token" not in answer.text and "Nobody else" not in answer.text


@pytest.mark.parametrize("wrong", ["", "password", PASSWORD.upper(), PASSWORD + "!"])
def test_a_wrong_password_opens_nothing(visitor: httpx.Client, wrong: str) -> None:
    """It leads back to the login, which says so."""
    answer = log_in(visitor, wrong)
    assert "user" not in visitor.cookies
    assert "This password is not right" in visitor.get(answer.headers["location"]).text
    assert visitor.get("/").status_code == 302


def test_the_password_opens_the_page_and_its_socket(visitor: httpx.Client) -> None:
    """Logged in, the page comes and its socket talks; after the logout neither does, even with the page's token."""
    assert log_in(visitor).headers["location"] == "/"
    token = token_of(visitor.get("/"))
    here = str(visitor.base_url)
    assert socket_says(visitor, token, origin=here) == "talks"
    visitor.get("/logout")
    assert visitor.get("/").status_code == 302
    assert socket_says(visitor, token, origin=here) == "403"


def test_a_cookie_that_somebody_made_opens_nothing(visitor: httpx.Client) -> None:
    """The cookie is signed with a secret of this very run."""
    visitor.cookies.set("user", "2|1:0|10:1700000000|4:user|8:dGVhbQ==|" + "0" * 64)
    assert visitor.get("/").status_code == 302


def test_only_pages_of_known_names_get_data(visitor: httpx.Client, port: int) -> None:
    """The socket answers a page from this machine or the given name, and refuses all others, with cookie and token."""
    log_in(visitor)
    for origin in (f"http://localhost:{port}", f"http://team.example:{port}"):
        assert socket_says(visitor, token_of(visitor.get("/")), origin=origin) == "talks"
    for origin in ("http://evil.example", f"http://evil.example:{port}", "http://team.example:1", "null"):
        assert socket_says(visitor, token_of(visitor.get("/")), origin=origin) == "403"


def test_only_known_names_are_served(visitor: httpx.Client, port: int) -> None:
    """The page comes when it is asked for by a known name; a name that only leads here gets neither page nor socket."""
    log_in(visitor)
    token = token_of(visitor.get("/"))
    for host in (f"127.0.0.1:{port}", f"LOCALHOST:{port}", f"team.example:{port}"):
        assert 'id="snapshot"' in visitor.get("/", headers={"Host": host}).text
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", f"not-localhost:{port}"):
        assert visitor.get("/", headers={"Host": host}).status_code == 403
        assert socket_says(visitor, token, origin=f"http://{host}", host=host) == "403"


def test_the_login_loads_nothing_from_elsewhere(visitor: httpx.Client) -> None:
    """The login and the logout name no other machine, and what the address says shows nowhere on them."""
    for path in ("/login", "/login?error=<img src=x onerror=alert(1)>", "/logout"):
        html = visitor.get(path).text
        assert "Kommo channel" in html
        assert not re.findall(r"https?://|//\w|<img|onerror", html)


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_the_login_leads_to_no_other_site(visitor: httpx.Client, next_: str) -> None:
    """An address that a stranger sends cannot make the login a stop on the way to theirs."""
    assert visitor.get("/login", params={"next": next_}).status_code == 400
    assert log_in(visitor).headers["location"] == "/"


# --- what is refused at the start -------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["192.0.2.1", ANYWHERE, "::", "", "db.example"])
def test_no_other_machine_without_a_password(tmp_path: Path, address: str) -> None:
    """Any address but this machine's own needs a password; the message names the variable."""
    with pytest.raises(ConfigError, match=VARIABLE):
        make_server(tmp_path / "x.db", address=address)


@pytest.mark.parametrize("address", [ANYWHERE, "::"])
def test_all_addresses_need_a_name(tmp_path: Path, address: str) -> None:
    """What people type cannot be guessed there, so it has to be told."""
    with pytest.raises(ConfigError, match="--origin"):
        make_server(tmp_path / "x.db", address=address, password=PASSWORD)


@pytest.mark.parametrize("origin", ["*", "*:8012", "https://team.example", "team.example/", "a b", ""])
def test_an_origin_is_a_name(tmp_path: Path, origin: str) -> None:
    """Above all it is no star, which would let every page in."""
    with pytest.raises(ConfigError, match="origin"):
        make_server(tmp_path / "x.db", origins=[origin])


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    """`kommo-nb dashboard` on another address ends with what to do, not with a traceback."""
    words = [sys.executable, "-m", "kommo_nb.cli", "dashboard", "--port", "0", "--host", "192.0.2.1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert VARIABLE in done.stderr and "Traceback" not in done.stderr
