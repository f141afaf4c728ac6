"""A training that is killed loses no number, has none twice, and ends as one that was not."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from forecast.serving import package
from forecast.tracking import journal, local
from forecast.tracking.store import Store

from ..conftest import LSTM, TINY, Place

pytestmark = pytest.mark.faults

COMMAND = [*TINY, *LSTM, "training.epochs=12", "training.patience=4", "model.dropout=0.2"]


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "forecast", *words],
            cwd=folder,
            start_new_session=True,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def finish(folder: Path, *words: str) -> None:
    assert start(folder, *words).wait(timeout=300) == 0, (folder / "said.txt").read_text()


def lines(folder: Path) -> int:
    """Bytes of all journals."""
    return sum(path.stat().st_size for path in folder.glob("runs/*/journal.jsonl"))


def kill(folder: Path, moment: float, *words: str) -> bool:
    """Start a command and kill it a moment after it has written its first line."""
    before, process = lines(folder), start(folder, *words)
    while lines(folder) == before and process.poll() is None:
        time.sleep(0.01)
    until = time.monotonic() + moment
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    return alive


def trained(folder: Path) -> list[local.LocalRun]:
    """The trained runs of a folder, the newest first."""
    return [run for run in local.runs(folder / "runs") if run.kind == "train"]


def points(folder: Path, run_id: str) -> Counter[tuple[str, int, float]]:
    """Every number that MLflow has of a run."""
    client = Store(f"sqlite:///{folder / 'mlflow.db'}", "load").client
    found: Counter[tuple[str, int, float]] = Counter()
    for key in client.get_run(run_id).data.metrics:
        found.update((key, m.step, m.value) for m in client.get_metric_history(run_id, key))
    return found


def told(folder: Path, run: local.LocalRun) -> Counter[tuple[str, int, float]]:
    """Every number that the journal has of a run."""
    found: Counter[tuple[str, int, float]] = Counter()
    for record in journal.records(folder / "runs" / run.local_id):
        if record["do"] == "metrics":
            found.update((key, step, value) for key, step, value in record["points"])
    return found


def weights(folder: Path, run_id: str) -> list[np.ndarray]:
    """The weights in a run's bundle."""
    client = Store(f"sqlite:///{folder / 'mlflow.db'}", "load").client
    return package.fetch(client, run_id, folder).model.get_weights()


def lasting(found: Counter[tuple[str, int, float]]) -> dict[tuple[str, int], float]:
    """Numbers that two trainings of one configuration share: all but how long it took."""
    assert set(found.values()) == {1}  # none is there twice
    keys = [(key, step) for key, step, _ in found]
    assert len(keys) == len(set(keys))
    return {
        (key, step): value
        for key, step, value in found
        if not key.startswith("time/") and key != "threads_used"
    }


@dataclass
class Undisturbed:
    """A run that nobody killed, and how long it wrote."""

    numbers: dict[tuple[str, int], float]
    weights: list[np.ndarray]
    artifacts: set[str]
    seconds: float


def artifacts(folder: Path, run_id: str) -> set[str]:
    home = Path(
        Store(f"sqlite:///{folder / 'mlflow.db'}", "load")
        .client.get_run(run_id)
        .info.artifact_uri.removeprefix("file://")
    )
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    return {name for name in files if not name.startswith("images/")} | {
        name.split("+timestamp")[0] for name in files if name.startswith("images/")
    }


@pytest.fixture(scope="module")
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(place.folder / "load.csv", folder)
    process = start(folder, "train", *COMMAND)
    while not lines(folder):
        assert process.poll() is None, (folder / "said.txt").read_text()
        time.sleep(0.01)
    began = time.monotonic()
    assert process.wait(timeout=300) == 0, (folder / "said.txt").read_text()
    seconds = time.monotonic() - began
    (run,) = trained(folder)
    found = points(folder, run.run_id)
    return Undisturbed(
        lasting(found), weights(folder, run.run_id), artifacts(folder, run.run_id), seconds
    )


@pytest.mark.parametrize("seed", range(4))
def test_sigkill_at_five_random_moments(
    seed: int, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    """Four runs, each killed up to five times, sent and gone on with each time."""
    shutil.copy(place.folder / "load.csv", tmp_path)
    moments = random.Random(seed)
    killed, words = 0, ["train", *COMMAND]
    while killed < 5:
        moment = moments.uniform(0, undisturbed.seconds)
        print(f"killed after {moment:.2f} of {undisturbed.seconds:.2f} s")
        if not kill(tmp_path, moment, *words):
            break  # it was faster
        killed += 1
        finish(tmp_path, "sync")
        (run,) = trained(tmp_path)
        assert run.waiting == 0
        assert points(tmp_path, run.run_id) == told(tmp_path, run)  # none lost, none twice
        if run.state == "FINISHED":
            break  # it was killed while it printed
        assert run.state == "KILLED"
        words = ["train", f"resume={run.local_id}"]
    assert killed
    (run,) = trained(tmp_path)
    if run.state != "FINISHED":
        finish(tmp_path, *words)
    (run,) = trained(tmp_path)
    assert run.state == "FINISHED" and run.waiting == 0
    assert lasting(points(tmp_path, run.run_id)) == undisturbed.numbers
    for own, other in zip(weights(tmp_path, run.run_id), undisturbed.weights, strict=True):
        np.testing.assert_array_equal(own, other)
    assert artifacts(tmp_path, run.run_id) == undisturbed.artifacts
    every = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "load").find("")
    kinds = Counter(run.data.tags["forecast.kind"] for run in every)
    assert kinds == {"train": 1, "baseline": 3}
    assert {run.info.status for run in every} == {"FINISHED"}
