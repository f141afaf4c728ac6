"""The weighted mean of several bundles: that of its members' own forecasts, joined by name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.baselines import trees
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import arrays, bundle, mixture, package, schema
from forecast.serving.mixture import Mixture, save_mixture
from forecast.workflows import load

from ..conftest import Place
from .made import NAMES, SCHEMA, WINDOW, case, network, rows

KEYS = ["series", "origin", "time", "step", "target"]
WEIGHTS = (0.5, 0.3, 0.125, 0.075)
CLOCK = replace(SCHEMA, calendar=("hour",), known_future=("hour",))


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two networks of different look-backs and schemas, trees on a third, and a rule."""
    folder, frame = tmp_path_factory.mktemp("members"), rows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.SETTINGS, "max_iter", 8)
        patch.setitem(trees.SETTINGS, "min_samples_leaf", 10)
        plain = case(SCHEMA, frame)
        other = case(replace(SCHEMA, transform={"load": "log1p"}), frame, NAMES)
    network(folder / "one", "linear", CLOCK, Window(20, 3, lead=1), frame)
    network(folder / "two", "nlinear", replace(SCHEMA, calendar=("weekday",)), WINDOW, frame)
    other.save(folder / "three", "boosted_trees")
    plain.save(folder / "four", "seasonal_naive")
    return [folder / name for name in ("one", "two", "three", "four")]


