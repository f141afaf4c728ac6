"""Views of experiments: what they show, and how MLflow keeps them."""

import base64
import json
import zlib

import pytest

from forecast.tracking.mlflow import views


def keys(state, kind):
    return [chart for chart in state["compareRunCharts"] if chart["type"] == kind]


def opened(state):
    """Sections that are open, from the top."""
    return [section["name"] for section in state["compareRunSections"] if section["display"]]


def test_columns_and_charts_stand_in_their_order():
    layers = ["lstm_1", "gru_1", "simple_rnn_1"]
    varied = ["model", "training.learning_rate"]
    state = views.runs("mae", "ridge", layers, {}, varied)
    assert state["selectedColumns"] == [
        "metrics.`validation/mae`",
        "metrics.`test/mae`",
        "metrics.`skill/ridge`",
        "params.`model`",
        "params.`training.learning_rate`",
    ]
    assert state["columnOrder"][-5:] == state["selectedColumns"]
    # a window of 1,280 leaves 1,026 pixels for the table, 73 of them for the ticks
    widths = [state["columnWidths"][column] for column in state["columnOrder"][:-1]]
    assert 73 + sum(widths) <= 1026
    names = ["Gates", "What differs", "Losses", "Error by steps ahead"]
    assert opened(state) == names
    charts = state["compareRunCharts"]
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert [names.index(chart["metricSectionId"]) for chart in charts] == [*[0] * 6, 1, 2, 2, 3]
    lines = [chart["metricKey"] for chart in keys(state, "LINE")]
    assert lines == ["train/loss", "val/loss", "horizon/mae"]
    pictures = [chart["imageKeys"] for chart in keys(state, "IMAGE")]
    final, during = pictures[:3], pictures[3:]
    assert final == [[f"gates.final/{layer}"] for layer in layers]
    assert during == [[f"gates/{layer}"] for layer in layers]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`validation/mae`", True)


def test_what_mlflow_adds_goes_into_sections_that_are_shut():
    """It adds a section a head, and opens those that the view does not name."""
    state = views.runs("mae", "ridge", ["lstm_1"], {}, prefixes=["gates.lstm_1", "mine"])
    shut = {section["name"] for section in state["compareRunSections"] if not section["display"]}
    assert {"gates.lstm_1", "mine", "dm", "time", "activity", "inputs"} <= shut
    again = views.runs("mae", "ridge", ["lstm_1"], state)
    assert again["compareRunSections"] == state["compareRunSections"]


def test_a_model_without_gates_has_no_such_section():
    state = views.runs("mae", None, [], {})
    assert opened(state) == ["What differs", "Losses", "Error by steps ahead"]
    assert state["selectedColumns"] == [
        "metrics.`validation/mae`",
        "metrics.`test/mae`",
        "params.`model`",
    ]


def test_what_earlier_runs_have_stays():
    first = views.runs("mae", "ridge", ["lstm_1"], {})
    both = views.runs("brier", "climatology", ["gru_1"], first)
    again = views.runs("mae", "ridge", ["lstm_1"], both)
    assert again == both != first
    assert both["selectedColumns"][:6] == [
        "metrics.`validation/mae`",
        "metrics.`test/mae`",
        "metrics.`validation/brier`",
        "metrics.`test/brier`",
        "metrics.`skill/ridge`",
        "metrics.`skill/climatology`",
    ]
    assert [chart["imageKeys"][0] for chart in keys(both, "IMAGE")] == [
        "gates.final/lstm_1",
        "gates.final/gru_1",
        "gates/lstm_1",
        "gates/gru_1",
    ]


def test_the_view_of_an_older_version_is_read():
    """Before 0.2 a view had a chart of pictures a layer, without the last one's own."""
    older = {
        "selectedColumns": ["params.`model`", "metrics.`test/mae`", "metrics.`skill/ridge`"],
        "compareRunSections": [{"uuid": "Gates", "name": "Gates", "display": True}],
        "compareRunCharts": [
            {"type": "IMAGE", "imageKeys": ["gates/lstm_1"], "uuid": "Gates 0"},
            {"type": "LINE", "metricKey": "gates.lstm_1/f_mean", "uuid": "Gates 1"},
        ],
    }
    found = views.runs("mae", "ridge", ["gru_1"], older)
    assert found == views.runs(
        "mae", "ridge", ["gru_1"], views.runs("mae", "ridge", ["lstm_1"], {})
    )


