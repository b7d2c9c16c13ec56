"""A piece of HTML on the page that changes without moving what is being read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from .look import HTML_CSS

# Panel's HTML pane replaces everything at each change: scroll, focus, selection and open details would be lost.
# This one changes only the nodes that differ, and pairs them by `data-key`.
_MORPH = """
function pair(from, to) {
  return from.nodeName === to.nodeName && from.dataset?.key === to.dataset?.key
}
function morph(from, to) {
  if (from.isEqualNode(to)) return
  if (!pair(from, to)) return from.replaceWith(to)
  if (from.nodeType !== Node.ELEMENT_NODE) { from.nodeValue = to.nodeValue; return }
  for (const {name} of [...from.attributes]) if (name !== "open" && !to.hasAttribute(name)) from.removeAttribute(name)
  for (const {name, value} of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value)
  const keyed = new Map([...from.children].filter(c => c.dataset.key).map(c => [c.dataset.key, c]))
  const stay = new Set([...to.children].map(c => c.dataset.key))
  for (const [key, node] of keyed) if (!stay.has(key)) node.remove()
  let at = from.firstChild
  for (const next of [...to.childNodes]) {
    const known = keyed.get(next.dataset?.key) ?? (at && !at.dataset?.key && pair(at, next) ? at : null)
    if (known === null) { from.insertBefore(next, at); continue }
    if (known === at) at = at.nextSibling; else from.insertBefore(known, at)
    morph(known, next)
  }
  while (at) { const gone = at; at = at.nextSibling; gone.remove() }
}
const ends = root => [...root.querySelectorAll("[data-follow]")]
const atEnd = box => box.scrollHeight - box.scrollTop - box.clientHeight < 40
// The browser keeps the page when the server is gone: say so, and load it anew when the server is back.
function watchConnection(document_, root) {
  const small = "static/extensions/panel/css/loading.css"
  const wait = () => setTimeout(again, 1000)
  const again = () => fetch(small, {cache: "no-store"}).then(() => location.reload(), wait)
  document_.on_event("connection_lost", () => {
    if (!root.classList.contains("lost")) again()
    root.classList.add("lost")
  })
}
export function render({model, view}) {
  const root = document.createElement("div")
  const follow = boxes => boxes.forEach(box => { box.scrollTop = box.scrollHeight })
  const update = () => {
    const before = new Map(ends(root).map(box => [box.dataset.follow, atEnd(box)]))
    const next = document.createElement("div")
    next.innerHTML = model.html
    morph(root, next)
    follow(ends(root).filter(box => before.get(box.dataset.follow) ?? true))
    if (ends(root).some(box => before.size && !before.has(box.dataset.follow))) root.scrollIntoView({block: "nearest"})
  }
  root.addEventListener("click", event => {
    const chosen = event.target.closest("[data-pick]")
    if (chosen) model.send_msg({pick: chosen.dataset.pick})
  })
  update()
  if (model.watches) watchConnection(view.model.document, root)
  model.on("html", update)
  let shown = false  // before the first layout nothing has a height, so that nothing could be scrolled
  model.on("after_layout", () => { if (!shown) follow(ends(root)); shown = true })
  return root
}
"""


class Html(JSComponent):
    """HTML that is morphed, not replaced. A click on an element with `data-pick` calls `on_pick` with its value.

    An element with `data-follow` keeps showing its end, as long as the reader has not scrolled away from it.
    """

    html = param.String(default="", doc="Trusted HTML: what comes from strangers was escaped before.")
    watches = param.Boolean(default=False, doc="Whether it gets the class `lost` while the server is away.")

    _esm = _MORPH
    _stylesheets: ClassVar[list[str]] = [HTML_CSS]

    def __init__(self, *, on_pick: Callable[[str], None] | None = None, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, **params})
        self._on_pick = on_pick

    def _handle_msg(self, msg: Any) -> None:
        if self._on_pick and isinstance(msg, dict) and isinstance(msg.get("pick"), str):
            self._on_pick(msg["pick"])
