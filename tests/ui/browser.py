"""MLflow's pages as `make ui` serves them, and a browser that notes what goes wrong in them."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..conftest import environment
from ..servers import free_port

ROOT = Path(__file__).parents[2]

KNOWN = (
    # MLflow asks who is logged in, and a server without accounts answers 404
    "/ajax-api/2.0/mlflow/users/current",
    # a chart was laid out twice between two pictures of the screen; browsers only say so
    "ResizeObserver loop completed with undelivered notifications",
)
"""What MLflow 3.17 itself does wrong on every page, on any store."""

SHAPES = [(360, 740), (1280, 900)]
"""Width and height of a phone and of a desk."""

CLOSED = {"name": "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "value": "true"}
"""What MLflow remembers of somebody who has closed its chat, which else covers a quarter."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's browser."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    assert found, "these tests want Debian's package chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched(browser: Any, folder: Path) -> Iterator[Callable[..., Any]]:
    """Open pages of a folder, and complain at the end of what went wrong in them.

    Yields:
        What opens a page by its name, which must ask for nothing but itself.
    """
    faults, contexts = [], []

    def enter(name, size=SHAPES[1], colours="light", script=True):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=colours,
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(request.url))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / name).as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [page.url]
        return page

    yield enter
    for context in contexts:
        context.close()
    assert faults == []


def boxes(page, selector):
    """Width and height of what a selector finds and nobody hides."""
    return page.eval_on_selector_all(
        selector,
        "all => all.filter(one => !one.closest('[hidden]'))"
        ".map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])",
    )


def contrast(*colours):
    """Contrast of two colours, "rgb(r, g, b)" (WCAG 2.2)."""

    def luminance(colour):
        parts = [int(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, bright = sorted(map(luminance, colours))
    return (bright + 0.05) / (dark + 0.05)


def barriers(page):
    """Return what axe-core finds that is serious or critical."""
    sync = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = sync.Axe().run(page).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Keep `make ui` running in a folder that holds a store, with the environment in use.

    Yields:
        The address of the server.
    """
    if folder.resolve() != ROOT:
        _furnish(folder)
    port = free_port()
    with (folder / "ui.log").open("w") as log:
        server = subprocess.Popen(
            ["make", "ui", f"PORT={port}"],
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            await_(server, f"http://127.0.0.1:{port}/", folder / "ui.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def _furnish(folder: Path) -> None:
    """Lay a Makefile and an environment that is up to date into a folder."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy2(ROOT / name, folder)
    home = folder / ".venv"
    if not home.exists():
        home.mkdir()
        for path in Path(sys.prefix).iterdir():
            if path.name != ".installed":
                (home / path.name).symlink_to(path)
    (home / ".installed").touch()
    subprocess.run(["make", "-q", ".venv/.installed"], cwd=folder, check=True)


def await_(server: subprocess.Popen, address: str, log: Path) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise TimeoutError(log.read_text())


class Visitor:
    """Somebody at MLflow's pages, in a browser of their own.

    Args:
        browser: Where to open them.
        address: Of the server; requests to other hosts are refused and noted.
        size: Width and height of the window.
        scale: Pixels of a picture for each of the page.
        fresh: Whether this browser has never been here, so that MLflow would open its chat.

    Attributes:
        page: What is looked at.
        faults: What went wrong, but for what is `KNOWN`.
        abroad: Requests to other hosts.
    """

    def __init__(
        self,
        browser: Any,
        address: str,
        size: tuple[int, int] = (1280, 900),
        scale: float = 1.0,
        *,
        fresh: bool = False,
    ):
        self.address = address
        self.faults: list[str] = []
        self.abroad: list[str] = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=scale,
            color_scheme="light",
            reduced_motion="reduce",
            storage_state=None
            if fresh
            else {"origins": [{"origin": address, "localStorage": [CLOSED]}]},
        )
        self.context.route(lambda url: not url.startswith((address, "data:", "blob:")), self._out)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)  # a busy machine takes its time
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def go(self, place: str) -> Any:
        """Open what stands behind the # of an address, from its beginning."""
        self.page.goto("about:blank")  # else only the part behind the # would change
        self.page.goto(f"{self.address}/#{place}")
        return self.page

    def close(self) -> None:
        self.context.close()

    def _out(self, route: Any) -> None:
        self.abroad.append(route.request.url)
        route.abort()

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self._note(f"{message.text} {message.location['url']}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self._note(f"{response.status} {response.url}")

    def _failed(self, request: Any) -> None:
        # leaving a page ends what it still asked for
        if request.failure != "net::ERR_ABORTED":
            self._note(f"{request.failure} {request.url}")

    def _note(self, text: str) -> None:
        if not any(known in text for known in KNOWN):
            self.faults.append(text)
