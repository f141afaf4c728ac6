import inspect
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from forecast import metrics

near = partial(pytest.approx, rel=1e-9)

QUIET = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SHAPE = (7, 4, 3)  # windows, horizon, targets
UNSCALED = ("bias", "mae", "mse", "r2", "rmse", "smape", "wape")


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    return rng.normal(5, 3, SHAPE), rng.normal(5, 3, SHAPE)


def by_loop(name, true, predicted):
    """Walk over all values and apply the formula of the literature, in plain Python."""
    pairs = [
        (t, p)
        for t, p in zip(true.ravel().tolist(), predicted.ravel().tolist(), strict=True)
        if not math.isnan(t)
    ]
    count = len(pairs)
    mean = sum(t for t, _ in pairs) / count
    return {
        "mae": lambda: sum(abs(t - p) for t, p in pairs) / count,
        "mse": lambda: sum((t - p) ** 2 for t, p in pairs) / count,
        "rmse": lambda: math.sqrt(sum((t - p) ** 2 for t, p in pairs) / count),
        "bias": lambda: sum(p - t for t, p in pairs) / count,
        "wape": lambda: sum(abs(t - p) for t, p in pairs) / sum(abs(t) for t, _ in pairs),
        "smape": lambda: sum(2 * abs(t - p) / (abs(t) + abs(p)) for t, p in pairs) / count,
        "r2": lambda: (
            1 - sum((t - p) ** 2 for t, p in pairs) / sum((t - mean) ** 2 for t, _ in pairs)
        ),
    }[name]()


@pytest.mark.parametrize("name", UNSCALED)
def test_formula_by_loop_with_and_without_holes(name, pair):
    true, predicted = pair
    assert getattr(metrics, name)(true, predicted) == near(by_loop(name, true, predicted))
    true[2, :, 0] = np.nan
    true[5, 1, 1] = np.nan
    assert getattr(metrics, name)(true, predicted) == near(by_loop(name, true, predicted))


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("mae", sk.mean_absolute_error),
        ("mse", sk.mean_squared_error),
        ("rmse", sk.root_mean_squared_error),
        ("r2", sk.r2_score),
    ],
)
def test_scikit_learn_agrees(name, oracle, pair):
    true, predicted = pair
    ours = getattr(metrics, name)
    assert ours(true, predicted) == near(oracle(true.ravel(), predicted.ravel()))
    flat = (-1, SHAPE[-1])
    by_target = oracle(true.reshape(flat), predicted.reshape(flat), multioutput="raw_values")
    assert ours(true, predicted, axis=(0, 1)) == near(by_target)


def test_smape_is_scikit_learns_percentage_error_of_the_mean_size(pair):
    true, predicted = pair
    size = (np.abs(true) + np.abs(predicted)) / 2
    relative = sk.mean_absolute_percentage_error(
        np.ones(true.size), 1 + ((predicted - true) / size).ravel()
    )
    assert metrics.smape(true, predicted) == near(relative)


@pytest.mark.parametrize("name", UNSCALED)
@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (0, 2), (1, 2)])
def test_axis_keeps_the_others(name, axis, pair):
    true, predicted = pair
    true[0, 0, 0] = np.nan
    found = getattr(metrics, name)(true, predicted, axis=axis)
    away = (axis,) if isinstance(axis, int) else axis
    kept = [i for i in range(3) if i not in away]
    assert found.shape == tuple(SHAPE[i] for i in kept)
    for place in np.ndindex(found.shape):
        at = [slice(None)] * 3
        for i, position in zip(kept, place, strict=True):
            at[i] = position
        part = tuple(at)
        assert found[place] == near(by_loop(name, true[part], predicted[part]))


@pytest.mark.parametrize("name", UNSCALED)
def test_a_forecast_that_is_no_number_never_flatters(name, pair):
    true, predicted = pair
    predicted[3, 0, 1] = np.nan
    assert np.isnan(getattr(metrics, name)(true, predicted))
    true[3, 0, 1] = np.nan  # where nothing came true nothing is asked
    assert np.isfinite(getattr(metrics, name)(true, predicted))


