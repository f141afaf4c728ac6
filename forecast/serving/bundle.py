"""A trained run as two files: weights as `.keras`, everything else as JSON. No pickle anywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import clock, panel, windows
from forecast.data.scale import Scaler
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, nearest
from forecast.evaluation.intervals.reach import Reach
from forecast.training import runtime
from forecast.training.forecaster import BATCH, Forecaster
from forecast.training.parameters import Training

FORMAT = 1
"""Version of the files; a reader refuses those it does not know."""

WEIGHTS, FACTS = "model.keras", "bundle.json"


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
        made = self.schema.known_future and not self.schema.known_columns
        rows = self.window.lead + self.window.horizon if made else 0
        table = panel.build(frame, self.schema, ahead=rows).padded(self.window.timesteps)
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

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast what follows the last row of every series.

        Where columns are known ahead, it is the last row with a known target.

        Args:
            frame: Raw rows, at least the last `timesteps` of each series, and behind them the rows
                of its future with what is known of them.

        Returns:
            One row for each series, step and target: series, origin, time, step, target, forecast,
            lower and upper where the bundle has intervals, and a column such as q0.05 for each
            quantile.

        Raises:
            InputError: No series has an unbroken window at its end, or what is known of its future.
        """
        from forecast.training.fitting import predict

        table = self.table(frame)
        starts = windows.latest(table, self.window)
        if not len(starts):
            self._refuse_short_future(table)
            raise InputError(
                f"data must end with window.timesteps={self.window.timesteps} rows without a hole, "
                f"got {len(table)} rows of {len(set(table.series))} series, none of them so: "
                "send more or fill the newest"
            )
        runtime.start()
        values = predict(
            self.model,
            self.scaler,
            table,
            self.window,
            starts,
            batch_size=min(BATCH, len(starts)),
            levels=self.quantiles,
        )
        return self._tidy(table, starts, values)

    def _refuse_short_future(self, table: Table) -> None:
        """Say how far the known columns must reach, where a series could be forecast with them."""
        past = replace(table, known=())
        for origin in windows.origins(table) if table.known else ():
            rows = np.flatnonzero(table.series == table.series[origin])
            until_origin = past.take(rows[rows <= origin])
            if not len(windows.latest(until_origin, self.window)):
                continue  # its past is at fault
            asked = self.window.lead + self.window.horizon
            until = clock.following(table.time[origin], str(table.frequency), asked)[-1]
            known = np.isfinite(table.inputs[rows][:, list(table.known)]).all(axis=1)
            there = rows[(rows > origin) & ~np.logical_or.accumulate(~known & (rows > origin))]
            last = table.time[max(there, default=origin)]
            raise InputError(
                f"data must hold the known-future columns {', '.join(self.schema.known_columns)} "
                f"until {pd.Timestamp(until)}, got rows until {pd.Timestamp(last)}: append rows "
                "with those columns and empty targets"
            )

    def _tidy(self, table: Table, starts: np.ndarray, values: np.ndarray) -> pd.DataFrame:
        """Write forecasts (windows, horizon, targets, levels) as rows."""
        from forecast.training.quantiles import point

        window, parts = self.window, []
        middle = point(values, self.quantiles)
        ends: dict[str, np.ndarray] = {}
        if self.reach is not None:
            both = self.reach.around(values, self.quantiles, middle, table.series[starts])
            ends = dict(zip(("lower", "upper"), both, strict=True))
        for number, start in enumerate(starts):
            origin = table.time[start + window.timesteps - 1]
            ahead = clock.following(origin, str(table.frequency), window.lead + window.horizon)
            steps = np.arange(1, window.horizon + 1)
            for column, target in enumerate(table.targets):
                every = values[number, :, column]  # (horizon, levels)
                parts.append(
                    pd.DataFrame(
                        {
                            "series": self.names[table.series[start]],
                            "origin": origin,
                            "time": ahead[window.lead :],
                            "step": steps,
                            "target": target,
                            "forecast": middle[number, :, column],
                        }
                        | {name: end[number, :, column] for name, end in ends.items()}
                        | {f"q{q:g}": every[:, place] for place, q in enumerate(self.quantiles)}
                    )
                )
        return pd.concat(parts, ignore_index=True)


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
    everything = {
        "format": FORMAT,
        "schema": _served(schema, forecaster.frequency_).to_dict(),
        "window": window.get_params(),
        "scaler": forecaster.scaler_.to_dict(),
        "series": list(forecaster.names_),
        "quantiles": list((forecaster.training or Training()).quantiles),
        "intervals": reach and reach.to_dict(),
        "versions": {name: version(name) for name in packages},
        "facts": dict(facts),
    }
    forecaster.model_.save(folder / WEIGHTS)
    text = json.dumps(everything, indent=1, default=str)
    (folder / FACTS).write_text(text, encoding="utf-8")
    return [folder / WEIGHTS, folder / FACTS]


def _served(schema: Schema, frequency: str | None) -> Schema:
    """Fix the frequency, which a few new rows may not tell, and ask only for columns in use."""
    used = {*schema.inputs, *schema.targets}
    return replace(
        schema,
        frequency=frequency,
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
    try:
        plain = json.loads((folder / FACTS).read_text("utf-8"))
        found = plain["format"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"bundle must be a folder with {FACTS} and {WEIGHTS}, got {str(folder)!r} "
            f"({type(error).__name__}): download the run's model/ again"
        ) from error
    if found != FORMAT:
        raise InputError(
            f"bundle format must be {FORMAT}, got {found!r}: use the version of forecast that "
            f"wrote it ({plain.get('versions', {}).get('forecast', 'unknown')})"
        )
    runtime.start()
    import keras

    import forecast.models  # noqa: F401  registers our layers with Keras

    try:
        model = keras.saving.load_model(folder / WEIGHTS, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"bundle must hold a whole {WEIGHTS}, got {str(folder / WEIGHTS)!r} ({reason}): "
            "download the run's model/ again"
        ) from error
    return Bundle(
        model,
        Schema.from_dict(plain["schema"]),
        Window(**plain["window"]),
        Scaler.from_dict(plain["scaler"]),
        tuple(plain["series"]),
        plain["versions"] | plain["facts"],
        tuple(plain.get("quantiles", ())),
        Reach.from_dict(told) if (told := plain.get("intervals")) else None,
    )
