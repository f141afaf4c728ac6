"""Everything that a report tells of one network, put together from its snapshots."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecast.gates.activity import activity
from forecast.gates.alerts import Alert
from forecast.gates.memory import Memory
from forecast.gates.pictures.album import album
from forecast.gates.pictures.canvas import to_image
from forecast.gates.pictures.history_lines import history_lines
from forecast.gates.snapshots import Snapshot, is_convolution, unpack
from forecast.gates.statistics import statistics, taps


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
    feature_names: Sequence[str] | None = None,
    *,
    most: int = 6,
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
    chosen = {epoch: snapshots[epoch] for epoch in spread(list(snapshots), most)}
    for key, epoch, pixels in album(chosen, timesteps=timesteps, feature_names=feature_names):
        found.setdefault(key, {})[epoch] = encoded(pixels)
    return found


def history(snapshots: Mapping[int, Snapshot], timesteps: int) -> dict[int, dict[str, float]]:
    """Compute the statistics of every epoch from its snapshot.

    Args:
        snapshots: `{epoch: snapshot}`.
        timesteps: Look-back.

    Returns:
        `{epoch: metrics}` as `GateSnapshots` logs them, for every epoch but 0 where there are
        others. The update ratio is left out where the snapshot of the epoch before is missing.

    >>> list(history({0: {"rnn_1/bias/h": np.ones(1)}, 1: {"rnn_1/bias/h": np.ones(1)}}, 8)[1])
    ['gates.rnn_1/h_bias_norm', 'gates.rnn_1/h_update']
    """
    found = {}
    for epoch, weights in sorted(snapshots.items()):
        before = snapshots.get(epoch - 1)
        if epoch or len(snapshots) == 1:
            found[epoch] = {
                **statistics(weights, before),
                **activity(weights, timesteps),
                **taps(weights, before),
            }
    return found


def spread(epochs: Sequence[int], most: int) -> list[int]:
    """Pick epochs evenly, the first and the last among them.

    Args:
        epochs: Rising.
        most: Most of them, beside the last.

    Returns:
        Rising.

    >>> spread(range(21), 5)
    [0, 4, 8, 12, 16, 20]
    """
    places = np.linspace(0, len(epochs) - 1, min(most + 1, len(epochs))).round().astype(int)
    return [epochs[place] for place in places]


def encoded(pixels: np.ndarray) -> bytes:
    """Write pixels (height, width, 3) as a lossless WebP file, half as large as a PNG."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    effort = {"lossless": True, "method": 2, "quality": 50}
    imsave(buffer, pixels, format="webp", pil_kwargs=effort)
    return buffer.getvalue()
