"""Write a store with the code of some commit: what README.md says is kept of it, packed.

python write.py CODE FOLDER WHAT: CODE is the root of a checkout of that commit, FOLDER is made;
WHAT is "all", or "stopped" for a training and a sweep that are, and what they come to undisturbed.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROWS = 150
DATA = [
    "data=file",
    "data.path=load.csv",
    "data.time=time",
    "data.series=[site]",
    "data.targets=[load]",
    "data.features=[load,temp]",
    "data.calendar=[hour]",
    "window.timesteps=8",
    "window.horizon=4",
    "training.batch_size=32",
    "training.epochs=2",
    "gates.pictures=1",
    "gates.memory=64",
]
LSTM = ["model=lstm", "model.units=[4]", "model.dropout=0.2", "model.recurrent_dropout=0.0"]
CNN = ["model=causal_cnn", "model.filters=4", "training.quantiles=[0.1,0.5,0.9]"]
SWEEP = [
    "sweep",
    *DATA,
    *LSTM,
    "sweep.grid={training.learning_rate:[1e-3,2e-3,3e-3]}",
    "sweep.folds=2",
    "sweep.workers=1",
]
LONGER = ["train", *DATA, *LSTM, "training.epochs=4"]
MODELS = {
    "causal_cnn": {"filters": 4, "gated": True, "per_feature": 2},
    "conv_heads_lstm": {"filters": 2, "units": 4, "grid": (2, 2)},
    "dlinear": {"kernel_size": 3},
    "gru": {"units": [4], "series_embedding": 2, "normalization": "instance"},
    "hierarchical_lstm": {"period": 4, "inner": 3, "outer": 3},
    "linear": {"channels": "shared"},
    "lstm": {"units": [4, 3], "head": "time_distributed", "patch": 2},
    "mlp": {"hidden": [6]},
    "nlinear": {},
    "patch_gru": {"patch": 4, "embedding": 4, "units": 4, "decoding": "queries"},
    "patch_lstm": {"patch": 4, "embedding": 4, "units": 4},
    "simple_rnn": {"units": [4], "bidirectional": True},
}
"""Each architecture with settings that bring in the layers of ours."""

STOP = """
import json, os, signal, sys
from forecast.__main__ import main
from forecast.tracking.journalled import Journalled
method, after = sys.argv[1:3]
write = getattr(Journalled, method)
def stopping(self, told):
    write(self, told)
    reached = told if method == "done" else str(len(json.loads(str(told["history"]))["loss"]))
    if reached == after:
        os.kill(os.getpid(), signal.SIGKILL)
setattr(Journalled, method, stopping)
main(sys.argv[3:])
"""
"""A command that is killed behind an epoch ("checkpoint 2") or a stage ("done model")."""

BUNDLES = """
import json, sys
from pathlib import Path
import pandas as pd
from forecast import Forecaster, Model, Schema, Training, Window, build
from forecast.serving import bundle
frame = pd.read_csv("load.csv")
frame["load"] = frame.load.where(frame.time <= "2024-03-05")
for name, settings in json.loads(sys.argv[1]).items():
    folder = Path("bundles") / name
    schema = Schema(
        "time", ("load",), ("load", "temp"), ("site",), calendar=("hour",),
        known_future=("temp", "hour") if name in ("causal_cnn", "gru", "patch_gru") else (),
        missing="mask" if name == "simple_rnn" else "hold",
    )
    training = Training(epochs=1, tail=0, quantiles=(0.1, 0.5, 0.9) if name == "mlp" else ())
    forecaster = Forecaster(Model(name, **settings), Window(8, 4), training)
    bundle.save(folder, forecaster.fit(build(frame, schema)), schema, {})
    rows = frame if schema.known_future else frame.dropna()
    bundle.load(folder).predict(rows).to_csv(folder / "forecast.csv", index=False)
