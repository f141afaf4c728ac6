"""Pictures hold what they say, in one scale, and are read back from their pixels."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from keras import layers as kl

from forecast import gates, report
from forecast.errors import InputError
from forecast.gates.shapes import Scales, tap_rows


def lstm(units=3, features=2):
    layer = kl.LSTM(units)
    layer.build((None, 4, features))
    return gates.split(layer)


def panels(figure):
    return [image for axes in figure.axes for image in axes.images]


def texts(figure):
    return " ".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def test_a_panel_for_every_gate_and_part_in_one_scale():
    weights = lstm()
    found = panels(report.heat_map(weights, "lstm_1", 0.8, epoch=4))
    assert len(found) == 8
    drawn = iter(found)
    for part in ("kernel", "recurrent_kernel"):
        for gate in "ifco":
            image = next(drawn)
            np.testing.assert_array_equal(image.get_array(), np.atleast_2d(weights[gate][part]))
            assert image.get_clim() == (-0.8, 0.8)


def test_what_is_written():
    written = texts(report.heat_map(lstm(), "lstm_1", 0.8, feature_names=["temp", "dewp"], epoch=4))
    for word in ("lstm_1", "epoch 4", "forget", "candidate", "temp", "dewp", "3 units", "+1.00"):
        assert word in written


def test_features_are_named_only_when_few():
    names = [f"feature {number}" for number in range(17)]
    written = texts(report.heat_map(lstm(features=17), "lstm_1", 0.8, feature_names=names))
    assert "feature 3" not in written
    assert "17 features" in written


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_gru(reset_after):
    layer = kl.GRU(3, reset_after=reset_after)
    layer.build((None, 4, 2))
    found = panels(report.heat_map(gates.split(layer), "gru_1", 1.0))
    assert len(found) == 6
    figure = report.heat_map(gates.split(layer), "gru_1", 1.0)
    dots = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [3] * (6 if reset_after else 3)


def test_zero_is_white_and_the_ends_are_blue_and_red():
    weights = {
        "h": {"kernel": np.array([[-9.0, 0.0, 9.0]]), "recurrent_kernel": np.zeros((3, 3))},
    }
    figure = report.heat_map(weights, "rnn_1", 1.0)
    image = report.to_image(figure).astype(int)
    box = panels(figure)[0].get_window_extent()
    row = image.shape[0] - round((box.y0 + box.y1) / 2)
    low, zero, high = (image[row, round(box.x0 + box.width * s)] for s in (1 / 6, 1 / 2, 5 / 6))
    assert low[2] > low[0] + 50
    assert high[0] > high[2] + 50
    assert (zero > 240).all()


def test_weights_that_are_not_finite_can_be_drawn():
    weights = lstm()
    weights["i"]["kernel"][0, 0] = np.nan
    weights["f"]["bias"][0] = np.inf
    assert report.to_image(report.heat_map(weights, "lstm_1", 1.0)).shape == (800, 1000, 3)


def test_an_image_is_opaque_and_white_in_a_dark_style():
    weights, taps = lstm(), tap_rows({"conv_1/kernel/lag_00": np.ones((1, 1))}, Scales(1.0))

    def drawn():
        return [report.heat_map(weights, "lstm_1", 1.0), report.distributions(taps, "taps", "")]

    light = drawn()
    with matplotlib.style.context("dark_background"):
        dark = drawn()
        dark = [report.to_image(figure) for figure in dark]
    for ours, theirs in zip(light, dark, strict=True):
        assert theirs.dtype == np.uint8
        assert (theirs[0] == 255).all()
        np.testing.assert_array_equal(report.to_image(ours), theirs)


def observed(units=5, steps=9):
    """One of each picture of what gates do."""
    rng = np.random.default_rng(0)
    names = [f"a_very_long_feature_name_{n}" for n in range(20)]
    parts = {f"lstm_1/{p}/{g}": rng.random(units) for p in ("mean", "shut", "open") for g in "ifo"}
    traced = {gate: rng.random((3, steps, units)) for gate in ("i", "f", "c", "o", "hidden")}
    frozen = {f"lstm_{n}/{gate}": 2.0 for n in (1, 2) for gate in "ifco"}
    return [
        report.openness(parts, "lstm_1", 72, "lstm_1 · how open", "epoch 1000"),
        report.influence_map(pd.DataFrame(rng.random((20, 4)), names, list("ifco")), "lstm_1", 1.0),
        report.memory_curve(gates.Memory({1: 3.0, 64: 2.1, 72: 2.0}, 2.5, frozen), ", MW"),
        report.trace_map(traced, rng.random((3, steps, 2)), "lstm_1", names=["a load", "temp"]),
    ]


def test_the_strongest_inputs_are_shown_with_their_numbers():
    norms = pd.DataFrame({"f": np.arange(20.0)}, [f"x{n}" for n in range(20)])
    (axes,) = report.influence_map(norms, "lstm_1", 20.0).axes
    named = [text.get_text() for text in axes.texts if text.get_text().startswith("x")]
    assert named == [f"x{n}" for n in range(19, 3, -1)]
    assert axes.images[0].get_array()[:, 0].tolist() == list(range(19, 3, -1))
    assert "19.00" in texts(axes) and "4 weaker ones left out" in texts(axes)


def test_units_that_keep_longest_are_on_top_of_a_trace():
    forget = np.broadcast_to([0.2, 0.9, 0.5], (2, 6, 3))
    figure = report.trace_map({"f": forget}, np.zeros((2, 6, 1)), "lstm_1", names=["load"])
    (first, second) = panels(figure)[:2]
    np.testing.assert_array_equal(first.get_array()[:, 0], [0.9, 0.5, 0.2])
    assert first.get_clim() == second.get_clim() == (0.0, 1.0)


def test_the_memory_curve_marks_what_suffices():
    intervals = {1: (0.4, 0.7), "recurrence": (0.2, 0.3), "lstm_1/f": (-0.08, -0.02)}
    found = gates.Memory(
        {1: 3.0, 2: 2.01, 4: 2.0}, 2.5, {"lstm_1/f": 1.9}, 0.01, intervals, "brier"
    )
    axes, parts = report.memory_curve(found).axes
    assert list(axes.lines[1].get_xdata()) == [1, 2, 4]
    assert axes.lines[2].get_xdata()[0] == 2
    (line,) = axes.collections[0].get_segments()
    np.testing.assert_allclose(line, [[1, 2.8], [1, 3.4]])
    assert axes.get_ylabel() == "validation Brier score"
    # the change of the error without each part in per cent, with its interval
    places = [float(dot.get_xdata()[0]) for dot in parts.lines[1:]]
    assert places == pytest.approx([25, -5])
    drawn = [lines.get_segments()[0][:, 0] for lines in parts.collections]
    np.testing.assert_allclose(drawn, [[20, 30], [-8, -2]])
    assert [label.get_text() for label in parts.get_yticklabels()] == [
        "no recurrence",
        "lstm_1 f frozen",
    ]
    assert len({line.get_marker() for line in parts.lines[1:]}) == 2  # used, and hurts


def test_every_label_is_inside_the_picture():
    names = ["a_very_long_feature_name", "temp"]
    for figure in (
        report.heat_map(lstm(), "body.encoder.bidirectional_1.forward", 1.0, feature_names=names),
        report.heat_map(lstm(128, 120), "lstm_1", 0.015, epoch=1000),
        *observed(),
    ):
        image = report.to_image(figure)
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (border == 255).all()


def test_the_colour_limit_is_that_of_the_run():
    early = {"lstm_1/kernel/i": np.full((4, 4), 0.2), "lstm_1/bias/f": np.full(4, 5.0)}
    late = {"lstm_1/kernel/i": np.full((4, 4), -0.6), "conv_1/kernel/lag_00": np.ones((1, 1))}
    assert report.colour_limit([early, late]) == 1.0  # which holds 0.6
    assert report.colour_limit([late, early]) == 1.0
    broken = {"lstm_1/kernel/i": np.array([[np.nan, np.inf]])}
    assert report.colour_limit([early, broken]) == 0.2
    assert report.colour_limit([]) == 1.0


def test_one_large_weight_does_not_make_the_others_pale():
    kernel = np.full((40, 40), 0.1)
    kernel[0, 0] = 100.0
    assert report.colour_limit([{"lstm_1/kernel/i": kernel}]) == 0.1


def test_pyplot_is_not_touched():
    import matplotlib.pyplot as plt

    report.heat_map(lstm(), "lstm_1", 1.0)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_that_cannot_be_meant(limit):
    with pytest.raises(InputError, match=r"^limit: must be a positive number"):
        report.heat_map(lstm(), "lstm_1", limit)


def test_nothing_to_draw():
    with pytest.raises(InputError, match=r"^gates: must hold at least one gate"):
        report.heat_map({}, "lstm_1", 1.0)
    with pytest.raises(InputError, match=r"^weights: must hold the activity of 'lstm_1'"):
        report.openness({"lstm_1/kernel/i": np.ones((1, 1))}, "lstm_1", 8, "lstm_1")
    with pytest.raises(InputError, match=r"^feature_names: .* received 1 names for 2 rows"):
        report.heat_map(lstm(), "lstm_1", 1.0, feature_names=["temp"])


def test_names_between_dollar_signs_are_no_formula():
    name, rng = r"$\frac{", np.random.default_rng(0)  # matplotlib would raise
    names = [name, "$^$"]
    norms = pd.DataFrame({"f": [5.0, 1.0]}, index=names)
    traced = {gate: rng.uniform(size=(1, 6, 3)) for gate in "ifo"}
    drawn = [
        report.heat_map(lstm(), "lstm_1", 0.8, feature_names=names),
        report.influence_map(norms, "lstm_1", 5.0),
        report.trace_map(traced, rng.normal(size=(1, 6, 2)), "lstm_1", names=names, titles=["$_$"]),
        report.memory_curve(gates.Memory({1: 3.0, 2: 2.01, 4: 2.0}, 2.5, {}), ", $^$"),
    ]
    for figure in drawn:
        assert report.to_image(figure).size
