"""Databases and object stores, each a real one of our own, and what they refuse."""

import datetime
import os
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data.sources import databases, opened
from forecast.errors import InputError

from .. import servers

WORD = "hush5ecret'/ #x"
"""A password with the signs that addresses give a meaning."""


def loads(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "site": np.repeat(["007", "north"], rows // 2),
            "ts": np.tile(pd.date_range("2024", periods=rows // 2, freq="h"), 2),
            "load": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(50, 10, rows)),
            "n": np.arange(rows),
        }
    )


@pytest.fixture
def lite(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "my loads.db") as one:
        loads().astype({"ts": str}).to_sql("loads", one, index=False)
        one.execute('create table "odd ""name" (a)')
        one.executemany('insert into "odd ""name" values (?)', [(1,), ("x",), (None,), (2.5,)])
        one.execute("create table empty (ts, load)")
    one.close()
    return f"sqlite:///{tmp_path / 'my loads.db'}"


@pytest.fixture
def duck(tmp_path: Path) -> Path:
    duckdb = pytest.importorskip("duckdb")
    frame = loads()
    with duckdb.connect(str(tmp_path / "my.duckdb")) as one:
        one.register("frame", frame)
        one.execute("create table loads as select * from frame")
        one.execute("create schema plant; create table plant.meters as select site, n from frame")
    return tmp_path / "my.duckdb"


def read(path, **how) -> pd.DataFrame:
    return opened.read(opened.open(path, **how))


def test_a_table_of_sqlite_is_read_whole_or_by_a_query(lite):
    whole = loads().astype({"ts": str})
    pd.testing.assert_frame_equal(read(lite, table="loads"), whole)
    source = opened.open(lite, query="-- of one\nselect n, load from loads where site = '007';")
    assert source.columns() == ["n", "load"] and source.size is None
    found = pa.Table.from_batches(batches := list(source.batches(["load"], 7)))
    assert max(map(len, batches)) == 7
    np.testing.assert_array_equal(found["load"].to_numpy(), whole.load[:150])
    share = "select n % 7 as day, '%' as sign, ':x' as colon, ';' as end from loads"
    found = read(lite, query=share)
    assert found["day"].tolist() == [n % 7 for n in range(300)]
    assert set(found["sign"] + found["colon"] + found["end"]) == {"%:x;"}


def test_a_column_of_several_types_is_text(lite):
    assert read(lite, table='odd "name')["a"].tolist()[:2] == ["1", "x"]


def test_rows_are_read_once_and_its_digest_is_of_what_was_read(lite, tmp_path):
    source = opened.open(lite, table="loads")
    before = source.digest()
    with sqlite3.connect(tmp_path / "my loads.db") as one:
        one.execute("update loads set load = 0 where n = 299")
    one.close()
    assert opened.read(source)["load"][299] == loads().load[299]
    assert opened.open(lite, table="loads").digest() != before
    reordered = "select * from (select * from loads order by random())"
    again = opened.open(lite, query=reordered)
    assert again.digest() == opened.open(lite, table="loads").digest()


def test_what_is_kept_of_an_answer_goes_with_its_source(lite, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = opened.open(lite, table="loads")
    frame, home = opened.read(source), tmp_path / "cache" / "forecast" / "spill"
    assert len(list(home.glob("*/*.arrow"))) == 1
    del source
    assert list(home.iterdir()) == [] and len(frame) == 300
    left = home / "forecast-killed"
    left.mkdir()
    (left / "lock").touch()
    opened.open(lite, table="loads").digest()
    assert not left.exists()


def test_duckdb_is_read_as_any_other(duck, lite):
    pd.testing.assert_frame_equal(read(duck, table="loads"), loads(), check_dtype=False)
    assert read(duck, table="plant.meters")["n"].tolist() == list(range(300))
    source = opened.open(duck, query="select site, max(load) as most from loads group by site")
    assert sorted(source.columns()) == ["most", "site"] and source.size == duck.stat().st_size
    by_hand = loads().groupby("site").load.max()
    found = {site: most for site, most in opened.read(source).itertuples(index=False)}
    assert found == by_hand.to_dict()
    renamed = duck.with_suffix(".bin")
    duck.rename(renamed)
    assert len(read(renamed, table="loads")) == 300
    # the same rows have the same digest in another database
    text = "select site, strftime(ts, '%Y-%m-%d %H:%M:%S') as ts, load, n from loads"
    assert opened.open(renamed, query=text).digest() == opened.open(lite, table="loads").digest()


REFUSED = {
    "no query": ({}, r"data\.query or data\.table must say what .*, got none of them: write"),
    "both": (
        {"query": "select 1", "table": "loads"},
        r"data\.query or data\.table must say what .*, got both: write",
    ),
    "no such table": ({"table": "laods"}, r'data\.table must be .*\'laods\': did you mean "loads"'),
    "a table deleted": (
        {"query": "delete from loads"},
        r"data\.query must be one SELECT, got '",
    ),
    "two statements": (
        {"query": "select 1; drop table loads"},
        r"data\.query must be one SELECT, got 'several statements': write",
    ),
    "no words": ({"query": " ;"}, r"data\.query must be one SELECT, got '': write"),
    "no such column": (
        {"query": "select nothing from loads"},
        r"data\.query must be what .* can read, got a refusal \(.*nothing.*\): correct",
    ),
    "a writing with": (
        {"query": "with x as (select 1) delete from loads"},
        r"data\.query must be what .* can read, got a refusal \(.*\): correct",
    ),
    "no row": (
        {"query": "select * from loads where n < 0"},
        r"data\.path must hold at least",
    ),
}


@pytest.mark.parametrize("where", ["lite", "duck"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_database_cannot_answer_is_a_sentence(name, where, request):
    path = request.getfixturevalue(where)
    how, told = REFUSED[name]
    with pytest.raises(InputError, match=f"^{told}"):
        read(path, **how)
    assert len(read(path, table="loads")) == 300  # whatever was tried


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('secret.txt')",
        "select * from read_csv('http://127.0.0.1:9/x.csv')",
        "select * from 'secret.txt'",
    ],
)
def test_a_query_of_duckdb_reaches_no_other_file(duck, monkeypatch, query):
    monkeypatch.chdir(duck.parent)
    Path("secret.txt").write_text("hush")
    with pytest.raises(InputError, match=r"^data\.query must be what .*my\.duckdb can read"):
        read(duck, query=query)


PLACES = {
    "no SQLite file": (
        "sqlite:///none.db",
        r"an SQLite file, got 'sqlite:///none\.db', which",
    ),
    "text": ("sqlite:///x.csv", r"a database .*, got 'sqlite:///x\.csv' \(it is no SQLite file\)"),
    "no DuckDB file": (
        "x.duckdb",
        r"a DuckDB file that can be read, got 'x\.duckdb' \(",
    ),
    "nobody there": (
        f"postgresql://me:{WORD}@127.0.0.1:9/db?sslmode=disable&password={WORD}",
        r"a database .*, got 'postgresql://127\.0\.0\.1:9/db' \(no server answers there\): check",
    ),
    "no such driver": (
        f"oracle://me:{WORD}@h/db",
        r"a database whose driver is installed, got 'oracle://h/db' without: in",
    ),
    "no such dialect": (
        f"postgresql+none://me:{WORD}@h/db",
        r"the address of a database, got 'postgresql\+none://h/db': write",
    ),
    "no port": (
        "postgresql://me:hush5ecret@h:port/db",
        r"the address of a database, got 'postgresql://…': write",
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_database_that_is_not_there_is_a_sentence_without_secrets(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("a,b\n1,2\n" * 200)
    Path("x.duckdb").write_text("nothing" * 200)
    address, told = PLACES[name]
    with pytest.raises(InputError, match=rf"^data\.path must be {told}") as raised:
        read(address, table="loads")
    causes, error = [], raised.value
    while error is not None:  # a traceback under -v shows these too
        causes.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "hush5ecret" not in " ".join(causes) and "me" not in str(raised.value).split("'")[1]


def test_a_driver_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(InputError, match=r"got 'postgresql://h/db' without: pip install 'psycop"):
        opened.open("postgresql://me:hush5ecret@h/db", table="loads")


def test_duckdb_that_is_not_installed_is_named(duck, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"^duckdb must be installed .*: pip install 'duckdb>=2'"):
        read(duck, table="loads")


def test_a_disk_without_room_for_an_answer_is_said(lite, monkeypatch):
    def full(*_):
        raise OSError("[Errno 28] Error writing bytes to file. Detail: No space left on device")

    monkeypatch.setattr(databases.ipc, "new_stream", full)
    with pytest.raises(InputError, match=r"^data\.path must fit on disk while it is used, got a"):
        read(lite, table="loads")


@pytest.mark.parametrize("how", [{"table": "a"}, {"query": "select 1"}])
def test_files_answer_no_queries(tmp_path, how):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=rf"^data\.{next(iter(how))} must be left out where"):
        opened.open(tmp_path / "a.csv", **how)


@pytest.mark.faults
@pytest.mark.skipif(servers.server_program("initdb") is None, reason="needs PostgreSQL's server")
def test_postgresql_is_read_as_a_stream_and_never_written(tmp_path, monkeypatch):
    import sqlalchemy

    frame = loads()
    with servers.postgresql(tmp_path, WORD) as address:
        url = sqlalchemy.engine.make_url(address).set(password=WORD)
        engine = sqlalchemy.create_engine(url)
        frame.to_sql("loads", engine, index=False)
        with engine.begin() as one:
            one.exec_driver_sql(
                "create table odd as select 1.50::numeric as price, true as yes, "
                "timestamptz '2024-01-01 02:00+02' as at, date '2024-01-02' as day, "
                "gen_random_uuid() as id, null::float as nothing"
            )
            one.exec_driver_sql(
                "create function spoil() returns int as 'delete from loads; select 1' language sql"
            )
            one.exec_driver_sql(
                "create role reader login; create schema own; "
                "create table own.meters as select 1 as n"
            )
        engine.dispose()
        whole = url.set(drivername="postgresql").render_as_string(hide_password=False)
        bare = f"postgres://forecast@127.0.0.1:{url.port}/mlflow"

        source = opened.open(whole, table="loads")
        pd.testing.assert_frame_equal(opened.read(source), frame, check_dtype=False)
        shown = f"postgresql://127.0.0.1:{url.port}/mlflow"
        assert source.place == shown and source.parts == (f"{shown} loads",)
        again = opened.open(whole, query="select * from loads order by n desc")
        assert again.digest() == source.digest()
        assert read(whole, table="own.meters")["n"].tolist() == [1]
        odd = read(whole, table="odd").iloc[0]
        assert odd["price"] == 1.5 and bool(odd["yes"]) and len(odd["id"]) == 36
        assert odd["at"] == pd.Timestamp("2024-01-01", tz="UTC")
        assert odd["day"] == pd.Timestamp("2024-01-02") and np.isnan(odd["nothing"])
        assert read(whole, query="select '%' as sign, ':x' as colon")["sign"].tolist() == ["%"]

        refused = {
            "select spoil()": "read-only transaction",
            "with x as (delete from loads returning 1) select * from x": "CURSOR must not",
            "select * from nothing": "does not exist",
        }
        for query, reason in refused.items():
            with pytest.raises(InputError, match=rf"^data\.query must be .*{reason}"):
                read(whole, query=query)
        with pytest.raises(InputError, match=r"^data\.table must be a table .*did you mean"):
            read(whole, table="laods")

        wrong = url.set(drivername="postgresql", password="wr0ng").render_as_string(False)
        monkeypatch.delenv("PGPASSWORD", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))  # whose .pgpass there is none of
        for address in (wrong, bare, whole.replace("/mlflow", "/none")):
            with pytest.raises(InputError, match="it refuses this user, password or data") as found:
                read(address, table="loads")
            assert "wr0ng" not in str(found.value) and "hush" not in str(found.value)
        monkeypatch.setenv("PGPASSWORD", WORD)
        assert opened.open(bare, table="loads").digest() == source.digest()
        aware = read(whole, query="select at from odd union select at + interval '1 hour' from odd")
        assert sorted(aware["at"].dt.hour) == [0, 1]
        assert aware["at"][0].tzinfo is not None and isinstance(odd["day"], datetime.datetime)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server that speaks S3, in a process of its own, with one bucket; yields its client."""
    pytest.importorskip("moto")
    import boto3

    port = servers.free_port()
    told = {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "hush5ecret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    command = [servers.BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with servers.process(tmp_path, *command):
        servers.wait_for(f"http://127.0.0.1:{port}/moto-api/", tmp_path / "said.txt")
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        yield client
        client.close()


@pytest.mark.processes
def test_an_object_store_holds_folders_as_a_disk_does(store, tmp_path, monkeypatch):
    home = tmp_path / "loads"
    for site, part in loads().groupby("site"):
        for end in ("parquet", "csv"):
            file = home / end / f"site={site}" / f"a.{end}"
            file.parent.mkdir(parents=True)
            rows = part.drop(columns="site")
            rows.to_parquet(file, index=False) if end == "parquet" else rows.to_csv(
                file, index=False
            )
    for file in sorted(home.rglob("*.*")):
        store.upload_file(str(file), "bucket", str(file.relative_to(tmp_path)))
    store.put_object(Bucket="bucket", Key="loads/parquet/_SUCCESS", Body=b"")
    for end in ("parquet", "csv"):
        here, there = opened.open(home / end), opened.open(f"s3://bucket/loads/{end}/")
        pd.testing.assert_frame_equal(opened.read(there), opened.read(here))
        assert there.digest() == here.digest() and there.size == here.size
        assert there.parts[0] == f"s3://bucket/loads/{end}/site=007/a.{end}"
    one = "s3://me:hush5ecret@bucket/loads/csv/site=007/a.csv"
    assert opened.open(one).digest() == opened.open(home / "csv/site=007/a.csv").digest()
    assert opened.open(one).parts == ("s3://bucket/loads/csv/site=007/a.csv",)
    glob = opened.open("s3://bucket/l*/parquet/*/a.parquet")
    assert len(opened.read(glob)) == 300 and "site" in glob.columns()
    both = [f"s3://bucket/loads/csv/site={site}/a.csv" for site in ("north", "007")]
    assert opened.read(opened.open(both))["n"].tolist() == [*range(150, 300), *range(150)]

    refused = {
        "s3://elsewhere/x": r"name a bucket that is there, got 's3://elsewhere/x'",
        "s3://bucket/none": r"hold a file in it, got 's3://bucket/none' with none",
        "s3://bucket/*.csv": r"hold a file that matches, got 's3://bucket/\*\.csv' with none",
        "s3://": r"name a bucket, got 's3://'",
    }
    for address, told in refused.items():
        with pytest.raises(InputError, match=rf"^data\.path must {told}"):
            opened.open(address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"\(no server answers there\): check AWS_") as raised:
        opened.open("s3://me:hush5ecret@bucket/loads")
    assert "hush" not in str(raised.value) and "hush5ecret" in os.environ["AWS_SECRET_ACCESS_KEY"]
