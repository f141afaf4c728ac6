"""The package as it is written: read once, and not imported."""

from functools import cache
from typing import Any

import griffe


@cache
def package() -> griffe.Module:
    """Read `forecast`."""
    return griffe.load("forecast")


def written(path: str) -> Any:
    """Return what stands under a path such as `forecast.data.table.Table`."""
    return package()[path.partition(".")[2]]


def homes(path: str) -> dict[str, str]:
    """Return the public names of a package to where each is defined."""
    module = written(path)
    return {name: module.imports[name] for name in module.exports}
