"""Every command with a known future, a static column and learned values of a series."""

import json

import numpy as np
import pandas as pd
import pytest

from ..conftest import TINY, Place, word

pytestmark = pytest.mark.slow

KNOWN = [
    *TINY,
    "data.path=known.csv",
    "data.known_future=[fair,hour]",
    "data.static=[area]",
    "model=lstm",
    "model.units=[3]",
    "model.recurrent_dropout=0.0",
    "model.series_embedding=2",
]
OF_THE_DATA = [word for word in KNOWN if word.startswith("data")]
ALL = ["load", "temp", "fair", "area", "hour_sin", "hour_cos", "series_1", "series_2"]
ALL += ["fair_ahead", "hour_sin_ahead", "hour_cos_ahead"]


@pytest.fixture(scope="module")
def frame(place: Place) -> pd.DataFrame:
    """The file of all tests with a column known ahead and the area of each site in one row."""
    found = pd.read_csv(place.folder / "load.csv")
    found["fair"] = np.random.default_rng(2).normal(size=len(found))
    found["area"] = np.nan
    for number, row in enumerate(found.groupby("site").head(1).index):
        found.loc[row, "area"] = 3.0 + number
    found.to_csv(place.folder / "known.csv", index=False)
    return found


@pytest.fixture(scope="module")
def run(frame, place: Place) -> str:
    assert place.run("train", *KNOWN) == 0, place.errors
    return word(place.printed[-1], "run")


def test_explain_counts_the_extra_columns_and_the_learned_ones(frame, place: Place):
    assert place.run("explain", *KNOWN) == 0, place.errors
    said = " ".join(place.printed[-1].split())
    assert ", ".join(ALL) in said
    # 4 raw columns, 2 of the clock, 3 ahead and the number of the site
    assert "(samples, 8, 10) → (samples, 4, 1)" in said
    # the number gives way to two learned columns
    assert "4·((11 + 3)·3 + 3)" in said and "2·2" in said


def test_check_tells_what_a_column_is_for(frame, place: Place):
    assert place.run("check", *KNOWN) == 0, place.errors
    assert "known ahead" in place.printed[-1] and "static" in place.printed[-1]


def test_a_wrong_name_is_refused_before_anything_is_trained(frame, place: Place):
    assert place.run("train", *KNOWN, "data.known_future=[fare]") == 2
    assert "data.known_future must name columns" in place.errors[-1]
    assert 'did you mean "fair"?' in place.errors[-1]


def test_gates_are_told_with_the_names_of_what_a_layer_reads(run: str, client):
    from mlflow.artifacts import load_dict, load_text

    root = client.get_run(run).info.artifact_uri
    assert load_dict(f"{root}/snapshots/about.json")["features"] == ALL
    lines = load_text(f"{root}/inputs_lstm_1.csv").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ALL


def test_predict_reads_the_future_from_the_file(run: str, frame, place: Place):
    future = frame.copy()
    last = future.groupby("site").cumcount(ascending=False) < 4
    future.loc[last, ["load", "temp"]] = np.nan
    future.to_csv(place.folder / "future.csv", index=False)
    asked = ["predict", f"run={run}", "output=known_next.csv"]
    assert place.run(*asked, *OF_THE_DATA, "data.path=future.csv") == 0, place.errors
    found = pd.read_csv(place.folder / "known_next.csv")
    assert found.groupby("series").size().tolist() == [4, 4]
    times = future[last & (future.site == "north")].time
    assert pd.to_datetime(found[found.series == "north"].time).tolist() == [
        pd.Timestamp(time) for time in times
    ]
    assert (place.folder / "known_next.png").exists()
    # another future, another forecast
    future.loc[last, "fair"] += 5
    future.to_csv(place.folder / "future.csv", index=False)
    assert place.run(*asked, *OF_THE_DATA, "data.path=future.csv") == 0
    again = pd.read_csv(place.folder / "known_next.csv")
    assert np.abs(again.forecast - found.forecast).min() > 0


def test_predict_asks_for_the_future_where_the_file_has_none(run: str, place: Place):
    assert place.run("predict", f"run={run}") == 2
    assert (
        "data must hold the known-future columns fair until 2024-03-10 07:00:00"
        in (place.errors[-1])
    )


def test_the_input_example_of_the_run_can_be_predicted(run: str, client, tmp_path):
    from forecast.serving import bundle

    model = client.download_artifacts(run, "model", str(tmp_path))
    with open(f"{model}/input_example.json") as file:
        example = json.load(file)
    rows = pd.DataFrame(example["data"], columns=example["columns"])
    assert len(bundle.load(f"{model}/artifacts/bundle").predict(rows)) == 4


def test_a_sweep_keeps_tables_of_other_known_columns_apart():
    from forecast.cli.config import compose
    from forecast.workflows import load

    names = {
        load.schema_name(compose.compose([*KNOWN, *more]).settings)
        for more in ([], ["data.known_future=[fair]"], ["data.static=[]"], ["window.horizon=9"])
    }
    assert (
        len(names) == 3
    )  # the horizon changes no table: rows are shifted where a model reads them
