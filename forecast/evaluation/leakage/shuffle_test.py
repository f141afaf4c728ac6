"""What a model learns where there is nothing to learn: targets whose order in time is lost."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.data import columns, split
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.evaluation import experiment
from forecast.evaluation.leakage.perturb import Raw
from forecast.evaluation.outcome import Spec
from forecast.training.forecaster import Forecaster

BOUND = 3.0
"""Standard errors that chance alone reaches in fewer than one of 100 tests: those of overlapping
windows come out a fifth too small where windows are few."""


@dataclass(frozen=True)
class ShuffleTest:
    """A model beside the training mean, on targets that nobody can forecast.

    Attributes:
        model: Mean squared error of the model on the scored windows, standardised.
        mean: The same of the training mean of each series.
        advantage: Their difference by its standard error; above 0 the model is better.
        bound: The largest advantage that counts as chance.
    """

    model: float
    mean: float
    advantage: float
    bound: float = BOUND

    @property
    def holds(self) -> bool:
        """Whether the model is no better than the mean, beyond chance."""
        return self.advantage <= self.bound

    def __str__(self) -> str:
        """Say it in one sentence.

        >>> print(ShuffleTest(0.2, 1.0, 9.0))
        on shuffled targets MSE is 0.2 and 1 of the mean, 9.0 standard errors better: it leaks
        """
        verdict = "within chance" if self.holds else "it leaks"
        return (
            f"on shuffled targets MSE is {self.model:.4g} and {self.mean:.4g} of the mean, "
            f"{abs(self.advantage):.1f} standard errors "
            f"{'better' if self.advantage > 0 else 'worse'}: {verdict}"
        )


def shuffle_test(
    spec: Spec,
    table: Table,
    *,
    raw: Raw | None = None,
    cuts: Holdout | None = None,
    bound: float = BOUND,
    seed: int = 0,
) -> ShuffleTest:
    """Shuffle the targets of every series over all of its rows, train, and score on the test span.

    No order is left that the past could tell of, so whatever beats the training mean has read what
    it should not. With `raw` the raw targets are shuffled and the table is built again, so that
    columns made from later targets are made from the shuffled ones and give themselves away; a
    column that is ready-made in the file is not, and is left to `data.canary`.

    Squared errors are compared, whatever the loss, since of them no constant has less than the
    mean. Errors of windows at one origin time are averaged over series; the standard error of the
    mean difference d̄ allows for overlapping windows: Var(d̄) = (γ₀ + 2 Σ (1 − k / (K + 1)) γₖ) / n
    with the autocovariances γ up to K = the span of a window (Diebold & Mariano 1995, weighted as
    Newey & West 1987).
    """
    rng = np.random.default_rng(seed)
    cuts = cuts or split.holdout(table, spec.validation, spec.test)
    if raw is None:
        table = _shuffled(table, rng)
    else:
        table = raw.table(_shuffled_frame(raw, rng), spec.window.timesteps)
    rows, tail = experiment.learnable(table, cuts)
    forecaster = Forecaster(spec.model, spec.window, spec.training, scaling=spec.scaling)
    forecaster.fit(table, rows=rows, tail=tail)
    found = experiment.score_model(forecaster, table, starts=cuts.scored(table, spec.window))
    learned = table.take(cuts.train_rows(table))
    known = pd.DataFrame(learned.outputs)
    each = known.groupby(learned.series).mean().reindex(range(len(table.names)))
    mean = each.fillna(known.mean()).to_numpy()[found.series][:, None]  # (windows, 1, targets)
    unit = forecaster.scaler_.output_std[found.series][:, None]
    model_error = np.nanmean(((found.true - found.values) / unit) ** 2, axis=(1, 2))
    mean_error = np.nanmean(((found.true - mean) / unit) ** 2, axis=(1, 2))
    better = pd.Series(mean_error - model_error).groupby(table.time[found.origins]).mean()
    advantage = in_standard_errors(better.to_numpy(), spec.window.span)
    return ShuffleTest(float(model_error.mean()), float(mean_error.mean()), advantage, bound)


def in_standard_errors(values: np.ndarray, lags: int) -> float:
    """Divide a mean by its standard error, neighbours being alike."""
    count, apart = len(values), values - values.mean()
    lags = min(lags, count // 3)
    covariance = [float(apart[k:] @ apart[: count - k]) / count for k in range(lags + 1)]
    weights = 1 - np.arange(lags + 1) / (lags + 1)
    variance = (2 * np.dot(weights, covariance) - covariance[0]) / count
    return float(values.mean() / np.sqrt(variance)) if variance > 0 else 0.0


def _shuffled(table: Table, rng: np.random.Generator) -> Table:
    """Shuffle the known targets of each series, in outputs and inputs alike."""
    inputs, outputs = table.inputs.copy(), table.outputs.copy()
    own = [place for place in table.target_positions if place >= 0]
    known = np.isfinite(outputs).all(axis=1) & np.isfinite(inputs[:, own]).all(axis=1)
    for code in range(len(table.names)):
        rows = np.flatnonzero(known & (table.series == code))
        mixed = rng.permutation(rows)
        outputs[rows] = table.outputs[mixed]
        inputs[rows[:, None], own] = table.inputs[mixed[:, None], own]
    return replace(table, inputs=inputs, outputs=outputs)


def _shuffled_frame(raw: Raw, rng: np.random.Generator) -> pd.DataFrame:
    """Shuffle the known raw targets of each series."""
    found, targets = raw.frame.copy(), list(raw.schema.targets)
    known = found[targets].notna().all(axis=1).to_numpy()
    series = columns.labels(found, raw.schema)
    order = np.arange(len(found))
    for name in np.unique(series):
        rows = np.flatnonzero(known & (series == name))
        order[rows] = rng.permutation(rows)
    for target in targets:
        found[target] = found[target].to_numpy()[order]
    return found
