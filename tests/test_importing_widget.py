"""The import desk: it shows the plan of a file, and runs it so that it can be stopped and taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import Peer, Stage, until
from importing import Recording, check_everything_once, conversations
from test_widgets import state_of

from kommo_nb import Store
from kommo_nb.sandbox.app import Credentials
from kommo_nb.widgets import ImportDesk

CREDENTIALS = Credentials()
EVIL = "<img src=x onerror=alert(1)>\x1b[31m"
ROWS = [
    {"conversation_id": "c-1", "sent_at": "2024-05-01T09:00:00Z", "author": "client", "text": "Hello"},
    {"conversation_id": EVIL, "sent_at": "2024-05-01T09:00:00", "author": "client", "text": "Hello"},
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage.served() as stage:
        yield stage


@pytest.fixture
def kommo() -> Recording:
    return Recording()


@pytest.fixture
def peer(stage: Stage, kommo: Recording) -> Peer:
    peer = stage.play(kommo)
    peer.connect()
    return peer


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def desk(path: Path, store: Store, url: str = "http://127.0.0.1:9") -> ImportDesk:
    return ImportDesk(path, CREDENTIALS.channel(), url, store)


def part(widget: ImportDesk, name: str) -> Any:
    """The field or button of that name."""
    found = {each.description: each for row in widget.children for each in getattr(row, "children", ())}
    return next(each for description, each in found.items() if description.startswith(name))


def test_the_plan_and_its_problems(tmp_path: Path, store: Store) -> None:
    """What the import will cause stands there in words, and each row to mend in the table, strangers' text as text."""
    widget = desk(written(tmp_path / "a.jsonl", ROWS), store)
    told = widget.children[1].value
    assert repr(widget) == "ImportDesk: 1 message ready, 1 row to mend"
    assert "1 message in 1 chat" in told and "1 notification" in told and told.count("names no time zone") == 1
    assert "<img" not in told and "&lt;img" in told and "\x1b" not in told
    assert part(widget, "Import 1 message into 127.0.0.1").disabled is False and part(widget, "Stop").disabled


def test_another_file_and_a_time_zone(tmp_path: Path, store: Store) -> None:
    """The files of the folder are offered; the chosen one's plan is shown, read in the zone that is given."""
    first = written(tmp_path / "a.jsonl", ROWS)
    second = written(tmp_path / "b.csv", ROWS)
    (tmp_path / "picture.png").touch()
    widget = desk(first, store)
    assert list(part(widget, "File").options) == [str(first), str(second)]
    part(widget, "File").value = str(second)
    assert widget.plan is not None and len(widget.plan.problems) == 1
    part(widget, "Time zone").value = "Europe/Berlin"
    assert widget.plan is not None and (widget.plan.messages, widget.plan.problems) == (2, [])


@pytest.mark.parametrize(
    ("name", "zone", "said"), [("none.csv", "", "cannot be read"), ("a.jsonl", "Berlin", "Europe/Berlin")]
)
def test_what_cannot_be_read(tmp_path: Path, store: Store, name: str, zone: str, said: str) -> None:
    """A file that is not there, and a zone that is none, are said in a sentence, and nothing can be started."""
    widget = desk(written(tmp_path / "a.jsonl", ROWS), store)
    part(widget, "File").value, part(widget, "Time zone").value = str(tmp_path / name), zone
    assert widget.plan is None and said in widget.children[1].value
    start = part(widget, "Import 0")
    assert start.disabled and repr(widget) == "ImportDesk: nothing to import"
    start.click()
    widget.wait()
    assert widget.report is None


def test_stopped_and_taken_up_again(tmp_path: Path, peer: Peer, kommo: Recording, store: Store) -> None:
    """Stop ends a run in the middle with a report; go on sends the rest, so that Kommo has everything once."""
    rows = conversations(200, longest=10)
    widget = desk(written(tmp_path / "a.jsonl", rows), store, peer.url)
    peer.control("faults", delay_ms=100, times=100_000)
    part(widget, "Import 200").click()
    until(lambda: len(kommo.taken) > 10, "some messages are sent")
    assert part(widget, "File").disabled and part(widget, "Import 200").disabled
    part(widget, "Stop").click()
    widget.wait()
    assert widget.report is not None and 10 < widget.report.done < 200
    assert "Stopped: you interrupted it." in widget.children[-1].value
    peer.control("faults", times=0)
    part(widget, "Go on").click()
    widget.wait()
    assert widget.report.complete and widget.report.before > 10
    assert widget.children[2].children[3].value == "200 of 200"
    check_everything_once(rows, kommo)


def test_what_prevents_a_run(tmp_path: Path, store: Store) -> None:
    """Without a scope nothing is begun: the reason is shown, and the desk can be used again."""
    channel = CREDENTIALS.channel().model_copy(update={"account_id": "", "scope_id": ""})
    widget = ImportDesk(written(tmp_path / "a.jsonl", ROWS), channel, "http://127.0.0.1:9", store)
    part(widget, "Import 1").click()
    widget.wait()
    assert "connect it first" in widget.children[-1].value and not part(widget, "Import 1").disabled


def test_the_secret_is_in_no_widget_state(tmp_path: Path, store: Store) -> None:
    """Neither the state nor the repr of the desk holds the channel's secret."""
    widget = desk(written(tmp_path / "a.jsonl", ROWS), store)
    assert CREDENTIALS.secret not in state_of(widget) + repr(widget)
