"""Addresses of the runs of a command in MLflow's pages."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from forecast.cli import level
from forecast.cli.console import say_link
from forecast.errors import InputError
from forecast.tracking.mlflow import pages, views
from forecast.tracking.mlflow.store import check_server, client, no_retries
from forecast.tracking.run import milliseconds
from forecast.workflows.settings import TrackingConfig

REPORT = "report.html"

NEWEST = 100
"""Runs among which one to compare with is looked for."""

TEXTS = {
    "view": "run page",
    "report": "report",
    "candidates": "candidates side by side",
    "compare": "comparison",
    "all": "all runs",
}
"""What a terminal shows of an address, behind its label."""


def show(settings: TrackingConfig, run_id: str, sweep: str = "") -> None:
    """Print the pages of a run, of its report, of its comparison with another run, and of all.

    Nothing where only ids are wanted.
    """
    from mlflow.exceptions import MlflowException

    if level.quiet():
        return
    try:
        with no_retries():
            local = not pages.serves(settings.uri)
            shown = _pages(reached(settings.uri), run_id, sweep, local=local)
    except (MlflowException, OSError, InputError):
        return
    base = pages.base(settings.uri, settings.port)
    for label, page in shown.items():
        say_link(label, TEXTS[label], f"{base}/{page}")


def _pages(store: Any, run_id: str, sweep: str, *, local: bool) -> dict[str, str]:
    """Return the pages to print, each behind what it is called."""
    run = store.get_run(run_id)
    home = run.info.experiment_id
    shown = {"view": pages.run_page(home, sweep or run_id)}
    of = next((own for own in (sweep, run_id) if own and _reported(store, own)), None)
    if of:
        shown["report"] = pages.own_page(of, REPORT) if local else pages.artifact(home, of, REPORT)
    if sweep:
        shown["candidates"] = pages.view(home, views.key("sweep", sweep), charts=True)
    if other := partner(store, run):
        named = {one.info.run_id: one.info.run_name for one in (run, other)}
        shown["compare"] = beside(store, [home], named)
    return shown | {"all": pages.view(home)}


def _reported(store: Any, run_id: str) -> bool:
    """Tell whether a run has a report."""
    return any(file.path == REPORT for file in store.list_artifacts(run_id))


def beside(store: Any, homes: Sequence[str], named: Mapping[str, str]) -> str:
    """Keep the view that compares some runs, and return its page."""
    if len(homes) > 1:
        return pages.comparison(homes, named)
    found = store.get_experiment(homes[0])
    opening = views.opened(found.tags.get(views.TAG + pages.KEY))[1]
    key, name = views.key("runs", *named), views.lettered(list(named.values()))
    state = views.beside(opening, list(named))
    views.keep(store, found, key, name, state, milliseconds(time.time))
    return pages.view(homes[0], key, charts=True)


def reached(uri: str) -> Any:
    """Return a client of a store that listens; who asks it is to be impatient."""
    check_server(uri)
    return client(uri)


def partner(store: Any, run: Any) -> Any:
    """Find the run that is worth a look beside a run: trained on the same data, with such layers.

    Of those it is the best by validation error, or the newest where none has one; None where no
    run has a layer in common.
    """
    digest = run.data.tags.get("forecast.data_digest", "")
    asked = (
        f"tags.`forecast.data_digest` = '{digest}' and tags.`forecast.kind` = 'train' "
        "and attributes.status = 'FINISHED'"
    )
    found = store.search_runs([run.info.experiment_id], asked, max_results=NEWEST)
    own = _watched(run)
    alike = [one for one in found if one.info.run_id != run.info.run_id and own & _watched(one)]
    errors = [(error, one) for one in alike if (error := _validation(one)) is not None]
    return min(errors, key=lambda pair: pair[0])[1] if errors else next(iter(alike), None)


def _watched(run: Any) -> set[str]:
    """Return the layers of a run whose gates or taps were watched."""
    heads = {key.partition("/")[0] for key in run.data.metrics}
    return {head for head in heads if head.startswith(("gates.", "taps."))}


def _validation(run: Any) -> float | None:
    """Return the validation error of a run, under whichever name."""
    found = run.data.metrics.items()
    return next((value for key, value in found if key.startswith("validation/")), None)
