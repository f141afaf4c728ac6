"""All windows of a series forecast by one causal pass over its rows.

Where a network computes a step alike in whatever window it lies, the step needs computing once, not
once for each window that holds it. That is so for our causal convolutions and everything pointwise,
and not so for a recurrent layer or for a window that is normalised by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf
from keras import layers as kl

from forecast.models.convolution import CausalConv, Newest
from forecast.models.layers import networks_of


class ByWindow(Exception):
    """A layer whose steps depend on the window that they lie in."""


@dataclass(frozen=True)
class Track:
    """A tensor of the network for windows that end at each row.

    Attributes:
        newest: Its newest step, (rows, channels); a step k further back is that of an earlier row.
        steps: Steps of the tensor.
        spacing: Rows between two of its steps.
        flat: Whether its steps were laid side by side, (samples, steps·channels).
    """

    newest: tf.Tensor
    steps: int
    spacing: int = 1
    flat: bool = False


def forecast(model: keras.Model, rows: tf.Tensor) -> tf.Tensor:
    """Forecast from every row that has a whole window behind it.

    Shapes: `model` (samples, timesteps, features), `rows` (rows, features); returns (rows, horizon,
    targets).
    """
    if len(each := networks_of(model)) > 1:
        return model.layers[-1]([forecast(network, rows) for network in each])
    if not hasattr(model, "_run_through_graph") or len(model.inputs) != 1:
        raise ByWindow(model.name)
    track = model._run_through_graph(Track(rows, model.input_shape[1]), operation_fn=_rule)
    if not track.flat or track.steps > 1:
        raise ByWindow(model.name)
    return tf.reshape(track.newest, (-1, *model.output_shape[1:]))


def possible(model: keras.Model) -> bool:
    """Tell whether `forecast` can take a model."""
    try:
        forecast(model, tf.zeros((1, model.input_shape[-1])))
    except ByWindow:
        return False
    return True


def _rule(layer: Any) -> Callable[..., Track]:
    """Return what a layer does to tracks; a subclass of a known layer may do anything else."""
    if type(layer).__name__ == "ConvertToTensor":  # Keras puts it where one model calls another
        return lambda given, **_: given
    if type(layer) not in _RULES:
        raise ByWindow(layer.name)

    def apply(given: Any, **_: Any) -> Track:
        return _RULES[type(layer)](layer, given)

    return apply


def _newest(layer: Newest, track: Track) -> Track:
    """Keep some newest steps."""
    if (layer.keep - 1) * layer.every >= track.steps:
        raise ByWindow(layer.name)  # it would be padded with zeros at the window's own beginning
    return replace(track, steps=layer.keep, spacing=track.spacing * layer.every)


def _convolution(layer: CausalConv, track: Track) -> Track:
    """Convolve at full rate: the steps that one window skips are those of another."""
    if layer.spacing != track.spacing:
        raise ByWindow(layer.name)
    back = [(layer.kernel_size - 1 - tap) * layer.dilation for tap in range(layer.kernel_size)]
    taps = tf.concat([_earlier(track.newest, rows) for rows in back], axis=-1)
    newest = tf.matmul(taps, tf.reshape(layer.kernel, (-1, layer.filters))) + layer.bias
    seen = track.steps - (layer.kernel_size - 1) * layer.dilation // layer.spacing
    return Track(newest, (seen - 1) * layer.spacing // layer.keep + 1, layer.keep)


def _dense(layer: kl.Dense, track: Track) -> Track:
    """Map each step, or all steps side by side: then each with its own part of the kernel."""
    steps = track.steps if track.flat else 1
    parts = tf.reshape(layer.kernel, (steps, -1, layer.units))  # oldest first
    newest = tf.add_n(
        [
            tf.matmul(_earlier(track.newest, (steps - 1 - k) * track.spacing), parts[k])
            for k in range(steps)
        ]
    )
    newest = layer.activation(newest + layer.bias if layer.use_bias else newest)
    return replace(track, newest=newest, steps=1 if track.flat else track.steps)


def _pointwise(layer: kl.Layer, track: Track) -> Track:
    """Call the layer itself: it treats all steps alike."""
    if track.flat and track.steps > 1:
        raise ByWindow(layer.name)
    return replace(track, newest=layer(track.newest[None], training=False)[0])


def _add(layer: kl.Add, tracks: list[Track]) -> Track:
    """Add tensors of one shape."""
    shapes = {(t.steps, t.spacing, t.flat, t.newest.shape[-1]) for t in tracks}
    if len(shapes) > 1:
        raise ByWindow(layer.name)
    return replace(tracks[0], newest=tf.add_n([track.newest for track in tracks]))


def _flatten(_: kl.Flatten, track: Track) -> Track:
    """Lay the steps side by side."""
    return replace(track, flat=True)


def _reshape(layer: kl.Reshape, track: Track) -> Track:
    """Keep a flat vector flat; `forecast` gives it its shape at the end."""
    if not track.flat or track.steps > 1:
        raise ByWindow(layer.name)
    return replace(track, spacing=1)


def _earlier(values: tf.Tensor, rows: int) -> tf.Tensor:
    """Shift down, so that each row holds what stood some rows before it."""
    return tf.pad(values, [[rows, 0], [0, 0]])[: values.shape[0]] if rows else values


_RULES: dict[type, Callable[[Any, Any], Track]] = {
    Newest: _newest,
    CausalConv: _convolution,
    kl.Dense: _dense,
    kl.Add: _add,
    kl.Flatten: _flatten,
    kl.Reshape: _reshape,
    kl.Activation: _pointwise,
    kl.Dropout: _pointwise,
    kl.SpatialDropout1D: _pointwise,
}
