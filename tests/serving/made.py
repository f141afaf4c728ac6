"""Bundles of baselines and of tiny networks, all learned from the same raw rows."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.data import panel, scale, windows
from forecast.data.scale import Scaled
from forecast.data.schema import Schema
from forecast.data.table import Table, renumbered
from forecast.data.windows import Window
from forecast.evaluation.baselines import by_name
from forecast.evaluation.baselines.by_name import Baselines
from forecast.evaluation.outcome import Spec
from forecast.serving import bundle
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

NAMES = ("b", "a", "c")
LEARNED = 150
"""Rows of each series that baselines learn from."""

WINDOW = Window(8, 3, lead=1)
SCHEMA = Schema("time", ("load",), ("load", "temp"), ("site",), frequency="h")
SCHEMAS = {
    "plain": SCHEMA,
    "calendar": replace(SCHEMA, calendar=("hour", "weekday"), known_future=("hour",)),
    "known": replace(SCHEMA, features=("temp",), known_future=("sun",), static=("area",)),
    "mask": replace(SCHEMA, missing="mask"),
    "mask and known": replace(SCHEMA, missing="mask", known_future=("sun",)),
    "transformed": replace(SCHEMA, transform={"load": "log1p"}),
    "two targets": replace(SCHEMA, targets=("temp", "load")),
}


def rows(count: int = 220) -> pd.DataFrame:
    """Series with a daily wave, absent rows and holes."""
    rng, parts = np.random.default_rng(11), []
    for number, name in enumerate(NAMES):
        hour = np.arange(count - 20 * number)
        wave = np.sin(2 * np.pi * hour / 24 + number)
        part = pd.DataFrame(
            {
                "site": name,
                "time": pd.date_range("2024-03-04", periods=len(hour), freq="h"),
                "load": 50 + 10 * wave + rng.normal(0, 1, len(hour)),
                "temp": 12 + 5 * wave + rng.normal(0, 1, len(hour)),
                "sun": rng.normal(0, 1, len(hour)),
                "area": 3.0 + number,
            }
        )
        part.loc[rng.random(len(hour)) < 0.03, ["load", "temp"]] = np.nan
        absent = (rng.random(len(hour)) < 0.03) & (hour > 3) & (hour < len(hour) - 12)
        part.loc[len(hour) - 12 :, ["load", "temp"]] = rng.normal(50, 1, (12, 2))
        parts.append(part[~absent])
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Case:
    """Baselines that have learned from some rows.

    Attributes:
        schema: How rows are read.
        table: All rows.
        baselines: Learned from the first of them.
        asked: Windows behind those, (windows,).
        rows: The rows with what standardises them.
    """

    schema: Schema
    table: Table
    baselines: Baselines
    asked: np.ndarray
    rows: Scaled

    def save(self, folder: Path, name: str, **more) -> Path:
        """Write a baseline as a bundle."""
        learned = self.baselines.learned[name]
        bundle.save_baseline(folder, learned, self.schema, WINDOW, self.rows, {"of": name}, **more)
        return folder


def case(schema: Schema, frame: pd.DataFrame, names: tuple[str, ...] | None = None) -> Case:
    """Let baselines learn, of series in the order of some names."""
    table = panel.build(frame, schema).padded(WINDOW.timesteps)
    table = table if names is None else renumbered(table, names)
    tick = table.tick - table.tick.min()
    learned = tick < LEARNED
    every = windows.starts(table, WINDOW, truth="some")
    asked = every[tick[every + WINDOW.timesteps + WINDOW.lead] >= LEARNED]
    asked_for = ("drift", "moving_average", "boosted_trees")
    spec = Spec(Model("linear"), WINDOW, Training(), baselines=asked_for)
    scaled = Scaled(table, scale.fit(table.take(learned)))
    return Case(schema, table, by_name.learn(spec, scaled, learned, asked), asked, scaled)


def network(folder: Path, name: str, schema: Schema, window: Window, frame: pd.DataFrame) -> Path:
    """Write a network, trained for an epoch, as a bundle."""
    told = Training(epochs=1, tail=0)
    fitted = Forecaster(Model(name), window, told).fit(panel.build(frame, schema))
    bundle.save(folder, fitted, schema, {"of": name})
    return folder
