"""Seeds hold whatever else the process does."""

import random
import threading

import numpy as np
import pytest

from forecast import models
from forecast.models.settings import Sizes
from forecast.training import runtime

SIZES = Sizes(timesteps=6, features=2, horizon=2)


def weights() -> list[np.ndarray]:
    with runtime.seeded(5):
        return models.build_model("lstm", SIZES, {"units": [3]}).get_weights()


@pytest.mark.slow
def test_another_thread_that_draws_changes_nothing():
    """Dask's own threads draw from Python's global generator while a trial builds its model."""
    runtime.start()
    expected = weights()
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            random.random()
            random.randint(1, 9)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        for _ in range(10):
            for one, other in zip(expected, weights(), strict=True):
                np.testing.assert_array_equal(one, other)
    finally:
        stop.set()
        thread.join()


def test_the_callers_own_draws_go_on_as_if_nothing_had_been_built():
    random.seed(1)
    expected = [random.random(), random.random()]
    random.seed(1)
    first = random.random()
    weights()
    assert [first, random.random()] == expected
