"""Every architecture of the catalogue forecasts without looking ahead; a new one by existing."""

from dataclasses import replace

import pytest

from forecast import models
from forecast.evaluation import leak_proof
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


@pytest.mark.processes
@pytest.mark.parametrize("name", models.NAMES)
def test_nothing_leaks_into_its_training_or_its_forecasts(name):
    """The whole proof: raw rows, compiled forecasts, two trainings of one epoch."""
    quick = small(name, training=Training(epochs=1, batch_size=32))
    proof = leak_proof(quick, TABLE, raw=RAW, full=True, origins=2)
    assert proof.holds and proof.level == "full", proof


@pytest.mark.processes
@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_nothing_leaks_through_a_season_a_decoder_or_a_cycle(name):
    asked = {"normalization": "seasonal", "season": 3, "decoder": "state", "cycle": 5}
    own = {"hidden": (3,)} if name == "mlp" else {"units": (2,)}
    quick = spec(name, series_embedding=2, **own, **asked)
    quick = replace(quick, training=Training(epochs=1, batch_size=32))
    proof = leak_proof(quick, TABLE, raw=RAW, full=True, origins=2)
    assert proof.holds and proof.level == "full", proof
