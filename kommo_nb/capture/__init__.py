"""Capture: receive a hook → verify → commit → answer. Nothing is parsed here; the projection does that later.

Kommo sends a hook once and waits 5 seconds, so a hook is answered with 200 only after it is durably stored, and nothing
else happens before the answer.
"""

from .app import MAX_BODY, Capture
from .projector import Projector, ProjectorProcess
from .receiving import receive
from .writer import COMMIT_TIMEOUT_S

__all__ = ["COMMIT_TIMEOUT_S", "MAX_BODY", "Capture", "Projector", "ProjectorProcess", "receive"]
