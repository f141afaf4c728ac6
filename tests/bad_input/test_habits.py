"""Files in the habits of their writers are read as the numbers that were written down.

`make test` reads a few, `make test-slow` two thousand (`--files=150`: so many), each tenth of which
is trained on and forecast. The number of a file is its seed, and in the name of the test.
"""

import numpy as np
import pandas as pd
import pytest

from forecast.cli.config import compose
from forecast.workflows import load

from .door import Door
from .habits import Habit, habit

SMALL = ["window.timesteps=8", "window.horizon=3"]
LINEAR = [
    *("model=linear", "training.epochs=1", "evaluation.regressors={}"),
    *("gates.probe=0", "gates.memory=0"),
]


def compare(case: Habit) -> None:
    """Compare what is read with what was written down, series by series, tick by tick."""
    table = load.load(compose.compose([*SMALL, *case.overrides]).settings).table
    assert {*table.names} == {name or "series" for name in case.truth}
    for name, truth in case.truth.items():
        own = table.series == table.names.index(name or "series")
        np.testing.assert_allclose(table.outputs[own, 0], truth, rtol=1e-6, err_msg=f"{case.words}")
        if case.words["clock"] != "rows":
            moments = truth.index.to_numpy().astype(table.time.dtype)
            np.testing.assert_array_equal(table.time[own], moments, f"{case.words}")


def ahead(case: Habit, name: str) -> pd.Index:
    """Return the three moments behind the last row of a series, as pandas counts them."""
    index = case.truth[name].index
    if isinstance(index, pd.DatetimeIndex):
        return pd.date_range(index[-1], periods=4, freq=index.freq)[1:]
    return pd.Index(index[-1] + np.arange(1, 4))


def forecast(case: Habit, door: Door) -> None:
    """Train on a file, forecast, and compare when each forecast holds."""
    status, said = door.run("check", *SMALL, *case.overrides)
    assert status == 0, (case.words, said)
    status, said = door.run("train", *SMALL, *LINEAR, *case.overrides)
    assert status == 0, (case.words, said)
    status, said = door.run("predict", "run=last", "output=o.parquet")
    assert status == 0, (case.words, said)
    found = pd.read_parquet(door.folder / "o.parquet")
    if case.words["clock"] != "rows":
        for name in case.truth:
            own = found if name == "" else found[found["series"] == name]
            told = pd.Index(own["time"])
            if isinstance(told, pd.DatetimeIndex) and told.tz is not None:
                told = told.tz_convert("UTC").tz_localize(None)
            assert [*told] == [*ahead(case, name)], (case.words, name)
    assert np.isfinite(found["forecast"]).all(), case.words


@pytest.mark.parametrize("number", range(30))
def test_a_file_is_read_as_it_was_meant(number: int, door: Door):
    case = habit(number)
    door.put(case.file, case.data)
    compare(case)


@pytest.mark.slow
def test_many_files_are_read_as_they_were_meant(file_number: int, door: Door):
    case = habit(1000 + file_number)
    door.put(case.file, case.data)
    compare(case)
    if file_number % 10 == 0:
        forecast(case, door)
