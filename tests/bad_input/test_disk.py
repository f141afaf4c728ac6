"""Stores, folders and files that cannot be written or read, a full disk, a damaged bundle."""

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.errors import InputError
from forecast.serving import bundle, schema

from ..conftest import TINY, Place, load_frame
from ..forked import Forked
from .door import SMALL, listing, one_sentence
from .files import hours

DATABASE = b"SQLite format 3\0"
NOWHERE = "/proc/nowhere"
"""A folder that nobody may make, root neither."""

# a file that is in the way, its bytes, the override, what is told
WRITES = {
    "no address": (None, None, "tracking.uri=", r"tracking\.uri .*, got '' \(.*\): write"),
    "no host": (None, None, "tracking.uri=http://", r"tracking\.uri .*names no host.*: write"),
    "no port": (
        None,
        None,
        "tracking.uri=http://a:99999",
        r"tracking\.uri .*names no host.*: write",
    ),
    "no file": (None, None, "tracking.uri=sqlite:///", r"tracking\.uri .*names no .*file.*: write"),
    "in memory": (
        None,
        None,
        "tracking.uri=sqlite:///:memory:",
        r"tracking\.uri .*is not a file.*:",
    ),
    "unknown scheme": (
        None,
        None,
        "tracking.uri=ftp://a/b",
        r"tracking\.uri .*'ftp://a/b' .*: start",
    ),
    "a folder as store": (
        None,
        None,
        "tracking.uri=sqlite:///.",
        r"tracking\.uri .*is a folder.*:",
    ),
    "a table as store": (
        "mlflow.db",
        hours(),
        "tracking.uri=sqlite:///mlflow.db",
        r"tracking\.uri .*, got 'sqlite:///mlflow\.db' \(which is another file .*\): write",
    ),
    "a damaged store": (
        "mlflow.db",
        DATABASE + bytes(4000),
        "tracking.uri=sqlite:///mlflow.db",
        r"tracking\.uri .*, got 'sqlite:///mlflow\.db' \(.*\): restore a copy",
    ),
    "a store below a file": (
        "some",
        b"",
        "tracking.uri=sqlite:///some/mlflow.db",
        r"tracking\.uri .*, got 'sqlite:///some/mlflow\.db' \(.*\): free some space, or",
    ),
    "a store where nobody may write": (
        None,
        None,
        f"tracking.uri=sqlite:///{NOWHERE}/mlflow.db",
        r"tracking\.uri .*nowhere/mlflow\.db' \(.*\): free some space, or name another",
    ),
    "runs in a file": (
        "runs",
        b"",
        "tracking.folder=runs",
        r"tracking\.folder must be a folder .*, got 'runs' \(File exists\): name another",
    ),
    "runs where nobody may write": (
        None,
        None,
        f"tracking.folder={NOWHERE}",
        r"tracking\.folder must be a folder .*, got '/proc/nowhere' \(.*\): name another",
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_place_that_cannot_be_written_is_refused(name, door):
    file, data, override, told = WRITES[name]
    door.put("a.csv", hours(240))
    door.put(file or "", data)
    own = (
        []
        if override.startswith("tracking.uri")
        else [f"tracking.uri=sqlite:///{door.folder}/m.db"]
    )
    door.refuse(told, "train", *SMALL, *own, override)


@pytest.mark.parametrize(
    ("command", "run"), [("predict", "run=abc"), ("inspect", "run=abc"), ("compare", "runs=[a,b]")]
)
def test_a_store_that_is_not_there_is_not_made_to_be_read(command, run, door):
    told = r"tracking\.uri must be .*, got 'sqlite:///no\.db' \(no such file\): there are no runs"
    door.refuse(told, command, "tracking.uri=sqlite:///no.db", run)


OUTPUTS = {
    "a device": (
        "/dev/full",
        r"output .*, got '/dev/full' \(which is a folder or a device\): name",
    ),
    "a folder": (".", r"output .*, got '\.' \(which is a folder or a device\): name"),
    "in no folder": (
        "no/such.csv",
        r"output .*, got 'no/such\.csv' \(but 'no' is not a folder\): name",
    ),
    "in a file": ("load.csv/x.csv", r"output .*\(but 'load\.csv' is not a folder\): name"),
    "of another kind": ("x.xlsx", r"output .*\(which does not end with \.csv or \.parquet\): name"),
    "of a name too long": (f"{'x' * 300}.csv", r"output .*, got 'x+' \(.*\): name"),
    "where nobody may write": (
        "/proc/x.csv",
        r"output .*, got '/proc/x\.csv' \(.*\): free some space",
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused(name, place: Place, lstm_run: str):
    output, told = OUTPUTS[name]
    before = listing(place.folder)
    assert place.run("predict", f"run={lstm_run}", f"output={output}") == 2
    one_sentence(place.errors[-1], told)
    assert listing(place.folder) == before


def test_an_output_is_there_as_a_whole_or_not_at_all(place: Place, lstm_run: str, monkeypatch):
    """The disk is full once the table is written: neither it nor its picture stays."""
    from matplotlib.figure import Figure

    def full(self, file, **_):
        Path(file).write_bytes(b"half a picture")
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(Figure, "savefig", full)
    before = listing(place.folder)
    assert place.run("predict", f"run={lstm_run}", "output=tomorrow.csv") == 2
    one_sentence(
        place.errors[-1], r"output .*'tomorrow\.\w+' \(No space left on device\): free some space"
    )
    assert listing(place.folder) == before


def test_rows_that_the_model_cannot_read_are_refused(place: Place, lstm_run: str, tmp_path: Path):
    newest = load_frame().groupby("site").tail(20)
    rows = {
        "few": (newest.groupby("site").tail(3), r"data must end with window\.timesteps=8 .*: send"),
        "bare": (newest.drop(columns="temp"), r"data\.features .*, got 'temp': known"),
        "words": (newest.assign(load="x"), r"data\.targets must be numbers, got 'x' .*: fix"),
    }
    before = listing(place.folder)
    for name, (frame, told) in rows.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        own = [*TINY[:7], f"data.path={tmp_path}/{name}.csv"]
        assert place.run("predict", f"run={lstm_run}", *own) == 2
        one_sentence(place.errors[-1], told)
    assert listing(place.folder) == before


@pytest.mark.parametrize("data", [b"", bytes(999), b"PK\3\4" + bytes(999), hours()])
def test_a_file_that_is_no_model_is_refused(data, door):
    door.put("a.keras", data)
    door.refuse(r"file must be a model .*, got 'a\.keras' \(.*\): ", "inspect", "file=a.keras")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", [schema.WEIGHTS, schema.FACTS])
def test_a_bundle_with_a_byte_changed_or_cut_off_is_refused(name, seed, place, lstm_run, tmp_path):
    whole = place.folder / "mlartifacts" / lstm_run / "artifacts/model/artifacts/bundle"
    copy = Path(shutil.copytree(whole, tmp_path / "bundle"))
    file, anywhere = copy / name, random.Random(seed)
    data = bytearray(file.read_bytes())
    if seed % 2:
        data = data[: anywhere.randrange(len(data))]
    else:
        data[anywhere.randrange(len(data))] ^= 1 << anywhere.randrange(8)
    file.write_bytes(data)
    with pytest.raises(InputError) as caught:
        bundle.load(copy)
    one_sentence(f"forecast: {caught.value}\n", "bundle")


def limited(folder: Path, size: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process that may write no longer file, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # which leaves the system's error
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return subprocess.run(
        [sys.executable, "-m", "forecast", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env=alone(folder),
    )


@pytest.mark.parametrize(
    "data", [b"no JSON\n", b"[1]\n", b'{"do": "end"}\n', b"\xff\n", b"1\n\0\n"]
)
def test_a_damaged_journal_is_told_and_is_in_nobodys_way(data, door):
    (door.folder / "runs" / "old").mkdir(parents=True)
    door.put("runs/old/journal.jsonl", data)
    before = listing(door.folder)
    assert door.run("runs") == (0, "") and "damaged    runs/old: its journal" in door.printed
    assert door.run("sync") == (0, "")
    told = r"resume must be a run of this machine, got 'old': there are none"
    status, said = door.run("train", "resume=old")
    assert status == 2
    one_sentence(said, told)
    assert listing(door.folder) == before


def alone(folder: Path) -> dict[str, str]:
    """The environment, with compiled programs kept in the folder and nowhere else."""
    own = {key: value for key, value in os.environ.items() if key != "TF_XLA_FLAGS"}
    return own | {"XDG_CACHE_HOME": str(folder / "cache")}


@pytest.mark.processes
def test_a_disk_that_is_full_before_a_training_keeps_it_from_beginning(tmp_path):
    (tmp_path / "a.csv").write_bytes(hours(240))
    done = limited(tmp_path, 100_000, "train", *SMALL)
    assert done.returncode == 2, done.stderr
    one_sentence(
        done.stderr, r"tracking\.uri must be a store .*\(.*\): free some space, or name another"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "cache"}


@pytest.mark.processes
def test_a_disk_that_is_full_during_a_training_ends_it_with_one_sentence(tmp_path):
    """What was trained is in the folder of runs, with the error; nothing is left running."""
    (tmp_path / "a.csv").write_bytes(hours(240))
    assert Forked(tmp_path, "train", *SMALL).wait(timeout=300) == 0
    # beyond what the store has by now, and below the weights of a larger network
    size = 200_000 + (tmp_path / "mlflow.db").stat().st_size
    done = limited(tmp_path, size, "train", *SMALL, "model.hidden=[900,900]")
    assert done.returncode == 2, done.stderr
    one_sentence(
        done.stderr, r"forecast train must be able to write its files, got .*: free some space"
    )
    here = Place(tmp_path, [], [])
    assert here.run("runs") == 0, here.errors
    assert re.search(r"mlp-?.*failed", here.printed[0]), here.printed
    assert "running" not in here.printed[0]


@pytest.mark.processes
def test_a_refusal_is_the_same_in_a_process_of_its_own(tmp_path):
    (tmp_path / "a.csv").write_bytes(hours(load=(2, "?")))
    done = subprocess.run(
        [sys.executable, "-m", "forecast", "train", *SMALL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    one_sentence(done.stderr, r"data\.targets must be numbers, got '\?' in column 'load', row 2: ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
