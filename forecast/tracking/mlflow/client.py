"""A client that asks again while its server is away, for what cannot be written later."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from forecast.data.fetch import without_secrets
from forecast.errors import InputError, cause
from forecast.tracking.mlflow.store import Unreachable, reason
from forecast.tracking.sender import FINAL, PAUSES

SQLITE = "sqlite:///"
HEADER = b"SQLite format 3\0"

READ = 64_000_000
"""Bytes of a file that is looked through as a whole before it is used, in a tenth of a second."""

BUSY = ("locked", "busy")
"""What SQLite says while another process writes: the file is in order."""


def check_uri(uri: str, *, existing: bool = False) -> None:
    """Refuse what can never be a store."""
    try:
        parts = urlsplit(uri)
        named = bool(parts.hostname or parts.path.strip("/")) and parts.port != 0
    except ValueError:  # an invalid port, or a bracket without its other
        named = False
    if not named or (parts.scheme in ("http", "https") and not parts.hostname):
        raise _refused(uri, "which names no host and no file")
    if uri.startswith("sqlite:"):
        if not uri.startswith(SQLITE) or uri == f"{SQLITE}:memory:":
            raise _refused(uri, "which is no file")
        _check_file(uri, Path(uri.removeprefix(SQLITE)), existing)


def _check_file(uri: str, path: Path, existing: bool) -> None:
    """Open a database as a writer does, and leave it as it was."""
    try:
        there = path.exists()
        if there and not path.is_file():
            raise _refused(uri, "which is a folder or a device")
        if not there and existing:
            raise _refused(uri, "which does not exist", "train first, or name the store of the run")
        if not there or not path.stat().st_size:
            return
        with path.open("rb") as file:
            if file.read(len(HEADER)) != HEADER:
                raise _refused(uri, "which is another file and no SQLite database")
    except OSError as error:
        raise _refused(uri, cause(error)) from error
    mode = "ro" if existing else "rw"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    try:
        if path.stat().st_size <= READ:
            [(state,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
            if state != "ok":
                raise _refused(uri, f"which is damaged: {state}", "bring a copy back")
        if not existing:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        if not any(word in str(error) for word in BUSY):
            raise _refused(uri, cause(error), "bring a copy back") from error
    finally:
        connection.close()


def _refused(uri: str, why: str, cure: str = "") -> InputError:
    """Say what an address must be."""
    return InputError(
        f"tracking.uri must be a store that can be written, such as {SQLITE}mlflow.db or "
        f"http://host:5000, got {without_secrets(uri)!r} ({why}): {cure or 'write one of these'}"
    )


MOST = 60.0
"""Seconds that a server may be away in the middle of a sweep."""

CLASH = "BAD_REQUEST"
"""Error code of the slower of two simultaneous equal writes; it need only retry."""

CLASHES = 3
"""Such answers to one call after which it is wrong in itself."""

CREATION = "forecast.creation"
"""Tag by which a run is looked up before its creation is tried again."""


class RetryingClient:
    """MLflow's client, each of whose calls is repeated until it succeeds or was refused for good.

    Only downloads are as they were: whoever wants a file that may be lost can do without. Once a
    server has been away for too long, every call fails at its first try.
    """

    def __init__(self, client: Any, uri: str, sleep: Callable[[float], None] = time.sleep):
        self._client, self._uri, self._sleep = client, uri, sleep
        self._left = MOST

    def __getattr__(self, name: str) -> Any:
        """Return a method that is patient."""
        method = getattr(self._client, name)
        if name == "download_artifacts":
            return method
        return lambda *arguments, **named: self._ask(lambda: method(*arguments, **named))

    def create_run(self, experiment_id: str, *, run_name: str, tags: Mapping[str, str]) -> Any:
        """Create a run, and only one, should the answer of a server be lost."""
        mark = token_hex(8)
        asked = False

        def create() -> Any:
            nonlocal asked
            if asked:
                where = f"tags.`{CREATION}` = '{mark}'"
                if found := self._client.search_runs([experiment_id], where, max_results=1):
                    return found[0]
            asked = True
            marked = {**tags, CREATION: mark}
            return self._client.create_run(experiment_id, run_name=run_name, tags=marked)

        return self._ask(create)

    def _ask(self, request: Callable[[], Any]) -> Any:
        """Repeat a request until it is answered."""
        from mlflow.exceptions import MlflowException

        waits = iter(PAUSES)
        waited, clashes = 0.0, 0
        while True:
            try:
                return request()
            except (MlflowException, OSError) as error:
                code = getattr(error, "error_code", None)
                clashes += code == CLASH
                if code == CLASH and clashes < CLASHES:
                    continue
                if code in FINAL:
                    raise
                if waited >= self._left:
                    self._left = 0.0
                    raise _gone(self._uri, error) from error
                pause = next(waits, PAUSES[-1])
                self._sleep(pause)
                waited += pause


def _gone(uri: str, error: Exception) -> Unreachable:
    """Say what to do when a server does not come back."""
    cause = reason(error)
    return Unreachable(
        f"tracking.uri must be a store that can be reached as long as a sweep runs, got "
        f"{without_secrets(uri)!r} ({cause}): start the server and give the command again, which "
        "goes on "
        "with what is finished",
        cause,
    )
