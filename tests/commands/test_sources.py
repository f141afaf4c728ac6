"""Commands on folders and databases; no password of an address is left anywhere."""

import sqlite3
from pathlib import Path

import pytest
import yaml

from forecast.cli.config import compose, recorded
from forecast.data import fetch
from forecast.workflows import load

from .. import servers
from ..conftest import TINY, Place, load_frame, word
from .test_secrets import where_it_is

SECRET = "hush5ecret' #/x"
MLP = ["model=mlp", "model.hidden=[2]", "training.epochs=1", "gates.memory=0", "gates.probe=0"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder of its own, the same rows in a file, in one file a site, and in a database."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    frame = load_frame(120)
    frame.to_csv(folder / "load.csv", index=False)
    for site, rows in frame.groupby("site"):
        part = folder / "loads" / f"site={site}"
        part.mkdir(parents=True)
        rows.drop(columns="site").to_parquet(part / "a.parquet", index=False)
    with sqlite3.connect(folder / "loads.db") as one:
        frame.to_sql("loads", one, index=False)
    one.close()
    return Place(folder, [], [])


def scores(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith(("mlp", "ridge"))]


@pytest.mark.slow
def test_a_folder_and_a_database_train_as_their_rows_do(there, monkeypatch):
    """The same rows give the same scores, wherever they are; a run finds its data again."""
    printed, runs = [], []
    names = ["load.csv", "loads", "'loads/*/a.parquet'", "['loads/site=south','loads/site=north']"]
    named = [[f"data.path={name}"] for name in names]
    base = ["data.path=sqlite:///loads.db"]
    monkeypatch.setenv("QUERY", "select * from loads order by time")
    for own in (*named, [*base, "data.table=loads"], [*base, "data.query='${oc.env:QUERY}'"]):
        assert there.run("train", *TINY, *MLP, *own, "data.name=x") == 0, there.errors
        printed.append(scores(there.printed[-1]))
        runs.append(word(there.printed[-1], "run"))
    assert printed[0] and all(one == printed[0] for one in printed)
    forecasts = []
    for run in runs:
        out = f"{run}.csv"
        assert there.run("predict", f"run={run}", f"output={out}") == 0, there.errors
        forecasts.append((there.folder / out).read_text())
    assert len({*forecasts}) == 1
    for run in (runs[1], runs[3], runs[4]):
        assert there.run("reproduce", f"run={run}") == 0, there.printed[-1] + there.errors[-1]
    with sqlite3.connect(there.folder / "loads.db") as one:
        one.execute("delete from loads where rowid = 5")
    one.close()
    assert there.run("reproduce", f"run={runs[4]}") == 2
    assert "run must find its own data" in there.errors[-1]
    new = ["data.path=sqlite:///loads.db", "data.table=loads"]
    assert there.run("predict", f"run={runs[0]}", *new, "output=new.csv") == 0, there.errors


def test_check_reads_a_folder_and_says_what_it_cannot_read(there):
    assert there.run("check", *TINY, "data.path=load.csv", "data.name=x") == 0, there.errors
    assert there.run("check", *TINY, "data.path=loads", "data.name=x") == 0, there.errors
    assert there.printed[1] == there.printed[0]
    refused = {
        "data.path=sqlite:///loads.db": "data.query or data.table must say",
        "data.path=loads/none*": "data.path must hold a file that matches, got 'loads/none*'",
        "data.path=[]": "data.path must be a path, an address or a list of them, got nothing",
        "data.path={a: 1}": "data.path must be a path, an address or a list of them, got {'a': 1}",
        "data.table=loads": "data.table must be left out where data.path is no database",
    }
    for override, told in refused.items():
        assert there.run("check", *TINY, override) == 2
        assert there.errors[-1].startswith(f"forecast: {told}"), there.errors[-1]


def test_the_name_of_a_data_set_is_that_of_its_place():
    names = {
        "data.path=a/load.csv": "load",
        "data.path=a/loads/": "loads",
        "'data.path=a/loads/*/x.parquet'": "loads",
        "data.path=[b/one.csv,c/two.csv]": "one",
        "data.path=s3://bucket/loads/": "loads",
        "data.path=postgresql://me:word@h/plant": "plant",
    }
    own = ["data=file", "data.time=t", "data.targets=[y]"]
    for override, name in names.items():
        assert load.name(compose.compose([*own, override.strip("'")]).settings) == name
    table = [*own, "data.path=postgresql://me:word@h/plant", "data.table=loads"]
    assert load.name(compose.compose(table).settings) == "loads"


ADDRESSES = {
    "postgresql://me:hush5ecret@h:5/db?password=hush5ecret": "postgresql://h:5/db",
    "postgresql://me:hush5ecret' #/x@h/db": "postgresql://h/db",
    "postgresql://me:hush5ecret, and@h/db": "postgresql://h/db",
    "s3://key:hush5ecret@bucket/x/*.csv": "s3://bucket/x/*.csv",
    "postgresql://me:${oc.env:WORD}@h/db": "postgresql://me:${oc.env:WORD}@h/db",
    "postgresql://${oc.env:ME}:${oc.env:WORD}@h/db": "postgresql://${oc.env:ME}:${oc.env:WORD}@h/db",
    "postgresql://me:${oc.env:WORD,hush5ecret}@h/db": "postgresql://h/db",
    "postgresql://me:${oc.env:WORD}hush5ecret@h/db": "postgresql://h/db",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_password_is_recorded_nowhere_and_a_reference_to_one_is(address, monkeypatch):
    monkeypatch.setenv("WORD", "fr0menv")
    monkeypatch.setenv("ME", "you")
    shown = ADDRESSES[address]
    assert fetch.without_secrets(address) == shown
    quoted = address.replace("'", "\\'")
    given = ["data=file", "data.time=t", "data.targets=[y]", "data.table=x"]
    request = compose.compose([*given, f"data.path='{quoted}'"])
    assert yaml.safe_load(request.yaml)["data"]["path"] == request.flat["data.path"] == shown
    for text in (request.yaml, str(request.flat)):
        assert "hush" not in text and "fr0menv" not in text
    if "${" in shown:
        again = recorded.request(request.yaml).settings.data.path
        assert again == request.settings.data.path and "fr0menv" in again
    several = compose.compose([*given, f"data.path=[a.csv,'{quoted}']"])
    assert "hush" not in several.yaml + str(several.flat)


@pytest.mark.faults
@pytest.mark.skipif(servers.server_program("initdb") is None, reason="needs PostgreSQL's server")
def test_a_run_on_postgresql_leaves_no_password_and_finds_its_rows_again(there, monkeypatch):
    import sqlalchemy

    with servers.postgresql(there.folder, SECRET) as address:
        url = sqlalchemy.engine.make_url(address).set(password=SECRET, drivername="postgresql")
        engine = sqlalchemy.create_engine(url.set(drivername="postgresql+psycopg2"))
        load_frame(120).to_sql("loads", engine, index=False)
        engine.dispose()
        whole = url.render_as_string(hide_password=False)
        literal = whole.replace("%27", "'").replace("%20", " ")
        own = [*TINY, *MLP, "data.table=loads"]
        quoted = literal.replace("'", "\\'")
        assert there.run("train", *own, f"data.path='{quoted}'") == 0, there.errors
        run = word(there.printed[-1], "run")
        shown = f"postgresql://127.0.0.1:{url.port}/mlflow"
        assert any(f"path: {shown}\n" in text for text in configs(there.folder))
        assert there.run("reproduce", f"run={run}") == 2  # nobody knows the password
        assert f"got '{shown}' (it refuses this user" in there.errors[-1]
        assert there.run("check", *own, f"data.path='{quoted}x'", "-v") in (1, 2)
        monkeypatch.setenv("PGUSER", "forecast")
        monkeypatch.setenv("PGPASSWORD", SECRET)
        assert there.run("reproduce", f"run={run}") == 0, there.errors
        assert there.run("predict", f"run={run}") == 0, there.errors
        monkeypatch.delenv("PGUSER")
        monkeypatch.delenv("PGPASSWORD")
        monkeypatch.setenv("WORD", url.render_as_string(False).split(":")[2].split("@")[0])
        by_variable = (
            f"data.path='postgresql://forecast:${{oc.env:WORD}}@127.0.0.1:{url.port}/mlflow'"
        )
        assert there.run("train", *own, by_variable) == 0, there.errors
        run = word(there.printed[-1], "run")
        assert there.run("reproduce", f"run={run}") == 0, there.errors
        assert there.run("predict", f"run={run}") == 2
        assert "data.path must be given again where the run refers to var" in there.errors[-1]
        assert there.run("predict", f"run={run}", by_variable) == 0, there.errors
        wrong = f"data.path=postgresql://forecast:wr0ng@127.0.0.1:{url.port}/mlflow"
        assert there.run("check", *own, wrong, "-v") == 2
        said = "".join(there.printed + there.errors)
        assert "hush" not in said and "wr0ng" not in said
        assert where_it_is_hidden(there.folder) == []


def configs(folder: Path) -> list[str]:
    """Every recorded configuration."""
    return [path.read_text() for path in folder.rglob("config.yaml")]


def where_it_is_hidden(folder: Path) -> list[str]:
    """Files that hold the password, and those that `where_it_is` finds with another."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in found if b"hush5ecret" in path.read_bytes()] + where_it_is(folder)
