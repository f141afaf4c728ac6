"""Classical baselines against statsmodels' own forecasts, origin by origin."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from statsmodels.tools.sm_exceptions import ConvergenceWarning
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

from forecast.data import windows
from forecast.data.windows import Window
from forecast.evaluation.baselines.classical import CLASSICAL, Classical, Lines

from .tables import panel

WINDOW, SEASON = Window(6, 4, lead=1), 4
LEARNED = 48
NAMES = sorted(CLASSICAL)
STEPS = 5


def classical(name, table, learned, window, starts, season):
    models = Classical(name, table, learned, window, season)
    return Lines(models, table, np.arange(len(table.names))).forecast(starts)


@pytest.fixture(scope="module", autouse=True)
def short_fits():
    """A few iterations: what is tested does not depend on how well a model fits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecast.evaluation.baselines.classical.STEPS", STEPS)
        yield


@pytest.fixture(scope="module")
def table():
    made = panel((60, 55), absent=[(0, 50), (1, 20)], targets=1)
    rng = np.random.default_rng(3)
    # a level that wanders and a season of four rows
    made.outputs[:, 0] = 50 + np.cumsum(rng.normal(0, 0.4, len(made))) + 3 * (made.tick % SEASON)
    made.outputs[[10, 70], 0] = np.nan
    return made


@pytest.fixture(scope="module")
def said(table):
    every = windows.starts(table, WINDOW, truth="none")
    found = every[table.series[every] == 1]
    learned = table.tick < LEARNED
    return found, {n: classical(n, table, learned, WINDOW, found, SEASON) for n in NAMES}


def line(table, code):
    values = np.full(60, np.nan)
    own = table.series == code
    values[table.tick[own]] = table.outputs[own, 0]
    return values[: table.tick[own].max() + 1]


def test_every_window_gets_a_forecast_of_the_windows_shape(said):
    found, values = said
    for name in NAMES:
        assert values[name].shape == (len(found), 4, 1) and np.isfinite(values[name]).all()


def test_ets_forecasts_what_statsmodels_does_at_each_origin(table, said):
    (found, values), code = said, 1
    whole = line(table, code)
    forms = product([(False, False), (True, False), (True, True)], [None, SEASON])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [
            ExponentialSmoothing(
                whole[:LEARNED], trend=trend, damped_trend=damped, seasonal=season
            ).fit(disp=False, maxiter=STEPS, low_memory=True)
            for (trend, damped), season in forms
        ]
    best = min(fits, key=lambda fit: fit.aicc)
    for number in (0, len(found) // 2, -1):
        origin = table.tick[found[number]] + WINDOW.timesteps - 1
        past = best.model.clone(whole[: origin + 1])
        expected = past.smooth(best.params).forecast(5)[1:]
        np.testing.assert_allclose(values["auto_ets"][number, :, 0], expected, rtol=1e-6)


def test_theta_is_that_of_statsmodels(table):
    """Without season and holes, where its first level is long forgotten."""
    made = panel((60,), targets=1)
    rng = np.random.default_rng(1)
    made.outputs[:, 0] = 10 + 0.3 * np.arange(60) + np.cumsum(rng.normal(0, 1, 60))
    window = Window(6, 4)
    found = np.array([LEARNED - 6])  # its origin is the last training row
    values = classical("theta", made, made.tick < LEARNED, window, found, 1)
    expected = ThetaModel(made.outputs[:LEARNED, 0], deseasonalize=False).fit().forecast(4)
    np.testing.assert_allclose(values[0, :, 0], expected, rtol=1e-6)


def test_arima_finds_an_autoregression():
    made, window = panel((300,), targets=1), Window(6, 4)
    rng, value = np.random.default_rng(2), 0.0
    for tick in range(300):
        value = 0.8 * value + rng.normal()
        made.outputs[tick, 0] = 5 + value
    found = windows.starts(made, window)[-20:]
    values = classical("auto_arima", made, made.tick < 250, window, found, 1)[..., 0]
    last = made.outputs[found + 5, 0]
    expected = 5 + (last[:, None] - 5) * 0.8 ** np.arange(1, 5)
    assert np.abs(values - expected).max() < 1.0  # estimation error; the truth's spread is 1.7
    assert np.corrcoef(values.ravel(), expected.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_no_classical_model_looks_beyond_training_and_origin(table, said, name):
    found, values = said
    origin = table.tick[found[-2]] + WINDOW.timesteps - 1
    assert origin >= LEARNED
    wild = replace(table, outputs=table.outputs.copy())
    wild.outputs[(wild.series == 1) & (wild.tick > origin)] = 1e6
    again = classical(name, wild, wild.tick < LEARNED, WINDOW, found[[-2]], SEASON)
    np.testing.assert_array_equal(again[0], values[name][-2])


def test_windows_of_several_series_in_any_order_are_those_of_each_alone(table):
    """To the bit, by a loop that asks all rows of which series they are."""
    every = windows.starts(table, WINDOW, truth="none")
    mixed = np.random.default_rng(0).permutation(every)
    learned = table.tick < LEARNED
    found = classical("theta", table, learned, WINDOW, mixed, SEASON)
    for code in (0, 1):
        mine = table.series[mixed] == code
        alone = classical("theta", table, learned, WINDOW, mixed[mine], SEASON)
        rows = table.series == code
        own = replace(table.take(rows), series=np.zeros(rows.sum(), int), names=(str(code),))
        starts = mixed[mine] - np.flatnonzero(rows)[0]
        apart = classical("theta", own, learned[rows], WINDOW, starts, SEASON)
        assert found[mine].tobytes() == alone.tobytes() == apart.tobytes()
    assert classical("theta", table, learned, WINDOW, mixed[:0], SEASON).shape == (0, 4, 1)


def test_a_series_without_training_rows_is_not_forecast(table):
    found = windows.starts(table, WINDOW, truth="none")
    learned = (table.tick < LEARNED) & (table.series == 0)
    values = classical("theta", table, learned, WINDOW, found, SEASON)
    assert np.isnan(values[table.series[found] == 1]).all()
    assert np.isfinite(values[table.series[found] == 0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_series_and_one_of_holes_are_not_forecast(table, name):
    found = windows.starts(table, WINDOW, truth="none")
    for value in (7.0, np.nan):
        flat = replace(table, outputs=np.full_like(table.outputs, value))
        values = classical(name, flat, flat.tick < LEARNED, WINDOW, found, SEASON)
        assert np.isnan(values).all()
