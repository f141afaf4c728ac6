"""One trial: a candidate on a fold, in whatever process it lands."""

import math
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from distributed import Worker, WorkerPlugin
from sklearn.base import clone

from forecast import process
from forecast.data import windows
from forecast.data.table import Table
from forecast.evaluation.outcome import Spec
from forecast.metrics.headline import HEADLINES
from forecast.training import runtime
from forecast.training.forecaster import Forecaster

Arrays = dict[str, np.ndarray]
"""A checkpoint, as `training.stage` writes it."""


@dataclass(frozen=True)
class Rung:
    """What a trial may spend; on the last rung that is everything.

    Attributes:
        number: From 1.
        of: The last one.
        factor: How many times more may be spent than on the one before.
        resource: What is spent, "epochs" or "rows" (the newest training rows of the fold).
    """

    number: int = 1
    of: int = 1
    factor: int = 1
    resource: str = "epochs"

    def share(self, resource: str) -> float:
        """Return the share of a resource that may be spent.

        >>> Rung(1, 3, 3).share("epochs") == 1 / 9, Rung(1, 3, 3).share("rows")
        (True, 1.0)
        """
        return float(self.factor) ** (self.number - self.of) if resource == self.resource else 1.0

    @property
    def before(self) -> "Rung | None":
        """The rung from whose end a trial on this one can go on: on the same rows, that is."""
        if self.number == 1 or self.resource == "rows":
            return None
        return replace(self, number=self.number - 1)

    def __str__(self) -> str:
        """Say what part of everything it is.

        >>> str(Rung(1, 3, 3)), str(Rung(3, 3, 3))
        ('1/9 of the epochs', '')
        """
        last = self.number == self.of
        return "" if last else f"1/{self.factor ** (self.of - self.number)} of the {self.resource}"


def epochs(rung: Rung, most: int) -> int:
    """Say after how many epochs a trial ends.

    >>> epochs(Rung(1, 3, 3), 15)
    2
    """
    return math.ceil(most * rung.share("epochs") - 1e-9)


@dataclass(frozen=True)
class Trial:
    """A candidate, a fold, a seed and what may be spent on them.

    Attributes:
        key: Names what is computed.
        candidate: Number of the candidate.
        fold: From 0, in time order.
        seed: Replicate.
        spec: What is trained.
        table: Name of the table it reads.
        train: Rows to learn from, first and one past the last time stamp.
        origins: Rows whose futures are scored, (origins,).
        rung: How long it may train, on how many rows.
        previous: Key of the trial that it may go on from, being the same but for fewer epochs.
        returned: What comes back beside the score: "" nothing, "forecasts" those of the origins,
            "model" the fitted forecaster.
        limit: Seconds after which it ends; None for none.
    """

    key: str
    candidate: int
    fold: int
    seed: int
    spec: Spec
    table: str
    train: tuple[Any, Any]
    origins: np.ndarray
    rung: Rung = Rung()
    previous: str | None = None
    returned: str = ""
    limit: float | None = None

    @property
    def stays(self) -> bool:
        """Whether a longer trial may go on from where it ends."""
        return self.rung.share("epochs") < 1

    @cached_property
    def shape(self) -> str:
        """Name what decides the compiled program, so that a worker meets it again."""
        spec = self.spec
        settings = {k: v for k, v in spec.training.get_params().items() if k in SHAPING}
        return repr([self.table, spec.model.get_params(), spec.window.get_params(), settings])


SHAPING = (
    "batch_size",
    "stateful",
    "optimizer",
    "loss",
    "step_weights",
    "quantiles",
    "metrics",
    "clipnorm",
    "weight_decay",
)


@dataclass(frozen=True)
class Result:
    """What a trial found.

    Attributes:
        error: Headline error over all scored origins, steps and targets.
        history: Metric to its value after each epoch.
        best_epoch: 1-based.
        parameters: Weights of the model.
        seconds: From the first row to the score.
        checkpoint: Where training stood at its end, as arrays, if a longer trial may go on.
        headline: Key of that error.
        forecasts: Of the scored origins, (origins, horizon, targets) float32, where asked for.
        forecaster: What was fitted, where asked for.
    """

    error: float
    history: dict[str, list[float]]
    best_epoch: int
    parameters: int
    seconds: float
    checkpoint: Arrays | None = field(default=None, repr=False)
    headline: str = "mae"
    forecasts: np.ndarray | None = field(default=None, repr=False)
    forecaster: Forecaster | None = field(default=None, repr=False)


