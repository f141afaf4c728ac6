"""Validate baseline names, and forecast the model's windows with each baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data import windows
from forecast.data.scale import Scaled
from forecast.data.scaling.bounds import clipped
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, nearest
from forecast.evaluation.baselines import regression, rules, trees
from forecast.evaluation.baselines.classical import CLASSICAL, Classical, Lines
from forecast.evaluation.baselines.regression import Flat, Predict
from forecast.evaluation.baselines.rules import Past, Rule
from forecast.evaluation.baselines.trees import Trees
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.parts import Asked
from forecast.vocabulary import BASELINES

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Spec

HELD_OUT = 0.1
"""Share of the training span, its end, on which is chosen where there is no validation span."""

CHOSEN = 2_000_000
"""Values that are forecast together to choose a season."""


@dataclass(frozen=True)
class Spans:
    """Windows that baselines learn from and choose on, none of them scored.

    Attributes:
        train: All to learn from, (train windows,).
        early: Those of them that end before any window chosen on begins to predict.
        held: Those that season and penalty are chosen on, perhaps none.
    """

    train: np.ndarray
    early: np.ndarray
    held: np.ndarray


@dataclass(frozen=True, eq=False)
class Reading:
    """A table as baselines read it: each part is made once, whatever windows are asked for.

    Attributes:
        rows: Standardised.
        window: Shape of a sample.
        numbers: Number of each series among those that were learned from, (series,).
    """

    rows: Scaled
    window: Window
    numbers: np.ndarray

    @cached_property
    def past(self) -> Past:
        """As rules read it."""
        return Past(self.rows.table)

    @cached_property
    def flat(self) -> Flat:
        """As regressors read it."""
        return Flat(self.rows, self.window)


Forecast = Callable[[np.ndarray], np.ndarray]
"""Forecasts windows, (windows,), of one table: (windows, horizon, targets)."""

Kept = Trees | Rule
"""A baseline as plain values, from which it forecasts other rows at another time."""


def reader(kept: Kept, on: Reading) -> Forecast:
    """Let a baseline that was kept read a table."""
    if isinstance(kept, Rule):
        return partial(kept.forecast, on.past, on.window)
    return partial(kept.forecast, kept.lagged(on.past, on.rows.scaler, on.numbers))


@dataclass(frozen=True)
class Learned:
    """A baseline that has learned.

    Attributes:
        on: From a table to what forecasts its windows.
        note: What was chosen for it.
        stamps: Time stamps of the origins that it forecasts, ascending; None for all.
        series: Mask of the series that it forecasts, of those learned from; None for all.
        kept: All that it forecasts from, as a bundle keeps it; None where none can: regressors,
            classical models and shares.
    """

    on: Callable[[Reading], Forecast]
    note: str = ""
    stamps: np.ndarray | None = None
    series: np.ndarray | None = None
    kept: Kept | None = None

    @classmethod
    def of(
        cls,
        kept: Kept,
        note: str = "",
        stamps: np.ndarray | None = None,
        series: np.ndarray | None = None,
    ) -> "Learned":
        """Make one that a bundle can keep."""
        return cls(partial(reader, kept), note, stamps, series, kept)

    @property
    def of_sample(self) -> bool:
        """Whether it forecasts some of the windows only."""
        return self.stamps is not None or self.series is not None

    def some(self, reading: Reading, starts: np.ndarray) -> np.ndarray:
        """Return those of some windows that it forecasts, (windows,)."""
        table = reading.rows.table
        if self.series is not None:
            starts = starts[self.series[reading.numbers[table.series[starts]]]]
        if self.stamps is not None:
            origins = table.time[starts + reading.window.timesteps - 1]
            starts = starts[np.isin(origins, self.stamps)]
        return starts


class Baselines:
    """Baselines that have learned and forecast windows part by part, of one table or of others.

    Parts may be cut anywhere: the forecasts of a window are the same bits whatever is asked for
    beside it. Regressors forecast `regression.BLOCK` windows at once, so small parts cost more.

    Attributes:
        task: Of the tables.
        learned: By name.
    """

    def __init__(self, reading: Reading, learned: Mapping[str, Learned]):
        self.learned = learned
        self._reading = reading
        self._forecast: dict[str, Forecast] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made of the rows, as another process does when it needs it."""
        reading = Reading(self._reading.rows, self._reading.window, self._reading.numbers)
        return {**vars(self), "_reading": reading, "_forecast": {}}

    def forecast(
        self, starts: np.ndarray, rows: Scaled | None = None, numbers: np.ndarray | None = None
    ) -> dict[str, Forecasts]:
        """Forecast some windows with every baseline.

        Args:
            starts: First rows of the windows, among those that `learn` was told of, (windows,).
            rows: Another table of whole series, with the same columns, that holds these windows;
                None for the one that was learned from, or was given last.
            numbers: Number of each of its series among those that were learned from, (series,);
                None where they are the same.

        Returns:
            Name to forecasts; of a baseline that forecasts a sample, those of its windows.
        """
        if rows is not None and rows is not self._reading.rows:
            numbers = np.arange(len(rows.table.names)) if numbers is None else numbers
            self._reading, self._forecast = Reading(rows, self._reading.window, numbers), {}
        reading = self._reading
        table, window, found = reading.rows.table, reading.window, dict[str, Forecasts]()
        for name, learned in self.learned.items():
            if name not in self._forecast:
                self._forecast[name] = learned.on(reading)
            own = learned.some(reading, starts)
            values = self._forecast[name](own)
            if table.task != "regression":  # a line leaves the range of probabilities
                values = values.clip(0, 1)
            values = clipped(values, table.bounds)
            found[name] = Forecasts(table, window, own, values, note=learned.note)
        return found


