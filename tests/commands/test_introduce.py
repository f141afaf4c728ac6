"""Runs say what they are, experiments open in a view, and commands name their pages."""

import json
import re

from forecast.tracking import description, pages, view


def test_a_trained_run_describes_itself(client, lstm_run):
    run = client.get_run(lstm_run).data
    note = run.tags["mlflow.note.content"]
    first, said, table, command, link = note.split("\n\n")
    assert first.startswith(
        "**lstm** on **load**: load of 2 series, the next 4 steps from the last 8"
    )
    assert "mean absolute error over 4 steps" in said
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert [row[0] for row in rows[2:]].count("**lstm**") == 1
    told = {row[0]: row[1] for row in rows[2:]}
    assert float(told["**lstm**"]) == float(f"{run.metrics['test/mae']:.4g}")
    assert {"persistence", "seasonal\\_naive", "ridge"} <= set(told)
    assert command == f"```\n{run.tags['forecast.command']}\n```"
    assert view.KEY in link


def test_the_view_of_an_experiment_names_what_its_runs_hold(client, lstm_run):
    run = client.get_run(lstm_run)
    tags = client.get_experiment(run.info.experiment_id).tags
    assert len(tags[view.TAG]) < 5000  # MLflow takes no more
    kept = json.loads(tags[view.TAG])
    for column in kept["selectedColumns"]:
        kind, key = re.fullmatch("(params|metrics).`(.*)`", column).groups()
        assert key in getattr(run.data, kind), column
    sections = [section["name"] for section in kept["compareRunSections"]]
    assert sections == ["Losses", "Error by steps ahead", "Gates"]
    pictures = {
        file.path.split("~")[1].split("+")[0] for file in client.list_artifacts(lstm_run, "images")
    }
    for chart in kept["compareRunCharts"]:
        assert chart["metricSectionId"] in sections
        if chart["type"] == "LINE":
            assert chart["metricKey"] in run.data.metrics
        else:
            assert {key.removeprefix("gates/") for key in chart["imageKeys"]} <= pictures


def test_layers_of_earlier_runs_stay_in_the_view():
    first = view.tag({}, "mae", ["ridge"], ["lstm_1"])
    both = view.tag({view.TAG: first}, "mae", ["ridge"], ["gru_1"])
    assert view.tag({view.TAG: both}, "mae", ["ridge"], ["lstm_1"]) == both
    keys = [chart.get("imageKeys") for chart in json.loads(both)["compareRunCharts"]]
    assert ["gates/lstm_1"] in keys and ["gates/gru_1"] in keys
    assert view.tag({view.TAG: "nonsense"}, "mae", ["ridge"], ["lstm_1"]) == first


def test_train_prints_its_pages(place, client, lstm_run):
    experiment = client.get_run(lstm_run).info.experiment_id
    printed = next(text for text in place.printed if lstm_run in text)
    assert pages.run(place.uri, experiment, lstm_run) in printed
    assert pages.view(place.uri, experiment) in printed


def test_a_second_training_is_put_beside_the_last(place, client, lstm_run, cnn_run):
    experiment = client.get_run(cnn_run).info.experiment_id
    printed = next(text for text in place.printed if f"run        {cnn_run}" in text)
    found = re.search("beside +(.*)", printed)[1]
    assert found.startswith("http://127.0.0.1:5000/#/compare-runs?runs=") and cnn_run in found
    assert found.endswith(f"&experiments=%5B%22{experiment}%22%5D")


def test_a_long_leaderboard_is_cut_by_whole_rows():
    rows = [[f"{n}. units=[{n}]", "1 ± 2", "3%", "4", "5"] for n in range(300)]
    text = description.of_sweep(
        ["", "MAE ± sd", "skill", "weights", "s"], rows, "forecast sweep", ["x"]
    )
    assert len(text) <= 5900
    lines = text.split("\n\n")[0].splitlines()
    assert {line.count(" | ") for line in lines} == {4} and len(lines) > 50


def test_names_of_the_data_are_no_markdown():
    cell = description.plain("a|b <img src=x onerror=alert(1)> [c](javascript:d) `e`\n# f")
    assert not re.search(r"(?<!\\)[|<>\[\]()`#]", cell)
