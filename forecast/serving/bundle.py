"""A trained run as two files: weights as `.keras`, everything else as JSON. No pickle anywhere."""

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import clock, columns, panel, windows
from forecast.data.scale import Scaler
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, cause, nearest
from forecast.evaluation.intervals.reach import Reach
from forecast.serving import form, lacking
from forecast.serving.agreement import disagreement
from forecast.serving.form import WEIGHTS
from forecast.serving.tidy import tidy
from forecast.training import runtime
from forecast.training.forecaster import BATCH, Forecaster
from forecast.training.parameters import Training

MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
"""What Keras packs into a model without assets."""


@dataclass(frozen=True)
class Bundle:
    """What predicts: raw rows in, tidy forecasts out.

    Attributes:
        model: Keras model on standardised values.
        schema: How raw rows are read.
        window: Shape of a sample.
        scaler: What standardises.
        names: Series that the scaler knows.
        facts: Versions, data digest and spans, for people.
        quantiles: Levels that the model predicts of each target; none means one value.
        reach: Of the intervals around its forecasts; None where it has none.
    """

    model: Any
    schema: Schema
    window: Window
    scaler: Scaler
    names: tuple[str, ...]
    facts: Mapping[str, Any]
    quantiles: tuple[float, ...] = ()
    reach: Reach | None = None

    def table(self, frame: pd.DataFrame) -> Table:
        """Read raw rows as in training.

        Args:
            frame: Rows with the columns of the schema, in any order; others are not read. Where
                columns are known ahead, the rows behind the last known target say them; where the
                calendar alone is, such rows are made.

        Returns:
            A table whose series are numbered as in training.

        Raises:
            InputError: A column is missing, a series is unknown, …
        """
        schema = self.schema
        columns.check(frame, schema)
        time, zoned = clock.read(frame[schema.time], schema.time_format, zoned=schema.zoned)
        lacking.refuse_other_frequency(time, str(schema.frequency))
        frame = frame.assign(**{schema.time: clock.written(time, zoned)})  # read once
        made = schema.known_future and not schema.known_columns
        rows = self.window.lead + self.window.horizon if made else 0
        table = panel.build(frame, schema, ahead=rows).padded(self.window.timesteps)
        known = {name: code for code, name in enumerate(self.names)}
        if unknown := [name for name in table.names if name not in known]:
            raise InputError(
                f"data.series must be series seen in training, got {unknown[0]!r}: "
                f"{nearest(unknown[0], known)}"
            )
        code = np.array([known[name] for name in table.names])
        order = np.lexsort((table.tick, code[table.series]))
        renamed = replace(table, series=code[table.series], names=self.names)
        return renamed.take(order)

    def predict(self, frame: pd.DataFrame, *, history: bool = False) -> pd.DataFrame:
        """Forecast what follows the last row of every series.

        Where columns are known ahead, it is the last row with a known target.

        Args:
            frame: Raw rows, at least the last `timesteps` of each series, and behind them the rows
                of its future with what is known of them.
            history: Whether to forecast from every row that has a whole look-back, and not only
                from the last one.

        Returns:
            One row for each window, target and step: series, origin, time, step, target, forecast,
            lower and upper where the bundle has intervals, and a column such as q0.05 for each
            quantile. A series that ends with a hole has no rows.

        Raises:
            InputError: No series has an unbroken window, or what is known of its future.
        """
        return self.forecasts(self.table(frame), history=history)

    def forecasts(self, table: Table, *, history: bool = False) -> pd.DataFrame:
        """Forecast from a table that `table` has made; see `predict`."""
        runtime.start()
        from forecast.training.fit import predict_scaled
        from forecast.training.losses import point_forecast

        starts = (windows.every if history else windows.latest)(table, self.window)
        if not len(starts):
            lacking.refuse(table, self.window, self.schema.known_columns)
        values = predict_scaled(
            self.model,
            self.scaler,
            table,
            self.window,
            starts,
            # each size is compiled once: a power of two, or that of training
            batch_size=min(BATCH, 1 << (len(starts) - 1).bit_length()),
            levels=self.quantiles,
        )
        middle, more = point_forecast(values, self.quantiles), {}
        if self.reach is not None:
            ends = self.reach.around(values, self.quantiles, middle, table.series[starts])
            more = dict(zip(("lower", "upper"), ends, strict=True))
        more |= {f"q{level:g}": values[..., n] for n, level in enumerate(self.quantiles)}
        return tidy(table, starts, self.window, middle, more)


