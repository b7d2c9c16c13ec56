"""Widgets for the notebooks. They hold values and show them; no SQL, no HTTP, and never a secret in their state.

Each is loaded when it is first used, so that the dashboard takes `ids_html` without ipywidgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chat import TwoSidedChat
    from .hooks import HookInspector
    from .ids import ids_html
    from .importing import ImportDesk
    from .registration import RegistrationForm
    from .signature import SignatureDoctor, SignatureLab

__all__ = ["HookInspector", "ImportDesk", "RegistrationForm", "SignatureDoctor", "SignatureLab", "TwoSidedChat"]
__all__ += ["ids_html"]
_HOMES = {
    "HookInspector": ".hooks",
    "ImportDesk": ".importing",
    "RegistrationForm": ".registration",
    "SignatureDoctor": ".signature",
    "SignatureLab": ".signature",
    "TwoSidedChat": ".chat",
    "ids_html": ".ids",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
