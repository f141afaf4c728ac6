"""A sweep that is killed and started again ends as one that was not."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from forecast.tracking.store import Store

from ..conftest import Place
from .conftest import Undisturbed, finish, scores, start, trials

pytestmark = pytest.mark.faults


def kill(folder: Path, victim: str, seconds: float, *more: str) -> None:
    """Start the sweep, kill a part of it after some seconds, and start it again if it is gone."""
    driver = start(folder, *more)
    until = time.monotonic() + seconds
    while time.monotonic() < until and driver.poll() is None:
        time.sleep(0.05)
    if driver.poll() is None and victim != "driver":
        for process in psutil.Process(driver.pid).children(recursive=True):
            if "spawn_main" in " ".join(process.cmdline()):
                process.kill()
                break
    if victim == "worker":
        assert driver.wait(timeout=300) == 0, (folder / "said.txt").read_text()
        return
    if driver.poll() is None:
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait(timeout=30)
    finish(folder, *more)


def test_sigkill_at_a_random_moment(
    number: int, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    victim = ("driver", "worker", "both")[number % 3]
    moment = random.Random(number).uniform(0.0, undisturbed.seconds)
    print(f"{victim} is killed after {moment:.2f} of {undisturbed.seconds:.2f} s")
    shutil.copy(place.folder / "load.csv", tmp_path)
    kill(tmp_path, victim, moment)
    assert scores(tmp_path) == undisturbed.scores  # the same children, none of them twice
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "load")
    runs = store.find("")
    kinds = Counter(run.data.tags["forecast.kind"] for run in runs)
    assert (kinds["sweep"], kinds["candidate"], kinds["ledger"]) == (1, 3, 1)
    assert "RUNNING" not in {run.info.status for run in runs}
    parts = [run for run in runs if run.data.tags["forecast.kind"] in ("sweep", "candidate")]
    assert {run.info.status for run in parts} == {"FINISHED"}


@pytest.mark.parametrize(
    "strategy",
    [
        ["sweep.strategy=halving", "sweep.factor=2"],
        [
            "sweep.strategy=tpe",
            "sweep.samples=4",
            "sweep.batch=2",
            "sweep.grid={training.learning_rate:{loguniform:[1e-4,1e-2]}}",
        ],
    ],
    ids=["halving", "tpe"],
)
def test_strategies_that_look_at_scores_resume_too(
    strategy: list[str], place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        shutil.copy(place.folder / "load.csv", folder)
    began = time.monotonic()
    finish(whole, *strategy)
    moment = random.Random(strategy[0]).uniform(0.4, 0.9) * (time.monotonic() - began)
    print(f"{strategy[0]}: the driver is killed after {moment:.2f} s")
    kill(killed, "driver", moment, *strategy)
    assert scores(killed) == scores(whole)
    shared = set(scores(whole)) & set(undisturbed.scores)
    if "halving" in strategy[0]:
        # three candidates for half of the epochs, two of them to the end: trials of the plain grid
        assert len(scores(whole)) == 3 * 2 + 2 * 2 and len(shared) == 2 * 2
        kept = [r.info.run_id for r in trials(whole) if "1/2 of the epochs" in r.info.run_name]
        client = Store(f"sqlite:///{whole / 'mlflow.db'}", "load").client
        files = [[item.path for item in client.list_artifacts(run)] for run in kept]
        assert files == [["checkpoint.npz"]] * 6
    else:
        assert len(scores(whole)) == 4 * 2
