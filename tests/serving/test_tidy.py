"""One order of columns and rows in every table of forecasts."""

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.forecasts import Forecasts
from forecast.serving.model import tidy

from ..conftest import load_frame

WINDOW = Window(4, 3, lead=1)
LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture
def said() -> tuple[pd.DataFrame, pd.DataFrame, list[dict]]:
    """Forecasts of two targets as a run stores them and as a bundle gives them, and by loops."""
    table = panel.build(load_frame(20), Schema("time", ("temp", "load"), series=("site",)))
    starts = windows.starts(table, WINDOW)
    every = np.random.default_rng(0).normal(size=(len(starts), 3, 2, len(LEVELS)))
    stored = Forecasts(table, WINDOW, starts, every[..., 1], every, LEVELS).frame()
    more = {f"q{level:g}": every[..., n] for n, level in enumerate(LEVELS)}
    served = tidy(table, starts, WINDOW, every[..., 1], more)
    rows = []
    for window, start in enumerate(starts):
        for step in range(3):
            for target, name in enumerate(("temp", "load")):
                row = start + 4 + 1 + step
                rows.append(
                    {
                        "series": table.names[table.series[start]],
                        "origin": pd.Timestamp(table.time[start + 3]),
                        "time": pd.Timestamp(table.time[row]),
                        "step": step + 1,
                        "target": name,
                        "forecast": every[window, step, target, 1],
                        **{f"q{q:g}": every[window, step, target, n] for n, q in enumerate(LEVELS)},
                        "true": table.outputs[row, target],
                    }
                )
    return stored, served, rows


def test_what_a_run_stores_is_what_a_loop_writes(said):
    stored, _, rows = said
    assert list(stored) == [*rows[0], "crps"] and stored.crps.isna().all()  # without intervals
    assert stored.drop(columns="crps").to_dict("records") == rows


def test_what_a_bundle_gives_is_the_same_without_the_truth(said):
    stored, served, _ = said
    pd.testing.assert_frame_equal(served, stored.drop(columns=["true", "crps"]))
