"""One fit: build, train, keep the best epoch; and what would stop its first step, found before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecast import models
from forecast.data import clock, features, samples, windows
from forecast.data.samples import TrainingBlocks, TrainingSet
from forecast.data.scale import Scaled
from forecast.data.scaling.bounds import clipped
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, cause
from forecast.metrics.headline import HEADLINES
from forecast.models import Sizes, heads
from forecast.models.layers import cycle_of, reads_series_number
from forecast.models.repairs import finish
from forecast.training import loop, losses, predict, runtime
from forecast.training.compiled import Goal, Program, Rows, lease
from forecast.training.loads import Load, Loads, Whole
from forecast.training.losses import point_forecast, split_quantiles
from forecast.training.parameters import Model, Training
from forecast.training.predict import state
from forecast.training.state import History, Newest, Stage, Turn, assign
from forecast.training.stateful import readers

BATCH = 256
"""Windows of one compiled prediction of the stopping set."""
VALUES = 2**22
"""Forecast values of the stopping set that are held at once."""


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind.

    Attributes:
        model: Trained Keras model, on standardised values.
        history: Metric to its value after each epoch.
        best_epoch: 1-based epoch whose weights the model has, the last of those averaged.
        interrupted: Whether Ctrl-C has ended it.
        turn: Which of the trainings of a fit it was.
        averaged: How many epochs the weights are the mean of; 0 where they are those of one.
        measured: Then the errors of that mean on the stopping windows, by metric.
    """

    model: keras.Model
    history: dict[str, list[float]]
    best_epoch: int
    interrupted: bool = False
    turn: Turn = Turn()
    averaged: int = 0
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def validated(self) -> dict[str, float]:
        """Errors of the weights that were kept on the stopping windows, by metric."""
        if self.averaged:
            return dict(self.measured)
        own = {key: values for key, values in self.history.items() if key.startswith("val_")}
        return {key: values[self.best_epoch - 1] for key, values in own.items()}


@dataclass(frozen=True)
class _Judge:
    """A model and what it is measured by, as a program has them."""

    model: keras.Model
    predictor: predict.Predictor
    loss: keras.losses.Loss
    metrics: Sequence[keras.metrics.Metric]
    window: Window

    def measured(self) -> dict[str, float]:
        """Read the metrics."""
        return {metric.name: float(metric.result()) for metric in self.metrics}


class Job:
    """Training and stopping windows of a table, ready to be learned from."""

    def __init__(self, learned: TrainingSet | TrainingBlocks, window: Window, training: Training):
        self.learned = learned
        self.table = learned.facts
        self.window = window
        self.training = training

    def run(
        self,
        own: keras.Model,
        callbacks: Sequence[keras.callbacks.Callback],
        stage: Stage | None = None,
    ) -> Fitted:
        """Train a network."""
        training = self.training
        if training.stateful:
            parts = [self.learned] if isinstance(self.learned, TrainingSet) else self.learned
            samples.check_stateful((own.train for own in parts), self.window)
        if stage is not None and stage.begin is not None and stage.begin.ended:
            begin = stage.begin
            assign(state(own), begin.state)
            past = {name: list(values) for name, values in begin.history.items()}
            kept = begin.epochs if begin.averaged else best_epoch(past)
            return Fitted(own, past, kept, averaged=begin.averaged, measured=begin.validated)
        loads = self._loads(own)
        goal, optimizer = self._goal(), losses.build_optimizer(training)
        history = History()
        # the best weights come back first, so that a callback of the caller has the last word
        schedule, stopping = losses.build_schedule(training), self._stopping()
        newest = [Newest(training.average)] if training.average is not None else []
        hooks = [*schedule, *stopping, *newest, *callbacks, history]
        interrupted, averaged = False, 0
        measured: dict[str, float] = {}
        with lease(own, optimizer, goal, self.window, stateful=training.stateful) as program:
            if stage is not None:
                hooks.append(stage.watch(program, history.values, schedule, stopping, newest))
            program.load(own, training.learning_rate)
            try:
                loop.train(
                    program,
                    loads,
                    epochs=stage.epochs if stage else range(training.epochs),
                    batch_size=training.batch_size,
                    seed=training.seed,
                    callbacks=hooks,
                    validate=lambda: self._validate(program, loads),
                )
            except KeyboardInterrupt:
                interrupted = True
            stopped = program.model.stop_training
            if newest and newest[0].weights and not interrupted:
                averaged, measured = self._average(program, loads, newest[0], history.values)
            for to, value in zip(state(own), state(program.model), strict=True):
                to.assign(value)
            for callback in callbacks:
                callback.set_model(own)  # the program belongs to the next fit
        if not interrupted and not stopped and not _finite(own):
            raise InputError(
                f"training.learning_rate={training.learning_rate:g} left weights that are no "
                f"numbers after epoch {training.epochs}: lower it or set training.clipnorm=1"
            )
        kept = len(history.values["loss"]) if averaged else best_epoch(history.values)
        return Fitted(own, history.values, kept, interrupted, averaged=averaged, measured=measured)

    def _goal(self) -> Goal:
        """Return what training lowers, and what is measured beside it."""
        loss = losses.build_step_loss(self.training, self.table.task, self.window.horizon)
        return Goal(loss, losses.build_metrics(self.training))

    def _average(
        self,
        program: Program,
        loads: Loads | Whole,
        newest: Newest,
        history: Mapping[str, Sequence[float]],
    ) -> tuple[int, dict[str, float]]:
        """Keep the mean of the newest weights where no epoch has a lower validation loss."""
        best = program.model.get_weights()
        program.model.set_weights(newest.mean())
        measured = self._validate(program, loads)
        known = history.get("val_loss", [])
        if known and not measured["val_loss"] < known[best_epoch(history) - 1]:
            program.model.set_weights(best)
            return 0, {}
        return len(newest.weights), measured

    def _stopping(self) -> list[keras.callbacks.Callback]:
        """Stop early and go back to the best weights, where there is a stopping set."""
        if not stops(self.learned):
            return []
        patience = self.training.patience or self.training.epochs
        return [keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)]

    def _loads(self, own: keras.Model) -> Loads | Whole:
        """Tell what an epoch reads, as a network reads it."""
        if isinstance(self.learned, TrainingSet):
            load = Load(_rows(own, self.learned.rows, self.window), self.learned.train)
            return Whole(load, self.learned)
        coded, cycle = reads_series_number(own), cycle_of(own)
        return Loads(
            self.learned, lambda block: _read(block.rows, self.window, coded=coded, cycle=cycle)
        )

    def _validate(self, program: Program | _Judge, loads: Loads | Whole) -> dict[str, float]:
        """Measure the stopping set: the loss as trained, the headline in original units."""
        if not stops(self.learned):
            return {}
        sums = _Sums(program, self.training, self.table.task)
        for own, inputs in loads.stopping():
            sums.add(own, inputs)
        return sums.measured()

    def measure(self, own: keras.Model) -> dict[str, float]:
        """Measure the stopping set with a model that is trained."""
        predictor = predict.take(own, "prediction")
        try:
            predictor.load(own)
            goal = self._goal()
            judge = _Judge(own, predictor, goal.loss, goal.metrics, self.window)
            return self._validate(judge, self._loads(own))
        finally:
            predictor.owner.give_back()


