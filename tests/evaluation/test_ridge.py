"""Ridge on windows without their level, its penalty chosen on windows that nobody scores."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from forecast.data import scale, windows
from forecast.data.scale import Scaled
from forecast.data.windows import Window
from forecast.evaluation.baselines import regression
from forecast.evaluation.baselines.regression import PENALTIES, Flat, Path
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

from .tables import at_once, panel

WINDOW = Window(6, 4, lead=1)


def spec(**changes):
    given = {"baselines": (), "regressors": {"ridge": {}}}
    return Spec(Model("linear"), WINDOW, Training(), **{**given, **changes})


def split(table, validation=60, test=80):
    """Windows whose future lies before a tick, between both, behind the second."""
    spans = (
        table.tick < validation,
        (table.tick >= validation) & (table.tick < test),
        table.tick >= test,
    )
    return [windows.starts(table, WINDOW, within=span) for span in spans]


@pytest.mark.parametrize("rows", [60, 15])  # more rows than columns, and fewer
@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_penalty_of_a_path_is_scikit_learns_ridge(rows, penalty):
    rng = np.random.default_rng(0)
    known, future = rng.normal(3, 2, (rows, 20)), rng.normal(-1, 1, (rows, 3))
    given = rng.normal(size=(5, 20))
    expected = Ridge(alpha=penalty).fit(known, future).predict(given)
    np.testing.assert_allclose(Path(known, future).at(penalty)(given), expected, rtol=1e-7)


@pytest.mark.parametrize("refit", [False, True])
def test_the_penalty_has_the_least_error_on_validation_and_learns_from_what_may_be_learned(refit):
    table = panel((120, 100), seed=3)
    train, held, test = split(table)
    learned = table.tick < (80 if refit else 60)
    scaler = scale.fit(table.take(learned))
    flat = Flat(Scaled(table, scaler), WINDOW)
    errors = []
    for penalty in PENALTIES:
        model = Ridge(alpha=penalty).fit(flat.known(train), flat.future(train))
        said = flat.values(model.predict(flat.known(held)), held)
        errors.append(np.abs(said - windows.outputs(table.outputs, held, WINDOW)).mean())
    best = PENALTIES[int(np.argmin(errors))]
    every = windows.starts(table, WINDOW, within=learned)
    model = Ridge(alpha=best).fit(flat.known(every), flat.future(every))
    expected = flat.values(model.predict(flat.known(test)), test)
    found = at_once(spec(), Scaled(table, scaler), learned, test, validation=held, refit=refit)
    assert found["ridge"].note == f"penalty {best:g}" and 0.1 < best < 1e5
    np.testing.assert_allclose(found["ridge"].values, expected, rtol=1e-6)


def test_a_given_penalty_is_used_as_given():
    table = panel((120,))
    train, held, test = split(table)
    scaler, learned = scale.fit(table.take(table.tick < 60)), table.tick < 60
    flat = Flat(Scaled(table, scaler), WINDOW)
    model = Ridge(alpha=123.0).fit(flat.known(train), flat.future(train))
    own = spec(regressors={"ridge": {"alpha": 123.0}})
    found = at_once(own, Scaled(table, scaler), learned, test, validation=held)["ridge"]
    np.testing.assert_allclose(found.values, flat.values(model.predict(flat.known(test)), test))
    assert not found.note


def test_choices_read_nothing_of_the_scored_windows():
    table = panel((120, 100), seed=3)
    _, held, test = split(table)
    learned = table.tick < 60
    scaler = scale.fit(table.take(learned))
    wild = replace(table, outputs=table.outputs.copy())
    wild.outputs[table.tick >= 80] *= -50  # the truth of the scored windows, not what they read
    one, two = (
        at_once(spec(), Scaled(data, scaler), learned, test, validation=held)["ridge"]
        for data in (table, wild)
    )
    assert one.values.tobytes() == two.values.tobytes() and one.note == two.note


def test_a_series_that_has_moved_away_is_forecast_from_where_it_is():
    """A constant on all that was not learned moves the forecasts by as much, and nothing else."""
    table = panel((120, 100))
    train, held, test = split(table)
    later, learned = table.tick >= 54, table.tick < 54
    scaler = scale.fit(table.take(learned))
    inputs, outputs = table.inputs.copy(), table.outputs.copy()
    inputs[later, :2] += [500.0, -300.0]
    outputs[later] += [500.0, -300.0]
    moved = replace(table, inputs=inputs, outputs=outputs)
    test = test[table.tick[test] >= 60]
    one, two = (
        at_once(spec(), Scaled(data, scaler), learned, test, validation=held[-9:])["ridge"]
        for data in (table, moved)
    )
    assert one.note == two.note
    np.testing.assert_allclose(two.values, one.values + [500.0, -300.0], atol=2e-3)


def test_targets_that_are_no_input_have_no_level():
    table = panel((120,))
    other = replace(table, features=("a", "b", "c"))  # the same numbers, which nobody calls targets
    starts = windows.starts(other, WINDOW)
    flat = Flat(Scaled(other, scale.fit(other)), WINDOW)
    known = windows.inputs(flat.rows.inputs, starts, WINDOW).reshape(len(starts), -1)
    np.testing.assert_array_equal(flat.known(starts), known)
    future = windows.outputs(flat.rows.outputs, starts, WINDOW).reshape(len(starts), -1)
    np.testing.assert_array_equal(flat.future(starts), future)


@pytest.mark.parametrize(
    ("name", "settings"), [("ridge", {}), ("ridge", {"alpha": 1.0}), ("KNeighborsRegressor", {})]
)
def test_a_forecast_does_not_depend_on_the_windows_beside_it(name, settings, monkeypatch):
    monkeypatch.setattr(regression, "BLOCK", 64)
    table = panel((400, 300))
    learned = table.tick < 150
    scaler, starts = scale.fit(table.take(learned)), windows.starts(table, WINDOW)
    own = spec(regressors={name: settings})
    whole = at_once(own, Scaled(table, scaler), learned, starts)[name]
    for part in (starts[:1], starts[5:6], starts[3::7], starts[::-1]):
        found = at_once(own, Scaled(table, scaler), learned, part)[name]
        assert found.values.tobytes() == whole.at(part).values.tobytes()


def test_too_few_windows_to_choose_take_a_common_penalty():
    table = panel((14,))
    learned = table.tick < 11  # one window
    scaler = scale.fit(table.take(learned))
    starts = windows.starts(table, WINDOW)[-2:]
    given = spec(regressors={"ridge": {"alpha": regression.PENALTY}})
    one, two = (
        at_once(own, Scaled(table, scaler), learned, starts)["ridge"] for own in (spec(), given)
    )
    np.testing.assert_array_equal(one.values, two.values)


def test_no_regressors_are_none():
    table = panel((60,))
    learned = table.tick < 40
    scaler = scale.fit(table.take(learned))
    found = at_once(
        spec(regressors={}), Scaled(table, scaler), learned, windows.starts(table, WINDOW)[-3:]
    )
    assert list(found) == ["persistence", "seasonal_naive"]