class OutOfTimeError(RuntimeError):
    """A trial has taken all the time that it was given."""


class Brought(WorkerPlugin):
    """Brings a table to every worker once, and again to one that was restarted."""

    def __init__(self, name: str, table: Table, threads: int):
        self.name = f"forecast-{name}"
        self.tables = {name: table}
        self.threads = threads

    def setup(self, worker: Worker) -> None:
        """Keep the table on the worker and start TensorFlow."""
        worker.forecast_tables = getattr(worker, "forecast_tables", {}) | self.tables
        process.own(worker=True)
        runtime.start(self.threads)


def run_trial(trial: Trial, table: Table, begin: Arrays | None = None) -> Result:
    """Train on the fold's training rows and score its origins.

    Stopping sees only the tail of the training rows, never the scored ones.
    """
    from forecast.training.state import Checkpoint, Stage

    began = time.perf_counter()
    spec, (first, end) = trial.spec, trial.train
    training = clone(spec.training).set_params(seed=trial.seed)
    forecaster = Forecaster(spec.model, spec.window, training, scaling=spec.scaling)
    stage = None
    if trial.rung.of > 1:
        until = epochs(trial.rung, training.epochs)
        stage = Stage(until, Checkpoint.read(begin) if begin else None)
    learned = (table.time >= first) & (table.time < end)
    forecaster.fit(table, rows=learned, stage=stage, callbacks=_watch(trial, began))
    starts = (trial.origins - spec.window.timesteps + 1).astype(np.int32)
    happened = windows.outputs(table.outputs, starts, spec.window)
    headline, values = HEADLINES[table.task], np.zeros_like(happened)
    if len(starts):
        values = forecaster.predict_windows(table, starts)
    return Result(
        float(headline.of(happened, values)) if len(starts) else math.nan,
        forecaster.history_,
        forecaster.best_epoch_,
        int(forecaster.model_.count_params()),
        time.perf_counter() - began,
        stage.end.arrays() if stage and stage.end and trial.stays else None,
        headline.key,
        values.astype(np.float32) if trial.returned == "forecasts" else None,
        forecaster if trial.returned == "model" else None,
    )


LATE = 2.0
"""How many times its limit a training may be expected to take, and go on until the limit."""

FEWEST = 5
"""Epochs of which the best is kept where time is up."""


def _watch(trial: Trial, began: float) -> list[Any]:
    """Return the callback that ends a training at its limit.

    One that chooses among its epochs keeps the best; one that must learn so many is lost.
    """
    if trial.limit is None:
        return []
    most, whole = trial.limit, trial.returned == "model"
    import keras

    class Watch(keras.callbacks.Callback):
        """Ends a training that is late, or certain to be much too late."""

        first, done = 0.0, 0

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            """Look at the time."""
            del batch, logs
            if time.perf_counter() - began > most:
                if whole or self.done < FEWEST:
                    raise OutOfTimeError(f"it took longer than its {most:.0f} s")
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            """Look ahead by the epochs behind the first, which compiles."""
            del logs
            self.done = epoch + 1
            spent, left = time.perf_counter() - began, self.params["epochs"] - epoch - 1
            if epoch == 0:
                self.first = spent
                return
            expected = spent + left * (spent - self.first) / epoch
            if expected > most * (1 if whole else LATE):
                raise OutOfTimeError(
                    f"it would take {expected:.0f} s, longer than its {most:.0f} s"
                )

    return [Watch()]


def run_on_worker(trial: Trial, begin: Arrays | None) -> Result:
    """Run a trial with the table that a plugin brought."""
    from distributed import get_worker

    return run_trial(trial, get_worker().forecast_tables[trial.table], begin)
