"""What must stay equal when an experiment is asked the same question in another way.

Each relation takes a case and what runs it, asks twice, and compares. It says what must be equal to
the bit, what to a share of the values' deviation, and leaves out what may move.
"""

import io
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from forecast.data.sources import opened
from forecast.evaluation.outcome import Spec
from forecast.training.forecaster import Forecaster

from . import pipeline
from .panels import EXACT, Case
from .pipeline import Found, same_forecasts, same_scores

Run = Callable[[Case], Found]

ROUNDING = 2e-4
"""Share of the deviation by which two trainings differ that round their inputs in another way."""

RULES = ("persistence", "seasonal_naive", "drift", "moving_average")
SIZES = ("smape", "wape", "r2")
"""Scores that depend on where zero lies."""


def twice_in_one_process(case: Case, run: Run) -> None:
    """The same experiment a second time: equal to the bit."""
    first, other, second = run(case), run(_with(case, training__seed=99)), run(case)
    same_forecasts(first, second)
    same_scores(first, second)
    assert any((a != b).any() for a, b in zip(first.weights, other.weights, strict=True))


def rows_of_the_file_shuffled(case: Case, run: Run) -> None:
    """Rows in any order: equal to the bit."""
    shuffled = case.frame.sample(frac=1, random_state=len(case.frame))
    _equal(run(case), run(case.on(shuffled)))


def csv_for_parquet(case: Case, run: Run) -> None:
    """One table as CSV and as Parquet: equal to the bit."""
    text, parquet = io.BytesIO(), io.BytesIO()
    case.frame.to_csv(text, index=False)
    case.frame.to_parquet(parquet, index=False)
    _equal(run(case.on(_read(text, ".csv"))), run(case.on(_read(parquet, ".parquet"))))


def columns_in_another_order(case: Case, run: Run) -> None:
    """Columns of the file in another order, and one that nobody reads: equal to the bit."""
    other = case.frame[case.frame.columns[::-1]].assign(unused=7.0)
    _equal(run(case), run(case.on(other)))


def absent_rows_written_empty(case: Case, run: Run) -> None:
    """A row that is absent, or there with all its values missing: equal to the bit."""
    full = []
    for site, own in case.frame.groupby("site"):
        every = pd.date_range(own.ts.min(), own.ts.max(), freq=case.schema.frequency, name="ts")
        full.append(own.set_index("ts").reindex(every).assign(site=site).reset_index())
    _equal(run(case), run(case.on(pd.concat(full, ignore_index=True))))


def moments_written_in_another_zone(case: Case, run: Run) -> None:
    """Stamps with the offset of UTC, or of a zone in which the same moments read otherwise."""
    case = _with(case, hourly=True)
    utc = case.frame.assign(ts=case.frame.ts.dt.tz_localize("UTC"))
    _equal(run(case.on(utc)), run(case.on(utc.assign(ts=utc.ts.dt.tz_convert("+05:00")))))


def stamps_moved_by_a_year_of_weeks(case: Case, run: Run) -> None:
    """All stamps 364 days later, which keeps hour and weekday: equal to the bit but for dates."""
    year = pd.Timedelta(days=364)
    before, after = run(case), run(case.on(case.frame.assign(ts=case.frame.ts + year)))
    _equal(_moved(before, year), after)


def unit_of_the_targets_by_a_power_of_two(case: Case, run: Run) -> None:
    """All targets times 2^k: forecasts and intervals times 2^k to the bit, verdicts equal."""
    for factor in (2.0**20, 2.0**-20):
        before, after = run(case), run(case.on(_scaled(case, factor)))
        same_forecasts(before, after, by=factor)
        same_scores(before, after, by=factor, within=1e-12)


def unit_of_the_targets(case: Case, run: Run) -> None:
    """All targets times any factor: the same but for rounding, verdicts equal."""
    for factor in (1e7, 3.7e-5):
        before, after = run(case), run(case.on(_scaled(case, factor)))
        same_forecasts(before, after, by=factor, within=ROUNDING)
        _same_words(before, after)


def unit_of_a_feature(case: Case, run: Run) -> None:
    """A feature times 2^k: equal to the bit; times any factor: the same but for rounding."""
    heat, wind = case.frame.heat, case.frame.wind
    exactly = run(case.on(case.frame.assign(heat=heat * 2.0**30, wind=wind * 2.0**-30)))
    roughly = run(case.on(case.frame.assign(heat=heat * 1e9, wind=wind * 1e-7)))
    _equal(run(case), exactly)
    same_forecasts(run(case), roughly, within=ROUNDING)


def constant_added_to_a_feature(case: Case, run: Run) -> None:
    """A feature plus a number: the same but for rounding."""
    other = case.frame.assign(heat=case.frame.heat + 4096.0, wind=case.frame.wind - 1000.0)
    same_forecasts(run(case), run(case.on(other)), within=ROUNDING)


