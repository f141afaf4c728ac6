"""Write an outcome or a backtest as metrics, artifacts and runs of baselines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.split import Holdout
from forecast.data.table import Table, listed
from forecast.evaluation import scores
from forecast.evaluation.backtest import Backtest
from forecast.evaluation.baselines import rules
from forecast.evaluation.outcome import Extent, Outcome, validation_error
from forecast.evaluation.rolling import RollingFold
from forecast.evaluation.scores import Measured
from forecast.evaluation.significance.aligned import PREDICTIONS
from forecast.gates.study import Study
from forecast.metrics.point import skill
from forecast.report import figures
from forecast.report.gates.curves import memory_curve
from forecast.tracking.mlflow import colours, description, pages
from forecast.tracking.mlflow.description import Place
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.predictions import Predictions
from forecast.tracking.run import Run, ending, safe_key
from forecast.tracking.sender import ONCE
from forecast.tracking.tracker import Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_TARGET = 12
"""Targets, and series, that get metrics of their own; more go to a file."""


@dataclass(frozen=True)
class Question:
    """What a baseline was asked: the same question is answered once.

    Attributes:
        data: Name of the data set.
        digest: Of its content.
        settings: Of data, window, spans and evaluation.
    """

    data: str
    digest: str
    settings: Mapping[str, Any]


def record(run: Run, outcome: Outcome, predictions: Predictions) -> None:
    """Write final metrics, pictures, forecasts and lineage of a trained run."""
    record_scores(run, outcome)
    for number, epoch in enumerate(outcome.forecaster.best_epochs_, start=1):
        head = "train" if number == 1 else f"network_{number}"
        run.metrics({f"{head}/best_epoch": float(epoch)})
    if (error := validation_error(outcome.forecaster, outcome.test.headline)) is not None:
        run.metrics({f"validation/{outcome.test.headline.key}": error})
    if len(outcome.table.targets) > PER_TARGET:
        targets = outcome.table.targets
        run.keep(outcome.measured[""].by_target(targets), "per_target.parquet")
    if len(outcome.table.names) > 1:
        every = {name or "model": own for name, own in outcome.measured.items()}
        per_series = outcome.measured[""].by_series
        if len(per_series) <= PER_TARGET:
            taken: set[str] = set()
            head = f"series/{outcome.test.headline.key}_"
            run.metrics({head + safe_key(k, taken): v for k, v in per_series.items()})
        run.keep(scores.series_table(every), "scores_by_series.csv")
    run.keep(predictions.file(), PREDICTIONS)
    run.keep(figures.forecasts(outcome), "figures/forecasts.png")
    run.keep(figures.forecast(outcome), "figures/forecast.png")
    run.keep(figures.error_by_horizon(outcome), "figures/error_by_horizon.png")
    if outcome.intervals is not None:
        run.keep(
            figures.reliability(outcome.measured[""], outcome.intervals), "figures/reliability.png"
        )
    run.keep(figures.learning_curve(outcome.forecaster.history_), "figures/learning_curve.png")


def record_scores(run: Run, outcome: Outcome) -> None:
    """Write the numbers of an outcome: scores, errors by step, seconds."""
    run.metrics(_final(outcome, outcome.scores))
    for name, verdict in outcome.verdicts.items():
        run.metrics({f"dm/{name}_p": verdict.p, f"dm/{name}_statistic": verdict.statistic})
    run.series(_by_step(outcome))
    run.metrics({f"time/{stage}_seconds": value for stage, value in outcome.seconds.items()})


def record_baselines(
    tracker: Tracker, outcome: Outcome, about: Question, predictions: Predictions
) -> dict[str, Run]:
    """Write each baseline as a run of its own, once for each question."""
    runs: dict[str, Run] = {}
    question = about.settings
    place = Place(about.data, tracker.store.experiment_id if tracker.store else None)
    for name, found in outcome.baselines.items():
        parts: list[Any] = [name, about.digest, dict(question)]
        parts += [found.note] if found.note else []  # what was chosen makes other forecasts
        # intervals of a refit know validation windows only where these have chosen its epochs
        depends = name not in rules.RULES or outcome.spec.interval is not None
        if depends:
            parts += [outcome.spec.regressors.get(name), outcome.refit]
            parts += ["chosen"] * (outcome.forecaster.first_ is not None)
        key = sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
        if tracker.store and (known := tracker.known(key)):
            runs[name] = DirectRun(tracker.store, known)
            continue
        window, error = outcome.spec.window, outcome.baseline_scores[name]
        label = f"baseline · {name} · {window.timesteps}→{window.horizon}"
        label += " · refit" if depends and outcome.refit else ""
        score = f"{found.headline.key} {error[f'test/{found.headline.key}']:.3g}"
        label = pages.unique(tracker.store, pages.result(label, score))
        colour = {colours.TAG: colours.of_baseline(name)}
        tags = {ONCE: key, "forecast.data_digest": about.digest} | colour
        with ending(tracker.begin(label, kind="baseline", tags=tags)) as run:
            run.params({"model": name, **question})
            run.tags({description.NOTE: description.of_baseline(name, outcome, place)})
            run.metrics(_final(outcome, error))
            run.series(_steps(outcome.measured[name]))
            if (kept := predictions.file(name)) is not None:
                run.keep(kept, PREDICTIONS)
        runs[name] = run
    return runs


def record_study(run: Run, found: Study, unit: str, traces: Mapping[str, "Figure"]) -> None:
    """Write what a network does with its memory: metrics, alerts as tags, pictures."""
    if found.memory is not None:
        run.series(found.memory.series())
        run.keep(memory_curve(found.memory, unit), "figures/memory.png")
    texts: dict[str, list[str]] = {}
    for alert in found.alerts:
        texts.setdefault(alert.kind, []).append(alert.text)
    run.tags({f"gates.alert.{kind}": "; ".join(lines) for kind, lines in texts.items()})
    for layer, figure in traces.items():
        run.keep(figure, f"figures/gates_{layer}.png")


def lineage(table: Table, extent: Extent, cuts: Holdout) -> dict[str, str]:
    """Describe the spans of an experiment: rows, series, frequency, where its spans begin."""
    return {
        "rows": str(extent.rows),
        "series": listed(table.names, 20),
        "frequency": str(table.frequency),
        "first": str(extent.first),
        "last": str(extent.last),
        "validation_from": str(cuts.validation),
        "test_from": str(cuts.test),
    }


def _final(outcome: Outcome, final: Mapping[str, float]) -> dict[str, float]:
    """Return final metrics under keys that MLflow takes, each target's only where they are few."""
    found = _keys(final)
    if len(outcome.table.targets) > PER_TARGET:
        found = {key: value for key, value in found.items() if not key.startswith("test_")}
    return found


