"""Does memory matter: truths planted in weights and in tasks, and ablations by hand."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers as kl

from forecast import Model, Schema, Training, Window, build, gates
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.gates.ablation import inverse, lengths
from forecast.gates.study import study

RNG = np.random.default_rng(5)
TIMESTEPS = 48


def reader(lag, timesteps=TIMESTEPS):
    """A network whose only weight reads the step `lag` steps before the newest."""
    model = keras.Sequential([keras.Input((timesteps, 1)), kl.Flatten(), kl.Dense(1)])
    kernel = np.zeros((timesteps, 1))
    kernel[timesteps - 1 - lag] = 1
    model.layers[-1].set_weights([kernel, np.zeros(1)])
    return model


@pytest.mark.parametrize("lag", [0, 1, 7, 8, 31, 32, 40, 47])
def test_the_look_back_that_is_used_is_found_exactly(lag):
    windows = RNG.normal(size=(64, TIMESTEPS, 1))
    true = windows[:, TIMESTEPS - 1 - lag] + 0.1 * RNG.normal(size=(64, 1))
    found = gates.memory(reader(lag), windows, lambda out: float(np.abs(out - true).mean()))
    assert found.used == lag + 1
    # one forecast, at the newest step, of a network without recurrence
    assert found.whole == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.3)
    assert found.without_recurrence is None and found.frozen == {}
    assert set(lengths(TIMESTEPS)) <= set(found.curve)


@pytest.mark.parametrize("lasting", [(), (1,)])
def test_columns_that_are_no_past_stay_real_at_all_steps(lasting):
    windows = RNG.normal(size=(64, 8, 2))
    model = keras.Sequential([keras.Input((8, 2)), kl.Flatten(), kl.Dense(1)])
    kernel = np.zeros((16, 1))
    kernel[2 * 3 + 1] = 1  # the second column, four steps before the newest
    model.layers[-1].set_weights([kernel, np.zeros(1)])
    true = windows[:, 3, 1:] + 0.1 * RNG.normal(size=(64, 1))

    def error(out):
        return float(np.abs(out - true).mean())

    assert gates.memory(model, windows, error, lasting=lasting).used == (1 if lasting else 5)


def test_a_curve_by_hand():
    windows = RNG.normal(size=(5, 4, 2))
    kernel = RNG.normal(size=(8, 1))
    model = keras.Sequential([keras.Input((4, 2)), kl.Flatten(), kl.Dense(1, use_bias=False)])
    model.set_weights([kernel])
    seen = []
    found = gates.memory(model, windows, lambda out: seen.append(out) or float(len(seen)), seed=3)
    order = np.random.default_rng(3).permutation(5)
    other = {int(order[n]): int(order[n - 1]) for n in range(5)}
    for newest, outputs in zip((1, 2, 4), seen, strict=False):
        for sample in range(5):
            mixed = np.concatenate(
                [windows[other[sample], : 4 - newest], windows[sample, 4 - newest :]]
            )
            assert outputs[sample] == pytest.approx(mixed.ravel() @ kernel, abs=1e-5)
    assert sorted(found.curve) == [1, 2, 4]


def recurrent(kind, **options):
    """A network with wide weights, and windows for it."""
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [keras.Input((7, 2)), kind(3, name="layer", **options), kl.Dense(1, name="head")]
    )
    model.set_weights([RNG.normal(scale=0.8, size=a.shape) for a in model.get_weights()])
    return model, RNG.normal(size=(6, 7, 2)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(layer, x, *, frozen=None, recurrence=1.0):
    """The equations of the paper; `frozen` is (gate, value of each unit)."""
    parts = gates.split(layer)
    hidden = cell = np.zeros((len(x), 3))
    for step in range(x.shape[1]):
        new = {}
        for gate, arrays in parts.items():
            total = x[:, step] @ arrays["kernel"] + arrays["bias"]
            total = total + recurrence * hidden @ arrays["recurrent_kernel"]
            new[gate] = np.tanh(total) if gate == "c" else sigmoid(total)
        if frozen:
            new[frozen[0]] = frozen[1]
        cell = new["f"] * cell + new["i"] * new["c"]
        hidden = new["o"] * np.tanh(cell)
    return hidden


def gru_by_hand(layer, x, *, frozen=None, recurrence=1.0):
    parts = gates.split(layer)
    hidden = np.zeros((len(x), 3))
    for step in range(x.shape[1]):
        into = {g: x[:, step] @ a["kernel"] + a["bias"] for g, a in parts.items()}
        back = {
            g: recurrence * hidden @ a["recurrent_kernel"] + a["recurrent_bias"]
            for g, a in parts.items()
        }
        new = {g: sigmoid(into[g] + back[g]) for g in "zr"}
        if frozen and frozen[0] in "zr":
            new[frozen[0]] = frozen[1]
        new["h"] = np.tanh(into["h"] + new["r"] * back["h"])
        if frozen and frozen[0] == "h":
            new["h"] = frozen[1]
        hidden = new["z"] * hidden + (1 - new["z"]) * new["h"]
    return hidden


@pytest.mark.parametrize(("kind", "by_hand"), [(kl.LSTM, lstm_by_hand), (kl.GRU, gru_by_hand)])
def test_what_is_taken_away_by_hand(kind, by_hand):
    model, x = recurrent(kind)
    before = model.get_weights()
    layer, head = model.get_layer("layer"), model.get_layer("head").get_weights()
    traced = gates.trace(model, x)

    def total_of(outputs):
        return 100 + float(outputs.astype(np.float64).sum())

    def total(hidden):
        return total_of(hidden @ head[0] + head[1])

    found = gates.memory(model, x, total_of, traced=traced)

    assert found.whole == pytest.approx(total(by_hand(layer, x)), abs=1e-4)
    assert found.without_recurrence == pytest.approx(
        total(by_hand(layer, x, recurrence=0.0)), abs=1e-4
    )
    assert set(found.frozen) == {f"layer/{gate}" for gate in gates.split(layer)}
    for name, error in found.frozen.items():
        gate = name.split("/")[1]
        mean = traced["layer"][gate].mean(axis=(0, 1))
        assert error == pytest.approx(total(by_hand(layer, x, frozen=(gate, mean))), abs=1e-3)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_gates_that_cannot_be_frozen_are_left_out():
    model, x = recurrent(kl.LSTM, use_bias=False)
    found = gates.memory(model, x, lambda out: float(abs(out).sum()), traced=gates.trace(model, x))
    assert found.frozen == {}
    bias = inverse(keras.activations.relu, np.array([0.0, 2.0]))
    assert np.maximum(bias, 0) == pytest.approx([0, 2], abs=1e-3)


def test_one_window_has_no_other():
    with pytest.raises(InputError, match=r"^windows: must be two or more, received 1"):
        gates.memory(reader(0), np.zeros((1, TIMESTEPS, 1)), lambda out: 0.0)


def test_a_memory_survives_the_tracker():
    found = gates.Memory({1: 3.0, 2: 2.0, 4: 1.9}, 2.5, {"body.lstm_1/f": 2.2, "gru_1/z": 2.0})
    series = found.series()
    assert series["memory/mae"] == {1: 3.0, 2: 2.0, 4: 1.9}
    assert series["memory/look_back_used"] == {0: 4.0}
    assert gates.Memory.from_series(series) == found
    assert gates.Memory.from_series({}) is None


def experiment_on(inputs, target, *, model="lstm", **settings):
    """Train on a task and study the memory of what comes out."""
    frame = pd.DataFrame({"x": inputs, "y": target})
    frame["time"] = pd.date_range("2024-01-01", periods=len(frame), freq="h")
    features = ("x",) if settings.pop("apart", True) else ("y",)
    table = build(frame, Schema("time", ("y",), features))
    training = Training(
        epochs=8, batch_size=32, learning_rate=0.01, weight_decay=None, patience=None
    )
    spec = experiment.Spec(Model(model, **settings), Window(TIMESTEPS, 1), training)
    outcome = experiment.run(spec, table)
    return outcome, study(outcome, {}, gates.Limits(), 256)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "settings"),
    [("lstm", {"units": [4], "recurrent_dropout": 0.0}), ("causal_cnn", {"filters": 4})],
)
def test_a_task_that_needs_the_input_forty_steps_back(model, settings):
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    y = np.roll(x, 41) + 0.3 * rng.normal(size=2000)
    outcome, found = experiment_on(x, y, model=model, **settings)
    # predicted is the row behind the window: y there is x forty steps before the newest
    assert outcome.scores["test/mae"] < 0.4
    assert found.memory.used == 41
    assert "newest 41 steps" in found.memory.advice()
    assert not [alert for alert in found.alerts if alert.kind == "memory_unused"]


@pytest.mark.slow
def test_a_task_that_needs_the_last_value_only():
    walk = np.cumsum(np.random.default_rng(2).normal(size=2000))
    _, found = experiment_on(walk, walk, apart=False, units=[4], recurrent_dropout=0.0)
    assert found.memory.used == 1
    assert "memory_unused" in {alert.kind for alert in found.alerts}
