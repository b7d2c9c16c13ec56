"""Sources and chat templates of the main API: an integration's own, listed, added, changed and deleted.

Our choices, since nothing is documented: an external_id of a source has 36 characters at most, as the sources API says
(the Chats API says 40); a second default source gets 400; of rows that come together all are added or none. Not played:
changes of many rows at once, reviews, and the 422 of the limit of templates, which is told nowhere; a fault can be one.

Source: https://developers.kommo.com/reference/ (add-sources, get-templates), read in copies of 2025-06.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from .bodies import Body, Text
from .http import Refused, Request, Response
from .world import Account

Row = dict[str, Any]
MOST = 100
"""Sources of an integration, and rows of one request."""


class Source(Body):
    """A row of `/api/v4/sources`."""

    name: Text
    external_id: Annotated[str, Field(min_length=1, max_length=36, pattern=r"^[ -~]+$")]
    pipeline_id: int | None = None
    default: bool = False
    origin_code: str | None = None
    services: list[Row] = Field(default_factory=list)
    request_id: str = ""


class Template(Body):
    """A row of `/api/v4/chats/templates`. What it has beside this, stays as it is."""

    model_config = ConfigDict(extra="allow")

    name: Text
    content: Text
    type: Literal["amocrm", "waba"] = "amocrm"
    buttons: list[Row] = Field(default_factory=list)
    external_id: str | None = None
    request_id: str = ""


class Problem(Refused):
    """The main API says no: problem+json, unlike the Chats API. With `path`, to a field of the row `number`."""

    def __init__(self, status: int, detail: str, *, path: str = "", number: int = 0) -> None:
        Exception.__init__(self, detail)
        title, kind = HTTPStatus(status).phrase, f"https://httpstatus.es/{status}"
        payload: Row = {"title": title, "type": kind, "status": status, "detail": detail}
        if path:
            errors = [{"code": "Invalid", "path": path, "detail": detail}]
            payload["detail"] = "Request validation failed"
            payload["validation-errors"] = [{"request_id": str(number), "errors": errors}]
        self.response = Response(status, payload, "application/problem+json")


def found(payload: Any) -> Response:
    """A success of the main API."""
    return Response(200, payload, "application/hal+json")


def embedded(name: str, rows: list[Row]) -> Response:
    """Rows that were found, added or linked."""
    return found({"_total_items": len(rows), "_embedded": {name: rows}})


def parsed(kind: Any, body: bytes | str) -> Any:
    """A body held to a type, as plain JSON again; a Problem that names the row and the field."""
    try:
        return json.loads(TypeAdapter(kind).dump_json(TypeAdapter(kind).validate_json(body)))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        number, *path = first["loc"] if isinstance(next(iter(first["loc"]), ""), int) else (0, *first["loc"])
        raise Problem(400, first["msg"], path=".".join(map(str, path)), number=int(number)) from None


def rows_of(model: type[Body], body: bytes) -> list[Row]:
    """The rows of a body, which has to be an array of them, each with its `request_id`."""
    rows = parsed(Annotated[list[model], Field(min_length=1, max_length=MOST)], body)  # type: ignore[valid-type]
    return [row | {"request_id": row["request_id"] or str(number)} for number, row in enumerate(rows)]


@dataclass(frozen=True)
class Shelf:
    """One kind of row: `name` is Kommo's word for it in answers, `page` the largest page."""

    name: str
    model: type[Body]
    page: int

    def answer(self, account: Account, request: Request, rest: list[str]) -> Response:
        """What Kommo answers, for all rows or for the one with an id."""
        rows = account.shelves.setdefault(self.name, {})
        if rest and (len(rest) > 1 or rest[0] not in rows):
            raise Problem(404, "no such entity")
        match [request.method, *rest]:
            case ["GET"]:
                return self._list(rows, parse_qs(request.query))
            case ["GET", id_]:
                return found(rows[id_])
            case ["POST"]:
                added = [row | {"id": next(account.numbers)} for row in rows_of(self.model, request.body)]
                self._put(rows, added)
                return embedded(self.name, added)
            case ["PATCH", id_]:
                change = rows[id_] | parsed(dict[str, Any], request.body)
                self._put(rows, [parsed(self.model, json.dumps(change)) | {"id": rows[id_]["id"]}])
                return found(rows[id_])
            case ["DELETE", id_]:
                del rows[id_]
                return Response(204)
        raise Problem(405, "the sandbox knows GET and POST here, and GET, PATCH and DELETE with an id")

    def _list(self, rows: dict[str, Row], query: dict[str, list[str]]) -> Response:
        texts = (query.get(name, [""])[0] for name in ("page", "limit"))
        page, limit = (int(text) if text.isdecimal() and len(text) < 6 else 0 for text in texts)
        size = min(limit or self.page, self.page)
        wanted = query.get("filter[external_id]")
        chosen = [row for row in rows.values() if not wanted or row["external_id"] in wanted]
        shown = chosen[max(0, page - 1) * size :][:size]
        return embedded(self.name, shown) if shown else Response(204)

    def _put(self, rows: dict[str, Row], new: list[Row]) -> None:
        """Add or change rows, all or none of them, by the rules between sources."""
        after = dict(rows)
        for number, row in enumerate(new):
            key, path, wrong = str(row["id"]), "external_id", ""
            others = [other for other_key, other in after.items() if other_key != key]
            if self.model is Source:
                if rows.get(key, row)[path] != row[path]:
                    wrong = "it never changes"
                elif any(other[path] == row[path] for other in others):
                    wrong = "another source has it"
                elif row["default"] and any(other["default"] for other in others):
                    path, wrong = "default", "another source is the default one"
                elif len(others) >= MOST:
                    wrong = f"there are {MOST} sources already"
            if wrong:
                raise Problem(400, wrong, path=path, number=number)
            after[key] = {name: value for name, value in row.items() if name != "request_id"}
        rows |= after
