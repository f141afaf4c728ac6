"""Training of quantiles, events and classes: the losses of the field, and what they find."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.training.forecaster import Forecaster
from forecast.training.losses import Pinball, build_loss
from forecast.training.parameters import Model, Training

from .problems import WINDOW, Initial, apart, forecaster, keras_fit, linear, pairs, table, training

LEVELS = (0.1, 0.5, 0.9)


def noise(rows=1500, *, task="regression", outputs=None):
    """One series of standard normal noise, which nothing predicts."""
    made = table(rows, 1, features=1)
    values = np.random.default_rng(3).normal(size=(rows, 1))
    outputs = values if outputs is None else outputs(values)
    names = tuple(f"y{i}" for i in range(outputs.shape[1]))
    return replace(made, inputs=values, outputs=outputs, targets=names, task=task)


def plain(sizes):
    """Nothing but a bias for each output."""
    seen = keras.Input((sizes.timesteps, sizes.features))
    none = keras.layers.Rescaling(0.0)(keras.layers.Flatten()(seen))
    said = keras.layers.Dense(sizes.horizon * sizes.outputs)(none)
    return keras.Model(seen, keras.layers.Reshape((sizes.horizon, sizes.outputs))(said))


SHORT = Window(timesteps=2, horizon=1)


def bias_alone(task_table, **changes):
    told = training(epochs=12, learning_rate=0.02, schedule="CosineDecay", **changes)
    return Forecaster(plain, SHORT, told).fit(task_table)


def test_the_loss_is_scikit_learns_pinball_over_levels_targets_and_steps():
    rng = np.random.default_rng(0)
    true, said = rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 6))
    by_target = said.reshape(5, 3, 2, 3)
    expected = np.mean(
        [
            mean_pinball_loss(true.ravel(), by_target[..., i].ravel(), alpha=level)
            for i, level in enumerate(LEVELS)
        ]
    )
    assert float(Pinball(LEVELS)(true, said)) == pytest.approx(expected, rel=1e-6)


def test_quantiles_train_as_keras_trains_them():
    data, start = table(rows=40), Initial()
    ours = forecaster(Model("linear"), optimizer="SGD", quantiles=LEVELS)
    ours.fit(data, callbacks=[start])
    alone = keras.models.clone_model(ours.model_)
    alone.set_weights(start.weights)
    x, y = pairs(ours, data)
    optimizer = keras.optimizers.SGD(ours.training.learning_rate)
    losses = keras_fit(alone, x, y, optimizer=optimizer, loss=Pinball(LEVELS), like=ours.training)
    np.testing.assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    assert apart(ours.model_.get_weights(), alone.get_weights()) < 1e-5


def test_of_noise_the_quantiles_are_those_of_its_distribution():
    data = noise()
    fitted = bias_alone(data, quantiles=LEVELS)
    starts = np.arange(100, dtype=np.int32)
    said = fitted.predict_quantiles(data, starts)
    assert said.shape == (100, 1, 1, 3)
    np.testing.assert_allclose(said[0, 0, 0], np.quantile(data.outputs, LEVELS), atol=0.08)
    np.testing.assert_array_equal(fitted.predict_windows(data, starts), said[..., 1])
    assert "val_mae" not in fitted.history_  # nothing was kept for stopping


def test_of_noise_the_probability_of_an_event_is_its_share():
    data = noise(task="event", outputs=lambda values: (values > 0.8).astype(float))
    fitted = bias_alone(data)
    said = fitted.predict_windows(data, np.arange(5, dtype=np.int32))
    np.testing.assert_allclose(said, data.outputs.mean(), atol=0.03)


def test_of_noise_the_probabilities_of_classes_are_their_shares():
    def third(values):
        return np.eye(3)[np.digitize(values[:, 0], [-0.5, 1.0])]

    data = noise(task="classes", outputs=third)
    said = bias_alone(data).predict_windows(data, np.arange(5, dtype=np.int32))
    np.testing.assert_allclose(said[0, 0], data.outputs.mean(axis=0), atol=0.03)


def test_an_event_that_a_span_never_shows_trains_and_scores():
    data = noise(200, task="event", outputs=lambda values: np.zeros_like(values))
    fitted = bias_alone(data, tail=0.2)
    assert 0 <= fitted.history_["val_brier"][-1] < fitted.history_["val_brier"][0]
    assert -1 < fitted.score(data) < 0


def test_a_class_that_a_span_never_shows_trains_and_scores():
    data = noise(200, task="classes", outputs=lambda values: np.eye(3)[(values[:, 0] > 0) * 1])
    fitted = bias_alone(data)
    said = fitted.predict_windows(data, np.arange(5, dtype=np.int32))
    assert np.isfinite(said).all() and said[0, 0, 2] < said[0, 0, :2].min()


def test_an_event_that_can_be_foreseen_is():
    data = table(300, 2, features=1)
    moved = replace(
        data, outputs=(data.inputs > 10).astype(float), targets=("x0 > 10",), about=("x0",)
    )
    seen = replace(moved, task="event")
    model = Model("linear", linear_path=False)
    fitted = forecaster(model, epochs=15).fit(seen, rows=seen.tick < 200)
    share = seen.outputs[seen.tick < 200].mean()
    later = np.flatnonzero(seen.tick >= 200)
    brier = -fitted.score(seen.take(later))
    assert brier < 0.5 * share * (1 - share)  # which is the score of the share itself


@pytest.mark.parametrize("levels", [[0.1, 0.9], [0.5, 0.1], [0.0, 0.5], [0.5, 1.5], [0.5, 0.5]])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(InputError, match="training.quantiles must be rising numbers"):
        build_loss(Training(quantiles=levels))


def test_quantiles_of_probabilities_are_refused():
    with pytest.raises(InputError, match="training.quantiles must be empty where data.events"):
        build_loss(Training(quantiles=[0.5]), "event")


def test_keras_metrics_beside_quantiles_are_refused():
    with pytest.raises(InputError, match="training.metrics must be empty"):
        Training(quantiles=[0.5], metrics=["MeanAbsoluteError"]).check()


def test_a_users_network_gets_the_head_too():
    fitted = forecaster(linear_of_all, epochs=1, quantiles=LEVELS, window=WINDOW).fit(table())
    said = fitted.predict_quantiles(table(), np.arange(20, dtype=np.int32))
    assert (np.diff(said, axis=-1) > 0).all()


def test_a_users_network_without_the_levels_is_refused():
    with pytest.raises(
        InputError, match=r"model must map .* to \(None, 3, 3\), got .*\(None, 3, 1"
    ):
        forecaster(linear, quantiles=LEVELS).fit(table())


def linear_of_all(sizes):
    seen = keras.Input((sizes.timesteps, sizes.features))
    said = keras.layers.Dense(sizes.horizon * sizes.outputs)(keras.layers.Flatten()(seen))
    return keras.Model(seen, keras.layers.Reshape((sizes.horizon, sizes.outputs))(said))