def _keys(found: Mapping[str, float]) -> dict[str, float]:
    """Write the targets in `test_<target>/<metric>` safely; two alike are numbered."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for key in found:
        head = key.rpartition("/")[0]
        if head not in names:
            names[head] = safe_key(head, taken)
    return {
        f"{names[head]}/{metric}": value
        for (head, _, metric), value in ((key.rpartition("/"), v) for key, v in found.items())
    }


def _by_step(outcome: Outcome) -> dict[str, dict[int, float]]:
    """Return `horizon/<error>`, `horizon/skill_<baseline>` and coverage, step = steps ahead."""
    found = _steps(outcome.measured[""])
    for name in outcome.baselines:
        gained = skill(outcome.paired[name].by_step, outcome.measured[name].by_step)
        found[f"horizon/skill_{name}"] = _series(gained)
    return found


def _steps(own: Measured) -> dict[str, dict[int, float]]:
    """Return `horizon/<error>` and coverage of one forecaster, step = steps ahead."""
    found = {f"horizon/{own.headline.key}": _series(own.by_step)}
    if own.level is not None:
        found[f"horizon/coverage_{scores.percent(own.level)}"] = _series(own.covered_by_step)
    return found


def _series(values: np.ndarray) -> dict[int, float]:
    """Number values from step 1."""
    return {step: float(value) for step, value in enumerate(values, start=1)}


def record_fold(parent: Run, child: Run, fold: RollingFold, outcome: Outcome) -> None:
    """Write the numbers of a fold to its own run, and its place in the series to the backtest's."""
    record_scores(child, outcome)
    if fold.refits:
        child.metrics({"train/best_epoch": float(outcome.forecaster.best_epoch_)})
    headline = outcome.test.headline.key
    found = {f"fold/{headline}": outcome.scores[f"test/{headline}"]}
    for name in outcome.baselines:
        found[f"fold/skill_{name}"] = outcome.scores[f"skill/{name}"]
    parent.metrics(found, step=fold.number)


def record_backtest(parent: Run, found: Backtest) -> None:
    """Write the numbers of all folds together, their forecasts and pictures."""
    record_scores(parent, found.overall)
    parent.keep(found.frame(), PREDICTIONS)
    parent.keep(found.table(), "folds.csv")
    parent.keep(figures.fold_forecasts(found), "figures/backtest.png")
    parent.keep(figures.error_by_fold(found), "figures/error_by_fold.png")
