"""The registration form of lesson 01."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import ipywidgets as w
from pydantic.fields import FieldInfo

from ..errors import RegistrationError
from ..wire.registration import ITEMS, Item, Registration, problems
from .look import BAD, GOOD, NOTE, WIDE


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
        return w.HBox([label, w.VBox([*fields, note], layout=WIDE)], layout=w.Layout(margin="0 0 4px 0"))

    def _check(self) -> None:
        found = self.problems
        good = 0
        for item in ITEMS:
            said = " ".join(found[name] for name in item.fields if name in found)
            good += not said
            colour, mark = (BAD, "✗") if said else (GOOD, "✓")
            title = f"<span style='color:{colour}'>{mark}</span> {item.number}. {escape(item.title)}"
            self._labels[item.number].value = f"<div style='line-height:1.4;padding-top:5px'>{title}</div>"
            self._notes[item.number].value = f"<div style='{NOTE}'>{escape(said)}</div>" if said else ""
        self._summary.value = f"<b>{good} of {len(ITEMS)} items are good.</b>"


_NUMBERS = ("time_window_s", "max_file_size_mb")


def _input(info: FieldInfo, name: str, value: Any, placeholder: str) -> Any:
    if info.annotation is bool:
        return w.Checkbox(value=bool(value), indent=False, description=placeholder or "Yes")
    kind = w.Textarea if name == "icon_svg" else w.Text
    rows = {"rows": 4} if kind is w.Textarea else {}
    return kind(value=_shown(value), placeholder=placeholder, layout=WIDE, **rows)


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
