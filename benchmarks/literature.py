"""`make literature`: train on the data sets of the literature, write docs/benchmarks.md from runs.

A row that the tracking store already has is not trained again, so the page is a view of the store.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from benchmarks.__main__ import BEGIN, END, machine
from forecast.cli.config import compose
from forecast.data import scale, split, windows
from forecast.errors import InputError
from forecast.evaluation.baselines import rules
from forecast.tracking.mlflow.store import Store
from forecast.workflows import load

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
EXPERIMENT = "literature"
SEEDS = (0, 1, 2)
BATCH = 32
"""Of the test loader whose last batch much of the literature has dropped."""


HEAD = """| data, horizon | model | seeds | MSE | MAE | bar (MSE) | published (MSE) | minutes |
|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        data: Data set.
        horizon: Steps ahead.
        label: What stands in the line.
        overrides: Of the command.
        seeds: Runs.
        bar: Highest MSE that is good enough; None where there is none.
        published: MSE of others.
    """

    data: str
    horizon: int
    label: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...] = SEEDS
    bar: float | None = None
    published: str = ""

    def name(self, seed: int) -> str:
        """Name the run of a seed."""
        return f"{self.data} {self.horizon} · {self.label} · seed {seed}"

    def command(self) -> str:
        """Write the command of the row without what only keeps the runs apart."""
        return f"forecast train {' '.join(self.overrides)}"


def experiment(name: str, horizon: int = 96) -> tuple[str, ...]:
    """Return the overrides of a documented experiment."""
    return (f"experiment=ltsf/{name}", f"window.horizon={horizon}")


def defaults(data: str, model: str) -> tuple[str, ...]:
    """Return the overrides of an architecture as it comes, at look-back and horizon 96.

    ETTm1 has four times the rows, so three epochs show it as many as twelve of ETTh1 do.
    """
    cut, epochs = {"etth1": ("etth", ()), "ettm1": ("ettm", ("training.epochs=3",))}[data]
    size = ("window.timesteps=96", "window.horizon=96")
    return (f"data={data}", f"split={cut}", f"model={model}", *size, *epochs)


LONG = ("model.dropout=0.5", "training.learning_rate=5e-4")
"""What the validation span asks for where the horizon is long."""

PATCHED = (
    Row("etth1", 96, "patch_lstm", experiment("etth1_patch_lstm"), bar=0.360,
        published="SegRNN 0.351, DLinear 0.375"),
    Row("etth1", 336, "patch_lstm", (*experiment("etth1_patch_lstm", 336), *LONG), bar=0.430,
        published="SegRNN 0.423, NLinear 0.429"),
    Row("ettm1", 96, "patch_lstm", experiment("ettm1_patch_lstm"), bar=0.297,
        published="P-sLSTM 0.292, SegRNN 0.293, DLinear 0.299"),
    Row("ettm1", 336, "patch_lstm", (*experiment("ettm1_patch_lstm", 336), *LONG), bar=0.364,
        published="SegRNN 0.357, DLinear 0.369"),
)  # fmt: skip
OTHERS = (
    Row("etth1", 96, "causal_cnn", experiment("etth1_causal_cnn"), bar=0.380),
    Row("ettm1", 96, "causal_cnn", experiment("ettm1_causal_cnn"), bar=0.303),
    Row("ettm1", 336, "causal_cnn", experiment("ettm1_causal_cnn", 336), bar=0.364),
    Row("ettm1", 96, "lstm, repaired", experiment("ettm1_lstm"), bar=0.305,
        published="patched LSTM 0.308, plain LSTM 0.771"),
)  # fmt: skip
MODELS = sorted(path.stem for path in (ROOT / "conf" / "model").glob("*.yaml"))
ZOO = tuple(
    Row(data, 96, f"{name}, defaults", defaults(data, name), seeds=(0,))
    for data in ("etth1", "ettm1")
    for name in MODELS
)


def main(names: list[str]) -> None:
    """Train what is missing of the rows named, or of all, and write the page.

    Args:
        names: Parts of the names of rows, such as "etth1 96"; "page" trains nothing.
    """
    store = Store(f"sqlite:///{ROOT / 'mlflow.db'}", EXPERIMENT)
    for row in (*PATCHED, *OTHERS, *ZOO):
        for seed in row.seeds:
            name = row.name(seed)
            if found(store, name) or not (not names or any(part in name for part in names)):
                continue
            print(name, flush=True)
            told = [*row.overrides, f"training.seed={seed}", f"tracking.experiment={EXPERIMENT}"]
            command = [sys.executable, "-m", "forecast", "train", *told]
            quoted = f"tracking.run_name='{name}'"
            subprocess.run([*command, quoted], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    body = "\n".join(page(store))
    PAGE.write_text(f"{head}{BEGIN}\n{body}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def page(store: Store) -> Iterator[str]:
    """Write the tables as lines of Markdown."""
    yield HEAD
    yield from lines(store, (*PATCHED, *OTHERS))
    yield ""
    yield from repeat_last()
    yield ""
    yield (
        "Every architecture with its default settings, look-back and horizon 96, one seed "
        "(on ETTm1 three epochs):"
    )
    yield ""
    yield HEAD
    yield from lines(store, ZOO)
    yield ""
    yield "Commands, each with `training.seed` 0, 1 and 2 in the first table:"
    yield ""
    yield "```bash"
    yield from sorted({row.command() for row in (*PATCHED, *OTHERS)})
    yield "```"
    yield ""
    box = machine()
    yield f"{box['processor']}, one thread of {box['cores']} cores; forecast {box['forecast']}, "
    yield f"tensorflow {box['tensorflow']}, keras {box['keras']}."


def lines(store: Store, rows: tuple[Row, ...]) -> Iterator[str]:
    """Write a line for each row that has runs."""
    for row in rows:
        runs = [run for seed in row.seeds if (run := found(store, row.name(seed)))]
        if not runs:
            continue
        for run in runs:
            expected = {"etth1": 2880, "ettm1": 11520}[row.data] - row.horizon + 1
            if run["test/windows"] != expected:
                raise InputError(f"{row.data} must be scored on {expected} windows, got {run}")
        bar = "" if row.bar is None else f"≤ {row.bar:.3f}"
        minutes = mean(run["time/fit_seconds"] for run in runs) / 60
        scores = " | ".join(spread(runs, f"test/{metric}_z") for metric in ("mse", "mae"))
        yield (
            f"| {row.data}, {row.horizon} | {row.label} | {len(runs)} | {scores} | {bar} | "
            f"{row.published} | {minutes:.1f} |"
        )


def spread(runs: list[dict[str, float]], key: str) -> str:
    """Write mean and deviation over seeds."""
    values = [run[key] for run in runs]
    deviation = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{deviation}"


def found(store: Store, name: str) -> dict[str, float] | None:
    """Return the final metrics of the newest finished run of a name."""
    runs = store.find(f"attributes.run_name = '{name}' and attributes.status = 'FINISHED'", most=1)
    return dict(runs[0].data.metrics) if runs else None


def repeat_last() -> Iterator[str]:
    """Score repeating the last value, on all windows and as the literature often did."""
    yield "| repeating the last value | windows | MSE / MAE of all | last batch of 32 dropped |"
    yield "|---|---|---|---|"
    for data, cut in (("etth1", "etth"), ("ettm1", "ettm"), ("exchange_rate", "exchange_rate")):
        for horizon in (96, 336):
            overrides = [f"data={data}", f"split={cut}", f"window.horizon={horizon}"]
            try:
                mse, mae = persistence(overrides)
            except InputError:
                break  # the file is not here
            kept = len(mse) // BATCH * BATCH
            yield (
                f"| {data}, {horizon} | {len(mse):,} | {mse.mean():.3f} / {mae.mean():.3f} | "
                f"{mse[:kept].mean():.3f} / {mae[:kept].mean():.3f} |"
            )


def persistence(overrides: list[str]) -> tuple[Any, Any]:
    """Return square and absolute error of each test window on the scale of the training rows."""
    settings = compose.compose(overrides).settings
    table, spec = load.load(settings).table, load.spec(settings)
    cuts = split.holdout(table, spec.validation, spec.test)
    scaler = scale.fit(table.take(cuts.train_rows(table)))
    starts = windows.starts(table, spec.window, within=cuts.test_rows(table))
    values = rules.persistence(rules.Past(table), spec.window, starts)
    error = values - windows.outputs(table.outputs, starts, spec.window)
    error /= scaler.output_std[table.series[starts]][:, None]
    return (error**2).mean(axis=(1, 2)), np.abs(error).mean(axis=(1, 2))


if __name__ == "__main__":
    main(sys.argv[1:])
