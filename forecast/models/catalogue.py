"""What architectures there are: where each is made, and its settings with their rules.

It imports no Keras, so a setting is refused where it is written, long before a network is built.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from forecast.errors import InputError, nearest
from forecast.models.settings import Repairs, checked, count, share


@dataclass(frozen=True, kw_only=True)
class Recurrent(Repairs):
    """Settings of a stack of recurrent layers.

    Attributes:
        units: Of each layer, lowest first.
        bidirectional: Whether each layer also reads the window from its end; its states are twice
            as wide then.
        head: What the forecast is read from: the "last" state, all states side by side ("flatten"),
            or the newest states, one for each step ahead ("time_distributed").
        dense: Units of each hidden dense layer before the output.
        activation: Of cell candidate and hidden state, a name of Keras.
        dense_activation: Of the hidden dense layers.
        dropout: Share of the states that the head reads, and of those between layers, dropped in
            training (one mask for all steps).
        recurrent_dropout: Share of the recurrent state dropped in training.
    """

    units: Sequence[int] = count((32,))
    bidirectional: bool = False
    head: Literal["last", "flatten", "time_distributed"] = "last"
    dense: Sequence[int] = count(())
    activation: str = "tanh"
    dense_activation: str = "relu"
    dropout: float = share(0.3)
    recurrent_dropout: float = share(0.3)


@dataclass(frozen=True, kw_only=True)
class PatchRecurrent(Repairs):
    """Settings of a recurrent network over patches.

    Attributes:
        embedding: Values that a dense layer with ReLU makes of each patch.
        units: Of the recurrent layer.
        decoding: "direct" predicts all steps from the last state; "queries" lets the last state
            answer one learned query for each patch of the horizon (SegRNN's parallel decoding).
        dense: Units of each hidden dense layer before the output.
        dropout: Share of the last state, or of each answer, dropped in training.
    """

    linear_path: bool = False
    channels: Literal["joint", "shared"] = "shared"
    patch: int = count(24)
    embedding: int = count(128)
    units: int = count(128)
    decoding: Literal["direct", "queries"] = "direct"
    dense: Sequence[int] = count(())
    dropout: float = share(0.3)


@dataclass(frozen=True, kw_only=True)
class Hierarchical(Repairs):
    """Settings of a network that reads periods, then their sequence.

    Attributes:
        period: Rows of a period, such as the 24 hours of a day.
        inner: Units of the LSTM that reads a period.
        bidirectional: Whether a period is also read from its end.
        outer: Units of the LSTM that reads the sequence of periods.
        dense: Units of each hidden dense layer before the output.
        dropout: Share of both states dropped in training.
    """

    period: int = count(24)
    inner: int = count(32)
    bidirectional: bool = True
    outer: int = count(32)
    dense: Sequence[int] = count(())
    dropout: float = share(0.3)


@dataclass(frozen=True, kw_only=True)
class ConvHeads(Repairs):
    """Settings of convolution heads over matrices.

    Attributes:
        grid: Rows and columns of the matrix that the features of a step are, row by row; empty
            makes one row of them.
        filters: Of every head's convolution.
        kernel_size: Height and width of every head's convolution.
        units: Of the LSTM that reads the steps.
        dense: Units of each hidden dense layer before the output.
        dropout: Share of the last state dropped in training.
    """

    grid: Sequence[int] = count(())
    filters: int = count(8)
    kernel_size: int = count(3)
    units: int = count(32)
    dense: Sequence[int] = count(())
    dropout: float = share(0.3)


@dataclass(frozen=True, kw_only=True)
class CausalCnn(Repairs):
    """Settings of a stack of dilated causal convolutions.

    Attributes:
        filters: Channels of every block.
        kernel_size: Taps of every convolution.
        dilations: Steps between two taps, one a block; empty doubles them until the receptive
            field fills the window and trims the last.
        bottleneck: Channels to which a 1x1 convolution narrows a block's input before the dilated
            one, and another widens it again behind; null leaves both out.
        gated: Whether a block is tanh(convolution)·sigmoid(convolution), as in WaveNet, instead of
            activation(convolution).
        per_feature: Filters with which each feature is convolved alone before the joint blocks;
            null leaves this stage out.
        head: What the forecast is read from: the "last" step, or all steps, max-pooled by two and
            laid side by side ("pool").
        dense: Units of each hidden dense layer before the output.
        activation: Of convolutions and hidden dense layers, a name of Keras.
        dropout: Share of the channels dropped in training, one mask for all steps.
    """

    filters: int = count(32)
    kernel_size: int = count(3)
    dilations: Sequence[int] = count(())
    bottleneck: int | None = count(None)
    gated: bool = False
    per_feature: int | None = count(None)
    head: Literal["last", "pool"] = "last"
    dense: Sequence[int] = count(())
    activation: str = "relu"
    dropout: float = share(0.3)


@dataclass(frozen=True, kw_only=True)
class Linear(Repairs):
    """Settings of a linear map, which needs no linear path beside it."""

    linear_path: bool = False


@dataclass(frozen=True, kw_only=True)
class SharedLinear(Repairs):
    """Settings of one linear map for all channels."""

    linear_path: bool = False
    channels: Literal["joint", "shared"] = "shared"


@dataclass(frozen=True, kw_only=True)
class Decomposed(Repairs):
    """Settings of a linear map of trend and one of what is left.

    Attributes:
        kernel_size: Rows of the moving average that is the trend.
    """

    normalization: Literal["last", "instance", "seasonal", "none"] = "none"
    linear_path: bool = False
    channels: Literal["joint", "shared"] = "shared"
    kernel_size: int = count(25)


@dataclass(frozen=True, kw_only=True)
class Mlp(Repairs):
    """Settings of dense layers on the flattened window.

    Attributes:
        hidden: Units of each hidden layer; empty leaves the single layer of a perceptron.
        activation: Of the hidden layers, a name of Keras.
        dropout: Share of each hidden layer dropped in training.
    """

    hidden: Sequence[int] = count((64,))
    activation: str = "relu"
    dropout: float = share(0.3)


@dataclass(frozen=True, kw_only=True)
class Nbeats(Repairs):
    """Settings of stacks of blocks, each of which explains what those before it have left.

    Attributes:
        stacks: Stacks, each with weights of its own.
        blocks: Of each stack, which share its weights.
        layers: Hidden layers of a block.
        units: Of each hidden layer.
        dropout: Share of each hidden layer dropped in training.
    """

    linear_path: bool = False
    stacks: int = count(4)
    blocks: int = count(1)
    layers: int = count(4)
    units: int = count(128)
    dropout: float = share(0.0)


class Architecture(NamedTuple):
    """An architecture.

    Attributes:
        home: The file of `forecast.models` with the function that makes it.
        settings: The dataclass that this function takes.
    """

    home: str
    settings: type[Repairs]


CATALOGUE: Mapping[str, Architecture] = {
    "causal_cnn": Architecture("causal_cnn", CausalCnn),
    "conv_heads_lstm": Architecture("conv_heads", ConvHeads),
    "dlinear": Architecture("linear", Decomposed),
    "gru": Architecture("recurrent", Recurrent),
    "hierarchical_lstm": Architecture("hierarchical", Hierarchical),
    "linear": Architecture("linear", Linear),
    "lstm": Architecture("recurrent", Recurrent),
    "mlp": Architecture("mlp", Mlp),
    "nbeats": Architecture("nbeats", Nbeats),
    "nlinear": Architecture("linear", SharedLinear),
    "patch_gru": Architecture("patch_recurrent", PatchRecurrent),
    "patch_lstm": Architecture("patch_recurrent", PatchRecurrent),
    "simple_rnn": Architecture("recurrent", Recurrent),
}
"""Name to what makes it; the function has the same name."""


def architecture(name: str) -> Architecture:
    """Return an architecture by its name."""
    if not isinstance(name, str) or name not in CATALOGUE:
        raise InputError(f"model must be an architecture, got {name!r}: {nearest(name, CATALOGUE)}")
    return CATALOGUE[name]


def settings_of(name: str, given: Mapping[str, Any]) -> Any:
    """Make the settings of an architecture of what a user has written."""
    return checked(architecture(name).settings, name, given)
