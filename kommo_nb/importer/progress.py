"""A progress bar, in a notebook as in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def bar(label: str = "Messages") -> Iterator[Callable[[int, int], None]]:
    """A bar while the context lasts; `with bar() as on_progress: plan.run(..., on_progress=on_progress)`.

    In a notebook it is a widget, in a terminal a line on standard error, and elsewhere nothing.
    """
    with _widget(label) if _in_notebook() else _line(label) as on_progress:
        yield on_progress


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # only what is loaded already can be running us
    shell: Any = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def _widget(label: str) -> Iterator[Callable[[int, int], None]]:
    import ipywidgets
    from IPython.display import display

    progress = ipywidgets.IntProgress(description=label, layout={"width": "60%"})
    count = ipywidgets.Label()

    def on_progress(done: int, total: int) -> None:
        progress.max, progress.value, count.value = total, done, f"{done:,} of {total:,}"

    display(ipywidgets.HBox([progress, count]))  # type: ignore[no-untyped-call]
    yield on_progress


@contextmanager
def _line(label: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
