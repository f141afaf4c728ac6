"""Stateful training is that of Keras, lane by lane, and prediction knows nothing of it."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast.data import samples, windows
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.training import compiled, fit, loop
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model
from forecast.training.state import Stage
from forecast.training.stateful import readers

from .problems import CNN, WINDOW, Initial, apart, bits, forecaster, gru, linear, table, training
from .test_equality import normalized, restrained

pytestmark = pytest.mark.slow

DATA = table(rows=40)
PLAIN = {"normalization": "none", "linear_path": False, "dropout": 0.0, "recurrent_dropout": 0.0}
SMALL = Model("lstm", units=[3], **PLAIN)
DROPPING = Model("simple_rnn", units=[3], dropout=0.2, recurrent_dropout=0.2)


def numbers(fitted):
    """What a training measured, but for the clock."""
    clocks = ("epoch_seconds", "samples_per_second")
    return {k: v for k, v in fitted.history_.items() if k not in clocks}


def of_keras(lanes, features, horizon, stack):
    """A stateful network of Keras for batches of one size."""
    window = keras.Input(batch_shape=(lanes, *features))
    x = window
    for layer in stack:
        x = layer(x)
    return keras.Model(window, kl.Reshape((horizon, 1))(kl.Dense(horizon)(x)))


def train_by_hand(network, ours, data, batch_size, deal):
    """Train Keras's stateful network on the lanes of a forecaster, and count what happens.

    `deal` writes (batch, steps, columns) as the network's samples, one or more for each window.
    """
    x, y = ours.scaler_.inputs(data), ours.scaler_.outputs(data)
    window, like = ours.window, ours.training
    optimizer = keras.optimizers.Adam(like.learning_rate)
    network.compile(optimizer=optimizer, loss="mae", jit_compile=False)
    reset, empty, losses = 0, 0, []
    for epoch in range(like.epochs):
        order = np.random.default_rng([like.seed, epoch])
        starts = windows.by_content(data, windows.starts(data, window))
        before, total = np.full(batch_size, -1), 0.0
        for batch in samples.stateful_batches(starts, window, batch_size, shuffle=order):
            anew = batch != before + window.timesteps
            real = batch >= 0
            past = deal(windows.inputs(x, np.maximum(batch, 0), window))
            ahead = deal(windows.outputs(y, np.maximum(batch, 0), window))
            rows = len(past) // batch_size
            for layer in network.layers:
                for state in getattr(layer, "states", None) or []:
                    state.assign(state.numpy() * ~np.repeat(anew, rows)[:, None])
            weight = np.repeat(real * batch_size / real.sum(), rows)
            loss = network.train_on_batch(past, ahead, sample_weight=weight[:, None])
            total += float(loss) * real.sum()
            network.reset_metrics()
            reset, empty = reset + (anew & real & (before >= 0)).sum(), empty + (~real).sum()
            before = batch
        losses.append(total / len(starts))
    assert reset > 0 and empty > 0  # both have happened
    return losses


def compare(model, network, data=DATA, deal=lambda x: x, window=WINDOW):
    """Train both ways from the same weights, with the same result."""
    start = Initial()
    ours = Forecaster(model, window, training(stateful=True, batch_size=5, epochs=2))
    ours.fit(data, callbacks=[start])
    network.set_weights(start.weights)
    losses = train_by_hand(network, ours, data, 5, deal)
    np.testing.assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    assert apart(ours.model_.get_weights(), network.get_weights()) < 1e-5
    assert apart(start.weights, network.get_weights()) > 1e-2  # something was learned


def two_layers(sizes):
    """A user's own network of layers of two kinds."""
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.GRU(3)(kl.LSTM(4, return_sequences=True)(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(kl.Dense(sizes.horizon)(x)))


def in_sequence(sizes):
    """The same kind of network, written as a sequential model."""
    layers = [keras.Input((sizes.timesteps, sizes.features)), kl.SimpleRNN(4)]
    return keras.Sequential([*layers, kl.Dense(sizes.horizon), kl.Reshape((sizes.horizon, 1))])


def test_two_layers_train_as_stateful_ones_of_keras():
    stack = [kl.LSTM(4, return_sequences=True, stateful=True), kl.GRU(3, stateful=True)]
    compare(two_layers, of_keras(5, (8, 2), 3, stack))


def test_a_sequential_model_trains_as_a_stateful_one_of_keras():
    compare(in_sequence, of_keras(5, (8, 2), 3, [kl.SimpleRNN(4, stateful=True)]))


def test_stretches_of_a_series_are_trained_as_by_keras():
    gone = np.isin(np.arange(len(DATA)), [17, 66])
    network = of_keras(5, (8, 2), 3, [kl.LSTM(3, stateful=True)])
    compare(SMALL, network, data=DATA.take(~gone))


def test_shared_channels_and_patches_carry_a_state_for_each_target():
    both = replace(DATA, outputs=DATA.inputs.copy(), targets=DATA.features)

    def deal(rows):  # (batch, steps, targets) to (batch·targets, steps, 1)
        return rows.transpose(0, 2, 1).reshape(-1, rows.shape[1], 1)

    model = Model("lstm", units=[3], channels="shared", patch=4, **PLAIN)
    stack = [kl.Reshape((2, 4)), kl.LSTM(3, stateful=True)]
    compare(model, of_keras(10, (8, 1), 3, stack), data=both, deal=deal)


def test_the_result_does_not_depend_on_where_a_slice_ends(monkeypatch):
    fits, calls = [], []
    train = compiled.Program.train

    def counted(self, rows, batches, carry):
        calls[-1].append(len(batches))
        return train(self, rows, batches, carry)

    monkeypatch.setattr(compiled.Program, "train", counted)
    for seconds in (1e-9, 1e9):
        monkeypatch.setattr(loop, "SECONDS", seconds)
        calls.append([])
        fits.append(forecaster(DROPPING, stateful=True, batch_size=2).fit(DATA))
    assert calls[0][:3] == [16, 1, 1] and len(calls[0]) > len(calls[1]) + 10
    assert bits(fits[0]) == bits(fits[1])
    assert numbers(fits[0]) == numbers(fits[1])


def test_a_call_goes_on_with_the_state_that_it_is_given():
    fitted = forecaster(SMALL, stateful=True, batch_size=2).fit(DATA)
    [one] = [p for p in compiled._programs.values() if p.stateful and p.model.name == "lstm"][-1:]
    rows = compiled.Rows.put(fitted.scaler_.inputs(DATA), fitted.scaler_.outputs(DATA))

    def losses(*calls):
        one.load(fitted.model_, 1e-3)
        found, carry = [], None
        for batches, follows in calls:
            seen, carry = one.train(rows, np.array(batches, np.int32), carry if follows else None)
            found += seen.tolist()
        return found

    whole = losses(([[0, 9], [8, 17], [16, -1]], False))
    assert losses(([[0, 9], [8, 17]], False), ([[16, -1]], True)) == whole
    assert losses(([[0, 9], [8, 17]], False), ([[16, -1]], False))[2] != whole[2]


@pytest.mark.parametrize("model", [DROPPING, two_layers], ids=["simple_rnn", "own"])
def test_prediction_begins_with_zeros_as_an_ordinary_model_does(model):
    fitted = forecaster(model, stateful=True, batch_size=2, tail=12).fit(DATA)
    alone = fit.build_network(model, fit.sizes(DATA, WINDOW))
    alone.set_weights(fitted.model_.get_weights())
    starts = windows.starts(DATA, WINDOW)
    past = windows.inputs(fitted.scaler_.inputs(DATA), starts, WINDOW)
    expected = fitted.scaler_.invert(alone.predict(past, verbose=0), DATA.series[starts])
    np.testing.assert_allclose(fitted.predict_windows(DATA, starts), expected, rtol=1e-5)
    late = DATA.tick[starts] + WINDOW.timesteps >= 28
    true = windows.outputs(DATA.outputs, starts, WINDOW)
    error = np.abs(expected - true)[late].mean()
    assert fitted.history_["val_mae"][fitted.best_epoch_ - 1] == pytest.approx(error, rel=1e-4)
    assert not any(getattr(layer, "stateful", False) for layer in fitted.model_.layers)


def test_fits_are_equal_to_the_bit_and_leave_ordinary_ones_as_they_were():
    def fits():
        return [forecaster(DROPPING, stateful=s, batch_size=2).fit(DATA) for s in (False, True)]

    first, second = fits(), fits()
    assert [bits(one) for one in first] == [bits(one) for one in second]
    assert [numbers(one) for one in first] == [numbers(one) for one in second]
    assert bits(first[0]) != bits(first[1])


def test_a_training_in_parts_is_one_in_one_piece():
    def make():
        return forecaster(
            DROPPING,
            stateful=True,
            batch_size=2,
            epochs=4,
            tail=0.2,
            schedule="CosineDecay",
        )

    whole, begin = make().fit(DATA), None
    for end in (1, 4):
        stage = Stage(end, begin)
        parts, begin = make().fit(DATA, stage=stage), stage.end
    assert bits(parts) == bits(whole)
    assert numbers(parts) == numbers(whole)


def test_a_state_that_is_carried_tells_what_the_window_does_not():
    """The target is the sign of the last event, which mostly lies before the window."""
    rng = np.random.default_rng(0)
    event = np.where(np.arange(400) % 20 == 0, rng.choice([-1.0, 1.0], 400), 0.0)
    held = event[np.arange(400) // 20 * 20]
    base = table(rows=400, series=1, features=1)
    data = replace(base, inputs=event[:, None], outputs=held[:, None], targets=("y",))
    losses = {}
    for stateful in (False, True):
        plain = training(stateful=stateful, epochs=30, batch_size=4, learning_rate=3e-2)
        fitted = Forecaster(gru, Window(timesteps=4, horizon=1), plain).fit(data)
        losses[stateful] = np.mean(fitted.history_["loss"][-10:])
    assert losses[True] < 0.5 * losses[False]


def twice(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    layer = kl.GRU(2, return_sequences=True)
    x = kl.Flatten()(layer(layer(window)))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(kl.Dense(sizes.horizon)(x)))


def decoding(sizes):
    """An encoder and a decoder, which reads no rows."""
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.RepeatVector(sizes.horizon)(kl.LSTM(2)(window))
    return keras.Model(window, kl.Dense(1)(kl.LSTM(2, return_sequences=True)(x)))


def backwards(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(sizes.horizon)(kl.LSTM(2, go_backwards=True)(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(x))


READS = "training.stateful must be false where a recurrent layer does anything but read"
NONE = "training.stateful must be false for a network without recurrent layers, got true for"
EMPTY = "training.stateful must be false where an empty lane would change .* LayerNormalization"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (CNN, f"{NONE} causal_cnn: take model=lstm"),
        (linear, NONE),
        (Model("mlp"), f"{NONE} mlp"),
        (Model("lstm", bidirectional=True), f"{READS}.*backward_lstm_1.*model.bidirectional=false"),
        (Model("hierarchical_lstm", period=4), f"{READS}.* of hierarchical_lstm"),
        (Model("conv_heads_lstm"), f"{READS}.* of conv_heads_lstm"),
        (Model("patch_gru", patch=4, decoding="queries"), f"{READS}.*gru_1 of patch_gru"),
        (twice, READS),
        (decoding, READS),
        (backwards, READS),
        (Model("gru", patch=3), "model.patch must divide window.timesteps=8 .*got 3"),
        (normalized, EMPTY),
        (restrained, EMPTY),
    ],
)
def test_what_cannot_carry_a_state_is_refused_in_one_sentence(model, said):
    with pytest.raises(InputError, match=said):
        forecaster(model, stateful=True).fit(DATA)


def test_windows_that_never_follow_on_each_other_are_refused():
    for window in (Window(8, 3, stride=3), Window(20, 3)):
        with pytest.raises(InputError, match="where no training window begins window.timesteps="):
            forecaster(gru, window, stateful=True).fit(DATA)
    thinned = forecaster(gru, Window(8, 3, stride=4), stateful=True, epochs=1).fit(DATA)
    assert len(thinned.history_["loss"]) == 1


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_stateful_is_true_or_false(value):
    with pytest.raises(InputError, match=f"training.stateful must be true or false, got {value!r}"):
        forecaster(gru, stateful=value).fit(DATA)


def test_a_window_with_more_than_its_past_is_read_like_any_other():
    sizes = fit.Sizes(8, 6, 3, ahead=2, series=2)
    made = fit.build_network(Model("lstm", units=[3], series_embedding=2), sizes)
    assert [(layer.name, samples) for layer, samples in readers(made)] == [("lstm_1", 1)]
