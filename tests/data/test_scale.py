import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import scale
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.errors import InputError

from .panels import QUIET, same


def table(rows=40, series=2, seed=0):
    random = np.random.default_rng(seed)
    values = random.normal([50.0, -3.0], [9.0, 0.5], (series * rows, 2))
    outputs = random.normal(7.0, 2.0, (series * rows, 1))
    code = np.repeat(np.arange(series), rows)
    tick = np.tile(np.arange(rows), series)
    values[random.random(values.shape) < 0.1] = np.nan
    outputs[random.random(outputs.shape) < 0.1] = np.nan
    values[code == 1] += 100
    names = ("a", "b", "c")
    return Table(values, outputs, ("x", "hour_sin"), ("y",), code, tick, tick, names)


def test_scale_per_series_is_numpys_mean_and_deviation_of_its_own_rows():
    rows = table()
    scaler = scale.fit(rows, "series")
    for code in (0, 1):
        own = rows.take(rows.series == code)
        np.testing.assert_allclose(scaler.input_mean[code], np.nanmean(own.inputs, axis=0))
        np.testing.assert_allclose(scaler.input_std[code], np.nanstd(own.inputs, axis=0))
        np.testing.assert_allclose(scaler.output_mean[code], np.nanmean(own.outputs, axis=0))
        np.testing.assert_allclose(scaler.output_std[code], np.nanstd(own.outputs, axis=0))


@pytest.mark.parametrize("per", scale.SCALING)
def test_a_series_without_training_rows_takes_the_scale_of_all(per):
    rows = table()
    scaler = scale.fit(rows, per)
    codes = range(3) if per == "global" else [2]  # "c" has no rows
    for code in codes:
        np.testing.assert_allclose(scaler.input_mean[code], np.nanmean(rows.inputs, axis=0))
        np.testing.assert_allclose(scaler.output_std[code], np.nanstd(rows.outputs, axis=0))


def test_a_column_missing_throughout_a_series_takes_the_scale_of_all():
    rows = table()
    rows.inputs[rows.series == 0, 0] = np.nan
    scaler = scale.fit(rows)
    assert scaler.input_mean[0, 0] == pytest.approx(np.nanmean(rows.inputs[:, 0]))


@QUIET
@given(st.integers(2, 39), st.sampled_from([0.0, 1e6, np.nan]), st.sampled_from(scale.SCALING))
def test_later_rows_move_nothing_by_a_bit(cut, poison, per):
    rows = table()
    early = rows.tick < cut
    before = scale.fit(rows.take(early), per).to_dict()
    rows.inputs[~early], rows.outputs[~early] = poison, poison
    assert scale.fit(rows.take(early), per).to_dict() == before


def test_scaled_training_rows_have_mean_0_and_deviation_1_and_holes_of_inputs_the_mean():
    rows = table()
    scaler = scale.fit(rows)
    inputs, outputs = scaler.inputs(rows), scaler.outputs(rows)
    assert (inputs[np.isnan(rows.inputs)] == 0).all() and np.isnan(rows.inputs).any()
    assert same(np.isnan(outputs), np.isnan(rows.outputs))
    for scaled, raw in ((inputs, rows.inputs), (outputs, rows.outputs)):
        assert scaled.dtype == np.float32
        known = np.where(np.isnan(raw), np.nan, scaled)[rows.series == 0]
        np.testing.assert_allclose(np.nanmean(known, axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(np.nanstd(known, axis=0), 1, atol=1e-5)


def test_invert_brings_predictions_back_to_the_units_of_their_series():
    rows = table()
    scaler = scale.fit(rows)
    samples = np.array([3, 45, 60])
    scaled = scaler.outputs(rows)[samples[:, None] + np.arange(4)]  # (samples, horizon, targets)
    back = scaler.invert(scaled, rows.series[samples])
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, rows.outputs[samples[:, None] + np.arange(4)], rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e-300])
def test_a_constant_feature_becomes_zero_whatever_its_size(value):
    rows = table()
    rows.inputs[:, 0] = value
    scaled = scale.fit(rows).inputs(rows)[:, 0]
    np.testing.assert_allclose(scaled, 0, atol=1e-3)


def test_a_target_may_be_constant_in_one_series_but_not_in_all():
    rows = table()
    rows.outputs[rows.series == 0] = 5.0
    assert scale.fit(rows).output_std[0, 0] == scale.fit(rows).output_std[1, 0]
    rows.outputs[:] = 5.0
    told = r"data\.targets must vary in the training rows, got 'y' constant at 5: predict another"
    with pytest.raises(InputError, match=told):
        scale.fit(rows)


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "never seen")])
def test_a_target_of_one_value_in_each_series_is_refused(names):
    rows = replace(table(), names=names)
    rows.outputs[:] = 5.0 + rows.series[:, None]
    with pytest.raises(InputError, match="got 'y' constant at 5: predict another"):
        scale.fit(rows)


