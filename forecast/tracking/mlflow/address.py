"""Addresses of tracking stores, checked before anything is created for them."""

import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

from forecast.data.fetch import without_secrets
from forecast.errors import InputError, cause

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
