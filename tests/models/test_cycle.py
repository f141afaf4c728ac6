"""A learned cycle is taken out of a window and put back by the clock: by loops."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster, Model, Training, models
from forecast.data import features, panel, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.models import Sizes, explain
from forecast.models.layers import cycle_of
from forecast.training import one_pass

RNG = np.random.default_rng(6)
# two targets (one of them no input), an indicator, a known column, the place, the series
SIZES = Sizes(6, 6, 4, 2, (1, -1), indicators=1, ahead=1, lead=2, cycle=5)


def build(sizes=SIZES, **asked):
    """A linear map with a cycle of random values."""
    keras.utils.set_random_seed(2)
    model = models.build_model("linear", sizes, asked)
    model.set_weights([w + RNG.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def windows_of(sizes=SIZES, samples=4):
    """Windows whose rows count the places of a cycle up."""
    shape = samples, sizes.timesteps, sizes.features
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    first = np.arange(samples)[:, None] * 3
    x[:, :, -1 - bool(sizes.series)] = (first + np.arange(sizes.timesteps)) % sizes.cycle
    if sizes.series:
        x[:, :, -1] = np.arange(samples)[:, None] % sizes.series
    return x


@pytest.mark.parametrize("normalization", ["none", "last"])
@pytest.mark.parametrize("channels", ["joint", "shared"])
@pytest.mark.parametrize("levels", [(), (0.1, 0.5, 0.9)])
def test_a_cycle_by_loop(normalization, channels, levels):
    sizes = replace(SIZES, levels=levels)
    asked = {"normalization": normalization, "channels": channels}
    model = build(sizes, **asked, cycle=5)
    plain = build(replace(sizes, features=5, cycle=0), **asked | {"normalization": "none"})
    weights = {w.path: w.numpy() for w in model.weights}
    learned = weights.pop("cycle/values")
    for weight in plain.weights:
        weight.assign(weights[weight.path])
    x = windows_of()
    inside, level = x[:, :, :5].copy(), np.zeros((4, 1, 2))
    if normalization == "last":
        level[:, 0, 0] = x[:, -1, 1]  # the other target is no input
        inside[:, :, 1] -= x[:, -1:, 1]
    back = np.zeros((4, 4, 2))
    for sample in range(4):
        for row in range(6):
            inside[sample, row, 1] -= learned[int(x[sample, row, -1]), 0]
        for step in range(4):
            place = int(x[sample, -1, -1]) + 2 + 1 + step
            back[sample, step] = learned[place % 5] + level[sample, 0]
    expected = plain(inside).numpy() + np.repeat(back, max(1, len(levels)), axis=-1)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "patch_gru", "nbeats"])
def test_with_every_other_repair_it_comes_back_from_its_file(name, tmp_path):
    sizes = replace(SIZES, features=7, series=3)
    asked = {"cycle": 5, "series_embedding": 2, "decoder": "state", "season": 5}
    keras.utils.set_random_seed(2)
    model = models.build_model(name, sizes, asked | {"normalization": "seasonal"})
    model.set_weights([w + RNG.normal(0, 0.1, w.shape) for w in model.get_weights()])
    x = windows_of(sizes)
    said = model(x).numpy()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(x), said)
    assert cycle_of(again) == 5 and said.shape == (4, 4, 2)
    [row] = [row for row in explain.layers(again) if row.name == "cycle"]
    assert (row.formula, row.count) == ("5·2", 10)
    moved = x.copy()
    moved[:, :, -2] = (moved[:, :, -2] + 1) % 5  # another place in the cycle
    assert np.abs(model(moved).numpy() - said).max() > 1e-3
    assert not one_pass.possible(model)


def test_at_first_the_cycle_changes_nothing_and_learns():
    import tensorflow as tf

    keras.utils.set_random_seed(2)
    model = models.build_model("linear", SIZES, {"cycle": 5})
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.abs(model(windows_of()) - 1.0))
    [values] = [w for w in model.trainable_variables if w.path == "cycle/values"]
    assert not values.numpy().any()
    assert np.abs(tf.convert_to_tensor(tape.gradient(error, values)).numpy()).min() > 0


def rows(holes=()):
    """A pattern of seven hours that repeats, but for its level, without some of its rows."""
    pattern = RNG.normal(size=7)
    hours = np.arange(400)
    time = np.datetime64("2024-01-01", "ns") + hours * np.timedelta64(1, "h")
    frame = {"ts": time, "load": pattern[hours % 7]}
    return pd.DataFrame(frame).drop(index=list(holes)), pattern


def test_the_place_counts_ticks_so_absent_rows_move_nothing():
    frame, _ = rows()
    table = panel.build(frame, Schema("ts", ("load",), frequency="h"))
    table = table.take(~np.isin(np.arange(400), [20, 21, 22, 90]))
    seen = features.append_known_future(table.inputs, table, Window(6, 4), cycle=7)
    hours = table.time.astype("datetime64[h]").astype(int)
    assert np.diff(hours).max() == 4
    apart = (seen[:, -1] - hours) % 7
    assert seen.shape[1] == table.inputs.shape[1] + 1 and (apart == apart[0]).all()
    behind = features.lasting(table, Window(6, 4), coded=True, cycle=7)
    assert behind[-2:] == [len(table.features), len(table.features) + 1]


def test_two_rows_are_enough_where_the_cycle_is_learned():
    """The look-back is shorter than the pattern: only the clock tells where in it a row stands."""
    frame, _ = rows(holes=[30, 31, 200])
    table = panel.build(frame, Schema("ts", ("load",), frequency="h"))
    window, errors = Window(1, 5, lead=1), {}
    training = Training(epochs=30, learning_rate=0.03, tail=0, weight_decay=None, schedule=None)
    starts = windows.starts(table, window)
    truth = windows.outputs(table.outputs, starts, window)
    for cycle in (None, 7):
        model = Model("linear", cycle=cycle, normalization="none", channels="joint")
        made = Forecaster(model, window, training).fit(table)
        errors[cycle] = np.abs(made.predict_windows(table, starts) - truth).mean()
    assert errors[7] < 0.02 < 20 * errors[7] < errors[None]


def test_rows_without_a_clock_have_no_place_in_a_cycle():
    frame, _ = rows()
    table = replace(panel.build(frame, Schema("ts", ("load",))), frequency=None)
    with pytest.raises(InputError, match=r"model\.cycle must be null for rows without a clock"):
        Forecaster(Model("linear", cycle=7), Window(6, 4), Training(epochs=1)).fit(table)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (replace(SIZES, cycle=0), "must have each row's place in it .*, got 0"),
        (replace(SIZES, task="event"), "must be null where probabilities are predicted, got 5"),
    ],
)
def test_a_cycle_that_cannot_be_is_refused(sizes, said):
    with pytest.raises(InputError, match=rf"model\.cycle.* {said}"):
        models.build_model("linear", sizes, {"cycle": 5})
