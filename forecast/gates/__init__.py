"""What the gates of a network weigh and do: names, numbers, pictures.

`layers` finds recurrent layers in any Keras model, `split` and `join` name their weights,
`statistics` and `taps` measure them, `trace` recomputes their activations, and `GateSnapshots`
does it epoch by epoch.
"""

from forecast.gates.callback import GateSnapshots
from forecast.gates.canvas import to_image
from forecast.gates.heat_map import colour_limit, heat_map
from forecast.gates.names import convolutions, layers
from forecast.gates.snapshots import load, save, snapshot, unpack
from forecast.gates.split import join, split
from forecast.gates.statistics import statistics, taps
from forecast.gates.tap_bars import bar_limit, tap_bars
from forecast.gates.trace import trace

__all__ = [
    "GateSnapshots",
    "bar_limit",
    "colour_limit",
    "convolutions",
    "heat_map",
    "join",
    "layers",
    "load",
    "save",
    "snapshot",
    "split",
    "statistics",
    "tap_bars",
    "taps",
    "to_image",
    "trace",
    "unpack",
]
