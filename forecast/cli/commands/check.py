"""`forecast check`: what is in a data set and what is wrong with it; `leak=true` trains twice."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from forecast.cli import output
from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, console, print_table, say
from forecast.data import quality, split
from forecast.data.quality import Quality
from forecast.evaluation import preparation
from forecast.evaluation.leakage import columns
from forecast.workflows import load, proof
from forecast.workflows.load import Loaded

NETWORK = ("model", "training", "gates", "tracking", "experiment")
"""Groups whose values only the network and its observers judge, for which TensorFlow is started."""


SHOWN = 20
"""Series that have a line each; of more a summary is printed, and all are written to a file."""

WORST = 5
"""Series of a summary that lack most, and that are shortest."""

ENDS = (".csv", ".parquet")
"""Of the file."""


def run_check(request: Request) -> Quality:
    """Print the data-quality report, then do what a training does before its network is made."""
    settings = request.settings
    written = output.place(settings.output, f"series_{load.name(settings)}{ENDS[0]}", ENDS)
    with busy("data", "reading"):
        source, frame = load.rows(settings)
        window = load.window(settings)
        found = quality.report(frame, load.schema(settings, frame.columns), window)
    _show(found, request, load.without_names(frame.columns))
    if settings.output or len(found.series) > SHOWN:
        _write(found.to_frames()["series"], written)
    with busy("data", "checking"):
        data = load.made(settings, source, frame)
        _prepare(request, data)
    for copy in columns.canary(data.table, window):
        say("warning", f"{copy}: the future may leak through it")
    if settings.leak:
        console.print()
        proof.require(settings, data, say=say)
    console.print()
    return found


def _show(found: Quality, request: Request, more: str) -> None:
    """Print the report; `more` ends the line of the data."""
    settings, window = request.settings, load.window(request.settings)
    frames = found.to_frames()
    if not frames["columns"].constant.any():
        del frames["columns"]["constant"]
    say("data", f"{load.name(settings)}: {found.rows:,} rows, {found.first} to {found.last}{more}")
    say(
        "grid",
        f"frequency {found.frequency}, {found.duplicated_stamps} duplicate time stamps, "
        f"{found.duplicated_rows} duplicate rows",
    )
    _print_series(frames["series"])
    _print("Columns", frames["columns"])
    _print(f"Windows of {window.timesteps} → {window.horizon} kept", frames["windows"])
    for fault in found.faults:
        say("fault", fault)


def _print_series(series: pd.DataFrame) -> None:
    """Print a line for each series, or of many how long they are and which lack most."""
    if len(series) <= SHOWN:
        _print("Series", series)
        return
    rows, gaps = series.rows, pd.to_numeric(series.gaps) > 0
    some = f"{gaps.sum():,}" if gaps.any() else "none"
    begin, end = (_between(series[name]) for name in ("first", "last"))
    say(
        "series",
        f"{len(series):,} of {rows.min():,} to {rows.max():,} rows (median {rows.median():,.0f}), "
        f"{some} with gaps; they begin {begin} and end {end}",
    )
    if gaps.any():
        worst = series[gaps].sort_values("absent", ascending=False, kind="stable").head(WORST)
        _print(f"The {len(worst)} series that lack most", worst)
    shortest = series.sort_values("rows", kind="stable").head(WORST)
    _print(f"The {len(shortest)} shortest series", shortest)


def _between(stamps: pd.Series) -> str:
    """Write when the first and the last of some begin, or end."""
    first, last = _cell("", stamps.min()), _cell("", stamps.max())
    return first if first == last else f"between {first} and {last}"


def _write(series: pd.DataFrame, path: Path) -> None:
    """Write the table of series."""
    with output.whole(path) as file:
        if path.suffix == ".parquet":
            series.to_parquet(file, index=False)
        else:
            series.to_csv(file, index=False)
    say("wrote", f"{path}: the clock of each of {len(series):,} series")


def _prepare(request: Request, data: Loaded) -> None:
    """Refuse what `train` would refuse before its first step, and count the windows of each span.

    The network is made only where an override could have spoiled it, since TensorFlow takes seconds
    to start.
    """
    spec, table = load.spec(request.settings), data.table
    cuts = split.holdout(table, spec.validation, spec.test)
    spans = [asdict(span) for span in preparation.Prepared(spec, table, cuts).spans()]
    _print(f"Windows by span, data.missing={request.settings.data.missing}", pd.DataFrame(spans))
    if not {key.split(".")[0] for key in errors.typed(request.overrides)} & {*NETWORK}:
        preparation.prepare(spec, table)
        return
    from forecast.evaluation import experiment
    from forecast.training import runtime
    from forecast.workflows import gates

    runtime.start(spec.training.threads)
    gates.check_gates(request.settings)
    experiment.prepare(spec, table)


def _print(title: str, frame: pd.DataFrame) -> None:
    """Print a frame, shares as per cent."""
    if frame.empty:
        return
    print_table(
        title,
        ["", *(str(column).replace("_", " ") for column in frame.columns[1:])],
        [[_cell(name, value) for name, value in row.items()] for _, row in frame.iterrows()],
    )


def _cell(column: Any, value: Any) -> Any:
    """Write a share as per cent, a date without a zero time, a missing value as nothing."""
    if value is None or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return ""
    if column == "constant":
        return "yes" if value else "no"
    if column == "share":
        return f"{value:.1%}"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value
