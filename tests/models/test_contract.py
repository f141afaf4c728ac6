"""What every architecture of the catalogue must hold; a new one is tested by existing."""

import functools
import inspect
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import keras
import numpy as np
import pytest
import yaml

from forecast import models
from forecast.errors import InputError
from forecast.models import Sizes
from forecast.models.settings import Repairs

CONF = Path(__file__).parents[2] / "conf" / "model"
ALL = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(CONF.glob("*.yaml"))}
SIZES = (
    Sizes(timesteps=24, features=3, horizon=4, targets=2),
    Sizes(timesteps=13, features=1, horizon=1),
    Sizes(timesteps=17, features=2, horizon=2, targets=1, target_positions=(-1,)),
)

# two targets, one column known ahead in two copies, two that say what is missing, the series
KNOWN = Sizes(10, 3 + 2 + 2 + 1, 12, 2, indicators=2, ahead=2, series=4)

each_model = pytest.mark.parametrize("name", models.NAMES)
REPAIRS = [
    {"normalization": "none", "linear_path": False, "channels": "joint", "patch": 1},
    {"normalization": "last", "linear_path": True, "channels": "joint", "patch": 3},
    {"normalization": "instance", "linear_path": True, "channels": "shared", "patch": 4},
    {"normalization": "seasonal", "linear_path": True, "channels": "shared", "decoder": "state"},
]


def repaired(*asked):
    """Test with some of the repairs; the first and the last are the quick ones."""
    between = [pytest.param(repairs, marks=pytest.mark.slow) for repairs in asked[1:-1]]
    every = [asked[0], *between, asked[-1]]
    return pytest.mark.parametrize("repairs", every, ids=lambda r: "-".join(map(str, r.values())))


def settings(name):
    """What the YAML says, but for what it takes from another group."""
    return {
        key: value
        for key, value in ALL[name].items()
        if key != "name" and not str(value).startswith("${")
    }


def build(name, sizes=SIZES[0], **repairs):
    """A new model."""
    keras.utils.set_random_seed(5)
    return models.build_model(name, sizes, settings(name) | repairs)


built = functools.cache(build)  # for those who only look


def jolted(name, sizes=SIZES[0], **repairs):
    """A new model with no weight at its first value."""
    model = build(name, sizes, **repairs)
    model.set_weights([w + 0.01 * (i + 1) for i, w in enumerate(model.get_weights())])
    return model


def window(sizes, samples=6, seed=0):
    shape = (samples, sizes.timesteps, sizes.features)
    found = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    if sizes.series:
        found[:, :, -1] = np.arange(samples)[:, None] % sizes.series
    return found


def test_every_model_has_a_yaml_and_every_yaml_a_model():
    assert sorted(ALL) == sorted(models.NAMES)
    assert all(ALL[name]["name"] == name for name in ALL)


@each_model
def test_yaml_names_every_setting_with_the_value_of_its_dataclass(name):
    said = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings(name).items()
    }
    own = models.defaults(name)
    assert list(ALL[name]) == ["name", *own]
    assert said == {key: value for key, value in own.items() if key in said}


def test_every_model_has_a_row_in_the_list_of_models():
    page = (CONF.parents[1] / "docs" / "models.md").read_text("utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(row for row in rows if not row.startswith("model.")) == sorted(models.NAMES)


@each_model
def test_sizes_come_first_then_one_dataclass_of_settings_with_the_repairs(name):
    sizes, chosen = inspect.signature(models.function(name)).parameters.values()
    kind = get_type_hints(models.function(name))["settings"]
    assert (sizes.name, chosen.name) == ("sizes", "settings")
    assert issubclass(kind, Repairs) and chosen.default == kind()
    assert kind.__doc__.count("Attributes:") == (len(fields(kind)) > len(fields(Repairs)))


@each_model
@repaired(*REPAIRS)
def test_shapes_and_names(name, repairs):
    for sizes in SIZES:
        model = built(name, sizes, **repairs)
        assert model.input_shape == (None, sizes.timesteps, sizes.features)
        assert model.output_shape == (None, sizes.horizon, sizes.targets)
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)
        assert names[0] == "window" and model.name == name


@each_model
@repaired(REPAIRS[2])
def test_no_name_comes_from_a_counter_of_the_process(name, repairs):
    one, two = built(name, SIZES[0], **repairs), build(name, **repairs)
    assert [layer.name for layer in one.layers] == [layer.name for layer in two.layers]
    assert [weight.path for weight in one.weights] == [weight.path for weight in two.weights]


