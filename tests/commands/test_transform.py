"""`data.transform` on the command line: a word or a mapping, kept, reproduced, and fixed."""

import pytest

from forecast.cli.config import compose, recorded
from forecast.workflows import load

from ..conftest import TINY, Place, word

FILE = ["data=file", "data.path=load.csv", "data.time=time", "data.targets=[load,temp]"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data.transform=log1p", {"load": "log1p", "temp": "log1p"}),
        ("data.transform=boxcox:0.3", {"load": "boxcox:0.3", "temp": "boxcox:0.3"}),
        ("data.transform={load: log}", {"load": "log"}),
        ("data.transform={load:boxcox:0.3,temp:none}", {"load": "boxcox:0.3"}),
        ("data.transform.temp=sqrt", {"temp": "sqrt"}),
        ("data.transform=none", {}),
        ("data.transform=null", {}),
        ("data.transform={}", {}),
    ],
)
def test_it_is_read_as_typed_and_from_the_config_of_a_run(text, found):
    request = compose.compose([*FILE, text])
    assert load.schema(request.settings).transform == found
    again = recorded.request(request.yaml).settings
    assert again == request.settings and load.schema(again).transform == found
    names = [load.schema_name(compose.compose(words).settings) for words in (FILE, [*FILE, text])]
    assert (names[0] == names[1]) == (not found)  # candidates of a sweep share tables by name


def test_tables_without_a_transform_keep_the_name_by_which_older_sweeps_know_them():
    assert load.schema_name(compose.compose(FILE).settings) == "f3db5698ce79"


def test_every_column_may_be_transformed_by_one_word():
    words = ["data=file", "data.path=load.csv", "data.time=time", 'data.targets=["*"]']
    asked = compose.compose([*words, "data.transform=log"]).settings
    assert load.schema(asked, ("time", "a", "b")).transform == {"a": "log", "b": "log"}
    mapped = compose.compose([*words, "data.transform={b: log}"]).settings
    assert load.schema(mapped, ("time", "a", "b")).transform == {"b": "log"}
    assert load.schema_name(mapped) != load.schema_name(asked)


@pytest.fixture(scope="module")
def run(place: Place) -> str:
    words = ["model=linear", "data.transform=boxcox", "training.epochs=1"]
    assert place.run("train", *TINY, *words) == 0, place.errors[-1]
    return word(place.printed[-1], "run")


@pytest.mark.slow
def test_a_run_is_reproduced_with_its_transform(place: Place, run: str):
    assert place.run("reproduce", f"run={run}") == 0, place.errors[-1] + place.printed[-1]
    assert "equal      reproduced: everything, to the last bit" in place.printed[-1]


def test_predict_takes_the_transform_of_the_run_and_no_other(place: Place, run: str):
    for same in ("data.transform=boxcox", "data.transform={load: boxcox}"):
        assert place.run("predict", f"run={run}", same) == 0, place.errors[-1]
    for other, got in (("log", "{load:log}"), ("none", "{}")):
        assert place.run("predict", f"run={run}", f"data.transform={other}") == 2
        said = f"must be {{load:boxcox}}, which is fixed by the model, got {got}: leave it out"
        assert said in " ".join(place.errors[-1].split())
