"""The look: a few colours with a meaning each, for light and dark, and the style sheets that use them.

The tests measure the contrast of every pair that stands on one another.
"""

from __future__ import annotations

LIGHT = {
    "page": "#f4f5f7",
    "surface": "#ffffff",
    "line": "#dfe3e8",
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
}
DARK = {
    "page": "#0e1115",
    "surface": "#171b21",
    "line": "#2b323c",
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
}
FONT = 'Roboto, system-ui, -apple-system, "Segoe UI", sans-serif'


def palette(dark: bool) -> dict[str, str]:
    """The colours by meaning."""
    return DARK if dark else LIGHT


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
.mui-light {{ {_variables(LIGHT)} color-scheme: light; }}
.mui-dark {{ {_variables(DARK)} color-scheme: dark; }}
.main {{ background: var(--page) !important; }}
.header {{ background: var(--surface) !important; color: var(--ink) !important; box-shadow: none !important;
  border-bottom: 1px solid var(--line); }}
.header .title {{ color: var(--ink) !important; font-size: 18px; font-weight: 700; letter-spacing: -.01em;
  white-space: nowrap; }}
"""

GRID_CSS = """
:host { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 16px;
  padding: 20px 24px 40px; width: 100%; max-width: 1520px; margin: 0 auto; box-sizing: border-box;
  flex: none !important; min-width: 0 !important; height: auto !important; max-height: none !important; }
:host > * { grid-column: 1 / -1; width: auto !important; min-width: 0; max-height: none !important; }
@media (min-width: 1100px) {
  :host > .two-thirds { grid-column: span 8; }
  :host > .third, :host > .list { grid-column: span 4; }
  :host > .quarter { grid-column: span 3; }
  :host > .reading { grid-column: span 5; }
}
@media (min-width: 700px) and (max-width: 1099px) { :host > .quarter, :host > .list { grid-column: span 6; } }
@media (max-width: 699px) { :host { padding: 12px 12px 32px; gap: 12px; } }
"""

FILTER_CSS = """
:host { display: flex; flex-flow: row wrap; align-items: center; gap: 12px 20px; min-width: 0 !important; }
"""

CARD_CSS = """
:host { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px;
  box-sizing: border-box; height: auto !important; overflow: visible; }
:host { gap: 8px; }
:host > * { max-height: none !important; }
:host > .fill { flex: 1 0 auto !important; height: auto !important; }
@media (max-width: 699px) { :host { padding: 14px 16px; } }
"""

HTML_CSS = f"""
:host {{ font: 14px/1.45 {FONT}; color: var(--ink); font-variant-numeric: tabular-nums; }}
:host(:hover), :host(:focus-within) {{ z-index: 3; }}
* {{ box-sizing: border-box; }}
h2, p, ol, ul, dl, dd {{ margin: 0; padding: 0; list-style: none; }}
h2 {{ font-size: 15px; font-weight: 700; }}
a {{ color: var(--accent); overflow-wrap: anywhere; }}
button {{ font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; cursor: pointer; }}
:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 1px; border-radius: 6px; }}
code {{ font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }}
.sub {{ color: var(--soft); font-size: 13px; }}
.number {{ font-size: 28px; line-height: 1.2; font-weight: 700; letter-spacing: -.02em; }}
.failed {{ color: var(--failed); }}
.good {{ color: var(--read); }}
.rows > * + * {{ border-top: 1px solid var(--line); }}
.line {{ display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }}
.empty {{ color: var(--soft); padding: 28px 0; text-align: center; }}

.head {{ display: flex; align-items: center; gap: 2px 6px; margin-bottom: 4px; flex-wrap: wrap; position: relative; }}
.head h2 {{ overflow-wrap: anywhere; min-width: 0; }}
.head .sub {{ flex-basis: 100%; }}
.info {{ width: 18px; height: 18px; border-radius: 50%; color: var(--soft); border: 1px solid var(--line); flex: none;
  font-size: 11px; line-height: 16px; text-align: center; cursor: help; }}
[role=tooltip] {{ position: absolute; top: 26px; left: 0; right: 0; max-width: 440px; padding: 10px 12px; z-index: 5;
  border-radius: 8px; background: var(--ink); color: var(--surface); font-size: 13px; visibility: hidden; }}
.info:hover + [role=tooltip], .info:focus-visible + [role=tooltip] {{ visibility: visible; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 18px; }}
.legend b {{ margin-left: 4px; color: var(--ink); }}
.key {{ display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }}

.strip {{ display: grid; gap: 16px; grid-template-columns: repeat(5, minmax(0, 1fr)); }}
.tile {{ background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px 12px;
  display: flex; flex-direction: column; gap: 2px; min-height: 144px; }}
.tile .head {{ margin: 0; }}
.tile h2 {{ font-weight: 400; font-size: 13px; color: var(--soft); }}
.tile svg {{ width: 100%; height: 34px; margin-top: auto; display: block; overflow: visible; }}
.tile .note {{ margin-top: auto; }}
@media (max-width: 1099px) {{
  .strip {{ grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 12px; }}
  .tile {{ grid-column: span 2; }}
  .tile:nth-child(-n+2) {{ grid-column: span 3; }}
}}
@media (max-width: 699px) {{
  .tile:nth-child(n) {{ grid-column: span 3; padding: 12px 14px; }}
  .tile:first-child {{ grid-column: span 6; min-height: 128px; }}
}}

