"""Every epoch's numbers under the names of the metrics, in one record with their step."""

from typing import Any

import keras

from forecast.tracking.run import Run

NAMES = {
    "loss": "train/loss",
    "val_loss": "val/loss",
    "val_mae": "val/mae",
    "learning_rate": "train/learning_rate",
    "epoch_seconds": "time/epoch_seconds",
    "samples_per_second": "time/samples_per_second",
}
"""What the training loop measures, and the metric it becomes."""


class EpochMetrics(keras.callbacks.Callback):
    """Write losses, and whatever other callbacks measured in the same epoch.

    Of a training that has a name, as a fit of several has, only the losses are written and the
    errors, under that name, so that its charts are one section.
    """

    def __init__(self, run: Run, name: str = ""):
        super().__init__()
        self.run = run
        self.name = name
        self._waiting: dict[str, float] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget what an earlier training left."""
        del logs
        self._waiting = {}

    def add(self, metrics: dict[str, float], step: int) -> None:
        """Take metrics of a callback that is called before this one."""
        del step
        self._waiting |= metrics

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write everything of the epoch, its step counted from 1."""
        own = {_key(name): value for name, value in (logs or {}).items()}
        if self.name:
            own = {
                f"{self.name}/{key.replace('/', '_')}": value
                for key, value in own.items()
                if key.startswith(("train/", "val/")) and key != NAMES["learning_rate"]
            }
        self.run.metrics(own | self._waiting, epoch + 1)
        self._waiting = {}


def _key(name: str) -> str:
    """Return the metric that a number of the loop becomes; those of Keras keep their names."""
    kind = "val" if name.startswith("val_") else "train"
    return NAMES.get(name, f"{kind}/{name.removeprefix('val_')}")