def save(
    folder: Path,
    forecaster: Forecaster,
    schema: Schema,
    facts: Mapping[str, Any],
    *,
    reach: Reach | None = None,
) -> list[Path]:
    """Write a fitted forecaster as a bundle.

    Args:
        folder: Where to; made if need be.
        forecaster: Fitted on a table that the schema made.
        schema: How raw rows are read.
        facts: More for people: data digest, spans, run id.
        reach: Of the intervals around its forecasts.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    window = forecaster.window or Window()
    packages = ("forecast", "tensorflow", "keras", "numpy", "pandas")
    forecaster.model_.save(folder / WEIGHTS)
    told = {
        "schema": _served(schema, forecaster).to_dict(),
        "window": {name: int(value) for name, value in window.get_params().items()},
        "scaler": forecaster.scaler_.to_dict(),
        "series": list(forecaster.names_),
        "quantiles": list((forecaster.training or Training()).quantiles),
        "intervals": reach and reach.to_dict(),
        "versions": {"python": python_version()} | {name: version(name) for name in packages},
        "facts": dict(facts),
    }
    return [folder / WEIGHTS, form.write(folder, told)]


def add_intervals(folder: Path, reach: Reach) -> None:
    """Write what gives the forecasts of a saved bundle their intervals; the weights stay.

    The file is replaced as a whole: whoever reads the bundle meanwhile has it without or with them.

    Args:
        folder: Of the bundle.
        reach: Of the intervals around its forecasts.

    Raises:
        InputError: The bundle is damaged.
    """
    told = form.read(folder) | {"intervals": reach.to_dict()}
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # what a kill has left
    shutil.copytree(folder, fresh)
    form.write(fresh, {name: told[name] for name in told if name not in form.OWN}).replace(
        folder / form.FACTS
    )
    shutil.rmtree(fresh)


def _served(schema: Schema, forecaster: Forecaster) -> Schema:
    """Fix frequency and zone, which a few new rows may not tell, and ask for columns in use."""
    used = {*schema.inputs, *schema.targets}
    return replace(
        schema,
        frequency=forecaster.frequency_,
        zoned=forecaster.context_.zoned,
        circular={name: period for name, period in schema.circular.items() if name in used},
        valid={name: bounds for name, bounds in schema.valid.items() if name in used},
        classes={name: parts for name, parts in schema.classes.items() if name in used},
    )


def load(folder: str | Path) -> Bundle:
    """Read a bundle; no code in it is run.

    Args:
        folder: With the two files.

    Returns:
        What predicts.

    Raises:
        InputError: A file is missing or damaged, or the format is unknown.
    """
    folder = Path(folder)
    told = form.read(folder)
    runtime.start()
    import keras

    import forecast.models  # noqa: F401  registers our layers with Keras

    try:
        _check_members(folder / WEIGHTS)
        model = keras.saving.load_model(folder / WEIGHTS, compile=False, safe_mode=True)
    except Exception as error:  # Keras has as many for a file that is no model as there are faults
        raise InputError(
            f"bundle must hold a {WEIGHTS} of known layers, got {str(folder / WEIGHTS)!r} "
            f"({cause(error)}): download the run's model/ again"
        ) from error
    try:
        found = _made(model, told)
        fault = disagreement(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        fault = str(error)
    if fault:
        raise InputError(
            f"bundle must hold what belongs together, got {fault}: download the run's model/ again"
        )
    return found


def _made(model: Any, told: Mapping[str, Any]) -> Bundle:
    """Turn the fields of the file into objects."""
    return Bundle(
        model,
        Schema.from_dict(told["schema"]),
        Window(**told["window"]),
        Scaler.from_dict(told["scaler"]),
        tuple(told["series"]),
        told["versions"] | told["facts"],
        tuple(told["quantiles"]),
        Reach.from_dict(given) if (given := told["intervals"]) else None,
    )


def _check_members(weights: Path) -> None:
    """Refuse an archive that would be unpacked into more than it is, or beside what it is.

    Raises:
        ValueError: A member has another name than Keras gives, or is compressed.
        OSError: There is no such file.
        BadZipFile: It is no archive.
    """
    with zipfile.ZipFile(weights) as archive:
        for member in archive.infolist():
            if member.filename not in MEMBERS or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename[:100]!r} is no member that Keras writes")
