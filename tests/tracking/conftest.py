"""A training as a process of its own, and what it comes to when nobody disturbs it."""

import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from forecast.serving import package
from forecast.tracking import folders, journal
from forecast.tracking.mlflow.store import Store

from ..conftest import LSTM, TINY, Place
from ..forked import Forked
from ..servers import kill as end

COMMAND = [*TINY, *LSTM, "training.epochs=12", "training.patience=4", "model.dropout=0.2"]


def finish(folder: Path, *words: str, patience: tuple[float, float] | None = None) -> None:
    process = Forked(folder, *words, patience=patience)
    try:
        status = process.wait(timeout=300)
    finally:
        end(process)  # else it takes its time from the tests that follow
    assert status == 0, (folder / "said.txt").read_text()


def lines(folder: Path) -> int:
    """Bytes of all journals."""
    return sum(path.stat().st_size for path in folder.glob("runs/*/journal.jsonl"))


def kill(folder: Path, moment: float, *words: str) -> bool:
    """Start a command and kill it a moment after it has written its first line."""
    before, process = lines(folder), Forked(folder, *words)
    while lines(folder) == before and process.poll() is None:
        time.sleep(0.01)
    until = time.monotonic() + moment
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.01)
    alive = process.poll() is None
    end(process)
    return alive


def wait_for_fit(folder: Path, process: Forked) -> None:
    """Wait until the journal of a training says that its fit is finished."""
    done = b'{"do": "done", "stage": "fit"}'
    while not any(done in path.read_bytes() for path in folder.glob("runs/*/journal.jsonl")):
        assert process.poll() is None, (folder / "said.txt").read_text()
        time.sleep(0.005)


def trained(folder: Path) -> list[folders.LocalRun]:
    """The trained runs of a folder, the newest first."""
    return [run for run in folders.runs(folder / "runs") if run.kind == "train"]


def store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder / 'mlflow.db'}", "load")


def points(kept: Store, run_id: str) -> Counter[tuple[str, int, float]]:
    """Every number that MLflow has of a run."""
    client = kept.client
    found: Counter[tuple[str, int, float]] = Counter()
    for key in client.get_run(run_id).data.metrics:
        found.update((key, m.step, m.value) for m in client.get_metric_history(run_id, key))
    return found


def told(folder: Path, run: folders.LocalRun) -> Counter[tuple[str, int, float]]:
    """Every number that the journal has of a run."""
    found: Counter[tuple[str, int, float]] = Counter()
    for record in journal.records(folder / "runs" / run.local_id):
        if record["do"] == "metrics":
            found.update((key, step, value) for key, step, value in record["points"])
    return found


def weights(kept: Store, run_id: str) -> list[np.ndarray]:
    """The weights in a run's bundle."""
    with tempfile.TemporaryDirectory() as folder:
        return package.fetch(kept.client, run_id, Path(folder)).model.get_weights()


def artifacts(kept: Store, run_id: str, path: str = "") -> set[str]:
    """The names of a run's files, those of pictures without what makes them unique."""
    found: set[str] = set()
    for item in kept.client.list_artifacts(run_id, path):
        inside = artifacts(kept, run_id, item.path) if item.is_dir else {item.path}
        found |= {name.split("+timestamp")[0] for name in inside}
    return found


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
    """A run that nobody killed, how long it wrote, and how long after its training."""

    numbers: dict[tuple[str, int], float]
    weights: list[np.ndarray]
    artifacts: set[str]
    seconds: float
    after: float


@pytest.fixture(scope="session")
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(place.folder / "load.csv", folder)
    process = Forked(folder, "train", *COMMAND)
    while not lines(folder):
        assert process.poll() is None, (folder / "said.txt").read_text()
        time.sleep(0.01)
    began = time.monotonic()
    wait_for_fit(folder, process)
    fitted = time.monotonic()
    assert process.wait(timeout=300) == 0, (folder / "said.txt").read_text()
    ended = time.monotonic()
    (run,), kept = trained(folder), store(folder)
    return Undisturbed(
        lasting(points(kept, run.run_id)),
        weights(kept, run.run_id),
        artifacts(kept, run.run_id),
        ended - began,
        ended - fitted,
    )


def same(folder: Path, kept: Store, undisturbed: Undisturbed) -> None:
    """What a folder and its store hold is what they hold when nobody disturbs a training."""
    (run,) = trained(folder)
    assert run.state == "FINISHED" and run.waiting == 0
    assert lasting(points(kept, run.run_id)) == undisturbed.numbers
    for own, other in zip(weights(kept, run.run_id), undisturbed.weights, strict=True):
        np.testing.assert_array_equal(own, other)
    assert artifacts(kept, run.run_id) == undisturbed.artifacts
    every = kept.find("")
    assert Counter(run.data.tags["forecast.kind"] for run in every) == {"train": 1, "baseline": 4}
    assert {run.info.status for run in every} == {"FINISHED"}
