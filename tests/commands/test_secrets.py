"""A secret that a command was given is in nothing that it leaves behind, and in nothing it says."""

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from forecast.cli.commands import train
from forecast.cli.config import compose, recorded
from forecast.data import fetch
from forecast.data.fetch import without_secrets as shown
from forecast.errors import InputError
from forecast.tracking import tracker
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending
from forecast.tracking.tracker import Tracker
from forecast.workflows import load

from ..conftest import TINY, Place, load_frame

SECRET = "hush5ecret"
AWAY = f"http://me:{SECRET}@127.0.0.1:9/?token={SECRET}"


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, whoever asks."""

    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a data file, with a secret in each place that has room for one."""
    load_frame(120).to_csv(tmp_path / "load.csv", index=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://me:{SECRET}@127.0.0.1:{server.server_port}/load.csv?sig={SECRET}#{SECRET}"
    server.shutdown()
    thread.join()
    server.server_close()


def where_it_is(folder: Path) -> list[str]:
    """Every file and every name below a folder that holds the secret."""
    assert folder.is_dir()
    return [
        str(path)
        for path in folder.rglob("*")
        if SECRET in path.name or (path.is_file() and SECRET.encode() in path.read_bytes())
    ]


@pytest.mark.slow
def test_a_run_leaves_none(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch):
    """Its server is away, so that all it would send lies in the folder of runs."""
    monkeypatch.setattr(tracker, "PATIENCE", 0.5)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    monkeypatch.setenv("TOKEN", SECRET)
    folder = tmp_path / "work"
    folder.mkdir()
    place = Place(folder, [], [])
    own = ["model=mlp", "model.hidden=[2]", "training.epochs=1", "gates.memory=0", "gates.probe=0"]
    secrets = [f"++data.path='{address}'", f"++tracking.uri='{AWAY}'"]
    assert place.run("train", *TINY, *own, *secrets) == 0, place.errors
    said = place.printed[-1] + place.errors[-1]
    assert "http://127.0.0.1:9" in said and SECRET not in said
    assert {path.name for path in folder.rglob("*.html")} == {"report.html", "gates.html"}
    assert where_it_is(folder) == [] and where_it_is(tmp_path / "cache") == []
    assert place.run("runs", secrets[1]) == 0
    assert SECRET not in "".join(place.printed + place.errors)


def test_what_a_store_is_told_holds_none(place: Place, client, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with Tracker(place.uri, "secrets", tmp_path / "runs") as found:
        run = found.begin("r", kind="train", tags={"a": AWAY})
        with pytest.raises(OSError), ending(run):
            run.params({"data.path": AWAY, "list": [AWAY, AWAY]})
            run.data("load", "1", str(tmp_path / "load.csv"), {"a": "b"})
            raise OSError(f"cannot reach {AWAY}")
    assert client.get_run(run.id).data.params["data.path"] == shown(AWAY)
    assert where_it_is(tmp_path) == where_it_is(place.folder) == []


def test_a_recorded_configuration_keeps_variables_and_no_secrets(monkeypatch):
    monkeypatch.setenv("URL", AWAY)
    given = [f"tracking.uri='{AWAY}'", "data.path='${oc.env:URL}'", "data.format='${data.path}'"]
    request = compose.compose(given)
    assert request.settings.tracking.uri == request.settings.data.path == AWAY
    assert SECRET not in request.yaml + str(request.flat)
    again = recorded.request(request.yaml)
    assert again.settings.data.path == AWAY and again.settings.tracking.uri == shown(AWAY)
    assert load.name(compose.compose([f"data.path='{AWAY}'", "data.name=null"]).settings) == "127"
    said = train.command("train", [*given, f"+tracking.uri={AWAY}", f"data.path={AWAY}"])
    assert SECRET not in said and "data.path=http://127.0.0.1:9/" in said


@pytest.mark.parametrize(
    "overrides",
    [
        [f"tracking.uri={AWAY}"],
        [f"tracking.uir='{AWAY}'"],
        [f"training.epochs='{AWAY}'"],
        [f"data.path='{AWAY}'"],
        [f"data.path='{AWAY}'", "data.sha256=1"],
        [f"data.path=/nowhere/{shown(AWAY)}", f"data.format='{AWAY}'"],
        [f"--uri={AWAY}"],
    ],
    ids=str,
)
def test_no_error_says_it(tmp_path: Path, monkeypatch, capsys, overrides):
    from forecast.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["check", *overrides]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("forecast: ") and SECRET not in told.out + told.err


@pytest.mark.parametrize(
    "uri",
    [
        f"http://me:{SECRET}/@127.0.0.1:9",
        AWAY,
        f"postgresql://me:{SECRET}@127.0.0.1:9/mlflow",
        f"mssql://a:{SECRET}/#?@127.0.0.1:9/m",
    ],
)
def test_a_store_that_cannot_be_reached_does_not_say_it(uri: str):
    with pytest.raises(InputError, match=r"^tracking\.uri must be a store") as raised:
        Store(uri, "load")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("last", ["", "/", "..", ".", "%2e%2e", "a" * 300, ".bashrc", "a\\b"])
def test_a_download_stays_in_its_folder(tmp_path: Path, monkeypatch, last: str):
    import pooch

    asked = []

    def retrieve(address, known_hash, fname, path):
        asked.append(Path(path) / fname)
        return asked[-1]

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = tmp_path / "forecast" / "data"
    for digest in (None, "0" * 64):
        found = fetch.download(f"https://host/{last}", digest)
        assert found.resolve().parent == home and len(found.name) < 120
        assert not found.name.startswith(".")
