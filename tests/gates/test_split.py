"""Slices against a loop written by hand; `join` against `split` for any layer."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl

from forecast import gates
from forecast.errors import InputError


def numbered(layer, features, timesteps=4):
    """Build a layer and give every weight another whole number."""
    layer.build((None, timesteps, features))
    start, weights = 0, []
    for array in layer.get_weights():
        weights.append(np.arange(start, start + array.size, dtype="float32").reshape(array.shape))
        start += array.size
    layer.set_weights(weights)
    return layer, weights


@pytest.mark.parametrize(
    ("layer", "names"), [(kl.LSTM(3), "ifco"), (kl.GRU(3, reset_after=False), "zrh")]
)
def test_every_single_weight_is_where_keras_keeps_it(layer, names):
    layer, (kernel, recurrent, bias) = numbered(layer, features=2)
    found = gates.split(layer)
    assert list(found) == list(names)
    for position, gate in enumerate(names):
        for unit in range(3):
            column = position * 3 + unit
            assert found[gate]["bias"][unit] == bias[column]
            for row in range(2):
                assert found[gate]["kernel"][row, unit] == kernel[row, column]
            for row in range(3):
                assert found[gate]["recurrent_kernel"][row, unit] == recurrent[row, column]


def test_both_biases_of_a_gru():
    layer, (_, _, bias) = numbered(kl.GRU(2), features=3)
    assert bias.shape == (2, 6)
    found = gates.split(layer)
    assert found["r"]["bias"].tolist() == [bias[0, 2], bias[0, 3]]
    assert found["r"]["recurrent_bias"].tolist() == [bias[1, 2], bias[1, 3]]


def test_a_simple_rnn_has_one_gate():
    layer, (kernel, recurrent, bias) = numbered(kl.SimpleRNN(4), features=3)
    found = gates.split(layer)
    assert list(found) == ["h"]
    np.testing.assert_array_equal(found["h"]["kernel"], kernel)
    np.testing.assert_array_equal(found["h"]["recurrent_kernel"], recurrent)
    np.testing.assert_array_equal(found["h"]["bias"], bias)


def test_a_fresh_lstm_forgets_nothing():
    layer = kl.LSTM(8)
    layer.build((None, 4, 3))
    biases = {gate: parts["bias"] for gate, parts in gates.split(layer).items()}
    assert biases["f"].tolist() == [1.0] * 8
    assert all((biases[gate] == 0).all() for gate in "ico")


def test_a_layer_without_bias():
    layer = kl.LSTM(2, use_bias=False)
    layer.build((None, 4, 3))
    assert set(gates.split(layer)["i"]) == {"kernel", "recurrent_kernel"}


def test_both_directions():
    layer = kl.Bidirectional(kl.LSTM(2))
    layer.build((None, 4, 3))
    found = gates.split(layer)
    assert list(found) == [f"{way}.{gate}" for way in ("forward", "backward") for gate in "ifco"]
    np.testing.assert_array_equal(found["backward.o"]["kernel"], layer.get_weights()[3][:, 6:])


def test_the_parts_are_copies():
    layer = kl.LSTM(2)
    layer.build((None, 4, 3))
    gates.split(layer)["f"]["bias"][:] = 9.0
    assert gates.split(layer)["f"]["bias"].tolist() == [1.0, 1.0]


KINDS = {
    "lstm": lambda u, b, _: kl.LSTM(u, use_bias=b),
    "gru": lambda u, b, r: kl.GRU(u, use_bias=b, reset_after=r),
    "rnn": lambda u, b, _: kl.SimpleRNN(u, use_bias=b),
    "cells": lambda u, b, r: kl.RNN([kl.GRUCell(u, reset_after=r), kl.LSTMCell(u + 1, use_bias=b)]),
}


@settings(deadline=None, max_examples=20)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    wrapper=st.sampled_from(["none", "bidirectional", "time distributed", "cell"]),
    units=st.integers(1, 5),
    features=st.integers(1, 5),
    use_bias=st.booleans(),
    reset_after=st.booleans(),
)
def test_join_is_the_inverse(kind, wrapper, units, features, use_bias, reset_after):
    layer = KINDS[kind](units, use_bias, reset_after)
    shape = (None, 4, features)
    if wrapper == "bidirectional":
        layer = kl.Bidirectional(layer)
    elif wrapper == "time distributed":
        layer, shape = kl.TimeDistributed(layer), (None, 3, 4, features)
    elif wrapper == "cell":
        layer, shape = layer.cell, (None, features)
    layer.build(shape)
    rng = np.random.default_rng(units)
    layer.set_weights([rng.normal(size=a.shape).astype("float32") for a in layer.get_weights()])
    joined = gates.join(layer, gates.split(layer))
    assert len(joined) == len(layer.get_weights())
    for ours, theirs in zip(joined, layer.get_weights(), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_joined_weights_can_be_set():
    layer = kl.GRU(2)
    layer.build((None, 4, 3))
    changed = gates.split(layer)
    changed["h"]["recurrent_bias"] = np.array([5.0, 6.0])
    layer.set_weights(gates.join(layer, changed))
    assert layer.get_weights()[2][1].tolist() == [0, 0, 0, 0, 5, 6]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (kl.Dense(1, name="dense_1"), r"^layer: must be an LSTM.*received Dense 'dense_1'; take"),
        (kl.LSTM(2, name="lstm_1"), r"^layer: must have weights, received LSTM 'lstm_1'.*; call"),
    ],
)
def test_layers_that_cannot_be_split(layer, message):
    with pytest.raises(InputError, match=message):
        gates.split(layer)


def test_gates_that_do_not_fit():
    layer = kl.LSTM(2)
    layer.build((None, 4, 3))
    for damage in (
        lambda g: g.pop("f"),
        lambda g: g["f"].pop("bias"),
        lambda g: g["f"].update(bias=np.zeros(3)),
        lambda g: g["f"].update(peephole=np.zeros(2)),
    ):
        damaged = gates.split(layer)
        damage(damaged)
        with pytest.raises(InputError, match=r"^gates: .* of gate 'f' "):
            gates.join(layer, damaged)


def test_mixed_precision_policies_keep_their_values():
    layer = kl.LSTM(2, dtype=keras.DTypePolicy("mixed_float16"))
    layer.build((None, 4, 3))
    assert gates.split(layer)["f"]["bias"].dtype == np.float32
