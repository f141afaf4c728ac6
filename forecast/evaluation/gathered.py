"""What an evaluation has found so far: sums of all windows, forecasts of those that are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals, joined
from forecast.evaluation.outcome import Extent, Outcome, Spec
from forecast.evaluation.scales import Scale
from forecast.evaluation.scores import Measured, measure, skills
from forecast.evaluation.significance import pairs
from forecast.training.forecaster import Forecaster


class Shown:
    """The windows that pictures and tables are made of, which may lie in blocks of a larger table.

    Attributes:
        table: Rows that hold them, of all series that there are or of some.
        starts: First rows of the windows, ascending, (windows,).
    """

    def __init__(self, table: Table, starts: np.ndarray):
        self.table, self.starts = table, starts

    def find(self, table: Table, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tell which of some windows of a table are shown, and where in the table of those.

        Shapes: `starts` (windows,); returns (shown windows,) each.
        """
        if table is self.table:
            rows = np.flatnonzero(np.isin(starts, self.starts))
            return rows, starts[rows]
        series, tick = table.series[starts] + table.first_series, table.tick[starts]
        first, span, own = self._places
        wanted = np.where((tick >= first) & (tick < first + span), series * span + tick - first, -1)
        place = np.minimum(np.searchsorted(own, wanted), max(0, len(own) - 1))
        rows = np.flatnonzero(own[place] == wanted) if len(own) else np.zeros(0, int)
        return rows, self.starts[place[rows]]

    @cached_property
    def _places(self) -> tuple[int, int, np.ndarray]:
        """First tick, number of ticks, and place of each window by series and tick, ascending."""
        tick = self.table.tick[self.starts]
        first = int(tick.min(initial=0))
        span = int(tick.max(initial=0)) - first + 1
        series = self.table.series[self.starts].astype(np.int64)
        return first, span, series * span + tick - first


@dataclass(frozen=True)
class Scored:
    """What one part of the windows adds; the model's name is "".

    Attributes:
        measured: Forecaster to what its scores follow from.
        paired: The same of the model, on the windows of each forecaster.
        forecasts: Of all windows of the part, or of those that are shown.
        around: Intervals around them, NaN where too little was known.
        spoken: Names of those of whose intervals some are known.
    """

    measured: dict[str, Measured]
    paired: dict[str, Measured]
    forecasts: dict[str, Forecasts]
    around: dict[str, Intervals]
    spoken: frozenset[str]

    @property
    def ends(self) -> dict[str, Intervals]:
        """Intervals of the forecasters of which some are known."""
        return {name: self.around[name] for name in self.around if name in self.spoken}


def scored(found: Mapping[str, Forecasts], around: Mapping[str, Intervals], scale: Scale) -> Scored:
    """Sum what the scores of a part follow from."""
    ends = {name: own for name, own in around.items() if np.isfinite(own.lower).any()}
    model, measured, paired = found[""], dict[str, Measured](), dict[str, Measured]()
    own = measure(model, scale, ends.get(""), ())
    for name, forecasts in found.items():
        if not len(forecasts.starts):  # of a part without windows of its sample
            continue
        same = np.array_equal(forecasts.starts, model.starts)
        measured[name] = measure(forecasts, scale, ends.get(name), ()) if name else own
        paired[name] = own if same else measure(model.beside(forecasts), scale, None, ())
    return Scored(measured, paired, dict(found), dict(around), frozenset(ends))


