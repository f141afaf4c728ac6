"""A browser, and MLflow's pages on a store that real commands have filled."""

import re
from dataclasses import dataclass

import pytest

from ..conftest import LSTM, TINY, Place, word
from . import browser
from .browser import Visitor


@dataclass
class Site:
    """MLflow's pages, and what the store behind them holds.

    Attributes:
        address: Of the server.
        experiment: Its id.
        lstm: Ids of two runs.
        cnn: Id of a run.
        sweep: Id of the parent of a sweep.
        pair: Ids of two LSTMs of 32 and 64 units, trained for 15 and 5 epochs.
    """

    address: str
    experiment: str
    lstm: list[str]
    cnn: str
    sweep: str
    pair: list[str]


@pytest.fixture(scope="session")
def chromium():
    with browser.chromium() as started:
        yield started


@pytest.fixture(scope="session")
def site(place: Place, client, lstm_run: str, cnn_run: str):
    assert place.run("train", *TINY, *LSTM, "training.learning_rate=3e-3") == 0, place.errors
    other = word(place.printed[-1], "run")
    grid = "sweep.grid={training.learning_rate:[1e-3,2e-3]}"
    assert place.run("sweep", *TINY, *LSTM, grid, "sweep.folds=2", "sweep.workers=1") == 0
    [parent] = re.findall(r"^sweep +([0-9a-f]{32})$", place.printed[-1], re.M)
    pair = []
    for units, epochs in ((32, 15), (64, 5)):
        size = [f"model.units=[{units}]", f"training.epochs={epochs}", "training.patience=null"]
        assert place.run("train", *TINY, *LSTM, *size) == 0, place.errors
        pair.append(word(place.printed[-1], "run"))
    [experiment] = client.search_experiments(filter_string="name = 'load'")
    with browser.served(place.folder) as address:
        yield Site(address, experiment.experiment_id, [lstm_run, other], cnn_run, parent, pair)


@pytest.fixture
def visitor(chromium, site: Site):
    """Somebody who sees no fault and whose browser asks no other host."""
    found = Visitor(chromium, site.address)
    yield found
    found.close()
    assert found.faults == []
    assert found.abroad == []
