"""Take parts of a network away and measure its error without them.

All of it is done to windows and weights, so prediction stays the compiled one: a gate whose kernels
are zero has the same value at every step, and its bias says which.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.errors import InputError
from forecast.gates.memory import RECURRENCE, WITHIN, Memory
from forecast.gates.names import CANDIDATES, layers
from forecast.gates.recorder import undisturbed
from forecast.gates.resampling import Sample
from forecast.gates.split import cell_of, join, split, to_numpy
from forecast.gates.trace import Activations
from forecast.training.forecaster import BATCH
from forecast.training.predict import Compiled, predict

WIDE = 60.0
"""Beyond this a sigmoid or tanh does not change in float32."""

CLOSE = 1e-3
"""How well a bias must give a gate's mean; some activations never take some values."""

Predict = Callable[[np.ndarray], np.ndarray]


def memory(
    model: keras.Model,
    windows: np.ndarray,
    error: Callable[[np.ndarray], float | np.ndarray],
    *,
    traced: Mapping[str, Activations] | None = None,
    seed: int = 0,
    within: float = WITHIN,
    lasting: Sequence[int] = (),
    sample: Sample | None = None,
) -> Memory:
    """Measure what older steps, recurrence and each gate are worth.

    Args:
        model: From (samples, timesteps, features); it is left as it is. Where Keras cannot make a
            second one of it, as of a subclassed model, its own weights are changed meanwhile.
        windows: (samples, timesteps, features), two or more.
        error: Of the model's outputs for these windows, in their order: that of each window,
            (samples,), or one number, of which there are no intervals.
        traced: Gates on such windows, from `trace`: gives the means at which gates are frozen.
            None freezes none.
        seed: Of the choice of other windows, and of the bootstrap.
        within: See `Memory.within`.
        lasting: Columns that stay real, since they are no past: see `forecast.data.features`.
        sample: Where the windows lie in time, and what each counts. None takes them as
            neighbours in their order, all alike.

    Returns:
        The errors. The curve has all powers of two and the whole look-back; where the smallest
        sufficient one lies between two of them, it is found by halving. A gate without a bias, or
        with an activation that cannot take its mean, is not frozen.

    Raises:
        InputError: There are fewer than two windows, or they are not one array.
    """
    shape = np.shape(windows) if not isinstance(windows, (list, tuple, dict)) else ()
    if len(shape) != 3:
        raise InputError(
            "windows: must be one array (samples, timesteps, features), received "
            f"{shape or type(windows).__name__}; models of several inputs are not measured"
        )
    if len(windows) < 2:
        raise InputError(
            f"windows: must be two or more, received {len(windows)}; older steps are taken from "
            "another window"
        )
    order = np.random.default_rng(seed).permutation(len(windows))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # nobody is their own other
    sample = sample or Sample(np.arange(len(windows)), windows.shape[1])
    losses: dict[int | str, np.ndarray] = {}
    with _changeable(model, windows) as (changed, predict):

        def measure(part: int | str, seen: np.ndarray) -> float:
            found = np.asarray(error(predict(seen)))
            if not found.ndim:
                return float(found)
            if found.shape != (len(windows),):
                raise InputError(
                    f"error: must return one number, or one for each of {len(windows)} windows, "
                    f"received shape {found.shape}; average over steps and targets first"
                )
            losses[part] = found
            return sample.average(found)

        def remembering(newest: int) -> float:
            return measure(newest, blended(windows, newest, other, lasting))

        curve = {steps: remembering(steps) for steps in lengths(windows.shape[1])}
        _refine(curve, remembering, within)
        without, frozen = _without_parts(changed, traced or {}, lambda p: measure(p, windows))
    whole = losses.pop(windows.shape[1], None)
    intervals = {} if whole is None else sample.intervals(whole, losses, seed=seed)
    return Memory(curve, without, frozen, within, intervals)


def _without_parts(
    changed: keras.Model,
    traced: Mapping[str, Activations],
    measure: Callable[[str], float],
) -> tuple[float | None, dict[str, float]]:
    """Measure the error without the recurrence, and with each gate held at its mean."""
    found = layers(changed)
    without, frozen = None, {}
    own = {name: layer.get_weights() for name, layer in found.items()}
    if found:
        for layer in found.values():
            layer.set_weights(_without_recurrence(layer))
        without = measure(RECURRENCE)
        for name, layer in found.items():
            layer.set_weights(own[name])
    for name, layer in found.items():
        for gate, weights in _frozen(layer, traced.get(name, {})):
            layer.set_weights(weights)
            frozen[f"{name}/{gate}"] = measure(f"{name}/{gate}")
        layer.set_weights(own[name])
    return without, frozen


