"""Dilated causal convolutions with residual connections."""

import logging
from typing import Any

import keras

from forecast.errors import InputError
from forecast.models import heads
from forecast.models.catalogue import CausalCnn
from forecast.models.convolution import (
    CausalConv,
    FeatureConv,
    Newest,
    fitting_dilations,
    receptive_field,
    spacings,
)
from forecast.models.settings import Sizes

log = logging.getLogger(__name__)


def causal_cnn(sizes: Sizes, settings: CausalCnn = CausalCnn()) -> keras.Model:
    """Read the window with dilated causal convolutions.

    Each block is x + dropout(activation(convolution(x))); a 1x1 projection brings the features to
    the filters of the first. Sources: Bai, Kolter & Koltun 2018, section 3, with one convolution a
    block; van den Oord et al. 2016, equation 2, for gated blocks.

    Args:
        sizes: What the model maps.
        settings: Of the stack.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).

    Raises:
        InputError: A dilation is below 1, or one convolution is wider than the window.
    """
    taps = settings.kernel_size
    alone = taps - 1 if settings.per_feature else 0  # steps that the first stage needs beyond one
    dilations = tuple(settings.dilations) or fitting_dilations(sizes.timesteps - alone, taps)
    if min(dilations) < 1:
        raise InputError(f"model.dilations must be 1 or more, got {list(dilations)}")
    field = receptive_field(taps, dilations) + alone
    if field < sizes.timesteps - (taps - 2):
        log.warning(
            "model.dilations=%s sees the newest %d of window.timesteps=%d: the older steps are "
            "not used",
            list(dilations),
            field,
            sizes.timesteps,
        )
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    # only the steps that reach the steps read by the head are computed; zeros stand before the
    # window where all steps are read, or where it is shorter than the receptive field
    if settings.head == "pool":
        space, read = (1,) * (len(dilations) + 1), sizes.timesteps + field - 1
    else:
        space = spacings(dilations)
        read = field if alone else (field - 1) // space[0] + 1
    x = Newest(read, every=1 if alone else space[0], name="receptive_field")(window)
    if settings.per_feature:
        x = FeatureConv(settings.per_feature, taps, name="features_apart")(x)
        x = keras.layers.Activation(settings.activation, name="activation_apart")(x)
        x = Newest((x.shape[1] - 1) // space[0] + 1, every=space[0], name="read_apart")(x)
    for number, dilation in enumerate(dilations, start=1):
        x = _block(x, number, dilation, (space[number - 1], space[number]), settings)
    if settings.head == "pool":
        x = keras.layers.MaxPooling1D(2, padding="same", name="pool")(x)
    x = keras.layers.Flatten(name="last_step" if settings.head == "last" else "steps_read")(x)
    output = heads.point(x, sizes, dense=settings.dense, activation=settings.activation)
    return keras.Model(window, output, name="causal_cnn")


def _block(x: Any, number: int, dilation: int, space: tuple[int, int], settings: CausalCnn) -> Any:
    """Convolve (samples, steps, channels) to (samples, steps read above, filters) and add.

    `space` is the distance of the steps of the input and of those that the layers above read.
    """
    here, above = space
    inside = settings.bottleneck or settings.filters

    def convolved(name: str, given: Any) -> Any:
        return CausalConv(
            inside, settings.kernel_size, dilation, spacing=here, keep=above, name=name
        )(given)

    y = x
    if settings.bottleneck:
        y = keras.layers.Dense(inside, name=f"bottleneck_{number}")(y)
        y = keras.layers.Activation(settings.activation, name=f"narrow_{number}")(y)
    if settings.gated:
        value = keras.layers.Activation("tanh", name=f"value_{number}")(
            convolved(f"conv_{number}", y)
        )
        gate = keras.layers.Activation("sigmoid", name=f"open_{number}")(
            convolved(f"gate_{number}", y)
        )
        y = keras.layers.Multiply(name=f"gated_{number}")([value, gate])
    else:
        y = convolved(f"conv_{number}", y)
        y = keras.layers.Activation(settings.activation, name=f"activation_{number}")(y)
    if settings.bottleneck:
        y = keras.layers.Dense(settings.filters, name=f"widen_{number}")(y)
    if settings.dropout:
        y = keras.layers.SpatialDropout1D(settings.dropout, name=f"dropout_{number}")(y)
    shortcut = Newest(y.shape[1], every=above // here, name=f"shortcut_{number}")(x)
    if shortcut.shape[-1] != settings.filters:
        shortcut = keras.layers.Dense(settings.filters, name=f"projection_{number}")(shortcut)
    return keras.layers.Add(name=f"residual_{number}")([shortcut, y])
