"""A run introduces itself: its description, the view of its experiment, and where both are seen."""

from collections.abc import Sequence
from contextlib import suppress

from forecast.commands.build import Loaded
from forecast.commands.console import say
from forecast.errors import InputError
from forecast.evaluation.experiment import Outcome
from forecast.gates.names import layers
from forecast.tracking import description, pages, view
from forecast.tracking.direct import Direct
from forecast.tracking.run import Run
from forecast.tracking.store import client, impatient
from forecast.tracking.tracker import Tracker


def describe(tracker: Tracker, tracked: Run, outcome: Outcome, data: Loaded, again: str) -> None:
    """Write what a trained run or a backtest is, and how its experiment opens.

    Args:
        tracker: Whose experiment it is in.
        tracked: The run.
        outcome: What it found.
        data: What it saw.
        again: The command that repeats it.
    """
    from mlflow.exceptions import MlflowException

    store = tracker.store
    inside = pages.inside(store.experiment_id) if store else None
    tracked.tags({description.NOTE: description.of_outcome(outcome, data.name, again, inside)})
    if store:
        found = layers(outcome.forecaster.model_)
        with suppress(MlflowException, OSError):  # a server that has gone away meanwhile
            view.keep(store, outcome.test.headline.key, outcome.baselines, found)


def describe_sweep(
    parent: Direct,
    board: tuple[Sequence[str], Sequence[Sequence[str]]],
    again: str,
    best: tuple[str, str],
) -> None:
    """Write the leaderboard of a sweep onto its parent.

    Args:
        parent: The run.
        board: Heads and rows of the leaderboard.
        again: The command that goes on with the sweep.
        best: Ids of the best candidate and of the run that trained it once more.
    """
    home = parent.store.experiment_id
    links = [
        f"[{name}]({pages.inside_run(home, run_id)})"
        for name, run_id in zip(("Best candidate", "Winner on the test span"), best, strict=True)
    ]
    note = description.of_sweep(*board, again, [" · ".join(links)])
    parent.tags({description.NOTE: note})


def see(uri: str, run_id: str, artifact: str = "") -> None:
    """Print the page of a run, and that of its comparison with the last run on the same data.

    Args:
        uri: Of the store.
        run_id: In MLflow; of a run that it has not yet, nothing is printed.
        artifact: Picture of the run whose page is printed too.
    """
    from mlflow.exceptions import MlflowException

    try:
        with impatient():
            store = client(uri)
            run = store.get_run(run_id)
            experiment, tags = run.info.experiment_id, run.data.tags
            digest = tags.get("forecast.data_digest", "")
            asked = (
                f"tags.`forecast.data_digest` = '{digest}' and tags.`forecast.kind` = 'train' "
                "and attributes.status = 'FINISHED'"
            )
            found = store.search_runs([experiment], asked, max_results=2)
    except (MlflowException, OSError, InputError):
        return
    say("see", pages.run(uri, experiment, run_id))
    if artifact:
        say("", pages.run(uri, experiment, run_id, artifact))
    others = [other.info.run_id for other in found if other.info.run_id != run_id]
    if others and tags.get("forecast.kind") == "train":
        say("beside", pages.comparison(uri, [experiment], [run_id, others[0]]))
    say("all", pages.view(uri, experiment))
