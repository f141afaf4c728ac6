"""A small raw panel with holes, and the experiment that proofs are made of."""

import numpy as np
import pandas as pd

from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.leakage.perturb import Raw
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

WINDOW = Window(6, 3, lead=1)


def frame(rows=110, sites=2, seed=0):
    """Walks and noise by the hour; some hours are absent and some values missing."""
    rng, parts = np.random.default_rng(seed), []
    for site in range(sites):
        noise = rng.normal(size=(4, rows))
        part = pd.DataFrame(
            {
                "ts": pd.date_range("2024-01-01", periods=rows, freq="h"),
                "site": f"s{site}",
                "load": 20 + noise[0].cumsum(),
                "temp": noise[1],
                "fair": noise[2],
                "wind": 180 + 90 * noise[3],
                "area": 1.0 + site,
            }
        )
        part.loc[rng.choice(rows, 6, replace=False), "temp"] = np.nan
        parts.append(part.drop(index=[20 + site, 95]))
    return pd.concat(parts, ignore_index=True)


def schema(**changes):
    given = {
        "time": "ts",
        "targets": ("load",),
        "features": ("load", "temp", "wind"),
        "series": ("site",),
        "frequency": "h",
        "circular": {"wind": 360.0},
        "calendar": ("hour",),
    }
    return Schema(**{**given, **changes})


def spec(model="linear", training=None, **settings):
    return Spec(
        Model(model, **settings),
        WINDOW,
        training or Training(epochs=2, batch_size=32),
        validation=0.15,
        test=0.25,
    )


def case(rows=110, build=None, given=None, **changes):
    """The raw rows and their table."""
    raw = Raw(frame(rows) if given is None else given, schema(**changes), build)
    return raw, raw.table(raw.frame, WINDOW.timesteps)
