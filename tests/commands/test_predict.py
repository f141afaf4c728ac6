"""`forecast predict`: from a run id to a table and a picture."""

import pandas as pd
import pytest

from ..conftest import TINY, Place

DATA = [text for text in TINY if text.startswith("data")]


@pytest.fixture(scope="module")
def predicted(place: Place, lstm_run: str) -> pd.DataFrame:
    assert place.run("predict", f"run={lstm_run}", *DATA, "output=next.csv") == 0
    return pd.read_csv(place.folder / "next.csv", parse_dates=["origin", "time"])


def test_forecasts_the_horizon_after_the_last_row_of_every_series(predicted: pd.DataFrame, place):
    newest = pd.to_datetime(pd.read_csv(place.folder / "load.csv").time).max()
    assert set(predicted.series) == {"north", "south"}
    for _, part in predicted.groupby("series"):
        assert part.step.tolist() == [1, 2, 3, 4]
        assert part.time.tolist() == [newest + pd.Timedelta(hours=h) for h in (1, 2, 3, 4)]
    assert predicted.forecast.between(20, 80).all()


def test_reads_the_file_of_the_run_unless_another_is_named(predicted, place: Place, lstm_run: str):
    assert place.run("predict", f"run={lstm_run}", "output=again.csv") == 0, place.errors[-1]
    again = pd.read_csv(place.folder / "again.csv", parse_dates=["origin", "time"])
    pd.testing.assert_frame_equal(again, predicted)


def test_draws_a_picture_beside_the_table(predicted, place: Place):
    del predicted
    assert (place.folder / "next.png").read_bytes().startswith(b"\x89PNG")


def test_equals_what_the_estimator_says(predicted: pd.DataFrame, place: Place):
    from forecast import Forecaster, Model, Schema, Training, Window, build, windows

    schema = Schema("time", ("load",), ("load", "temp"), ("site",), calendar=("hour",))
    table = build(pd.read_csv(place.folder / "load.csv"), schema)
    from forecast.data import split

    cuts = split.holdout(table)
    own = Forecaster(
        Model("lstm", units=[4], recurrent_dropout=0.0),
        Window(8, 4),
        Training(epochs=2, batch_size=32),
    )
    own.fit(table, rows=~cuts.test_rows(table), tail=str(cuts.validation))
    said = own.predict_windows(table, windows.latest(table, Window(8, 4))).ravel()
    assert said.tolist() == pytest.approx(predicted.forecast.tolist(), rel=1e-6)


def test_writes_parquet_when_asked(place: Place, lstm_run: str, predicted: pd.DataFrame):
    assert place.run("predict", f"run={lstm_run}", *DATA, "output=next.parquet") == 0
    again = pd.read_parquet(place.folder / "next.parquet")
    assert again.forecast.tolist() == pytest.approx(predicted.forecast.tolist())


def test_a_run_id_that_looks_like_a_number_stays_text(place: Place):
    assert place.run("predict", "run=12e4567", *DATA) == 2
    assert "'12e4567'" in place.errors[-1]


def test_asks_for_a_run(place: Place):
    assert place.run("predict", *DATA) == 2
    assert place.errors[-1].startswith("forecast: run must be")


def test_too_few_rows_are_refused(place: Place, lstm_run: str):
    frame = pd.read_csv(place.folder / "load.csv")
    frame.groupby("site").tail(5).to_csv(place.folder / "short.csv", index=False)
    assert place.run("predict", f"run={lstm_run}", *DATA, "data.path=short.csv") == 2
    assert "window.timesteps=8" in place.errors[-1]


def test_an_unknown_series_is_refused(place: Place, lstm_run: str):
    frame = pd.read_csv(place.folder / "load.csv").replace({"site": {"south": "sout"}})
    frame.to_csv(place.folder / "other.csv", index=False)
    assert place.run("predict", f"run={lstm_run}", *DATA, "data.path=other.csv") == 2
    assert "'sout'" in place.errors[-1] and '"south"' in place.errors[-1]