def learn(
    spec: "Spec",
    rows: Scaled,
    learned: np.ndarray,
    asked: np.ndarray | Asked,
    *,
    train: np.ndarray | None = None,
    validation: np.ndarray | None = None,
    refit: bool = False,
    shares: np.ndarray | None = None,
) -> Baselines:
    """Let every baseline learn.

    Shapes: `learned` (rows,), `asked` (windows,), all that will be asked for, or what is known of
    them; `train` are the windows whose futures lie in learned rows, `validation` those to choose
    on, each (windows,); `shares` (series, targets) are those of `rules.shares` where the table does
    not hold all rows.
    """
    table, window, found = rows.table, spec.window, dict[str, Learned]()
    if train is None:
        train = windows.starts(table, window, within=learned)
    spans = _spans(table, window, windows.by_content(table, train, learned), validation, refit)
    seasons = (spec.season,) if spec.season else _seasons(table, learned)
    reading = Reading(rows, window, np.arange(len(table.names)))
    for name in dict.fromkeys((*rules.ALWAYS, *spec.baselines)):
        if name == "seasonal_naive":
            season = best_season(reading.past, window, spans.held, seasons)
            note = f"repeats {season} rows" if len(seasons) > 1 else ""
            found[name] = Learned.of(Rule(name, season), note)
        elif name in rules.RULES:
            found[name] = Learned.of(Rule(name, seasons[0]))
        elif name in CLASSICAL:
            models = Classical(name, table, learned, window, seasons[0])
            found[name] = Learned(partial(_lines, models))
        elif trees.takes(table):
            if not isinstance(asked, Asked):
                asked = Asked.of(table, window, asked)
            stamps, note = trees.sample(asked, window.horizon * len(table.targets))
            grown = trees.learn(
                rows, reading.past, window, learned, train=spans.train, seasons=seasons
            )
            found[name] = Learned.of(grown, note, stamps, asked.series)
    left = left_out(spec, table)
    for name, settings in spec.regressors.items():
        if name not in left:
            predict, note = _regressor(name, settings, reading.flat, spans)
            found[name] = Learned(partial(_flat, predict), note)
    if table.task != "regression":
        shares = rules.shares(table, learned) if shares is None else shares
        found["climatology"] = Learned(partial(_climatology, shares))
    return Baselines(reading, found)


