"""The state of a training after an epoch, from which another process goes on."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from forecast.training.compiled import Program
from forecast.training.predict import state


@dataclass(frozen=True)
class Turn:
    """One of the trainings of a fit.

    Attributes:
        number: Of the network, from 1.
        of: How many networks there are.
        again: Whether the network is learned anew with the stopping rows.
    """

    number: int = 1
    of: int = 1
    again: bool = False

    @property
    def name(self) -> str:
        """Name it; the first training of the first network needs no name.

        >>> [Turn().name, Turn(2, 3).name, Turn(again=True).name, Turn(2, 3, again=True).name]
        ['', 'network_2', 'refit', 'network_2_refit']
        """
        parts = [f"network_{self.number}"] * (self.number > 1) + ["refit"] * self.again
        return "_".join(parts)

    def __str__(self) -> str:
        """Say which it is.

        >>> str(Turn(2, 3)), str(Turn(again=True))
        ('network 2 of 3', 'once more, with the validation rows')
        """
        which = f"network {self.number} of {self.of}" if self.of > 1 else ""
        more = "once more, with the validation rows" if self.again else ""
        return ", ".join(filter(None, [which, more])) or "first, until the best epoch is found"

    @classmethod
    def all(cls, seeds: int, *, refit: bool) -> "list[Turn]":
        """List the trainings of a fit in their order."""
        kinds = (False, True) if refit else (False,)
        return [cls(number, seeds, again) for again in kinds for number in range(1, seeds + 1)]


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stood after its last epoch.

    Attributes:
        history: Metric to its value after each epoch.
        state: Weights and states of random generators.
        optimizer: Variables of the optimiser.
        best: Weights of the best epoch, none where nothing was kept for stopping.
        ended: Whether the training is over, and `state` is that of the model which it returned.
        before: The trainings of the same fit that came before this one, in their order.
        newest: Weights of the newest epochs that are to be averaged, oldest first.
        averaged: Of a training that is over, how many epochs its weights are the mean of; 0 where
            they are those of one.
        validated: Then the errors of that mean on the stopping windows, by metric.
    """

    history: Mapping[str, Sequence[float]]
    state: Sequence[np.ndarray]
    optimizer: Sequence[np.ndarray]
    best: Sequence[np.ndarray]
    ended: bool = False
    before: Sequence["Checkpoint"] = ()
    newest: Sequence[Sequence[np.ndarray]] = ()
    averaged: int = 0
    validated: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_model(
        cls,
        model: keras.Model,
        history: Mapping[str, Sequence[float]],
        averaged: int = 0,
        validated: Mapping[str, float] | None = None,
    ) -> "Checkpoint":
        """Describe a training that is over by the model that it returned."""
        own = [variable.numpy() for variable in state(model)]
        found = cls(history, own, [], [], ended=True)
        return replace(found, averaged=averaged, validated=validated or {})

    @property
    def epochs(self) -> int:
        """Count the epochs that were trained."""
        return len(self.history["loss"])

    @property
    def turns(self) -> "list[Checkpoint]":
        """List the trainings of the fit so far, each by itself."""
        return [*self.before, replace(self, before=())]

    def arrays(self) -> dict[str, np.ndarray]:
        """Write it as named arrays, which `numpy.savez` takes.

        >>> ours = Checkpoint({"loss": [0.5]}, [np.ones(2)], [np.zeros(1)], [])
        >>> sorted(ours.arrays()), Checkpoint.read(ours.arrays()).epochs
        (['history', 'optimizer.0', 'state.0'], 1)
        """
        parts = {"state": self.state, "optimizer": self.optimizer, "best": self.best}
        found = {f"{k}.{i}": value for k, part in parts.items() for i, value in enumerate(part)}
        if self.ended:
            found["ended"] = np.array(True)
        if self.averaged:
            about = {"epochs": self.averaged, "validated": dict(self.validated)}
            found["averaged"] = np.array(json.dumps(about))
        for place, weights in enumerate(self.newest):
            found |= {f"newest.{place}.{i}": value for i, value in enumerate(weights)}
        for place, own in enumerate(self.before):
            found |= {f"before.{place}.{key}": value for key, value in own.arrays().items()}
        return found | {"history": np.array(json.dumps(dict(self.history)))}

    @classmethod
    def read(cls, arrays: Mapping[str, np.ndarray]) -> "Checkpoint":
        """Read it back from named arrays."""

        def part(name: str) -> list[np.ndarray]:
            count = sum(key.startswith(f"{name}.") for key in arrays)
            return [arrays[f"{name}.{i}"] for i in range(count)]

        def turn(place: int) -> dict[str, np.ndarray]:
            head = f"before.{place}."
            return {k.removeprefix(head): arrays[k] for k in arrays if k.startswith(head)}

        history = json.loads(str(arrays["history"]))
        parts = part("state"), part("optimizer"), part("best")
        turns = {int(key.split(".")[1]) for key in arrays if key.startswith("before.")}
        before = [cls.read(turn(place)) for place in sorted(turns)]
        newest = {int(key.split(".")[1]) for key in arrays if key.startswith("newest.")}
        about = json.loads(str(arrays["averaged"])) if "averaged" in arrays else {}
        return cls(
            history,
            *parts,
            ended="ended" in arrays,
            before=before,
            newest=[part(f"newest.{place}") for place in sorted(newest)],
            averaged=about.get("epochs", 0),
            validated=about.get("validated", {}),
        )


