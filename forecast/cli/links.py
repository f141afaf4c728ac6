"""Addresses of the runs of a command in MLflow's pages."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from forecast.cli import level
from forecast.cli.console import say
from forecast.errors import InputError
from forecast.tracking.mlflow import pages, views
from forecast.tracking.mlflow.store import check_server, client, no_retries
from forecast.tracking.run import milliseconds
from forecast.workflows.settings import TrackingConfig


def show(settings: TrackingConfig, run_id: str, sweep: str = "") -> None:
    """Print the pages of a run, of its comparison with the last one on the same data, and of all.

    Nothing where only ids are wanted.
    """
    from mlflow.exceptions import MlflowException

    if level.quiet():
        return
    try:
        with no_retries():
            shown = _pages(reached(settings.uri), run_id, sweep)
    except (MlflowException, OSError, InputError):
        return
    base = pages.base(settings.uri, settings.port)
    for label, page in shown.items():
        say(label, f"{base}/{page}")


def _pages(store: Any, run_id: str, sweep: str) -> dict[str, str]:
    """Return the pages to print, each behind what it is called."""
    run = store.get_run(run_id)
    home = run.info.experiment_id
    shown = {"view": pages.run_page(home, sweep or run_id)}
    if sweep:
        shown["candidates"] = pages.view(home, views.key("sweep", sweep), charts=True)
    if other := _last(store, run):
        named = {one.info.run_id: one.info.run_name for one in (run, other)}
        shown["compare"] = beside(store, [home], named)
    return shown | {"all": pages.view(home)}


def beside(store: Any, homes: Sequence[str], named: Mapping[str, str]) -> str:
    """Keep the view that compares some runs, and return its page."""
    if len(homes) > 1:
        return pages.comparison(homes, named)
    found = store.get_experiment(homes[0])
    opening = views.opened(found.tags.get(views.TAG + pages.KEY))[1]
    key, name = views.key("runs", *named), " vs. ".join(named.values())
    state = views.beside(opening, list(named))
    views.keep(store, found, key, name, state, milliseconds(time.time))
    return pages.view(homes[0], key, charts=True)


def reached(uri: str) -> Any:
    """Return a client of a store that listens; who asks it is to be impatient."""
    check_server(uri)
    return client(uri)


def _last(store: Any, run: Any) -> Any:
    """Return the last trained run on the same data, but for the run itself."""
    digest = run.data.tags.get("forecast.data_digest", "")
    asked = (
        f"tags.`forecast.data_digest` = '{digest}' and tags.`forecast.kind` = 'train' "
        "and attributes.status = 'FINISHED'"
    )
    found = store.search_runs([run.info.experiment_id], asked, max_results=2)
    return next((other for other in found if other.info.run_id != run.info.run_id), None)
