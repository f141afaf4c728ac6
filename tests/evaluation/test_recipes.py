"""Recipes: what they change, and what validation chooses."""

import numpy as np
import pytest

from forecast import models
from forecast.data import blocks
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import experiment, recipes
from forecast.evaluation.outcome import Spec, validation_error
from forecast.metrics.headline import HEADLINES
from forecast.training.parameters import Model, Training


def hourly(days: int, *, walk: bool = False) -> Table:
    """A day's shape that depends on the weekday, and noise; or a random walk."""
    rng = np.random.default_rng(0)
    tick = np.arange(24 * days)
    noise, shape = rng.normal(size=len(tick)), rng.normal(size=(7, 24))
    values = np.cumsum(noise) if walk else shape[tick // 24 % 7, tick % 24] + 0.1 * noise
    values = values[:, None]
    time = np.datetime64("2024-01-01", "ns") + tick * np.timedelta64(1, "h")
    zero = np.zeros(len(tick), int)
    return Table(values, values, ("y",), ("y",), zero, tick, time, ("s",), frequency="h")


def spec(name: str, **changes) -> Spec:
    settings = {"window": Window(24, 6), "training": Training(epochs=4)}
    return Spec(**{"model": Model(name)} | settings | changes)


@pytest.mark.parametrize("name", [n for n in models.NAMES if n != "conv_heads_lstm"])
def test_every_architecture_has_a_recipe_that_can_be_trained(name):
    table = hourly(120)
    changes = recipes.structure(spec(name), table)
    prepared = experiment.prepare(recipes.applied(spec(name), changes), table)
    assert prepared.network.count_params() > 0
    assert changes["window.timesteps"] == 168  # a week
    dropouts = {key: own for key, own in changes.items() if "dropout" in key}
    assert not any(dropouts.values())
    assert bool(dropouts) == any("dropout" in key for key in Model(name).get_params())


@pytest.mark.parametrize(
    ("days", "timesteps", "expected"), [(120, 24, 168), (55, 24, 24), (120, 500, 500)]
)
def test_a_look_back_is_a_week_where_there_are_rows_for_it(days, timesteps, expected):
    asked = spec("mlp", window=Window(timesteps, 6))
    table = hourly(days)
    assert recipes.structure(asked, table)["window.timesteps"] == expected
    whole = blocks.Blocks.of(table)
    assert recipes.structure(asked, whole)["window.timesteps"] == expected


def by_hand(asked: Spec, table: Table) -> float:
    """Error of the kept epoch on the validation span."""
    return validation_error(
        experiment.fit(experiment.prepare(asked, table)), HEADLINES["regression"]
    )


@pytest.mark.slow
@pytest.mark.parametrize(("walk", "expected"), [(False, recipes.STRUCTURE), (True, recipes.NOISE)])
def test_validation_chooses(walk, expected):
    table, asked = hourly(150, walk=walk), spec("mlp")
    found = recipes.choose(asked, table)
    assert found.name == expected
    assert found.changes == (recipes.structure(asked, table) if expected != recipes.NOISE else {})
    thinned = {"window.stride": recipes.THINNED}
    wide = recipes.structure(asked, table) | thinned
    assert found.errors == {
        recipes.NOISE: by_hand(recipes.applied(asked, thinned), table),
        recipes.STRUCTURE: by_hand(recipes.applied(asked, wide), table),
    }
    assert f"{expected} (MAE on the validation span: noise " in str(found)


def test_what_somebody_has_set_stays():
    table, asked, heard = hourly(120), spec("mlp"), []
    kept = ("training.epochs", "window.timesteps", "model.hidden")

    def hear(name, epochs):
        heard.append((name, epochs))
        return ()

    found = recipes.choose(asked, table, kept=kept, hear=hear)
    assert heard == [("noise", 4), ("structure", 4)]
    assert not {*kept} & found.changes.keys()


def test_an_unknown_setting_is_refused():
    with pytest.raises(InputError, match="hiden"):
        recipes.applied(spec("mlp"), {"model.hiden": [3]})
