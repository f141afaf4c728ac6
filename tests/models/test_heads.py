"""Quantiles, events and classes around every architecture of the catalogue."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy.stats import norm

from forecast import models
from forecast.errors import InputError
from forecast.models import Sizes, heads
from forecast.models.heads import Rising
from forecast.models.layers import Together
from forecast.training import fit, runtime
from forecast.training.losses import Pinball
from forecast.training.parameters import Model

from .test_contract import REPAIRS, build, jolted, repaired, settings, window

LEVELS = (0.1, 0.4, 0.5, 0.8, 0.9)
SIZES = Sizes(timesteps=24, features=3, horizon=4, targets=2)
QUANTILES = replace(SIZES, levels=LEVELS)
EVENT = replace(SIZES, task="event")
CLASSES = replace(SIZES, targets=3, target_positions=(0, 0, 0), task="classes")

EVERYWHERE = [(name, QUANTILES) for name in models.NAMES]
TWICE = [(name, sizes) for name in ("mlp", "patch_gru") for sizes in (EVENT, CLASSES)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes"),
    EVERYWHERE + TWICE,
    ids=lambda value: value if isinstance(value, str) else value.task,
)
@repaired(REPAIRS[1])
def test_every_model_predicts_what_is_asked_and_comes_back_from_its_file(
    name, sizes, repairs, tmp_path
):
    model = jolted(name, sizes=sizes, **repairs)
    x = 3 * window(sizes)
    said = model(x).numpy()
    assert model.output_shape == (None, sizes.horizon, sizes.outputs) == (None, *said.shape[1:])
    if sizes.levels:
        assert (np.diff(said.reshape(*said.shape[:2], 2, len(LEVELS)), axis=-1) > 0).all()
    else:
        assert ((said >= 0) & (said <= 1)).all()
    if sizes.task == "classes":
        np.testing.assert_allclose(said.sum(axis=-1), 1, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(x), said)


@pytest.mark.parametrize("normalization", ["last", "instance"])
@pytest.mark.parametrize("channels", ["joint", "shared"])
def test_a_level_added_to_a_target_is_added_to_its_quantiles_alone(normalization, channels):
    asked = {"normalization": normalization, "channels": channels, "linear_path": False}
    model, x = jolted("mlp", sizes=QUANTILES, **asked), window(QUANTILES)
    raised = x + np.array([10, -3, 0], np.float32)
    expected = model(x).numpy() + np.repeat([10, -3], len(LEVELS)).astype(np.float32)
    np.testing.assert_allclose(model(raised), expected, atol=1e-4)


def test_rising_is_a_running_sum_of_softplus_from_the_middle():
    x = np.random.default_rng(0).normal(size=(2, 3, 2 * 4)).astype(np.float32)
    found = Rising(4)(x).numpy()
    for place in np.ndindex(2, 3, 2):
        numbers = x[place[0], place[1], place[2] * 4 : place[2] * 4 + 4]
        own = found[place[0], place[1], place[2] * 4 : place[2] * 4 + 4]
        steps = np.log1p(np.exp(numbers))
        middle = numbers[2]
        expected = [middle - steps[1] - steps[0], middle - steps[1], middle, middle + steps[3]]
        np.testing.assert_allclose(own, expected, rtol=1e-5)


def test_rising_begins_where_it_is_told_and_keeps_the_middle():
    start = [-2.0, -0.5, 0.0, 1.5]
    layer = Rising(4, start)
    found = layer(np.zeros((2, 3, 2 * 4), np.float32)).numpy().reshape(2, 3, 2, 4)
    np.testing.assert_allclose(found, np.broadcast_to(start, (2, 3, 2, 4)), rtol=1e-6)
    x = np.random.default_rng(0).normal(size=(2, 3, 2 * 4)).astype(np.float32)
    usual = np.random.default_rng(1).normal(size=(3, 2, 3)).astype(np.float32) / 10
    layer.set_weights([usual])
    said, found = x.reshape(2, 3, 2, 4), layer(x).numpy().reshape(2, 3, 2, 4)
    np.testing.assert_array_equal(found[..., 2], said[..., 2])
    own = np.log(np.e - 1) + 10 * usual + 0.1 * said[..., [0, 1, 3]]
    np.testing.assert_allclose(
        np.diff(found), np.diff(start) * np.log1p(np.exp(own)), rtol=1e-3, atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "levels"),
    [
        *((name, tuple(np.arange(1, 20) / 20)) for name in models.NAMES),
        ("mlp", (0.05, 0.5, 0.95)),
        ("mlp", (0.5, 0.9)),
    ],
)
def test_untrained_quantiles_are_about_those_of_a_normal_distribution(name, levels):
    sizes = replace(SIZES, levels=levels)
    model = build(name, sizes)
    said = model(window(sizes)).numpy().reshape(-1, 4, 2, len(levels))
    apart = said - said[..., [levels.index(0.5)]]
    normal = np.broadcast_to(norm.ppf(levels), apart.shape)
    np.testing.assert_allclose(apart, normal, rtol=0.35, atol=0.01)
    np.testing.assert_allclose(apart.mean(axis=(0, 1, 2)), normal[0, 0, 0], rtol=0.08, atol=0.01)


def test_the_median_learns_from_its_own_error_alone():
    sizes = replace(SIZES, levels=(0.05, 0.3, 0.5, 0.9))
    x, true = tf.constant(np.float32(np.random.default_rng(0).normal(size=(2, 5, 4, 8)))), None
    true = x[1, ..., :2]
    with tf.GradientTape() as tape:
        tape.watch(x)
        every = heads.meaning(x[0], sizes)
        loss = tf.reduce_sum(Pinball(sizes.levels).call(true, every))
    found = tape.gradient(loss, x)[0].numpy().reshape(5, 4, 2, 4)[..., 2]
    alone = np.where(true > x[0].numpy().reshape(5, 4, 2, 4)[..., 2], -0.5, 0.5) / 8
    np.testing.assert_allclose(found, alone, rtol=1e-5)  # half its absolute error, of 2 x 4 numbers


def test_a_layer_saved_without_a_start_is_as_it_was():
    config = Rising(4).get_config()
    del config["start"]
    old = keras.saving.deserialize_keras_object(
        {"class_name": "Rising", "registered_name": "forecast>Rising", "config": config}
    )
    x = np.random.default_rng(0).normal(size=(2, 3, 2 * 4)).astype(np.float32)
    np.testing.assert_array_equal(old(x), Rising(4)(x))
    assert not old.weights


def test_quantiles_of_shared_channels_stand_with_their_target():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2 * 3, 4, 5)  # 2 samples of 3 targets
    found = Together(3)(x).numpy()
    for sample, target, step, level in np.ndindex(2, 3, 4, 5):
        assert found[sample, step, target * 5 + level] == x[sample * 3 + target, step, level]


def test_probabilities_have_no_level_to_put_back():
    model = build("mlp", EVENT, normalization="last")
    assert not {"last_value", "level"} & {layer.name for layer in model.layers}


def test_channels_that_share_a_network_cannot_tell_classes_apart():
    asked = settings("mlp") | {"channels": "shared"}
    with pytest.raises(InputError, match="model.channels must be joint where classes"):
        models.build_model("mlp", CLASSES, asked)


@pytest.mark.parametrize(
    "model",
    [
        Model("lstm", units=[3]),
        Model("patch_gru", patch=4, units=3, embedding=4, decoding="queries"),
        Model("mlp", hidden=[4], channels="shared"),
        Model("nlinear"),
    ],
    ids=lambda model: model.name,
)
def test_a_network_of_quantiles_begins_as_that_of_one_value(model):
    levels = tuple(place / 10 for place in range(1, 10))
    sizes = Sizes(timesteps=8, features=3, horizon=4, targets=2, levels=levels)
    with runtime.seeded(5):
        plain = fit.build_network(model, replace(sizes, levels=()))
    window = np.random.default_rng(0).normal(size=(6, 8, 3)).astype(np.float32)
    value = ops.convert_to_numpy(plain(window))
    every = ops.convert_to_numpy(fit.seeded(model, sizes, 5)(window)).reshape(6, 4, 2, 9)
    assert np.array_equal(every[..., 4], value)  # to the bit
    apart = every - every[..., 4:5]
    np.testing.assert_allclose(apart, np.broadcast_to(norm.ppf(levels), apart.shape), atol=1e-5)
