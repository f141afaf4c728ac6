"""`forecast predict` of more rows than memory holds: part by part, and on after a kill."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.serving import bundle
from forecast.serving.model import Bundle
from forecast.serving.parts import Parts
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training
from forecast.workflows import load
from forecast.workflows.predicted import stream

from ..conftest import Place

SERIES = 600
"""Of which 256 are a part."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with a bundle and rows of its series, and what is forecast of all at once."""
    folder = tmp_path_factory.mktemp("large")
    draw = np.random.default_rng(1)
    time = pd.date_range("2024-01-01", periods=12, freq="h")
    frame = pd.DataFrame(
        {
            "site": np.repeat([f"site {number:03}" for number in range(SERIES)], len(time)),
            "time": np.tile(time, SERIES),
            "load": draw.normal(50, 9, SERIES * len(time)).round(2),
        }
    )
    schema = Schema("time", ("load",), series=("site",), frequency="h")
    training = Training(epochs=1, tail=0, batch_size=512)
    fitted = Forecaster(Model("nlinear"), Window(8, 3), training)
    bundle.save(folder / "bundle", fitted.fit(panel.build(frame, schema)), schema, {})
    short = frame.drop(frame[frame.site == "site 007"].index[:9])
    short.to_parquet(folder / "rows.parquet", index=False)
    short.sample(frac=1, random_state=1).to_csv(folder / "mixed.csv", index=False)
    place = Place(folder, [], [])
    for name in ("all.csv", "all.parquet"):
        words = ("predict", "run=bundle", "data.path=rows.parquet", f"output={name}")
        assert place.run(*words) == 0, place.errors[-1]
    assert "drawn" not in place.printed[-1]
    return place


@pytest.fixture
def large(here: Place, monkeypatch) -> Callable[..., str]:
    """Predict as on a machine whose memory holds no row."""
    monkeypatch.setattr(load, "memory", lambda _: 1)
    monkeypatch.setattr(stream, "size", lambda *_: 256)

    def run(*words: str, status: int = 0) -> str:
        assert here.run("predict", "run=bundle", *words) == status, here.errors[-1]
        assert not status or here.errors[-1].count("\n") == 1
        return " ".join((here.printed[-1] + here.errors[-1]).split())

    yield run
    left = {path.name for path in here.folder.iterdir() if path.name.startswith(".")}
    assert not left


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["rows.parquet", "mixed.csv"])
def test_a_file_is_that_of_all_rows_at_once(rows: str, here: Place, large):
    said = large(f"data.path={rows}", "output=some.csv")
    assert (here.folder / "some.csv").read_bytes() == (here.folder / "all.csv").read_bytes()
    assert "no forecast for site 007: too few rows" in said
    assert "shown are 12 series, drawn out of 599" in said
    assert "some.csv with 599 forecasts, and some.png" in said
    assert (here.folder / "some.png").read_bytes().startswith(b"\x89PNG")


def test_parquet_has_a_row_group_for_each_part(here: Place, large):
    from pyarrow import parquet

    large("data.path=rows.parquet", "output=some.parquet")
    some, every = (pd.read_parquet(here.folder / f"{name}.parquet") for name in ("some", "all"))
    pd.testing.assert_frame_equal(some, every)
    groups = parquet.ParquetFile(here.folder / "some.parquet").metadata
    sizes = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    assert sizes == [256 * 3, 256 * 3, 87 * 3]


def test_standard_output_has_the_same_rows(here: Place, large):
    large("data.path=rows.parquet", "output=-")
    assert here.printed[-1] == (here.folder / "all.csv").read_text()
    assert "no forecast for site 007" in here.errors[-1]


def test_history_of_every_row(here: Place, large):
    large("data.path=rows.parquet", "history=true", "output=every.parquet")
    found = pd.read_parquet(here.folder / "every.parquet")
    rows = here.folder / "rows.parquet"
    expected = bundle.load(here.folder / "bundle").predict(pd.read_parquet(rows), history=True)
    pd.testing.assert_frame_equal(found, expected)
    assert len(found) == 599 * 5 * 3


def test_rows_of_a_span(here: Place, large):
    span = ("data.since='2024-01-01 02:00'", "data.until='2024-01-01 10:00'")
    large("data.path=rows.parquet", *span, "output=span.csv")
    found = pd.read_csv(here.folder / "span.csv", parse_dates=["origin"])
    assert (found.origin == pd.Timestamp("2024-01-01 10:00")).all()
    said = large("data.path=rows.parquet", "data.since=2025", "output=no.csv", status=2)
    assert "data.since=2025 and data.until=None must leave rows, got rows from 2024" in said


