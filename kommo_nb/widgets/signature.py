"""Signatures to play with, and the doctor for those that were refused: lesson 02."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape

import ipywidgets as w

from ..lines import safe
from ..wire.doctor import Diagnosis, NotARequest, diagnose_pasted
from ..wire.signing import Secret, content_md5, request_headers, require_secret, string_to_sign
from .diagnosis import diagnosis_html
from .look import BAD, CODE, CODE_STYLE, NOTE, PRE, WIDE


class SignatureLab(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Method, path, Date and body to play with; the string to sign and the headers change as one types.

    Args:
        secret: used to sign, and kept out of the widget's state.
        date: aware; the time of the request.
    """

    def __init__(self, *, method: str, path: str, body: str, secret: Secret, date: datetime) -> None:
        self._secret, self._date = require_secret(secret), date
        self._method = w.Dropdown(options=["POST", "GET", "DELETE"], value=method, description="Method", layout=WIDE)
        self._path = w.Text(value=path, description="Path", layout=WIDE)
        self._body = w.Textarea(value=body, description="Body", layout=WIDE, rows=4)
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
            self._result.value = f"<div style='color:{BAD}'>The path begins with a slash, and has no host in it.</div>"
            return
        md5 = content_md5(self._body.value.encode("utf-8", "replace"))
        path = self._path.value.partition("?")[0]
        text = string_to_sign(self._method.value, md5, headers["Content-Type"], headers["Date"], path)
        sent = "\n".join(f"{name}: {value}" for name, value in headers.items())
        parts = (("The string to sign", text.replace("\n", "↵\n")), ("The headers", sent))
        blocks = (f"<b>{title}</b><pre style='{PRE}'>{escape(shown)}</pre>" for title, shown in parts)
        self._result.value = "".join(blocks)


class SignatureDoctor(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A field to paste a refused request or hook into; what was wrong with its signature.

    Args:
        secret, other_secrets: as in `diagnose_pasted`, and kept out of the widget's state.
        now: aware; when the request is sent, the present time by default.
    """

    def __init__(
        self, pasted: str = "", *, secret: Secret, other_secrets: Iterable[Secret] = (), now: datetime | None = None
    ) -> None:
        self._secret, self._others, self._now = require_secret(secret), tuple(other_secrets), now
        hint = "Paste a curl command, raw HTTP, a HAR entry, or the body of a hook"
        self._pasted = w.Textarea(value=pasted, placeholder=hint, rows=9, layout=WIDE).add_class(CODE)
        self._signature = w.Text(placeholder="X-Signature: only for the bare body of a hook", layout=WIDE)
        self._button = w.Button(description="Explain", button_style="primary")
        self._button.on_click(lambda _button: self.explain())
        self._result = w.HTML(layout=WIDE)
        self.diagnosis: Diagnosis | None = None
        children = [w.HTML(CODE_STYLE), self._pasted, self._signature, self._button, self._result]
        super().__init__(children, layout=w.Layout(max_width="860px"))
        if pasted:
            self.explain()

    def __repr__(self) -> str:
        found = "nothing pasted yet" if self.diagnosis is None else self.diagnosis.cause or "the signature is right"
        return f"SignatureDoctor: {found}"

    def explain(self) -> None:
        """Examine what stands in the fields, and show what was found."""
        self.diagnosis = None
        try:
            if self._pasted.value:
                self.diagnosis = diagnose_pasted(
                    self._pasted.value,
                    secret=self._secret,
                    other_secrets=self._others,
                    hook_signature=self._signature.value.strip() or None,
                    now=self._now,
                )
            self._result.value = diagnosis_html(self.diagnosis) if self.diagnosis else ""
        except NotARequest as problem:
            self._result.value = f"<div style='{NOTE}'>{escape(safe(str(problem)))}</div>"
