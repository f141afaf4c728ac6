"""One compiled program serves every fit of a shape, and no fit disturbs another (design §6)."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl

from forecast.data import windows
from forecast.data.scale import Scaled
from forecast.errors import InputError
from forecast.training import compiled, loop, owned, predict
from forecast.training.fit import build_network, predict_scaled, sizes
from forecast.training.loads import Load, Whole

from .problems import CNN, LSTM, WINDOW, bits, forecaster, gru, linear, table

QUIET = settings(deadline=None, derandomize=True, database=None, max_examples=60)
DATA = table(rows=40)
OTHER = table(rows=40, seed=9)


@pytest.fixture(autouse=True)
def fresh():
    """No program of another test is known; nothing of a test is kept."""
    kept = dict(compiled._programs), dict(predict._predictors)
    compiled._programs.clear()
    predict._predictors.clear()
    yield
    compiled._programs.clear()
    predict._predictors.clear()
    compiled._programs.update(kept[0])
    predict._predictors.update(kept[1])


def traces():
    """How often each program was compiled for training."""
    return [
        one._steps._compiled.experimental_get_tracing_count() for one in compiled._programs.values()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("model", [linear, LSTM], ids=["linear", "lstm"])
def test_a_predicts_as_before_after_b_was_fitted(model):
    a = forecaster(model, epochs=1).fit(DATA)
    before, weights = a.predict(DATA), bits(a)
    b = forecaster(model, epochs=1, seed=1).fit(OTHER)
    assert b.model_ is not a.model_ and bits(b) != weights
    np.testing.assert_array_equal(a.predict(DATA), before)
    assert bits(a) == weights
    assert not np.array_equal(b.predict(DATA), before)


def test_folds_seeds_and_learning_rates_of_one_shape_compile_once():
    for seed, rate, last in ((0, 1e-2, 40), (1, 1e-2, 40), (0, 1e-3, 35), (2, 1e-2, 25)):
        one = forecaster(linear, seed=seed, learning_rate=rate)
        one.fit(DATA, rows=DATA.tick < last)
    assert traces() == [1]
    one.fit(OTHER.take(OTHER.tick < 39))  # rows are padded to few lengths
    assert traces() == [1]


def test_keras_own_numbering_of_layers_does_not_hide_that_two_models_are_one():
    def stack(asked):
        return keras.Sequential(
            [
                keras.Input((asked.timesteps, asked.features)),
                kl.Flatten(),
                kl.Dense(asked.horizon),
                kl.Reshape((asked.horizon, 1)),
            ]
        )

    for made in (stack, linear, gru, CNN):
        one, two = (build_network(made, sizes(DATA, WINDOW)) for _ in range(2))
        assert predict.architecture(one) == predict.architecture(two)
    assert predict.architecture(build_network(stack, sizes(DATA, WINDOW))) != predict.architecture(
        build_network(linear, sizes(DATA, WINDOW))
    )


def test_wiring_tells_models_apart():
    def parallel(asked, swap):
        window = keras.Input((asked.timesteps, asked.features))
        one, two = kl.Dense(3)(window), kl.Dense(3)(window)
        x = kl.Concatenate()([one, two] if swap else [one, one])
        return keras.Model(window, kl.Reshape((asked.horizon, 1))(kl.Dense(3)(kl.Flatten()(x))))

    asked = sizes(DATA, WINDOW)
    straight, crossed = (predict.architecture(parallel(asked, swap)) for swap in (False, True))
    assert straight != crossed


def scaling(factor):
    """A layer class and a network; the class has the same name whatever it does."""

    class Times(kl.Layer):
        def call(self, x):
            return x * factor

    def model(asked):
        window = keras.Input((asked.timesteps, asked.features))
        x = kl.Dense(asked.horizon)(kl.Flatten()(Times()(window)))
        return keras.Model(window, kl.Reshape((asked.horizon, 1))(x))

    return model


def test_a_layer_defined_anew_is_compiled_anew():
    one = forecaster(scaling(1.0), epochs=1).fit(DATA)
    two = forecaster(scaling(-3.0), epochs=1).fit(DATA)
    assert bits(one) != bits(two)
    two.model_.set_weights(one.model_.get_weights())
    assert np.abs(one.predict(DATA) - two.predict(DATA)).max() > 0.1


class Pinball(keras.losses.Loss):
    """A user's loss that says nothing of its share in `get_config`."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return keras.ops.mean(keras.ops.maximum(self.share * error, (self.share - 1) * error), -1)


def test_a_loss_with_other_settings_is_another_program():
    low, high = (
        forecaster(linear, loss=Pinball(share), epochs=8, learning_rate=3e-2).fit(DATA)
        for share in (0.05, 0.95)
    )
    assert len(compiled._programs) == 2
    assert (low.predict(DATA) < high.predict(DATA)).mean() > 0.95
    forecaster(linear, loss=Pinball(0.95), epochs=1).fit(OTHER)
    assert len(compiled._programs) == 2


class Meanwhile(keras.callbacks.Callback):
    """Use another forecaster of the same architecture in the middle of a training."""

    def __init__(self, other):
        super().__init__()
        self.other = other
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        del logs
        self.seen.append(self.other.predict(DATA))
        if epoch == 0:
            forecaster(linear, epochs=1, seed=7).fit(OTHER)


def test_predicting_and_fitting_inside_a_fit_disturb_nobody():
    other = forecaster(linear, epochs=1, seed=3).fit(OTHER)
    expected = other.predict(DATA)
    alone = forecaster(linear).fit(DATA)
    meanwhile = Meanwhile(other)
    disturbed = forecaster(linear).fit(DATA, callbacks=[meanwhile])
    assert bits(disturbed) == bits(alone)
    for seen in meanwhile.seen:
        np.testing.assert_array_equal(seen, expected)


