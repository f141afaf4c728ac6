"""Measurements of sweeps: against the loop that everyone writes, of many trials, of one worker."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import loop

ROOT = Path(__file__).parents[1]
Found = dict[str, object]
PLAIN = [
    "model.normalization=none",
    "model.linear_path=false",
    "model.dropout=0.0",
    "model.recurrent_dropout=0.0",
    "training.optimizer=Adam",
    "training.weight_decay=null",
    "training.schedule=null",
]
"""Settings that leave an LSTM and a dense head, trained as in any Keras recipe."""


def sweep() -> Found:
    """Eight LSTMs on three folds: the whole command against the whole script."""
    grid = {"model.units": [[u] for u in loop.UNITS], "training.learning_rate": list(loop.RATES)}
    command = [
        "sweep",
        *loop.QUESTION,
        *PLAIN,
        f"training.epochs={loop.EPOCHS}",
        f"training.batch_size={loop.BATCH}",
        "training.patience=null",
        f"sweep.folds={loop.FOLDS}",
        f"sweep.grid={json.dumps(grid)}".replace('"', ""),
    ]
    with tempfile.TemporaryDirectory() as folder:
        ours, _ = _run(folder, "-m", "forecast", *command)
        scores = {
            f"{json.loads(params['model.units'])[0]} {float(params['training.learning_rate']):g} "
            f"{trial.data.params['fold']}": trial.data.metrics["cv/mae"]
            for trial, params in _trials(folder)
        }
        again, _ = _run(folder, "-m", "forecast", *command)
    rival, said = _run(str(ROOT), "-m", "benchmarks.loop")
    theirs = json.loads(said.splitlines()[-1])
    apart = [scores[name] / theirs[name] - 1 for name in theirs]
    return {
        "text": "8 LSTMs x 3 folds x 20 epochs: `forecast sweep`, its winner's refit and all "
        "tracking included, against `fit` in joblib, 2 processes",
        "value": f"{rival / ours:.2f}x",
        "detail": f"{ours:.0f} s : {rival:.0f} s; mean MAE {np.mean(list(scores.values())):.3f} : "
        f"{np.mean(list(theirs.values())):.3f}, trial by trial {min(apart):+.1%} to "
        f"{max(apart):+.1%}; the same command again {again:.1f} s",
        "bar": "≥ 4x, mean within 2 %, again < 20 s",
    }


def trials() -> Found:
    """Five hundred trials that hardly train, on SQLite, by two workers."""
    count = 250
    grid = ",".join(f"{rate:.5f}" for rate in np.linspace(1e-4, 1e-2, count))
    tiny = ["window.timesteps=2", "window.horizon=1", "training.epochs=1", "training.batch_size=64"]
    data = ["data=file", "data.path=x.csv", "data.time=time", "data.targets=[x]"]
    with tempfile.TemporaryDirectory() as folder:
        _series(Path(folder) / "x.csv", 200)
        words = [*data, "data.features=[x]", *tiny, "model.units=[1]", *PLAIN, "sweep.workers=2"]
        points = f"sweep.grid={{training.learning_rate:[{grid}]}}"
        seconds, said = _run(folder, "-m", "forecast", "sweep", *words, "sweep.folds=2", points)
        runs = [trial for trial, _ in _trials(folder)]
    keys = {run.data.tags["forecast.trial_key"] for run in runs}
    whole = len(runs) == len(keys) == 2 * count
    whole &= {run.info.status for run in runs} == {"FINISHED"} and "locked" not in said
    own = [run.data.metrics["time/trial_seconds"] for run in runs]
    begun = [run.info.start_time / 1000 for run in runs]
    ended = [run.info.end_time / 1000 for run in runs]
    each = (max(ended) - min(begun)) / len(runs)
    return {
        "text": "500 minimal trials, on SQLite, by 2 workers: wall seconds per trial",
        "value": f"{each:.3f} s",
        "detail": f"{statistics.median(own):.3f} s of them in the worker; whole command "
        f"{seconds:.0f} s; {'nothing lost' if whole else 'RUNS LOST'}",
        "bar": "no lost run",
    }


def worker() -> Found:
    """Memory of a worker over a hundred trials of four architectures, each compiled once."""
    import psutil

    from forecast import Model, Training, Window
    from forecast.cli.config import compose
    from forecast.evaluation.outcome import Spec
    from forecast.search import trial
    from forecast.workflows import load

    table = load.load(compose.compose([]).settings).table
    origins = np.flatnonzero(table.series == 0)[4000:4500]
    span = (table.time.min(), table.time[3000])
    seen = []
    for number in range(100):
        model = Model("lstm", units=[4 + number % 4])
        training = Training(epochs=1, learning_rate=1e-3 * (1 + number / 100))
        spec = Spec(model, Window(24, 12), training)
        trial.run_trial(trial.Trial(str(number), 0, 0, 0, spec, "t", span, origins), table)
        seen.append(psutil.Process().memory_info().rss / 2**20)
    growth = seen[-1] / seen[9] - 1
    return {
        "text": "memory of a worker from its 10th to its 100th trial, four architectures in turn",
        "value": f"{growth:+.1%}",
        "detail": f"{seen[9]:.0f} MiB to {seen[-1]:.0f} MiB; each architecture adds "
        f"{(seen[3] - seen[0]) / 3:.0f} MiB once",
        "bar": "within 15 %",
    }


def _run(folder: str, *words: str) -> tuple[float, str]:
    """Run Python in a folder; return the seconds and what it printed, stdout last."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)[:200]} ended with {done.returncode}: {done.stderr}")
    return time.perf_counter() - began, f"{done.stderr}\n{done.stdout}"


def _trials(folder: str) -> list[tuple]:
    """List every trial of a store, with the parameters of its candidate."""
    from forecast.tracking.mlflow.store import Store, client

    uri = f"sqlite:///{Path(folder) / 'mlflow.db'}"
    [name] = [e.name for e in client(uri).search_experiments() if e.name != "Default"]
    store = Store(uri, name)
    params = {
        run.info.run_id: run.data.params for run in store.find("tags.`forecast.kind` = 'candidate'")
    }
    found = store.find("tags.`forecast.kind` = 'trial'")
    return [(run, params[run.data.tags["mlflow.parentRunId"]]) for run in found]


def _series(file: Path, rows: int) -> None:
    """Write a noisy hourly wave."""
    import pandas as pd

    hour = np.arange(rows)
    wave = np.sin(hour / 4) + np.random.default_rng(0).normal(0, 0.1, rows)
    time = pd.date_range("2024-01-01", periods=rows, freq="h")
    pd.DataFrame({"time": time, "x": wave}).to_csv(file, index=False)
