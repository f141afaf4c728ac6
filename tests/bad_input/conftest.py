import pytest

from .door import Door


@pytest.fixture
def door(tmp_path, monkeypatch, capfd) -> Door:
    """An empty working folder, and the command line in it."""
    monkeypatch.chdir(tmp_path)
    return Door(tmp_path, capfd)
