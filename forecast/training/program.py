"""The compiled epoch: one program that gathers its batches, shared by every fit of one shape.

A program is leased, not owned. It has a model and an optimiser of its own; a fit loads its state
into them, trains, and takes it out again, so folds, seeds and candidates of one shape compile once.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from forecast.data.windows import Window
from forecast.training.gather import cut
from forecast.training.predictor import Compiled, Predictor, architecture, predictor, remember

SLICE = 512
"""Most steps of one call; the number done is dynamic, so a call ends whenever it should."""

_programs: "OrderedDict[str, Program]" = OrderedDict()


class Program:
    """Training of one architecture with one optimiser and loss, compiled.

    Args:
        predictor: Compiled prediction of the architecture; its model is the one that is trained.
        optimizer: A Keras optimiser, not yet built.
        goal: A loss, and metrics beside it.
        window: Shape of a sample.
    """

    def __init__(
        self,
        predictor: Predictor,
        optimizer: keras.optimizers.Optimizer,
        goal: "Goal",
        window: Window,
    ):
        optimizer.build(predictor.model.trainable_variables)
        self.predictor = predictor
        self.model = predictor.model
        self.optimizer = optimizer
        self.loss = goal.loss
        self.metrics = goal.metrics
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]
        self._window = window
        self._steps = Compiled(self._train_steps, self.model.name)

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

    def train(self, rows: "Rows", batches: list[np.ndarray], batch_size: int) -> np.ndarray:
        """Train one step a batch.

        Args:
            rows: Standardised rows.
            batches: Window starts of at most SLICE batches; short ones are padded with weight 0.
            batch_size: Windows a batch.

        Returns:
            The objective of every batch, the mean over its windows, (batches,) float32.
        """
        starts = np.zeros((SLICE, batch_size), np.int32)
        counts = np.ones(SLICE, np.int32)
        for line, batch in enumerate(batches):
            starts[line, : len(batch)] = batch
            counts[line] = len(batch)
        losses = self._steps(
            rows.inputs,
            rows.outputs,
            tf.constant(starts),
            tf.constant(counts),
            tf.constant(len(batches), tf.int32),
        )
        return losses.numpy()[: len(batches)]

    def _train_steps(
        self, x: tf.Tensor, y: tf.Tensor, starts: tf.Tensor, counts: tf.Tensor, steps: tf.Tensor
    ) -> tf.Tensor:
        """Loop over the batches inside the program, (SLICE,)."""
        size, window = starts.shape[1], self._window
        horizon, ahead = window.horizon, window.timesteps + window.lead

        def step(i: tf.Tensor, losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            start, xla = starts[i], self._steps.xla
            real = tf.cast(tf.range(size) < counts[i], tf.float32)[:, None]  # (batch, 1)
            if self.loss.reduction == "mean_with_sample_weight":
                real = tf.repeat(real, horizon, axis=1)  # one for each value
            past = cut(x, start, window.timesteps, xla=xla)  # (batch, timesteps, features)
            future = cut(y, start + ahead, horizon, xla=xla)  # (batch, horizon, targets)
            with tf.GradientTape() as tape:
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
            return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [objective])

        start_state = (tf.constant(0), tf.zeros(SLICE))
        return tf.while_loop(lambda i, _: i < steps, step, start_state)[1]


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
        return cls(_padded(inputs), _padded(outputs))


def lease(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    goal: Goal,
    window: Window,
) -> Program:
    """Find or make the program of an architecture; the caller loads its state into it.

    Args:
        model: A model of the architecture; the program makes its own.
        optimizer: A fresh optimiser; only its settings count, and the learning rate not even so.
        goal: A loss and fresh metrics.
        window: Shape of a sample.

    Returns:
        The program.
    """
    settings = optimizer.get_config() | {"learning_rate": None, "name": None}
    # a loss of the user's own may keep its settings anywhere; Keras numbers its name
    loss = goal.loss
    parts = [type(optimizer).__name__, settings, id(type(loss)), vars(loss) | {"name": None}]
    parts += [[id(type(metric)), metric.get_config()] for metric in goal.metrics]
    shape = [window.timesteps, window.horizon, window.lead]
    key = json.dumps([architecture(model), parts, shape], default=repr, sort_keys=True)
    while key in _programs and _programs[key].predictor.busy:
        key = f"beside {key}"
    return remember(_programs, key, lambda: Program(predictor(model), optimizer, goal, window))


def padded_length(rows: int) -> int:
    """Round a number of rows up to 2ⁿ or 1.5·2ⁿ.

    >>> [padded_length(n) for n in (1, 5, 9, 1000, 1025)]
    [1, 6, 12, 1024, 1536]
    """
    power = 1 << max(rows - 1, 0).bit_length()
    return power * 3 // 4 if rows <= power * 3 // 4 else power


def _padded(values: np.ndarray) -> tf.Tensor:
    """Put rows on the device with zeros for holes and behind the last row."""
    full = np.zeros((padded_length(len(values)), values.shape[1]), np.float32)
    full[: len(values)] = np.nan_to_num(values)
    return tf.constant(full)
