"""A backtest on a tiny panel with holes, scored again by hand."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from forecast.data.scale import Scaled
from forecast.data.windows import Window
from forecast.evaluation import backtest, experiment
from forecast.evaluation.outcome import Spec
from forecast.evaluation.preparation import Prepared
from forecast.evaluation.rolling import Plan
from forecast.report import backtest_page, figures
from forecast.training import losses, predict
from forecast.training.compiled import _programs
from forecast.training.fit import predict_scaled
from forecast.training.parameters import Model, Training

from .tables import panel
from .test_report import Page

WINDOW = Window(timesteps=6, horizon=4)
SPEC = Spec(
    model=Model("linear"),
    window=WINDOW,
    training=Training(epochs=2, batch_size=16, seed=3, quantiles=(0.1, 0.5, 0.9)),
    validation=0.1,
    test=0.4,
    season=5,
)
TABLE = panel((100, 90), absent=[(0, 75), (1, 20), (1, 83)])
TABLE.outputs[71, 0] = np.nan


@pytest.fixture(scope="module")
def found():
    """Three folds, and how often programs were compiled for them."""
    kept = dict(_programs), dict(predict._predictors)
    _programs.clear()
    predict._predictors.clear()
    compiled = []

    def around(fold, step):
        outcome = step(())
        [training], [prediction] = _programs.values(), predict._predictors.values()
        compiled.append(
            [
                part._compiled.experimental_get_tracing_count()
                for part in (training._steps, prediction._batch)
            ]
        )
        return outcome

    yield backtest.run_backtest(SPEC, TABLE, Plan(3), around=around), compiled
    _programs.update(kept[0])
    predict._predictors.update(kept[1])


@pytest.fixture(scope="module")
def rolled(found):
    return found[0]


def test_later_folds_compile_nothing(found):
    # prediction of the stopping set and of windows have one shape; no fold after the first adds one
    assert found[1][0] == found[1][1] == found[1][2]
    assert found[1][0][0] == 1


def test_one_fit_for_all_folds_forecasts_what_one_experiment_forecasts():
    one = experiment.run(SPEC, TABLE)
    for plan in (Plan(3, "rolling", refit=False), Plan(1)):
        rolled = backtest.run_backtest(SPEC, TABLE, plan).overall
        for said, expected in [
            (rolled.test, one.test),
            *((rolled.baselines[name], other) for name, other in one.baselines.items()),
        ]:
            np.testing.assert_array_equal(said.starts, expected.starts)
            np.testing.assert_array_equal(said.values, expected.values)
        np.testing.assert_array_equal(rolled.test.quantiles, one.test.quantiles)
        assert points(rolled.scores) == points(one.scores)
        for name, own in rolled.baseline_scores.items():
            assert points(own) == points(one.baseline_scores[name])


def test_intervals_of_all_folds_are_those_of_each_in_the_order_of_windows(rolled):
    whole = rolled.overall
    for fold, outcome in enumerate(rolled.outcomes, start=1):
        own = rolled.fold == fold
        np.testing.assert_array_equal(whole.intervals.lower[own], outcome.intervals.lower)
        np.testing.assert_array_equal(whole.intervals.upper[own], outcome.intervals.upper)
        for name, part in outcome.baseline_intervals.items():
            np.testing.assert_array_equal(whole.baseline_intervals[name].upper[own], part.upper)
    assert list(whole.baseline_intervals) == list(whole.baselines)
    inside = (whole.test.true >= whole.intervals.lower) & (whole.test.true <= whole.intervals.upper)
    known = np.isfinite(whole.test.true)
    assert whole.scores["test/coverage_90"] == pytest.approx(inside[known].mean())


def points(found):
    """Leave out what each fold calibrates on rows of its own."""
    own = ("coverage_90", "width_90", "winkler_90", "crps")
    return {key: value for key, value in found.items() if not key.endswith(own)}


def test_every_fit_knows_its_own_training_rows_alone(rolled):
    for fold, outcome, last in zip(rolled.folds, rolled.outcomes, (50, 64, 77), strict=True):
        scaler = outcome.forecaster.scaler_
        for code in (0, 1):
            own = TABLE.inputs[(TABLE.series == code) & (TABLE.tick < last)]
            np.testing.assert_allclose(scaler.input_mean[code], own.mean(axis=0))
        wild = replace(TABLE, inputs=TABLE.inputs.copy(), outputs=TABLE.outputs.copy())
        wild.inputs[TABLE.time >= fold.begin] += 500
        wild.outputs[TABLE.time >= fold.begin] += 500
        again = experiment.run(SPEC, wild, prepared=Prepared(SPEC, wild, fold)).forecaster
        weights = (one.model_.get_weights() for one in (again, outcome.forecaster))
        for one, two in zip(*weights, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_fit_learns_from_what_the_one_before_has_not_seen(rolled):
    weights = [outcome.forecaster.model_.get_weights() for outcome in rolled.outcomes]
    assert any((one != two).any() for one, two in zip(*weights[:2], strict=True))


def test_forecasts_of_all_folds_stand_once_and_in_order(rolled):
    test = rolled.overall.test
    assert (np.diff(test.starts) > 0).all() and set(rolled.fold) == {1, 2, 3}
    for number, outcome in enumerate(rolled.outcomes, start=1):
        mine = rolled.fold == number
        np.testing.assert_array_equal(test.starts[mine], outcome.test.starts)
        np.testing.assert_array_equal(test.values[mine], outcome.test.values)
        np.testing.assert_array_equal(test.quantiles[mine], outcome.test.quantiles)
        for name, other in rolled.overall.baselines.items():
            np.testing.assert_array_equal(other.values[mine], outcome.baselines[name].values)
    frame = rolled.frame()
    assert len(frame) == len(test.values) * 4 * 2
    for fold in rolled.folds:  # the first predicted row says which fold a forecast belongs to
        times = frame.time[(frame.fold == fold.number) & (frame.step == 1)]
        assert fold.begin <= times.min() and times.max() <= fold.last


def test_scores_count_windows_and_not_folds(rolled):
    error = np.concatenate([np.abs(o.test.true - o.test.values) for o in rolled.outcomes])
    square = np.concatenate([(o.test.true - o.test.values) ** 2 for o in rolled.outcomes])
    own = rolled.overall.scores
    assert own["test/windows"] == len(error)
    known = np.isfinite(error)  # of a future with a hole the rest counts
    assert (~known).sum() == own["test/holes"] == 4
    assert own["test/mae"] == pytest.approx(error[known].sum() / known.sum())
    assert own["test/rmse"] == pytest.approx(np.sqrt(square[known].sum() / known.sum()))
    folds = [outcome.scores["test/mae"] for outcome in rolled.outcomes]
    assert abs(own["test/mae"] - np.mean(folds)) > 1e-9
    for name, parts in rolled.overall.baseline_scores.items():
        others = [o.baselines[name] for o in rolled.outcomes]
        other = np.concatenate([np.abs(said.true - said.values) for said in others])[known].mean()
        assert parts["test/mae"] == pytest.approx(other)
        assert own[f"skill/{name}"] == pytest.approx(1 - error[known].mean() / other)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 512])
def test_windows_and_scores_do_not_depend_on_the_batch_size(batch_size, rolled):
    levels, errors = SPEC.training.quantiles, []
    for outcome in rolled.outcomes:
        one, starts = outcome.forecaster, outcome.test.starts
        every = predict_scaled(
            one.model_,
            Scaled(TABLE, one.scaler_),
            WINDOW,
            starts,
            batch_size=batch_size,
            levels=levels,
        )
        errors.append(np.abs(outcome.test.true - losses.point_forecast(every, levels)))
    error = np.concatenate(errors)
    assert len(error) == rolled.overall.scores["test/windows"]
    assert np.nanmean(error) == pytest.approx(rolled.overall.scores["test/mae"], rel=1e-6)


def test_the_table_has_a_row_for_each_fold(rolled):
    table = rolled.table()
    assert table.fold.tolist() == table.fitted_before_fold.tolist() == [1, 2, 3]
    assert table.windows.sum() == rolled.overall.scores["test/windows"]
    for row, outcome in zip(table.to_dict("records"), rolled.outcomes, strict=True):
        assert row["mae"] == outcome.scores["test/mae"]
        assert row["skill_ridge"] == pytest.approx(1 - row["mae"] / row["mae_ridge"])
        assert row["train_to"] < row["validation_from"] < row["test_from"] < row["test_to"]


def test_forecasts_are_drawn_over_the_whole_span_with_the_folds(rolled, tmp_path):
    half = (1, 1, 3)  # the second fold is forecast by the first one's model
    folds = (replace(one, fitted=n) for one, n in zip(rolled.folds, half, strict=True))
    figure = figures.fold_forecasts(replace(rolled, folds=tuple(folds)))
    drawn(figure, tmp_path)
    test = rolled.overall.test
    for code, axes in enumerate(figure.axes):
        true, said, *borders = axes.lines
        assert [border.get_linestyle() for border in borders] == ["-", ":", "-"]
        assert [border.get_xdata()[0] for border in borders] == [one.begin for one in rolled.folds]
        own = TABLE.series == code
        known = dict(zip(TABLE.time[own], TABLE.outputs[own, 0], strict=True))
        np.testing.assert_array_equal(true.get_ydata(), [known[x] for x in true.get_xdata()])
        there = np.isfinite(said.get_ydata())
        stamps, values = said.get_xdata()[there], said.get_ydata()[there]
        mine = {  # the second of four steps
            (TABLE.time[start + 7], test.values[window, 1, 0])
            for window, start in enumerate(test.starts)
            if own[start]
        }
        assert set(zip(stamps, values, strict=True)) == mine and len(stamps) == len(mine)
        [band] = axes.collections
        drawn_to = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
        ends = rolled.overall.intervals
        assert np.isin(ends.upper[own[test.starts], 1, 0].round(9), drawn_to.round(9)).mean() > 0.9


def test_the_error_of_every_fold_is_drawn_beside_that_of_all(rolled, tmp_path):
    axes = drawn(figures.error_by_fold(rolled), tmp_path).axes[0]
    lines = {line.get_label(): line for line in axes.lines if line.get_linestyle() == "-"}
    assert list(lines) == ["persistence", "seasonal_naive", "boosted_trees", "ridge", "linear"]
    expected = [outcome.scores["test/mae"] for outcome in rolled.outcomes]
    np.testing.assert_allclose(lines["linear"].get_ydata(), expected)
    dotted = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert dotted[-1] == pytest.approx(rolled.overall.scores["test/mae"])
    assert axes.get_ylim()[0] == 0


def test_the_report_has_a_row_for_each_fold_and_marks_them(rolled):
    text = backtest_page.page("a backtest", rolled, {"data": "some"}, "forecast backtest")
    page = Page(text)
    assert page.headings[:2] == ["Scores and baselines", "Folds"]
    assert page.headings[-1] == "Setup" and page.row("data")[1] == "some"
    heads = next(row for row in page.rows if row and row[0] == "fold")
    error, held = heads.index("MAE"), heads.index("inside 90 %")
    for fold, outcome in zip(rolled.folds, rolled.outcomes, strict=True):
        row = page.row(f"fold {fold.number}")
        wrong = np.abs(outcome.test.true - outcome.test.values)
        assert float(row[error]) == pytest.approx(np.nanmean(wrong), rel=1e-3)
        ends, true = outcome.intervals, outcome.test.true
        known = np.isfinite(true) & np.isfinite(ends.lower)
        inside = ((ends.lower <= true) & (true <= ends.upper))[known].mean()
        assert row[held] == f"{100 * inside:.1f} %"
        assert row[heads.index("windows")] == str(len(outcome.test.starts))
    [strip] = [named["data-strip"] for _, named in page.tags if "data-strip" in named]
    about = json.loads(strip)
    begins = [fold.begin.astype("M8[ms]").astype(int) for fold in rolled.folds]
    assert [fold["at"] for fold in about["folds"]] == begins
    assert "http" not in text and len(text) < 500_000


def test_the_report_says_which_folds_ended_too_early(rolled):
    def ended(outcome, epoch):
        one = SimpleNamespace(**vars(outcome.forecaster))
        one.best_epoch_ = len(one.history_["loss"]) if epoch else 1
        return replace(outcome, forecaster=one)

    late = [ended(outcome, n != 1) for n, outcome in enumerate(rolled.outcomes)]
    told = backtest_page._worth(replace(rolled, outcomes=tuple(late)))
    assert told[0].startswith("In folds 1 and 3 the best epoch was the last")
    every = backtest_page._worth(
        replace(rolled, outcomes=tuple(ended(outcome, True) for outcome in rolled.outcomes))
    )
    assert every[0].startswith("In every fold ")


def drawn(figure, tmp_path):
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "figure.png")
    return figure
