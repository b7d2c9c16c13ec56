"""The look: a few colours with a meaning each, for light and dark, and what Panel and Material UI must know of them.

The style sheets are in style.css. The tests measure the contrast of every pair that stands on one another.
"""

from __future__ import annotations

from pathlib import Path

LIGHT = {
    "page": "#f4f5f7",
    "surface": "#ffffff",
    "line": "#dfe3e8",
    "control": "#848e9b",
    "ink": "#171b21",
    "soft": "#5a6470",
    "accent": "#2f5fd0",
    "client": "#3b69dc",
    "client_tint": "#eaf0fd",
    "manager": "#b97509",
    "manager_tint": "#fcf2e0",
    "bot": "#768191",
    "bot_tint": "#eef0f3",
    "sent": "#818c9a",
    "delivered": "#48997a",
    "read": "#0f7552",
    "failed": "#c0392b",
    "not_reported": "#8b95a2",
    "answered": "#b97509",
    "open": "#3b69dc",
}
DARK = {
    "page": "#0e1115",
    "surface": "#171b21",
    "line": "#2b323c",
    "control": "#68727f",
    "ink": "#e9ecf0",
    "soft": "#9ea8b5",
    "accent": "#8fb1ff",
    "client": "#7fa4ff",
    "client_tint": "#1e2a45",
    "manager": "#e0a43c",
    "manager_tint": "#352a18",
    "bot": "#8c97a7",
    "bot_tint": "#252b34",
    "sent": "#7d8896",
    "delivered": "#449476",
    "read": "#5fd3a5",
    "failed": "#ff8272",
    "not_reported": "#626d7b",
    "answered": "#e0a43c",
    "open": "#7fa4ff",
}
FONT = 'Roboto, system-ui, -apple-system, "Segoe UI", sans-serif'


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name.replace('_', '-')}: {value};" for name, value in colours.items())


def theme(colours: dict[str, str]) -> dict[str, object]:
    """What Material UI wants to know of a palette."""
    text = {"primary": colours["ink"], "secondary": colours["soft"]}
    background = {"default": colours["page"], "paper": colours["surface"]}
    return {
        "palette": {
            "primary": {"main": colours["accent"], "contrastText": colours["surface"]},
            "text": text,
            "background": background,
            "divider": colours["line"],
        },
        "typography": {"fontFamily": FONT, "button": {"textTransform": "none"}},
        "shape": {"borderRadius": 10},
    }


THEME = {"light": theme(LIGHT), "dark": theme(DARK)}

# Colours are variables on the page's root: everything inside follows a change of theme without a word to the server.
PAGE_CSS = f"""
.mui-light {{ {_variables(LIGHT)} --font: {FONT}; color-scheme: light; }}
.mui-dark {{ {_variables(DARK)} --font: {FONT}; color-scheme: dark; }}
.main {{ background: var(--page) !important; }}
.header {{ background: var(--surface) !important; color: var(--ink) !important; box-shadow: none !important;
  border-bottom: 1px solid var(--line); }}
.header .title {{ color: var(--ink) !important; font-size: 18px; font-weight: 700; letter-spacing: -.01em;
  white-space: nowrap; }}
"""

_BOTH = " ".join(f"--{name.replace('_', '-')}: light-dark({value}, {DARK[name]});" for name, value in LIGHT.items())
# Stands before the page until that is ready, and looks the same.
SNAPSHOT_CSS = f"""
#snapshot {{ {_BOTH} --font: {FONT}; color-scheme: light dark; position: fixed; inset: 0; z-index: 2000;
  overflow: hidden; background: var(--page); font-family: var(--font); }}
#snapshot header {{ display: flex; align-items: center; justify-content: space-between; gap: 16px;
  box-sizing: border-box; height: 69px; margin-bottom: 3px; padding: 0 24px; background: var(--surface);
  border-bottom: 1px solid var(--line); color: var(--soft); font-size: 13px; }}
#snapshot header b {{ color: var(--ink); font-size: 18px; letter-spacing: -.01em; white-space: nowrap; }}
#snapshot header p {{ display: grid; text-align: right; align-items: center; }}
#snapshot header :is(i, em) {{ grid-area: 1 / 1; font-style: normal; animation: away 1ms 10s forwards; }}
#snapshot header em {{ color: var(--failed); animation: away 10s; }}
@keyframes away {{ from, to {{ visibility: hidden; }} }}
@media (max-width: 599px) {{ #snapshot header {{ height: 61px; padding: 0 16px; }} }}
"""

# The cards stand on twelve columns; on a narrow page each takes all of them.
GRID_CSS = """
:host { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 16px;
  padding: 0 24px 40px; width: 100%; max-width: 1520px; margin: 0 auto; box-sizing: border-box;
  flex: none !important; min-width: 0 !important; height: auto !important; max-height: none !important; }
:host > .scroll-button { display: none; }
:host > * { grid-column: 1 / -1; width: auto !important; min-width: 0; max-height: none !important; }
@media (min-width: 1100px) {
  :host > .w3 { grid-column: span 3; } :host > .w4 { grid-column: span 4; } :host > .w5 { grid-column: span 5; }
  :host > .w7 { grid-column: span 7; } :host > .w8 { grid-column: span 8; }
}
@media (max-width: 699px) { :host { padding: 0 12px 32px; gap: 12px; } }
"""

CARD_CSS = """
:host { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px;
  box-sizing: border-box; height: auto !important; overflow: visible; display: flex; flex-direction: column; }
@media (max-width: 699px) { :host { padding: 14px 16px; } }
"""

HTML_CSS = Path(__file__).with_name("style.css").read_text("utf-8")
