"""The compiled epoch: one program that gathers its batches, shared by every fit of one shape.

A program is leased, not owned. It has a model and an optimiser of its own; a fit loads its state
into them, trains, and takes it out again, so folds, seeds and candidates of one shape compile once.
"""

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast.data.windows import Window

log = logging.getLogger(__name__)

SLICE = 512
"""Most steps of one call; the number done is dynamic, so a call can end whenever it likes."""

KEEP = 8
"""Programs kept for reuse; the one unused for longest goes first, and its memory with it."""

_programs: "OrderedDict[str, Program]" = OrderedDict()


class Program:
    """Training and prediction of one architecture, compiled.

    Args:
        model: Any Keras model from (samples, timesteps, features) to (samples, horizon, targets).
        optimizer: A Keras optimiser, not yet built.
        loss: A Keras loss.
        window: Shape of a sample.
        xla: Whether to try XLA; what it cannot take runs as a plain graph.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: keras.losses.Loss,
        window: Window,
        *,
        xla: bool = True,
    ):
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.xla = xla
        optimizer.build(model.trainable_variables)
        # callbacks of Keras reach the optimiser through the model
        model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        self._fresh_optimizer = [v.numpy() for v in optimizer.variables]
        self._past = tf.range(window.timesteps)
        self._future = tf.range(window.horizon) + window.timesteps + window.lead
        self._compile()

    def _compile(self) -> None:
        """Make the two compiled functions."""
        self._train = tf.function(self._train_steps, jit_compile=self.xla, autograph=False)
        self._predict = tf.function(self._predict_batch, jit_compile=self.xla, autograph=False)

    def load(self, source: keras.Model, learning_rate: float) -> None:
        """Take over a model's weights and seed states, with a fresh optimiser."""
        copy_state(source, self.model)
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate.assign(learning_rate)
        self.model.stop_training = False

    def train(
        self, rows: "Rows", starts: np.ndarray, counts: np.ndarray, steps: int
    ) -> tuple[float, int]:
        """Train some steps.

        Args:
            rows: Standardised rows.
            starts: Window starts, (SLICE, batch); only the first `steps` lines are used.
            counts: Real windows of each line, (SLICE,); the rest of a line is padding.
            steps: Lines to train.

        Returns:
            Sum of the loss over windows, and the number of windows.
        """
        arguments = (rows.inputs, rows.outputs, tf.constant(starts), tf.constant(counts))
        total = self._call("_train", *arguments, tf.constant(steps, tf.int32))
        return float(total), int(counts[:steps].sum())

    def predict(self, rows: "Rows", starts: np.ndarray, batch_size: int) -> np.ndarray:
        """Predict windows in batches of one shape.

        Args:
            rows: Standardised rows.
            starts: (windows,).
            batch_size: Windows a call; the last call is padded.

        Returns:
            Standardised, (windows, horizon, targets) float32.
        """
        parts = []
        for begin in range(0, len(starts), batch_size):
            part = starts[begin : begin + batch_size]
            padded = np.resize(part, batch_size) if len(part) < batch_size else part
            out = self._call("_predict", rows.inputs, tf.constant(padded))
            parts.append(out.numpy()[: len(part)])
        shape = tuple(self.model.output_shape[1:])
        return np.concatenate(parts) if parts else np.zeros((0, *shape), np.float32)

    def _call(self, name: str, *arguments: tf.Tensor) -> tf.Tensor:
        """Run a compiled function; without XLA from the first operation on that it refuses."""
        try:
            return getattr(self, name)(*arguments)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not self.xla:
                raise
            reason = str(error).splitlines()[0]
            log.warning("XLA cannot compile %s, using the plain graph: %s", self.model.name, reason)
            self.xla = False
            self._compile()
            return getattr(self, name)(*arguments)

    def _train_steps(
        self, x: tf.Tensor, y: tf.Tensor, starts: tf.Tensor, counts: tf.Tensor, steps: tf.Tensor
    ) -> tf.Tensor:
        """Loop over batches inside the program; returns the loss summed over windows."""
        size = starts.shape[1]

        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            start, count = starts[i][:, None], tf.cast(counts[i], tf.float32)
            real = tf.cast(tf.range(size) < counts[i], tf.float32)  # (batch,)
            past = tf.gather(x, start + self._past)  # (batch, timesteps, features)
            future = tf.gather(y, start + self._future)  # (batch, horizon, targets)
            with tf.GradientTape() as tape:
                predicted = self.model(past, training=True)
                loss = self.loss(future, predicted, sample_weight=real[:, None])
                if self.loss.reduction == "sum_over_batch_size":
                    loss = loss * (size / count)  # Keras divided by the padding too
                objective = tf.add_n([loss, *self.model.losses])
            gradients = tape.gradient(objective, self.model.trainable_variables)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            return i + 1, total + objective * count

        zero = tf.constant(0), tf.constant(0.0)
        return tf.while_loop(lambda i, _: i < steps, step, zero)[1]

    def _predict_batch(self, x: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """Gather one batch of windows and predict it, (batch, horizon, targets)."""
        return self.model(tf.gather(x, starts[:, None] + self._past), training=False)


class Rows:
    """The standardised rows of one table on the device, read by every window.

    Rows are padded to a few lengths, so folds of different length share one compiled program.

    Args:
        inputs: (rows, features) float32.
        outputs: (rows, targets) float32.
    """

    def __init__(self, inputs: np.ndarray, outputs: np.ndarray):
        length = padded_length(len(inputs))
        self.inputs = tf.constant(_pad(inputs, length))
        self.outputs = tf.constant(_pad(outputs, length))


def lease(
    build: Callable[[], keras.Model],
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    window: Window,
    *,
    xla: bool = True,
) -> tuple[Program, keras.Model]:
    """Find or make the program of an architecture.

    Args:
        build: Makes the model with fresh weights.
        optimizer: A fresh optimiser; only its settings count.
        loss: A Keras loss.
        window: Shape of a sample.
        xla: Whether to try XLA.

    Returns:
        The program, and the model with fresh weights that the caller owns.
    """
    model = build()
    settings = optimizer.get_config() | {"learning_rate": None, "name": None}
    parts = [type(optimizer).__name__, settings, type(loss).__name__, loss.get_config()]
    shape = [window.timesteps, window.horizon, window.lead, xla]
    key = json.dumps([model.to_json(), parts, shape], default=repr, sort_keys=True)
    if key not in _programs:
        own = keras.models.clone_model(model)
        _programs[key] = Program(own, optimizer, loss, window, xla=xla)
        while len(_programs) > KEEP:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key], model


def copy_state(source: keras.Model, target: keras.Model) -> None:
    """Copy weights and seed states between two models of one architecture."""
    for to, value in zip(_state(target), _state(source), strict=True):
        to.assign(value)


def _state(model: keras.Model) -> list[Any]:
    """List the variables that training changes: weights, then seed states."""
    weights = {id(v) for v in model.weights}
    return [*model.weights, *(v for v in model.non_trainable_variables if id(v) not in weights)]


def padded_length(rows: int) -> int:
    """Round a number of rows up to 2ⁿ or 1.5·2ⁿ.

    >>> [padded_length(n) for n in (1, 5, 9, 1000, 1025)]
    [1, 6, 12, 1024, 1536]
    """
    power = 1 << max(rows - 1, 0).bit_length()
    return power * 3 // 4 if rows <= power * 3 // 4 else power


def _pad(values: np.ndarray, length: int) -> np.ndarray:
    """Append rows of zeros."""
    return np.concatenate([values, np.zeros((length - len(values), values.shape[1]), np.float32)])
