"""Prediction intervals around any forecasts, calibrated on windows whose outcome is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from forecast.data import windows
from forecast.data.scale import Scaler
from forecast.data.windows import Window
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import conformal
from forecast.evaluation.intervals.layout import Batch, Layout
from forecast.evaluation.intervals.margin import Pair, Reach, base, pair, widened

CENTRAL = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
"""Levels whose ends, with the forecast between them, are nineteen quantiles, for the CRPS."""

QUANTILES = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Theirs."""


INNER = 0.5
"""Level of the band that pictures show within the interval."""

MOST_INNER = 10_000_000
"""Most forecast values of which that band is kept."""


@dataclass(frozen=True)
class Inner:
    """The narrower band within an interval, (windows, horizon, targets) each."""

    level: float
    lower: np.ndarray
    upper: np.ndarray


class Collected:
    """Ends of one level and losses of every value; of the other levels only how much they cover.

    Attributes:
        lower: (windows, horizon, targets); NaN where nothing was put.
        upper: Of the same shape.
        crps: Likewise; NaN too where there is no truth.
        inner: The band of half the truth, where it is wanted.
    """

    def __init__(
        self,
        test: Forecasts,
        between: Pair | None,
        levels: Sequence[float],
        chosen: int,
        inner: bool,
    ):
        self._test, self._between, self._levels, self._chosen = test, between, levels, chosen
        self._half = self._levels.index(INNER)
        self.inner: Inner | None = None
        if inner and levels[chosen] > INNER and test.values.size <= MOST_INNER:
            self.inner = Inner(INNER, *np.full((2, *test.values.shape), np.nan))
        self._central = [self._levels.index(level) for level in CENTRAL]
        self._inside = np.zeros(len(levels))
        self._count = 0
        self.lower, self.upper, self.crps = np.full((3, *test.values.shape), np.nan)

    def put(self, rows: np.ndarray, part: slice, by: np.ndarray) -> None:
        """Put intervals around some windows.

        Shapes: `rows` (windows,), `by` (windows, horizon, targets, levels).
        """
        test, some = self._test, (rows, slice(None), part)
        middle = test.values[some]
        every = middle[..., None] if test.quantiles is None else test.quantiles[some]
        low, high = base(every, test.levels, middle, self._between)
        by = np.ascontiguousarray(np.moveaxis(by, -1, 0))  # (levels, windows, horizon, targets)
        self.lower[some], self.upper[some] = widened(low, high, middle, by[self._chosen])
        if self.inner is not None:
            # thresholds are moved on their own, and one level may pass another
            half = np.minimum(by[self._half], by[self._chosen])
            self.inner.lower[some], self.inner.upper[some] = widened(low, high, middle, half)
        true = windows.outputs(test.table.outputs[:, part], test.starts[rows], test.window)
        known = np.where(np.isfinite(by).all(axis=0), true, np.nan)
        self._count += int(np.isfinite(known).sum())
        for number, own in enumerate(by):
            below, above = widened(low, high, middle, own)
            self._inside[number] += int(((known >= below) & (known <= above)).sum())
        central = by[self._central]
        # thresholds of neighbouring levels are moved on their own and may cross
        crossed = (central[1:] < central[:-1]).any(axis=0)
        central[:, crossed] = np.sort(central[:, crossed], axis=0)
        loss = np.abs(known - middle) / 2  # that of the median, (windows, horizon, targets)
        for level, own in zip(CENTRAL, central, strict=True):
            below, above = widened(low, high, middle, own)
            # the quantile losses of both ends together
            outside = np.maximum(below - known, 0) + np.maximum(known - above, 0)
            loss += (1 - level) / 2 * (above - below) + outside
        self.crps[some] = 2 * loss / len(QUANTILES)

    def observed(self) -> dict[float, float]:
        """Return level to the share of the truth that was covered."""
        shares = self._inside / max(1, self._count)
        return {level: float(share) for level, share in zip(self._levels, shares, strict=True)}


Spans = tuple[Forecasts, Forecasts | None]
"""Forecasts of the test windows and of held-out windows before them, by one forecaster."""


@dataclass(frozen=True)
class Intervals:
    """Intervals of the test windows, and what was seen of them.

    Attributes:
        level: Share that is to be covered.
        method: "split", "cqr" or "adaptive".
        lower: (windows, horizon, targets), original units; NaN where too little was known yet.
        upper: Of the same shape; the forecast lies between both.
        reach: What a forecast behind the last known outcome needs.
        crps: Twice the mean quantile loss of each value at nineteen levels, (windows, horizon,
            targets); NaN where there is no interval or no truth.
        observed: Level to the share of the truth that was covered, by the same method.
        inner: The band of half the truth, for pictures; None where nobody asked for it, where the
            level is no larger, and of more than `MOST_INNER` values.
    """

    level: float
    method: str
    lower: np.ndarray
    upper: np.ndarray
    reach: Reach
    crps: np.ndarray
    observed: Mapping[float, float] = field(default_factory=dict)
    inner: Inner | None = None


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
    """Put intervals around the forecasts of several forecasters, by one method.

    Those of the same windows are followed side by side, which costs little more than one of them.
    The model, whose name is "", keeps an inner band too.
    """
    found: dict[str, Intervals] = {}
    for names in _alike(forecasters):
        layout = Layout(*forecasters[names[0]])
        if not layout.count and method != "adaptive":
            continue
        jobs = [_Job(*forecasters[name], scaler, level, method, not name) for name in names]
        _put(jobs, layout, method)
        found |= {name: job.intervals() for name, job in zip(names, jobs, strict=True)}
    return {
        name: found[name]
        for name in forecasters
        if name in found and np.isfinite(found[name].lower).any()
    }


