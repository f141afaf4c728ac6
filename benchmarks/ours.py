"""Our side of the comparisons."""

from collections.abc import Callable
from contextlib import ExitStack

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl

from benchmarks.cases import Sizes
from forecast import Window, windows
from forecast.models import Sizes as Shape
from forecast.models import build_model
from forecast.training import loop, losses
from forecast.training.compiled import Goal, Rows, lease
from forecast.training.loads import Load, Whole
from forecast.training.parameters import Training
from forecast.training.predict import Compiled, Predictor, cut

Work = Callable[[], object]
HELD = ExitStack()
"""Programs that are measured, until the process ends."""

PLAIN = {"normalization": "none", "linear_path": False}
DILATIONS = [1, 2, 4, 8, 16, 32]


def network(sizes: Sizes) -> keras.Model:
    """Build the network of a comparison."""
    shape = Shape(sizes.timesteps, sizes.features, 1, 1, (0,))
    off = {"dropout": 0.0, "recurrent_dropout": 0.0}
    if sizes.net == "lstm_32":
        return build_model("lstm", shape, {"units": [32], **off, **PLAIN})
    if sizes.net == "lstm_8":
        return build_model("lstm", shape, {"units": [8], **off, **PLAIN})
    if sizes.net == "lstm_120_100_50":
        return build_model("lstm", shape, {"units": [120], "dense": [100, 50], **off, **PLAIN})
    if sizes.net == "causal_cnn":
        settings = {"filters": 32, "dilations": DILATIONS, "dropout": 0.0}
        return build_model("causal_cnn", shape, settings | PLAIN)
    window = keras.Input((sizes.timesteps, sizes.features))
    return keras.Model(window, kl.Reshape((1, 1))(kl.Dense(1)(kl.GRU(32)(window))))


def data(sizes: Sizes) -> tuple[Rows, np.ndarray, Window]:
    """Make rows, window starts and the window."""
    values = np.random.default_rng(0).normal(size=(sizes.rows, sizes.features))
    starts = np.arange(sizes.windows, dtype=np.int32)
    return Rows.put(values, values[:, :1]), starts, Window(sizes.timesteps, 1)


def train(sizes: Sizes) -> Work:
    """Train one epoch."""
    rows, starts, window = data(sizes)
    model = network(sizes)
    training = Training(optimizer="Adam", weight_decay=None, batch_size=sizes.batch)
    goal = Goal(losses.build_loss(training))
    lent = lease(model, losses.build_optimizer(training), goal, window)
    leased = HELD.enter_context(lent)
    leased.load(model, 1e-3)

    def epoch() -> None:
        loop.train(
            leased,
            Whole(Load(rows, starts)),
            epochs=range(1),
            batch_size=sizes.batch,
            seed=0,
            callbacks=[],
            validate=dict,
        )

    return epoch


def predict(sizes: Sizes) -> Work:
    """Predict every window."""
    rows, starts, _ = data(sizes)
    compiled = Predictor(network(sizes))
    return lambda: compiled.predict(rows.inputs, starts, sizes.batch)


def gather_epoch(sizes: Sizes) -> Work:
    """Cut every window of a shuffled epoch inside one compiled program, and read each value."""
    rows, starts, _ = data(sizes)

    def read(inputs: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = cut(inputs, order[i], sizes.timesteps, xla=True)
            return i + 1, total + tf.reduce_sum(batch, axis=(0, 1))

        begin = (tf.constant(0), tf.zeros(sizes.features))
        return tf.while_loop(lambda i, _: i < order.shape[0], step, begin)[1]

    compiled = Compiled(read, "windows")
    steps = len(starts) // sizes.batch

    def epoch() -> None:
        order = np.random.default_rng(0).permutation(starts)[: steps * sizes.batch]
        compiled(rows.inputs, tf.constant(order.reshape(steps, -1))).numpy()

    return epoch


def dataset_epoch(sizes: Sizes) -> Work:
    """Read every batch of a shuffled epoch of `windows.dataset`."""
    values = np.random.default_rng(0).normal(size=(sizes.rows, sizes.features))
    starts = np.arange(sizes.windows, dtype=np.int32)
    window = Window(sizes.timesteps, 1)
    batches = windows.dataset(values, values[:, :1], starts, window, batch_size=sizes.batch, seed=0)

    def epoch() -> None:
        for _ in batches:
            pass

    return epoch
