"""What a network forecasts of a sample does not depend on how many others are beside it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast.models import build_model, defaults
from forecast.models.repairs import mended
from forecast.models.settings import Sizes

HOW = ["none", "last", "instance", "seasonal"]


def one_by_one(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(model(row[None])) for row in x])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("targets", [1, 4])
@pytest.mark.parametrize("name", ["linear", pytest.param("lstm", marks=pytest.mark.slow)])
def test_a_batch_as_large_as_horizon_targets_or_anything(name, targets, how):
    sizes = Sizes(timesteps=8, features=5, horizon=4, targets=targets, season=2)
    model = build_model(name, sizes, {**defaults(name), "normalization": how})
    compiled = tf.function(model, jit_compile=True)
    x = np.random.default_rng(0).normal(size=(8, 8, 5)).astype("float32")
    alone = one_by_one(model, x)
    for run, count in (*((model, count) for count in (1, 2, 3, 4, 5, 8)), (compiled, 4)):
        found = np.asarray(run(tf.constant(x[:count])))
        np.testing.assert_allclose(found, alone[:count], atol=1e-5)


def test_models_of_older_files_are_mended(tmp_path):
    """They add the level by Keras' own layer, which takes a batch as large as the horizon amiss."""
    window = keras.Input((8, 3))
    level = window[:, -1:, :1]
    steps = keras.layers.Reshape((4, 1))(keras.layers.Dense(4)(keras.layers.Flatten()(window)))
    old = keras.Model(window, keras.layers.Add(name="level")([steps, level]))
    x = np.random.default_rng(0).normal(size=(4, 8, 3)).astype("float32")
    right = one_by_one(old, x)
    old.save(tmp_path / "old.keras")
    read = keras.saving.load_model(tmp_path / "old.keras", compile=False)
    np.testing.assert_allclose(np.asarray(mended(read)(x)), right, atol=1e-6)
    assert mended(again := mended(read)) is again
