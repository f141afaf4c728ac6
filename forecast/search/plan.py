"""What a sweep does: its folds, its trials and the key by which it is found again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecast.data import split, tail
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.search import folds, keys
from forecast.search.candidates import Candidate
from forecast.search.folds import Fold
from forecast.search.strategies import Asked, Strategy
from forecast.search.trial import Rung, Trial, epochs


@dataclass(frozen=True)
class Plan:
    """What a sweep does.

    Attributes:
        strategy: Which candidates are tried, and how long.
        tables: Name to table; a strategy that builds candidates on its way adds to them.
        data: Digest of the file.
        folds: Number of folds.
        seeds: Replicates of each trial.
        workers: Processes; None is one a core.
        scheduler: Address of a Dask scheduler; None starts one here.
    """

    strategy: Strategy
    tables: Mapping[str, Table]
    data: str
    folds: int
    seeds: int = 1
    workers: int | None = None
    scheduler: str | None = None


def key(plan: Plan) -> str:
    """Name a sweep by what it asks: the same command finds it again."""
    probes = [(candidate, Rung()) for candidate in plan.strategy.probes]
    spec = plan.strategy.probes[0].spec
    return keys.digest(
        {
            "question": plan.strategy.question,
            "trials": [trial.key for trial in trials(plan, cuts(plan), probes)],
            "baselines": [spec.season, spec.ridge_alpha],
        }
    )


def cuts(plan: Plan) -> list[Fold]:
    """Cut the development rows, all before the test span, into folds."""
    probes = plan.strategy.probes
    table, spec = plan.tables[probes[0].table], probes[0].spec
    development = ~split.holdout(table, spec.validation, spec.test).test_rows(table)
    return folds.common(probes, plan.tables, development, split.Folds(plan.folds))


def trials(plan: Plan, parts: Sequence[Fold], asked: Asked) -> list[Trial]:
    """List candidate x fold x seed, each on its rung."""
    found = []
    for candidate, rung in asked:
        for number, fold in enumerate(parts):
            for replicate in range(plan.seeds):
                found.append(_trial(plan, candidate, rung, (number, fold), replicate))
    return found


def check(plan: Plan) -> None:
    """Make sure that every fold leaves each candidate windows to learn from, before all begins.

    Args:
        plan: What to do.

    Raises:
        InputError: A fold is too short for a candidate; the message names both.
    """
    smallest = [(candidate, plan.strategy.smallest) for candidate in plan.strategy.probes]
    for trial in trials(plan, cuts(plan), smallest):
        table, (first, end) = plan.tables[trial.table], trial.train
        rows = (table.time >= first) & (table.time < end)
        try:
            stopping = tail.stopping_rows(table, rows, trial.spec.training.tail)
            tail.deal(table, trial.spec.window, rows, stopping)
        except InputError as error:
            name = next(c.name for c, _ in smallest if c.number == trial.candidate)
            part = f", {trial.rung}" if str(trial.rung) else ""
            raise InputError(
                f"sweep.folds={plan.folds} leaves too little in fold {trial.fold + 1}{part} for "
                f"{name}: {error}"
            ) from error


def _trial(
    plan: Plan, candidate: Candidate, rung: Rung, part: tuple[int, Fold], replicate: int
) -> Trial:
    """Make one trial, and name the one before it that it may go on from."""
    spec, table, (number, fold) = candidate.spec, plan.tables[candidate.table], part
    stamps = np.unique(table.time[(table.time >= fold.first) & (table.time < fold.cut)])
    first = stamps[len(stamps) - int(np.ceil(len(stamps) * rung.share("rows")))]
    inside = (table.time >= first) & (table.time < fold.cut)
    scored = np.stack([table.series[fold.origins], table.tick[fold.origins]])
    seed = spec.training.seed + replicate

    def name(own: Rung) -> str:
        return keys.trial_key(
            spec,
            data=f"{plan.data} {candidate.table}",
            train=table.time[inside],
            scored=scored,
            seed=seed,
            epochs=epochs(own, spec.training.epochs),
        )

    return Trial(
        name(rung),
        candidate.number,
        number,
        seed,
        spec,
        candidate.table,
        (first, fold.cut),
        fold.origins,
        rung,
        name(rung.before) if rung.before else None,
    )
