"""A sweep that is killed and started again ends as one that was not."""

import random
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import optuna
import psutil
import pytest

from forecast.tracking.mlflow.store import Store

from ..conftest import Place
from ..servers import kill as end
from .conftest import Undisturbed, finish, scores, start, trials

pytestmark = pytest.mark.faults


def kill(folder: Path, victim: str, seconds: float) -> None:
    """Start the sweep, kill a part of it after some seconds, and start it again if it is gone."""
    driver = start(folder)
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
    end(driver)
    finish(folder)


def kill_behind(folder: Path, trials: int, *more: str) -> None:
    """Start a sweep, kill its driver once so many trials are finished, and start it again."""
    driver = start(folder, *more, forking=True)
    while finished(folder) < trials:
        assert driver.poll() is None, (folder / "said.txt").read_text()
        time.sleep(0.05)
    assert driver.poll() is None
    end(driver)
    finish(folder, *more, forking=True)


def finished(folder: Path) -> int:
    """Count the finished trials of a store that another process may be making."""
    if not (folder / "mlflow.db").exists():
        return 0
    query = (
        "select count(*) from runs join tags on tags.run_uuid = runs.run_uuid "
        "where status = 'FINISHED' and key = 'forecast.kind' and tags.value = 'trial'"
    )
    with closing(sqlite3.connect(folder / "mlflow.db")) as base:
        try:
            return base.execute(query).fetchone()[0]
        except sqlite3.OperationalError:  # no table yet
            return 0


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


def test_a_killed_halving_ends_in_trials_of_the_plain_grid(
    place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    strategy = ["sweep.strategy=halving", "sweep.factor=2"]
    trial = random.Random("halving").randint(1, 8)
    print(f"the driver is killed after {trial} of 10 trials")
    shutil.copy(place.folder / "load.csv", tmp_path)
    kill_behind(tmp_path, trial, *strategy)
    # three candidates for half of the epochs, two of them to the end
    found = scores(tmp_path)
    assert len(found) == 3 * 2 + 2 * 2
    assert len(set(found) & set(undisturbed.scores)) == 2 * 2
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "load")
    kept = [
        [item.path for item in store.client.list_artifacts(run.info.run_id)]
        for run in trials(tmp_path)
        if run.info.status == "FINISHED" and "1/2 of the epochs" in run.info.run_name
    ]
    assert kept == [["checkpoint.npz"]] * 6


def test_a_killed_tpe_asks_for_the_same_points_again(place: Place, tmp_path: Path):
    """Optuna itself says which points a seed asks for."""
    strategy = [
        "sweep.strategy=tpe",
        "sweep.samples=2",
        "sweep.batch=1",
        "sweep.seed=5",
        "sweep.grid={training.learning_rate:{loguniform:[1e-4,1e-2]}}",
    ]
    trial = random.Random("tpe").randint(1, 3)
    print(f"the driver is killed after {trial} of 4 trials")
    shutil.copy(place.folder / "load.csv", tmp_path)
    kill_behind(tmp_path, trial, *strategy)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=5))
    rates = [study.ask().suggest_float("rate", 1e-4, 1e-2, log=True) for _ in range(2)]
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "load")
    found = store.find("tags.`forecast.kind` = 'candidate'", newest=False)
    tried = [float(run.data.params["training.learning_rate"]) for run in found]
    assert tried == pytest.approx(rates, rel=1e-3)
    assert len(scores(tmp_path)) == len(dict(scores(tmp_path))) == 2 * 2
    assert "RUNNING" not in {run.info.status for run in store.find("")}