def _lines(models: Classical, on: Reading) -> Forecast:
    return Lines(models, on.rows.table, on.numbers).forecast


def _flat(predict: Predict, on: Reading) -> Forecast:
    return partial(on.flat.forecast, predict)


def _climatology(shares: np.ndarray, on: Reading) -> Forecast:
    return partial(rules.climatology, on.past, on.window, shares=shares[on.numbers])


def _seasons(table: Table, learned: np.ndarray) -> tuple[int, ...]:
    """List the seasons of the frequency, the natural one and longer ones that were seen, rows."""
    natural, *longer = rules.seasons(table.frequency)
    seen = np.bincount(table.series[learned]).max(initial=0)
    return (natural, *(season for season in longer if season < seen))


def look_back(table: Table, window: Window, season: int | None) -> int:
    """Return how many rows before a window any baseline may read."""
    return trees.look_back((season,) if season else rules.seasons(table.frequency), window)


def _spans(
    table: Table,
    window: Window,
    train: np.ndarray,
    validation: np.ndarray | None,
    refit: bool,
) -> Spans:
    """Part the windows to learn from and those to choose on."""
    last = table.time[train + window.span - 1]
    if validation is None or not len(validation):
        stamps, refit = np.unique(last), True
        validation = (
            train[last >= stamps[-max(1, int(HELD_OUT * len(stamps)))]] if len(train) else train
        )
    early = train
    if refit and len(validation):
        early = train[last < table.time[validation + window.timesteps + window.lead].min()]
    return Spans(train, early, validation)


def _regressor(
    name: str, settings: Mapping[str, Any], flat: Flat, spans: Spans
) -> tuple[Predict, str]:
    """Let a regressor of scikit-learn learn, and say what was chosen for it."""
    stride = flat.window.stride
    train, early = spans.train[::stride], spans.early[::stride]
    if regression.chooses(name, settings):
        if len(early) and len(spans.held) and not settings.keys() - {"alpha"}:
            predict, penalty = regression.ridge(flat, train, early, spans.held)
            return predict, f"penalty {penalty:g}"
        settings = dict(settings) | {"alpha": regression.PENALTY}
    return regression.learn(regression.regressor(name, settings), flat, train), ""


def best_season(past: Past, window: Window, held: np.ndarray, seasons: Sequence[int]) -> int:
    """Choose the season whose repetition forecasts some windows best.

    Shapes: `held` (windows,).
    """
    if len(seasons) == 1 or not len(held):
        return seasons[0]
    table = past.table

    def error(season: int) -> float:
        total, count = 0.0, 0
        for part in windows.batches(held, max(1, CHOSEN // window.horizon // len(table.targets))):
            found = Forecasts(table, window, part, rules.seasonal_naive(past, window, part, season))
            if known := int((~np.isnan(found.true)).sum()):
                total, count = total + float(found.error()) * known, count + known
        return total / count if count and np.isfinite(total) else np.inf

    return min(seasons, key=error)


def left_out(spec: "Spec", table: Table) -> dict[str, str]:
    """Say which baselines cannot forecast a table, and why."""
    found = {}
    if table.task == "regression" and not trees.takes(table):
        reason = f"left out, {len(table.targets)} targets are more than {trees.TARGETS}"
        found = {name: reason for name in spec.baselines if name in trees.NAMES}
    for name, settings in spec.regressors.items():
        if reason := regression.lacks_room(name, settings, table, spec.window):
            found[name] = reason
    return found


def check_names(names: Sequence[str]) -> None:
    """Refuse names of baselines that there are not, and those whose library is missing."""
    for name in names:
        if name not in BASELINES:
            raise InputError(
                f"evaluation.baselines must name baselines, got {name!r}: "
                f"{nearest(name, BASELINES)}"
            )
        if name in CLASSICAL and find_spec("statsmodels") is None:
            raise InputError(
                f"evaluation.baselines={name} must find statsmodels, got none: "
                "pip install 'statsmodels>=0.15'"
            )
