"""Parameter arithmetic: why a layer has as many weights as it has."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from forecast.models.conv_heads import StepConv
from forecast.models.convolution import CausalConv, FeatureConv
from forecast.models.layers import Cycle, Patches


@dataclass(frozen=True)
class Explained:
    """One layer in words and numbers.

    Attributes:
        name: Of the layer.
        shape: Of its output, such as "(samples, 72, 13)".
        formula: Of its parameters with the numbers filled in; empty where it has none.
        count: Parameters.
    """

    name: str
    shape: str
    formula: str
    count: int


def layers(model: keras.Model) -> list[Explained]:
    """Explain every layer of a model.

    >>> model = keras.Sequential([keras.Input((3, 7)), keras.layers.LSTM(2, name="lstm_1")])
    >>> layers(model)[0].formula
    '4·((7 + 2)·2 + 2)'
    """
    return [
        Explained(layer.name, _shape(layer), formula(layer), int(layer.count_params()))
        for layer in model.layers
    ]


def formula(layer: keras.layers.Layer) -> str:
    """Write a layer's parameter count as the arithmetic behind it."""
    if not layer.count_params():
        return ""
    if isinstance(layer, keras.layers.Bidirectional):
        return f"{formula(layer.forward_layer)} + {formula(layer.backward_layer)}"
    if isinstance(layer, (keras.layers.TimeDistributed,)):
        return formula(layer.layer)
    weights = [weight.shape for weight in layer.weights]
    if isinstance(layer, (keras.layers.Embedding, Cycle)):
        return _product(weights[0])
    if isinstance(layer, (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)):
        return _recurrent(weights)
    if isinstance(layer, keras.layers.Dense):
        inputs, units = weights[0]
        return f"{inputs}·{units}" + (f" + {units}" if layer.use_bias else "")
    if isinstance(layer, (CausalConv, keras.layers.Conv1D, keras.layers.Conv2D)):
        return " + ".join(_product(weight) for weight in weights)
    if isinstance(layer, (FeatureConv, StepConv)):  # each feature, each step has its own
        each, (_, *own) = weights[0][0], weights[0]
        return f"{each}·({_product(own)} + {own[-1]})"
    return str(layer.count_params())


def receptive_field(model: keras.Model) -> int | None:
    """Count the newest rows of the window that a stack of our causal convolutions can see."""
    stacked = [
        layer
        for layer in model.layers
        if isinstance(layer, (CausalConv, FeatureConv)) and not layer.name.startswith("gate_")
    ]
    if not stacked:
        return None
    rows = next((layer.rows for layer in model.layers if isinstance(layer, Patches)), 1)
    return rows * (1 + sum((c.kernel_size - 1) * getattr(c, "dilation", 1) for c in stacked))


def _product(sizes: Sequence[int]) -> str:
    """Write a product of sizes."""
    return "·".join(map(str, sizes))


def _recurrent(weights: list[tuple[int, ...]]) -> str:
    """Gates times (inputs and states to units, and a bias)."""
    features, units = weights[0][0], weights[1][0]
    gates = weights[0][1] // units
    biases = len(weights) > 2 and (2 if len(weights[2]) == 2 else 1)
    bias = f" + {biases}·{units}" if biases == 2 else f" + {units}" if biases else ""
    inner = f"({features} + {units})·{units}{bias}"
    return f"{gates}·({inner})" if gates > 1 else inner


def _shape(layer: keras.layers.Layer) -> str:
    """Write the output's shape with the samples named."""
    output = layer.output
    shape = (output[0] if isinstance(output, (list, tuple)) else output).shape
    return f"({', '.join('samples' if size is None else str(size) for size in shape)})"
