"""What a run says of itself on its page in MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import numpy as np

from forecast.evaluation.baselines import rules
from forecast.evaluation.outcome import Outcome, headline
from forecast.evaluation.rolling import RollingFold
from forecast.evaluation.significance import wording
from forecast.gates.names import convolutions, layers
from forecast.report import markdown
from forecast.report.markdown import link, number, plain
from forecast.report.sections.scores import percent
from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.pages import NOTE as NOTE
from forecast.training.course import watched

MOST_EXPERIMENT = 4_900
"""Characters of a tag of an experiment; MLflow refuses more than 5,000."""


FORECAST = "figures/forecast.png"
"""Picture of a run that is small enough for its description."""

TRAINED = {"report": "report.html", "forecast": FORECAST}
GATED = {"report": "report.html", "gates": "gates.html", "forecast": FORECAST}
BACKTEST = {"report": "report.html", "forecasts": "figures/backtest.png"}
"""Artifacts to which the first line of a description leads."""


@dataclass(frozen=True)
class Place:
    """Links from a run to others.

    Attributes:
        data: Name of the data.
        experiment: Id of the experiment; None while its server is away, and nothing is linked.
        baselines: Baseline to the id of its run, of those that are known.
        relatives: What another run is to this one, such as "sweep", to its id.
        own: Id of the run itself.
        rows: How many rows the data have, in words.
    """

    data: str
    experiment: str | None = None
    baselines: Mapping[str, str] = field(default_factory=dict)
    relatives: Mapping[str, str] = field(default_factory=dict)
    own: str | None = None
    rows: str = ""

    def run(self, run_id: str | None) -> str | None:
        """Return the address of a run within MLflow's pages."""
        return pages.run_page(self.experiment, run_id) if self.experiment and run_id else None

    def kept(self, paths: Mapping[str, str]) -> str:
        """Write links to artifacts of the run, each behind what it is called."""
        if self.experiment is None or self.own is None:
            return ""
        pairs = paths.items()
        return " · ".join(
            link(text, pages.artifact(self.experiment, self.own, path)) for text, path in pairs
        )

    def picture(self, text: str, path: str) -> str:
        """Write a picture among the artifacts of the run, which MLflow shows in its own size."""
        if self.own is None:
            return ""
        asked = urlencode({"path": path, "run_uuid": self.own})
        return f"![{plain(text)}](get-artifact?{asked})"

    def links(self) -> str:
        """Write the links to relatives and to all runs of the experiment."""
        if self.experiment is None:
            return ""
        found = [link(plain(text), self.run(run_id)) for text, run_id in self.relatives.items()]
        every = pages.view(self.experiment)
        return " · ".join([*found, link("all runs on these data", every)])


def of_outcome(outcome: Outcome, title: str, command: str, place: Place, folds: int = 0) -> str:
    """Describe a trained run, or a backtest by all of its windows."""
    shown = BACKTEST if folds else TRAINED
    network = watched(outcome.forecaster).model_
    if not folds and (layers(network) or convolutions(network)):
        shown = GATED
    lead = " · ".join(filter(None, [f"**{plain(headline(outcome))}**", place.kept(shown)]))
    after = [
        "" if folds else place.picture("forecast of one series", FORECAST),
        _trained(outcome, title, place, folds),
        markdown.command(command),
        place.links(),
    ]
    return markdown.fitted([lead], *_scores(outcome, place), after)


def of_fold(fold: RollingFold, outcome: Outcome, count: int, place: Place) -> str:
    """Describe a fold of a backtest."""
    fitted = "" if fold.refits else f", by the model of fold {fold.fitted}"
    first, last = (str(stamp)[:16] for stamp in (fold.begin, fold.last))
    where = f"Fold {fold.number} of {count}, {first} to {last}{fitted}."
    lead = f"**{plain(headline(outcome))}**"
    return markdown.fitted([lead, where], *_scores(outcome, place), [place.links()])


def of_baseline(name: str, outcome: Outcome, place: Place) -> str:
    """Describe a baseline."""
    own, head = outcome.baseline_scores[name], outcome.test.headline
    error = f"{number(own[f'test/{head.key}'])}{plain(outcome.table.common_unit.replace(',', ''))}"
    steps, rule = outcome.spec.window.horizon, rules.RULES.get(name)
    how = (rule and rule.__doc__ or "Trained on the training rows.").splitlines()[0]
    return "\n\n".join(
        [
            f"**{error} {plain(head.name)} over {steps} steps** by {markdown.name(name)}, a "
            f"baseline. {plain(how)}",
            f"It forecasts the same {outcome.windows:,} windows of {_targets(outcome)}"
            f" on **{markdown.name(place.data)}** as every model with the same task.",
            place.links(),
        ]
    ).rstrip()