"""
"""A bundle of each architecture, and its forecasts: `rows` says of what."""

UNREAD = (".png", ".html", ".svg", ".log")
"""Files that nothing reads again."""


def data(folder: Path) -> None:
    """Write two sites with a daily wave, from no generator: the file is the same everywhere."""
    lines = ["site,time,load,temp"]
    for number, site in enumerate(("north", "south")):
        for hour in range(ROWS):
            rough = (hour * 7919 + number * 104729) % 101 / 101 - 0.5
            wave = abs((hour + 5 * number) % 24 - 12) / 6 - 1
            stamp = f"2024-03-{1 + hour // 24:02d} {hour % 24:02d}:00:00"
            lines.append(f"{site},{stamp},{50 + 10 * wave + 4 * rough:.3f},{12 - 5 * wave:.3f}")
    (folder / "load.csv").write_text("\n".join(lines) + "\n")


class Place:
    """A folder in which commands of some checkout are run."""

    def __init__(self, code: Path, folder: Path):
        self.folder = folder
        own = ("MLFLOW_", "PYTHONPATH")
        given = {key: text for key, text in os.environ.items() if not key.startswith(own)}
        self.environment = given | {"PYTHONPATH": str(code)}
        folder.mkdir(parents=True)
        data(folder)

    def python(self, *words: str, may: int = 0) -> str:
        """Run Python and return what it prints."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert done.returncode == may, (words, done.returncode, done.stdout)
        return done.stdout

    def run(self, *words: str) -> str:
        """Run a command of ours."""
        return self.python("-m", "forecast", *words)

    def train(self, *words: str) -> str:
        """Train and return the id of the run."""
        said = self.run("train", *DATA, *words)
        return next(line.split()[1] for line in said.splitlines() if line.startswith("run "))

    def trials(self) -> list[tuple[str, float]]:
        """Read key and score of all finished trials, sorted."""
        with sqlite3.connect(self.folder / "mlflow.db") as base:
            found = base.execute(
                "select t.value, m.value from runs r join tags t on t.run_uuid = r.run_uuid "
                "join latest_metrics m on m.run_uuid = r.run_uuid where r.status = 'FINISHED' "
                "and t.key = 'forecast.trial_key' and m.key = 'cv/mae' order by 1"
            )
            return [(str(key), float(score)) for key, score in found]

    def stop_sweep(self, after: int) -> None:
        """Begin a sweep and kill it once some trials are finished."""
        driver = subprocess.Popen(
            [sys.executable, "-m", "forecast", *SWEEP],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        while driver.poll() is None:
            time.sleep(0.05)
            try:
                if len(self.trials()) >= after:
                    break
            except sqlite3.OperationalError:  # no table yet
                pass
        assert driver.poll() is None, "the sweep ended before it was killed"
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()


def write(code: Path, folder: Path, what: str) -> None:
    """Fill a store by commands."""
    place = Place(code, folder)
    known: dict[str, object] = {"root": str(folder)}
    if what == "all":
        known["lstm"] = place.train(*LSTM, "register=tiny")
        place.run("promote", "registered=tiny")
        known["cnn"] = place.train(*CNN, "register=tiny")
        for name in ("lstm", "cnn"):
            place.run("predict", f"run={known[name]}", f"output=forecast_{name}.csv")
        place.python("-c", BUNDLES, json.dumps(MODELS))
    place.python("-c", STOP, "checkpoint", "2", *LONGER, may=-signal.SIGKILL)
    place.stop_sweep(3)
    known["finished"] = place.trials()
    if what == "stopped":
        place.python("-c", STOP, "done", "model", *LONGER, may=-signal.SIGKILL)
        known |= undisturbed(code, folder)
    (folder / "known.json").write_text(json.dumps(known, indent=1) + "\n")


def undisturbed(code: Path, folder: Path) -> dict[str, object]:
    """Train and sweep beside a folder what was stopped in it, and keep what it came to."""
    place = Place(code, folder.with_name(f"{folder.name}_undisturbed"))
    run_id = place.train(*LONGER[1 + len(DATA) :])
    [bundle] = place.folder.glob(f"mlartifacts/{run_id}/artifacts/model/artifacts/bundle")
    shutil.copytree(bundle, folder / "undisturbed")
    place.run(*SWEEP)
    with sqlite3.connect(place.folder / "mlflow.db") as base:
        query = "select key, value from latest_metrics where run_uuid = ? order by key"
        metrics = {key: value for key, value in base.execute(query, [run_id])}
    return {"metrics": metrics, "trials": place.trials()}


def pack(folder: Path) -> Path:
    """Pack what is read again."""
    file = folder.with_suffix(".tar.xz")
    with tarfile.open(file, "w:xz", preset=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in UNREAD:
                archive.add(path, path.relative_to(folder))
    return file


if __name__ == "__main__":
    root, target = (Path(os.path.abspath(given)) for given in sys.argv[1:3])
    write(root, target, sys.argv[3])
    print(pack(target))
