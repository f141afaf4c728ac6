"""Copies of the future are named, and nothing that only looks like one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.leakage import columns as canaries
from forecast.evaluation.leakage.columns import canary

from .panels import QUIET

WINDOW = Window(timesteps=8, horizon=4)
RNG = np.random.default_rng(3)


def panel(column, load=None, *, lengths=(150, 150), known=False, frequency="h"):
    """Two series of a random walk, and one more column made of it by a function."""
    parts, series, tick = [], [], []
    for code, length in enumerate(lengths):
        own = RNG.normal(size=length).cumsum() + 100 * code if load is None else load[:length]
        parts.append(np.stack([own, column(own)], axis=1))
        series += [code] * length
        tick += range(length)
    values = np.concatenate(parts)
    return Table(
        values,
        values[:, :1].copy(),
        ("load", "other"),
        ("load",),
        np.array(series),
        np.array(tick),
        np.array(tick),
        tuple(f"s{code}" for code in range(len(lengths))),
        frequency,
        known=(1,) if known else (),
    )


def later(rows):
    """The load some rows later (earlier where below 0), noise where there is none."""

    def made(load):
        found = RNG.normal(size=len(load))
        if rows > 0:
            found[: max(0, len(load) - rows)] = load[rows:]
        else:
            found[-rows:] = load[: len(load) + rows]
        return 5 - 1.8 * found

    return made


@settings(QUIET, max_examples=20)
@given(st.integers(-30, 30))
def test_a_copy_is_named_if_it_tells_the_future_within_the_window(rows):
    told = canary(panel(later(rows)), WINDOW)
    assert [(c.column, c.target, c.shift) for c in told] == (
        [("other", "load", rows)] if 1 <= rows < 12 else []
    )


@settings(QUIET, max_examples=20)
@given(st.integers(-30, 30))
def test_a_column_known_ahead_tells_more(rows):
    """Its last value read is that of the last predicted row, 4 rows behind the origin."""
    told = canary(panel(later(rows), known=True), WINDOW)
    assert [c.shift for c in told] == ([rows] if -4 < rows < 12 else [])
    assert all("known-ahead input 'other'" in str(c) for c in told)


def test_the_target_itself_is_no_copy_of_its_future_however_slow_it_is():
    slow = np.sin(np.arange(300) / 90) * 50 + RNG.normal(0, 1e-3, 300).cumsum()
    assert canary(panel(lambda load: load * 2, slow), WINDOW) == ()


@pytest.mark.parametrize("period", [24, 168])
def test_what_repeats_tells_nothing_new(period):
    hours = np.arange(900)
    wave = np.sin(2 * np.pi * hours / period)
    clock = panel(lambda load: np.cos(2 * np.pi * np.arange(len(load)) / period), wave)
    assert canary(clock, WINDOW) == ()


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.3])
def test_a_leading_indicator_is_a_copy_only_without_noise(noise):
    def made(load):
        return np.roll(load, -2) + RNG.normal(0, noise, len(load)) if noise else np.roll(load, -2)

    assert bool(canary(panel(made, lengths=(400,)), WINDOW)) == (noise < 0.1)


def test_rows_that_were_shifted_in_a_file_with_gaps():
    table = panel(later(3), lengths=(300, 300))
    gone = np.isin(np.arange(600), [40, 90, 333, 520])
    kept = table.take(~gone)
    kept.inputs[:-3, 1] = kept.inputs[3:, 0]
    assert [c.shift for c in canary(kept, WINDOW)] == [3]


def test_few_steps_in_common_are_no_copy():
    steps = (np.arange(200) // 25).astype(float)
    assert canary(panel(lambda load: np.roll(load, -1), steps, lengths=(200,)), WINDOW) == ()


def test_holes_and_constants_are_left_out():
    table = panel(later(1))
    table.inputs[::7, 1] = np.nan
    assert [c.shift for c in canary(table, WINDOW)] == [1]
    table.inputs[:, 1] = 3.0
    assert canary(table, WINDOW) == ()


def test_a_sample_of_many_rows_finds_it_too(monkeypatch):
    monkeypatch.setattr(canaries, "SAMPLE", 64)
    assert [c.shift for c in canary(panel(later(2), lengths=(3000,)), WINDOW)] == [2]
