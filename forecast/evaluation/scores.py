"""Forecasts become numbers under stable names, by sums that add up over parts of the windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from forecast import metrics
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals
from forecast.evaluation.scales import Scale
from forecast.evaluation.significance.pairs import Losses
from forecast.metrics import point, probability, sums
from forecast.metrics.catalogue import PLAIN, plain
from forecast.metrics.headline import Headline
from forecast.metrics.sums import Sum, Total, ranked, summed


@dataclass(frozen=True)
class BySeries:
    """Sums of some series, of few among very many; those of two parts add up when they are read.

    Attributes:
        parts: Of each part number of the series, sum, values and windows of each, (4, series).
    """

    parts: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, numbers: np.ndarray, loss: np.ndarray, known: np.ndarray) -> "BySeries":
        """Sum the losses of windows, each of so many values, (windows,)."""
        series, place = np.unique(numbers, return_inverse=True)
        each = (np.bincount(place, part, len(series)) for part in (loss, known, np.ones(len(loss))))
        return cls((np.stack([series.astype(float), *each]),))

    def __add__(self, other: "BySeries") -> "BySeries":
        """Return the sums of both."""
        return BySeries(self.parts + other.parts)

    @cached_property
    def summed(self) -> tuple[np.ndarray, Sum, np.ndarray]:
        """Numbers of the series that have windows, ascending, their sums, and their windows."""
        numbers, *every = np.concatenate(self.parts, axis=1)
        series, place = np.unique(numbers.astype(int), return_inverse=True)
        total, count, scored = (np.bincount(place, part, len(series)) for part in every)
        return series, Sum(total, count), scored.astype(int)


@dataclass(frozen=True)
class Measured:
    """What all scores of a forecaster follow from; those of two parts of its windows add up.

    Attributes:
        names: Of the series.
        headline: The error that forecasters are compared by.
        windows: How many were scored.
        holes: Values among them whose truth is not known.
        totals: Name of a score to its sums.
        steps: Headline error of each step of the horizon, (horizon,).
        targets: Headline error of each target, (targets,).
        series: Headline error of each series.
        origins: Headline error by origin.
        covered: How often the truth lay in its interval, by step, (horizon,); None without any.
        level: That of the intervals.
    """

    names: tuple[str, ...] = field(repr=False)
    headline: Headline
    windows: int
    holes: int
    totals: dict[str, Total] = field(repr=False)
    steps: Sum = field(repr=False)
    targets: Sum = field(repr=False)
    series: BySeries = field(repr=False)
    origins: Losses = field(repr=False)
    covered: Sum | None = field(default=None, repr=False)
    level: float | None = None

    def __add__(self, other: "Measured") -> "Measured":
        """Return what the scores of both parts together follow from."""
        covered = [part.covered for part in (self, other) if part.covered is not None]
        return Measured(
            names=self.names,
            headline=self.headline,
            windows=self.windows + other.windows,
            holes=self.holes + other.holes,
            totals={
                name: self.totals[name] + other.totals[name]
                if name in self.totals and name in other.totals
                else (self.totals | other.totals)[name]
                for name in self.totals | other.totals
            },
            steps=self.steps + other.steps,
            targets=self.targets + other.targets,
            series=self.series + other.series,
            origins=self.origins + other.origins,
            covered=sum(covered[1:], covered[0]) if covered else None,
            level=self.level if self.level is not None else other.level,
        )

    @property
    def scores(self) -> dict[str, float]:
        """Every score, by name."""
        counts = {"test/windows": float(self.windows), "test/holes": float(self.holes)}
        return counts | {name: total.result for name, total in self.totals.items()}

    @property
    def error(self) -> float:
        """Headline error over all windows, steps and targets."""
        return self.totals[f"test/{self.headline.key}"].result

    @property
    def by_step(self) -> np.ndarray:
        """Headline error of every step of the horizon, (horizon,)."""
        return self.steps.mean

    @property
    def covered_by_step(self) -> np.ndarray:
        """Covered share of every step of the horizon, (horizon,); NaN without intervals."""
        none = np.full(self.steps.count.shape, np.nan)
        return none if self.covered is None else self.covered.mean

    @property
    def by_series(self) -> dict[str, float]:
        """Headline error of every series that has windows, in the order of the table's names."""
        numbers, found, _ = self.series.summed
        errors = zip(numbers.tolist(), found.mean.tolist(), strict=True)
        return {self.names[number]: error for number, error in errors}

    def by_target(self, targets: tuple[str, ...]) -> pd.DataFrame:
        """Return one row for each target with its metrics."""
        keys: tuple[str, ...] = ("brier", "auc")
        if "test/brier" not in self.totals:
            keys = tuple(metric.key for metric in PLAIN)
        heads = [f"test_{target}" if len(targets) > 1 else "test" for target in targets]
        rows = [{key: self.totals[f"{head}/{key}"].result for key in keys} for head in heads]
        return pd.DataFrame(rows).assign(target=list(targets))[["target", *keys]]


