"""A panel with gaps and holes, and its values by tick."""

import math

import numpy as np
import pandas as pd

from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.evaluation.baselines import by_name
from forecast.evaluation.gathered import Gathered, Shown
from forecast.evaluation.scales import Scale
from forecast.evaluation.scores import measure


def panel(lengths=(60, 60), *, absent=(), targets=2, seed=0, frequency="h"):
    """Waves with noise; features are the targets and one more column.

    Args:
        lengths: Rows of each series.
        absent: (series, tick) pairs that have no row.
        targets: How many.
        seed: Of the noise.
        frequency: None gives rows without a clock.
    """
    rng = np.random.default_rng(seed)
    rows = [
        (code, tick)
        for code, length in enumerate(lengths)
        for tick in range(length)
        if (code, tick) not in set(absent)
    ]
    series, tick = np.array(rows).T
    wave = np.sin(2 * np.pi * tick / 24 + series)[:, None] * (1 + np.arange(targets + 1))
    values = 20 + 3 * wave + rng.normal(0, 0.5, wave.shape)
    hours = pd.Timestamp("1970-01-01") + pd.to_timedelta(tick, "h")
    names = tuple(f"t{i}" for i in range(targets))
    return Table(
        inputs=values,
        outputs=values[:, :targets].copy(),
        features=(*names, "other"),
        targets=names,
        series=series,
        tick=tick,
        time=hours.to_numpy("datetime64[ns]") if frequency else tick,
        names=tuple(f"s{i}" for i in range(len(lengths))),
        frequency=frequency,
    )


def at_once(spec, rows, learned, starts, **given):
    """Let every baseline learn, and forecast some windows together."""
    return by_name.learn(spec, rows, learned, starts, **given).forecast(starts)


def last_known(table, code, tick, target):
    """Walk back from a tick to the last value that was known, NaN for none."""
    by_tick = {
        (int(s), int(t)): row[target]
        for s, t, row in zip(table.series, table.tick, table.outputs, strict=True)
    }
    while tick >= 0:
        value = by_tick.get((code, tick), math.nan)
        if not math.isnan(value):
            return value
        tick -= 1
    return math.nan


def of_deviation(std):
    """What standardises the targets of series by deviations given, (series, targets)."""
    return Scaler(std, std, np.zeros_like(std), std)


def measured(forecasts, intervals=None):
    """Sums of forecasts whose series all have the scale 1."""
    one = np.ones((len(forecasts.table.names), len(forecasts.table.targets)))
    return measure(forecasts, Scale(one, one, one), intervals)


def rescored(found, test, others=None, around=None):
    """The outcome of other forecasts, scored as `found` was."""
    others = found.baselines if others is None else others
    train = found.table.take(found.cuts.train_rows(found.table))
    scale = Scale.of(train, found.forecaster.scaler_, found.season)
    gathered = Gathered(scale, Shown(test.table, test.starts))
    gathered.add({"": test} | others, around or {})
    return gathered.outcome(
        spec=found.spec,
        table=found.table,
        cuts=found.cuts,
        season=found.season,
        forecaster=found.forecaster,
        refit=found.refit,
        seconds=found.seconds,
    )
