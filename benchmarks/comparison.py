"""What `forecast compare` of an experiment of 10,000 runs takes, first and again."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.served import served
from forecast.tracking.mlflow.store import Store

RUNS = 10_000
EPOCHS = 15
EXPERIMENT = "many"
CONSTANT, GATES = 56, 76
"""Parameters that all runs share, and metrics beside the errors."""

BASELINES = {"persistence": 5.6, "seasonal_naive": 6.8, "boosted_trees": 4.4, "ridge": 3.9}
FORECAST = 30
"""Of the best runs, how many have forecasts to be tested."""

Found = dict[str, object]


def compare() -> Found:
    """Compare a made experiment by the command, twice, on SQLite and by a server."""
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        told["SQLite"] = _twice(folder, "sqlite:///mlflow.db")
        kept = ["--backend-store-uri", "sqlite:///mlflow.db", "--workers", "2"]
        with served(Path(folder), ["server", *kept], "/health") as uri:
            told["server"] = _twice(folder, uri)
        size = (Path(folder) / "compare.html").stat().st_size / 1e6
    return {
        "text": f"`forecast compare` of {RUNS:,} runs of 63 parameters and 90 "
        "metrics: seconds of the whole command, and again from what it has kept",
        "value": "; ".join(f"{name} {a:.1f} s, again {b:.1f} s" for name, (a, b) in told.items()),
        "detail": f"a page of {size:.1f} MB",
        "bar": "≤ 60 s, ≤ 5 s",
    }


def _twice(folder: str, uri: str) -> tuple[float, float]:
    """Run the command twice with an empty cache, and return the seconds of each."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "XDG_CACHE_HOME": cache,
        }
        words = ["compare", f"tracking.experiment={EXPERIMENT}", f"tracking.uri={uri}"]
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            command = [sys.executable, "-m", "forecast", *words]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


def fill(folder: Path, runs: int = RUNS) -> str:
    """Make a store with an experiment of finished runs, row by row; the client would take an hour.

    Args:
        folder: It gets mlflow.db, and the forecasts of the best runs.
        runs: How many.

    Returns:
        Id of the experiment.
    """
    store = Store(f"sqlite:///{folder / 'mlflow.db'}", EXPERIMENT)
    home = store.client.get_experiment(store.experiment_id).artifact_location
    rng = np.random.default_rng(0)
    drawn = list(_drawn(rng, runs))
    best = np.argsort([min(_curves(number, one)[1]) for number, one in enumerate(drawn)])[:FORECAST]
    names = [
        sha256(str(number).encode()).hexdigest()[:32] for number in range(runs + len(BASELINES))
    ]
    parts: dict[str, list[tuple[object, ...]]] = {
        key: [] for key in ("runs", "params", "metrics", "latest_metrics", "tags")
    }
    for number, (run_id, one) in enumerate(zip(names, drawn, strict=False)):
        _trained(parts, store.experiment_id, home, run_id, number, one)
    for number, (name, error) in enumerate(BASELINES.items(), start=runs):
        _baseline(parts, store.experiment_id, home, names[number], number, name, error)
    with closing(sqlite3.connect(folder / "mlflow.db")) as base, base:
        for table, rows in parts.items():
            columns = _COLUMNS[table]
            marks = ", ".join("?" * len(columns))
            base.executemany(f"insert into {table} ({', '.join(columns)}) values ({marks})", rows)  # noqa: S608  # both are ours
    true = rng.normal(0, 4, 400 + 24)
    errors = {names[n]: drawn[n]["error"] for n in best}
    errors |= dict(zip(names[runs:], BASELINES.values(), strict=True))
    for run_id, error in errors.items():
        _forecasts(Path(home.removeprefix("file://")) / run_id / "artifacts", true, error, rng)
    return str(store.experiment_id)


_COLUMNS = {
    "runs": (
        "run_uuid name source_type user_id status start_time end_time lifecycle_stage artifact_uri "
        "experiment_id"
    ).split(),
    "params": ["key", "value", "run_uuid"],
    "metrics": ["key", "value", "timestamp", "run_uuid", "step", "is_nan"],
    "latest_metrics": ["key", "value", "timestamp", "step", "is_nan", "run_uuid"],
    "tags": ["key", "value", "run_uuid"],
}


def _drawn(rng: np.random.Generator, runs: int) -> Iterator[dict[str, float]]:
    """Draw settings, and an error that depends on some of them."""
    for _ in range(runs):
        units = int(rng.choice([8, 16, 32, 64, 128]))
        rate = float(rng.choice([1e-4, 3e-4, 1e-3, 3e-3, 1e-2]))
        dropout = float(rng.choice([0.0, 0.1, 0.3, 0.5]))
        look_back = int(rng.choice([24, 48, 72, 168]))
        error = 3.7 + 0.15 * abs(np.log10(rate / 1e-3)) ** 2 + 4 / units + 6 / look_back
        yield {
            "units": units,
            "rate": rate,
            "dropout": dropout,
            "look_back": look_back,
            "gru": int(rng.random() < 0.5),
            "seed": int(rng.integers(5)),
            "error": float(error + abs(dropout - 0.2) + rng.gamma(2, 0.08)),
        }


