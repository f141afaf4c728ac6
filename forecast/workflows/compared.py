"""Runs to compare, some that are named or all of an experiment, and tests of their forecasts."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forecast.data.table import listed
from forecast.errors import InputError
from forecast.evaluation.significance.aligned import PREDICTIONS, common
from forecast.evaluation.significance.pairs import Verdict
from forecast.evaluation.significance.stored import Stored
from forecast.evaluation.significance.wording import number
from forecast.metrics.headline import HEADLINES, Headline
from forecast.report.comparing.curves import MOST
from forecast.report.comparing.entries import Compared, Entry, Pair
from forecast.tracking import folders
from forecast.tracking.mlflow.kept import Kept, KeptRun
from forecast.tracking.mlflow.lookup import validation_error
from forecast.tracking.mlflow.store import experiments, reason
from forecast.vocabulary import COMPARED

RIVALS = 20
"""Runs behind the best that it is tested against."""

EXACT = 2 * MOST
"""Runs whose curves are read, so that the best is chosen by the epoch that it kept."""

QUESTION = (
    "data.targets",
    "window.horizon",
    "window.lead",
    "split.validation",
    "split.test",
)
"""Params by which errors of two runs cannot be ranked together."""

CHOSEN = {"train": "validation {}", "candidate": "mean {} over the folds", "backtest": "test {}"}
"""By what the best run of a kind is chosen."""


@dataclass(frozen=True)
class Subject:
    """One run with its forecasts.

    Attributes:
        letter: What tables call it, in short.
        id: Its id.
        title: Its name in MLflow.
        kind: "train" or "baseline".
        experiment: Id of its experiment.
        params: Its params.
        metrics: Its metrics.
        forecasts: Of the test span.
    """

    letter: str
    id: str
    title: str
    kind: str
    experiment: str
    params: dict[str, str]
    metrics: dict[str, float]
    forecasts: Stored

    @property
    def name(self) -> str:
        """Letter and model."""
        return f"{self.letter} {self.params.get('model', '')}".strip()

    @property
    def probability(self) -> bool:
        """Whether it predicts probabilities."""
        return "test/brier" in self.metrics


def read(store: Any, letter: str, run_id: str, folder: Path) -> Subject:
    """Read a run, and fetch its forecasts of the test span into a folder."""
    from mlflow.exceptions import MlflowException

    try:
        found = folders.in_store(store, run_id)
    except (MlflowException, OSError) as error:
        raise InputError(
            f"runs must be ids of runs, got {run_id!r} ({reason(error)}): see `forecast ui`, and "
            "set tracking.uri if it is in another store"
        ) from error
    try:
        forecasts = fetch(store, found.info.run_id, folder)
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
        found.data.metrics,
        forecasts,
    )


def fetch(store: Any, run_id: str, folder: Path) -> Stored:
    """Fetch the forecasts of the test span that a run has kept into a folder of all runs."""
    own = folder / run_id
    own.mkdir(exist_ok=True)
    return Stored(Path(store.download_artifacts(run_id, PREDICTIONS, str(own))))


def home(store: Any, name: str | None, *, typed: bool) -> Any:
    """Find an experiment by its name; where nobody has typed one, the only one does as well."""
    known = {one.name: one for one in experiments(store).values() if one.name != "Default"}
    if name in known:
        return known[name]
    if len(known) == 1 and not typed:
        return next(iter(known.values()))
    names = listed(sorted(known))
    raise InputError(
        f"tracking.experiment must name an experiment of the store, got {name or 'nothing'}: "
        + (f"there {'is' if len(known) == 1 else 'are'} {names}" if known else "train first")
    )


def experiment(
    store: Any, kept: Kept, name: str, kind: str, said: Callable[[str], object]
) -> Compared:
    """Compare all runs of one kind of an experiment.

    Args:
        store: MLflow's client.
        kept: What is known of its runs, up to date.
        name: Of the experiment.
        kind: Of the runs.
        said: Hears what is being done.
    """
    every = kept.runs()
    headline, runs, notes = _comparable(every, kind)
    ranked, chosen = _ranked(kept, runs, kind, headline)
    entries = [entry for entry, _ in ranked]
    order = [run for _, run in ranked]
    baselines = _baselines(every, order[0], headline)
    pairs: list[Pair] = []
    untested: dict[str, list[str]] = {}
    if kind != "candidate":
        rivals = [*order[1 : RIVALS + 1], *baselines]
        with _Tests(store, kept, order[0], headline) as tests:
            for number, rival in enumerate(rivals, start=1):
                said(f"testing {number} of {len(rivals)}")
                try:
                    pairs.append(tests.against(rival))
                except InputError as error:
                    untested.setdefault(str(error), []).append(_called(rival))
    else:
        notes.append(
            "Candidates keep no forecasts, so their differences are not tested; the winner of "
            "each sweep is among the runs of kind train."
        )
        notes += _over_folds(every, headline)
    noun = "run" if kind == "train" else kind
    count = f"{len(entries):,} {noun}{'s' if len(entries) > 1 else ''}"
    return Compared(
        f"{name}: {count} compared",
        headline.name,
        unit(order[0].params),
        chosen,
        entries,
        pairs=pairs,
        untested=untested,
        notes=notes,
    )


def entry(subject: Subject, headline: Headline, curve: Mapping[int, float]) -> Entry:
    """Describe a run that was named."""
    metrics, kept = subject.metrics, int(subject.metrics.get("train/best_epoch", 0))
    found = validation_error(metrics, headline.key, lambda _: curve)
    validation = math.nan if found is None else found
    test = metrics.get(f"test/{headline.key}", math.nan)
    name = f"{subject.letter} {subject.title}"
    return Entry(subject.id, name, validation, test, subject.params, curve=curve, kept=kept)


class _Tests(ExitStack):
    """Tests of runs against one run, each on what both have forecast; results are kept."""

    def __init__(self, store: Any, kept: Kept, run: KeptRun, headline: Headline):
        super().__init__()
        self.store, self.kept, self.run, self.headline = store, kept, run, headline
        self._own: Stored | None = None

    def against(self, rival: KeptRun) -> Pair:
        """Test a run, and raise an `InputError` that says why where that cannot be."""
        key = ("pair", self.run.id, self.run.ended, rival.id, rival.ended, self.headline.key)
        found = self.kept.remember(key, lambda: self._test(rival))
        if isinstance(found, str):
            raise InputError(found)
        error, reference, difference, statistic, p, origins = found
        nan = math.nan
        verdict = Verdict(
            difference, nan if statistic is None else statistic, nan if p is None else p, origins
        )
        name = _called(rival)
        return Pair(name, rival.id, error, reference, verdict, rival.kind == "baseline")

    def _test(self, rival: KeptRun) -> list[Any] | str:
        """Test a run, as plain values, or say why not."""
        try:
            if self._own is None:
                folder = self.enter_context(TemporaryDirectory())
                self._own = self._forecasts(self.run, Path(folder))
            with TemporaryDirectory() as folder:  # of one rival at a time
                its = self._forecasts(rival, Path(folder))
                shared = common([self._own, its], self.headline)
        except InputError as error:
            return str(error)
        verdict = shared.verdict(1, 0)
        statistic, p = (
            None if math.isnan(value) else value for value in (verdict.statistic, verdict.p)
        )
        numbers = [float(shared.error[1]), float(shared.error[0]), verdict.difference, statistic, p]
        return [*numbers, verdict.origins]

    def _forecasts(self, run: KeptRun, folder: Path) -> Stored:
        from mlflow.exceptions import MlflowException

        try:
            return fetch(self.store, run.id, folder)
        except (MlflowException, OSError) as error:
            raise InputError(f"Their {PREDICTIONS} could not be read.") from error


def _comparable(every: Sequence[KeptRun], kind: str) -> tuple[Headline, list[KeptRun], list[str]]:
    """Choose the runs of a kind that answer the question of most, and say what is left out."""
    own = [run for run in every if run.kind == kind]
    done = [run for run in own if run.status == "FINISHED"]
    if not done:
        counts = Counter(run.kind for run in every if run.status == "FINISHED")
        others = [f"{counts[one]:,} of kind {one}" for one in COMPARED if counts[one]]
        raise InputError(
            f"kind must be one of which the experiment has finished runs, got {kind!r}: "
            + (f"there are {', '.join(others)}" if others else "there are none of any, train first")
        )
    questions = [(_error(run).key, *map(run.params.get, QUESTION)) for run in done]
    asked = Counter(questions)
    [(most, _)] = asked.most_common(1)
    runs = [run for run, question in zip(done, questions, strict=True) if question == most]
    notes = []
    if len(own) > len(done):
        notes.append(f"Left out: {len(own) - len(done):,} not finished.")
    if len(done) > len(runs):
        differ = [
            key
            for place, key in enumerate(("task", *QUESTION))
            if len({question[place] for question in asked}) > 1
        ]
        notes.append(
            f"Left out: {len(done) - len(runs):,} of another question ({', '.join(differ)}), whose "
            "errors cannot be ranked with these."
        )
    return _error(runs[0]), runs, notes


def _ranked(
    kept: Kept, runs: Sequence[KeptRun], kind: str, headline: Headline
) -> tuple[list[tuple[Entry, KeptRun]], str]:
    """Rank runs by the error that they are chosen by, the best with their curves."""
    name, watched = headline.name, headline.key
    keys = [f"validation/{watched}", f"val/{watched}"]
    if kind == "candidate":
        keys = [f"cv/{headline.key}_mean"]
    elif kind == "backtest":
        keys = []
    elif not any(key in run.metrics for run in runs for key in keys):
        keys, name, watched = ["val/loss"], "loss", "loss"  # of earlier versions
    found = [(_entry(run, keys, headline), run) for run in runs]
    found.sort(key=lambda pair: (_last(pair[0].validation), _last(pair[0].test)))
    if kind == "train":
        head = [
            (_followed(kept, one, run, watched) if one.last else one, run)
            for one, run in found[:EXACT]
        ]
        head.sort(key=lambda pair: (_last(pair[0].validation), _last(pair[0].test)))
        curves = [(_followed(kept, one, run, watched), run) for one, run in head[:MOST]]
        found = curves + head[MOST:] + found[EXACT:]
    return found, CHOSEN[kind].format(name)


def _entry(run: KeptRun, keys: Sequence[str], headline: Headline) -> Entry:
    """Describe a run; its validation error may be that of its last epoch alone."""
    key = next((key for key in keys if key in run.metrics), "")
    best = int(run.metrics.get("train/best_epoch", 0))
    last = key.startswith("val/") and best not in (0, run.epochs.get(key, best))
    return Entry(
        run.id,
        run.name,
        run.metrics.get(key, math.nan),
        run.metrics.get(f"test/{headline.key}", math.nan),
        run.params,
        last=last,
        kept=best,
    )


def _followed(kept: Kept, one: Entry, run: KeptRun, key: str) -> Entry:
    """Add the curve of an error of a run, and its value at the epoch that was kept."""
    if f"val/{key}" not in run.metrics:
        return one
    curve = kept.history(run, f"val/{key}")
    found = replace(one, curve=curve)
    error = validation_error(run.metrics, key, lambda _: curve) if one.last else None
    return found if error is None else replace(found, validation=error, last=False)


def _baselines(every: Sequence[KeptRun], best: KeptRun, headline: Headline) -> list[KeptRun]:
    """List the baselines of the best run's question and data, the strongest of each name."""
    found: dict[str, KeptRun] = {}
    for run in every:
        if run.kind != "baseline" or run.digest != best.digest:
            continue
        asked = [run.params.get(key, best.params.get(key)) for key in QUESTION]
        error = run.metrics.get(f"test/{headline.key}", math.nan)
        if asked != [best.params.get(key) for key in QUESTION] or math.isnan(error):
            continue
        name = run.params.get("model", run.name)
        if name not in found or error < found[name].metrics[f"test/{headline.key}"]:
            found[name] = run
    return sorted(found.values(), key=lambda run: run.metrics[f"test/{headline.key}"])