class History(keras.callbacks.Callback):
    """Keep every number of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Append the epoch's numbers."""
        del epoch
        for name, value in (logs or {}).items():
            self.values.setdefault(name, []).append(value)


class Newest(keras.callbacks.Callback):
    """Keep the weights of the newest epochs.

    Attributes:
        weights: Of each, oldest first.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.weights: deque[Sequence[np.ndarray]] = deque(maxlen=epochs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the weights of an epoch."""
        del epoch, logs
        self.weights.append(self.model.get_weights())

    def mean(self) -> list[np.ndarray]:
        """Average them, in double precision."""
        return [
            np.mean(each, axis=0, dtype=np.float64).astype(each[0].dtype)
            for each in zip(*self.weights, strict=True)
        ]


class Stage(keras.callbacks.Callback):
    """One part of a training.

    Its weights, seed states, optimiser, early stopping and learning rate are those of a training
    in one piece, to the last bit.

    Attributes:
        end: Where this part ended, once it was fitted.
        over: The training by the model that it returned, once it was fitted.
    """

    def __init__(
        self,
        until: int,
        begin: Checkpoint | None = None,
        keep: Callable[[Checkpoint], object] | None = None,
    ):
        super().__init__()
        self.until = until
        self.begin = begin
        self.keep = keep
        self.end: Checkpoint | None = begin
        self.over: Checkpoint | None = None

    @property
    def epochs(self) -> range:
        """Number the epochs of this part, from 0."""
        return range(self.begin.epochs if self.begin else 0, self.until)

    def watch(
        self,
        program: Program,
        history: dict[str, list[float]],
        schedule: Sequence[keras.callbacks.Callback],
        stopping: Sequence[keras.callbacks.Callback],
        newest: Sequence["Newest"] = (),
    ) -> "Stage":
        """Learn what a part consists of, before it begins."""
        self._program, self._history = program, history
        self._schedule, self._stopping, self._newest = schedule, stopping, newest
        return self

    def on_train_begin(self, logs: Any = None) -> None:
        """Bring back what the part before has left, and let early stopping count its epochs."""
        del logs
        begin = self.begin
        if begin is None:
            return
        for epoch in range(begin.epochs):
            numbers = {name: values[epoch] for name, values in begin.history.items()}
            for callback in (*self._schedule, *self._stopping):
                callback.on_epoch_begin(epoch)
                callback.on_epoch_end(epoch, numbers)
        assign(state(self._program.model), begin.state)
        assign(self._program.optimizer.variables, begin.optimizer)
        for callback in self._stopping:
            callback.best_weights = list(begin.best)
        for newest in self._newest:
            newest.weights.extend(begin.newest)
        self._history.update({name: list(values) for name, values in begin.history.items()})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the state of the last epoch, before the best weights come back."""
        del logs
        if epoch + 1 == self.until or self.model.stop_training or self.keep:
            self.end = Checkpoint(
                {name: list(values) for name, values in self._history.items()},
                [variable.numpy() for variable in state(self._program.model)],
                [variable.numpy() for variable in self._program.optimizer.variables],
                [weight for callback in self._stopping for weight in callback.best_weights or []],
                newest=[weights for own in self._newest for weights in own.weights],
            )
            if self.keep:
                self.keep(self.end)


def assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Give variables their values."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
