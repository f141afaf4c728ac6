"""Layers are found wherever Keras lets people put them."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast import gates
from forecast.errors import InputError
from forecast.gates.names import unwatched

from .models import CausalConvolution


class Custom(keras.Model):
    """A subclassed model that keeps layers in attributes and lists, two with one name."""

    def __init__(self):
        super().__init__()
        self.first = kl.LSTM(2, name="same", return_sequences=True)
        self.others = [kl.GRU(2, name="same", return_sequences=True), kl.SimpleRNN(3, name="last")]

    def call(self, inputs):
        x = self.first(inputs)
        for layer in self.others:
            x = layer(x)
        return x


def test_plain_stack():
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            kl.LSTM(4, return_sequences=True, name="lstm_1"),
            kl.GRU(3, name="gru_1"),
            kl.Dense(1),
        ]
    )
    found = gates.layers(model)
    assert list(found) == ["lstm_1", "gru_1"]
    assert found["lstm_1"] is model.layers[0]


def test_nested_models_are_a_path():
    inner = keras.Sequential([keras.Input((6, 3)), kl.LSTM(2, name="lstm_1")], name="inner")
    middle_in = keras.Input((6, 3))
    middle = keras.Model(middle_in, kl.Dense(2)(inner(middle_in)), name="body")
    model = keras.Sequential([keras.Input((6, 3)), middle])
    assert list(gates.layers(model)) == ["body.inner.lstm_1"]


def test_wrappers_and_stacked_cells():
    inputs = keras.Input((4, 6, 3))
    x = kl.TimeDistributed(kl.Bidirectional(kl.LSTM(2)), name="td_1")(inputs)
    x = kl.RNN([kl.LSTMCell(3), kl.GRUCell(2)], return_sequences=True, name="rnn_1")(x)
    x = kl.RNN(kl.SimpleRNNCell(5), name="rnn_2")(x)
    assert list(gates.layers(keras.Model(inputs, x))) == [
        "td_1.forward",
        "td_1.backward",
        "rnn_1.cell_1",
        "rnn_1.cell_2",
        "rnn_2",
    ]


def test_a_model_inside_time_distributed():
    inner = keras.Sequential([keras.Input((6, 3)), kl.GRU(2, name="gru_1")])
    model = keras.Sequential([keras.Input((4, 6, 3)), kl.TimeDistributed(inner, name="td_1")])
    assert list(gates.layers(model)) == ["td_1.gru_1"]


def test_clashing_names_are_numbered():
    model = Custom()
    model(np.zeros((1, 4, 2), "float32"))
    assert list(gates.layers(model)) == ["same", "same_2", "last"]


def test_a_shared_layer_is_found_once():
    shared = kl.LSTM(2, name="lstm_1")
    a, b = keras.Input((6, 3)), keras.Input((6, 3))
    model = keras.Model([a, b], kl.add([shared(a), shared(b)]))
    assert list(gates.layers(model)) == ["lstm_1"]


def test_a_layer_alone():
    assert list(gates.layers(kl.LSTM(2, name="lstm_1"))) == ["lstm_1"]


def test_recurrent_layers_without_known_gates_are_passed_over():
    model = keras.Sequential([keras.Input((4, 8, 8, 1)), kl.ConvLSTM2D(2, 3, name="conv_lstm")])
    assert gates.layers(model) == {}
    assert gates.convolutions(model) == {}


# Keras reads its variables in a form that NumPy 2 warns about.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_model_read_from_a_file(tmp_path):
    inputs = keras.Input((6, 3))
    x = kl.Bidirectional(kl.GRU(2), name="bi_1")(inputs)
    keras.Model(inputs, kl.Dense(1)(x)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert list(gates.layers(loaded)) == ["bi_1.forward", "bi_1.backward"]


def test_convolutions_over_time_only():
    inputs = keras.Input((16, 4))
    x = kl.Conv1D(4, 3, padding="causal", dilation_rate=2, name="conv_1")(inputs)
    x = CausalConvolution(4, 3, 4, "conv_2")(x)
    x = kl.TimeDistributed(kl.Dense(4))(x)
    x = kl.MultiHeadAttention(2, 2)(x, x)
    x = kl.EinsumDense("abc,cde->abde", output_shape=(None, 2, 2))(x)
    x = kl.Conv2D(3, 2)(x)
    assert list(gates.convolutions(keras.Model(inputs, x))) == ["conv_1", "conv_2"]


def test_a_transposed_convolution_has_no_lags():
    model = keras.Sequential([keras.Input((16, 4)), kl.Conv1DTranspose(3, 2)])
    assert gates.convolutions(model) == {}


class Counting(kl.Layer):
    """A cell of one's own, which Keras runs and nobody here knows."""

    def __init__(self, **options):
        super().__init__(**options)
        self.state_size = 2
        self.inner = kl.Conv1D(2, 3, padding="same")

    def build(self, shape):
        self.inner.build((None, *shape))

    def call(self, inputs, states):
        return inputs + states[0], [inputs + states[0]]


@pytest.mark.parametrize("kind", [kl.ConvLSTM1D, kl.ConvLSTM2D, kl.ConvLSTM3D])
def test_a_convlstm_is_no_convolution_over_time(kind):
    """Its kernel slides over space and holds four gates side by side."""
    space = int(kind.__name__[-2])
    layer = kind(3, 2, name="inner")
    model = keras.Sequential([keras.Input((4, *[5] * space, 2)), layer, kl.Flatten()])
    assert gates.convolutions(model) == gates.layers(model) == {}
    assert gates.snapshot(model) == {} and gates.taps(model) == {}
    assert unwatched(model) == {"inner": layer}


def test_recurrent_layers_of_ones_own_are_not_watched():
    inputs = keras.Input((6, 2))
    x = kl.RNN(Counting(), return_sequences=True, name="counter")(inputs)
    x = kl.LSTM(3, name="lstm_1")(x)
    model = keras.Model(inputs, x)
    assert list(unwatched(model)) == ["counter"]
    assert list(gates.layers(model)) == ["lstm_1"] and gates.convolutions(model) == {}
    assert unwatched(keras.Sequential([inputs, kl.Flatten()])) == {}


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match=r"^model: must be a Keras model.*received str"):
        gates.layers("model.keras")
