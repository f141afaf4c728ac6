"""Standardisation, learned on training rows only, from moments by series."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from forecast.data.table import Table
from forecast.errors import InputError, nearest
from forecast.vocabulary import SCALING


class Moments(NamedTuple):
    """What is known of each column in each series, every part (series, columns).

    Attributes:
        mean: Of the finite values; 0 if none.
        std: Their deviation; 0 where they are alike.
        least: Of them.
        most: Of them.
        own: Whether the series has values of its own; where not, the rest is that of all rows.
    """

    mean: np.ndarray
    std: np.ndarray
    least: np.ndarray
    most: np.ndarray
    own: np.ndarray


def of_all(values: np.ndarray, series: int) -> Moments:
    """Describe columns over all rows, and say the same of every series.

    Shapes: `values` (rows, columns).
    """
    sums = Sums(series, values.shape[1])
    sums.add(values, np.zeros(len(values), np.intp))
    return sums.moments("global")


def of_series(values: np.ndarray, table: Table) -> Moments:
    """Describe columns in every series.

    Shapes: `values` (rows, columns).
    """
    sums = Sums(len(table.names), values.shape[1])
    sums.add(values, table.series)
    return sums.moments("series")


class Sums:
    """Moments of columns whose rows come block by block.

    Those of a series do not depend, to the bit, on what else its block holds.

    Attributes:
        count: Finite values in each series, (series, columns).
        of_each: Their mean, deviation, least and most, likewise.
    """

    def __init__(self, series: int, columns: int):
        self.count, self.of_each = _nothing(series, columns)
        self._all = _nothing(1, columns)

    def add(self, values: np.ndarray, series: np.ndarray) -> None:
        """Take in the rows of a block.

        Shapes: `values` (rows, columns), `series` (rows,), ascending.
        """
        if not len(values):
            return
        good = np.isfinite(values)
        _merge(*self._all, slice(1), good.sum(axis=0, keepdims=True), _columns(values, None))
        first = np.flatnonzero(np.diff(series, prepend=-1))
        count = np.add.reduceat(good, first, axis=0, dtype=np.intp)
        _merge(self.count, self.of_each, series[first], count, _columns(values, first))

    def moments(self, per: str) -> Moments:
        """Describe every column in every series, or over all."""
        own = (self.count > 0) & (per == "series")
        mean, std, least, most = (
            np.where(own, part, whole)
            for part, whole in zip(self.of_each, self._all[1], strict=True)
        )
        return Moments(mean, std, least, most, own | (per == "global"))

    @property
    def seen(self) -> np.ndarray:
        """Whether a column holds any value, (columns,)."""
        return self._all[0][0] > 0


def _nothing(series: int, columns: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return count and moments of no rows."""
    fill = (0.0, 0.0, np.inf, -np.inf)
    return np.zeros((series, columns), np.intp), tuple(np.full((series, columns), x) for x in fill)


def _merge(
    count: np.ndarray,
    before: tuple[np.ndarray, ...],
    where: np.ndarray | slice,
    new: np.ndarray,
    moments: tuple[np.ndarray, ...],
) -> None:
    """Add rows to those before; what had none takes the new moments as they are (Chan 1979)."""
    old, (mean, std, least, most) = count[where], (part[where] for part in before)
    total = np.maximum(old + new, 1)
    apart = moments[0] - mean
    square = std**2 * old + moments[1] ** 2 * new + apart**2 * (old * (new / total))
    both = [
        mean + apart * (new / total),
        np.sqrt(square / total),
        np.minimum(least, moments[2]),
        np.maximum(most, moments[3]),
    ]
    _settle(*both)
    for part, own, joined, kept in zip(
        before, moments, both, (mean, std, least, most), strict=True
    ):
        part[where] = np.where(new == 0, kept, np.where(old == 0, own, joined))
    count[where] = old + new


def _settle(mean: np.ndarray, std: np.ndarray, least: np.ndarray, most: np.ndarray) -> None:
    """Take rounding out of a column of one repeated value, which has no spread."""
    alike = least >= most
    mean[alike] = np.where(np.isfinite(least), least, 0.0)[alike]
    std[alike | (std <= 1e-12 * np.abs(mean))] = 0


