"""Views of experiments: what they show, and how MLflow keeps them."""

import base64
import json
import zlib

import pytest

from forecast.tracking.mlflow import views


def keys(state, kind):
    return [chart for chart in state["compareRunCharts"] if chart["type"] == kind]


def test_columns_and_charts_stand_in_their_order():
    state = views.runs("mae", "ridge", {"lstm_1": "f", "gru_1": "z", "simple_rnn_1": ""}, {})
    assert state["selectedColumns"] == [
        "params.`model`",
        "params.`window.timesteps`",
        "params.`window.horizon`",
        "metrics.`test/mae`",
        "metrics.`skill/ridge`",
    ]
    assert state["columnOrder"][-5:] == state["selectedColumns"]
    # a window of 1,280 leaves 1,026 pixels for the table, 73 of them for the ticks
    assert 73 + sum(state["columnWidths"].values()) <= 1026
    names = [section["name"] for section in state["compareRunSections"]]
    assert names == ["Losses", "Error by steps ahead", "Gates"]
    charts = state["compareRunCharts"]
    assert len({chart["uuid"] for chart in charts}) == len(charts)
    assert [names.index(chart["metricSectionId"]) for chart in charts] == [0, 0, 1, *[2] * 5]
    lines = [chart["metricKey"] for chart in keys(state, "LINE")]
    assert lines[:3] == ["train/loss", "val/loss", "horizon/mae"]
    assert lines[3:] == ["gates.lstm_1/f_mean", "gates.gru_1/z_mean"]
    pictures = [chart["imageKeys"] for chart in keys(state, "IMAGE")]
    assert pictures == [["gates/lstm_1"], ["gates/gru_1"], ["gates/simple_rnn_1"]]


def test_a_model_without_gates_has_no_such_section():
    state = views.runs("mae", None, {}, {})
    assert [s["name"] for s in state["compareRunSections"]] == ["Losses", "Error by steps ahead"]
    assert state["selectedColumns"][-1] == "metrics.`test/mae`"


def test_what_earlier_runs_have_stays():
    first = views.runs("mae", "ridge", {"lstm_1": "f"}, {})
    both = views.runs("brier", "climatology", {"gru_1": "z"}, first)
    again = views.runs("mae", "ridge", {"lstm_1": "f"}, both)
    assert again == both != first
    assert both["selectedColumns"][3:] == [
        "metrics.`test/mae`",
        "metrics.`test/brier`",
        "metrics.`skill/ridge`",
        "metrics.`skill/climatology`",
    ]
    assert [chart["imageKeys"] for chart in keys(both, "IMAGE")] == [
        ["gates/lstm_1"],
        ["gates/gru_1"],
    ]


def test_a_comparison_is_the_same_view_of_its_runs_alone():
    opening = views.runs("mae", "ridge", {"lstm_1": "f"}, {})
    state = views.beside(opening, ["a1", "b2"])
    assert state.pop("searchFilter") == "attributes.run_id IN ('a1', 'b2')"
    assert state == opening


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
    layers = {f"body.bidirectional_lstm_{n}.backward": "f" for n in range(40)}
    state = views.runs("mae", "seasonal_naive", layers, {})
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
