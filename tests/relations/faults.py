"""One planted fault for each relation: a slip that people make, which the relation must find."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel, samples, scale, windows
from forecast.data.sources import opened
from forecast.data.stamps import reading
from forecast.evaluation import experiment
from forecast.evaluation.baselines import rules
from forecast.training import runtime
from forecast.training.forecaster import Forecaster

Plant = Callable[[pytest.MonkeyPatch], None]


def seed_counts_up(patch: pytest.MonkeyPatch) -> None:
    """Every training of a process draws another seed."""
    numbers, seeded = itertools.count(1), runtime.seeded
    patch.setattr(runtime, "seeded", lambda seed: seeded(seed + next(numbers)))


def last_line_of_the_file_lost(patch: pytest.MonkeyPatch) -> None:
    _raw(patch, lambda frame, schema: frame.iloc[:-1])


def csv_loses_digits(patch: pytest.MonkeyPatch) -> None:
    read = opened.read

    def rounded(source):
        frame = read(source)
        return frame.round(1) if source.place.endswith(".csv") else frame

    patch.setattr(opened, "read", rounded)


def column_taken_by_its_place(patch: pytest.MonkeyPatch) -> None:
    _raw(patch, lambda frame, schema: frame.assign(heat=frame.select_dtypes(float).iloc[:, 0]))


def holes_filled_by_lines(patch: pytest.MonkeyPatch) -> None:
    """Holes take the value of the line before, however long ago that was."""

    def filled(frame, schema):
        names = list(schema.targets)
        return frame.assign(**frame.groupby("site")[names].ffill())

    _raw(patch, filled)


def zone_cut_off(patch: pytest.MonkeyPatch) -> None:
    read = reading.read

    def wall_time(column, time_format, **more):
        bare = column.dt.tz_localize(None) if column.dt.tz else column
        return read(bare, time_format, **more)

    patch.setattr(reading, "read", wall_time)


def year_is_a_feature(patch: pytest.MonkeyPatch) -> None:
    def with_year(table):
        inputs = table.inputs.copy()
        inputs[:, 0] += 100 * pd.DatetimeIndex(table.time).year
        return replace(table, inputs=inputs)

    _table(patch, with_year)


def deviation_at_least_one(patch: pytest.MonkeyPatch) -> None:
    """A small deviation counts as 1, in whatever unit the data are."""
    fit = scale.fit

    def floored(table, per="series"):
        found = fit(table, per)
        return replace(
            found,
            input_std=np.maximum(found.input_std, 1.0),
            output_std=np.maximum(found.output_std, 1.0),
        )

    patch.setattr(scale, "fit", floored)


def level_of_features_kept(patch: pytest.MonkeyPatch) -> None:
    fit = scale.fit

    def centred_on_zero(table, per="series"):
        found = fit(table, per)
        return replace(found, input_mean=np.zeros_like(found.input_mean))

    patch.setattr(scale, "fit", centred_on_zero)


def holes_count_as_zero(patch: pytest.MonkeyPatch) -> None:
    average = rules.moving_average

    def zeros(past, window, starts, season):
        filled = replace(past.table, outputs=np.nan_to_num(past.table.outputs))
        return average(rules.Past(filled), window, starts, season)

    _rule(patch, "moving_average", zeros)


def order_of_training_by_name(patch: pytest.MonkeyPatch) -> None:
    deal = samples.early_stopping_split

    def by_name(table, *arguments):
        train, stop = deal(table, *arguments)
        return np.roll(train, len(table.names[0])), stop

    patch.setattr(samples, "early_stopping_split", by_name)


def order_of_training_by_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows, "by_content", lambda table, starts, learned=None: starts)


def features_in_alphabetical_order(patch: pytest.MonkeyPatch) -> None:
    build = panel.build

    def sorted_features(frame, schema, **more):
        first = [name for name in schema.features if name in schema.targets]
        others = sorted(set(schema.features) - set(first))
        return build(frame, replace(schema, features=(*first, *others)), **more)

    patch.setattr(panel, "build", sorted_features)


def rule_knows_the_features(patch: pytest.MonkeyPatch) -> None:
    drift = rules.drift

    def counted(past, window, starts, season=1):
        return drift(past, window, starts, season) + 1e-6 * past.table.inputs.shape[1]

    _rule(patch, "drift", counted)


def sums_run_over_all_series(patch: pytest.MonkeyPatch) -> None:
    """The mean of a season from one running sum, so that rounding comes from other series."""

    def running(past, window, starts, season):
        table = past.table
        sums = np.concatenate([[[0.0]], np.nan_to_num(table.outputs[:, :1]).cumsum(axis=0)])
        origin = starts + window.timesteps - 1
        level = (sums[origin + 1] - sums[starts]) / window.timesteps
        shape = (len(starts), window.horizon, len(table.targets))
        return np.broadcast_to(level[:, None], shape).copy()

    _rule(patch, "moving_average", running)


def mean_of_all_before(patch: pytest.MonkeyPatch) -> None:
    def expanding(past, window, starts, season=1):
        table = past.table
        means = pd.DataFrame(table.outputs).groupby(table.series).expanding().mean().to_numpy()
        return np.repeat(means[starts + window.timesteps - 1][:, None], window.horizon, axis=1)

    _rule(patch, "persistence", expanding)


def nothing_below_zero(patch: pytest.MonkeyPatch) -> None:
    persistence = rules.persistence

    def positive(past, window, starts, season=1):
        return np.maximum(persistence(past, window, starts, season), 0)

    _rule(patch, "persistence", positive)


def one_row_too_late(patch: pytest.MonkeyPatch) -> None:
    persistence = rules.persistence
    _rule(
        patch,
        "persistence",
        lambda past, window, starts, season=1: persistence(past, window, starts + 1, season),
    )


def mean_of_a_batch_taken_out(patch: pytest.MonkeyPatch) -> None:
    predict = Forecaster.predict_windows

    def centred(self, table, starts):
        found = predict(self, table, starts)
        return found - 0.01 * found.mean(axis=0)

    patch.setattr(Forecaster, "predict_windows", centred)


def threads_share_a_forecaster(patch: pytest.MonkeyPatch) -> None:
    evaluate, shared = experiment.evaluate, {}

    def forgetful(prepared, forecaster, **more):
        shared["forecaster"] = forecaster
        if threading.current_thread() is not threading.main_thread():
            time.sleep(3)  # until others have come here too
        return evaluate(prepared, shared["forecaster"], **more)

    patch.setattr(experiment, "evaluate", forgetful)


FAULTS: dict[str, Plant] = {
    "twice_in_one_process": seed_counts_up,
    "rows_of_the_file_shuffled": last_line_of_the_file_lost,
    "csv_for_parquet": csv_loses_digits,
    "columns_in_another_order": column_taken_by_its_place,
    "absent_rows_written_empty": holes_filled_by_lines,
    "moments_written_in_another_zone": zone_cut_off,
    "stamps_moved_by_a_year_of_weeks": year_is_a_feature,
    "unit_of_the_targets_by_a_power_of_two": deviation_at_least_one,
    "unit_of_the_targets": deviation_at_least_one,
    "unit_of_a_feature": deviation_at_least_one,
    "constant_added_to_a_feature": level_of_features_kept,
    "constant_added_to_the_targets": holes_count_as_zero,
    "series_renamed_in_order": order_of_training_by_name,
    "names_of_series_exchanged": order_of_training_by_place,
    "column_renamed": features_in_alphabetical_order,
    "feature_doubled": rule_knows_the_features,
    "unrelated_series_added": sums_run_over_all_series,
    "series_split_in_time": mean_of_all_before,
    "targets_negated": nothing_below_zero,
    "later_truth_exchanged": one_row_too_late,
    "windows_in_batches": mean_of_a_batch_taken_out,
    "threads_beside_each_other": threads_share_a_forecaster,
    "in_another_process": seed_counts_up,
}
"""Relation to the fault that it must find."""


def _raw(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Change the raw rows before they become a table."""
    build = panel.build
    patch.setattr(
        panel, "build", lambda frame, schema, **more: build(change(frame, schema), schema, **more)
    )


def _table(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Change the table that raw rows become."""
    build = panel.build
    patch.setattr(panel, "build", lambda *arguments, **more: change(build(*arguments, **more)))


def _rule(patch: pytest.MonkeyPatch, name: str, rule: Callable) -> None:
    """Put another function in the place of a baseline."""
    patch.setitem(rules.RULES, name, rule)
