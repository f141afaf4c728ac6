"""The test span in parts, each forecast by a model of what lies before it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.data.split import Holdout
from forecast.data.table import Table, card
from forecast.evaluation import experiment, rolling
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.gathered import Gathered, Shown
from forecast.evaluation.intervals import calibration
from forecast.evaluation.outcome import Outcome, Spec
from forecast.evaluation.rolling import Plan, RollingFold
from forecast.evaluation.scales import Scale
from forecast.parallel.pool import HERE, Pool

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Backtest:
    """What a backtest found.

    Attributes:
        plan: What was asked.
        folds: The parts, in time order.
        outcomes: What the experiment of each fold found.
        overall: All folds together, as if one experiment had forecast their windows: scores are
            sums over all windows by their count, no means of folds. The scale of MASE, RMSSE and
            standardised errors is that of the first fold's training rows; the forecaster is the
            newest.
        fold: Number of the fold of every window of `overall.test`, (windows,).
    """

    plan: Plan
    folds: tuple[RollingFold, ...]
    outcomes: tuple[Outcome, ...]
    overall: Outcome
    fold: np.ndarray

    def _repr_html_(self) -> str:
        """Show the folds in a notebook, and the scores of all windows."""
        facts = {"scheme": self.plan.scheme, "windows": f"{len(self.fold):,}"}
        title = f"Backtest: {len(self.folds)} folds"
        whole = self.overall._repr_html_()
        return f"{card(title, facts, self.table().set_index('fold'))}{whole}"

    def frame(self) -> pd.DataFrame:
        """Return the forecasts of the model as `Forecasts.frame` does, with the fold of each."""
        test = self.overall.test
        found = test.frame(self.overall.intervals)
        rows = test.values.shape[1] * test.values.shape[2]  # of one window
        found.insert(0, "fold", np.repeat(self.fold, rows))
        return found

    def table(self) -> pd.DataFrame:
        """Return one row for each fold: its spans, windows, scores, epoch kept and seconds."""
        rows = []
        for fold, outcome in zip(self.folds, self.outcomes, strict=True):
            key = f"test/{outcome.test.headline.key}"
            found = {name.removeprefix("test/"): value for name, value in outcome.scores.items()}
            rows.append(
                {"fold": fold.number, "fitted_before_fold": fold.fitted}
                | rolling.spans(fold, outcome.table)
                | {"windows": int(found.pop("windows"))}
                | {name.replace("skill/", "skill_"): value for name, value in found.items()}
                | {
                    f"{outcome.test.headline.key}_{name}": own[key]
                    for name, own in outcome.baseline_scores.items()
                }
                | {"best_epoch": outcome.forecaster.best_epoch_}
                | {"seconds": sum(outcome.seconds.values())}
            )
        return pd.DataFrame(rows)


Rows = tuple[Spec, Table]
"""What is trained, and the table that all folds are cut out of."""

Step = Callable[[Sequence["keras.callbacks.Callback"]], Outcome]
"""Runs the experiment of one fold, its training watched by Keras callbacks."""


def _plainly(fold: RollingFold, step: Step) -> Outcome:
    """Run a fold unwatched."""
    del fold
    return step(())


def run_backtest(
    spec: Spec,
    table: Table,
    plan: Plan | None = None,
    *,
    folds: Sequence[RollingFold] = (),
    around: Callable[[RollingFold, Step], Outcome] = _plainly,
    pool: Pool = HERE,
) -> Backtest:
    """Walk through the test span: fit before a fold, forecast its windows, go on.

    Every fit begins with fresh weights and learns the scale of its own training rows. All are fits
    on rows of one table, so they share one compiled program.

    Args:
        spec: What to train.
        table: The data.
        plan: How the test span is cut; None is the default.
        folds: Its parts, where `rolling.prepare` has made them before.
        around: Takes each fold in time order, and what runs its experiment.
        pool: Who trains. Where other processes do, a fold is whole before `around` hears of it, and
            its callbacks are told of every epoch afterwards.

    Returns:
        What was found.
    """
    plan = plan or Plan()
    folds = tuple(folds) or rolling.prepare(spec, table, plan)
    found: list[Outcome] = []
    if pool.apart:
        alike = [[*own] for _, own in groupby(folds, lambda fold: fold.fitted)]
        for group, outcomes in pool.each(_of_one_model, (spec, table), alike):
            for fold, outcome in zip(group, outcomes, strict=True):
                found.append(around(fold, partial(_retold, fold, _on(outcome, table))))
    else:
        for fold in folds:
            step = _step((spec, table), fold, found)
            found.append(around(fold, step))
    order, number = _order([outcome.test for outcome in found])
    return Backtest(plan, folds, tuple(found), _together(folds, found, order), number[order])


def _step(rows: Rows, fold: RollingFold, before: Sequence[Outcome]) -> Step:
    """Return what runs the experiment of a fold, with the newest model where it fits none."""
    return partial(
        experiment.run,
        *rows,
        prepared=experiment.Prepared(*rows, fold),
        forecaster=None if fold.refits else before[-1].forecaster,
        whole=True,
    )


def _of_one_model(rows: Rows, folds: Sequence[RollingFold]) -> list[Outcome]:
    """Run the experiments of folds that share a model, in another process; rows stay there."""
    found: list[Outcome] = []
    for fold in folds:
        found.append(_step(rows, fold, found)(()))
    return [_on(outcome, outcome.table.take(slice(0))) for outcome in found]


def _on(outcome: Outcome, table: Table) -> Outcome:
    """Return an outcome whose forecasts name another object as their table."""
    others = {name: replace(own, table=table) for name, own in outcome.baselines.items()}
    return replace(outcome, table=table, test=replace(outcome.test, table=table), baselines=others)


def _retold(
    fold: RollingFold, outcome: Outcome, callbacks: Sequence["keras.callbacks.Callback"]
) -> Outcome:
    """Tell callbacks of a training that is over."""
    if fold.refits:
        history = outcome.forecaster.history_
        for callback in callbacks:
            callback.on_train_begin()
            for epoch in range(len(history["loss"])):
                callback.on_epoch_end(epoch, {name: own[epoch] for name, own in history.items()})
            callback.on_train_end()
    return outcome


def _together(folds: Sequence[RollingFold], found: Sequence[Outcome], order: np.ndarray) -> Outcome:
    """Score the windows of all folds as those of one experiment."""
    spec, table, season = found[0].spec, found[0].table, found[0].season
    test = _joined([outcome.test for outcome in found], order)
    others = {
        name: _joined(parts, _order(parts)[0])
        for name in found[0].baselines
        for parts in ([outcome.baselines[name] for outcome in found],)
    }
    around = {"": calibration.joined([outcome.intervals for outcome in found], order)}
    for name in others:
        parts = [outcome.baselines[name] for outcome in found]
        fold_by_fold = [outcome.baseline_intervals.get(name) for outcome in found]
        around[name] = calibration.joined(fold_by_fold, _order(parts)[0])
    seconds: dict[str, float] = {}
    for outcome in found:
        for stage, value in outcome.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    train, scaler = table.take(folds[0].train_rows(table)), found[0].forecaster.scaler_
    together = Gathered(Scale.of(train, scaler, season), Shown(table, test.starts))
    known = {name: own for name, own in around.items() if own is not None}
    together.add({"": test} | others, known)
    return together.outcome(
        spec=spec,
        table=table,
        cuts=Holdout(folds[0].validation, folds[0].test),
        season=season,
        forecaster=found[-1].forecaster,
        seconds=seconds,
    )


def _order(parts: Sequence[Forecasts]) -> tuple[np.ndarray, np.ndarray]:
    """Return how windows of all folds are sorted by series and time, and the fold of each."""
    starts = np.concatenate([part.starts for part in parts])
    number = np.repeat(np.arange(len(parts)) + 1, [len(part.starts) for part in parts])
    return np.argsort(starts), number


def _joined(parts: Sequence[Forecasts], order: np.ndarray) -> Forecasts:
    """Put the forecasts of all folds together, sorted."""
    quantiles = [part.quantiles for part in parts if part.quantiles is not None]
    return replace(
        parts[0],
        starts=np.concatenate([part.starts for part in parts])[order],
        values=np.concatenate([part.values for part in parts])[order],
        quantiles=np.concatenate(quantiles)[order] if quantiles else None,
    )
