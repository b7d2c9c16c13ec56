"""The cards as HTML: tables in, text out, no Panel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from kommo_nb import metrics

from .charts import AUTHORS, sparkline
from .markup import Safe, html, join, link, linked

# --- numbers and times ------------------------------------------------------------------------------------------------


def share(value: float) -> str:
    """A share as per cent, or a dash where there is none."""
    return "–" if pd.isna(value) else f"{100 * value:.1f} %"


def length(seconds: int) -> str:
    """A length of time in its two largest units.

    >>> length(59), length(3_600), length(200_000)
    ('59 s', '1 h 0 min', '2 d 7 h')
    """
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"


def clock(at: pd.Timestamp, tz: str, form: str = "{0:%H:%M}") -> str:
    """A time in a time zone; a dash for one outside the calendar, which a hook may well claim."""
    try:
        return form.format(at.to_pydatetime().astimezone(ZoneInfo(tz)))
    except (OverflowError, ValueError):
        return "–"


def ago(at: pd.Timestamp, tz: str, now_ms: int, *, exact: bool = False) -> str:
    """The time of day if it was today, else the day; both if it is to be exact."""
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(tz))
    day = clock(at, tz, "{0:%Y-%m-%d}")
    if day == f"{today:%Y-%m-%d}":
        return clock(at, tz, "{0:%H:%M:%S}" if exact else "{0:%H:%M}")
    date = "{0.day} {0:%b}" if day[:4] == f"{today:%Y}" else "{0.day} {0:%b %Y}"
    return clock(at, tz, date + " {0:%H:%M}" * exact)


def size(count: float) -> str:
    """A number of bytes.

    >>> size(300), size(40_000), size(3_000_000)
    ('1 KB', '39 KB', '2.9 MB')
    """
    return f"{count / 2**20:,.1f} MB" if count >= 2**20 else f"{max(count / 1024, 1):,.0f} KB"


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


# --- the overview -----------------------------------------------------------------------------------------------------


def head(title: str, sub: str = "", *, about: str) -> Safe:
    """A card's title, its definition behind a small «i» that the pointer and the keyboard find, and a line below."""
    below = html('<div class="sub">{sub}</div>', sub=sub) if sub else Safe()
    return html(
        '<div class="head"><h2>{title}</h2><button class="info" aria-label="How it is counted: {about}">i</button>'
        '<span role="tooltip" aria-hidden="true">{about}</span>{below}</div>',
        title=title,
        about=about,
        below=below,
    )


_TILES = {
    "messages": ("Messages", "accent", metrics.volume),
    "delivered": ("Delivered", "delivered", metrics.delivery_funnel),
    "read": ("Read", "read", metrics.delivery_funnel),
    "failed": ("Failed", "failed", metrics.delivery_funnel),
    "waiting": ("Waiting now", "client", metrics.waiting_now),
}
_GOOD_WHEN = {"delivered": 1, "read": 1, "failed": -1, "waiting": -1}


def strip(
    headline: pd.DataFrame, volume: pd.DataFrame, delivery: pd.DataFrame, waiting: pd.DataFrame, *, days: int
) -> Safe:
    """The headline numbers, each with its change and its course."""
    courses = {"messages": volume[list(AUTHORS)].sum(axis=1)}
    courses |= {stage: delivery[stage] / delivery["sent"].where(delivery["sent"] > 0) for stage in metrics.STAGES[1:4]}
    lines = {metric: Safe(sparkline(list(course), _TILES[metric][1])) for metric, course in courses.items()}
    longest = f"longest: {length(waiting['waiting_s'].iloc[0])}" if len(waiting) else "everybody has an answer"
    lines["waiting"] = html('<div class="sub note">{longest}</div>', longest=longest)
    return html(
        '<div class="strip">{tiles}</div>',
        tiles=join(_tile(row, lines[row.metric], days) for row in headline.itertuples() if row.metric in _TILES),
    )


def _tile(row: Any, line: Safe, days: int) -> Safe:
    title, _, metric = _TILES[row.metric]
    return html(
        '<div class="tile">{head}<div class="number">{value}</div><div class="sub">{change}</div>{line}</div>',
        head=head(title, about=f"{metrics.definition(metric)} {metrics.definition(metrics.headline)}"),
        value=share(row.value) if row.unit == "share of sent" else f"{row.value:,.0f}",
        change=_change(row, days),
        line=line,
    )


