"""`data.missing=mask`: windows with holes are kept, columns say where, short series are padded."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from forecast import models
from forecast.data import panel, scale, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.models import Sizes
from forecast.serving import bundle
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

SCHEMA = Schema(
    "ts", ("load",), ("load", "temp"), ("site",), missing="mask", calendar=("hour",), frequency="h"
)
RNG = np.random.default_rng(2)


def frame(lengths=(60, 9), holes=((0, "temp", range(20, 40)), (0, "load", [3, 30]))):
    """Two sites by the hour, the second too short for a look-back; some values are missing."""
    parts = []
    for site, length in enumerate(lengths):
        hours = pd.date_range("2024-01-01", periods=length, freq="h")
        wave = 5 * np.sin(2 * np.pi * hours.hour / 24)
        noise = RNG.normal(size=(2, length))
        part = pd.DataFrame(
            {"ts": hours, "site": f"s{site}", "load": 50 + wave + noise[0], "temp": noise[1]}
        )
        for where, column, rows in holes:
            if where == site:
                part.loc[list(rows), column] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def test_columns_say_where_values_are_missing_and_the_last_value_is_held():
    raw = frame().drop(index=[10, 11])  # two hours are absent
    table = panel.build(raw, SCHEMA)
    assert table.features[-2:] == ("load_missing", "temp_missing") and table.indicators == 2
    first = table.inputs[table.series == 0]
    expected = [row in (3, 10, 11, 30) for row in range(60)]
    assert first[:, -2].tolist() == expected
    assert first[:, -1].tolist() == [row in (10, 11, *range(20, 40)) for row in range(60)]
    assert (first[20:40, 1] == raw.temp[19]).all() and first[30, 0] == raw.load[29]
    assert np.isnan(table.outputs[[3, 10, 30]]).all()  # targets are never filled


def test_every_window_with_known_targets_is_kept_and_only_those():
    table, window = panel.build(frame(lengths=(60,)), SCHEMA), Window(12, 3)
    known = np.isfinite(table.outputs[:, 0])
    expected = [s for s in range(60 - 15 + 1) if known[s + 12 : s + 15].all()]
    assert windows.starts(table, window).tolist() == expected
    assert len(expected) == 46 - 3  # three would predict the hour that is missing
    dropped = panel.build(frame(lengths=(60,)), replace(SCHEMA, missing="drop"))
    assert windows.starts(dropped, window).tolist() == [4, 5, 6, 7, 8, *range(40, 46)]


def test_a_series_shorter_than_the_look_back_is_padded_on_its_old_side():
    table = panel.build(frame(), SCHEMA)
    long = table.padded(12)
    assert len(long) == len(table) + 11 and table.padded(9) is table
    own = long.take(long.series == 1)
    assert np.diff(own.tick).tolist() == [1] * 19
    assert own.time[0] == np.datetime64("2023-12-31T13:00") and own.absent.tolist() == (
        [True] * 11 + [False] * 9
    )
    found = windows.starts(long, Window(12, 3))
    # its first origin is its first row: nine rows, three of them ahead of the last origin
    assert sum(long.series[found] == 1) == 6


def test_a_window_of_which_nothing_is_known_is_none():
    raw = frame(lengths=(60,), holes=((0, "temp", range(10, 40)), (0, "load", range(10, 40))))
    found = windows.starts(panel.build(raw, SCHEMA), Window(12, 3))
    assert 28 not in found and 29 in found  # rows 28 to 39, of which nothing is known; 29 to 40


def test_indicators_stay_zero_and_one_and_holes_become_the_mean():
    table = panel.build(frame(), SCHEMA).padded(12)
    scaled = scale.fit(table).inputs(table)
    assert set(np.unique(scaled[:, -2:])) == {0.0, 1.0} and np.isfinite(scaled).all()
    assert (scaled[table.series == 1][:11, :2] == 0).all()  # before its first row


@pytest.mark.parametrize("name", ["lstm", "gru", "simple_rnn"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_steps_of_which_nothing_is_known_leave_the_state_as_it_is(name, bidirectional):
    asked = {"units": [4, 3], "bidirectional": bidirectional, "normalization": "none"}
    asked |= {"linear_path": False}
    model = models.build_model(name, Sizes(9, 5, 2, indicators=2), asked)
    x = RNG.normal(size=(3, 9, 5)).astype(np.float32)
    x[..., 3:] = 0
    x[:, [0, 1, 4], 3:] = 1  # nothing is known of these steps
    x[:, 6, 3] = 1  # and something of this one
    shorter = models.build_model(name, Sizes(6, 5, 2, indicators=2), asked)
    shorter.set_weights(model.get_weights())
    real = np.delete(x, [0, 1, 4], axis=1)
    np.testing.assert_allclose(model(x), shorter(real), atol=1e-6)
    x[:, [0, 1, 4], :3] = 1e6
    np.testing.assert_allclose(model(x), shorter(real), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [Model("lstm", units=[3]), Model("causal_cnn", filters=3), Model("patch_gru", units=3)],
    ids=lambda chosen: chosen.name,
)
def test_models_learn_from_windows_with_holes(chosen):
    table = panel.build(frame(lengths=(90, 10)), SCHEMA).padded(24)
    forecaster = Forecaster(chosen, Window(24, 2), Training(epochs=1, tail=0))
    forecaster.fit(table)
    found = windows.starts(table, Window(24, 2), truth="none")
    assert np.isfinite(forecaster.predict_windows(table, found)).all()
    assert (table.series[found] == 1).any()


@pytest.mark.slow
def test_a_bundle_forecasts_a_short_series_with_a_hole_at_its_end(tmp_path):
    raw = frame(lengths=(90, 30))
    forecaster = Forecaster(Model("lstm", units=[3]), Window(24, 2), Training(epochs=1))
    forecaster.fit(panel.build(raw, SCHEMA).padded(24))
    bundle.save(tmp_path, forecaster, SCHEMA, {})
    newest = frame(lengths=(40, 5), holes=((0, "temp", [39]), (1, "load", [4])))
    said = bundle.load(tmp_path).predict(newest)
    assert said.groupby("series").size().to_dict() == {"s0": 2, "s1": 2}
    assert np.isfinite(said.forecast).all()


def test_a_masked_model_is_saved_and_loaded(tmp_path):
    model = models.build_model("lstm", Sizes(9, 5, 2, indicators=2), {"units": [4]})
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    x = RNG.normal(size=(3, 9, 5)).astype(np.float32)
    np.testing.assert_array_equal(model(x), again(x))
