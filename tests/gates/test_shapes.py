"""Distributions of weights: one ladder of scales for all runs, read back from pixels."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.stats import gaussian_kde

from forecast import gates, report
from forecast.gates.history import at_shares, shares
from forecast.gates.shapes import Cell, Row, Scales, gate_rows, outline, rung, scales, tap_rows
from forecast.report.gates.shapes import COLOURS
from forecast.tracking.run import SMALL

RNG = np.random.default_rng(4)


def lstm(units, seed, spread):
    """A layer as it begins, and with weights that have moved."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((72, 13)), keras.layers.LSTM(units, name="lstm_1")])
    start = gates.snapshot(model)
    rng = np.random.default_rng(seed)
    moved = {
        n: a if "bias" in n else a + rng.normal(0, spread, a.shape).astype("f4")
        for n, a in start.items()
    }
    return start, moved


def test_the_ladder_rises_and_holds_what_it_is_asked_for():
    values = np.sort(10 ** RNG.uniform(-4, 5, 400))
    rungs = [rung(value) for value in values]
    assert all(value <= found * (1 + 1e-6) for value, found in zip(values, rungs, strict=True))
    assert all(low <= high for low, high in pairwise(rungs))
    assert {f"{found:e}"[0] for found in rungs} == {"1", "2", "5"} and min(rungs) == 0.1
    # none is more than 2.5 times as large as it must be
    assert all(found <= max(0.1, 2.5 * v) for v, found in zip(values, rungs, strict=True))
    for odd in (float("nan"), float("inf"), -1.0):
        assert rung(odd) == 0.1


def test_runs_of_other_sizes_and_lengths_share_a_scale():
    found = {scales(lstm(units, seed, 0.06)) for units, seed in ((32, 0), (32, 1), (64, 2))}
    assert found == {Scales(0.5, 1.0)}


def test_every_share_of_the_training_exists_in_both():
    steps = {}
    for units, epochs in ((32, 15), (64, 5)):
        start, moved = lstm(units, epochs, 0.06)
        own = {
            e: {n: start[n] + (moved[n] - start[n]) * e / epochs for n in start}
            for e in range(epochs + 1)
        }
        drawn = list(report.album(own, timesteps=72, final=own[epochs - 1], kept=epochs - 1))
        steps[units] = {(key, step) for key, step, _ in drawn}
        assert {pixels.shape for _, _, pixels in drawn} == {(768, 768, 3)}
    assert steps[32] == steps[64]
    assert steps[32] == {
        ("gates.final/lstm_1", 0),
        *(("gates/lstm_1", n) for n in range(0, 101, 20)),
    }


def test_the_epoch_at_a_share_is_the_nearest():
    for last in range(1, 40):
        for count in (2, 3, 6, 11):
            found = at_shares(range(last + 1), count)
            assert list(found) == shares(count)
            for share, epoch in found.items():
                assert abs(epoch - share * last / 100) <= 0.5 + 1e-9


def ink(pixels, colour):
    """Rows in which the middle of the second of four shapes has its colour."""
    pixels = pixels[165:, 334:344]
    wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    # shapes are a little see-through on white
    near = np.abs(pixels.astype(int) - (0.85 * wanted + 0.15 * 255)).max(axis=-1) < 12
    return np.flatnonzero(near.any(axis=1))


def test_equal_weights_are_equally_high_in_two_runs():
    """A layer of 32 and one of 64 units, whose forget gates hold numbers of one distribution."""
    heights = []
    for units in (32, 64):
        numbers = np.linspace(-0.3, 0.3, 13 * units).reshape(13, units)
        weights = {f"lstm_1/kernel/{g}": np.full((13, units), 0.01) for g in "ifco"}
        weights["lstm_1/kernel/f"] = numbers
        rows = gate_rows(weights, "lstm_1", scales([weights]))
        pixels = report.to_image(report.distributions(rows, "lstm_1 · kept weights", "epoch 3"))
        found = ink(pixels, COLOURS["f"])
        heights.append((found[0], found[-1]))
    assert heights[0] == pytest.approx(heights[1], abs=2)
    assert heights[0][1] - heights[0][0] > 150


