"""A bundle of a model that reads the known future says what training said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.serving import bundle, package
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

pytestmark = pytest.mark.slow

SCHEMA = Schema(
    "ts",
    ("load",),
    ("load", "temp"),
    ("site",),
    calendar=("hour",),
    known_future=("fair", "hour"),
    static=("area",),
    frequency="h",
)
WINDOW = Window(4, 5, lead=2)  # longer than the look-back: two copies
AHEAD = 7
MODEL = Model("lstm", units=[3], series_embedding=2)
QUICK = Model("linear")


def frame(rows=60):
    """Three sites of noise; the area of a site stands in one of its rows."""
    rng, parts = np.random.default_rng(8), []
    for number, site in enumerate(("north", "south", "west")):
        hours = pd.date_range("2024-01-01", periods=rows, freq="h")
        part = pd.DataFrame({"ts": hours, "site": site, "area": np.nan})
        part[["load", "temp", "fair"]] = rng.normal(size=(rows, 3)) + number
        part.loc[50, "area"] = float(number)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def with_future(raw, rows=AHEAD):
    """Empty what nobody knows of the last rows of every site."""
    raw = raw.copy()
    last = raw.groupby("site").cumcount(ascending=False) < rows
    raw.loc[last, ["load", "temp"]] = np.nan
    return raw


def served(folder, schema, window=WINDOW, model=MODEL):
    """A trained forecaster, its table, and what its bundle is when loaded."""
    table = panel.build(frame(), schema)
    training = Training(epochs=2, batch_size=16, tail=0)
    forecaster = Forecaster(clone(model), clone(window), training).fit(table)
    bundle.save(folder, forecaster, schema, {})
    return forecaster, table, bundle.load(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return served(tmp_path_factory.mktemp("whole"), SCHEMA)


def newest(forecaster, table, window):
    """What training says of the last window whose future lies in the table, (series, horizon)."""
    found = windows.starts(table, window)
    last = [found[table.series[found] == code].max() for code in range(len(table.names))]
    return forecaster.predict_windows(table, np.array(last))[:, :, 0], np.array(last)


def test_the_bundle_forecasts_as_in_training_behind_the_last_known_target(whole):
    forecaster, table, loaded = whole
    expected, last = newest(forecaster, table, WINDOW)
    found = loaded.predict(with_future(frame()))
    np.testing.assert_allclose(
        found.forecast.to_numpy().reshape(3, 5), expected, rtol=1e-6, atol=1e-6
    )
    origin = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=60 - AHEAD - 1)
    assert (found.origin == origin).all() and (table.time[last + 3] == origin).all()
    assert found.time.iloc[0] == origin + pd.Timedelta(hours=3)


def test_one_series_sent_alone_keeps_its_own_learned_values(whole):
    _, _, loaded = whole
    every = loaded.predict(with_future(frame()))
    raw = with_future(frame())
    alone = loaded.predict(raw[raw.site == "west"])
    expected = every[every.series == "west"].forecast.to_numpy()
    np.testing.assert_allclose(alone.forecast, expected, rtol=1e-6, atol=1e-6)
    # the same rows under another name are another series
    other = loaded.predict(raw[raw.site == "west"].assign(site="north"))
    assert np.abs(other.forecast.to_numpy() - expected).max() > 1e-3


def test_rows_of_the_future_must_reach_the_horizon(whole):
    _, _, loaded = whole
    told = (
        r"data must hold the known-future columns fair until 2024-01-03 11:00:00, got rows until "
        r"2024-01-03 09:00:00: append rows with those columns and empty targets"
    )
    raw = with_future(frame())
    short = raw[raw.groupby("site").cumcount() < 58]
    with pytest.raises(InputError, match=told):
        loaded.predict(short)
    without = frame()
    with pytest.raises(InputError, match="until 2024-01-03 18:00:00, got rows until 2024-01-03 11"):
        loaded.predict(without)


def test_a_hole_in_the_future_of_a_known_column_is_told(tmp_path):
    _, _, loaded = served(tmp_path, replace(SCHEMA, missing="drop"), model=QUICK)
    raw = with_future(frame())
    raw.loc[raw.groupby("site").cumcount() == 56, "fair"] = np.nan
    with pytest.raises(InputError, match="until 2024-01-03 11:00:00, got rows until 2024-01-03 07"):
        loaded.predict(raw)


def test_a_past_that_is_at_fault_is_told_as_before(whole):
    _, _, loaded = whole
    raw = with_future(frame())
    raw = raw[(raw.groupby("site").cumcount() >= 50)]
    with pytest.raises(InputError, match=r"data must end with window\.timesteps=4 rows"):
        loaded.predict(raw)


def test_the_calendar_alone_needs_no_rows_of_the_future(tmp_path):
    schema = replace(SCHEMA, known_future=("hour",))
    forecaster, table, loaded = served(tmp_path, schema, model=QUICK)
    expected, _ = newest(forecaster, table, WINDOW)
    raw = frame()
    past = raw[raw.groupby("site").cumcount() < 60 - AHEAD]
    for given in (past, with_future(raw)):  # rows made, or given and empty
        found = loaded.predict(given)
        np.testing.assert_allclose(
            found.forecast.to_numpy().reshape(3, 5), expected, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("known", [("fair", "hour"), ("hour",), ()])
def test_the_example_of_a_packaged_model_can_be_predicted(known, tmp_path):
    schema = replace(SCHEMA, known_future=known, features=("load", "temp", "fair"), hold=3)
    _, _, loaded = served(tmp_path, schema, model=QUICK)
    for raw in (frame(), with_future(frame())) if known else (frame(),):
        example = package.example(raw, schema, WINDOW)
        found = loaded.predict(example)
        assert len(found) == 5 and np.isfinite(found.forecast).all()
        assert example.area.notna().all() and example.site.nunique() == 1
        if "fair" in known:
            empty = example[["load", "temp"]].isna()
            assert (empty.to_numpy().all(axis=1) == (np.arange(len(example)) >= 7)).all()
            assert example.fair.notna().all()


def test_windows_with_holes_are_served_too(tmp_path):
    forecaster, table, loaded = served(tmp_path, replace(SCHEMA, missing="mask"), model=QUICK)
    expected, _ = newest(forecaster, table, WINDOW)
    found = loaded.predict(with_future(frame()))
    np.testing.assert_allclose(
        found.forecast.to_numpy().reshape(3, 5), expected, rtol=1e-6, atol=1e-6
    )
