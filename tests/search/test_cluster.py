"""Several processes on one store: a cluster behind a tracking server, two drivers at once."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forecast.tracking.store import Store

from ..conftest import Place
from .conftest import COMMAND, Undisturbed, scores, start, trials

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


def server_program(name: str) -> Path | None:
    """Find a program of PostgreSQL's server, which Debian keeps off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    own = shutil.which(name)
    return found[-1] if found else Path(own) if own else None


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server of our own on loopback, and yield the address of a database."""
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be root
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        if user:
            shutil.chown(home, user)

        def call(name: str, *words: object) -> None:
            command = [str(word) for word in (server_program(name), *words)]
            subprocess.run(command, user=user, cwd=home, check=True, capture_output=True)

        call("initdb", "-D", f"{home}/data", "-U", "forecast", "--auth=trust")
        where = ["-h", "127.0.0.1", "-p", port]
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
        log = ["-l", f"{home}/log"]
        call("pg_ctl", "-D", f"{home}/data", "-w", "-o", options, *log, "start")
        try:
            call("createdb", *where, "-U", "forecast", "mlflow")
            yield f"postgresql+psycopg2://forecast@127.0.0.1:{port}/mlflow"
        finally:
            call("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'server.db'}"


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
    server = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    kept = ["--artifacts-destination", tmp_path / "kept"]
    dask = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [BIN / "dask", "worker", "--scheduler-file", found, "--nthreads", "1"]
    with (
        database(tmp_path) as backend,
        process(tmp_path, BIN / "mlflow", *server, "--backend-store-uri", backend, *kept),
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
    drivers = [start(tmp_path), start(tmp_path)]
    for driver in drivers:
        assert driver.wait(timeout=400) == 0, (tmp_path / "said.txt").read_text()
    assert scores(tmp_path) == undisturbed.scores
    began = Counter(run.data.tags["forecast.trial_key"] for run in trials(tmp_path))
    assert set(began.values()) == {1}  # nothing was run twice, not even in vain
