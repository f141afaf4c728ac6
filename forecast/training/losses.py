"""Names to Keras losses, optimizers, metrics and schedules; quantile levels; weights of steps."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.errors import InputError, cause, nearest
from forecast.training.parameters import Training
from forecast.vocabulary import SCHEDULES

MEDIAN = 0.5


class Pinball(keras.losses.Loss):
    """Quantile loss, the mean over levels and targets.

    Source: Koenker & Bassett 1978.
    """

    def __init__(self, levels: Sequence[float]):
        super().__init__(name="pinball")
        self.levels = tuple(levels)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of every step, (samples, horizon).

        >>> one = Pinball((0.1, 0.5)).call(ops.ones((1, 1, 1)), ops.zeros((1, 1, 2)))
        >>> round(float(one[0, 0]), 6)
        0.3
        """
        _, horizon, targets = y_true.shape
        predicted = ops.reshape(y_pred, (-1, horizon, targets, len(self.levels)))
        short = y_true[..., None] - predicted
        level = ops.convert_to_tensor(self.levels, short.dtype)
        return ops.mean(ops.maximum(level * short, (level - 1) * short), axis=(-2, -1))


def check_quantiles(levels: Sequence[float]) -> None:
    """Refuse levels that are none; no level at all means one value."""
    numbers = all(isinstance(q, (int, float)) and 0 < q < 1 for q in levels)
    if levels and not (numbers and list(levels) == sorted(set(levels)) and MEDIAN in levels):
        raise InputError(
            "training.quantiles must be rising numbers between 0 and 1 with the median, 0.5, among "
            f"them, got {list(levels)}: try [0.05, 0.5, 0.95]"
        )


