"""A leakage test of a large panel looks at some of its series."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation import experiment, leak_proof
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training
from forecast.workflows import proof

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
    data = SimpleNamespace(frame=rows, schema=SCHEMA, table=panel.build(rows, SCHEMA))
    spec = Spec(
        Model("linear", normalization="none"),
        Window(7, 3),
        Training(epochs=1),
        baselines=(),
        interval=None,
    )
    prepared = experiment.prepare(spec, data.table)
    return data, experiment.evaluate(prepared, experiment.fit(prepared))


def test_some_series_are_proved_like_all(large, monkeypatch):
    data, outcome = large
    whole, raw = proof.drawn(data)
    assert whole is data.table and raw.frame is data.frame
    monkeypatch.setattr(proof, "MOST", len(data.table) // 3)
    table, raw = proof.drawn(data)
    assert 0 < len(np.unique(table.series)) < 12 and len(table) <= len(data.table) // 3
    found = leak_proof(outcome, table, raw=raw)
    assert found.holds and {"scale", "rows", "linear"} <= {check.name for check in found.checks}


@pytest.mark.parametrize("kind", ["scale", "rows"])
def test_a_leak_of_some_series_is_found(kind, large, monkeypatch):
    data, outcome = large
    monkeypatch.setattr(proof, "MOST", len(data.table) // 3)
    table, raw = proof.drawn(data)
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
