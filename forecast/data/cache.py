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
