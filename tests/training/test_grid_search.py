"""scikit-learn's own search over a forecaster, with its folds scored again by hand."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from forecast.data.split import Folds

from .problems import forecaster, linear, table

DATA = table(rows=60)
GRID = {"window__timesteps": [4, 6], "training__learning_rate": [1e-2]}


def by_hand(model, x, y, train, test):
    """−MAE of a fold: fit on its rows, then every window whose future lies in the scored rows."""
    fitted = model.fit(x.iloc[train], y.iloc[train])
    horizon, errors = fitted.window.horizon, []
    found = iter(fitted.predict(x.iloc[test]))
    for name in sorted(set(x.index.get_level_values(0))):
        true = y.iloc[test].loc[name].to_numpy()
        for first in range(len(true) - horizon + 1):
            errors.append(np.abs(next(found) - true[first : first + horizon]))
    assert next(found, None) is None
    return -np.mean(errors)


@pytest.mark.slow
@pytest.mark.parametrize("panel", [False, True], ids=["one series", "panel"])
def test_grid_search_scores_every_candidate_on_every_fold(panel):
    x, y = (DATA if panel else DATA.take(DATA.series == 0)).frames()
    cv = Folds(2, test_size=12) if panel else TimeSeriesSplit(2, test_size=12)
    search = GridSearchCV(forecaster(linear, epochs=1), GRID, cv=cv, error_score="raise")
    search.fit(x, y)
    results = search.cv_results_
    for candidate, asked in enumerate(results["params"]):
        for fold, (train, test) in enumerate(cv.split(x)):
            one = forecaster(linear, epochs=1).set_params(**asked)
            expected = by_hand(one, x, y, train, test)
            assert results[f"split{fold}_test_score"][candidate] == pytest.approx(expected, 1e-6)
    assert search.best_score_ == results["mean_test_score"].max() < 0
    assert search.best_estimator_.window.timesteps == search.best_params_["window__timesteps"]
    # the winner was fitted again on all rows
    assert len(search.best_estimator_.context_) == search.best_params_["window__timesteps"] * (
        2 if panel else 1
    )


def test_folds_of_a_panel_never_score_on_the_past():
    x, y = DATA.frames()
    scores = cross_val_score(forecaster(linear, epochs=1), x, y, cv=Folds(2, test_size=12, gap=2))
    assert scores.shape == (2,) and (scores < 0).all()
    for train, test in Folds(2, test_size=12, gap=2).split(x):
        stamps = x.index.get_level_values("time")
        assert stamps[train].max() + np.timedelta64(3, "h") == stamps[test].min()
