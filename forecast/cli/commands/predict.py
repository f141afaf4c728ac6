"""`forecast predict run=…`: what follows the newest rows, or all rows, as table and picture."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import clone

from forecast.cli import forecast_table, output, signs
from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, say
from forecast.data import columns
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.sources.source import Source
from forecast.data.stamps import reading, span
from forecast.data.table import Table, listed
from forecast.errors import InputError
from forecast.parallel.pool import Pool
from forecast.report import figures
from forecast.serving import longer, unseen
from forecast.serving.mixture import Predictor
from forecast.serving.model import Bundle
from forecast.serving.parts import Parts
from forecast.workflows import load, predicted, workers
from forecast.workflows.served import Served, find, recorded, recorded_dialect
from forecast.workflows.settings import Config, DataConfig

HISTORY = 3
"""Look-backs of history that the picture shows."""

PIPE = "-"
"""As `data.path` standard input, as `output` standard output."""

ENDS = (".csv", ".parquet")


def run_predict(request: Request) -> pd.DataFrame | None:
    """Forecast the next horizon from the newest rows, by default of the file trained on.

    Rows that memory does not hold are forecast part by part, and no table of all is returned.
    """
    settings = request.settings
    if not settings.run:
        raise InputError(
            "run must be the id of a trained run, got nothing: write run=last, or see "
            "`forecast runs`"
        )
    workers.check(settings)
    piped = settings.output == PIPE
    if not piped:
        output.place(settings.output, f"forecast{ENDS[0]}", ENDS)  # before anything is fetched
    typed = errors.typed(request.overrides)
    with busy("predict", "reading and forecasting"):
        served = find(settings.run, settings.tracking)
        errors.refuse_fixed(served.bundle, settings, request.overrides)
        horizon = _horizon(settings, typed, served.bundle)
        source, memory = _source(settings, typed, served), load.memory(settings)
        if isinstance(source, Source) and not predicted.fits(source, memory):
            if isinstance(served.bundle, Bundle) and not served.bundle.whole and not horizon:
                schema = _schema(settings, typed, served, source.columns())
                large = replace(served.bundle, schema=schema)
                span = settings.data.since, settings.data.until
                asked = predicted.Asked(source, settings.history, span, memory)
                with workers.pool(settings) as pool:
                    _in_parts(large, served.name, asked, settings.output, pool)
                return None
            predicted.refuse_more(source, memory)
        frame = opened.read(source) if isinstance(source, Source) else source
        schema = _schema(settings, typed, served, frame.columns)
        bundle = replace(served.bundle, schema=schema)
        new = _between(frame, settings, schema)
        if horizon:
            rows, found = longer.answer(bundle, new, horizon)
        else:
            rows, found = bundle.answer(new, history=settings.history)
    left_out = sorted({rows.names[code] for code in np.unique(rows.series)} - {*found.series})
    fresh = [name for name in unseen.new_among(rows.names, bundle.names) if name not in left_out]
    if piped:
        _warn(left_out, len(left_out), sys.stderr)
        _say_new(fresh, bundle, sys.stderr)
        signs.exactly()
        found.to_csv(sys.stdout, index=False)
        return found
    newest = found[found.origin == found.groupby("series").origin.transform("max")]
    out = output.place(settings.output, f"forecast_{served.name}{ENDS[0]}", ENDS)
    with output.whole(out) as file:
        if out.suffix == ".parquet":
            found.to_parquet(file, index=False)
        else:
            found.to_csv(file, index=False)
        _draw(out, rows, bundle, newest)
    forecast_table.show(newest)
    _warn(left_out, len(left_out), None)
    _say_new(fresh, bundle, None)
    if horizon > bundle.window.horizon:
        last = bundle.window.horizon
        text = f"beyond step {last} the model goes on from its own forecasts, without intervals"
        say("horizon", f"{text}: trained for {last}, asked for {horizon}")
    _say_written(out, len(found.drop_duplicates(["series", "origin"])))
    return found


def _horizon(settings: Config, typed: list[str], bundle: Predictor) -> int:
    """Return how many steps are asked for where they are others than in training, else 0."""
    asked = settings.window.horizon
    if errors.HORIZON not in typed or asked == bundle.window.horizon:
        return 0
    clone(bundle.window).set_params(horizon=asked).check()
    if settings.history:
        raise InputError(
            f"window.horizon must be {bundle.window.horizon}, as in training, where history=true "
            f"asks for forecasts of all rows, got {asked}: leave one of them out"
        )
    return asked


def _in_parts(
    bundle: Bundle, name: str, asked: predicted.Asked, place: str | None, pool: Pool
) -> None:
    """Forecast a stream of rows into a file, or to standard output."""
    if place == PIPE:
        signs.exactly()

        def print_rows(number: int, rows: pa.Table) -> None:
            rows.to_pandas().to_csv(sys.stdout, index=False, header=number == 0)

        found = predicted.in_parts(bundle, asked, print_rows, pool=pool)
        _warn(found.named, found.lacking, sys.stderr)
        _warn(found.new, len(found.new), sys.stderr, NEW)
        return
    out = output.place(place, f"forecast_{name}{ENDS[0]}", ENDS)
    about = {
        "model": bundle.digest,
        "schema": bundle.schema.to_dict(),
        "data": asked.source.digest(),
        "history": asked.history,
        "span": asked.span,
    }
    with output.writing(out):
        parts = Parts(out, about)
        if parts.done:
            say("resume", f"goes on behind {parts.done:,} parts of an earlier command")
        try:
            found = predicted.in_parts(
                bundle, asked, parts.put, done=parts.done, again=parts.clear, pool=pool
            )
        except InputError:  # other rows will have other parts
            parts.remove()
            raise
    rows = found.table()
    newest = bundle.forecasts(rows)
    with output.whole(out) as file:
        parts.join(file)
        _draw(out, rows, bundle, newest)
    parts.remove()
    forecast_table.show(newest)
    _warn(found.named, found.lacking, None)
    _warn(found.new, len(found.new), None, NEW)
    if len(rows.names) < found.series:
        say("", f"shown are {len(rows.names)} series, drawn out of {found.series:,}")
    _say_written(out, found.count)


def _draw(out: Path, rows: Table, bundle: Predictor, newest: pd.DataFrame) -> None:
    """Draw the newest forecasts beside their file."""
    drawn = figures.prediction(_history(rows, bundle, newest), newest, bundle.schema.units)
    zone = newest.origin.dt.tz if newest.origin.dtype.kind == "M" else None
    if zone is not None:
        drawn.axes[-1].set_xlabel(str(zone))
    with output.whole(out.with_suffix(".png")) as image:
        drawn.savefig(image, dpi=120)


def _say_written(out: Path, count: int) -> None:
    """Say what was written."""
    picture = out.with_suffix(".png")
    say("wrote", f"{out} with {count:,} forecast{'s' * (count > 1)}, and {picture}")


def _source(settings: Config, typed: list[str], served: Served) -> Source | pd.DataFrame:
    """Open the rows that the command names, or the file that the run was trained on.

    Standard input is read at once.
    """
    data = settings.data
    for name in ("time", "wide"):
        known = None if f"data.{name}" in typed else recorded(name, served.recorded)
        if known is not None:
            data = replace(data, **{name: known})
    if "data" not in typed and "data.path" not in typed:
        if served.recorded.get("data.path", "None") == "None":
            raise InputError(
                "data.path must be given where run= names no run that knows its data, got nothing: "
                "add data.path=newest.csv, or data.path=- for standard input"
            )
        changes: dict[str, Any] = {
            key: recorded(key, served.recorded)
            for key in ("sha256", "format", "query", "table")
            if f"data.{key}" not in typed
        }
        changes |= recorded_dialect(served.recorded, typed)
        data = replace(data, path=recorded("path", served.recorded), **changes)
    elif data.path == PIPE:
        return _piped(data, served.bundle.schema)
    elif not {"data", "data.query", "data.table"} & {*typed} and opened.is_database(data.path):
        asked = {key: recorded(key, served.recorded) for key in ("query", "table")}
        data = replace(data, **asked)
    return load.opening(data, served.bundle.schema)


def _schema(settings: Config, typed: list[str], served: Served, columns: Iterable[str]) -> Schema:
    """Return what the columns of new rows mean: as in training, under the names of their file."""
    data, trained, there = settings.data, served.bundle.schema, set(columns)
    changes: dict[str, object] = {}
    if "data.time" in typed or ("data" in typed and trained.time not in there):
        changes["time"] = load.time_name(data)
    as_many = len(data.series) == len(trained.series)
    if "data.series" in typed and not as_many:
        raise errors.fixed_otherwise("data.series", trained.series, data.series)
    if as_many and ("data.series" in typed or ("data" in typed and not {*trained.series} <= there)):
        changes["series"] = tuple(data.series)
    if "data.time_format" in typed or ("data" in typed and data.time_format is not None):
        changes["time_format"] = data.time_format
    if "data.duplicates" in typed:
        changes["duplicates"] = data.duplicates
    if "data.targets" in typed and data.targets == errors.ALL:
        errors.refuse_other_columns(served.bundle, columns, settings)
    return replace(trained, **changes)  # type: ignore[arg-type]


def _between(frame: pd.DataFrame, settings: Config, schema: Schema) -> pd.DataFrame:
    """Return the rows of the span that was asked for."""
    since, until = settings.data.since, settings.data.until
    if (since is None and until is None) or schema.time not in frame.columns:
        return frame
    time = columns.moments(frame, schema).time
    return frame[span.between(time, since, until)]


def _piped(data: DataConfig, trained: Schema) -> pd.DataFrame:
    """Read standard input."""
    raw = sys.stdin.buffer.read()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "piped"
        file.write_bytes(raw)
        try:
            kind = data.format or opened.guessed(raw)
            how, texts = load.dialect(data), load.texts(data, trained)
            return opened.read(opened.open(file, kind, dialect=how, texts=texts))
        except InputError as error:
            raise InputError(str(error).replace(str(file), PIPE)) from error


SHORT = "too few rows, or a missing value among the newest"
NEW = "training has not seen them, and memory does not hold all rows: send them alone"
"""Why series have no forecast."""


def _warn(left_out: list[str], count: int, file: TextIO | None, why: str = SHORT) -> None:
    """Say which series have no forecast, the first of so many, on the terminal or in a file."""
    if not left_out:
        return
    more = f" and {count - 5:,} more" if count > 5 else ""
    shown = ", ".join(left_out[:5]) + more
    _tell("warning", f"no forecast for {shown}: {why}", file)


def _say_new(new: list[str], bundle: Predictor, file: TextIO | None) -> None:
    """Say which series training has not seen, and how they are forecast."""
    if new:
        first = bundle if isinstance(bundle, Bundle) else bundle.members[0]
        own = "the scale of all" if unseen.one_for_all(first.scaler) else "mean and scale of its"
        rest = "series" if own == "the scale of all" else "own rows"
        _tell("new", f"not seen in training, forecast by {own} {rest}: {listed(new, 3)}", file)


def _tell(head: str, text: str, file: TextIO | None) -> None:
    """Say something on the terminal, or in a file."""
    if file is None:
        say(head, text)
    else:
        print(f"forecast: {text}", file=file)


def _history(rows: Table, bundle: Predictor, found: pd.DataFrame) -> pd.DataFrame:
    """Return the newest targets up to each origin, in the picture's form."""
    origins = found.groupby("series").origin.first().reindex(list(rows.names))
    ends = origins
    if isinstance(origins.dtype, pd.DatetimeTZDtype):
        ends = origins.dt.tz_convert("UTC").dt.tz_localize(None)
    past = rows.time <= ends.to_numpy(rows.time.dtype)[rows.series]
    newest = rows.take(past).newest(HISTORY * bundle.window.timesteps)
    parts = [
        pd.DataFrame(
            {
                "series": np.asarray(newest.names, object)[newest.series],
                "time": reading.written(newest.time, rows.zoned, rows.zone, rows.frequency),
                "target": target,
                "value": newest.outputs[:, column],
            }
        )
        for column, target in enumerate(newest.targets)
    ]
    return pd.concat(parts, ignore_index=True)
