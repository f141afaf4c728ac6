"""Inputs that are more than the past: nothing leaks, and what only they tell is learned."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from forecast.data import panel, windows
from forecast.data.scale import Scaled
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.baselines import regression
from forecast.evaluation.baselines.regression import Flat
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model

from .problems import training

RNG = np.random.default_rng(6)
SITES = Schema(
    "ts",
    ("load",),
    ("load", "temp"),
    ("site",),
    calendar=("hour",),
    known_future=("fair", "hour"),
    static=("area",),
    frequency="h",
)
LEAD = Window(4, 3, lead=1)
PLAIN = {"normalization": "none", "linear_path": False, "channels": "joint"}


def frame(rows=60, sites=2):
    """Noise in every column; the area of a site stands in one of its rows."""
    parts = []
    for site in range(sites):
        noise = RNG.normal(size=(3, rows))
        hours = pd.date_range("2024-01-01", periods=rows, freq="h")
        part = pd.DataFrame({"ts": hours, "site": f"s{site}", "area": np.nan})
        part[["load", "temp", "fair"]] = noise.T
        part.loc[7, "area"] = 1.0 + site
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def fitted(model, table, window, scaling="series", **changes):
    return Forecaster(model, window, training(**changes), scaling=scaling).fit(table)


def hours_of(**columns):
    """A frame of one series by the hour."""
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"ts": pd.date_range("2024-01-01", periods=count, freq="h"), **columns})


def error(forecaster, table, window):
    """Mean absolute error over all windows, and that of a ridge regression on every other one."""
    starts = windows.starts(table, window)
    true = windows.outputs(table.outputs, starts, window)
    own = np.abs(forecaster.predict_windows(table, starts) - true).mean()
    learned = starts[::2]  # of every series
    flat = Flat(Scaled(table, forecaster.scaler_), window)
    ridge = flat.forecast(regression.learn(Ridge(1e-3), flat, learned), starts)
    return own, np.abs(ridge - true).mean()


@pytest.fixture(scope="module")
def trained():
    table = panel.build(frame(), SITES)
    model = Model("lstm", units=[3], series_embedding=2)
    return table, fitted(model, table, LEAD, epochs=1)


def at_one_origin(table, forecaster, start):
    """Forecasts of one window by the network and by ridge regression, which learns elsewhere."""
    train = windows.starts(table, LEAD, within=table.series == 1)
    flat = Flat(Scaled(table, forecaster.scaler_), LEAD)
    ridge = flat.forecast(regression.learn(Ridge(1.0), flat, train), np.array([start]))
    return forecaster.predict_windows(table, np.array([start])), ridge


@pytest.mark.slow
def test_nothing_behind_the_origin_is_read_but_what_is_known(trained):
    table, forecaster = trained
    start = 20
    origin = start + LEAD.timesteps - 1
    later = (table.series == 0) & (np.arange(len(table)) > origin)
    past_only = [c for c in range(len(table.features)) if c not in (*table.known, *table.static)]
    assert [table.features[c] for c in past_only] == ["load", "temp"]
    changed = replace(table, inputs=table.inputs.copy(), outputs=table.outputs.copy())
    changed.inputs[np.ix_(later, past_only)] += 1e3
    changed.outputs[later] -= 1e3
    for before, after in zip(
        at_one_origin(table, forecaster, start),
        at_one_origin(changed, forecaster, start),
        strict=True,
    ):
        assert before.tobytes() == after.tobytes()


def test_what_is_known_of_each_predicted_row_moves_the_forecast_and_of_no_row_behind_them(trained):
    table, forecaster = trained
    start = 20
    first = start + LEAD.timesteps + LEAD.lead
    before = at_one_origin(table, forecaster, start)
    for place in table.known:
        for row in range(first, first + LEAD.horizon + 2):
            changed = replace(table, inputs=table.inputs.copy())
            changed.inputs[row, place] += 1.0
            after = at_one_origin(changed, forecaster, start)
            moved = [not np.array_equal(b, a) for b, a in zip(before, after, strict=True)]
            assert moved == [row < first + LEAD.horizon] * 2


@pytest.mark.slow
def test_only_the_known_future_solves_what_depends_on_it_alone():
    fair = RNG.normal(size=500)
    raw = hours_of(load=3 + 2 * fair, fair=fair)
    window, quick = Window(3, 2), {"epochs": 30, "batch_size": 32, "learning_rate": 0.02}
    asked = Schema("ts", ("load",), ("load", "fair"), frequency="h")
    ahead = panel.build(raw, replace(asked, known_future=("fair",)))
    past = panel.build(raw, asked)
    model = Model("linear", **PLAIN)
    known = error(fitted(model, ahead, window, **quick), ahead, window)
    blind = error(fitted(model, past, window, **quick), past, window)
    # 2·|x| of a standard normal x is 1.6 on average, and nobody can guess it
    assert max(known) < 0.1 and min(blind) > 1.3


@pytest.mark.slow
def test_a_recurrent_network_reads_each_steps_own_known_value_without_a_linear_map():
    fair = RNG.normal(size=600)
    raw = hours_of(load=np.abs(fair), fair=fair)
    window = Window(2, 3)  # longer than the look-back
    table = panel.build(raw, Schema("ts", ("load",), known_future=("fair",), frequency="h"))
    model = Model("lstm", units=[4], dropout=0.0, recurrent_dropout=0.0, **PLAIN)
    found = fitted(model, table, window, epochs=25, batch_size=32, learning_rate=0.02)
    network, ridge = error(found, table, window)
    # |x| has a mean deviation of 0.48; no linear map knows anything of it
    assert network < 0.12 and ridge > 0.35


@pytest.mark.slow
def test_level_and_slope_follow_from_a_static_column():
    wave = RNG.normal(size=300)
    parts = [
        hours_of(load=area * (5 + wave), wave=wave).assign(site=f"s{area}", area=float(area))
        for area in (1, 3)
    ]
    raw, window = pd.concat(parts), Window(1, 1)
    asked = Schema("ts", ("load",), ("wave",), ("site",), frequency="h", known_future=("wave",))
    quick = {"epochs": 40, "batch_size": 32, "learning_rate": 0.02, "scaling": "global"}
    model = Model("mlp", hidden=[16], dropout=0.0, **PLAIN)
    with_area = panel.build(raw, replace(asked, static=("area",)))
    without = panel.build(raw, asked)
    told = error(fitted(model, with_area, window, **quick), with_area, window)[0]
    untold = error(fitted(model, without, window, **quick), without, window)[0]
    # the sites are 2·|5 + x| apart, so whoever cannot tell them apart is wrong by 5 on average
    assert told < 0.5 and untold > 4


@pytest.mark.slow
def test_series_of_equal_inputs_are_told_apart_by_what_is_learned_of_each():
    wave = RNG.normal(size=300)
    parts = [hours_of(load=wave + 6 * site, wave=wave).assign(site=f"s{site}") for site in (0, 1)]
    raw, window = pd.concat(parts), Window(2, 1)
    table = panel.build(
        raw, Schema("ts", ("load",), ("wave",), ("site",), frequency="h", known_future=("wave",))
    )
    quick = {"epochs": 30, "batch_size": 32, "learning_rate": 0.02, "scaling": "global"}
    told = fitted(Model("linear", series_embedding=2, **PLAIN), table, window, **quick)
    untold = fitted(Model("linear", **PLAIN), table, window, **quick)
    own, ridge = error(told, table, window)
    assert own < 0.2 and error(untold, table, window)[0] > 2.5 and ridge > 2.5
    learned = told.model_.get_layer("series_embedding").get_weights()[0]
    assert learned.shape == (2, 2) and np.abs(learned[0] - learned[1]).max() > 0.1
    again = fitted(Model("linear", series_embedding=2, **PLAIN), table, window, **quick)
    assert (
        learned.tobytes() == again.model_.get_layer("series_embedding").get_weights()[0].tobytes()
    )


def test_rows_without_a_schema_are_read_as_those_of_fit(trained):
    table, forecaster = trained
    later = table.take(table.tick >= table.tick.min() + 50)
    known = table.take(table.tick < table.tick.min() + 50)
    own = fitted(forecaster.model, known, LEAD, epochs=1)
    frames, _ = later.frames()
    found = own.predict(frames)
    assert found.shape == (2 * (10 - LEAD.horizon + 1), 3, 1)
    assert found.tobytes() == own.predict(later).tobytes()


def test_a_users_own_network_gets_the_extra_columns():
    from .problems import linear

    table = panel.build(frame(), SITES)
    found = fitted(linear, table, LEAD, epochs=1)
    # load, temp, fair, area and the hour's circle; fair and the circle ahead; never the number
    assert found.model_.input_shape == (None, 4, 6 + 3)