@pytest.fixture(scope="module")
def whole(members, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, with intervals."""
    folder = tmp_path_factory.mktemp("mixture") / "bundle"
    reach = Reach(0.9, "adaptive", None, np.random.default_rng(0).random((3, 3, 1)))
    told = list(zip(members, WEIGHTS, strict=True))
    files = save_mixture(folder, told, {"of": "all"}, reach=reach)
    assert {*files} == {file for file in folder.rglob("*") if file.is_file()}
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def joined(members: list[Path], frame: pd.DataFrame, *, history: bool = False) -> pd.DataFrame:
    """Forecast with each bundle alone, and join what all of them have forecast."""
    found = None
    for number, (place, weight) in enumerate(zip(members, WEIGHTS, strict=True)):
        own = bundle.load(place).predict(frame, history=history)
        own = own.assign(**{f"mean{number}": weight * own.forecast})[[*KEYS, f"mean{number}"]]
        found = own if found is None else found.merge(own, on=KEYS)
    assert found is not None
    parts = found.filter(like="mean").sum(axis=1)
    return found[KEYS].assign(forecast=parts).sort_values(KEYS, ignore_index=True)


def ordered(said: pd.DataFrame) -> pd.DataFrame:
    return said.sort_values(KEYS, ignore_index=True)[[*KEYS, "forecast"]]


@pytest.mark.parametrize("history", [False, True], ids=["newest", "history"])
def test_it_is_the_weighted_mean_of_what_its_members_say(whole, members, history):
    frame = rows()
    said = bundle.load(whole).predict(frame, history=history)
    expected = joined(members, frame, history=history)
    pd.testing.assert_frame_equal(ordered(said), expected, rtol=1e-5)
    assert said.series.unique().tolist() == sorted(NAMES)
    assert list(said) == [*KEYS, "forecast", "lower", "upper"]
    counts = [len(bundle.load(place).predict(frame, history=True)) for place in members]
    if history:
        assert 0 < len(said) <= min(counts) < max(counts)


def test_every_member_counts_by_its_weight(whole, members):
    frame = rows()
    served = bundle.load(whole)
    before = served.predict(frame).forecast
    for number, place in enumerate(members):
        every = tuple(float(other == number) for other in range(4))
        alone = replace(served, weights=every).predict(frame)
        own = bundle.load(place).predict(frame)
        pd.testing.assert_frame_equal(
            ordered(alone).set_index(KEYS),
            own.set_index(KEYS)[["forecast"]].sort_index(),
            rtol=1e-5,
        )
        assert np.abs(alone.forecast - before).max() > 0.01


def test_the_order_of_rows_columns_members_and_series_changes_nothing(whole, members, tmp_path):
    frame = rows()
    expected = bundle.load(whole).predict(frame)
    shuffled = frame.sample(frac=1, random_state=5)[[*frame][::-1]].assign(more="x")
    pd.testing.assert_frame_equal(bundle.load(whole).predict(shuffled), expected)
    told = [*zip(members, WEIGHTS, strict=True)][::-1]
    save_mixture(tmp_path / "back", told, {})
    back = bundle.load(tmp_path / "back")
    pd.testing.assert_frame_equal(ordered(back.predict(frame)), ordered(expected), rtol=1e-6)
    save_mixture(tmp_path / "trees first", [told[1], (members[0], 0.875)], {})
    first = bundle.load(tmp_path / "trees first")  # which has learned from another order
    assert first.names.to_pylist() == [*NAMES]
    said = first.predict(frame, history=True)
    assert said.series.unique().tolist() == [*NAMES]
    assert all(own.origin.is_monotonic_increasing for _, own in said.groupby("series"))


def test_renamed_columns_are_renamed_for_every_member(whole):
    frame = rows()
    served = bundle.load(whole)
    other = replace(served.schema, time="when", series=("shop",), time_format="%d.%m.%Y %H:%M")
    renamed = frame.rename(columns={"time": "when", "site": "shop"})
    renamed["when"] = renamed.when.dt.strftime("%d.%m.%Y %H:%M")
    said = replace(served, schema=other).predict(renamed)
    pd.testing.assert_frame_equal(said, served.predict(frame))


def test_a_series_too_short_for_one_member_has_no_forecast(whole, members):
    frame = rows()
    short = frame[(frame.site != "a") | (frame.time > frame[frame.site == "a"].time.max() - HOURS)]
    served = bundle.load(whole)
    assert served.window.timesteps == 20
    assert "a" in {*bundle.load(members[1]).predict(short).series}
    said = served.predict(short)
    assert said.series.unique().tolist() == ["b", "c"]
    pd.testing.assert_frame_equal(ordered(said), joined(members, short), rtol=1e-5)


HOURS = pd.Timedelta("15h")


def test_members_forecast_from_one_origin_where_newest_rows_lack_a_target(whole, members):
    """A member that reads what is known ahead goes back to the last target; so do all."""
    frame = rows()
    last = frame.groupby("site").time.transform("max")
    frame["load"] = frame.load.mask(frame.time > last - pd.Timedelta("3h"))
    apart = [bundle.load(place).predict(frame).groupby("series").origin.max() for place in members]
    assert (apart[0] == apart[1] - pd.Timedelta("3h")).all()
    said = bundle.load(whole).predict(frame)
    assert said.groupby("series").origin.max().equals(apart[0])
    every = joined(members, frame, history=True)
    own = every[every.origin == every.series.map(apart[0])].reset_index(drop=True)
    pd.testing.assert_frame_equal(ordered(said), own, rtol=1e-5)


def test_rows_too_few_for_any_forecast_are_refused_with_the_member_that_asks(whole):
    served, frame = bundle.load(whole), rows()
    newest = frame.groupby("site").tail(15)
    rule = r"window\.timesteps=20 rows .* send older rows too, 20"
    for history in (False, True):
        with pytest.raises(InputError, match=rule) as told:
            served.predict(newest, history=history)
        assert "(asked by member 1 of 4)" in str(told.value) and "\n" not in str(told.value)
    alone = frame[frame.site == "a"]
    holes = alone.assign(temp=alone.temp.mask(alone.time == alone.time.max()))
    unheld = replace(served, schema=replace(served.schema, hold=0))
    with pytest.raises(InputError, match="got one in temp at .* of series 'a': fill it"):
        unheld.predict(holes)
    assert len(unheld.predict(holes, history=True)) > 100


def test_intervals_are_those_of_the_mixture(whole):
    served = bundle.load(whole)
    said = served.predict(rows())
    by = served.reach.values.ravel()
    np.testing.assert_allclose(said.upper, said.forecast + by)
    np.testing.assert_allclose(said.lower, said.forecast - by)


def test_intervals_are_added_to_a_saved_mixture(members, tmp_path):
    told = list(zip(members, WEIGHTS, strict=True))
    save_mixture(tmp_path / "bundle", told, {})
    before = bundle.load(tmp_path / "bundle")
    assert before.reach is None and "lower" not in before.predict(rows())
    bundle.add_intervals(tmp_path / "bundle", Reach(0.8, "split", None, np.ones((3, 3, 1))))
    after = bundle.load(tmp_path / "bundle")
    said = after.predict(rows())
    np.testing.assert_allclose(said.upper - said.lower, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert after.digest != before.digest


def test_what_others_read_of_a_bundle_is_there(whole):
    served = bundle.load(whole)
    assert isinstance(served, Mixture) and served.quantiles == ()
    assert served.schema.calendar == ("hour", "weekday") and served.schema.transform == {}
    assert served.facts["of"] == "all" and "forecast" in served.facts
    assert served.names.to_pylist() == sorted(NAMES)
    assert (served.window.horizon, served.window.lead) == (3, 1)
    told = json.loads((whole / "bundle.json").read_text())
    assert served.digest == told["sha256"] and told["kind"] == "mixture"
    assert [own["weight"] for own in told["members"]] == [*WEIGHTS]


def test_rows_are_read_once_for_each_schema(whole, members, monkeypatch, tmp_path):
    from forecast.serving import model

    read, build = [], model.panel.build

    def counting(frame, asked, **more):
        read.append(asked)
        return build(frame, asked, **more)

    monkeypatch.setattr(model.panel, "build", counting)
    bundle.load(whole).predict(rows())
    assert len(read) == 4
    save_mixture(tmp_path / "same", [(members[3], 0.5), (members[3], 0.5)], {})
    read.clear()
    said = bundle.load(tmp_path / "same").predict(rows())
    assert len(read) == 1
    pd.testing.assert_frame_equal(said, bundle.load(members[3]).predict(rows()))


def test_a_byte_changed_in_any_file_is_refused(copy: Path):
    rng = np.random.default_rng(3)
    for file in sorted(file for file in copy.rglob("*") if file.is_file()):
        raw = file.read_bytes()
        for place in rng.integers(0, len(raw), 3).tolist():
            file.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
            with pytest.raises(InputError, match="^bundle"):
                bundle.load(copy)
        file.unlink()
        with pytest.raises(InputError, match="^bundle"):
            bundle.load(copy)
        file.write_bytes(raw)
    bundle.load(copy)


def test_members_in_another_order_or_of_another_mixture_are_refused(copy: Path, members, tmp_path):
    place = copy / "members"
    (place / "1").rename(place / "0")
    (place / "2").rename(place / "1")
    (place / "0").rename(place / "2")
    with pytest.raises(InputError, match="bundle must hold the members that it was written with"):
        bundle.load(copy)
    shutil.rmtree(place / "1")
    with pytest.raises(InputError, match="bundle must be a folder with"):
        bundle.load(copy)


def forged(folder: Path, change) -> None:
    """Change the facts and seal them anew, members as they are."""
    told = json.loads((folder / "bundle.json").read_text())
    change(told)
    schema.write(folder, {key: told[key] for key in told if key not in ("format", "sha256")})


def widths(folder: Path, values: np.ndarray):
    """Give it other half-widths."""

    def change(told) -> None:
        digest = arrays.write(folder / "intervals.arrow", {"reach": values})
        told["intervals"]["sha256"] = digest

    return change


WRONG = [
    ("no members", lambda told: told.pop("members")),
    ("window, which is not a field", lambda told: told.update(window={})),
    ("as members[0].weight", lambda told: told["members"][0].update(weight="0.5")),
    ("add up to 1", lambda told: told["members"][0].update(weight=0.6)),
    ("add up to 1", lambda told: told["members"][0].update(weight=-0.5)),
    ("add up to 1", lambda told: told["members"][0].update(weight=float("nan"))),
    ("add up to 1", lambda told: told["members"].pop()),
    ("members that belong together, got none", lambda told: told["members"].clear()),
    ("written with", lambda told: told["members"].reverse()),
    ("be a folder with", lambda told: told["members"].append(dict(told["members"][0]))),
    ("intervals by 'guess'", lambda told: told["intervals"].update(method="guess")),
    ("around (0.1, 0.9)", lambda told: told["intervals"].update(between=[0.1, 0.9])),
]


@pytest.mark.parametrize(("said", "change"), WRONG)
def test_facts_that_are_none_are_refused_in_one_sentence(copy: Path, said: str, change):
    forged(copy, change)
    with pytest.raises(InputError, match="^bundle must ") as told:
        bundle.load(copy)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_intervals_of_another_shape_are_refused(copy: Path):
    forged(copy, widths(copy, np.ones((3, 2, 1))))
    with pytest.raises(InputError, match=r"intervals of shape \(3, 2, 1\) for \(3, 3, 1\)"):
        bundle.load(copy)


def test_a_mixture_inside_a_mixture_is_refused(copy: Path, whole: Path, tmp_path: Path):
    with pytest.raises(InputError, match="members must be bundles of one model, got a mixture"):
        save_mixture(tmp_path / "no", [(whole, 1.0)], {})
    shutil.rmtree(copy / "members" / "1")
    shutil.copytree(whole, copy / "members" / "1")
    seal = json.loads((whole / "bundle.json").read_text())["sha256"]
    forged(copy, lambda told: told["members"][0].update(sha256=seal))
    with pytest.raises(InputError, match="bundle must hold the members that it was written with"):
        bundle.load(copy)


OTHERS = {
    "targets": ("temp",),
    "features": ("load",),
    "missing": "mask",
    "hold": 3,
    "duplicates": "first",
    "valid": {"load": (0.0, 1e6)},
    "known_future": ("sun",),
}


@pytest.mark.parametrize("name", OTHERS)
def test_members_that_read_otherwise_are_refused_by_name(name: str, members, tmp_path: Path):
    asked = replace(SCHEMA, **{name: OTHERS[name]})
    if name == "known_future":
        asked = replace(asked, features=("load", "temp", "sun"))
    other = case(asked, rows()).save(tmp_path / "other", "persistence")
    with pytest.raises(InputError, match=f"got {'features' if 'sun' in asked.inputs else name} "):
        save_mixture(tmp_path / "no", [(members[3], 0.5), (other, 0.5)], {})
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("window", [Window(8, 2, lead=1), Window(8, 3)])
def test_members_of_other_windows_or_series_are_refused(window, members, tmp_path: Path):
    other = network(tmp_path / "other", "nlinear", SCHEMA, window, rows())
    said = "horizon 3 in member 1 and 2" if window.horizon == 2 else "lead 1 in member 1 and 0"
    with pytest.raises(InputError, match=f"{said} in member 2"):
        save_mixture(tmp_path / "no", [(members[3], 0.5), (other, 0.5)], {})
    frame = rows()
    other = network(tmp_path / "less", "nlinear", SCHEMA, WINDOW, frame[frame.site != "a"])
    with pytest.raises(InputError, match=r"series \['a'\] in member 1 and \[\] in member 2"):
        save_mixture(tmp_path / "no", [(members[3], 0.5), (other, 0.5)], {})


def test_weights_that_do_not_add_up_are_refused(members, tmp_path: Path):
    for weights in ((0.5, 0.4), (1.0, 0.0), (1.5, -0.5), (float("nan"), 1.0), (float("inf"), 0.5)):
        told = list(zip(members, weights, strict=False))
        with pytest.raises(InputError, match="weights .* must be above 0 and add up to 1"):
            save_mixture(tmp_path / "no", told, {})
    with pytest.raises(InputError, match="got none"):
        save_mixture(tmp_path / "no", [], {})


def test_a_prepared_table_is_forecast_window_by_window(whole, members):
    served, frame = bundle.load(whole), rows()
    tables = served.tables(frame)
    starts = served.starts(tables, history=True)
    found = served.forecast_windows(tables, starts, 64)
    said = served.predict(frame, history=True)
    np.testing.assert_allclose(found["forecast"].ravel(), said.forecast, rtol=1e-5)
    some = [own[[40, 3, 100]] for own in starts]  # in any order
    few = served.forecast_windows(tables, some, 64)
    np.testing.assert_allclose(few["upper"], found["upper"][[40, 3, 100]], rtol=1e-5)
    for own, table, member in zip(starts, tables, served.members, strict=True):
        origin = table.time[own + member.window.timesteps - 1]
        np.testing.assert_array_equal(origin[::1], said.origin.to_numpy()[::3])


@pytest.fixture(scope="module")
def here(whole: Path, members, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with the mixture, a bundle of trees and rows."""
    folder = tmp_path_factory.mktemp("here")
    shutil.copytree(whole, folder / "mixed")
    shutil.copytree(members[2], folder / "trees")
    rows().to_csv(folder / "rows.csv", index=False)
    return Place(folder, [], [])


@pytest.mark.parametrize("name", ["mixed", "trees"])
@pytest.mark.parametrize("history", ["false", "true"])
def test_the_command_predicts_with_it(here: Place, name: str, history: str):
    words = (f"run={name}", "data.path=rows.csv", f"history={history}", "output=next.parquet")
    assert here.run("predict", *words) == 0, here.errors[-1]
    found = pd.read_parquet(here.folder / "next.parquet")
    expected = bundle.load(here.folder / name).predict(rows(), history=history == "true")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert (here.folder / "next.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_takes_other_names_and_refuses_other_settings(here: Place):
    rows().rename(columns={"time": "when"}).to_csv(here.folder / "renamed.csv", index=False)
    words = ("predict", "run=mixed", "data.path=renamed.csv", "data.time=when")
    assert here.run(*words, "window.timesteps=20", "output=a.csv") == 0, here.errors[-1]
    assert here.run(*words, "window.horizon=5", "output=a.csv") == 2
    assert "window.horizon must be 3 or less" in here.errors[-1]


@pytest.mark.parametrize("name", ["mixed", "trees"])
def test_rows_that_memory_does_not_hold_are_refused_with_what_they_take(name, here, monkeypatch):
    words = ("predict", f"run={name}", "data.path=rows.csv", "output=large.csv")
    monkeypatch.setattr(load, "LEAST", 1)
    assert here.run(*words, "data.memory=1KiB") == 2
    said = here.errors[-1]
    assert said.count("\n") == 1 and "data.memory must hold all rows" in said
    cure = next(word for word in said.split() if word.startswith("data.memory=")).rstrip(",")
    assert here.run(*words, cure) == 0, here.errors[-1]
    assert (here.folder / "large.csv").is_file()


@pytest.mark.parametrize("name", ["mixed", "trees"])
def test_there_are_no_gates_to_inspect(here: Place, name: str):
    assert here.run("inspect", f"run={name}") == 2
    kind = "mixture" if name == "mixed" else "trees"
    said = " ".join(here.errors[-1].split())
    assert f"run must be of one network, whose gates can be looked at, got '{name}'" in said
    assert f"a bundle of kind {kind} without gates: give a run of forecast train" in said


@pytest.mark.parametrize("name", ["mixed", "trees"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_mlflow_serves_it(here: Place, name: str, tmp_path: Path):
    import mlflow.pyfunc

    source, frame = tmp_path / package.NAME, rows()
    shutil.copytree(here.folder / name, source)
    served = bundle.load(source)
    asked = package.example(frame, served.schema, served.window)
    interval = served.reach is not None
    made = package.package(tmp_path / "model", source, asked, interval=interval)
    inside = package.inside(made)
    assert inside == made / package.INSIDE and bundle.load(inside).digest == served.digest
    found = mlflow.pyfunc.load_model(str(made)).predict(frame)
    pd.testing.assert_frame_equal(found, served.predict(frame))
    assert len(served.predict(asked)) == 3
    assert mixture.FOLDER not in {path.name for path in made.iterdir()}


@pytest.fixture(scope="module")
def stored(here: Place) -> str:
    """A run in the store of that folder that has kept the mixture, and nothing else."""
    from forecast.tracking.mlflow.store import Store, client

    Store(here.uri, "mixed")
    store = client(here.uri)
    run = store.create_run(store.get_experiment_by_name("mixed").experiment_id).info
    store.set_tag(run.run_id, "forecast.kind", "mixture")
    store.log_artifacts(run.run_id, str(here.folder / "mixed"), f"model/{package.INSIDE}")
    store.set_terminated(run.run_id)
    return run.run_id


def test_a_run_with_a_mixture_predicts_and_other_commands_say_what_it_lacks(here: Place, stored):
    words = ("predict", f"run={stored}", "data.path=rows.csv", "output=-")
    assert here.run(*words) == 0, here.errors[-1]
    assert len(here.printed[-1].splitlines()) == 1 + 9
    for words, said in (
        (("inspect", f"run={stored}"), "run must be of one network"),
        (("reproduce", f"run={stored}"), "run must be a finished training"),
        (("compare", f"runs=[{stored},{stored[:-1]}]"), "runs must"),
    ):
        assert here.run(*words) == 2
        assert here.errors[-1].count("\n") == 1 and f"forecast: {said}" in here.errors[-1]
