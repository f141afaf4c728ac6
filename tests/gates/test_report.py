"""The page of the gates needs nothing else, for one network or for several that it compares."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from forecast import gates
from forecast.errors import InputError
from forecast.gates.history import distances, evenly, history
from forecast.gates.statistics import readers
from forecast.report.gates import page as gate_page
from forecast.report.gates import tables as gate_tables
from forecast.report.gates.subject import Subject

from .models import small_model

RNG = np.random.default_rng(2)


class Page(HTMLParser):
    """What a page shows and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.images, self.loads, self.texts, self.open = [], [], [], []
        self.pictures, self.hidden = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag not in ("img", "meta", "input", "path", "circle"):
            self.open.append(tag)
        if tag == "img":
            self.images.append(named)
        if tag == "svg" and named.get("role") == "img":
            self.pictures.append(named["aria-label"])
        if named.get("class") == "slide":
            self.hidden.append("hidden" in named)
        for key in ("src", "href"):
            if key in named and not named[key].startswith("data:"):
                self.loads.append(named[key])

    def handle_startendtag(self, tag, attributes):
        assert tag in ("path", "circle")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def subject():
    model = small_model()
    saved = {}
    callback = gates.GateSnapshots(
        probe=RNG.normal(size=(4, 6, 2)),
        save=lambda name, weights: saved.update({int(name[-8:-4]): weights}),
    )
    model.fit(
        RNG.normal(size=(32, 6, 2)), np.ones((32, 1)), epochs=3, verbose=0, callbacks=[callback]
    )
    told = history(saved, 6)
    assert told == callback.history  # the snapshots alone tell all that was logged
    return Subject(
        "run <A>",
        saved[2],
        2,
        saved,
        told,
        {"run": "0123", "test MAE": "3.5"},
        gates.Memory({1: 3.0, 6: 2.0}, 2.5, {"lstm_1/f": 2.2}),
        [gates.Alert("dead_units", "lstm_1: 9% & more")],
        {"Gates on real windows: lstm_1": b"RIFF"},
        gates.inputs(saved[2], ["a", "b", "c"]),
        pictures=3,
    )


def test_one_network(subject):
    text = gate_page.page([subject])
    page = Page(text)
    assert page.open == [] and page.loads == [] and "http" not in text
    shown = " ".join(page.texts)
    for words in (
        "run <A>",
        "lstm_1: 9% & more",
        "No look-back below 6 steps",
        "kept weights: epoch 2",
        "50 % of training: epoch 1 of 3",
    ):
        assert words in shown
    # three shares and the kept weights, of the layer and of the taps; only the kept ones are open
    assert page.hidden == [True, True, True, False] * 2


def test_pictures_say_what_they_show(subject):
    """Every picture has a text with numbers, and the numbers are those of the weights."""
    for subjects in ([subject], [subject, replace(subject, title="B")]):
        page = Page(gate_page.page(subjects))
        told = [image["alt"] for image in page.images] + page.pictures
        assert len(told) > 20
        assert [text for text in told if not re.search(r"\d", text)] == []
    size = np.sqrt(np.mean(subject.kept["lstm_1/kernel/f"] ** 2))
    start = np.sqrt(np.mean(subject.shown[0]["lstm_1/kernel/f"] ** 2))
    assert any(f"forget {size:#.2g} (start {start:#.2g})" in text for text in told)
    assert any("no recurrence +25.0 %" in text for text in told)


def test_a_section_shows_two_pictures_with_their_findings(subject):
    title, text = gate_page.section(subject)
    page = Page(text)
    assert title == "Gates and memory"
    assert page.open == [] and page.loads == ["gates.html"]
    heads = [re.split(r"[,:]", told)[0] for told in page.pictures]
    assert heads[:3] == ["lstm_1"] * 3 and len(heads) == 5
    assert len(text.encode()) < 60_000
    shown = " ".join(page.texts)
    assert "weights whose size changed most" in shown
    taps = {name: a for name, a in subject.kept.items() if name.startswith("conv_1")}
    assert "conv_1" in Page(gate_page.section(Subject("cnn", taps))[1]).pictures[0]


def test_two_networks_are_compared(subject):
    recurrent = {name: a for name, a in subject.kept.items() if name.startswith("lstm_1")}
    wider = {f"lstm_1/kernel/{gate}": RNG.normal(size=(9, 4)) for gate in "ifco"}
    other = Subject("run B", {**recurrent, **wider}, facts={"test MAE": "3.9"})
    page = Page(gate_page.page([subject, other]))
    shown = " ".join(" ".join(page.texts).split())
    assert page.open == []
    assert "lstm_1: kernel is (3, 4) in A and (9, 4) in B" in shown
    assert "conv_1 only in A." in shown and "not measured" in shown
    assert "A has the lowest test MAE: 3.5, against B 3.9" in shown
    # a table of three columns of numbers, and both in one picture
    ours, theirs = subject.kept["lstm_1/kernel/f"], wider["lstm_1/kernel/f"]
    expected = wasserstein_distance(ours.ravel(), theirs.ravel())
    assert f"{expected:.4f}" in page.texts
    assert any(re.search(r"A .*forget.*; B .*forget", told) for told in page.pictures)


def test_units_are_matched_where_shapes_are_equal(subject):
    order = [2, 0, 3, 1]
    moved = {}
    for name, array in subject.kept.items():
        if name.startswith("lstm_1/"):
            array = array[..., order] if array.shape[-1] == 4 else array
            array = array[order] if "/recurrent_kernel/" in name else array
        moved[name] = array
    page = Page(gate_page.page([subject, replace(subject, title="B", kept=moved)]))
    assert any("the weights differ by 0 % of their size, against" in t for t in page.pictures)


