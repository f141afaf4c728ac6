"""The newest forecasts as a table on the terminal: a few steps of each series, with their dates."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pandas as pd
from rich.cells import cell_len
from rich.text import Text

from forecast.cli.console import console, print_table, say

MOST = 12
"""Series and targets that are printed."""

LABEL = 20
"""Columns of the terminal that the name of a series gets, however wide its numbers are."""

YEAR = pd.Timedelta(days=300)
"""Forecasts that reach further need years beside their days."""


def show(found: pd.DataFrame) -> None:
    """Print a few steps of every series, with the dates of each."""
    every = found.groupby(["series", "target"], sort=False)
    groups = list(islice(every, MOST))
    shown = pd.concat([part for _, part in groups])
    common = shown.origin.nunique() == 1
    zone = "" if shown.origin.dt.tz is None else " UTC"
    last = int(shown.step.max())
    steps = sorted({1, *(max(1, round(last * part / 4)) for part in (1, 2, 3)), last})
    day = "%d %b %Y" if shown.time.max() - shown.time.min() > YEAR else "%d %b"
    columns = []
    for step in steps:
        at = [part[part.step == step].iloc[0] for _, part in groups]
        head = f"+{step}" + (f"\n{at[0].time:{day}}\n{at[0].time:%H:%M}" if common else "")
        columns.append([head, *(_cell(row, "" if common else f"{day} %H:%M") for row in at)])
    origins = [part.origin.iloc[0] for _, part in groups]
    labels = [f"{series} {target}" for (series, target), _ in groups]
    title = f"Forecast from {origins[0]:%Y-%m-%d %H:%M}{zone}"
    if not common:
        title = f"Forecast from the last row of each series{zone and ', in UTC'}"
        pairs = zip(labels, origins, strict=True)
        labels = [f"{label}\nfrom {origin:%Y-%m-%d %H:%M}" for label, origin in pairs]
    kept, room = _that_fit(columns, max(map(_width, labels)), console.width)
    rows = [_folded(label, room) for label in labels]
    print_table(
        title,
        ("", *(head for head, *_ in kept)),
        zip(rows, *(own for _, *own in kept), strict=True),
    )
    if every.ngroups > MOST:
        say("", f"and {every.ngroups - MOST:,} more lines in the file")


def _cell(row: Any, dated: str) -> str:
    """Write a forecast, above it its date where asked, below it its interval where it has one."""
    lines = [f"{row.time:{dated}}"] if dated else []
    lines.append(f"{row.forecast:.4g}")
    if "lower" in row and pd.notna(row.lower) and pd.notna(row.upper):
        lines.append(f"{row.lower:.4g}…{row.upper:.4g}")
    return "\n".join(lines)


def _that_fit(
    columns: Sequence[Sequence[str]], label: int, width: int
) -> tuple[list[Sequence[str]], int]:
    """Choose steps, the last among them, whose numbers fit beside a label without being broken."""
    choices = [list(columns), [columns[0], columns[len(columns) // 2], columns[-1]]]
    choices += [[columns[0], columns[-1]], [columns[-1]]]
    for kept in choices:
        room = width - sum(max(map(_width, column)) + 2 for column in kept)
        if room >= min(label, LABEL):
            break
    return kept, max(1, min(room, label))


def _width(text: str) -> int:
    """Return how wide a text of some lines is on a terminal."""
    return max(map(cell_len, text.split("\n")))


def _folded(label: str, width: int) -> str:
    """Break a label into lines of a width."""
    return "\n".join(
        line.plain.rstrip() for line in Text(label).wrap(console, width, overflow="fold")
    )