def joined(parts: Sequence[Intervals | None], order: np.ndarray) -> Intervals | None:
    """Put the intervals of several spans together.

    Shapes: `order` (windows,).
    """
    given = [part for part in parts if part is not None]
    if not given or len(given) < len(parts):
        return None
    weights = [max(1, int(np.isfinite(part.crps).sum())) for part in given]
    every = [list(part.observed.values()) for part in given]
    observed = np.average(every, axis=0, weights=weights)
    inner = [part.inner for part in given if part.inner is not None]
    return replace(
        given[-1],
        lower=np.concatenate([part.lower for part in given])[order],
        upper=np.concatenate([part.upper for part in given])[order],
        crps=np.concatenate([part.crps for part in given])[order],
        observed=dict(zip(given[-1].observed, observed.tolist(), strict=True)),
        inner=Inner(
            INNER,
            np.concatenate([part.lower for part in inner])[order],
            np.concatenate([part.upper for part in inner])[order],
        )
        if len(inner) == len(given)
        else None,
    )


class _Job:
    """The intervals of one forecaster in the making."""

    def __init__(
        self,
        test: Forecasts,
        held: Forecasts | None,
        scaler: Scaler,
        level: float,
        method: str,
        inner: bool,
    ):
        self.spans, self.scaler, self.method = (held, test), scaler, method
        self.between: Pair | None = None if method == "split" else pair(level, test.levels)
        self.levels = tuple(sorted({*CENTRAL, 0.95, level}))
        self.level, self.chosen = level, self.levels.index(level)
        self.collected = Collected(test, self.between, self.levels, self.chosen, inner)
        names, (_, horizon, targets) = test.table.names, test.values.shape
        self.reach = np.full((len(names), horizon, targets), np.nan)

    def scores(self, rows: np.ndarray, steps: slice, part: slice) -> np.ndarray:
        """Score some windows, each in units of its series' own deviation.

        Shapes: `rows` (windows,); returns (windows, steps, targets).
        """
        held, test = self.spans
        count = 0 if held is None else len(held.starts)
        first, end, _ = steps.indices(test.window.horizon)
        lead = test.window.lead + first
        ahead = Window(test.window.timesteps, end - first, lead=lead)  # of these steps alone
        found = np.empty((len(rows), *test.values[:0, steps, part].shape[1:]))
        for one, mine, own in (
            (held, rows < count, rows[rows < count]),
            (test, rows >= count, rows[rows >= count] - count),
        ):
            if one is None or not len(own):
                continue
            every = one.values[..., None] if one.quantiles is None else one.quantiles
            some = (own, steps, part)
            low, high = base(every[some], one.levels, one.values[some], self.between)
            true = windows.outputs(one.table.outputs[:, part], one.starts[own], ahead)
            std = self.scaler.output_std[one.series[own]][:, None, part]  # (windows, 1, targets)
            found[mine] = conformal.scores(low, high, true) / std
        return found

    def put(self, rows: np.ndarray, part: slice, by: np.ndarray) -> None:
        """Widen the base of some test windows by thresholds (windows, horizon, targets, levels)."""
        test = self.spans[1]
        std = self.scaler.output_std[test.table.series[test.starts[rows]]]  # (windows, targets)
        self.collected.put(rows, part, by * std[:, None, part, None])

    def keep(self, codes: np.ndarray, part: slice, by: np.ndarray) -> None:
        """Keep the last thresholds of some series, (series, horizon, targets, levels)."""
        std = self.scaler.output_std[codes][:, None, part]
        self.reach[codes, :, part] = by[..., self.chosen] * std

    def intervals(self) -> Intervals:
        """Return what was made."""
        made = self.collected
        reach = Reach(self.level, self.method, self.between, self.reach)
        ends = made.lower, made.upper
        observed = made.observed()
        return Intervals(self.level, self.method, *ends, reach, made.crps, observed, made.inner)


def _alike(forecasters: Mapping[str, Spans]) -> list[list[str]]:
    """Group the forecasters that have forecast the same windows."""
    groups: list[list[str]] = []
    for name, spans in forecasters.items():
        for group in groups:
            if all(_same(a, b) for a, b in zip(spans, forecasters[group[0]], strict=True)):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def _same(one: Forecasts | None, other: Forecasts | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one.starts, other.starts)


