"""Small fixed trials, and the scores that they had when `keys.RESULTS` was last raised.

`make golden` trains them all and writes golden.json anew.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast import Model, Schema, Training, Window, build
from forecast.data import windows
from forecast.evaluation.experiment import Spec
from forecast.search import keys
from forecast.search.trial import Result, Rung, Trial, run_trial

FILE = Path(__file__).with_name("golden.json")
TOLERANCE = {"error": 1e-4, "loss": 1e-4, "stopping": 1e-4}
"""Largest relative difference; counts are equal.

Another processor rounds otherwise: instructions of SSE4.2 instead of AVX-512 moved a score by at
most 2.1e-6 and a loss by at most 9.2e-6, where rounding turned the sign of a gradient. A change of
what is computed moves them by more, see `test_a_small_change_is_seen`.
"""

CURE = (
    "Where that is meant, raise RESULTS in forecast/search/keys.py, so that trials finished before "
    "are not taken for today's, and write the file anew with `make golden`. Where it is not, a "
    "trial computes something else by mistake."
)
ROWS, CUT = 120, 84
"""Of a series; from where on it is scored."""


def noise(count: int, seed: int) -> np.ndarray:
    """Numbers from -0.5 to 0.5 of a generator written out here, the same in every version."""
    found, state = np.empty(count), seed
    for place in range(count):
        state = (1103515245 * state + 12345) % 2**31
        found[place] = state / 2**31 - 0.5
    return found


def panel(*, holes: bool = False, outlying: bool = False) -> pd.DataFrame:
    """Three sites of unlike level and length, with what a schema may name."""
    parts = []
    for number, (site, rows) in enumerate((("north", ROWS), ("south", ROWS), ("west", ROWS - 30))):
        hour = np.arange(ROWS - rows, ROWS)
        wave = np.sin(2 * np.pi * hour / 24 + number)
        load = (20 + 15 * number) + (6 + 3 * number) * (wave + noise(rows, 7 + number))
        part = pd.DataFrame(
            {
                "site": site,
                "time": pd.Timestamp("2024-03-01") + pd.to_timedelta(hour, unit="h"),
                "load": load,
                "temp": 12 + 5 * np.roll(wave, 2) + noise(rows, 17 + number),
                "wind": (40 * hour + 30 * number) % 360.0,
                "price": 3 + (hour // 6 % 4) + noise(rows, 27 + number),
                "area": 10.0 + number,
                "kind": np.array(["low", "mid", "high"])[np.digitize(load % 10, [3, 7])],
            }
        )
        if holes:
            part.loc[part.index % 17 == 5, "temp"] = np.nan
            part.loc[part.index % 31 == 9, "load"] = np.nan
            part = part[~part.index.isin([40, 41])]
        if outlying:
            part.loc[part.index % 23 == 3, "temp"] = 900.0
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Golden:
    """One trial.

    Attributes:
        model: Architecture and settings.
        training: Settings beside those that all have.
        schema: What a schema says beside time, series and target.
        window: Shape of a sample.
        scaling: "series" or "global".
        frame: Which panel it reads.
        rung: How much of its epochs it may spend.
        quick: Whether the quick suite trains it.
    """

    model: tuple[str, Mapping[str, Any]]
    training: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    window: Window = field(default_factory=lambda: Window(8, 3))
    scaling: str = "series"
    frame: Mapping[str, bool] = field(default_factory=dict)
    rung: Rung = Rung()
    quick: bool = False


LINEAR: tuple[str, Mapping[str, Any]] = ("linear", {})
MLP: tuple[str, Mapping[str, Any]] = ("mlp", {"hidden": [4]})
LSTM: tuple[str, Mapping[str, Any]] = ("lstm", {"units": [3]})

TRIALS = {
    # data
    "one scale for all, stride and lead": Golden(
        LINEAR, window=Window(8, 3, stride=2, lead=1), scaling="global", quick=True
    ),
    "holes held, values out of range": Golden(
        LINEAR,
        schema={"hold": 1, "valid": {"temp": (-40, 60)}, "circular": {"wind": 360}},
        frame={"holes": True, "outlying": True},
        quick=True,
    ),
    "holes masked": Golden(MLP, schema={"missing": "mask"}, frame={"holes": True}),
    "holes dropped": Golden(MLP, schema={"missing": "drop"}, frame={"holes": True}),
    "known ahead, static and calendar": Golden(
        MLP,
        schema={
            "features": ("load", "temp"),
            "known_future": ("price", "hour"),
            "static": ("area",),
            "calendar": ("hour", "weekday"),
        },
        quick=True,
    ),
    "two targets": Golden(MLP, schema={"targets": ("load", "temp"), "features": ("price",)}),
    "an event": Golden(MLP, schema={"events": {"load": 40.0}}),
    "classes by edges": Golden(MLP, schema={"classes": {"load": (30.0, 50.0)}}),
    "labels": Golden(
        MLP,
        schema={"targets": ("kind",), "classes": {"kind": ("low", "mid", "high")}},
    ),
    # training
    "defaults": Golden(LSTM, quick=True),
    "quantiles": Golden(MLP, training={"quantiles": (0.1, 0.5, 0.9)}),
    "stateful": Golden(LSTM, training={"stateful": True, "batch_size": 2}),
    "another loss, optimiser and schedule": Golden(
        MLP,
        training={
            "loss": "Huber",
            "optimizer": "RMSprop",
            "schedule": "CosineDecay",
            "clipnorm": 0.5,
            "weight_decay": None,
            "metrics": ("MeanSquaredError",),
        },
    ),
    "early stopping": Golden(
        MLP,
        training={
            "epochs": 8,
            "patience": 1,
            "learning_rate": 0.05,
            "decay": 1.0,
            "weight_decay": None,
            "tail": 0.2,
        },
    ),
    "another seed": Golden(MLP, training={"seed": 11}),
    "half of the epochs": Golden(MLP, training={"epochs": 4}, rung=Rung(1, 2, 2)),
    # repairs
    "nothing repaired": Golden(
        ("mlp", {"hidden": [4], "normalization": "none", "linear_path": False})
    ),
    "normalised by window": Golden(("mlp", {"hidden": [4], "normalization": "instance"})),
    "shared channels": Golden(
        ("mlp", {"hidden": [4], "channels": "shared"}), schema={"targets": ("load", "temp")}
    ),
    "patches and embedded series": Golden(
        ("lstm", {"units": [3], "patch": 2, "series_embedding": 2}),
    ),
    "seasonal start": Golden(("mlp", {"hidden": [4], "normalization": "seasonal", "season": 6})),
    "decoder of the state": Golden(
        ("mlp", {"hidden": [4], "decoder": "state", "known_units": 3, "season": 6}),
        schema={"features": ("load", "temp"), "known_future": ("temp",)},
    ),
    # architectures
    "causal_cnn": Golden(("causal_cnn", {"filters": 3})),
    "causal_cnn gated": Golden(
        (
            "causal_cnn",
            {"filters": 3, "gated": True, "bottleneck": 2, "per_feature": 2, "head": "pool"},
        )
    ),
    "conv_heads_lstm": Golden(
        ("conv_heads_lstm", {"filters": 2, "units": 3, "grid": (2, 2)}),
        schema={"features": ("load", "temp", "price", "wind")},
    ),
    "dlinear": Golden(("dlinear", {"kernel_size": 3})),
    "gru": Golden(("gru", {"units": [3], "dense": [4]})),
    "hierarchical_lstm": Golden(("hierarchical_lstm", {"period": 4, "inner": 2, "outer": 3})),
    "linear": Golden(LINEAR, schema={"features": ()}),
    "lstm stacked": Golden(("lstm", {"units": [3, 2], "head": "time_distributed"})),
    "mlp": Golden(MLP),
    "nbeats": Golden(("nbeats", {"stacks": 2, "blocks": 2, "layers": 2, "units": 4})),
    "nlinear": Golden(("nlinear", {})),
    "patch_gru": Golden(
        ("patch_gru", {"patch": 4, "embedding": 4, "units": 3, "decoding": "queries"}),
        schema={"features": ("load", "temp"), "known_future": ("temp",)},
    ),
    "patch_lstm": Golden(("patch_lstm", {"patch": 4, "embedding": 4, "units": 3})),
    "simple_rnn": Golden(("simple_rnn", {"units": [3], "bidirectional": True, "head": "flatten"})),
}


def result(case: Golden) -> Result:
    """Train a trial on all rows before the cut and score what lies behind it."""
    means = {"targets": ("load",), "features": ("load", "temp"), **case.schema}
    table = build(panel(**case.frame), Schema(time="time", series=("site",), **means))
    name, settings = case.model
    training = Training(**{"epochs": 2, "batch_size": 16, "learning_rate": 0.01, **case.training})
    spec = Spec(Model(name, **settings), case.window, training, scaling=case.scaling)
    stamps = np.unique(table.time)
    starts = windows.starts(table, case.window, within=table.time >= stamps[CUT], truth="some")
    origins = starts.astype(np.int64) + case.window.timesteps - 1
    span = stamps[0], stamps[CUT]
    trial = Trial("", 0, 0, training.seed, spec, "", span, origins, case.rung)
    return run_trial(trial, table)


def numbers(case: Golden) -> dict[str, float]:
    """Return what is compared: the score, and what it came of."""
    found = result(case)
    return {
        "error": found.error,
        "loss": found.history["loss"][-1],
        "stopping": found.history.get("val_loss", [math.nan])[-1],
        "epochs": len(found.history["loss"]),
        "parameters": found.parameters,
    }


def read() -> dict[str, Any]:
    """Read the file."""
    return json.loads(FILE.read_text("utf-8"))


def versions() -> dict[str, str]:
    """Return the versions that stand in a trial's key."""
    return {name: version(name) for name in keys.PACKAGES}


def moved(found: Mapping[str, float], kept: Mapping[str, float]) -> list[str]:
    """List the numbers of a trial that are not what was kept."""
    return [
        f"{key} {found[key]:.8g} and not {kept[key]:.8g}"
        for key in kept
        if not math.isclose(found[key], kept[key], rel_tol=TOLERANCE.get(key, 0.0))
    ]


def write() -> str:
    """Train all trials and write the file, but where scores changed and the number did not.

    Returns:
        What was done, or why not.
    """
    found = {name: numbers(case) for name, case in TRIALS.items()}
    told = {"results": keys.RESULTS, "packages": versions(), "trials": found}
    if FILE.exists():
        kept = read()
        trials = kept["trials"]
        changed = [n for n in found if n in trials and moved(found[n], trials[n])]
        same = (kept["results"], kept["packages"]) == (told["results"], told["packages"])
        if changed and same:
            return f"{FILE.name} stays, since these have other scores: {', '.join(changed)}. {CURE}"
        if same:  # what is equal but for rounding stays as it is, so that nothing drifts
            found |= {name: trials[name] for name in found if name in trials}
    FILE.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return f"wrote {FILE.name}: {len(found)} trials of results {keys.RESULTS}"


if __name__ == "__main__":
    print(write())
