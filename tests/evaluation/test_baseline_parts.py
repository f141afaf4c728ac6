"""Baselines that learned once forecast the same bits in any parts, of one table or of others."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from forecast.data import scale, windows
from forecast.data.scale import Scaled, Scaler
from forecast.data.windows import Window
from forecast.evaluation.baselines import by_name, classical, regression, rules, trees
from forecast.evaluation.baselines.regression import Flat
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training
from forecast.vocabulary import BASELINES

from .tables import at_once, panel

LEARNED = 60
RIDGES = {"ridge": {}, "KNeighborsRegressor": {}}


@pytest.fixture(autouse=True)
def short_fits(monkeypatch):
    """What is tested does not depend on how well a model fits."""
    monkeypatch.setattr(classical, "STEPS", 2)
    monkeypatch.setitem(trees.SETTINGS, "max_iter", 10)


def one():
    return panel((130,), targets=1)


def several():
    return panel((110, 95, 100), seed=3)


def gappy():
    """Absent ticks, holes in the truth, and a column known ahead."""
    table = panel((110, 95, 100), absent=[(0, tick) for tick in range(40, 45)] + [(1, 70)], seed=2)
    rng = np.random.default_rng(5)
    table.outputs[rng.random(table.outputs.shape) < 0.1] = np.nan
    ahead = rng.normal(size=(len(table), 1))
    inputs, known = np.concatenate([table.inputs, ahead], axis=1), (len(table.features),)
    return replace(table, inputs=inputs, features=(*table.features, "price"), known=known)


def masked():
    """Missing inputs, and columns that say so."""
    table = panel((110, 95), seed=4)
    holes = np.random.default_rng(4).random(table.inputs.shape) < 0.1
    inputs = np.concatenate([np.where(holes, np.nan, table.inputs), holes.astype(float)], axis=1)
    said = tuple(f"{name}_missing" for name in table.features)
    return replace(table, inputs=inputs, features=(*table.features, *said), indicators=3)


def events():
    """A probability that a target is high."""
    table = panel((110, 95, 100), targets=1, seed=3)
    high = (table.outputs > 20).astype(float)
    return replace(table, outputs=high, targets=("high",), about=("t0",), task="event")


CASES = {
    "one": (one(), Window(12, 5), BASELINES),
    "several": (several(), Window(8, 3, lead=2), ("drift", "moving_average", "boosted_trees")),
    "several series and classical models": (several(), Window(4, 3), ("theta", "auto_ets")),
    "gappy": (gappy(), Window(6, 9, lead=1), ("drift", "moving_average", "boosted_trees", "theta")),
    "masked": (masked(), Window(6, 4), ("drift", "moving_average", "boosted_trees")),
    "events": (events(), Window(6, 4), ("drift", "moving_average")),
}


def case(table, window, names, cut=LEARNED):
    """What is asked for, the rows, those to learn from, the windows to choose on and to score."""
    spec = Spec(Model("linear"), window, Training(), baselines=names, regressors=RIDGES)
    if set(names) & set(classical.CLASSICAL):
        spec = replace(spec, season=1 if "auto_arima" in names else 4)  # which has few states
    learned = table.tick < cut
    every = windows.starts(table, window, truth="some")
    asked = every[table.tick[every + window.timesteps + window.lead] >= cut]
    held = windows.starts(table, window, within=~learned & (table.tick < cut + 15))
    scaler = scale.fit(table.take(learned))
    return (spec, Scaled(table, scaler), learned, asked), {"validation": held}


def same(found, whole):
    """Hold parts against the whole, bit by bit."""
    assert list(found[0]) == list(whole)
    for name, every in whole.items():
        parts = [part[name] for part in found]
        starts, values = (
            np.concatenate([getattr(part, side) for part in parts]) for side in ("starts", "values")
        )
        assert {part.note for part in parts} == {every.note}
        assert sorted(starts) == sorted(every.starts), name
        assert values.tobytes() == every.at(starts).values.tobytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_parts_of_any_cut_are_the_whole(name, monkeypatch):
    given, more = case(*CASES[name])
    asked, rng = given[3], np.random.default_rng(0)
    monkeypatch.setattr(trees, "SCORED", asked.size * given[0].window.horizon)  # of two targets
    whole = at_once(*given, **more)
    assert set(given[0].baselines) | set(RIDGES) <= set(whole)
    baselines = by_name.learn(*given, **more)
    for order in (asked, asked[::-1], rng.permutation(asked)):
        cuts = np.sort(rng.integers(0, len(order), 4))
        same([baselines.forecast(part) for part in np.split(order, cuts)], whole)
    few = rng.choice(asked, 5, replace=False)
    found = [baselines.forecast(few[[place]]) for place in range(5)]
    same(found, {key: each.at(few[np.isin(few, each.starts)]) for key, each in whole.items()})


@pytest.mark.parametrize("name", [name for name in CASES if name != "one"])
def test_tables_of_single_series_are_forecast_as_the_panel_is(name, monkeypatch):
    given, more = case(*CASES[name])
    (_, rows, _, asked), table = given, given[1].table
    monkeypatch.setattr(trees, "SCORED", asked.size * given[0].window.horizon)
    whole, baselines = at_once(*given, **more), by_name.learn(*given, **more)
    found = []
    for code in (1, 0, *range(2, len(table.names))):
        own = table.series == code
        alone = replace(table.take(own), series=np.zeros(int(own.sum()), int), names=("alone",))
        parts = {key: part[[code]] for key, part in vars(rows.scaler).items() if part is not None}
        block, first = Scaled(alone, Scaler(**parts)), int(np.flatnonzero(own)[0])
        mine = asked[table.series[asked] == code] - first
        for part in np.array_split(mine, 2):
            said = baselines.forecast(part, block, np.array([code]))
            assert all(each.table is alone for each in said.values())
            found.append(
                {
                    key: replace(each, table=table, starts=each.starts + first)
                    for key, each in said.items()
                }
            )
    same(found, whole)


def test_what_does_not_depend_on_the_part_is_made_once(monkeypatch):
    given, more = case(*CASES["one"])
    made = []

    def counted(place, name):
        own = getattr(place, name)

        def noted(*args, **kwargs):
            made.append(name)
            return own(*args, **kwargs)

        monkeypatch.setattr(place, name, noted)

    counted(rules, "known_targets")
    counted(trees, "_fit")
    counted(regression, "Path")
    counted(classical, "_filtered")
    baselines = by_name.learn(*given, **more)
    for part in np.array_split(given[3], 4):
        baselines.forecast(part)
    once = {"known_targets": 1, "_fit": 1, "Path": 1, "_filtered": 2}  # of ETS and ARIMA
    assert {name: made.count(name) for name in once} == once


def test_without_room_for_coefficients_ridge_forecasts_the_same_without_them(monkeypatch):
    """And others are left out before they begin, with a reason."""
    table, window = panel((300, 280)), Window(60, 6)
    (spec, rows, learned, asked), more = case(table, window, (), 120)
    spec = replace(spec, regressors={"ridge": {}, "Ridge": {"alpha": 5.0}, "Lasso": {}})
    monkeypatch.setattr(regression, "MOST", 40)  # fewer rows than columns
    before = at_once(spec, rows, learned, asked, **more)
    monkeypatch.setattr(regression, "BYTES", 8 * 180 * 11)  # of 180 columns and 12 outputs
    monkeypatch.setattr(regression, "CELLS", 10**9)
    monkeypatch.setattr(Flat, "thinned", lambda flat, starts: starts[:: -(-len(starts) // 40)])
    after = by_name.learn(spec, rows, learned, asked, **more)
    found = after.forecast(asked)
    assert "Lasso" in before and "Lasso" not in found
    assert by_name.left_out(spec, table) == {
        "Lasso": "left out, its coefficients take 0.0 GiB of memory"
    }
    for name in ("ridge", "Ridge"):
        assert found[name].note == before[name].note
        np.testing.assert_allclose(found[name].values, before[name].values, rtol=1e-9)
    monkeypatch.setattr(regression, "BLOCK_CELLS", 192 * 70)
    same([after.forecast(part) for part in np.array_split(asked, 3)], after.forecast(asked))
    flat = Flat(rows, window)
    assert flat.block == 64
    train = flat.thinned(windows.starts(table, window, within=learned))
    oracle = Ridge(alpha=5.0).fit(flat.known(train), flat.future(train))
    expected = flat.values(oracle.predict(flat.known(asked)), asked)
    np.testing.assert_allclose(found["Ridge"].values, expected, rtol=1e-9)


def test_windows_are_thinned_until_what_they_hold_and_predict_fits(monkeypatch):
    table, window = panel((200,)), Window(5, 30)
    flat, starts = Flat(Scaled(table, scale.fit(table)), window), windows.starts(table, window)
    assert regression.flattened(table, window) == (15, 60)
    assert len(flat.thinned(starts)) == len(starts) == 166
    monkeypatch.setattr(regression, "BYTES", 8 * (15 + 60) * 50)
    assert len(flat.thinned(starts)) == 42
