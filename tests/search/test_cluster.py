"""Several processes on one store: a cluster behind a tracking server, two drivers at once."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecast.tracking.store import Store

from ..conftest import Place
from .conftest import COMMAND, scores, start, trials

pytestmark = pytest.mark.faults

BIN = Path(sys.executable).parent


@contextlib.contextmanager
def process(folder: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside the block, and end it with the block."""
    with (folder / "said.txt").open("a") as said:
        started = subprocess.Popen(
            [str(word) for word in command], cwd=folder, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(timeout=20)
        started.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(address: str, said: Path) -> None:
    for _ in range(240):
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(address, timeout=2)
            return
        time.sleep(0.5)
    raise AssertionError(said.read_text())


def test_a_cluster_behind_a_tracking_server_loses_a_worker_and_ends_complete(
    place: Place, undisturbed: list[tuple[str, float]], tmp_path: Path
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    port, found = free_port(), tmp_path / "scheduler.json"
    uri = f"http://127.0.0.1:{port}"
    server = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    kept = ["--artifacts-destination", tmp_path / "kept"]
    dask = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [BIN / "dask", "worker", "--scheduler-file", found, "--nthreads", "1"]
    with (
        process(tmp_path, BIN / "mlflow", *server, *store, *kept),
        process(tmp_path, *dask, "--scheduler-file", found),
        process(tmp_path, *worker, "--no-dashboard") as victim,
        process(tmp_path, *worker, "--no-dashboard"),
    ):
        wait_for(f"{uri}/health", tmp_path / "said.txt")
        scheduler = json.loads(found.read_text())["address"]
        where = [f"sweep.scheduler={scheduler}", f"tracking.uri={uri}"]
        with process(tmp_path, sys.executable, "-m", "forecast", *COMMAND, *where) as driver:
            experiment = Store(uri, "load")
            until = time.monotonic() + 120
            while time.monotonic() < until and not experiment.find(
                "tags.`forecast.kind` = 'trial'"
            ):
                time.sleep(0.5)
            time.sleep(3)  # both workers compile or train by now
            victim.kill()
            assert driver.wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
        runs = experiment.find("tags.`forecast.kind` = 'trial'")
        assert {run.info.status for run in runs} == {"FINISHED"}
        done = sorted((r.data.tags["forecast.trial_key"], r.data.metrics["cv/mae"]) for r in runs)
        assert done == undisturbed
        [parent] = experiment.find("tags.`forecast.kind` = 'sweep'")
        assert parent.info.status == "FINISHED"
        files = {item.path for item in experiment.client.list_artifacts(parent.info.run_id)}
        assert {"leaderboard.csv", "leaderboard.png"} <= files
    assert not (tmp_path / "mlflow.db").exists()


def test_two_drivers_at_once_share_the_trials(
    place: Place, undisturbed: list[tuple[str, float]], tmp_path: Path
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    drivers = [start(tmp_path), start(tmp_path)]
    for driver in drivers:
        assert driver.wait(timeout=400) == 0, (tmp_path / "said.txt").read_text()
    assert scores(tmp_path) == undisturbed
    began = Counter(run.data.tags["forecast.trial_key"] for run in trials(tmp_path))
    assert set(began.values()) == {1}  # nothing was run twice, not even in vain
