import functools

import keras
import numpy as np
import pytest

from forecast import models
from forecast.models import Sizes, repairs

SMALL = {"lstm": {"units": [4]}, "causal_cnn": {"filters": 4}}
SIZES = Sizes(timesteps=8, features=4, horizon=3, targets=2, target_positions=(2, 0))

each_model = pytest.mark.parametrize("name", models.__all__)
with_and_without_linear_path = pytest.mark.parametrize("linear", [False, True])


@functools.cache
def build(name, sizes=SIZES, *, normalization="last", linear=True):
    """A small model with no weight at zero, so that every path counts."""
    keras.utils.set_random_seed(2)
    made = models.build(
        name, sizes, SMALL.get(name, {}), normalization=normalization, linear_path=linear
    )
    rng = np.random.default_rng(0)
    made.set_weights([w + rng.normal(0, 0.2, w.shape) for w in made.get_weights()])
    return made


def windows(samples=5):
    return np.random.default_rng(1).normal(size=(samples, 8, 4)).astype(np.float32)


@each_model
@with_and_without_linear_path
def test_a_level_added_to_a_target_is_added_to_its_forecast_alone(name, linear):
    model, x = build(name, linear=linear), windows()
    raised = x.copy()
    raised[:, :, 2] += 10  # target 0
    raised[:, :, 0] -= 3  # target 1
    expected = model(x).numpy() + np.array([10, -3], np.float32)
    np.testing.assert_allclose(model(raised), expected, atol=1e-4)


@each_model
@with_and_without_linear_path
def test_without_normalisation_the_level_is_the_networks_to_use(name, linear):
    model, x = build(name, normalization="none", linear=linear), windows()
    raised = x.copy()
    raised[:, :, 2] += 10
    moved = model(raised).numpy() - model(x).numpy()
    assert np.abs(moved[..., 0] - 10).max() > 0.1


@each_model
def test_a_level_added_to_another_feature_is_seen_by_the_network(name):
    model, x = build(name), windows()
    raised = x.copy()
    raised[:, :, 1] += 1
    assert np.abs(model(raised).numpy() - model(x).numpy()).max() > 1e-3


@each_model
def test_normalised_forecast_is_the_body_on_the_window_less_its_last_value_plus_that_value(name):
    plain = build(name, normalization="none")
    model = build(name)  # the same weights
    x = windows()
    last = x[:, -1, [2, 0]]
    relative = x.copy()
    relative[:, :, 2] -= x[:, -1:, 2]
    relative[:, :, 0] -= x[:, -1:, 0]
    np.testing.assert_allclose(model(x), plain(relative).numpy() + last[:, None], atol=1e-5)


@each_model
def test_a_target_that_is_no_feature_keeps_its_level(name):
    sizes = Sizes(8, 4, 3, targets=2, target_positions=(-1, 1))
    model, x = build(name, sizes), windows()
    raised = x.copy()
    raised[:, :, 1] += 5
    expected = model(x).numpy() + np.array([0, 5], np.float32)
    np.testing.assert_allclose(model(raised), expected, atol=1e-4)


@each_model
def test_where_no_target_is_a_feature_nothing_is_normalised(name):
    sizes = Sizes(8, 4, 3, targets=1, target_positions=(-1,))
    names = [layer.name for layer in build(name, sizes).layers]
    assert "last_value" not in names and "level" not in names


@each_model
@pytest.mark.parametrize("normalization", ["none", "last"])
def test_linear_path_adds_a_linear_map_of_the_window(name, normalization):
    model, x = build(name, normalization=normalization), windows()
    without = build(name, normalization=normalization, linear=False)
    without.set_weights([w.numpy() for w in model.weights if "linear_path" not in w.path])
    seen = x.copy()
    if normalization == "last":
        seen[:, :, 2] -= x[:, -1:, 2]
        seen[:, :, 0] -= x[:, -1:, 0]
    kernel, bias = model.get_layer("linear_path").get_weights()
    linear = (seen.reshape(5, 32) @ kernel + bias).reshape(5, 3, 2)
    np.testing.assert_allclose(model(x).numpy(), without(x).numpy() + linear, atol=1e-4)


@each_model
def test_linear_path_starts_at_zero(name):
    keras.utils.set_random_seed(2)
    model = models.build(name, SIZES, SMALL.get(name, {}))
    kernel, bias = model.get_layer("linear_path").get_weights()
    assert not kernel.any() and not bias.any()


def test_repairs_wrap_any_body_and_keep_its_layer_names():
    inside = keras.Input((8, 4))
    x = keras.layers.Flatten(name="flat")(inside)
    x = keras.layers.Dense(6, name="mine")(x)
    body = keras.Model(inside, keras.layers.Reshape((3, 2), name="out")(x), name="body")
    wrapped = repairs.normalize(repairs.linear_path(body, SIZES), SIZES, "last")
    assert wrapped.name == "body"
    assert {"flat", "mine", "out", "linear_path", "level"} <= {part.name for part in wrapped.layers}
    assert repairs.normalize(body, SIZES, "none") is body


def test_positions_are_the_first_columns_unless_given():
    assert Sizes(8, 4, 3, targets=2).positions == (0, 1)
    assert SIZES.positions == (2, 0)
