"""`forecast train` chooses its recipe where nobody has set anything."""

from pathlib import Path

import mlflow
import pytest

from forecast.cli import recipe
from forecast.cli.config import errors

from ..conftest import Place, load_frame, word

ROWS = [
    "data=file",
    "data.path=load.csv",
    "data.time=time",
    "data.series=[site]",
    "data.targets=[load]",
    "window.horizon=3",
    "model=mlp",
    "gates.memory=0",
]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder of its own: other tests count the runs of the shared one."""
    load_frame().to_csv(tmp_path / "load.csv", index=False)
    return Place(tmp_path, [], [])


def run_of(place: Place, run: str):
    return mlflow.MlflowClient(f"sqlite:///{place.folder}/mlflow.db").get_run(run).data


@pytest.mark.slow
def test_a_first_training_says_what_it_tried_and_records_what_it_took(place: Place):
    assert place.run("train", *ROWS) == 0, place.errors
    printed = place.printed[-1]
    [line] = [text for text in printed.splitlines() if text.startswith("recipe ")]
    found = run_of(place, word(printed, "run"))
    name = line.split()[1]
    assert name in ("noise", "structure") and "noise " in line.partition("(")[2]
    assert found.tags[recipe.TAG].startswith(f"{name} (MAE on the validation span: noise ")
    wide = found.params["model.hidden"] == "[256, 256]"
    assert wide == (name == "structure")
    # what was chosen is written out: nothing is left to choose when the run is reproduced
    assert found.params["training.recipe"] == "None"
    assert "recipe" not in found.tags["forecast.command"]
    assert place.run("reproduce", f"run={word(printed, 'run')}") == 0, place.errors
    assert "recipe " not in place.printed[-1]


@pytest.mark.parametrize(
    ("typed", "free"),
    [
        ([], True),
        (["model=gru", "training.seed=3", "window.horizon=12", "data=file"], True),
        (["training.quantiles=[0.5]", "training.loss=MeanSquaredError"], True),
        (["training.epochs=3"], False),
        (["model.units=[8]"], False),
        (["training=literature"], False),
        (["experiment=lstm_120_100_50"], False),
        (["training.epochs=3", "training.recipe=auto"], True),
    ],
)
def test_what_is_set_by_hand_is_not_chosen(typed, free):
    assert recipe.is_free(errors.typed(typed)) == free


def test_the_recipe_for_structure_may_be_asked_for(place: Place):
    typed = ["training.recipe=structure", "training.epochs=2", "window.timesteps=12"]
    assert place.run("train", *ROWS, *typed) == 0, place.errors
    found = run_of(place, word(place.printed[-1], "run")).params
    assert found["model.hidden"] == "[256, 256]" and found["model.dropout"] == "0.0"
    assert found["training.epochs"] == "2" and found["window.timesteps"] == "12"
    assert found["training.schedule"] == "CosineDecay" and found["training.patience"] == "None"


def test_an_unknown_recipe_is_refused(place: Place):
    assert place.run("train", *ROWS, "training.recipe=structur") == 2
    assert 'did you mean "structure"?' in place.errors[-1]
