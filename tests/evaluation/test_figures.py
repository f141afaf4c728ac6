from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from forecast.data import windows
from forecast.data.windows import Window
from forecast.evaluation.forecasts import Forecasts
from forecast.report import figures
from forecast.training.parameters import Model

from .tables import measured, panel


def outcome(lengths=(120, 120), window=None, frequency="h"):
    """What the pictures read of an outcome, with noise for forecasts."""
    window = window or Window(6, 4)
    table = panel(lengths, frequency=frequency)
    starts = windows.starts(table, window, within=table.tick >= 60)
    true = windows.outputs(table.outputs, starts, window)
    rng = np.random.default_rng(0)

    def made(noise):
        return Forecasts(table, window, starts, true + rng.normal(0, noise, true.shape))

    test = made(0.3)
    others = {"persistence": made(2), "seasonal_naive": made(3), "ridge": made(1)}
    return SimpleNamespace(
        test=test,
        baselines=others,
        measured={name: measured(found) for name, found in {"": test, **others}.items()},
        spec=SimpleNamespace(model=Model("lstm")),
        intervals=None,
        season=24,
    )


def drawn(figure, tmp_path):
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5_000
    return figure


@pytest.mark.parametrize("frequency", ["h", None])
@pytest.mark.parametrize("window", [Window(6, 4), Window(6, 1, lead=2)], ids=str)
def test_forecasts_are_the_newest_that_do_not_overlap(window, frequency, tmp_path):
    found = outcome(window=window, frequency=frequency)
    figure = drawn(figures.forecasts(found), tmp_path)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["s0: t0", "s1: t0"]
    for code, axes in enumerate(figure.axes):
        own = found.test.table.take(found.test.table.series == code)
        true, pieces = axes.lines[0], [x for x in axes.lines if x.get_color() == figures.MODEL]
        stamps = [stamp for piece in pieces for stamp in piece.get_xdata()]
        assert stamps == sorted(set(stamps)) and stamps[-1] == own.time[-1]
        assert len(pieces) == min(figures.WINDOWS, 60 // window.horizon)
        known = dict(zip(own.time, own.outputs[:, 0], strict=True))
        assert all(known[x] == y for x, y in zip(true.get_xdata(), true.get_ydata(), strict=True))
        assert set(stamps) <= set(true.get_xdata())


def test_few_series_are_shown_of_many(tmp_path):
    figure = drawn(figures.forecasts(outcome(lengths=(90,) * 7)), tmp_path)
    assert len(figure.axes) == figures.PANELS


def test_the_small_picture_shows_the_median_series_at_its_own_size(tmp_path):
    found = outcome(lengths=(90, 90, 90, 90, 90))
    wrong = np.abs(found.test.true - found.test.values).mean(axis=(1, 2))
    errors = [wrong[found.test.series == code].mean() for code in range(5)]
    middle = int(np.argsort(errors)[2])
    axes = drawn(figures.forecast(found), tmp_path).axes[0]
    assert axes.get_title(loc="left").startswith(f"s{middle}: t0")
    figures.forecast(found).savefig(tmp_path / "kept.png", dpi=120)
    height, width, _ = imread(tmp_path / "kept.png").shape
    assert width <= 700 and height <= 400
    letters = [text.get_fontsize() for text in (axes.title, *axes.get_xticklabels())]
    assert min(letters) * 120 / 72 >= 14  # pixels
    alone = figures.forecast(outcome(lengths=(90,))).axes[0]
    assert alone.get_title(loc="left").startswith("t0")


def test_error_by_horizon_draws_the_mae_of_every_step(tmp_path):
    found = outcome()
    figure = drawn(figures.error_by_horizon(found), tmp_path)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines) == ["persistence", "seasonal_naive", "ridge", "lstm"]
    expected = np.abs(found.test.true - found.test.values).mean(axis=(0, 2))
    np.testing.assert_allclose(lines["lstm"].get_ydata(), expected)
    assert lines["lstm"].get_xdata().tolist() == [1, 2, 3, 4]
    assert figure.axes[0].get_ylim()[0] == 0
    assert len({line.get_color() for line in lines.values()}) == 4


def test_one_step_ahead_is_drawn_as_points(tmp_path):
    figure = drawn(figures.error_by_horizon(outcome(window=Window(6, 1))), tmp_path)
    assert all(line.get_marker() == "o" for line in figure.axes[0].lines)


@pytest.mark.parametrize("stopping", [[0.9, 0.4, 0.6], [0.9, 0.4, np.nan], None])
def test_learning_curve_marks_the_epoch_that_was_kept(stopping, tmp_path):
    history = {"loss": [1.0, 0.5, 0.3]} | ({"val_loss": stopping} if stopping else {})
    axes = drawn(figures.learning_curve(history), tmp_path).axes[0]
    kept = [line for line in axes.lines if line.get_label() == "kept"]
    assert [line.get_xdata().tolist() for line in kept] == ([[2]] if stopping else [])


def test_prediction_joins_the_newest_rows(tmp_path):
    past = pd.DataFrame(
        {"series": "a", "time": pd.date_range("2024-01-01", periods=30, freq="h"), "target": "load"}
    ).assign(value=np.arange(30.0))
    ahead = past.assign(time=past.time + pd.Timedelta("30h"), forecast=np.arange(30.0, 60.0))
    figure = drawn(figures.prediction(past, ahead, {"load": "MW"}), tmp_path)
    known, forecast = figure.axes[0].lines
    assert forecast.get_ydata()[0] == known.get_ydata()[-1]
    assert len(forecast.get_ydata()) == 31
    ends = ahead.assign(lower=ahead.forecast - 2, upper=ahead.forecast + 3)
    [band] = figures.prediction(past, ends, {}).axes[0].collections
    assert band.get_paths()[0].vertices[:, 1].max() == 62 and band.get_label() == "interval"


def test_names_and_units_between_dollar_signs_are_no_formula(tmp_path):
    found = outcome()
    bad = r"$\frac{ and $"  # matplotlib would raise
    # "US$ to A$" would be drawn without its signs, the words run together
    table = replace(found.test.table, names=("US$ to A$", bad), targets=(bad,), units=(bad,))
    found.test = replace(found.test, table=table)
    figure = drawn(figures.forecasts(found), tmp_path)
    shown = [axes.title._preprocess_math(axes.get_title(loc="left")) for axes in figure.axes]
    assert shown == [(f"{name}: {bad}, {bad}", False) for name in table.names]
    drawn(figures.error_by_horizon(found), tmp_path)
