"""Candidates, keys, folds and the leaderboard, without a cluster."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from forecast import Folds, Model, Training, Window
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation.outcome import Spec
from forecast.report import comparison
from forecast.search import keys, leaderboard, ledger, plan, space
from forecast.search.candidates import Builder, Candidate, Composed
from forecast.search.leaderboard import LABELS, Standing


def table(rows: int = 60, holes: tuple[int, ...] = ()) -> Table:
    values = np.arange(rows, dtype=float)[:, None] % 7
    inputs = values.copy()
    inputs[list(holes)] = np.nan
    zero = np.zeros(rows, int)
    return Table(inputs, values, ("a",), ("a",), zero, np.arange(rows), np.arange(rows))


def spec(timesteps: int = 4, **training: object) -> Spec:
    return Spec(Model("lstm", units=[2]), Window(timesteps, 2), Training(**training))


def candidate(number: int, timesteps: int) -> Candidate:
    return Candidate(number, {"window.timesteps": timesteps}, spec(timesteps), "t", {})


SPACE = space.read(
    {
        "training.learning_rate": {"loguniform": [1e-4, 1e-2]},
        "model.dropout": {"uniform": [0.1, 0.5]},
        "window.timesteps": {"randint": [3, 5]},
        "model.units": [[8], [16]],
    }
)


def test_sampled_points_lie_in_their_ranges_and_repeat_with_the_seed():
    found = space.sampled(SPACE, 400, 0)
    assert len(found) == 400 and found == space.sampled(SPACE, 400, 0)
    assert found != space.sampled(SPACE, 400, 1)
    rates, dropouts, steps, units = (
        [point[key] for point in found]
        for key in ("training.learning_rate", "model.dropout", "window.timesteps", "model.units")
    )
    assert 1e-4 <= min(rates) and max(rates) <= 1e-2
    assert 0.4 < np.mean(np.array(rates) < 1e-3) < 0.6  # as many in each decade
    assert 0.1 <= min(dropouts) and max(dropouts) <= 0.5 and 0.28 < np.mean(dropouts) < 0.32
    assert set(steps) == {3, 4, 5} and all(type(step) is int for step in steps)
    assert [8] in units and [16] in units


def test_lists_alone_are_drawn_without_repetition():
    grid = space.read({"training.batch_size": [16, 32, 64], "model.units": [[8], [16]]})
    every = space.points(grid)
    found = space.sampled(grid, 50, 3)
    assert len(found) == 6 and all(point in every for point in found)
    assert len(space.sampled(grid, 4, 3)) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"loguniform": [0, 1]},
        {"uniform": [2, 1]},
        {"uniform": [1]},
        {"normal": [0, 1]},
        {"uniform": [0, 1], "randint": [0, 1]},
        7,
    ],
    ids=str,
)
def test_what_is_no_distribution_is_refused(wrong):
    with pytest.raises(InputError, match=r"^sweep\.grid\.model\.dropout must be .* \{uniform: "):
        space.read({"model.dropout": wrong})


def test_a_list_of_grids_is_the_sum_of_their_points():
    grid = [
        {"model": ["lstm"], "model.units": [[8], [16]]},
        {"model": ["causal_cnn"], "model.filters": [8, 16, 32]},
    ]
    found = space.points(space.read(grid))
    assert len(found) == 5
    assert all(list(point)[0] == "model" for point in found)  # groups are chosen before their keys


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"window.horizon": [1, 2]}, r"window\.horizon.*question"),
        ({"training.seed": [1, 2]}, r"training\.seed.*sweep\.seeds"),
        ({"model.units": 8}, r"model\.units must be a list"),
        ([], r"must hold keys .*got \[\]: try"),
        ({"model.units": []}, r"model\.units must hold values"),
        ({"model.dropout": {"uniform": [0, 1]}}, r"model\.dropout must be a list.*random"),
    ],
)
def test_a_grid_that_compares_nothing_is_refused(grid, message: str):
    with pytest.raises(InputError, match=message):
        space.points(space.read(grid))


def test_a_point_that_cannot_be_built_is_named_before_anything_starts():
    def compose(overrides: list[str]) -> Composed:
        made = spec(500) if overrides == ["window.timesteps=500"] else spec()
        return Composed(made, "t", table(), {})

    with pytest.raises(InputError, match=r"point window\.timesteps=500"):
        Builder(compose).all([{"window.timesteps": 4}, {"window.timesteps": 500}])


def test_points_of_different_questions_are_refused():
    def compose(overrides: list[str]) -> Composed:
        horizon = int(overrides[0].removeprefix("experiment="))
        return Composed(replace(spec(), window=Window(4, horizon)), "t", table(), {})

    with pytest.raises(InputError, match=r"point experiment=3: .*different questions"):
        Builder(compose).all([{"experiment": 2}, {"experiment": 3}])


def test_the_key_of_a_trial_changes_with_what_could_change_its_score():
    def key(own: Spec, **other: object) -> str:
        stamps = np.arange(40)
        plain: dict = {"data": "d", "train": stamps, "scored": stamps, "seed": 0, "epochs": 3}
        return keys.trial_key(own, **(plain | other))

    base = key(spec())
    assert key(spec()) == base
    assert key(replace(spec(), validation=0.3, regressors={})) == base
    others = [
        key(spec(5)),
        key(spec(learning_rate=0.1)),
        key(spec(threads=2)),
        key(replace(spec(), model=Model("lstm", units=[3]))),
        key(replace(spec(), scaling="global")),
        key(spec(), seed=1),
        key(spec(), epochs=4),
        key(spec(), data="e"),
        key(spec(), train=np.arange(39)),
        key(spec(), scored=np.arange(39)),
    ]
    assert len({base, *others}) == 1 + len(others)


def test_all_candidates_are_scored_on_the_origins_that_all_can_predict():
    # row 45 is a hole in the inputs: the longer window loses more origins
    tables = {"t": table(holes=(45,))}
    pair = [candidate(0, 4), candidate(1, 8)]
    (fold,) = plan.common(pair, tables, np.ones(60, bool), Folds(2, test_size=15))[1:]
    expected = [
        origin
        for origin in range(60)
        if all(
            origin - steps + 1 >= 0 and 45 not in range(origin - steps + 1, origin + 1)
            for steps in (4, 8)
        )
        and origin + 1 >= 45
        and origin + 2 < 60
    ]
    assert fold.origins.tolist() == expected
    assert (fold.first, fold.cut) == (0, 45)


def standing(scores: list[float], parameters: int = 1, number: int = 0) -> Standing:
    return Standing(candidate(number, 4), np.array(scores), parameters, 1.0)


def test_a_difference_within_one_standard_error_is_a_tie():
    best = standing([1.0, 2.0, 3.0])
    # differences 0.3, -0.1, 0.2: mean 0.133, standard error 0.120 → no tie; 0.3, -0.2, 0.2 → tie
    assert not leaderboard.tied(best, standing([1.3, 1.9, 3.2]))
    assert leaderboard.tied(best, standing([1.3, 1.8, 3.2]))


def test_the_simplest_of_the_tied_is_recommended():
    best, small, bad = (
        standing([1.0, 2.0, 3.0], parameters=100),
        standing([1.3, 1.8, 3.2], parameters=10, number=1),
        standing([4.0, 5.0, 6.0], parameters=1, number=2),
    )
    assert leaderboard.recommended([best, small, bad]) is small


def test_a_candidate_with_a_failed_fold_cannot_win():
    assert standing([0.1, float("nan"), 0.1]).mean == float("inf")


def test_an_owner_is_told_apart_from_another_process_with_its_pid():
    me = ledger.owner_tag()
    assert ledger.runs_here(me) is True
    assert ledger.runs_here(me.replace('"start": ', '"start": 1')) is False
    assert ledger.runs_here("nonsense") is False
    elsewhere = '{"host": "elsewhere", "pid": 1, "start": 5.0}'
    assert ledger.runs_here(elsewhere) is None
    tags = {"heartbeat.elsewhere.1": "1000.0"}
    assert ledger.heard_of(elsewhere, tags, 1080.0)
    assert not ledger.heard_of(elsewhere, tags, 1100.0)


def test_an_owner_has_ended_though_nobody_has_asked_how():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        begun = psutil.Process(process.pid).create_time()
        who = json.dumps(json.loads(ledger.owner_tag()) | {"pid": process.pid, "start": begun})
        assert ledger.runs_here(who) is True
        process.stdin.close()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert ledger.runs_here(who) is False


def board(*points: tuple[dict, float]) -> list[Standing]:
    made = [
        Standing(Candidate(number, point, spec(), "t", {}), np.array([mean]), 9, 1.0)
        for number, (point, mean) in enumerate(points)
    ]
    return sorted(made, key=lambda standing: standing.mean)


def drawn(*points: tuple[dict, float]) -> list[comparison.Row]:
    return leaderboard.rows(board(*points))


def test_only_what_differs_is_an_axis_and_numbers_stand_in_their_order():
    found = comparison.varied(
        drawn(
            ({"model": "lstm", "training.learning_rate": 1e-2, "model.units": [16]}, 3.0),
            ({"model": "lstm", "training.learning_rate": 5e-4, "model.units": [8]}, 2.0),
            ({"model": "lstm", "training.learning_rate": 1e-3}, 4.0),
        )
    )
    assert found == {
        "training.learning_rate": ["0.0005", "0.001", "0.01"],
        "model.units": [comparison.ABSENT, "[8]", "[16]"],
    }


def test_every_candidate_is_a_line_through_its_values_up_to_its_score():
    rows = drawn(
        ({"model.filters": 8}, 4.0), ({"model.filters": 16}, 2.0), ({"model.filters": 32}, 3.0)
    )
    axes = comparison.coordinates(rows, LABELS["mae"]).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()][-1] == "mean MAE"
    last = comparison.coordinates(rows, LABELS["brier"]).axes[0].get_xticklabels()[-1]
    assert last.get_text() == "mean Brier score"
    lines = {tuple(line.get_ydata()): line for line in axes.lines if len(line.get_xdata()) == 2}
    heights = [points for points, line in lines.items() if line.get_linestyle() == "-"]
    assert {(0.0, 0.0), (0.5, 1.0), (1.0, 0.5)} <= set(heights)
    widest = max(lines, key=lambda points: lines[points].get_linewidth())
    assert widest == (0.5, 1.0)  # 16 filters, the lowest error, is the highest point
    assert {text.get_text() for text in axes.texts} >= {"8", "16", "32", "2", "3", "4"}


def test_a_single_candidate_can_be_drawn_and_a_failed_one_is_left_out():
    rows = drawn(({"model.filters": 8}, 4.0), ({"model.filters": 16}, np.inf))
    figure = comparison.coordinates(rows, LABELS["mae"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["4"]
