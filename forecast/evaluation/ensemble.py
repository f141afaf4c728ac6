"""Which forecasters to average, and with which weights: learned from forecasts of held-out rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from forecast.data import clock, scale, split, windows
from forecast.data.scale import Scaler
from forecast.data.scaling.bounds import clipped
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import parts
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.gathered import Gathered, Shown, scored
from forecast.evaluation.intervals.calibration import Calibration, Spans
from forecast.evaluation.outcome import Outcome, Spec
from forecast.evaluation.scales import Scale
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model

ROUNDS = 20
"""Members of a greedy ensemble, those that are chosen twice counted twice."""

PARTS = 3
"""Stretches of the held-out span, each scored with weights that the others have given."""

CLEARLY = 0.01
"""Share by which fitted weights must beat equal ones, or several the best, before they are used."""

NEAR = 1.25
"""Errors as shares of the smallest up to which the best of a kind counts among equals."""


@dataclass(frozen=True)
class Ensemble:
    """A weighted mean.

    Attributes:
        weights: Member to its share, the greatest first; they sum to 1.
        how: "one", "equal" or "greedy".
        error: Mean scaled error on stretches of the held-out span, with weights that the others
            have given.
        errors: The same of each way to weigh, by name.
    """

    weights: Mapping[str, float]
    how: str
    error: float
    errors: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What forecasters are weighed on.

    Attributes:
        true: What came true, NaN where it is not known, (windows, horizon, targets).
        scale: What errors are divided by, (windows, targets).
        time: Time stamp of each origin, (windows,).
    """

    true: np.ndarray
    scale: np.ndarray
    time: np.ndarray

    def error(self, values: np.ndarray) -> float:
        """Return the mean scaled error of some forecasts, (windows, horizon, targets)."""
        loss = np.abs(values - self.true) / self.scale[:, None]
        known = np.isfinite(loss)
        return float(loss[known].mean()) if known.any() else np.inf

    def at(self, mask: np.ndarray) -> "HeldOut":
        """Return some of the windows.

        Shapes: `mask` (windows,).
        """
        return HeldOut(self.true[mask], self.scale[mask], self.time[mask])


@dataclass(frozen=True)
class Tried:
    """What was found of a candidate, or of a baseline.

    Attributes:
        name: What it is called.
        error: Scaled error on the held-out span; infinite where there is none.
        whole: Whether it learned from all training windows, or from a part of them.
        seconds: That it took.
        at: Seconds of the budget that were gone when it was done.
        trouble: Why there is no error; empty where there is one.
    """

    name: str
    error: float
    whole: bool
    seconds: float
    at: float
    trouble: str = ""


Members = Mapping[str, np.ndarray]
"""Name to forecasts, (windows, horizon, targets)."""


def weigh(members: Members, held: HeldOut, kinds: Mapping[str, str]) -> Ensemble:
    """Choose the weights of an ensemble.

    Three ways are tried: the best member alone, equal weights of the best of each kind, and greedy
    selection with replacement (Caruana et al., Ensemble selection from libraries of models, ICML
    2004). Each is scored on stretches of the held-out span that its weights have not seen. The more
    freely weights are fitted, the clearer the gain must be: one held-out span may mislead.

    Args:
        members: Name to forecasts of the held-out windows, (windows, horizon, targets).
        held: What came true.
        kinds: Member to its architecture, of which the best alone is among the equals.

    Returns:
        The ensemble.

    Raises:
        InputError: There is no member.

    >>> held = HeldOut(np.zeros((6, 1, 1)), np.ones((6, 1)), np.arange(6))
    >>> high, low = np.full((6, 1, 1), 2.0), np.full((6, 1, 1), -1.0)
    >>> weigh({"high": high, "low": low}, held, {"high": "mlp", "low": "lstm"}).how
    'greedy'
    """
    if not members:
        raise InputError("members must hold a forecaster, got none: give forecasts of one or more")
    ways: dict[str, Callable[[Members, HeldOut], dict[str, float]]] = {
        "one": _one,
        "equal": lambda some, on: _equal(some, on, kinds),
        "greedy": _greedy,
    }
    stretches = _stretches(held.time)
    errors = {}
    for name, way in ways.items():
        found = []
        for mask in stretches:
            others = ~mask if len(stretches) > 1 else mask
            weights = way({key: own[others] for key, own in members.items()}, held.at(others))
            found.append(held.at(mask).error(mean(members, weights)[mask]))
        errors[name] = float(np.mean(found))
    how = "equal" if errors["equal"] < errors["one"] else "one"
    if errors["greedy"] < (1 - CLEARLY) * errors[how]:
        how = "greedy"
    weights = ways[how](members, held)
    ranked = dict(sorted(weights.items(), key=lambda item: -item[1]))
    return Ensemble(ranked, how, errors[how], errors)


