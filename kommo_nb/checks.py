"""What stands between a configuration and a working channel: each step tried, each with the next thing to do.

Kommo gets a GET of its host and a signed one of a chat that does not exist, the main API a GET of the account, the
database an empty transaction. The receiver gets three hooks without a signature: only these show that it refuses them,
and it keeps them, as it keeps all that it refuses. Nothing else is changed anywhere.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from .client import ChatsClient
from .clock import Clock, SeededClock, msec
from .config import Settings, is_local
from .errors import KommoError, NotFound, SignatureRefused, TransportError
from .main_api import MainApi
from .store import Store
from .wire.doctor import diagnose_request
from .wire.keyring import secret_id
from .wire.registration import problems
from .wire.signing import DATE_WINDOW

LIMIT_S = 5.0
"""How long Kommo waits for the answer to a hook, and we for any."""
NO_CHAT = "00000000-0000-4000-8000-000000000000"
"""What no chat is called: to read its history is the most harmless signed call."""
_HINTS = {
    "channel_id": "set it to the id in support's answer (lesson 01)",
    "secret": "set it to the secret_key in support's answer (lesson 01)",
    "account_id": "set it to the account's amojo_id, a UUID (lesson 03)",
    "hook_url": "set it to the webhook URL that you registered, such as https://bot.example.com/hooks/:scope_id",
    "bot_id": "set it to bot.id of support's answer, or the bot's messages count as a manager's",
    "token": "set it to a token of the integration (its Keys tab), to have the account's id compared",
}


class Check(NamedTuple):
    """What was looked at, how it went, what was seen, and the next thing to do, "" if there is none."""

    what: str
    result: Literal["ok", "warning", "missing", "failed"]
    seen: str
    next_step: str = ""

    @property
    def ok(self) -> bool:
        """Whether one can go on with it."""
        return self.result in ("ok", "warning")

    def __str__(self) -> str:
        return f"{self.result:<9}{self.what:<22}{self.seen}" + (f"\n{'':9}→ {self.next_step}" if self.next_step else "")


def failed(what: str, error: KommoError) -> Check:
    """The check that an error ended; our messages say after a semicolon what to do."""
    seen, _, hint = str(error).partition("; ")
    return Check(what, "failed", seen, hint)


def run(settings: Settings, *, clock: Clock | None = None) -> Iterator[Check]:
    """Every check, in the order in which one mends things; what cannot be tried for want of another is left out.

    Args:
        clock: signs; a lesson's sandbox has a time of its own.
    """
    yield Check("profile", "ok", settings.profile)
    yield from (configured := list(variables(settings)))
    yield (reached := _tried("Kommo", lambda: kommo(settings)))
    complete = all(check.ok or check.what == "KOMMO_NB_HOOK_URL" for check in [*configured, reached])
    steps: list[tuple[str, object, Callable[[], Check]]] = [
        ("clock", reached.ok, lambda: time_of(settings)),
        ("signature", complete, lambda: signature(settings, clock=clock)),
        ("account", complete and settings.token, lambda: account(settings)),
        ("database", True, lambda: database(settings)),
        ("last hook", settings.db.exists(), lambda: last_hook(settings, clock=clock)),
        ("receiver", settings.hook_url, lambda: receiver(settings)),
    ]
    yield from (_tried(what, look) for what, possible, look in steps if possible)


def variables(settings: Settings) -> Iterator[Check]:
    """What is configured, and what is missing. Of a secret it tells the name that rows have for it."""
    for name, hint in _HINTS.items():
        what, value = f"KOMMO_NB_{name.upper()}", getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not text:
            yield Check(what, "warning" if name in ("bot_id", "token") else "missing", "not set", hint)
        elif text.strip(" \t\r\n\"'") != text:
            yield Check(what, "failed", "it has space or quotes around it", "take them away")
        elif name == "account_id" and text.isdigit():
            yield Check(what, "failed", f"{text} is the account's number", hint)
        else:
            yield Check(what, "ok", f"set; its secret_id is {secret_id(text)}" if text is not value else _shown(text))


def kommo(settings: Settings) -> Check:
    """Whether Kommo's host can be reached."""
    _ask_host(settings)
    return Check("Kommo", "ok", f"{_shown(settings.kommo_url)} answers")


