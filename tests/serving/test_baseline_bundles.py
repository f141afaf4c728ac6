"""A baseline as a bundle: the forecasts of the evaluation to the bit, whole, and checked."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import ipc

from forecast.data import windows
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation.baselines import by_name, trees
from forecast.evaluation.baselines.rules import Rule
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import arrays, baseline, bundle, schema

from .made import NAMES, SCHEMA, SCHEMAS, WINDOW, Case, case, rows

KEPT = ("persistence", "seasonal_naive", "drift", "moving_average", "boosted_trees")


@pytest.fixture(scope="module")
def short():
    """What is tested does not depend on how well trees fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.SETTINGS, "max_iter", 8)
        patch.setitem(trees.SETTINGS, "min_samples_leaf", 10)
        yield


@pytest.fixture(scope="module", params=SCHEMAS)
def made(request, short) -> Case:
    return case(SCHEMAS[request.param], rows())


@pytest.fixture(scope="module")
def plain(short) -> Case:
    return case(SCHEMAS["calendar"], rows())


@pytest.fixture(scope="module", params=["seasonal_naive", "boosted_trees"])
def whole(request, plain: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rule, and trees, with intervals."""
    reach = Reach(0.9, "split", None, np.random.default_rng(0).random((3, 3, 1)))
    return plain.save(tmp_path_factory.mktemp("whole") / "bundle", request.param, reach=reach)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def test_a_bundle_forecasts_what_the_evaluation_did(made: Case, tmp_path: Path):
    expected = made.baselines.forecast(made.asked)
    for name in KEPT:
        served = bundle.load(made.save(tmp_path / name, name))
        table = served.table(rows())
        found = served.forecast_windows(table, in_table(table, made), 64)
        assert list(found) == ["forecast"] and len(made.asked) > 90
        assert found["forecast"].tobytes() == expected[name].values.tobytes(), name
    assert not np.array_equal(expected["drift"].values, expected["boosted_trees"].values)


def in_table(table: Table, made: Case) -> np.ndarray:
    """Find the windows that were asked for in a table that has more rows than theirs."""
    own = list(zip(table.series.tolist(), table.tick.tolist(), strict=True))
    place = {key: row for row, key in enumerate(own)}
    series, tick = (part[made.asked].tolist() for part in (made.table.series, made.table.tick))
    return np.array([place[key] for key in zip(series, tick, strict=True)])


def test_rows_that_end_at_the_origin_give_the_same_forecast(made: Case, tmp_path: Path):
    """Nothing of a later row is read but what is known ahead; the clock goes on by itself."""
    frame, known = rows(), int(bool(made.schema.known_columns))
    served = bundle.load(made.save(tmp_path, "boosted_trees"))
    every, count = served.predict(frame, history=True), 0
    for origin in sorted(set(every.origin))[140::23]:
        far = pd.Timedelta(hours=WINDOW.lead + WINDOW.horizon) * known
        cut = frame[frame.time <= origin + far]
        cut = cut.assign(**{name: cut[name].where(cut.time <= origin) for name in ("load", "temp")})
        said = served.predict(cut)
        said = said[said.origin == origin].reset_index(drop=True)
        own = (every.origin == origin) & every.series.isin(said.series)  # others end with a hole
        pd.testing.assert_frame_equal(said, every[own].reset_index(drop=True), check_exact=True)
        count += said.series.nunique()
    assert count >= 6
    assert not every.forecast.isna().any()


def test_series_in_any_order_alone_or_shuffled_give_the_same(short, plain: Case, tmp_path: Path):
    frame = rows()
    served = bundle.load(plain.save(tmp_path / "one", "boosted_trees"))
    other = case(plain.schema, frame, NAMES)
    moved = bundle.load(other.save(tmp_path / "other", "boosted_trees"))
    assert moved.names.to_pylist() == [*NAMES] != served.names.to_pylist()
    expected = served.predict(frame)
    said = moved.predict(frame.sample(frac=1, random_state=2)[[*frame][::-1]])
    assert said.series.unique().tolist() == [*NAMES]
    again = said.sort_values("series", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    for name in NAMES:
        alone = moved.predict(frame[frame.site == name])
        own = expected[expected.series == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, own, check_exact=True)


def test_probabilities_stay_probabilities(short, tmp_path: Path):
    asked = replace(SCHEMA, events={"load": 52.0})
    found = case(asked, rows())
    expected = found.baselines.forecast(found.asked)
    for name in ("drift", "seasonal_naive"):
        served = bundle.load(found.save(tmp_path / name, name))
        values = served.forecast_windows(served.table(rows()), found.asked, 64)["forecast"]
        assert values.tobytes() == expected[name].values.tobytes()
        assert set(np.unique(values)) >= {0.0, 1.0} and values.min() == 0 and values.max() == 1
    with pytest.raises(InputError, match="learned must be a baseline that a bundle can keep"):
        found.save(tmp_path / "no", "climatology")


def test_intervals_lie_around_the_forecast(whole: Path):
    served = bundle.load(whole)
    said = served.predict(rows())
    by = served.reach.values.ravel()
    np.testing.assert_allclose(said.upper, said.forecast + by)
    np.testing.assert_allclose(said.lower, said.forecast - by)


def test_intervals_are_added_to_a_saved_bundle(copy: Path):
    reach = Reach(0.8, "split", None, np.ones((3, 3, 1)))
    before = bundle.load(copy)
    bundle.add_intervals(copy, reach)
    after = bundle.load(copy)
    assert after.reach.level == 0.8 and before.digest != after.digest
    assert [path.name for path in copy.parent.iterdir()] == ["bundle"]
    np.testing.assert_array_equal(after.predict(rows()).forecast, before.predict(rows()).forecast)


def test_the_facts_say_what_it_is(whole: Path):
    told = json.loads((whole / "bundle.json").read_text())
    assert told["format"] == 5 and told["kind"] in ("rule", "trees")
    assert told["schema"]["frequency"] == "h" and told["series"]["count"] == 3
    assert set(told["versions"]) == {"python", "forecast", "numpy", "pandas", "scikit-learn"}
    names = {path.name for path in whole.iterdir()}
    more = {"trees.arrow"} if told["kind"] == "trees" else set()
    assert names == {"bundle.json", "series.arrow", "intervals.arrow", *more}
    if told["kind"] == "rule":
        assert told["rule"] == {"name": "seasonal_naive", "season": 24}
    else:
        assert told["trees"]["seasons"][0] == 24 and len(told["trees"]["targets"]) == 1


def test_the_page_explains_every_field_that_networks_have_not():
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    table = page.partition("| field | instead of")[2].partition("\n\n")[0]
    every = {name for form in schema.FORMS.values() for name in form} - {*schema.FORM}
    found = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert {*found} == every and len(found) == len(every)


@pytest.mark.processes
def test_loading_and_predicting_start_no_tensorflow(whole: Path, tmp_path: Path):
    rows().to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, pandas as pd; from forecast.serving import bundle\n"
        "from forecast.training import runtime\n"
        "runtime.start = None\n"
        "print(bundle.load(sys.argv[1]).predict(pd.read_parquet(sys.argv[2])).forecast.sum())"
    )
    command = [sys.executable, "-c", code, str(whole), str(tmp_path / "rows.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) == bundle.load(whole).predict(rows()).forecast.sum()


def test_one_byte_changed_anywhere_is_refused(copy: Path):
    for file in sorted(copy.iterdir()):
        raw = file.read_bytes()
        for place in range(0, len(raw), 1 if file.suffix == ".json" else 61):
            file.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
            with pytest.raises(InputError, match="^bundle"):
                bundle.load(copy)
        for other in (raw + b" ", raw[:-1], raw[:50], b""):
            file.write_bytes(other)
            with pytest.raises(InputError, match="^bundle"):
                bundle.load(copy)
        file.unlink()
        with pytest.raises(InputError, match="^bundle must (be a folder with|hold)"):
            bundle.load(copy)
        file.write_bytes(raw)
    bundle.load(copy)


def forged(folder: Path, change) -> None:
    """Change facts, trees and series, and write them as `save_baseline` would: hashes are right."""
    told = json.loads((folder / "bundle.json").read_text())
    scale, names = arrays.read((folder / "series.arrow").read_bytes(), named=True)
    told["scale"] = {name: part.copy() for name, part in scale.items()}
    if "trees" in told:
        raw = ipc.open_file(pa.py_buffer((folder / "trees.arrow").read_bytes())).read_all()
        told["nodes"] = {name: raw[name].to_numpy().copy() for name in raw.column_names}
    change(told)
    told["series"]["sha256"] = arrays.write(folder / "series.arrow", told.pop("scale"), names)
    if "nodes" in told:
        nodes = {name: pa.array(part) for name, part in told.pop("nodes").items()}
        digest = arrays.put(folder / "trees.arrow", pa.table(nodes))
        if isinstance(told.get("trees"), dict):
            told["trees"]["sha256"] = digest
    schema.write(folder, {key: told[key] for key in told if key not in ("format", "sha256")})


def node(name: str, value):
    """Change the first node that decides."""

    def change(told) -> None:
        place = int(np.flatnonzero(~told["nodes"]["leaf"])[0])
        told["nodes"][name][place] = value

    return change


RULES = [
    ("kind must be one of rule, trees, mixture", lambda told: told.update(kind="guess")),
    ("kind must be one of rule, trees, mixture", lambda told: told.update(kind=[])),
    ("no rule.season", lambda told: told["rule"].pop("season")),
    ("code, which is not a field", lambda told: told.update(code="x")),
    ("code, which is not a field", lambda told: told["rule"].update(code="x")),
    ("quantiles, which is not a field", lambda told: told.update(quantiles=[])),
    ("the rule 'system'", lambda told: told["rule"].update(name="system")),
    ("a season of [0] rows", lambda told: told["rule"].update(season=0)),
    ("a season of [-24] rows", lambda told: told["rule"].update(season=-24)),
    ("a season of", lambda told: told["rule"].update(season=10**9)),
    ("unexpected keyword", lambda told: told["scale"].update(order=np.ones((3, 1)))),
    ("an invalid scale", lambda told: told["scale"]["output_std"].__setitem__((0, 0), 0)),
    ("scaler of shape", lambda told: told["schema"].update(calendar=[], known_future=[])),
    ("intervals of shape", lambda told: told["window"].update(horizon=2)),
]

TREES = [
    ("no trees", lambda told: told.pop("trees")),
    ("rule, which is not a field", lambda told: told.update(rule={})),
    ("'order'", lambda told: told["scale"].pop("order")),
    ("an order of", lambda told: told["scale"].update(order=np.ones((3, 2)))),
    ("an order of", lambda told: told["scale"]["order"].__setitem__((0, 0), np.inf)),
    ("a season of [] rows", lambda told: told["trees"].update(seasons=[])),
    ("a season of [24, 0] rows", lambda told: told["trees"].update(seasons=[24, 0])),
    ("as trees.years", lambda told: told["trees"].update(years=1)),
    ("trees of other targets", lambda told: told["trees"]["targets"].append(GROWN)),
    ("trees of other targets", lambda told: told["nodes"]["target"].fill(1)),
    ("features for", lambda told: first(told).update(features=first(told)["features"] + 1)),
    ("features that there are not", lambda told: usable(told).append(10**6)),
    ("features that there are not", lambda told: usable(told).append(-1)),
    ("features that there are not", lambda told: usable(told).reverse()),
    ("features that there are not", lambda told: first(told).update(features=-9)),
    ("none of", lambda told: usable(told).__delitem__(slice(1, None))),
    ("trees that are added to no number", lambda told: first(told).update(baseline=np.inf)),
    ("as trees.targets[0].seasonal", lambda told: first(told).update(seasonal=1)),
    ("branch is no later node", node("left", 0)),
    ("branch is no later node", node("right", 10**6)),
    ("branch is no later node", node("left", -1)),
    ("none of", node("feature", -1)),
    ("none of", node("feature", 10**6)),
    ("without a number", node("threshold", np.nan)),
    ("without a number", lambda told: told["nodes"]["value"].fill(np.inf)),
    ("trees out of order", node("tree", 5)),
    ("other columns", lambda told: told["nodes"].pop("leaf")),
    ("other columns", lambda told: told["nodes"].update(value=told["nodes"]["tree"])),
    ("for 2 of regression", lambda told: two(told)),
]

GROWN = {"baseline": 0.0, "seasonal": False, "features": 1, "usable": [0]}


def first(told):
    return told["trees"]["targets"][0]


def usable(told) -> list[int]:
    return first(told)["usable"]


def two(told) -> None:
    """Name another target, and give it a scale and intervals."""
    told["schema"]["targets"].append("temp")
    for name in ("output_mean", "output_std"):
        told["scale"][name] = np.ones((3, 2))


@pytest.mark.parametrize(("said", "change"), RULES + TREES)
def test_facts_that_are_none_are_refused_in_one_sentence(plain, tmp_path, said, change):
    name = "boosted_trees" if (said, change) in TREES else "seasonal_naive"
    reach = Reach(0.9, "split", None, np.ones((3, 3, 1)))
    folder = plain.save(tmp_path, name, reach=reach)
    forged(folder, lambda told: None)
    bundle.load(folder)  # what is refused below is not how it was written
    forged(folder, change)
    with pytest.raises(InputError, match="^bundle ") as told:
        bundle.load(folder)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_every_baseline_says_whether_it_can_be_kept(short, plain: Case):
    kept = {name: learned.kept for name, learned in plain.baselines.learned.items()}
    assert kept.pop("ridge") is None
    assert {*KEPT} == {*kept} and kept["seasonal_naive"] == Rule("seasonal_naive", 24)
    reading = by_name.Reading(plain.rows, WINDOW, np.arange(3))
    for name, each in kept.items():
        values = by_name.reader(each, reading)(plain.asked[:5])
        expected = plain.baselines.forecast(plain.asked[:5])[name].values
        assert values.tobytes() == expected.tobytes()


def test_rows_that_a_table_lacks_are_put_where_their_ticks_are(plain: Case):
    """In a gap as at the end, and nowhere else."""
    table = plain.table
    gone = (table.series == 0) & (table.tick - table.tick.min() == 60)
    cut = table.take(~gone)
    starts = windows.every(replace(cut, known=()), WINDOW)
    longer, moved = baseline.reaching(cut, starts, WINDOW)
    far = WINDOW.lead + WINDOW.horizon
    for start, own in zip(starts, moved, strict=True):
        assert longer.tick[own] == cut.tick[start] and longer.series[own] == cut.series[start]
        ahead = slice(own + WINDOW.timesteps - 1, own + WINDOW.timesteps + far)
        assert (np.diff(longer.tick[ahead]) == 1).all()
        assert (longer.series[ahead] == cut.series[start]).all()
        hours = np.diff(longer.time[ahead]) / np.timedelta64(1, "h")
        assert (hours == 1).all()
    assert len(longer) == len(cut) + 1 + 3 * far
    assert baseline.reaching(table, plain.asked, WINDOW)[0] is table