class Gathered:
    """Forecasts of model and baselines, taken in part by part; the model's name is "".

    Attributes:
        measured: Forecaster to what its scores follow from.
        paired: Baseline to the same of the model on the windows of that baseline.
    """

    def __init__(self, scale: Scale, shown: Shown):
        self._scale, self._shown = scale, shown
        self._forecasts: dict[str, list[Forecasts]] = {}
        self._intervals: dict[str, list[Intervals]] = {}
        self._served: dict[str, np.ndarray] = {}
        self._spoken: set[str] = set()
        self.measured: dict[str, Measured] = {}
        self.paired: dict[str, Measured] = {}

    def add(self, found: Mapping[str, Forecasts], around: Mapping[str, Intervals]) -> None:
        """Take in the forecasts of a part, and what intervals there are around them."""
        self.take(scored(found, around, self._scale))

    def take(self, found: Scored) -> None:
        """Take in a part that is scored."""
        self._spoken |= found.spoken
        own, before = found.measured.get(""), self.measured.get("")
        for name, one in found.measured.items():
            self.measured[name] = _added(self.measured.get(name), one)
            pair = found.paired[name]
            if pair is own and self.paired.get(name) is before:  # on all windows of the model
                self.paired[name] = self.measured[""]
            else:
                self.paired[name] = _added(self.paired.get(name), pair)
            self._keep(name, found.forecasts[name], found.around.get(name))

    def _keep(self, name: str, forecasts: Forecasts, around: Intervals | None) -> None:
        """Keep what is shown."""
        table = self._shown.table
        rows, starts = self._shown.find(forecasts.table, forecasts.starts)
        whole = len(rows) == len(forecasts.starts) and forecasts.table is table
        every = forecasts.quantiles
        self._forecasts.setdefault(name, []).append(
            forecasts
            if whole
            else replace(
                forecasts,
                table=table,
                starts=starts,
                values=forecasts.values[rows],
                quantiles=None if every is None else every[rows],
            )
        )
        if around is not None:
            self._serve(name, around.reach.values, forecasts.table.first_series)
            self._intervals.setdefault(name, []).append(around if whole else some(around, rows))

    def _serve(self, name: str, reach: np.ndarray, first: int) -> None:
        """Take in how far the last intervals of some series reach.

        Shapes: `reach` (some series, horizon, targets).
        """
        count = len(self._shown.table.names)
        if name not in self._served:
            self._served[name] = np.full((count, *reach.shape[1:]), np.nan)
        every = self._served[name][first : first + len(reach)]
        np.copyto(every, reach, where=~np.isnan(reach))

    def outcome(
        self,
        *,
        spec: Spec,
        table: Table,
        cuts: Holdout,
        season: int,
        forecaster: Forecaster,
        refit: bool = False,
        seconds: Mapping[str, float] | None = None,
        of_all: Extent | None = None,
    ) -> Outcome:
        """Return what was found, and what it was asked of."""
        names = [name for name in self.measured if name]
        others = {name: self.measured[name] for name in names}
        around = {name: self._ends(name) for name in names}
        own, reach = self.measured[""], spec.window.lead + spec.window.horizon
        all_names = self._shown.table.names
        return Outcome(
            spec=spec,
            table=table,
            cuts=cuts,
            season=season,
            forecaster=forecaster,
            test=_joined(self._forecasts[""]),
            baselines={name: _joined(self._forecasts[name]) for name in names},
            measured={name: replace(one, names=all_names) for name, one in self.measured.items()},
            paired={name: replace(one, names=all_names) for name, one in self.paired.items()},
            scores=own.scores | skills(self.paired, others),
            baseline_scores={name: found.scores for name, found in others.items()},
            verdicts={
                name: pairs.between(own.origins.mean, found.origins.mean, reach)
                for name, found in others.items()
            },
            refit=refit,
            seconds=dict(seconds or {}),
            intervals=self._ends(""),
            baseline_intervals={name: ends for name, ends in around.items() if ends is not None},
            of_all=of_all,
        )

    def _ends(self, name: str) -> Intervals | None:
        """Return the intervals that are shown, with what was observed of all; None without any."""
        parts = self._intervals.get(name, []) if name in self._spoken else []
        found = joined(parts) if len(parts) == len(self._forecasts[name]) > 0 else None
        if found is None:
            return None
        return replace(found, reach=replace(found.reach, values=self._served[name]))


def _added(so_far: Measured | None, new: Measured) -> Measured:
    return new if so_far is None else so_far + new


def _joined(parts: Sequence[Forecasts]) -> Forecasts:
    """Put the forecasts of several parts one behind the other."""
    if len(parts) == 1:
        return parts[0]
    every = [part.quantiles for part in parts if part.quantiles is not None]
    return replace(
        parts[0],
        starts=np.concatenate([part.starts for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        quantiles=np.concatenate(every) if every else None,
    )


def some(around: Intervals, rows: np.ndarray) -> Intervals:
    """Return the intervals of some windows, with what was observed of all.

    Shapes: `rows` (some windows,).
    """
    inner = around.inner
    return replace(
        around,
        lower=around.lower[rows],
        upper=around.upper[rows],
        crps=around.crps[rows],
        inner=inner and replace(inner, lower=inner.lower[rows], upper=inner.upper[rows]),
    )
