"""Runs say what they are, experiments open in a view, and commands name their pages."""

import re

import pytest

from forecast.tracking.mlflow import description, views
from forecast.workflows import describe

from ..conftest import LSTM, TINY, word

BASE = "http://127.0.0.1:5000/"


def note(client, run_id):
    return client.get_run(run_id).data.tags["mlflow.note.content"]


def cells(text):
    """The rows of the only table of a note, links as their text."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    bare = [re.sub(r"\[(.*?)\]\(.*?\)|&ensp;|\*\*", r"\1", line) for line in lines]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in bare]


def linked(text):
    """Text of each link to the run that it leads to."""
    return dict(re.findall(r"\[([^\]]*)\]\(#/experiments/\d+/runs/(\w{32})\?", text))


def addresses(printed):
    """Label to address, of the lines that have one."""
    return dict(re.findall(rf"^(\w+) +{re.escape(BASE)}(\S+)$", printed, re.M))


@pytest.fixture(scope="module")
def twins(place, client, lstm_run):
    """Two equal runs, the second of which was just made."""
    assert place.run("train", *TINY, *LSTM) == 0, place.errors[-1]
    return lstm_run, word(place.printed[-1], "run"), place.printed[-1]


def test_a_trained_run_describes_itself(client, lstm_run):
    run, text = client.get_run(lstm_run).data, note(client, lstm_run)
    lead, table, picture, what, _, command, links = text.split("\n\n")
    assert lead.startswith("**") and " MAE over 4 steps; " in lead
    at = rf"#/experiments/\d+/runs/{lstm_run}/artifacts"
    assert re.search(rf"\[report\]\({at}/report.html\?workflowType=machine_learning\)", lead)
    assert re.search(rf"\[gates\]\({at}/gates.html\?", lead)
    assert re.search(rf"\[forecast\]\({at}/figures/forecast.png\?", lead)
    asked = f"get-artifact?path=figures%2Fforecast.png&run_uuid={lstm_run}"
    assert picture == f"![forecast of one series]({asked})"
    assert what.startswith("**lstm-4 · 8→4** (lstm, ") and "of 2 series (north, south)" in what
    assert "load of the next 4 rows from the last 8" in what
    assert "on the following 82 windows" in what
    rows = {row[0]: row[1:] for row in cells(table)[1:]}
    assert set(rows) == {"lstm", "persistence", "seasonal_naive", "boosted_trees", "ridge"}
    assert float(rows["lstm"][0]) == float(f"{run.metrics['test/mae']:.4g}")
    errors = [float(row[0]) for row in rows.values()]
    assert errors == sorted(errors)
    assert all(
        re.match("better|worse|no significant", rows[name][2]) for name in rows if name != "lstm"
    )
    whole = command.removeprefix("```bash\n").removesuffix("\n```").replace(" \\\n ", "")
    assert whole == run.tags["forecast.command"]
    for name, run_id in linked(table).items():
        found = client.get_run(run_id).data
        assert (found.tags["forecast.kind"], found.params["model"]) == ("baseline", name)
    assert len(linked(table)) == 4 and "viewStateShareKey=forecast" in links


def test_a_baseline_describes_itself(client, lstm_run):
    text = note(client, linked(note(client, lstm_run))["persistence"])
    assert "by persistence, a baseline. Repeat the last value known" in text
    assert "the same 82 windows of load on **load**" in text


@pytest.mark.slow
def test_names_say_the_kind_and_equal_runs_have_different_ones(client, twins):
    first, second = (client.get_run(run_id).info.run_name for run_id in twins[:2])
    assert re.fullmatch(r"lstm-4 · mae [\d.]+ · 8→4( · \d+)?", first)
    assert first != second and re.fullmatch(
        rf"{re.escape(first.partition('→4')[0])}→4 · \d", second
    )
    home = client.get_run(twins[0]).info.experiment_id
    found = client.search_runs([home], "tags.`forecast.kind` = 'baseline'")
    names = [run.info.run_name for run in found]
    assert len(set(names)) == len(names) >= 3
    assert all(re.match(r"baseline · \w+ · mae [\d.]+ · 8→4", name) for name in names)


def test_the_experiment_describes_itself(client, lstm_run):
    home = client.get_run(lstm_run).info.experiment_id
    tags = client.get_experiment(home).tags
    text = tags["mlflow.note.content"]
    assert text.startswith("load: 440 rows of 2 series (north, south), frequency h, 2024-03-01")
    for told in ("`test/mae`", "`skill/…`", "no significant difference", "forecast compare"):
        assert told in text


class Experiment:
    """An experiment, and the client that writes it."""

    experiment_id = "1"

    def __init__(self):
        self.tags: dict[str, str] = {}

    def set_experiment_tag(self, experiment, key, value):
        self.tags[key] = value


def test_a_description_that_somebody_has_written_stays():
    found = Experiment()
    for text in ("of the first data", "of other data"):
        describe.tell(found, found, text)
        assert found.tags[description.NOTE] == text
    found.tags[description.NOTE] = "of somebody"
    describe.tell(found, found, "of other data again")
    assert found.tags[description.NOTE] == "of somebody"


def test_the_view_names_what_its_runs_hold(client, lstm_run):
    run = client.get_run(lstm_run)
    tags = client.get_experiment(run.info.experiment_id).tags
    name, state, _ = views.opened(tags[f"{views.TAG}forecast"])
    assert name and "metrics.`test/mae`" in state["selectedColumns"]
    for column in state["selectedColumns"]:
        kind, key = re.fullmatch("(params|metrics).`(.*)`", column).groups()
        assert key in getattr(run.data, kind), column
    pictures = {
        file.path.split("~")[1].split("+")[0] for file in client.list_artifacts(lstm_run, "images")
    }
    own = [c for c in state["compareRunCharts"] if c["uuid"][0] != "G" or "lstm_1" in str(c)]
    assert [chart["type"] for chart in own] == ["IMAGE", "IMAGE", "DIFFERENCE", *["LINE"] * 3]
    for chart in own:
        if chart["type"] == "LINE":
            assert chart["metricKey"] in run.data.metrics
    assert own[1]["imageKeys"] == ["gates/lstm_1"] and "lstm_1" in pictures
    heads = {key.partition("/")[0] for key in run.data.metrics}
    named = {section["name"] for section in state["compareRunSections"]}
    assert heads <= named


def test_train_prints_its_pages(client, twins):
    first, second, printed = twins
    found = addresses(printed)
    assert list(found) == ["view", "report", "compare", "all"]
    assert found["report"] == f"forecast/page/{second}/report.html"
    home = client.get_run(second).info.experiment_id
    assert found["view"].startswith(f"#/experiments/{home}/runs/{second}?")
    assert found["all"].endswith("&viewStateShareKey=forecast")
    key = found["compare"].rpartition("=")[2]
    tags = client.get_experiment(home).tags
    shown = views.opened(tags[f"{views.TAG}{key}"])[1]["searchFilter"]
    beside = [run_id for run_id in re.findall(r"\w{32}", shown) if run_id != second]
    # the best other one by validation error that was trained on these data and has such a layer
    where = "tags.`forecast.kind` = 'train' and attributes.status = 'FINISHED'"
    errors = {
        run.info.run_id: run.data.metrics["validation/mae"]
        for run in client.search_runs([home], where)
        if "validation/mae" in run.data.metrics and "gates.lstm_1/f_bias_norm" in run.data.metrics
    }
    least = min(error for run_id, error in errors.items() if run_id != second)
    assert second in shown and errors[beside[0]] == least


def test_compare_prints_its_page(place, client, twins):
    first, second, _ = twins
    assert place.run("compare", f"runs=[{first},{second}]") == 0, place.errors[-1]
    found = addresses(place.printed[-1])
    key = found["view"].rpartition("=")[2]
    assert key == f"forecast-runs-{first[:8]}-{second[:8]}"
    home = client.get_run(first).info.experiment_id
    assert f"{views.TAG}{key}" in client.get_experiment(home).tags


def test_a_fold_links_to_its_backtest(place, client):
    words = [*TINY, "model=linear", "training.epochs=1", "backtest.folds=2"]
    for _ in range(2):
        assert place.run("backtest", *words) == 0, place.errors[-1]
    parent = word(place.printed[-1], "run")
    assert addresses(place.printed[-1])["view"].startswith("#/experiments/")
    found = client.get_run(parent)
    assert re.fullmatch(r"backtest · linear · mae [\d.]+ · 8→4 · 2 folds · 2", found.info.run_name)
    assert "2 folds from 2024-03-08T08:00" in note(client, parent)
    where = f"tags.`mlflow.parentRunId` = '{parent}'"
    folds = client.search_runs([found.info.experiment_id], where)
    assert len(folds) == 2
    for fold in folds:
        assert linked(fold.data.tags[description.NOTE])["the backtest"] == parent
        assert re.fullmatch(r"fold \d · 2024-03-\d\d · 2", fold.info.run_name)