def test_constant_parameters_have_no_column():
    lstm = {"model": "lstm", "model.units": "[32]", "window.horizon": "24", "data.hold": "1"}
    assert views.varied([lstm, lstm | {"model.units": "[64]", "data.hold": "2"}]) == ["model.units"]
    other = {"model": "gru", "training.seed": "1", "model.activation": "relu"}
    assert views.varied([lstm, lstm | other]) == ["model"]  # which tells what else is its own
    both = lstm | {"window.timesteps": "72", "model.activation": "tanh"}
    found = views.varied([both, both | {"window.timesteps": "8"}, both | other])
    assert found == ["model", "window.timesteps"]


def test_a_comparison_is_the_same_view_of_its_runs_alone():
    opening = views.runs("mae", "ridge", ["lstm_1"], {})
    state = views.beside(opening, ["a1", "b2"])
    assert state["searchFilter"] == "attributes.run_id IN ('a1', 'b2')"
    assert state.pop("runListHidden")
    assert state | {"searchFilter": views.COMMANDS} == opening


def test_candidates_stand_best_first_with_a_line_each():
    state = views.candidates("p1", ["model.units", "window.timesteps"], "mae")
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`cv/mae_mean`", True)
    assert "mlflow.parentRunId = 'p1'" in state["searchFilter"]
    [chart] = state["compareRunCharts"]
    assert chart["selectedParams"] == ["model.units", "window.timesteps"]
    assert chart["selectedMetrics"] == ["cv/mae_mean"] and chart["showAllRuns"]


def test_a_view_is_named_and_packed_as_mlflow_unpacks_it():
    text = views.packed("mine", {"a": "→"}, 5, 6)
    envelope = json.loads(text)
    head, dense = envelope.pop("state").split(";")
    assert envelope == {"name": "mine", "createdAt": 5, "updatedAt": 6} and head == "deflate"
    assert json.loads(zlib.decompress(base64.b64decode(dense))) == {"a": "→"}


def test_the_largest_view_fits_into_a_tag():
    layers = [f"body.bidirectional_lstm_{n}.backward" for n in range(40)]
    heads = [f"gates.{layer}" for layer in layers]
    state = views.runs("mae", "seasonal_naive", layers, {}, views.PARAMS[:5], heads)
    runs = [f"{n:032x}" for n in range(26)]
    name = " beside ".join(["reproduces lstm-120-100-50 · 720→720 · mae 2.39"] * 26)
    assert len(views.packed(name[: views.LONG], views.beside(state, runs), 1, 1)) < 5_000


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", '{"name": "a"}', '{"state": 5}'])
def test_what_is_no_view_of_ours_is_empty(text):
    assert views.opened(text) == ("", {}, 0)


class Experiment:
    """An experiment, and the client that writes it."""

    experiment_id = "1"

    def __init__(self, tags):
        self.tags = dict(tags)
        self.written: list[str] = []

    def set_experiment_tag(self, experiment, key, value):
        self.tags[key] = value
        self.written.append(key)

    def delete_experiment_tag(self, experiment, key):
        del self.tags[key]


def test_a_view_is_written_once_and_again_where_it_is_another():
    found = Experiment({})
    views.keep(found, found, "forecast", "n", {"a": 1}, 5)
    views.keep(found, found, "forecast", "n", {"a": 1}, 6)
    assert len(found.written) == 1
    views.keep(found, found, "forecast", "n", {"a": 2}, 7)
    told = json.loads(found.tags[f"{views.TAG}forecast"])
    assert (told["createdAt"], told["updatedAt"]) == (5, 7)


def test_views_of_others_stay_and_of_ours_the_newest():
    theirs = {f"{views.TAG}{name}": "theirs" for name in ("abc", "forecast-of-mine")}
    found = Experiment(theirs)
    views.keep(found, found, "forecast", "n", {"a": 1}, 1)
    for number in range(30):
        views.keep(found, found, views.key("runs", f"{number:08d}"), f"{number}", {}, 2 + number)
    assert theirs.items() <= found.tags.items() and f"{views.TAG}forecast" in found.tags
    names = list(views.ours(found.tags).values())
    assert names == [f"{number}" for number in range(29, 29 - views.MOST, -1)]
