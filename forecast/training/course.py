"""The trainings that one fit consists of: networks of several seeds, learned anew with all rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import keras

from forecast.data.samples import TrainingBlocks, TrainingSet
from forecast.data.windows import Window
from forecast.models.layers import mean_of, networks_of
from forecast.training.fit import Fitted, Job, stops
from forecast.training.packed import Portable
from forecast.training.parameters import Training
from forecast.training.state import Checkpoint, Stage, Turn

Own = TypeVar("Own", bound=Portable)
"""A forecaster, which this file serves."""

Callbacks = (
    Sequence[keras.callbacks.Callback] | Callable[[Turn], Sequence[keras.callbacks.Callback]]
)
"""Keras callbacks of every training, or a function from a training to its own."""


class Course:
    """Trains the networks of a fit one after the other.

    Attributes:
        past: What each training so far has ended with.
    """

    def __init__(
        self,
        window: Window,
        training: Training,
        make: Callable[[int], keras.Model],
        callbacks: Callbacks,
        stage: Stage | None,
    ):
        self._window, self._training, self._make = window, training, make
        self._callbacks, self._stage = callbacks, stage
        self.past: list[Checkpoint] = []

    @property
    def whole(self) -> bool:
        """Whether all epochs are trained, and not those of a first part only."""
        return self._stage is None or self._stage.until >= self._training.epochs

    def train(
        self, learned: TrainingSet | TrainingBlocks, before: Sequence[Fitted] = ()
    ) -> list[Fitted]:
        """Train every network; where they were trained before, for as many epochs as were kept.

        An interrupted training is the last of those returned.
        """
        found: list[Fitted] = []
        seeds = self._training.seeds
        for number in range(1, seeds + 1):
            turn = Turn(number, seeds, again=bool(before))
            own = replace(self._training, seed=self._training.seed + number - 1)
            if before:
                own = replace(own, average=before[number - 1].averaged or None)
            hooks = self._callbacks(turn) if callable(self._callbacks) else self._callbacks
            stage = self._part(before[number - 1].best_epoch if before else None)
            fitted = Job(learned, self._window, own).run(self._make(number), hooks, stage)
            found.append(replace(fitted, turn=turn))
            if fitted.interrupted:
                break
            self._note(fitted, stage)
        return found

    def _part(self, epochs: int | None) -> Stage | None:
        """Return the stage of the next training: so many epochs, or those of the fit's stage."""
        whole = self._stage
        if whole is None:
            return Stage(epochs) if epochs else None
        if self._alone:
            return whole
        turns = whole.begin.turns if whole.begin else []
        place, past, keep = len(self.past), tuple(self.past), whole.keep

        def kept(reached: Checkpoint) -> None:
            if keep:
                keep(replace(reached, before=past))

        begin = turns[place] if place < len(turns) else None
        return Stage(epochs or whole.until, begin, kept if keep else None)

    @property
    def _alone(self) -> bool:
        """Whether there is one training."""
        return self._training.seeds == 1 and not self._training.refit

    def _note(self, fitted: Fitted, stage: Stage | None) -> None:
        """Remember how a training ended, and tell the fit's stage."""
        if self._stage is None:
            return
        over = Checkpoint.of_model(fitted.model, fitted.history, fitted.averaged, fitted.measured)
        end = over if self.whole or stage is None or stage.end is None else stage.end
        past = tuple(self.past)
        self._stage.over = replace(over, before=past)
        if not self._alone:
            self._stage.end = replace(end, before=past)
        self.past.append(end)


def watched(forecaster: Own) -> Own:
    """Return the forecaster of the first network alone, as its first training has left it."""
    own: Own = vars(forecaster)["first_"] or forecaster
    first, *others = networks_of(own.model_)
    if not others:
        return own
    alone = twin(own)
    alone.model_ = first
    return alone


def twin(forecaster: Own) -> Own:
    """Return another estimator with all that this one has; the model is the same object."""
    twin = type(forecaster).__new__(type(forecaster))
    twin.__dict__.update(vars(forecaster))
    return twin


def keep(forecaster: Any, learned: TrainingSet | TrainingBlocks, fits: Sequence[Fitted]) -> None:
    """Keep what was trained: one network, or several that forecast their mean."""
    own, window = forecaster, forecaster.window or Window()
    again = fits[0].turn.again
    if not (again and fits[-1].interrupted):
        own.model_ = mean_of([fitted.model for fitted in fits])
        own.scaler_ = learned.scaler
        own.context_ = learned.context(window.timesteps + window.lead)
    own.histories_ = own.histories_ | {
        fitted.turn.name: fitted.history for fitted in fits if fitted.turn.name
    }
    if not again:
        own.history_, own.best_epoch_ = fits[0].history, fits[0].best_epoch
        own.best_epochs_ = [fitted.best_epoch for fitted in fits]
        own.averaged_ = [fitted.averaged for fitted in fits]
        own.validated_ = fits[0].validated
        if len(fits) > 1 and stops(learned):
            own.validated_ = Job(learned, window, own.training or Training()).measure(own.model_)
    if fits[-1].interrupted:
        raise KeyboardInterrupt
