"""An ensemble that was found: its bundle, its scores on the test span, its run."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.scale import Scaled
from forecast.evaluation import ensemble
from forecast.evaluation.ensemble import Ensemble, Tried
from forecast.evaluation.outcome import Outcome, headline
from forecast.evaluation.significance.aligned import PREDICTIONS
from forecast.report import best_page, figures, markdown
from forecast.search.candidates import overrides
from forecast.search.ledger import close, run_of
from forecast.serving import bundle, mixture, package
from forecast.serving.model import Bundle
from forecast.tracking import record
from forecast.tracking.mlflow import description
from forecast.tracking.mlflow.description import Place
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.predictions import Predictions
from forecast.training.forecaster import BATCH
from forecast.workflows.best.search import BUNDLE, Asked, Search
from forecast.workflows.training import provenance


@dataclass(frozen=True)
class Member:
    """A forecaster of an ensemble.

    Attributes:
        name: What it is called.
        weight: Its share.
        networks: That it is the mean of; 0 for a baseline.
        error: Scaled error on the held-out span.
        command: What trains it alone.
    """

    name: str
    weight: float
    networks: int
    error: float
    command: str


@dataclass(frozen=True, eq=False)
class Found:
    """What a search has found.

    Attributes:
        ensemble: How the weights were chosen.
        members: The greatest weight first.
        outcome: Of the test span; its baselines are the members and rules.
        tried: All that was tried, in time order.
        folder: Bundle of the ensemble.
        budget: Seconds that could be spent.
    """

    ensemble: Ensemble
    members: Sequence[Member]
    outcome: Outcome
    tried: Sequence[Tried]
    folder: Path
    budget: float


def finish(
    search: Search, found: Ensemble, networks: Mapping[str, Sequence[str]], folder: Path
) -> Found:
    """Write the bundle of an ensemble and score it on the test span.

    Args:
        search: Which has found it.
        found: Its weights.
        networks: Members that were learned once more, to the trials of their networks; a member
            without is left out, and the weights of the others are raised.
        folder: Where the bundle is written.
    """
    on, race = search.on, search.race
    learned = search.baselines(on.known, on.test)
    kept = {n: own for n, own in found.weights.items() if n not in search.ideas or n in networks}
    weights = {name: own / sum(kept.values()) for name, own in kept.items()}
    parts: list[tuple[Path, float]] = []
    test = {name: own.values for name, own in learned.forecast(on.test).items()}
    with TemporaryDirectory() as place:
        for name, weight in weights.items():
            home = Path(place) / f"{len(parts)}"
            if name not in networks:
                own, rows = learned.learned[name], Scaled(on.table, on.scaler)
                bundle.save_baseline(home, own, search.asked.data.schema, on.spec.window, rows, {})
                parts.append((home, weight))
                continue
            each = [_fetched(search, key, home / f"{n}") for n, key in enumerate(networks[name])]
            values = [_forecast(one, search, name) for one in each]
            test[name] = np.mean(values, axis=0)
            parts += [(one, weight / len(each)) for one in each]
        held = {name: search.held[name] for name in test if name in search.held}
        outcome = ensemble.evaluate(on, weights, held, {name: test[name] for name in held})
        reach = None if outcome.intervals is None else outcome.intervals.reach
        facts = {"run_id": race.ledger.parent.id, "data_digest": search.asked.data.digest}
        mixture.save_mixture(folder, parts, facts, reach=reach)
    errors = {one.name: one.error for one in race.seen if one.whole}
    return Found(
        found,
        [
            Member(
                name,
                weight,
                len(networks.get(name, ())),
                errors[name],
                _command(search.asked, search.point(name)) if name in networks else "",
            )
            for name, weight in weights.items()
        ],
        outcome,
        race.seen,
        folder,
        race.budget.seconds,
    )


def _fetched(search: Search, key: str, folder: Path) -> Path:
    """Bring back the bundle of a network that was learned once more."""
    folder.mkdir(parents=True)
    store = search.race.ledger.store
    return Path(store.client.download_artifacts(run_of(store, key), BUNDLE, str(folder)))


def _forecast(place: Path, search: Search, name: str) -> np.ndarray:
    """Forecast the test windows with a network, (windows, horizon, targets)."""
    table, served = search.table(name), bundle.load(place)
    if not isinstance(served, Bundle):
        raise TypeError(f"a bundle of one network expected in {place}, got a mixture")
    starts = search.on.origins(search.on.test) - served.window.timesteps + 1
    return served.forecast_windows(table, starts, BATCH)["forecast"]


def _command(asked: Asked, point: Mapping[str, Any]) -> str:
    """Write the command that trains a member alone."""
    own = [text for text in asked.overrides if not text.startswith(OWN)]
    return shlex.join(["forecast", "train", *own, *overrides(dict(point))])


OWN = ("budget=", "tracking.", "workers=", "scheduler=")
"""Overrides that say nothing of a member."""


HEADS = ("member", "weight", "networks", "held-out", "test")
"""Of the table of members."""


def rows(found: Found) -> list[list[str]]:
    """Write the members as cells, the greatest weight first."""
    outcome = found.outcome
    key = f"test/{outcome.test.headline.key}"
    return [
        [
            one.name,
            f"{one.weight:.0%}",
            str(one.networks or ""),
            f"{one.error:.4f}",
            f"{outcome.baseline_scores[one.name][key]:.4g}",
        ]
        for one in found.members
    ]


def lead(found: Found) -> str:
    """Say how the weights were chosen."""
    ways = ", ".join(f"{WAYS[name]} {error:.4f}" for name, error in found.ensemble.errors.items())
    return (
        f"{len(found.members)} members, {WAYS[found.ensemble.how]}. Scaled error on stretches of "
        f"the validation span, with weights that the others have given: {ways}."
    )


WAYS = {
    "one": "the best alone",
    "equal": "equal weights of the best of each kind",
    "greedy": "greedy selection",
}
"""Ways to weigh, in words."""


def record_found(
    run: DirectRun, found: Found, search: Search, raw: pd.DataFrame, again: str, name: str
) -> None:
    """Write scores, forecasts, pictures, report and model of a search to its run."""
    outcome, asked = found.outcome, search.asked
    close(search.race.ledger)
    record.record_scores(run, outcome)
    with TemporaryDirectory() as folder:
        predictions = Predictions(Path(folder) / "forecasts")
        predictions.put({"": outcome.test}, {"": outcome.intervals} if outcome.intervals else {})
        predictions.close()
        run.keep(predictions.file(), PREDICTIONS)
        example = package.example(raw, asked.data.schema, outcome.spec.window)
        served = package.package(
            Path(folder) / "model",
            found.folder,
            example,
            interval=outcome.intervals is not None,
        )
        run.keep(served, "model")
    run.keep(figures.forecasts(outcome), "figures/forecasts.png")
    run.keep(figures.forecast(outcome), "figures/forecast.png")
    run.keep(figures.error_by_horizon(outcome), "figures/error_by_horizon.png")
    run.keep(pd.DataFrame([vars(one) for one in found.tried]), "tried.csv")
    told = best_page.Search(
        lead(found),
        HEADS,
        rows(found),
        {one.name: one.command for one in found.members if one.command},
        found.tried,
        found.budget,
    )
    facts = provenance(asked.data, run.id)
    run.keep(best_page.page(name, told, outcome, facts, again), "report.html")
    place = Place(asked.data.name, run.store.experiment_id, own=run.id, rows=asked.data.counted)
    text = f"**{markdown.plain(headline(outcome))}** · {place.kept(LEADS)}\n\n{lead(found)}"
    run.tags({description.NOTE: description.of_sweep(text, HEADS, rows(found), again, place)})


LEADS = {"report": "report.html", "forecasts": "figures/forecasts.png"}
"""Artifacts to which the description leads."""
