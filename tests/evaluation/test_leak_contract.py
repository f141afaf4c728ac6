"""Every architecture of the catalogue forecasts without looking ahead; a new one by existing."""

from dataclasses import replace

import pytest
import tensorflow as tf

from forecast import models
from forecast.evaluation import leak_case, leak_proof
from forecast.training.parameters import Training

from .leaks import case, spec

EVERYTHING = {"missing": "mask", "known_future": ("fair", "hour"), "static": ("area",)}
RAW, TABLE = case(**EVERYTHING)
SMALL = {"units": 2, "filters": 2, "hidden": 3}


def small(name, **changes):
    """An experiment with the smallest network of an architecture that reads all there is."""
    own = models.defaults(name)
    sizes = {
        key: [value] if isinstance(own[key], tuple) else value
        for key, value in SMALL.items()
        if key in own
    }
    return replace(spec(name, series_embedding=2, **sizes), **changes)


@pytest.mark.parametrize("name", models.__all__)
def test_forecasts_do_not_depend_on_later_rows(name, monkeypatch):
    """Called as plain Python, since compiling twelve networks takes half a minute."""
    monkeypatch.setattr(leak_case, "BATCH", 2)
    monkeypatch.setattr("forecast.evaluation.leak_predictions.BATCH", 2)
    tf.config.run_functions_eagerly(True)
    try:
        proof = leak_proof(small(name, regressors={}), TABLE, origins=2)
    finally:
        tf.config.run_functions_eagerly(False)
    assert proof.holds, proof
    assert name in [check.name for check in proof.checks]


@pytest.mark.processes
@pytest.mark.parametrize("name", models.__all__)
def test_compiled_and_trained_they_do_not_either(name):
    """The whole proof: raw rows, compiled forecasts, two trainings of one epoch."""
    quick = small(name, training=Training(epochs=1, batch_size=32))
    proof = leak_proof(quick, TABLE, raw=RAW, full=True, origins=2)
    assert proof.holds and proof.level == "full", proof
