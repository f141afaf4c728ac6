"""The folds, trials and keys of a sweep."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forecast.data import samples, split, windows
from forecast.data.split import Folds
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.search import keys
from forecast.search.candidates import Candidate
from forecast.search.strategies import Asked, Strategy
from forecast.search.trial import Rung, Trial, epochs


@dataclass(frozen=True)
class Fold:
    """One cut in time.

    Attributes:
        first: First time stamp of the training rows.
        cut: First time stamp of the scored rows.
        end: First time stamp after them.
        origins: Rows of the table whose futures every candidate is scored on, (origins,).
    """

    first: np.datetime64
    cut: np.datetime64
    end: np.datetime64
    origins: np.ndarray


def common(
    candidates: Sequence[Candidate],
    tables: Mapping[str, Table],
    development: np.ndarray,
    folds: Folds,
) -> list[Fold]:
    """Cut the folds and find the origins that all candidates can predict.

    Shapes: `development` (rows,).
    """
    grid = next(iter(tables.values()))
    given = np.flatnonzero(development)
    found = []
    for number, (train, scored) in enumerate(folds.split(grid.take(development)), start=1):
        stamps = grid.time[given[scored]]
        cut, last = stamps.min(), stamps.max()
        inside = development & (grid.time >= cut) & (grid.time <= last)
        after = np.unique(grid.time[grid.time > last])
        origins = _shared(candidates, tables, inside)
        if not len(origins):
            raise InputError(
                f"sweep.folds={folds.n_splits} must leave origins that all candidates can predict, "
                f"got none in fold {number} ({cut} to {last}): take fewer folds or shorter windows"
            )
        end = after[0] if len(after) else last + np.timedelta64(1, "ns")
        found.append(Fold(grid.time[given[train]].min(), cut, end, origins))
    return found


def _shared(
    candidates: Sequence[Candidate], tables: Mapping[str, Table], inside: np.ndarray
) -> np.ndarray:
    """Intersect the origins of all candidates."""
    shared: np.ndarray | None = None
    for table, timesteps in {(c.table, c.spec.window.timesteps) for c in candidates}:
        window = next(c.spec.window for c in candidates if c.spec.window.timesteps == timesteps)
        starts = windows.starts(tables[table], window, within=inside, truth="some")
        origins = starts.astype(np.int64) + timesteps - 1
        shared = origins if shared is None else np.intersect1d(shared, origins)
    return np.zeros(0, np.int64) if shared is None else np.sort(shared)


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

    @cached_property
    def parts(self) -> list[Fold]:
        """Cut the development rows, all before the test span, into folds."""
        probes = self.strategy.probes
        table, spec = self.tables[probes[0].table], probes[0].spec
        development = ~split.holdout(table, spec.validation, spec.test).test_rows(table)
        return common(probes, self.tables, development, split.Folds(self.folds))


def key(plan: Plan) -> str:
    """Name a sweep by what it asks: the same command finds it again."""
    probes = [(candidate, Rung()) for candidate in plan.strategy.probes]
    spec = plan.strategy.probes[0].spec
    return keys.digest(
        {
            "question": plan.strategy.question,
            "trials": [trial.key for trial in trials(plan, probes)],
            "baselines": [spec.season, spec.baselines, spec.regressors],
        }
    )


def trials(plan: Plan, asked: Asked) -> list[Trial]:
    """List candidate x fold x seed, each on its rung."""
    found: list[Trial] = []
    spans: dict[tuple[str, int, float], _Span] = {}  # many candidates read the same rows
    for candidate, rung in asked:
        for number, fold in enumerate(plan.parts):
            where = (candidate.table, number, rung.share("rows"))
            if where not in spans:
                spans[where] = _Span.of(plan.tables[candidate.table], fold, rung.share("rows"))
            found += _replicates(plan, candidate, rung, number, spans[where])
    return found


def check_plan(plan: Plan) -> None:
    """Make sure that every fold leaves each candidate windows to learn from, before all begins."""
    strategy = plan.strategy
    names = {candidate.number: candidate.name for candidate in strategy.probes}
    seen = set()
    for trial in trials(plan, [(c, strategy.smallest) for c in strategy.probes]):
        spec, (first, end) = trial.spec, trial.train
        asks = repr([trial.table, spec.window.get_params(), spec.training.tail, first, end])
        if asks in seen:
            continue
        seen.add(asks)
        table = plan.tables[trial.table]
        rows = (table.time >= first) & (table.time < end)
        try:
            stopping = samples.stopping_rows(table, rows, spec.training.tail)
            samples.early_stopping_split(table, spec.window, rows, stopping)
        except InputError as error:
            part = f", {trial.rung}," if str(trial.rung) else ""
            raise InputError(
                f"sweep.folds={plan.folds} leaves too little in fold {trial.fold + 1}{part} for "
                f"{names[trial.candidate]}: {error}"
            ) from error


@dataclass(frozen=True)
class _Span:
    """The rows of a fold, or of the newest part of it, as keys and trials need them.

    Attributes:
        bounds: First time stamp to learn from, and the first one after.
        stamps: Time stamps of the rows to learn from, (rows,).
        origins: Rows whose futures are scored, (origins,).
        scored: The same as series and ticks, (2, origins).
    """

    bounds: tuple[Any, Any]
    stamps: np.ndarray
    origins: np.ndarray
    scored: np.ndarray

    @classmethod
    def of(cls, table: Table, fold: Fold, share: float) -> "_Span":
        """Cut the newest share of a fold's training rows."""
        every = np.unique(table.time[(table.time >= fold.first) & (table.time < fold.cut)])
        first = every[len(every) - int(np.ceil(len(every) * share))]
        inside = (table.time >= first) & (table.time < fold.cut)
        scored = np.stack([table.series[fold.origins], table.tick[fold.origins]])
        return cls((first, fold.cut), table.time[inside], fold.origins, scored)


def _replicates(
    plan: Plan, candidate: Candidate, rung: Rung, fold: int, span: _Span
) -> Iterator[Trial]:
    """Make a trial a seed, and name the one before it that it may go on from."""
    spec = candidate.spec
    first, networks = spec.training.seed, spec.training.seeds
    for seed in range(first, first + plan.seeds * networks, networks):  # each has its own networks
        yield Trial(
            _key(plan, candidate, rung, span, seed),
            candidate.number,
            fold,
            seed,
            spec,
            candidate.table,
            span.bounds,
            span.origins,
            rung,
            _key(plan, candidate, rung.before, span, seed) if rung.before else None,
        )


def _key(plan: Plan, candidate: Candidate, rung: Rung, span: _Span, seed: int) -> str:
    """Name a trial by what it computes."""
    return keys.trial_key(
        candidate.spec,
        data=f"{plan.data} {candidate.table}",
        train=span.stamps,
        scored=span.scored,
        seed=seed,
        epochs=epochs(rung, candidate.spec.training.epochs),
    )
