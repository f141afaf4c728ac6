"""One network of which the page of the gates tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from forecast.gates.alerts import Alert
from forecast.gates.history import at_shares
from forecast.gates.memory import Memory
from forecast.gates.snapshots import Snapshot, is_convolution, unpack


@dataclass(frozen=True)
class Subject:
    """One network.

    Attributes:
        title: What it is called.
        kept: The weights that it predicts with, and what the gates do with them.
        epoch: Of these weights; 0 where nothing is known of a training.
        shown: `{epoch: snapshot}`: the start, and what is drawn over the training.
        history: `{epoch: metrics}` as `GateSnapshots` logs them.
        facts: Name to text, for the head of the page.
        memory: What was measured after training.
        alerts: Unusual numbers.
        figures: Heading to a picture (WebP or PNG) of gates on real windows.
        inputs: Layer to (features, gates), what `forecast.gates.inputs` found in the kept weights.
        pictures: Number of shares of the training that are drawn.
    """

    title: str
    kept: Snapshot = field(default_factory=dict)
    epoch: int = 0
    shown: Mapping[int, Snapshot] = field(default_factory=dict)
    history: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    memory: Memory | None = None
    alerts: Sequence[Alert] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    inputs: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: int = 6

    @property
    def start(self) -> Snapshot:
        """Return the weights before training, where they are known and others were learned."""
        return self.shown.get(0, {}) if self.epoch else {}

    @property
    def numbers(self) -> Mapping[str, float]:
        """Return the metrics of the epoch whose weights were kept, or of the last that is known."""
        found = self.history.get(self.epoch)
        return (
            found if found is not None else self.history[max(self.history)] if self.history else {}
        )

    @property
    def error(self) -> str:
        """Return the error of the test span as text, or nothing."""
        return self.facts.get("test MAE", "")

    def recurrent(self) -> list[str]:
        """List the recurrent layers."""
        return [name for name, gates in unpack(self.kept).items() if not is_convolution(gates)]

    def gates(self, layer: str) -> list[str]:
        """List the gates of a layer."""
        return list(unpack(self.kept).get(layer, {}))

    def slides(self) -> dict[int, int]:
        """Return the epoch that is drawn at each share of the training."""
        known = [epoch for epoch, weights in self.shown.items() if weights]
        return at_shares(known, self.pictures) if self.epoch else {}
