"""Commands and estimators in the environment of somebody else: Keras, home, terminal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import TINY, environment, load_frame

TRAIN = [*TINY, "model=linear", "training.epochs=1", "evaluation.baselines=[persistence]"]
TRAIN += ["gates.memory=0", "evaluation.regressors={}", "training.recipe=null"]
MAIN = "import sys; from forecast.cli.main import main; sys.exit(main())"

FIT = """
import numpy as np
import forecast
X = np.arange(120.0)[:, None]
own = forecast.Forecaster(
    forecast.Model("linear"), forecast.Window(8, 2), forecast.Training(epochs=1)
)
try:
    print("fitted", own.fit(X, X).predict(X[-8:]).dtype)
except ValueError as error:
    print(type(error).__name__, error)
"""


def python(folder: Path, code: str, *given: str, **variables: str | None):
    """Run Python in a folder; a variable of None is taken away."""
    known = environment() | {"PYTHONPATH": str(Path(__file__).parents[1])}
    changed = {k: v for k, v in (known | variables).items() if v is not None}
    command = [sys.executable, "-W", "ignore", "-c", code, *given]
    return subprocess.run(
        command, cwd=folder, env=changed, capture_output=True, text=True, timeout=300
    )


@pytest.mark.processes
@pytest.mark.parametrize("told", ["environment", "file"])
def test_a_command_trains_whatever_keras_is_told(told, tmp_path: Path):
    load_frame(120).to_csv(tmp_path / "load.csv", index=False)
    file = tmp_path / "keras" / "keras.json"
    file.parent.mkdir()
    other = {"floatx": "float64", "backend": "jax", "epsilon": 1e-7}
    file.write_text(json.dumps({**other, "image_data_format": "channels_last"}))
    variables = {"KERAS_BACKEND": "torch"} if told == "environment" else {}
    before = file.read_text()
    variables |= {"KERAS_HOME": str(file.parent)} if told == "file" else {}
    done = python(tmp_path, MAIN, "train", *TRAIN, **variables)
    assert done.returncode == 0, done.stderr[-2000:]
    assert file.read_text() == before


@pytest.mark.processes
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "fitted float"),
        (
            "import keras; keras.config.set_floatx('float64'); keras.layers.Dense(1)\n",
            "InputError Keras must compute in float32, got float64: call",
        ),
        (
            "import sys, types; import keras; keras.config.backend = lambda: 'jax'\n",
            "InputError Keras must compute with TensorFlow, got backend 'jax': set",
        ),
    ],
)
def test_an_estimator_works_or_says_what_to_set(code, said, tmp_path: Path):
    other = None if code else "torch"  # which is not installed, and not yet imported
    done = python(tmp_path, code + FIT, KERAS_BACKEND=other)
    assert done.stdout.startswith(said), done.stdout + done.stderr[-2000:]
    if "float64" in code:
        calls = 'keras.config.set_floatx("float32") and keras.config.set_dtype_policy("float32")'
        assert calls in done.stdout
        again = python(tmp_path, code + "; ".join(calls.split(" and ")) + FIT)
        assert again.stdout.startswith("fitted"), again.stdout + again.stderr[-2000:]


@pytest.mark.processes
def test_a_user_without_a_home_trains_and_leaves_no_folder_of_that_name(tmp_path: Path):
    load_frame(120).to_csv(tmp_path / "load.csv", index=False)
    # as the system answers for a user that it does not know
    nobody = "import pwd; pwd.getpwuid = {}.__getitem__;"
    done = python(tmp_path, nobody + MAIN, "train", *TRAIN, HOME=None, XDG_CACHE_HOME=None)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "~").exists()
