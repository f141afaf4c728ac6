"""A column of any name works in every setting that names columns, as typed and as written."""

import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import yaml

from forecast.cli.config import columns, compose, errors, recorded
from forecast.cli.main import main
from forecast.errors import InputError, quoted
from forecast.search import candidates

NAMES = (
    *("PM2.5", "a b", "x=1", "temp (C)", "[x]", "[x", "x]", "a{b", "(x", "x=[1]", "f(a,b)"),
    *("a,b", "${x}", "湿度", "a:b", "a: b", "a'b", 'a"b', "'q'", "#x", "%", "~", "~x", "1x", "?"),
    *("true", "null", "1e3", "007", "nan", "x ", " x", "a\\b", "a@b", "a/b", "°C", "a\\"),
    *("choice(a)", "=", ":", ",", "-", "temp.", ".x", "a..b", "*"),
)

VALUES = {
    "data.circular": ("360", 360),
    "data.valid": ("[0,500]", [0, 500]),
    "data.units": ("µg/m³", "µg/m³"),
    "data.events": ("35.5", 35.5),
    "data.classes": ("[klar,bewölkt]", ["klar", "bewölkt"]),
    "data.transform": ("log1p", "log1p"),
    "data.bounds": ("[0,null]", [0, None]),
}
"""Mapping to a value as it is typed, and as it is meant."""

COMMAS = ("a,b", ",")
BLANKS = ("x ", " x")
QUOTED = ("'q'", "a\\")
"""Names that stand for others without quotes: `'q'` for q, and `a\\,` for a comma in a name."""


def data(*overrides: str):
    return compose.compose(list(overrides)).settings.data


def own(key: str, *overrides: str):
    return getattr(data(*overrides), key.removeprefix("data."))


def test_all_settings_of_columns_are_tried():
    assert set(VALUES) == set(columns.BY_COLUMN)


@pytest.mark.parametrize("key", columns.LISTS)
def test_lists_hold_any_names_at_once(key):
    assert own(key, f"{key}=[{', '.join(map(quoted, NAMES))}]") == list(NAMES)
    assert own(key, f"{key}=[{','.join(quoted(n, always=True) for n in NAMES)}]") == list(NAMES)
    bare = [name for name in NAMES if name not in (*COMMAS, *BLANKS, *QUOTED, "[x", "x]", "(x")]
    assert own(key, f"{key}=[{','.join(bare)}]") == bare


@pytest.mark.parametrize("key", VALUES)
def test_mappings_hold_any_names_at_once(key):
    value, meant = VALUES[key]
    pairs = ", ".join(f"{quoted(name)}: {value}" for name in NAMES)
    assert own(key, f"{key}={{{pairs}}}") == dict.fromkeys(NAMES, meant)
    bare = [n for n in NAMES if n not in (",", *BLANKS, *QUOTED, ":", "a: b", "a{b", "[x")]
    bare = [name for name in bare if name not in ("x]", "(x", "x=[1]")]
    pairs = ", ".join(f"{name}: {value}" for name in bare)
    assert own(key, f"{key}={{{pairs}}}") == dict.fromkeys(bare, meant)


@pytest.mark.parametrize("key", VALUES)
def test_one_entry_is_named_behind_the_second_dot(key):
    value, meant = VALUES[key]
    typed = [f"{key}.{name}={value}" for name in NAMES if name not in ("'q'", "=")]
    typed += [f"{key}.{quoted(name, always=True)}={value}" for name in ("'q'", "=")]
    assert own(key, f"{key}={{}}", *typed) == dict.fromkeys(NAMES, meant)
    assert errors.typed(typed[:1]) == [f"{key}.{NAMES[0]}"]
    assert compose.compose([f"{key}={{}}"]).but(typed).settings == data_settings(key, typed)


def data_settings(key, typed):
    return compose.compose([f"{key}={{}}", *typed]).settings


@pytest.mark.slow
def test_time_takes_any_name():
    for name in (*NAMES, "a'b'c"):
        if name not in ("'q'", "[x]", "[x"):
            assert data(f"data.time={name}").time == name


def test_what_can_be_meant_stays_a_reference(monkeypatch):
    monkeypatch.setenv("TARGET", "load")
    assert own("data.features", "data.targets=[a b]", "data.features=${data.targets}") == ["a b"]
    assert own("data.targets", "data.targets=['${oc.env:TARGET}',${x}]") == ["load", "${x}"]


