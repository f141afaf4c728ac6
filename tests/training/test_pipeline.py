"""Forecasters behind transformers that lose the index of a frame."""

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from forecast.errors import InputError
from forecast.training.parameters import Model

from .problems import forecaster, table

DATA = table(series=3)
X, Y = DATA.frames()
EARLY = DATA.tick < 45


def behind_a_scaler():
    return make_pipeline(StandardScaler(), forecaster(Model("linear"), epochs=1))


@pytest.fixture(scope="module")
def direct():
    return forecaster(Model("linear"), epochs=1).fit(X[EARLY], Y[EARLY])


@pytest.fixture(scope="module")
def pipeline():
    return behind_a_scaler().fit(X[EARLY], Y[EARLY])


def test_a_panel_behind_a_scaler_is_the_panel_and_scores_like_it(pipeline, direct):
    assert pipeline[-1].names_ == ("s0", "s1", "s2") and pipeline[-1].frequency_ == "h"
    for rows in (EARLY, ~EARLY):
        found = pipeline.score(X[rows], Y[rows])
        assert found == pytest.approx(direct.score(X[rows], Y[rows]), rel=1e-4)


def test_a_prediction_that_has_lost_its_index_is_refused_and_the_cure_works(pipeline, direct):
    with pytest.raises(InputError, match=r"a \(series, time\) index as in fit, got rows without"):
        pipeline.predict(X[~EARLY])
    cured = behind_a_scaler().set_output(transform="pandas").fit(X[EARLY], Y[EARLY])
    found = cured.predict(X[~EARLY])
    assert found == pytest.approx(direct.predict(X[~EARLY]), rel=1e-4)


def test_rows_without_a_clock_are_refused_after_rows_with_one(direct):
    for lost in (X.to_numpy(), X.reset_index(drop=True)):
        with pytest.raises(InputError, match=r"X must have a \(series, time\) index as in fit"):
            direct.predict(lost)


def test_time_stamps_with_a_zone_are_refused_after_those_without(direct):
    zoned = X[~EARLY].tz_localize("UTC", level=-1)
    with pytest.raises(InputError, match="time stamps must state no zone, as those of fit"):
        direct.predict(zoned)
    bare = zoned.tz_localize(None, level=-1)
    assert isinstance(bare, pd.DataFrame) and len(direct.predict(bare))
