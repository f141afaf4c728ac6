"""`forecast check` refuses what `forecast train` would, with its sentence, and nothing else."""

import functools
import re

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from forecast.cli.config import compose
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.workflows import gates, load

from .door import SMALL
from .files import hours, lines
from .test_columns import COLUMNS
from .test_config import CASES
from .test_files import FILES
from .test_messy import FINE
from .test_times import TIMES

DATA = {**FILES, **COLUMNS, **TIMES}
GOOD = hours(240)


@pytest.fixture(autouse=True)
def composed_once(monkeypatch):
    """Compose equal overrides once for both sides, which do it alike; it takes most of the time."""
    every_time = compose.compose
    once = functools.cache(lambda *overrides: every_time(list(overrides)))
    monkeypatch.setattr(compose, "compose", lambda overrides: once(*overrides))


def refused(overrides: list[str]) -> str | None:
    """What a training says before its first step; None where it would begin."""
    try:
        made = compose.compose(overrides).settings
        gates.check_gates(made)
        experiment.prepare(load.spec(made), load.load(made).table)
    except InputError as error:
        return str(error)
    return None


def agree(door, overrides: list[str]) -> None:
    """Hold the status and the sentence of `check` against what a training says."""
    said = refused(overrides)
    status, printed = door.run("check", *overrides)
    assert (status, printed) == ((0, "") if said is None else (2, f"forecast: {said}\n"))


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be_meant_are_refused_by_check_too(name, door):
    file, data, told, *overrides = DATA[name]
    door.put(file, data)
    door.refuse(told, "check", *SMALL, f"data.path={file}", *overrides)


CONFIG = [(c, o, t) for c, *o, t in CASES if c == "train"]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "overrides", "told"), CONFIG)
def test_a_configuration_that_cannot_be_meant_is_refused_by_check_too(
    command, overrides, told, door
):
    door.put("a.csv", GOOD)
    key = overrides[0].lstrip("+").partition("=")[0] if overrides else ""
    told = f"{re.escape(key)} {told}" if told.startswith("must ") else told
    door.refuse(told, "check", *SMALL, *overrides)


@pytest.mark.parametrize("name", FINE)
def test_check_and_train_agree_on_messy_files(name, door):
    case = FINE[name]
    door.put(case.file, case.data)
    size = ["window.timesteps=1", "window.horizon=1", "split.test=1", "model=linear"]
    small = [text for text in SMALL if not text.startswith("model")]
    agree(door, [*small, f"data.path={case.file}", *case.overrides, *size])


TITLES = {
    "a title line": ([], b"Load of the town\n" + GOOD),
    "a misspelt target alone": (["data.targets=[laod]", "data.features=[]"], GOOD),
    "a target that YAML reads as a number": (["data.targets=[1e3]", "data.features=[]"], GOOD),
    "a target that YAML reads as true": (["data.targets=[true]", "data.features=[]"], GOOD),
    "no window in the validation span": (["split.validation=2"], GOOD),
    "windows under mask alone": (
        ["data.features=[load,temp]"],
        re.sub(rb",\d+\n", b",\n", GOOD, count=230),
    ),
    "bars of trading hours": (
        ["data.frequency=h", "window.timesteps=28"],
        lines(
            *(f"2024-03-{d:02}T{h:02}:00,{d + h}.5,{h}" for d in range(1, 29) for h in range(9, 17))
        ),
    ),
    "a good file": ([], GOOD),
}


@pytest.mark.parametrize("name", TITLES)
def test_check_and_train_agree(name, door):
    overrides, data = TITLES[name]
    door.put("a.csv", data)
    agree(door, [*SMALL, *overrides])


def test_windows_are_counted_by_span_and_none_is_a_refusal(door):
    door.put("a.csv", GOOD)
    status, _ = door.run("check", *SMALL, "split.test=48", "split.validation=24")
    # a window predicts 4 rows, all inside its span, from 8 before them, which may lie outside
    counts = {"train": 168 - 8 - 3, "validation": 24 - 3, "test": 48 - 3}
    assert status == 0
    for span, windows in counts.items():
        assert re.search(rf"^{span} .* {windows}\s*$", door.printed, re.MULTILINE), door.printed
    status, said = door.run("check", *SMALL, "split.test=48", "split.validation=3")
    assert status == 2 and "must leave a window in every span, got windows:" in said
    assert re.search(r"^validation .* 3 +0\s*$", door.printed, re.MULTILINE), door.printed


def test_check_starts_no_tensorflow_for_the_default_network(door, monkeypatch):
    monkeypatch.setattr("forecast.evaluation.experiment.prepare", None)
    door.put("a.csv", GOOD)
    plain = [text for text in SMALL if not text.startswith(("model", "training", "gates"))]
    assert door.run("check", *plain)[0] == 0


CELLS = st.sampled_from(["", "nan", "x", "1e999", "7.25", "2024-01-09T00:30", "-999"])
EXTRA = st.sampled_from(
    [
        "data.missing=drop",
        "data.missing=mask",
        "data.frequency=2h",
        "data.valid.load=[0,4]",
        "data.duplicates=first",
        "data.known_future=[temp]",
        "data.static=[temp]",
        "data.events.load=2",
        "split.test=5",
        "split.validation=0.5",
        "window.timesteps=30",
        "window.horizon=20",
        "window.lead=9",
        "evaluation.season=30",
        "evaluation.calibration=cqr",
        "training.scaling=global",
        "data.until=2024-01-02",
    ]
)


def test_check_and_train_agree_on_files_nobody_thought_of(door):
    try_files(door, 0, 10)


@pytest.mark.slow
def test_check_and_train_agree_on_hundreds_of_files(seed_number, door):
    try_files(door, seed_number, 50)


def try_files(door, number: int, cases: int) -> None:
    """Hold `check` against a training on files with a few cells changed."""
    rows = GOOD.decode().splitlines()

    @seed(number)
    @settings(max_examples=cases, deadline=None, database=None)
    @given(
        st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2), CELLS), max_size=3),
        st.integers(12, 60),
        st.lists(EXTRA, max_size=3),
    )
    def check(changes, length, overrides):
        cells = [line.split(",") for line in rows[:length]]
        for row, column, text in changes:
            cells[row % length][column] = text
        door.put("a.csv", "\n".join(map(",".join, cells)).encode())
        agree(door, [*SMALL, *overrides])

    check()
