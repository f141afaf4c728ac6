"""All pictures of a training, in scales that are the same for every epoch."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from forecast.gates.snapshots import Snapshot, is_convolution, unpack
from forecast.gates.statistics import inputs
from forecast.report.canvas import to_image
from forecast.report.gate_bars import bar_limit, measured, saturation, tap_bars
from forecast.report.gate_maps import colour_limit, heat_map, influence_map


def album(
    snapshots: Mapping[int, Snapshot],
    *,
    timesteps: int,
    feature_names: Sequence[str] | None = None,
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Draw every layer at every epoch.

    Args:
        snapshots: `{epoch: snapshot}`; only now is the colour scale of the whole run known.
        timesteps: Look-back of the windows.
        feature_names: Of the inputs, for the layers that read them.

    Yields:
        Key, epoch and pixels (height, width, 3) uint8: `gates/<layer>` the weights,
        `activity/<layer>` saturation and time scales where a probe measured them,
        `inputs/<layer>` features against gates, `gates/taps` all convolutions.
    """
    colours, height = colour_limit(snapshots.values()), bar_limit(snapshots.values())
    strongest = _strongest(snapshots, feature_names)
    for epoch, weights in snapshots.items():
        unpacked = unpack(weights)
        recurrent = {name: g for name, g in unpacked.items() if not is_convolution(g)}
        reading = inputs(weights, feature_names) if feature_names is not None else {}
        for layer, gates in recurrent.items():
            names = feature_names if layer in reading else None
            figure = heat_map(gates, layer, colours, feature_names=names, epoch=epoch)
            yield f"gates/{layer}", epoch, to_image(figure)
            if measured(weights, layer):
                figure = saturation(weights, layer, timesteps, epoch=epoch)
                yield f"activity/{layer}", epoch, to_image(figure)
            if layer in reading:
                figure = influence_map(reading[layer], layer, strongest, epoch=epoch)
                yield f"inputs/{layer}", epoch, to_image(figure)
        if len(recurrent) < len(unpacked):
            yield "gates/taps", epoch, to_image(tap_bars(weights, height, epoch=epoch))


def _strongest(snapshots: Mapping[int, Snapshot], feature_names: Sequence[str] | None) -> float:
    """Return the end of the scale of all pictures of features against gates."""
    norms = [
        float(np.nan_to_num(table.to_numpy(), posinf=0.0).max())
        for weights in snapshots.values()
        for table in (inputs(weights, feature_names) if feature_names is not None else {}).values()
    ]
    return max(norms, default=0.0) or 1.0
