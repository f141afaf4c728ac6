"""Trees as plain arrays predict what scikit-learn predicts with them, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from forecast.evaluation.baselines import nodes
from forecast.evaluation.baselines.nodes import Nodes


@pytest.fixture(autouse=True)
def one_thread():
    """Threads wait for one another longer than such small trees take."""
    with threadpool_limits(1, user_api="openmp"):
        yield


def rows(count=400, seed=0):
    """Columns with holes, ties and extremes, one constant and one that is hardly known."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, 7))
    found[:, 1] = found[:, 1].round()
    found[rng.random(count) < 0.3, 2] = np.nan
    found[:, 3] = 5.0
    found[:, 4] *= 1e300
    found[:, 5] = rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, np.finfo(float).max], count)
    found[1:, 6] = np.nan
    return found


def truth(features, seed=1):
    """What depends on values and on whether they are missing."""
    known = np.nan_to_num(features[:, :3])
    away = np.random.default_rng(seed).normal(0, 0.1, len(features))
    side = np.sign(known[:, 0])
    return known[:, 0] * known[:, 1] + side * (1 + 2 * np.isnan(features[:, 2])) + away


def fitted(features, true, **settings):
    own = {"max_iter": 12, "min_samples_leaf": 3, "early_stopping": False, "random_state": 0}
    return HistGradientBoostingRegressor(**{**own, **settings}).fit(features, true)


MODELS = {
    "absolute": {"loss": "absolute_error"},
    "squared": {"max_leaf_nodes": None, "max_depth": 12},
    "quantile": {"loss": "quantile", "quantile": 0.9},
    "one leaf": {"min_samples_leaf": 10_000},
    "one tree": {"max_iter": 1},
    "stumps": {"max_leaf_nodes": 2},
}


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_scikit_learns_to_the_last_bit(name, monkeypatch):
    features = rows()
    model = fitted(features, truth(features), **MODELS[name])
    found = Nodes.of(model)
    found.check(features.shape[1])
    for asked in (features, rows(3001, seed=2), rows(1, seed=3), features[:0]):
        expected = model.predict(asked) if len(asked) else np.zeros(0)
        assert found.predict(asked).tobytes() == expected.tobytes()
    monkeypatch.setattr(nodes, "ROWS", 128)
    assert found.predict(features).tobytes() == model.predict(features).tobytes()
    assert (len(np.unique(found.predict(features))) == 1) == (name == "one leaf")


def test_values_at_a_threshold_and_beside_it_go_where_scikit_learn_sends_them():
    features = rows()
    model = fitted(features, truth(features))
    found = Nodes.of(model)
    split = np.flatnonzero(~found.leaf)
    asked = np.repeat(rows(1, seed=5), 4 * len(split), axis=0)
    for place, node in enumerate(split):
        column, edge = found.feature[node], found.threshold[node]
        near = [edge, np.nextafter(edge, np.inf), np.nextafter(edge, -np.inf), np.nan]
        asked[4 * place : 4 * place + 4, column] = near
    assert found.predict(asked).tobytes() == model.predict(asked).tobytes()


def test_what_is_missing_goes_to_either_side():
    features = rows()
    found = Nodes.of(fitted(features, truth(features)))
    split = ~found.leaf & (found.feature == 2)
    assert found.missing_left[split].any() and not found.missing_left[split].all()


def test_trees_that_do_not_add_up_to_the_prediction_are_refused():
    features = rows()
    model = fitted(features, np.exp(truth(features)), loss="poisson")
    with pytest.raises(ValueError, match="trees must have a loss of .* got loss 'poisson'"):
        Nodes.of(model)
    labels = np.abs(np.nan_to_num(features[:, [1]])).round()
    model = fitted(labels, truth(features), categorical_features=[0])
    with pytest.raises(ValueError, match="no categories"):
        Nodes.of(model)


def test_arrays_that_are_no_trees_are_refused():
    features = rows()
    whole = Nodes.of(fitted(features, truth(features)))
    node, leaf = int(np.flatnonzero(~whole.leaf)[-1]), int(np.flatnonzero(whole.leaf)[0])
    wrong = {
        "left": [(node, node), (node, 0), (node, len(whole.leaf)), (0, int(whole.first[1]))],
        "right": [(node, node), (node, -1)],
        "feature": [(node, 7), (node, -1)],
        "threshold": [(node, np.nan)],
        "value": [(leaf, np.nan), (leaf, np.inf)],
        "first": [(0, 1), (1, 0), (1, int(whole.first[2])), (-1, len(whole.leaf))],
    }
    for name, changes in wrong.items():
        for place, value in changes:
            part = getattr(whole, name).copy()
            part[place] = value
            with pytest.raises(ValueError, match="trees"):
                replace(whole, **{name: part}).check(7)
    for other in ({"baseline": np.nan}, {"first": whole.first[:0]}):
        with pytest.raises(ValueError, match="trees"):
            replace(whole, **other).check(7)
    whole.check(7)
