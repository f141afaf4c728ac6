"""The compiled epoch: one program loops over batches of windows.

A program has a model and an optimiser of its own. A fit takes it, loads its state into them,
trains, reads it out and gives it back, so folds, seeds and candidates of one shape compile once.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.training import losses, owned, predict
from forecast.training.predict import Compiled, Predictor, architecture, cut
from forecast.training.stateful import Carry, States

SLICE = 512
"""Most steps of one call; the number done is dynamic, so a call ends whenever it should."""

_programs: "OrderedDict[str, Program]" = OrderedDict()


class Program:
    """Training of one architecture with one optimiser and loss, compiled."""

    def __init__(
        self,
        predictor: Predictor,
        optimizer: keras.optimizers.Optimizer,
        goal: "Goal",
        window: Window,
        *,
        stateful: bool = False,
    ):
        optimizer.build(predictor.model.trainable_variables)
        # one replica has nothing to add up, and TensorFlow would register a gradient of the sum for
        # ever, and with it the graph and its variables
        optimizer._all_reduce_sum_gradients = _as_they_are
        self.predictor = predictor
        self.model = predictor.model
        self.optimizer = optimizer
        self.loss = goal.loss
        self.metrics = goal.metrics
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]
        self.window = window
        self.stateful = stateful
        if stateful and self.exact_batches:
            raise InputError(
                "training.stateful must be false where an empty lane would change what is learned, "
                f"got true for {self.model.name} with BatchNormalization or activity_regularizer: "
                "take LayerNormalization or a kernel_regularizer"
            )
        self._states = States(self.model) if stateful else None
        self._steps = Compiled(self._train_steps, self.model.name)

    @property
    def owner(self) -> owned.Owner:
        """Return who uses it: whoever has its predictor, whose model is trained."""
        return self.predictor.owner

    @property
    def exact_batches(self) -> bool:
        """Whether padding a batch would change what the model learns from it."""
        return any(
            isinstance(layer, keras.layers.BatchNormalization) or layer.activity_regularizer
            for layer in self.model._flatten_layers()
        )

    def load(self, source: keras.Model, learning_rate: float) -> None:
        """Take over a model's weights and seed states, with a fresh optimiser."""
        self.predictor.load(source)
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate.assign(learning_rate)
        # Keras's callbacks reach the optimiser through the model
        self.model.compile(optimizer=self.optimizer, loss=self.loss, jit_compile=False)
        self.model.stop_training = False
        self.measured()  # whatever an interrupted epoch has left

    def measured(self) -> dict[str, float]:
        """Read the metrics and begin them anew."""
        found = {metric.name: float(metric.result()) for metric in self.metrics}
        for metric in self.metrics:
            metric.reset_state()
        return found

    def train(
        self, rows: "Rows", batches: np.ndarray, carry: Carry | None = None
    ) -> tuple[np.ndarray, Carry]:
        """Train one step a batch.

        Returns (batches,).
        """
        count, size = batches.shape
        starts = np.full((1 + SLICE, size), -1, np.int32)  # the step before comes first
        starts[1 : 1 + count] = batches
        full = np.ones(SLICE, np.int32)
        full[:count] = (batches >= 0).sum(axis=1)
        held = self._states.zeros(size) if self._states else []
        if carry is not None:
            starts[0], held = carry.starts, carry.held
        losses, held = self._steps(
            rows.inputs,
            rows.outputs,
            tf.constant(starts),
            tf.constant(full),
            tf.constant(count, tf.int32),
            held,
        )
        return losses.numpy()[:count], Carry(batches[-1], held)

    def _train_steps(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        starts: tf.Tensor,
        counts: tf.Tensor,
        steps: tf.Tensor,
        held: list[tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Loop over the batches inside the program: losses (SLICE,), and the states left."""
        size, window = starts.shape[1], self.window
        horizon, ahead = window.horizon, window.timesteps + window.lead

        def step(
            i: tf.Tensor, losses: tf.Tensor, held: list[tf.Tensor]
        ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
            before, start, xla = starts[i], starts[i + 1], self._steps.xla
            follows = (before >= 0) & (start == before + window.timesteps)
            start = tf.maximum(start, 0)
            real = tf.cast(tf.range(size) < counts[i], tf.float32)[:, None]  # (batch, 1)
            if self.loss.reduction == "mean_with_sample_weight":
                real = tf.repeat(real, horizon, axis=1)  # one for each value
            past = cut(x, start, window.timesteps, xla=xla)  # (batch, timesteps, features)
            future = cut(y, start + ahead, horizon, xla=xla)  # (batch, horizon, targets)
            with tf.GradientTape() as tape:
                if self._states:
                    predicted, held = self._states.train(past, held, follows)
                else:
                    predicted = self.model(past, training=True)
                loss = self.loss(future, predicted, sample_weight=real)
                if self.loss.reduction in ("sum_over_batch_size", "mean"):
                    # Keras divides by the padded size of the batch; its real size is meant
                    loss = loss * (size / tf.cast(counts[i], tf.float32))
                objective = tf.add_n([loss, *self.model.losses])
            gradients = tape.gradient(objective, self.model.trainable_variables)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            for metric in self.metrics:
                metric.update_state(future, predicted, sample_weight=real)
            return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [objective]), held

        start_state = (tf.constant(0), tf.zeros(SLICE), held)
        return tf.while_loop(lambda i, *_: i < steps, step, start_state)[1:]


@dataclass(frozen=True)
class Goal:
    """What training lowers, and what it measures beside it.

    Attributes:
        loss: A Keras loss.
        metrics: Keras metrics.
    """

    loss: keras.losses.Loss
    metrics: list[keras.metrics.Metric] = field(default_factory=list)


@dataclass(frozen=True)
class Rows:
    """The standardised rows of one table on the device; every window is an index into them.

    Attributes:
        inputs: (rows, features) float32, padded with zeros to a few lengths, so that folds of
            different length share one compiled program.
        outputs: (rows, targets) float32, likewise.
    """

    inputs: tf.Tensor
    outputs: tf.Tensor

    @classmethod
    def put(cls, inputs: np.ndarray, outputs: np.ndarray) -> "Rows":
        """Send rows to the device; holes become 0, and no window may hold one."""
        return cls(on_device(inputs), on_device(outputs))


@contextmanager
def lease(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    goal: Goal,
    window: Window,
    *,
    stateful: bool = False,
) -> Iterator[Program]:
    """Lend the program of an architecture to one fit, which loads its state into it."""
    settings = optimizer.get_config() | {"learning_rate": None, "name": None}
    parts = [type(optimizer).__name__, settings, *losses.described(goal.loss)]
    parts += [[id(type(metric)), metric.get_config()] for metric in goal.metrics]
    shape = [window.timesteps, window.horizon, window.lead, stateful]
    key = json.dumps([architecture(model), parts, shape], default=repr, sort_keys=True)
    make = partial(_made, model, optimizer, goal, window, stateful=stateful)
    program = owned.take(_programs, key, "fit", make)
    try:
        yield program
    finally:
        program.owner.give_back()


def _made(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    goal: Goal,
    window: Window,
    *,
    stateful: bool,
) -> Program:
    """Make a program around a predictor that is taken with it; see `lease`."""
    own = predict.take(model, "fit")
    try:
        return Program(own, optimizer, goal, window, stateful=stateful)
    except BaseException:
        own.owner.give_back()
        raise


def _as_they_are(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return gradients and variables unchanged."""
    return pairs


def padded_length(rows: int) -> int:
    """Round a number of rows up to 2ⁿ or 1.5·2ⁿ.

    >>> [padded_length(n) for n in (1, 5, 9, 1000, 1025)]
    [1, 6, 12, 1024, 1536]
    """
    power = 1 << max(rows - 1, 0).bit_length()
    return power * 3 // 4 if rows <= power * 3 // 4 else power


def on_device(values: np.ndarray, rows: int = 0) -> tf.Tensor:
    """Put at least so many rows on the device, with zeros for holes and behind the last row."""
    full = np.zeros((padded_length(max(rows, len(values))), values.shape[1]), np.float32)
    full[: len(values)] = np.nan_to_num(values)
    return tf.constant(full)
