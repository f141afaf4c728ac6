"""Random panels, and the loops that the array code is held against."""

import math

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window

QUIET = settings(deadline=None, derandomize=True, database=None, max_examples=80)
START = pd.Timestamp("2024-01-01")


@st.composite
def windows(draw):
    return Window(draw(st.integers(1, 5)), draw(st.integers(1, 4)), lead=draw(st.integers(0, 3)))


def stretches(least):
    """Ticks in order: a run of some length with up to three of them absent."""
    absent = st.sets(st.integers(0, 19), max_size=3)
    return st.builds(
        lambda first, length, gone: [
            first + n for n in range(length) if n < least or n not in gone
        ],
        st.integers(0, 5),
        st.integers(least, 20),
        absent,
    )


@st.composite
def tables(draw):
    """Up to three series with absent ticks, holes among the inputs and among the outputs."""
    rows = [(code, tick) for code in range(draw(st.integers(1, 3))) for tick in draw(stretches(0))]
    often = st.lists(st.sampled_from([False] * 9 + [True]), min_size=len(rows), max_size=len(rows))
    values = np.arange(2.0 * len(rows)).reshape(len(rows), 2)
    inputs, outputs = values.copy(), values[:, :1].copy()
    inputs[draw(often), 0] = np.nan
    inputs[draw(often), 1] = np.nan
    outputs[draw(often), 0] = np.nan
    series, tick = np.array(rows, int).reshape(-1, 2).T
    names = ("a", "b", "c")
    return Table(inputs, outputs, ("x", "z"), ("y",), series, tick, tick, names)


def windows_by_loop(table, window, within=None, truth="whole"):
    """Walk over every row and every row of its window, as the definition says it."""
    found = []
    past, skipped, ahead = window.timesteps, window.lead, window.horizon
    unknown = []
    if table.indicators:
        unknown = [all(v == 1 for v in row[-table.indicators :]) for row in table.inputs]
    for start in range(len(table)):
        good = not unknown or not all(unknown[start : start + past])
        known = False
        for step in range(past + skipped + ahead):
            row = start + step
            if row >= len(table):
                good = False
                break
            if table.series[row] != table.series[start]:
                good = False
            if table.tick[row] != table.tick[start] + step:
                good = False
            hole = any(math.isnan(value) for value in table.inputs[row])
            if step < past and hole and not table.indicators:
                good = False
            unforeseen = any(math.isnan(table.inputs[row][place]) for place in table.known)
            if step >= past and unforeseen and not table.indicators:
                good = False
            if step >= past + skipped:
                holes = [math.isnan(value) for value in table.outputs[row]]
                if truth == "whole" and any(holes):
                    good = False
                known |= not all(holes)
                if within is not None and not within[row]:
                    good = False
        if good and (known or truth != "some"):
            found.append(start)
    return found


@st.composite
def frames(draw):
    """Raw rows of two series, hourly, in any order, with absent hours and empty fields."""
    values = st.integers(-50, 50) | st.integers(-50, 50) | st.none()
    rows = []
    for name in ("b", "a"):
        hours = draw(stretches(3))
        for hour in hours:
            rows.append((name, START + pd.Timedelta(hours=hour), draw(values), draw(values)))
        rows[-1] = (*rows[-1][:2], 1, 2)  # no column is empty throughout
    rows = draw(st.permutations(rows))
    frame = pd.DataFrame(rows, columns=["station", "time", "load", "temp"])
    return frame.astype({"load": float, "temp": float})


def schema(**changes):
    given = {
        "time": "time",
        "targets": ("load",),
        "features": ("load", "temp"),
        "series": ("station",),
        "frequency": "h",
    }
    return Schema(**{**given, **changes})


def hours(count, start="2024-01-01", **columns):
    """A gapless hourly frame of one series."""
    time = pd.date_range(start, periods=count, freq="h")
    return pd.DataFrame({"time": time, "load": np.arange(float(count)), **columns})


def same(a, b):
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
