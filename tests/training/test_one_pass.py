"""One causal pass over a series gives what every window gives by itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl

from forecast import Model
from forecast.models import Sizes
from forecast.training import fit, one_pass, predict

from .problems import WINDOW, forecaster, table

SIZES = Sizes(24, 3, 4, 2, (0, 1))
RNG = np.random.default_rng(0)


def filled(sizes=SIZES, **changes):
    """A causal CNN whose every weight counts."""
    model = fit.build_network(Model("causal_cnn", normalization="none", **changes), sizes)
    for weight in model.weights:
        weight.assign(RNG.normal(0, 0.3, weight.shape))
    return model


def same(ours, theirs):
    """Equal but for the rounding of sums in another order."""
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"linear_path": False},
        {"dense": [5]},
        {"dilations": [1, 2, 4]},
        {"kernel_size": 2, "dilations": [1, 1, 4]},
        {"dilations": [4, 2, 1]},
        {"filters": 3, "activation": "tanh"},
    ],
    ids=str,
)
def test_equals_the_network_on_every_window(changes):
    model = filled(**changes)
    rows = RNG.normal(size=(70, 3)).astype(np.float32)
    cut = np.stack([rows[start : start + 24] for start in range(47)])
    same(one_pass.forecast(model, tf.constant(rows))[23:], model(cut, training=False))


def test_a_window_shorter_than_the_receptive_field_is_padded_and_goes_by_window():
    assert one_pass.possible(filled(dilations=[1, 2, 8]))
    assert not one_pass.possible(filled(dilations=[1, 2, 16]))


class Louder(kl.Dense):
    """Looks like a layer that is known and computes something else."""

    def call(self, x):
        return 2 * super().call(x)


def louder(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = Louder(sizes.horizon * sizes.targets)(kl.Flatten()(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, sizes.targets))(x))


@pytest.mark.parametrize(
    "model",
    [Model("causal_cnn"), Model("lstm", normalization="none"), louder],
    ids=["normalised", "recurrent", "subclass"],
)
def test_every_other_network_goes_by_window(model):
    assert not one_pass.possible(fit.build_network(model, SIZES))


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(st.integers(0, 40), st.integers(1, 150), st.integers(0, 99), st.integers(1, 9))
def test_any_windows_in_any_order_come_back_in_that_order(first, count, seed, batch):
    rng = np.random.default_rng(seed)
    starts = rng.permutation(np.arange(first, first + 2 * count, 2)).astype(np.int32)
    found = MADE.predict(INPUTS, starts, batch)
    cut = INPUTS.numpy()[starts[:, None] + np.arange(24)]
    same(found, MADE.model(cut))


MADE = predict.Predictor(filled())
INPUTS = tf.constant(RNG.normal(size=(400, 3)), tf.float32)


def test_windows_reach_over_the_border_of_a_pass(monkeypatch):
    monkeypatch.setattr(predict, "CHUNK", 16)
    small = predict.Predictor(filled())
    starts = np.arange(5, 76, dtype=np.int32)
    cut = INPUTS.numpy()[:99][starts[:, None] + np.arange(24)]
    same(small.predict(INPUTS[:99], starts, 8), small.model(cut))
    assert small._pass._compiled.experimental_get_tracing_count() == 1
    assert small._batch._compiled.experimental_get_tracing_count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_passes_are_those_of_a_loop_over_all_windows(monkeypatch, seed):
    """Of windows in any order, some of them twice, with holes as long as several passes."""
    monkeypatch.setattr(predict, "CHUNK", 16)
    small, rng = predict.Predictor(filled()), np.random.default_rng(seed)
    some = rng.integers(3, 370, 40)
    starts = rng.permutation(np.append(some, some[:9])).astype(np.int32)
    starts = starts[(starts < 60) | (starts > 140)]
    expected = np.empty((len(starts), *small.model.output_shape[1:]), np.float32)
    begun = []
    for begin in range(int(starts.min()), int(starts.max()) + 1, 16):
        mine = (starts >= begin) & (starts < begin + 16)
        if mine.any():
            begun.append(begin)
            expected[mine] = small._pass(INPUTS, tf.constant(begin)).numpy()[starts[mine] - begin]
    asked, compiled = [], small._pass

    def spy(inputs, begin):
        asked.append(int(begin))
        return compiled(inputs, begin)

    assert small._by_pass(spy, INPUTS, starts).tobytes() == expected.tobytes()
    assert asked == begun


def test_an_estimator_forecasts_a_panel_alike_either_way(monkeypatch):
    """Windows of two series: those across the border are computed and never read."""
    data = table(rows=200)
    model = Model("causal_cnn", filters=4, normalization="none")
    fitted = forecaster(model, epochs=1).fit(data.take(data.tick < 150))
    ahead = fitted.predict(data.take(data.tick >= 150))
    monkeypatch.setattr(one_pass, "possible", lambda _: False)
    predict._predictors.clear()
    by_window = fitted.predict(data.take(data.tick >= 150))
    assert len(ahead) == 2 * (50 - WINDOW.horizon + 1)
    same(ahead, by_window)
