"""`forecast backtest`: the test span in folds, a model for each, tracked."""

from collections.abc import Sequence

from rich.text import Text

from forecast.cli import links, recipe
from forecast.cli.commands import train
from forecast.cli.config.compose import Request
from forecast.cli.config.recorded import CONFIG
from forecast.cli.console import (
    busy,
    console,
    interval_line,
    print_table,
    result_line,
    say,
    say_left_out,
)
from forecast.cli.progress import TERMINAL, FoldProgress
from forecast.evaluation import backtest, rolling
from forecast.evaluation.backtest import Backtest, Step
from forecast.evaluation.outcome import Outcome, validation_error
from forecast.evaluation.preparation import without_window
from forecast.evaluation.rolling import Plan, RollingFold
from forecast.evaluation.significance import wording
from forecast.report import backtest_page
from forecast.tracking import record
from forecast.tracking.epochs import EpochMetrics
from forecast.tracking.mlflow import description, pages
from forecast.tracking.run import ending
from forecast.training.state import Turn
from forecast.workflows import describe, load, workers
from forecast.workflows.training import provenance, tracking


def run_backtest(request: Request) -> float | None:
    """Walk through the test span, track every fold; print what came out."""
    settings = request.settings
    plan = Plan(**vars(settings.backtest))
    plan.check()
    workers.check(settings)
    spec, again = load.spec(settings), train.command("backtest", request.overrides)
    with busy("data", "reading"):
        data = load.load(settings, whole=True)
    folds = rolling.prepare(spec, data.table, plan)
    # the first fold learns and stops on the rows of a training, so the choice is that of a training
    request, data, chosen = recipe.followed(request, data)
    if chosen:
        settings = request.settings
        spec = load.spec(settings)
        folds = rolling.prepare(spec, data.table, plan)
    say("data", train.summary(data))
    say_left_out(without_window(data.table, spec.window), spec.window.span)
    fits = [fold for fold in folds if fold.refits]
    turns = Turn.all(spec.training.seeds, refit=spec.training.refit)
    for fold in fits:
        rows = fold.train_rows(data.table)
        train.warn(data.table, rows, f"the training rows of fold {fold.number}")
    title = f"backtest · {pages.title(spec)} · {len(folds)} folds"
    name, tags = settings.tracking.run_name or title, train.identity(data)
    own = {key: value for key, value in request.flat.items() if key.startswith("backtest.")}
    with (
        tracking(settings.tracking, data.name, TERMINAL) as tracker,
        ending(tracker.begin(name, kind="backtest", tags=tags | chosen)) as parent,
    ):
        parent.params(train.question(request, data) | own)
        parent.keep(request.yaml, CONFIG)
        with (
            FoldProgress(len(fits) * len(turns), spec.training.epochs) as progress,
            workers.pool(settings) as pool,
        ):

            def tracked(fold: RollingFold, step: Step) -> Outcome:
                label = pages.unique(tracker.store, f"fold {fold.number} · {_day(fold.begin)}")
                made = tracker.begin(label, kind="fold", tags=tags, parent=parent)
                with ending(made) as child:
                    known = {"fold": fold.number, "fitted_before_fold": fold.fitted}
                    child.params(known | rolling.spans(fold, data.table))
                    outcome = step(lambda turn: [progress, EpochMetrics(child, turn.name)])
                    place = describe.place(
                        tracker, data, {}, {"the backtest": tracker.shown(parent)}
                    )
                    note = description.of_fold(fold, outcome, len(folds), place)
                    child.tags({description.NOTE: note})
                    record.record_fold(parent, child, fold, outcome)
                _say(fold, len(folds), outcome)
                return outcome

            found = backtest.run_backtest(
                spec, data.table, plan, folds=folds, around=tracked, pool=pool
            )
        record.record_backtest(parent, found)
        spans = record.lineage(found.overall.table, found.overall.extent, found.overall.cuts)
        describe.describe(
            tracker, parent, found.overall, again, describe.place(tracker, data), len(folds)
        )
        parent.data(data.name, data.digest, data.place, spans)
        facts = provenance(data, parent.id)
        parent.keep(backtest_page.page(name, found, facts, again), "report.html")
        if not settings.tracking.run_name:
            called = pages.result(name, pages.scored(found.overall))
            describe.rename(tracker.store, parent, called)
    _print(found)
    console.print()
    result_line(found.overall)
    interval_line(found.overall)
    say("run", parent.id)
    links.show(settings.tracking, parent.id)
    say("next", "a backtest keeps no model; train one with `forecast train`  ·  forecast ui")
    first = found.outcomes[0]
    return validation_error(first.forecaster, first.test.headline)


def _say(fold: RollingFold, count: int, outcome: Outcome) -> None:
    """Write a line about a fold that is done."""
    headline, seconds = outcome.test.headline, sum(outcome.seconds.values())
    epochs = outcome.spec.training.epochs
    how = f"the model of fold {fold.fitted}"
    if fold.refits:
        how = f"best epoch {outcome.forecaster.best_epoch_} of {epochs}"
    error = outcome.scores[f"test/{headline.key}"]
    unit = outcome.table.common_unit.replace(",", "")  # as behind a number
    say(f"fold {fold.number}/{count}", f"{how}, {headline.name} {error:.4g}{unit}, {seconds:.1f} s")


def _print(found: Backtest) -> None:
    """Write the closing tables: errors of folds and of all windows, then skill and verdict."""
    overall = found.overall
    headline, names = overall.test.headline, list(overall.baselines)
    rows: list[Sequence[object]] = [
        (f"{fold.number}  {_day(fold.begin)} to {_day(fold.last)}", *_errors(outcome))
        for fold, outcome in zip(found.folds, found.outcomes, strict=True)
    ]
    rows.append((Text("all", "bold"), *_errors(overall)))
    steps = overall.spec.window.horizon
    print_table(
        f"Backtest, {headline.name} of {steps} steps{overall.table.common_unit}",
        ("fold", "windows", *(_narrow(name) for name in (overall.spec.model.name, *names))),
        rows,
    )
    skills = {name: overall.scores[f"skill/{name}"] for name in names}
    print_table(
        f"{overall.spec.model.name} against each baseline, all windows",
        ("", "skill", "verdict"),
        [
            (name, f"{skill:+.1%}", wording.cell(skill, overall.verdicts.get(name)))
            for name, skill in skills.items()
        ],
    )


def _errors(outcome: Outcome) -> tuple[object, ...]:
    """Return windows, and the headline error of the model and of every baseline."""
    key = f"test/{outcome.test.headline.key}"
    others = (own[key] for own in outcome.baseline_scores.values())
    return f"{outcome.windows:,}", outcome.scores[key], *others


def _narrow(name: str) -> str:
    """Write a name below itself, since many columns share 80."""
    return name.replace("_", "\n")


def _day(stamp: object) -> str:
    """Write a time stamp as a day; rows without a clock have numbers."""
    return str(stamp)[:10]
