"""How the weights of gates and taps are spread, in scales that runs share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

import numpy as np

from forecast.gates.names import tap_offset
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.statistics import rms

LEAST = 0.1
"""The lowest rung: weights that are smaller still look small."""

HELD = 0.999
"""Share of the weights that a scale holds: one large weight does not make all others small."""

BINS = 201
GRID = 61
"""Bins of a histogram before it is smoothed, and heights at which a shape has a width."""

EDGE = 30
"""Part of the scale by which a shape reaches beyond its ends, so that equal weights are seen."""


def rung(value: float) -> float:
    """Return the end of a scale: the lowest of 0.1, 0.2, 0.5, 1, 2, 5 … that holds a value.

    >>> [rung(value) for value in (0.0, 0.2, 0.21, 0.7, 3, 51)]
    [0.1, 0.2, 0.5, 1.0, 5.0, 100.0]
    """
    if not isfinite(value) or value <= LEAST:
        return LEAST
    power = floor(log10(value))
    steps = (step * 10.0**p for p in (power, power + 1) for step in (1, 2, 5))
    return float(f"{next(step for step in steps if step >= value * (1 - 1e-6)):g}")


@dataclass(frozen=True)
class Scales:
    """Ends of the scales of pictures; zero is in the middle.

    Attributes:
        kernel: Of kernels, recurrent kernels and taps.
        bias: Of biases, which are larger than the weights of kernels.
    """

    kernel: float = LEAST
    bias: float = LEAST


def scales(snapshots: Iterable[Mapping[str, np.ndarray]], *layers: str) -> Scales:
    """Choose the scales of some snapshots, of one run or of several, for some layers or all.

    >>> scales([{"rnn_1/kernel/h": np.full(9, 0.3), "rnn_1/bias/h": np.full(9, 0.7)}])
    Scales(kernel=0.5, bias=1.0)
    """
    ends = {"kernel": 0.0, "bias": 0.0}
    for weights in snapshots:
        for layer, gates in unpack(weights).items():
            if layers and layer not in layers:
                continue
            found: dict[str, list[np.ndarray]] = {"kernel": [], "bias": []}
            for parts in gates.values():
                for part, array in parts.items():
                    found["bias" if part.endswith("bias") else "kernel"].append(array.ravel())
            for kind, arrays in found.items():
                sizes = np.abs(np.concatenate(arrays)) if arrays else np.zeros(0)
                sizes = sizes[np.isfinite(sizes)]
                if sizes.size:
                    ends[kind] = max(ends[kind], float(np.quantile(sizes, HELD)))
    return Scales(rung(ends["kernel"]), rung(ends["bias"]))


@dataclass(frozen=True)
class Cell:
    """The weights of one gate or tap in one part of a layer.

    Attributes:
        name: Of the gate or tap, such as "f" or "lag_04".
        values: The weights, (weights,).
        start: The same before training, or None.
    """

    name: str
    values: np.ndarray
    start: np.ndarray | None = None

    @property
    def size(self) -> float:
        """Return the root mean square of the weights that are numbers."""
        return rms([self.values])

    @property
    def beyond(self) -> float:
        """Return the largest absolute weight."""
        return float(np.abs(self.values).max(initial=0))


@dataclass(frozen=True)
class Row:
    """One part of a layer, or the taps of one convolution.

    Attributes:
        part: "kernel", "recurrent", "bias", or the name of a convolution.
        limit: Both ends of the scale.
        cells: One for each gate or tap.
    """

    part: str
    limit: float
    cells: Sequence[Cell]


_PARTS = {
    "kernel": ("kernel",),
    "recurrent": ("recurrent_kernel",),
    "bias": ("bias", "recurrent_bias"),
}


def gate_rows(
    weights: Mapping[str, np.ndarray],
    layer: str,
    found: Scales,
    start: Mapping[str, np.ndarray] | None = None,
) -> list[Row]:
    """List the weights of a recurrent layer by part and gate.

    >>> rows = gate_rows({"rnn_1/kernel/h": np.ones((2, 3))}, "rnn_1", Scales(1.0, 1.0))
    >>> [(row.part, [cell.name for cell in row.cells]) for row in rows]
    [('kernel', ['h'])]
    """
    gates = unpack(weights)[layer]
    before = unpack(start or {}).get(layer, {})
    rows = []
    for part, names in _PARTS.items():
        cells = [
            Cell(gate, _joined(parts, names), _joined(before[gate], names) if before else None)
            for gate, parts in gates.items()
            if any(name in parts for name in names)
        ]
        if cells:
            rows.append(Row(part, found.bias if part == "bias" else found.kernel, cells))
    return rows


def tap_rows(
    weights: Mapping[str, np.ndarray],
    found: Scales,
    start: Mapping[str, np.ndarray] | None = None,
    most: int = 8,
) -> list[Row]:
    """List the weights of every convolution by tap, the oldest first; of many taps some, evenly.

    >>> weights = {f"conv_1/kernel/lag_0{lag}": np.ones((2, 3)) for lag in (4, 2, 0)}
    >>> [cell.name for cell in tap_rows(weights, Scales(1.0, 1.0))[0].cells]
    ['lag_04', 'lag_02', 'lag_00']
    """
    before = unpack(start or {})
    rows = []
    for layer, taps in unpack(weights).items():
        if not is_convolution(taps):
            continue
        ordered = sorted(taps, key=lambda tap: tap_offset(tap) or 0)
        places = np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int)
        cells = [
            Cell(tap, taps[tap]["kernel"].ravel(), _of(before.get(layer, {}), tap))
            for tap in (ordered[place] for place in places)
        ]
        rows.append(Row(layer, found.kernel, cells))
    return rows


def outline(values: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw the shape of a distribution: heights within the scale, and a width of 0 to 1 at each.

    A Gaussian kernel density (Silverman's bandwidth, no less than 1/40 of the scale) that ends at
    the smallest and the largest weight, whatever their number; weights beyond the scale count at
    its ends.

    >>> heights, widths = outline(np.array([-0.1, 0.0, 0.1] * 9), 1.0)
    >>> float(heights[widths.argmax()]), float(widths.max())
    (0.0, 1.0)
    """
    known = np.clip(values[np.isfinite(values)].ravel(), -limit, limit)
    if not known.size:
        return np.zeros(1), np.zeros(1)
    spread = min(float(known.std()), float(np.subtract(*np.quantile(known, [0.75, 0.25]))) / 1.34)
    wide = max(0.9 * spread * known.size**-0.2, limit / 40)
    counts, edges = np.histogram(known, bins=BINS, range=(-limit, limit))
    centres = (edges[1:] + edges[:-1]) / 2
    low, high = known.min() - limit / EDGE, known.max() + limit / EDGE
    heights = np.unique(np.append(np.linspace(low, high, GRID), np.median(known)))
    widths = np.exp(-0.5 * ((heights[:, None] - centres) / wide) ** 2) @ counts
    return heights, widths / (widths.max() or 1.0)


def _joined(parts: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    return np.concatenate([parts[name].ravel() for name in names if name in parts] or [np.zeros(0)])


def _of(taps: Mapping[str, Mapping[str, np.ndarray]], tap: str) -> np.ndarray | None:
    return taps[tap]["kernel"].ravel() if tap in taps else None
