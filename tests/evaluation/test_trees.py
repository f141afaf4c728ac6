"""Boosted trees: features against a loop over ticks, blindness to later rows, what is scored."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from forecast.data import scale, windows
from forecast.data.scale import Scaled
from forecast.data.windows import Window
from forecast.evaluation import parts
from forecast.evaluation.baselines import by_name, rules, trees
from forecast.evaluation.baselines.rules import Past
from forecast.evaluation.baselines.trees import NEAR, SHORT, WEEKS, Lagged
from forecast.evaluation.leakage import perturb
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

from .tables import at_once, last_known, panel

DAY = 4  # a season that a small table holds many of
WINDOW = Window(6, 9, lead=2)
GAPS = [(0, tick) for tick in range(15, 19)] + [(1, 30), (1, 4)]


def gappy(seed=5):
    """Two series and a very short one, with absent ticks, holes and a column known ahead."""
    table = panel((90, 70, 20), absent=GAPS, seed=seed)
    rng = np.random.default_rng(seed)
    table.outputs[rng.random(table.outputs.shape) < 0.1] = np.nan
    table.outputs[:2, 0] = np.nan
    ahead = rng.normal(size=(len(table), 1))
    return replace(
        table,
        inputs=np.concatenate([table.inputs, ahead], axis=1),
        features=(*table.features, "price"),
        known=(len(table.features),),
    )


def lagged(table, target=0, years=True):
    scaler = scale.fit(table.take(table.tick < 60))
    order = np.arange(len(table.names))
    return Lagged(Past(table), WINDOW, target, scaler, (DAY, 7 * DAY), years, order)


def boosted(table, window, learned, starts, scaler, seasons):
    """Forecast windows with trees that learn from all windows of learned rows."""
    train = windows.by_content(table, windows.starts(table, window, within=learned), learned)
    rows, past = Scaled(table, scaler), Past(table)
    grown = trees.learn(rows, past, window, learned, train=train, seasons=seasons)
    return grown.forecast(grown.lagged(past, scaler, np.arange(len(table.names))), starts)


def pairs(table):
    origins = windows.starts(table, WINDOW, truth="none") + WINDOW.timesteps - 1
    return origins, np.arange(len(origins)) % WINDOW.horizon


@pytest.mark.parametrize("target", [0, 1])
def test_features_are_those_of_a_loop_over_ticks(target):
    table = gappy()
    own = lagged(table, target)
    at = {
        (int(s), int(t)): row
        for row, (s, t) in enumerate(zip(table.series, table.tick, strict=True))
    }

    def value(code, tick, column=None):
        row = at.get((code, tick))
        if row is None:
            return math.nan
        return table.outputs[row, target] if column is None else table.inputs[row, column]

    def mean(values):
        known = [v for v in values if not math.isnan(v)]
        return sum(known) / len(known) if known else math.nan

    origins, steps = pairs(table)
    past, ahead = own.known(origins), own.ahead(origins, steps)
    lags = {*NEAR, DAY - 1, DAY, DAY + 1, 2 * DAY - 1, 3 * DAY - 1, 7 * DAY - 1}
    lengths = {*SHORT, DAY, 3 * DAY, 7 * DAY}
    others = [n for n in range(4) if n != target]
    for number, (row, step) in enumerate(zip(origins.tolist(), steps.tolist(), strict=True)):
        code, origin = int(table.series[row]), int(table.tick[row])
        level = last_known(table, code, origin, target)
        if math.isnan(level):
            level = own.scaler.output_mean[code, target]
        unit = own.scaler.output_std[code, target]
        told = [level / unit]
        told += [(value(code, origin - lag) - level) / unit for lag in sorted(lags)]
        told += [
            (mean(value(code, origin - n) for n in range(length)) - level) / unit
            for length in sorted(lengths)
        ]
        told += [table.inputs[row, column] for column in others]
        told += [mean(value(code, origin - n, c) for n in range(SHORT[-1])) for c in others]
        np.testing.assert_allclose(past[number], [*told, code], rtol=1e-9, atol=1e-12)

        predicted = origin + WINDOW.lead + 1 + step

        def newest(season, more=0, predicted=predicted, origin=origin, code=code):
            tick = predicted - season
            while tick > origin:
                tick -= season
            return value(code, tick - more * season)

        week = 7 * DAY
        told = [newest(DAY), newest(week), newest(DAY, 1), newest(week, 1)]
        told.append(mean(newest(week, n) for n in range(WEEKS)))
        stamp = pd.Timestamp(table.time[at[code, predicted]])
        clock = [stamp.hour, stamp.day_of_week, stamp.day_of_year]
        known = [table.inputs[at[code, predicted], 3]]
        told = [step, *((v - level) / unit for v in told), *clock, *known]
        np.testing.assert_allclose(ahead[number], told, rtol=1e-9, atol=1e-12)


def test_features_of_an_origin_read_no_later_row_and_no_other_series():
    table = gappy()
    origins, steps = pairs(table)
    before = lagged(table)
    for place in range(0, len(origins), 7):
        row, rng = origins[place], np.random.default_rng(place)
        later = (table.tick > table.tick[row]) | (table.series != table.series[row])
        spared = np.zeros(len(table), bool)
        spared[row + WINDOW.lead + 1 + steps[place]] = True
        wild = perturb.perturb_table(table, later, rng, spared=spared)
        after = replace(before, past=Past(wild))
        for found, other in (
            (before.known(origins), after.known(origins)),
            (before.ahead(origins, steps), after.ahead(origins, steps)),
        ):
            assert found[place].tobytes() == other[place].tobytes()


def test_forecasts_are_those_of_scikit_learns_trees_and_the_season_before(monkeypatch):
    """On a table so small that every pair is learned from."""
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 20)
    table = panel((80, 60), targets=1)
    window, learned = Window(6, 3), table.tick < 50
    scaler = scale.fit(table.take(learned))
    starts = windows.starts(table, window, within=~learned)
    said = boosted(table, window, learned, starts, scaler, (24,))
    order = windows.series_order(table, learned)
    own = Lagged(Past(table), window, 0, scaler, (24,), False, order)
    first = windows.starts(table, window, within=learned)
    origins = np.repeat(windows.by_content(table, first, learned) + 5, 3)
    steps = np.tile(np.arange(3), len(origins) // 3)
    true, unit = table.outputs[origins + 1 + steps, 0], scaler.output_std[table.series[origins], 0]

    def features(rows, numbers):
        return np.column_stack([own.known(rows), own.ahead(rows, numbers)])

    x = features(origins, steps)
    told = np.isfinite(x).any(axis=0)
    level = known = table.outputs[origins, 0]
    before = table.outputs[np.maximum(origins + 1 + steps - 24, 0), 0]
    before = np.where(table.tick[origins] + 1 + steps >= 24, before, known)
    seasonal = np.abs(true - before).mean() < np.abs(true - level).mean()
    assert seasonal  # a daily wave
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(**trees.SETTINGS)
        model.fit(x[:, told], (true - before) / unit)
    rows, numbers = np.repeat(starts + 5, 3), np.tile(np.arange(3), len(starts))
    expected = model.predict(features(rows, numbers)[:, told])
    expected = expected * scaler.output_std[table.series[rows], 0]
    expected += table.outputs[rows + 1 + numbers - 24, 0]
    np.testing.assert_allclose(said[..., 0].ravel(), expected)


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 30)
    table = panel((900, 800), targets=1)
    window, learned = Window(6, 12), table.tick < 700
    scaler = scale.fit(table.take(learned))
    starts = windows.starts(table, window, within=~learned)
    found = []
    for threads in (1, 2):
        trees._fitted.clear()
        with threadpool_limits(threads):
            found.append(boosted(table, window, learned, starts, scaler, (24, 168)))
    assert found[0].tobytes() == found[1].tobytes()


def test_a_sample_is_made_of_whole_origins_over_the_whole_span(monkeypatch):
    monkeypatch.setattr(trees, "SCORED", 1_000)
    table, window = panel((300, 280, 120)), Window(6, 5)
    starts = windows.starts(table, window)
    asked, values = parts.Asked.of(table, window, starts), window.horizon * len(table.targets)
    stamps, note = trees.sample(asked, values)
    drawn = starts[np.isin(table.time[starts + 5], stamps)]
    assert 0.5 * 1_000 < len(drawn) * 5 * 2 <= 1_000
    ticks, origins = table.tick[starts + 5], table.tick[drawn + 5]
    np.testing.assert_array_equal(stamps, np.unique(table.time[drawn + 5]))
    assert np.diff(np.unique(origins)).max() < 2 * 300 / len(np.unique(origins))
    every = len(np.unique(ticks))
    assert note == f"scored from {len(np.unique(origins))} of {every} time stamps"
    np.testing.assert_array_equal(trees.sample(asked, values)[0], stamps)
    monkeypatch.setattr(trees, "SCORED", 10**9)
    assert trees.sample(asked, values) == (None, "")


def spec(**changes):
    own = Spec(Model("linear"), Window(6, 5), Training(), baselines=("boosted_trees",))
    return replace(own, regressors={}, **changes)


def test_a_sample_forecasts_as_the_whole_does(monkeypatch):
    table = panel((300, 280))
    learned, starts = table.tick < 200, windows.starts(table, Window(6, 5))[-100:]
    scaler = scale.fit(table.take(learned))
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 20)
    whole = at_once(spec(), Scaled(table, scaler), learned, starts)
    monkeypatch.setattr(trees, "SCORED", 300)
    part = at_once(spec(), Scaled(table, scaler), learned, starts)["boosted_trees"]
    assert 0 < len(part.starts) <= 30 and "of 100 time stamps" in part.note
    other = whole["boosted_trees"].at(part.starts)
    np.testing.assert_array_equal(other.starts, part.starts)
    np.testing.assert_array_equal(other.values, part.values)
    assert len(whole["persistence"].starts) == 100


@pytest.mark.parametrize(("targets", "there"), [(8, True), (9, False)])
def test_more_targets_than_trees_take_are_left_out_with_a_reason(targets, there, monkeypatch):
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 2)
    table = panel((60,), targets=targets)
    learned = table.tick < 40
    starts = windows.starts(table, Window(6, 5), within=~learned)
    found = at_once(spec(), Scaled(table, scale.fit(table.take(learned))), learned, starts)
    assert ("boosted_trees" in found) == there
    reason = {} if there else {"boosted_trees": "left out, 9 targets are more than 8"}
    assert by_name.left_out(spec(), table) == reason


def test_fits_are_remembered_by_every_bit_of_what_is_learned(monkeypatch):
    fits = []

    class Noted(HistGradientBoostingRegressor):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    monkeypatch.setattr(trees, "HistGradientBoostingRegressor", Noted)
    monkeypatch.setattr(trees, "_fitted", type(trees._fitted)())
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 5)
    table, window = panel((120,), targets=1), Window(6, 5)
    learned = table.tick < 80
    starts, scaler = windows.starts(table, window, within=~learned), scale.fit(table.take(learned))

    def said():
        return boosted(table, window, learned, starts, scaler, (24,))

    one, two = said(), said()
    assert len(fits) == 1 and one.tobytes() == two.tobytes()
    table.outputs[100] += 1.0  # after training
    said()
    assert len(fits) == 1
    table.outputs[60] = np.nextafter(table.outputs[60], np.inf)
    said()
    assert len(fits) == 2


def test_the_time_of_the_year_is_left_out_where_training_has_not_seen_a_year():
    table = panel((120,), targets=1)
    origins = np.arange(90, 95)
    alone = np.zeros(1, int)
    short, full = (
        Lagged(Past(table), WINDOW, 0, scale.fit(table), (24, 168), years, alone)
        for years in (False, True)
    )
    steps = np.zeros(5, int)
    assert full.ahead(origins, steps).shape[1] - short.ahead(origins, steps).shape[1] == 3


@pytest.mark.parametrize("frequency", ["15min", "h", "D", "B", "W", "MS", None])
def test_any_frequency_is_forecast(frequency, monkeypatch):
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 5)
    table = panel((150, 12), targets=1, frequency=frequency)
    if frequency:
        stamps = pd.date_range("2001-01-01", periods=150, freq=frequency)
        table = replace(
            table, time=stamps.to_numpy("datetime64[ns]")[table.tick], frequency=frequency
        )
    learned, window = table.tick < 100, Window(6, 5)
    starts = windows.starts(table, window, within=~learned)
    scaler = scale.fit(table.take(learned))
    found = boosted(table, window, learned, starts, scaler, rules.seasons(frequency))
    assert found.shape == (len(starts), 5, 1) and np.isfinite(found).all()


@pytest.mark.parametrize("seed", range(5))
def test_values_by_row_are_read_as_those_on_every_tick(seed, monkeypatch):
    """Of stretches far apart only the rows are laid out, and nothing that is read changes."""
    rng = np.random.default_rng(seed)
    whole = panel((300, 200, 260), seed=seed)
    whole.outputs[rng.random(whole.outputs.shape) < 0.1] = np.nan
    table = whole.take(rng.random(len(whole)) < 0.7)
    dense = rules.Ticks.of(table, table.outputs)
    monkeypatch.setattr(rules, "GAPS", 0)
    sparse = rules.Ticks.of(table, table.outputs)
    assert type(sparse) is rules.Sparse and type(dense) is rules.Ticks
    rows = rng.integers(0, len(table), 500)
    for back in (0, 1, 7, 24, 250, rng.integers(0, 300, 500)):
        for column in range(2):
            one, two = (own.before(own.cell[rows], back, column) for own in (dense, sparse))
            np.testing.assert_array_equal(one, two)
    for length in (1, 6, 24, 1000):
        one, two = (own.means(own.cell[rows], length) for own in (dense, sparse))
        np.testing.assert_array_equal(one, two)
