"""Dilated causal convolutions with residual connections."""

import logging
from collections.abc import Sequence

import keras

from forecast.errors import InputError
from forecast.models import heads
from forecast.models.layers import CausalConv, Newest
from forecast.models.receptive_field import fitting_dilations, receptive_field, spacings
from forecast.models.sizes import Sizes

log = logging.getLogger(__name__)


def causal_cnn(
    sizes: Sizes,
    *,
    filters: int = 32,
    kernel_size: int = 3,
    dilations: Sequence[int] = (),
    dense: Sequence[int] = (),
    activation: str = "relu",
    dropout: float = 0.3,
) -> keras.Model:
    """Read the window with dilated causal convolutions and predict from the last step.

    Each layer is x + dropout(activation(convolution(x))); a 1x1 projection brings the features to
    the filters of the first. Source: Bai, Kolter & Koltun 2018, section 3, with one convolution a
    block.

    Args:
        sizes: What the model maps.
        filters: Channels of every convolution.
        kernel_size: Taps of every convolution.
        dilations: Steps between two taps, one a layer; empty doubles them until the receptive
            field fills the window and trims the last.
        dense: Units of each hidden dense layer before the output.
        activation: Of convolutions and hidden dense layers, a name of Keras.
        dropout: Share of the channels dropped in training, one mask for all steps.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    chosen = tuple(dilations) or fitting_dilations(sizes.timesteps, kernel_size)
    if min(chosen) < 1:
        raise InputError(f"model.dilations must be 1 or more, got {list(chosen)}")
    field = receptive_field(kernel_size, chosen)
    if field < sizes.timesteps - (kernel_size - 2):
        log.warning(
            "model.dilations=%s sees the newest %d of window.timesteps=%d: the older steps are "
            "not used",
            list(chosen),
            field,
            sizes.timesteps,
        )
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    # only the steps that reach the last one are computed, (samples, steps read, features)
    spacing = spacings(chosen)
    x = Newest((field - 1) // spacing[0] + 1, every=spacing[0], name="receptive_field")(window)
    for number, dilation in enumerate(chosen, start=1):
        here, above = spacing[number - 1], spacing[number]
        y = CausalConv(
            filters, kernel_size, dilation, spacing=here, keep=above, name=f"conv_{number}"
        )(x)  # (samples, steps the layers above read, filters)
        y = keras.layers.Activation(activation, name=f"activation_{number}")(y)
        if dropout:
            y = keras.layers.SpatialDropout1D(dropout, name=f"dropout_{number}")(y)
        shortcut = Newest(y.shape[1], every=above // here, name=f"shortcut_{number}")(x)
        if shortcut.shape[-1] != filters:
            shortcut = keras.layers.Dense(filters, name=f"projection_{number}")(shortcut)
        x = keras.layers.Add(name=f"residual_{number}")([shortcut, y])
    x = keras.layers.Flatten(name="last_step")(x)  # one step is left: (samples, filters)
    output = heads.point(x, sizes, dense=dense, activation=activation)
    return keras.Model(window, output, name="causal_cnn")
