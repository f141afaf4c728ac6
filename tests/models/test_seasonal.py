"""The last season repeated as the start of a forecast, and the decoder that reads it: by loops."""

import keras
import numpy as np
import pytest

from forecast import Model, models
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.models import Sizes, repairs
from forecast.models.layers import SeasonBefore
from forecast.training import fit

RNG = np.random.default_rng(7)
SIZES = Sizes(9, 4, 7, 2, target_positions=(2, 0), lead=2, season=4)
SMALL = {"mlp": {"hidden": [5]}, "causal_cnn": {"filters": 3}, "lstm": {"units": [3]}}
each_model = pytest.mark.parametrize("name", SMALL)


def build(name, sizes=SIZES, **asked):
    """A small model with no weight at zero, so that every path counts."""
    keras.utils.set_random_seed(2)
    model = models.build_model(name, sizes, SMALL.get(name, {}) | {"dropout": 0.0} | asked)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.2, w.shape) for w in model.get_weights()])
    return model


def windows(sizes=SIZES, samples=3):
    shape = samples, sizes.timesteps, sizes.features
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def place_before(step, sizes=SIZES):
    """The row of the window that lies whole seasons before a step, the first of which is 1."""
    row = sizes.timesteps - 1 + sizes.lead + step
    while row >= sizes.timesteps:
        row -= sizes.season
    return row


@pytest.mark.parametrize("lead", [0, 1, 5, 8])
@pytest.mark.parametrize("season", [1, 3, 9])
@pytest.mark.parametrize("horizon", [1, 3, 10])
def test_each_step_reads_the_newest_row_that_lies_whole_seasons_before_it(season, horizon, lead):
    x = windows()
    found = SeasonBefore([3, -1, 0], season, horizon, lead)(x).numpy()
    sizes = Sizes(9, 4, horizon, season=season, lead=lead)
    for step in range(1, horizon + 1):
        row = place_before(step, sizes)
        np.testing.assert_array_equal(found[:, step - 1, 0], x[:, row, 3])
        np.testing.assert_array_equal(found[:, step - 1, 1], 0)
        np.testing.assert_array_equal(found[:, step - 1, 2], x[:, row, 0])


@each_model
@pytest.mark.parametrize("channels", ["joint", "shared"])
def test_a_seasonal_start_by_loop(name, channels):
    plain = build(name, normalization="none", channels=channels)
    model = build(name, normalization="seasonal", channels=channels)  # the same weights
    x = windows()
    inside, scale = x.copy(), np.empty((3, 2))
    for sample in range(3):
        for target, column in enumerate(SIZES.positions):
            own = x[sample, :, column]
            scale[sample, target] = sum(abs(value - own.mean()) for value in own) / 9 + 1e-2
            inside[sample, :, column] = (own - own.mean()) / scale[sample, target]
    said, found = plain(inside).numpy(), model(x).numpy()
    for step in range(7):
        row = x[:, place_before(step + 1)]
        expected = said[:, step] * scale + row[:, [2, 0]]
        np.testing.assert_allclose(found[:, step], expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_says_nothing_goes_on_with_the_season():
    model = build("mlp", normalization="seasonal")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    wave = np.array([3.0, -1, 4, -1])
    rows = np.tile(wave, 5)  # 9 rows of the window, 2 between, 7 ahead
    x = np.repeat(rows[:9, None], 4, axis=1)[None].astype(np.float32)
    np.testing.assert_array_equal(model(x)[0, :, 0], rows[11:18])


def test_quantiles_and_absent_targets_start_there_too():
    sizes = Sizes(9, 4, 7, 2, (-1, 1), season=4, lead=2, levels=(0.1, 0.5, 0.9))
    model, x = build("mlp", sizes, normalization="seasonal"), windows(sizes)
    raised = x.copy()
    raised[:, :, 1] += 5
    moved = (model(raised).numpy() - model(x).numpy()).reshape(3, 7, 2, 3)
    np.testing.assert_allclose(moved[:, :, 0], 0, atol=1e-5)
    np.testing.assert_allclose(moved[:, :, 1], 5, atol=1e-4)
    assert (np.diff(model(x).numpy().reshape(3, 7, 2, 3)) > 0).all()


def test_a_constant_window_is_forecast_by_a_number():
    assert np.isfinite(build("lstm", normalization="seasonal")(np.ones((2, 9, 4)))).all()


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"normalization": "seasonal"}, "normalization=seasonal"), ({"decoder": "state"}, "decoder")],
)
def test_a_window_without_a_whole_season_is_refused(asked, named):
    said = rf"model\.{named}.* must have a whole season of 10 rows .* window\.timesteps=9: set"
    with pytest.raises(InputError, match=said):
        build("mlp", **asked, season=10)
    assert build("mlp", **asked, season=9).output_shape == (None, 7, 2)


def table(frequency):
    """A table of one series with a column that is known ahead."""
    rows = RNG.normal(size=(400, 2))
    tick = np.arange(400)
    time = np.datetime64("2024-01-01", "ns") + tick * np.timedelta64(1, "h")
    zero = np.zeros(400, int)
    found = Table(rows, rows[:, :1], ("load", "fair"), ("load",), zero, tick, time, known=(1,))
    return fit.replace(found, frequency=frequency)


