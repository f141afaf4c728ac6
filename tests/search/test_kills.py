"""A sweep that is killed and started again ends as one that was not."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from forecast.tracking.store import Store

from ..conftest import LSTM, TINY, Place

pytestmark = pytest.mark.faults

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


@pytest.fixture(scope="module")
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, float]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(place.folder / "load.csv", folder)
    assert start(folder).wait(timeout=240) == 0, (folder / "said.txt").read_text()
    found = scores(folder)
    assert len(found) == 6
    return found


@pytest.mark.parametrize("victim", ["driver", "worker", "both"])
def test_sigkill_at_a_random_moment(
    victim: str, place: Place, undisturbed: list[tuple[str, float]], tmp_path: Path
):
    moment = random.Random(f"kill the {victim}").uniform(0.0, 6.0)
    print(f"{victim} is killed {moment:.2f} s after the first trial began")
    shutil.copy(place.folder / "load.csv", tmp_path)
    driver = start(tmp_path)
    until = time.monotonic() + 120
    while time.monotonic() < until and not ((tmp_path / "mlflow.db").exists() and trials(tmp_path)):
        time.sleep(0.5)
    time.sleep(moment)
    workers = [
        process
        for process in psutil.Process(driver.pid).children(recursive=True)
        if "spawn_main" in " ".join(process.cmdline())
    ]
    if victim != "driver" and workers:
        workers[0].kill()
    if victim == "worker":
        assert driver.wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
    else:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(timeout=30)
        assert start(tmp_path).wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
    assert scores(tmp_path) == undisturbed
    assert "RUNNING" not in {run.info.status for run in trials(tmp_path)}