def _put(jobs: Sequence[_Job], layout: Layout, method: str) -> None:
    """Calibrate forecasters of the same windows, as many and as many targets at once as fit."""
    _, horizon, targets = layout.test.values.shape
    moments = 2 * int(layout.ahead[-1]) + 64  # at once, so that few of them are held twice
    fit = max(1, conformal.CELLS // (len(jobs[0].levels) * horizon * moments))
    chunk = min(targets, fit)
    for begin in range(0, targets, chunk):
        part = slice(begin, min(begin + chunk, targets))
        for first in range(0, len(jobs), fit // chunk):
            some = jobs[first : first + fit // chunk]
            (_adaptive if method == "adaptive" else _fixed)(some, layout, part)


def _fixed(jobs: Sequence[_Job], layout: Layout, part: slice) -> None:
    """Widen by the thresholds of the held-out windows."""
    test, codes = layout.test, np.unique(layout.test.series)
    few, enough = (codes[layout.enough[codes] == which] for which in (False, True))
    for job in jobs:
        held = job.scores(np.arange(layout.count), slice(None), part)
        by = np.full((len(layout.enough), *held.shape[1:], len(job.levels)), np.nan)
        if len(few):
            by[few] = conformal.split(held, job.levels)
        for code in enough:
            by[code] = conformal.split(held[layout.own(code)], job.levels)
        job.keep(codes, part, by[codes])
        block = max(1, conformal.CELLS // by[0].size)
        for begin in range(0, len(test.starts), block):
            rows = np.arange(begin, min(begin + block, len(test.starts)))
            job.put(rows, part, by[test.series[rows]])


def _adaptive(jobs: Sequence[_Job], layout: Layout, part: slice) -> None:
    """Follow the scores through time: of a series its own, or those of all where it has few."""
    horizon, targets = layout.test.values.shape[1], part.stop - part.start
    most = conformal.CELLS // (len(jobs) * horizon * targets * len(jobs[0].levels))
    for batch in layout.batches(True, most):
        _follow(jobs, batch, part, None)
    pool: _Pool | None = None
    for batch in layout.batches(False, most):
        pool = pool or _Pool(jobs, layout, part)
        _follow(jobs, batch, part, pool)


def _follow(jobs: Sequence[_Job], batch: Batch, part: slice, pool: "_Pool | None") -> None:
    """Follow some series, those of all forecasters side by side."""
    inside, levels = batch.windows >= 0, jobs[0].levels
    each = [job.scores(batch.windows[inside], slice(None), part) for job in jobs]
    seen = np.full((len(jobs), *inside.shape, *each[0].shape[1:]), np.nan)
    seen[:, inside] = each
    seen = seen.reshape(-1, *seen.shape[2:])  # (forecasters · series, windows, horizon, targets)
    known = np.tile(batch.known, (len(jobs), 1, 1))
    sets = pool.sets(batch) if pool else conformal.own(seen, known, levels)
    least = 0 if pool else conformal.LEAST
    for moments, by in conformal.track(seen, known, levels, sets, least=least):
        shares = by.reshape(len(jobs), -1, *by.shape[1:])
        rows = batch.scored[:, moments]
        last = np.arange(moments.start, moments.stop) == batch.ends[:, None]
        for job, own in zip(jobs, shares, strict=True):
            job.put(rows[rows >= 0], part, own[rows >= 0])
            job.keep(batch.codes[last.any(axis=1)], part, own[last])


class _Pool:
    """Thresholds of the newest known scores of all series, made once for those that need them."""

    def __init__(self, jobs: Sequence[_Job], layout: Layout, part: slice):
        order = np.argsort(layout.ticks, kind="stable")
        ticks = layout.ticks[order]
        wanted = np.concatenate([layout.ticks[layout.count :], layout.newest])
        self._moments = np.unique(wanted)
        known = np.searchsorted(np.unique(ticks), self._moments[:, None] - layout.ahead, "right")
        counts, self._place = np.unique(conformal.renewed(known), return_inverse=True)
        self._place = self._place.reshape(known.shape)  # (moments, horizon)
        shape = (len(jobs), len(counts), known.shape[1], part.stop - part.start)
        self._found = np.full((*shape, len(jobs[0].levels) + 1), np.nan)
        for step in range(known.shape[1]):
            needed = np.unique(self._place[:, step])
            for job, found in zip(jobs, self._found, strict=True):
                seen = job.scores(order, slice(step, step + 1), part)[:, 0]
                found[needed, step] = conformal.pooled(seen, ticks, counts[needed], job.levels)

    def sets(self, batch: Batch) -> conformal.Sets:
        """Return what `track` begins with, for all forecasters side by side."""
        members, count, horizon = self._found.shape[:3]
        place = self._place[np.searchsorted(self._moments, batch.moments)] * horizon
        place += np.arange(horizon)
        places = np.concatenate([place + n * count * horizon for n in range(members)])
        found = self._found.reshape(-1, *self._found.shape[3:])
        return lambda begin, end: (found, places[:, begin:end])
