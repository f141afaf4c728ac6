"""Transforms of targets against scipy and scikit-learn: values, powers, what they are not of."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from forecast.data import panel, quality, samples, scale
from forecast.data.blocks import Blocks
from forecast.data.scale import Scaler
from forecast.data.scaling import transform
from forecast.data.scaling.transform import Kinds
from forecast.data.schema import Schema
from forecast.data.stored import write
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from tests.data.panels import QUIET, same

NAMES = ("log", "log1p", "sqrt", "boxcox:0.3")


def table(name="log", rows=300, series=3, *, seed=0, holes=0.05):
    """Sizes of series of very different level, the target an input too, and one that is none."""
    rng = np.random.default_rng(seed)
    code, tick = np.repeat(np.arange(series), rows), np.tile(np.arange(rows), series)
    size = np.exp(2.0 * code + rng.normal(0, 0.7, series * rows) + np.sin(tick / 4))
    other = rng.normal(size=series * rows)
    outputs = np.column_stack([size, other])
    inputs = np.column_stack([size, other + 1])
    inputs[rng.random(inputs.shape) < holes] = np.nan
    outputs[rng.random(outputs.shape) < holes] = np.nan
    names = tuple("abc"[:series])
    return Table(
        *(inputs, outputs, ("size", "beside"), ("size", "other"), code, tick, tick, names),
        transforms=(name, ""),
    )


FORWARD = {
    "log": np.log,
    "log1p": lambda x: special.boxcox1p(x, 0.0),
    "sqrt": lambda x: special.boxcox(x, 0.5),
    "boxcox:0.3": lambda x: special.boxcox(x, 0.3),
}


@pytest.mark.parametrize("name", NAMES)
@QUIET
@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_values_are_scipys_and_come_back(name, values):
    kind, given_values = transform.numbers(name), np.array(values)
    moved = transform.forward(given_values, *kind)
    np.testing.assert_allclose(moved, FORWARD[name](given_values), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(transform.inverse(moved, *kind), given_values, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_comes_back_below_zero_or_infinite_and_order_is_kept(name):
    wild = np.concatenate([-np.geomspace(1e6, 1e-6, 500), [0.0], np.geomspace(1e-6, 1e6, 500)])
    found = transform.inverse(wild, *transform.numbers(name))
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    assert (found > 0).all() if name == "log" else (found >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_standardised_rows_are_scikit_learns_of_transformed_ones(name):
    rows = table(name)
    scaler = scale.fit(rows)
    for code in range(3):
        own = rows.take(rows.series == code)
        steps = FunctionTransformer(FORWARD[name]).transform(own.outputs[:, :1])
        expected = StandardScaler().fit_transform(steps)
        np.testing.assert_allclose(scaler.outputs(own)[:, :1], expected, rtol=1e-4, atol=1e-5)
        plain = StandardScaler().fit_transform(own.outputs[:, 1:])
        np.testing.assert_allclose(scaler.outputs(own)[:, 1:], plain, rtol=1e-4, atol=1e-5)
        seen = FORWARD[name](own.inputs[:, 0])
        expected = np.nan_to_num((seen - np.nanmean(seen)) / np.nanstd(seen))
        np.testing.assert_allclose(scaler.inputs(own)[:, 0], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scaler.spread[code], np.nanstd(own.outputs, axis=0))


@pytest.mark.parametrize("name", NAMES)
def test_rows_come_back_from_what_a_network_predicts(name):
    rows = table(name, holes=0.0)
    scaler = scale.fit(rows)
    found = scaler.invert(scaler.outputs(rows)[:, None].astype(float), rows.series)[:, 0]
    np.testing.assert_allclose(found, rows.outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.2, 0.5, 0.8])
def test_the_power_of_one_series_is_scipys(power):
    rng = np.random.default_rng(3)
    values = special.inv_boxcox(rng.normal(6, 0.8, 4000), power)
    _, expected = stats.boxcox(values)
    rows = table("boxcox", rows=4000, series=1, holes=0)
    rows.outputs[:, 0] = values
    [kind, none] = transform.estimated([rows], rows, "series")
    assert none == "" and float(kind.removeprefix("boxcox:")) == pytest.approx(
        max(0, expected), abs=1e-3
    )
    assert float(kind.removeprefix("boxcox:")) == pytest.approx(power, abs=0.1)


def powered(power=0.4, rows=500, scales=(1.0, 30.0, 1e4)):
    """Series that are normal once transformed by a power, of very different level."""
    made = table("boxcox", rows=rows, holes=0)
    normal = np.random.default_rng(5).normal(6, 1.2, len(made))
    made.outputs[:, 0] = special.inv_boxcox(normal, power) * np.array(scales)[made.series]
    made.outputs[40, 0] = np.nan
    return made


def power_of(*tables):
    [kind, _] = transform.estimated(tables, tables[0], "series")
    return float(kind.removeprefix("boxcox:"))


def test_the_power_of_several_series_has_the_greatest_sum_of_scipys_likelihoods():
    rows = powered()
    each = [rows.outputs[rows.series == code, 0] for code in range(3)]
    each = [own[np.isfinite(own)] for own in each]

    def likelihood(power):
        return sum(stats.boxcox_llf(power, own) for own in each)

    found = power_of(rows)
    assert found == pytest.approx(0.4, abs=0.1)
    assert all(likelihood(found) > likelihood(found + way) for way in (-0.003, 0.003))


@pytest.mark.parametrize("scales", [(1e3, 1e3, 1e3), (1e-3, 1.0, 1e6)])
def test_the_power_does_not_depend_on_the_units_of_series(scales):
    assert power_of(powered(scales=scales)) == power_of(powered())


def test_the_power_of_many_rows_is_that_of_some_from_everywhere(monkeypatch):
    rows = powered(0.2, rows=20_000)
    late = rows.series == 2  # another distribution, and another one at night
    rows.outputs[late, 0] **= 0.3
    rows.outputs[rows.tick % 24 < 8, 0] *= 1.2
    whole = power_of(rows)
    monkeypatch.setattr(transform, "MOST_KEPT", 6000)
    assert power_of(rows) == pytest.approx(whole, abs=0.01)


def test_a_negative_power_is_taken_as_a_logarithm():
    values = 1 / np.random.default_rng(0).normal(5, 0.5, 3000)
    assert stats.boxcox(values)[1] < -0.5
    rows = table("boxcox", rows=3000, series=1, holes=0)
    rows.outputs[:, 0] = values
    assert transform.estimated([rows], rows, "series")[0] == "boxcox:0"


@pytest.mark.parametrize("most", [transform.MOST_KEPT, 100])
@pytest.mark.parametrize("per", scale.SCALING)
@pytest.mark.parametrize("name", ["log1p", "boxcox"])
def test_blocks_give_the_scaler_of_one_table(name, per, most, monkeypatch):
    monkeypatch.setattr(transform, "MOST_KEPT", most)
    rows, window = table(name, rows=200), Window(4, 2)
    whole = samples.training_set(rows, window, rows.tick < 150, 20, per).scaler
    made = samples.TrainingBlocks(Blocks.of(rows), window, lambda t: t.tick < 150, block_rows=70)
    found = made.learn(20, per).scaler
    assert len(made) > 5 and found.output_power is not None
    for part, own in vars(whole).items():
        if own is not None:
            np.testing.assert_allclose(getattr(found, part), own, rtol=1e-12, err_msg=part)


def test_a_scaler_survives_json_and_a_part_of_it_transforms_alike():
    rows = table("boxcox")
    scaler = scale.fit(rows)
    again = Scaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    for part, own in vars(scaler).items():
        assert own is None or same(getattr(again, part), own), part
    own = rows.take(rows.series == 2)
    lone = replace(own, series=0 * own.series)
    assert same(scaler.part(slice(2, 3)).outputs(lone), scaler.outputs(own))


@pytest.mark.parametrize("kind", ["log", "boxcox"])
def test_zero_in_training_rows_is_refused_with_its_cure(kind):
    rows = table(kind)
    rows.outputs[7, 0] = 0
    with pytest.raises(InputError, match=r"data.transform.size must be of values above 0 for") as e:
        scale.fit(rows)
    assert f"for {kind}, got 0 in 1 of 900" in str(e.value) and "log1p}, which knows 0" in str(
        e.value
    )
    assert np.isfinite(scale.fit(replace(rows, transforms=("log1p", ""))).output_std).all()


@pytest.mark.parametrize("kind", ["log", "log1p", "sqrt", "boxcox", "boxcox:0.5"])
def test_negative_training_values_are_refused_without_the_cure_for_zero(kind):
    rows = table(kind)
    rows.outputs[7, 0] = -0.5
    with pytest.raises(
        InputError, match=r"got -0.5 in 1 of 900 training rows, first in a at 7: le"
    ):
        scale.fit(rows)


def hourly(values, **columns):
    time = pd.date_range("2024-01-01", periods=len(values), freq="h")
    return pd.DataFrame({"time": time, "load": values, **columns})


@pytest.mark.parametrize("missing", ["drop", "hold", "mask"])
def test_later_values_outside_are_missing_inputs_and_stay_true_outputs(missing):
    values = np.array([1.0, 2, 0, 4, 5])
    schema = Schema("time", ("load",), missing=missing, transform="log")
    made = panel.build(hourly(values), schema)
    holes = hourly(np.where(values > 0, values, np.nan))
    expected = panel.build(holes, Schema("time", ("load",), missing=missing))
    assert same(made.inputs, expected.inputs) and made.outputs[:, 0].tolist() == values.tolist()
    scaler = scale.fit(made.take(slice(2)))
    assert np.isnan(scaler.outputs(made)[2, 0]) and np.isfinite(scaler.inputs(made)).all()


def test_a_report_of_rows_leaves_zeros_to_who_knows_which_rows_train():
    frame = hourly(np.r_[np.arange(1.0, 30), 0.0])
    asked = Schema("time", ("load",), transform="log")
    assert quality.report(frame, asked, Window(4, 2)).faults == ()


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_a_table_on_disk_is_that_in_memory(rows, tmp_path):
    values = np.random.default_rng(0).integers(0, 2, 60).astype(float)
    schema = Schema("time", ("load",), hold=2, frequency="h", transform={"load": "log"})
    whole = panel.build(hourly(values), schema)
    frame = hourly(values)
    parts = [frame.iloc[first : first + rows] for first in range(0, 60, rows)]
    [found] = write.write(parts, schema, tmp_path / "load", rows=rows).tables()
    assert found.transforms == whole.transforms == ("log",)
    assert same(found.inputs, whole.inputs) and same(found.outputs, whole.outputs)


def test_one_word_is_for_all_targets_and_none_for_none():
    asked = {"time": "time", "targets": ("a", "b")}
    assert Schema(**asked, transform="sqrt").transform == {"a": "sqrt", "b": "sqrt"}
    assert Schema(**asked, transform={"a": "log", "b": "none"}).transform == {"a": "log"}
    assert Schema(**asked, transform=None).transform == Schema(**asked).transform == {}
    made = Schema(**asked, transform="boxcox:0.3")
    assert Schema.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("lgo", "data.transform must be one of log, log1p, sqrt, boxcox, got 'lgo' for 'load': "),
        ({"laod": "log"}, "data.transform must name targets, got 'laod': did you mean \"load\"?"),
        ("boxcox:-1", "data.transform.load must be a name, or boxcox: and a power from 0 to 2"),
        ("boxcox:nan", "data.transform.load must be a name, or boxcox: and a power from 0 to 2"),
        ("log:2", "data.transform.load must be a name, or boxcox: and a power from 0 to 2"),
        (["log"], "data.transform must be a name or pairs of targets and names"),
        ({"load": 3}, "data.transform must be one of log"),
    ],
)
def test_what_is_no_transform_is_refused(asked, said):
    with pytest.raises(InputError) as error:
        Schema("time", ("load",), transform=asked)
    assert said in str(error.value)


@pytest.mark.parametrize("task", [{"events": {"load": 3.0}}, {"classes": {"load": (3.0, 5.0)}}])
def test_probabilities_have_no_transform(task):
    with pytest.raises(InputError, match=r"data.transform must be empty where data.events or"):
        Schema("time", ("load",), transform="log", **task)


def test_targets_that_are_left_alone_keep_their_bits():
    rows = table("log")
    plain = scale.fit(replace(rows, transforms=()))
    moved = scale.fit(rows)
    assert same(plain.outputs(rows)[:, 1], moved.outputs(rows)[:, 1])
    assert same(plain.inputs(rows)[:, 1], moved.inputs(rows)[:, 1])
    assert plain.kinds is transform.UNMOVED and plain.spread is plain.output_std
    assert same(Kinds.of(("", "")).forward(rows.outputs), rows.outputs)