def _over_folds(every: Sequence[KeptRun], headline: Headline) -> list[str]:
    """Say how large the errors of baselines are over the folds of the sweeps."""
    head, found = f"cv/{headline.key}_of_", dict[str, float]()
    for run in every:
        for key, value in run.metrics.items() if run.kind == "sweep" else ():
            if key.startswith(head):
                found[key.removeprefix(head)] = value
    told = ", ".join(f"{name} {number(value)}" for name, value in sorted(found.items()))
    return [f"Baselines over the folds of the last sweep: {told}."] if told else []


def _called(run: KeptRun) -> str:
    """Name a run; a baseline by its own name."""
    return run.params.get("model", run.name) if run.kind == "baseline" else run.name


def _error(run: KeptRun) -> Headline:
    """Return the error that a run is ranked by."""
    brier = "test/brier" in run.metrics or "cv/brier_mean" in run.metrics
    return HEADLINES["event" if brier else "regression"]


def unit(params: Mapping[str, str]) -> str:
    """Return the unit of the targets as behind a name, where they share one."""
    targets = [name.strip(" '\"") for name in params.get("data.targets", "").strip("[]").split(",")]
    units = {params.get(f"data.units.{name}", "") for name in targets}
    return f", {units.pop()}" if len(units) == 1 and units != {""} else ""


def _last(value: float) -> float:
    """Sort what is not known behind all else."""
    return math.inf if math.isnan(value) else value
