"""Validate baseline names, and forecast the model's windows with each baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data import windows
from forecast.data.scale import Scaled
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, nearest
from forecast.evaluation.baselines import classical, regression, rules, trees
from forecast.evaluation.baselines.classical import CLASSICAL
from forecast.evaluation.baselines.regression import Flat
from forecast.evaluation.forecasts import Forecasts

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Spec

HELD_OUT = 0.1
"""Share of the training span, its end, on which is chosen where there is no validation span."""


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


def forecasts(
    spec: "Spec",
    rows: Scaled,
    learned: np.ndarray,
    starts: np.ndarray,
    *,
    train: np.ndarray | None = None,
    validation: np.ndarray | None = None,
    refit: bool = False,
) -> dict[str, Forecasts]:
    """Let every baseline forecast the model's own windows.

    Shapes: `learned` (rows,), `starts` (windows,); `train` are the windows whose futures lie in
    learned rows, `validation` those to choose on, each (windows,).
    """
    table, window, found = rows.table, spec.window, dict[str, Forecasts]()
    if train is None:
        train = windows.starts(table, window, within=learned)
    spans = _spans(table, window, windows.by_content(table, train, learned), validation, refit)
    seasons = (spec.season,) if spec.season else _seasons(table, learned)
    for name in dict.fromkeys((*rules.ALWAYS, *spec.baselines)):
        own, note = starts, ""
        if name == "seasonal_naive":
            season = best_season(table, window, spans.held, seasons)
            note = f"repeats {season} rows" if len(seasons) > 1 else ""
            values = rules.seasonal_naive(table, window, starts, season)
        elif name in rules.RULES:
            values = rules.RULES[name](table, window, starts, seasons[0])
        elif name in CLASSICAL:
            values = classical.classical(name, table, learned, window, starts, seasons[0])
        elif trees.takes(table):
            own, note = trees.sample(table, window, starts)
            values = trees.boosted_trees(
                rows, window, learned, own, train=spans.train, seasons=seasons
            )
        else:
            continue
        found[name] = Forecasts(table, window, own, values, note=note)
    flat = Flat(rows, window)
    for name, settings in spec.regressors.items():
        values, note = _regressor(name, settings, flat, spans, starts)
        found[name] = Forecasts(table, window, starts, values, note=note)
    if table.task != "regression":  # a line leaves the range of probabilities
        found = {name: replace(each, values=each.values.clip(0, 1)) for name, each in found.items()}
        values = rules.climatology(table, learned, window, starts)
        found["climatology"] = Forecasts(table, window, starts, values)
    return found


def _seasons(table: Table, learned: np.ndarray) -> tuple[int, ...]:
    """List the seasons of the frequency, the natural one and longer ones that were seen, rows."""
    natural, *longer = rules.seasons(table.frequency)
    seen = np.bincount(table.series[learned]).max(initial=0)
    return (natural, *(season for season in longer if season < seen))


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
    name: str, settings: Mapping[str, Any], flat: Flat, spans: Spans, starts: np.ndarray
) -> tuple[np.ndarray, str]:
    """Forecast by a regressor of scikit-learn, and say what was chosen for it."""
    stride = flat.window.stride
    train, early = spans.train[::stride], spans.early[::stride]
    if regression.chooses(name, settings):
        if len(early) and len(spans.held) and not settings.keys() - {"alpha"}:
            values, penalty = regression.ridge(flat, train, early, spans.held, starts)
            return values, f"penalty {penalty:g}"
        settings = dict(settings) | {"alpha": regression.PENALTY}
    return regression.regression(regression.regressor(name, settings), flat, train, starts), ""


def best_season(table: Table, window: Window, held: np.ndarray, seasons: Sequence[int]) -> int:
    """Choose the season whose repetition forecasts some windows best.

    Shapes: `held` (windows,).
    """
    if len(seasons) == 1 or not len(held):
        return seasons[0]

    def error(season: int) -> float:
        predicted = rules.seasonal_naive(table, window, held, season)
        found = float(Forecasts(table, window, held, predicted).error())
        return found if np.isfinite(found) else np.inf

    return min(seasons, key=error)


def left_out(spec: "Spec", table: Table) -> dict[str, str]:
    """Say which baselines cannot forecast a table, and why."""
    if table.task != "regression" or trees.takes(table):
        return {}
    reason = f"left out, {len(table.targets)} targets are more than {trees.TARGETS}"
    return {name: reason for name in spec.baselines if name in trees.NAMES}


def check_names(names: Sequence[str]) -> None:
    """Refuse names of baselines that there are not, and those whose library is missing."""
    known = [*rules.RULES, *CLASSICAL, *trees.NAMES]
    for name in names:
        if name not in known:
            raise InputError(
                f"evaluation.baselines must name baselines, got {name!r}: {nearest(name, known)}"
            )
        if name in CLASSICAL and find_spec("statsmodels") is None:
            raise InputError(
                f"evaluation.baselines={name} must find statsmodels, got none: "
                "pip install 'statsmodels>=0.15'"
            )
