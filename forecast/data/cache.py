"""Where files are kept that can be made or fetched again."""

import os
from pathlib import Path


def folder(name: str) -> Path:
    """Return a folder of this project's cache, which may not exist yet.

    Args:
        name: Such as "data".

    Returns:
        `~/.cache/forecast/<name>`, or under `XDG_CACHE_HOME`.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "forecast" / name


def private(name: str) -> Path:
    """Return a folder of the cache that nobody else can put anything into; made if need be.

    Args:
        name: Such as "xla", whose files are run.

    Returns:
        The folder.

    Raises:
        PermissionError: It belongs to somebody else, or others may write there.
    """
    found = folder(name)
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in (found, found.parent):
        told = place.stat()
        if told.st_uid != os.getuid() or told.st_mode & 0o022:
            raise PermissionError(f"others may write into {place}")
    return found
