"""HTML that is safe by construction: what is filled into a template is escaped, unless it was made by one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import urlsplit


class Safe(str):
    """Text that is HTML already. Only templates of our own are."""

    __slots__ = ()


def html(template: str, **values: Any) -> Safe:
    """The template with its {names} filled in.

    >>> html("<b>{name}</b>", name="<img src=x onerror=alert(1)>")
    '<b>&lt;img src=x onerror=alert(1)&gt;</b>'
    """
    filled = {key: value if isinstance(value, Safe) else escape(str(value)) for key, value in values.items()}
    return Safe(template.format_map(filled))


def join(parts: Iterable[Safe]) -> Safe:
    """Several pieces, one after the other."""
    return Safe("".join(parts))


def link(url: str, label: str) -> Safe:
    """A link that opens only http and https and tells the other side nothing; anything else stays plain text.

    >>> link("javascript:alert(1)", "invoice.pdf")
    'invoice.pdf'
    """
    try:
        good = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).netloc)
    except ValueError:  # such as http://[
        good = False
    if not good:
        return html("{label}", label=label)
    attributes = 'target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer"'
    return html('<a href="{url}" {attributes}>{label}</a>', url=url, attributes=Safe(attributes), label=label)


_URL = re.compile(r"(https?://[^\s<>\"']+)")


def linked(text: str) -> Safe:
    """A text with its web addresses as links."""
    return join(link(part, part) if _URL.fullmatch(part) else html("{part}", part=part) for part in _URL.split(text))