def _trained(
    parts: dict[str, list[tuple[object, ...]]],
    experiment: str,
    home: str,
    run_id: str,
    number: int,
    one: dict[str, float],
) -> None:
    """Write a trained run into the rows of each table."""
    began = 1_700_000_000_000 + 60_000 * number
    model = "gru" if one["gru"] else "lstm"
    name = f"{model}-{one['units']:.0f} · {one['look_back']:.0f}→24 · mae {one['error']:.3g}"
    _begin(parts, experiment, home, run_id, began, name, "train")
    params = {f"data.setting_{n}": f"value {n}" for n in range(CONSTANT)} | {
        "model": model,
        "model.units": f"[{one['units']:.0f}]",
        "model.dropout": str(one["dropout"]),
        "training.learning_rate": str(one["rate"]),
        "training.seed": f"{one['seed']:.0f}",
        "window.timesteps": f"{one['look_back']:.0f}",
        "window.horizon": "24",
    }
    parts["params"] += [(key, value, run_id) for key, value in params.items()]
    falling, curve = _curves(number, one)
    rng = np.random.default_rng(number)
    for key, values in (("train/loss", falling), ("val/loss", curve), ("val/mae", 19 * curve)):
        for step, value in enumerate(values.tolist(), start=1):
            parts["metrics"].append((key, value, began + step, run_id, step, 0))
        parts["latest_metrics"].append((key, value, began + step, step, 0, run_id))
    final = {f"gates.lstm_1/number_{n}": float(v) for n, v in enumerate(rng.normal(size=GATES))}
    final |= {"test/mae": one["error"], "test/rmse": 1.3 * one["error"], "test/r2": 0.8}
    final |= {f"skill/{name}": 1 - one["error"] / error for name, error in BASELINES.items()}
    final |= {"time/fit_seconds": float(rng.gamma(3, 10)), "test/crps": 0.75 * one["error"]}
    final |= {"train/best_epoch": float(np.argmin(curve) + 1), "validation/mae": 19 * curve.min()}
    for key, value in final.items():
        parts["metrics"].append((key, value, began + 99, run_id, 0, 0))
        parts["latest_metrics"].append((key, value, began + 99, 0, 0, run_id))


def _curves(number: int, one: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Draw the training and the validation loss, of which most rise again in the end."""
    epoch = np.arange(1, EPOCHS + 1)
    falling = 0.16 * one["error"] / 3.7 * (1 + np.exp(-epoch / 3))
    noise = np.random.default_rng(number).normal(0, 0.004)
    return falling, falling + noise + 0.004 * np.maximum(0, epoch - 6 - number % 10)


def _baseline(
    parts: dict[str, list[tuple[object, ...]]],
    experiment: str,
    home: str,
    run_id: str,
    number: int,
    name: str,
    error: float,
) -> None:
    """Write the run of a baseline into the rows of each table."""
    began = 1_700_000_000_000 + 60_000 * number
    _begin(parts, experiment, home, run_id, began, f"baseline · {name} · 72→24", "baseline")
    parts["params"].append(("model", name, run_id))
    parts["latest_metrics"].append(("test/mae", error, began, 0, 0, run_id))
    parts["metrics"].append(("test/mae", error, began, run_id, 0, 0))


def _begin(
    parts: dict[str, list[tuple[object, ...]]],
    experiment: str,
    home: str,
    run_id: str,
    began: int,
    name: str,
    kind: str,
) -> None:
    """Write what every run has."""
    where = f"{home}/{run_id}/artifacts"
    ended = began + 30_000
    row = (run_id, name, "LOCAL", "me", "FINISHED", began, ended, "active", where, experiment)
    parts["runs"].append(row)
    tags = {
        "mlflow.runName": name,
        "forecast.kind": kind,
        "forecast.data_digest": "34704f5d940db891",
        "forecast.versions": json.dumps({"python": "3.11.7", "tensorflow": "2.21.0"}),
        "mlflow.note.content": f"**{name}**\n\n" + "A sentence of the description. " * 20,
    }
    parts["tags"] += [(key, value, run_id) for key, value in tags.items()]


def _forecasts(place: Path, true: np.ndarray, error: float, rng: np.random.Generator) -> None:
    """Write forecasts of 400 origins of 3 series whose mean absolute error is given."""
    origin, step = (part.ravel() for part in np.mgrid[0:400, 1:25])
    begin = pd.Timestamp("2024-01-01")
    frames = [
        pd.DataFrame(
            {
                "series": series,
                "origin": begin + pd.to_timedelta(origin, "h"),
                "time": begin + pd.to_timedelta(origin + step, "h"),
                "step": step,
                "target": "temp",
                "forecast": true[origin + step] + rng.laplace(0, error, len(origin)),
                "true": true[origin + step],
            }
        )
        for series in ("EWR", "JFK", "LGA")
    ]
    place.mkdir(parents=True, exist_ok=True)
    pd.concat(frames, ignore_index=True).to_parquet(place / "predictions.parquet")


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else RUNS)
