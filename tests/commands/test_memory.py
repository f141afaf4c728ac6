"""A table that is larger than `data.memory` trains like one that fits."""

import sqlite3
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from forecast.cli.commands import check
from forecast.cli.config import compose
from forecast.data import panel, quality
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.windows import Window
from forecast.workflows import load

from ..conftest import Place, word

SMALL = "data.memory=200KB"
DATA = [
    "data=file",
    "data.time=day",
    "data.targets=[load]",
    "data.features=[wind]",
    "data.series=[site]",
    "data.name=sites",
    "window.timesteps=14",
    "window.horizon=3",
]
MODEL = ["model=nlinear", "training.epochs=3", "training.batch_size=64", "gates.memory=32"]


def frame(series=12, days=300):
    """Rows in no order, as a table of measurements comes."""
    rng, parts = np.random.default_rng(0), []
    for number in range(series):
        wave = 10 * (number + 1) + 3 * np.sin(2 * np.pi * np.arange(days) / 7)
        parts.append(
            pd.DataFrame(
                {
                    "day": pd.date_range("2024-01-01", periods=days),
                    "site": f"s{number:02}",
                    "load": (wave + rng.normal(size=days)).round(3),
                    "wind": rng.normal(size=days).round(3),
                }
            )
        )
    found = pd.concat(parts, ignore_index=True)
    found.loc[rng.choice(len(found), 40, replace=False), "load"] = np.nan
    return found.sample(frac=0.97, random_state=0)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder with the rows, and limits of such small tables."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "LEAST", 1)
    folder = tmp_path / "work"
    folder.mkdir()
    frame().to_csv(folder / "sites.csv", index=False)
    return Place(folder, [], [])


def read(there: Place, run: str) -> tuple[dict, pd.DataFrame, dict]:
    """Metrics, forecasts and params of a run."""
    store = mlflow.MlflowClient(f"sqlite:///{there.folder}/mlflow.db")
    found = store.get_run(run)
    file = store.download_artifacts(run, "predictions.parquet", str(there.folder))
    return found.data.metrics, pd.read_parquet(file), found.data.params


@pytest.mark.slow
def test_a_table_larger_than_memory_trains_like_one_that_fits(there):
    runs = []
    for more in ([], [SMALL]):
        assert there.run("train", "data.path=sites.csv", *DATA, *MODEL, *more) == 0, there.errors
        runs.append(read(there, word(there.printed[-1], "run")))
    said = there.printed[-1]
    assert "larger than data.memory: read in" in said and "larger" not in there.printed[0]
    assert "checks passed" in said and "THIS RUN LEAKS" not in said
    (whole, kept, params), (blocks, found, own) = runs
    assert "memory_used" not in params and own["memory_used"] == "200000"
    # other batches, other weights; the same windows and, of what learns nothing, the same numbers
    assert blocks["test/mae"] == pytest.approx(whole["test/mae"], rel=0.1)
    keys = ["series", "origin", "step", "target"]
    one, two = (each.sort_values(keys, ignore_index=True) for each in (kept, found))
    pd.testing.assert_frame_equal(one[[*keys, "time", "true"]], two[[*keys, "time", "true"]])
    errors = (two.forecast - two.true).abs()
    assert blocks["test/mae"] == pytest.approx(errors.mean(), rel=1e-9)
    assert blocks["test/windows"] == whole["test/windows"] == len(two) / 3
    run = word(said, "run")
    assert there.run("reproduce", f"run={run}") == 0, there.printed[-1] + there.errors[-1]
    assert there.run("predict", f"run={run}", "output=next.csv") == 0, there.errors
    assert pd.read_csv(there.folder / "next.csv").series.nunique() == 12


