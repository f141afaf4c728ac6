"""What gates do, counted by loops over every value, with truths planted in the weights."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast import gates

from .models import small_model

RNG = np.random.default_rng(11)


def lstm(units=4, features=3, name="lstm_1", **options):
    """An LSTM whose gates swing widely."""
    layer = kl.LSTM(units, name=name, **options)
    layer.build((None, 9, features))
    layer.set_weights([RNG.normal(scale=2.0, size=a.shape) for a in layer.get_weights()])
    return layer


def with_bias(layer, gate, value):
    parts = gates.split(layer)
    parts[gate]["bias"][:] = value
    layer.set_weights(gates.join(layer, parts))
    return layer


def test_every_share_by_counting():
    traced = gates.trace(lstm(), RNG.normal(size=(5, 9, 3)))
    found = gates.measure(traced)
    metrics = gates.activity(found, 9)
    for gate in "ifo":
        shut = opened = total = 0.0
        never = always = 0
        values = traced["lstm_1"][gate]
        for unit in range(4):
            own = [float(values[s, t, unit]) for s in range(5) for t in range(9)]
            below, above = sum(v < 0.1 for v in own), sum(v > 0.9 for v in own)
            assert found[f"lstm_1/shut/{gate}"][unit] == pytest.approx(below / 45)
            assert found[f"lstm_1/open/{gate}"][unit] == pytest.approx(above / 45)
            shut, opened, total = shut + below, opened + above, total + sum(own)
            never, always = never + (below == 45), always + (above == 45)
        key = f"gates.lstm_1/{gate}"
        assert metrics[f"{key}_mean"] == pytest.approx(total / 180, abs=1e-6)
        assert metrics[f"{key}_shut"] == pytest.approx(shut / 180, abs=1e-6)
        assert metrics[f"{key}_open"] == pytest.approx(opened / 180, abs=1e-6)
        assert metrics[f"{key}_never_open"] == never / 4
        assert metrics[f"{key}_always_open"] == always / 4
    hidden = traced["lstm_1"]["hidden"].reshape(-1, 4)
    np.testing.assert_allclose(found["lstm_1/range/hidden"], np.ptp(hidden, axis=0), rtol=1e-6)


def test_masked_steps_count_nowhere():
    layer, x = lstm(), RNG.normal(size=(6, 9, 3))
    mask = np.ones((6, 9), bool)
    mask[:, :4] = False  # left-padded: the same as windows that begin later
    masked = gates.measure(gates.trace(layer, x, mask=mask))
    shorter = gates.measure(gates.trace(layer, x[:, 4:]))
    assert masked.keys() == shorter.keys()
    assert masked.pop("lstm_1/steps/hidden") == 9 and shorter.pop("lstm_1/steps/hidden") == 5
    for name, array in shorter.items():
        np.testing.assert_allclose(masked[name], array, atol=1e-6)


def test_a_forget_bias_of_minus_twenty_forgets_at_once():
    layer = lstm(recurrent_initializer="zeros")
    layer.set_weights([0.01 * a for a in layer.get_weights()])
    found = gates.activity(gates.measure(gates.trace(with_bias(layer, "f", -20), seen())), 9)
    assert found["gates.lstm_1/f_shut"] == found["gates.lstm_1/f_never_open"] == 1
    # exp(-20) is left after a step, so 1/e after a twentieth of one; float32 rounds sigmoid(-20)
    assert found["gates.lstm_1/f_scale_90"] == pytest.approx(1 / 20, abs=0.01)
    assert found["gates.lstm_1/f_scale_capped"] == 0


def test_a_forget_gate_that_never_shuts_has_a_capped_time_scale():
    layer = lstm()
    layer.set_weights([0.01 * a for a in layer.get_weights()])
    found = gates.activity(gates.measure(gates.trace(with_bias(layer, "f", 20), seen())), 9)
    assert found["gates.lstm_1/f_always_open"] == found["gates.lstm_1/f_scale_capped"] == 1
    assert found["gates.lstm_1/f_scale_50"] == 90


def seen():
    return RNG.normal(size=(4, 9, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", [kl.LSTM, kl.GRU, kl.SimpleRNN])
def test_units_set_to_zero_are_dead(kind):
    layer = kind(8, name="layer")
    layer.build((None, 9, 3))
    parts = gates.split(layer)
    for arrays in parts.values():
        for array in arrays.values():
            array[..., [2, 5]] = 0
    layer.set_weights(gates.join(layer, parts))
    found = gates.activity(gates.measure(gates.trace(layer, seen())), 9)
    assert found["gates.layer/hidden_dead"] == 2 / 8


def test_time_scales_are_those_of_a_decaying_state():
    for kept in (0.3, 0.9, 0.999):
        state, steps = 1.0, 0
        while state > np.exp(-1):
            state, steps = state * kept, steps + 1
        assert steps - 1 < gates.time_scales(np.array([kept]))[0] <= steps


def test_a_probe_measures_what_trace_sees_at_every_depth():
    inner = keras.Sequential([keras.Input((9, 4)), kl.GRU(3, name="gru_1")], name="body")
    inputs = keras.Input((9, 3))
    masked = kl.Bidirectional(kl.LSTM(2), name="both")(kl.Masking()(inputs))
    model = keras.Model(inputs, kl.Concatenate()([masked, inner(kl.Dense(4)(inputs))]))
    windows = seen()
    windows[:, :2] = 0
    probe = gates.Probe(model, windows)
    for _ in range(2):  # compiled once, and right after the weights have changed
        expected = gates.measure(gates.trace(model, windows))
        found = probe.measure()
        assert list(found) == list(expected) and len(found) == 2 * 11 + 8
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, atol=1e-5)
        model.set_weights([1.5 * a for a in model.get_weights()])


def test_the_callback_logs_saves_and_tells_activity():
    model, windows = small_model(), RNG.normal(size=(4, 6, 2))
    saved, logged = {}, {}
    callback = gates.GateSnapshots(
        probe=lambda: windows,
        save=lambda name, weights: saved.update({name: weights}),
        log=lambda metrics, step: logged.update({step: metrics}),
    )
    model.fit(np.zeros((8, 6, 2)), np.ones((8, 1)), epochs=2, verbose=0, callbacks=[callback])
    assert logged == callback.history
    inputs = model.layers[1](np.float32(windows))
    expected = gates.measure(gates.trace(model.get_layer("lstm_1"), inputs))
    for name, array in expected.items():
        np.testing.assert_allclose(saved["snapshots/epoch_0002.npz"][name], array, atol=1e-5)
    assert {**logged[2], **gates.activity(expected, 6)} == pytest.approx(logged[2], abs=1e-5)
    # what is no weight does not disturb what is
    assert gates.statistics(saved["snapshots/epoch_0002.npz"]) == gates.statistics(model)


@pytest.mark.slow
def test_a_training_does_not_notice_that_it_is_watched():
    def losses(**options):
        keras.utils.set_random_seed(8)
        model = keras.Sequential(
            [keras.Input((9, 3)), kl.LSTM(4, recurrent_dropout=0.5), kl.Dropout(0.5), kl.Dense(1)]
        )
        model.compile(loss="mae", optimizer="adam")
        watch = gates.GateSnapshots(**options)
        x = np.random.default_rng(0).normal(size=(64, 9, 3))
        return model.fit(x, x[:, 0, :1], epochs=3, verbose=0, callbacks=[watch]).history["loss"]

    assert losses(probe=seen()) == losses()


def test_two_layers_have_few_numbers():
    model = keras.Sequential(
        [
            keras.Input((9, 3)),
            lstm(6, 3, "lstm_1", return_sequences=True),
            lstm(6, 6, "lstm_2"),
        ]
    )
    before = gates.snapshot(model)
    probe = gates.Probe(model, seen())
    found = {**gates.statistics(model, before), **gates.activity(probe.measure(), 9)}
    assert len(found) == 2 * (4 * 7 + 1 + 3 * 5 + 4 + 1) < 120


def test_time_scales_are_counted_and_capped_in_the_steps_that_a_layer_reads():
    """A layer over six patches of twelve rows forgets in patches."""
    always = {"lstm_1/mean/f": np.ones(3), "lstm_1/steps/hidden": np.array([6.0])}
    assert gates.activity(always, 72)["gates.lstm_1/f_scale_50"] == 10 * 6
    del always["lstm_1/steps/hidden"]
    assert gates.activity(always, 72)["gates.lstm_1/f_scale_50"] == 10 * 72


def test_a_layer_called_again_on_other_steps_is_traced_on_what_it_reads_first():
    inputs = keras.Input((9, 3))
    reader = kl.GRU(2, return_state=True, name="gru_1")
    _, state = reader(inputs)
    answer, _ = reader(inputs[:, :1], initial_state=state)
    x = seen()
    traced = gates.trace(keras.Model(inputs, answer), x)
    alone = gates.trace(reader, x)
    np.testing.assert_array_equal(traced["gru_1"]["hidden"], alone["gru_1"]["hidden"])
