"""The kinds of hooks and calls by name, and what a hook says."""

from __future__ import annotations

from typing import get_args

from .hooks import Hook, MessageHook, MessageHookV1, ReactionHook, UnknownHook

HOOK_KINDS = tuple(hook.kind for hook in get_args(Hook))
CALL_KINDS = (
    *("connect", "disconnect", "create_chat", "send", "edit", "delivery_status", "history", "typing", "react"),
    "reconcile",
)


def text_of(hook: Hook) -> str:
    """What was said: the text of a message, the emoji of a reaction, the whole body if it is of no known kind."""
    match hook:
        case MessageHook() | MessageHookV1():
            return hook.text or ""
        case ReactionHook():
            return hook.emoji or ""
        case UnknownHook():
            return hook.body.decode("utf-8", "replace")
    return ""
