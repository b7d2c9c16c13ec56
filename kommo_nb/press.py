"""Pressing the sandbox's buttons: what makes the people of the CRM act, from a lesson or a terminal."""

from __future__ import annotations

from typing import Any

import httpx

from .errors import KommoError


def press(sandbox_url: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Use one of the sandbox's controls, such as `manager/message`; what it answers.

    Raises:
        KommoError: no sandbox answers there, or it cannot do that; the message says what to do.
    """
    try:
        response = httpx.post(f"{sandbox_url}/_sandbox/{action}", json=payload, timeout=30, trust_env=False)
    except httpx.HTTPError as error:
        hint = "start it with: kommo-nb sandbox"
        raise KommoError(f"no sandbox answers at {sandbox_url} ({type(error).__name__}); {hint}") from None
    try:
        answer = response.json() if response.content else {}
    except ValueError:
        raise KommoError(f"what answers at {sandbox_url} is no sandbox: its answer is no JSON") from None
    if response.is_success and isinstance(answer, dict):
        return answer
    reason = answer.get("error") or answer.get("detail") if isinstance(answer, dict) else None
    raise KommoError(f"{response.status_code}: {reason or 'the answer is no JSON object'}")
