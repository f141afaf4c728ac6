"""What a whole `forecast train` takes as its table grows: processor seconds and peak memory."""

import math
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

Found = dict[str, object]
SERIES, DAYS = (1_000, 10_000, 100_000), 450
ROWS = (100_000, 1_000_000, 10_000_000)
PANEL = ["data.series=[id]", "window.timesteps=28", "window.horizon=14"]
LONG = ["data.features=[x]", "window.timesteps=60", "window.horizon=24"]
PIECE = 1_000_000
"""Rows that are made at once."""


def scale() -> Found:
    """Train on panels of more and more series, and on longer and longer single series."""
    panels = {count: _trained(_panel(count), PANEL) for count in SERIES}
    series = {count: _trained(_series(count), LONG) for count in ROWS}
    told = [f"{count:,} series {_told(own)}" for count, own in panels.items()]
    told += [f"{count:,} rows {_told(own)}" for count, own in series.items()]
    steps = [
        math.log(more[0] / less[0]) / math.log(larger / smaller)
        for every in (panels, series)
        for (smaller, less), (larger, more) in pairwise(every.items())
    ]
    return {
        "text": f"whole `forecast train model=nlinear` on panels of {DAYS} days a series, 28 → 14, "
        "and on one series, 60 → 24, with one more input: processor seconds and peak memory; "
        "exponent of the seconds from size to size",
        "value": f"{max(steps):.2f}",
        "detail": "; ".join(told) + "; exponents " + ", ".join(f"{step:.2f}" for step in steps),
        "bar": "≤ 1.1",
    }


def _trained(tables: Iterator[pa.Table], own: list[str]) -> tuple[float, float]:
    """Write a table, train on it in a process of its own; return seconds and GiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        first = next(tables)
        with parquet.ParquetWriter(path, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        command = [sys.executable, "-m", "forecast", "train", "data=file", f"data.path={path}"]
        command += ["data.time=ts", "data.targets=[y]", "model=nlinear", *own]
        child = os.posix_spawn(
            sys.executable,
            command,
            {**os.environ, "XDG_CACHE_HOME": folder},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            ],
        )
        _, status, used = os.wait4(child, 0)
        if status:
            raise SystemExit(f"scale: {' '.join(command)} ended with {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def _told(found: tuple[float, float]) -> str:
    """Write seconds and memory."""
    return f"{found[0]:,.0f} s, {found[1]:.2f} GiB"


def _panel(count: int) -> Iterator[pa.Table]:
    """Make daily series with a weekly season, some at a time."""
    rng, stamps = np.random.default_rng(0), np.datetime64("2023-01-01") + np.arange(DAYS)
    for first in range(0, count, PIECE // DAYS):
        number = np.arange(first, min(first + PIECE // DAYS, count))
        level, phase = rng.uniform(5, 50, (2, len(number), 1))
        wave = level + 3 * np.sin(2 * np.pi * (np.arange(DAYS) + phase) / 7)
        values = wave + rng.normal(size=wave.shape)
        yield pa.table(
            {
                "id": [f"s{one:07}" for one in np.repeat(number, DAYS)],
                "ts": np.tile(stamps, len(number)).astype("datetime64[s]"),
                "y": values.ravel().astype(np.float32),
            }
        )


def _series(rows: int) -> Iterator[pa.Table]:
    """Make one series of minutes with a daily season, some rows at a time."""
    rng, begin = np.random.default_rng(0), np.datetime64("2000-01-01", "s")
    for first in range(0, rows, PIECE):
        tick = np.arange(first, min(first + PIECE, rows))
        other = rng.normal(size=len(tick))
        values = 10 + 3 * np.sin(2 * np.pi * tick / 1440) + 0.5 * other + rng.normal(size=len(tick))
        yield pa.table(
            {
                "ts": begin + tick * np.timedelta64(60, "s"),
                "y": values.astype(np.float32),
                "x": other.astype(np.float32),
            }
        )
