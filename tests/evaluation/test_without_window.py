"""Series of which no window can be learned or scored are named, and stop no other."""

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.preparation import without_window

from ..conftest import TINY, Place

WINDOW = Window(timesteps=8, horizon=4)
NAMES = {"constant", "empty", "long", "one", "short", "whole", "zero"}
LACKING = ["empty", "one", "short"]


def sites() -> pd.DataFrame:
    """A constant one, an empty one, one of a row, and some that are just long enough or not."""
    wave = 50 + 10 * np.sin(np.arange(220) / 4)
    values = {
        "constant": np.full(220, 7.0),
        "empty": np.full(220, np.nan),
        "long": wave,
        "one": wave[:1],
        "short": wave[: WINDOW.span - 1],
        "whole": wave[: WINDOW.span],
        "zero": np.zeros(220),
    }
    parts = [
        pd.DataFrame(
            {
                "time": pd.date_range(end="2024-03-01", periods=len(own), freq="h"),
                "site": name,
                "load": own,
                "temp": np.arange(len(own), dtype=float),
            }
        )
        for name, own in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("missing", ["hold", "drop"])
def test_they_are_those_without_a_stretch_of_rows_with_values(missing):
    schema = Schema("time", ("load",), series=("site",), missing=missing)
    table = panel.build(sites(), schema)
    assert {*table.names} == NAMES
    assert without_window(table, WINDOW) == LACKING


@pytest.mark.slow
def test_check_and_train_name_them_and_go_on(place: Place):
    sites().to_csv(place.folder / "sites.csv", index=False)
    words = [*TINY, "data.path=sites.csv", "model=linear", "training.epochs=1"]
    said = "no window in empty, one, short: fewer than 12 rows on end with values"
    for command in ("check", "train"):
        assert place.run(command, *words) == 0, place.errors[-1]
        assert said in " ".join(place.printed[-1].split())
