"""Ways through a space, without training: what is asked for is scored by a formula."""

import math

import numpy as np
import pytest

from forecast import Model, Training, Window
from forecast.errors import InputError
from forecast.evaluation.outcome import Spec
from forecast.search import space
from forecast.search.candidates import Candidate
from forecast.search.leaderboard import Standing
from forecast.search.strategies import Everything, Halving, Tpe


def candidate(number, point=None):
    return Candidate(number, point or {}, Spec(Model(), Window(), Training()), "t", {})


def walk(strategy, score):
    """Every round as (numbers, rung), each candidate scored by a formula of itself and its rung."""
    rounds = []

    def rank(asked):
        found = [Standing(c, np.array([score(c, rung)]), 1, 1.0, rung=rung) for c, rung in asked]
        return sorted(found, key=lambda s: (not math.isfinite(s.mean), s.mean))

    for asked in strategy.rounds(rank):
        rounds.append(([c.number for c, _ in asked], {rung for _, rung in asked}))
    return rounds


def test_everything_is_one_round_to_the_end():
    [(numbers, rungs)] = walk(Everything([candidate(n) for n in range(5)]), lambda c, r: 0.0)
    assert numbers == [0, 1, 2, 3, 4]
    assert [rung.share("epochs") for rung in rungs] == [1.0]


def test_the_best_third_goes_on_each_time():
    """Numbers that are good on the first rung need not be good on the next."""
    halving = Halving([candidate(n) for n in range(9)], 3)
    found = walk(halving, lambda c, rung: c.number if rung.number == 1 else -c.number)
    assert [numbers for numbers, _ in found] == [list(range(9)), [0, 1, 2], [2]]
    shares = [rung.share("epochs") for _, rungs in found for rung in rungs]
    assert shares == pytest.approx([1 / 9, 1 / 3, 1])
    assert halving.most == 9 + 3 + 1


@pytest.mark.parametrize(
    ("count", "factor", "sizes"),
    [(1, 2, [1]), (2, 2, [2, 1]), (8, 3, [8, 3]), (20, 3, [20, 7, 3]), (27, 3, [27, 9, 3, 1])],
)
def test_the_last_rung_is_never_empty(count, factor, sizes):
    found = walk(Halving([candidate(n) for n in range(count)], factor), lambda c, r: c.number)
    assert [len(numbers) for numbers, _ in found] == sizes


def test_a_candidate_that_failed_does_not_go_on():
    halving = Halving([candidate(n) for n in range(4)], 2)
    found = walk(halving, lambda c, rung: math.nan if c.number < 3 else 1.0)
    assert [numbers for numbers, _ in found] == [[0, 1, 2, 3], [3], [3]]
    assert walk(halving, lambda c, rung: math.nan)[1:] == [([], set()), ([], set())]


def test_rows_are_spent_instead_of_epochs():
    halving = Halving([candidate(n) for n in range(4)], 2, "rows")
    found = [rung for _, rungs in walk(halving, lambda c, r: c.number) for rung in rungs]
    assert [rung.share("rows") for rung in found] == [0.25, 0.5, 1.0]
    assert {rung.share("epochs") for rung in found} == {1.0}
    assert [rung.before for rung in found] == [None] * 3  # each rung learns anew


SPACE = space.read(
    {
        "training.learning_rate": {"loguniform": [1e-4, 1e-1]},
        "model.dropout": {"uniform": [0.0, 0.5]},
        "window.timesteps": {"randint": [3, 40]},
        "model.units": [[8], [16], [32]],
    }
)


def distance(found, _=None):
    """Least, 0, at learning rate 3e-3, dropout 0.1, 20 steps and 16 units."""
    point = found.point
    return (
        abs(math.log10(point["training.learning_rate"] / 3e-3))
        + abs(point["model.dropout"] - 0.1)
        + abs(point["window.timesteps"] - 20) / 20
        + (point["model.units"] != [16])
    )


def tpe(samples=60, batch=4, seed=0, build=candidate, grids=SPACE):
    return Tpe([candidate(0)], grids, build, samples, batch, seed)


def tried(strategy, score=distance):
    """Every point that a strategy came to, and the score of each."""
    seen = {}

    def remember(c, rung):
        seen[c.number] = c.point
        return score(c)

    walk(strategy, remember)
    return seen


def test_later_points_are_better_than_earlier_ones():
    for seed in range(3):
        points = list(tried(tpe(seed=seed)).values())
        scores = [distance(candidate(0, point)) for point in points]
        assert np.mean(scores[-20:]) < 0.7 * np.mean(scores[:20])


def test_the_same_seed_and_scores_ask_for_the_same_points():
    first = tried(tpe())
    assert tried(tpe()) == first
    assert tried(tpe(seed=1)) != first
    # its scores steer it: turned round, it goes elsewhere once the first ten points are in
    other = tried(tpe(), lambda c: -distance(c))
    assert list(other.values())[:8] == list(first.values())[:8] and other != first


def test_points_lie_in_the_space():
    for point in tried(tpe()).values():
        assert 1e-4 <= point["training.learning_rate"] <= 1e-1
        assert 0 <= point["model.dropout"] <= 0.5
        assert point["window.timesteps"] in range(3, 41)
        assert point["model.units"] in ([8], [16], [32])


def test_a_point_is_tried_once():
    grids = space.read({"model.units": [[8], [16]], "training.batch_size": [16, 32]})
    seen = tried(tpe(30, 3, grids=grids), lambda c: c.point["model.units"][0])
    assert len(seen) == 4 and sorted(seen) == [0, 1, 2, 3]


def test_of_several_grids_each_has_its_own_keys():
    grids = space.read(
        [
            {"model": ["lstm"], "model.units": [[8], [16]]},
            {"model": ["causal_cnn"], "model.filters": {"randint": [4, 32]}},
        ]
    )
    points = tried(tpe(30, grids=grids), lambda c: 1.0).values()
    assert {point["model"] for point in points} == {"lstm", "causal_cnn"}
    assert all(("model.units" in p) == (p["model"] == "lstm") for p in points)
    assert all(list(point)[0] == "model" for point in points)  # chosen before its keys


def test_a_point_that_cannot_be_built_is_left_out_and_the_search_goes_on(caplog):
    def build(number, point):
        if point["window.timesteps"] > 30:
            raise InputError("window.timesteps is too long")
        return candidate(number, point)

    seen = tried(tpe(40, build=build))
    assert 20 < len(seen) < 40 and sorted(seen) == list(range(len(seen)))
    assert "left out: window.timesteps is too long" in caplog.text


def test_corners_hold_every_way_of_cutting_windows_and_every_value_once():
    grids = space.read(
        {
            "window.timesteps": {"randint": [8, 48]},
            "data.features": [["a"], ["a", "b"]],
            "model.units": [[8], [16], [32]],
            "training.learning_rate": {"uniform": [0.1, 0.2]},
        }
    )
    found = space.corners(grids)
    cuts = {(point["window.timesteps"], tuple(point["data.features"])) for point in found}
    assert cuts == {(8, ("a",)), (8, ("a", "b")), (48, ("a",)), (48, ("a", "b"))}
    assert {tuple(point["model.units"]) for point in found} == {(8,), (16,), (32,)}
    assert {point["training.learning_rate"] for point in found} == {0.1, 0.2}
    assert len(found) < 2 * 2 * 3 * 2