@pytest.mark.parametrize("name", UNSCALED)
def test_no_truth_is_no_score(name):
    assert np.isnan(getattr(metrics, name)(np.full(SHAPE, np.nan), np.ones(SHAPE)))


values = hnp.arrays(
    float, st.tuples(st.integers(2, 12), st.just(2)), elements=st.floats(-1e3, 1e3, width=32)
)


@QUIET
@given(values, st.integers(1, 5), st.sets(st.integers(0, 23)))
def test_sums_and_counts_do_not_depend_on_batches(values, batch, holes):
    true, predicted = values, values[::-1].copy()
    for hole in holes:
        if hole < true.size:
            true.ravel()[hole] = np.nan
    for name in ("mae", "mse", "bias"):
        metric = getattr(metrics, name)
        total, count = 0.0, 0
        for begin in range(0, len(true), batch):
            part = true[begin : begin + batch], predicted[begin : begin + batch]
            known = int((~np.isnan(part[0])).sum())
            total += float(metric(*part)) * known if known else 0.0
            count += known
        if count:
            assert metric(true, predicted) == pytest.approx(total / count, abs=1e-9)
        else:
            assert np.isnan(metric(true, predicted))


def test_smape_of_two_zeros_is_zero_and_of_opposite_signs_two():
    assert metrics.smape(np.zeros(2), np.zeros(2)) == 0
    assert metrics.smape(np.ones(2), -np.ones(2)) == 2


def test_edges_of_division():
    assert metrics.wape(np.zeros(2), np.ones(2)) == np.inf
    assert metrics.r2(np.ones(2), np.zeros(2)) == -np.inf
    assert metrics.skill(1.0, 0.0) == -np.inf


def test_naive_scale_by_loop_over_seasons():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(30, 2))
    rows[[4, 11], 0] = np.nan
    for season in (1, 7):
        absolute, square = metrics.naive_scale(rows, season)
        for column in range(2):
            steps = [
                rows[row, column] - rows[row - season, column]
                for row in range(season, 30)
                if not np.isnan(rows[row, column]) and not np.isnan(rows[row - season, column])
            ]
            assert absolute[column] == near(np.mean(np.abs(steps)))
            assert square[column] == near(np.mean(np.square(steps)))


def test_a_constant_or_too_short_series_has_no_scale():
    for rows, season in ((np.ones((9, 1)), 1), (np.arange(3.0)[:, None], 3), (np.zeros((0, 1)), 2)):
        absolute, square = metrics.naive_scale(rows, season)
        assert np.isnan(absolute).all() and np.isnan(square).all()


def test_scaled_errors_divide_every_window_by_the_scale_of_its_series():
    true, predicted = np.zeros((2, 2, 1)), np.array([[[1.0], [3.0]], [[4.0], [8.0]]])
    scale = np.array([[[2.0]], [[4.0]]])
    assert metrics.mase(true, predicted, scale) == near((0.5 + 1.5 + 1 + 2) / 4)
    squared = (1 / 2 + 9 / 2 + 16 / 4 + 64 / 4) / 4
    assert metrics.rmsse(true, predicted, scale) == near(math.sqrt(squared))
    scale[1] = np.nan  # a constant series is left out
    assert metrics.mase(true, predicted, scale) == near(1.0)
    assert metrics.rmsse(true, predicted, scale) == near(math.sqrt(2.5))
    predicted[0, 0] = np.nan
    assert np.isnan(metrics.mase(true, predicted, scale))


def test_seasonal_naive_on_its_own_training_rows_has_mase_and_rmsse_1():
    rows = np.random.default_rng(3).normal(size=(40, 1))
    absolute, square = metrics.naive_scale(rows, 5)
    true, naive = rows[5:, None], rows[:-5, None]
    assert metrics.mase(true, naive, absolute) == near(1)
    assert metrics.rmsse(true, naive, square) == near(1)


def test_skill_is_the_share_of_the_error_that_is_gone():
    assert metrics.skill(np.array([1.0, 6.0]), np.array([4.0, 3.0])).tolist() == [0.75, -1.0]


def test_every_public_metric_says_what_it_returns():
    for name in metrics.__all__:
        text = inspect.getdoc(getattr(metrics, name))
        assert "Args:" in text and "Returns:" in text, name
