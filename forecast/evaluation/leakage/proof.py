"""Proof by experiment that nothing leaks: the future is changed, and nothing before it moves."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecast.data import split, windows
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.leakage import checks, perturb
from forecast.evaluation.leakage.case import Case, Check
from forecast.evaluation.leakage.checks import forecast
from forecast.evaluation.leakage.perturb import Raw, date, first, place
from forecast.evaluation.outcome import Outcome, Spec
from forecast.training.forecaster import BATCH, Forecaster
from forecast.training.parameters import Model, Training

LEAST = 3
"""Moments at which they lie, at least; at one moment every series has an origin."""

CELLS = 10_000_000
"""Values of the table times moments: wide tables are changed at fewer moments."""


def predictions(case: Case, origins: int) -> Iterator[Check]:
    """Forecast from some origins, and again with everything after one of them changed."""
    table, window = case.table, case.window
    time = table.time[case.scored + window.timesteps - 1]  # of the origins
    moments = np.unique(time)
    count = min(max(LEAST, origins // len(table.names)), max(LEAST, CELLS // table.inputs.size))
    moments = moments[np.unique(np.linspace(0, len(moments) - 1, count).astype(int))]
    each = [case.scored[time == moment][:origins] for moment in moments]
    starts, own = np.concatenate(each), np.repeat(moments, [len(part) for part in each])
    middle = len(moments) // 2
    many = _newest(case, moments[middle])  # whole batches too, or one pass over all rows
    before, all_before = _forecasts(case, table, starts), case.network(table, many)
    moved = dict.fromkeys(before, "")
    for number, moment in enumerate(moments):
        wild = _after(case, moment, 10 + number)
        # the same windows in the same places of a batch, so that equal means equal to the last bit
        for name, values in _forecasts(case, wild, starts).items():
            where = first(before[name], values, own == moment)
            if where and not moved[name]:
                moved[name] = f"the forecast of {forecast(case, starts, where)}"
        if number == middle and not moved[case.name]:
            where = first(all_before, case.network(wild, many), np.ones(len(many), bool))
            if where:
                moved[case.name] = f"the forecast of {forecast(case, many, where)}"
    for name, offender in moved.items():
        more = f", and from {len(many)} at once" if name == case.name else ""
        compared = f"forecasts from {len(starts)} origins{more}"
        yield Check(name, "rows after each origin", compared, not offender, offender)


def _forecasts(case: Case, table: Table, starts: np.ndarray) -> dict[str, np.ndarray]:
    """Forecast windows by the network and by every baseline, (windows, horizon, targets, …)."""
    others = case.baselines(table, case.learned.scaler, starts, case.stop)
    return {case.name: case.network(table, starts)} | others


def _after(case: Case, moment: np.datetime64, number: int) -> Table:
    """Perturb all rows after a moment; what is known of the rows predicted from it stays."""
    table, reach = case.table, case.window.lead + case.window.horizon
    spared = table.tick <= table.tick[table.time == moment].max() + reach
    return perturb.perturb_table(table, table.time > moment, case.rng(number), spared=spared)


def _newest(case: Case, moment: np.datetime64) -> np.ndarray:
    """List the last windows with origins up to a moment, neighbours and more than one batch."""
    every = windows.starts(case.table, case.window, truth="none")
    return every[case.table.time[every + case.window.timesteps - 1] <= moment][-BATCH - 1 :]


HOLES = 2
"""Moments behind a hole at which raw rows are cut, beside the ends of both spans."""


def rows(case: Case, raw: Raw) -> Check:
    """Build the table again from raw rows that are other ones after a moment."""
    table, stamps = case.table, raw.time
    moments = _moments(case, raw, stamps)
    compared = f"{len(table):,} rows built from {len(moments)} frames of another future"
    for number, moment in enumerate(moments):
        frame = perturb.perturb_frame(raw, stamps > moment, case.rng(100 + number))
        changed = f"raw rows after {date(moment)}"
        offender = _moved(table, raw.table(frame, case.window.timesteps), table.time <= moment)
        if offender:
            if _moved(table, raw.table(raw.frame, case.window.timesteps), table.time == table.time):
                raise InputError(
                    "raw must be what the table was built from, got a frame and a schema that "
                    "build another one: give those of this table"
                )
            return Check("rows", changed, compared, False, offender)
    return Check("rows", f"raw rows after {len(moments)} moments", compared, True)


def _moved(table: Table, other: Table, rows: np.ndarray) -> str:
    """Say what differs between two tables in some rows; nothing where they are equal."""
    if table.features != other.features or table.targets != other.targets:
        return f"columns {', '.join(sorted({*table.features} ^ {*other.features}))}"
    if len(table) != len(other) or not np.array_equal(table.time, other.time):
        return f"{len(other):,} rows in place of {len(table):,}"
    for kind, names in (("inputs", table.features), ("outputs", table.targets)):
        where = first(getattr(table, kind), getattr(other, kind), rows)
        if where:
            return f"{kind[:-1]} {names[where[1]]!r} of {place(table, where[0])}"
    return ""


def _moments(case: Case, raw: Raw, stamps: np.ndarray) -> list[np.datetime64]:
    """Choose where raw rows are cut: at the end of both spans, and where a hole would be filled."""
    time, schema = case.table.time, raw.schema
    ends = [time[time < cut].max() for cut in (case.cuts.validation, case.cuts.test)]
    there = [name for name in raw.frame.columns if name not in schema.static]
    holes = stamps[raw.frame[there].isna().any(axis=1).to_numpy()]
    grid, rows_of = np.unique(time, return_counts=True)
    given, count = np.unique(stamps, return_counts=True)
    have = np.zeros(len(grid), int)
    found = np.isin(grid, given)
    have[found] = count[np.searchsorted(given, grid[found])]
    holes = np.unique(np.concatenate([holes, grid[rows_of > have]]))
    holes = holes[(holes > stamps.min()) & (holes < stamps.max())]
    picked = (
        holes[np.linspace(0, len(holes) - 1, HOLES + 2).astype(int)[1:-1]] if len(holes) else []
    )
    return list(np.unique(np.array([*ends, *picked], time.dtype)))


ORIGINS = 24
"""Origins from which forecasts are repeated with another future."""


@dataclass(frozen=True)
class LeakProof:
    """What was changed, what was compared, and whether it stayed.

    Attributes:
        checks: One entry a check.
        full: Whether networks were trained for it.
    """

    checks: tuple[Check, ...]
    full: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing leaks, as far as the checks see."""
        return all(check.held for check in self.checks)

    @property
    def level(self) -> str:
        """Return "data" or "full", or "FAILED: " and the first thing that leaks."""
        if self.holds:
            return "full" if self.full else "data"
        return f"FAILED: {self._failed[0].name}: {self._failed[0].offender}"

    def __str__(self) -> str:
        """Say it in one sentence."""
        names = ", ".join(check.name for check in self.checks)
        if self.holds:
            return f"nothing after a cut moves what lies before it: {names}"
        changed = "; ".join(f"{check.name}: {check.offender}" for check in self._failed)
        return f"{len(self._failed)} of {len(self.checks)} checks found a leak: {changed}"

    @property
    def _failed(self) -> list[Check]:
        return [check for check in self.checks if not check.held]


