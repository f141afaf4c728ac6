"""Baselines against loops over series, ticks and targets."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from forecast.data import scale, windows
from forecast.data.scale import Scaled
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.baselines import by_name, regression, rules
from forecast.evaluation.baselines.classical import Classical, Lines
from forecast.evaluation.baselines.regression import Flat, regressor
from forecast.evaluation.baselines.rules import Past
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

from .tables import at_once, last_known, panel

GAPS = [(0, tick) for tick in range(15, 19)] + [(1, 30), (1, 4)]
WINDOWS = [Window(6, 4), Window(6, 4, lead=3), Window(3, 11), Window(1, 1, lead=8), Window(8, 9)]


@pytest.fixture(scope="module")
def gappy():
    table = panel((50, 40, 3), absent=GAPS)
    rng = np.random.default_rng(5)
    table.outputs[rng.random(table.outputs.shape) < 0.1] = np.nan
    table.outputs[:2, 0] = np.nan  # the first values of a series are not known
    return table


def each(table, window, found):
    """Walk over windows, steps and targets: place in the result, series, origin, tick, target."""
    for sample, start in enumerate(found.tolist()):
        code, origin = int(table.series[start]), int(table.tick[start]) + window.timesteps - 1
        for step in range(window.horizon):
            for target in range(len(table.targets)):
                yield (sample, step, target), code, origin, origin + window.lead + 1 + step, target


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_persistence_is_the_last_value_known_at_the_origin(gappy, window):
    found = windows.starts(gappy, window, truth="none")
    values = rules.persistence(Past(gappy), window, found)
    assert len(found) and values.shape == (len(found), window.horizon, 2)
    for place, code, origin, _, target in each(gappy, window, found):
        np.testing.assert_equal(values[place], last_known(gappy, code, origin, target))


@pytest.mark.parametrize("season", [1, 5, 24])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_seasonal_naive_is_the_value_of_the_newest_season_known(gappy, window, season):
    found = windows.starts(gappy, window, truth="none")
    values = rules.seasonal_naive(Past(gappy), window, found, season)
    assert values.shape == (len(found), window.horizon, 2)
    for place, code, origin, tick, target in each(gappy, window, found):
        while tick > origin:
            tick -= season
        expected = last_known(gappy, code, tick, target)
        if math.isnan(expected):  # nothing known a season before
            expected = last_known(gappy, code, origin, target)
        np.testing.assert_equal(values[place], expected)


def test_seasonal_naive_of_a_pure_season_is_perfect():
    table = panel((96,), targets=1)
    table.outputs[:, 0] = np.arange(96) % 24
    window = Window(24, 30)  # longer than a season
    found = windows.starts(table, window)
    values = rules.seasonal_naive(Past(table), window, found, 24)
    np.testing.assert_array_equal(values, windows.outputs(table.outputs, found, window))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_drift_is_the_line_through_the_ends_of_the_look_back(gappy, window):
    found = windows.starts(gappy, window, truth="none")
    values = rules.drift(Past(gappy), window, found)
    for place, code, origin, tick, target in each(gappy, window, found):
        last = last_known(gappy, code, origin, target)
        first = last_known(gappy, code, origin - window.timesteps + 1, target)
        slope = 0.0 if window.timesteps == 1 else (last - first) / (window.timesteps - 1)
        if math.isnan(slope):  # nothing known when the look-back begins
            slope = 0.0
        np.testing.assert_allclose(values[place], last + slope * (tick - origin))


@pytest.mark.parametrize("season", [1, 5, 24])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_moving_average_is_the_mean_of_the_last_season(gappy, window, season):
    found = windows.starts(gappy, window, truth="none")
    values = rules.moving_average(Past(gappy), window, found, season)
    assert values.shape == (len(found), window.horizon, 2)
    for place, code, origin, _, target in each(gappy, window, found):
        of_season = (gappy.series == code) & (gappy.tick > origin - season) & (gappy.tick <= origin)
        known = [v for v in gappy.outputs[of_season, target].tolist() if not math.isnan(v)]
        expected = np.mean(known) if known else last_known(gappy, code, origin, target)
        np.testing.assert_allclose(values[place], expected)


@pytest.mark.parametrize("names", [["persistense"], ["drift", "prophet"]])
def test_unknown_baselines_are_refused_by_name(names):
    with pytest.raises(InputError, match=f"must name baselines, got '{names[-1]}'"):
        by_name.check_names(names)


def test_no_baseline_looks_beyond_the_origin(gappy):
    window = Window(6, 4, lead=1)
    found = windows.starts(gappy, window)[:1]
    origin = gappy.tick[found[0]] + 5
    wild = panel((50, 40, 3), absent=GAPS)
    wild.outputs[:] = gappy.outputs
    wild.outputs[(wild.tick > origin) & (wild.series == gappy.series[found[0]])] = 1e9
    for rule in rules.RULES.values():
        np.testing.assert_array_equal(
            rule(Past(wild), window, found, 3), rule(Past(gappy), window, found, 3)
        )


@pytest.mark.parametrize("window", [Window(6, 4), Window(5, 2, lead=3)], ids=str)
def test_ridge_is_scikit_learns_on_windows_cut_by_a_loop(window):
    table = panel((60, 50))
    scaler = scale.fit(table.take(table.tick < 30))
    found = windows.starts(table, window)
    train = found[table.tick[found] + window.span <= 30]
    test = found[table.tick[found] + window.timesteps + window.lead >= 30]
    model = regressor("ridge", {"alpha": 3.0})
    flat = Flat(Scaled(table, scaler), window)
    values = flat.forecast(regression.learn(model, flat, train), test)

    def standardised(column_mean, column_std, rows, row):
        return (rows[row] - column_mean[table.series[row]]) / column_std[table.series[row]]

    levels = []

    def sides(starts):
        levels.clear()
        x, y = [], []
        for start in starts:
            past = range(start, start + window.timesteps)
            origin, first = past[-1], past[-1] + 1 + window.lead
            ahead = range(first, first + window.horizon)
            level = standardised(scaler.input_mean, scaler.input_std, table.inputs, origin)[:2]
            x.append(
                [
                    v
                    for row in past
                    for v in standardised(scaler.input_mean, scaler.input_std, table.inputs, row)
                    - [*level, 0]  # the third column is no target
                ]
            )
            y.append(
                [
                    v
                    for row in ahead
                    for v in standardised(scaler.output_mean, scaler.output_std, table.outputs, row)
                    - level
                ]
            )
            levels.append(level)
        return np.array(x), np.array(y)

    oracle = Ridge(alpha=3.0).fit(*sides(train))
    expected = oracle.predict(sides(test)[0]).reshape(len(test), window.horizon, 2)
    expected += np.array(levels)[:, None]
    own = table.series[test]
    expected = expected * scaler.output_std[own][:, None] + scaler.output_mean[own][:, None]
    np.testing.assert_allclose(values, expected, rtol=1e-3)


def test_ridge_learns_from_a_bounded_number_of_windows(monkeypatch):
    monkeypatch.setattr(regression, "MOST", 10)
    table, window = panel((60,)), Window(4, 2)
    found = windows.starts(table, window)
    flat, model = Flat(Scaled(table, scale.fit(table)), window), regressor("ridge", {"alpha": 10.0})
    values = flat.forecast(regression.learn(model, flat, found), found)
    thinned = flat.forecast(regression.learn(model, flat, found[::6]), found)
    assert len(found) == 55
    np.testing.assert_allclose(values, thinned)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("KNeighborsRegressor", {"n_neighbors": 3}), ("lassolars", {}), ("LinearSVR", {"C": 0.1})],
)
def test_any_regressor_of_scikit_learn_forecasts_the_windows(name, settings):
    table, window = panel((60, 50)), Window(6, 4)
    found = windows.starts(table, window)
    flat = Flat(Scaled(table, scale.fit(table)), window)

    def said():
        learned = regression.learn(regressor(name, settings), flat, found)
        return flat.forecast(learned, found[-5:])

    assert said().shape == (5, 4, 2) and np.isfinite(said()).all()
    np.testing.assert_array_equal(said(), said())


def test_a_regressor_of_one_value_forecasts_one_value():
    table, window = panel((60,), targets=1), Window(3, 1)
    found = windows.starts(table, window)
    model = regressor("GradientBoostingRegressor", {"n_estimators": 2})
    flat = Flat(Scaled(table, scale.fit(table)), window)
    values = flat.forecast(regression.learn(model, flat, found), found)
    assert values.shape == (len(found), 1, 1)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("RandomForrest", {}, "must name regressors of scikit-learn, got 'RandomForrest'"),
        (
            "ridge",
            {"alfa": 1},
            'ridge.alfa must be .* of Ridge, got alfa=1: did you mean "alpha"',
        ),
    ],
)
def test_unknown_regressors_and_settings_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message):
        regressor(name, settings)


@pytest.mark.parametrize(
    ("name", "seed"), [*((name, seed) for name in rules.RULES for seed in range(5)), ("theta", 0)]
)
def test_no_other_series_and_no_later_row_changes_a_bit(name, seed):
    rng = np.random.default_rng(seed)
    table, window = panel((50, 40, 45), absent=GAPS, seed=seed), Window(6, 4, lead=1)
    table.outputs[rng.random(table.outputs.shape) < 0.1] = np.nan
    table.outputs[:] *= 10.0 ** rng.uniform(-3, 6, 3)[table.series][:, None]
    found = windows.starts(table, window, truth="none")
    code, moment = int(rng.integers(3)), int(rng.integers(20, 35))
    wild = panel((50, 40, 45), absent=GAPS, seed=seed)
    wild.outputs[:] = table.outputs
    other = (table.series != code) | (table.tick > moment)
    wild.outputs[other] = rng.normal(0, 1e7, (int(other.sum()), 2))
    own = found[(table.series[found] == code) & (table.tick[found] + 5 <= moment)]
    learned = table.tick < 20

    def said(data):
        if name == "theta":
            models = Classical(name, data, learned, window, 3)
            values = Lines(models, data, np.arange(3)).forecast(found)
        else:
            values = rules.RULES[name](Past(data), window, found, 3)
        return values[np.isin(found, own)]

    assert len(own) and said(wild).tobytes() == said(table).tobytes()


def test_a_moving_average_is_as_exact_as_its_values():
    table, window = panel((4000,), targets=1), Window(6, 4)
    table.outputs[:] = 1e9 + table.outputs * 1e-3
    found = windows.starts(table, window)[-50:]
    values = rules.moving_average(Past(table), window, found, 24)
    for number, start in enumerate(found):
        last = table.outputs[start + 6 - 24 : start + 6, 0] - 1e9
        np.testing.assert_allclose(values[number] - 1e9, np.mean(last), atol=1e-6)


def weekly(amplitude):
    """Five weeks of hours whose day looks alike, but for a weekly wave of some size."""
    table = panel((840,), targets=1)
    table.outputs[:, 0] = np.arange(840) % 24 + amplitude * (np.arange(840) // 24 % 7 == 6)
    table.outputs[:, 0] += np.random.default_rng(0).normal(0, 0.5, 840)
    return table


@pytest.mark.parametrize(("amplitude", "best"), [(0.0, 24), (50.0, 168)])
def test_seasonal_naive_repeats_the_season_that_validation_prefers(amplitude, best):
    table, window, learned = weekly(amplitude), Window(24, 12), np.arange(840) < 600
    starts = windows.starts(table, window)
    held, test = starts[(starts >= 576) & (starts < 690)], starts[starts >= 696]
    if amplitude == 0:  # the days before the week differ, and by chance only
        table.outputs[:168] += 3.0
        held = starts[(starts >= 145) & (starts < 255)]
    spec = Spec(Model("linear"), window, Training(), baselines=(), regressors={})
    scaler = scale.fit(table)

    def said(**changes):
        own = replace(spec, **changes)
        found = at_once(own, Scaled(table, scaler), learned, test, validation=held)
        return found["seasonal_naive"]

    expected = rules.seasonal_naive(Past(table), window, test, best)
    np.testing.assert_array_equal(said().values, expected)
    assert said().note == f"repeats {best} rows"
    given = said(season=30)
    np.testing.assert_array_equal(given.values, rules.seasonal_naive(Past(table), window, test, 30))
    assert not given.note


@pytest.mark.parametrize(
    ("frequency", "seasons"),
    [("h", (24, 168)), ("30min", (48, 336)), ("6h", (4, 28)), ("D", (7,)), ("MS", (12,))],
)
def test_seasons_are_a_day_and_a_week_of_what_is_finer_than_a_day(frequency, seasons):
    assert rules.seasons(frequency) == seasons


def test_a_season_longer_than_what_was_learned_is_none_to_choose():
    table, window = panel((160,), targets=1), Window(6, 4)
    learned, starts = table.tick < 120, windows.starts(table, window)
    spec = Spec(Model("linear"), window, Training(), baselines=(), regressors={})
    found = at_once(spec, Scaled(table, scale.fit(table)), learned, starts[-20:])
    assert not found["seasonal_naive"].note
    expected = rules.seasonal_naive(Past(table), window, starts[-20:], 24)
    np.testing.assert_array_equal(found["seasonal_naive"].values, expected)


def test_forecasts_at_some_windows_are_those_of_these_windows():
    table, window = panel((60, 50)), Window(6, 4)
    starts = windows.starts(table, window)
    values = np.arange(len(starts) * 8.0).reshape(-1, 4, 2)
    every = Forecasts(table, window, starts, values, values[..., None] * [1, 2], (0.1, 0.9))
    part = starts[[5, 2, 40]]
    found = every.at(part)
    np.testing.assert_array_equal(found.starts, part)
    np.testing.assert_array_equal(found.values, values[[5, 2, 40]])
    np.testing.assert_array_equal(found.quantiles, values[[5, 2, 40]][..., None] * [1, 2])
    np.testing.assert_array_equal(found.true, every.true[[5, 2, 40]])
    assert not len(every.at(starts[:0]).values)
    for strange in (found, every):
        with pytest.raises(
            InputError, match="starts must be among the .* windows that were forecast, got 999"
        ):
            strange.at(np.array([part[0], 999]))
