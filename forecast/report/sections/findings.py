"""What a reader should know of an outcome beside its error, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.data import windows
from forecast.evaluation import scores
from forecast.evaluation.outcome import strongest
from forecast.evaluation.significance import wording
from forecast.evaluation.significance.wording import measured
from forecast.metrics.point import mean

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

BIASED = 0.1
"""Share of the MAE from which a bias is worth a sentence."""

PARTS = 8
"""Parts of the test span in which the bias is looked at."""

OFF = 0.03
"""Difference of actual and nominal coverage that is worth a sentence."""

APART = 1.5
"""Error of a series, in medians of all, that is worth a sentence."""

_FRACTIONS = {
    0.1: "a tenth",
    0.2: "a fifth",
    0.25: "a quarter",
    1 / 3: "a third",
    0.5: "half",
    2 / 3: "two thirds",
    0.75: "three quarters",
    0.95: "nearly all",
}


def findings(outcome: "Outcome", *, whole: bool = False) -> list[str]:
    """List what is worth knowing, the most important first.

    A `whole` of several trainings has no epochs of its own.
    """
    kinds = (_worse, *([] if whole else [_unconverged]), _bias, _coverage, _series)
    return [text for kind in kinds for text in kind(outcome)]


def unconverged(outcome: "Outcome") -> bool:
    """Tell whether the training ended while it was still getting better."""
    fitted = outcome.forecaster
    epochs = len(fitted.history_["loss"])
    stopped = bool(fitted.history_.get("val_loss")) and not fitted.averaged_[0]
    return stopped and fitted.best_epoch_ == epochs


def _worse(outcome: "Outcome") -> Iterator[str]:
    """Name the baselines that do better for certain."""
    model = outcome.spec.model.name
    found = [
        name
        for name, verdict in outcome.verdicts.items()
        if wording.word(outcome.scores[f"skill/{name}"], verdict) == "worse"
    ]
    if found:
        names = ", ".join(found[:-1]) + (" and " if len(found) > 1 else "") + found[-1]
        yield (
            f"{model} is worse than {names}: unless other settings change that, "
            f"forecast with {strongest(outcome)} instead."
        )


def _unconverged(outcome: "Outcome") -> Iterator[str]:
    """Say that the training ended while it was still getting better."""
    if unconverged(outcome):
        epochs = len(outcome.forecaster.history_["loss"])
        yield (
            f"The best epoch was the last ({epochs} of {epochs}): the training has not converged; "
            "raise training.epochs."
        )


def _bias(outcome: "Outcome") -> Iterator[str]:
    """Say how far forecasts lie on one side, and when most."""
    test, table = outcome.test, outcome.table
    if table.task != "regression":
        return
    alike = len(table.targets) == 1 or bool(table.common_unit)
    for target in [slice(None)] if alike else []:
        wrong = (test.values - test.true)[:, :, target]
        error, middle = float(mean(np.abs(wrong), wrong, None)), float(mean(wrong, wrong, None))
        if not error or abs(middle) < BIASED * error:
            continue
        unit, side = table.common_unit, "high" if middle > 0 else "low"
        part = _FRACTIONS[min(_FRACTIONS, key=lambda size: abs(size - abs(middle) / error))]
        text = f"Forecasts run {measured(abs(middle), unit, 2)} too {side} on average"
        yield f"{text}, {part} of the {test.headline.name}{_when(outcome, wrong, middle)}."


def _when(outcome: "Outcome", wrong: np.ndarray, middle: float) -> str:
    """Say in which part of the span the bias is largest, if it is much larger there."""
    test, table = outcome.test, outcome.table
    ahead = windows.future_rows(test.starts, test.window)  # (windows, horizon)
    ticks = table.tick[ahead]
    edges = np.linspace(ticks.min(), ticks.max() + 1, PARTS + 1)
    part = np.searchsorted(edges, ticks, side="right") - 1
    own = [
        float(mean(wrong[part == n], wrong[part == n], None)) * np.sign(middle)
        for n in range(PARTS)
        if (part == n).any()
    ]
    most = int(np.nanargmax(own)) if np.isfinite(own).any() else 0
    if len(own) < PARTS or not own[most] >= 2 * abs(middle):
        return ""
    times = table.time[ahead[part == most]]
    if times.dtype.kind == "M":
        first, last = (
            f"{pd.Timestamp(time):%d %b %Y}".lstrip("0") for time in (times.min(), times.max())
        )
    else:
        first, last = f"row {times.min()}", f"row {times.max()}"
    return f", most from {first} to {last} ({measured(own[most], table.common_unit, 2)})"


def _coverage(outcome: "Outcome") -> Iterator[str]:
    """Say that intervals promise too much or too little."""
    intervals = outcome.intervals
    if intervals is None:
        return
    level = scores.percent(intervals.level)
    held = outcome.scores.get(f"test/coverage_{level}", np.nan)
    if abs(held - intervals.level) > OFF:
        narrow = "narrow" if held < intervals.level else "wide"
        covered = f"{100 * held:.0f} % of the actual values"
        yield f"The {level} % intervals cover {covered}: too {narrow}."


def _series(outcome: "Outcome") -> Iterator[str]:
    """Name the series whose error stands out."""
    errors = outcome.measured[""].by_series
    known = {name: error for name, error in errors.items() if np.isfinite(error)}
    if len(known) < 3:
        return
    middle, worst = float(np.median([*known.values()])), max(known, key=lambda name: known[name])
    if middle > 0 and known[worst] >= APART * middle:
        head, unit = outcome.test.headline.name, outcome.table.common_unit
        yield (
            f"{worst} has the largest {head}, {measured(known[worst], unit, 3)}: "
            f"{known[worst] / middle:.1f} times that of the median series."
        )