def test_a_target_without_a_value_in_the_training_rows_is_refused():
    rows = table()
    rows.outputs[:] = np.nan
    with pytest.raises(InputError, match=r"data\.targets .*got 'y' without a value: .*longer span"):
        scale.fit(rows)


def test_an_unknown_scaling_is_refused():
    with pytest.raises(InputError, match=r"scaling must be one of series, global, got 'window'"):
        scale.fit(table(), "window")


def test_a_scaler_survives_json_to_the_bit():
    rows = table()
    scaler = scale.fit(rows)
    again = Scaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert same(again.inputs(rows), scaler.inputs(rows))
    assert same(again.output_std, scaler.output_std)


def panel(seed, rows=60):
    """Six series of random level and spread; 1 and 4 stand still, in one of two columns or both."""
    random = np.random.default_rng(seed)
    code = np.repeat(np.arange(6), rows)
    level, spread = random.lognormal(0, 3, (6, 2)), random.lognormal(0, 3, (6, 2))
    spread[1], spread[4, 1] = 0, 0
    values = level[code] + spread[code] * random.normal(size=(6 * rows, 2))
    values[random.random(values.shape) < 0.05] = np.nan
    tick = np.tile(np.arange(rows), 6)
    outputs = values[:, :1].copy()
    return Table(values, outputs, ("y", "x"), ("y",), code, tick, tick, tuple("abcdef"))


def times(rows, *factors):
    """The table with its target and its other input in other units."""
    return replace(rows, inputs=rows.inputs * factors, outputs=rows.outputs * factors[0])


def later(rows):
    """The same rows moved on, each number in its own way, in the unit that it has."""
    moved = rows.inputs + np.nanstd(rows.inputs, axis=0) * np.sin(np.arange(len(rows)))[:, None]
    return replace(rows, inputs=moved, outputs=moved[:, :1])


@pytest.mark.parametrize("per", scale.SCALING)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("factors", [(2.0**-23, 2.0**40), (2.0**60, 2.0**-5), (1e7, 1e-9)])
def test_units_move_no_standardised_number(seed, factors, per):
    rows = panel(seed)
    one, two = scale.fit(rows, per), scale.fit(times(rows, *factors), per)
    exact = np.log2(factors[0]) == round(np.log2(factors[0]))
    assert one.input_limit is None if per == "global" else np.isfinite(one.input_limit[4, 1])
    for some in (rows, later(rows)):
        other = times(some, *factors)
        pairs = ((one.inputs(some), two.inputs(other)), (one.outputs(some), two.outputs(other)))
        for mine, theirs in pairs:
            assert same(mine, theirs) if exact else np.allclose(mine, theirs, 1e-5, 1e-5, True)
    said = np.random.default_rng(seed).normal(size=(6, 3, 1))
    mine, theirs = (scaler.invert(said, np.arange(6)) for scaler in (one, two))
    np.testing.assert_allclose(theirs, mine * factors[0], rtol=0 if exact else 1e-12)


@pytest.mark.parametrize("per", scale.SCALING)
def test_a_constant_added_moves_no_standardised_number(per):
    rows = panel(0)
    moved = replace(rows, inputs=rows.inputs + [300, -7e3], outputs=rows.outputs + 300)
    one, two = scale.fit(rows, per), scale.fit(moved, per)
    np.testing.assert_allclose(two.inputs(moved), one.inputs(rows), atol=1e-5)
    np.testing.assert_allclose(two.outputs(moved), one.outputs(rows), atol=1e-5)


def test_every_mean_is_numpys_to_the_bit():
    rows = panel(5, rows=3000)
    scaler = scale.fit(rows)
    for code, column in np.ndindex(6, 2):
        own = rows.inputs[rows.series == code, column]
        good = np.isfinite(own)
        mean = np.where(good, own, 0.0).sum() / good.sum()
        square = np.where(good, own - mean, 0.0) ** 2
        if not (own[good] == own[good][0]).all():
            assert scaler.input_mean[code, column] == mean
            assert scaler.input_std[code, column] == np.sqrt(square.sum() / good.sum())


