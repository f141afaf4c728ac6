"""Watch the gates during training, with or without a tracker."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from forecast.errors import InputError
from forecast.gates.activity import Probe
from forecast.gates.history import at_shares, numbers
from forecast.gates.names import NOTHING, unwatched
from forecast.gates.snapshots import Snapshot, snapshot

_logger = logging.getLogger(__name__)


class GateSnapshots(keras.callbacks.Callback):
    """Measure the gates after every epoch, keep snapshots, and hand them out when training ends.

    Works in `model.fit` and wherever else the epoch hooks of a callback are called. Outputs are
    plain functions, so any tracker, a list or a folder can receive them.

    Attributes:
        history: `{epoch: metrics}` of the training, epochs counted from 1.
        warn: Called once in a training with a sentence where a network, or a recurrent layer of
            it, is not watched; by default the logger of this module writes a warning.

    >>> model = keras.Sequential([keras.Input((6, 2)), keras.layers.LSTM(3, name="lstm_1"),
    ...                           keras.layers.Dense(1)])
    >>> model.compile(loss="mae", optimizer="sgd")
    >>> callback = GateSnapshots(probe=np.zeros((4, 6, 2)))
    >>> _ = model.fit(np.zeros((8, 6, 2)), np.ones((8, 1)), epochs=2, verbose=0,
    ...               callbacks=[callback])
    >>> list(callback.history), callback.history[2]["gates.lstm_1/f_shut"]
    ([1, 2], 0.0)
    """

    def __init__(
        self,
        *,
        log: Callable[[dict[str, float], int], object] | None = None,
        draw: Callable[[Mapping[int, Snapshot]], object] | None = None,
        save: Callable[[str, Snapshot], object] | None = None,
        every: int = 1,
        pictures: int = 6,
        probe: Any = None,
    ) -> None:
        """Say where the numbers and snapshots go.

        Args:
            log: Called once an epoch with all gate and tap metrics and the step: the epoch,
                counted from 1. Nothing is logged before training.
            draw: Called once when training ends with the snapshots to be drawn,
                `{epoch: snapshot}`: the weights before training, and those nearest to even shares
                of the epochs that were run, such as 20, 40, … 100 %. `forecast.report.album` makes
                pictures of them in one scale.
            save: Called with a file name such as `snapshots/epoch_0007.npz` and the snapshot.
                Epoch 0 holds the weights before training.
            every: Epochs between two snapshots; the last epoch has one in any case.
            pictures: Number of these shares, 0 and 100 % among them; 1 is the last epoch alone.
                In a long training at most twice as many snapshots are kept in memory, so the
                epoch nearest to a share may be some epochs away from it.
            probe: Windows, (samples, timesteps, features), on which is measured how open the
                gates are; some thirty are enough. For a model of several inputs a list, tuple or
                dictionary of arrays, as `fit` takes it. A function is called when
                training begins.

        Raises:
            InputError: `every` or `pictures` is below 1.
        """
        super().__init__()
        for name, value in (("every", every), ("pictures", pictures)):
            if value < 1:
                raise InputError(f"{name}: must be at least 1, received {value}; leave it out")
        self.log = log
        self.draw = draw
        self.save = save
        self.every = every
        self.pictures = pictures
        self.probe = probe
        self.warn: Callable[[str], object] = _logger.warning
        self.history: dict[int, dict[str, float]] = {}
        self._probe: Probe | None = None
        self._left: Mapping[str, np.ndarray] = {}
        self._looked = False
        self._forget()

    def state(self) -> dict[str, np.ndarray]:
        """Return what it knows of the training so far, as named arrays.

        Returns:
            What `resume` takes.
        """
        seen = {
            "history": self.history,
            "step": self._step,
            "saved": self._saved,
            "stride": self._stride,
        }
        last = {f"last/{name}": array for name, array in self._weights.items()}
        kept = {
            f"kept/{step}/{name}": array
            for step, weights in self._kept.items()
            for name, array in weights.items()
        }
        return {"seen": np.array(json.dumps(seen)), **last, **kept}

    def resume(self, state: Mapping[str, np.ndarray]) -> Snapshot:
        """Go on, when training begins, as if it had never been interrupted.

        Args:
            state: What `state` has returned after the last epoch.

        Returns:
            The snapshot of that epoch.
        """
        self._left = state
        return _below(state, "last/")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget an earlier training and remember the weights before the first epoch.

        Args:
            logs: Not used; part of Keras's signature.
        """
        del logs
        self._forget()
        self.history = {}
        windows = self.probe() if callable(self.probe) else self.probe
        if windows is not None:
            arrays = _arrays(windows, self.model)
            self._probe = Probe(self.model, arrays)
            parts = keras.tree.flatten(arrays)
            self._timesteps = int(next((p for p in parts if p.ndim == 3), parts[0]).shape[1])
        self._remember(0, self._measure())
        if self._left:
            self._recall(self._left)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the statistics of this epoch and keep a snapshot when one is due.

        Args:
            epoch: The epoch, counted from 0, as Keras does.
            logs: Not used; part of Keras's signature.
        """
        del logs
        step = epoch + 1
        weights = self._measure()
        if not self._looked:
            self._looked = True
            self._look(weights)
        # A model that gets its weights in its first batch has nothing to be compared with.
        previous = self._weights if self._weights.keys() == weights.keys() else None
        metrics = numbers(weights, previous, self._timesteps)
        if metrics:
            self.history[step] = metrics
            if self.log is not None:
                self.log(metrics, step)
        self._remember(step, weights)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Save the last epoch if it was not due, and hand out the kept snapshots.

        Args:
            logs: Not used; part of Keras's signature.
        """
        del logs
        if self._weights:
            if self._saved != self._step:
                self._save(self._step, self._weights)
            self._kept[self._step] = self._weights
        if self.draw is not None:
            wanted = {*at_shares(self._kept, self.pictures).values(), *list(self._kept)[:1]}
            self.draw({epoch: self._kept[epoch] for epoch in sorted(wanted)})
        self._forget()

    def _forget(self) -> None:
        self._step = 0
        self._saved = -1
        self._weights: Snapshot = {}
        self._kept: dict[int, Snapshot] = {}
        self._stride = self.every
        self._probe = None
        self._timesteps = 1
        self._looked = False

    def _recall(self, state: Mapping[str, np.ndarray]) -> None:
        seen = json.loads(str(state["seen"]))
        self.history = {int(step): metrics for step, metrics in seen["history"].items()}
        self._step = seen["step"]
        self._saved, self._stride = seen["saved"], seen["stride"]
        self._weights = _below(state, "last/")
        steps = sorted({int(name.split("/")[1]) for name in state if name.startswith("kept/")})
        self._kept = {step: _below(state, f"kept/{step}/") for step in steps}
        self._left = {}

    def _look(self, weights: Snapshot) -> None:
        """Say what of the network is not watched; after an epoch every layer has its weights."""
        others = [
            f"{name} ({type(layer).__name__})" for name, layer in unwatched(self.model).items()
        ]
        if others:
            self.warn(
                f"not watched, since the names of its gates are not known: {', '.join(others)}"
            )
        elif not weights:
            self.warn(NOTHING)

    def _measure(self) -> Snapshot:
        """Return weights, and what the gates do with them."""
        weights = snapshot(self.model)
        if not weights or self._probe is None:
            return weights
        return {**weights, **self._probe.measure()}

    def _remember(self, step: int, weights: Snapshot) -> None:
        self._step, self._weights = step, weights
        if not weights or step % self.every:
            return
        self._save(step, weights)
        if self.draw is None or step % self._stride:
            return
        self._kept[step] = weights
        # Memory and drawing time stay bounded however long the training: keep every second one.
        while len(self._kept) > 2 * self.pictures:
            self._stride *= 2
            self._kept = {s: kept for s, kept in self._kept.items() if s % self._stride == 0}

    def _save(self, step: int, weights: Snapshot) -> None:
        self._saved = step
        if self.save is not None:
            self.save(f"snapshots/epoch_{step:04d}.npz", weights)


def _below(state: Mapping[str, np.ndarray], head: str) -> Snapshot:
    """Return the arrays whose names begin with a head, under the rest of their names."""
    return {
        name.removeprefix(head): array for name, array in state.items() if name.startswith(head)
    }


def _arrays(windows: Any, model: keras.Model) -> Any:
    """Return what a model takes as arrays: one, or where it has several inputs a nest of them."""
    several = isinstance(windows, (dict, tuple)) or len(getattr(model, "inputs", None) or ()) > 1
    if not (several and keras.tree.is_nested(windows)):
        return np.asarray(windows, np.float32)
    return keras.tree.map_structure(_numbers, windows)


def _numbers(values: Any) -> np.ndarray:
    """Return an array in single precision; whole numbers, such as codes, stay whole."""
    array = np.asarray(values)
    return array if array.dtype.kind in "iub" else array.astype(np.float32)