def test_few_programs_are_kept():
    for units in range(1, owned.KEEP + 3):
        model = build_network(LSTM, sizes(DATA, WINDOW)) if units == 1 else linear_of(units)
        predict.take(model, "prediction").owner.give_back()
    assert len(predict._predictors) == owned.KEEP


def linear_of(units):
    window = keras.Input((8, 2))
    return keras.Model(
        window, kl.Reshape((3, 1))(kl.Dense(3)(kl.Dense(units)(kl.Flatten()(window))))
    )


def test_a_subclassed_model_is_refused_in_one_sentence():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.map = kl.Dense(3)

        def call(self, x):
            return self.map(x)[:, -1, :, None]

    def model(asked):
        own = Own()
        own(np.zeros((1, asked.timesteps, asked.features), np.float32))
        return own

    with pytest.raises(
        InputError, match="model must return a functional or sequential keras.Model"
    ):
        forecaster(model).fit(DATA)


def test_a_model_of_other_shapes_is_refused_in_one_sentence():
    def model(asked):
        window = keras.Input((asked.timesteps, asked.features))
        return keras.Model(window, kl.Dense(asked.horizon)(kl.Flatten()(window)))

    with pytest.raises(InputError, match=r"to \(None, 3, 1\), got \(None, 8, 2\) to \(None, 3\)"):
        forecaster(model).fit(DATA)


class Unsaved(kl.ReLU):
    def get_config(self):
        raise NotImplementedError("no config here")


@pytest.mark.parametrize(
    ("layer", "reason"), [(Unsaved(), "no config here"), (kl.Lambda(lambda x: x), "Lambda")]
)
def test_a_layer_that_cannot_be_saved_safely_is_refused_in_one_sentence(layer, reason):
    def model(asked):
        window = keras.Input((asked.timesteps, asked.features))
        x = kl.Dense(asked.horizon)(kl.Flatten()(layer(window)))
        return keras.Model(window, kl.Reshape((asked.horizon, 1))(x))

    with pytest.raises(InputError, match=f"model must be made of layers .*{reason}"):
        forecaster(model).fit(DATA)


class Counting:
    """Stands in for a program: counts the windows it is given."""

    def __init__(self, exact):
        self.exact_batches = exact
        self.stateful = False
        self.model = keras.Sequential()
        self.model.stop_training = False
        self.optimizer = keras.optimizers.SGD()
        self.calls = []

    def measured(self):
        return {}

    def train(self, rows, batches, carry=None):
        del rows, carry
        assert 0 < len(batches) <= compiled.SLICE
        real = batches >= 0
        assert real.any(axis=1).all() and not (np.diff(real.astype(int)) > 0).any()
        assert real.all() or not self.exact_batches
        full = [batch[batch >= 0] for batch in batches]
        self.calls += [batch.tolist() for batch in full]
        return np.array([float(np.mean(batch)) for batch in full], np.float32), None


@QUIET
@given(st.integers(1, 700), st.integers(1, 90), st.booleans(), st.integers(0, 3))
def test_every_window_is_seen_once_an_epoch_at_any_batch_size(count, batch_size, exact, seed):
    starts = np.arange(count, dtype=np.int32) * 3
    fake, logs = Counting(exact), []
    told = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, seen: logs.append(seen["loss"]))
    loop.train(
        fake,
        Whole(Load(None, starts)),
        epochs=range(2),
        batch_size=batch_size,
        seed=seed,
        callbacks=[told],
        validate=dict,
    )
    flat = [start for batch in fake.calls for start in batch]
    assert sorted(flat) == sorted([*starts, *starts])
    for epoch in range(2):
        order = np.random.default_rng([seed, epoch]).permutation(starts)
        assert flat[epoch * count : (epoch + 1) * count] == order.tolist()
    np.testing.assert_allclose(logs, starts.mean(), rtol=1e-5, atol=1e-5)


def test_slices_grow_to_about_a_second_and_shrink_when_steps_are_slow(monkeypatch):
    clock, sizes_of_calls = [0.0], []
    fake = Counting(exact=False)

    def train(rows, batches, carry):
        clock[0] += len(batches) * seconds
        sizes_of_calls.append(len(batches))
        return Counting.train(fake, rows, batches, carry)

    fake.train = train
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    starts = np.arange(3000, dtype=np.int32)
    for seconds, least, most in ((0.01, 16, 100), (0.4, 1, 16), (1e-6, 16, compiled.SLICE)):
        sizes_of_calls.clear()
        loop.train(
            fake,
            Whole(Load(None, starts)),
            epochs=range(1),
            batch_size=2,
            seed=0,
            callbacks=[],
            validate=dict,
        )
        steady = sizes_of_calls[4:-1]
        assert sizes_of_calls[0] == 16 and max(sizes_of_calls) <= most
        assert all(size * seconds <= 1.0 + seconds for size in steady)
        assert not steady or max(steady) >= least


def test_predictions_do_not_depend_on_the_batch_size():
    fitted = forecaster(linear, epochs=1).fit(DATA)
    starts = windows.starts(DATA, WINDOW)
    whole = predict_scaled(
        fitted.model_, Scaled(DATA, fitted.scaler_), WINDOW, starts, batch_size=60
    )
    for batch_size in (1, 7, 100):
        parts = predict_scaled(
            fitted.model_, Scaled(DATA, fitted.scaler_), WINDOW, starts, batch_size=batch_size
        )
        assert parts.shape == (60, 3, 1, 1)
        np.testing.assert_allclose(parts, whole, rtol=1e-5)
    nothing = predict_scaled(
        fitted.model_, Scaled(DATA, fitted.scaler_), WINDOW, starts[:0], batch_size=4
    )
    assert nothing.shape == (0, 3, 1, 1)