def test_a_recorded_configuration_and_a_point_of_a_grid_keep_the_names():
    pairs = ",".join(f"{quoted(name)}: [0,1]" for name in NAMES)
    listed = f"data.targets=[{','.join(map(quoted, NAMES))}]"
    request = compose.compose([listed, f"data.valid={{{pairs}}}"])
    again = recorded.request(request.yaml).settings
    assert again.data == request.settings.data
    names = [name for name in NAMES if "${" not in name]
    point = candidates.overrides({"data.targets": names})
    assert compose.compose(point).settings.data.targets == names


def test_a_multirun_gives_each_job_its_names():
    parser = compose.OverridesParser.create()
    compose.register()
    for text in ("data.targets=[a b],[c d,湿度]", "data.valid={a b: [0,1]},{c d: [0,1]}"):
        [one] = parser.parse_overrides([text])
        key = text.partition("=")[0]
        found = [own(key, f"{key}={value}") for value in one.sweep_string_iterator()]
        assert [list(names) for names in found] == [
            ["a b"],
            ["c d", "湿度"] if "targets" in key else ["c d"],
        ]


def test_names_in_a_file_are_what_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("conf/data").mkdir(parents=True)
    head = "path: x.csv\ntime: ts\n"
    odd = "targets: [1e3, true, 007, null, PM2.5]\n"
    odd += "valid: {1e3: [0, 5], true: [1, 2], PM2.5: [3, 4]}\n"
    Path("conf/data/odd.yaml").write_text(head + odd)
    found = data("data=odd")
    assert found.targets == ["1e3", "true", "007", "null", "PM2.5"]
    assert found.valid == {"1e3": [0, 5], "true": [1, 2], "PM2.5": [3, 4]}
    told = {
        "path": "x.csv",
        "time": "ts",
        "targets": list(NAMES),
        "units": dict.fromkeys(NAMES, "K"),
    }
    told["targets"] = [name.replace("${", "\\${") for name in NAMES]
    for dump in (json.dumps, lambda value: yaml.safe_dump(value, sort_keys=False)):
        Path("conf/data/all.yaml").write_text(dump(told), "utf-8")
        found = data("data=all")
        assert found.targets == list(NAMES) and list(found.units) == list(NAMES)


def cure(sentence: str) -> str:
    """The argument that a sentence says is to be typed."""
    [typed] = re.findall(r"write (?:a list, )?((?:data\.\S+|'data\..*?')+)(?:;|$)", sentence)
    [word] = shlex.split(typed)
    return word


@pytest.mark.parametrize("text", ["temp (C)", "湿度", "a'b c", "#x", "load"])
def test_a_name_without_brackets_is_told_with_them(text):
    with pytest.raises(InputError) as caught:
        data(f"data.targets={text}")
    assert own("data.targets", cure(str(caught.value))) == [text]


@pytest.mark.parametrize("pair", ["a:b:3", "a: b: 3", "x:y:z:3"])
def test_colons_that_may_mean_either_are_told_with_quotes(pair):
    with pytest.raises(InputError) as caught:
        data(f"data.circular={{{pair}}}")
    assert own("data.circular", cure(str(caught.value))) == {pair.rpartition(":")[0]: 3}


@pytest.mark.parametrize("name", ["a,b", " x", "x "])
def test_a_column_that_was_taken_for_others_is_told_with_quotes(
    name, tmp_path, monkeypatch, capsys
):
    frame = pd.DataFrame({"t": pd.date_range("2024", periods=400, freq="h"), name: range(400)})
    frame["c"] = frame[name] % 24
    frame.to_csv(tmp_path / "x.csv", index=False)
    monkeypatch.chdir(tmp_path)
    given = ["check", "data=file", "data.path=x.csv", "data.time=t"]
    assert main([*given, f"data.targets=[c,{name}]"]) == 2
    again = cure(capsys.readouterr().err.splitlines()[0].partition("; did")[0])
    assert main([*given, again]) == 0, capsys.readouterr().err
    capsys.readouterr()
    valid = [*given, "data.targets=[c]", f"data.valid={{{name}: [0,500]}}"]
    if name == "a,b":  # nothing else can be meant
        assert main(valid) == 0
        return
    assert main(valid) == 2
    again = cure(capsys.readouterr().err.splitlines()[0].partition("; did")[0])
    assert main([*valid, again]) == 0
