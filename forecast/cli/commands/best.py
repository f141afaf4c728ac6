"""`forecast best`: the best forecast of a data set in a given time, served as one model."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from forecast import process
from forecast.cli import links
from forecast.cli.commands import train
from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.config.recorded import CONFIG
from forecast.cli.console import busy, print_table, say, show_outcome
from forecast.cli.progress import RaceProgress
from forecast.data.schema import Schema
from forecast.errors import InputError
from forecast.evaluation.outcome import headline
from forecast.search import keys
from forecast.search.candidates import Composed
from forecast.search.ledger import Ledger
from forecast.search.race import Budget, counted
from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.client import RetryingClient
from forecast.tracking.mlflow.store import Store, no_retries
from forecast.tracking.run import ending
from forecast.workflows import load
from forecast.workflows.best import found, search
from forecast.workflows.best.search import Asked
from forecast.workflows.load import Loaded
from forecast.workflows.training import before_scores

LEAST = 60
"""Seconds in which a few candidates can be tried at all."""

RESULT = "forecast.result"
"""Tag of a search that is finished: what it has found, in words."""


@no_retries()  # the ledger asks again itself
def run_best(request: Request) -> float | None:
    """Race candidates within the budget, average the best, score their mean once on test."""
    settings = request.settings
    if settings.budget < LEAST:
        raise InputError(
            f"budget must be {LEAST} seconds or more, got {settings.budget}: try budget=600"
        )
    budget = Budget(settings.budget, request.began)
    with busy("data", "reading"):
        data = load.load(settings, whole=True)
    say("data", train.summary(data))
    schemas: dict[str, Schema] = {}
    compose = _compose(request, data, schemas)
    asked = Asked(
        data,
        compose([]),
        compose,
        schemas,
        errors.typed(request.overrides),
        request.overrides,
        settings.workers,
        settings.scheduler,
    )
    store = Store(settings.tracking.uri, settings.tracking.experiment or data.name)
    store.client = RetryingClient(store.client, settings.tracking.uri)
    params = _question(request, data)
    tags = {"forecast.version": version(process.DISTRIBUTION), "forecast.data_digest": data.digest}
    about = {"data": data.digest, "asked": params, "code": keys.code_version()}
    name = settings.tracking.run_name or f"best · {settings.budget} s · {_window(request)}"
    ledger = Ledger.open(store, keys.digest(about), name, tags, kind="best")
    parent = ledger.parent
    known = store.client.get_run(parent.id).data.tags
    if RESULT in known:
        parent.end()
        say("result", f"{known[RESULT]} (found before)")
        say("run", parent.id)
        links.show(settings.tracking, parent.id)
        return None
    again = train.command("best", request.overrides)
    with ending(parent), counted(budget, parent), TemporaryDirectory() as folder:
        parent.params(params)
        parent.keep(request.yaml, CONFIG)
        with RaceProgress(budget) as progress:
            own = search.begin(asked, ledger, budget, progress, progress.say)
            chosen, networks = search.run(own)
        with busy("evaluate", "test span, intervals and verdicts"):
            best = found.finish(own, chosen, networks, Path(folder) / "bundle")
        with busy("track", "model and report"):
            found.record_found(parent, best, own, data.frame, again, name)
        result = headline(best.outcome)
        named = pages.result(name, pages.scored(best.outcome))
        parent.tags({RESULT: result, "mlflow.runName": pages.unique(store, named, parent.id)})
    print_table("Members", found.HEADS, found.rows(best))
    show_outcome(best.outcome)
    say("budget", f"{budget.spent:.0f} of {settings.budget} s spent")
    say("run", parent.id)
    links.show(settings.tracking, parent.id)
    say("next", f"forecast predict run={parent.id}  ·  forecast ui")
    return best.ensemble.error


def _compose(
    request: Request, data: Loaded, schemas: dict[str, Schema]
) -> Callable[[list[str]], Composed]:
    """Make what turns a point into an experiment; tables of equal schema are one."""
    tables = {load.schema_name(request.settings): data.table}

    def compose(overrides: list[str]) -> Composed:
        full = request.but(overrides) if overrides else request
        name = load.schema_name(full.settings)
        if name not in tables:
            tables[name] = load.build_table(data, full.settings)
        schemas[name] = load.meaning_of(data, full.settings)
        return Composed(load.spec(full.settings), name, tables[name], train.question(full, data))

    return compose


def _question(request: Request, data: Loaded) -> dict[str, object]:
    """Return the params of a search: what it asks, without settings that its candidates vary."""
    every = before_scores(train.question(request, data))
    own = {k: v for k, v in every.items() if not k.startswith(("model.", "training."))}
    return own | {"model": "ensemble", "budget": request.settings.budget}


def _window(request: Request) -> str:
    """Say what is forecast."""
    return f"→{request.settings.window.horizon}"
