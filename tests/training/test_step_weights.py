"""Weights of the steps in the loss: a loop, Keras's own weights, and what changes nothing."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.evaluation.outcome import Spec
from forecast.training import compiled
from forecast.training.forecaster import Forecaster
from forecast.training.losses import build_step_loss
from forecast.training.parameters import Model

from .problems import (
    WINDOW,
    Initial,
    apart,
    bits,
    forecaster,
    keras_fit,
    linear,
    pairs,
    table,
    training,
)

DATA = table(rows=60, series=1, features=3)
BOTH = replace(DATA, outputs=DATA.inputs[:, :2].copy(), targets=("x0", "x1"))
EVENT = replace(DATA, outputs=(DATA.inputs[:, :2] > 10.5) * 1.0, targets=("a", "b"), task="event")
CLASSES = replace(
    DATA,
    outputs=np.eye(3)[np.digitize(DATA.inputs[:, 0], [9.8, 10.4])],
    targets=("low", "mid", "high"),
    task="classes",
)
LEVELS = (0.1, 0.5, 0.9)
TAIL = 12
SHARED = Model("mlp", hidden=[4], dropout=0.0, channels="shared")


def own(sizes):
    """A user's network, of any number of outputs."""
    window = keras.Input((sizes.timesteps, sizes.features))
    x = keras.layers.Dense(sizes.horizon * sizes.outputs)(keras.layers.Flatten()(window))
    return keras.Model(window, keras.layers.Reshape((sizes.horizon, sizes.outputs))(x))


class Cubed(keras.losses.Loss):
    """A user's loss."""

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)


def absolute(true, said):
    return np.mean(np.abs(true - said))


def squared(true, said):
    return np.mean((true - said) ** 2)


def cubed(true, said):
    return np.mean(np.abs(true - said) ** 3)


def pinball(true, said):
    errors = []
    for target, value in enumerate(true):
        for place, level in enumerate(LEVELS):
            short = value - said[target * len(LEVELS) + place]
            errors.append(level * short if short >= 0 else (level - 1) * short)
    return np.mean(errors)


def binary(true, said):
    return np.mean(-true * np.log(said) - (1 - true) * np.log(1 - said))


def categorical(true, said):
    return -np.sum(true * np.log(said))


CASES = {
    "absolute": (linear, DATA, {"loss": "mae"}, absolute),
    "squared": (linear, DATA, {"loss": "MeanSquaredError"}, squared),
    "several targets": (linear, BOTH, {"loss": "mae"}, absolute),
    "shared channels": (SHARED, BOTH, {"loss": "mae"}, absolute),
    "of a user": (linear, BOTH, {"loss": Cubed()}, cubed),
    "quantiles": (own, BOTH, {"quantiles": LEVELS}, pinball),
    "events": (own, EVENT, {}, binary),
    "classes": (own, CLASSES, {}, categorical),
}
WEIGHTS = {
    "inverse_sqrt": (1, 2**-0.5, 3**-0.5),
    (4, 2.5, 1): (4, 2.5, 1),
}


def by_hand(error, true, said, weights) -> float:
    """Mean over windows and steps, one by one."""
    total = 0.0
    for one, other in zip(true, said, strict=True):
        for step, weight in enumerate(weights):
            total += weight * error(one[step], other[step])
    return total / (len(true) * sum(weights))


