"""Honest baselines and models on random panels: the leak proof never accuses one of them."""

import numpy as np
import pandas as pd
import pytest

from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation import leak_proof
from forecast.evaluation.leakage.perturb import Raw
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

BASELINES = ("boosted_trees", "drift", "moving_average")
REGRESSORS = {"ridge": {}, "Lasso": {"alpha": 0.1}, "KNeighborsRegressor": {}}
MODELS = {"linear": {}, "lstm": {"units": [3]}, "causal_cnn": {"filters": 2, "dilations": [1, 2]}}


def random_panel(seed):
    """Some series of very different level and size, with gaps and holes; and a window."""
    rng = np.random.default_rng([77, seed])
    frequency = str(rng.choice(["h", "h", "D", "6h", "W"]))
    window = Window(int(rng.integers(2, 9)), int(rng.integers(1, 6)), lead=int(rng.integers(0, 3)))
    rows, parts = int(rng.integers(90, 160)), []
    for site in range(int(rng.integers(1, 6))):
        size, level = 10.0 ** rng.uniform(-3, 5, 2)
        steps = rng.normal(size=(3, rows))
        part = pd.DataFrame(
            {
                "ts": pd.date_range("2023-01-02", periods=rows, freq=frequency),
                "site": f"s{site}",
                "load": level + size * (steps[0].cumsum() + np.sin(np.arange(rows) * np.pi / 12)),
                "temp": level + size * steps[1],
                "price": steps[2],
            }
        )
        gone = rng.choice(np.arange(5, rows - 5), int(rng.integers(0, 4)), replace=False)
        part.loc[rng.choice(rows, 3, replace=False), "temp"] = np.nan
        parts.append(part.drop(index=gone))
    frame = pd.concat(parts, ignore_index=True)
    schema = Schema(
        "ts",
        targets=("load", "temp") if rng.random() < 0.5 else ("load",),
        features=("load", "temp", "price"),
        series=("site",),
        frequency=frequency,
        missing="hold",
        known_future=("price",) if rng.random() < 0.3 else (),
    )
    raw = Raw(frame, schema)
    return raw, raw.table(frame, window.timesteps), window


def alarms(seed, models):
    """Prove models on a panel, all baselines beside the first; list what the proof accuses."""
    raw, table, window = random_panel(seed)
    found = []
    for number, name in enumerate(models):
        spec = Spec(
            Model(name, normalization="none", **MODELS[name]),
            window,
            Training(),
            validation=0.15,
            test=0.25,
            baselines=() if number else BASELINES,
            regressors={} if number else REGRESSORS,
        )
        proof = leak_proof(spec, table, raw=raw, origins=6)
        assert number or {*BASELINES, *REGRESSORS} <= {check.name for check in proof.checks}
        found += [str(check) for check in proof.checks if not check.held]
    return found


@pytest.mark.parametrize(("seed", "model"), list(zip((0, 1, 7), MODELS, strict=True)))
def test_no_baseline_and_no_model_of_a_random_panel_is_accused(seed, model):
    assert alarms(seed, [model]) == []


@pytest.mark.slow
def test_of_many_random_panels_none_is_accused(pytestconfig):
    """As many as `--panels` says: 20, or a hundred with `--panels=100`."""
    panels = range(pytestconfig.getoption("--panels"))
    found = {seed: alarms(seed, MODELS) for seed in panels}
    assert {seed: told for seed, told in found.items() if told} == {}
