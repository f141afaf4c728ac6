"""A sweep started as a process of its own, and what it comes to when nobody disturbs it."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from forecast.tracking.mlflow.store import Store

from ..conftest import LSTM, TINY, Place
from ..forked import Forked

COMMAND = [
    "sweep",
    *TINY,
    *LSTM,
    "sweep.grid={training.learning_rate:[1e-3,2e-3,3e-3]}",
    "sweep.folds=2",
    "training.epochs=30",
    "training.patience=null",
]


@dataclass
class Undisturbed:
    """What a sweep comes to when nobody kills anything, and its wall time."""

    scores: list[tuple[str, float]]
    seconds: float


def start(folder: Path, *more: str, forking: bool = False) -> Forked:
    return Forked(folder, *COMMAND, *more, forking=forking)


def trials(folder: Path) -> list:
    return Store(f"sqlite:///{folder / 'mlflow.db'}", "load").find("tags.`forecast.kind` = 'trial'")


def scores(folder: Path) -> list[tuple[str, float]]:
    """Key and score of every finished trial, sorted."""
    done = [run for run in trials(folder) if run.info.status == "FINISHED"]
    return sorted((r.data.tags["forecast.trial_key"], r.data.metrics["cv/mae"]) for r in done)


def finish(folder: Path, *more: str, forking: bool = False) -> None:
    """Run the sweep to its end."""
    assert start(folder, *more, forking=forking).wait(timeout=300) == 0, (
        folder / "said.txt"
    ).read_text()


@pytest.fixture(scope="session")
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(place.folder / "load.csv", folder)
    began = time.monotonic()
    finish(folder)
    seconds = time.monotonic() - began
    found = scores(folder)
    assert len(found) == 6
    return Undisturbed(found, seconds)
