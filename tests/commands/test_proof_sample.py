"""A leakage test of a large panel looks at some of its series."""

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation import experiment, leak_proof
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training
from forecast.workflows import load, proof

SCHEMA = Schema(
    "ts", targets=("load",), features=("load", "price"), series=("site",), static=("area",)
)


def frame(series=12, days=160):
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=days)
    parts = []
    for number in range(series):
        wave = 10 + 3 * np.sin(2 * np.pi * np.arange(days) / 7 + number)
        parts.append(
            pd.DataFrame(
                {
                    "site": f"s{number}",
                    "ts": stamps,
                    "load": wave + rng.normal(size=days),
                    "price": rng.normal(size=days),
                    "area": number,
                }
            )
        )
    return pd.concat(parts, ignore_index=True).sample(frac=0.95, random_state=0)


@pytest.fixture(scope="module")
def large():
    rows = frame()
    table = panel.build(rows, SCHEMA)
    data = load.Loaded("large", SCHEMA, table, tuple(rows.columns), len(rows), None, None)
    vars(data)[load.FRAME] = rows
    spec = Spec(
        Model("linear", normalization="none"),
        Window(7, 3),
        Training(epochs=1),
        baselines=(),
        interval=None,
    )
    prepared = experiment.prepare(spec, data.table)
    return data, prepared, experiment.evaluate(prepared, experiment.fit(prepared))


def test_some_series_are_proved_like_all(large, monkeypatch):
    data, prepared, outcome = large
    whole = proof.drawn(data, prepared)
    assert whole.table is data.table and whole.raw.frame is data.frame and not whole.some
    monkeypatch.setattr(proof, "MOST", len(data.table) // 3)
    some = proof.drawn(data, prepared)
    assert 0 < len(np.unique(some.table.series)) < 12 and len(some.table) <= len(data.table) // 3
    assert some.some == f" on {len(np.unique(some.table.series))} of 12 series, drawn at random"
    found = leak_proof(outcome, some.table, raw=some.raw)
    assert found.holds and {"scale", "rows", "linear"} <= {check.name for check in found.checks}


@pytest.mark.parametrize("kind", ["scale", "rows"])
def test_a_leak_of_some_series_is_found(kind, large, monkeypatch):
    data, prepared, outcome = large
    monkeypatch.setattr(proof, "MOST", len(data.table) // 3)
    some = proof.drawn(data, prepared)
    table, raw = some.table, some.raw
    if kind == "scale":
        chosen = np.unique(table.series)[0]
        mean = outcome.forecaster.scaler_.input_mean
        monkeypatch.setitem(vars(outcome.forecaster.scaler_), "input_mean", mean.copy())
        outcome.forecaster.scaler_.input_mean[chosen] += 1e-9
    else:
        own = raw.build
        ahead = lambda rows, schema: own(  # noqa: E731
            rows.assign(price=rows.price.bfill(), load=rows.groupby("site").load.shift(-1)), schema
        )
        monkeypatch.setitem(vars(raw), "build", ahead)
        with pytest.raises(Exception, match="must be what the table was built from"):
            leak_proof(outcome, table, raw=raw)
        return
    found = leak_proof(outcome, table, raw=raw)
    assert [check.name for check in found.checks if not check.held] == [kind]
