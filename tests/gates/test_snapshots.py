"""A snapshot names every weight, survives a file, and says what is wrong with one that cannot."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers as kl

from forecast import gates
from forecast.errors import InputError

from .models import small_model


def test_names_and_shapes():
    found = gates.snapshot(small_model())
    assert {name: array.shape for name, array in found.items()} == {
        **{f"lstm_1/kernel/{gate}": (3, 4) for gate in "ifco"},
        **{f"lstm_1/recurrent_kernel/{gate}": (4, 4) for gate in "ifco"},
        **{f"lstm_1/bias/{gate}": (4,) for gate in "ifco"},
        "conv_1/kernel/lag_02": (2, 3),
        "conv_1/kernel/lag_00": (2, 3),
    }
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}


def test_a_snapshot_does_not_change_with_the_model():
    model = small_model()
    before = gates.snapshot(model)
    copies = {name: array.copy() for name, array in before.items()}
    model.fit(np.ones((8, 6, 2)), np.ones((8, 1)), epochs=1, verbose=0)
    for name, array in before.items():
        np.testing.assert_array_equal(array, copies[name])
    assert any((gates.snapshot(model)[name] != array).any() for name, array in before.items())


def test_the_path_of_a_nested_layer_has_dots():
    inner = keras.Sequential([keras.Input((6, 3)), kl.SimpleRNN(2, name="rnn_1")], name="body")
    model = keras.Sequential([keras.Input((6, 3)), inner])
    assert "body.rnn_1/kernel/h" in gates.snapshot(model)


def test_unpack_gives_what_split_gives():
    layer = kl.GRU(3, name="gru_1")
    model = keras.Sequential([keras.Input((6, 2)), layer])
    unpacked = gates.unpack(gates.snapshot(model))["gru_1"]
    for gate, parts in gates.split(layer).items():
        assert unpacked[gate].keys() == parts.keys()
        for part, array in parts.items():
            np.testing.assert_array_equal(unpacked[gate][part], array)


def test_layers_without_weights_are_left_out():
    assert gates.snapshot(keras.Sequential([kl.LSTM(2), kl.Conv1D(2, 3)])) == {}


@settings(deadline=None, max_examples=10)
@given(arrays=st.lists(hnp.arrays("float32", hnp.array_shapes(max_dims=2)), min_size=1, max_size=3))
def test_a_file_gives_back_what_was_saved(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshots") / "epoch_0001.npz"
    weights = {f"body.lstm_{i}/kernel/i": array for i, array in enumerate(arrays)}
    gates.save(path, weights)
    loaded = gates.load(path)
    assert loaded.keys() == weights.keys()
    for name, array in weights.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_the_same_weights_make_the_same_file(tmp_path):
    for name in ("a.npz", "b.npz"):
        gates.save(tmp_path / name, {"lstm_1/bias/f": np.ones(3, "float32")})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"^path: must be an existing file"):
        gates.load(tmp_path / "none.npz")
    whole = tmp_path / "whole.npz"
    gates.save(whole, {"lstm_1/bias/f": np.ones(300, "float32")})
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    for name, content in {
        "empty.npz": b"",
        "text.npz": b"epoch,loss\n",
        "cut.npz": whole.read_bytes()[:-30],
        "single.npz": single.read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=r"^path: must be a \.npz file of arrays.*fetch it"):
            gates.load(tmp_path / name)


def test_names_that_are_none_of_ours():
    with pytest.raises(InputError, match=r"^weights: names must be .*received 'kernel'"):
        gates.unpack({"kernel": np.zeros(1)})
