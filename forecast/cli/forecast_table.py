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
    zone = _zone(shown.origin)
    last = int(shown.step.max())
    steps = sorted({1, *(max(1, round(last * part / 4)) for part in (1, 2, 3)), last})
    day = _form(shown.time)
    columns = []
    for step in steps:
        at = [part[part.step == step].iloc[0] for _, part in groups]
        head = f"+{step}" + (_when(at[0].time, f"\n{day}\n%H:%M") if common and day else "")
        dated = f"{day} %H:%M" if day and not common else ""
        columns.append([head, *(_cell(row, dated) for row in at)])
    origins = [part.origin.iloc[0] for _, part in groups]
    labels = [f"{series} {target}" for (series, target), _ in groups]
    title = f"Forecast from {_when(origins[0], '%Y-%m-%d %H:%M')}{zone}"
    if not common:
        title = f"Forecast from the last row of each series{zone and f', in{zone}'}"
        pairs = zip(labels, origins, strict=True)
        labels = [f"{label}\nfrom {_when(origin, '%Y-%m-%d %H:%M')}" for label, origin in pairs]
    kept, room = _that_fit(columns, max(map(_width, labels)), console.width)
    rows = [_folded(label, room) for label in labels]
    print_table(
        title,
        ("", *(head for head, *_ in kept)),
        zip(rows, *(own for _, *own in kept), strict=True),
    )
    if every.ngroups > MOST:
        say("", f"and {every.ngroups - MOST:,} more lines in the file")


def _zone(stamps: pd.Series) -> str:
    """Name the zone that time stamps state, if they do."""
    zone = stamps.dt.tz if stamps.dtype.kind == "M" else None
    return "" if zone is None else f" {zone}"


def _form(time: pd.Series) -> str:
    """Return how dates are written above forecasts; nothing where the clock tells none."""
    if time.dtype.kind != "M" or time.isna().all():
        return ""
    return "%d %b %Y" if time.max() - time.min() > YEAR else "%d %b"


def _when(moment: Any, form: str) -> str:
    """Write a time stamp, or the number that stands for one."""
    return f"{moment:{form}}" if isinstance(moment, pd.Timestamp) else f"{moment:,}"


def _cell(row: Any, dated: str) -> str:
    """Write a forecast, above it its date where asked, below it its interval where it has one."""
    lines = [_when(row.time, dated)] if dated else []
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
