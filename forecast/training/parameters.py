"""What a user may choose: the model and how it is trained, as small scikit-learn objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from forecast import models
from forecast.errors import InputError
from forecast.models import catalogue

_WHOLE = {
    "epochs": (1, 1_000_000),
    "batch_size": (1, 65_536),  # a compiled call takes hundreds of batches
    "threads": (1, 1_024),
    "seed": (0, 2**32 - 1),  # as NumPy takes it
    "seeds": (1, 100),
    "patience": (1, 1_000_000),
    "average": (1, 1_000),
}
"""Settings that are whole numbers: from, to."""


class Model(BaseEstimator):
    """An architecture by name, with its settings.

    Args:
        name: A name of `forecast.models.NAMES`.
        settings: Of the architecture and its repairs; those not given keep their defaults. A
            name, a type or a range that is wrong is refused at once.

    Raises:
        InputError: Naming the setting, its rule and the value received, or the nearest setting.

    >>> Model("lstm", units=[64], patch=24).get_params()["units"]
    [64]
    """

    def __init__(self, name: str = "lstm", **settings: Any):
        catalogue.settings_of(name, settings)
        self.name = name
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every setting, defaults included, so that any of them can be in a grid."""
        del deep
        return {"name": self.name} | models.defaults(self.name) | self.settings

    def set_params(self, **params: Any) -> "Model":
        """Change settings; the name first, since it decides which others there are."""
        name = params.pop("name", self.name)
        settings = self.settings | params
        catalogue.settings_of(name, settings)
        self.name, self.settings = name, settings
        return self

    def __sklearn_clone__(self) -> "Model":
        """Copy the name and only the settings that were given."""
        return Model(self.name, **self.settings)


@dataclass(kw_only=True, eq=False, repr=False)  # scikit-learn compares and prints
class Training(BaseEstimator):
    """How a model is trained.

    Args:
        epochs: Most passes over the training windows.
        batch_size: Windows per step.
        stateful: Whether a window begins with the state that its recurrent layers had at the end
            of the window before it; predictions always begin with zeros.
        learning_rate: Of the first epoch.
        optimizer: Name of a Keras optimiser, or one whose settings are to be used; its learning
            rate is `learning_rate`.
        loss: Name of a Keras loss, or a `keras.losses.Loss`; on standardised values. Quantiles and
            probabilities have the loss that belongs to them.
        step_weights: What each step of the horizon counts in the loss, beside the others, in
            training and where the best epoch is chosen: "inverse_sqrt", step h 1/√h times as much
            as the first; or a list of numbers, one a step; None: all alike. Reported errors are
            never weighted.
        quantiles: Levels to predict of each target, rising, 0.5 among them; empty predicts one
            value.
        metrics: Names of Keras metrics, or `keras.metrics.Metric`s, measured every epoch on
            training and stopping windows; on standardised values.
        schedule: None, or a Keras schedule by name, one step per epoch: "CosineDecay" reaches
            zero after `epochs`, "ExponentialDecay" multiplies by `decay`.
        decay: Factor of "ExponentialDecay" per epoch.
        patience: Epochs without a lower loss on the stopping rows before training ends; None
            trains all.
        average: Keep the mean of the weights after so many newest epochs, where its loss on the
            stopping rows is lower than that of any epoch, or where none are kept; None keeps the
            best epoch.
        tail: Newest part of the training rows kept for stopping: share, time stamps or first date;
            0 keeps none, and then all epochs are trained.
        clipnorm: Largest norm of each gradient; None does not clip.
        weight_decay: Times the learning rate, the share of the weights that is taken off at every
            step; None takes nothing.
        seed: Of weights, shuffling and dropout.
        seeds: Networks that are trained, the first with `seed`, the next with `seed` + 1 and so on;
            the forecast is the mean of theirs.
        refit: Whether, once the stopping rows have chosen an epoch, so many epochs are learned
            anew from all rows, those included; without a tail there is nothing to learn anew.
        threads: Threads of one operation; small models are fastest with one.
    """

    epochs: int = 15
    batch_size: int = 64
    stateful: bool = False
    learning_rate: float = 1e-3
    optimizer: Any = "AdamW"
    loss: Any = "MeanAbsoluteError"
    step_weights: Any = None
    quantiles: Sequence[float] = ()
    metrics: Sequence[Any] = ()
    schedule: str | None = "ExponentialDecay"
    decay: float = 0.8
    patience: int | None = 5
    average: int | None = None
    tail: float | int | str = 0.1
    clipnorm: float | None = None
    weight_decay: float | None = 0.3
    seed: int = 0
    seeds: int = 1
    refit: bool = False
    threads: int = 1

    def check(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            InputError: Naming the argument, its rule and the value received.
        """
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if name in ("patience", "average") and value is None:
                continue
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or not least <= value <= most:
                raise InputError(
                    f"training.{name} must be a whole number from {least} to {most:,}, got "
                    f"{value!r}: try {getattr(Training, name) or 5}"
                )
        for name in ("stateful", "refit"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"training.{name} must be true or false, got {getattr(self, name)!r}: write one"
                )
        most = _WHOLE["seed"][1]
        if self.seed + self.seeds - 1 > most:
            raise InputError(
                f"training.seed must leave training.seeds={self.seeds} seeds up to {most:,}, got "
                f"{self.seed!r}: try {Training.seed}"
            )
        _above_0("learning_rate", self.learning_rate)
        _above_0("decay", self.decay, most=1.0)
        if self.clipnorm is not None:
            _above_0("clipnorm", self.clipnorm)
        if self.weight_decay is not None:
            share = self.weight_decay * self.learning_rate
            if not 0 <= share <= 1:
                raise InputError(
                    "training.weight_decay must be a number of 0 or more that takes, times "
                    f"training.learning_rate={self.learning_rate:g}, at most 1 of the weights, got "
                    f"{self.weight_decay!r}: try {Training.weight_decay}, or null"
                )
        if self.quantiles and self.metrics:
            raise InputError(
                "training.metrics must be empty where training.quantiles is not, got "
                f"{list(self.metrics)}: take one of them out, "
                "Keras's compare one value with the truth"
            )


def _above_0(name: str, value: Any, most: float = float("inf")) -> None:
    """Refuse what is no number above 0, or too large."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value <= most or value == float("inf"):
        end = "" if most == float("inf") else f" and at most {most:g}"
        raise InputError(
            f"training.{name} must be a number above 0{end}, got {value!r}: try "
            f"{getattr(Training, name) or 1.0}"
        )
