"""Standardisation learned on training rows only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.data.table import Table
from forecast.errors import InputError, nearest

SCALING = ("series", "global")


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of every column, per series or over all.

    Attributes:
        input_mean: (series, features).
        input_std: (series, features), 1 where a column is constant.
        output_mean: (series, targets).
        output_std: (series, targets).
    """

    input_mean: np.ndarray
    input_std: np.ndarray
    output_mean: np.ndarray
    output_std: np.ndarray

    def inputs(self, table: Table) -> np.ndarray:
        """Standardise a table's inputs, (rows, features) float32; holes become the mean, 0."""
        scaled = (table.inputs - self.input_mean[table.series]) / self.input_std[table.series]
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
        """Return the scaler as plain data for JSON."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Scaler":
        """Read the scaler back from plain data."""
        return cls(**{name: np.asarray(plain[name]) for name in cls.__dataclass_fields__})


def fit(table: Table, per: str = "series") -> Scaler:
    """Learn the scale of every column from the rows given, and from no others.

    A static column is scaled over all series, each counting once: within a series it is constant.

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
    input_mean, input_std = _moments(table.inputs, table, per)
    if table.indicators:  # they stay 0 and 1
        input_mean[:, -table.indicators :], input_std[:, -table.indicators :] = 0, 1
    if table.static:
        constant, once = list(table.static), np.unique(table.series, return_index=True)[1]
        mean, std = _mean_std(table.inputs[once][:, constant])
        input_mean[:, constant], input_std[:, constant] = mean, std
    output_mean, output_std = _moments(table.outputs, table, per)
    if table.task != "regression":  # 0 and 1 they stay, and so do probabilities
        output_mean, output_std = np.zeros_like(output_mean), np.ones_like(output_std)
    flat = np.flatnonzero((output_std == 0).all(axis=0))
    if flat.size:
        seen = np.isfinite(table.outputs[:, flat[0]]).any()
        found = f"constant at {output_mean[0, flat[0]]:g}" if seen else "without a value"
        raise InputError(
            f"data.targets must vary in the training rows, got {table.targets[flat[0]]!r} {found}: "
            "predict another column or train on a longer span"
        )
    return Scaler(
        input_mean,
        np.where(input_std == 0, 1.0, input_std),
        output_mean,
        np.where(output_std == 0, 1.0, output_std),
    )


def _moments(values: np.ndarray, table: Table, per: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation (series, columns); a column never seen in a series takes all's."""
    mean, std = _mean_std(values)
    shape = (len(table.names), values.shape[1])
    means, stds = np.broadcast_to(mean, shape).copy(), np.broadcast_to(std, shape).copy()
    if per == "series":
        for code in np.unique(table.series):
            own = values[table.series == code]
            seen = np.isfinite(own).any(axis=0)
            mean, std = _mean_std(own[:, seen])
            means[code, seen], stds[code, seen] = mean, std
    return means, stds


def _mean_std(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of the finite values of every column, 0 and 0 where none is."""
    good = np.isfinite(values)
    count = np.maximum(good.sum(axis=0), 1)
    mean = np.where(good, values, 0.0).sum(axis=0) / count
    square = np.where(good, values - mean, 0.0) ** 2
    std = np.sqrt(square.sum(axis=0) / count)
    # a column of one repeated value has no spread, whatever the rounding of its mean leaves
    return mean, np.where(std > 1e-12 * np.maximum(np.abs(mean), 1e-300), std, 0.0)
