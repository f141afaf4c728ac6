"""`forecast check`: what is in a data set and what is wrong with it; `leak=true` trains twice."""

from typing import Any

import pandas as pd

from forecast.commands import build, proof
from forecast.commands.config import Request
from forecast.commands.console import say, table
from forecast.commands.terminal import busy, console
from forecast.data import canary, quality
from forecast.data.quality import Quality
from forecast.errors import InputError


def run(request: Request) -> Quality:
    """Print the data-quality report.

    Args:
        request: The configuration.

    Returns:
        The report.

    Raises:
        InputError: The data set has faults that training would refuse, or, with `leak=true`,
            something leaks; all are printed before.
    """
    settings = request.settings
    with busy("data", "reading"):
        _, frame = build.rows(settings)
        window = build.window(settings)
        found = quality.report(frame, build.schema(settings, frame.columns), window)
    frames = found.to_frames()
    if not frames["columns"].constant.any():
        del frames["columns"]["constant"]
    say("data", f"{build.name(settings)}: {found.rows:,} rows, {found.first} to {found.last}")
    say(
        "grid",
        f"frequency {found.frequency}, {found.duplicated_stamps} time stamps twice, "
        f"{found.duplicated_rows} rows twice",
    )
    for name, title in (
        ("series", "Series"),
        ("columns", "Columns"),
        ("windows", f"Windows of {window.timesteps} → {window.horizon} kept"),
    ):
        _print(title, frames[name])
    for fault in found.faults:
        say("fault", fault)
    if found.faults:
        raise InputError(
            f"data must be without faults to train, got {len(found.faults)}, see above: mend them"
        )
    data = build.load(settings)
    for copy in canary.canary(data.table, window):
        say("warning", f"{copy}: the future may leak through it")
    if settings.leak:
        console.print()
        proof.require(settings, data)
    console.print()
    return found


def _print(title: str, frame: pd.DataFrame) -> None:
    """Print a frame, shares as per cent."""
    if frame.empty:
        return
    table(
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
