"""Standardisation, learned on training rows only, from moments by series."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from forecast.data.scaling import bounds
from forecast.data.scaling.moments import Moments, Sums, of_all, of_series
from forecast.data.scaling.transform import UNMOVED, Kinds, estimated, refuse_outside
from forecast.data.table import Table
from forecast.errors import InputError, nearest
from forecast.vocabulary import SCALING

STILL = 1e-8
"""Share of the other series' deviation up to which a series counts as constant.

So small that series in different units (a flow in m³/s, a pressure in Pa) each keep their own.
"""


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of every column, per series or over all.

    A series whose column is constant in training has no deviation of its own. It takes the median
    of those of the other series, so that all numbers move with the unit of the data. Of an input,
    later values are then read no further from the mean than training showed in those series: not
    at all where the column is constant in every series, since nothing was learned from it. An
    input that is a target is read as it is.

    A target may be transformed first, as an output and where it is an input; means and deviations
    are then those of the transformed values, and `spread` alone is in original units.

    Attributes:
        input_mean: (series, features).
        input_std: (series, features).
        output_mean: (series, targets).
        output_std: (series, targets).
        input_limit: Greatest size of a standardised input, (series, features), inf where there is
            none; None if no column is constant.
        output_power: Power of each target's transform, (series, targets), the same for all series;
            see `data.scaling.transform`. None where no target has one.
        output_shift: What is added before, likewise.
        output_spread: Deviation in original units, likewise.
    """

    input_mean: np.ndarray
    input_std: np.ndarray
    output_mean: np.ndarray
    output_std: np.ndarray
    input_limit: np.ndarray | None = None
    output_power: np.ndarray | None = None
    output_shift: np.ndarray | None = None
    output_spread: np.ndarray | None = None

    @property
    def spread(self) -> np.ndarray:
        """Deviation of each target in original units, (series, targets)."""
        return self.output_std if self.output_spread is None else self.output_spread

    @property
    def kinds(self) -> Kinds:
        """How targets are transformed."""
        if self.output_power is None or self.output_shift is None or not len(self.output_power):
            return UNMOVED
        return Kinds(self.output_power[0], self.output_shift[0])

    def kind(self, target: int) -> Kinds:
        """Return how one target is transformed."""
        return self.kinds.some(slice(target, target + 1))

    def inputs(self, table: Table) -> np.ndarray:
        """Standardise a table's inputs, (rows, features) float32; holes become the mean, 0."""
        read = self.kinds.inputs(table)
        scaled = (read - self.input_mean[table.series]) / self.input_std[table.series]
        if self.input_limit is not None:
            for column in np.flatnonzero(np.isfinite(self.input_limit).any(axis=0)):
                most = self.input_limit[table.series, column]
                scaled[:, column] = np.clip(scaled[:, column], -most, most)
        return np.nan_to_num(scaled.astype(np.float32))

    def outputs(self, table: Table) -> np.ndarray:
        """Standardise a table's outputs, (rows, targets) float32."""
        outputs = self.kinds.forward(table.outputs)
        scaled = (outputs - self.output_mean[table.series]) / self.output_std[table.series]
        return scaled.astype(np.float32)

    def invert(self, predicted: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Bring predictions back to original units.

        Shapes: `predicted` (samples, horizon, targets), `series` (samples,); returns (samples,
        horizon, targets).
        """
        found = predicted * self.output_std[series][:, None] + self.output_mean[series][:, None]
        return self.kinds.inverse(found)

    def part(self, series: slice | np.ndarray) -> "Scaler":
        """Return what standardises some of the series, as a block holds them, or by number."""
        parts: dict[str, Any] = {
            name: part if part is None else part[series] for name, part in vars(self).items()
        }
        return Scaler(**parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the scaler as plain data for JSON; a limit that is infinite is None."""
        found = {name: part.tolist() for name, part in vars(self).items() if part is not None}
        if self.input_limit is not None:
            limits = self.input_limit.tolist()
            found["input_limit"] = [[None if np.isinf(x) else x for x in row] for row in limits]
        return found

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Scaler":
        """Read the scaler back from plain data."""
        parts = {name: np.asarray(part, float) for name, part in plain.items()}
        if "input_limit" in parts:
            parts["input_limit"] = np.nan_to_num(parts["input_limit"], nan=np.inf)
        return cls(**parts)


@dataclass(frozen=True, eq=False)
class Scaled:
    """The rows of a table as a network reads them, standardised once.

    Attributes:
        table: The rows.
        scaler: What standardises them.
    """

    table: Table
    scaler: Scaler

    @cached_property
    def inputs(self) -> np.ndarray:
        """Standardised inputs, (rows, features) float32."""
        return self.scaler.inputs(self.table)

    @cached_property
    def outputs(self) -> np.ndarray:
        """Standardised outputs, (rows, targets) float32."""
        return self.scaler.outputs(self.table)


def fit(table: Table, per: str = "series") -> Scaler:
    """Learn the scale of every column from the rows given, and from no others.

    A static column is scaled over all series, each counting once: within a series it is constant.
    What is constant has no deviation to divide by: see `Scaler`.
    """
    own = replace(table, first_series=0)
    own = replace(own, transforms=estimated([own], own, per))
    return fit_blocks([own], own, len(table.names), per)


def fit_blocks(tables: Iterable[Table], facts: Table, series: int, per: str = "series") -> Scaler:
    """Learn the scale from rows that come block by block, of so many series in all.

    The powers of transforms are those of the facts, which `estimated` has completed.
    """
    if per not in SCALING:
        raise InputError(
            f"training.scaling must be one of {', '.join(SCALING)}, got {per!r}: "
            f"{nearest(per, SCALING)}"
        )
    kinds = Kinds.of(facts.transforms)
    inputs, outputs, plain = (
        Sums(series, len(names)) for names in (facts.features, facts.targets, facts.targets)
    )
    places, last = list(facts.static), -1
    static = [np.zeros((0, len(places)))]
    for table in tables:
        number = table.series + table.first_series
        bounds.refuse_outside(table)
        plain.add(table.outputs, number)
        if kinds.move:
            refuse_outside(table)
            outputs.add(kinds.forward(table.outputs), number)
        inputs.add(kinds.inputs(table), number)
        static.append(table.inputs[np.flatnonzero(np.diff(number, prepend=last))][:, places])
        last = int(number[-1]) if len(number) else last
    found = inputs.moments(per)
    if places:
        for part, value in zip(found, of_all(np.concatenate(static), series), strict=True):
            part[:, places] = value
    scaler = _scaler(found, plain.moments(per), plain.seen, facts)
    if not kinds.move:
        return scaler
    power, shift = (np.tile(part, (series, 1)) for part in kinds)
    moved = outputs.moments(per)
    return replace(
        scaler,
        output_mean=moved.mean,
        output_std=_lent(moved)[0],
        output_power=power,
        output_shift=shift,
        output_spread=scaler.output_std,
    )


def _scaler(inputs: Moments, outputs: Moments, seen: np.ndarray, facts: Table) -> Scaler:
    """Make a scaler of the moments of a table's columns.

    Shapes: `seen` (targets,).
    """
    input_std, input_limit = _lent(inputs, facts.target_positions)
    if facts.indicators:  # they stay 0 and 1
        there = slice(-facts.indicators, None)
        inputs.mean[:, there], input_std[:, there], input_limit[:, there] = 0, 1, np.inf
    if facts.task != "regression":  # 0 and 1 they stay, and so do probabilities
        outputs.mean[:], outputs.std[:], outputs.own[:] = 0, 1, True
    flat = np.flatnonzero(~(outputs.own & (outputs.std > 0)).any(axis=0))
    if flat.size:
        where = f"constant at {outputs.mean[0, flat[0]]:g}" if seen[flat[0]] else "without a value"
        raise InputError(
            f"data.targets must vary in the training rows, got {facts.targets[flat[0]]!r} {where}: "
            "predict another column or train on a longer span"
        )
    limited = np.isfinite(input_limit).any()
    output_std, _ = _lent(outputs)
    return Scaler(
        inputs.mean, input_std, outputs.mean, output_std, input_limit if limited else None
    )


def still(found: Moments) -> np.ndarray:
    """Tell which columns stand still in which series.

    Returns (series, columns).
    """
    return found.std <= [STILL * median for median in _medians(found.std, found.own)]


def _medians(std: np.ndarray, among: np.ndarray) -> list[float]:
    """Return the median deviation above 0 of each column, among some series; inf without any."""
    columns = zip(std.T, (among & (std > 0)).T, strict=True)
    return [float(np.median(own[some])) if some.any() else np.inf for own, some in columns]


def _lent(found: Moments, targets: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Give a deviation to what is constant: the median of those that vary.

    Returns (series, columns).
    """
    constant = still(found)
    medians = np.array(_medians(found.std, found.own & ~constant))
    std = np.where(constant, np.where(np.isfinite(medians), medians, 1.0), found.std)
    limit = np.full(std.shape, np.inf)
    reach = np.maximum(found.most - found.mean, found.mean - found.least) / std
    for column in np.flatnonzero(constant.any(axis=0)):
        varies = found.own[:, column] & ~constant[:, column]
        if column not in targets or not varies.any():
            limit[constant[:, column], column] = reach[varies, column].max(initial=0)
    return std, limit


def moving_later(table: Table, rows: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Name the columns that stand still in the training rows and move in the others.

    Shapes: `rows` (rows,).

    >>> tick, zero = np.arange(4), np.zeros(4, int)
    >>> values = np.array([[1.0, 5], [2, 5], [3, 5], [4, 6]])
    >>> table = Table(values, values[:, :1], ("a", "b"), ("a",), zero, tick, tick)
    >>> moving_later(table, tick < 3)
    {'b': ()}
    """
    last = len(table.features) - table.indicators
    own = [n for n, name in enumerate(table.targets) if name not in table.features]
    values, names = table.inputs[:, :last], list(table.features[:last])
    if table.task == "regression" and own:  # of events and classes `task.lacking` tells
        values = np.column_stack([values, table.outputs[:, own]])
        names += [table.targets[n] for n in own]
    learned = of_series(values[rows], table.take(rows))
    constant = still(learned)
    moves = constant & learned.own & ~still(of_series(values, table))
    everywhere = (constant | ~learned.own).all(axis=0)
    return {
        names[column]: ()
        if everywhere[column]
        else tuple(table.names[code] for code in np.flatnonzero(moves[:, column]))
        for column in np.flatnonzero(moves.any(axis=0))
    }
