"""What the signature doctor found, as HTML."""

from __future__ import annotations

from html import escape

from ..lines import safe
from ..wire.doctor import Diagnosis
from .look import BAD, GOOD, PRE

_AROUND = 240
"""Characters shown on both sides of the first difference."""


def diagnosis_html(diagnosis: Diagnosis) -> str:
    """A diagnosis for the eye: what is wrong, both texts with the first difference marked, and the right headers."""
    if diagnosis.ok:
        return f"<div style='color:{GOOD}'>✓ {escape(diagnosis.explanation)}</div>"
    parts = [
        f"<div style='line-height:1.5;white-space:normal'><b style='color:{BAD}'>✗ {escape(found.cause)}</b><br>"
        f"{escape(found.explanation)}</div>"
        for found in diagnosis.findings
    ]
    if diagnosis.string_right and diagnosis.first_difference is not None:
        texts = (("As sent", diagnosis.string_as_sent), ("Right", diagnosis.string_right))
        sides = (
            f"<div><b>{title}</b><pre style='{PRE}'>{_marked(text, diagnosis.first_difference)}</pre></div>"
            for title, text in texts
        )
        columns = "display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(280px,100%),1fr))"
        parts.append(f"<div style='{columns}'>{''.join(sides)}</div>")
    if diagnosis.corrected:
        headers = "\n".join(f"{name}: {value}" for name, value in diagnosis.corrected.items())
        parts.append(f"<div><b>The right headers</b><pre style='{PRE}'>{escape(headers)}</pre></div>")
    if diagnosis.ruled_out:
        ruled_out = escape("; ".join(diagnosis.ruled_out))
        parts.append(f"<details><summary>Ruled out</summary>{ruled_out}</details>")
    return f"<div style='display:flex;flex-direction:column;gap:10px'>{''.join(parts)}</div>"


def _marked(text: str, place: int) -> str:
    """The text around the first difference, which is marked. A line feed shows as ↵."""
    before, here, after = text[max(0, place - _AROUND) : place], text[place : place + 1], text[place + 1 :]
    start, end = "…" * (place > _AROUND), "…" * (len(after) > _AROUND)
    look = f"background:{BAD};color:#fff;padding:0 1px"
    mark = f"<mark style='{look}'>{_lines(here) or '(its end)'}</mark>"
    return start + _lines(before) + mark + _lines(after[:_AROUND]) + end


def _lines(text: str) -> str:
    return escape(safe(text, keep="\n")).replace("\n", "↵\n")