def mean(members: Members, weights: Mapping[str, float]) -> np.ndarray:
    """Average forecasts, (windows, horizon, targets)."""
    return sum(
        (share * members[name].astype(float) for name, share in weights.items()), start=np.zeros(())
    )


def _stretches(time: np.ndarray) -> list[np.ndarray]:
    """Cut windows into stretches in time, masks (windows,); one where there are too few origins."""
    stamps = np.unique(time)
    if len(stamps) < 2 * PARTS:
        return [np.ones(len(time), bool)]
    edges = stamps[np.linspace(0, len(stamps), PARTS + 1).astype(int)[1:-1]]
    part = np.searchsorted(edges, time, "right")
    return [part == number for number in range(PARTS)]


def _one(members: Members, held: HeldOut) -> dict[str, float]:
    """Take the best member."""
    return {min(members, key=lambda name: held.error(members[name])): 1.0}


def _equal(members: Members, held: HeldOut, kinds: Mapping[str, str]) -> dict[str, float]:
    """Take the best of each kind, as far as it is near the best of all."""
    errors = {name: held.error(own) for name, own in members.items()}
    best: dict[str, str] = {}
    for name in sorted(errors, key=lambda name: errors[name]):
        best.setdefault(kinds.get(name, name), name)
    near = [name for name in best.values() if errors[name] <= NEAR * min(errors.values())]
    return {name: 1 / len(near) for name in near}


def _greedy(members: Members, held: HeldOut) -> dict[str, float]:
    """Add again and again the member with which the mean is best, and keep the best mean."""
    names = list(members)
    chosen: list[str] = []
    total, best, kept = np.zeros(held.true.shape), np.inf, 0
    for count in range(1, ROUNDS + 1):
        errors = [held.error((total + members[name]) / count) for name in names]
        first = int(np.argmin(errors))
        chosen.append(names[first])
        total = total + members[names[first]]
        if errors[first] < best:
            best, kept = errors[first], count
    return _shares(chosen[:kept])


def _shares(chosen: Sequence[str]) -> dict[str, float]:
    """Count how often each was chosen, as shares."""
    return {name: chosen.count(name) / len(chosen) for name in dict.fromkeys(chosen)}


