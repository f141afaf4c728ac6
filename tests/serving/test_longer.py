"""Horizons longer than trained: what a loop over `predict` says that sends forecasts as rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import bundle, longer
from forecast.serving.mixture import save_mixture
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from .made import case
from .made import rows as made_rows

WINDOW = Window(8, 3)
PLAIN = Schema("time", ("load",), series=("site",), frequency="h")
SCHEMAS = {
    "plain": PLAIN,
    "two targets": replace(PLAIN, targets=("load", "temp")),
    "known": replace(PLAIN, known_future=("sun",), static=("area",)),
    "calendar": replace(PLAIN, calendar=("hour", "weekday"), known_future=("hour",)),
    "mask and known": replace(PLAIN, missing="mask", known_future=("sun",)),
    "transformed": replace(PLAIN, transform={"load": "log1p"}),
}


def rows(missing: int = 0) -> pd.DataFrame:
    """Three series that end on different days, the last targets unknown."""
    frame = made_rows()
    behind = frame.groupby("site").cumcount(ascending=False)
    frame = frame[behind > 4].copy()
    behind = frame.groupby("site").cumcount(ascending=False)
    frame.loc[behind < missing, ["load", "temp"]] = np.nan
    frame.loc[behind >= missing, ["load", "temp"]] = (
        frame.groupby("site")[["load", "temp"]].ffill().bfill()
    )
    return frame


def saved(folder: Path, schema: Schema, window: Window = WINDOW, **training) -> bundle.Bundle:
    """A network with intervals, trained for an epoch."""
    told = Training(epochs=1, tail=0, **training)
    table = panel.build(rows(), schema)
    fitted = Forecaster(Model("linear"), window, told).fit(table)
    reach = Reach(0.9, "split", None, np.ones((3, window.horizon, len(schema.targets))))
    bundle.save(folder, fitted, schema, {}, reach=reach)
    return bundle.load(folder)


def by_hand(served, frame: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Forecast, write the forecasts into the rows, and forecast again."""
    found, steps = [], 0
    while steps < horizon:
        said = served.predict(frame)
        found.append(said.assign(step=said.step + steps))
        new = said.pivot(index=["series", "time"], columns="target", values="forecast")
        new = new.reset_index().rename(columns={"series": "site"})
        both = frame.merge(new, on=["site", "time"], how="outer", suffixes=("", "_new"))
        for name in [*said.target.unique()]:
            both[name] = both[f"{name}_new"].fillna(both[name])
        frame = both[[*frame]]
        steps += int(said.step.max())
    every = pd.concat(found)
    return every[every.step <= horizon].sort_values(["series", "step", "target"])


@pytest.mark.parametrize(
    "horizon", [9, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 11))]
)
@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_what_a_loop_by_hand_says(name, horizon, tmp_path):
    served = saved(tmp_path, SCHEMAS[name])
    frame = rows(12 if "known" in name else 0)
    _, said = longer.answer(served, frame, horizon)
    expected = by_hand(served, frame, horizon)
    said = said.sort_values(["series", "step", "target"])
    keys = ["series", "time", "step", "target"]
    assert said[keys].reset_index(drop=True).equals(expected[keys].reset_index(drop=True))
    np.testing.assert_allclose(said.forecast, expected.forecast, rtol=1e-5)
    assert (said.groupby("series").origin.nunique() == 1).all()


def test_intervals_and_quantiles_end_with_the_horizon_of_training(tmp_path):
    served = saved(tmp_path, PLAIN, quantiles=(0.1, 0.5, 0.9))
    _, said = longer.answer(served, rows(), 7)
    plain = served.predict(rows())
    near = said[said.step <= 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(near, plain)
    far = said[said.step > 3]
    assert far.forecast.notna().all() and len(far) == 3 * 4
    assert far[["lower", "upper", "q0.1", "q0.5", "q0.9"]].isna().all(axis=None)


@pytest.mark.parametrize("horizon", [1, 2])
def test_a_smaller_horizon_is_cut(horizon, tmp_path):
    served = saved(tmp_path, PLAIN)
    _, said = longer.answer(served, rows(), horizon)
    plain = served.predict(rows())
    cut = plain[plain.step <= horizon].reset_index(drop=True)
    pd.testing.assert_frame_equal(said, cut)


def test_a_mixture_goes_on_from_its_mean(tmp_path):
    saved(tmp_path / "one", PLAIN)
    saved(tmp_path / "two", replace(PLAIN, calendar=("hour",)), Window(12, 3))
    save_mixture(tmp_path / "mean", [(tmp_path / "one", 0.5), (tmp_path / "two", 0.5)], {})
    served = bundle.load(tmp_path / "mean")
    _, said = longer.answer(served, rows(), 8)
    expected = by_hand(served, rows(), 8)
    said = said.sort_values(["series", "step"])
    np.testing.assert_allclose(said.forecast, expected.forecast, rtol=1e-5)


def test_a_rule_and_trees_go_on_too(tmp_path):
    for name in ("drift", "boosted_trees"):
        # made with a lead, which nobody can go on over
        served = bundle.load(case(PLAIN, made_rows()).save(tmp_path / name, name))
        with pytest.raises(InputError, match="window.lead=1 rows are skipped"):
            longer.answer(served, rows(), 9)


def test_a_known_column_that_ends_too_early_is_named_with_the_moment(tmp_path):
    served = saved(tmp_path, SCHEMAS["known"])
    frame = rows(5)
    with pytest.raises(InputError, match="known-future column sun until") as told:
        longer.answer(served, frame, 6)
    known = frame[frame.load.notna() & (frame.site == "a")].time.max()
    said = str(told.value)
    assert f"until {known + pd.Timedelta(hours=6)}" in said and "in whole blocks" in said
    assert f"none at {known + pd.Timedelta(hours=6)} in series" in said
    _, said_short = longer.answer(served, rows(6), 6)
    assert len(said_short) == 3 * 6


@pytest.mark.parametrize(
    ("changes", "window", "said"),
    [
        ({}, Window(8, 3, lead=2), "where window.lead=2 rows are skipped"),
        ({"features": ("load", "temp")}, WINDOW, "that reads temp, whose later values are not"),
        ({"events": {"load": 50}}, WINDOW, "for probabilities"),
    ],
)
def test_what_cannot_go_on_is_refused_by_name(changes, window, said, tmp_path):
    schema = replace(PLAIN, **changes)
    told = Training(epochs=1, tail=0)
    fitted = Forecaster(Model("linear"), window, told).fit(panel.build(rows(), schema))
    bundle.save(tmp_path, fitted, schema, {})
    with pytest.raises(InputError, match=rf"window.horizon must be 3 or less.*{said}.*got 4"):
        longer.answer(bundle.load(tmp_path), rows(), 4)


def test_of_several_known_columns_the_one_that_ends_too_early_is_named(tmp_path):
    schema = replace(PLAIN, known_future=("sun", "area"), missing="drop")
    served = saved(tmp_path, schema)
    frame = rows(3)
    last = frame.groupby("site").time.transform("max")
    with pytest.raises(
        InputError, match=r"known-future columns sun until .*got rows until"
    ) as told:
        served.predict(frame.assign(sun=frame.sun.where(frame.time < last)))
    end = frame[frame.site == "a"].time.max()
    assert f"until {end}, got rows until {end - pd.Timedelta(hours=1)}" in str(told.value)
    with pytest.raises(InputError, match=r"known-future columns sun, area until"):
        served.predict(frame[frame.time < last])
