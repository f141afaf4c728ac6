"""Random panels: raw rows, what their columns mean, and an experiment on them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

MODELS = (
    Model("linear"),
    Model("lstm", units=[4], dropout=0.0, recurrent_dropout=0.0),
    Model("causal_cnn", filters=4, kernel_size=3),
    Model("mlp", hidden=[8]),
    Model("nlinear"),
)

EXACT = 64
"""Values are whole multiples of 1/64: a sum with another such number is exact."""


@dataclass(frozen=True)
class Case:
    """An experiment on raw rows.

    Attributes:
        frame: Raw rows, sorted by series and time.
        schema: What its columns mean.
        spec: Model, window, spans, baselines, intervals.
    """

    frame: pd.DataFrame
    schema: Schema
    spec: Spec

    def on(self, frame: pd.DataFrame, **meaning: object) -> "Case":
        """The same experiment on other rows, or on columns that mean something else."""
        return replace(self, frame=frame, schema=replace(self.schema, **meaning))


def random_case(seed: int) -> Case:
    """Draw a panel: two to four series of unequal length, with absent rows and holes.

    Targets are one or two, features the targets and two more columns. Every series has a wave, a
    level and a noise of its own; in every third panel one more series is constant, and in every
    fifth a feature is.
    """
    rng = np.random.default_rng(seed)
    frequency, season = [("h", 24), ("D", 7)][seed % 2]
    targets = ("load", "flow")[: 1 + seed // 2 % 2]
    parts = [_series(f"s{code}", frequency, season, rng) for code in range(rng.integers(2, 5))]
    if seed % 3 == 2:
        parts.append(_series("s5", frequency, season, rng).assign(load=7.0, flow=0.0))
    frame = pd.concat(parts, ignore_index=True)
    if seed % 5 == 3:
        frame = frame.assign(heat=-3.0)
    schema = Schema(
        "ts",
        targets=targets,
        features=(*targets, "heat", "wind"),
        series=("site",),
        frequency=frequency,
        calendar=("hour", "weekday") if frequency == "h" else ("weekday",),
    )
    spec = Spec(
        MODELS[seed % len(MODELS)],
        Window(8, 3),
        Training(epochs=2, batch_size=32, seed=seed),
        validation=0.2,
        test=0.25,
        baselines=("drift", "moving_average"),
    )
    return Case(frame, schema, spec)


def _series(name: str, frequency: str, season: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw one series, whose first row lies up to ten ticks behind that of others."""
    rows, late = int(rng.integers(130, 190)), int(rng.integers(0, 10))
    tick = np.arange(rows) + late
    wave = np.sin(2 * np.pi * tick / season + rng.uniform(0, 6))
    size, level = np.exp(rng.normal(0, 1.5)), rng.normal(0, 50)
    noise = rng.normal(size=(4, rows))
    columns = {
        "load": level + size * (2 * wave + noise[0]),
        "flow": level / 2 + 3 * size * (wave + noise[1]).cumsum() / 10,
        "heat": 5 * wave + noise[2],
        "wind": 100 + noise[3].cumsum(),
    }
    frame = pd.DataFrame(
        {"site": name, "ts": pd.Timestamp("2024-01-01") + tick * pd.Timedelta(1, frequency)}
        | {column: np.round(values * EXACT) / EXACT for column, values in columns.items()}
    )
    # holes of the target and of a feature, and rows that are not there
    frame.loc[rng.choice(np.arange(20, rows), 3, replace=False), "load"] = np.nan
    frame.loc[rng.choice(np.arange(20, rows), 3, replace=False), "heat"] = np.nan
    return frame.drop(index=rng.choice(np.arange(30, rows - 1), 2, replace=False))
