"""Compiled prediction of windows."""

import errno
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla as xla_ops
from tensorflow.compiler.xla import xla_data_pb2

from forecast.data import fetch
from forecast.errors import InputError
from forecast.training import one_pass, owned

# (steps, columns) behind each start, as one block: twice as fast as row by row
_BLOCKS = xla_data_pb2.GatherDimensionNumbers(
    offset_dims=[1, 2], start_index_map=[0], index_vector_dim=1
)


def cut(rows: tf.Tensor, starts: tf.Tensor, steps: int, *, xla: bool) -> tf.Tensor:
    """Cut stretches of neighbouring rows.

    Shapes: `rows` (rows, columns), `starts` (batch,); returns (batch, steps, columns).
    """
    if not xla:
        return tf.gather(rows, starts[:, None] + tf.range(steps))
    return xla_ops.gather(
        rows,
        starts[:, None],
        _BLOCKS,
        slice_sizes=tf.constant([steps, rows.shape[1]]),
        indices_are_sorted=False,
    )


log = logging.getLogger(__name__)

CHUNK = 4096
"""Windows of one pass over neighbouring rows."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk that takes no more."""

_predictors: "OrderedDict[str, Predictor]" = OrderedDict()


class Predictor:
    """A model of its own, into which others of the same architecture load their weights.

    Shapes: `model` (samples, timesteps, features).
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.owner = owned.Owner()
        self._timesteps = model.input_shape[1]
        self._batch = Compiled(self._predict_batch, model.name)
        self._pass = Compiled(self._predict_rows, model.name) if one_pass.possible(model) else None

    def load(self, source: keras.Model) -> None:
        """Take over a model's weights and seed states."""
        for to, value in zip(state(self.model), state(source), strict=True):
            to.assign(value)

    def predict(self, inputs: tf.Tensor, starts: np.ndarray, batch_size: int) -> np.ndarray:
        """Predict windows in batches of one shape, or all of them by one pass where that is exact.

        Shapes: `inputs` (rows, features), `starts` (windows,); returns (windows, horizon, targets).
        """
        # a pass forecasts from every row between the first window and the last
        if self._pass and len(starts) > batch_size and 4 * len(starts) > np.ptp(starts):
            return self._by_pass(self._pass, inputs, starts)
        parts = [np.zeros((0, *self.model.output_shape[1:]), np.float32)]
        for begin in range(0, len(starts), batch_size):
            part = starts[begin : begin + batch_size]
            padded = np.resize(part, batch_size) if len(part) < batch_size else part
            found = self._batch(inputs, tf.constant(padded, tf.int32))
            parts.append(found.numpy()[: len(part)])
        return np.concatenate(parts)

    def _by_pass(self, compiled: "Compiled", inputs: tf.Tensor, starts: np.ndarray) -> np.ndarray:
        """Predict every window between the first and the last, and keep those asked for."""
        found = np.empty((len(starts), *self.model.output_shape[1:]), np.float32)
        order = np.argsort(starts, kind="stable")  # a look at all starts once, not in every pass
        passes = np.arange(int(starts.min()), int(starts.max()) + 1, CHUNK)
        bounds = np.searchsorted(starts[order], [*passes, passes[-1] + CHUNK])
        for begin, first, last in zip(passes.tolist(), bounds, bounds[1:], strict=False):
            mine = order[first:last]
            if len(mine):
                ahead = compiled(inputs, tf.constant(begin, tf.int32)).numpy()
                found[mine] = ahead[starts[mine] - begin]
        return found

    def _predict_rows(self, inputs: tf.Tensor, begin: tf.Tensor) -> tf.Tensor:
        """Predict CHUNK windows that follow each other, (CHUNK, horizon, targets)."""
        before = self._timesteps - 1
        rows = tf.minimum(begin + tf.range(before + CHUNK), tf.shape(inputs)[0] - 1)
        return one_pass.forecast(self.model, tf.gather(inputs, rows))[before:]

    def _predict_batch(self, inputs: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """Gather one batch of windows and predict it, (batch, horizon, targets)."""
        past = cut(inputs, starts, self._timesteps, xla=self._batch.xla)
        return self.model(past, training=False)


class Compiled:
    """A function compiled by XLA, or as a plain graph if XLA cannot take an operation."""

    def __init__(self, function: Callable[..., Any], name: str):
        self._function = function
        self._name = name
        self._compiled = tf.function(function, jit_compile=True, autograph=False)
        self.xla = True

    def __call__(self, *arguments: Any) -> Any:
        """Run the compiled function."""
        with owned.running():
            return self._run(*arguments)

    def _run(self, *arguments: Any) -> Any:
        """Run it, or find another way where XLA cannot."""
        try:
            return self._compiled(*arguments)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not self.xla:
                raise
            reason = str(error).splitlines()[0]
            log.warning(
                "%s runs as a plain graph, since XLA cannot take it: %s", self._name, reason
            )
            self._compiled = tf.function(self._function, autograph=False)
            self.xla = False
            return self._compiled(*arguments)
        except tf.errors.OpError as error:
            # XLA cannot keep a program: the system's error, which TensorFlow has under many names
            full = next((n for n in NO_ROOM if os.strerror(n) in str(error)), None)
            if full is None:
                raise
            raise OSError(full, os.strerror(full), str(fetch.cache_folder("xla"))) from error


def take(model: keras.Model, use: owned.Use) -> Predictor:
    """Take the compiled prediction of a model's architecture; its owner gives it back."""
    return owned.take(_predictors, architecture(model), use, lambda: Predictor(_copy(model)))


def predict(
    model: keras.Model, inputs: tf.Tensor, starts: np.ndarray, batch_size: int
) -> np.ndarray:
    """Predict windows with the compiled prediction of a model's architecture.

    Threads that predict with models of one architecture share it and take turns.

    Shapes: `inputs` (rows, features), `starts` (windows,); returns (windows, horizon, targets).
    """
    own = take(model, "prediction")
    try:
        own.load(model)
        return own.predict(inputs, starts, batch_size)
    finally:
        own.owner.give_back()


def _copy(model: keras.Model) -> keras.Model:
    """Make a second model of an architecture, or say which layer cannot be made twice."""
    try:
        return keras.models.clone_model(model)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise _unsaved(model, error) from error


def _unsaved(model: keras.Model, error: Exception) -> InputError:
    """Say that a layer of the user's cannot be made from its config."""
    return InputError(
        "model must be made of layers that Keras can save and load safely (no Lambda), got "
        f"{model.name}: {str(error).strip().splitlines()[0]}"
    )


def architecture(model: keras.Model) -> str:
    """Describe what a model computes, whatever its layers are called.

    Keras numbers unnamed layers through a process, so equal models have different names.
    """
    try:
        config = json.loads(model.to_json())
    except (NotImplementedError, TypeError, ValueError) as error:
        raise _unsaved(model, error) from error
    # a class that was defined anew computes something else under the same name
    classes = [id(type(layer)) for layer in model._flatten_layers()]
    return json.dumps([_numbered(config, {}), classes], sort_keys=True)


def _numbered(node: Any, numbers: dict[str, int]) -> Any:
    """Replace the names of layers by their position in a model's config."""
    if isinstance(node, dict):
        if "layers" in node:
            numbers = {}  # names are unique within one model, not across nested ones
        if "inbound_nodes" in node:
            numbers[node.pop("name")] = len(numbers)
        if isinstance(node.get("config"), dict) and "DTypePolicy" not in node["class_name"]:
            node["config"].pop("name", None)
        return {key: _numbered(value, numbers) for key, value in node.items()}
    if isinstance(node, list):
        if len(node) == 3 and isinstance(node[0], str) and node[0] in numbers:
            return [numbers[node[0]], *node[1:]]  # where a tensor comes from
        return [_numbered(part, numbers) for part in node]
    return node


def state(model: keras.Model) -> list[Any]:
    """List the variables that training changes: weights, then the states of random generators."""
    weights = {id(v) for v in model.weights}
    return [*model.weights, *(v for v in model.non_trainable_variables if id(v) not in weights)]
