"""The estimator: it scales, windows and trains in `fit`, so no score sees what it should not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from forecast.data import pair, samples, split, windows
from forecast.data.blocks import Blocks
from forecast.data.samples import TrainingBlocks, TrainingSet
from forecast.data.scale import Scaled
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.metrics.headline import HEADLINES
from forecast.training import runtime
from forecast.training.packed import Portable
from forecast.training.parameters import Model, Training

if TYPE_CHECKING:
    import keras

    from forecast.training.course import Callbacks
    from forecast.training.state import Stage

from forecast.data.table import card, listed, renumbered

BATCH = 256
"""Windows of one compiled prediction."""


class Forecaster(Portable, RegressorMixin, BaseEstimator):
    """A Keras forecaster as a scikit-learn estimator.

    `fit(table)` and `fit(X, y)` on time-stamped rows are one path. The last rows of every series
    are kept, so rows that follow directly are predicted from the first one on: n rows give
    n − horizon + 1 windows.

    Args:
        model: Architecture; None means `Model()`. A function from `Sizes` to a Keras model works
            too.
        window: Shape of a sample; None means `Window()`.
        training: How to train; None means `Training()`.
        scaling: "series" or "global", see `data.scale.fit`.

    Attributes:
        model_: The trained Keras model, on standardised values.
        scaler_: What standardises, learned on training rows before the stopping tail.
        history_: Metric to its value after each epoch.
        context_: Last rows of every series in fit; none after a fit from more than one block.
        memory_: Bytes that decided how `Blocks` were cut, which the order of windows follows.
        threads_: Threads of one operation that were in force.
        best_epoch_: 1-based epoch whose weights were kept, of the first network where there are
            several; where it was learned anew, how many epochs were.
        best_epochs_: The same of each network.
        averaged_: How many epochs the weights of each network are the mean of, the last of them
            `best_epochs_`; 0 where they are those of one epoch.
        histories_: What `history_` is to the first training of the first network, for each other
            training: "network_2", "refit", "network_2_refit" …
        first_: Where the networks were learned anew with the stopping rows, this forecaster as it
            was before: its forecasts of the stopping rows are those of rows that it has not
            learned. None elsewhere.
        validated_: Errors of what was kept on the stopping windows, by metric as in `history_`;
            empty where there are none.
    """

    def __init__(
        self,
        model: Any = None,
        window: Window | None = None,
        training: Training | None = None,
        *,
        scaling: str = "series",
    ):
        self.model = model
        self.window = window
        self.training = training
        self.scaling = scaling

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        rows: np.ndarray | Callable[[Table], np.ndarray] | None = None,
        tail: split.Cut | None = None,
        callbacks: "Callbacks" = (),
        stage: "Stage | None" = None,
        memory: int | None = None,
    ) -> "Forecaster":
        """Learn scale and weights from rows.

        Args:
            X: A table, or (rows, features) with a time or (series, time) index, or a plain array;
                or `Blocks`, of which as many are read at a time as fit the memory.
            y: (rows, targets) where X is no table; an index that it has is X's.
            rows: Mask (rows,) of the rows to learn from, as if only they were given; fits on
                different rows of one table share their compiled program. None means all. Or a
                function from a table to its mask, such as `Holdout.learned_rows`, which `Blocks`
                need.
            tail: Newest of these rows kept for stopping, instead of `training.tail`.
            callbacks: Keras callbacks, called after every epoch of every network; or a function
                from a `training.course.Turn`, which says which network is trained, to its own.
            stage: The part of a longer training that this is; None trains in one piece.
            memory: Bytes that `Blocks` may take, by which they are cut; None means a sixteenth of
                the machine's.

        Returns:
            The estimator.

        Raises:
            InputError: Too few rows for one window, a constant target, a setting out of range.
            KeyboardInterrupt: Once, with the best weights so far in place.
        """
        window, training = self._window(), self.training or Training()
        window.check()
        training.check()
        if y is None and not isinstance(X, (Table, Blocks)):
            raise InputError(
                "Forecaster requires y to be passed, but the target y is None: give y or a Table"
            )
        table = X if isinstance(X, (Table, Blocks)) else pair.from_xy(X, y)
        if len(table) < window.span:
            raise InputError(
                f"X must hold the {window.span} rows of one window (timesteps + lead + horizon), "
                f"got n_samples = {len(table)}: take a smaller window or more rows"
            )
        tail = training.tail if tail is None else tail
        self.memory_ = None
        if isinstance(table, Blocks):
            self.memory_ = samples.machine_share() if memory is None else memory

        def learned(tail: split.Cut) -> TrainingSet | TrainingBlocks:
            return samples.prepare(table, window, rows, tail, self.scaling, self.memory_)

        first = learned(tail)
        return self.learn(first, again=lambda: learned(0), callbacks=callbacks, stage=stage)

    def learn(
        self,
        learned: TrainingSet | TrainingBlocks,
        *,
        again: Callable[[], TrainingSet | TrainingBlocks] | None = None,
        network: "keras.Model | None" = None,
        callbacks: "Callbacks" = (),
        stage: "Stage | None" = None,
    ) -> "Forecaster":
        """Learn weights from rows that are standardised and windows that are dealt already.

        Args:
            learned: Of a window and a scaling like those of this estimator.
            again: Gives all rows as what to learn from, which `training.refit` learns anew.
            network: Not trained before, with the weights that the seed draws; None builds it.
            callbacks: As for `fit`.
            stage: Likewise.

        Returns:
            The estimator.
        """
        window, training, table = self._window(), self.training or Training(), learned.facts
        self.threads_ = runtime.start(training.threads)
        from forecast.training.course import Course, keep, twin
        from forecast.training.fit import seeded, sizes, stops

        model = self.model if self.model is not None else Model()
        drawn = [network] if network is not None else []

        def make(number: int) -> "keras.Model":
            if number == 1 and drawn:
                return drawn.pop()
            own = sizes(table, window, model, training.quantiles)
            return seeded(model, own, training.seed + number - 1)

        course = Course(window, training, make, callbacks, stage)
        self.names_, self.frequency_ = table.names, table.frequency
        self.features_, self.targets_ = table.features, table.targets
        self.n_features_in_ = len(table.features)
        self.histories_: dict[str, dict[str, list[float]]] = {}
        self.first_: Forecaster | None = None
        fits = course.train(learned)
        keep(self, learned, fits)
        if training.refit and again is not None and stops(learned) and course.whole:
            relearned = again()
            anew = course.train(relearned, fits)
            first = twin(self)
            keep(self, relearned, anew)
            self.first_ = first
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict every window whose future lies in the rows given.

        Args:
            X: Rows, as in fit; directly after fit's rows they are predicted from the first one on.

        Returns:
            (windows, horizon, targets), original units, ordered by series and time.
        """
        table, inside = self._follow(X, None)
        found = windows.starts(table, self._window(), within=inside, truth="none")
        return self.predict_windows(table, found)

    def predict_windows(self, table: Table | Scaled, starts: np.ndarray) -> np.ndarray:
        """Predict given windows.

        Args:
            table: Rows with the columns and series of fit, standardised by its scale or not; or a
                block of them.
            starts: First input row of every window, (windows,).

        Returns:
            (windows, horizon, targets), original units; of quantiles the median.

        Raises:
            InputError: The table has other series.
        """
        from forecast.training import losses

        return losses.point_forecast(self.predict_quantiles(table, starts), self._levels())

    def predict_quantiles(self, table: Table | Scaled, starts: np.ndarray) -> np.ndarray:
        """Predict every quantile of given windows.

        Args:
            table: Rows with the columns and series of fit, standardised by its scale or not.
            starts: First input row of every window, (windows,).

        Returns:
            (windows, horizon, targets, levels), original units, in the order of
            `training.quantiles`; one level where there are none.

        Raises:
            InputError: The table has other series.
        """
        check_is_fitted(self, "model_")
        own = table.table if isinstance(table, Scaled) else table
        span = slice(own.first_series, own.first_series + len(own.names))
        rows = table if isinstance(table, Scaled) else Scaled(own, self.scaler_.part(span))
        if own.names != self.names_[span]:
            raise InputError(
                f"table must hold the series of fit, {listed(self.names_)}, got {listed(own.names)}"
            )
        runtime.start((self.training or Training()).threads)
        from forecast.training.fit import predict_scaled

        return predict_scaled(
            self.model_,
            rows,
            self._window(),
            starts,
            batch_size=BATCH,
            levels=self._levels(),
        )

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Score rows by the negative headline error, so that greater is better.

        Args:
            X: Rows, as in predict.
            y: (rows, targets) where X is no table.
            sample_weight: Not supported; windows count alike.

        Returns:
            −MAE in original units over all windows, steps and targets; −Brier score where
            probabilities are predicted.

        Raises:
            InputError: The rows hold no window with known targets, or weights are given.
        """
        if sample_weight is not None:
            raise InputError("sample_weight must be None, got weights: windows count alike")
        window = self._window()
        table, inside = self._follow(X, y)
        found = windows.starts(table, window, within=inside, truth="some")
        if not len(found):
            raise InputError(
                f"X must hold at least window.horizon={window.horizon} unbroken rows with known "
                f"targets, got {int(inside.sum())} rows without a whole window"
            )
        happened = windows.outputs(table.outputs, found, window)
        error = HEADLINES[table.task].of(happened, self.predict_windows(table, found))
        return -float(error)

    def __sklearn_tags__(self) -> Any:
        """Say what scikit-learn may send: holes are cut around."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    def _html_repr(self) -> str:
        """Say what a notebook shows; scikit-learn asks for it by this name."""
        return _html(self) if hasattr(self, "model_") else str(estimator_html_repr(self))

    def _levels(self) -> Sequence[float]:
        """Return the quantiles asked for."""
        return (self.training or Training()).quantiles

    def _window(self) -> Window:
        """Return the window chosen, or the default one."""
        return self.window or Window()

    def _follow(self, X: Any, y: Any) -> tuple[Table, np.ndarray]:
        """Put rows behind the last ones of fit; the mask says which rows of the result are X's."""
        check_is_fitted(self, "model_")
        if not len(self.context_):
            raise InputError(
                "X must follow rows that fit has kept, got a forecaster that was fitted on many "
                "blocks and kept none: call predict_windows with each of its blocks"
            )
        if isinstance(X, Table):
            later = renumbered(X, self.names_)
        else:
            later = pair.from_xy(X, y, names=self.names_, frequency=self.frequency_)
        if later.inputs.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {later.inputs.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input: give the columns of fit"
            )
        if later.frequency not in (None, self.frequency_):
            raise InputError(
                f"X must have the frequency of fit, {self.frequency_ or 'no clock'}, got "
                f"{later.frequency}: give rows like those of fit"
            )
        if later.frequency is None and self.frequency_ is not None:
            levels = "(series, time)" if len(self.names_) > 1 else "time"
            raise InputError(
                f"X must have a {levels} index as in fit, got rows without a clock: give such a "
                "frame; of a pipeline that loses it, call "
                '.set_output(transform="pandas") before fit'
            )
        if isinstance(X, (Table, pd.DataFrame)) and later.features != self.features_:
            raise InputError(
                f"X must have the columns of fit in their order, {', '.join(self.features_)}, got "
                f"{', '.join(later.features)}"
            )
        if later.outputs.shape[1] != len(self.targets_):
            later = pair.without_targets(later, self.targets_)
        # what fit knew of its columns holds for rows that cannot say it
        later = replace(later, known=self.context_.known, static=self.context_.static)
        if later.frequency is None:  # a plain array has no clock: its windows lie inside it
            return later, np.ones(len(later), bool)
        table = self.context_.then(later)
        ours = np.isin(_rank(table), _rank(later))
        return table, ours


def _rank(table: Table) -> np.ndarray:
    """Give every (series, tick) one number."""
    return table.tick * len(table.names) + table.series


def _html(forecaster: Forecaster) -> str:
    """Write a fitted forecaster as HTML."""
    from forecast.models import explain  # builds on Keras

    window = forecaster.window or Window()
    facts = {
        "window": f"{window.timesteps} timesteps, then {window.horizon} of the horizon",
        "targets": listed(forecaster.targets_),
        "inputs": listed(forecaster.features_),
        "kept": f"epoch {forecaster.best_epoch_} of {len(forecaster.history_['loss'])}",
        "weights": f"{forecaster.model_.count_params():,}",
    }
    rows = [vars(layer) for layer in explain.layers(forecaster.model_)]
    layers = pd.DataFrame(rows).set_index("name")
    return card(f"Forecaster: {forecaster.model_.name}", facts, layers)
