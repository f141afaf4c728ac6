"""Prediction intervals around any forecasts, calibrated on windows whose outcome is known."""

import copy
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import conformal, following
from forecast.evaluation.intervals.collected import CENTRAL as CENTRAL
from forecast.evaluation.intervals.collected import INNER, Inner, View
from forecast.evaluation.intervals.collected import QUANTILES as QUANTILES
from forecast.evaluation.intervals.collected import Collected as Collected
from forecast.evaluation.intervals.collected import Intervals as Intervals
from forecast.evaluation.intervals.following import Job, Pool, Promise, Scores
from forecast.evaluation.intervals.layout import Layout, Past, Windows, newest
from forecast.evaluation.intervals.layout import Spans as Spans
from forecast.evaluation.intervals.margin import Reach


class Calibration:
    """Intervals around forecasts that come in parts: whole series, or stretches of long ones.

    A part holds all windows of some series, or the next ones in time of the same series as the part
    before. What the parts say together is what one part of all windows says, to the bit. The
    forecaster whose name is "" is the model, which keeps an inner band too.

    Args:
        level: Share that is to be covered.
        method: "split", "cqr" or "adaptive".
        scaler: Of the series of these parts' tables.
        apart: Every how many steps of the horizon all levels are followed, as `steps_apart` counts;
            the model's promised level is followed at all steps.
    """

    def __init__(self, level: float, method: str, scaler: Scaler, apart: int = 1):
        self._promise = Promise(level, method, apart)
        self._pools: dict[str, Pool] = {}
        self._begin(scaler)

    def _begin(self, scaler: Scaler) -> None:
        """Know nothing of any series but its scale."""
        self._scaler = scaler
        self._served: dict[str, np.ndarray] = {}
        self._reach: dict[str, Reach] = {}
        self._newest: tuple[Table, np.ndarray] | None = None
        self._forget()

    def beside(self, scaler: Scaler) -> "Calibration":
        """Return one for other series, those of a block, which may learn from the same pool."""
        other = copy.copy(self)
        other._begin(scaler)
        return other

    def _forget(self) -> None:
        """Drop what the next part of the same series would need."""
        self._more = False
        self._past: dict[str, dict[int, Past]] = {}
        self._leaders: dict[str, str] = {}
        # of each forecaster and what is followed together: by series
        self._carried: defaultdict[tuple[object, ...], dict] = defaultdict(dict)

    @property
    def reach(self) -> dict[str, Reach]:
        """What forecasts behind the last known outcomes need, of each forecaster with intervals.

        Its values are those of all series whose last window was put.
        """
        return self._reach

    def pool(self, spans: Mapping[str, Spans]) -> None:
        """Let series of few held-out windows learn from others: all series, or a sample of them.

        Without a pool each learns from its own windows.

        Args:
            spans: Name of each forecaster to the forecasts of all windows of these series.
        """
        for name, (test, held) in spans.items():
            if held is None or not len(held.starts):
                continue
            scores = Scores((test, held), self._promise, self._scaler)
            self._pools[name] = Pool(scores, Windows(test, held))

    def put(
        self,
        spans: Mapping[str, Spans],
        *,
        goes_on: bool = False,
        more: bool = False,
    ) -> dict[str, Intervals]:
        """Put intervals around the test forecasts of a part.

        Forecasters of the same windows are followed side by side, which costs little more than one
        of them.

        Args:
            spans: Name of each forecaster, the same in every part, to the forecasts of its test and
                held-out windows in this part; either may be empty, and held-out ones may be None.
            goes_on: Whether the windows follow on those of the part before, of the same series.
            more: Whether later windows of these series follow in the next part.

        Returns:
            Name to the intervals of the part's test windows, NaN where too little was known.

        Raises:
            ValueError: The part before has not said that more was to come.
        """
        if goes_on and not self._more:
            raise ValueError("goes_on must follow a part that was put with more=True: say so there")
        if not goes_on:
            self._forget()
        found: dict[str, Intervals] = {}
        groups = self._alike(spans)
        for names in groups:
            test, held = spans[names[0]]
            layout = Layout(
                Windows(test, held),
                self._newest_of(test.table),
                names[0] in self._pools,
                self._past.get(names[0], {}),
                more,
            )
            jobs = [self._job(name, spans[name]) for name in names]
            for some, steps, levels in self._looks(jobs):
                self._put(some, replace(layout, steps=steps), levels)
            found |= {job.name: job.intervals() for job in jobs}
            self._past |= dict.fromkeys(names, layout.after() if more else {})
        self._leaders = {name: names[0] for names in groups for name in names}
        self._more = more
        if not more:
            self._forget()
        self._reach |= {
            name: one.reach for name, one in found.items() if np.isfinite(one.lower).any()
        }
        return {name: found[name] for name in spans}

    def _job(self, name: str, spans: Spans) -> Job:
        """Begin the intervals of one forecaster."""
        scores = Scores(spans, self._promise, self._scaler)
        if name not in self._served:
            shape = (len(self._scaler.output_std), *spans[0].values.shape[1:])
            self._served[name] = np.full(shape, np.nan)
        return Job(name, scores, self._promise, self._served[name], self._pools.get(name))

    def _newest_of(self, table: Table) -> np.ndarray:
        """Return the tick of the newest row of each series, looked up once a table."""
        if self._newest is None or self._newest[0] is not table:
            self._newest = table, newest(table)
        return self._newest[1]

    def _alike(self, spans: Mapping[str, Spans]) -> list[list[str]]:
        """Group the forecasters that have forecast the same windows, here and before."""
        groups: list[list[str]] = []
        kinds = {name: (self._leaders.get(name), name in self._pools) for name in spans}
        for name, own in spans.items():
            for group in groups:
                first = group[0]
                same = all(_same(a, b) for a, b in zip(own, spans[first], strict=True))
                if same and kinds[name] == kinds[first]:
                    group.append(name)
                    break
            else:
                groups.append([name])
        return groups

    def _looks(
        self, jobs: Sequence[Job]
    ) -> Iterator[tuple[Sequence[Job], slice, tuple[float, ...]]]:
        """Say which forecasters are followed at which steps and levels."""
        promise = self._promise
        model = [job for job in jobs if not job.name]
        if promise.apart > 1 and model:
            yield model, slice(None), promise.drawn
        yield jobs, promise.steps, promise.levels

    def _put(self, jobs: Sequence[Job], layout: Layout, levels: tuple[float, ...]) -> None:
        """Calibrate forecasters of the same windows, as many and as many targets at once as fit."""
        targets, steps = layout.windows.test.values.shape[2], layout.windows.ahead[layout.steps]
        # moments at once, so that few of them are held twice
        moments = 2 * int(layout.windows.ahead[-1]) + 64
        fit = max(1, conformal.CELLS // (len(levels) * len(steps) * moments))
        chunk = min(targets, fit)
        together = min(len(jobs), fit // chunk)
        most = conformal.CELLS // (together * len(steps) * chunk * len(levels))
        adaptive = self._promise.method == "adaptive"
        every = (True, False) if adaptive else ()
        batches = [batch for enough in every for batch in layout.batches(enough, most)]
        for begin in range(0, targets, chunk):
            view = View(layout.steps, slice(begin, min(begin + chunk, targets)), levels)
            for first in range(0, len(jobs), together):
                some = jobs[first : first + together]
                carried = [self._carried[job.name, *view.key] for job in some]
                if not adaptive:
                    following.fix(some, layout, view, carried)
                for batch in batches:
                    following.follow(some, layout, batch, view, carried)


FOLLOWED = 20_000_000
"""Forecast values, of test and held-out windows, of which all levels are followed."""


def steps_apart(window: Window, count: int, targets: int, season: int) -> int:
    """Count every how many steps of the horizon all levels can be followed: one, where few values.

    Errors may rise and fall with the season. So a distance within a horizon of several seasons has
    no divisor in common with one, and the steps see each of its phases alike.

    Args:
        window: Of the forecasts.
        count: Number of held-out and test windows of all series.
        targets: Number of targets.
        season: Rows of a season.

    Returns:
        The distance of two steps, at most the horizon.
    """
    apart = max(1, -(-count * window.horizon * targets // FOLLOWED))
    while window.horizon > season and math.gcd(apart, season) > 1:
        apart += 1
    return min(apart, window.horizon)


def calibrate(
    test: Forecasts, held: Forecasts | None, scaler: Scaler, level: float, method: str
) -> Intervals | None:
    """Put an interval around every test forecast.

    Each step and target has its own, and so has each series with enough held-out windows; one of
    few learns from those of all series, each by its own scale.
    """
    return calibrate_all({"": (test, held)}, scaler, level, method).get("")


def calibrate_all(
    forecasters: Mapping[str, Spans], scaler: Scaler, level: float, method: str
) -> dict[str, Intervals]:
    """Put intervals around all forecasts of several forecasters, where there are some."""
    made = Calibration(level, method, scaler)
    made.pool(forecasters)
    found = made.put(forecasters)
    return {name: own for name, own in found.items() if name in made.reach}


def joined(parts: Sequence[Intervals | None], order: np.ndarray | None = None) -> Intervals | None:
    """Put the intervals of several spans together, in their order or in another.

    Shapes: `order` (windows,).
    """
    sort = slice(None) if order is None else order
    given = [part for part in parts if part is not None]
    if not given or len(given) < len(parts):
        return None
    if len(given) == 1 and order is None:
        return given[0]
    inner = [part.inner for part in given if part.inner is not None]
    return replace(
        given[-1],
        lower=np.concatenate([part.lower for part in given])[sort],
        upper=np.concatenate([part.upper for part in given])[sort],
        crps=np.concatenate([part.crps for part in given])[sort],
        inside={level: sum(part.inside[level] for part in given) for level in given[-1].inside},
        count=sum(part.count for part in given),
        inner=Inner(
            INNER,
            np.concatenate([part.lower for part in inner])[sort],
            np.concatenate([part.upper for part in inner])[sort],
        )
        if len(inner) == len(given)
        else None,
    )


def _same(one: Forecasts | None, other: Forecasts | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one.starts, other.starts)
