"""What the gates of a network weigh, do and remember: names, numbers, pictures.

`layers` finds recurrent layers in any Keras model, `split` and `join` name their weights,
`statistics` and `taps` measure them, `trace` recomputes their activations, `activity` and `memory`
say what they do with real windows (`Sample`: where those lie in time), `influence` which input
drives them, `alerts` what stands out, and `GateSnapshots` does it epoch by epoch.
"""

from forecast.gates.ablation import memory
from forecast.gates.activity import Probe, activity, measure, time_scales
from forecast.gates.alerts import Alert, Limits, alerts
from forecast.gates.callback import GateSnapshots
from forecast.gates.influence import influence, inputs
from forecast.gates.memory import Memory
from forecast.gates.names import convolutions, layers
from forecast.gates.pictures.album import album
from forecast.gates.pictures.canvas import to_image
from forecast.gates.pictures.heat_map import colour_limit, heat_map
from forecast.gates.pictures.influence_map import influence_map
from forecast.gates.pictures.memory_curve import memory_curve
from forecast.gates.pictures.saturation import saturation
from forecast.gates.pictures.tap_bars import bar_limit, tap_bars
from forecast.gates.pictures.trace_map import trace_map
from forecast.gates.resampling import Sample
from forecast.gates.snapshots import load, save, snapshot, unpack
from forecast.gates.split import join, split
from forecast.gates.statistics import statistics, taps
from forecast.gates.trace import trace

__all__ = [
    "Alert",
    "GateSnapshots",
    "Limits",
    "Memory",
    "Probe",
    "Sample",
    "activity",
    "album",
    "alerts",
    "bar_limit",
    "colour_limit",
    "convolutions",
    "heat_map",
    "influence",
    "influence_map",
    "inputs",
    "join",
    "layers",
    "load",
    "measure",
    "memory",
    "memory_curve",
    "saturation",
    "save",
    "snapshot",
    "split",
    "statistics",
    "tap_bars",
    "taps",
    "time_scales",
    "to_image",
    "trace",
    "trace_map",
    "unpack",
]
