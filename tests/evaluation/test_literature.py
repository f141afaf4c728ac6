"""Repeating the last value on the literature's data gives the literature's figures.

The files may not be shipped: a test is skipped where its file has not been fetched before.
"""

import hashlib

import pytest

from benchmarks import literature
from forecast.cli.config import compose
from forecast.data import fetch


def present(data):
    """Whether the file is in the cache and the one that the configuration means."""
    settings = compose.compose([f"data={data}"]).settings.data
    file = fetch.cache_folder("data") / settings.path.rpartition("/")[2]
    return file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == settings.sha256


@pytest.mark.parametrize(
    ("data", "cut", "horizon", "count", "mse", "mae"),
    [
        ("etth1", "etth", 96, 2785, 1.295, 0.713),
        ("etth1", "etth", 336, 2545, 1.323, None),
        ("ettm1", "ettm", 96, 11425, 1.214, None),
        ("exchange_rate", "exchange_rate", 96, 1422, 0.081, 0.196),
    ],
)
def test_repeating_the_last_value_gives_the_published_figures(data, cut, horizon, count, mse, mae):
    if not present(data):
        pytest.skip(f"{data} has not been fetched: forecast check data={data}")
    square, absolute = literature.persistence(
        [f"data={data}", f"split={cut}", f"window.horizon={horizon}"]
    )
    assert len(square) == count == {"etth1": 2880, "ettm1": 11520}.get(data, 1517) - horizon + 1
    kept = count // literature.BATCH * literature.BATCH  # published with the last batch dropped
    assert round(float(square[:kept].mean()), 3) == mse
    assert mae is None or round(float(absolute[:kept].mean()), 3) == mae


@pytest.mark.slow
def test_rows_have_names_of_their_own_and_experiments_that_exist():
    rows = (*literature.PATCHED, *literature.OTHERS, *literature.ZOO)
    names = [row.name(seed) for row in rows for seed in row.seeds]
    assert len(set(names)) == len(names)
    for row in rows:
        settings = compose.compose(list(row.overrides)).settings
        assert settings.data.name == row.data and settings.window.horizon == row.horizon