def time_of(settings: Settings) -> Check:
    """Whether this machine's clock agrees with that of Kommo's host."""
    date = _date(_ask_host(settings))
    behind_s = (date - datetime.now(UTC)).total_seconds() if date else 0
    if abs(behind_s) < 60:
        return Check("clock", "ok", "agrees with Kommo's" if date else "not compared: the host tells no Date")
    seen = f"{abs(behind_s):.0f} s {'behind' if behind_s > 0 else 'ahead of'} Kommo's, which bears 15 minutes"
    late = abs(behind_s) > DATE_WINDOW.total_seconds()
    return Check("clock", "failed" if late else "warning", seen, "set it by the network: timedatectl set-ntp true")


def signature(settings: Settings, *, clock: Clock | None = None) -> Check:
    """Whether Kommo accepts our signature, on the history of a chat that does not exist.

    The 404 of a channel that is not connected is the sandbox's reading; what Kommo answers then is not documented.
    """
    seen: list[httpx.Response] = []
    hooks = {"response": [seen.append]}
    channel, url = settings.channel(), settings.kommo_url
    try:
        with ChatsClient(channel, url, clock=clock, attempts=1, timeout_s=LIMIT_S, event_hooks=hooks) as client:
            client.history(NO_CHAT, limit=1)
    except NotFound:
        hint = "connect it again (lesson 09); else compare the two ids, and the host, with support's answer"
        return Check("signature", "failed", "404: Kommo knows no such channel, or it is not connected", hint)
    except SignatureRefused:
        return Check("signature", "failed", *_why_refused(settings, seen[-1], clock))
    return Check("signature", "ok", "accepted, on a read")


def _why_refused(settings: Settings, response: httpx.Response, clock: Clock | None) -> tuple[str, str]:
    """Why, and what to do: the old secret is still the one, the clock is off, or the secret is wrong."""
    if settings.old_secret.get_secret_value():
        older = settings.model_copy(update={"secret": settings.old_secret, "old_secret": SecretStr("")})
        if signature(older, clock=clock).ok:
            hint = "put it back into KOMMO_NB_SECRET until Kommo takes the new one"
            return "403: Kommo still takes KOMMO_NB_OLD_SECRET", hint
    request, now = response.request, clock.now() if isinstance(clock, SeededClock) else _date(response)
    diagnosis = diagnose_request(
        request.method, str(request.url), headers=request.headers, body=b"", secret=settings.secret, now=now
    )
    if not diagnosis.ok:
        return f"403: {diagnosis.findings[0].seen}", diagnosis.findings[0].advice
    hint = "compare KOMMO_NB_SECRET and the ids with support's answer"
    return "403: signed well, so the secret is not this channel's", hint


def account(settings: Settings) -> Check:
    """Whether the account that the token opens is the one that is configured."""
    told = MainApi(settings.main_url, settings.token, timeout_s=LIMIT_S).account().get("amojo_id")
    same = told == settings.account_id
    hint = "" if same else "set KOMMO_NB_ACCOUNT_ID to that"
    return Check("account", "ok" if same else "failed", f"its amojo_id is {told}", hint)


def database(settings: Settings) -> Check:
    """Whether the store takes writes."""
    if not settings.db.exists():
        return Check("database", "warning", f"{settings.db} is not there yet", "start the receiver, which makes it")
    store = Store(settings.db)
    store.write(())
    store.close()
    return Check("database", "ok", f"{settings.db} takes writes")


