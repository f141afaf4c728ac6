import functools

import keras
import numpy as np
import pytest

from forecast import models
from forecast.models import Sizes, repairs

SMALL = {
    "lstm": {"units": [4]},
    "causal_cnn": {"filters": 4},
    "mlp": {"hidden": [4]},
    "patch_gru": {"units": 4, "embedding": 4, "patch": 3},
}
SIZES = Sizes(timesteps=8, features=4, horizon=3, targets=2, target_positions=(2, 0))

each_model = pytest.mark.parametrize("name", SMALL)
with_and_without_linear_path = pytest.mark.parametrize("linear", [False, True])


@functools.cache
def build(name, sizes=SIZES, *, normalization="last", linear=True):
    """A small model with no weight at zero, so that every path counts."""
    keras.utils.set_random_seed(2)
    asked = {"normalization": normalization, "linear_path": linear, "channels": "joint"}
    made = models.build_model(name, sizes, SMALL[name] | asked)
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
    model = models.build_model(name, SIZES, SMALL[name] | {"linear_path": True})
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


def jolted(model, seed=0):
    """Move every weight, so that every path counts."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(0, 0.2, w.shape) for w in model.get_weights()])
    return model


@each_model
def test_instance_normalisation_by_hand(name):
    plain = build(name, normalization="none")
    model = build(name, normalization="instance")  # the same weights
    x = windows()
    mean = x[:, :, [2, 0]].mean(axis=1, keepdims=True)
    scale = np.sqrt(x[:, :, [2, 0]].var(axis=1, keepdims=True) + 1e-5)
    inside = x.copy()
    inside[:, :, [2, 0]] = (x[:, :, [2, 0]] - mean) / scale
    np.testing.assert_allclose(model(x), plain(inside).numpy() * scale + mean, atol=1e-4)


@each_model
def test_a_window_of_another_level_and_scale_is_forecast_alike(name):
    model, x = build(name, normalization="instance"), windows()
    moved = x.copy()
    moved[:, :, 2] = 50 * x[:, :, 2] - 7  # target 0
    expected = model(x).numpy() * np.array([50, 1], np.float32) - np.array([7, 0], np.float32)
    np.testing.assert_allclose(model(moved), expected, rtol=1e-3, atol=1e-2)


def test_a_constant_window_is_forecast_by_a_number():
    model, x = build("lstm", normalization="instance"), np.ones((2, 8, 4), np.float32)
    assert np.isfinite(model(x)).all()


@each_model
def test_shared_channels_are_the_network_of_one_channel_run_on_each(name):
    asked = SMALL[name] | {"normalization": "none", "linear_path": True}
    keras.utils.set_random_seed(2)
    shared = jolted(models.build_model(name, SIZES, asked | {"channels": "shared"}))
    alone = models.build_model(name, Sizes(8, 3, 3), asked | {"channels": "joint"})
    alone.set_weights(shared.get_weights())
    x = windows()
    for target, column in enumerate(SIZES.positions):  # features 1 and 3 are no target
        expected = alone(x[:, :, [column, 1, 3]]).numpy()[..., 0]
        np.testing.assert_allclose(shared(x).numpy()[..., target], expected, atol=1e-5)


@pytest.mark.parametrize("patch", [2, 3, 8, 11])
def test_patches_are_the_network_on_rows_laid_side_by_side(patch):
    asked = {"units": [4], "normalization": "none", "linear_path": False}
    keras.utils.set_random_seed(2)
    patched = jolted(models.build_model("lstm", SIZES, asked | {"patch": patch}))
    steps = -(-8 // patch)
    plain = models.build_model("lstm", Sizes(steps, 4 * patch, 3, targets=2), asked)
    plain.set_weights(patched.get_weights())
    x = windows()
    long = np.concatenate([np.repeat(x[:, :1], steps * patch - 8, axis=1), x], axis=1)
    beside = np.stack([long[:, i * patch : (i + 1) * patch].reshape(5, -1) for i in range(steps)])
    np.testing.assert_allclose(patched(x), plain(beside.transpose(1, 0, 2)), atol=1e-6)


def test_every_repair_at_once_by_hand():
    """Level out, channels apart, patches side by side and a linear path around a linear map."""
    asked = {"hidden": [], "normalization": "last", "channels": "shared", "patch": 4}
    keras.utils.set_random_seed(2)
    model = jolted(models.build_model("mlp", SIZES, asked | {"linear_path": True}))
    weights = dict(zip([w.path for w in model.weights], model.get_weights(), strict=True))
    kernel = weights["head/kernel"] + weights["linear_path/kernel"]  # (timesteps·3, horizon)
    bias = weights["head/bias"] + weights["linear_path/bias"]
    x, found = windows(), model(windows()).numpy()
    for sample in range(5):
        for target, column in enumerate(SIZES.positions):
            last = x[sample, -1, column]
            own = np.stack([x[sample, :, column] - last, x[sample, :, 1], x[sample, :, 3]], axis=-1)
            expected = own.ravel() @ kernel + bias + last
            np.testing.assert_allclose(found[sample, :, target], expected, atol=1e-4)