@contextmanager
def _changeable(model: keras.Model, windows: np.ndarray) -> Iterator[tuple[keras.Model, Predict]]:
    """Yield a network whose weights may be changed, and how it forecasts windows."""
    try:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        _predict(copy, windows[:1])  # which tells whether it can be compiled
    except (AttributeError, InputError, NotImplementedError, TypeError, ValueError):
        copy = None
    if copy is not None:
        yield copy, lambda seen: _predict(copy, seen)
        return
    compiled = Compiled(lambda batch: model(batch, training=False), model.name)

    def batches(seen: np.ndarray) -> np.ndarray:
        parts = np.split(seen.astype(np.float32), range(BATCH, len(seen), BATCH))
        return np.concatenate([to_numpy(compiled(tf.constant(part))) for part in parts])

    batches(windows[:1])  # which builds a model that has not been called
    before = model.get_weights()
    try:
        with undisturbed(model):
            yield model, batches
    finally:
        model.set_weights(before)


def lengths(timesteps: int) -> list[int]:
    """List the look-backs that are tried: powers of two, then the whole window.

    >>> lengths(72)
    [1, 2, 4, 8, 16, 32, 64, 72]
    """
    powers = [1 << n for n in range(timesteps.bit_length())]
    return [*(steps for steps in powers if steps < timesteps), timesteps]


def blended(
    windows: np.ndarray, newest: int, other: np.ndarray, lasting: Sequence[int] = ()
) -> np.ndarray:
    """Keep the newest steps of each window and take the older ones from another.

    Shapes: `windows` (samples, timesteps, features), `other` (samples,); returns (samples,
    timesteps, features).

    >>> windows = np.array([[[1], [2], [3]], [[7], [8], [9]]])
    >>> blended(windows, 1, np.array([1, 0]))[:, :, 0].tolist()
    [[7, 8, 3], [1, 2, 9]]
    """
    cut = windows.shape[1] - newest
    found = np.concatenate([windows[other, :cut], windows[:, cut:]], axis=1)
    found[:, :, list(lasting)] = windows[:, :, list(lasting)]
    return found


def _refine(curve: dict[int, float], remembering: Callable[[int], float], within: float) -> None:
    """Halve the gap below the smallest sufficient look-back until nothing lies in it."""
    high = Memory(curve, None, {}, within).used
    low = max((steps for steps in curve if steps < high), default=0)
    while high - low > 1:
        middle = (low + high) // 2
        curve[middle] = remembering(middle)
        enough = Memory(curve, None, {}, within).suffices(curve[middle])
        low, high = (low, middle) if enough else (middle, high)


def _predict(model: keras.Model, windows: np.ndarray) -> np.ndarray:
    """Predict windows that are no neighbours: as rows one after the other."""
    samples, timesteps, features = windows.shape
    rows = tf.constant(windows.reshape(-1, features), tf.float32)
    starts = np.arange(samples) * timesteps
    return predict(model, rows, starts, BATCH)


def _without_recurrence(layer: keras.layers.Layer) -> list[np.ndarray]:
    """Return a layer's weights with the recurrent kernels zero."""
    gates = split(layer)
    for parts in gates.values():
        parts["recurrent_kernel"][:] = 0
    return join(layer, gates)


def _frozen(
    layer: keras.layers.Layer, traced: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield every gate that can be frozen, and the layer's weights with it held at its mean."""
    cell, whole = cell_of(layer), split(layer)
    for gate, parts in whole.items():
        if gate not in traced or "bias" not in parts:
            continue
        mean = np.nanmean(traced[gate].reshape(-1, cell.units), axis=0)
        ours = cell.activation if gate in CANDIDATES else cell.recurrent_activation
        bias = inverse(ours, mean)
        if bias is not None:
            held = {part: np.zeros_like(array) for part, array in parts.items()}
            held["bias"] = bias.astype(parts["bias"].dtype)
            yield gate, join(layer, {**whole, gate: held})


def inverse(activation: Callable[[Any], Any], values: np.ndarray) -> np.ndarray | None:
    """Find by bisection where a rising activation takes some values.

    Shapes: `values` (units,); returns (units,).

    >>> inverse(keras.activations.tanh, np.array([0.0, 0.5])).round(3).tolist()
    [0.0, 0.549]
    >>> inverse(keras.activations.relu, np.array([-0.5])) is None
    True
    """

    def at(points: np.ndarray) -> np.ndarray:
        return to_numpy(activation(keras.ops.convert_to_tensor(points.astype(np.float32))))

    low, high = np.full(values.shape, -WIDE), np.full(values.shape, WIDE)
    for _ in range(50):
        middle = (low + high) / 2
        below = at(middle) < values
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    # The upper end: from there on an activation with a flat start has left it.
    return high if np.abs(at(high) - values).max() < CLOSE else None
