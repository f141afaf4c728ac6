"""Everything that a report tells of one network, put together from its snapshots."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecast.gates.alerts import Alert
from forecast.gates.history import evenly
from forecast.gates.memory import Memory
from forecast.gates.pictures.album import album
from forecast.gates.pictures.canvas import to_image
from forecast.gates.pictures.history_lines import history_lines
from forecast.gates.snapshots import Snapshot, is_convolution, unpack


@dataclass(frozen=True)
class Subject:
    """One network.

    Attributes:
        title: What it is called.
        last: Snapshot of the last epoch.
        history: `{epoch: metrics}` as `GateSnapshots` logs them.
        pictures: `{key: {epoch: WebP}}` of the album.
        facts: Name to text, for the head of the report.
        memory: What was measured after training.
        alerts: What stands out.
        figures: Heading to a picture (WebP or PNG) that belongs to no epoch.
        inputs: Layer to (features, gates), what `forecast.gates.inputs` found in the last epoch.
    """

    title: str
    last: Snapshot = field(default_factory=dict)
    history: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    pictures: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    memory: Memory | None = None
    alerts: Sequence[Alert] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    inputs: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def curves(self) -> Iterator[bytes]:
        """Draw the statistics over the epochs, layer by layer."""
        if len(self.history) > 1:
            for layer, gates in unpack(self.last).items():
                if not is_convolution(gates):
                    yield encoded(to_image(history_lines(self.history, layer)))


def pictures(
    snapshots: Mapping[int, Snapshot],
    timesteps: int,
    feature_names: Sequence[str] | None,
    most: int,
) -> dict[str, dict[int, bytes]]:
    """Draw some of the snapshots.

    Args:
        snapshots: `{epoch: snapshot}`, rising.
        timesteps: Look-back.
        feature_names: Of the inputs; None where they are not known.
        most: Most epochs, beside the last.

    Returns:
        `{key: {epoch: WebP}}` of the album.
    """
    found: dict[str, dict[int, bytes]] = {}
    epochs = list(snapshots)
    chosen = {epochs[n]: snapshots[epochs[n]] for n in evenly(len(epochs), most + 1)}
    for key, epoch, pixels in album(chosen, timesteps=timesteps, feature_names=feature_names):
        found.setdefault(key, {})[epoch] = encoded(pixels)
    return found


def encoded(pixels: np.ndarray) -> bytes:
    """Write pixels (height, width, 3) as a lossless WebP file, half as large as a PNG."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    effort = {"lossless": True, "method": 2, "quality": 50}
    imsave(buffer, pixels, format="webp", pil_kwargs=effort)
    return buffer.getvalue()
