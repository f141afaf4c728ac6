"""Experiments on transformed targets: those of the transformed column, brought back."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast import metrics
from forecast.data import panel, scale, windows
from forecast.data.scale import Scaled
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import experiment, scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration
from forecast.evaluation.outcome import Spec
from forecast.serving import arrays, bundle
from forecast.serving import schema as fields
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from .tables import at_once

WINDOW = Window(8, 3)
LEVELS = (0.05, 0.5, 0.95)


def sizes(rows=160, series=2, targets=1, seed=0):
    """Series that swing by a factor, of different level, with a gap in the truth."""
    rng = np.random.default_rng(seed)
    code, tick = np.repeat(np.arange(series), rows), np.tile(np.arange(rows), series)
    wave = np.sin(2 * np.pi * tick / 24 + code)[:, None] * (1 + np.arange(targets))
    values = np.exp(3 * code[:, None] + wave + rng.normal(0, 0.3, wave.shape))
    outputs = values.copy()
    outputs[[30, 141], 0] = np.nan
    time = (pd.Timestamp("2024-01-01") + pd.to_timedelta(tick, "h")).to_numpy("datetime64[ns]")
    names = tuple(f"t{i}" for i in range(targets))
    return Table(
        *(values, outputs, names, names, code, tick, time),
        names=tuple(f"s{i}" for i in range(series)),
        frequency="h",
        transforms=("log",) * targets,
    )


def spec(method="adaptive", quantiles=(), **changes):
    given = {
        "model": Model("linear"),
        "window": WINDOW,
        "training": Training(epochs=2, batch_size=32, quantiles=list(quantiles)),
        "validation": 0.4,
        "test": 0.25,
        "calibration": method,
        "regressors": {"ridge": {"alpha": 10.0}},
    }
    return Spec(**{**given, **changes})


def logged(table):
    """The logarithms of a table's values, which no transform is asked of."""
    return replace(table, inputs=np.log(table.inputs), outputs=np.log(table.outputs), transforms=())


@pytest.mark.parametrize(
    ("method", "quantiles"), [("adaptive", ()), ("split", ()), ("cqr", LEVELS)]
)
def test_all_that_is_forecast_is_that_of_the_logarithms_brought_back(method, quantiles):
    table = sizes(targets=2)
    found = experiment.run(spec(method, quantiles), table)
    plain = experiment.run(spec(method, quantiles), logged(table))
    assert found.forecaster.history_["val_loss"] == plain.forecaster.history_["val_loss"]
    close = {"rtol": 1e-9}
    np.testing.assert_allclose(found.test.values, np.exp(plain.test.values), **close)
    if quantiles:
        every = found.test.quantiles
        np.testing.assert_allclose(every, np.exp(plain.test.quantiles), **close)
        assert (np.diff(every, axis=-1) >= 0).all()
    assert {"ridge", "boosted_trees", "persistence"} <= set(found.baselines)
    for name in ("ridge", "persistence"):
        one, two = found.baselines[name].values, plain.baselines[name].values
        np.testing.assert_allclose(one, np.exp(two), **close, err_msg=name)
    for end in ("lower", "upper"):
        ends = getattr(found.intervals, end)
        assert np.isfinite(ends).all() and (ends > 0).all()
        np.testing.assert_allclose(ends, np.exp(getattr(plain.intervals, end)), rtol=1e-7)
    covered = "test/coverage_90"
    assert found.scores[covered] == plain.scores[covered]


def test_scores_and_their_divisors_are_in_the_units_of_the_data():
    table = sizes(targets=2)
    found = experiment.run(spec(), table)
    train = table.take(found.cuts.train_rows(table))
    std = np.stack([np.nanstd(train.outputs[train.series == code], axis=0) for code in (0, 1)])
    own = scores.Scale.of(train, found.forecaster.scaler_, found.season)
    np.testing.assert_allclose(own.std, std)
    error = np.abs(found.test.true - found.test.values)
    assert found.scores["test/mae"] == pytest.approx(np.nanmean(error))
    scaled = error / std[found.test.series][:, None]
    assert found.scores["test/mae_z"] == pytest.approx(np.nanmean(scaled))
    naive = np.stack(
        [
            metrics.naive_scale(train.outputs[train.series == code], found.season)[0]
            for code in (0, 1)
        ]
    )
    expected = np.nanmean(error / naive[found.test.series][:, None])
    assert found.scores["test/mase"] == pytest.approx(expected)