class Mean(Model):
    """What is called a model where forecasts are those of several, averaged."""

    def __init__(self) -> None:
        self.name, self.settings = "ensemble", {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the name alone."""
        del deep
        return {"name": self.name}

    def __sklearn_clone__(self) -> "Mean":
        """Make another, which is the same."""
        return Mean()


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows on which an ensemble is weighed and scored, of one table.

    Attributes:
        spec: What is asked; its look-back is the longest that a member has.
        table: All rows.
        cuts: Where validation and test span begin.
        held: First rows of the windows of the validation span, (held-out windows,).
        test: First rows of those of the test span, (test windows,).
        scaler: Of the rows before the test span.
        season: Rows of a season.
    """

    spec: Spec
    table: Table
    cuts: Holdout
    held: np.ndarray
    test: np.ndarray
    scaler: Scaler
    season: int

    @classmethod
    def of(cls, spec: Spec, table: Table, longest: int) -> "Windows":
        """List the windows with a look-back that every member has; of very many, those shown."""
        window = clone(spec.window).set_params(timesteps=longest)
        own = replace(spec, window=window, model=Mean(), regressors={})
        cuts = split.holdout(table, spec.validation, spec.test)
        learned = cuts.train_rows(table)

        def shown(rows: np.ndarray) -> np.ndarray:
            starts = windows.starts(table, window, within=rows, truth="some")
            return parts.shown(table, window, starts, learned)

        held, test = shown(cuts.validation_rows(table)), shown(cuts.test_rows(table))
        if not (len(held) and len(test)):
            raise InputError(
                f"split must leave validation and test rows for a look-back of {longest} rows and "
                f"a horizon of {window.horizon}, got {len(held):,} and {len(test):,} "
                "windows: set window.timesteps to less, or widen split.validation and split.test"
            )
        season = spec.season or clock.season(table.frequency)
        scaler = scale.fit(table.take(cuts.learned_rows(table)), spec.scaling)
        return cls(own, table, cuts, held, test, scaler, season)

    @property
    def learned(self) -> np.ndarray:
        """Mask of the training rows, (rows,)."""
        return self.cuts.train_rows(self.table)

    @property
    def known(self) -> np.ndarray:
        """Mask of the rows before the test span, (rows,)."""
        return self.cuts.learned_rows(self.table)

    def origins(self, starts: np.ndarray) -> np.ndarray:
        """Return the rows of the origins of some windows, (windows,)."""
        return starts.astype(np.int64) + self.spec.window.timesteps - 1

    def scales(self, learned: np.ndarray) -> Scale:
        """Return what errors are divided by, of some rows; (rows,) is a mask."""
        return Scale.of(self.table.take(learned), self.scaler, self.season)

    def held_out(self) -> HeldOut:
        """Return what came true in the validation span, each series and target in its own unit."""
        table, numbers = self.table, self.table.series[self.held]
        by = np.ones((len(table.names), len(table.targets)))
        if table.task == "regression":
            own = self.scales(self.learned)
            usable = np.isfinite(own.absolute) & (own.absolute > 0)
            by = np.where(usable, own.absolute, self.scaler.spread)
        true = windows.outputs(table.outputs, self.held, self.spec.window)
        return HeldOut(true, by[numbers], table.time[self.origins(self.held)])


def evaluate(
    on: Windows,
    weights: Mapping[str, float],
    held: Members,
    test: Members,
    notes: Mapping[str, str] = {},
) -> Outcome:
    """Score an ensemble on the test span beside its members and others.

    Args:
        on: The windows.
        weights: Member to its share.
        held: Forecasts of the held-out windows, made without them, (held-out windows, horizon,
            targets), by name.
        test: The same of the test windows.
        notes: What was chosen for one of them.

    Returns:
        The outcome; its baselines are the members and the others.
    """
    spec, table = on.spec, on.table
    found: dict[str, Spans] = {}
    for name in ("", *test):
        both = [
            Forecasts(
                table,
                spec.window,
                starts,
                clipped(
                    values[name].astype(float) if name else mean(values, weights), table.bounds
                ),
                note=notes.get(name, ""),
            )
            for starts, values in ((on.test, test), (on.held, held))
        ]
        found[name] = both[0], both[1]
    around = {}
    if spec.interval is not None and table.task == "regression":
        calibration = Calibration(spec.interval, "adaptive", on.scaler)
        calibration.pool(found)
        around = calibration.put(found)
    by = on.scales(on.known)
    gathered = Gathered(by, Shown(table, on.test))
    gathered.take(scored({name: own[0] for name, own in found.items()}, around, by))
    return gathered.outcome(
        spec=spec,
        table=table,
        cuts=on.cuts,
        season=on.season,
        forecaster=Averaged(on.scaler),
        refit=True,
    )


class Averaged(Forecaster):
    """What an outcome knows of an ensemble's training: the scale of its targets."""

    def __init__(self, scaler: Scaler):
        super().__init__()
        self.scaler_ = scaler
        self.first_ = None
