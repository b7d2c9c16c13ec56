"""A request, an answer, and a refusal in Kommo's form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from .bodies import Body


@dataclass(frozen=True)
class Request:
    """An HTTP request. `path` is as it was sent, still percent-encoded; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An HTTP answer; `payload` None means no body."""

    status: int
    payload: Any = None
    content_type: str = "application/json"


class Refused(Exception):
    """Kommo says no, in its own form."""

    def __init__(self, status: int, error_type: str, description: str) -> None:
        body = {"status": 0, "error_code": status, "error_type": error_type, "error_description": description}
        super().__init__(description)
        self.response = Response(status, body)


B = TypeVar("B", bound=Body)


def decoded(request: Request) -> Any:
    """The JSON of a body."""
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refused(400, "INVALID_JSON", "the body is not JSON") from None


def checked(model: type[B], value: Any) -> B:
    """A JSON value held to its table."""
    try:
        # From JSON text, since strict mode takes JSON's own types there: 3 is a float's value, "3" is not.
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise Refused(400, "VALIDATION_ERROR", first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """The first thing wrong with a body: where, and what. Never shows the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")


def read(model: type[B], request: Request) -> B:
    """A body held to its table."""
    return checked(model, decoded(request))
