"""The third tab: conversations, the transcript of one, and the raw rows behind a message."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kommo_nb import metrics

from .markup import Safe, html, join, link, linked
from .parts import NOTHING, View, ago, clock, empty, head, sets, size, text

LISTED = 50
_WAITS = Safe('<i class="wait" role="img" aria-label="waits for an answer" title="waits for an answer"></i>')


def cards(view: View) -> dict[str, Safe]:
    """The cards by name."""
    return {"chats": chats_card(view), "transcript": transcript_card(view)}


# --- lists of chats ---------------------------------------------------------------------------------------------------


def chats(view: View, *, limit: int = LISTED) -> pd.DataFrame:
    """The chats that fit the search and the filter, the newest message first."""
    state = view.state
    return metrics.conversations(
        view.store, view.where, limit=limit, search=state.search or None, waiting=state.waiting
    )


def chats_card(view: View) -> Safe:
    """The chats, with a search and a filter; a dot marks those that wait."""
    found = chats(view)
    note = f"Of any time. {view.of_chats}".strip().rstrip(".")
    title = head("Conversations", about=metrics.conversations, csv="conversations", note=note)
    choices = join(_choice(name, waiting, view) for name, waiting in (("All", False), ("Waiting", True)))
    tools = html(
        '<div class="tools"><input type="search" name="search" value="{search}" placeholder="Name, phone or id"'
        ' aria-label="Search conversations"><div class="choice" role="group" aria-label="Which">{choices}</div></div>',
        search=view.state.search,
        choices=choices,
    )
    rows = join(
        chat_row(row, view, right=ago(row.last_at, view), said=last_words(row), mark=_WAITS if row.waiting else NOTHING)
        for row in found.itertuples()
    )
    if not rows:
        fits = "No conversation fits." if view.state.search or view.state.waiting else "No conversation yet."
        return join([title, tools, empty(fits)])
    full = f"The {LISTED} newest; the search finds the others."
    more = html('<li class="day">{full}</li>', full=full) if len(found) == LISTED else NOTHING
    template = '<ul class="scroll rows" data-key="list" data-still aria-label="Conversations">{rows}{more}</ul>'
    return join([title, tools, html(template, rows=rows, more=more)])


def _choice(name: str, waiting: bool, view: View) -> Safe:
    pressed = str(view.state.waiting == waiting).lower()
    template = '<button data-set="{sets}" aria-pressed="{pressed}">{name}</button>'
    return html(template, sets=sets(waiting=waiting), pressed=pressed, name=name)


def chat_row(row: Any, view: View, *, right: str, said: str, mark: Safe = NOTHING) -> Safe:
    """A chat as a line of a list; a click opens its transcript."""
    return html(
        '<li data-key="{id}"><button class="chat" data-set="{sets}" aria-current="{current}"><span class="name">{name}'
        '{mark}</span><span class="sub">{right}</span><span class="text">{said}</span></button></li>',
        id=row.chat_id,
        sets=sets(chat=row.chat_id, tab="conversations"),
        current=str(view.state.tab == "conversations" and row.chat_id == view.state.chat).lower(),
        name=row.name,
        mark=mark,
        right=right,
        said=said,
    )


def last_words(row: Any) -> str:
    """A message in one line: its text, or what it is; with the name of who said it, unless the client did."""
    who = getattr(row, "author", "client")
    speaker = "" if who == "client" else f"{text(row.sender_name) or who.capitalize()}: "
    return speaker + (text(row.text) or f"[{text(row.type) or 'message'}]")


# --- transcript -------------------------------------------------------------------------------------------------------


def transcript_card(view: View) -> Safe:
    """A conversation as chat bubbles, with ticks for how far each message got."""
    chat_id, tz = view.state.chat, view.state.tz
    messages = metrics.transcript(view.store, chat_id)
    if messages.empty:
        return join([head("Transcript", about=metrics.transcript), empty("Choose a conversation.")])
    known = metrics.conversations(view.store, chat_id=chat_id).iloc[0]
    count, total = len(messages), known["messages"]
    cut = html('<div class="day">The last {count} of {total} messages</div>', count=count, total=total)
    days = messages["sent_at"].map(lambda at: clock(at, tz, "{0:%A}, {0.day} {0:%B %Y}"))
    parts = [cut] if count < total else []
    for day, of_day in messages.groupby(days, sort=False):
        parts.append(html('<div class="day" data-key="{day}">{day}</div>', day=day))
        parts += [bubble(row, view) for row in of_day.itertuples()]
    box = html(
        '<div class="scroll talk" role="log" tabindex="0" aria-label="Transcript" data-key="{id}" data-follow="{id}">'
        "{parts}</div>",
        id=chat_id,
        parts=join(parts),
    )
    ids = {"chat": chat_id, "conversation": text(known["conversation_id"]), "phone": text(known["phone"])}
    shown = join(html("<span>{name} <code>{it}</code></span>", name=name, it=it) for name, it in ids.items() if it)
    sub = html('<span class="ids">{shown}</span>', shown=shown)
    return join([head(known["name"], sub, about=metrics.transcript, csv="transcript"), box])


def bubble(row: Any, view: View) -> Safe:
    """One message."""
    tz = view.state.tz
    parts = {
        '<div class="who">{it}</div>': ""
        if row.author == "client"
        else text(row.sender_name) or row.author.capitalize(),
        '<div class="quote">{it}</div>': text(row.reply_to_text) or text(row.reply_to_id),
        "{it}": _file(row) if text(row.media) or row.type != "text" else "",
        '<div class="said">{it}</div>': linked(text(row.text)),
    }
    foot = {
        '<time title="{full}">{it}</time>': clock(row.sent_at, tz),
        "<span>{it}</span>": "edited" if row.edited else "",
        "{it}": _reached(row),
        '<span class="reactions" title="reactions">{it}</span>': text(row.reactions),
        "<details><summary aria-label='ids'>⋯</summary><dl>{it}</dl></details>": _ids(row, view),
    }
    full = clock(row.sent_at, tz, "{0:%Y-%m-%d %H:%M:%S %Z}")
    return html(
        '<div class="message {author}" data-key="{key}">{parts}<div class="foot">{foot}</div>{raw}</div>',
        author=row.author,
        key=row.message_id,
        parts=_filled(parts),
        foot=_filled(foot, full=full),
        raw=_raw(view) if view.raw == row.message_id else NOTHING,
    )


def _filled(parts: dict[str, str], **more: str) -> Safe:
    """The templates whose value is there, filled with it."""
    return join(html(template, it=value, **more) for template, value in parts.items() if value)


def _file(row: Any) -> Safe:
    weight = "" if pd.isna(row.file_size) or not row.file_size else size(row.file_size)
    none = "" if row.type in ("location", "contact") else "no file"
    label = text(row.file_name) or text(row.media) or none
    kind = text(row.type).capitalize()
    template = '<div class="file"><b>{kind}</b> <span>{link}</span> <span class="sub">{weight}</span></div>'
    return html(template, kind=kind, link=link(text(row.media), label), weight=weight)


_TICK = '<path d="M{0} 6l3 3 6-7" fill="none" stroke="currentColor" stroke-width="{1}"/>'
_TICKS = {
    "not reported": _TICK.format(4, 1.4),
    "delivered": _TICK.format(1, 1.4) + _TICK.format(6, 1.4),
    "read": _TICK.format(1, 2) + _TICK.format(6, 2),
}


def _reached(row: Any) -> Safe:
    """How far a message got, by a sign and in words: not everybody tells the colours apart."""
    status = text(row.delivery)
    if status == "failed":
        why = text(row.error) or metrics.ERROR_CODES.get(row.error_code, "")
        return html('<span class="failed">✕ failed {code} {why}</span>', code=text(row.error_code), why=why)
    if status not in _TICKS:
        return NOTHING
    svg = '<span class="ticks {tone}"><svg viewBox="0 0 18 11" aria-hidden="true">{path}</svg>{status}</span>'
    return html(svg, tone=status.replace(" ", "_"), path=Safe(_TICKS[status]), status=status)


def _ids(row: Any, view: View) -> Safe:
    ids = {"id": row.message_id, "msgid": text(row.msgid), "reply to": text(row.reply_to_id)}
    listed = join(html("<dt>{k}</dt><dd><code>{v}</code></dd>", k=k, v=v) for k, v in ids.items() if v)
    shown = view.raw == row.message_id
    template = '<dt>raw</dt><dd><button class="link" data-do="raw" data-with="{id}">{word}</button></dd>'
    word = "hide" if shown else "show what travelled"
    return join([listed, html(template, id=row.message_id, word=word)])


def _raw(view: View) -> Safe:
    """The raw rows behind the message whose rows are asked for."""
    part = '<figure><figcaption>{row} · {part} · {at} · {outcome}</figcaption><pre tabindex="0">{text}</pre></figure>'
    parts = [
        html(
            part,
            row=row.row,
            part=row.part,
            at=clock(row.at, view.state.tz, "{0:%Y-%m-%d %H:%M:%S %Z}"),
            outcome=row.outcome,
            text=row.text,
        )
        for row in metrics.raw(view.store, view.raw).itertuples()
    ]
    return html('<div class="raw" data-key="raw">{parts}</div>', parts=join(parts) or empty("No raw row is kept."))
