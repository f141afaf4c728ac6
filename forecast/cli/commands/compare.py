"""`forecast compare runs=[A,B,…]`: what differs between runs, and whether their errors do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from forecast import metrics
from forecast.cli import links, output
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, console, print_table, say
from forecast.errors import InputError
from forecast.evaluation.significance import wording
from forecast.evaluation.significance.aligned import PREDICTIONS, Common, common
from forecast.evaluation.significance.pairs import LEVEL, probability
from forecast.evaluation.significance.ranks import Ranking
from forecast.metrics.headline import HEADLINES
from forecast.report import comparison
from forecast.tracking import folders
from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.store import client, no_retries, reason

GROUPS = ("model", "window", "training", "data", "split")
"""Params whose differences are shown."""

PICTURE = "critical_difference.png"
PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Subject:
    """One run.

    Attributes:
        letter: What tables call it, in short.
        id: Its id.
        title: Its name in MLflow.
        kind: "train" or "baseline".
        experiment: Id of its experiment.
        params: Its params.
        probability: Whether it predicts probabilities.
        frame: Its forecasts of the test span.
    """

    letter: str
    id: str
    title: str
    kind: str
    experiment: str
    params: dict[str, str]
    probability: bool
    frame: pd.DataFrame

    @property
    def name(self) -> str:
        """Letter and model."""
        return f"{self.letter} {self.params.get('model', '')}".strip()


def run_compare(request: Request) -> Common:
    """Print how runs differ in configuration and in error, on the origins that all share."""
    settings = request.settings
    if not 2 <= len(settings.runs) <= len(ascii_uppercase):
        raise InputError(
            f"runs must name 2 to {len(ascii_uppercase)} runs, got {len(settings.runs)}: give "
            "runs=[ID,ID], the ids that `forecast train` prints"
        )
    picture = output.place(settings.output, PICTURE, PICTURES)
    store = client(settings.tracking.uri)
    with busy("compare", "reading"), no_retries():
        pairs = zip(ascii_uppercase, settings.runs, strict=False)
        subjects = [read(store, letter, run_id) for letter, run_id in pairs]
    ids = [subject.id for subject in subjects]
    if twice := {one for one in ids if ids.count(one) > 1}:
        raise InputError(f"runs must name each run once, got {min(twice)} twice: remove one")
    if len({subject.probability for subject in subjects}) > 1:
        raise InputError(
            "runs must all predict values or all probabilities, got both: compare runs of one kind"
        )
    headline = HEADLINES["event" if subjects[0].probability else "regression"]
    shared = common([subject.frame for subject in subjects], headline)
    for subject in subjects:
        say(f"run {subject.letter}", f"{subject.id}  {subject.title}")
    say("shared", in_common(shared, subjects))
    _differences(subjects)
    scores(shared, subjects)
    console.print()
    _series(shared, subjects, picture)
    say(
        "view",
        f"{pages.base(settings.tracking.uri, settings.tracking.port)}/{_page(store, subjects)}",
    )
    return shared


def _page(store: Any, subjects: Sequence[Subject]) -> str:
    """Return the page that shows the runs side by side, in a view where one can be kept."""
    from mlflow.exceptions import MlflowException

    homes = list(dict.fromkeys(subject.experiment for subject in subjects))
    named = {subject.id: subject.title for subject in subjects}
    try:
        with no_retries():
            return links.beside(store, homes, named)
    except (MlflowException, OSError):  # a store that may only be read
        return pages.comparison(homes, named)


def read(store: Any, letter: str, run_id: str) -> Subject:
    """Read a run and its forecasts of the test span."""
    from mlflow.exceptions import MlflowException

    try:
        found = folders.in_store(store, run_id)
    except (MlflowException, OSError) as error:
        raise InputError(
            f"runs must be ids of runs, got {run_id!r} ({reason(error)}): see `forecast ui`, and "
            "set tracking.uri if it is in another store"
        ) from error
    with TemporaryDirectory() as folder:
        try:
            file = store.download_artifacts(found.info.run_id, PREDICTIONS, folder)
            frame = pd.read_parquet(file)
        except (MlflowException, OSError) as error:
            kind = found.data.tags.get("forecast.kind", "unknown")
            raise InputError(
                f"runs must hold {PREDICTIONS}, got {run_id!r} of kind {kind} and status "
                f"{found.info.status} without: take trained runs, or baselines of few enough values"
            ) from error
    return Subject(
        letter,
        found.info.run_id,
        found.info.run_name,
        found.data.tags.get("forecast.kind", ""),
        found.info.experiment_id,
        found.data.params,
        "test/brier" in found.data.metrics,
        frame,
    )


def in_common(shared: Common, subjects: Sequence[Subject]) -> str:
    """Say how much the runs have in common."""
    origin = shared.frame.origin
    first, last = (str(stamp)[:16] for stamp in (origin.min(), origin.max()))
    own = ", ".join(f"{subject.letter} {subject.frame.origin.nunique():,}" for subject in subjects)
    series = shared.frame.series.nunique()
    return (
        f"{origin.nunique():,} origins from {first} to {last} (of {own}), "
        f"{shared.windows:,} windows of {series} series, {len(shared.frame):,} values"
    )


def _differences(subjects: Sequence[Subject]) -> None:
    """Print the params that differ; what a baseline has no word for is no difference."""
    keys = {key for one in subjects for key in one.params if key.split(".")[0] in GROUPS}
    rows = []
    for key in sorted(keys, key=lambda key: (GROUPS.index(key.split(".")[0]), key)):
        values = [one.params.get(key, "–") for one in subjects]
        series_verdicts = {
            value
            for value, one in zip(values, subjects, strict=True)
            if value != "–" or one.kind != "baseline"
        }
        if len(series_verdicts) > 1:
            rows.append((key, *values))
    if rows:
        print_table("What differs", ("", *(one.letter for one in subjects)), rows)
    else:
        console.print()
        say("differs", "no parameter of model, window, training, data or split")


def scores(shared: Common, subjects: Sequence[Subject]) -> None:
    """Print errors on the common origins, skill and verdict against the first run, then CRPS."""
    columns = {shared.headline.name: shared.error}
    if not subjects[0].probability:
        columns["RMSE"] = shared.rmse
    rows = []
    for place, subject in enumerate(subjects):
        values = (float(found[place]) for found in columns.values())
        skill = metrics.skill(shared.error[place], shared.error[0])
        verdict = wording.cell(float(skill), shared.verdict(place, 0))
        beside = [f"{skill:+.1%}", verdict] if place else ["", ""]
        shown = ("" if np.isnan(value) else value for value in values)
        rows.append((subject.name, *shown, *beside))
    title = f"On the common origins, against {subjects[0].letter}"
    print_table(title, ("", *columns, "skill", "verdict"), rows)
    if np.isfinite(shared.crps).any():
        _crps(shared, subjects)


def _crps(shared: Common, subjects: Sequence[Subject]) -> None:
    """Print the CRPS of calibrated intervals, as far as the runs have kept it."""
    rows = []
    for place, subject in enumerate(subjects):
        own, first = float(shared.crps[place]), float(shared.crps[0])
        verdict = shared.crps_verdict(place, 0) if place else None
        against = ["", ""]
        if verdict is not None:
            skill = float(metrics.skill(own, first))
            against = [f"{skill:+.1%}", wording.cell(skill, verdict)]
        rows.append((subject.name, "" if np.isnan(own) else own, *against))
    title = f"CRPS, against {subjects[0].letter}"
    print_table(title, ("", "CRPS", "skill", "verdict"), rows)


def _series(shared: Common, subjects: Sequence[Subject], picture: Path) -> None:
    """Print the tests over series, each counted once, and draw the ranks of three or more.

    The table of the common origins has the verdicts; these lines say what series add to it.
    """
    found = shared.over_series([subject.name for subject in subjects])
    if found is None:
        return
    count = found.cases if isinstance(found, Ranking) else found.origins
    if np.isnan(found.p):
        say("series", f"{count} are too few for a rank test; the verdicts above are by origin")
        return
    shown = probability(found.p)
    if not isinstance(found, Ranking):
        first, second = (subject.letter for subject in subjects)
        what = f"leave the order of {first} and {second} open"
        if found.p < LEVEL:
            what = f"show lower errors for {second if found.statistic < 0 else first}"
        say("series", f"{count} of them, each counted once, {what} (Wilcoxon test, {shown})")
        return
    order = np.argsort(found.average, kind="stable")
    ranks = ", ".join(f"{found.models[place]} {found.average[place]:.2f}" for place in order)
    say("ranks", f"average over {count} series, each counted once: {ranks}")
    say("", f"Friedman test {shown}; critical difference {found.critical:.2f}")
    if found.p >= LEVEL:
        say("", f"{count} series alone leave the order open; the verdicts above are by origin")
    else:
        for group in found.groups:
            say("", f"ranks too close to tell apart: {', '.join(group)}")
    with output.whole(picture) as file:
        comparison.diagram(found).savefig(file, dpi=120)
    say("wrote", str(picture))