def last_hook(settings: Settings, *, clock: Clock | None = None) -> Check:
    """When the last good hook came, and whether one of the last 1,000 was acknowledged late."""
    store = Store(settings.db, read_only=True)
    sql = "SELECT received_at_ms, ack_us FROM deliveries WHERE http_status = 200 ORDER BY id DESC LIMIT 1000"
    hooks = store.query(sql)
    store.close()
    if not hooks:
        hint = "write to a client as a manager, in Kommo; if nothing comes, connect again (lesson 09)"
        return Check("last hook", "warning", "none has come yet", hint)
    minutes = (msec((clock or Clock()).now()) - hooks[0]["received_at_ms"]) // 60_000
    slowest_s = max(hook["ack_us"] or 0 for hook in hooks) / 1e6
    hint = f"one of the last 1,000 took {slowest_s:.1f} s: look at the disk" if slowest_s > LIMIT_S / 2 else ""
    return Check("last hook", "warning" if hint else "ok", f"{minutes} minutes ago", hint)


def receiver(settings: Settings) -> Check:
    """Whether the webhook address can be Kommo's way to us: its form, its host, and what answers there, how soon."""
    url, outside = settings.hook_url, not is_local(settings.kommo_url)
    if wrong := problems({"webhook_url": url}).get("webhook_url"):
        return Check("receiver", "failed", "its address is not as Kommo wants it", wrong)
    if outside and (why := _unreachable(urlsplit(url).hostname or "")):
        hint = "register a public https address: a proxy on a server, or for a trial a tunnel (lesson 09)"
        return Check("receiver", "failed", why, hint)
    hint = "start it: kommo-nb capture; behind a proxy, check its certificate and where it leads"
    began = time.monotonic()
    status = _answers("POST", url.replace(":scope_id", f"{settings.channel_id}_check"), 3, hint)[-1].status_code
    took_s = (time.monotonic() - began) / 3
    if status in (401, 403):
        seen = f"refuses hooks without a signature, in {'under 1' if took_s < 1 else f'{took_s:.1f}'} of 5 s"
        hint = "from here it cannot be proved that Kommo gets there: the first hook does" if outside else ""
        return Check("receiver", "ok" if took_s < LIMIT_S / 2 else "warning", seen, hint)
    hints = {2: "it takes what is not signed: let it check X-Signature", 3: "register the address where this leads"}
    hints |= {4: "the path leads elsewhere, or this channel's secret is not known there"}
    hint = hints.get(status // 100, "its GET /healthz says why; or a proxy finds nothing behind it")
    return Check("receiver", "failed", f"answers {status} to a hook without signature, not 401 or 403", hint)


def _tried(what: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except KommoError as error:
        return failed(what, error)


def _ask_host(settings: Settings) -> httpx.Response:
    url = settings.kommo_url
    hint = "start it: kommo-nb sandbox" if is_local(url) else "check the network, a proxy, and KOMMO_NB_BASE_URL"
    return _answers("GET", url, 1, hint)[0]


def _answers(method: str, url: str, times: int, hint: str) -> list[httpx.Response]:
    try:
        with httpx.Client(timeout=LIMIT_S, trust_env=not is_local(url), follow_redirects=False) as http:
            return [http.request(method, url) for _ in range(times)]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        late = isinstance(error, httpx.TimeoutException)
        reason = f"no answer within {LIMIT_S:.0f} s" if late else f"{type(error).__name__}: {error}"[:120]
        raise TransportError(f"{_shown(url)}: {reason}; {hint}") from None


def _date(response: httpx.Response) -> datetime | None:
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _unreachable(host: str) -> str:
    """Why nobody outside reaches this host, as far as this machine can tell; "" if nothing speaks against it."""
    try:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return f"nobody knows the name {host}"
    private = sorted(address for address in found if not ip_address(address).is_global)
    return f"its address leads to {private[0]}, which is no public address" if private else ""


def _shown(text: str) -> str:
    """A setting; of an address its scheme and host, as the rest may be a secret."""
    scheme, found, rest = text.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}" if found else text
