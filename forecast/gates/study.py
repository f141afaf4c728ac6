"""Study a trained network: its memory, alerts, and its gates on real windows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from forecast.data import features, windows
from forecast.data.scale import Scaled
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.preparation import Prepared
from forecast.gates.ablation import memory
from forecast.gates.alerts import Alert, Limits, alerts
from forecast.gates.history import evenly
from forecast.gates.memory import Memory
from forecast.gates.resampling import Sample, block_length
from forecast.gates.trace import trace
from forecast.metrics.headline import HEADLINES
from forecast.models.layers import Channels, cycle_of, reads_series_number
from forecast.training import losses
from forecast.training.forecaster import Forecaster

TRACED = 256
"""Windows whose gates give the means at which gates are frozen."""

VALUES = 1_000_000
"""Forecast values whose errors are taken at once."""

SHOWN = 3
"""Windows whose gates are drawn."""


@dataclass(frozen=True)
class Traced:
    """Gates of one layer on a few real windows.

    Attributes:
        gates: Gate to its activations, each (windows, timesteps, units).
        inputs: What the windows hold of some inputs, (windows, timesteps, inputs), original units.
        names: Of these inputs.
        titles: Of the windows.
    """

    gates: dict[str, np.ndarray]
    inputs: np.ndarray
    names: list[str]
    titles: list[str]


@dataclass(frozen=True)
class Study:
    """What was found.

    Attributes:
        memory: None where there were fewer than two windows.
        alerts: Unusual numbers.
        traces: Layer to its gates on real windows.
    """

    memory: Memory | None
    alerts: list[Alert]
    traces: Mapping[str, Traced]


def study(
    prepared: Prepared,
    fitted: Forecaster,
    history: Mapping[int, Mapping[str, float]],
    limits: Limits,
    most: int,
) -> Study:
    """Measure the memory of an experiment's network on validation windows."""
    table, window = prepared.table, prepared.spec.window
    starts = spread(prepared.validation, max(most, SHOWN))
    coded, cycle = reads_series_number(fitted.model_), cycle_of(fitted.model_)
    rows_of = prepared.scaled(fitted.scaler_)
    seen = network_inputs(rows_of, window, starts, coded=coded, cycle=cycle)
    levels, headline = prepared.spec.training.quantiles, HEADLINES[table.task]
    size = max(1, VALUES // (window.horizon * len(table.targets)))
    parts = [slice(begin, begin + size) for begin in range(0, len(starts), size)]

    def errors(outputs: np.ndarray) -> np.ndarray:  # (windows,)
        found = []
        for part in parts:
            every = losses.split_quantiles(outputs[part].astype(np.float64), levels)
            values = losses.point_forecast(every, levels)
            predicted = fitted.scaler_.invert(values, table.series[starts[part]])
            true = windows.outputs(table.outputs, starts[part], window)
            found.append(headline.of(true, predicted, axis=(1, 2)))
        return np.concatenate(found)

    sample = evenly(len(starts), TRACED)
    traced = trace(fitted.model_, seen[sample])
    known = [
        np.isfinite(windows.outputs(table.outputs, starts[part], window)).sum(axis=(1, 2))
        for part in parts
    ]
    found = None
    traces: dict[str, Traced] = {}
    if min(most, len(starts)) > 1:
        found = memory(
            fitted.model_,
            seen,
            errors,
            traced=traced,
            within=limits.memory,
            lasting=features.lasting(table, window, coded=coded, cycle=cycle),
            sample=in_time(table, window, starts, np.concatenate(known)),
        )
        found = replace(found, measure=headline.key)
    drawn = evenly(len(sample), SHOWN)
    shown = starts[sample[drawn]]
    # where channels share the network, each window is a row for each target: the first is drawn
    shared = any(isinstance(layer, Channels) for layer in fitted.model_.layers)
    rows = len(sample) * (len(table.targets) if shared else 1)
    lines = [max(0, position) for position in table.target_positions[: 1 if shared else 2]]
    for layer, gates in traced.items():
        if any(values.ndim != 3 or len(values) != rows for values in gates.values()):
            continue  # periods of a window, or the like, have no one time axis
        traces[layer] = Traced(
            {gate: values[:: rows // len(sample)][drawn] for gate, values in gates.items()},
            windows.inputs(table.inputs, shown, window)[:, :, lines],
            [table.features[line] for line in lines],
            [_origin(table, window, start) for start in shown],
        )
    kept = history.get(fitted.best_epoch_, {})
    return Study(found, alerts(kept, found, limits), traces)


def spread(starts: np.ndarray, most: int) -> np.ndarray:
    """Pick some windows evenly.

    Shapes: `starts` (windows,).
    """
    return starts[evenly(len(starts), most)]


def in_time(table: Table, window: Window, starts: np.ndarray, known: np.ndarray) -> Sample:
    """Say where windows lie in time, so that those which share rows are resampled together.

    Shapes: `starts` (windows,), `known` (windows,).
    """
    origins = table.tick[starts + window.timesteps - 1]
    ahead_of = window.lead + window.horizon
    length = block_length(int(np.ptp(origins)) + 1, window.timesteps + ahead_of, ahead_of)
    return Sample(origins, length, known.astype(np.float64))


def network_inputs(
    rows: Scaled, window: Window, starts: np.ndarray, *, coded: bool, cycle: int = 0
) -> np.ndarray:
    """Cut windows as the network sees them, (windows, timesteps, features) float32.

    Shapes: `starts` (windows,).
    """
    return windows.inputs(
        features.append_known_future(rows.inputs, rows.table, window, coded=coded, cycle=cycle),
        starts,
        window,
    )


def _origin(table: Table, window: Window, start: int) -> str:
    """Say which window this is: its series and the date of its origin."""
    when = str(table.time[start + window.timesteps - 1])[:10]
    name = table.names[table.series[start]]
    return f"{name} {when}" if len(table.names) > 1 else when
