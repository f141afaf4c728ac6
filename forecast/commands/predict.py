"""`forecast predict run=…`: what follows the newest rows, or all rows, as table and picture."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import numpy as np
import pandas as pd

from forecast.commands import build, output
from forecast.commands.config import Request
from forecast.commands.console import say, table
from forecast.commands.served import Served, find
from forecast.commands.terminal import busy
from forecast.data import clock, source
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import figures
from forecast.serving.bundle import Bundle

HISTORY = 3
"""Look-backs of history that the picture shows."""

PIPE = "-"
"""As `data.path` standard input, as `output` standard output."""

ENDS = (".csv", ".parquet")


def run(request: Request) -> pd.DataFrame:
    """Forecast the next horizon from the newest rows, by default of the file that was trained on.

    Args:
        request: The configuration; `run` names what predicts, `data.path` the newest rows.

    Returns:
        One row for each window, target and step.
    """
    settings = request.settings
    if not settings.run:
        raise InputError("run must be the id of a trained run, got nothing: see it in `make ui`")
    piped = settings.output == PIPE
    if not piped:
        output.place(settings.output, f"forecast{ENDS[0]}", ENDS)  # before anything is fetched
    with busy("predict", "reading and forecasting"):
        served = find(settings.run, settings.tracking)
        rows = served.bundle.table(_rows(request, served))
        found = served.bundle.forecasts(rows, history=settings.history)
    left_out = sorted({rows.names[code] for code in np.unique(rows.series)} - {*found.series})
    if piped:
        _warn(left_out, sys.stderr)
        found.to_csv(sys.stdout, index=False)
        return found
    newest = found[found.origin == found.groupby("series").origin.transform("max")]
    out = output.place(settings.output, f"forecast_{served.name}{ENDS[0]}", ENDS)
    picture = out.with_suffix(".png")
    drawn = figures.prediction(
        _history(rows, served.bundle, newest), newest, served.bundle.schema.units
    )
    with output.whole(picture) as image, output.whole(out) as file:
        if out.suffix == ".parquet":
            found.to_parquet(file, index=False)
        else:
            found.to_csv(file, index=False)
        drawn.savefig(image, dpi=120)
    _show(newest)
    _warn(left_out, None)
    count = len(found.drop_duplicates(["series", "origin"]))
    say("wrote", f"{out} with {count:,} forecast{'s' * (count > 1)}, and {picture}")
    return found


def _rows(request: Request, served: Served) -> pd.DataFrame:
    """Read the rows that the command names, or the file that the run was trained on."""
    data, schema = request.settings.data, served.bundle.schema
    if not any(text.lstrip("+").startswith("data") for text in request.overrides):
        return _recorded(served)
    frame = (
        _piped(data.format)
        if data.path == PIPE
        else source.read(build.where(data.path, data.sha256), data.format)
    )
    if (data.since is None and data.until is None) or schema.time not in frame.columns:
        return frame
    time = clock.parse(frame[schema.time], schema.time_format)
    return frame[source.between(time, data.since, data.until)]


def _recorded(served: Served) -> pd.DataFrame:
    """Read the file that the run was trained on."""
    recorded = {key: text for key, text in served.recorded.items() if text != "None"}
    if "data.path" not in recorded:
        raise InputError(
            "data.path must be given where run= names no run that knows its data, got nothing: "
            "add data.path=newest.csv, or data.path=- for standard input"
        )
    where = build.where(recorded["data.path"], recorded.get("data.sha256"))
    return source.read(where, recorded.get("data.format"))


def _piped(kind: str | None) -> pd.DataFrame:
    """Read standard input, CSV or Parquet."""
    raw = sys.stdin.buffer.read()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "piped"
        file.write_bytes(raw)
        try:
            return source.read(file, kind or ("parquet" if raw.startswith(b"PAR1") else "csv"))
        except InputError as error:
            raise InputError(str(error).replace(str(file), PIPE)) from error


def _warn(left_out: list[str], file: TextIO | None) -> None:
    """Say which series have no forecast, on the terminal or in a file."""
    if not left_out:
        return
    shown = ", ".join(left_out[:5]) + (" …" if len(left_out) > 5 else "")
    text = f"no forecast of {shown}: too few rows, or a hole among the newest"
    if file is None:
        say("warning", text)
    else:
        print(f"forecast: {text}", file=file)


def _history(rows: Table, bundle: Bundle, found: pd.DataFrame) -> pd.DataFrame:
    """Return the newest targets up to each origin, in the picture's form."""
    origins = found.groupby("series").origin.first().reindex(list(rows.names))
    past = rows.time <= origins.to_numpy("datetime64[ns]")[rows.series]
    newest = rows.take(past).newest(HISTORY * bundle.window.timesteps)
    parts = [
        pd.DataFrame(
            {
                "series": np.asarray(newest.names, object)[newest.series],
                "time": newest.time,
                "target": target,
                "value": newest.outputs[:, column],
            }
        )
        for column, target in enumerate(newest.targets)
    ]
    return pd.concat(parts, ignore_index=True)


def _show(found: pd.DataFrame) -> None:
    """Print a few steps of every series."""
    last = int(found.step.max())
    steps = sorted({1, *(max(1, round(last * part / 4)) for part in (1, 2, 3)), last})
    groups = list(found.groupby(["series", "target"], sort=False))[:12]
    times = groups[0][1].set_index("step").time
    table(
        f"Forecast from {found.origin.iloc[0]:%Y-%m-%d %H:%M}",
        ("", *(f"+{step}\n{times[step]:%d %b}\n{times[step]:%H:%M}" for step in steps)),
        [
            (f"{series} {target}", *_cells(part.set_index("step").loc[steps]))
            for (series, target), part in groups
        ],
    )


def _cells(part: pd.DataFrame) -> list[Any]:
    """Write the forecast of each step, its interval below it."""
    if "lower" not in part:
        return list(part.forecast)
    return [f"{row.forecast:.4g}\n{row.lower:.4g}…{row.upper:.4g}" for row in part.itertuples()]
