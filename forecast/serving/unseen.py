"""Series that training has not seen: their scale, their intervals, and who forecasts them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.scale import STILL, Scaler
from forecast.data.scaling.moments import Moments, of_series
from forecast.data.stamps import calendar
from forecast.data.table import Table
from forecast.evaluation.baselines.by_name import Kept
from forecast.evaluation.baselines.trees import Trees
from forecast.evaluation.intervals.margin import Reach

if TYPE_CHECKING:
    import keras


def new_among(names: Sequence[str], known: pa.Array) -> list[str]:
    """Name the series that training has not seen."""
    seen = pc.is_in(pa.array(names, pa.string()), value_set=known).to_pylist()
    return [name for name, own in zip(names, seen, strict=True) if not own]


def rows_of(table: Table, codes: np.ndarray) -> tuple[Table, np.ndarray]:
    """Return the rows of some series under their names alone, and where they lay.

    Shapes: `codes` (series,), ascending.
    """
    rows = np.flatnonzero(np.isin(table.series, codes))
    own = table.take(rows)
    names = tuple(table.names[code] for code in codes)
    return replace(own, series=np.searchsorted(codes, own.series), names=names), rows


def one_for_all(scaler: Scaler) -> bool:
    """Tell whether a scale is that of all series together, as `training.scaling=global` has it."""
    parts = (scaler.input_mean, scaler.input_std, scaler.output_mean, scaler.output_std)
    return len(parts[0]) > 1 and all((part == part[0]).all() for part in parts)


def scale_of(scaler: Scaler, table: Table) -> Scaler:
    """Return the scale of a table of new series: that of all, or each its own, from its rows.

    What does not differ between series of training (static columns, the clock, indicators) is
    scaled as in training, and so is a column without a value. What stands still takes the median
    deviation of the series of training.
    """
    count = len(table.names)
    if one_for_all(scaler):
        return scaler.part(np.zeros(count, int))
    inputs = of_series(scaler.kinds.inputs(table), table)
    common = [*table.static, *range(len(table.features) - table.indicators, len(table.features))]
    common += [n for n, name in enumerate(table.features) if name in calendar.COLUMNS]
    inputs.own[:, common] = False
    outputs = of_series(scaler.kinds.forward(table.outputs), table)
    mean, std = _own(inputs, scaler.input_mean, scaler.input_std)
    output_mean, output_std = _own(outputs, scaler.output_mean, scaler.output_std)
    if table.task != "regression":  # 0 and 1 they stay
        output_mean[:], output_std[:] = scaler.output_mean[0], scaler.output_std[0]
    found = Scaler(mean, std, output_mean, output_std)
    if scaler.input_limit is not None:  # of what stood still in every series
        limit = np.where(np.isfinite(scaler.input_limit).all(axis=0), scaler.input_limit[0], np.inf)
        found = replace(found, input_limit=np.tile(limit, (count, 1)))
    if scaler.output_spread is None or scaler.output_power is None or scaler.output_shift is None:
        return found
    plain = of_series(table.outputs, table)
    return replace(
        found,
        output_power=np.tile(scaler.output_power[0], (count, 1)),
        output_shift=np.tile(scaler.output_shift[0], (count, 1)),
        output_spread=_own(plain, scaler.output_mean, scaler.output_spread)[1],
    )


def _own(found: Moments, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of new series, those of training where they have none.

    Shapes: `mean` (series, columns), `std` (series, columns); returns (new series, columns).
    """
    usual = np.median(std, axis=0)
    still = ~found.own | (found.std <= STILL * usual)
    return (
        np.where(found.own, found.mean, np.median(mean, axis=0)),
        np.where(still, usual, found.std),
    )


def reach_of(reach: Reach, std: np.ndarray, own: np.ndarray) -> Reach:
    """Return the half-widths of new series: the median of those of training, each in deviations.

    Shapes: `std` (series, targets), `own` (new series, targets).
    """
    shares = reach.values / std[:, None]  # (series, horizon, targets)
    known = np.isfinite(shares).any(axis=0)
    median = np.full(known.shape, np.nan)
    median[known] = np.nanmedian(shares[:, known], axis=0)
    return replace(reach, values=median * own[:, None])


def model_of(model: Any, count: int) -> Any:
    """Return what forecasts so many new series: it knows none of them from another.

    Trees read no place of theirs; a network reads the mean of the values that it has learned for
    the series of training.
    """
    if isinstance(model, Trees):
        return replace(model, order=np.full(count, np.nan))
    return model if isinstance(model, Kept) else _averaged(model)


def most(model: Any) -> int | None:
    """Return how many new series a model can be told apart at once; None where it reads none."""
    places = [] if isinstance(model, Kept) else _embeddings(model)
    return int(places[0].input_dim) if places else None


def _embeddings(model: "keras.Model") -> list[Any]:
    """List the layers that hold learned values of the series."""
    from forecast.models.layers import embedding_size, networks_of

    if not embedding_size(model):
        return []
    return [
        layer
        for network in networks_of(model)
        for layer in network.layers
        if layer.name == "series_embedding"
    ]


def _averaged(model: "keras.Model") -> "keras.Model":
    """Copy a network, with the mean of the learned values for every series."""
    if not _embeddings(model):
        return model
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in _embeddings(copy):
        learned = layer.get_weights()[0]  # (series, values)
        layer.set_weights([np.tile(learned.mean(axis=0), (len(learned), 1))])
    return copy