def test_letters_and_figures_can_be_read_where_they_are_shown():
    start, moved = lstm(32, 0, 0.06)
    taps = {
        f"conv_{n}/kernel/lag_{8 * k:02d}": RNG.normal(0, 0.1, (9, 32))
        for n in range(1, 7)
        for k in range(3)
    }
    for rows in (gate_rows(moved, "lstm_1", Scales(0.5, 1.0), start), tap_rows(taps, Scales(0.5))):
        figure = report.distributions(rows, "lstm_1 · kept weights", "epoch 9 of 15 · 32 units")
        picture = Image.fromarray(report.to_image(figure))
        picture.thumbnail((SMALL, SMALL))
        assert picture.size == (384, 384)
        small = np.asarray(picture.convert("L")).astype(int)
        renderer = figure.canvas.get_renderer()
        written = [text for text in figure.axes[0].texts if text.get_text()]
        assert any(text.get_text().startswith("lstm_1 · kept") for text in written)
        for text in written:
            box = text.get_window_extent(renderer)
            top, low = (round((768 - y) / 2) for y in (box.y1, box.y0))
            across = slice(max(0, round(box.x0 / 2)), round(box.x1 / 2))
            drawn = np.flatnonzero((small[top - 2 : low + 2, across] < 160).any(axis=1))
            assert drawn.size, text.get_text()
            assert drawn[-1] - drawn[0] + 1 >= (9 if text.get_text() != "−" else 1), text.get_text()
            assert text.get_fontsize() / 0.72 * 256 / 768 >= 8.5  # where it is shown on 256 pixels
            assert box.x0 >= 0 and box.x1 <= 768


def test_figures_are_root_mean_squares_and_names_are_whole():
    weights = {
        "gru_1/kernel/z": np.full((4, 9), 0.25),
        "gru_1/kernel/r": np.full((4, 9), 0.05),
        "gru_1/kernel/h": np.full((4, 9), 0.125),
        "gru_1/bias/z": np.full(9, 3.0),
        "gru_1/recurrent_bias/z": np.full(9, 4.0),
    }
    rows = gate_rows(weights, "gru_1", scales([weights]))
    assert [(row.part, row.limit) for row in rows] == [("kernel", 0.5), ("bias", 5.0)]
    figure = report.distributions(rows, "gru_1 · kept weights", "epoch 9 of 15")
    written = [text.get_text() for text in figure.axes[0].texts]
    # of both biases together: the root of (9 + 16) / 2
    for text in ("0.25", "0.050", "0.13", "3.5", "+0.5", "−5", "update", "reset", "candidate"):
        assert text in written or (text == "0.13" and "0.12" in written), text


def test_a_shape_is_a_density():
    values = RNG.normal(0.05, 0.1, 3000)
    heights, widths = outline(values, 0.5)
    spread = min(values.std(), np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34)
    wide = 0.9 * spread * len(values) ** -0.2
    expected = gaussian_kde(values, bw_method=wide / values.std(ddof=1))(heights)
    np.testing.assert_allclose(widths, expected / expected.max(), atol=0.02)


def test_weights_beyond_the_scale_are_marked_and_odd_ones_left_out():
    values = np.append(RNG.normal(0, 0.1, 99), [9.0, np.nan])
    row = Row("kernel", 0.5, [Cell("f", values)])
    figure = report.distributions([row], "lstm_1", "")
    marks = [line.get_marker() for line in figure.axes[0].lines]
    assert "^" in marks and "v" not in marks
    assert report.to_image(figure).shape == (768, 768, 3)
    heights, _ = outline(values, 0.5)
    assert np.abs(heights).max() <= 0.5 * (1 + 1 / 30) + 1e-9


def test_a_few_weights_are_dots():
    values = np.array([-0.2, 0.1, 0.4])
    figure = report.distributions([Row("bias", 1.0, [Cell("f", values)])], "lstm_1", "")
    [dots] = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    rise = np.diff(dots.get_ydata())
    assert rise[0] == pytest.approx(rise[1]) and rise[0] < 0


def test_many_taps_are_thinned_with_both_ends_kept():
    weights = {f"conv_1/kernel/lag_{n:02d}": np.full((2, 2), n) for n in range(40)}
    [row] = tap_rows(weights, Scales(50.0))
    assert len(row.cells) == 8
    assert (row.cells[0].name, row.cells[-1].name) == ("lag_39", "lag_00")
    ahead = {f"conv_1/kernel/tap_{n}": np.ones((2, 2)) for n in (-1, 0, 1)}
    figure = report.distributions(tap_rows(ahead, Scales(1.0)), "taps", "")
    assert {"−1", "+0", "+1"} <= {text.get_text() for text in figure.axes[0].texts}


def test_open_gates_are_where_they_are():
    units = {
        "gru_1/mean/z": np.array([0.52, 0.53, 0.99]),
        "gru_1/shut/z": np.zeros(3),
        "gru_1/open/z": np.zeros(3),
    }
    figure = report.openness(units, "gru_1", 24, "gru_1 · how open")
    heights = np.array([-bar.get_height() for bar in figure.axes[0].patches])
    assert np.flatnonzero(heights).tolist() == [10, 19]  # of twenty bars between 0 and 1
    assert heights[10] == pytest.approx(2 * heights[19])
    written = [text.get_text() for text in figure.axes[0].texts]
    assert "0.68" in written and "look-back 24" in written
