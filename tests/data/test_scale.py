import json

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
    assert scale.fit(rows).output_std[0, 0] == 1
    rows.outputs[:] = 5.0
    told = r"data\.targets must vary in the training rows, got 'y' constant at 5: predict another"
    with pytest.raises(InputError, match=told):
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
