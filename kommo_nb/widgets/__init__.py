"""Widgets for the notebooks. They hold values and show them; no SQL, no HTTP, and never a secret in their state."""

from __future__ import annotations

from .hooks import HookInspector
from .registration import RegistrationForm
from .signature import SignatureDoctor, SignatureLab

__all__ = ["HookInspector", "RegistrationForm", "SignatureDoctor", "SignatureLab"]
