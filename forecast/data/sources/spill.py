"""Folders for what does not fit into memory; those of processes that were killed are removed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from forecast.data.fetch import private_cache_folder

_LOCK = "lock"
"""File of each folder, locked while the process lives that uses it."""


class Spill:
    """A folder on disk for as long as this object lives.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        home = _home()
        for old in _abandoned(home):
            shutil.rmtree(old, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix="forecast-", dir=home))
        lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.close = weakref.finalize(self, _remove, self.path, lock, os.getpid())
        """Remove the folder; it happens by itself when the object goes, or the process ends."""


def _home() -> Path:
    """Return where the folders lie: beside the cache, since /tmp may itself be memory."""
    try:
        return private_cache_folder("spill")
    except OSError:  # a home that cannot be written, or that others can
        return Path(tempfile.gettempdir())


def _abandoned(home: Path) -> Iterator[Path]:
    """Yield folders whose process has ended without removing them."""
    for lock in home.glob(f"forecast-*/{_LOCK}"):
        with contextlib.suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock.parent


def _remove(folder: Path, lock: int, owner: int) -> None:
    """Remove a folder and give its lock up; a forked process leaves it to its owner."""
    if os.getpid() != owner:
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
