"""What would stop a training in its first step is found before it begins."""

from typing import Any

import tensorflow as tf

from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, cause
from forecast.training import choices, fitting
from forecast.training.carry import readers
from forecast.training.parameters import Model, Training


def check(
    model: Model,
    training: Training,
    table: Table,
    window: Window,
) -> None:
    """Build the network, and call loss and metrics once.

    Args:
        model: Architecture.
        training: How to train.
        table: The data.
        window: Shape of a sample.

    Raises:
        InputError: The network cannot be built or does not fit into memory, a name is none of
            Keras's, a loss or metric cannot take the forecasts, or a stateful training needs a
            network that reads its window step by step.
    """
    choices.optimizer(training)
    choices.schedule(training)
    own = fitting.build(model, fitting.sizes(table, window, model, training.quantiles))
    truth = tf.zeros((2, window.horizon, len(table.targets)))
    forecast = tf.fill((2, *own.output_shape[1:]), 0.5)
    _compare("loss", choices.loss(training, table.task), truth, forecast)
    for metric in choices.metrics(training):
        _compare("metrics", metric, truth, forecast)
    if training.stateful:
        readers(own)


def _compare(name: str, measure: Any, truth: tf.Tensor, forecast: tf.Tensor) -> None:
    """Call a loss or metric once, as a training step does."""
    try:
        if name == "loss":
            measure(truth, forecast, sample_weight=tf.ones((2, 1)))
        else:
            measure.update_state(truth, forecast, sample_weight=tf.ones((2, 1)))
    except (TypeError, ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"training.{name} must compare forecasts of the shape {tuple(forecast.shape[1:])} with "
            f"the truth, got {type(measure).__name__} ({cause(error)}): take another, such as "
            "MeanAbsoluteError"
        ) from error
