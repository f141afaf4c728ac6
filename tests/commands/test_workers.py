"""Commands whose work is done by the workers of a cluster find what they find alone."""

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

import dask
import mlflow
import pandas as pd
import pytest

from forecast.cli.config import compose
from forecast.tracking.predictions import Predictions

from ..conftest import Place, word
from ..servers import BIN, kill, process, wait_until
from .test_memory import DATA, MODEL, SMALL, there

pytestmark = pytest.mark.faults
there = there  # a fixture


class Cluster(NamedTuple):
    """A scheduler and two workers, one of which may be killed."""

    address: str
    victim: object


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    found = folder / "scheduler.json"
    dask = [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [BIN / "dask", "worker", "--scheduler-file", found, "--nthreads", "1"]
    with (
        process(folder, *dask, "--scheduler-file", found),
        process(folder, *worker, "--no-dashboard") as victim,
        process(folder, *worker, "--no-dashboard"),
    ):
        wait_until(lambda: found.is_file() and found.read_text().endswith("}"))
        yield Cluster(json.loads(found.read_text())["address"], victim)


def metrics(there: Place, run: str) -> dict:
    """Metrics of a run, but for seconds."""
    found = mlflow.MlflowClient(f"sqlite:///{there.folder}/mlflow.db").get_run(run)
    return {name: own for name, own in found.data.metrics.items() if not name.startswith("time/")}


def forecasts(there: Place, run: str) -> pd.DataFrame:
    store = mlflow.MlflowClient(f"sqlite:///{there.folder}/mlflow.db")
    with contextlib.suppress(FileNotFoundError):
        (there.folder / "predictions.parquet").unlink()
    return pd.read_parquet(store.download_artifacts(run, "predictions.parquet", str(there.folder)))


def test_workers_find_what_one_process_finds(there: Place, cluster: Cluster, monkeypatch):
    """Though one of them is killed in the middle."""
    where = f"scheduler={cluster.address}"
    fold = ["backtest.folds=3", "data.path=sites.csv", *DATA, *MODEL, "training.epochs=2"]
    runs = {}
    for name, more in (("here", []), ("there", [where])):
        assert there.run("backtest", *fold, *more) == 0, there.errors
        runs["backtest", name] = word(there.printed[-1], "run")
    one, two = (metrics(there, runs["backtest", name]) for name in ("here", "there"))
    assert one == two and "test/mae" in one
    store = mlflow.MlflowClient(f"sqlite:///{there.folder}/mlflow.db")
    curves = []
    for name in ("here", "there"):
        query = f"tags.`mlflow.parentRunId` = '{runs['backtest', name]}'"
        children = store.search_runs(["1"], query, order_by=["params.fold ASC"])
        each = [store.get_metric_history(child.info.run_id, "val/mae") for child in children]
        curves.append([[(m.step, m.value) for m in history] for history in each])
    assert curves[0] == curves[1] and [len(own) for own in curves[0]] == [2, 2, 2]

    put, killed = Predictions.put, []

    def put_and_kill(self, *given):
        put(self, *given)
        if not killed:
            kill(cluster.victim)
            killed.append(True)

    for name, more in (("here", []), ("there", [where])):
        if more:
            monkeypatch.setattr(Predictions, "put", put_and_kill)
        assert there.run("train", "data.path=sites.csv", *DATA, *MODEL, SMALL, *more) == 0
        runs["train", name] = word(there.printed[-1], "run")
    assert killed
    one, two = (metrics(there, runs["train", name]) for name in ("here", "there"))
    assert one == two and "test/crps" in one
    one, two = (forecasts(there, runs["train", name]) for name in ("here", "there"))
    pd.testing.assert_frame_equal(one, two, check_exact=True)

    files = []
    for name, more in (("here", []), ("there", [where])):
        file = f"{name}.csv"
        own = [f"run={runs['train', 'here']}", "history=true", SMALL, f"output={file}"]
        assert there.run("predict", *own, *more) == 0, there.errors
        files.append(pd.read_csv(there.folder / file))
    pd.testing.assert_frame_equal(*files, check_exact=True)
    assert len(files[0]) > 3000


def test_what_is_no_scheduler_is_said(there: Place):
    with dask.config.set({"distributed.comm.timeouts.connect": "500ms"}):
        fold = ["backtest", "data.path=sites.csv", *DATA, *MODEL]
        assert there.run(*fold, "scheduler=tcp://127.0.0.1:9") == 2
    assert "scheduler must be the address of a running Dask scheduler" in there.errors[-1]
    assert there.run(*fold, "scheduler=nowhere:x") == 2
    assert "scheduler must be the address of a running Dask scheduler" in there.errors[-1]
    assert there.run(*fold, "workers=0") == 2
    assert "workers must be a whole number of 1 or more, got 0" in there.errors[-1]


def test_a_sweep_takes_the_same_words():
    found = compose.compose(["scheduler=tcp://host:1", "workers=3"]).settings
    assert found.sweep.scheduler == found.scheduler == "tcp://host:1"
    assert found.sweep.workers == found.workers == 3
    own = compose.compose(["sweep.workers=2"]).settings
    assert own.sweep.workers == 2 and own.workers is None
