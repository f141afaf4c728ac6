import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl

from forecast import models
from forecast.models import Sizes, explain

FEW = settings(deadline=None, derandomize=True, database=None, max_examples=6)
MANY = settings(FEW, max_examples=20)
sizes = st.integers(1, 9)


MORE = [
    *((name, {"kernel_size": 2} if name == "causal_cnn" else {}) for name in models.NAMES),
    ("causal_cnn", {"kernel_size": 1, "dilations": [1, 2], "per_feature": 3, "gated": True}),
    ("causal_cnn", {"kernel_size": 2, "bottleneck": 2, "head": "pool"}),
    ("gru", {"bidirectional": True, "head": "flatten", "units": [3, 2], "dense": [4]}),
    ("patch_gru", {"decoding": "queries", "patch": 2, "units": 3}),
    ("mlp", {"normalization": "seasonal", "decoder": "state", "channels": "shared"}),
    ("nbeats", {"stacks": 2, "blocks": 3, "layers": 1, "units": 3}),
]
"""Architectures with settings that change what they are made of."""


def made(layer, *shape):
    """A layer built on an input of some shape."""
    keras.Sequential([keras.Input(shape), layer])
    return layer


def value(formula):
    """What the formula says, by Python's own arithmetic."""
    return eval(formula.replace("·", "*"), {"__builtins__": {}}) if formula else 0


@pytest.mark.parametrize(
    ("layer", "shape", "count"),
    [
        (kl.LSTM(256), (7, 4096), 4_457_472),
        (kl.LSTM(2), (3, 7), 80),
        (kl.Dense(5), (2,), 15),
        (kl.SimpleRNN(10), (4, 1), 120),
        (kl.LSTM(1), (5, 1), 12),
        (kl.LSTM(1), (5, 2), 16),
        (kl.Dense(1000), (1024,), 1_025_000),
        (kl.Dense(512), (1000,), 512_512),
        (kl.Dense(256), (512,), 131_328),
        (kl.Dense(4), (256,), 1_028),
        (kl.Conv2D(64, 3), (8, 8, 32), 18_496),
    ],
    ids=lambda part: getattr(part, "name", str(part)),
)
def test_counts_that_people_get_wrong(layer, shape, count):
    built = made(layer, *shape)
    assert value(explain.formula(built)) == built.count_params() == count


@FEW
@given(sizes, sizes, sizes, st.booleans(), st.booleans())
def test_formulas_give_the_count_at_any_size(features, units, steps, bias, reset_after):
    for layer in (
        kl.LSTM(units, use_bias=bias),
        kl.GRU(units, use_bias=bias, reset_after=reset_after),
        kl.SimpleRNN(units, use_bias=bias),
        kl.Bidirectional(kl.LSTM(units, use_bias=bias)),
        kl.TimeDistributed(kl.Dense(units, use_bias=bias)),
        kl.Conv1D(units, 1, use_bias=bias),
        kl.BatchNormalization(),
        kl.Flatten(),
    ):
        built = made(layer, steps, features)
        assert value(explain.formula(built)) == built.count_params(), type(layer).__name__


@MANY
@given(st.integers(2, 9), sizes, sizes, st.integers(1, 3), st.sampled_from(MORE))
def test_every_layer_of_every_model_is_counted(steps, features, horizon, targets, asked_for):
    name, settings = asked_for
    asked = Sizes(steps, max(features, targets), horizon, targets)
    model = models.build_model(name, asked, settings)
    told = explain.layers(model)
    assert [one.name for one in told] == [layer.name for layer in model.layers]
    assert sum(one.count for one in told) == model.count_params()
    assert all(value(one.formula) == one.count for one in told)
    assert told[-1].shape == f"(samples, {horizon}, {targets})"


def test_no_count_depends_on_timesteps_but_the_linear_paths():
    counts = [
        models.build_model("lstm", Sizes(steps, 3, 2), {"linear_path": False}).count_params()
        for steps in (4, 40)
    ]
    assert counts[0] == counts[1]


def test_formula_fills_in_the_numbers():
    assert explain.formula(made(kl.LSTM(2), 3, 7)) == "4·((7 + 2)·2 + 2)"
    assert explain.formula(made(kl.GRU(2), 3, 7)) == "3·((7 + 2)·2 + 2·2)"
    assert explain.formula(made(kl.Dense(5), 2)) == "2·5 + 5"
    assert explain.formula(made(kl.Flatten(), 3, 7)) == ""


def test_receptive_field_of_a_model():
    cnn = models.build_model("causal_cnn", Sizes(128, 3, 2), {"filters": 2})
    assert explain.receptive_field(cnn) == 127
    patched = models.build_model("causal_cnn", Sizes(96, 3, 2), {"patch": 12, "dilations": [1, 2]})
    assert explain.receptive_field(patched) == 12 * (1 + 2 * 3)
    assert (
        explain.receptive_field(models.build_model("lstm", Sizes(8, 3, 2), {"units": [2]})) is None
    )
