"""What the widgets share in looks; JupyterLab's own colours, so that light and dark both fit."""

from __future__ import annotations

import ipywidgets as w

GOOD, BAD = "var(--jp-success-color0, #1b5e20)", "var(--jp-error-color0, #b71c1c)"
NOTE = f"color:{BAD};line-height:1.4;white-space:normal"
PRE = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5;margin:0"
WIDE = w.Layout(width="auto", flex="1 1 auto")
CODE = "kommo-nb-code"
"""The class of fields that hold code."""
CODE_STYLE = f"<style>.{CODE} :is(select,textarea) {{font-family: var(--jp-code-font-family, monospace)}}</style>"
