"""Bounded forecasts are those without bounds, clipped, wherever they leave a model."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel, scale, windows
from forecast.data.scaling.bounds import clipped
from forecast.data.schema import Schema
from forecast.data.stored.read import plain_facts, read_facts
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import ensemble, experiment
from forecast.evaluation.baselines import trees
from forecast.evaluation.intervals import calibration
from forecast.evaluation.outcome import Spec
from forecast.serving import bundle
from forecast.serving.mixture import save_mixture
from forecast.training.parameters import Model, Training

WINDOW = Window(timesteps=8, horizon=3)
LEAST, MOST = 0.0, 4.0
SCHEMA = Schema("time", ("qty",), series=("part",), frequency="h")
BOUND = replace(SCHEMA, bounds={"qty": (LEAST, MOST)})


def sales(rows: int = 200) -> pd.DataFrame:
    """Two parts that are rarely sold, up to four at a time."""
    rng, frames = np.random.default_rng(5), []
    for name in ("a", "b"):
        time = pd.date_range("2024-01-01", periods=rows, freq="h")
        qty = rng.integers(1, 5, rows) * (rng.random(rows) < 0.3)
        frames.append(pd.DataFrame({"time": time, "part": name, "qty": qty.astype(float)}))
    return pd.concat(frames, ignore_index=True)


def spec(**changes) -> Spec:
    made = {
        "model": Model("linear"),
        "window": WINDOW,
        "training": Training(epochs=1, learning_rate=0.05, quantiles=(0.1, 0.5, 0.9)),
        "baselines": ("drift", "boosted_trees"),
        "regressors": {"Ridge": {"alpha": 1.0}},
        "season": 5,
        "interval": 0.9,
    }
    return Spec(**made | changes)


@pytest.fixture(scope="module")
def outcomes():
    """The same experiment without bounds and with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.SETTINGS, "max_iter", 8)
        return [experiment.run(spec(), panel.build(sales(), own)) for own in (SCHEMA, BOUND)]


def test_forecasts_and_quantiles_are_those_without_bounds_clipped(outcomes):
    free, bound = outcomes
    np.testing.assert_array_equal(bound.test.quantiles, free.test.quantiles.clip(LEAST, MOST))
    np.testing.assert_array_equal(bound.test.values, free.test.values.clip(LEAST, MOST))
    assert (free.test.quantiles < LEAST).any()


def test_baselines_are_clipped_alike(outcomes):
    free, bound = outcomes
    assert {*free.baselines} == {*bound.baselines}
    for name, own in free.baselines.items():
        np.testing.assert_array_equal(
            bound.baselines[name].values, own.values.clip(LEAST, MOST), err_msg=name
        )
    assert (free.baselines["drift"].values < LEAST).any()


def test_intervals_of_all_levels_lie_within(outcomes):
    _, bound = outcomes
    for own in (bound.intervals, bound.intervals.inner, *bound.baseline_intervals.values()):
        known = np.isfinite(own.lower)
        assert (
            known.any() and (own.lower[known] >= LEAST).all() and (own.upper[known] <= MOST).all()
        )


@pytest.mark.parametrize("method", ["split", "adaptive"])
def test_ends_are_those_around_the_same_forecasts_clipped(outcomes, method):
    """Truth lies within the bounds, so what is covered without them is covered with them."""
    bound = outcomes[1]
    scaler = bound.forecaster.scaler_
    held_rows = windows.starts(bound.table, WINDOW, within=bound.cuts.validation_rows(bound.table))
    held = replace(
        bound.test,
        starts=held_rows,
        values=bound.forecaster.predict_windows(bound.table, held_rows),
        quantiles=bound.forecaster.predict_quantiles(bound.table, held_rows),
    )
    ends = []
    for table in (replace(bound.table, bounds=()), bound.table):
        spans = {"": (replace(bound.test, table=table), replace(held, table=table))}
        ends.append(calibration.calibrate_all(spans, scaler, 0.9, method)[""])
    free, own = ends
    assert (free.lower < LEAST).any()
    np.testing.assert_array_equal(own.lower, free.lower.clip(LEAST, MOST))
    np.testing.assert_array_equal(own.upper, free.upper.clip(LEAST, MOST))
    np.testing.assert_array_equal(own.inner.upper, free.inner.upper.clip(LEAST, MOST))
    assert own.inside == free.inside
    assert (own.crps <= free.crps + 1e-12)[np.isfinite(free.crps)].all()


@pytest.fixture(scope="module")
def folders(outcomes, tmp_path_factory):
    """Bundles of the bounded network and of a bounded rule, with intervals."""
    bound, home = outcomes[1], tmp_path_factory.mktemp("bound")
    reach = bound.intervals.reach
    bundle.save(home / "network", bound.forecaster, BOUND, {}, reach=reach)
    learned = experiment.by_name.learn(
        spec(),
        scale.Scaled(bound.table, bound.forecaster.scaler_),
        bound.cuts.learned_rows(bound.table),
        bound.test.starts,
    )
    rows = scale.Scaled(bound.table, bound.forecaster.scaler_)
    kept = learned.learned["drift"]
    bundle.save_baseline(home / "drift", kept, BOUND, WINDOW, rows, {}, reach=reach)
    alone = replace(reach, between=None)
    save_mixture(home / "mean", [(home / "network", 0.5), (home / "drift", 0.5)], {}, reach=alone)
    return home


def unbound(served):
    """The same bundle without bounds."""
    if hasattr(served, "members"):
        members = tuple(map(unbound, served.members))
        return replace(served, members=members, schema=replace(served.schema, bounds={}))
    return replace(served, schema=replace(served.schema, bounds={}))