.stage {{ padding: 7px 0; }}
.stage b {{ display: inline-block; min-width: 64px; text-align: right; }}
.bar {{ height: 10px; border-radius: 5px; margin-top: 5px; background: var(--page); }}
.bar i {{ display: block; height: 100%; border-radius: 5px; transition: width .3s; }}
.bar .sent {{ background: var(--sent); }}
.bar .delivered {{ background: var(--delivered); }}
.bar .read {{ background: var(--read); }}
.bar .failed {{ background: var(--failed); }}
.bar .not_reported {{ background: repeating-linear-gradient(115deg, var(--sent) 0 3px, var(--page) 3px 6px); }}
.part {{ margin-top: 14px; }}
.part .head {{ margin-bottom: 2px; }}
.part h2 {{ font-size: 13px; }}
.reason {{ padding: 7px 0; font-size: 13px; }}

.scroll {{ overflow-y: auto; height: 560px; overscroll-behavior: contain; margin: 0 -10px; padding: 4px 10px 20px;
  mask: linear-gradient(#000 calc(100% - 20px), transparent); }}
.head ~ .scroll {{ height: 595px; }} /* ends where the list does that has the search above it */
.chat {{ display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 12px; width: 100%; padding: 10px;
  border-radius: 8px; }}
.chat:hover {{ background: var(--page); }}
.chat[aria-current=true] {{ background: var(--client-tint); }}
.chat .name {{ font-weight: 700; overflow-wrap: anywhere; }}
.chat .sub {{ white-space: nowrap; }}
.chat .text {{ grid-column: 1 / -1; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; overflow: hidden;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }}
.wait {{ display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: var(--client);
  margin: 0 6px 1px; }}

.name, .text, .said, h2 {{ unicode-bidi: plaintext; }}
.talk {{ display: flex; flex-direction: column; gap: 6px;
  mask: linear-gradient(transparent, #000 16px calc(100% - 20px), transparent); }}
.day {{ align-self: center; color: var(--soft); font-size: 12px; padding: 10px 0 4px; }}
.message {{ max-width: 84%; padding: 8px 12px; border-radius: 12px; align-self: flex-end; overflow-wrap: anywhere; }}
.message.client {{ align-self: flex-start; background: var(--client-tint); border-bottom-left-radius: 4px; }}
.message.manager {{ background: var(--manager-tint); border-bottom-right-radius: 4px; }}
.message.bot {{ background: var(--bot-tint); border-bottom-right-radius: 4px; }}
.who {{ font-size: 12px; font-weight: 700; }}
.said {{ white-space: pre-wrap; }}
.foot {{ display: flex; flex-wrap: wrap; justify-content: flex-end; align-items: center; gap: 2px 8px; margin-top: 2px;
  font-size: 12px; color: var(--soft); }}
.client .foot {{ justify-content: flex-start; }}
.foot .failed {{ order: 1; flex-basis: 100%; text-align: right; }}
.quote {{ border-left: 3px solid var(--sent); padding-left: 8px; margin: 2px 0 6px; font-size: 13px;
  color: var(--soft); }}
.file {{ display: flex; flex-wrap: wrap; gap: 0 8px; align-items: baseline; padding: 2px 0; }}
.ticks {{ display: inline-flex; gap: 4px; align-items: center; }}
.ticks svg {{ width: 18px; height: 11px; color: var(--soft); }}
.ticks.delivered svg {{ color: var(--delivered); }}
.ticks.read svg {{ color: var(--read); }}
.reactions {{ font-size: 14px; }}
summary {{ cursor: pointer; list-style: none; padding: 0 4px; }}
details[open] {{ flex-basis: 100%; }}
dl {{ display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0 10px; text-align: left; padding: 4px 0; }}

.status {{ display: flex; align-items: center; gap: 8px; color: var(--soft); font-size: 13px; white-space: nowrap; }}
.lamp {{ width: 8px; height: 8px; border-radius: 50%; background: var(--sent); flex: none; }}
.lamp.on {{ background: var(--read); }}
.status .gone, .lost .status span {{ display: none; }}
.lost .status .gone {{ display: inline; color: var(--failed); }}
.lost .lamp {{ background: var(--failed); }}
.notice {{ max-width: 640px; margin: 7vh auto; background: var(--surface); border: 1px solid var(--line);
  border-radius: 12px; padding: 32px 36px; }}
.notice h2 {{ font-size: 22px; margin-bottom: 6px; }}
.notice ol {{ margin: 22px 0; display: grid; gap: 16px; }}
.notice li {{ display: grid; gap: 6px; }}
.notice code {{ background: var(--page); border: 1px solid var(--line); padding: 6px 10px; border-radius: 6px; }}
.notice .sub {{ margin-top: 16px; overflow-wrap: anywhere; }}
@media (max-width: 699px) {{
  .notice {{ padding: 20px; margin: 16px 12px; }}
  .message {{ max-width: 94%; }}
  .scroll, .head ~ .scroll {{ height: auto; max-height: 360px; }}
  .head ~ .talk {{ max-height: 480px; }}
  .status {{ font-size: 12px; }}
  .status .word {{ display: none; }}
}}
"""
