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
    assert found == pytest.approx(expected)


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
    assert gates.statistics(zero, zero) == {"gates.rnn_1/h_kernel_norm": 0.0}


def test_few_metrics():
    model = keras.Sequential([keras.Input((4, 2)), kl.LSTM(8, name="lstm_1"), kl.Dense(1)])
    weights = gates.snapshot(model)
    assert len(gates.statistics(weights, weights)) == 17


def test_taps_by_hand():
    layer = CausalConvolution(2, 3, 4, "conv_1")
    model = keras.Sequential([keras.Input((16, 1)), layer])
    kernel = np.array([[[1.0, 0.0]], [[3.0, 4.0]], [[0.0, -2.0]]])
    layer.set_weights([kernel, np.zeros(2)])
    # The first tap reads the oldest step: (3 - 1) * 4 back.
    assert gates.taps(model) == {
        "taps.conv_1/lag_08": 1.0,
        "taps.conv_1/lag_04": 5.0,
        "taps.conv_1/lag_00": 2.0,
    }


def test_the_newest_tap_of_a_keras_convolution_is_lag_zero():
    layer = kl.Conv1D(1, 3, padding="causal", dilation_rate=2, use_bias=False, name="conv_1")
    model = keras.Sequential([keras.Input((8, 1)), layer])
    layer.set_weights([np.array([0.0, 0.5, 0.0]).reshape(3, 1, 1)])
    impulse = np.zeros((1, 8, 1), "float32")
    impulse[0, 3] = 1.0
    steps_later = int(np.argmax(np.asarray(model(impulse))[0, :, 0])) - 3
    largest = max(gates.taps(model).items(), key=lambda item: item[1])
    assert largest == (f"taps.conv_1/lag_{steps_later:02d}", 0.5)


def test_tap_names_widen_only_where_needed():
    inputs = keras.Input((400, 1))
    x = CausalConvolution(1, 3, 2, "conv_1")(inputs)
    model = keras.Model(inputs, CausalConvolution(1, 3, 64, "conv_2")(x))
    assert list(gates.taps(model)) == [
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
