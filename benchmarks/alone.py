"""Measurements of our side alone; each runs in a process of its own and prints one line of JSON."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import comparison, scale, serving, sweeps, tracking
from benchmarks.cases import LONG, LSTM_120, Sizes

Found = dict[str, object]
SMALL = Sizes(100_000, 5, 24, 64, "lstm_8")


def memory() -> Found:
    """Growth of peak memory after the first compiled slices, against windows written out."""
    from benchmarks import ours
    from forecast import Window
    from forecast.training import compiled, losses
    from forecast.training.parameters import Training

    sizes = replace(LONG, net="lstm_8", batch=64)
    rows, starts, _ = ours.data(sizes)
    training = Training(optimizer="Adam", weight_decay=None)
    goal = compiled.Goal(losses.build_loss(training))
    model, window = ours.network(sizes), Window(sizes.timesteps, 1)
    lent = compiled.lease(model, losses.build_optimizer(training), goal, window)
    leased = ours.HELD.enter_context(lent)
    leased.load(model, 1e-3)
    order = np.random.default_rng(0).permutation(starts)
    batches = order[: len(order) // 64 * 64].reshape(-1, 64)
    leased.train(rows, batches[:256])
    before = _peak()
    for begin in range(256, len(batches), 512):
        leased.train(rows, batches[begin : begin + 512])
    written_out = sizes.windows * sizes.timesteps * sizes.features * 4 / 2**20
    growth = _peak() - before
    return {
        "text": "growth of peak memory after the first compiled slice, over an epoch of 420,000 "
        "windows, against those windows written out",
        "value": f"{growth / written_out:.2%}",
        "detail": f"{growth:.0f} MiB of {written_out:.0f} MiB",
        "bar": "≤ 5 %",
    }


def scaling() -> Found:
    """Exponent of the time of an epoch in the number of rows."""
    from benchmarks import ours

    counts = [100_000, 200_000, 400_000, 800_000]
    seconds = []
    for rows in counts:
        epoch = ours.train(replace(SMALL, rows=rows))
        epoch()
        seconds.append(min(_seconds(epoch) for _ in range(2)))
    exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
    return {
        "text": "exponent of the time of an epoch when rows double, 100,000 to 800,000",
        "value": f"{exponent:.3f}",
        "detail": ", ".join(f"{s:.1f} s" for s in seconds),
        "bar": "≤ 1.05",
    }


def flops() -> Found:
    """Arithmetic achieved by training LSTM(120), against a matrix product of this machine."""
    import tensorflow as tf

    from benchmarks import ours

    epoch = ours.train(LSTM_120)
    epoch()
    seconds = statistics.median(_seconds(epoch) for _ in range(5))
    units, inputs = 120, LSTM_120.features
    cell = 2 * (inputs + units) * 4 * units * LSTM_120.timesteps
    dense = 2 * (120 * 100 + 100 * 50 + 50)
    achieved = 3 * (cell + dense) * LSTM_120.windows / seconds  # backward costs two forwards
    a = tf.constant(np.random.default_rng(0).normal(size=(1024, 1024)), tf.float32)
    multiply = tf.function(lambda x: tf.matmul(x, x), jit_compile=True)
    multiply(a).numpy()
    product = 2 * 1024**3 / min(_seconds(lambda: multiply(a).numpy()) for _ in range(20))
    return {
        "text": "arithmetic of training LSTM(120)+Dense(100, 50) against a float32 matrix product, "
        "one thread",
        "value": f"{achieved / product:.0%}",
        "detail": f"{achieved / 1e9:.1f} of {product / 1e9:.1f} GFLOP/s",
        "bar": "stated, goal 50 %",
    }


def startup() -> Found:
    """Seconds of the default training outside its epochs, and where they go."""
    with tempfile.TemporaryDirectory() as folder:
        importing = _run("-c", _IMPORT, folder=folder)
        tiny = ("training.epochs=1", "model.units=[2]")
        _run("-m", "forecast", "train", *tiny, folder=folder)  # MLflow's first tables take 5 s
        whole = _run("-m", "forecast", "train", folder=folder)
        metrics = _metrics(folder)
    epochs = metrics["time/epoch_seconds"]
    compiling = epochs[0] - statistics.median(epochs[1:])
    training = sum(epochs) - compiling
    parts = {
        "import": importing,
        "compile": compiling,
        "score": metrics["time/score_seconds"][-1],
        "baselines": metrics["time/baselines_seconds"][-1],
    }
    outside = whole - training
    rest = outside - sum(parts.values())
    told = {**parts, "data, callbacks, tracking, model, pictures": rest}
    return {
        "text": "default `forecast train` in a folder that has a store: seconds outside the epochs",
        "value": f"{outside:.1f} s",
        "detail": ", ".join(f"{name} {seconds:.1f}" for name, seconds in told.items())
        + f"; epochs {training:.1f}",
        "bar": "stated, goal ≤ 15 s",
    }


def evaluation() -> Found:
    """Seconds of the default training behind its fit: scores, baselines, intervals, pictures."""
    from forecast.cli.config import compose
    from forecast.evaluation import experiment, leak_proof
    from forecast.evaluation.leakage.perturb import Raw
    from forecast.report import run_page
    from forecast.tracking import record
    from forecast.tracking.predictions import Predictions
    from forecast.tracking.tracker import Tracker
    from forecast.workflows import load

    settings = compose.compose(["training.epochs=1"]).settings  # what is scored is of one size
    data, spec = load.load(settings), load.spec(settings)
    prepared = experiment.prepare(spec, data.table)
    fitted = experiment.fit(prepared)
    with tempfile.TemporaryDirectory() as folder:
        kept = Predictions(Path(folder) / "forecasts")
        outcome = experiment.evaluate(prepared, fitted, keep=kept.put)
        kept.close()
        parts = dict(outcome.seconds)
        with Tracker(f"sqlite:///{folder}/mlflow.db", "x", Path(folder) / "runs") as tracker:
            run = tracker.begin("x", kind="train")
            parts["figures, tables"] = _seconds(lambda: record.record(run, outcome, kept))
            parts["report"] = _seconds(lambda: run_page.page("x", run_page.sections(outcome)))
            run.end()
    raw = Raw(data.frame, data.schema)
    proof = _seconds(lambda: leak_proof(outcome, data.table, raw=raw))
    return {
        "text": "default evaluation, after the fit: scores, intervals, baselines with verdicts, "
        "figures and tables, report",
        "value": f"{sum(parts.values()):.1f} s",
        "detail": ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
        + f"; in addition the leakage test {proof:.1f}",
        "bar": "≤ 15 s",
    }


def gates() -> Found:
    """Milliseconds of an epoch that watching the gates of two LSTM layers costs."""
    import keras

    from forecast.cli.config import compose
    from forecast.evaluation import experiment
    from forecast.tracking.epochs import EpochMetrics
    from forecast.tracking.tracker import Tracker
    from forecast.workflows import load
    from forecast.workflows.gates import Observer

    settings = compose.compose(["model.units=[64,64]", "training.epochs=8"]).settings
    data, spec, spent = load.load(settings), load.spec(settings), []
    prepared = experiment.prepare(spec, data.table)
    with tempfile.TemporaryDirectory() as folder:
        tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "gates", Path(folder) / "runs")
        run = tracker.begin("x", kind="train")
        epochs = EpochMetrics(run)
        watch = Observer(run, epochs, settings, prepared, say=print).callback
        begin = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: spent.append(-time.perf_counter())
        )

        def end(*_: object) -> None:
            spent[-1] += time.perf_counter()

        last = keras.callbacks.LambdaCallback(on_epoch_end=end)
        outcome = experiment.run(spec, data.table, [begin, watch, epochs, last], prepared=prepared)
        run.end()
        tracker.close()
    each = statistics.median(spent)
    whole = statistics.median(outcome.forecaster.history_["epoch_seconds"])
    return {
        "text": "recording the gates of two LSTM layers of 64 units: milliseconds per epoch, "
        "statistics on 32 windows, snapshot and metrics on SQLite",
        "value": f"{1000 * each:.0f} ms",
        "detail": f"{each / whole:.1%} of an epoch of {whole:.1f} s; "
        f"{len(watch.history[1])} metrics",
        "bar": "≤ 60 ms and ≤ 5 %",
    }


MEASURES: dict[str, Callable[[], Found]] = {
    "memory": memory,
    "scaling": scaling,
    "flops": flops,
    "startup": startup,
    "evaluation": evaluation,
    "tracking": tracking.tracking,
    "gates": gates,
    "sweep": sweeps.sweep,
    "trials": sweeps.trials,
    "worker": sweeps.worker,
    "serving": serving.batch,
    "http": serving.http,
    "compare": comparison.compare,
    "scale": scale.scale,
}

_IMPORT = (
    "from forecast.training import runtime; runtime.start(1); "
    "import forecast.cli.commands.train, mlflow.pyfunc"
)


def _run(*words: str, folder: str) -> float:
    """Run Python in a folder and return the seconds."""
    command = [sys.executable, *words]
    return _seconds(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))


def _metrics(folder: str) -> dict[str, list[float]]:
    """Read every value of the newest training's timings from the store."""
    from forecast.tracking.mlflow.store import client

    store = client(f"sqlite:///{Path(folder) / 'mlflow.db'}")
    [experiment] = [e for e in store.search_experiments() if e.name != "Default"]
    run, _ = store.search_runs([experiment.experiment_id], "tags.`forecast.kind` = 'train'")
    names = ("time/epoch_seconds", "time/score_seconds", "time/baselines_seconds")
    return {n: [m.value for m in store.get_metric_history(run.info.run_id, n)] for n in names}


def _seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _peak() -> float:
    """Return the peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    name = sys.argv[1]
    if name in ("memory", "scaling", "flops", "evaluation", "worker"):
        from forecast.training import runtime

        runtime.start(1)
    found = MEASURES[name]()
    sys.stdout.write(json.dumps(found) + os.linesep)