@pytest.mark.parametrize("name", ["network", "drift"])
def test_a_bundle_forecasts_what_it_would_without_bounds_clipped(folders, name):
    served = bundle.load(folders / name)
    assert served.schema.bounds == BOUND.bounds
    said, free = (own.predict(sales(), history=True) for own in (served, unbound(served)))
    columns = [own for own in said if own == "forecast" or own.startswith("q0")]
    pd.testing.assert_frame_equal(said[columns], free[columns].clip(LEAST, MOST))
    assert (free[columns] < LEAST).any(axis=None)
    assert (said.lower >= LEAST).all() and (said.upper <= MOST).all()
    assert (said.lower <= said.forecast).all() and (said.forecast <= said.upper).all()


def test_a_mixture_is_the_mean_of_its_clipped_members_within_the_bounds(folders):
    said = bundle.load(folders / "mean").predict(sales(), history=True)
    each = [
        bundle.load(folders / name).predict(sales(), history=True) for name in ("network", "drift")
    ]
    np.testing.assert_allclose(said.forecast, (each[0].forecast + each[1].forecast) / 2)
    assert (said.lower >= LEAST).all() and (said.upper <= MOST).all()
    free = unbound(bundle.load(folders / "mean")).predict(sales(), history=True)
    assert (free.lower < LEAST).any()


def test_members_of_other_bounds_are_not_averaged(folders, tmp_path):
    with pytest.raises(
        InputError, match="members must be bundles that can be averaged, got bounds"
    ):
        plain = bundle.load(folders / "network")
        save_other(plain, tmp_path / "other", folders)
        save_mixture(tmp_path / "no", [(folders / "network", 0.5), (tmp_path / "other", 0.5)], {})


def save_other(plain, folder, folders):
    """Write the facts of a bundle with other bounds."""
    import shutil

    from forecast.serving import schema as fields

    shutil.copytree(folders / "network", folder)
    told = json.loads((folder / "bundle.json").read_text())
    told["schema"]["bounds"] = {"qty": [None, MOST]}
    own = {key: part for key, part in told.items() if key not in ("format", "weights", "sha256")}
    fields.write(folder, own)
    assert bundle.load(folder).schema.bounds == {"qty": (None, MOST)} != plain.schema.bounds


def test_an_ensemble_scores_clipped_forecasts():
    table = panel.build(sales(), BOUND)
    on = ensemble.Windows.of(spec(training=Training(epochs=1)), table, WINDOW.timesteps)
    shape = (3, 1)
    rng = np.random.default_rng(0)
    held, test = (
        {name: rng.normal(2, 4, (len(own), *shape)) for name in ("one", "two")}
        for own in (on.held, on.test)
    )
    found = ensemble.evaluate(on, {"one": 0.5, "two": 0.5}, held, test)
    mean = (test["one"] + test["two"]) / 2
    np.testing.assert_allclose(found.test.values, mean.clip(LEAST, MOST))
    np.testing.assert_array_equal(found.baselines["one"].values, test["one"].clip(LEAST, MOST))


def test_values_outside_are_refused_before_training_with_a_cure_that_works():
    frame = sales()
    frame.loc[[17, 30], "qty"] = -1.5, -3.0
    rule = r"data.bounds.qty must hold all training values, got -1.5 in 2 of .* first in a at 2024"
    with pytest.raises(InputError, match=rule) as told:
        experiment.prepare(spec(), panel.build(frame, BOUND))
    low, high = json.loads(str(told.value).partition("data.bounds.qty=")[2].partition("]")[0] + "]")
    wider = replace(SCHEMA, bounds={"qty": (low, high)})
    assert experiment.prepare(spec(), panel.build(frame, wider)).table.bounds == ((-3.0, 4.0),)


def test_values_outside_behind_the_training_rows_are_scored():
    frame = sales()
    late = frame.index[frame.part == "b"][-5]
    frame.loc[late, "qty"] = 9.0
    experiment.prepare(spec(), panel.build(frame, BOUND))


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (
            {"qty": (5, 1)},
            r"data.bounds.qty must be \[low, high\].*, got \[5, 1\]: try \[0, null\]",
        ),
        ({"qty": (1,)}, r"got \[1\]"),
        ({"qty": ("a", None)}, r"got \['a', None\]"),
        ({"qty": (2, 2)}, r"got \[2, 2\]"),
        ({"qty": (float("nan"), None)}, "data.bounds.qty must be"),
        ({"qyt": (0, None)}, "data.bounds must name targets, got 'qyt': did you mean \"qty\""),
    ],
)
def test_bounds_that_are_none_are_refused(bounds, said):
    with pytest.raises(InputError, match=said):
        replace(SCHEMA, bounds=bounds)


def test_probabilities_have_no_bounds_of_the_user():
    with pytest.raises(InputError, match=r"data.bounds must be empty where data.events"):
        replace(BOUND, events={"qty": 2})


def test_clipping_is_that_of_a_loop():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 5, (7, 3, 3))
    values[2, 1, 1] = np.nan
    bounds = ((None, 2.0), (-1.0, None), (None, None))
    expected = values.copy()
    for place in np.ndindex(values.shape):
        low, high = bounds[place[-1]]
        if low is not None and values[place] < low:
            expected[place] = low
        if high is not None and values[place] > high:
            expected[place] = high
    np.testing.assert_array_equal(clipped(values, bounds), expected)


def test_bounds_survive_the_json_of_a_schema_and_of_a_table_on_disk():
    again = Schema.from_dict(json.loads(json.dumps(BOUND.to_dict())))
    assert again == BOUND and "bounds" not in SCHEMA.to_dict()
    half = panel.build(sales(20), replace(SCHEMA, bounds={"qty": (0, None)}))
    assert read_facts(json.loads(json.dumps(plain_facts(half)))).bounds == ((0, None),)
