"""The fourth tab: whether hooks come, fit, and are acknowledged in time; and whose time window runs out."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from kommo_nb import metrics

from .markup import Safe, html, join
from .parts import View, ago, empty, head, length, milliseconds, moment, table, tile
from .talks import chat_row

LISTED = 100


def cards(view: View) -> dict[str, Safe]:
    """The cards by name."""
    rows = metrics.hook_health(view.store, view.where)
    health = dict(zip(rows["metric"], rows["value"], strict=True))
    return {
        "health": strip(view, health),
        "acks": acks_card(view, health),
        "verdicts": verdicts_card(view),
        "problems": problems_card(view),
        "expiring": expiring_card(view),
        "windows": windows_card(view),
    }


def strip(view: View, health: dict[str, float]) -> Safe:
    """The receiver in numbers."""
    about = metrics.definition(metrics.hook_health)
    since = health["since_last_hook"]
    at, passed = "–", "none in this period"
    if not math.isnan(since):  # the time of it stays true while the page waits for the next
        at = ago(moment(view.now_ms - int(since * 1000)), view, exact=True)
        passed = f"{length(since)} ago" if since >= 60 else "a moment ago"
    count = {name: f"{value:,.0f}" for name, value in health.items() if not math.isnan(value)}
    good = {"refused": "all were accepted", "duplicates": "none came twice", "problems": "all could be read"}
    bad = {"refused": f"{count['refused']} refused", "duplicates": "brought a message again", "problems": "not read"}
    said = {name: bad[name] if health[name] else good[name] for name in good}
    tone = {name: "failed" if health[name] else "" for name in ("refused", "problems")}
    tiles = [
        tile("Last hook", at, passed, about=about),
        tile("Hooks", count["hooks"], html('<span class="{t}">{s}</span>', t=tone["refused"], s=said["refused"]),
             about=about),
        tile("Slower than 5 s", count["too_slow"], "Kommo's limit for an answer", about=about,
             tone="failed" if health["too_slow"] else ""),
        tile("Duplicates", count["duplicates"], said["duplicates"], about=about),
        tile("Problems", count["problems"], said["problems"], about=about, tone=tone["problems"]),
    ]  # fmt: skip
    return html('<div class="strip low">{tiles}</div>', tiles=join(tiles))


_ACKS = {"ack_p50": "Median", "ack_p99": "99 of 100 within", "ack_worst": "Slowest"}


def acks_card(view: View, health: dict[str, float]) -> Safe:
    """How long hooks waited for their acknowledgement, on a logarithmic scale up to Kommo's limit."""
    title = head("Acknowledgement", "From the whole hook received to its commit; Kommo's limit is 5 s",
                 about=metrics.hook_health, csv="health", note=view.of_chats)  # fmt: skip
    if math.isnan(health["ack_p50"]):
        hooks = "No acknowledgement was measured" if health["hooks"] else "No hook"
        return join([title, empty(f"{hooks} in this period.")])
    rows = join(_ack(label, health[name]) for name, label in _ACKS.items())
    ends = '<div class="line sub ends"><span>0.1 ms</span><span>logarithmic</span><span>5 s</span></div>'
    return join([title, rows, Safe(ends)])


def _ack(label: str, ack_ms: float) -> Safe:
    width = math.log(max(ack_ms, 0.1) / 0.1) / math.log(metrics.ACK_LIMIT_MS / 0.1)
    tone = "failed" if ack_ms > metrics.ACK_LIMIT_MS else "read"
    return html(
        '<div class="stage"><div class="line"><span>{label}</span><b>{value}</b></div>'
        '<div class="bar limit"><i class="{tone}" style="width:{width}%"></i></div></div>',
        label=label,
        value=milliseconds(ack_ms),
        tone=tone,
        width=f"{min(100 * width, 100):.1f}",
    )


_VERDICTS = {
    "valid": "Valid",
    "valid_trimmed": "Valid, without the newline at the end",
    "missing": "No signature",
    "mismatch": "Wrong signature",
}


def verdicts_card(view: View) -> Safe:
    """What the signatures said, and how the hooks were answered."""
    verdicts = metrics.verdicts(view.store, view.where)
    rows = (
        (_VERDICTS.get(row.verdict, row.verdict), row.http_status, ago(row.last_at, view, exact=True), f"{row.hooks:,}")
        for row in verdicts.itertuples()
    )
    names = {"Signature": "", "Answer": "short", "Last": "short", "Hooks": "num"}
    title = head("Verdicts", about=metrics.verdicts, csv="verdicts", note=view.of_chats)
    return join([title, table(names, rows, none="No hook in this period.")])


def problems_card(view: View) -> Safe:
    """What came and could not be read."""
    problems = metrics.problems(view.store, view.where)
    rows = ((row.reason, ago(row.last_at, view, exact=True), f"{row.hooks:,}") for row in problems.itertuples())
    names = {"Reason": "", "Last": "short", "Hooks": "num"}
    title = head("Problems", about=metrics.problems, csv="problems", note=view.of_chats)
    return join([title, table(names, rows, none="Every hook could be read.")])


def expiring_card(view: View) -> Safe:
    """The time windows in numbers."""
    windows = metrics.expiring(view.store, view.where, now_ms=view.now_ms)
    rows = (
        ("Expired" if row.window == "expired" else f"End within {row.window}", f"{row.chats:,}", _unanswered(row))
        for row in windows.itertuples()
    )
    names = {"Time windows": "", "Chats": "num", "Unanswered": "num"}
    title = head("Time windows", "Now", about=metrics.expiring, csv="expiring", note=view.of_chats)
    rule = "A window begins anew with each message of the client, and lasts 24 h."
    return join([title, table(names, rows, none=""), html('<p class="sub rule-of">{rule}</p>', rule=rule)])


def _unanswered(row: Any) -> Safe:
    tone = "failed" if row.unanswered else ""
    return html('<b class="{tone}">{count}</b>', tone=tone, count=f"{row.unanswered:,}")


def windows_card(view: View) -> Safe:
    """The chats whose window ends next, then those whose window ended unanswered."""
    windows = metrics.time_windows(view.store, view.where, now_ms=view.now_ms, limit=LISTED)
    title = head("Ending next", "Then those that expired unanswered", about=metrics.time_windows, csv="windows",
                 note=view.of_chats)  # fmt: skip
    if windows.empty:
        return join([title, empty("No time window is open, and none expired unanswered.")])
    rows = join(chat_row(row, view, right=_left(row), said=_state(row)) for row in windows.itertuples())
    template = '<ul class="scroll rows fit" data-key="list" data-still aria-label="Time windows">{rows}</ul>'
    return join([title, html(template, rows=rows)])


def _left(row: pd.Series) -> Safe:
    if row.left_s > 0:
        return html("{left} left", left=length(int(row.left_s)))
    return html('<span class="failed">expired {ago} ago</span>', ago=length(int(-row.left_s)))


def _state(row: pd.Series) -> str:
    return "waits for an answer" if row.unanswered else "answered"
