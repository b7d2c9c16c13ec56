// Panel's HTML pane replaces everything at each change: scroll, focus, selection and open details would be lost.
// This one changes only the nodes that differ, and pairs them by `data-key`.
function pair(from, to) {
  return from.nodeName === to.nodeName && from.dataset?.key === to.dataset?.key
}
function morph(from, to) {
  if (from.isEqualNode(to)) return
  if (!pair(from, to)) return from.replaceWith(to)
  if (from.nodeType !== Node.ELEMENT_NODE) { from.nodeValue = to.nodeValue; return }
  for (const {name} of [...from.attributes]) if (name !== "open" && !to.hasAttribute(name)) from.removeAttribute(name)
  for (const {name, value} of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value)
  if (from.nodeName === "INPUT" && from.getRootNode().activeElement !== from) from.value = to.getAttribute("value")
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
  if (from.nodeName === "SELECT") from.value = from.dataset.value
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
function save({name, text}) {
  const url = URL.createObjectURL(new Blob([text], {type: "text/csv;charset=utf-8"}))
  Object.assign(document.createElement("a"), {href: url, download: name}).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
// The whole page is busy from a choice until its answer; CSS shows that where it lasts.
const busy = on => document.documentElement.style.setProperty("--busy", on ? "busy" : "none")
// Escape hides the definition on show, wherever the focus is, until one is pointed at or focused again.
const definitions = on => document.documentElement.style.setProperty("--definitions", on ? "block" : "none")

export function render({model, view}) {
  const root = document.createElement("div")
  const follow = boxes => boxes.forEach(box => { box.scrollTop = box.scrollHeight })
  let asked = false  // whether what comes next is an answer to this reader
  let held = null  // the list that waits
  const letGo = () => { held = null; setTimeout(update) }
  const update = () => {
    // A list must not move under a pointer or a finger on the keyboard: it waits until they have left. After a touch
    // nothing leaves.
    const still = asked || !matchMedia("(hover: hover)").matches ? null : root.querySelector("[data-still]:hover, [data-still]:has(:focus-visible)")
    if (still) {
      if (still !== held) for (const left of ["mouseleave", "focusout"]) still.addEventListener(left, letGo, {once: true})
      held = still
      return
    }
    const before = new Map(ends(root).map(box => [box.dataset.follow, atEnd(box)]))
    const next = document.createElement("div")
    next.innerHTML = model.html
    morph(root, next)
    follow(ends(root).filter(box => before.get(box.dataset.follow) ?? true))
    if (ends(root).some(box => before.size && !before.has(box.dataset.follow))) root.scrollIntoView({block: "nearest"})
  }
  const say = told => { asked = true; busy(true); model.send_msg(told) }
  root.addEventListener("click", event => {
    const pressed = event.target.closest("button[data-set], button[data-do]")
    if (pressed?.closest("nav")) {  // the tab is chosen before its numbers are there
      for (const tab of pressed.parentNode.children) tab.removeAttribute("aria-current")
      pressed.setAttribute("aria-current", "page")
    }
    if (pressed?.dataset.set) say({set: JSON.parse(pressed.dataset.set)})
    else if (pressed) say({do: pressed.dataset.do, with: pressed.dataset.with})
  })
  root.addEventListener("change", event => {
    const {name, value} = event.target
    if (name) say({set: {[name]: value}})
  })
  for (const entered of ["pointerover", "focusin"])
    root.addEventListener(entered, ({target}) => { if (target.matches(".info")) definitions(true) })
  let typed
  root.addEventListener("input", ({target}) => {
    clearTimeout(typed)
    if (target.type === "search") typed = setTimeout(() => say({set: {[target.name]: target.value}}), 300)
  })
  update()
  if (model.watches) {
    watchConnection(view.model.document, root)
    addEventListener("keydown", ({key}) => { if (key === "Escape") definitions(false) })
    addEventListener("popstate", () => location.reload())  // Panel 1.9 writes the address and never reads it again
  }
  model.on("ready", () => requestAnimationFrame(() => document.querySelector("#snapshot")?.remove()))
  model.on("html", update)
  model.on("msg:custom", told => {
    if (told.name) save(told)
    asked = false
    busy(false)
  })
  let shown = false  // before the first layout nothing has a height, so that nothing could be scrolled
  model.on("after_layout", () => { if (!shown) follow(ends(root)); shown = true })
  return root
}
