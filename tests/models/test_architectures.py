"""Each architecture against plain NumPy, written from its paper or its sentence."""

import keras
import numpy as np
import pytest

from forecast import models
from forecast.errors import InputError
from forecast.models import Sizes
from forecast.models.conv_heads import StepConv
from forecast.models.linear import MovingAverage

PLAIN = {"normalization": "none", "linear_path": False, "channels": "joint", "patch": 1}
SIZES = Sizes(timesteps=12, features=3, horizon=4, targets=2)
RNG = np.random.default_rng(4)
X = RNG.normal(size=(5, 12, 3)).astype(np.float32)


def build(name, sizes=SIZES, **settings):
    """A model without repairs whose weights are all away from zero."""
    keras.utils.set_random_seed(3)
    model = models.build_model(name, sizes, PLAIN | settings)
    rng = np.random.default_rng(1)
    model.set_weights([w + rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def weights(model):
    """Path to array."""
    return {weight.path: weight.numpy() for weight in model.weights}


def dense(x, found, name):
    return x @ found[f"{name}/kernel"] + found[f"{name}/bias"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, found, name, state=None):
    """All states of an LSTM with Keras's gate order i, f, c, o, (samples, steps, units)."""
    kernel, recurrent, bias = (found[f"{name}/{part}"] for part in PARTS)
    units = recurrent.shape[0]
    h, c = np.zeros((2, len(x), units)) if state is None else state
    states = []
    for step in range(x.shape[1]):
        i, f, g, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1), (h, c)


PARTS = ("kernel", "recurrent_kernel", "bias")


def test_linear_is_one_matrix():
    model = build("linear")
    found = weights(model)
    expected = dense(X.reshape(5, 36), found, "head").reshape(5, 4, 2)
    np.testing.assert_allclose(model(X), expected, atol=1e-5)
    assert model.count_params() == 36 * 8 + 8


def test_nlinear_maps_each_channel_less_its_last_value():
    model = build("nlinear", normalization="last", channels="shared")
    found = weights(model)  # inputs: the channel, and feature 2, which is no target
    for target in range(2):
        own = np.stack([X[:, :, target] - X[:, -1:, target], X[:, :, 2]], axis=-1)
        expected = dense(own.reshape(5, 24), found, "head") + X[:, -1:, target]
        np.testing.assert_allclose(model(X).numpy()[..., target], expected, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 5, 25])
def test_moving_average_by_loop(rows):
    before, ahead = rows // 2, rows - 1 - rows // 2
    expected = np.empty_like(X)
    for step in range(12):
        near = np.clip(np.arange(step - before, step + ahead + 1), 0, 11)
        expected[:, step] = X[:, near].mean(axis=1)
    np.testing.assert_allclose(MovingAverage(rows)(X), expected, atol=1e-5)


def test_dlinear_maps_trend_and_rest():
    model = build("dlinear", kernel_size=3)
    found = weights(model)
    edges = np.concatenate([X[:, :1], X, X[:, -1:]], axis=1)
    trend = (edges[:, :-2] + edges[:, 1:-1] + edges[:, 2:]) / 3
    expected = dense(trend.reshape(5, 36), found, "head_trend")
    expected = expected + dense((X - trend).reshape(5, 36), found, "head_rest")
    np.testing.assert_allclose(model(X), expected.reshape(5, 4, 2), atol=1e-5)


def test_mlp_and_the_single_perceptron():
    model = build("mlp", hidden=[6, 5])
    found = weights(model)
    x = np.maximum(dense(X.reshape(5, 36), found, "dense_1"), 0)
    x = np.maximum(dense(x, found, "dense_2"), 0)
    np.testing.assert_allclose(model(X), dense(x, found, "head").reshape(5, 4, 2), atol=1e-5)
    single = build("mlp", hidden=[])
    assert [w.shape for w in single.get_weights()] == [(36, 8), (8,)]


