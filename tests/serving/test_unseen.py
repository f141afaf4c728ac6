"""Series that training has not seen: forecast as known ones whose rows they repeat."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.data.scale import Scaler
from forecast.data.schema import Schema
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import bundle
from forecast.serving.mixture import save_mixture
from forecast.serving.model import Bundle
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training
from forecast.workflows import predicted

from .made import NAMES, SCHEMA, WINDOW, case, rows
from .test_stream import Frames

COLUMNS = ["step", "target", "forecast", "lower", "upper"]


def made(folder: Path, model: Model, scaling: str, schema: Schema = SCHEMA) -> Bundle:
    """A bundle with intervals of other widths in each series."""
    table = panel.build(rows(), schema)
    fitted = Forecaster(model, WINDOW, Training(epochs=1, tail=0), scaling=scaling).fit(table)
    widths = np.arange(1.0, 10).reshape(3, 3, 1) * fitted.scaler_.output_std[:, None]
    bundle.save(folder, fitted, schema, {}, reach=Reach(0.9, "split", None, widths))
    served = bundle.load(folder)
    assert isinstance(served, Bundle)
    return served


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network that scales all series by the same numbers."""
    return made(tmp_path_factory.mktemp("global"), Model("linear"), "global")


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network that scales each series by its own."""
    return made(tmp_path_factory.mktemp("series"), Model("linear"), "series")


def named(name: str, other: str = "b", factor: float = 1.0, more: float = 0.0) -> pd.DataFrame:
    """The rows of a known series as those of another, in another unit."""
    frame = rows()
    own = frame[frame.site == other].assign(site=name)
    own[["load", "temp"]] = own[["load", "temp"]] * factor + more
    return own


def of(said: pd.DataFrame, name: str) -> pd.DataFrame:
    return said[said.series == name].reset_index(drop=True)


@pytest.mark.parametrize("history", [False, True])
def test_the_same_rows_have_the_same_forecast_where_all_share_a_scale(alike, history):
    frame = pd.concat([rows(), named("aa"), named("zz", "c")])
    said, before = (alike.predict(own, history=history) for own in (frame, rows()))
    for new, old in (("aa", "b"), ("zz", "c")):
        pd.testing.assert_frame_equal(of(said, new)[COLUMNS[:3]], of(said, old)[COLUMNS[:3]])
    for known in NAMES:
        pd.testing.assert_frame_equal(of(said, known), of(before, known))
    alone = alike.predict(named("zz", "c"), history=history)
    pd.testing.assert_frame_equal(of(said, "zz"), alone)


def test_their_intervals_are_the_median_of_those_that_are_known(alike):
    said = alike.predict(pd.concat([rows(), named("zz")]))
    width = {name: (of(said, name).upper - of(said, name).lower) for name in (*NAMES, "zz")}
    np.testing.assert_allclose(width["zz"], np.median([width[own] for own in NAMES], axis=0))


def test_another_unit_moves_the_forecast_of_a_new_series_with_it(apart):
    said = apart.predict(pd.concat([rows(), named("x"), named("y", factor=3e-7, more=7.0)]))
    one, two = of(said, "x"), of(said, "y")
    for name in ("forecast", "lower", "upper"):
        np.testing.assert_allclose((two[name] - 7.0) / 3e-7, one[name], rtol=1e-5)


def test_their_scale_is_that_of_their_own_rows(apart):
    """Known rows under another name are scaled as numpy scales them."""
    frame = rows()[lambda own: own.site == "a"]
    free = replace(apart, schema=replace(apart.schema, missing="drop"))
    table = free.table(frame)
    own = Scaler(
        *(
            part[None]
            for values in (table.inputs, table.outputs)
            for part in (np.nanmean(values, axis=0), np.nanstd(values, axis=0))
        )
    )
    place = list(apart.names.to_pylist()).index("a")
    parts = {name: part.copy() for name, part in vars(apart.scaler).items() if part is not None}
    for name, part in vars(own).items():
        if part is not None:
            parts[name][place] = part[0]
    expected = replace(free, scaler=Scaler(**parts)).predict(frame)
    said = free.predict(frame.assign(site="new"))
    np.testing.assert_allclose(said.forecast, expected.forecast, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_new_series_that_stands_still_is_forecast_by_the_deviation_of_others(apart, unit):
    wide = {name: part * unit for name, part in vars(apart.scaler).items() if part is not None}
    served = replace(apart, scaler=Scaler(**wide), reach=None)
    still = named("still", factor=0.0, more=50 * unit)
    said = served.predict(still).forecast / unit
    expected = apart.predict(named("still", factor=0.0, more=50)).forecast
    np.testing.assert_allclose(said, expected, rtol=1e-5)
    assert (expected - 50).abs().max() < 30


def test_a_network_that_knows_series_takes_the_mean_of_what_it_has_learned(tmp_path):
    """Of a linear network that is the mean of the forecasts as each known series."""
    served = made(tmp_path, Model("linear", series_embedding=2), "global")
    new = [named(f"n{number}") for number in range(5)]  # more of them than training has seen
    said = served.predict(pd.concat(new))
    each = [served.predict(named("b").assign(site=name)).forecast for name in NAMES]
    assert np.ptp(each, axis=0).max() > 1e-3
    for number in range(5):
        own = of(said, f"n{number}").forecast
        np.testing.assert_allclose(own, np.mean(each, axis=0), rtol=1e-5)


def test_a_new_series_of_few_rows_is_left_out_and_stops_no_other(apart):
    frame = pd.concat([rows(), named("short").tail(3), named("long")])
    table, said = apart.answer(frame)
    assert {*said.series} == {*NAMES, "long"} and {*table.names} == {*NAMES, "long", "short"}
    pd.testing.assert_frame_equal(
        of(said, "long"), of(apart.predict(pd.concat([rows(), named("long")])), "long")
    )


@pytest.mark.parametrize("name", ["seasonal_naive", "boosted_trees"])
def test_a_baseline_forecasts_what_it_can_read_of_a_new_series(name, tmp_path):
    served = bundle.load(case(SCHEMA, rows()).save(tmp_path / "one", name))
    said = served.predict(pd.concat([rows(), named("zz")]))
    new, old = of(said, "zz").forecast, of(said, "b").forecast
    if name == "seasonal_naive":  # which reads rows alone
        np.testing.assert_array_equal(new, old)
    scale = rows().load.std()
    assert np.isfinite(new).all() and (new - old).abs().max() < 2 * scale


def test_a_mixture_is_the_mean_of_its_members(alike, tmp_path):
    made(tmp_path / "one", Model("linear"), "global")
    case(SCHEMA, rows()).save(tmp_path / "two", "seasonal_naive")
    reach = Reach(0.9, "adaptive", None, np.arange(1.0, 10).reshape(3, 3, 1))
    parts = [(tmp_path / "one", 0.5), (tmp_path / "two", 0.5)]
    save_mixture(tmp_path / "mean", parts, {}, reach=reach)
    frame = pd.concat([rows(), named("aa"), named("short").tail(2)])
    said, each = (
        bundle.load(tmp_path / "mean").predict(frame),
        [bundle.load(tmp_path / name).predict(frame) for name in ("one", "two")],
    )
    assert {*said.series} == {*NAMES, "aa"}
    for name in (*NAMES, "aa"):
        mean = (of(each[0], name).forecast + of(each[1], name).forecast) / 2
        np.testing.assert_allclose(of(said, name).forecast, mean, rtol=1e-6)
    width = {name: (of(said, name).upper - of(said, name).lower) for name in (*NAMES, "aa")}
    np.testing.assert_allclose(width["aa"], np.median([width[own] for own in NAMES], axis=0))


@pytest.mark.parametrize("scaling", ["global", "series"])
def test_a_stream_names_new_series_that_it_cannot_scale(scaling, alike, apart):
    served = {"global": alike, "series": apart}[scaling]
    frame = pd.concat([rows(), named("aa"), named("zz")])
    frame = frame.sort_values(["site", "time"], ignore_index=True)
    asked = predicted.Asked(Frames(frame, 50), False, (None, None), 2**26)
    parts: list[pd.DataFrame] = []
    told = predicted.in_parts(served, asked, lambda number, own: parts.append(own.to_pandas()))
    found, expected = pd.concat(parts), served.predict(frame)
    assert told.new == ([] if scaling == "global" else ["aa", "zz"])
    for name in [*NAMES, "aa", "zz"]:
        if name in told.new:
            assert name not in {*found.series}
        else:
            one, two = of(found, name).forecast, of(expected, name).forecast
            np.testing.assert_allclose(one, two, rtol=1e-6)
    with pytest.raises(predicted.InputError, match="not seen.* no other series than aa"):
        asked = predicted.Asked(Frames(named("aa"), 50), False, (None, None), 2**26)
        predicted.in_parts(apart, asked, lambda number, own: None)
