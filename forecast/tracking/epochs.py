"""Every epoch's numbers, in one request with their step, off the training path."""

from concurrent.futures import Future, ThreadPoolExecutor
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
    """Send losses, and whatever other callbacks measured in the same epoch.

    A request to a SQLite file takes some 30 ms, to a server more: the next epoch trains meanwhile.

    Args:
        run: Where to.
    """

    def __init__(self, run: Run):
        super().__init__()
        self.run = run
        self._waiting: dict[str, float] = {}
        self._sender: ThreadPoolExecutor | None = None
        self._sent: list[Future[None]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget what an earlier training left."""
        del logs
        self._waiting = {}

    def add(self, metrics: dict[str, float], step: int) -> None:
        """Take metrics of a callback that is called before this one."""
        del step
        self._waiting |= metrics

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Send everything of the epoch, its step counted from 1; tell of a request that failed."""
        own = {_key(name): value for name, value in (logs or {}).items()}
        self._sender = self._sender or ThreadPoolExecutor(1)  # one, so that they keep their order
        self._sent.append(self._sender.submit(self.run.metrics, own | self._waiting, epoch + 1))
        self._waiting = {}
        while self._sent and self._sent[0].done():
            self._sent.pop(0).result()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Wait until everything has arrived."""
        del logs
        if self._sender is not None:
            self._sender.shutdown()
            self._sender = None
        while self._sent:
            self._sent.pop(0).result()


def _key(name: str) -> str:
    """Return the metric that a number of the loop becomes; those of Keras keep their names."""
    kind = "val" if name.startswith("val_") else "train"
    return NAMES.get(name, f"{kind}/{name.removeprefix('val_')}")
