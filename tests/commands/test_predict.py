"""`forecast predict`: from a run id to a table and a picture."""

import io
from pathlib import Path

import pandas as pd
import pytest

from ..conftest import TINY, Place, word
from ..servers import free_port

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


@pytest.mark.slow
def test_a_run_that_no_server_has_yet_is_read_from_this_machine(place: Place):
    away = f"tracking.uri=http://127.0.0.1:{free_port()}"
    assert place.run("train", *TINY, "model=linear", away, "tracking.folder=unsent") == 0
    run = word(place.printed[-1], "run")
    words = (f"run={run}", away, "tracking.folder=unsent", *DATA, "output=unsent.csv")
    assert place.run("predict", *words) == 0, place.errors[-1]
    assert len(pd.read_csv(place.folder / "unsent.csv")) == 2 * 4


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


SOURCES = {
    "its local id": lambda run, folder: run.data.tags["forecast.local_id"],
    "first letters of its id": lambda run, folder: run.info.run_id[:8],
    "an alias": lambda run, folder: "models:/load_model@champion",
    "a version": lambda run, folder: "models:/load_model/1",
    "an MLflow model": lambda run, folder: str(folder),
    "a bundle": lambda run, folder: str(folder / "artifacts" / "bundle"),
}


@pytest.fixture(scope="module")
def model(client, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    client.create_registered_model("load_model")
    source = f"{client.get_run(lstm_run).info.artifact_uri}/model"
    client.create_model_version("load_model", source, run_id=lstm_run)
    client.set_registered_model_alias("load_model", "champion", "1")
    where = tmp_path_factory.mktemp("downloaded")
    return Path(client.download_artifacts(lstm_run, "model", str(where)))


@pytest.mark.parametrize("kind", SOURCES)
def test_all_names_of_a_run_give_its_forecast(kind, predicted, place, client, lstm_run, model):
    run = SOURCES[kind](client.get_run(lstm_run), model)
    assert place.run("predict", f"run={run}", *DATA, "output=named.csv") == 0, place.errors[-1]
    again = pd.read_csv(place.folder / "named.csv", parse_dates=["origin", "time"])
    pd.testing.assert_frame_equal(again, predicted)


def test_a_registered_model_knows_its_data_and_names_its_files(predicted, place, model):
    del model
    assert place.run("predict", "run=models:/load_model@champion") == 0, place.errors[-1]
    again = pd.read_csv(place.folder / "forecast_load_model_1.csv", parse_dates=["origin", "time"])
    pd.testing.assert_frame_equal(again, predicted)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_reads_standard_input_and_writes_standard_output(
    kind, predicted, place: Place, lstm_run: str, monkeypatch
):
    frame = pd.read_csv(place.folder / "load.csv")
    raw = io.BytesIO()
    getattr(frame, f"to_{kind}")(raw, index=False)
    raw.seek(0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
    assert place.run("predict", f"run={lstm_run}", "data.path=-", "output=-") == 0
    again = pd.read_csv(io.StringIO(place.printed[-1]), parse_dates=["origin", "time"])
    pd.testing.assert_frame_equal(again, predicted)


@pytest.fixture(scope="module")
def every(place: Place, lstm_run: str) -> pd.DataFrame:
    words = ("predict", f"run={lstm_run}", "history=true", "output=every.parquet")
    assert place.run(*words) == 0, place.errors[-1]
    return pd.read_parquet(place.folder / "every.parquet")


def test_history_forecasts_from_every_row_with_a_whole_look_back(every: pd.DataFrame, place):
    time = pd.to_datetime(pd.read_csv(place.folder / "load.csv").time)
    first, last = time.min() + pd.Timedelta(hours=7), time.max()
    for _, part in every.groupby("series"):
        origins = part.origin.drop_duplicates()
        assert origins.tolist() == pd.date_range(first, last, freq="h").tolist()
        assert (part.groupby("origin").step.agg(list).map(str) == "[1, 2, 3, 4]").all()
    assert ((every.time - every.origin) == pd.to_timedelta(every.step, "h")).all()
    assert "forecasts, and every.png" in place.printed[-1].replace("\n", " ").replace("  ", "")


def test_history_is_to_the_bit_what_the_training_has_stored(every, client, lstm_run, tmp_path):
    file = client.download_artifacts(lstm_run, "predictions.parquet", str(tmp_path))
    stored = pd.read_parquet(file)
    keys = ["series", "origin", "time", "step", "target"]
    both = stored.merge(every, on=keys, suffixes=("", "_served"))
    assert len(both) == len(stored) > 100
    assert (both.forecast == both.forecast_served).all()


def test_history_ends_with_the_newest_forecast(every, predicted):
    newest = every[every.origin == every.origin.max()].reset_index(drop=True)
    expected = predicted.forecast.to_numpy()
    assert newest.forecast.to_numpy() == pytest.approx(expected, rel=1e-6)


def test_history_of_a_span_begins_with_its_first_whole_look_back(place: Place, lstm_run: str):
    span = ("data.since='2024-03-05'", "data.until='2024-03-06'", "history=true")
    assert place.run("predict", f"run={lstm_run}", *DATA, *span, "output=span.csv") == 0
    origins = pd.read_csv(place.folder / "span.csv", parse_dates=["origin"]).origin
    assert origins.min() == pd.Timestamp("2024-03-05 07:00")
    assert origins.max() == pd.Timestamp("2024-03-06 23:00")


def without_rows(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Take rows out of both sites, counted from the end."""
    back = frame.groupby("site").cumcount(ascending=False)
    return frame[(back < first) | (back > last)]


BAD_ROWS = {
    "too few rows": (
        lambda frame: frame.groupby("site").tail(5),
        "data must end with window.timesteps=8 rows without missing values, got 5 rows of series "
        "'north': send older rows too, 8 or more of each series",
    ),
    "a gap": (
        lambda frame: without_rows(frame, 3, 20),
        "window.timesteps=8 rows without missing values, got one in load, temp at "
        "2024-03-10 00:00:00 of series 'north'",
    ),
    "a missing column": (lambda frame: frame.drop(columns="temp"), "got 'temp'"),
    "no time": (lambda frame: frame.drop(columns="time"), "data.time must name columns"),
    "two hours": (
        lambda frame: frame[pd.to_datetime(frame.time).dt.hour % 2 == 0],
        "data must have the frequency of training, h, got rows that are 2 times as far apart",
    ),
    "half hours": (
        lambda frame: frame.assign(
            time=pd.date_range("2024-03-01", periods=len(frame), freq="30min").astype(str)
        ),
        "data.time must lie on the grid of data.frequency=h, got 2024-03-01 00:30:00",
    ),
    "text": (lambda frame: frame.assign(load="much"), "data.targets must be numbers, got 'much'"),
    "no rows": (lambda frame: frame.head(0), "data.path must hold at least one row"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_forecast_are_refused(case, place: Place, lstm_run: str):
    change, said = BAD_ROWS[case]
    change(pd.read_csv(place.folder / "load.csv")).to_csv(place.folder / "bad.csv", index=False)
    words = (f"run={lstm_run}", "data.path=bad.csv", "output=never.csv")
    assert place.run("predict", *words) == 2
    assert place.errors[-1].startswith("forecast: data") and said in place.errors[-1]
    assert place.errors[-1].count("\n") == 1
    assert not list(place.folder.glob("*never*"))


def test_a_series_without_a_whole_look_back_is_named_and_the_others_forecast(place, lstm_run):
    frame = pd.read_csv(place.folder / "load.csv")
    short = pd.concat([frame[frame.site == "north"], frame[frame.site == "south"].tail(3)])
    short.to_csv(place.folder / "one.csv", index=False)
    assert place.run("predict", f"run={lstm_run}", "data.path=one.csv", "output=one_out.csv") == 0
    assert "no forecast for south" in place.printed[-1]
    assert set(pd.read_csv(place.folder / "one_out.csv").series) == {"north"}
    assert place.run("predict", f"run={lstm_run}", "data.path=one.csv", "output=-") == 0
    assert "no forecast for south" in place.errors[-1]
    assert set(pd.read_csv(io.StringIO(place.printed[-1])).series) == {"north"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run=models:/nothing@champion",), "run must be the id of a registered model"),
        (("run=models:/load",), "run must be models:/name@alias or models:/name/version"),
        (("run=20240101-000000-abcdef",), "run must be the id of a finished training run"),
        (("run=.",), "run must be a folder with a bundle, got '.' without one"),
        (("output=next.xlsx",), "which does not end with .csv or .parquet"),
        (("output=nowhere/next.csv",), "output must be a file that can be written"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said, place: Place, lstm_run: str):
    given = words if words[0].startswith("run=") else (f"run={lstm_run}", *words)
    assert place.run("predict", *given) == 2
    assert said in place.errors[-1] and place.errors[-1].count("\n") == 1


def test_a_folder_does_not_know_its_data(place: Place, model: Path):
    assert place.run("predict", f"run={model}") == 2
    assert "data.path must be given" in place.errors[-1]


def test_a_run_id_that_looks_like_a_number_stays_text(place: Place):
    assert place.run("predict", "run=12e4567", *DATA) == 2
    assert "'12e4567'" in place.errors[-1]


def test_asks_for_a_run(place: Place):
    assert place.run("predict", *DATA) == 2
    assert place.errors[-1].startswith("forecast: run must be")


def test_a_series_that_training_has_not_seen_is_forecast_and_named(place: Place, lstm_run: str):
    frame = pd.read_csv(place.folder / "load.csv")
    new = frame[frame.site == "south"].assign(site="annex")
    short = new.tail(3).assign(site="hut")
    pd.concat([frame, new, short]).to_csv(place.folder / "other.csv", index=False)
    output = place.folder / "new.csv"
    assert (
        place.run("predict", f"run={lstm_run}", *DATA, "data.path=other.csv", f"output={output}")
        == 0
    )
    said = pd.read_csv(output)
    assert {*said.series} == {"north", "south", "annex"}
    told = " ".join(place.printed[-1].split())
    assert "not seen in training, forecast by mean and scale of its own rows: annex" in told
    assert "no forecast for hut: too few rows" in told


def test_a_smaller_horizon_is_cut_and_a_longer_one_needs_what_the_model_reads(
    predicted: pd.DataFrame, place: Place, lstm_run: str
):
    words = ("predict", f"run={lstm_run}", *DATA)
    assert place.run(*words, "window.horizon=2", "output=short.csv") == 0, place.errors[-1]
    short = pd.read_csv(place.folder / "short.csv", parse_dates=["origin", "time"])
    pd.testing.assert_frame_equal(short, predicted[predicted.step <= 2].reset_index(drop=True))
    assert place.run(*words, "window.horizon=48") == 2
    assert "that reads temp, whose later values are not known, got 48" in place.errors[-1]
    assert place.run(*words, "window.horizon=2", "history=true") == 2
    assert "where history=true" in place.errors[-1]
    assert place.run(*words, "window.horizon=0") == 2
    assert "window.horizon must be a whole number of 1 or more" in place.errors[-1]


def test_a_longer_horizon_goes_on_without_intervals_and_says_so(place: Place):
    features = "data.features=[load]"
    assert place.run("train", *TINY, features, "model=linear", "training.epochs=1") == 0
    run = word(place.printed[-1], "run")
    data = [text for text in DATA if not text.startswith("data.features")]
    words = ("predict", f"run={run}", *data, "window.horizon=10", "output=long.csv")
    assert place.run(*words) == 0, place.errors[-1]
    said = pd.read_csv(place.folder / "long.csv")
    assert said.groupby("series").step.max().tolist() == [10, 10]
    assert said[said.step <= 4].lower.notna().all() and said[said.step > 4].lower.isna().all()
    told = " ".join(place.printed[-1].split())
    assert "beyond step 4 the model goes on from its own forecasts, without intervals" in told
    assert "nan" not in told