def test_the_epochs_error_is_in_the_units_of_the_data():
    table = sizes()
    made = spec()
    fitted = Forecaster(made.model, WINDOW, made.training).fit(table, tail=40)
    stop = windows.starts(table, WINDOW, within=table.tick >= 120)
    error = np.abs(
        fitted.predict_windows(table, stop) - windows.outputs(table.outputs, stop, WINDOW)
    )
    kept = fitted.history_["val_mae"][fitted.best_epoch_ - 1]
    assert kept == pytest.approx(np.nanmean(error), rel=1e-5)


@pytest.mark.parametrize("name", ["log", "log1p", "sqrt", "boxcox"])
def test_whatever_a_network_says_no_forecast_is_below_zero(name):
    table = replace(sizes(), transforms=(name,))
    rows = Scaled(table, scale.fit(table))
    wild = np.random.default_rng(0).normal(0, 1e3, (50, 3, 1))
    found = rows.scaler.invert(wild, table.series[:50])
    assert np.isfinite(found).all() and found.min() >= 0 and (found > 0).all() == (name == "log")


def walk(errors):
    """Forecasts of a wave whose truth is off by a factor: held-out windows, then test ones."""
    ticks = len(errors)
    level = np.exp(2 * np.sin(np.arange(ticks) / 5))
    true = (level * np.exp(errors))[:, None]
    table = Table(
        *(true, true, ("y",), ("y",), np.zeros(ticks, int), np.arange(ticks), np.arange(ticks)),
        transforms=("log",),
    )
    found = []
    for first, end in ((8, ticks // 3), (ticks // 3, ticks)):
        starts = np.arange(first, end - WINDOW.span + 1)
        ahead = windows.future_rows(starts, WINDOW)
        found.append(Forecasts(table, WINDOW, starts, level[ahead][..., None]))
    return found


@pytest.mark.parametrize("method", ["adaptive", "split"])
def test_intervals_of_proportional_errors_cover_and_respect_zero(method):
    held, test = walk(np.random.default_rng(1).normal(0, 0.5, 3000))
    found, plain = (
        calibration.calibrate(test, held, scale.fit(table), 0.9, method)
        for table in (test.table, replace(test.table, transforms=()))
    )
    inside = (found.lower <= test.true) & (test.true <= found.upper)
    assert inside.mean() == pytest.approx(0.9, abs=0.015)
    assert (found.lower > 0).all() and (plain.lower < 0).any()
    low = test.values < 0.3  # where the level is low as well, and not only on average
    assert inside[low].mean() == pytest.approx(0.9, abs=0.04)
    assert ((plain.lower <= test.true) & (test.true <= plain.upper))[low].mean() > 0.97


def test_truth_and_forecasts_outside_the_transform_do_no_harm():
    held, test = walk(np.random.default_rng(1).normal(0, 0.5, 900))
    scaler = scale.fit(test.table)
    expected = calibration.calibrate(test, held, scaler, 0.9, "adaptive")
    table = replace(test.table, outputs=test.table.outputs.copy())
    table.outputs[-WINDOW.span :: 2] = 0
    other = calibration.calibrate(replace(test, table=table), held, scaler, 0.9, "adaptive")
    assert np.isfinite(other.lower).all() and (other.lower > 0).all()
    np.testing.assert_array_equal(other.lower[:-20], expected.lower[:-20])
    values = test.values.copy()
    values[5] = 0  # a baseline that repeats a zero: it has no interval there
    other = calibration.calibrate(replace(test, values=values), held, scaler, 0.9, "split")
    assert np.isnan(other.lower[5]).all() and np.isfinite(np.delete(other.lower, 5, axis=0)).all()


def test_later_zeros_are_scored_and_are_no_inputs():
    frame = raw()
    late = frame.time >= frame.time.iloc[140]
    frame.loc[late & (frame.time.dt.hour == 5), "load"] = 0.0
    asked = Schema("time", ("load",), series=("site",), transform="log", missing="drop")
    table = panel.build(frame, asked)
    found = experiment.run(spec(), table)
    assert np.isfinite(found.scores["test/mae"]) and (found.test.true == 0).any()
    assert np.isnan(table.inputs[table.outputs == 0]).all()
    inputs = windows.inputs(table.inputs, found.test.starts, WINDOW)
    assert np.isfinite(inputs).all() and (found.test.values > 0).all()


def test_trees_learn_the_transformed_target():
    table = sizes()
    made = spec(regressors={}, baselines=("boosted_trees",))
    learned = table.tick < 120
    starts = windows.starts(table, WINDOW, within=~learned)
    held = windows.starts(table, WINDOW, within=learned)
    one, two, plain = (
        at_once(made, Scaled(own, scale.fit(own)), learned, starts, validation=held)[
            "boosted_trees"
        ].values
        for own in (table, logged(table), replace(table, transforms=()))
    )
    np.testing.assert_allclose(one, np.exp(two), rtol=1e-9)
    assert (one != plain).all()


def raw(rows=160):
    """Raw rows of two sites."""
    table = sizes(rows)
    return pd.DataFrame(
        {
            "time": table.time,
            "site": np.array(table.names)[table.series],
            "load": table.inputs[:, 0],
        }
    )


@pytest.fixture(scope="module", params=["log", "boxcox"])
def served(request, tmp_path_factory):
    """A folder with a bundle, what it was made of, and its reach."""
    asked = Schema("time", ("load",), series=("site",), transform=request.param)
    table = panel.build(raw(), asked)
    found = experiment.run(spec(), table)
    folder = tmp_path_factory.mktemp("served")
    bundle.save(folder, found.forecaster, asked, {}, reach=found.intervals.reach)
    return folder, found, table


def test_a_bundle_forecasts_as_the_forecaster_it_holds(served):
    folder, found, table = served
    loaded = bundle.load(folder)
    said = loaded.predict(raw(), history=True)
    starts = windows.every(table, WINDOW)
    own = found.forecaster.predict_windows(table, starts)
    np.testing.assert_allclose(said.forecast, own.ravel(), rtol=1e-6)
    assert (said.lower > 0).all() and (said.lower <= said.forecast).all()
    for name, part in vars(found.forecaster.scaler_).items():
        if part is not None:
            np.testing.assert_array_equal(getattr(loaded.scaler, name), part)
    # the last interval of training is that of the bundle, widened on the transform's scale
    series = table.series[starts]
    reach = found.intervals.reach.values[series]
    kinds = found.forecaster.scaler_.kinds
    upper = kinds.inverse(kinds.forward(own) + np.maximum(reach, 0))
    np.testing.assert_allclose(said.upper, upper.ravel(), rtol=1e-6)


def test_a_bundle_counts_values_outside_as_missing(served):
    folder, _, _ = served
    frame = raw()
    frame.loc[frame.time == frame.time.max(), "load"] = 0.0
    said = bundle.load(folder).predict(frame)
    assert (said.forecast > 0).all()  # the value before is held
    last = frame.groupby("site").load.transform("shift")
    held = frame.assign(load=frame.load.where(frame.load > 0, last))
    expected = bundle.load(folder).predict(held)
    np.testing.assert_allclose(said.forecast, expected.forecast, rtol=1e-6)


def test_a_bundle_whose_files_disagree_on_the_transform_is_refused(served):
    folder, found, _ = served
    plain = fields.read(folder)
    loaded = bundle.load(folder)
    other = replace(loaded, schema=replace(loaded.schema, transform={}))
    assert "transform" in bundle.disagreement(other)
    lone = replace(loaded.scaler, output_shift=None)
    assert "transform" in bundle.disagreement(replace(loaded, scaler=lone))
    wild = replace(loaded.scaler, output_power=-loaded.scaler.output_power - 1)
    assert bundle.disagreement(replace(loaded, scaler=wild)) == "an invalid scale"
    assert plain["schema"]["transform"] == dict(loaded.schema.transform)
    names, _ = arrays.read((folder / "series.arrow").read_bytes(), named=True)
    assert {"output_power", "output_shift", "output_spread"} <= set(names)


def test_a_bundle_without_a_transform_is_written_as_before(tmp_path):
    table = replace(sizes(), transforms=())
    fitted = Forecaster(Model("linear"), WINDOW, Training(epochs=1)).fit(table)
    bundle.save(tmp_path, fitted, Schema("time", ("t0",), series=("site",)), {})
    plain = json.loads((tmp_path / "bundle.json").read_text())
    assert "transform" not in plain["schema"] and plain["format"] == 4
    names, _ = arrays.read((tmp_path / "series.arrow").read_bytes(), named=True)
    assert set(names) == {"input_mean", "input_std", "output_mean", "output_std"}
    assert bundle.load(tmp_path).schema.transform == {}


def test_zero_in_the_training_rows_of_an_experiment_is_refused_before_training():
    table = sizes()
    table.outputs[3] = 0
    with pytest.raises(InputError, match="data.transform.t0 must be of values above 0 for log"):
        experiment.prepare(spec(), table)
