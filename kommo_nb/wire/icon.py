"""Checking the icon of a channel: an SVG of 14x14 px, round or inside a circle, that uses nothing outside the file.

Source: Kommo page "Step 1: Register a new channel"; the limit of 100 KB is amocrm.ru's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import cos, dist, nan, sin, tau
from xml.etree import ElementTree

_UNREAD = re.compile(r"<!doctype|<!entity|<\?xml-stylesheet", re.IGNORECASE)
_FOREIGN = re.compile(
    r"^script |^foreignObject |\bon\w+=|href=(?!#)|javascript:|@import|url\(\s*+['\"]?+(?!#)", re.IGNORECASE
)
_NUMBER = r"[-+]?(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][-+]?[0-9]++)?"  # possessive: no long search in hostile digits
Point = tuple[float, float]


def check_icon(svg: str) -> list[str]:
    """What is wrong with an icon, in plain words; empty when it is good. Never raises.

    Checked: its size, its form, that it uses nothing outside the file, and that each rect, circle, ellipse, line,
    polygon and polyline stays inside the circle that the view holds. Not checked, so look at it: paths, text, the width
    of strokes, style sheets, and what has a transform, is clipped, or is only defined.
    """
    if len(svg.encode(errors="replace")) > 100 * 1024:
        return ["It is larger than 100 KB: simplify its paths."]
    if _UNREAD.search(svg):  # entities can grow without limit, so they are refused unread
        return ["It has a DOCTYPE, an ENTITY or an xml-stylesheet: remove that line."]
    try:
        root = ElementTree.fromstring(svg)  # noqa: S314 - without a DOCTYPE there is no entity to expand or to load
    except (ElementTree.ParseError, ValueError, LookupError):
        return ["It is not well-formed XML: export it again from your drawing program."]
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        return ['Its root is not svg: begin with <svg xmlns="http://www.w3.org/2000/svg">.']
    alone = not any(_FOREIGN.search(_words(element)) for element in root.iter())
    found = [] if alone else ["It has a script or a link: keep only what is drawn in the file itself."]
    return found + (_wrong_size(root) or _not_round(root))


def _words(element: ElementTree.Element) -> str:
    attributes = " ".join(f"{_local(name)}={value.strip()}" for name, value in element.attrib.items())
    return f"{_local(element.tag)} {attributes} {element.text or ''}"


def _wrong_size(root: ElementTree.Element) -> list[str]:
    box, given = _box(root), [root.get("width"), root.get("height")]
    size = box[2:] if given == [None, None] else [_length(text or "", nan) for text in given]
    if size != [14, 14]:
        return ['Its size is not 14x14 px: write width="14" height="14".']
    return [] if len(box) == 4 and box[2] == box[3] > 0 else ['Its view is not a square: write viewBox="0 0 14 14".']


def _not_round(root: ElementTree.Element) -> list[str]:
    left, top, side, _ = _box(root)
    centre, radius = (left + side / 2, top + side / 2), side / 2 * 1.01  # 1 %: drawing programs round their numbers
    names = {_local(each.tag) for each in _painted(root) if any(dist(p, centre) > radius for p in _outline(each, side))}
    return [f"It reaches outside the circle ({', '.join(sorted(names))}): shrink or round it."] if names else []


def _box(root: ElementTree.Element) -> list[float]:
    return _numbers(root.get("viewBox", "0 0 14 14" if "width" in root.attrib else ""))


def _painted(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """What is filled or stroked just where its numbers say. Without recursion: a hostile file may nest deep."""
    waiting = [(root, "black", "none")]
    while waiting:
        element, fill, stroke = waiting.pop()
        if "transform" in element.attrib or _local(element.tag) in ("defs", "symbol", "clipPath", "mask"):
            continue
        fill, stroke = _paint(element, "fill", fill), _paint(element, "stroke", stroke)
        waiting += [(child, fill, stroke) for child in element]
        if not fill == stroke == "none":
            yield element


def _paint(element: ElementTree.Element, name: str, inherited: str) -> str:
    style = re.search(rf"(?:^|;)\s*{name}\s*:\s*([^;]*)", element.get("style", ""))
    return style[1].strip() if style else element.get(name, inherited)


def _outline(element: ElementTree.Element, side: float) -> list[Point]:
    def get(name: str, other: str = "") -> float:
        return _length(element.get(name, element.get(other, "0")), side)

    match _local(element.tag):
        case "circle" | "ellipse":
            return _ellipse(get("cx"), get("cy"), get("rx", "r"), get("ry", "r"))
        case "line":
            return [(get("x1"), get("y1")), (get("x2"), get("y2"))]
        case "polygon" | "polyline":
            numbers = _numbers(element.get("points", ""))
            return list(zip(numbers[::2], numbers[1::2], strict=False))
        case "rect":
            x, y, width, height = map(get, ("x", "y", "width", "height"))
            rx, ry = min(get("rx", "ry"), width / 2), min(get("ry", "rx"), height / 2)
            centres = [(cx, cy) for cx in (x + rx, x + width - rx) for cy in (y + ry, y + height - ry)]
            return [point for cx, cy in centres for point in _ellipse(cx, cy, rx, ry)]
    return []


def _ellipse(cx: float, cy: float, rx: float, ry: float) -> list[Point]:
    return [(cx + rx * cos(tau * step / 32), cy + ry * sin(tau * step / 32)) for step in range(32)]


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(_NUMBER, text)]


def _length(text: str, whole: float) -> float:
    """A length in user units. One in a unit that is not px or % is nan, and nan is outside of nothing."""
    known = re.fullmatch(rf"({_NUMBER})(px|%)?", text.strip())
    return float(known[1]) * (whole / 100 if known[2] == "%" else 1) if known else nan


def _local(name: str) -> str:
    return name.rpartition("}")[2]
