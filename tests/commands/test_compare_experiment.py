"""`forecast compare` of a whole experiment, written by hand so that it is known what is found."""

import json
import re

import numpy as np
import pytest

from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending

from ..conftest import Place, columns
from .test_compare import said

UNITS = (4, 8, 16)
QUESTION = {"data.targets": "['load']", "window.horizon": 4, "data.units.load": "MW"}


@pytest.fixture(scope="module")
def written(place: Place):
    """Nine runs: the more units, the lower both errors; one of other horizon, one that failed."""
    store, ids = Store(place.uri, "many"), {}

    def write(name, validation, test, *, status="FINISHED", noise=None, kind="train", **params):
        made = DirectRun.create(store, name, kind=kind, tags={"forecast.data_digest": "d"})
        with ending(made) as run:
            run.params({**QUESTION, **params})
            # lowest in the second of three epochs, whose weights were kept
            if kind == "train":
                run.series({"val/mae": {1: validation + 1, 2: validation, 3: validation + 0.5}})
                run.metrics({"train/best_epoch": 2.0})
            run.metrics({"test/mae": test})
            if noise:
                run.keep(said(noise, seed=len(ids)), "predictions.parquet")
            if status != "FINISHED":
                run.end(status)
        ids[name] = run.id

    for number, units in enumerate(UNITS):
        for seed in range(3):
            validation, name = 3 - number + seed / 10, f"lstm-{units}-{seed}"
            params = {"model": "lstm", "model.units": f"[{units}]", "training.seed": seed}
            noise = {"lstm-16-0": 0.3, "lstm-16-1": 0.31, "lstm-8-0": 3.0}.get(name)
            write(name, validation, validation + 1, noise=noise, **params)
    write("other horizon", 0.1, 0.1, **{"model": "lstm", "window.horizon": 1})
    write("failed", 0.1, 0.1, status="FAILED", model="lstm")
    write("ridge run", 0, 1.2, kind="baseline", noise=0.9, model="ridge")
    return ids


@pytest.fixture(scope="module")
def told(place: Place, written, tmp_path_factory):
    """What the command prints, and its page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        words = ("compare", "tracking.experiment=many")
        assert place.run(*words) == 0, place.errors[-1]
        first = place.printed[-1]
        assert place.run(*words) == 0, place.errors[-1]
        assert place.printed[-1] == first  # from what was kept
    return first, (place.folder / "compare.html").read_text("utf-8")


def data(page):
    """What the page's script draws."""
    return json.loads(re.search(r"^const data = (.*);$", page, re.M)[1])


def test_the_best_is_that_of_the_lowest_validation_error_at_the_kept_epoch(told, written):
    printed, page = told
    text = " ".join(printed.split())
    assert "Best by validation MAE: lstm-16-0, with 1 MW, and 2 MW MAE on the test span" in text
    assert columns(printed) <= 80
    found = data(page)
    assert found["names"][:3] == ["lstm-16-0", "lstm-16-1", "lstm-16-2"]
    assert found["validation"] == [1, 1.1, 1.2, 2, 2.1, 2.2, 3, 3.1, 3.2] and not found["last"]
    assert found["ids"][0] == written["lstm-16-0"]


def test_it_is_tested_against_runs_and_baselines_with_corrected_p(told):
    printed, page = told
    text = " ".join(printed.split())
    assert "no significant difference from the next run, lstm-16-1" in text
    assert re.search(r"less error than the best baseline, ridge \(p < 0\.001\)", text)
    assert "corrected for 3 comparisons (Holm)" in text and "corrected for 3 comparisons" in page
    assert "not tested 6 of the next best: their predictions.parquet could not be read." in text
    row = re.search(r'<th scope="row">lstm-8-0</th>(.*?)</tr>', page, re.S)[1]
    assert "worse, p &lt; 0.001" in row


def test_what_cannot_be_ranked_with_the_others_is_left_out_and_said(told):
    text = " ".join(told[0].split())
    assert "Left out: 1 not finished." in text
    assert "Left out: 1 of another question (window.horizon)" in text
    assert "other horizon" not in data(told[1])["names"]


def test_units_explain_most_and_seeds_little(told):
    printed, page = told
    rows = dict(re.findall(r"^(model.units|training.seed) +(\d+) %", printed, re.M))
    # ranks 1 to 9 in three groups: squares of 54 between, 6 within; (54 − 2 · 1) / (60 + 1)
    assert rows["model.units"] == "85" and "training.seed" not in rows
    assert "model.units explains 85 %" in page and "training.seed explains" not in page
    columns = {one["key"]: one for one in data(page)["columns"]}
    assert columns["model.units"]["texts"] == ["[4]", "[8]", "[16]"]
    assert [columns["model.units"]["texts"][n] for n in columns["model.units"]["at"]] == [
        f"[{units}]" for units in (16, 16, 16, 8, 8, 8, 4, 4, 4)
    ]


def test_the_page_asks_nobody_and_has_captions_and_scopes(told):
    page = told[1]
    assert "http://" not in page and "https://" not in page
    assert page.count("<table") == page.count("<caption")
    assert "<th>" not in page and page.count("<script") == 1


def test_names_of_runs_do_nothing_in_the_page(place: Place):
    store = Store(place.uri, "hostile")
    for number in range(3):
        with ending(DirectRun.create(store, "</script><script>x", kind="train")) as run:
            run.params({"model": "<b>", "model.units": f"</script>{number}"})
            run.metrics({"test/mae": 1.0 + number, "validation/mae": 1.0})
    words = ("compare", "tracking.experiment=hostile", "output=hostile.html")
    assert place.run(*words) == 0, place.errors[-1]
    page = (place.folder / "hostile.html").read_text("utf-8")
    assert page.count("<script") == 1 and page.count("</script") == 1 and "<b>" not in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tracking.experiment=many", "kind=trial"], "kind must be one of train, candidate, back"),
        (
            ["tracking.experiment=many", "kind=candidate"],
            "got 'candidate': there are 10 of kind tr",
        ),
        (["tracking.experiment=none"], "must name an experiment of the store, got none: there "),
        (["tracking.experiment=many", "output=x.png"], "must be a page when a whole experiment"),
        (["experiment=many"], "runs are kept in tracking.experiment=many"),
        (["model=gru"], "model must be a key that forecast compare reads"),
    ],
)
def test_what_cannot_be_meant(place: Place, written, words, sentence):
    assert place.run("compare", *words) == 2
    assert sentence in place.errors[-1] and place.errors[-1].count("\n") == 1


def test_candidates_of_a_sweep(place: Place):
    store = Store(place.uri, "sweeps")
    for rate in (0.1, 0.01):
        with ending(DirectRun.create(store, f"candidate {rate}", kind="candidate")) as run:
            run.params({"model": "lstm", "training.learning_rate": rate})
            run.metrics({"cv/mae_mean": 1 + rate})
    with ending(DirectRun.create(store, "sweep", kind="sweep")) as run:
        run.metrics({"cv/mae_of_ridge": 1.5})
    words = ("tracking.experiment=sweeps", "kind=candidate", "output=c.html")
    assert place.run("compare", *words) == 0, place.errors[-1]
    text = " ".join(place.printed[-1].split())
    assert "Best by mean MAE over the folds: candidate 0.01, with 1.01" in text
    assert "ridge 1.5" in text and "Candidates keep no forecasts" in text
    assert np.isclose(data((place.folder / "c.html").read_text("utf-8"))["validation"], 1.01).any()
