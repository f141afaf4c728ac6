"""Does memory matter? What a network loses when part of it is taken away.

All of it is done to windows and weights, so prediction stays the compiled one: a gate whose kernels
are zero has the same value at every step, and its bias says which.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.errors import InputError
from forecast.gates.names import CANDIDATES, layers
from forecast.gates.split import cell_of, join, split, to_numpy
from forecast.gates.trace import Activations
from forecast.training.forecaster import BATCH
from forecast.training.predictor import predict

WITHIN = 0.01
"""Share of the whole window's error by which a shorter memory may be worse and still suffice."""

WIDE = 60.0
"""Beyond this a sigmoid or tanh does not change in float32."""

CLOSE = 1e-3
"""How well a bias must give a gate's mean; some activations never take some values."""

CURVE = "memory/mae"
"""Metric of the curve; its step is the newest steps kept."""

_WITHOUT, _FROZEN = "memory/mae_without_recurrence", "memory/mae_frozen_"


@dataclass(frozen=True)
class Memory:
    """Errors of a network that is allowed to remember less.

    Attributes:
        curve: Newest steps that are real to the error, for at least 1 and the whole look-back.
        without_recurrence: Error with all recurrent kernels zero; None without recurrent layers.
        frozen: `<layer>/<gate>` to the error with that gate held at its mean.
        within: Share by which an error may exceed the whole window's and still suffice.
    """

    curve: Mapping[int, float]
    without_recurrence: float | None
    frozen: Mapping[str, float]
    within: float = WITHIN

    @property
    def whole(self) -> float:
        """Error of the network as it is."""
        return self.curve[max(self.curve)]

    @property
    def used(self) -> int:
        """Steps that suffice: the look-back that this network really uses.

        >>> Memory({1: 3.0, 2: 2.01, 4: 2.0}, None, {}).used
        2
        """
        return min(steps for steps, error in self.curve.items() if self.suffices(error))

    def suffices(self, error: float) -> bool:
        """Say whether an error is as good as the whole window's."""
        return error <= self.whole * (1 + self.within)

    def series(self) -> dict[str, dict[int, float]]:
        """Return `{metric: {step: value}}`; the step of the curve is the newest steps kept."""
        found = {CURVE: {k: self.curve[k] for k in sorted(self.curve)}}
        single: dict[str, float] = {"memory/look_back_used": float(self.used)}
        if self.without_recurrence is not None:
            single[_WITHOUT] = self.without_recurrence
        for name, error in self.frozen.items():
            single[_FROZEN + name.replace("/", ".")] = error
        return found | {key: {0: value} for key, value in single.items()}

    @classmethod
    def from_series(
        cls, series: Mapping[str, Mapping[int, float]], within: float = WITHIN
    ) -> "Memory | None":
        """Read back what `series` gave; None where it has no curve.

        >>> found = Memory({1: 3.0, 2: 2.0}, None, {"lstm_1/f": 2.5})
        >>> Memory.from_series(found.series()) == found
        True
        """
        if not series.get(CURVE):
            return None
        single = {key: next(iter(steps.values())) for key, steps in series.items() if steps}
        frozen = {}
        for key, value in single.items():
            if key.startswith(_FROZEN):
                layer, _, gate = key.removeprefix(_FROZEN).rpartition(".")
                frozen[f"{layer}/{gate}"] = value
        return cls(dict(series[CURVE]), single.get(_WITHOUT), frozen, within)

    def advice(self) -> str:
        """Say in a sentence what follows."""
        longest, used = max(self.curve), self.used
        share = f"within {self.within:.0%} of the error with all {longest}"
        if used == 1:
            return (
                f"the newest step alone is {share}: this network does not use its memory, so try "
                f"window.timesteps={max(2, longest // 4)} or a simpler model"
            )
        if used <= longest // 2:
            return (
                f"the newest {used} steps are {share}: window.timesteps={used} should do as well "
                "and train faster"
            )
        return (
            f"it takes the newest {used} steps to come {share}: a longer window.timesteps may help"
        )


def memory(
    model: keras.Model,
    windows: np.ndarray,
    error: Callable[[np.ndarray], float],
    *,
    traced: Mapping[str, Activations] | None = None,
    seed: int = 0,
    within: float = WITHIN,
    lasting: Sequence[int] = (),
) -> Memory:
    """Measure what older steps, recurrence and each gate are worth.

    Args:
        model: From (samples, timesteps, features); it is left as it is.
        windows: (samples, timesteps, features), two or more.
        error: Of the model's outputs for these windows, in their order.
        traced: Gates on such windows, from `trace`: gives the means at which gates are frozen.
            None freezes none.
        seed: Of the choice of other windows.
        within: See `Memory.within`.
        lasting: Columns that stay real, since they are no past: see `forecast.data.ahead`.

    Returns:
        The errors. The curve has all powers of two and the whole look-back; where the smallest
        sufficient one lies between two of them, it is found by halving. A gate without a bias, or
        with an activation that cannot take its mean, is not frozen.

    Raises:
        InputError: There are fewer than two windows.
    """
    if len(windows) < 2:
        raise InputError(
            f"windows: must be two or more, received {len(windows)}; older steps are taken from "
            "another window"
        )
    order = np.random.default_rng(seed).permutation(len(windows))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # nobody is their own other
    changed = keras.models.clone_model(model)
    changed.set_weights(model.get_weights())

    def measure(seen: np.ndarray) -> float:
        return error(_predict(changed, seen))

    def remembering(newest: int) -> float:
        return measure(blended(windows, newest, other, lasting))

    curve = {steps: remembering(steps) for steps in lengths(windows.shape[1])}
    _refine(curve, remembering, within)
    found = layers(changed)
    without = None
    if found:
        for layer in found.values():
            layer.set_weights(_without_recurrence(layer))
        without = measure(windows)
        changed.set_weights(model.get_weights())
    frozen = {}
    for name, layer in found.items():
        own = layer.get_weights()
        for gate, weights in _frozen(layer, (traced or {}).get(name, {})):
            layer.set_weights(weights)
            frozen[f"{name}/{gate}"] = measure(windows)
        layer.set_weights(own)
    return Memory(curve, without, frozen, within)


def lengths(timesteps: int) -> list[int]:
    """List the look-backs that are tried: powers of two, then the whole window.

    Args:
        timesteps: The whole window.

    Returns:
        Steps, rising.

    >>> lengths(72)
    [1, 2, 4, 8, 16, 32, 64, 72]
    """
    powers = [1 << n for n in range(timesteps.bit_length())]
    return [*(steps for steps in powers if steps < timesteps), timesteps]


def blended(
    windows: np.ndarray, newest: int, other: np.ndarray, lasting: Sequence[int] = ()
) -> np.ndarray:
    """Keep the newest steps of each window and take the older ones from another.

    Args:
        windows: (samples, timesteps, features).
        newest: Steps that stay.
        other: The other window of each, (samples,).
        lasting: Columns that stay at all steps.

    Returns:
        (samples, timesteps, features).

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

    Args:
        activation: Of Keras.
        values: Wanted, (units,).

    Returns:
        (units,), or None where it does not take them.

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
