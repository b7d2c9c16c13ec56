"""What every test stands on: no network but this machine, no settings from outside, and one profile for Hypothesis."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from kommo_nb.store import Store

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


class NetworkBlocked(Exception):
    """A test reached for an address beyond this machine. No OSError, so that no retry or handler swallows it."""


def require_loopback(host: Any) -> None:
    """Raise for any host that is not this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return
    try:
        address = ipaddress.ip_address(name)
        local = address.is_loopback or address.is_unspecified
    except ValueError:
        local = False
    if not local:
        raise NetworkBlocked(f"tests may reach loopback only, and this one reached for {name!r}")


def _audit(event: str, args: tuple[Any, ...]) -> None:
    # An audit hook sees every socket of Python, also those of modules that took `socket` before this file came.
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = args[1]
        if isinstance(address, tuple):  # not a path of an AF_UNIX socket, nor None
            require_loopback(address[0])
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        require_loopback(args[0])


def _guard_uvloop() -> None:
    # uvloop resolves and connects in C, past every audit event.
    try:
        import uvloop
    except ImportError:  # Windows has none
        return
    original_connection, original_addresses = uvloop.Loop.create_connection, uvloop.Loop.getaddrinfo

    def create_connection(self: Any, factory: Any, host: Any = None, *args: Any, **kwargs: Any) -> Any:
        require_loopback(host)
        return original_connection(self, factory, host, *args, **kwargs)

    def getaddrinfo(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        require_loopback(host)
        return original_addresses(self, host, *args, **kwargs)

    for method in (create_connection, getaddrinfo):
        setattr(uvloop.Loop, method.__name__, method)


sys.addaudithook(_audit)
_guard_uvloop()


@pytest.fixture(scope="session", autouse=True)
def no_outside_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No KOMMO_NB_ variable, and an empty folder to work in, so that nobody's `.env` or database takes part."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith("KOMMO_NB_")]:
            patch.delenv(name)
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a folder of its own."""
    from kommo_nb.store import Store

    opened = Store(tmp_path / "kommo.db")
    yield opened
    opened.close()
