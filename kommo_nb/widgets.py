"""Forms for the notebooks. They hold values and show them; no SQL, no HTTP, and never a secret in their state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

import ipywidgets as w
from pydantic.fields import FieldInfo

from .errors import RegistrationError
from .wire.registration import ITEMS, Item, Registration, problems
from .wire.signing import Secret, content_md5, request_headers, require_secret, string_to_sign

_GOOD, _BAD = "var(--jp-success-color0, #1b5e20)", "var(--jp-error-color0, #b71c1c)"


class RegistrationForm(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The 15 items of a registration, checked while one types.

    Args:
        values: what to begin with, by the fields of `Registration`.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._fields: dict[str, Any] = {}
        self._labels: dict[int, Any] = {}
        self._notes: dict[int, Any] = {}
        self._summary = w.HTML()
        rows = [self._row(item, dict(values or {})) for item in ITEMS]
        super().__init__([*rows, self._summary], layout=w.Layout(max_width="760px"))
        self._check()

    def __repr__(self) -> str:
        left = len(self.problems)
        return f"RegistrationForm: {'ready to send' if not left else f'{left} to mend'}"

    @property
    def values(self) -> dict[str, Any]:
        """What stands in the form, by the fields of `Registration`; empty fields are left out."""
        read = {name: _read(name, field.value) for name, field in self._fields.items()}
        return {name: value for name, value in read.items() if value not in ("", ())}

    @property
    def problems(self) -> dict[str, str]:
        """For each field that is not good yet: how to mend it."""
        return problems(self.values)

    @property
    def registration(self) -> Registration:
        """The finished registration.

        Raises:
            RegistrationError: a field is not good yet; the message says how to mend it.
        """
        if found := self.problems:
            raise RegistrationError(" ".join(found.values()))
        return Registration.model_validate(self.values)

    def fill(self, **values: Any) -> RegistrationForm:
        """Write into fields, as by hand."""
        for name, value in values.items():
            self._fields[name].value = _shown(value)
        return self

    def _row(self, item: Item, values: dict[str, Any]) -> Any:
        """The item's title with its tick on the left; its fields, and how to mend them, on the right."""
        label = self._labels[item.number] = w.HTML(layout=w.Layout(width="190px", min_width="120px"))
        note = self._notes[item.number] = w.HTML()
        fields = []
        for name in item.fields:
            more = "" if name == item.fields[0] else name.replace("_", " ").capitalize()
            field = self._fields[name] = _input(Registration.model_fields[name], name, values.get(name), more)
            field.observe(lambda _change: self._check(), names="value")
            fields.append(field)
        return w.HBox([label, w.VBox([*fields, note], layout=_WIDE)], layout=w.Layout(margin="0 0 4px 0"))

    def _check(self) -> None:
        found = self.problems
        good = 0
        for item in ITEMS:
            said = " ".join(found[name] for name in item.fields if name in found)
            good += not said
            colour, mark = (_BAD, "✗") if said else (_GOOD, "✓")
            title = f"<span style='color:{colour}'>{mark}</span> {item.number}. {escape(item.title)}"
            self._labels[item.number].value = f"<div style='line-height:1.4;padding-top:5px'>{title}</div>"
            self._notes[item.number].value = f"<div style='{_NOTE}'>{escape(said)}</div>" if said else ""
        self._summary.value = f"<b>{good} of {len(ITEMS)} items are good.</b>"


_NOTE = f"color:{_BAD};line-height:1.4;white-space:normal"
_WIDE = w.Layout(width="auto", flex="1 1 auto")
_NUMBERS = ("time_window_s", "max_file_size_mb")


def _input(info: FieldInfo, name: str, value: Any, placeholder: str) -> Any:
    if info.annotation is bool:
        return w.Checkbox(value=bool(value), indent=False, description=placeholder or "Yes")
    kind = w.Textarea if name == "icon_svg" else w.Text
    rows = {"rows": 4} if kind is w.Textarea else {}
    return kind(value=_shown(value), placeholder=placeholder, layout=_WIDE, **rows)


def _shown(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _read(name: str, value: Any) -> Any:
    """A field's text as the type that `Registration` wants; what is not a number stays text, and is refused as such."""
    if name == "account_ids":
        return tuple(int(part) if part.isdecimal() else part for part in value.replace(",", " ").split())
    if name in _NUMBERS and value.strip().isdecimal():
        return int(value)
    return value


class SignatureLab(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Method, path, Date and body to play with; the string to sign and the headers change as one types.

    Args:
        secret: used to sign, and kept out of the widget's state.
        date: aware; the time of the request.
    """

    def __init__(self, *, method: str, path: str, body: str, secret: Secret, date: datetime) -> None:
        self._secret, self._date = require_secret(secret), date
        self._method = w.Dropdown(options=["POST", "GET", "DELETE"], value=method, description="Method", layout=_WIDE)
        self._path = w.Text(value=path, description="Path", layout=_WIDE)
        self._body = w.Textarea(value=body, description="Body", layout=_WIDE, rows=4)
        self._result = w.HTML()
        for field in (self._method, self._path, self._body):
            field.observe(lambda _change: self._sign(), names="value")
        super().__init__([self._method, self._path, self._body, self._result], layout=w.Layout(max_width="860px"))
        self._sign()

    def __repr__(self) -> str:
        return f"SignatureLab: X-Signature {self.headers.get('X-Signature', 'none')}"

    @property
    def headers(self) -> dict[str, str]:
        """The four headers of what stands in the fields; empty while the path is no path."""
        try:
            body = self._body.value.encode("utf-8", "replace")
            return request_headers(self._method.value, self._path.value, body, secret=self._secret, date=self._date)
        except ValueError:
            return {}

    def _sign(self) -> None:
        headers = self.headers
        if not headers:
            self._result.value = f"<div style='color:{_BAD}'>The path begins with a slash, and has no host in it.</div>"
            return
        md5 = content_md5(self._body.value.encode("utf-8", "replace"))
        path = self._path.value.partition("?")[0]
        text = string_to_sign(self._method.value, md5, headers["Content-Type"], headers["Date"], path)
        sent = "\n".join(f"{name}: {value}" for name, value in headers.items())
        parts = (("The string to sign", text.replace("\n", "↵\n")), ("The headers", sent))
        style = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5"
        blocks = (f"<b>{title}</b><pre style='{style}'>{escape(shown)}</pre>" for title, shown in parts)
        self._result.value = "".join(blocks)