def _change(row: Any, days: int) -> Safe:
    now = row.metric == "waiting"
    before = f"{days} days ago" if now else f"the {days} days before"
    if pd.isna(row.change):
        return html("none {before}", before=before if now else f"in {before}")
    amount = f"{abs(100 * row.change):.1f} {'pt' if row.unit == 'share of sent' else '%'}"
    if amount.startswith("0.0 "):
        return html("as in {before}", before=before)
    gain = _GOOD_WHEN.get(row.metric, 0) * row.change
    tone = "good" if gain > 0 else "failed" if gain < 0 else ""
    sign = f"{'▲' if row.change > 0 else '▼'} {amount}"
    return html('<span class="{tone}">{sign}</span> on {before}', tone=tone, sign=sign, before=before)


def volume_head(volume: pd.DataFrame, *, days: int) -> Safe:
    """The chart's title and its legend, which stands above the data, never over it."""
    key = '<span><i class="key" style="background:var(--{who})"></i>{name} <b>{count}</b></span>'
    keys = (html(key, who=who, name=who.capitalize(), count=f"{volume[who].sum():,}") for who in AUTHORS)
    legend = html('<span class="legend">{keys}</span>', keys=join(keys))
    return head(f"Messages, last {days} days", legend, about=metrics.definition(metrics.volume))


_STAGES = {"sent": "Sent by the CRM", "not_reported": "Not reported yet"}


def funnel(stages: pd.DataFrame, failed: pd.DataFrame) -> Safe:
    """How far messages got, as bars, and below them why some failed."""
    title = head("Delivery", "What the CRM sent through the channel", about=metrics.definition(metrics.delivery_funnel))
    rows = join(_stage(row) for row in stages.itertuples())
    if failed.empty:
        return join([title, rows])
    reasons = join(_reason(row) for row in failed.head(5).itertuples())
    why = head("Why they failed", about=metrics.definition(metrics.failures))
    return join(
        [title, rows, html('<div class="part">{why}<div class="rows">{rows}</div></div>', why=why, rows=reasons)]
    )


def _stage(row: Any) -> Safe:
    return html(
        '<div class="stage" data-key="{stage}"><div class="line"><span>{name}</span><span>{share}<b>{count}</b></span>'
        '</div><div class="bar"><i class="{stage}" style="width:{width}"></i></div></div>',
        stage=row.stage,
        name=_STAGES.get(row.stage, row.stage.capitalize()),
        share="" if row.stage == "sent" else share(row.share),
        count=f"{row.messages:,}",
        width=f"max({100 * row.share:.1f}%, 2px)" if row.messages else "0",
    )


def _reason(row: Any) -> Safe:
    return html(
        '<div class="line reason"><span><b>{code}</b> {why}</span><b>{count}</b></div>',
        code=_text(row.error_code),
        why=_text(row.error) or row.meaning,
        count=f"{row.messages:,}",
    )


# --- lists of chats ---------------------------------------------------------------------------------------------------

_NOTHING = Safe()
_WAITS = Safe('<i class="wait" role="img" aria-label="waits for an answer" title="waits for an answer"></i>')


def waiting_list(waiting: pd.DataFrame, *, chosen: str) -> Safe:
    """The chats that wait for a person, the longest wait first."""
    rows = (
        _chat(row, chosen, right=length(row.waiting_s), text=_said(row), more=" · a bot replied" * row.bot_answered)
        for row in waiting.head(100).itertuples()
    )
    title = head("Waiting now", "For a person, longest first", about=metrics.definition(metrics.waiting_now))
    rest = f"and {len(waiting) - 100:,} more" if len(waiting) > 100 else ""
    empty = "Nobody waits: every client has an answer."
    return join([title, _list(rows, label="Chats that wait", empty=empty, rest=rest)])


