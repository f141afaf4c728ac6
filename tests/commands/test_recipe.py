"""Recipes: chosen by `forecast train` and `backtest` where nobody has set anything; of sweeps."""

import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from forecast.cli import recipe
from forecast.cli.commands import sweep
from forecast.cli.config import errors
from forecast.cli.config.compose import compose
from forecast.errors import InputError
from forecast.search import candidates, keys, space
from forecast.search.candidates import Builder, Candidate
from forecast.workflows import load

from ..conftest import Place, load_frame, word

pytestmark = pytest.mark.slow

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
        (["training.step_weights=inverse_sqrt"], True),
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


BY_HAND = {
    "window.timesteps": 168,
    "training.optimizer": "Adam",
    "training.weight_decay": None,
    "training.schedule": "CosineDecay",
    "training.patience": None,
    "training.epochs": 20,
    "model.dropout": 0.0,
}
"""What the docs say of the recipe for structure, of hours and any network."""

OF_LSTM = {
    "model.units": [128],
    "model.recurrent_dropout": 0.0,
    "model.linear_path": False,
    "model.patch": 24,
    "training.learning_rate": 2e-3,
}


@pytest.fixture
def weeks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with hours enough for a look-back of a week."""
    load_frame(1400).to_csv(tmp_path / "load.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def candidates_of(*typed: str, grid: dict) -> list[Candidate]:
    """What a sweep tries, before it tries it."""
    request = compose([*ROWS, *typed])
    data = load.load(request.settings)
    builder = Builder(sweep._compose(request, data))
    return builder.all(space.points(space.read(grid)))


def key(candidate: Candidate) -> str:
    stamps = np.datetime64("2024-03-01", "ns") + np.arange(40) * np.timedelta64(1, "h")
    scored = np.zeros((2, 5), np.int64)
    spec = candidate.spec
    return keys.trial_key(spec, data="d t", train=stamps, scored=scored, seed=1, epochs=2)


@pytest.mark.parametrize(
    ("model", "own"), [("mlp", {"model.hidden": [256, 256]}), ("lstm", OF_LSTM)]
)
def test_a_point_of_a_recipe_is_what_would_be_written_by_hand(weeks, model, own):
    recipes = {"model": [model], "training.recipe": [None, "structure"]}
    plain, found = candidates_of(grid=recipes)
    written = {name: [value] for name, value in ({"model": model} | BY_HAND | own).items()}
    [hand] = candidates_of(grid=written)
    [bare] = candidates_of(grid={"model": [model]})
    assert key(found) == key(hand) and key(plain) == key(bare) != key(found)
    assert found.name == f"{model} recipe=structure" and plain.name == f"{model} recipe=null"
    assert (found.short, plain.short) == (f"{model}, recipe structure", f"{model}, recipe null")
    differing = {name for name in found.params if found.params[name] != hand.params[name]}
    assert differing == set() and found.params["window.timesteps"] == 168
    assert found.params["training.recipe"] is None  # nothing is left to apply


def test_each_model_of_a_grid_has_its_own_changes(weeks):
    both = {"model": ["mlp", "causal_cnn"]}
    mlp, cnn = candidates_of("training.recipe=structure", grid=both)  # typed beside the grid
    assert mlp.params["model.hidden"] == [256, 256] and "model.hidden" not in cnn.params
    assert cnn.params["model.filters"] == 64 and cnn.params["model.patch"] == 24
    again = candidates_of(grid=both | {"training.recipe": ["structure"]})
    assert [key(one) for one in again] == [key(mlp), key(cnn)]


def test_what_is_typed_or_stands_in_the_point_stays(weeks):
    grid = {"training.recipe": ["structure"], "model.hidden": [[8], [16]]}
    for number, found in enumerate(candidates_of("training.epochs=3", grid=grid), start=1):
        assert found.params["model.hidden"] == [8 * number]
        assert found.params["training.epochs"] == 3
        assert found.params["training.schedule"] == "CosineDecay"
        assert found.spec.training.epochs == 3 and found.spec.window.timesteps == 168


@pytest.mark.parametrize("typed", [(), ("training.recipe=auto",), ("training.recipe=null",)])
def test_a_sweep_chooses_no_recipe_itself(weeks, typed):
    [found] = candidates_of(*typed, grid={"model.hidden": [[8]]})
    assert found.spec.training.schedule == "ExponentialDecay"
    assert found.params["training.recipe"] is None and found.params["window.timesteps"] == 72


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("auto", r"null or structure in a grid.*, got 'auto': write \[null, structure\]"),
        ("structur", "auto, structure or null, got 'structur': did you mean \"structure\""),
    ],
)
def test_a_grid_of_no_such_recipe_is_refused(weeks, value, sentence):
    begin = f"^sweep.grid point training.recipe={value}: "
    with pytest.raises(InputError, match=f"{begin}.*{sentence}"):
        candidates_of(grid={"training.recipe": [value]})


def test_the_recipe_may_be_drawn(weeks):
    grids = space.read({"training.recipe": [None, "structure"], "model.hidden": [[8]]})
    corners = space.corners(grids)
    assert {point["training.recipe"] for point in corners} == {None, "structure"}
    assert candidates.overrides(corners[0])[-1].startswith("training.recipe=")


@pytest.mark.processes
def test_a_sweep_trains_the_recipe_it_has_compared(place: Place):
    rows = ["window.timesteps=8", "training.epochs=1", "sweep.folds=2", "sweep.workers=1"]
    grid = "sweep.grid={training.recipe:[null,structure],model.hidden:[[4]]}"
    assert place.run("sweep", *ROWS, *rows, grid) == 0, place.errors[-1]
    printed = place.printed[-1]
    assert "recipe=structure" in printed and "recipe=null" in printed
    parent = re.search(r"^sweep +(\w{32})$", printed, re.M)[1]
    best = run_of(place, parent).tags["forecast.best_candidate"]
    found = run_of(place, word(printed[printed.rindex("\nrun ") :], "run"))
    assert found.params["model.hidden"] == "[4]" and found.params["training.recipe"] == "None"
    wide = found.params["training.schedule"] == "CosineDecay"
    assert wide == ("recipe=structure" in best)
    assert found.params["training.epochs"] == "1" and found.params["window.timesteps"] == "8"


BACKTEST = [*ROWS, "backtest.folds=2", "window.timesteps=24", "model=linear"]


def test_a_backtest_chooses_once_and_as_a_training_does(place: Place):
    assert place.run("train", *ROWS, "window.timesteps=24", "model=linear") == 0
    [trained] = [text for text in place.printed[-1].splitlines() if text.startswith("recipe ")]
    assert place.run("backtest", *BACKTEST) == 0, place.errors[-1]
    printed = place.printed[-1]
    assert [text for text in printed.splitlines() if text.startswith("recipe ")] == [trained]
    found = run_of(place, word(printed, "run"))
    name = trained.split()[1]
    assert found.tags[recipe.TAG].startswith(f"{name} (MAE on the validation span: noise ")
    assert found.params["training.recipe"] == "None"
    assert (found.params["training.epochs"] == "30") == (name == "structure")


def test_no_row_of_a_fold_is_seen_by_the_choice(place: Place):
    said = []
    for number in range(2):
        assert place.run("backtest", *BACKTEST, f"tracking.experiment=seen{number}") == 0
        said.append(run_of(place, word(place.printed[-1], "run")))
        frame = pd.read_csv(place.folder / "load.csv")
        test = frame.groupby("site").cumcount() >= 176  # the last fifth of 220 rows
        frame.loc[test, ["load", "temp"]] = frame.loc[test, ["load", "temp"]] * -3 + 1000
        frame.to_csv(place.folder / "load.csv", index=False)
    first, second = said
    assert first.tags[recipe.TAG] == second.tags[recipe.TAG]
    assert first.metrics["test/mae"] != second.metrics["test/mae"]


def test_a_backtest_of_own_settings_stays_as_it_is_set(place: Place):
    quick = ["training.epochs=2"]
    assert place.run("backtest", *BACKTEST, *quick) == 0, place.errors[-1]
    found = run_of(place, word(place.printed[-1], "run"))
    assert recipe.TAG not in found.tags and "recipe " not in place.printed[-1]
    assert found.params["training.schedule"] == "ExponentialDecay"
    assert place.run("backtest", *BACKTEST, *quick, "training.recipe=structure") == 0
    found = run_of(place, word(place.printed[-1], "run"))
    assert found.tags[recipe.TAG] == "structure" and found.params["training.epochs"] == "2"
    assert found.params["training.decay"] == "0.9"  # as of models without a hidden layer
    assert found.params["training.optimizer"] == "Adam"


def test_a_longer_look_back_pads_where_missing_rows_are_masked(tmp_path: Path):
    """A reproduction reads the recorded look-back, and must find the same windows."""
    frame = load_frame(1400)
    kept = (frame.site == "north") | (frame.time >= frame.time.iloc[1250])
    frame[kept].to_csv(tmp_path / "load.csv", index=False)  # 150 rows, less than a week
    place = Place(tmp_path, [], [])
    typed = ["data.missing=mask", "training.recipe=structure", "training.epochs=1"]
    assert place.run("train", *ROWS, *typed, "model.hidden=[4]") == 0, place.errors[-1]
    run = word(place.printed[-1], "run")
    assert run_of(place, run).params["window.timesteps"] == "168"
    assert place.run("reproduce", f"run={run}") == 0, place.printed[-1] + place.errors[-1]
