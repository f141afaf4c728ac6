"""Wide tables, a column or a row for each series, against the long ones of pandas."""

import numpy as np
import pandas as pd
import pytest

from forecast.data.sources import opened
from forecast.data.sources.wide import Wide
from forecast.errors import InputError

from ..conftest import Place, predicted

SMALL = [
    *("data=file", "data.targets=[load]", "model=linear", "window.timesteps=6"),
    *("window.horizon=2", "training.epochs=1", "gates.memory=0", "evaluation.regressors={}"),
]


def table(rows: int = 40) -> pd.DataFrame:
    """Two sites hour by hour, with holes, and a column that is no series."""
    rng = np.random.default_rng(0)
    time = pd.date_range("2024-01-01", periods=rows, freq="h")
    frame = pd.DataFrame({"time": time.astype(str), "holiday": rng.integers(0, 2, rows)})
    for name in ("007", "b c"):
        frame[name] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(50, 9, rows).round(3))
    return frame


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_are_melted(tmp_path, kind):
    frame = table()
    file = tmp_path / f"wide.{kind}"
    getattr(frame, f"to_{kind}")(file, index=False)
    source = Wide(opened.open(file), "columns", ["time", "holiday"], "load")
    expected = frame.melt(["time", "holiday"], var_name="series", value_name="load")
    order = ["time", "series"]
    found = opened.read(source)[[*order, "holiday", "load"]].sort_values(order)
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True),
        expected[[*order, "holiday", "load"]].sort_values(order).reset_index(drop=True),
        check_dtype=False,
    )
    parts = [len(batch) for batch in source.batches(["load", "series"], rows=7)]
    assert sum(parts) == len(expected) and max(parts) <= 7


def test_rows_end_with_their_last_value(tmp_path):
    """Series of different length, one with a hole, one empty."""
    lines = ["id,V2,V3,V4", "007,1,,3", "x,4,5,", "none,,,"]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    found = opened.read(Wide(opened.open(tmp_path / "rows.csv"), "rows", ["id"], "load"))
    told = found.assign(id=found.id.astype(str)).fillna(-1).values.tolist()
    assert told == [
        ["007", 1, 1.0],
        ["007", 2, -1.0],
        ["007", 3, 3.0],
        ["x", 1, 4.0],
        ["x", 2, 5.0],
    ]


@pytest.mark.parametrize(
    ("how", "kept", "value", "said"),
    [
        ("column", ["time"], "load", "data.wide must be one of columns, rows, got 'column'"),
        ("columns", ["tine"], "load", "data.wide must keep columns of the file, got 'tine'"),
        ("columns", ["time"], "time", "like none of its columns, got 'time'"),
        ("columns", ["time"], "series", "data.wide=columns must make a column 'series', got"),
        ("columns", ["time", "holiday", "007", "b c"], "load", "must find columns of values"),
    ],
)
def test_what_is_no_wide_table_is_refused(tmp_path, how, kept, value, said):
    table().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=said):
        Wide(opened.open(tmp_path / "a.csv"), how, kept, value)


def test_text_among_the_values_is_named(tmp_path):
    table().assign(note="hot").to_csv(tmp_path / "a.csv", index=False)
    source = Wide(opened.open(tmp_path / "a.csv"), "columns", ["time", "holiday"], "load")
    with pytest.raises(
        InputError, match="got 'hot' in column 'note': name it in data.known_future"
    ):
        opened.read(source)


@pytest.mark.parametrize("how", ["columns", "rows"])
def test_a_wide_file_trains_and_forecasts_like_the_long_one(place: Place, how):
    frame = table(150).drop(columns="holiday").fillna(50.0)
    long = frame.melt("time", var_name="series", value_name="load")
    if how == "columns":
        frame.to_csv(place.folder / "wide.csv", index=False)
        wide, time = ["data.wide=columns", "data.time=time"], ["data.time=time"]
    else:
        frame.set_index("time").T.rename_axis("id").to_csv(place.folder / "wide.csv")
        wide = ["data.wide=rows", "data.series=[id]", "data.time=step", "data.time_format=number"]
        time = ["data.time=step", "data.time_format=number"]
        long["step"] = np.tile(np.arange(1, 151), 2)
    long.to_csv(place.folder / "long.csv", index=False)
    found = [
        predicted(place, f"{how}_{name}", *SMALL, f"data.path={name}.csv", *more)
        for name, more in (("wide", wide), ("long", [*time, "data.series=[series]"]))
    ]
    pd.testing.assert_frame_equal(*found)
