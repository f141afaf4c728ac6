"""What a served model takes: many windows at once, and one request over HTTP."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.served import served

Found = dict[str, object]
WINDOWS, WARM, ASKED = 10_000, 20, 200


def batch() -> Found:
    """Seconds from a folder to the forecasts of 10,000 windows, TensorFlow imported before."""
    with tempfile.TemporaryDirectory() as folder:
        _trained(Path(folder))
        first, again = (_told(folder) for _ in range(2))  # the second finds compiled programs
    return {
        "text": f"{WINDOWS:,} windows of the default model from raw rows, loading the bundle "
        "included, in a process that has TensorFlow imported",
        "value": f"{first['seconds']:.1f} s",
        "detail": f"loading {first['load']:.1f} s, {first['rows']:,} rows out; in the next "
        f"process, which finds the compiled program, {again['seconds']:.1f} s",
        "bar": "≤ 5 s",
    }


def http() -> Found:
    """Milliseconds of one forecast over HTTP from `mlflow models serve`, after warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        _trained(Path(folder))
        request = (Path(folder) / "model" / "serving_input_example.json").read_bytes()
        words = ["models", "serve", "-m", f"{folder}/model", "--env-manager", "local"]
        with served(Path(folder), words, "/ping") as server:
            address = f"{server}/invocations"
            spent = [_ask(address, request) for _ in range(WARM + ASKED)][WARM:]
    spent.sort()
    return {
        "text": "one request over HTTP to `mlflow models serve` on loopback, a look-back of the "
        "default model in, its horizon out, after warm-up",
        "value": f"{1000 * statistics.median(spent):.0f} ms",
        "detail": f"median of {ASKED}; 95 % within {1000 * spent[int(0.95 * ASKED)]:.0f} ms",
        "bar": "≤ 50 ms",
    }


def _trained(folder: Path) -> None:
    """Train the default model for an epoch, and write its bundle and its MLflow model."""
    from forecast.cli.config import compose
    from forecast.serving import bundle, package
    from forecast.training.forecaster import Forecaster
    from forecast.workflows import load

    settings = compose.compose(["training.epochs=1"]).settings
    data, spec = load.load(settings), load.spec(settings)
    fitted = Forecaster(spec.model, spec.window, spec.training).fit(data.table)
    bundle.save(folder / "bundle", fitted, data.schema, {})
    example = package.example(data.frame, data.schema, spec.window)
    package.package(folder / "model", folder / "bundle", example)
    each = WINDOWS // len(data.table.names) + spec.window.timesteps
    data.frame.groupby("origin").tail(each).to_csv(folder / "rows.csv", index=False)


_BATCH = """
import json, sys, time
from forecast.training import runtime
runtime.start(1)
import keras, pandas
rows = pandas.read_csv(sys.argv[2])
began = time.perf_counter()
from forecast.serving import bundle
loaded = bundle.load(sys.argv[1])
load = time.perf_counter() - began
found = loaded.predict(rows, history=True)
seconds = time.perf_counter() - began
windows = len(found.drop_duplicates(["series", "origin"]))
assert windows >= 10_000, windows
print(json.dumps({"seconds": seconds, "load": load, "rows": len(found)}))
"""


def _told(folder: str) -> dict[str, float]:
    """Forecast all rows in a fresh process."""
    command = [sys.executable, "-c", _BATCH, f"{folder}/bundle", f"{folder}/rows.csv"]
    # the training has put its own folder of compiled programs into the flags
    own = {name: text for name, text in os.environ.items() if name != "TF_XLA_FLAGS"}
    env = own | {"XDG_CACHE_HOME": folder}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _ask(address: str, request: bytes) -> float:
    """Time one request."""
    began = time.perf_counter()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(address, request, headers), timeout=120).read()
    return time.perf_counter() - began
