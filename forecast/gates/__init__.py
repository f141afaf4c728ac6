"""What the gates of a network weigh, do and remember: names and numbers.

`layers` finds recurrent layers in any Keras model, `split` and `join` name their weights,
`statistics` and `taps` measure them, `trace` recomputes their activations, `activity` and `memory`
say what they do with real windows (`Sample`: where those lie in time), `influence` which input
drives them, `alerts` what is unusual, and `GateSnapshots` does it epoch by epoch.
"""

from forecast import process as process  # isort: skip (before TensorFlow is imported)


from forecast.gates.ablation import memory
from forecast.gates.activity import Probe, activity, measure, time_scales
from forecast.gates.alerts import Alert, Limits, alerts
from forecast.gates.callback import GateSnapshots
from forecast.gates.memory import Memory
from forecast.gates.names import convolutions, layers
from forecast.gates.resampling import Sample
from forecast.gates.snapshots import load, save, snapshot, unpack
from forecast.gates.split import join, split
from forecast.gates.statistics import influence, inputs, statistics, taps
from forecast.gates.trace import trace

__all__ = [
    "Alert",
    "GateSnapshots",
    "Limits",
    "Memory",
    "Probe",
    "Sample",
    "activity",
    "alerts",
    "convolutions",
    "influence",
    "inputs",
    "join",
    "layers",
    "load",
    "measure",
    "memory",
    "save",
    "snapshot",
    "split",
    "statistics",
    "taps",
    "time_scales",
    "trace",
    "unpack",
]