def measure(
    forecasts: Forecasts,
    scale: Scale,
    intervals: Intervals | None = None,
    names: tuple[str, ...] | None = None,
) -> Measured:
    """Sum what the scores of some forecasts follow from.

    Args:
        forecasts: Of some windows.
        scale: What errors are divided by.
        intervals: Around the forecasts; None for none.
        names: Of all series, where the table is a block; None where these are its own.

    Returns:
        The sums.
    """
    true, table, numbers = forecasts.true, forecasts.table, forecasts.numbers
    headline, names = forecasts.headline, table.names if names is None else names
    known = (~np.isnan(true)).sum(axis=(1, 2))  # (windows,)
    errors = forecasts.error(axis=(1, 2))
    loss = np.where(known > 0, errors * known, 0.0)
    if table.task != "regression":
        totals = _of_probabilities(forecasts)
    else:
        totals = _of_values(forecasts, scale) | _of_quantiles(forecasts)
    if intervals is not None:
        totals |= _of_all_intervals(forecasts, intervals)
    return Measured(
        names=names,
        headline=headline,
        windows=len(forecasts.starts),
        holes=int(np.isnan(true).sum()),
        totals=totals,
        steps=headline.sums(true, forecasts.values, (0, 2)),
        targets=headline.sums(true, forecasts.values, (0, 1)),
        series=BySeries.of(numbers, loss, known),
        origins=Losses.of(errors, known, table.tick[forecasts.origins]),
        covered=None if intervals is None else _covered(forecasts, intervals),
        level=None if intervals is None else intervals.level,
    )


def series_table(every: Mapping[str, Measured]) -> pd.DataFrame:
    """Return one row for each series: headline error of the model and of every baseline."""
    columns = {name: found.by_series for name, found in every.items()}
    return pd.DataFrame(columns).rename_axis("series").reset_index()


def skills(paired: Mapping[str, Measured], baselines: Mapping[str, Measured]) -> dict[str, float]:
    """Return `skill/<baseline>`: the share of each baseline's headline error that is gone.

    Args:
        paired: Baseline to what the model has reached on the windows of that baseline, which may
            have forecast fewer.
        baselines: What each baseline has reached.

    Returns:
        Name to share.
    """
    return {
        f"skill/{name}": float(metrics.skill(paired[name].error, other.error))
        for name, other in baselines.items()
    }


def percent(level: float) -> str:
    """Write a level as keys end.

    >>> percent(0.9), percent(0.975)
    ('90', '97.5')
    """
    return f"{100 * level:.3g}"


def _of_all_intervals(forecasts: Forecasts, intervals: Intervals) -> dict[str, Total]:
    """Sum what scores of calibrated intervals follow from, over all targets and of each."""
    steps, level = intervals.steps, intervals.level
    true = _within(forecasts, intervals)[:, steps]
    low, high = intervals.lower[:, steps], intervals.upper[:, steps]
    crps = summed(intervals.crps[:, steps], true)
    every = {"test/crps": _extended(crps, forecasts, intervals)}
    every |= _of_intervals("test", true, low, high, level)
    scored = probability.interval_scores(true, low, high, level)
    every[f"test/winkler_{percent(level)}"] = _extended(scored, forecasts, intervals)
    if len(forecasts.table.targets) > 1:
        each = zip(*map(_by_target, (true, low, high)), strict=True)
        for target, own in zip(forecasts.table.targets, each, strict=True):
            every |= _of_intervals(f"test_{target}", own[0], own[1], own[2], level)
    return every


def _extended(of: Sum, forecasts: Forecasts, intervals: Intervals) -> Total:
    """Return the mean of a loss at all steps, of which it may be known at some."""
    if intervals.apart == 1:
        return _mean(of)
    # where an interval is missing, its error has no say
    known = np.isfinite(intervals.lower[:, intervals.steps]).all(axis=1)[:, None]
    true = np.where(known, forecasts.true, np.nan)
    errors = [
        point.absolute(true[:, steps], forecasts.values[:, steps])
        for steps in (intervals.steps, slice(None))
    ]
    return Total(sums.extended, (of, *errors))


def _of_intervals(
    head: str, true: np.ndarray, low: np.ndarray, high: np.ndarray, level: float
) -> dict[str, Total]:
    """Sum how often intervals cover, and how wide they are."""
    covers, wide = f"{head}/coverage_{percent(level)}", f"{head}/width_{percent(level)}"
    held = probability.inside(true, low, high)
    return {covers: _mean(held), wide: _mean(probability.widths(true, low, high))}


