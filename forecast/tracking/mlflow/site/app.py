"""The application that `mlflow server --app-name forecast` runs: MLflow's own, with one script.

MLflow finds it by the entry point `mlflow.app`. Nothing of MLflow's is replaced: its page of `/`
gets one script before its own, and pages of ours stand below `/forecast/`.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.resources import files
from typing import Any

from forecast.tracking.mlflow.site import pages

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "_MLFLOW_STATIC_PREFIX"
"""Variable in which MLflow's server finds what `--static-prefix` said."""

HEAD = b"<head>"
"""Behind it goes our script; a page without it stays as it is."""

STALE = (b"etag", b"last-modified", b"content-length")
"""Headers of the page without our script."""


def create_app() -> Application:
    """Make MLflow's application with our start page and our pages."""
    from mlflow.server import app as flask
    from mlflow.server.fastapi_app import app

    pages.add(flask, _prefix())
    return _with_script(app)


def create_secured_app() -> Application:
    """Make the same for people who log in (needs `mlflow[auth]`)."""
    from mlflow.server import app as flask
    from mlflow.server.auth import create_app as secured

    pages.add(flask, _prefix())
    pages.answer_first(flask)
    return _with_script(secured())


def _prefix() -> str:
    return os.environ.get(PREFIX, "").rstrip("/")


def _with_script(app: Application) -> Application:
    script = files("forecast.tracking.mlflow.site").joinpath("start.js").read_bytes()
    return StartPage(app, f"{_prefix()}/", b"<script>" + script + b"</script>")


class StartPage:
    """An ASGI application whose start page runs one more script.

    Args:
        app: The application.
        path: Of the start page.
        script: What to put behind its `<head>`.
    """

    def __init__(self, app: Application, path: str, script: bytes):
        self.app, self.path, self.script = app, path, script

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; all but those for the start page are handed on as they are."""
        asked = scope.get("type"), scope.get("method"), scope.get("path")
        if asked != ("http", "GET", self.path):
            return await self.app(scope, receive, send)
        # a browser may remember the page without the script
        known = [pair for pair in scope["headers"] if not pair[0].lower().startswith(b"if-")]
        started: MutableMapping[str, Any] = {}
        body = bytearray()

        async def hold(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
                return
            if message["type"] != "http.response.body":
                return await send(message)
            body.extend(message.get("body", b""))
            if message.get("more_body", False):
                return
            whole = self._with_script(started, bytes(body))
            await send(started)
            await send({"type": "http.response.body", "body": whole})

        await self.app({**scope, "headers": known}, receive, hold)

    def _with_script(self, started: MutableMapping[str, Any], body: bytes) -> bytes:
        """Put the script into a page, and what no longer holds out of its headers."""
        headers = {name.lower(): value for name, value in started.get("headers", ())}
        html = headers.get(b"content-type", b"").startswith(b"text/html")
        if started.get("status") != 200 or not html or b"content-encoding" in headers:
            return body
        at = body.find(HEAD) + len(HEAD)
        if at < len(HEAD):
            return body
        body = body[:at] + self.script + body[at:]
        kept = [pair for pair in started["headers"] if pair[0].lower() not in STALE]
        started["headers"] = [*kept, (b"content-length", str(len(body)).encode())]
        return body
