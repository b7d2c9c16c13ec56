"""The id map as a picture in HTML, for lessons and dashboard alike: no ipywidgets here, and no script."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from ..lines import safe
from ..store.ids import Id, IdMap, Thing

_GRID = "display:grid;grid-template-columns:minmax(0,1fr) auto minmax(0,1fr);gap:6px 8px;align-items:stretch"
_CARD = (
    "border-radius:6px;padding:5px 9px;background:rgba({0},.10);border-left:3px solid rgb({0});overflow-wrap:anywhere"
)
_OURS, _KOMMOS = _CARD.format("61,111,216"), _CARD.format("31,140,85")
_CODE = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12.5px"
_SMALL = "font-size:11.5px;opacity:.78"
_BAD = "color:var(--jp-error-color0, #b71c1c)"


def ids_html(found: IdMap) -> str:
    """The map: on the left our ids, on the right Kommo's, in the middle what both name; times in UTC.

    Under each id stands where it was seen first: the call or hook with its raw row, the place in it, and when.
    """
    parts = [_lines(found.answers, "")]
    if found.things:
        heads = ("<b>Your side</b>", "", "<b>Kommo's side</b>")
        rows = [cell for thing in found.things if thing.ids for cell in _row(thing)]
        parts.append(f"<div style='{_GRID}'>{''.join(f'<div>{head}</div>' for head in heads)}{''.join(rows)}</div>")
    parts.append(_lines(found.warnings, _BAD))
    layout = "max-width:860px;font-size:13px;line-height:1.45;display:flex;flex-direction:column;gap:10px"
    return f"<div style='{layout}'>{''.join(parts)}</div>"


def _lines(texts: tuple[str, ...], look: str) -> str:
    shown = "".join(f"<div style='overflow-wrap:anywhere'>{escape(safe(text))}</div>" for text in texts)
    return f"<div style='{look}'>{shown}</div>" if texts else ""


def _row(thing: Thing) -> tuple[str, str, str]:
    """A thing between its two names."""
    label = safe(thing.label)
    shown = label if len(label) <= 40 else f"{label[:39]}…"
    middle = f"<b>{escape(thing.what)}</b><div style='{_SMALL}'>{escape(shown)}</div>"
    between = f"<div style='text-align:center;align-self:center;max-width:110px;overflow-wrap:anywhere'>{middle}</div>"
    return _card(thing.ours, _OURS), between, _card(thing.kommos, _KOMMOS)


def _card(id_: Id | None, look: str) -> str:
    if id_ is None:
        return "<div></div>"
    time = datetime.fromtimestamp(id_.at_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")
    source = f"{id_.event} · {id_.kind} · {id_.place} · {time}"
    lines = ((_SMALL, id_.name), (_CODE, safe(id_.value)), (_SMALL, source))
    shown = "".join(f"<div style='{each}'>{escape(text)}</div>" for each, text in lines)
    return f"<div style='{look}'>{shown}</div>"
