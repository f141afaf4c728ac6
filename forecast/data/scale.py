"""Standardisation learned on training rows only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.data import moments
from forecast.data.moments import Moments
from forecast.data.table import Table
from forecast.errors import InputError, nearest

SCALING = ("series", "global")

STILL = 1e-8
"""Share of the other series' deviation up to which a series stands still: it has none of its own.

So small that series in different units (a flow in m³/s, a pressure in Pa) each keep their own.
"""


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of every column, per series or over all.

    A series whose column stands still in training has no deviation of its own. It takes the median
    of those of the other series, so that all numbers move with the unit of the data. Of an input,
    later values are then read no further from the mean than training showed in those series: not
    at all where the column stands still in every series, since nothing was learned from it. An
    input that is a target is read as it is.

    Attributes:
        input_mean: (series, features).
        input_std: (series, features).
        output_mean: (series, targets).
        output_std: (series, targets).
        input_limit: Greatest size of a standardised input, (series, features), inf where there is
            none; None where no column stands still.
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

        Args:
            predicted: Standardised, (samples, horizon, targets).
            series: Series of every sample, (samples,).

        Returns:
            (samples, horizon, targets) float64.
        """
        return predicted * self.output_std[series][:, None] + self.output_mean[series][:, None]

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


def fit(table: Table, per: str = "series") -> Scaler:
    """Learn the scale of every column from the rows given, and from no others.

    A static column is scaled over all series, each counting once: within a series it is constant.
    What stands still has no deviation to divide by: see `Scaler`.

    Args:
        table: Training rows.
        per: "series" gives every series its own scale; "global" shares one.

    Returns:
        A scaler for tables with the same columns and series names.

    Raises:
        InputError: A target is constant or absent in the training rows.
    """
    if per not in SCALING:
        raise InputError(
            f"training.scaling must be one of {', '.join(SCALING)}, got {per!r}: "
            f"{nearest(per, SCALING)}"
        )
    inputs, outputs = _moments(table.inputs, table, per), _moments(table.outputs, table, per)
    if table.static:
        places, once = list(table.static), np.unique(table.series, return_index=True)[1]
        over = moments.of_all(table.inputs[once][:, places], len(table.names))
        for part, value in zip(inputs, over, strict=True):
            part[:, places] = value
    input_std, input_limit = _lent(inputs, table.target_positions)
    if table.indicators:  # they stay 0 and 1
        there = slice(-table.indicators, None)
        inputs.mean[:, there], input_std[:, there], input_limit[:, there] = 0, 1, np.inf
    if table.task != "regression":  # 0 and 1 they stay, and so do probabilities
        outputs.mean[:], outputs.std[:], outputs.own[:] = 0, 1, True
    flat = np.flatnonzero(~(outputs.own & (outputs.std > 0)).any(axis=0))
    if flat.size:
        seen = np.isfinite(table.outputs[:, flat[0]]).any()
        where = f"constant at {outputs.mean[0, flat[0]]:g}" if seen else "without a value"
        raise InputError(
            f"data.targets must vary in the training rows, got {table.targets[flat[0]]!r} {where}: "
            "predict another column or train on a longer span"
        )
    limited = np.isfinite(input_limit).any()
    output_std, _ = _lent(outputs)
    return Scaler(
        inputs.mean, input_std, outputs.mean, output_std, input_limit if limited else None
    )


def _moments(values: np.ndarray, table: Table, per: str) -> Moments:
    """Describe every column in every series, or over all."""
    if per == "global":
        return moments.of_all(values, len(table.names))
    return moments.of_series(values, table)


def still(found: Moments) -> np.ndarray:
    """Tell which columns stand still in which series.

    Args:
        found: Of every series and column.

    Returns:
        Mask (series, columns): no deviation, or next to none beside the median of the series that
        have one. Where all stand still, so does a series without values of its own.
    """
    return found.std <= [STILL * median for median in _medians(found.std, found.own)]


def _medians(std: np.ndarray, among: np.ndarray) -> list[float]:
    """Return the median deviation above 0 of each column, among some series; inf without any."""
    columns = zip(std.T, (among & (std > 0)).T, strict=True)
    return [float(np.median(own[some])) if some.any() else np.inf for own, some in columns]


def _lent(found: Moments, targets: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Give a deviation to what stands still: the median of those that vary.

    Args:
        found: Of every series and column.
        targets: Positions of the columns that are read as they are.

    Returns:
        Deviations (series, columns), all above 0, and limits (series, columns) of later values.
    """
    stands = still(found)
    medians = np.array(_medians(found.std, found.own & ~stands))
    std = np.where(stands, np.where(np.isfinite(medians), medians, 1.0), found.std)
    limit = np.full(std.shape, np.inf)
    reach = np.maximum(found.most - found.mean, found.mean - found.least) / std
    for column in np.flatnonzero(stands.any(axis=0)):
        varies = found.own[:, column] & ~stands[:, column]
        if column not in targets or not varies.any():
            limit[stands[:, column], column] = reach[varies, column].max(initial=0)
    return std, limit