@pytest.mark.parametrize(
    "asked", ["inverse_sqrt", pytest.param((4, 2.5, 1), marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize(
    "case",
    [
        case if case in ("absolute", "quantiles") else pytest.param(case, marks=pytest.mark.slow)
        for case in CASES
    ],
)
def test_both_losses_are_those_of_a_loop(case, asked):
    model, data, changes, error = CASES[case]
    still = {"epochs": 1, "learning_rate": 1e-30, "tail": TAIL, "step_weights": asked}
    fitted = forecaster(model, **(changes | still)).fit(data)
    past, true = (part.astype(np.float64) for part in pairs(fitted, data))
    said = fitted.model_.predict(past, verbose=0).astype(np.float64)
    last = np.arange(len(past)) + WINDOW.span  # behind the last predicted row
    learned, stopping = last <= 60 - TAIL, last - WINDOW.horizon >= 60 - TAIL
    for name, some in (("loss", learned), ("val_loss", stopping)):
        expected = by_hand(error, true[some], said[some], WEIGHTS[asked])
        assert fitted.history_[name] == [pytest.approx(expected, rel=2e-5)]
        alike = by_hand(error, true[some], said[some], (1, 1, 1))
        assert abs(alike / expected - 1) > 1e-4
    # what is reported is not weighted
    plain = forecaster(model, **(changes | still | {"step_weights": None})).fit(data)
    [key] = {name for name in fitted.history_ if name.startswith("val_")} - {"val_loss"}
    assert fitted.history_[key] == plain.history_[key]
    assert fitted.history_["val_loss"] != plain.history_["val_loss"]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["absolute", "shared channels", "quantiles", "events"])
def test_a_training_is_keras_own_with_weights_of_steps(case):
    model, data, changes, _ = CASES[case]
    start = Initial()
    plainly = changes | {"epochs": 3, "optimizer": "SGD", "learning_rate": 0.05}
    ours = forecaster(model, **plainly, step_weights=[3, 2, 1])
    ours.fit(data, callbacks=[start])
    alone = keras.models.clone_model(ours.model_)
    alone.set_weights(start.weights)
    x, y = pairs(ours, data)
    loss = build_step_loss(training(**changes), data.task, WINDOW.horizon)
    sgd = keras.optimizers.SGD(0.05)
    losses = keras_fit(
        alone, x, y, optimizer=sgd, loss=loss, like=ours.training, weights=(1.5, 1, 0.5)
    )
    np.testing.assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    assert apart(ours.model_.get_weights(), alone.get_weights()) < 1e-5
    plain = forecaster(model, **plainly).fit(data)
    assert apart(plain.model_.get_weights(), alone.get_weights()) > 1e-3


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_every_reduction_keeps_its_meaning(reduction):
    """49 windows: the last batch of 16 has one."""
    loss = keras.losses.MeanAbsoluteError(reduction=reduction)
    still = {"epochs": 1, "learning_rate": 1e-30, "step_weights": [4, 2.5, 1]}
    mean, other = (
        forecaster(linear, **still, loss=one).fit(DATA).history_["loss"] for one in ("mae", loss)
    )
    if reduction == "sum":  # of the batches, of which an epoch is the mean by windows
        assert other[0] > 16 * mean[0]
    else:
        assert other == pytest.approx(mean, rel=1e-5)


def fitted_with(weights, **changes):
    told = forecaster(linear, **({"epochs": 4, "tail": TAIL} | changes), step_weights=weights)
    return told.fit(BOTH)


@pytest.mark.parametrize("alike", [[1, 1, 1], (0.3, 0.3, 0.3), np.full(3, 5.0)], ids=str)
def test_equal_weights_are_none(alike):
    one, other = fitted_with(None), fitted_with(alike)
    assert bits(one) == bits(other)
    assert one.history_["val_loss"] == other.history_["val_loss"]


@pytest.mark.parametrize("weights", [[3, 2, 1], [0.125, 0.5, 4.0]], ids=str)
def test_only_ratios_count(weights):
    one, other = fitted_with(weights), fitted_with([7 * weight for weight in weights])
    assert bits(one) == bits(other) != bits(fitted_with(None))
    assert one.history_["loss"] == other.history_["loss"]


def test_the_epoch_with_the_lowest_weighted_loss_is_kept():
    """Where the first step alone counts, the kept epoch is the one that forecasts it best."""
    kept = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append((logs["val_loss"], self.model.get_weights()))

    told = training(epochs=12, tail=TAIL, learning_rate=0.3, step_weights=[1e6, 1, 1])
    fitted = Forecaster(linear, WINDOW, told).fit(DATA, callbacks=[Watch()])
    past, true = pairs(fitted, DATA)
    stopping = np.arange(len(past)) + WINDOW.timesteps >= 60 - TAIL
    errors = []
    for _, weights in kept:
        fitted.model_.set_weights(weights)
        said = fitted.model_.predict(past[stopping], verbose=0)
        errors.append(np.abs(said - true[stopping])[:, 0].mean())
    assert fitted.best_epoch_ == 1 + int(np.argmin(errors))
    np.testing.assert_allclose([loss for loss, _ in kept], np.array(errors) / 1, rtol=1e-4)


def test_other_weights_are_another_program():
    kept = dict(compiled._programs)
    compiled._programs.clear()
    try:
        for weights in (None, [3, 2, 1], [6, 4, 2], "inverse_sqrt", [1, 1, 1]):
            for loss in ("mae", "mse"):
                fitted_with(weights, epochs=1, loss=loss)
        assert len(compiled._programs) == 6
    finally:
        compiled._programs.clear()
        compiled._programs.update(kept)


class Whole(keras.losses.Loss):
    """One value a window."""

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=(1, 2))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"step_weights": "inverse"}, "got 'inverse': did you mean \"inverse_sqrt\""),
        (
            {"step_weights": [1, 2]},
            "for each of the window.horizon=3 steps, got 2: write 3 numbers",
        ),
        ({"step_weights": []}, "window.horizon=3 steps, got 0"),
        ({"step_weights": [1, 0, 1]}, r"numbers above 0, got \[1, 0, 1\]: try inverse_sqrt"),
        ({"step_weights": [1, -2, 1]}, "numbers above 0"),
        ({"step_weights": [1, float("nan"), 1]}, "numbers above 0"),
        ({"step_weights": [1, float("inf"), 1]}, "numbers above 0"),
        ({"step_weights": [1, True, 1]}, "numbers above 0"),
        ({"step_weights": [1, "2", 1]}, "numbers above 0"),
        ({"step_weights": 2}, "numbers above 0, got 2"),
        ({"step_weights": {"a": 1}}, "numbers above 0"),
        (
            {"step_weights": "inverse_sqrt", "loss": Whole()},
            "has no value for each of its 3 steps, got Whole, whose shape is \\(2,\\): leave",
        ),
    ],
)
def test_what_is_no_weight_of_a_step_is_refused(changes, sentence):
    told = training(tail=0.1, **changes)
    with pytest.raises(InputError, match=f"^training.step_weights must .*{sentence}"):
        experiment.prepare(Spec(linear, WINDOW, told, baselines=()), table(rows=80))
    with pytest.raises(InputError, match=r"training.step_weights must "):
        Forecaster(linear, WINDOW, told).fit(table(rows=80))