def constant_added_to_the_targets(case: Case, run: Run) -> None:
    """All targets plus a number: forecasts plus that number but for rounding, verdicts equal."""
    targets = list(case.schema.targets)
    for plus in (1024.0, -77 / EXACT):
        other = case.frame.assign(**{name: case.frame[name] + plus for name in targets})
        before, after = run(case), run(case.on(other))
        same_forecasts(before, after, plus=plus, within=ROUNDING)
        _same_words(before, after)


def series_renamed_in_order(case: Case, run: Run) -> None:
    """Other names that sort alike: equal to the bit but for the names."""
    names = {name: f"place {name} · α" for name in case.frame.site.unique()}
    before, after = run(case), run(case.on(case.frame.assign(site=case.frame.site.map(names))))
    _equal(_renamed(before, names), after)


def names_of_series_exchanged(case: Case, run: Run) -> None:
    """Names that sort in another order: every number of a series equal but for rounding of sums."""
    names = dict(zip(found := sorted(case.frame.site.unique()), found[::-1], strict=True))
    before, after = run(case), run(case.on(case.frame.assign(site=case.frame.site.map(names))))
    same_forecasts(_renamed(before, names), after, within=1e-6)
    same_scores(before, after, within=1e-6)


def column_renamed(case: Case, run: Run) -> None:
    """A feature and the column of time under other names: equal to the bit."""
    features = tuple("zeal" if name == "heat" else name for name in case.schema.features)
    other = case.frame.rename(columns={"heat": "zeal", "ts": "when"})
    _equal(run(case), run(case.on(other, features=features, time="when")))


def feature_doubled(case: Case, run: Run) -> None:
    """A feature twice, under two names: what reads no feature is equal to the bit."""
    other = case.frame.assign(copy=case.frame.heat)
    more = (*case.schema.features, "copy")
    before, after = run(case), run(case.on(other, features=more))
    _equal_rules(before, after)
    assert before.scores["model"]["test/windows"] == after.scores["model"]["test/windows"]


def unrelated_series_added(case: Case, run: Run) -> None:
    """One more series of another size: what reads one series alone is equal to the bit."""
    size = 1e12 * case.frame[list(case.schema.targets)].std().max()
    first = case.frame[case.frame.site == "s0"]
    for name in ("a before all", "z behind all"):
        added = first.assign(site=name, load=first.load[::-1].to_numpy() * size)
        before, after = run(case), run(case.on(pd.concat([case.frame, added])))
        for rule in RULES:
            one, both = before.forecasts[rule].forecast, after.forecasts[rule].forecast
            assert one.equals(both.drop(name, level="series", errors="ignore")), f"{rule}, {name}"