def _by_target(values: np.ndarray) -> np.ndarray:
    """Put the values of each target beside each other, (targets, windows, horizon)."""
    return np.ascontiguousarray(np.moveaxis(values, -1, 0))


def _within(forecasts: Forecasts, intervals: Intervals) -> np.ndarray:
    """Return the truth, NaN where a forecast has no interval yet, (windows, horizon, targets).

    Where there is no forecast either, the truth stays: silence must not pay.
    """
    early = np.isnan(intervals.lower) & np.isfinite(forecasts.values)
    return np.where(early, np.nan, forecasts.true)


def _covered(forecasts: Forecasts, intervals: Intervals) -> Sum:
    """Count how often the truth lay in its interval, by step, (horizon,)."""
    true = _within(forecasts, intervals)
    return probability.inside(true, intervals.lower, intervals.upper, (0, 2))


def _of_values(forecasts: Forecasts, scale: Scale) -> dict[str, Total]:
    """Sum errors in the targets' units, and without them."""
    true, values, series = forecasts.true, forecasts.values, forecasts.numbers
    std, absolute, square = (
        part[series][:, None] for part in (scale.std, scale.absolute, scale.square)
    )  # (windows, 1, targets)
    found = {f"test/{key}": total for key, total in plain(true, values).items()}
    found |= {
        "test/mase": _mean(point.absolute_scaled(true, values, absolute)),
        "test/rmsse": _root(point.squared_scaled(true, values, square)),
        "test/mae_z": _mean(point.absolute(true / std, values / std)),
        "test/mse_z": _mean(point.squared(true / std, values / std)),
    }
    if len(forecasts.table.targets) > 1:
        every = zip(forecasts.table.targets, *map(_by_target, (true, values)), strict=True)
        for i, (target, own, predicted) in enumerate(every):
            head = f"test_{target}"
            found |= {f"{head}/{key}": total for key, total in plain(own, predicted).items()}
            mase = point.absolute_scaled(own, predicted, absolute[..., i])
            rmsse = point.squared_scaled(own, predicted, square[..., i])
            found |= {f"{head}/mase": _mean(mase), f"{head}/rmsse": _root(rmsse)}
    return found


def _of_quantiles(forecasts: Forecasts) -> dict[str, Total]:
    """Sum over a model's own quantiles, and the intervals between those alike on both sides.

    All but the quantile loss end in `_raw`: those without are of the calibrated intervals.
    """
    if forecasts.quantiles is None:
        return {}
    true, every, levels = forecasts.true, forecasts.quantiles, forecasts.levels
    losses = probability.quantile_losses(true, every, levels)
    found = {
        "test/crps_raw": Total(_twice_over_levels, (losses,)),
        "test/pinball": Total(_over_levels, (losses,)),
    }
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        if abs(levels[low] + levels[high] - 1) < 1e-9:
            ends = every[..., low], every[..., high]
            name = percent(levels[high] - levels[low])
            found[f"test/coverage_{name}_raw"] = _mean(probability.inside(true, *ends))
            found[f"test/width_{name}_raw"] = _mean(probability.widths(true, *ends))
    return found


def _of_probabilities(forecasts: Forecasts) -> dict[str, Total]:
    """Sum over probabilities of events, or of classes."""
    true, values, table = forecasts.true, forecasts.values, forecasts.table
    classes, each = table.task == "classes", range(len(table.targets))
    ranks = [ranked(true[..., i], values[..., i]) for i in each]
    found = {
        "test/brier": _mean(forecasts.headline.sums(true, values, None)),
        "test/log_loss": _mean(probability.logarithms(true, values, classes=classes)),
        "test/auc": Total(sums.auc, tuple(ranks)),
    }
    if classes:
        found["test/accuracy"] = _mean(probability.hits(true, values))
    for i in each if len(table.targets) > 1 else ():
        own, predicted = true[..., i : i + 1], values[..., i : i + 1]
        found[f"test_{table.targets[i]}/brier"] = _mean(point.squared(own, predicted))
        found[f"test_{table.targets[i]}/auc"] = Total(sums.auc, (ranks[i],))
    return found


def _mean(of: Sum) -> Total:
    """Return a score that is a mean."""
    return Total(sums.mean, (of,))


def _root(of: Sum) -> Total:
    """Return a score that is the root of a mean."""
    return Total(sums.root, (of,))


def _over_levels(of: Sum) -> float:
    """Return the mean of the means of all levels."""
    return float(of.mean.mean())


def _twice_over_levels(of: Sum) -> float:
    """Return the CRPS that quantile losses of all levels give."""
    return float(2 * of.mean.mean(axis=-1))
