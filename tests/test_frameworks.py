"""The README's examples for people who have a server already: each runs in its framework, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from helpers import openssl_sha1, served

from kommo_nb import Store

README = Path(__file__).parents[1] / "README.md"
SECRET = "f2d7f8704eff95087ed45b23ba99c0b5aac8278e"
BODY = '{"account_id":"52e591f7","text":"é"}\n'.encode()


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the README's block that imports a framework, in an empty folder; its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KOMMO_NB_SECRET", SECRET)

    def run(framework: str) -> dict[str, Any]:
        blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
        (code,) = [block for block in blocks if f"from {framework}" in block]
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(code, names)  # noqa: S102 our own README
        return names

    return run


def hooks() -> list[tuple[bytes, dict[str, str]]]:
    """One that Kommo has signed, without its newline; one that somebody else has; one without a signature."""
    right = openssl_sha1(BODY[:-1], SECRET)
    return [(BODY, {"X-Signature": right}), (BODY, {"X-Signature": "0" * 40}), (BODY, {})]


def kept() -> list[tuple[Any, ...]]:
    store = Store("data/kommo.db", read_only=True)
    rows = store.conn.execute("SELECT scope_id, body, verdict, http_status FROM deliveries ORDER BY id").fetchall()
    store.close()
    return rows


RIGHT = [("c_a", BODY, "valid_trimmed", 200), ("c_a", BODY, "mismatch", 403), ("c_a", BODY, "missing", 401)]


def test_fastapi(example: Any) -> None:
    """Mounted in FastAPI, capture receives at the path of its mount, beside the other routes, and ends with the app."""
    before = psutil.Process().children()
    with served(example("fastapi")["app"]) as url, httpx.Client(trust_env=False) as http:
        statuses = [
            http.post(f"{url}/kommo/hooks/c_a", content=body, headers=headers).status_code for body, headers in hooks()
        ]
        assert http.get(f"{url}/kommo/healthz").text == "ok"
        assert http.get(f"{url}/docs").status_code == 200
    assert statuses == [200, 403, 401]
    assert kept() == RIGHT
    assert psutil.Process().children() == before


def test_flask(example: Any) -> None:
    """In a Flask view the plain function gives the row to store and the status to answer."""
    client = example("flask")["app"].test_client()
    statuses = [client.post("/hooks/c_a", data=body, headers=headers).status_code for body, headers in hooks()]
    assert statuses == [200, 403, 401]
    assert kept() == RIGHT


def test_django(example: Any) -> None:
    """In a Django view, too."""
    from django.conf import settings

    settings.configure(ROOT_URLCONF="none", ALLOWED_HOSTS=["*"], DEFAULT_CHARSET="utf-8")
    from django.test import RequestFactory

    view, factory = example("django")["hooks"], RequestFactory()
    statuses = [
        view(factory.post("/hooks/c_a", body, content_type="application/json", headers=headers), "c_a").status_code
        for body, headers in hooks()
    ]
    assert statuses == [200, 403, 401]
    assert kept() == RIGHT