def leak_proof(
    forecaster: Forecaster | Spec | Outcome,
    table: Table,
    *,
    cuts: Holdout | None = None,
    scored: np.ndarray | None = None,
    raw: Raw | None = None,
    full: bool = False,
    origins: int = ORIGINS,
    seed: int = 0,
) -> LeakProof:
    """Change what lies after a cut, do everything before it again, and compare to the last bit.

    Three cuts: after training (scale, inputs, what baselines learn, the scale of MASE), after
    validation (stopping windows and their truth; weights where `full`), and after origins (the
    forecasts of the network and of every baseline; what is known ahead stays). Time stamps, names
    of series and static columns are never changed: what follows from them alone is no finding.

    Args:
        forecaster: What forecasts: an estimator, fitted or not, an experiment, or its outcome.
            Without trained weights some are drawn.
        table: The data, all spans.
        cuts: Where validation and test begin; None cuts as the experiment says. A fitted estimator
            must have learned its scale from the rows before `cuts.validation`.
        scored: First rows of the windows that scores are made of; None means all whose future lies
            in the test span, or those of the outcome.
        raw: What the table was built from; None leaves that part of the way unproved.
        full: Whether to train twice, for at most two epochs.
        origins: How many forecasts are repeated, about.
        seed: Of the values that are put in place of others.

    Returns:
        The proof.

    Raises:
        InputError: Spans leave no window, or `raw` is of another table.
    """
    spec, fitted = _spec(forecaster)
    if isinstance(forecaster, Outcome):
        began = forecaster.cuts
        cuts = cuts or (Holdout(began.test, began.test) if forecaster.refit else began)
        scored = began.scored(table, spec.window) if scored is None else scored
    known = cuts is not None
    cuts = cuts or split.holdout(table, spec.validation, spec.test)
    if scored is None:
        scored = cuts.scored(table, spec.window)
    if not len(scored):
        raise InputError(
            "cuts must leave a window whose future lies in the test span, got none from "
            f"{cuts.test} on: take an earlier cut or a smaller window"
        )
    scaler = fitted.scaler_ if known and hasattr(fitted, "scaler_") else None
    unbound = replace(table, bounds=())  # forecasts that are clipped alike would hide a change
    case = Case(spec, unbound, cuts, fitted, scored, scaler, seed)
    return LeakProof(tuple(_checks(case, raw, full, origins)), full)


def _spec(forecaster: Any) -> tuple[Spec, Forecaster]:
    """Return the experiment, and what forecasts in it."""
    if isinstance(forecaster, Outcome):
        return forecaster.spec, forecaster.forecaster
    if isinstance(forecaster, Spec):
        own = forecaster
        return own, Forecaster(own.model, own.window, own.training, scaling=own.scaling)
    if not isinstance(forecaster, Forecaster):
        raise InputError(
            "forecaster must be a Forecaster, a Spec or an Outcome, got "
            f"{type(forecaster).__name__}: give one of them"
        )
    spec = Spec(
        forecaster.model if forecaster.model is not None else Model(),
        forecaster.window or Window(),
        forecaster.training or Training(),
        forecaster.scaling,
    )
    return spec, forecaster


def _checks(case: Case, raw: Raw | None, full: bool, origins: int) -> Iterator[Check]:
    """Prove one thing after the other."""
    if raw is not None:
        yield rows(case, raw)
    yield checks.columns(case)
    yield checks.spans(case)
    yield from checks.learning(case)
    if len(case.learned.stop):
        yield checks.stopping(case)
    yield from predictions(case, origins)
    if full:
        yield checks.training(case)
