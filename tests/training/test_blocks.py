"""Training block by block, from memory as from disk, in parts as in one piece."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

from forecast.data import features, panel, samples, scale, split, windows
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.split import holdout
from forecast.data.stored.write import write
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.training import fit as fitting
from forecast.training.compiled import Program
from forecast.training.forecaster import Forecaster
from forecast.training.loads import Loads
from forecast.training.parameters import Model
from forecast.training.state import Stage
from tests.training.problems import WINDOW, bits, forecaster, linear, table, training

DATA = table(rows=40, series=60)
SMALL = 100_000
"""Bytes for which `DATA` is cut into some twenty blocks, eight of which are read together."""


def frame(series=24, rows=60, holes=0.0, seed=0):
    """Raw rows of daily series: labels, holes, a static column and one that is known ahead."""
    random = np.random.default_rng(seed)
    count = series * rows
    day = np.tile(pd.date_range("2024-01-01", periods=rows).to_numpy(), series)
    code = np.repeat(np.arange(series), rows)
    values = np.round(np.sin(np.arange(count) / 4) * 4 + random.normal(size=count) + code, 2)
    found = pd.DataFrame({"site": [f"s{n:03}" for n in code], "day": day, "load": values})
    found["temp"] = np.where(random.random(count) < holes, np.nan, random.normal(size=count))
    found["price"] = random.normal(size=count)
    found["area"] = code % 5 + 0.5
    found["sky"] = random.choice(["clear", "rain"], count)
    return found


EVERYTHING = Schema(
    "day",
    ("load",),
    features=("load", "temp", "sky"),
    series=("site",),
    calendar=("weekday",),
    known_future=("price", "weekday"),
    static=("area",),
    classes={"sky": ("clear", "rain")},
    missing="mask",
)


def stored(data, folder, schema=EVERYTHING):
    return write(
        [data.iloc[first : first + 100] for first in range(0, len(data), 100)], schema, folder
    )


@pytest.mark.parametrize("rows", [50, 25])
def test_a_block_holds_the_windows_that_the_table_holds(tmp_path, rows):
    """Known future, masks, labels, static columns and the number of the series among them."""
    data, window = frame(holes=0.1), Window(8, 3, lead=1)
    whole = panel.build(data, EVERYTHING)
    learned = samples.TrainingBlocks(
        stored(data, tmp_path / "one"), window, None, block_rows=rows
    ).learn(0.2)
    assert len(learned) >= 24
    one = samples.training_set(whole, window, np.ones(len(whole), bool), 0.2)

    def cut(own, coded_from):
        inputs = features.append_known_future(own.rows.inputs, own.rows.table, window, coded=True)
        return {
            kind: (
                windows.inputs(inputs, starts, window),
                windows.outputs(own.rows.outputs, starts, window),
                starts + coded_from,
            )
            for kind, starts in (("train", own.train), ("stop", own.stop))
        }

    blocks = [cut(own, own.rows.table.first_row) for own in learned]
    for kind, expected in cut(one, 0).items():
        order = np.argsort(expected[2])
        for part, other in enumerate(expected):
            joined = np.concatenate([block[kind][part] for block in blocks])
            np.testing.assert_allclose(joined, other[order], rtol=2e-6, atol=1e-6)
    counts = [sum(len(block[kind][2]) for block in blocks) for kind in ("train", "stop")]
    assert counts == [learned.train.sum(), learned.stop.sum()]


@pytest.mark.parametrize("per", ["series", "global"])
def test_the_scale_of_blocks_is_that_of_the_table(per):
    data = table(rows=200, series=5, seed=3)
    rows = data.time < data.time[150]
    for blocks in (7, 40, 300, 2000):
        cut = Blocks.of(data).cut(blocks, 0)
        learned = (own.take(own.time < data.time[150]) for own in cut)
        found = scale.fit_blocks(learned, data, 5, per)
        exact = scale.fit(data.take(rows), per)
        for name, value in vars(exact).items():
            if blocks in (300, 2000) and (per == "series" or blocks == 2000):  # whole series
                assert np.array_equal(getattr(found, name), value) or value is None
            elif value is not None:
                np.testing.assert_allclose(getattr(found, name), value, rtol=1e-12)


def test_one_block_is_the_table():
    whole = forecaster(tail=0.2, epochs=3).fit(DATA)
    block = forecaster(tail=0.2, epochs=3).fit(Blocks.of(DATA))
    assert bits(block) == bits(whole)
    assert block.history_["val_loss"] == whole.history_["val_loss"]
    assert (block.memory_, whole.memory_) == (samples.machine_share(), None)


def settings(kind):
    """Return a model, and what else a kind of training asks for."""
    embedded = Model("nlinear", series_embedding=2)
    return {
        "linear": (linear, {}),
        "embedded": (embedded, {}),
        "cycle": (Model("nlinear", cycle=5, series_embedding=2, decoder="state"), {}),
        "stateful": (Model("gru", units=[3]), {"stateful": True, "batch_size": 4}),
        "quantiles": (linear_of_quantiles, {"quantiles": (0.1, 0.5, 0.9)}),
    }[kind]


def linear_of_quantiles(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = keras.layers.Dense(sizes.horizon * sizes.outputs)(keras.layers.Flatten()(window))
    return keras.Model(window, keras.layers.Reshape((sizes.horizon, sizes.outputs))(x))


@pytest.mark.parametrize(
    "kind",
    [
        "linear",
        "stateful",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("embedded", "cycle", "quantiles")
        ),
    ],
)
def test_weights_from_disk_are_those_from_memory(tmp_path, kind):
    data = frame()
    model, changes = settings(kind)
    window = Window(8, 3, stride=1)
    disk = stored(data, tmp_path / "one")
    memory = Blocks.of(panel.build(data, EVERYTHING))
    cuts = holdout(memory.backing.table, 0.1, 0.2)

    def fit(blocks):
        made = forecaster(model, window, tail=0.2, epochs=2, **changes)
        return made.fit(blocks, rows=cuts.learned_rows, memory=150_000)

    one, other = fit(disk), fit(memory)
    assert bits(one) == bits(other)
    assert one.history_["val_loss"] == other.history_["val_loss"]
    assert one.names_ == memory.backing.table.names
    assert not len(one.context_)  # it was more than one block


def watched(monkeypatch):
    """Note the first input of every window that is trained."""
    seen, train = [], Program.train

    def note(self, rows, batches, carry=None):
        seen.append([rows.inputs.numpy()[start, 0] for start in batches[batches >= 0]])
        return train(self, rows, batches, carry)

    monkeypatch.setattr(Program, "train", note)
    return seen


@pytest.mark.parametrize("stride", [1, 3])
def test_an_epoch_trains_every_window_once_in_an_order_of_its_own(monkeypatch, stride):
    rising = np.arange(len(DATA), dtype=float)[:, None]  # one number says which row it is
    data = replace(DATA, inputs=rising, outputs=rising, features=("x0",))
    window = Window(8, 3, stride=stride)
    seen = watched(monkeypatch)
    made = Forecaster(linear, window, training(epochs=1), scaling="global")
    made.fit(Blocks.of(data), memory=SMALL)
    first = np.concatenate(seen)
    rows = np.round(first * made.scaler_.input_std[0, 0] + made.scaler_.input_mean[0, 0]).astype(
        int
    )
    every = windows.starts(data, window)
    if stride == 1:
        assert sorted(rows) == every.tolist()
    else:
        assert set(rows) <= set(every) and len(set(rows)) == len(rows)
        assert len(rows) == pytest.approx(len(every) / stride, abs=20)
    seen.clear()
    made.fit(Blocks.of(data), memory=SMALL)
    assert np.concatenate(seen).tolist() == first.tolist()
    seen.clear()
    made.set_params(training__seed=1).fit(Blocks.of(data), memory=SMALL)
    assert np.concatenate(seen).tolist() != first.tolist()
    # windows of far series share a batch
    series = rows[:16] // 40
    assert len(set(series)) > 4


def test_the_stopping_set_is_measured_as_a_whole(monkeypatch):
    """Block by block, and in parts where it is large, as one look at all of it."""
    made = forecaster(tail=0.2, epochs=1).fit(Blocks.of(DATA), memory=SMALL)
    learned = samples.training_set(DATA, WINDOW, np.ones(len(DATA), bool), 0.2)
    predicted = made.predict_windows(DATA, learned.stop)
    true = windows.outputs(DATA.outputs, learned.stop, WINDOW)
    errors = abs(predicted - true)
    assert made.history_["val_mae"][0] == pytest.approx(errors.mean(), rel=1e-5)
    series = DATA.series[learned.stop]
    scaled = errors / made.scaler_.output_std[series][:, None]
    assert made.history_["val_loss"][0] == pytest.approx(scaled.mean(), rel=1e-5)
    whole = forecaster(tail=0.2, epochs=2).fit(DATA)
    monkeypatch.setattr(fitting, "VALUES", 50)
    parts = forecaster(tail=0.2, epochs=2).fit(DATA)
    for name in ("val_mae", "val_loss"):
        np.testing.assert_allclose(parts.history_[name], whole.history_[name], rtol=1e-5)
    assert parts.history_["loss"] == whole.history_["loss"]


def test_a_block_is_predicted_as_the_table_is():
    made = forecaster(tail=0.2, epochs=1).fit(Blocks.of(DATA), memory=SMALL)
    for block in Blocks.of(DATA).tables(100, WINDOW.span - 1):
        starts = windows.starts(block, WINDOW)
        expected = made.predict_windows(DATA, starts + block.first_row)
        np.testing.assert_allclose(made.predict_windows(block, starts), expected, rtol=1e-6)
    with pytest.raises(InputError, match="table must hold the series of fit, s0, s1"):
        made.predict_windows(replace(block, first_series=0), starts)
    with pytest.raises(InputError, match="X must follow rows that fit has kept"):
        made.predict(DATA)


@pytest.mark.parametrize("ends", [[1, 3], [2, 3]], ids=str)
def test_parts_are_one_piece(ends):
    def fit(stage=None):
        return forecaster(tail=0.2, epochs=3).fit(Blocks.of(DATA), memory=SMALL, stage=stage)

    whole, begin = fit(), None
    for end in ends:
        stage = Stage(end, begin)
        parts = fit(stage)
        begin = stage.end
    assert bits(parts) == bits(whole)


def test_an_interruption_leaves_the_reading_thread_at_rest(monkeypatch):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    made = forecaster(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        made.fit(Blocks.of(DATA), memory=SMALL, callbacks=[Stop()])
    assert np.isfinite(made.predict_windows(DATA, np.arange(3))).all()


def test_one_program_trains_every_group_of_blocks():
    learned = samples.prepare(Blocks.of(DATA), WINDOW, None, 0, memory=SMALL)
    assert len(learned) > 2 * samples.TOGETHER
    loads = Loads(learned, lambda block: block.rows.inputs)
    shapes = {tuple(load.rows.inputs.shape) for load in loads.epoch([0, 0])}
    assert len(shapes) == 1


def test_what_cannot_be_meant_is_refused():
    blocks = Blocks.of(DATA)
    with pytest.raises(InputError, match="rows must be a function from a table to its mask"):
        forecaster().fit(blocks, rows=np.ones(len(DATA), bool))
    with pytest.raises(InputError, match=r"memory must hold 8 blocks of two windows each.*give"):
        forecaster().fit(blocks, memory=10_000)
    with pytest.raises(InputError, match="must fit the training span"):
        forecaster(window=Window(30, 11)).fit(blocks, memory=SMALL)
    with pytest.raises(InputError, match=r"must fit the stopping span, got 2,400 rows of 60"):
        forecaster(tail=2, window=WINDOW).fit(blocks, memory=SMALL)
    with pytest.raises(InputError, match=r"training\.tail must leave rows"):
        forecaster(tail=1.5).fit(blocks, memory=SMALL)
    flat = replace(DATA, outputs=np.ones_like(DATA.outputs))
    with pytest.raises(InputError, match="data.targets must vary in the training rows"):
        forecaster().fit(Blocks.of(flat), memory=SMALL)
    assert split.Cut


def test_the_memory_decides_how_a_table_is_cut():
    window = Window(28, 14)
    facts = Blocks.of(DATA)
    assert samples.block_rows(facts, WINDOW, 10**9) is None
    rows = [samples.block_rows(facts, WINDOW, memory) for memory in (SMALL, 2 * SMALL, 3 * SMALL)]
    assert rows[1] == pytest.approx(2 * rows[0], abs=2) and rows == sorted(rows)
    assert samples.machine_share().bit_count() == 1
    del window
