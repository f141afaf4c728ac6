"""`forecast compare`: what differs between runs, and whether their errors do."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from string import ascii_uppercase
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from forecast import metrics
from forecast.cli import links, output
from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, console, print_table, say
from forecast.data.fetch import without_secrets
from forecast.errors import InputError, nearest
from forecast.evaluation.significance import wording
from forecast.evaluation.significance.aligned import Common, common
from forecast.evaluation.significance.multiple import corrected
from forecast.evaluation.significance.pairs import LEVEL, Verdict, probability
from forecast.evaluation.significance.ranks import Ranking
from forecast.metrics.headline import HEADLINES
from forecast.report.comparing import effects, page
from forecast.report.comparing.curves import MOST
from forecast.report.comparing.entries import Compared, Pair
from forecast.report.comparing.page import BESIDE
from forecast.tracking.mlflow import kept, pages
from forecast.tracking.mlflow.kept import Kept
from forecast.tracking.mlflow.store import check_server, client, cure, no_retries, reason
from forecast.vocabulary import COMPARED
from forecast.workflows import compared
from forecast.workflows.compared import Subject, read
from forecast.workflows.settings import Config

GROUPS = ("model", "window", "training", "data", "split")
"""Params whose differences are shown."""

PAGE = "compare.html"
PICTURES = (".png", ".svg", ".pdf")

LISTED = 8
"""Best runs of an experiment, and settings, that are printed."""


def run_compare(request: Request) -> Compared:
    """Compare runs that are named, or all of an experiment; print the result and write a page."""
    settings = request.settings
    asked = output.place(settings.output, PAGE, (".html", *PICTURES))
    if len(settings.runs) == 1:
        raise InputError(
            "runs must name 2 or more runs, got 1: give runs=[ID,ID], or no runs to compare all of "
            "an experiment"
        )
    if not settings.runs and asked.suffix in PICTURES:
        raise InputError(
            f"output must be a page when a whole experiment is compared, got {asked.name!r}: name "
            "a file that ends with .html, or give runs=[ID,ID,ID]"
        )
    with kept.uncollected():
        if settings.runs:
            picture = asked if asked.suffix in PICTURES else None
            with TemporaryDirectory() as folder:
                found = _named(settings, picture, Path(folder))
        else:
            typed = "tracking.experiment" in errors.typed(request.overrides)
            found = _experiment(settings, typed=typed)
        path = asked.with_suffix(".html")
        with output.whole(path) as file:
            file.write_text(page.page(found), "utf-8")
    say("wrote", str(path))
    return found


def _experiment(settings: Config, *, typed: bool) -> Compared:
    """Compare all runs of an experiment."""
    from mlflow.exceptions import MlflowException

    uri, kind = settings.tracking.uri, settings.kind
    if kind not in COMPARED:
        raise InputError(
            f"kind must be one of {', '.join(COMPARED)}, got {kind!r}: {nearest(kind, COMPARED)}"
        )
    try:
        check_server(uri)
        store = client(uri)
        home = compared.home(store, settings.tracking.experiment, typed=typed)
        with closing(_kept(store, uri, home)) as known, busy("compare", "reading") as show:
            known.update(lambda count: show(f"reading: {count:,} runs"))
            found = compared.experiment(store, known, home.name, kind, show)
    except (MlflowException, OSError) as error:
        raise InputError(
            f"tracking.uri must be a store that can be read, got {without_secrets(uri)!r} "
            f"({reason(error)}): {cure(error)}, or name another"
        ) from error
    _report(found)
    say("view", f"{pages.base(uri, settings.tracking.port)}/{pages.view(home.experiment_id)}")
    return found


def _kept(store: Any, uri: str, home: Any) -> Kept:
    """Open what is known of the runs of an experiment; nothing where no file can be kept."""
    try:
        file = kept.place(uri, home)
    except OSError:
        file = None
    return Kept(store, home.experiment_id, file, parallel=pages.serves(uri))


def _report(found: Compared) -> None:
    """Print the best runs of an experiment, the tests, and what mattered."""
    say("compare", found.title)
    for text in found.notes:
        say("", text)
    pairs = {pair.id: pair for pair in found.corrected}
    rows, heads = [], ["", "id", found.chosen, f"test {found.error}", "against the first"]
    for one in found.entries[:LISTED]:
        pair = pairs.get(one.id)
        words = wording.cell(pair.skill, pair.verdict) if pair else ""
        rows.append([one.name, one.id[:8], *map(_number, (one.validation, one.test)), words])
    filled = [place for place, head in enumerate(heads) if any(row[place] != "" for row in rows)]
    shown = [[row[place] for place in filled] for row in rows]
    print_table(f"Best by {found.chosen}", [heads[place] for place in filled], shown)
    others = [pair for pair in found.corrected if pair.baseline]
    if others:
        cells = [(pair.name, pair.error, wording.cell(pair.skill, pair.verdict)) for pair in others]
        print_table("Baselines, against the first", ("", found.error, "verdict"), cells)
    counts = [effects.counted(one) for one in found.settings[0][:LISTED]]
    if any(one["explains"] for one in counts):
        cells = [(one["key"], one["explains"], one["values"]) for one in counts]
        print_table("What differs, and how much it explains", ("", "explains", "values"), cells)
    elif counts:
        print_table("What differs", ("", "values"), [(one["key"], one["values"]) for one in counts])
    console.print()
    say("result", page.headline(found))
    if words := page.correction(found.corrected):
        say("", words)
    for why, names in found.untested.items():
        say("not tested", f"{len(names):,} of the next best: {why[0].lower()}{why[1:]}")


def _number(value: float) -> str | float:
    return "" if np.isnan(value) else value


def letters() -> Iterator[str]:
    """Name runs: A to Z, then AA, AB and so on."""
    for length in itertools.count(1):
        for parts in itertools.product(ascii_uppercase, repeat=length):
            yield "".join(parts)


def _named(settings: Config, picture: Path | None, folder: Path) -> Compared:
    """Compare runs that are named, on the origins that all share."""
    store = client(settings.tracking.uri)
    with busy("compare", "reading"), no_retries():
        pairs = zip(letters(), settings.runs, strict=False)
        subjects = [read(store, letter, run_id, folder) for letter, run_id in pairs]
    ids = [subject.id for subject in subjects]
    if twice := {one for one in ids if ids.count(one) > 1}:
        raise InputError(f"runs must name each run once, got {min(twice)} twice: remove one")
    if len({subject.probability for subject in subjects}) > 1:
        raise InputError(
            "runs must all predict values or all probabilities, got both: compare runs of one kind"
        )
    headline = HEADLINES["event" if subjects[0].probability else "regression"]
    with busy("compare", "adding up"):
        shared = common([subject.forecasts for subject in subjects], headline)
    for subject in subjects:
        say(f"run {subject.letter}", f"{subject.id}  {subject.title}")
    say("shared", in_common(shared, subjects))
    _differences(subjects)
    scores(shared, subjects)
    console.print()
    ranking = _series(shared, subjects, picture)
    say(
        "view",
        f"{pages.base(settings.tracking.uri, settings.tracking.port)}/{_page(store, subjects)}",
    )
    return _compared(store, subjects, shared, ranking)


def _compared(
    store: Any, subjects: Sequence[Subject], shared: Common, ranking: Ranking | None
) -> Compared:
    """Describe runs that were named, for the page."""
    headline, first = shared.headline, subjects[0]
    watched = f"val/{headline.key}"
    curves = [
        {one.step: one.value for one in store.get_metric_history(subject.id, watched)}
        if watched in subject.metrics and place < MOST
        else {}
        for place, subject in enumerate(subjects)
    ]
    entries = [
        compared.entry(one, headline, curve) for one, curve in zip(subjects, curves, strict=True)
    ]
    tests = [
        Pair(
            entries[place].name,
            one.id,
            float(shared.error[place]),
            float(shared.error[0]),
            shared.verdict(place, 0),
            one.kind == "baseline",
        )
        for place, one in enumerate(subjects)
        if place
    ]
    return Compared(
        f"{first.title} and {len(subjects) - 1} more"
        if len(subjects) > 2
        else f"{first.title} and {subjects[1].title}",
        headline.name,
        compared.unit(first.params),
        f"validation {headline.name}",
        entries,
        pairs=tests,
        ranking=ranking,
        notes=[f"On what all have forecast: {in_common(shared, subjects)}."],
        named=True,
    )


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


def in_common(shared: Common, subjects: Sequence[Subject]) -> str:
    """Say how much the runs have in common."""
    first, last = (str(stamp)[:16] for stamp in shared.origins[[0, -1]])
    counts = [(subject.letter, len(subject.forecasts.contents.origins)) for subject in subjects]
    own = ", ".join(f"{letter} {count:,}" for letter, count in counts)
    return (
        f"{len(shared.origins):,} origins from {first} to {last} (of {own}), "
        f"{shared.windows:,} windows of {shared.series} series, {shared.values:,} values"
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
    if rows and len(subjects) > BESIDE:
        varied, _ = effects.settings([one.params for one in subjects], [])
        counts = [(one["key"], one["values"]) for one in map(effects.counted, varied)]
        print_table("What differs", ("", "values (runs)"), counts)
    elif rows:
        print_table("What differs", ("", *(one.letter for one in subjects)), rows)
    else:
        console.print()
        say("differs", "no parameter of model, window, training, data or split")


def scores(shared: Common, subjects: Sequence[Subject]) -> None:
    """Print errors on the common origins, skill and verdict against the first run, then CRPS.

    The p values of a table are corrected for its number of comparisons.
    """
    columns = {shared.headline.name: shared.error}
    if not subjects[0].probability:
        columns["RMSE"] = shared.rmse
    rows = []
    verdicts = corrected([shared.verdict(place, 0) for place in range(1, len(subjects))])
    for place, subject in enumerate(subjects):
        values = (float(found[place]) for found in columns.values())
        skill = metrics.skill(shared.error[place], shared.error[0])
        beside = ["", ""]
        if place:
            beside = [f"{skill:+.1%}", wording.cell(float(skill), verdicts[place - 1])]
        shown = ("" if np.isnan(value) else value for value in values)
        rows.append((subject.name, *shown, *beside))
    title = f"On the common origins, against {subjects[0].letter}"
    print_table(title, ("", *columns, "skill", "verdict"), rows)
    if np.isfinite(shared.crps).any():
        _crps(shared, subjects)
    if len(subjects) > 2:
        count = len(subjects) - 1
        say("", f"p values of a table are corrected for its {count} comparisons (Holm)")


def _crps(shared: Common, subjects: Sequence[Subject]) -> None:
    """Print the CRPS of calibrated intervals, as far as the runs have kept it."""
    rows = []
    found = [shared.crps_verdict(place, 0) for place in range(1, len(subjects))]
    known = iter(corrected([verdict for verdict in found if verdict is not None]))
    verdicts: list[Verdict | None] = [None, *(one and next(known) for one in found)]
    for place, subject in enumerate(subjects):
        own, first = float(shared.crps[place]), float(shared.crps[0])
        verdict = verdicts[place]
        against = ["", ""]
        if verdict is not None:
            skill = float(metrics.skill(own, first))
            against = [f"{skill:+.1%}", wording.cell(skill, verdict)]
        rows.append((subject.name, "" if np.isnan(own) else own, *against))
    title = f"CRPS, against {subjects[0].letter}"
    print_table(title, ("", "CRPS", "skill", "verdict"), rows)


def _series(shared: Common, subjects: Sequence[Subject], picture: Path | None) -> Ranking | None:
    """Print the tests over series, each counted once, and draw the ranks of three or more.

    The table of the common origins has the verdicts; these lines say what series add to it.
    """
    found = shared.over_series([subject.name for subject in subjects])
    ranked = isinstance(found, Ranking) and not np.isnan(found.p)
    if picture is not None and not ranked:
        say("no picture", "ranks need 3 or more runs and 5 or more series")
    if found is None:
        return None
    count = found.cases if isinstance(found, Ranking) else found.origins
    if np.isnan(found.p):
        say("series", f"{count} are too few for a rank test; the verdicts above are by origin")
        return None
    shown = probability(found.p)
    if not isinstance(found, Ranking):
        first, second = (subject.letter for subject in subjects)
        what = f"leave the order of {first} and {second} open"
        if found.p < LEVEL:
            what = f"show lower errors for {second if found.statistic < 0 else first}"
        say("series", f"{count} of them, each counted once, {what} (Wilcoxon test, {shown})")
        return None
    order = np.argsort(found.average, kind="stable")
    ranks = ", ".join(f"{found.models[place]} {found.average[place]:.2f}" for place in order)
    say("ranks", f"average over {count} series, each counted once: {ranks}")
    say("", f"Friedman test {shown}; critical difference {found.critical:.2f}")
    if found.p >= LEVEL:
        say("", f"{count} series are too few to rank the runs; the verdicts above are by origin")
    else:
        for group in found.groups:
            say("", f"ranks too close to tell apart: {', '.join(group)}")
    if picture is not None:
        from forecast.report import comparison  # imports matplotlib

        with output.whole(picture) as file:
            comparison.diagram(found).savefig(file, dpi=120)
        say("wrote", str(picture))
    return found
