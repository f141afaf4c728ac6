"""Name runs, describe them on their page in MLflow, and set how their experiment opens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from forecast.evaluation.outcome import Outcome, strongest
from forecast.gates.names import convolutions, layers
from forecast.tracking.mlflow import colours, description, pages, views
from forecast.tracking.mlflow.description import Place
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import Run, milliseconds
from forecast.tracking.tracker import Tracker
from forecast.training.course import watched
from forecast.workflows.load import Loaded

NEWEST = 50
"""Runs whose parameters and metrics say what the view shows."""

NAME = "Gates, what differs, losses, errors"
"""Of the view in which an experiment opens."""


def place(
    tracker: Tracker,
    data: Loaded,
    baselines: Mapping[str, Run] | None = None,
    relatives: Mapping[str, str | None] | None = None,
) -> Place:
    """Find the runs that belong to a run, as far as MLflow knows them."""
    known = {name: tracker.shown(run) for name, run in (baselines or {}).items()}
    return Place(
        data.name,
        tracker.store.experiment_id if tracker.store else None,
        {name: run_id for name, run_id in known.items() if run_id},
        {text: run_id for text, run_id in (relatives or {}).items() if run_id},
        rows=data.counted,
    )


def rename(store: Store | None, tracked: Run, name: str) -> None:
    """Call a run what it turned out to be, unless another is called that."""
    tracked.tags({"mlflow.runName": pages.unique(store, name, tracked.id)})


def describe(
    tracker: Tracker, tracked: Run, outcome: Outcome, again: str, where: Place, folds: int = 0
) -> None:
    """Write what a trained run or a backtest is, and how its experiment opens."""
    from mlflow.exceptions import MlflowException

    where = replace(where, own=tracker.shown(tracked))
    note = description.of_outcome(outcome, pages.title(outcome.spec), again, where, folds)
    source = {"mlflow.source.name": " ".join(again.split(" ")[:2]), "mlflow.source.type": "LOCAL"}
    tracked.tags({description.NOTE: note} | source)
    if tracker.store is None:
        return
    try:
        shade = colours.of_run(tracker.store, outcome.spec.model.name, where.own or "")
        tracked.tags({colours.TAG: shade})
        _experiment(tracker.store, outcome, where, milliseconds(tracker.clock))
    except (MlflowException, OSError):
        pass  # a server that has gone away meanwhile; the next run writes it


def _experiment(store: Store, outcome: Outcome, where: Place, now: int) -> None:
    """Write what an experiment is and how it opens, where that is not there or of other data."""
    found = store.client.get_experiment(store.experiment_id)
    tell(store.client, found, description.of_experiment(outcome, where))
    newest = [run.data for run in store.find(views.COMMANDS, most=NEWEST)]
    heads = {key.partition("/")[0] for data in newest for key in data.metrics if "/" in key}
    model = watched(outcome.forecaster).model_
    own = [*layers(model), *(["taps"] if convolutions(model) else [])]
    state = views.runs(
        outcome.test.headline.key,
        strongest(outcome),
        own,
        views.opened(found.tags.get(views.TAG + pages.KEY))[1],
        views.varied([data.params for data in newest]),
        sorted(heads | {f"gates.{name}" for name in own}),
    )
    views.keep(store.client, found, pages.KEY, NAME, state, now)


def tell(client: Any, experiment: Any, note: str) -> None:
    """Describe an experiment, unless somebody has described it otherwise."""
    before = experiment.tags.get(description.NOTE)
    if note == before or (before and experiment.tags.get(pages.WRITTEN) != pages.mark(before)):
        return
    client.set_experiment_tag(experiment.experiment_id, pages.WRITTEN, pages.mark(note))
    client.set_experiment_tag(experiment.experiment_id, description.NOTE, note)