def split_quantiles(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Give the levels an axis of their own.

    Shapes: `values` (windows, horizon, targets·levels); returns (windows, horizon, targets,
    levels).
    """
    windows, horizon, outputs = values.shape
    each = max(1, len(levels))
    return values.reshape(windows, horizon, outputs // each, each)


def point_forecast(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Return the point forecast: the median, or the only level.

    Shapes: `values` (windows, horizon, targets, levels); returns (windows, horizon, targets).

    >>> point_forecast(np.array([[[[1.0, 2.0, 4.0]]]]), (0.1, 0.5, 0.9)).tolist()
    [[[2.0]]]
    """
    return values[..., list(levels).index(MEDIAN) if levels else 0]


WRAPPERS = ("LossScaleOptimizer", "MultiOptimizer")
"""Optimisers around other optimisers, which a name alone cannot make."""


class FunctionLoss(keras.losses.Loss):
    """A Keras loss function as a loss object."""

    def __init__(self, function: Callable[[Any, Any], Any]):
        super().__init__(name=function.__name__)
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of every step, (samples, horizon)."""
        return self.function(y_true, y_pred)


INVERSE_SQRT = "inverse_sqrt"
"""Weights that fall with the step as the errors of a random walk grow."""


class StepWeighted(keras.losses.Loss):
    """A loss in which each step of the horizon has a weight of its own."""

    def __init__(self, loss: keras.losses.Loss, weights: Sequence[float]):
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss = loss
        self.weights = tuple(weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the weighted loss of every step, (samples, horizon)."""
        found = self.loss.call(y_true, y_pred)
        steps = len(self.weights)
        if tuple(found.shape[1:]) != (steps,):
            raise InputError(
                f"training.step_weights must be null where the loss of a window has no value for "
                f"each of its {steps} steps, got {type(self.loss).__name__}, whose shape is "
                f"{tuple(found.shape)}: leave it out, or take another training.loss, such as "
                "MeanAbsoluteError"
            )
        return found * ops.convert_to_tensor(self.weights, found.dtype)


def build_step_loss(training: Training, task: str, horizon: int) -> keras.losses.Loss:
    """Make the loss, its steps weighed as `Training.step_weights` asks.

    Weights have a mean of 1, so that only their ratios count and a loss keeps its size; where all
    are equal, the loss is as it was.
    """
    loss, weights = build_loss(training, task), _weights(training.step_weights, horizon)
    return loss if (weights == weights[0]).all() else StepWeighted(loss, weights.tolist())


def _weights(asked: Any, horizon: int) -> np.ndarray:
    """Return what each step weighs, with a mean of 1, (horizon,)."""
    if asked is None:
        return np.ones(horizon)
    if isinstance(asked, str):
        if asked != INVERSE_SQRT:
            raise InputError(
                f"training.step_weights must be {INVERSE_SQRT}, a list of numbers or null, got "
                f"{asked!r}: {nearest(asked, [INVERSE_SQRT])}"
            )
        found = 1 / np.sqrt(np.arange(1, horizon + 1))
        return found / found.mean()
    listed = isinstance(asked, (list, tuple, np.ndarray))
    if not listed or not all(map(_above_0, asked)):
        raise InputError(
            f"training.step_weights must be {INVERSE_SQRT}, null or a list of numbers above 0, got "
            f"{asked!r}: try {INVERSE_SQRT}"
        )
    if len(asked) != horizon:
        raise InputError(
            f"training.step_weights must hold a weight for each of the window.horizon={horizon} "
            f"steps, got {len(asked)}: write {horizon} numbers, or {INVERSE_SQRT}"
        )
    found = np.array(asked, np.float64) / max(asked)  # whose sum is finite
    return found / found.mean()


def _above_0(value: Any) -> bool:
    """Tell whether a value is a finite number above 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return number and bool(0 < value < np.inf)


def described(loss: keras.losses.Loss) -> list[Any]:
    """Return what tells a loss from another.

    One of the user's own may keep its settings anywhere; Keras numbers its name.
    """
    settings = vars(loss) | {"name": None}
    if isinstance(loss, StepWeighted):
        settings["loss"] = described(loss.loss)
    return [id(type(loss)), settings]


def build_optimizer(training: Training) -> keras.optimizers.Optimizer:
    """Make a fresh optimiser."""
    settings: dict[str, Any] = {"learning_rate": training.learning_rate}
    if training.clipnorm is not None:
        settings["clipnorm"] = training.clipnorm
    base = keras.optimizers.Optimizer
    if isinstance(training.optimizer, base):
        own = training.optimizer
        return type(own).from_config(own.get_config() | settings)
    kind = _named(keras.optimizers, training.optimizer, base)
    if kind is None or kind.__name__ in WRAPPERS:
        raise _unknown("optimizer", training.optimizer, keras.optimizers, base)
    if training.weight_decay is not None:
        settings["weight_decay"] = training.weight_decay
    elif inspect.signature(kind).parameters["weight_decay"].default is not None:
        settings["weight_decay"] = 0.0  # AdamW and Muon decay by default
    return kind(**settings)


def build_loss(training: Training, task: str = "regression") -> keras.losses.Loss:
    """Make the loss."""
    check_quantiles(training.quantiles)
    if task != "regression":
        if training.quantiles:
            raise InputError(
                "training.quantiles must be empty where data.events or data.classes ask for "
                f"probabilities, got {list(training.quantiles)}: take one of them out"
            )
        kind = {"event": "BinaryCrossentropy", "classes": "CategoricalCrossentropy"}[task]
        return getattr(keras.losses, kind)()
    if training.quantiles:
        return Pinball(training.quantiles)
    if isinstance(training.loss, keras.losses.Loss):
        if training.loss.reduction in (None, "none"):
            raise InputError(
                "training.loss must be reduced to one number, got reduction=None: write "
                '"sum_over_batch_size"'
            )
        return training.loss
    kind = _named(keras.losses, training.loss, keras.losses.Loss)
    if kind is not None:
        return kind()
    try:
        found = keras.losses.get(training.loss)
    except ValueError as error:
        raise _unknown("loss", training.loss, keras.losses, keras.losses.Loss) from error
    if type(found) is keras.losses.Loss:
        raise _unknown("loss", training.loss, keras.losses, keras.losses.Loss)
    return found if isinstance(found, keras.losses.Loss) else FunctionLoss(found)


def build_metrics(training: Training) -> list[keras.metrics.Metric]:
    """Make fresh metrics."""
    base = keras.metrics.Metric
    found = []
    for asked in training.metrics:
        if isinstance(asked, base):
            found.append(_fresh(asked))
            continue
        kind = _named(keras.metrics, asked, base)
        if kind is None:
            raise _unknown("metrics", asked, keras.metrics, base)
        try:
            found.append(kind())
        except TypeError as error:  # it wants settings, which a name cannot say
            raise InputError(
                f"training.metrics must be names of metrics without settings, got {asked!r} "
                f"({cause(error)}): take another, or give an object from Python"
            ) from error
    return found


def _fresh(own: keras.metrics.Metric) -> keras.metrics.Metric:
    """Make another metric with the settings of one, since each training counts from zero."""
    try:
        return type(own).from_config(own.get_config())
    except TypeError as error:  # of a function that Keras cannot find by its name, mostly
        raise InputError(
            f"training.metrics must be objects that Keras can make again, got {own.name!r}: "
            "decorate its class and functions with keras.saving.register_keras_serializable()"
        ) from error


def build_schedule(training: Training) -> list[keras.callbacks.Callback]:
    """Make the callback that changes the learning rate, if any."""
    if training.schedule is None:
        return []
    rate = training.learning_rate
    if training.schedule == "CosineDecay":
        curve = keras.optimizers.schedules.CosineDecay(rate, training.epochs)
    elif training.schedule == "ExponentialDecay":
        curve = keras.optimizers.schedules.ExponentialDecay(rate, 1, training.decay)
    else:
        raise InputError(
            f"training.schedule must be one of {', '.join(SCHEDULES)} or null, got "
            f"{training.schedule!r}: {nearest(str(training.schedule), SCHEDULES)}"
        )
    return [keras.callbacks.LearningRateScheduler(lambda epoch: float(curve(epoch)))]


def _named(module: Any, name: Any, base: type) -> Any:
    """Return a class of Keras by its name, whatever its capitals, or None."""
    for known, kind in vars(module).items():
        if str(name).lower() == known.lower() and isinstance(kind, type) and issubclass(kind, base):
            return kind if kind is not base else None
    return None


def _unknown(argument: str, name: Any, module: Any, base: type) -> InputError:
    """Say which name of Keras comes nearest."""
    known = [
        k
        for k, v in vars(module).items()
        if isinstance(v, type) and issubclass(v, base) and v is not base and k not in WRAPPERS
    ]
    return InputError(
        f"training.{argument} must be a name of keras.{module.__name__.rpartition('.')[2]}, got "
        f"{name!r}: {nearest(str(name), known)}"
    )
