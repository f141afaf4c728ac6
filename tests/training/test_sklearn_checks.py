"""scikit-learn's own checks of an estimator; those that time makes impossible are named."""

import pytest
from scipy import stats
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from forecast import Folds, Forecaster, Model, Window

from .problems import forecaster, table, training

WINDOWS = "rows are predicted in windows of neighbours: n rows give n − horizon + 1 forecasts"
CANNOT_APPLY = {
    "check_methods_sample_order_invariance": "rows in another order are another series",
    "check_methods_subset_invariance": WINDOWS,
    "check_regressors_train": WINDOWS,
    "check_regressor_multioutput": f"{WINDOWS}, of shape (windows, horizon, targets)",
    "check_dtype_object": "what is no number is an InputError, a ValueError, with row and column",
}


def test_few_checks_cannot_apply():
    assert len(CANNOT_APPLY) <= 12


SMALL = Model("linear")  # the checks are about the estimator, and this one compiles soonest


@pytest.mark.slow
@parametrize_with_checks(
    [forecaster(SMALL, Window(2, 1), epochs=1)], expected_failed_checks=lambda _: CANNOT_APPLY
)
@pytest.mark.filterwarnings("ignore")  # of what scikit-learn's data are made of
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.processes
def test_two_processes_search_as_one():
    """Each process compiles for itself; the scores are the same to the last digit."""
    data = table(rows=60)
    own = Forecaster(
        Model("lstm", units=[2], dropout=0.0, recurrent_dropout=0.0), Window(4, 2), training()
    )
    grid = {"training__learning_rate": [1e-3, 1e-2], "window__timesteps": [4, 6]}
    found = [
        GridSearchCV(own, grid, cv=Folds(2), n_jobs=jobs, refit=False)
        .fit(*data.frames())
        .cv_results_["mean_test_score"]
        .tolist()
        for jobs in (1, 2)
    ]
    assert found[0] == found[1] and len(set(found[0])) == 4


@pytest.mark.slow
def test_a_random_search_draws_from_distributions():
    space = {"training__learning_rate": stats.loguniform(1e-3, 1e-1)}
    search = RandomizedSearchCV(forecaster(), space, n_iter=3, cv=Folds(2), random_state=0)
    search.fit(*table(rows=60).frames())
    assert len(set(search.cv_results_["param_training__learning_rate"])) == 3
    assert search.best_estimator_.training.learning_rate in set(
        search.cv_results_["param_training__learning_rate"]
    )