def series_split_in_time(case: Case, run: Run) -> None:
    """A series that goes on under another name: windows that cross no border are equal."""
    later = case.frame.ts >= case.frame.ts.sort_values().iloc[len(case.frame) // 2]
    other = case.frame.site.where(~(later & (case.frame.site == "s0")), "s0 later")
    before, after = run(case), run(case.on(case.frame.assign(site=other)))
    for rule in ("persistence", "drift"):
        one = _renamed(before, {"s0": "s0 later"}).forecasts[rule].forecast
        two = after.forecasts[rule].forecast
        assert len(two) > 30
        assert one.reindex(two.index).equals(two), rule


def targets_negated(case: Case, run: Run) -> None:
    """All targets times −1: rules are the mirror image to the bit, their errors equal."""
    before, after = run(case), run(case.on(_scaled(case, -1.0)))
    for rule in RULES:
        assert (-before.forecasts[rule].forecast).equals(after.forecasts[rule].forecast), rule
        for key in ("test/mae", "test/rmse", "test/mase"):
            assert before.scores[rule][key] == after.scores[rule][key], (rule, key)


def later_truth_exchanged(case: Case, run: Run) -> None:
    """Other values at the end of the test span: forecasts from earlier origins equal to the bit."""
    border = case.frame.ts.max() - 6 * pd.Timedelta(1, case.schema.frequency)
    later, columns = case.frame.ts > border, list(case.schema.features)
    other = case.frame.copy()
    other.loc[later, columns] = other.loc[later, columns] * 3 - 500
    before, after = run(case), run(case.on(other))
    for a, b in zip(before.weights, after.weights, strict=True):
        assert np.array_equal(a, b)
    for name, one in before.forecasts.items():
        early = one.index.get_level_values("origin") <= border
        assert one[early].equals(after.forecasts[name][early]), name


def windows_in_batches(case: Case, run: Run) -> None:
    """All windows at once, few at a time, or one: equal but for rounding."""
    outcome = run(case).outcome
    starts, whole = outcome.test.starts, outcome.test.values
    for size in (1, 7, len(starts)):
        some = [
            outcome.forecaster.predict_windows(outcome.table, starts[begin : begin + size])
            for begin in range(0, min(28, len(starts)), size)
        ]
        part = np.concatenate(some)
        gap = np.abs(part - whole[: len(part)]) / whole.std(axis=(0, 1))
        assert gap.max() < 1e-5, (size, gap.max())


def threads_beside_each_other(case: Case, run: Run) -> None:
    """Three threads that train and forecast at once: equal to the bit to one alone."""
    cases = [case, _with(case, training__seed=5), case]
    alone = [run(one) for one in cases]
    found: list[Found | None] = [None] * len(cases)

    def work(number: int) -> None:
        found[number] = run(cases[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(cases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, found, strict=True):
        assert other is not None
        _equal(one, other)


def in_another_process(case: Case, run: Run) -> None:
    """A process that has just begun, and the forecaster that it sends back: equal to the bit."""
    found = run(case)
    forecasts, weights, forecaster = _worker().submit(_elsewhere, case).result(timeout=300)
    for name, values in found.forecasts.items():
        assert values.equals(forecasts[name]), name
    for a, b in zip(found.weights, weights, strict=True):
        assert np.array_equal(a, b)
    test = found.outcome.test
    assert np.array_equal(forecaster.predict_windows(test.table, test.starts), test.values)


RELATIONS: dict[str, Callable[[Case, Run], None]] = {
    relation.__name__: relation
    for relation in (
        twice_in_one_process,
        rows_of_the_file_shuffled,
        csv_for_parquet,
        columns_in_another_order,
        absent_rows_written_empty,
        moments_written_in_another_zone,
        stamps_moved_by_a_year_of_weeks,
        unit_of_the_targets_by_a_power_of_two,
        unit_of_the_targets,
        unit_of_a_feature,
        constant_added_to_a_feature,
        constant_added_to_the_targets,
        series_renamed_in_order,
        names_of_series_exchanged,
        column_renamed,
        feature_doubled,
        unrelated_series_added,
        series_split_in_time,
        targets_negated,
        later_truth_exchanged,
        windows_in_batches,
        threads_beside_each_other,
        in_another_process,
    )
}


@cache
def _worker() -> ProcessPoolExecutor:
    """One process, begun anew, that does what it is sent until the tests end."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _elsewhere(case: Case) -> tuple[dict[str, pd.DataFrame], list[np.ndarray], Forecaster]:
    """What another process does with a case."""
    found = pipeline.run(case)
    return found.forecasts, found.weights, found.outcome.forecaster


def _equal(a: Found, b: Found) -> None:
    """Forecasts, intervals, scores and verdicts to the bit."""
    same_forecasts(a, b)
    same_scores(a, b)


def _equal_rules(a: Found, b: Found) -> None:
    """Forecasts and intervals of what only reads the newest targets, to the bit."""
    for rule in RULES:
        assert a.forecasts[rule].equals(b.forecasts[rule]), rule


def _same_words(a: Found, b: Found) -> None:
    """Verdicts whose p is not next to the border."""
    for name, (word, p) in a.verdicts.items():
        other, other_p = b.verdicts[name]
        assert np.isclose(p, other_p, rtol=0.02, atol=2e-3, equal_nan=True), (name, p, other_p)
        assert word == other or abs(p - 0.05) < 5e-3, (name, word, other)


def _scaled(case: Case, factor: float) -> pd.DataFrame:
    """The rows with all targets times a factor."""
    return case.frame.assign(**{name: case.frame[name] * factor for name in case.schema.targets})


def _renamed(found: Found, names: dict[str, str]) -> Found:
    """The same with other names of series."""
    return replace(
        found,
        forecasts={
            name: frame.rename(index=names, level="series").sort_index()
            for name, frame in found.forecasts.items()
        },
    )


def _moved(found: Found, by: pd.Timedelta) -> Found:
    """The same at later stamps."""

    def later(frame: pd.DataFrame) -> pd.DataFrame:
        keys = frame.index.names
        plain = frame.reset_index()
        return plain.assign(origin=plain.origin + by, time=plain.time + by).set_index(keys)

    return replace(found, forecasts={n: later(frame) for n, frame in found.forecasts.items()})


def _with(case: Case, *, training__seed: int | None = None, hourly: bool = False) -> Case:
    """The same case with another seed, or with rows that are an hour apart."""
    spec: Spec = case.spec
    if training__seed is not None:
        training = clone(spec.training).set_params(seed=training__seed)
        spec = replace(spec, training=training)
    if hourly and case.schema.frequency != "h":
        start = case.frame.ts.min()
        frame = case.frame.assign(ts=start + (case.frame.ts - start) / 24)
        schema = replace(case.schema, frequency="h", calendar=("hour",))
        return Case(frame, schema, spec)
    return replace(case, spec=spec)


def _read(file: io.BytesIO, ending: str) -> pd.DataFrame:
    """Read a file as the commands do, with its stamps parsed when the table is built."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{ending}"
        path.write_bytes(file.getvalue())
        return opened.read(opened.open(path))
