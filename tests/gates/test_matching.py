"""Units of two networks are matched before their weights are compared."""

from itertools import permutations

import keras
import numpy as np
import pytest

from forecast import gates
from forecast.gates.history import match

RNG = np.random.default_rng(5)


def network(units, kind=keras.layers.LSTM, features=3):
    layer = kind(units, name="layer_1")
    model = keras.Sequential([keras.Input((6, features)), layer, keras.layers.Dense(1)])
    layer.set_weights([RNG.normal(size=array.shape) for array in layer.get_weights()])
    return model


def permuted(model, order):
    """The same network with its units in another order, and a head that knows it."""
    other = keras.models.clone_model(model)
    layer, head = model.layers[-2], model.layers[-1]
    found = gates.split(layer)
    for parts in found.values():
        for part, array in parts.items():
            parts[part] = array[..., order]
            if part == "recurrent_kernel":
                parts[part] = parts[part][order]
    other.layers[-2].set_weights(gates.join(layer, found))
    kernel, bias = head.get_weights()
    other.layers[-1].set_weights([kernel[order], bias])
    return other


@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN])
def test_a_network_with_permuted_units_is_the_same(kind):
    model = network(7, kind)
    order = RNG.permutation(7)
    other = permuted(model, order)
    windows = RNG.normal(size=(4, 6, 3)).astype("float32")
    np.testing.assert_allclose(model(windows), other(windows), atol=1e-5)  # it predicts the same
    [found] = match(gates.snapshot(model), gates.snapshot(other))
    assert found.after == 0 < found.before
    np.testing.assert_array_equal(order[found.order], np.arange(7))


def test_the_pairs_are_the_best_of_all():
    ours, theirs = (gates.snapshot(network(5)) for _ in range(2))
    [found] = match(ours, theirs)

    def apart(order):
        return sum(
            (
                (ours[f"layer_1/kernel/{g}"] - theirs[f"layer_1/kernel/{g}"][:, list(order)]) ** 2
            ).sum()
            for g in "ifco"
        )

    best = min(permutations(range(5)), key=apart)
    assert tuple(found.order) == best
    row = found.parts.loc[("f", "kernel")]
    moved = theirs["layer_1/kernel/f"][:, list(best)]
    difference = ours["layer_1/kernel/f"] - moved
    assert row["after"] == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-5)


def test_weights_that_have_nothing_in_common_differ_by_the_root_of_two():
    ours, theirs = ({"rnn_1/kernel/h": RNG.normal(size=(400, 40))} for _ in range(2))
    [found] = match(ours, theirs)
    assert found.before == pytest.approx(np.sqrt(2), rel=0.02)
    assert found.after < found.before


def test_layers_of_other_shapes_or_behind_another_have_no_match():
    two = {f"lstm_{n}/kernel/i": np.ones((3, 3)) for n in (1, 2)}
    assert [found.layer for found in match(two, two)] == ["lstm_1"]
    assert match(two, {"lstm_1/kernel/i": np.ones((3, 4))}) == []
    assert match({}, two) == []
