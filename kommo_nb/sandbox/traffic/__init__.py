"""Seeded people who write to a bicycle shop, and managers who answer: ninety days of them in seconds, or live."""

from .live import live
from .past import history

__all__ = ["history", "live"]