def chat_list(chats: pd.DataFrame, *, chosen: str, tz: str, now_ms: int) -> Safe:
    """The chats, the newest message first; a dot marks those that wait."""
    rows = (
        _chat(
            row, chosen, right=ago(row.last_at, tz, now_ms), text=_said(row), mark=_WAITS if row.waiting else _NOTHING
        )
        for row in chats.itertuples()
    )
    rest = f"The {len(chats)} newest; the search finds the others." if len(chats) == 50 else ""
    return _list(rows, label="Conversations", empty="No conversation fits the search.", rest=rest)


def _chat(row: Any, chosen: str, *, right: str, text: str, mark: Safe = _NOTHING, more: str = "") -> Safe:
    return html(
        '<li data-key="{id}"><button class="chat" data-pick="{id}" aria-current="{current}"><span class="name">{name}'
        '{mark}</span><span class="sub">{right}</span><span class="text">{text}{more}</span></button></li>',
        id=row.chat_id,
        current=str(row.chat_id == chosen).lower(),
        name=row.name,
        mark=mark,
        right=right,
        text=text,
        more=more,
    )


def _said(row: Any) -> str:
    """A message in one line: its text, or what it is; with the name of who said it, unless the client did."""
    who = getattr(row, "author", "client")
    speaker = "" if who == "client" else f"{_text(row.sender_name) or who.capitalize()}: "
    return speaker + (_text(row.text) or f"[{_text(row.type) or 'message'}]")


def _list(rows: Iterable[Safe], *, label: str, empty: str, rest: str) -> Safe:
    items = join(rows)
    if not items:
        return html('<p class="empty">{empty}</p>', empty=empty)
    more = html('<li class="day">{rest}</li>', rest=rest) if rest else _NOTHING
    template = '<ul class="scroll rows" data-key="list" aria-label="{label}">{items}{more}</ul>'
    return html(template, label=label, items=items, more=more)


# --- transcript -------------------------------------------------------------------------------------------------------


def transcript(chat: pd.DataFrame, messages: pd.DataFrame, *, chat_id: str, tz: str) -> Safe:
    """A conversation as chat bubbles, with ticks for how far each message got."""
    about = metrics.definition(metrics.transcript)
    if messages.empty:
        return join([head("Transcript", about=about), html('<p class="empty">Choose a conversation.</p>')])
    known = chat.iloc[0]
    ids = [_text(known["phone"]), _text(known["conversation_id"])]
    sub = html("{ids} <code>{chat_id}</code>", ids=" · ".join(filter(None, ids)), chat_id=chat_id)
    count, total = len(messages), known["messages"]
    cut = html('<div class="day">The last {count} of {total} messages</div>', count=count, total=total)
    days = messages["sent_at"].map(lambda at: clock(at, tz, "{0:%A}, {0.day} {0:%B %Y}"))
    parts = [
        part
        for day, day_messages in messages.groupby(days, sort=False)
        for part in (html('<div class="day" data-key="{day}">{day}</div>', day=day), *_bubbles(day_messages, tz))
    ]
    box = html(
        '<div class="scroll talk" role="log" tabindex="0" aria-label="Transcript" data-key="{id}" data-follow="{id}">'
        "{parts}</div>",
        id=chat_id,
        parts=join([cut if count < total else _NOTHING, *parts]),
    )
    return join([head(known["name"], sub, about=about), box])


def _bubbles(messages: pd.DataFrame, tz: str) -> Iterable[Safe]:
    return (bubble(row, tz=tz) for row in messages.itertuples())


def bubble(row: Any, *, tz: str) -> Safe:
    """One message."""
    parts = {
        '<div class="who">{it}</div>': ""
        if row.author == "client"
        else _text(row.sender_name) or row.author.capitalize(),
        '<div class="quote">{it}</div>': _text(row.reply_to_text) or _text(row.reply_to_id),
        "{it}": _file(row) if _text(row.media) or row.type != "text" else "",
        '<div class="said">{it}</div>': linked(_text(row.text)),
    }
    foot = {
        '<time title="{full}">{it}</time>': clock(row.sent_at, tz),
        "<span>{it}</span>": "edited" if row.edited else "",
        "{it}": _reached(row),
        '<span class="reactions" title="reactions">{it}</span>': _text(row.reactions),
        "<details><summary aria-label='ids'>⋯</summary><dl>{it}</dl></details>": _ids(row),
    }
    full = clock(row.sent_at, tz, "{0:%Y-%m-%d %H:%M:%S %Z}")
    return html(
        '<div class="message {author}" data-key="{key}">{parts}<div class="foot">{foot}</div></div>',
        author=row.author,
        key=row.message_id,
        parts=_filled(parts),
        foot=_filled(foot, full=full),
    )


