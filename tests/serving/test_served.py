"""The MLflow model of a run: raw rows of any order and type, and over HTTP what it says here."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.serving import bundle

from ..conftest import Place
from ..servers import BIN, free_port, process, wait_for


@pytest.fixture(scope="module")
def folder(client, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("model")
    return Path(client.download_artifacts(lstm_run, "model", str(where)))


@pytest.fixture(scope="module")
def raw(place: Place) -> pd.DataFrame:
    """Whole numbers, as which JSON and CSV write a measurement often enough."""
    frame = pd.read_csv(place.folder / "load.csv")
    return frame.assign(load=frame.load.round().astype(int))


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=1)


FRAMES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as text": lambda frame: frame,
    "stamps": lambda frame: frame.assign(time=pd.to_datetime(frame.time)),
    "numbers as text": lambda frame: frame.assign(load=frame.load.astype(str)),
    "short numbers": lambda frame: frame.assign(load=frame.load.astype("int16")),
    "rows and columns shuffled": lambda frame: shuffled(frame)[["temp", "load", "site", "time"]],
    "more columns": lambda frame: frame.assign(note="x", other=None, since=pd.Timestamp("2020")),
    "more rows": lambda frame: pd.concat(
        [frame.assign(time=(pd.to_datetime(frame.time) - pd.Timedelta("220h")).astype(str)), frame]
    ),
    "an odd index": lambda frame: frame.set_index(pd.Index(np.arange(len(frame)) % 3)),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_pyfunc_reads_raw_rows_in_any_form(kind: str, folder: Path, raw: pd.DataFrame):
    import mlflow.pyfunc

    served = mlflow.pyfunc.load_model(str(folder))
    pd.testing.assert_frame_equal(served.predict(FRAMES[kind](raw)), served.predict(raw))


def test_the_signature_names_the_columns_of_the_answer(folder: Path, raw: pd.DataFrame):
    import mlflow.models

    signature = mlflow.models.get_model_info(str(folder)).signature
    assert signature.inputs.input_names() == ["time", "site", "load", "temp"]
    said = bundle.load(folder / "artifacts" / "bundle").predict(raw)
    assert signature.outputs.input_names() == list(said)
    assert list(said)[:6] == ["series", "origin", "time", "step", "target", "forecast"]


@pytest.mark.processes
def test_loading_needs_none_of_what_trains_and_draws(folder: Path):
    heavy = {"dask", "distributed", "hydra", "mlflow", "optuna", "statsmodels"}
    code = (
        "import sys; from forecast.serving import bundle; bundle.load(sys.argv[1]);"
        f"print(*sorted({heavy!r} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(folder / "artifacts" / "bundle")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.processes
def test_over_http_it_says_what_it_says_here(folder: Path, raw: pd.DataFrame, tmp_path: Path):
    plain = bundle.load(folder / "artifacts" / "bundle")
    port = free_port()
    where = ["-m", folder, "-h", "127.0.0.1", "-p", str(port), "--env-manager", "local"]
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # where it finds uvicorn
    serve = ["env", f"PATH={path}", BIN / "mlflow", "models", "serve", *where]
    with process(tmp_path, *serve):
        wait_for(f"http://127.0.0.1:{port}/ping", tmp_path / "said.txt")
        for frame in (raw, shuffled(raw).assign(note="x"), raw[raw.site == "south"].tail(8)):
            status, answer = ask(port, {"dataframe_split": split(frame)})
            assert status == 200, answer
            said = pd.DataFrame(json.loads(answer)["predictions"])
            expected = plain.predict(frame)
            assert said.time.tolist() == expected.time.map(pd.Timestamp.isoformat).tolist()
            keys = ["series", "step", "target"]
            assert said[keys].to_dict("list") == expected[keys].to_dict("list")
            numbers = ["forecast", "lower", "upper"]
            np.testing.assert_allclose(said[numbers], expected[numbers], rtol=1e-6)
        status, answer = ask(port, {"dataframe_split": split(raw.tail(3))})
        assert status == 400 and "Traceback" not in answer
        assert "window.timesteps=8 rows" in json.loads(answer)["message"].splitlines()[-1]


def split(frame: pd.DataFrame) -> dict[str, object]:
    return {"columns": list(frame), "data": frame.to_numpy(object).tolist()}


def ask(port: int, request: object) -> tuple[int, str]:
    """Post a request, and return the status and the text of the answer."""
    address = f"http://127.0.0.1:{port}/invocations"
    headers = {"Content-Type": "application/json"}
    post = urllib.request.Request(address, json.dumps(request).encode(), headers)
    try:
        with urllib.request.urlopen(post, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