def test_blocks_hold_the_same_rows_wherever_they_are_read(there, monkeypatch):
    monkeypatch.setattr(opened, "read", None)  # which would hold all rows
    rows = pd.read_csv(there.folder / "sites.csv")
    rows.to_parquet(there.folder / "sites.parquet", index=False)
    (there.folder / "many").mkdir()
    for number in range(3):
        part = rows.iloc[number * len(rows) // 3 : (number + 1) * len(rows) // 3]
        part.to_csv(there.folder / "many" / f"{number}.csv", index=False)
    with sqlite3.connect(there.folder / "sites.db") as one:
        rows.to_sql("sites", one, index=False)
    one.close()
    paths = [["sites.csv"], ["sites.parquet"], ["many"], ["sqlite:///{}/sites.db", "sites"]]
    for until in ([], ["data.since=2024-03-01", "data.until=2024-08"]):
        for path, *table in paths:
            place = path.format(there.folder) if table else there.folder / path
            own = [f"data.path='{place}'", *(f"data.table={name}" for name in table), *until]
            settings = compose.compose([*own, *DATA, SMALL]).settings
            found = load.load(settings)
            assert isinstance(found.content, Blocks)
            inside = rows
            if until:
                inside = rows[(rows.day >= "2024-03-01") & (rows.day <= "2024-08-31")]
            want = panel.build(inside, found.schema)
            got = pd.concat([flat(block) for block in found.content.tables(rows=700)])
            pd.testing.assert_frame_equal(got.reset_index(drop=True), flat(want))
            assert found.read == len(inside)
            some = found.raw(["s03", "s07"])
            assert sorted(some.site.unique()) == ["s03", "s07"]
            assert len(some) == inside.site.isin(["s03", "s07"]).sum()


def flat(table) -> pd.DataFrame:
    """The rows of a table by name and time."""
    names = np.asarray(table.names, object)[table.series]
    columns = {name: table.inputs[:, n] for n, name in enumerate(table.features)}
    return pd.DataFrame({"site": names, "day": table.time, **columns, "y": table.outputs[:, 0]})


@pytest.mark.parametrize(
    ("given", "size"),
    [("4GiB", 4 * 2**30), ("1.5 GB", 1_500_000_000), ("300m", 3 * 10**8), ("20000000", 2 * 10**7)],
)
def test_a_size_is_read_as_people_write_it(given, size):
    assert load.memory(compose.compose([f"data.memory='{given}'"]).settings) == size


@pytest.mark.parametrize("given", ["much", "4 GiBs", "-1GB", "1MiB", "0"])
def test_what_is_no_size_is_refused(given):
    with pytest.raises(load.InputError, match="data.memory must be a size of 16 MiB or more"):
        load.memory(compose.compose([f"data.memory='{given}'"]).settings)


@pytest.mark.parametrize(
    ("command", "more", "sentence"),
    [
        ("backtest", [], "data.memory must hold the whole table for a backtest or a sweep"),
        ("sweep", [], "data.memory must hold the whole table for a backtest or a sweep"),
        ("train", ["data.missing=mask"], "data.missing must be hold or drop where the table is"),
        (
            "train",
            ["evaluation.baselines=[theta]"],
            "evaluation.baselines must do without theta",
        ),
    ],
)
def test_what_needs_the_whole_table_says_so(command, more, sentence, there):
    assert there.run(command, "data.path=sites.csv", *DATA, *MODEL, SMALL, *more) == 2
    assert sentence in " ".join(there.errors[-1].split())


def test_check_of_a_table_larger_than_memory_says_what_check_of_the_whole_says(there, monkeypatch):
    monkeypatch.setattr(check, "ROWS", 700)
    rows = pd.read_csv(there.folder / "sites.csv")
    rows.loc[5, "wind"] = np.nan
    rows = pd.concat([rows, rows.iloc[[40]], rows.iloc[[70]].assign(load=1.5)])
    rows.to_csv(there.folder / "sites.csv", index=False)
    own = ["data.path=sites.csv", *DATA, "data.duplicates=first", "data.valid.wind=[-2,2]"]
    for more in ([], [SMALL], [SMALL, "model=nlinear"]):
        assert there.run("check", *own, *more) == 0, there.errors
    whole, blocks, _ = (text.replace("larger than data.memory", "") for text in there.printed)
    assert blocks == whole
    assert there.run("check", *own, SMALL, "window.timesteps=400") == 2
    assert "must fit a series, got 300 time stamps" in " ".join(there.printed[-1].split())


def test_reports_of_some_series_each_join_to_that_of_all():
    schema = Schema("day", ("load",), ("wind",), series=("site",), duplicates="first")
    rows = frame().sort_values(["site", "day"], ignore_index=True)
    rows = pd.concat([rows, rows.iloc[[3, 900]], rows.iloc[[50]].assign(load=7.0)])
    rows = rows.sort_values(["site", "day"], kind="stable", ignore_index=True)
    whole = quality.report(rows, schema, Window(14, 3))
    parts = [own for _, own in rows.groupby(rows.site.str[1:].astype(int) // 5)]
    each = [quality.report(own, schema, Window(14, 3), before=0) for own in parts]
    joined = quality.together(each, schema, Window(14, 3))
    for name, own in whole.to_frames().items():
        pd.testing.assert_frame_equal(joined.to_frames()[name], own, rtol=1e-12)
    assert joined.faults == whole.faults == ()