def of_sweep(
    lead: str, heads: Sequence[str], rows: Sequence[Sequence[str]], command: str, place: Place
) -> str:
    """Describe a sweep by its leaderboard."""
    after = [markdown.command(command), place.links()]
    return markdown.fitted([lead], [plain(head) for head in heads], rows, after)


def of_candidate(name: str, error: str, scores: Sequence[float], place: Place) -> str:
    """Describe a candidate of a sweep."""
    lead = f"**{plain(name)}**, a candidate: {plain(error)} of each trial, fold by fold."
    rows = [[f"{trial}", number(value)] for trial, value in enumerate(scores, start=1)]
    return markdown.fitted([lead], ["trial", plain(error)], rows, [place.links()])


def of_experiment(outcome: Outcome, place: Place) -> str:
    """Describe the experiment by its data, and say how its runs are read."""
    table, head = outcome.table, outcome.test.headline
    unit = plain(table.common_unit.replace(",", ""))
    every = pages.view(place.experiment or "")
    return markdown.fitted(
        [
            # the list of experiments shows this line as it is written
            f"{markdown.name(place.data)}: {_rows(outcome, place)}; to forecast: "
            f"{_targets(outcome)}.",
            link("Open the view of its runs", every),
            "Every run forecasts `window.horizon` rows from the last `window.timesteps`. "
            f"`test/{head.key}` is its {plain(head.name)} over the test span{unit and ', in'}"
            f"{unit}; less is better. `skill/…` is the error reduction relative to a baseline; "
            "below zero the baseline is better.",
            "A verdict on the model is a Diebold-Mariano test on losses by origin: *better* or "
            "*worse* if p is below 0.05; *no significant difference* if chance alone may explain "
            "it, so that the simpler of the two is enough.",
            "Runs with the same window and split score the same rows and can be compared directly; "
            "compare others with `forecast compare runs=[A,B]`, on the origins that they share.",
        ],
        [],
        [],
        [],
        MOST_EXPERIMENT,
    )


def _trained(outcome: Outcome, title: str, place: Place, folds: int) -> str:
    """Say what was trained on what."""
    spec, cuts = outcome.spec, outcome.cuts
    weights = outcome.forecaster.model_.count_params()
    validation, test = (str(stamp)[:16] for stamp in (cuts.validation, cuts.test))
    if folds:
        learned = (
            f"{folds:,} folds from {test}, each forecast by a model trained on the rows before it"
        )
    elif outcome.forecaster.first_ is not None:
        learned = (
            f"Trained on the rows before {validation} until early stopping on those before {test}, "
            "then for as many epochs on both"
        )
    elif outcome.refit:
        learned = f"Trained on the rows before {test}, including validation"
    else:
        learned = f"Trained on the rows before {validation}, early stopping on those before {test}"
    networks = spec.training.seeds
    mean = f", the mean of {networks} networks" if networks > 1 else ""
    return (
        f"**{plain(title)}** ({plain(spec.model.name)}{mean}, {weights:,} weights) on "
        f"**{markdown.name(place.data)}**: {_targets(outcome)} of the next {spec.window.horizon} "
        f"rows from the last {spec.window.timesteps}, in {_rows(outcome, place)}. {learned}; "
        f"scored once on the following {outcome.windows:,} windows."
    )


def _rows(outcome: Outcome, place: Place) -> str:
    """Say which rows there are."""
    table, extent = outcome.table, outcome.extent
    first, last = (str(stamp)[:10] for stamp in (extent.first, extent.last))
    every = f", frequency {plain(table.frequency)}" if table.frequency else ""
    series = f"{len(table.names)} series" if len(table.names) > 1 else "one series"
    names = f" ({markdown.listed(table.names)})" if len(table.names) > 1 else ""
    return f"{place.rows or f'{extent.rows:,} rows'} of {series}{names}{every}, {first} to {last}"


def _targets(outcome: Outcome) -> str:
    """Name the targets with their units."""
    table = outcome.table
    return markdown.listed([f"{name}{table.unit(n)}" for n, name in enumerate(table.targets)])


def _scores(outcome: Outcome, place: Place) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of the scores: model and baselines, best first."""
    key, model = f"test/{outcome.test.headline.key}", outcome.spec.model.name
    every = {model: outcome.scores, **outcome.baseline_scores}
    rows = []
    for name in sorted(every, key=lambda name: every[name][key]):
        error, own = number(every[name][key]), name == model
        shown = link(markdown.name(name), place.run(place.baselines.get(name)))
        gone = outcome.scores.get(f"skill/{name}", np.nan)
        skill = "" if own else percent(gone)
        verdict = wording.cell(gone, outcome.verdicts.get(name))
        rows.append([f"**{shown}**" if own else shown, error, skill, plain(verdict)])
    unit = plain(outcome.table.common_unit)
    heads = ["", f"{plain(outcome.test.headline.name)}{unit}", "skill", "verdict"]
    return heads, rows
