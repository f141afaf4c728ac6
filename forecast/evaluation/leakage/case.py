"""What a leak proof is about: an experiment's data, spans and forecasters, and one finding."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecast.data import clock, windows
from forecast.data.samples import TrainingSet, training_set
from forecast.data.scale import Scaled, Scaler
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import experiment
from forecast.evaluation.baselines import by_name
from forecast.evaluation.baselines.classical import CLASSICAL
from forecast.evaluation.outcome import Spec
from forecast.training.forecaster import BATCH, Forecaster

NEWEST = 96
"""Training windows from which the baselines of a proof learn: the code is that of all of them."""


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: What was proved, such as "scale".
        perturbed: What was changed; empty where it was only looked at.
        compared: What had to stay as it was, to the last bit.
        held: Whether it did.
        offender: The first thing that moved: column, series, time stamp; empty where none did.
    """

    name: str
    perturbed: str
    compared: str
    held: bool
    offender: str = ""

    def __str__(self) -> str:
        """Say what stayed, or what moved when what was changed."""
        if self.held:
            return self.compared
        return f"{self.offender} (changed: {self.perturbed})" if self.perturbed else self.offender


@dataclass(frozen=True)
class Case:
    """An experiment under proof.

    Attributes:
        spec: Window, spans, baselines.
        table: The data.
        cuts: Where validation and test begin.
        forecaster: Fitted, or not: then weights are drawn.
        scored: Windows that scores are made of, (windows,).
        fitted_scaler: What a fitted forecaster standardises with; None where it is not known which
            rows it was fitted on.
        seed: Of all that is drawn.
    """

    spec: Spec
    table: Table
    cuts: Holdout
    forecaster: Forecaster
    scored: np.ndarray
    fitted_scaler: Scaler | None = None
    seed: int = 0

    @property
    def window(self) -> Window:
        """Shape of a sample."""
        return self.spec.window

    @property
    def season(self) -> int:
        """Rows of a season."""
        return self.spec.season or clock.season(self.table.frequency)

    @property
    def name(self) -> str:
        """What the network is called."""
        model = self.spec.model
        return str(getattr(model, "name", None) or getattr(model, "__name__", "model"))

    @cached_property
    def learned(self) -> TrainingSet:
        """What a fit learns from."""
        return self.learn(self.table)

    def learn(self, table: Table) -> TrainingSet:
        """Learn scale and windows as a fit does, from a table of the same rows."""
        rows, tail = experiment.learnable(table, self.cuts)
        return training_set(table, self.window, rows, tail, self.spec.scaling)

    def rng(self, number: int) -> np.random.Generator:
        """Return a source of values of its own for each perturbation."""
        return np.random.default_rng([self.seed, number])

    @cached_property
    def newest(self) -> np.ndarray:
        """The training windows that end last, (at most NEWEST,)."""
        return self._last(self.learned.train)

    @cached_property
    def stop(self) -> np.ndarray:
        """The validation windows on which baselines choose, (at most NEWEST,).

        With a lead the first scored origins lie in the validation span, and what is validated
        behind them is changed: the choice is made on the newest windows that end before.
        """
        stop, window = self.learned.stop, self.window
        first = self.table.time[self.scored + window.timesteps - 1].min()
        return self._last(stop[self.table.time[stop + window.span - 1] <= first])

    def _last(self, starts: np.ndarray) -> np.ndarray:
        """Keep the windows that end last, (at most NEWEST,)."""
        end = self.table.time[starts + self.window.span - 1]
        return np.sort(starts[np.argsort(end, kind="stable")[-NEWEST:]])

    def baselines(
        self, table: Table, scaler: Scaler, starts: np.ndarray, held: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Let every baseline learn from the newest training windows and forecast some windows.

        Shapes: `starts` (windows,).
        """
        since = self.table.time[windows.future_rows(self.newest, self.window)].min()
        rows = self.cuts.train_rows(table) & (table.time >= since)
        # classical models take minutes a fit; a test of their own holds them against another future
        quick = tuple(name for name in self.spec.baselines if name not in CLASSICAL)
        spec = replace(self.spec, baselines=quick)
        learned = by_name.learn(spec, Scaled(table, scaler), rows, starts, validation=held)
        return {name: each.values for name, each in learned.forecast(starts).items()}

    @cached_property
    def network(self) -> Callable[[Table, np.ndarray], np.ndarray]:
        """Return what forecasts windows of a table, (windows, horizon, targets, levels)."""
        forecaster, window = self.forecaster, self.window
        if hasattr(forecaster, "model_"):
            return forecaster.predict_quantiles
        from forecast.training import fit, runtime

        training, scaler = self.spec.training, self.learned.scaler
        runtime.start(training.threads)
        sizes = fit.sizes(self.table, window, self.spec.model, training.quantiles)
        with runtime.seeded(training.seed):
            model = fit.build_network(self.spec.model, sizes)
        rng = self.rng(0)
        for weight in model.weights:  # some begin at zero, and would hide what they read
            weight.assign(weight + rng.uniform(0.01, 0.05, weight.shape))

        def predict(table: Table, starts: np.ndarray) -> np.ndarray:
            levels = training.quantiles
            return fit.predict_scaled(
                model, Scaled(table, scaler), window, starts, batch_size=BATCH, levels=levels
            )

        return predict
