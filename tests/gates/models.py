"""Layers and models that several of these tests use."""

import keras
from keras import layers as kl


class CausalConvolution(kl.Layer):
    """A convolution that is no Keras convolution: kernel, bias and a dilation."""

    def __init__(self, filters, taps, dilation, name):
        super().__init__(name=name)
        self.filters, self.taps, self.dilation = filters, taps, dilation

    def build(self, shape):
        self.kernel = self.add_weight(shape=(self.taps, shape[-1], self.filters), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), name="bias")

    def call(self, inputs):
        reach = self.dilation * (self.taps - 1)
        padded = keras.ops.pad(inputs, ((0, 0), (reach, 0), (0, 0)))
        steps = inputs.shape[1]
        total = self.bias
        for tap in range(self.taps):
            begin = tap * self.dilation
            total = total + keras.ops.matmul(padded[:, begin : begin + steps], self.kernel[tap])
        return total


def small_model():
    """One convolution and one LSTM, compiled; the first weights are the same every time."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 2))
    x = CausalConvolution(3, 2, 2, "conv_1")(inputs)
    x = kl.LSTM(4, name="lstm_1")(x)
    model = keras.Model(inputs, kl.Dense(1, name="dense_1")(x))
    model.compile(loss="mae", optimizer="sgd")
    return model
