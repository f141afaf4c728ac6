"""A sweep started as a process of its own, and what it comes to when nobody disturbs it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.tracking.store import Store

from ..conftest import LSTM, TINY, Place

COMMAND = [
    "sweep",
    *TINY,
    *LSTM,
    "sweep.grid={training.learning_rate:[1e-3,2e-3,3e-3]}",
    "sweep.folds=2",
    "training.epochs=30",
    "training.patience=null",
]


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "forecast", *COMMAND]
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(
            command, cwd=folder, start_new_session=True, stdout=said, stderr=subprocess.STDOUT
        )


def trials(folder: Path) -> list:
    return Store(f"sqlite:///{folder / 'mlflow.db'}", "load").find("tags.`forecast.kind` = 'trial'")


def scores(folder: Path) -> list[tuple[str, float]]:
    """Key and score of every finished trial, sorted."""
    done = [run for run in trials(folder) if run.info.status == "FINISHED"]
    return sorted((r.data.tags["forecast.trial_key"], r.data.metrics["cv/mae"]) for r in done)


@pytest.fixture(scope="session")
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, float]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(place.folder / "load.csv", folder)
    assert start(folder).wait(timeout=240) == 0, (folder / "said.txt").read_text()
    found = scores(folder)
    assert len(found) == 6
    return found
