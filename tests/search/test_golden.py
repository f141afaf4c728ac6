"""Fixed trials score what they scored when the number in a trial's key was last raised."""

from dataclasses import replace

import pytest

from forecast.search import keys

from . import golden
from .golden import CURE, TRIALS

CASES = [
    pytest.param(name, id=name, marks=() if case.quick else pytest.mark.slow)
    for name, case in TRIALS.items()
]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_trial_scores_what_it_did(name: str):
    kept = golden.read()
    found = golden.moved(golden.numbers(TRIALS[name]), kept["trials"][name])
    others = golden.versions()
    packages = f" The file was written with {kept['packages']}, this is {others}."
    known = packages if kept["packages"] != others else ""
    assert not found, f"The trial {name!r} has {' and '.join(found)}.{known} {CURE}"


def test_the_file_holds_the_trials_and_the_number_of_today():
    kept = golden.read()
    assert kept["results"] == keys.RESULTS, f"RESULTS is not that of golden.json. {CURE}"
    assert list(kept["trials"]) == list(TRIALS), "write the file anew with `make golden`"


LINEAR = TRIALS["one scale for all, stride and lead"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.01001},
        {"weight_decay": 0.31},
        {"decay": 0.81},
        {"tail": 0.12},
        {"seed": 1},
        {"clipnorm": 1.0},
    ],
    ids=str,
)
def test_a_small_change_is_seen(changes: dict[str, float]):
    kept = golden.read()["trials"]["one scale for all, stride and lead"]
    assert golden.moved(golden.numbers(replace(LINEAR, training=changes)), kept)


def test_the_file_is_not_written_anew_while_the_number_stays(monkeypatch, tmp_path):
    kept = {"error": 2.0, "parameters": 3}
    found = dict(kept)
    monkeypatch.setattr(golden, "FILE", tmp_path / "golden.json")
    monkeypatch.setattr(golden, "TRIALS", {"one": LINEAR})
    monkeypatch.setattr(golden, "numbers", lambda case: dict(found))
    golden.write()
    found["error"] = 2.0001  # rounding
    assert golden.write().startswith("wrote") and golden.read()["trials"]["one"] == kept
    found["error"] = 2.001
    assert "raise RESULTS" in golden.write() and golden.read()["trials"]["one"] == kept
    monkeypatch.setattr(keys, "RESULTS", keys.RESULTS + 1)
    assert golden.write().startswith("wrote") and golden.read()["trials"]["one"] == found
