"""What gates do on a fixed set of windows: a few numbers a unit, and fewer a gate."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from forecast.gates.names import CANDIDATES, KEEPING
from forecast.gates.recorder import calls, undisturbed
from forecast.gates.snapshots import ACTIVITY, Snapshot
from forecast.gates.trace import Activations, check_layer, retrace, to_tensors
from forecast.training.predict import Compiled

SHUT, OPEN = 0.1, 0.9
"""Below and above these a gate counts as shut and as open (Karpathy et al. 2015, §4.2)."""

STILL = 1e-3
"""A unit whose hidden state moves less than this over all windows counts as dead."""

CAP = 10
"""Longest time scale that is reported, in look-backs: beyond, a gate's mean is mostly rounding."""


class Probe:
    """A fixed set of windows, on which the gates of one model are measured again and again.

    Args:
        model: A built Keras model. Its way to the inputs of each recurrent layer is compiled.
        windows: What the model takes: an array, or for several inputs a nest of arrays.

    Raises:
        InputError: Some gates cannot be recomputed, such as those of a stateful layer.

    >>> model = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3, name="lstm_1")])
    >>> sorted(Probe(model, np.zeros((5, 4, 2), "float32")).measure())[:3]
    ['lstm_1/mean/f', 'lstm_1/mean/i', 'lstm_1/mean/o']
    """

    def __init__(self, model: keras.layers.Layer, windows: Any):
        check_layer(model)
        self.model = model
        self._windows = to_tensors(windows)
        self._calls = Compiled(lambda x: calls(model, x), model.name)

    def trace(self) -> dict[str, Activations]:
        """Recompute every gate, as `forecast.gates.trace` does."""
        with undisturbed(self.model):
            return retrace(self.model, self._calls(self._windows))

    def measure(self) -> Snapshot:
        """Measure every unit, as `measure` does."""
        return measure(self.trace())


def measure(traced: Mapping[str, Activations]) -> Snapshot:
    """Measure how open each unit's gates are, and whether its state moves at all.

    Args:
        traced: `{layer: {gate: (samples, timesteps, units)}}` from `trace`; steps with NaN, which
            are masked, count nowhere.

    Returns:
        `{"<layer>/<part>/<gate>": (units,) float32}` with the parts "mean", "shut" and "open" of
        each gate, the latter two the shares of values below 0.1 and above 0.9;
        "range/hidden", the hidden state's largest value less its smallest; and "steps/hidden",
        (1,), how many steps the layer reads: fewer than the window has rows where it reads patches.

    >>> gates = {"rnn_1": {"f": np.array([[[0.05, 0.95], [0.5, 0.95]]]),
    ...                    "hidden": np.array([[[0.0, 1.0], [0.0, 2.0]]])}}
    >>> found = measure(gates)
    >>> found["rnn_1/shut/f"].tolist(), found["rnn_1/range/hidden"].tolist()
    ([0.5, 0.0], [0.0, 1.0])
    >>> found["rnn_1/steps/hidden"].tolist()
    [2.0]
    """
    found: Snapshot = {}
    for layer, gates in traced.items():
        counted = _counted(next(iter(gates.values())))
        for gate, values in gates.items():
            flat = values.reshape(-1, values.shape[-1])  # (steps of all windows, units)
            flat = flat if counted.all() else flat[counted]
            if not len(flat) or gate == "cell" or gate in CANDIDATES:
                continue
            if gate == "hidden":
                found[f"{layer}/range/hidden"] = flat.max(axis=0) - flat.min(axis=0)
                found[f"{layer}/steps/hidden"] = np.array([values.shape[1]])
                continue
            found[f"{layer}/mean/{gate}"] = _mean(flat)
            found[f"{layer}/shut/{gate}"] = _mean(flat < SHUT)
            found[f"{layer}/open/{gate}"] = _mean(flat > OPEN)
    return {name: array.astype(np.float32) for name, array in found.items()}


def activity(weights: Mapping[str, np.ndarray], timesteps: int) -> dict[str, float]:
    """Sum up over units what a snapshot says about activity.

    Args:
        weights: A snapshot that holds what `measure` returns.
        timesteps: Look-back of the windows, which caps the time scales where the snapshot does
            not say how many steps a layer reads.

    Returns:
        `{"gates.<layer>/<gate>_<statistic>": value}`: `mean`, `shut` and `open` over all values,
        `never_open` and `always_open`, the shares of units that are shut and open at every step,
        and for the gate that keeps the state `scale_10`, `scale_50`, `scale_90`, quantiles of
        the units' time scales in steps, with `scale_capped`, the share of units beyond ten
        look-backs; and for every layer `hidden_dead`, the share of units whose state is constant.

    >>> found = activity({"lstm_1/mean/f": np.full(4, 0.95), "lstm_1/open/f": np.ones(4)}, 6)
    >>> found["gates.lstm_1/f_always_open"], round(found["gates.lstm_1/f_scale_50"], 2)
    (1.0, 19.5)
    """
    found: dict[str, float] = {}
    for name, values in weights.items():
        layer, part, gate = name.split("/")
        key = f"gates.{layer}/{gate}"
        if part not in ACTIVITY:
            continue
        if part == "range":
            found[f"gates.{layer}/hidden_dead"] = float((values < STILL).mean())
        if part in ("range", "steps"):
            continue
        found[f"{key}_{part}"] = float(values.mean())
        if part == "shut":
            found[f"{key}_never_open"] = float((values == 1).mean())
        elif part == "open":
            found[f"{key}_always_open"] = float((values == 1).mean())
        elif gate in KEEPING:
            scales = _scales(values, steps_read(weights, layer, timesteps))
            found |= {f"{key}_{name}": value for name, value in scales.items()}
    return found


def steps_read(weights: Mapping[str, np.ndarray], layer: str, timesteps: int) -> int:
    """Tell how many steps a layer reads."""
    return int(weights.get(f"{layer}/steps/hidden", [timesteps])[0])


def time_scales(kept: np.ndarray) -> np.ndarray:
    """Turn the mean of a keeping gate into the steps after which a state has fallen to 1/e.

    It is a time scale only while little new is let in: the candidate may rewrite the state sooner.
    Source: Tallec & Ollivier 2018, §2.

    Args:
        kept: Mean of each unit, (units,), between 0 and 1.

    Returns:
        −1 / ln(mean) in steps, (units,); infinite at 1.

    >>> time_scales(np.array([0.5, 0.99])).round(2).tolist()
    [1.44, 99.5]
    """
    with np.errstate(divide="ignore"):
        return 1 / np.abs(np.log(np.clip(kept.astype(np.float64), 1e-12, 1.0)))


def _mean(values: np.ndarray) -> np.ndarray:
    """Average over the steps by a matrix product, several times as fast as NumPy's mean.

    Ones and not 1/n, so that a gate which is always open is open in a share of exactly 1.
    """
    return np.ones(len(values), np.float32) @ values.astype(np.float32) / len(values)


def _scales(kept: np.ndarray, timesteps: int) -> dict[str, float]:
    """Sum up the time scales of a layer's units."""
    most = float(CAP * timesteps)
    scales = time_scales(kept)
    capped = np.minimum(scales, most)
    quantiles = {f"scale_{q}": float(np.quantile(capped, q / 100)) for q in (10, 50, 90)}
    return {**quantiles, "scale_capped": float((scales > most).mean())}


def _counted(values: np.ndarray) -> np.ndarray:
    """Return the mask of the steps that count, (steps of all windows,)."""
    return np.isfinite(values.reshape(-1, values.shape[-1])[:, 0])
