"""The README's pictures: lessons in JupyterLab and the dashboard, taken with Chromium. Run by `make pictures`.

python tests/pictures.py [FOLDER]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

HEIGHTS = {"overview": 1240, "delivery": 960, "conversations": 960, "health": 1060}
LAST_CARD = {
    "overview": "Message types",
    "delivery": "Rejected calls",
    "conversations": "Conversations",
    "health": "Ending next",
}


def main(folder: Path) -> None:
    """Start the demo, look at it, stop it."""
    folder.mkdir(parents=True, exist_ok=True)
    free = [word for name in ("sandbox", "capture", "dashboard", "lab") for word in (f"--{name}-port", "0")]
    with tempfile.TemporaryDirectory() as scratch:
        words = ["demo", "--json", "--db", f"{scratch}/demo.db", *free]
        demo = subprocess.Popen([sys.executable, "-m", "kommo_nb.cli", *words], stdout=subprocess.PIPE, text=True)
        assert demo.stdout is not None
        try:
            addresses = json.loads(demo.stdout.readline())
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
                take_lessons(browser, addresses["lab"], folder)
                take_dashboard(browser, addresses["dashboard"], folder)
                browser.close()
        finally:
            demo.terminate()
            demo.wait(timeout=30)


def take_lessons(browser: Any, lab: str, folder: Path) -> None:
    """Lessons 01 and 04, each run from top to bottom in JupyterLab."""
    base, _, address = lab.partition("/lab/")
    token = address.partition("?")[2]
    for name, look_for in (("01-register-a-channel", "3 · Fill in the form"), ("04-exchange-messages", "3 · Maria")):
        page = browser.new_page(viewport={"width": 1440, "height": 1100})
        complaints = watched(page)
        page.goto(f"{base}/doc/tree/{name}.ipynb?{token}")
        page.get_by_text("| Idle").wait_for(timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        count = len([cell for cell in cells(name) if cell["cell_type"] == "code"])
        page.locator(".jp-InputPrompt").last.filter(has_text=f"[{count}]:").wait_for(timeout=60_000)
        page.get_by_text("| Idle").wait_for()
        page.get_by_role("heading", name=look_for).evaluate("heading => heading.scrollIntoView()")
        page.wait_for_timeout(1_500)
        page.screenshot(path=folder / f"lesson-{name[:2]}.png")
        print(f"{name}: {count} cells, {len(complaints)} complaints", *complaints[:5], sep="\n  ")
        page.close()


def take_dashboard(browser: Any, url: str, folder: Path) -> None:
    """The dashboard: the overview at two widths, light and dark, and each other tab."""
    looks = [("overview", width, scheme, f"dashboard-{width}-{scheme}")
             for width in (1440, 390) for scheme in ("light", "dark")]  # fmt: skip
    looks += [(tab, 1440, "light", f"dashboard-{tab}") for tab in ("delivery", "conversations", "health")]
    for tab, width, scheme, name in looks:
        page = browser.new_page(viewport={"width": width, "height": HEIGHTS[tab]}, color_scheme=scheme)
        complaints = watched(page)
        page.goto(f"{url}/?tab={tab}")
        page.locator(f".mui-{scheme} .main").wait_for()
        page.locator("#snapshot").wait_for(state="detached")
        page.get_by_role("heading", name=LAST_CARD[tab], exact=True).wait_for()
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(1_000)  # the theme fades over
        page.screenshot(path=folder / f"{name}.png")
        print(f"{name}: {len(complaints)} complaints", *complaints[:5], sep="\n  ")
        page.close()


def watched(page: Page) -> list[str]:
    """A list that fills with what the page complains about, and with requests that leave the machine."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            complaints.append(f"left the machine: {request.url}")
            if request.url.startswith("http") and "//127.0.0.1" not in request.url
            else None
        ),
    )
    return complaints


def cells(name: str) -> list[dict[str, Any]]:
    """The cells of a lesson."""
    found: list[dict[str, Any]] = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "notebooks" / "pictures")
