"""The stores of earlier commits, each unpacked once."""

from typing import Any

import pytest

from ..conftest import Place
from .kept import unpack


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    """Where everything of 297fc0f lies, and what is known of it."""
    folder = tmp_path_factory.mktemp("old")
    known = unpack("297fc0f", folder)
    return Place(folder, [], []), known


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    """Where a training and a sweep of 3d47ab9 were killed, and what they come to undisturbed."""
    folder = tmp_path_factory.mktemp("stopped")
    known = unpack("3d47ab9", folder)
    return Place(folder, [], []), known
