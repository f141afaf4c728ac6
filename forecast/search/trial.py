"""One trial: a candidate on a fold, in whatever process it lands."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Worker, WorkerPlugin
from sklearn.base import clone

from forecast.data import windows
from forecast.data.table import Table
from forecast.evaluation.experiment import Spec
from forecast.training import runtime
from forecast.training.forecaster import Forecaster


@dataclass(frozen=True)
class Trial:
    """A candidate, a fold and a seed.

    Attributes:
        key: Names what is computed.
        candidate: Number of the candidate.
        fold: From 0, in time order.
        seed: Replicate.
        spec: What is trained.
        table: Name of the table it reads.
        train: Rows to learn from, first and one past the last time stamp.
        origins: Rows whose futures are scored, (origins,).
    """

    key: str
    candidate: int
    fold: int
    seed: int
    spec: Spec
    table: str
    train: tuple[Any, Any]
    origins: np.ndarray

    @property
    def shape(self) -> str:
        """Name what decides the compiled program, so that a worker meets it again."""
        spec = self.spec
        settings = {k: v for k, v in spec.training.get_params().items() if k in SHAPING}
        return repr([self.table, spec.model.get_params(), spec.window.get_params(), settings])


SHAPING = ("batch_size", "optimizer", "loss", "metrics", "clipnorm", "weight_decay")


@dataclass(frozen=True)
class Result:
    """What a trial found.

    Attributes:
        mae: Over all scored origins, steps and targets, original units.
        history: Metric to its value after each epoch.
        best_epoch: 1-based.
        parameters: Weights of the model.
        seconds: From the first row to the score.
    """

    mae: float
    history: dict[str, list[float]]
    best_epoch: int
    parameters: int
    seconds: float


class Tables(WorkerPlugin):
    """Brings the tables to every worker once, and again to one that was restarted.

    Args:
        tables: Name to table.
        threads: Threads of one operation of TensorFlow.
    """

    name = "forecast-tables"

    def __init__(self, tables: Mapping[str, Table], threads: int):
        self.tables = dict(tables)
        self.threads = threads

    def setup(self, worker: Worker) -> None:
        """Keep the tables on the worker and start TensorFlow."""
        worker.forecast_tables = self.tables
        runtime.start(self.threads)


def run(trial: Trial, table: Table) -> Result:
    """Train on the fold's training rows and score its origins.

    Stopping sees only the tail of the training rows, never the scored ones.

    Args:
        trial: What to do.
        table: The data.

    Returns:
        The score and how it came about.
    """
    began = time.perf_counter()
    spec, (first, end) = trial.spec, trial.train
    training = clone(spec.training).set_params(seed=trial.seed)
    forecaster = Forecaster(spec.model, spec.window, training, scaling=spec.scaling)
    forecaster.fit(table, rows=(table.time >= first) & (table.time < end))
    starts = (trial.origins - spec.window.timesteps + 1).astype(np.int32)
    error = forecaster.predict_windows(table, starts) - windows.outputs(
        table.outputs, starts, spec.window
    )
    return Result(
        float(np.abs(error).sum() / error.size),
        forecaster.history_,
        forecaster.best_epoch_,
        int(forecaster.model_.count_params()),
        time.perf_counter() - began,
    )


def run_on_worker(trial: Trial) -> Result:
    """Run a trial with the tables that the plugin brought."""
    from distributed import get_worker

    return run(trial, get_worker().forecast_tables[trial.table])