def test_a_series_that_stands_still_takes_the_median_deviation_of_the_others():
    rows = panel(1)
    scaler = scale.fit(rows)
    own = [np.nanstd(rows.outputs[rows.series == code]) for code in (0, 2, 3, 4, 5)]
    assert scaler.output_std[1, 0] == pytest.approx(np.median(own))
    own = [np.nanstd(rows.inputs[rows.series == code, 1]) for code in (0, 2, 3, 5)]
    np.testing.assert_allclose(scaler.input_std[[1, 4], 1], np.median(own))


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_one_tiny_sale_is_as_good_as_none(unit):
    rows = panel(2)
    rows.outputs[rows.series == 1] = 0
    dead = scale.fit(times(rows, unit, 1)).output_std
    rows.outputs[np.flatnonzero(rows.series == 1)[7]] = 1e-9 * np.nanstd(rows.outputs)
    np.testing.assert_allclose(scale.fit(times(rows, unit, 1)).output_std, dead, rtol=1e-12)


def test_a_series_of_small_numbers_keeps_its_own_deviation():
    rows = panel(2)
    rows.outputs[rows.series == 3] *= 1e-6
    own = np.nanstd(rows.outputs[rows.series == 3])
    assert scale.fit(rows).output_std[3, 0] == pytest.approx(own)


def test_a_feature_that_moves_for_the_first_time_is_read_as_far_as_others_have_moved():
    rows = panel(3)
    scaler = scale.fit(rows)
    moved = replace(rows, inputs=rows.inputs.copy())
    moved.inputs[rows.series == 4, 1] += 1e9
    reached = np.abs(scaler.inputs(rows)[np.isin(rows.series, (0, 2, 3, 5)), 1]).max()
    np.testing.assert_allclose(scaler.inputs(moved)[rows.series == 4, 1].max(), reached, rtol=1e-5)
    moved.inputs[rows.series == 4, 1] -= 2e9
    np.testing.assert_allclose(scaler.inputs(moved)[rows.series == 4, 1].min(), -reached, rtol=1e-5)


def test_a_target_among_the_inputs_is_read_wherever_it_goes():
    rows = panel(3)
    moved = replace(rows, inputs=rows.inputs.copy())
    scaler = scale.fit(rows)
    own = np.flatnonzero(rows.series == 1)[0]
    moved.inputs[own, 0] = scaler.input_mean[1, 0] + 1e4 * scaler.input_std[1, 0]
    assert scaler.inputs(moved)[own, 0] == pytest.approx(1e4)


@pytest.mark.parametrize("per", scale.SCALING)
@pytest.mark.parametrize("value", [0.0, 20.0, np.nan])
def test_a_feature_that_stands_still_everywhere_is_not_read_when_it_moves(value, per):
    rows = panel(4)
    rows.inputs[:, 1] = value
    scaler = scale.fit(rows, per)
    rows.inputs[:, 1] = 1000.0
    assert (scaler.inputs(rows)[:, 1] == 0).all()


def test_a_feature_of_one_value_in_each_series_is_not_read_when_it_moves():
    rows = panel(4)
    rows.inputs[:, 1] = rows.series
    scaler = scale.fit(replace(rows, names=(*rows.names, "never seen")))
    rows.inputs[:, 1] = 1000.0
    assert (scaler.inputs(rows)[:, 1] == 0).all()


@pytest.mark.parametrize("value", [0.1, 1 / 3])
def test_a_constant_column_of_many_rows_has_no_deviation_from_rounding(value):
    rows = panel(4, rows=40_000)
    rows.inputs[:, 1] = value
    scaler = scale.fit(rows, "global")
    assert (scaler.inputs(rows)[:, 1] == 0).all() and (scaler.input_limit[:, 1] == 0).all()


def test_limits_survive_json_and_a_scaler_without_them_is_as_before():
    rows = panel(3)
    scaler = scale.fit(rows)
    text = json.dumps(scaler.to_dict(), allow_nan=False)
    again = Scaler.from_dict(json.loads(text))
    assert same(again.inputs(later(rows)), scaler.inputs(later(rows)))
    plain = scale.fit(table()).to_dict()
    assert list(plain) == ["input_mean", "input_std", "output_mean", "output_std"]
    assert Scaler.from_dict(plain).input_limit is None


@pytest.mark.parametrize("per", scale.SCALING)
def test_what_moves_for_the_first_time_is_named(per):
    rows = panel(3)
    rows.inputs[rows.series == 5, 1] = 3.0
    early = rows.tick < 40
    assert scale.moving_later(rows, early) == {}
    rows.inputs[(rows.series == 4) & ~early, 1] += 1
    rows.inputs[(rows.series == 1) & ~early, 0] -= 1
    assert scale.moving_later(rows, early) == {"y": ("b",), "x": ("e",)}
    rows.inputs[early, 1] = 7.0
    assert scale.moving_later(rows, early) == {"y": ("b",), "x": ()}