def _columns(values: np.ndarray, first: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return mean, deviation, least and most of stretches of rows, each (stretches, columns)."""
    good = np.isfinite(values)
    count = np.maximum(_total(good, first), 1)
    mean = _total(np.where(good, values, 0.0), first) / count
    centre = mean
    if first is not None:
        centre = np.repeat(mean, np.diff(first, append=len(values)), axis=0)
    std = np.sqrt(_total(np.where(good, values - centre, 0.0) ** 2, first) / count)
    least = _over(np.minimum, np.where(good, values, np.inf), first)
    most = _over(np.maximum, np.where(good, values, -np.inf), first)
    _settle(mean, std, least, most)
    return mean, std, least, most


def _total(values: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """Sum stretches of rows that begin at `first`, or all rows; (stretches, columns)."""
    if first is None:
        return values.sum(axis=0, keepdims=True)
    # behind a zero each stretch is summed pairwise, to the same bits as by itself
    behind_zeros = np.insert(values, first, 0, axis=0)
    kind = np.intp if values.dtype == bool else None
    return np.add.reduceat(behind_zeros, first + np.arange(len(first)), axis=0, dtype=kind)


def _over(how: np.ufunc, values: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """Return the least or greatest of stretches of rows, or of all; (stretches, columns)."""
    if first is None:
        start = np.inf if how is np.minimum else -np.inf
        return how.reduce(values, axis=0, keepdims=True, initial=start)
    return how.reduceat(values, first, axis=0)


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

    Attributes:
        input_mean: (series, features).
        input_std: (series, features).
        output_mean: (series, targets).
        output_std: (series, targets).
        input_limit: Greatest size of a standardised input, (series, features), inf where there is
            none; None if no column is constant.
    """

    input_mean: np.ndarray
    input_std: np.ndarray
    output_mean: np.ndarray
    output_std: np.ndarray
    input_limit: np.ndarray | None = None

    def inputs(self, table: Table) -> np.ndarray:
        """Standardise a table's inputs, (rows, features) float32; holes become the mean, 0."""
        scaled = (table.inputs - self.input_mean[table.series]) / self.input_std[table.series]
        if self.input_limit is not None:
            for column in np.flatnonzero(np.isfinite(self.input_limit).any(axis=0)):
                most = self.input_limit[table.series, column]
                scaled[:, column] = np.clip(scaled[:, column], -most, most)
        return np.nan_to_num(scaled.astype(np.float32))

    def outputs(self, table: Table) -> np.ndarray:
        """Standardise a table's outputs, (rows, targets) float32."""
        scaled = (table.outputs - self.output_mean[table.series]) / self.output_std[table.series]
        return scaled.astype(np.float32)

    def invert(self, predicted: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Bring predictions back to original units.

        Shapes: `predicted` (samples, horizon, targets), `series` (samples,); returns (samples,
        horizon, targets).
        """
        return predicted * self.output_std[series][:, None] + self.output_mean[series][:, None]

    def part(self, series: slice) -> "Scaler":
        """Return what standardises some of the series, as a block holds them."""
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
    return fit_blocks([replace(table, first_series=0)], table, len(table.names), per)


def fit_blocks(tables: Iterable[Table], facts: Table, series: int, per: str = "series") -> Scaler:
    """Learn the scale from rows that come block by block, of so many series in all."""
    if per not in SCALING:
        raise InputError(
            f"training.scaling must be one of {', '.join(SCALING)}, got {per!r}: "
            f"{nearest(per, SCALING)}"
        )
    inputs = Sums(series, len(facts.features))
    outputs = Sums(series, len(facts.targets))
    places, last = list(facts.static), -1
    static = [np.zeros((0, len(places)))]
    for table in tables:
        number = table.series + table.first_series
        inputs.add(table.inputs, number)
        outputs.add(table.outputs, number)
        static.append(table.inputs[np.flatnonzero(np.diff(number, prepend=last))][:, places])
        last = int(number[-1]) if len(number) else last
    found = inputs.moments(per)
    if places:
        for part, value in zip(found, of_all(np.concatenate(static), series), strict=True):
            part[:, places] = value
    return _scaler(found, outputs.moments(per), outputs.seen, facts)


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
