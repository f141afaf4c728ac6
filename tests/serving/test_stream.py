"""Forecasts of rows that come as a stream: to the bit those of all rows at once, in any parts."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.sources.source import Source, pieces, simple
from forecast.data.stored.pieces import pieces as tables
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import bundle, newest
from forecast.serving.model import Bundle
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training
from forecast.workflows import predicted

PARAMETERS = {"epochs": 1, "tail": 0, "batch_size": 512}


class Frames(Source):
    """A frame as a source, in batches of some rows."""

    place, parts, size = "a frame", (), None

    def __init__(self, frame: pd.DataFrame, rows: int):
        table = pa.Table.from_pandas(frame, preserve_index=False)
        kinds = [(field.name, simple(field.type)) for field in table.schema]
        self.table = table.cast(pa.schema(kinds))
        self.rows = rows

    def columns(self) -> list[str]:
        return self.table.column_names

    def digest(self) -> str:
        return "0"

    def batches(self, columns: Sequence[str], rows: int = 0) -> Iterator[pa.RecordBatch]:
        for batch in self.table.select(list(columns)).combine_chunks().to_batches():
            yield from pieces(batch, self.rows)


def rows_of(names: Sequence[str], most: int = 60) -> pd.DataFrame:
    """Series of different lengths, with absent rows, holes and ends on different days."""
    draw = np.random.default_rng(3)
    parts = []
    for name in names:
        count = int(draw.integers(3, most))
        time = pd.date_range("2024-01-01", periods=most, freq="h")[-count - draw.integers(3) :]
        values = draw.normal(50, 9, (len(time), 3)).round(2)
        values[draw.random(values.shape) < 0.02] = np.nan
        part = pd.DataFrame(values, columns=["load", "temp", "sun"]).assign(site=name, time=time)
        part["area"] = np.where(np.arange(len(part)) == 0, draw.normal(), np.nan)
        parts.append(part[(draw.random(len(part)) > 0.02) | (np.arange(len(part)) == 0)])
    return pd.concat(parts, ignore_index=True)


NAMES = sorted(f"s{number}" for number in range(300))

CASES = {
    "plain": ("nlinear", {}, {}, ()),
    "hold": ("gru", {"units": [3], "series_embedding": 2}, {"calendar": ("hour",)}, ()),
    "drop": ("linear", {}, {"missing": "drop"}, (0.1, 0.5, 0.9)),
    "mask": ("linear", {}, {"missing": "mask"}, ()),
    "known": ("linear", {}, {"features": ("temp",), "known_future": ("sun",)}, ()),
    "calendar": ("linear", {}, {"calendar": ("hour",), "known_future": ("hour",)}, ()),
    "mask and calendar": (
        "linear",
        {},
        {"missing": "mask", "calendar": ("hour",), "known_future": ("hour",)},
        (),
    ),
    "static": ("linear", {}, {"static": ("area",)}, ()),
    "first": ("nlinear", {}, {"duplicates": "first"}, ()),
    "cycle": ("nlinear", {"cycle": 7, "series_embedding": 2}, {}, ()),
    "season": ("mlp", {"normalization": "seasonal", "decoder": "state", "season": 5}, {}, ()),
    "one pass": ("causal_cnn", {"filters": 2, "normalization": "none"}, {}, ()),
}
WINDOW = Window(8, 3, lead=1)


@pytest.fixture(scope="module", params=CASES)
def trained(request) -> tuple[Bundle, pd.DataFrame]:
    """A model, and rows of its series of which some have no known target at their end."""
    name, settings, more, levels = CASES[request.param]
    frame = rows_of(NAMES)
    told = {"features": ("load", "temp"), "series": ("site",), "frequency": "h", **more}
    schema = Schema("time", ("load",), **told)
    training = Training(**PARAMETERS, quantiles=levels)
    fitted = Forecaster(Model(name, **settings), WINDOW, training)
    fitted.fit(panel.build(frame, schema))
    reach = np.random.default_rng(0).random((len(NAMES), 3, 1))
    place = Path(request.getfixturevalue("tmp_path_factory").mktemp("bundle"))
    bundle.save(place, fitted, schema, {}, reach=Reach(0.9, "split", None, reach))
    if request.param == "known":
        rows = frame.groupby("site")
        late, early = rows.cumcount(ascending=False) < 5, rows.cumcount() < 25
        frame["load"] = frame.load.mask(late | (early & frame.site.str.endswith("7")))
    if request.param == "first":
        frame = pd.concat([frame, frame[::7].assign(load=0.0)])
        frame = frame.sort_values(["site", "time"], kind="stable", ignore_index=True)
    return bundle.load(place), frame


def in_parts(
    served: Bundle, frame: pd.DataFrame, monkeypatch, rows: int = 70, *, most: int = 256, **more
) -> tuple[pd.DataFrame, predicted.Predicted]:
    """Forecast a frame as a stream of batches, in parts of `most` windows."""
    monkeypatch.setattr(newest, "TOGETHER", rows)
    monkeypatch.setattr(predicted, "pieces", partial(tables, rows=rows))
    monkeypatch.setattr(predicted.stream, "size", lambda *_: most)
    parts: dict[int, pd.DataFrame] = {}

    def put(number: int, found: pa.Table) -> None:
        parts[number] = found.to_pandas().astype({"series": "str", "target": "str"})

    asked = predicted.Asked(
        Frames(frame, rows), more.get("history", False), more.get("span", (None, None)), 1 << 30
    )
    told = predicted.in_parts(served, asked, put, again=parts.clear)
    assert [*parts] == [*range(len(parts))]
    return pd.concat(parts.values(), ignore_index=True), told


@pytest.mark.slow
@pytest.mark.parametrize(("history", "rows"), [(False, 29), (True, 500)], ids=["newest", "history"])
def test_any_cut_gives_the_forecasts_of_all_rows(trained, history, rows, monkeypatch):
    served, frame = trained
    if history:  # of each row: some series are enough
        frame = frame[frame.site < "s13"]
    expected = served.predict(frame, history=history)
    said, told = in_parts(served, frame, monkeypatch, rows, history=history)
    # one pass over all rows multiplies them in other groups, and rounds otherwise
    exact = not (history and "causal_cnn" in served.model.name)
    pd.testing.assert_frame_equal(said, expected, check_exact=exact, rtol=1e-5)
    assert told.count == len(expected) // 3 and told.series == expected.series.nunique()
    lacking = [name for name in frame.site.unique() if name not in {*expected.series}]
    assert (told.lacking, told.named) == (len(lacking), lacking[:5])
    assert len(told.drawn) == 12 and {*told.table().names} <= {*expected.series}


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["static"], indirect=True)
def test_a_static_value_that_comes_late_holds_for_its_whole_series(trained, monkeypatch):
    served, frame = trained
    frame = frame.assign(area=frame.groupby("site").area.shift(-1))
    value = frame.groupby("site").area.transform("max").fillna(0.5)
    last = frame.groupby("site").cumcount(ascending=False) == 0
    frame["area"] = value.where(last)
    said, _ = in_parts(served, frame, monkeypatch, 29)
    pd.testing.assert_frame_equal(said, served.predict(frame), check_exact=True)
    with pytest.raises(InputError, match="data.static must be stated in the first rows of a ser"):
        in_parts(served, frame, monkeypatch, 29, history=True)
    said, _ = in_parts(served, frame, monkeypatch, 500, history=True)  # of series that fit
    pd.testing.assert_frame_equal(said, served.predict(frame, history=True), check_exact=True)


def test_several_columns_name_a_series_and_sort_as_text(monkeypatch, tmp_path: Path):
    frame = rows_of([f"{number}" for number in range(1, 13)]).dropna(subset="load")
    other = frame.assign(part=10, load=frame.load + 1)
    frame = pd.concat([frame.assign(part=9), other], ignore_index=True)
    schema = Schema("time", ("load",), series=("site", "part"), frequency="h")
    fitted = Forecaster(Model("nlinear"), WINDOW, Training(**PARAMETERS))
    bundle.save(tmp_path, fitted.fit(panel.build(frame, schema)), schema, {})
    served = bundle.load(tmp_path)
    assert served.names.to_pylist()[:4] == ["1/10", "1/9", "10/10", "10/9"]
    said, told = in_parts(served, frame, monkeypatch)
    expected = served.predict(frame)
    pd.testing.assert_frame_equal(said, expected, check_exact=True)
    assert told.series == expected.series.nunique() > 12


@pytest.mark.filterwarnings("ignore:Series.values returning")  # of Arrow, which reads the frame
@pytest.mark.parametrize("history", [False, True], ids=["newest", "history"])
def test_one_long_series_with_a_zone(history, monkeypatch, tmp_path: Path):
    frame = rows_of(["one"], most=1500)[["time", "load"]]
    frame["time"] = frame.time.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    schema = Schema("time", ("load",), calendar=("weekday",), frequency="h")
    fitted = Forecaster(Model("linear"), WINDOW, Training(**PARAMETERS))
    bundle.save(tmp_path, fitted.fit(panel.build(frame, schema)), schema, {})
    served = bundle.load(tmp_path)
    expected = served.predict(frame, history=history)
    for rows, own in ((37, frame), (400, frame.assign(time=frame.time.map(str)))):
        said, told = in_parts(served, own, monkeypatch, rows, history=history)
        pd.testing.assert_frame_equal(said, expected, check_exact=True)
        assert (told.series, told.lacking) == (1, 0) and str(said.time.dt.tz) == "UTC"
    assert len(expected) > 1000 * history
