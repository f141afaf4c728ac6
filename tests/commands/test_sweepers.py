"""What a sweeper of Hydra is given: a number that settings may be chosen by, so none of the test
span."""

import re
import sys
from itertools import product
from types import ModuleType
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from forecast.cli import dispatch

from ..conftest import TINY, Place

GIVEN: list[Any] = []
SMALL = [*TINY, "model=linear", "training.epochs=3", "gates.memory=0"]


class Recording(Sweeper):
    """Runs every combination and keeps what its jobs return, as an optimiser would."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        parsed = OverridesParser.create().parse_overrides(arguments)
        choices = [
            [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
            if one.is_sweep_override()
            else [f"{one.get_key_element()}={one.get_value_element_as_str()}"]
            for one in parsed
        ]
        found = self.launcher.launch(list(map(list, product(*choices))), initial_job_idx=0)
        GIVEN.extend(job.return_value for job in found)
        return found


class Strict(Recording):
    """Cannot go on without a number, as Optuna's cannot."""

    def sweep(self, arguments: list[str]) -> Any:
        return [float(job.return_value) for job in super().sweep(arguments)]


@pytest.fixture(scope="module")
def plugins():
    """Make the classes known as `hydra/sweeper=…`, as those of an installed plugin are."""
    package, module = ModuleType("hydra_plugins"), ModuleType("hydra_plugins.here")
    package.__path__ = []  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, package.__name__, package)
        patched.setitem(sys.modules, module.__name__, module)
        for kind in (Recording, Strict):
            kind.__module__ = module.__name__  # Hydra takes plugins from nowhere else
            setattr(module, kind.__name__, kind)
            node = {"_target_": f"{module.__name__}.{kind.__name__}"}
            name = kind.__name__.lower()
            ConfigStore.instance().store(group="hydra/sweeper", name=name, node=node)
            Plugins.instance().register(kind)
        yield


@pytest.fixture
def sweeper(plugins: None) -> list[str]:
    return ["-m", "hydra/sweeper=recording"]


def multirun(place: Place, sweeper: list[str], command: str, *words: str) -> list[Any]:
    GIVEN.clear()
    assert place.run(command, *sweeper, *words) == 0, place.errors[-1]
    return list(GIVEN)


def kept(client, run_id: str) -> float:
    """The validation error of the epoch with the smallest validation loss, read from the store."""
    loss = {m.step: m.value for m in client.get_metric_history(run_id, "val/loss")}
    error = {m.step: m.value for m in client.get_metric_history(run_id, "val/mae")}
    return error[min(loss, key=lambda step: loss[step])]


def runs(place: Place, count: int) -> list[str]:
    lines = [line.split() for line in place.printed[-1].splitlines()]
    found = [words[1] for words in lines if words[:1] == ["run"] and len(words) == 2]
    assert len(found) == count
    return found


@pytest.mark.slow
def test_training_gives_the_validation_error_of_the_kept_epoch(place, client, sweeper):
    given = multirun(place, sweeper, "train", *SMALL, "training.learning_rate=0.001,0.3")
    expected = [kept(client, run) for run in runs(place, 2)]
    assert given == pytest.approx(expected, rel=1e-12)
    tested = [client.get_run(run).data.metrics["test/mae"] for run in runs(place, 2)]
    assert all(abs(one - other) > 1e-6 for one in given for other in tested)


@pytest.mark.slow
def test_a_backtest_gives_that_of_its_first_fit(place, client, sweeper):
    words = [*SMALL, "backtest.folds=2", "tracking.experiment=given"]
    [given] = multirun(place, sweeper, "backtest", *words)
    [parent] = runs(place, 1)
    home = client.get_run(parent).info.experiment_id
    folds = client.search_runs([home], f"tags.`mlflow.parentRunId` = '{parent}'")
    [first] = [run.info.run_id for run in folds if run.data.params["fold"] == "1"]
    assert given == pytest.approx(kept(client, first), rel=1e-12)


@pytest.mark.processes
def test_a_sweep_gives_the_mean_over_its_folds(place, client, monkeypatch):
    answers = []
    enter = dispatch.enter

    def listening(command: str, overrides: list[str]) -> Any:
        answers.append(enter(command, overrides))
        return answers[-1]

    monkeypatch.setattr(dispatch, "enter", listening)
    grid = "sweep.grid={training.learning_rate:[1e-3,3e-1]}"
    words = [*SMALL, grid, "sweep.folds=2", "tracking.experiment=given"]
    for _ in range(2):  # the second time everything is there
        assert place.run("sweep", *words) == 0, place.errors[-1]
        parent = client.get_run(re.search(r"^sweep +(\w{32})$", place.printed[-1], re.M)[1]).data
        assert answers[-1] == pytest.approx(parent.metrics["cv/mae_mean"], rel=1e-12)
        said = " ".join(place.printed[-1].split())
        assert parent.tags["forecast.winner_result"] in said


def test_nothing_but_a_number_is_given(place, client, sweeper, lstm_run, cnn_run):
    given = multirun(place, sweeper, "compare", f"runs=[{lstm_run},{cnn_run}]")
    assert given == [None]


def test_a_refused_job_is_one_sentence_whatever_the_sweeper_does(place, plugins):
    words = [*SMALL, "window.timesteps=1000,2000"]
    assert place.run("train", "-m", "hydra/sweeper=strict", *words) == 2
    assert place.errors[-1].startswith("forecast: window.timesteps=1000")
    assert place.errors[-1].count("\n") == 1
