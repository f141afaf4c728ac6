"""The report is one page that needs nothing else, for one network or two."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from forecast import gates
from forecast.errors import InputError
from forecast.gates.history import distances, evenly, history
from forecast.gates.statistics import readers
from forecast.report import gate_page
from forecast.report.gate_page import Subject, pictures

from .models import small_model

RNG = np.random.default_rng(2)


class Page(HTMLParser):
    """What a page shows and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.images, self.loads, self.texts, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag not in ("img", "meta", "input"):
            self.open.append(tag)
        if tag == "img":
            self.images.append(named)
        for key in ("src", "href"):
            if key in named and not named[key].startswith("data:"):
                self.loads.append(named[key])

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
        saved[3],
        told,
        pictures(saved, 6, ["a", "b", "c"], 2),
        facts={"run": "0123"},
        memory=gates.Memory({1: 3.0, 6: 2.0}, 2.5, {"lstm_1/f": 2.2}),
        alerts=[gates.Alert("dead_units", "lstm_1: 9% & more")],
    )


def test_one_network(subject):
    text = gate_page.page([subject])
    page = Page(text)
    assert page.open == [] and page.loads == [] and "http" not in text
    shown = " ".join(page.texts)
    for words in (
        "run <A>",
        "lstm_1: 9% & more",
        "No shorter look-back than the newest 6 steps",
        "lstm_1 f",
    ):
        assert words in shown
    # memory, curves, and three pictures at epochs 0, 2 (rounded) and 3 of two kinds and taps
    epochs = 3
    assert {len(images) for images in subject.pictures.values()} == {epochs}
    assert sorted(subject.pictures) == [
        "activity/lstm_1",
        "gates/lstm_1",
        "gates/taps",
        "inputs/lstm_1",
    ]
    assert len(page.images) == 2 + 4 * epochs
    assert sum("hidden" not in image for image in page.images) == 2 + 4


def test_two_networks_side_by_side(subject):
    recurrent = {name: a for name, a in subject.last.items() if name.startswith("lstm_1")}
    wider = {f"lstm_1/kernel/{gate}": np.ones((9, 4)) for gate in "ifco"}
    other = Subject("run B", {**recurrent, **wider})
    shown = " ".join(Page(gate_page.page([subject, other])).texts)
    assert "lstm_1: kernel is (3, 4) in the first run and (9, 4) in the second" in shown
    assert "have no distance" not in shown
    assert "conv_1 only in the first run." in shown
    assert "Not measured." in shown


def test_the_numbers_of_the_last_epoch(subject):
    found = gate_page.numbers(subject)
    assert list(found.index) == [f"lstm_1 {gate}" for gate in "ifco"]
    assert found.loc["lstm_1 c", "open"] == ""
    kernel = subject.last["lstm_1/kernel/f"]
    assert found.loc["lstm_1 f", "kernel"] == f"{np.sqrt(np.mean(kernel**2)):.3f}"


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
        "lstm_1: kernel is (13, 4) in the first run and (13, 8) in the second: the distance is "
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
