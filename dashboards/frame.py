"""What stands around the cards: tabs, filters, the lamp that says live, and the notices of an empty page."""

from __future__ import annotations

from kommo_nb import metrics

from .markup import Safe, html, join
from .overview import AUTHORS
from .parts import NOTHING, View, ago, moment, sets
from .state import PERIODS, TABS, ZONES


def bar(view: View) -> Safe:
    """The tabs and the filters."""
    state = view.state
    tabs = (
        html('<button data-set="{sets}" {current}>{name}</button>', sets=sets(tab=tab), name=name,
             current=Safe('aria-current="page"' if tab == state.tab else ""))
        for tab, name in TABS.items()
    )  # fmt: skip
    periods = (
        html('<button data-set="{sets}" aria-pressed="{on}">{name}</button>', sets=sets(period=days), name=name,
             on=str(days == state.period).lower())
        for days, name in PERIODS.items()
    )  # fmt: skip
    types = {name: name.capitalize() for name in {*metrics.types(view.store), *filter(None, [state.type])}}
    channels = view.channels | ({state.channel: state.channel} if state.channel not in (*view.channels, "") else {})
    several = len(view.channels) > 1 or state.channel
    return html(
        '<div class="bar-top"><nav class="tabs" aria-label="Tabs">{tabs}</nav><div class="filters">'
        '<div class="choice" role="group" aria-label="Period">{periods}</div>{channel}{author}{type}{tz}</div></div>',
        tabs=join(tabs),
        periods=join(periods),
        channel=_select("channel", "Channel", state.channel, {"": "All channels", **channels}) if several else NOTHING,
        author=_select("author", "Author", state.author, {"": "All authors", **AUTHORS}),
        type=_select("type", "Message type", state.type, {"": "All types", **dict(sorted(types.items()))}),
        tz=_select("tz", "Time zone", state.tz, dict(zip(ZONES, ZONES, strict=True)), plain=True),
    )


def _select(name: str, label: str, value: str, choices: dict[str, str], *, plain: bool = False) -> Safe:
    options = (
        html('<option value="{value}"{selected}>{label}</option>', value=each, label=text,
             selected=Safe(" selected" * (each == value)))
        for each, text in choices.items()
    )  # fmt: skip
    return html(
        '<select name="{name}" aria-label="{label}" data-value="{value}" class="{tone}">{options}</select>',
        name=name,
        label=label,
        value=value,
        tone="chosen" if value and not plain else "",
        options=join(options),
    )


def status(view: View, last_hook_ms: int | None) -> Safe:
    """Whether the page follows the store, and when the last hook came; a click changes the first."""
    at = "no hook yet" if last_hook_ms is None else f"last hook {ago(moment(last_hook_ms), view, exact=True)}"
    live = view.state.live
    return html(
        '<button class="status" data-set="{sets}" aria-pressed="{live}" title="{hint}"><i class="lamp {lamp}"></i>'
        '<span>{now}<span class="word"> · {at}</span></span><b class="gone">Server gone</b></button>',
        sets=sets(live=not live),
        live=str(live).lower(),
        hint="Pause: let the page stand still" if live else "Follow what comes",
        lamp="on" if live else "",
        now="Live" if live else "Paused",
        at=at,
    )


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
            <code>https://your-host/hooks/:scope_id</code></li></ol>
        <p class="sub">Watching {path}</p></div>""",
        path=path,
    )


def error_notice(problem: str) -> Safe:
    """What went wrong, that it was not this page, and that it goes on trying."""
    return html(
        """<div class="notice" role="alert"><h2>The store cannot be read</h2><p>{problem}.</p>
        <p class="sub">This page only reads, and changed nothing. It tries again by itself.</p></div>""",
        problem=problem,
    )


def snapshot(title: str, pieces: Safe, theme: str) -> Safe:
    """The page as it will look, which the browser shows before it has loaded any script. It answers to nothing."""
    scheme = Safe(f' style="color-scheme: {theme}"' if theme in ("light", "dark") else "")
    wait = Safe("<p><i>Connecting…</i><em>No connection yet: does the proxy pass web sockets?</em></p>")
    template = '<div id="snapshot" inert{scheme}><header><b>{title}</b>{wait}</header>{pieces}</div>'
    return html(template, scheme=scheme, title=title, wait=wait, pieces=pieces)


def shadow(content: Safe, css: str, kind: str = "") -> Safe:
    """A piece of the snapshot, in a shadow root as the live ones are, so that the same style sheets fit."""
    template = '<div class="{kind}"><template shadowrootmode="open"><style>{css}</style>{content}</template></div>'
    return html(template, kind=kind, css=Safe(css), content=content)
