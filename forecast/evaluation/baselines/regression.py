"""Ridge and any regressor of scikit-learn on the flattened window, less its level."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags
from sklearn.utils.discovery import all_estimators
from threadpoolctl import threadpool_limits

from forecast.data import features, windows
from forecast.data.scale import Scaled
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, cause, nearest

PENALTIES = tuple(10.0**power for power in range(-1, 6))
"""From which the penalty is chosen, of standardised values."""


MOST = 20_000
"""Windows that a regressor learns from; more are thinned evenly."""

CELLS = 50_000_000
"""Values in all of them together: a wide window leaves room for fewer."""

BYTES = 2**30
"""Of what windows to learn from hold and predict together, which are thinned until they fit; and of
coefficients, which a regressor that does not fit must do without."""

BLOCK = 512
"""Windows that are forecast together, always as many: the rounding of a matrix product depends on
its shape, and a forecast must not depend on the windows beside it."""

BLOCK_CELLS = 2**24
"""Values that these windows hold and predict where there is no room for coefficients."""

KERNEL = 32
"""A block is a multiple of it, so that no row of a product falls into the rest of a matrix."""

Predict = Callable[[np.ndarray], np.ndarray]
"""Maps flattened windows (windows, columns) to outputs (windows, outputs)."""


class Path:
    """Least squares with a penalty on the squared coefficients, intercept apart.

    The products of all columns, or of all rows where these are fewer, are made once; each penalty
    then costs one Cholesky factor. Where coefficients take more than `BYTES` there are none:
    a forecast is made of its products with the rows that were learned from.

    Shapes: `known` (rows, columns), `future` (rows, outputs); both are centred in place.
    """

    def __init__(self, known: np.ndarray, future: np.ndarray):
        self.mean, self.intercept = known.mean(axis=0), future.mean(axis=0)
        known -= self.mean
        future -= self.intercept
        self._known, self._future = known, future
        rows, columns = known.shape
        self._dual = rows < columns
        self._bare = self._dual and bare(columns, future.shape[1])
        self._products = known @ known.T if self._dual else known.T @ known

    def at(self, penalty: float) -> Predict:
        """Solve for one penalty.

        Returns (rows, columns).

        >>> path = Path(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]]))
        >>> path.at(0.5)(np.array([[0.5], [1.5]])).tolist()
        [[1.0], [2.0]]
        """
        squared = self._products.copy()
        squared[np.diag_indices_from(squared)] += penalty
        factor = cho_factor(squared, overwrite_a=True, check_finite=False)
        if self._bare:
            return lambda given: (
                cho_solve(factor, self._known @ (given - self.mean).T).T @ self._future
                + self.intercept
            )
        if self._dual:
            weights = self._known.T @ cho_solve(factor, self._future)
        else:
            weights = cho_solve(factor, self._known.T @ self._future)
        mean, intercept = self.mean, self.intercept
        return lambda given: (given - mean) @ weights + intercept


def bare(columns: int, outputs: int) -> bool:
    """Tell whether there is no room for a coefficient of each column and output."""
    return 8 * columns * outputs > BYTES


def flattened(table: Table, window: Window) -> tuple[int, int]:
    """Count the columns and the outputs of a flattened window.

    >>> rows, zero = np.zeros((9, 2)), np.zeros(9, int)
    >>> table = Table(rows, rows[:, :1], ("a", "b"), ("a",), zero, np.arange(9), np.arange(9))
    >>> flattened(table, Window(timesteps=6, horizon=3))
    (12, 3)
    """
    columns = len(table.features) + features.input_count(table, window)
    return window.timesteps * columns, window.horizon * len(table.targets)


@dataclass(frozen=True)
class Flat:
    """Windows as rows of a matrix, standardised, in double precision.

    A target that is an input too is taken relative to its value at the origin, in the window and in
    what is predicted, so that a series whose level moves on is no new world to a linear model.
    Probabilities have no such level, and their windows are left as they are.

    Attributes:
        rows: Standardised by what training rows show.
        window: Shape of a sample.
    """

    rows: Scaled
    window: Window

    def known(self, starts: np.ndarray) -> np.ndarray:
        """Flatten what is known at the origins, the known future too.

        Shapes: `starts` (windows,); returns (windows, timesteps · columns).
        """
        found = np.empty((len(starts), self.window.timesteps, self._seen.shape[1]))
        own = [place for place in self._positions if place >= 0]
        for part in _blocks(len(starts)):
            found[part] = windows.inputs(self._seen, starts[part], self.window)
            found[part, ..., own] -= found[part, -1:, own]
        return found.reshape(len(starts), -1)

    def future(self, starts: np.ndarray) -> np.ndarray:
        """Flatten what comes true, relative to the level, (windows, horizon · targets)."""
        found = np.empty((len(starts), self.window.horizon, len(self.table.targets)))
        for part in _blocks(len(starts)):
            found[part] = windows.outputs(self.rows.outputs, starts[part], self.window)
            found[part] -= self._level(starts[part])
        return found.reshape(len(starts), -1)

    def values(self, predicted: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Bring predictions back to original units.

        Shapes: `predicted` (windows, horizon · targets), `starts` (windows,); returns (windows,
        horizon, targets).
        """
        shape = (len(starts), self.window.horizon, len(self.table.targets))
        found = predicted.reshape(shape) + self._level(starts)
        return self.rows.scaler.invert(found, self.table.series[starts])

    def forecast(self, predict: Predict, starts: np.ndarray) -> np.ndarray:
        """Forecast windows in blocks of one size.

        Shapes: `starts` (windows,); returns (windows, horizon, targets).
        """
        found = np.empty((len(starts), self.window.horizon, len(self.table.targets)))
        with threadpool_limits(1, user_api="blas"):  # the same bits whatever the number of cores
            for first in range(0, len(starts), self.block):
                part = starts[first : first + self.block]
                full = np.concatenate([part, np.repeat(part[-1:], self.block - len(part))])
                predicted = np.asarray(predict(self.known(full)), float)
                predicted = predicted.reshape(self.block, -1)[: len(part)]
                found[first : first + len(part)] = self.values(predicted, part)
        return found

    def thinned(self, starts: np.ndarray) -> np.ndarray:
        """Keep as many windows as a regressor learns from, evenly."""
        columns, outputs = flattened(self.table, self.window)
        most = min(MOST, CELLS // columns, BYTES // 8 // (columns + outputs))
        return starts[:: max(1, -(-len(starts) // max(1, most)))]

    @property
    def block(self) -> int:
        """How many windows are forecast together."""
        size = flattened(self.table, self.window)
        if not bare(*size):
            return BLOCK
        return min(BLOCK, max(1, BLOCK_CELLS // sum(size) // KERNEL) * KERNEL)

    @property
    def table(self) -> Table:
        """The rows before they were standardised."""
        return self.rows.table

    @cached_property
    def _seen(self) -> np.ndarray:
        return features.append_known_future(self.rows.inputs, self.table, self.window)

    @property
    def _positions(self) -> tuple[int, ...]:
        """Where the targets stand among the columns, -1 for one that has no level."""
        positions = self.table.target_positions
        return positions if self.table.task == "regression" else (-1,) * len(positions)

    def _level(self, starts: np.ndarray) -> np.ndarray:
        """Read the targets at the origins, as standardised outputs, (windows, 1, targets)."""
        own, series = self.rows.scaler, self.table.series[starts]
        level = np.zeros((len(starts), 1, len(self.table.targets)))
        for target, place in enumerate(self._positions):
            if place >= 0:
                last = self._seen[starts + self.window.timesteps - 1, place].astype(float)
                last = last * own.input_std[series, place] + own.input_mean[series, place]
                level[:, 0, target] = (last - own.output_mean[series, target]) / own.output_std[
                    series, target
                ]
        return level


def learn(model: Any, flat: Flat, train: np.ndarray) -> Predict:
    """Let a regressor learn to map the flattened standardised window to the horizon.

    It sees what a network sees, the known future too, but not the number of the series.

    Shapes: `train` (windows,).
    """
    train = flat.thinned(train)
    known, future = flat.known(train), flat.future(train)
    if bare(*flattened(flat.table, flat.window)):  # a ridge: of others `lacks_room` tells
        return Path(known, future).at(model.alpha)
    single = future.shape[1] == 1 and not isinstance(model, MultiOutputRegressor)
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        # a baseline that has not converged is still one, and the terminal is not its place
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(known, future[:, 0] if single else future).predict


def ridge(
    flat: Flat, train: np.ndarray, early: np.ndarray, held: np.ndarray
) -> tuple[Predict, float]:
    """Regress with the penalty that forecasts some windows best.

    Shapes: `train`, `early` and `held` (windows,) each.
    """
    early, train, held = flat.thinned(early), flat.thinned(train), flat.thinned(held)
    if bare(
        *flattened(flat.table, flat.window)
    ):  # where each costs seconds, a block of them decides
        held = held[:: -(-len(held) // flat.block)]
    with threadpool_limits(1, user_api="blas"):
        path = Path(flat.known(early), flat.future(early))
        given = flat.known(held)
        errors = {penalty: _error(flat, path.at(penalty), given, held) for penalty in PENALTIES}
        best = min(errors, key=errors.__getitem__)
        if len(train) != len(early) or (train != early).any():
            del path, given
            path = Path(flat.known(train), flat.future(train))
        return path.at(best), best


def _error(flat: Flat, predict: Predict, given: np.ndarray, held: np.ndarray) -> float:
    """Average the absolute errors of some windows, a block of them at a time."""
    total, count = 0.0, 0
    for part in _blocks(len(held)):
        values = flat.values(predict(given[part]), held[part])
        loss = np.abs(values - windows.outputs(flat.table.outputs, held[part], flat.window))
        total, count = total + float(np.nansum(loss)), count + int(np.isfinite(loss).sum())
    return total / count if count else np.nan


def _blocks(count: int) -> Iterator[slice]:
    """Cut windows into blocks."""
    return (slice(first, first + BLOCK) for first in range(0, count, BLOCK))


SEED = 0
"""Of regressors that draw at random, so that a baseline is the same in every run."""


PENALTY = 10.0
"""Of a ridge that nobody gives one, and for which there are too few windows to choose."""


def regressor(name: str, settings: Mapping[str, Any]) -> BaseEstimator:
    """Make a regressor that predicts several values.

    >>> regressor("ridge", {"alpha": 2.0})
    Ridge(alpha=2.0, random_state=0)
    >>> regressor("LinearSVR", {})
    MultiOutputRegressor(estimator=LinearSVR(random_state=0))
    """
    known = _known()
    if name.lower() not in known:
        names = [kind.__name__ for kind in known.values()]
        raise InputError(
            f"evaluation.regressors must name regressors of scikit-learn, got {name!r}: "
            f"{nearest(name, names)}"
        )
    kind = known[name.lower()]
    takes = inspect.signature(kind).parameters
    for setting, value in settings.items():
        if setting not in takes:
            raise InputError(
                f"evaluation.regressors.{name}.{setting} must be a setting of {kind.__name__}, got "
                f"{setting}={value}: {nearest(setting, takes)}"
            )
    seed = {"random_state": SEED} if "random_state" in takes else {}
    made = kind(**seed | dict(settings))
    return made if get_tags(made).target_tags.multi_output else MultiOutputRegressor(made)


def chooses(name: str, settings: Mapping[str, Any]) -> bool:
    """Tell whether a regressor is a ridge whose penalty is left to be chosen.

    >>> chooses("ridge", {}), chooses("Ridge", {"alpha": None}), chooses("ridge", {"alpha": 1.0})
    (True, True, False)
    """
    return name.lower() == "ridge" and settings.get("alpha") is None


def lacks_room(name: str, settings: Mapping[str, Any], table: Table, window: Window) -> str:
    """Say why a regressor is left out; empty where it is not: a ridge can do without coefficients.

    Anything else may hold a number for each pair of column and output.
    """
    columns, outputs = flattened(table, window)
    alone = name.lower() == "ridge" and not settings.keys() - {"alpha"}
    if not bare(columns, outputs) or alone and np.ndim(settings.get("alpha") or 0) == 0:
        return ""
    return f"left out, its coefficients take {8 * columns * outputs / 2**30:,.1f} GiB of memory"


def check_regressor(name: str, settings: Any) -> None:
    """Fit a regressor on a few random numbers, since it judges its settings only then."""
    if not isinstance(settings, Mapping):
        raise InputError(
            f"evaluation.regressors.{name} must be pairs of settings and values, got {settings!r}: "
            "try {alpha: 10.0}, or {} for the defaults"
        )
    if chooses(name, settings):
        settings = dict(settings) | {"alpha": PENALTY}
    random = np.random.default_rng(SEED)
    known, future = random.normal(size=(40, 8)), random.normal(size=(40, 2))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            regressor(name, settings).fit(known, future)
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"evaluation.regressors.{name} must be able to learn standardised values, got "
            f"{dict(settings)} ({cause(error)}): fix its settings or take another"
        ) from error


@cache
def _known() -> dict[str, type]:
    """Find every regressor by its name in small letters: a walk through all of scikit-learn."""
    return {name.lower(): kind for name, kind in all_estimators(type_filter="regressor")}
