"""Several processes on one store: a cluster behind a tracking server, two drivers at once."""

import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forecast.tracking.mlflow.store import Store

from ..conftest import Place
from ..forked import Forked
from ..servers import (
    BIN,
    free_port,
    kill,
    postgresql,
    process,
    server_program,
    sqlite,
    tracking_server,
    wait_for,
)
from .conftest import Undisturbed, scores, start, trials

pytestmark = pytest.mark.faults


@contextlib.contextmanager
def driving(folder: Path, *more: str) -> Iterator[Forked]:
    """Run the sweep beside the block, and end it with the block."""
    driver = start(folder, *more)
    try:
        yield driver
    finally:
        kill(driver)


# what holds on a database server holds on a file: one of both is enough, and takes long enough
@pytest.mark.parametrize("database", [postgresql if server_program("initdb") else sqlite])
def test_a_cluster_behind_a_tracking_server_loses_a_worker_and_ends_complete(
    database: Callable[[Path], contextlib.AbstractContextManager[str]],
    place: Place,
    undisturbed: Undisturbed,
    tmp_path: Path,
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    port, found = free_port(), tmp_path / "scheduler.json"
    uri = f"http://127.0.0.1:{port}"
    dask = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [BIN / "dask", "worker", "--scheduler-file", found, "--nthreads", "1"]
    with (
        database(tmp_path) as backend,
        tracking_server(tmp_path, backend, port),
        process(tmp_path, *dask, "--scheduler-file", found),
        process(tmp_path, *worker, "--no-dashboard") as victim,
        process(tmp_path, *worker, "--no-dashboard"),
    ):
        wait_for(f"{uri}/health", tmp_path / "said.txt")
        scheduler = json.loads(found.read_text())["address"]
        where = [f"sweep.scheduler={scheduler}", f"tracking.uri={uri}"]
        with driving(tmp_path, *where) as driver:
            experiment = Store(uri, "load")
            until = time.monotonic() + 120
            while time.monotonic() < until and not experiment.find(
                "tags.`forecast.kind` = 'trial'"
            ):
                time.sleep(0.5)
            time.sleep(3)  # both workers compile or train by now
            kill(victim)
            assert driver.wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
        runs = experiment.find("tags.`forecast.kind` = 'trial'")
        assert {run.info.status for run in runs} == {"FINISHED"}
        done = sorted((r.data.tags["forecast.trial_key"], r.data.metrics["cv/mae"]) for r in runs)
        assert done == undisturbed.scores
        [parent] = experiment.find("tags.`forecast.kind` = 'sweep'")
        assert parent.info.status == "FINISHED"
        files = {item.path for item in experiment.client.list_artifacts(parent.info.run_id)}
        assert {"leaderboard.csv", "leaderboard.png"} <= files
    assert not (tmp_path / "mlflow.db").exists()


def test_two_drivers_at_once_share_the_trials(
    place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    with driving(tmp_path) as one, driving(tmp_path) as other:
        for driver in (one, other):
            assert driver.wait(timeout=400) == 0, (tmp_path / "said.txt").read_text()
    assert scores(tmp_path) == undisturbed.scores
    began = Counter(run.data.tags["forecast.trial_key"] for run in trials(tmp_path))
    assert set(began.values()) == {1}  # nothing was run twice, not even in vain


@pytest.mark.parametrize("comes_back", [True, False], ids=["ten seconds", "a minute"])
def test_time_without_a_server_costs_a_sweep_nothing_else(
    comes_back: bool, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    """A sweep waits for its server, and after a minute ends with the command that goes on."""
    shutil.copy(place.folder / "load.csv", tmp_path)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with sqlite(tmp_path) as backend:
        with tracking_server(tmp_path, backend, port) as server:
            wait_for(f"{uri}/health", tmp_path / "said.txt")
            driver = start(tmp_path, f"tracking.uri={uri}")
            experiment = Store(uri, "load")
            while driver.poll() is None and not experiment.find("tags.`forecast.kind` = 'trial'"):
                time.sleep(0.2)
            kill(server)
        if comes_back:
            time.sleep(10)
        else:
            assert driver.wait(timeout=240) == 2
            assert "give the command again" in (tmp_path / "said.txt").read_text()
        with tracking_server(tmp_path, backend, port):
            if not comes_back:
                wait_for(f"{uri}/health", tmp_path / "said.txt")
                driver = start(tmp_path, f"tracking.uri={uri}")
            assert driver.wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
            runs = experiment.find("tags.`forecast.kind` = 'trial'")
            lost = [run.info.run_id for run in runs if run.info.status == "KILLED"]
            done = [run for run in runs if run.info.run_id not in lost]
            assert {run.info.status for run in done} == {"FINISHED"}
            assert not (comes_back and lost)
            found = sorted(
                (r.data.tags["forecast.trial_key"], r.data.metrics["cv/mae"]) for r in done
            )
            assert found == undisturbed.scores