def interrupted(monkeypatch, after: int) -> None:
    """Let the next command stop when it has written so many parts."""
    put = Parts.put

    def stopping(self: Parts, number: int, rows) -> None:
        if number == after:
            monkeypatch.setattr(Parts, "put", put)
            raise KeyboardInterrupt
        put(self, number, rows)

    monkeypatch.setattr(Parts, "put", stopping)


@pytest.fixture
def windows(monkeypatch) -> list[int]:
    """How many windows are forecast, each time in batches as large as those of all at once."""
    found: list[int] = []
    forecast = Bundle.forecast_windows

    def counting(self, table, starts, batch):
        assert batch == 256 or len(starts) == 12  # of what is shown
        found.append(len(starts))
        return forecast(self, table, starts, batch)

    monkeypatch.setattr(Bundle, "forecast_windows", counting)
    return found


@pytest.mark.parametrize("name", ["again.csv", "again.parquet"])
def test_a_command_that_was_stopped_goes_on(name: str, here: Place, large, windows, monkeypatch):
    words = ("data.path=rows.parquet", f"output={name}")
    interrupted(monkeypatch, 2)
    large(*words, status=130)
    assert not (here.folder / name).exists() and windows == [256, 256, 87]
    windows.clear()
    assert "resume goes on behind 2 parts of an earlier command" in large(*words)
    assert windows == [87, 12]  # the last part, and what is shown
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    every = read(here.folder / name.replace("again", "all"))
    pd.testing.assert_frame_equal(read(here.folder / name), every)


def test_parts_of_other_rows_settings_or_models_are_not_used(here: Place, large, monkeypatch):
    frame = pd.read_parquet(here.folder / "rows.parquet")
    frame.assign(load=frame.load + 1).to_parquet(here.folder / "other.parquet", index=False)
    words = ("data.path=rows.parquet", "output=again.csv")
    for other in (("data.path=other.parquet",), ("history=true",), ("data.until=2024-01-01",)):
        interrupted(monkeypatch, 1)
        large(*words, *other, status=130)
        assert "resume" not in large(*words)
        assert (here.folder / "again.csv").read_bytes() == (here.folder / "all.csv").read_bytes()


KILLED = """
import os, signal, sys
from forecast.cli.main import main
from forecast.serving.parts import Parts
from forecast.workflows import load
from forecast.workflows.predicted import stream
load.memory = lambda _: 1
stream.size = lambda *_: 256
put = Parts.put
def killing(self, number, rows):
    put(self, number, rows)
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Parts.put = killing
main(sys.argv[1:])
"""


@pytest.mark.processes
def test_a_command_that_was_killed_goes_on(here: Place, large):
    words = ("data.path=rows.parquet", "output=killed.csv")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "predict", "run=bundle", *words],
        cwd=here.folder,
        check=False,
        env=os.environ,
    )
    assert done.returncode == -signal.SIGKILL
    assert "goes on behind 2 parts" in large(*words)
    assert (here.folder / "killed.csv").read_bytes() == (here.folder / "all.csv").read_bytes()


def test_a_new_series_that_memory_does_not_hold_is_left_out_by_name(here: Place, large):
    frame = pd.read_parquet(here.folder / "rows.parquet")
    other = frame.replace({"site": {"site 599": "annex"}}).sort_values(["site", "time"])
    other.to_csv(here.folder / "new.csv", index=False)
    told = " ".join(large("data.path=new.csv", "output=new_out.csv").split())
    assert "no forecast for annex: training has not seen them" in told
    said = pd.read_csv(here.folder / "new_out.csv")
    assert {*said.series} == {*frame.site} - {"site 007", "site 599"}  # one is too short


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(load=f.load.astype(str).where(f.index < 7000, "much")), "got 'much'"),
        (
            lambda f: f[f.site == "site 599"].assign(site="annex"),
            "no other series than annex: send fewer of them at a time",
        ),
        (lambda f: f.drop(columns="load"), "data.targets must name columns of the file"),
        (lambda f: f[f.time.dt.hour % 2 == 0], "rows that are 2 times as far apart"),
        (lambda f: f.groupby("site").tail(5), "got 5 rows of series 'site 599': send older rows"),
        (lambda f: f.assign(time=f.time.dt.tz_localize("UTC")), "must state no zone"),
    ],
)
def test_rows_that_cannot_be_forecast_are_refused_and_leave_nothing(change, said, here, large):
    frame = pd.read_parquet(here.folder / "rows.parquet")
    change(frame).to_csv(here.folder / "bad.csv", index=False)
    assert said in large("data.path=bad.csv", "output=bad_out.csv", status=2)
    assert not list(here.folder.glob("bad_out*"))


def test_a_run_of_standard_input_is_read_whole(here: Place, large, monkeypatch):
    raw = io.BytesIO((here.folder / "rows.parquet").read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
    large("data.path=-", "output=-")
    assert here.printed[-1] == (here.folder / "all.csv").read_text()
