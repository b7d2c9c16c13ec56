"""The kinds of hooks and calls by name, and what a hook says."""

from __future__ import annotations

from .hooks import Hook, MessageHook, MessageHookV1, ReactionHook, TypingHook, UnknownHook

_NAMES = {
    MessageHook: "message",
    TypingHook: "typing",
    ReactionHook: "reaction",
    MessageHookV1: "message_v1",
    UnknownHook: "unknown",
}
HOOK_KINDS = tuple(_NAMES.values())
CALL_KINDS = (
    *("connect", "disconnect", "create_chat", "send", "edit", "delivery_status", "history", "typing", "react"),
    "reconcile",
)


def kind_of(hook: Hook) -> str:
    """The name of the hook's kind, one of `HOOK_KINDS`."""
    return _NAMES[type(hook)]


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
