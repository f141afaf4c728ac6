"""The way from raw rows to a table, held against another future of the raw rows."""

import numpy as np

from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation.leakage import perturb
from forecast.evaluation.leakage.case import Case, Check
from forecast.evaluation.leakage.perturb import Raw, date, first, place

HOLES = 2
"""Moments behind a hole at which raw rows are cut, beside the ends of both spans."""


def rows(case: Case, raw: Raw) -> Check:
    """Build the table again from raw rows that are other ones after a moment.

    Args:
        case: The experiment.
        raw: What its table was built from.

    Returns:
        Whether no row before the moment has changed.

    Raises:
        InputError: The table was built from something else.
    """
    table, stamps = case.table, raw.time
    moments = _moments(case, raw, stamps)
    compared = f"{len(table):,} rows built from {len(moments)} frames of another future"
    for number, moment in enumerate(moments):
        frame = perturb.frame(raw, stamps > moment, case.rng(100 + number))
        told = f"raw rows after {date(moment)}"
        offender = _moved(table, raw.table(frame, case.window.timesteps), table.time <= moment)
        if offender:
            if _moved(table, raw.table(raw.frame, case.window.timesteps), table.time == table.time):
                raise InputError(
                    "raw must be what the table was built from, got a frame and a schema that "
                    "build another one: give those of this table"
                )
            return Check("rows", told, compared, False, offender)
    return Check("rows", f"raw rows after {len(moments)} moments", compared, True)


def _moved(table: Table, other: Table, rows: np.ndarray) -> str:
    """Say what differs between two tables in some rows; nothing where they are equal."""
    if table.features != other.features or table.targets != other.targets:
        return f"columns {', '.join(sorted({*table.features} ^ {*other.features}))}"
    if len(table) != len(other) or not np.array_equal(table.time, other.time):
        return f"{len(other):,} rows in place of {len(table):,}"
    for kind, names in (("inputs", table.features), ("outputs", table.targets)):
        where = first(getattr(table, kind), getattr(other, kind), rows)
        if where:
            return f"{kind[:-1]} {names[where[1]]!r} of {place(table, where[0])}"
    return ""


def _moments(case: Case, raw: Raw, stamps: np.ndarray) -> list[np.datetime64]:
    """Choose where raw rows are cut: at the end of both spans, and where a hole would be filled."""
    time, schema = case.table.time, raw.schema
    ends = [time[time < cut].max() for cut in (case.cuts.validation, case.cuts.test)]
    there = [name for name in raw.frame.columns if name not in schema.static]
    holes = stamps[raw.frame[there].isna().any(axis=1).to_numpy()]
    grid, rows_of = np.unique(time, return_counts=True)
    given, count = np.unique(stamps, return_counts=True)
    have = np.zeros(len(grid), int)
    found = np.isin(grid, given)
    have[found] = count[np.searchsorted(given, grid[found])]
    holes = np.unique(np.concatenate([holes, grid[rows_of > have]]))
    holes = holes[(holes > stamps.min()) & (holes < stamps.max())]
    picked = (
        holes[np.linspace(0, len(holes) - 1, HOLES + 2).astype(int)[1:-1]] if len(holes) else []
    )
    return list(np.unique(np.array([*ends, *picked], time.dtype)))