class _Sums:
    """Errors of the stopping set, of so many windows at a time."""

    def __init__(self, program: Program | _Judge, training: Training, task: str):
        self._program = program
        self._levels = training.quantiles
        self._headline = HEADLINES[task]
        self._found: list[tuple[int, float, float]] = []  # windows, loss, headline of each part

    def add(self, own: TrainingSet, inputs: tf.Tensor) -> None:
        """Forecast the stopping windows of a table and compare.

        Shapes: `inputs` (rows, features).
        """
        size = max(1, VALUES // int(np.prod(self._program.model.output_shape[1:])))
        for first in range(0, len(own.stop), size):
            self._compare(own, inputs, own.stop[first : first + size])

    def _compare(self, own: TrainingSet, inputs: tf.Tensor, stop: np.ndarray) -> None:
        """Forecast some windows and compare."""
        program, window, table = self._program, self._program.window, own.rows.table
        predicted = program.predictor.predict(inputs, stop, BATCH)
        true = windows.outputs(own.rows.outputs, stop, window)
        points = point_forecast(split_quantiles(predicted, self._levels), self._levels)
        points = own.scaler.invert(points, table.series[stop])
        happened = windows.outputs(table.outputs, stop, window)
        for metric in program.metrics:
            metric.update_state(true, predicted)
        loss, error = program.loss(true, predicted), self._headline.of(happened, points)
        self._found.append((len(stop), float(loss), float(error)))

    def measured(self) -> dict[str, float]:
        """Return the mean over all windows."""
        weights = self._program.model.trainable_variables
        penalty = sum(float(v.regularizer(v)) for v in weights if v.regularizer)
        count, loss, error = zip(*self._found, strict=True)
        whole = self._program.loss.reduction == "sum"
        return {
            "val_loss": (sum(loss) if whole else _mean(loss, count)) + penalty,
            f"val_{self._headline.key}": _mean(error, count),
            **{f"val_{name}": value for name, value in self._program.measured().items()},
        }


def _mean(values: Sequence[float], count: Sequence[int]) -> float:
    """Return the mean of means; of one its very bits."""
    if len(values) == 1:
        return values[0]
    return sum(value * own for value, own in zip(values, count, strict=True)) / sum(count)


def stops(learned: TrainingSet | TrainingBlocks) -> bool:
    """Tell whether there are windows that decide when to stop."""
    return len(learned.stop) > 0 if isinstance(learned, TrainingSet) else bool(learned.stop.any())


def best_epoch(history: Mapping[str, Sequence[float]]) -> int:
    """Return the 1-based epoch of the lowest validation loss, the last where none was measured."""
    measured = history.get("val_loss", [])
    if not len(measured):
        return len(history.get("loss", []))
    return int(np.argmin(np.nan_to_num(measured, nan=np.inf))) + 1


def _finite(model: keras.Model) -> bool:
    """Tell whether all weights of a model are numbers."""
    return all(np.isfinite(weight).all() for weight in model.get_weights())


def sizes(table: Table, window: Window, model: Any = None, levels: Sequence[float] = ()) -> Sizes:
    """Tell what a model of a table's windows must map."""
    asked = model.get_params() if isinstance(model, Model) else {}
    asks, cycle = asked.get("series_embedding") is not None, asked.get("cycle") or 0
    known = features.input_count(table, window)
    return Sizes(
        window.timesteps,
        len(table.features) + known + bool(cycle) + asks,
        window.horizon,
        len(table.targets),
        table.target_positions,
        table.indicators,
        ahead=known,
        series=len(table.names) if asks else 0,
        levels=tuple(levels),
        task=table.task,
        lead=window.lead,
        season=clock.season(table.frequency),
        known=table.known,
        cycle=cycle,
    )


def build_network(model: Any, sizes: Sizes) -> keras.Model:
    """Make the Keras model that a `Model` or a user's function describes."""
    if not isinstance(model, Model):
        return finish(_of_shape(model(sizes), sizes), sizes)
    return models.build_model(model.name, sizes, model.settings)


def seeded(model: Any, sizes: Sizes, seed: int) -> keras.Model:
    """Make the model that a seed draws; one of quantiles begins as that of one value would."""
    with runtime.seeded(seed):
        own = build_network(model, sizes)
    if sizes.levels:
        with runtime.seeded(seed):
            plain = build_network(model, replace(sizes, levels=()))
        heads.begin_as(own, plain, sizes.levels)
    return own


def _of_shape(made: Any, sizes: Sizes) -> keras.Model:
    """Return a user's model if it maps what it must."""
    if not hasattr(made, "output_shape"):
        raise InputError(
            "model must return a functional or sequential keras.Model, whose layers are known, "
            f"got {type(made).__name__}: write keras.Model(inputs, outputs)"
        )
    found = made.input_shape, made.output_shape
    asked = (None, sizes.timesteps, sizes.features), (None, sizes.horizon, sizes.outputs)
    if found != asked:
        raise InputError(f"model must map {asked[0]} to {asked[1]}, got {found[0]} to {found[1]}")
    return made


def _rows(model: keras.Model, rows: Scaled, window: Window) -> Rows:
    """Put rows on the device as a model reads them, once for as long as they are used."""
    coded, cycle = reads_series_number(model), cycle_of(model)
    ahead = (window.timesteps, window.lead, window.horizon) if rows.table.known else ()
    key = (*ahead, coded, cycle)
    kept: dict[Any, Rows] = vars(rows).setdefault("_on_device", {})
    if key not in kept:
        kept[key] = Rows.put(_read(rows, window, coded=coded, cycle=cycle), rows.outputs)
    return kept[key]


def _read(rows: Scaled, window: Window, *, coded: bool, cycle: int) -> np.ndarray:
    """Return rows as a model reads them, (rows, inputs) float32."""
    return features.append_known_future(rows.inputs, rows.table, window, coded=coded, cycle=cycle)


def predict_scaled(
    model: keras.Model,
    rows: Scaled,
    window: Window,
    starts: np.ndarray,
    *,
    batch_size: int,
    levels: Sequence[float] = (),
) -> np.ndarray:
    """Predict windows of a table in original units, within the bounds of its targets.

    Shapes: `starts` (windows,); returns (windows, horizon, targets, levels).
    """
    scaled = predict.predict(model, _rows(model, rows, window).inputs, starts, batch_size)
    each = split_quantiles(scaled.astype(np.float64), levels)
    series = rows.table.series[starts]
    found = [rows.scaler.invert(part, series) for part in np.moveaxis(each, -1, 0)]
    return np.stack([clipped(part, rows.table.bounds) for part in found], axis=-1)


def preflight(model: Any, training: Training, table: Table, window: Window) -> keras.Model:
    """Build the network with the weights that the seed draws; call loss and metrics once."""
    losses.build_optimizer(training)
    losses.build_schedule(training)
    own = seeded(model, sizes(table, window, model, training.quantiles), training.seed)
    truth = tf.zeros((2, window.horizon, len(table.targets)))
    forecast = tf.fill((2, *own.output_shape[1:]), 0.5)
    loss = losses.build_step_loss(training, table.task, window.horizon)
    _compare("loss", loss, truth, forecast)
    for metric in losses.build_metrics(training):
        _compare("metrics", metric, truth, forecast)
    if training.stateful:
        readers(own)
    return own


def _compare(name: str, measure: Any, truth: tf.Tensor, forecast: tf.Tensor) -> None:
    """Call a loss or metric once, as a training step does."""
    try:
        if name == "loss":
            measure(truth, forecast, sample_weight=tf.ones((2, 1)))
        else:
            measure.update_state(truth, forecast, sample_weight=tf.ones((2, 1)))
    except InputError:
        raise
    except (TypeError, ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"training.{name} must compare forecasts of the shape {tuple(forecast.shape[1:])} with "
            f"the truth, got {type(measure).__name__} ({cause(error)}): take another, such as "
            "MeanAbsoluteError"
        ) from error
