"""Series called 007, 7 and NA: trained on CSV, predicted from any other format alike."""

import io
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest

from ..conftest import TINY, Place, load_frame, word

NAMES = {"north": "007", "south": "7"}


def coded_frame() -> pd.DataFrame:
    """Three sites, two of which are one number, and one of which pandas takes for missing."""
    frame = load_frame(120)
    third = frame[frame.site == "north"].assign(site="NA")
    third["load"] *= 3
    return pd.concat([frame.replace({"site": NAMES}), third], ignore_index=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str, pd.DataFrame]:
    """A run on CSV, and what it forecasts of the same file."""
    place = Place(tmp_path_factory.mktemp("codes"), [], [])
    coded_frame().to_csv(place.folder / "load.csv", index=False)
    asked = ["model=linear", "training.epochs=1", "gates.memory=0", "window.horizon=3"]
    assert place.run("train", *TINY, *asked) == 0, place.errors
    run = word(place.printed[-1], "run")
    assert place.run("predict", f"run={run}", "output=own.csv") == 0, place.errors
    return place, run, forecasts(place.folder / "own.csv")


def forecasts(file: Path | io.StringIO) -> pd.DataFrame:
    return pd.read_csv(file, dtype={"series": str}, keep_default_na=False)


def written(folder: Path, kind: str, frame: pd.DataFrame) -> list[str]:
    """Write rows in a format; return what asks for them."""
    if kind == "sqlite":
        with sqlite3.connect(folder / "load.db") as connection:
            frame.to_sql("load", connection, index=False, if_exists="replace")
        return ["data.path=sqlite:///load.db", "data.table=load"]
    if kind == "jsonl":
        frame.to_json(folder / "new.jsonl", orient="records", lines=True, double_precision=15)
    elif kind == "parquet":
        frame.to_parquet(folder / "new.parquet")
    else:
        frame.to_csv(folder / "new.csv", index=False)
    return [f"data.path=new.{kind}"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "sqlite"])
def test_other_formats_give_the_same_forecasts(trained, kind: str):
    place, run, own = trained
    assert own.series.unique().tolist() == ["007", "7", "NA"]
    asked = written(place.folder, kind, coded_frame())
    assert place.run("predict", f"run={run}", *asked, "output=other.csv") == 0, place.errors
    pd.testing.assert_frame_equal(forecasts(place.folder / "other.csv"), own, rtol=1e-12)


@pytest.mark.parametrize("memory", ["null", "16MiB"])
@pytest.mark.parametrize("name", ["007", "7", "NA"])
def test_rows_of_one_series_alone_are_of_that_series(
    trained, name: str, memory: str, monkeypatch: pytest.MonkeyPatch
):
    from forecast.workflows import predicted

    place, run, own = trained
    if memory != "null":  # as a stream, however few rows
        monkeypatch.setattr(predicted, "fits", lambda source, memory: False)
    frame = coded_frame()
    asked = written(place.folder, "csv", frame[frame.site == name])
    words = (*asked, f"data.memory={memory}", "output=alone.csv")
    assert place.run("predict", f"run={run}", *words) == 0, place.errors
    expected = own[own.series == name].reset_index(drop=True)
    pd.testing.assert_frame_equal(forecasts(place.folder / "alone.csv"), expected, rtol=1e-5)


def test_standard_input_and_a_frame_in_python_are_read_alike(trained, monkeypatch):
    from forecast.workflows.served import find
    from forecast.workflows.settings import TrackingConfig

    place, run, own = trained
    frame = coded_frame()
    text = frame[frame.site == "007"].to_csv(index=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert place.run("predict", f"run={run}", "data.path=-", "output=piped.csv") == 0, place.errors
    expected = own[own.series == "007"].reset_index(drop=True)
    pd.testing.assert_frame_equal(forecasts(place.folder / "piped.csv"), expected, rtol=1e-5)
    monkeypatch.chdir(place.folder)
    bundle = find(run, TrackingConfig(uri=place.uri, folder="runs")).bundle
    found = bundle.predict(frame)
    assert found.series.tolist() == own.series.tolist()
    assert found.forecast.tolist() == pytest.approx(own.forecast.tolist(), rel=1e-9)
