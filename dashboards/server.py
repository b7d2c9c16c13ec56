"""The dashboard on a port: this machine only, or with a login for others."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from bokeh.server.server import Server
from panel.io.server import get_server
from tornado.web import RequestHandler

from kommo_nb.errors import ConfigError
from kommo_nb.serving import HOST, bound_socket

from .app import TITLE, page

USER = "team"
"""Who logs in: there is one password for all."""
_NAME = re.compile(r"([\w.-]+|\[[0-9a-fA-F:]+\])(:\d+)?")  # no *, which would let every page in
_LOGIN = str(Path(__file__).with_name("login.html"))  # Panel's own page loads pictures from the internet


def serve(
    db_path: str | Path,
    *,
    port: int = 0,
    address: str = HOST,
    password: str = "",
    origins: Sequence[str] = (),
    on_ready: Callable[[str], None],
) -> None:
    """Serve the dashboard until it is interrupted.

    Args:
        on_ready: called with the page's address once it answers.

    Raises:
        ConfigError: as `make_server`.
    """
    server = make_server(db_path, port=port, address=address, password=password, origins=origins)
    shown = origins[0] if _is_any(address) else _origin(address, server.port)
    server.io_loop.add_callback(on_ready, f"http://{shown}")
    server.start()
    server.io_loop.start()


def make_server(
    db_path: str | Path, *, port: int = 0, address: str = HOST, password: str = "", origins: Sequence[str] = ()
) -> Server:
    """A server with the dashboard at `/`, bound but not started.

    Args:
        port: 0 takes any free one.
        password: asked for before anything is shown. Without one the page is for this machine only. Space around it
            does not count.
        origins: what stands in the address bar, such as `dashboard.example.com`, where that is not address and port.
            Who comes by any other name gets nothing.

    Raises:
        ConfigError: another machine could reach the page without a login, or not at all, or the port is taken.
    """
    password = password.strip()  # as the login does
    _require_safe(address, password, origins)
    with bound_socket(address, port) as probe:  # Bokeh wants to know the port before it binds, for the origins below
        port = probe.getsockname()[1]
    # By name, for Panel takes a bare password that is also a file's name for that file.
    login = {"basic_auth": {USER: password}, "cookie_secret": secrets.token_hex(32)} if password else {}
    names = {address, *((HOST, "localhost") if _is_local(address) or _is_any(address) else ())}
    known = [*origins, *(_origin(name, port) for name in sorted(names))]
    server = get_server(
        {"/": lambda: page(db_path)},
        port=port,
        address=address,
        title=TITLE,
        websocket_origin=known,
        login_template=_LOGIN,
        logout_template=_LOGIN,
        **login,
    )
    # Tornado takes a socket whose origin is the host that was asked for, whatever that is called: so hosts are known.
    hosts = "|".join(re.escape(re.sub(r":\d+$", "", name).lower()) for name in known)
    server._tornado.add_handlers(rf"(?!({hosts})$).*", [(".*", _OtherName)])
    return server


class _OtherName(RequestHandler):
    """Answers whoever came by a name that only leads here, as a page of a stranger may."""

    def prepare(self) -> None:
        self.set_status(403)
        self.finish("The dashboard is not served under this name. Start it with --origin and the name.")


def _require_safe(address: str, password: str, origins: Sequence[str]) -> None:
    if not _is_local(address) and not password:
        raise ConfigError(
            f"the dashboard shows what customers write: to serve it on {address}, for other machines, "
            "set KOMMO_NB_DASHBOARD_PASSWORD, which it will ask for"
        )
    if _is_any(address) and not origins:
        raise ConfigError(
            f"{address} stands for all addresses of this machine: tell with --origin what people type, "
            "such as --origin dashboard.example.com:8012"
        )
    if wrong := [origin for origin in origins if not _NAME.fullmatch(origin)]:
        raise ConfigError(f"an origin is a name as in dashboard.example.com, or with a port, not {wrong[0]!r}")


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _is_any(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return address == ""


def _origin(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