@pytest.mark.parametrize(("frequency", "season"), [("h", 24), ("30min", 48), ("MS", 12), (None, 1)])
def test_a_network_is_told_the_season_of_the_frequency_and_what_is_known(frequency, season):
    for model in (Model("mlp"), lambda sizes: None):
        sizes = fit.sizes(table(frequency), Window(60, 5, lead=3), model)
        assert (sizes.season, sizes.lead, sizes.known) == (season, 3, (1,))


def test_the_setting_of_the_model_comes_before_the_season_of_the_frequency():
    sizes = fit.sizes(table("h"), Window(60, 5), Model("mlp"))
    for asked, rows in ({}, 24), ({"season": 7}, 7):
        model = build("mlp", sizes, normalization="seasonal", **asked)
        assert model.get_layer("last_season").season == rows


@pytest.mark.parametrize("channels", ["joint", "shared"])
def test_the_decoder_reads_forecast_state_a_season_before_and_what_is_known(channels):
    """Around a linear map, so that what the network makes beside its forecast is seen."""
    # features: target, other, target, known; then what is known ahead
    sizes = Sizes(9, 4 + 1, 6, 2, (2, 0), ahead=1, lead=2, season=4, known=(3,))
    asked = {"decoder": "state", "known_units": 3, "normalization": "none", "channels": channels}
    keras.utils.set_random_seed(2)
    model = models.build_model("linear", sizes, asked | {"linear_path": True})
    model.set_weights([w + RNG.normal(0, 0.3, w.shape) for w in model.get_weights()])
    weights = {w.path: w.numpy() for w in model.weights}
    x = windows(sizes)
    if channels == "joint":
        groups = [([0, 1, 2, 3, 4], [2, 0])]
    else:  # each target apart, with the features that are no target
        groups = [([2, 1, 3, 4], [2]), ([0, 1, 3, 4], [0])]
    found = model(x).numpy()
    for columns, targets in groups:
        own, many = x[:, :, columns].reshape(3, -1), len(targets)
        every = own @ weights["head/kernel"] + weights["head/bias"]
        every = every.reshape(3, 6, many + 3)
        linear = own @ weights["linear_path/kernel"] + weights["linear_path/bias"]
        for sample in range(3):
            for step in range(6):
                forecast = every[sample, step, :many] + linear.reshape(3, 6, many)[sample, step]
                before = x[sample, place_before(step + 1, sizes)]
                ahead = x[sample, 3 + step, 4]  # the newest six of nine rows
                seen = [*forecast, *every[sample, step, many:], *before[targets], before[3], ahead]
                hidden = seen @ weights["known_hidden/kernel"] + weights["known_hidden/bias"]
                more = np.maximum(hidden, 0) @ weights["known_out/kernel"]
                expected = forecast + more + weights["known_out/bias"]
                places = [sizes.positions.index(target) for target in targets]
                np.testing.assert_allclose(found[sample, step, places], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "mlp", "nbeats", "patch_gru"])
@pytest.mark.parametrize("channels", ["joint", "shared"])
def test_quantiles_begin_around_the_forecast_of_one_value(name, channels):
    levels = (0.1, 0.5, 0.7, 0.9)
    model = Model(name, decoder="state", known_units=3, channels=channels)
    plain = fit.seeded(model, SIZES, 5)
    every = fit.seeded(model, fit.replace(SIZES, levels=levels), 5)
    x = windows()
    middle = every(x).numpy().reshape(3, 7, 2, 4)[..., 1]
    np.testing.assert_allclose(middle, plain(x), rtol=1e-5, atol=1e-6)
    states = []
    for made in (plain, every):  # a layer's last call is that of the whole model
        state = made.get_layer("step_state")._inbound_nodes[-1].outputs[0]
        states.append(keras.Model(made.input, state)(x).numpy())
    np.testing.assert_allclose(*states, rtol=1e-5, atol=1e-6)
    assert np.abs(states[0]).max() > 1e-3


def test_the_state_reaches_the_decoder():
    model = build("lstm", decoder="state", known_units=4, normalization="none", linear_path=False)
    kernel, bias = model.get_layer("head").get_weights()
    x, before = windows(), None
    for number in range(4):  # what stands behind the two targets of the first step
        before = model(x).numpy()
        bias[2 + number] += 5
        model.get_layer("head").set_weights([kernel, bias])
        moved = np.abs(model(x).numpy() - before).max(axis=(0, 2))
        assert moved[0] > 1e-3 and not moved[1:].any()


@pytest.mark.parametrize("levels", [(), (0.1, 0.5, 0.9)])
def test_a_function_of_the_users_may_be_repaired_and_is_finished_once(levels):
    sizes = fit.replace(SIZES, levels=levels)
    asked = repairs.Repairs(normalization="seasonal", decoder="state", known_units=3)

    def mine(sizes):
        window = keras.Input((sizes.timesteps, sizes.features))
        x = keras.layers.Dense(sizes.horizon * sizes.targets)(keras.layers.Flatten()(window))
        return keras.Model(window, keras.layers.Reshape((sizes.horizon, sizes.targets))(x))

    def repaired(sizes):
        return repairs.repair(mine(repairs.inner(sizes, asked)), sizes, asked)

    model = fit.seeded(repaired, sizes, 3)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Rising") == bool(levels) and kinds.count("SeasonBefore") == 2
    middle = model(windows()).numpy().reshape(3, 7, 2, -1)
    if levels:
        plain = fit.seeded(repaired, SIZES, 3)
        np.testing.assert_allclose(middle[..., 1], plain(windows()), rtol=1e-5, atol=1e-6)
        assert (np.diff(middle) > 0).all()
