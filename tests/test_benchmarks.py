"""What `make bench` compares is alike on both sides; how fast it is, no test says."""

import pytest

from benchmarks import alone, ours, rivals
from benchmarks.__main__ import ALONE
from benchmarks.cases import CASES

NETS = {case.sizes.net: case.sizes for case in CASES.values() if case.sizes.net}


@pytest.mark.parametrize("net", NETS)
def test_both_networks_have_the_same_weights(net):
    mine, theirs = ours.network(NETS[net]), rivals.network(NETS[net])
    shapes = [sorted(tuple(w.shape) for w in model.trainable_variables) for model in (mine, theirs)]
    if net == "causal_cnn":  # the taps of a projection of one step need no axis
        shapes = [sorted(tuple(s for s in shape if s != 1) for shape in own) for own in shapes]
    assert shapes[0] == shapes[1]
    assert mine.count_params() == theirs.count_params()


@pytest.mark.parametrize("name", CASES)
def test_every_case_names_functions(name):
    case = CASES[name]
    assert callable(getattr(ours, case.ours)) and callable(getattr(rivals, case.rival))
    assert 0 < case.bar <= case.reach


def test_every_measurement_is_known():
    assert set(ALONE) == set(alone.MEASURES)


def test_both_sides_see_the_same_windows():
    sizes = NETS["lstm_32"]
    rows, starts, window = ours.data(sizes)
    x, y = rivals.data(sizes)
    assert len(starts) == len(x) == len(y) == sizes.windows
    for which in (0, len(starts) - 1):
        first = starts[which]
        past = rows.inputs[first : first + window.timesteps]
        assert (x[which] == past.numpy()).all()
        assert y[which] == rows.outputs[first + window.timesteps].numpy()
