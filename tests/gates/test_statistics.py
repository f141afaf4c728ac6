"""Norms and update ratios against numbers small enough to check by hand."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast import gates
from forecast.errors import InputError

from .models import CausalConvolution


def test_norms_by_hand():
    layer = kl.LSTM(1, name="lstm_1")
    model = keras.Sequential([keras.Input((4, 2)), layer])
    kernel = np.array([[3.0, 0.0, 1.0, 0.0], [4.0, 0.0, 1.0, 2.0]])
    layer.set_weights([kernel, np.array([[0.0, -2.0, 7.0, 1.0]]), np.array([1.0, -3.0, 0.0, 0.5])])
    found = gates.statistics(model)
    expected = {
        "gates.lstm_1/i_kernel_norm": 5.0,
        "gates.lstm_1/f_kernel_norm": 0.0,
        "gates.lstm_1/c_kernel_norm": 2**0.5,
        "gates.lstm_1/o_kernel_norm": 2.0,
        "gates.lstm_1/i_recurrent_norm": 0.0,
        "gates.lstm_1/f_recurrent_norm": 2.0,
        "gates.lstm_1/c_recurrent_norm": 7.0,
        "gates.lstm_1/o_recurrent_norm": 1.0,
        "gates.lstm_1/i_bias_norm": 1.0,
        "gates.lstm_1/f_bias_norm": 3.0,
        "gates.lstm_1/c_bias_norm": 0.0,
        "gates.lstm_1/o_bias_norm": 0.5,
        "gates.lstm_1/c_radius": 7.0,
    }
    # two weights of a kernel, one of a recurrent kernel, one bias
    expected |= {
        key.replace("_norm", "_rms"): value / (2**0.5 if "kernel" in key else 1)
        for key, value in expected.items()
        if key.endswith("_norm")
    }
    assert found == pytest.approx(expected)


def rms_of(metrics):
    return {key: value for key, value in metrics.items() if key.endswith("_rms")}


@pytest.mark.parametrize("kind", [kl.LSTM, kl.GRU, kl.SimpleRNN])
def test_root_mean_squares_by_numpy(kind):
    layer = kind(5, name="layer")
    model = keras.Sequential([keras.Input((4, 3)), layer])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=a.shape) for a in model.get_weights()])
    found, count = gates.statistics(model), len(gates.split(layer))
    for part, array in zip(("kernel", "recurrent", "bias"), model.get_weights(), strict=True):
        for number, gate in enumerate(gates.split(layer)):
            own = array[..., 5 * number : 5 * (number + 1)]
            assert own.shape[-1] * count == array.shape[-1]
            expected = np.sqrt(np.mean(np.square(own)))
            assert found[f"gates.layer/{gate}_{part}_rms"] == pytest.approx(expected, rel=1e-6)


def test_twice_the_units_have_the_same_root_mean_square_and_a_larger_norm():
    layer = kl.LSTM(3, name="layer")
    layer.build((None, 4, 2))
    parts = {
        f"layer/{part}/{gate}": array
        for gate, own in gates.split(layer).items()
        for part, array in own.items()
    }
    times = {"kernel": (1, 2), "recurrent_kernel": (2, 2), "bias": 2}  # each unit has a twin
    twice = {name: np.tile(array, times[name.split("/")[1]]) for name, array in parts.items()}
    ours, theirs = gates.statistics(parts), gates.statistics(twice)
    assert rms_of(theirs) == pytest.approx(rms_of(ours))
    assert theirs["gates.layer/i_kernel_norm"] == pytest.approx(
        2**0.5 * ours["gates.layer/i_kernel_norm"]
    )
    larger = gates.statistics({name: 2 * array for name, array in parts.items()})
    assert rms_of(larger) == pytest.approx({k: 2 * v for k, v in rms_of(ours).items()})


def test_update_is_the_change_of_all_parts_over_what_was():
    before = {
        "rnn_1/kernel/h": np.array([[3.0]]),
        "rnn_1/recurrent_kernel/h": np.array([[4.0]]),
        "rnn_1/bias/h": np.array([12.0]),
    }
    now = {
        "rnn_1/kernel/h": np.array([[3.0]]),
        "rnn_1/recurrent_kernel/h": np.array([[7.0]]),
        "rnn_1/bias/h": np.array([8.0]),
    }
    # sqrt(9 + 16 + 144) = 13 before, sqrt(0 + 9 + 16) = 5 changed.
    assert gates.statistics(now, before)["gates.rnn_1/h_update"] == pytest.approx(5 / 13)


def test_both_biases_of_a_gru_are_one_norm():
    weights = {
        "gru_1/kernel/z": np.zeros((1, 1)),
        "gru_1/recurrent_kernel/z": np.zeros((1, 1)),
        "gru_1/bias/z": np.array([3.0]),
        "gru_1/recurrent_bias/z": np.array([4.0]),
    }
    assert gates.statistics(weights)["gates.gru_1/z_bias_norm"] == 5.0


def test_only_finite_values():
    zero = {"rnn_1/kernel/h": np.zeros((1, 1)), "rnn_1/bias/h": np.array([np.nan])}
    assert gates.statistics(zero, zero) == {
        "gates.rnn_1/h_kernel_norm": 0.0,
        "gates.rnn_1/h_kernel_rms": 0.0,
    }


def test_few_metrics():
    model = keras.Sequential([keras.Input((4, 2)), kl.LSTM(8, name="lstm_1"), kl.Dense(1)])
    weights = gates.snapshot(model)
    assert len(gates.statistics(weights, weights)) == 4 * 7 + 1


def test_taps_by_hand():
    layer = CausalConvolution(2, 3, 4, "conv_1")
    model = keras.Sequential([keras.Input((16, 1)), layer])
    kernel = np.array([[[1.0, 0.0]], [[3.0, 4.0]], [[0.0, -2.0]]])
    layer.set_weights([kernel, np.zeros(2)])
    # The first tap reads the oldest step: (3 - 1) * 4 back.
    norms = {"taps.conv_1/lag_08": 1.0, "taps.conv_1/lag_04": 5.0, "taps.conv_1/lag_00": 2.0}
    sizes = {f"{key}_rms": norm / 2**0.5 for key, norm in norms.items()}
    assert gates.taps(model) == pytest.approx(norms | sizes)


def test_the_newest_tap_of_a_keras_convolution_is_lag_zero():
    layer = kl.Conv1D(1, 3, padding="causal", dilation_rate=2, use_bias=False, name="conv_1")
    model = keras.Sequential([keras.Input((8, 1)), layer])
    layer.set_weights([np.array([0.0, 0.5, 0.0]).reshape(3, 1, 1)])
    impulse = np.zeros((1, 8, 1), "float32")
    impulse[0, 3] = 1.0
    steps_later = int(np.argmax(np.asarray(model(impulse))[0, :, 0])) - 3
    largest = max(gates.taps(model).items(), key=lambda item: item[1])
    assert largest == (f"taps.conv_1/lag_{steps_later:02d}", 0.5)


@pytest.mark.parametrize("kind", [kl.Conv1D, kl.DepthwiseConv1D])
@pytest.mark.parametrize(("taps", "spacing"), [(2, 1), (3, 1), (3, 2), (4, 1), (5, 3)])
def test_taps_that_look_ahead_are_named_by_their_offset(kind, taps, spacing):
    """What Keras answers to an impulse says which step each tap reads."""
    options = {"padding": "same", "dilation_rate": spacing, "use_bias": False, "name": "conv_1"}
    layer = kl.Conv1D(1, taps, **options) if kind is kl.Conv1D else kind(taps, **options)
    model = keras.Sequential([keras.Input((41, 1)), layer])
    impulse = np.zeros((1, 41, 1), "float32")
    impulse[0, 20] = 1.0
    names = [name.rsplit("/")[-1] for name in gates.snapshot(model)]
    for tap, name in enumerate(names):
        layer.set_weights([np.eye(taps)[tap].reshape(taps, 1, 1)])
        answer = int(np.argmax(np.asarray(model(impulse))[0, :, 0]))
        assert name == f"tap_{20 - answer}"  # the output reads the step of the impulse
    assert not any("lag" in name for name in names)


def test_a_convolution_without_padding_has_no_lags_either():
    model = keras.Sequential([keras.Input((9, 1)), kl.Conv1D(1, 3, name="conv_1")])
    assert [key for key in gates.taps(model) if not key.endswith("_rms")] == [
        "taps.conv_1/tap_-2",
        "taps.conv_1/tap_-1",
        "taps.conv_1/tap_0",
    ]


def test_tap_names_widen_only_where_needed():
    inputs = keras.Input((400, 1))
    x = CausalConvolution(1, 3, 2, "conv_1")(inputs)
    model = keras.Model(inputs, CausalConvolution(1, 3, 64, "conv_2")(x))
    assert [key for key in gates.taps(model) if not key.endswith("_rms")] == [
        *(f"taps.conv_1/lag_{lag}" for lag in ("04", "02", "00")),
        *(f"taps.conv_2/lag_{lag}" for lag in ("128", "064", "000")),
    ]


def test_update_of_a_kernel():
    before = {"conv_1/kernel/lag_01": np.array([[3.0]]), "conv_1/kernel/lag_00": np.array([[4.0]])}
    now = {"conv_1/kernel/lag_01": np.array([[3.0]]), "conv_1/kernel/lag_00": np.array([[5.0]])}
    assert gates.taps(now, before)["taps.conv_1/update"] == pytest.approx(0.2)


@pytest.mark.parametrize("other", [{}, {"rnn_1/bias/h": np.zeros(3)}])
def test_another_model_is_no_previous_epoch(other):
    with pytest.raises(InputError, match=r"^previous: .*'rnn_1/bias/h' where \(2,\) is wanted; "):
        gates.statistics({"rnn_1/bias/h": np.zeros(2)}, other)
