"""What is known of each step reaches that step, and the series its own values: by loops."""

import keras
import numpy as np
import pytest

from forecast import models
from forecast.errors import InputError
from forecast.models import Sizes, explain
from forecast.models.layers import (
    KnownAhead,
    SeriesColumns,
    SeriesNumber,
    embedding_size,
    reads_series_number,
)
from forecast.training import one_pass

RNG = np.random.default_rng(4)
ONLY_KNOWN = {"normalization": "none", "linear_path": False}


@pytest.mark.parametrize(
    ("timesteps", "horizon"), [(1, 1), (1, 3), (2, 3), (3, 3), (5, 3), (3, 6), (3, 7)]
)
@pytest.mark.parametrize("indicators", [0, 2])
def test_the_layer_cuts_the_predicted_rows_out_of_copies_laid_by_hand(
    timesteps, horizon, indicators
):
    copies, known = -(-horizon // timesteps), 2
    future = RNG.normal(size=(horizon, known))  # what is known of each step ahead
    x = RNG.normal(size=(1, timesteps, 3 + copies * known + indicators))
    for copy in range(copies):
        for step in range(timesteps):
            # counted from the newest: copy 0 holds the newest rows, its newest row last
            back = copy * timesteps + (timesteps - 1 - step)
            if back < horizon:
                begin = 3 + copy * known
                x[0, step, begin : begin + known] = future[horizon - 1 - back]
    layer = KnownAhead(copies * known, horizon, indicators)
    np.testing.assert_allclose(layer(x.astype(np.float32))[0], future, rtol=1e-6)


def test_each_step_is_corrected_by_the_same_layers_from_its_own_known_values():
    sizes = Sizes(6, 1 + 2, 4, ahead=2)
    model = models.build_model("linear", sizes, ONLY_KNOWN | {"known_units": 5})
    model.set_weights([w + RNG.normal(0, 0.5, w.shape) for w in model.get_weights()])
    x = RNG.normal(size=(3, 6, 3)).astype(np.float32)
    weights = {w.path: w.numpy() for w in model.weights}
    flat = x.reshape(3, -1) @ weights["head/kernel"] + weights["head/bias"]
    for sample in range(3):
        for step in range(4):
            own = flat[sample, step]
            known = x[sample, 2 + step, 1:]  # the newest four of six rows
            hidden = np.append(own, known) @ weights["known_hidden/kernel"]
            hidden = np.maximum(hidden + weights["known_hidden/bias"], 0)
            own = own + hidden @ weights["known_out/kernel"] + weights["known_out/bias"]
            np.testing.assert_allclose(model(x)[sample, step], own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", ["joint", "shared"])
def test_at_first_the_forecast_is_the_bodys(channels):
    sizes = Sizes(6, 2 + 2, 4, 2, ahead=2)
    keras.utils.set_random_seed(3)
    model = models.build_model("mlp", sizes, {"channels": channels})
    keras.utils.set_random_seed(3)
    plain = models.build_model("mlp", Sizes(6, 4, 4, 2), {"channels": channels})
    x = RNG.normal(size=(5, 6, 4)).astype(np.float32)
    np.testing.assert_array_equal(model(x), plain(x))


def test_the_series_columns_stand_before_the_known_ones_and_the_number_goes():
    x = RNG.normal(size=(2, 3, 5)).astype(np.float32)
    x[:, :, -1] = [[7, 8, 2], [0, 0, 0]]  # only the origin's counts
    assert np.array(SeriesNumber()(x)).tolist() == [2, 0]
    learned = np.array([[10, 20], [30, 40]], np.float32)
    found = np.array(SeriesColumns(last=1)(x, learned))
    for sample in range(2):
        for step in range(3):
            expected = [*x[sample, step, :3], *learned[sample], x[sample, step, 3]]
            assert found[sample, step].tolist() == expected


def test_only_a_model_that_asks_is_told_the_series():
    asked = models.build_model(
        "lstm", Sizes(6, 3, 2, series=4), {"series_embedding": 3, "units": [2]}
    )
    plain = models.build_model("lstm", Sizes(6, 2, 2), {"units": [2]})
    assert (reads_series_number(asked), embedding_size(asked)) == (True, 3)
    assert (reads_series_number(plain), embedding_size(plain)) == (False, 0)
    rows = {row.name: (row.formula, row.count) for row in explain.layers(asked)}
    assert rows["series_embedding"] == ("4·3", 12)
    # two features, three learned columns and two units
    assert rows["lstm_1"] == ("4·((5 + 2)·2 + 2)", 64)


def test_an_embedding_without_a_number_of_series_is_refused():
    with pytest.raises(InputError, match=r"model\.series_embedding=3 must .* got 0: say"):
        models.build_model("lstm", Sizes(6, 3, 2), {"series_embedding": 3})
    with pytest.raises(InputError, match=r"model\.series_embedding must be a whole .*, got 0"):
        models.build_model("lstm", Sizes(6, 3, 2, series=4), {"series_embedding": 0})


def test_what_reads_a_window_as_a_whole_goes_by_windows():
    free = {"normalization": "none", "filters": 3, "dilations": [1, 2]}
    plain = models.build_model("causal_cnn", Sizes(24, 3, 4), free)
    ahead = models.build_model("causal_cnn", Sizes(24, 3, 4, ahead=1), free)
    series = models.build_model(
        "causal_cnn", Sizes(24, 3, 4, series=2), free | {"series_embedding": 2}
    )
    assert [one_pass.possible(model) for model in (plain, ahead, series)] == [True, False, False]
