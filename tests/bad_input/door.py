"""The door of the command line, in process: what is said, and that nothing is left behind."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from forecast.cli.main import main

SMALL = [
    "data=file",
    "data.path=a.csv",
    "data.time=ts",
    "data.targets=[load]",
    "data.features=[load,temp]",
    "window.timesteps=8",
    "window.horizon=4",
    "model=mlp",
    "model.hidden=[2]",
    "training.epochs=1",
    "gates.probe=0",
    "gates.memory=0",
]
"""Overrides of every case; those of the case come behind them."""


class Door:
    """A folder of its own, and the commands that are run in it.

    Args:
        folder: Empty; the working folder.
        capfd: Catches what C++ writes, too.
    """

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]):
        self.folder, self.capfd = folder, capfd
        self.printed = ""

    def put(self, name: str, data: bytes | None) -> None:
        """Write a file of the case, where it has one."""
        if data is not None:
            (self.folder / name).write_bytes(data)

    def run(self, command: str, *overrides: str) -> tuple[int, str]:
        """Run a command: its exit status, and what it wrote on stderr."""
        self.capfd.readouterr()
        status = main([command, *overrides])
        self.printed, said = self.capfd.readouterr()
        return status, said

    def refuse(self, told: str, command: str, *overrides: str) -> None:
        """Check that a command says one whole sentence, exits with 2, and leaves no trace."""
        before = listing(self.folder)
        status, said = self.run(command, *overrides)
        assert status == 2, said or self.printed
        one_sentence(said, told)
        assert listing(self.folder) == before


def one_sentence(said: str, told: str) -> None:
    """Check a sentence: the argument, its rule, the value received, the cure."""
    assert re.fullmatch(rf"forecast: {told}.*\n", said), said
    sentence = said.removeprefix("forecast: ").removesuffix("\n")
    assert sentence == sentence.strip() and "Traceback" not in sentence
    assert " must " in sentence and len(sentence) < 1_000
    received, _, cure = sentence.partition(" must ")[2].rpartition(": ")
    assert "got " in received or "set, got nothing" in sentence
    assert cure


def listing(folder: Path) -> Mapping[str, str]:
    """Every file and folder below one, files with the hash of their bytes."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in folder.rglob("*")
    }