@pytest.mark.parametrize("count", [5, 40])
def test_a_page_of_many_runs_is_bounded_and_says_what_it_leaves_out(subject, count):
    runs = [replace(subject, title=f"run number {n}") for n in range(count)]
    text = gate_page.page(runs)
    page = Page(text)
    shown = " ".join(page.texts)
    assert page.open == [] and len(text.encode()) < 900_000
    assert all(f"run number {n}" in shown for n in range(count))
    assert f"of the first 4 of {count} runs" in shown
    assert (f"of the first 30 of {count} runs" in shown) == (count == 40)
    drawn = gate_page.page(runs[:30]).count('class="body')
    assert text.count('class="body') == drawn > 100


def test_columns_are_the_same_rows_for_all_runs(subject):
    fewer = replace(subject, title="B", inputs={"lstm_1": subject.inputs["lstm_1"].loc[["b", "a"]]})
    table = gate_tables.by_input([subject, fewer], "lstm_1")
    means = np.sqrt((subject.inputs["lstm_1"] ** 2).mean(axis=1)).sort_values(ascending=False)
    assert list(table.index) == list(means.index)
    assert table.A.to_numpy() == pytest.approx(means.to_numpy())
    assert np.isnan(table.B["c"]) and table.B["a"] == table.A["a"]


def test_the_numbers_are_those_of_the_kept_weights(subject):
    found = gate_tables.of_one(subject, "lstm_1")
    assert list(found.index) == list("ifco")
    assert found.loc["c", "open"] == ""
    kernel = subject.shown[2]["lstm_1/kernel/f"]
    assert found.loc["f", "kernel"] == f"{np.sqrt(np.mean(kernel**2)):.3f}"
    two = gate_tables.numbers([subject, subject], "lstm_1")
    assert {*two["Δ"]} <= {"0 %", "+0.00"}


def test_epochs_are_picked_evenly_with_both_ends():
    assert evenly(3, 8).tolist() == [0, 1, 2]
    assert evenly(51, 6).tolist() == [0, 10, 20, 30, 40, 50]


def test_a_missing_snapshot_leaves_out_the_update():
    weights = {"lstm_1/kernel/i": np.ones((2, 2))}
    found = history({0: weights, 2: weights, 3: weights}, 6)
    assert "gates.lstm_1/i_update" not in found[2]
    assert found[3]["gates.lstm_1/i_update"] == 0


def test_distances_are_those_between_sorted_weights():
    ours, theirs = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    name = "lstm_1/kernel/f"
    found, sentences = distances({name: ours}, {name: theirs})
    by_hand = np.abs(np.sort(ours.ravel()) - np.sort(theirs.ravel())).mean()
    assert found.distance[0] == pytest.approx(by_hand)
    assert sentences == []


def test_layers_of_one_run_only_are_told_once():
    two = {f"lstm_2/{part}/i": np.ones(2) for part in ("kernel", "bias")}
    found, sentences = distances({}, two)
    assert found.empty
    assert sentences == ["lstm_2 only in the second run"]


def test_distances_need_no_equal_shapes():
    """Of 32 and of 64 units: by the definition, the area between the two distributions."""
    ours, theirs = RNG.normal(size=(13, 4)), RNG.normal(0.5, 2, size=(13, 8))
    name = "lstm_1/kernel/f"
    found, sentences = distances({name: ours}, {name: theirs})
    ends = np.sort(np.concatenate([ours.ravel(), theirs.ravel()]))
    below = [
        np.abs((ours <= end).mean() - (theirs <= end).mean()) * width
        for end, width in zip(ends[:-1], np.diff(ends), strict=True)
    ]
    assert found.distance[0] == pytest.approx(sum(below))
    assert found["first"][0] == pytest.approx(np.sqrt((ours**2).mean()))
    assert sentences == [
        "lstm_1: kernel is (13, 4) in the first run and (13, 8) in the second run: "
        "the distance is "
        "between their distributions"
    ]
    # twice the same units are the same distribution
    found, _ = distances({name: ours}, {name: np.tile(ours, (1, 2))})
    assert found.distance[0] == pytest.approx(0, abs=1e-12)


def test_influence_is_the_root_mean_square_of_each_row():
    kernel = RNG.normal(size=(3, 5))
    found = gates.influence({"f": {"kernel": kernel}}, ["a", "b", "c"])
    expected = pd.DataFrame({"f": [np.sqrt((row**2).mean()) for row in kernel]}, list("abc"))
    pd.testing.assert_frame_equal(found, expected)
    assert list(gates.influence({"f": {"kernel": kernel}}).index) == [
        "input 1",
        "input 2",
        "input 3",
    ]
    with pytest.raises(InputError, match=r"one name for each of 3 kernel rows, received 1"):
        gates.influence({"f": {"kernel": kernel}}, ["a"])


def test_names_belong_to_the_layers_that_read_the_inputs():
    assert readers(["lstm_1", "lstm_2"]) == ["lstm_1"]
    assert readers(["a.both.forward", "a.both.backward", "lstm_2.forward"]) == [
        "a.both.forward",
        "a.both.backward",
    ]
    assert readers([]) == []
    assert gates.inputs({"lstm_1/kernel/f": np.ones((3, 2))}, ["a", "b"]) == {}
