"""A backtest becomes a run with a child for each fold."""

from forecast.evaluation.backtest import Backtest
from forecast.evaluation.outcome import Outcome
from forecast.evaluation.rolling import RollingFold
from forecast.evaluation.significance.common import PREDICTIONS
from forecast.report import figures
from forecast.tracking import record
from forecast.tracking.run import Run


def record_fold(parent: Run, child: Run, fold: RollingFold, outcome: Outcome) -> None:
    """Write the numbers of a fold to its own run, and its place in the series to the backtest's.

    Args:
        parent: The run of the backtest.
        child: The run of the fold, with params and epochs already written.
        fold: The fold.
        outcome: What its experiment found.
    """
    record.record_scores(child, outcome)
    if fold.refits:
        child.metrics({"train/best_epoch": float(outcome.forecaster.best_epoch_)})
    headline = outcome.test.headline.key
    found = {f"fold/{headline}": outcome.scores[f"test/{headline}"]}
    for name in outcome.baselines:
        found[f"fold/skill_{name}"] = outcome.scores[f"skill/{name}"]
    parent.metrics(found, step=fold.number)


def record_backtest(parent: Run, found: Backtest) -> None:
    """Write the numbers of all folds together, their forecasts and pictures.

    Args:
        parent: The run of the backtest.
        found: What it found.
    """
    record.record_scores(parent, found.overall)
    parent.keep(found.frame(), PREDICTIONS)
    parent.keep(found.table(), "folds.csv")
    parent.keep(figures.fold_forecasts(found), "figures/backtest.png")
    parent.keep(figures.error_by_fold(found), "figures/error_by_fold.png")