@each_model
def test_another_length_is_refused(name):
    model = built(name)
    with pytest.raises(ValueError, match="shape"):
        model(np.zeros((2, SIZES[0].timesteps + 1, SIZES[0].features), np.float32))


@each_model
@repaired(*REPAIRS[1:])
def test_saved_and_loaded_in_safe_mode_it_predicts_the_same(name, repairs, tmp_path):
    model = jolted(name, **repairs)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    x = window(SIZES[0])
    np.testing.assert_array_equal(model(x), again(x))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


@each_model
def test_a_gradient_reaches_every_weight(name):
    import tensorflow as tf

    sizes = Sizes(timesteps=50, features=3, horizon=4, targets=2)  # three days, three patches
    model = built(name, sizes)
    x = window(sizes, samples=32)
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.square(model(x, training=True) - 1.0))
    gradients = tape.gradient(error, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None and np.abs(gradient.numpy()).max() > 0, variable.path


@pytest.mark.slow
@each_model
@repaired(*REPAIRS)
def test_a_known_future_and_the_series_are_read_whatever_the_repairs(name, repairs, tmp_path):
    model = jolted(name, KNOWN, **repairs, series_embedding=3)
    x = window(KNOWN)
    before = model(x).numpy()
    assert model.input_shape == (None, 10, 8) and before.shape == (6, 12, 2)
    names = [layer.name for layer in model.layers]
    assert {"known_ahead", "known_out", "series_embedding"} <= set(names) and names[0] == "window"
    assert model.get_layer("series_embedding").embeddings.shape == (4, 3)
    for column in (3, 4, 7):  # both copies of what is known, and the number of the series
        changed = x.copy()
        changed[:, :, column] = (changed[:, :, column] + 1) % 4
        assert np.abs(model(changed).numpy() - before).max() > 1e-6, column
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(x), before)


@pytest.mark.slow
@each_model
@repaired(*REPAIRS[1:])
def test_a_gradient_reaches_what_reads_the_known_future_and_the_series(name, repairs):
    import tensorflow as tf

    model = jolted(name, KNOWN, **repairs, series_embedding=3)
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.square(model(window(KNOWN, 32), training=True) - 1.0))
    added = [v for v in model.trainable_variables if v.path.startswith(("known_", "series_"))]
    assert len(added) == 5  # two dense layers and the embedding
    for variable, gradient in zip(added, tape.gradient(error, added), strict=True):
        assert np.abs(tf.convert_to_tensor(gradient).numpy()).max() > 0, variable.path


@each_model
def test_forecasts_of_one_window_do_not_depend_on_the_others(name):
    model, x = built(name), window(SIZES[0])
    assert model(x).shape == (6, SIZES[0].horizon, SIZES[0].targets)
    np.testing.assert_allclose(model(x)[2:3], model(x[2:3]), rtol=1e-5, atol=1e-6)


@each_model
def test_an_unknown_setting_is_refused_with_the_nearest_name(name):
    setting = max(models.defaults(name))
    with pytest.raises(InputError, match=f'model.{setting}x .* "{setting}"'):
        models.build_model(name, SIZES[0], {f"{setting}x": 1})


def test_a_value_that_no_layer_takes_is_an_input_error():
    with pytest.raises(InputError, match="model lstm must have settings that fit"):
        models.build_model("lstm", SIZES[0], {"activation": "rulu"})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("units", ["x"]),
        ("units", 32),
        ("units", [0]),
        ("units", [True]),
        ("units", [2.5]),
        ("dropout", "0.1"),
        ("dropout", -0.1),
        ("activation", 3),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(setting, value):
    with pytest.raises(InputError, match=rf"^model\.{setting} must be .*, got"):
        models.build_model("lstm", SIZES[0], {setting: value})


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="got 'lstn': did you mean \"lstm\""):
        models.build_model("lstn", SIZES[0], {})


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(
        InputError,
        match="model.normalization must be one of last, instance, seasonal, none, got 'first'",
    ):
        models.build_model("lstm", SIZES[0], {"normalization": "first"})


def test_defaults_are_those_of_the_signature():
    assert models.defaults("lstm")["units"] == (32,)
    assert models.defaults("causal_cnn")["kernel_size"] == 3
