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
    coded = changed.get("PYTHONIOENCODING", "utf-8")
    return subprocess.run(
        command, cwd=folder, env=changed, capture_output=True, encoding=coded, timeout=300
    )


@pytest.mark.processes
def test_a_command_trains_whatever_keras_is_told(tmp_path: Path):
    load_frame(120).to_csv(tmp_path / "load.csv", index=False)
    file = tmp_path / "keras" / "keras.json"
    file.parent.mkdir()
    other = {"floatx": "float64", "backend": "jax", "epsilon": 1e-7}
    file.write_text(json.dumps({**other, "image_data_format": "channels_last"}))
    before = file.read_text()
    variables = {"KERAS_BACKEND": "torch", "KERAS_HOME": str(file.parent)}
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


@pytest.mark.processes
def test_every_command_prints_in_any_encoding(tmp_path: Path):
    frame = load_frame(120).rename(columns={"load": "湿度 °"})
    frame.site = frame.site.replace("north", "nörth→")
    frame.to_csv(tmp_path / "load.csv", index=False)
    named = [text.replace("[load", "[湿度 °") for text in TRAIN]
    code = "import sys, forecast.cli.main as m; sys.exit(max(m.main() for sys.argv in {}))"
    lines = [["f", "train", *named], ["f", "explain", *named], ["f", "check", *named]]
    lines += [["f", "nothing"], ["f", "runs"], ["f", "--help"], ["f", "train", "--help"]]
    lines += [["f", "train", "data.targets=[…]"], ["f", "predict", "run=last"]]
    given = {"PYTHONIOENCODING": "ascii", "COLUMNS": "100"}
    done = python(tmp_path, code.format(lines), **given)
    said = done.stdout + done.stderr
    assert "Traceback" not in said and "Error" not in said, said[-3000:]
    assert "->" in said and "?? ?" in said
    piped = [["f", "predict", "run=last", "output=-"]]
    raw = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code.format(piped)],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parents[1])} | given,
        capture_output=True,
        timeout=300,
    )
    assert "nörth→" in raw.stdout.decode("utf-8"), raw.stderr


def test_plain_signs_are_ascii_and_nothing_else_changes():
    from forecast.cli import signs

    every = [chr(code) for code in range(128, 0x30000) if not 0xD800 <= code < 0xE000]
    assert all(signs.plain(sign).isascii() and signs.plain(sign) for sign in every)
    signs.install()
    assert "a → b ≤ c · d…".encode("ascii", signs.NAME) == b"a -> b <= c | d..."
    assert "£ → é".encode("cp1252", signs.NAME) == "£ -> é".encode("cp1252")
    assert "湿度 →".encode("utf-8", signs.NAME) == "湿度 →".encode()