def _filled(parts: dict[str, str], **more: str) -> Safe:
    """The templates whose value is there, filled with it."""
    return join(html(template, it=value, **more) for template, value in parts.items() if value)


def _file(row: Any) -> Safe:
    weight = "" if pd.isna(row.file_size) or not row.file_size else size(row.file_size)
    label = _text(row.file_name) or _text(row.media) or "no file"
    kind = _text(row.type).capitalize()
    template = '<div class="file"><b>{kind}</b> <span>{link}</span> <span class="sub">{weight}</span></div>'
    return html(template, kind=kind, link=link(_text(row.media), label), weight=weight)


_TICK = '<path d="M{0} 6l3 3 6-7" fill="none" stroke="currentColor" stroke-width="{1}"/>'
_TICKS = {
    "not reported": _TICK.format(4, 1.4),
    "delivered": _TICK.format(1, 1.4) + _TICK.format(6, 1.4),
    "read": _TICK.format(1, 2) + _TICK.format(6, 2),
}


def _reached(row: Any) -> Safe:
    """How far a message got, by a sign and in words: not everybody tells the colours apart."""
    status = _text(row.delivery)
    if status == "failed":
        why = _text(row.error) or metrics.ERROR_CODES.get(row.error_code, "")
        return html('<span class="failed">✕ failed {code} {why}</span>', code=_text(row.error_code), why=why)
    if status not in _TICKS:
        return Safe()
    svg = '<span class="ticks {tone}"><svg viewBox="0 0 18 11" aria-hidden="true">{path}</svg>{status}</span>'
    return html(svg, tone=status.replace(" ", "_"), path=Safe(_TICKS[status]), status=status)


def _ids(row: Any) -> Safe:
    ids = {"id": row.message_id, "msgid": _text(row.msgid), "reply to": _text(row.reply_to_id)}
    return join(html("<dt>{k}</dt><dd><code>{v}</code></dd>", k=k, v=v) for k, v in ids.items() if v)


# --- states of the page -----------------------------------------------------------------------------------------------


def status(last_hook_ms: int | None, *, live: bool, tz: str, now_ms: int) -> Safe:
    """Whether the page follows the store, and when the last hook came."""
    last = None if last_hook_ms is None else pd.Timestamp(datetime.fromtimestamp(last_hook_ms / 1000, UTC))
    at = "no hook yet" if last is None else f"last hook {ago(last, tz, now_ms, exact=True)}"
    now = "Live" if live else "Paused"
    said = '<span><span class="word">{now} · </span>{at}</span><b class="gone">Server gone</b>'
    lamp = "on" if live else ""
    return html(f'<div class="status"><i class="lamp {{lamp}}"></i>{said}</div>', lamp=lamp, now=now, at=at)


def empty_notice(path: str) -> Safe:
    """What to do when there is no message yet."""
    return html(
        """<div class="notice"><h2>No messages yet</h2>
        <p>This page fills by itself as soon as the first message is in the store.</p><ol>
        <li><span>Try it without an account, with a local Kommo in which people write:</span>
            <code>kommo-nb demo</code></li>
        <li><span>Or receive real hooks. Start the capture beside this page:</span>
            <code>kommo-nb capture --db {path}</code></li>
        <li><span>Then give Kommo the webhook address of your channel, and write to it:</span>
            <code>https://your-host/hooks/{{scope_id}}</code></li></ol>
        <p class="sub">Watching {path}</p></div>""",
        path=path,
    )


def error_notice(problem: str) -> Safe:
    """What went wrong, and that the page goes on trying."""
    return html(
        """<div class="notice" role="alert"><h2>The store cannot be read</h2><p>{problem}.</p>
        <p class="sub">Nothing is lost. The page tries again by itself.</p></div>""",
        problem=problem,
    )