@pytest.mark.parametrize(("stacks", "blocks"), [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_nbeats_takes_away_what_each_block_explains_and_adds_what_it_predicts(stacks, blocks):
    model = build("nbeats", stacks=stacks, blocks=blocks, layers=2, units=5)
    found = weights(model)
    left, total = X.reshape(5, 36), np.zeros((5, 8))
    for number in range(stacks * blocks):
        stack = f"stack_{number // blocks + 1}"
        x = np.maximum(dense(left, found, f"{stack}_dense_1"), 0)
        x = np.maximum(dense(x, found, f"{stack}_dense_2"), 0)
        total = total + dense(x, found, f"{stack}_forecast")
        if number < stacks * blocks - 1:
            left = left - dense(x, found, f"{stack}_backcast")
    np.testing.assert_allclose(model(X), total.reshape(5, 4, 2), rtol=1e-4, atol=1e-4)
    assert len(found) == stacks * (2 * 2 + 2) + 2 * (stacks if blocks > 1 else stacks - 1)


def test_lstm_head_from_all_states():
    model = build("lstm", units=[3], head="flatten", dense=[5])
    found = weights(model)
    states, _ = lstm(X, found, "lstm_1/lstm_cell")
    x = np.maximum(dense(states.reshape(5, 36), found, "dense_1"), 0)
    np.testing.assert_allclose(model(X), dense(x, found, "head").reshape(5, 4, 2), atol=1e-5)


def test_lstm_head_for_each_step_reads_the_newest_states_oldest_first():
    model = build("lstm", units=[3], head="time_distributed")
    found = weights(model)
    states, _ = lstm(X, found, "lstm_1/lstm_cell")
    np.testing.assert_allclose(model(X), dense(states[:, -4:], found, "head"), atol=1e-5)


def test_a_head_for_each_step_needs_a_state_for_each_step():
    with pytest.raises(InputError, match="must have a state for each of the 13 steps .*, got 12"):
        build("lstm", Sizes(12, 3, 13), head="time_distributed")


def test_bidirectional_layers_read_from_both_ends():
    model = build("lstm", units=[3], bidirectional=True)
    found = weights(model)
    forward, _ = lstm(X, found, "lstm_1/forward_lstm_1/lstm_cell")
    backward, _ = lstm(X[:, ::-1], found, "lstm_1/backward_lstm_1/lstm_cell")
    both = np.concatenate([forward[:, -1], backward[:, -1]], axis=-1)
    np.testing.assert_allclose(model(X), dense(both, found, "head").reshape(5, 4, 2), atol=1e-5)


def test_hierarchical_lstm_reads_days_then_the_sequence_of_days():
    model = build("hierarchical_lstm", period=5, inner=3, outer=4, bidirectional=False)
    found = weights(model)
    long = np.concatenate([np.repeat(X[:, :1], 3, axis=1), X], axis=1)  # 12 rows fill 15
    days = [lstm(long[:, i : i + 5], found, "lstm_1/lstm_cell")[0][:, -1] for i in (0, 5, 10)]
    states, _ = lstm(np.stack(days, axis=1), found, "lstm_2/lstm_cell")
    expected = dense(states[:, -1], found, "head").reshape(5, 4, 2)
    np.testing.assert_allclose(model(X), expected, atol=1e-5)


def test_patch_lstm_predicts_all_steps_from_the_last_state():
    model = build("patch_lstm", patch=4, embedding=5, units=3)
    found = weights(model)
    seen = np.maximum(dense(X.reshape(5, 3, 12), found, "embedding"), 0)
    states, _ = lstm(seen, found, "lstm_1/lstm_cell")
    expected = dense(states[:, -1], found, "head").reshape(5, 4, 2)
    np.testing.assert_allclose(model(X), expected, atol=1e-5)


def test_patch_lstm_answers_a_query_for_each_patch_of_the_horizon():
    model = build("patch_lstm", patch=3, embedding=5, units=3, decoding="queries")
    found = weights(model)
    seen = np.maximum(dense(X.reshape(5, 4, 9), found, "embedding"), 0)
    _, state = lstm(seen, found, "lstm_1/lstm_cell")
    steps = []
    for query in found["queries/queries"]:  # ⌈4 / 3⌉ of them
        asked = np.repeat(query[None, None], 5, axis=0)
        _, (h, _) = lstm(asked, found, "lstm_1/lstm_cell", state)
        steps.append(dense(h, found, "head").reshape(5, 3, 2))
    np.testing.assert_allclose(model(X), np.concatenate(steps, axis=1)[:, :4], atol=1e-5)


def test_every_step_has_a_convolution_of_its_own():
    layer = StepConv(2, 3)
    matrices = RNG.normal(size=(2, 4, 3, 5)).astype(np.float32)  # samples, steps, rows, columns
    layer.build(matrices.shape)
    layer.set_weights([RNG.normal(size=w.shape) for w in layer.get_weights()])
    kernel, bias = layer.get_weights()
    for step in range(4):
        one = keras.layers.Conv2D(2, 3, padding="same")
        one.build((None, 3, 5, 1))
        one.set_weights([kernel[step].reshape(3, 3, 1, 2), bias[step]])
        expected = one(matrices[:, step, ..., None])
        np.testing.assert_allclose(layer(matrices)[:, step], expected, atol=1e-5)


def test_conv_heads_refuse_features_that_do_not_fill_the_grid():
    assert build("conv_heads_lstm", grid=[3, 1]).output_shape == (None, 4, 2)
    with pytest.raises(InputError, match="data.grid must hold the 3 features .* 2 rows of 2"):
        build("conv_heads_lstm", grid=[2, 2])
