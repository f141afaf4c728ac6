"""MLflow's pages as `make ui` serves them, and a browser that notes what goes wrong in them."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
            _await(server, f"http://127.0.0.1:{port}/", folder / "ui.log")
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


def _await(server: subprocess.Popen, address: str, log: Path) -> None:
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
