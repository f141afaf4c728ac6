"""A tracking server that goes away, is slow or out of order costs a training nothing."""

import random
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from forecast.tracking.mlflow.store import Store

from ..conftest import Place
from ..forked import Forked
from ..servers import (
    between,
    free_port,
    kill,
    postgresql,
    server_program,
    sqlite,
    tracking_server,
    wait_for,
)
from .conftest import COMMAND, Undisturbed, finish, lines, points, same, told, trained

pytestmark = pytest.mark.faults

IMPATIENT = (4.0, 12.0)
"""More than a slow answer takes, and less than all of them together."""

databases = pytest.mark.parametrize(
    "database", [sqlite, *([postgresql] if server_program("initdb") else [])]
)


@databases
def test_ten_seconds_without_a_server(
    database: Callable[[Path], AbstractContextManager[str]],
    place: Place,
    undisturbed: Undisturbed,
    tmp_path: Path,
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    moment = random.Random(database.__name__).uniform(0.2, 0.8) * undisturbed.seconds
    print(f"away from {moment:.2f} of {undisturbed.seconds:.2f} s on")
    with database(tmp_path) as backend:
        with tracking_server(tmp_path, backend, port) as server:
            wait_for(f"{uri}/health", tmp_path / "said.txt")
            process = Forked(tmp_path, "train", *COMMAND, f"tracking.uri={uri}")
            while not lines(tmp_path):
                time.sleep(0.01)
            time.sleep(moment)
            kill(server)
        time.sleep(10)
        with tracking_server(tmp_path, backend, port):
            wait_for(f"{uri}/health", tmp_path / "said.txt")
            assert process.wait(timeout=300) == 0, (tmp_path / "said.txt").read_text()
            finish(tmp_path, "sync", f"tracking.uri={uri}")
            kept = Store(uri, "load")
            (run,) = trained(tmp_path)
            assert points(kept, run.run_id) == told(tmp_path, run)
            same(tmp_path, kept, undisturbed)


def test_a_server_that_comes_after_the_training(
    place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    finish(tmp_path, "train", *COMMAND, f"tracking.uri={uri}", patience=IMPATIENT)
    said = (tmp_path / "said.txt").read_text()
    assert said.count("warning") == 1 and "forecast sync" in said
    assert Forked(tmp_path, "sync", f"tracking.uri={uri}").wait() == 2
    with sqlite(tmp_path) as backend, tracking_server(tmp_path, backend, port):
        wait_for(f"{uri}/health", tmp_path / "said.txt")
        finish(tmp_path, "sync", f"tracking.uri={uri}")
        same(tmp_path, Store(uri, "load"), undisturbed)


@pytest.mark.parametrize(("seconds", "status"), [(1.0, None), (0.0, 500)], ids=["slow", "500"])
def test_a_server_that_is_slow_or_out_of_order(
    seconds: float, status: int | None, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    shutil.copy(place.folder / "load.csv", tmp_path)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with sqlite(tmp_path) as backend, tracking_server(tmp_path, backend, port):
        wait_for(f"{uri}/health", tmp_path / "said.txt")
        with between(uri, seconds, status) as (worse, _):
            finish(tmp_path, "train", *COMMAND, f"tracking.uri={worse}", patience=IMPATIENT)
        said = (tmp_path / "said.txt").read_text()
        assert said.count("warning  ") == 1
        (run,) = trained(tmp_path)
        assert run.waiting
        for file in tmp_path.glob("runs/*/journal.jsonl"):  # the same server, at its own address
            file.write_bytes(file.read_bytes().replace(worse.encode(), uri.encode()))
        finish(tmp_path, "sync", f"tracking.uri={uri}")
        kept = Store(uri, "load")
        (run,) = trained(tmp_path)
        assert points(kept, run.run_id) == told(tmp_path, run)
        same(tmp_path, kept, undisturbed)
