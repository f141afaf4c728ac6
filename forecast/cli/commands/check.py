"""`forecast check`: what is in a data set and what is wrong with it; `leak=true` trains twice."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from forecast.cli import output
from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, console, print_table, say, say_left_out
from forecast.data import quality, split
from forecast.data.columns import coded_labels
from forecast.data.quality import Quality
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import preparation
from forecast.evaluation.leakage import columns
from forecast.workflows import load, proof
from forecast.workflows.load import Loaded
from forecast.workflows.loaded import inside

NETWORK = ("model", "training", "gates", "tracking", "experiment")
"""Groups whose values only the network and its observers judge, for which TensorFlow is started."""


SHOWN = 20
"""Series that have a line each; of more a summary is printed, and all are written to a file."""

WORST = 5
"""Series of a summary that lack most, and that are shortest."""

LABELS = 8
"""Labels of a column of text that are named."""

ENDS = (".csv", ".parquet")
"""Of the file."""

ROWS = 500_000
"""Rows of a table larger than memory that are reported on together, about."""


def run_check(request: Request) -> Quality:
    """Print the data-quality report, then do what a training does before its network is made."""
    settings = request.settings
    written = output.place(settings.output, f"series_{load.name(settings)}{ENDS[0]}", ENDS)
    window = load.window(settings)
    with busy("data", "reading"):
        source = load.opening(settings.data)
        large, frame = load.too_many(settings, source) is not None, pd.DataFrame()
        if large:
            names = source.columns()
            meaning = load.with_labels(settings, source, load.schema(settings, names))
            parts = _of_whole_series(load.in_order(settings, source, names), meaning)
            found = quality.together([*_reports(parts, meaning, window)], meaning, window)
        else:
            frame = inside(opened.read(source), settings.data)
            names = list(frame.columns)
            meaning = load.found_in(settings, frame)
            found = quality.report(frame, meaning, window)
    _show(found, request, load.without_names(names))
    for text in meaning.others:
        labels = meaning.classes[text]
        more = f" and {len(labels) - LABELS} more" if len(labels) > LABELS else ""
        some = f"{len(labels)} of the training rows ({', '.join(labels[:LABELS])}{more})"
        say("labels", f"{text}: {some}, and other")
    if settings.output or len(found.series) > SHOWN:
        _write(found.to_frames()["series"], written)
    with busy("data", "checking"):
        data = load.load(settings, source) if large else load.made(settings, source, frame)
        table = _prepare(request, data)
    for copy in columns.canary(table, window):
        say("warning", f"{copy}: the future may leak through it")
    if settings.leak:
        console.print()
        proof.require(settings, data, say=say)
    console.print()
    return found


def _of_whole_series(frames: Iterable[pd.DataFrame], schema: Schema) -> Iterator[pd.DataFrame]:
    """Join sorted rows to frames of whole series, each of `ROWS` rows or more."""
    held: list[pd.DataFrame] = []
    for frame in frames:
        held.append(frame)
        if sum(map(len, held)) < ROWS:
            continue
        rest = pd.concat(held, ignore_index=True)
        code, names = coded_labels(rest, schema)
        held = [rest]
        if len(names) > 1:
            last = int((code == code[-1]).argmax())
            yield rest.iloc[:last]
            held = [rest.iloc[last:]]
    if held:
        yield pd.concat(held, ignore_index=True)


def _reports(frames: Iterable[pd.DataFrame], schema: Schema, window: Window) -> Iterator[Quality]:
    """Report on frames of some series each, all on the clock of the first one."""
    before = 0
    for frame in frames:
        found = quality.report(frame, schema, window, before=before)
        schema = replace(schema, frequency=schema.frequency or found.frequency)
        before += len(frame)
        yield found


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


def _prepare(request: Request, data: Loaded) -> Table:
    """Refuse what `train` would refuse before its first step, and count the windows of each span.

    The network is made only where an override could have spoiled it, since TensorFlow takes seconds
    to start. Returns the rows at hand, all or some of them.
    """
    spec, memory = load.spec(request.settings), load.memory(request.settings)
    title = f"Windows by span, data.missing={request.settings.data.missing}"
    if isinstance(data.content, Table):  # before anything is refused
        table = data.table
        cuts = split.holdout(table, spec.validation, spec.test)
        spans = preparation.Prepared(spec, table, cuts).spans()
        _print(title, pd.DataFrame(map(asdict, spans)))
        say_left_out(preparation.without_window(table, spec.window), spec.window.span)
    if not {key.split(".")[0] for key in errors.typed(request.overrides)} & {*NETWORK}:
        prepared = preparation.prepare(spec, data.content, memory=memory)
        if not isinstance(data.content, Table):
            _print(title, pd.DataFrame(map(asdict, prepared.spans())))
        return prepared.table
    from forecast.evaluation import experiment
    from forecast.training import runtime
    from forecast.workflows import gates

    runtime.start(spec.training.threads)
    gates.check_gates(request.settings)
    return experiment.prepare(spec, data.content, memory=memory).table


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
