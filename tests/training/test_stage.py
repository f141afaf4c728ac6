"""A training in parts is a training in one piece, to the last bit."""

import io

import numpy as np
import pytest

from forecast import Model
from forecast.training import compiled
from forecast.training.state import Checkpoint, Stage

from .problems import CNN, bits, forecaster, linear, table

DATA = table(rows=90)
DROPPING = Model("lstm", units=[3], dropout=0.2, recurrent_dropout=0.2)


def through_a_file(checkpoint: Checkpoint) -> Checkpoint:
    file = io.BytesIO()
    np.savez_compressed(file, **checkpoint.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return Checkpoint.read(arrays)


def in_parts(ends: list[int], make, fresh=False):
    """Fit the first epochs with one estimator, the next with another, and so on."""
    begin = None
    for end in ends:
        if fresh:
            compiled._programs.clear()  # nothing may be left in memory but the checkpoint
        stage = Stage(end, begin)
        fitted = make().fit(DATA, stage=stage)
        begin = through_a_file(stage.end)
    return fitted


def without_clocks(history):
    return {k: v for k, v in history.items() if k not in ("epoch_seconds", "samples_per_second")}


@pytest.mark.parametrize(
    ("model", "schedule", "tail"),
    [
        pytest.param(linear, None, 0, marks=pytest.mark.slow),
        pytest.param(linear, None, 0.2, marks=pytest.mark.slow),
        (linear, "CosineDecay", 0.2),
        pytest.param(CNN, "CosineDecay", 0.2, marks=pytest.mark.slow),
        (DROPPING, "CosineDecay", 0.2),
    ],
    ids=["plain", "stopping", "scheduled", "cnn", "dropping"],
)
def test_parts_are_one_piece(model, schedule, tail):
    def make():
        return forecaster(model, epochs=6, schedule=schedule, tail=tail, optimizer="AdamW")

    whole, parts = make().fit(DATA), in_parts([2, 3, 6], make, fresh=model is linear)
    assert bits(parts) == bits(whole)
    assert without_clocks(parts.history_) == without_clocks(whole.history_)
    assert parts.best_epoch_ == whole.best_epoch_


@pytest.mark.parametrize("ends", [[3, 12], [1, 2, 4, 8, 12], [11, 12]], ids=str)
def test_early_stopping_counts_through_the_parts(ends):
    """So high a learning rate that the best epoch is an early one."""

    def make():
        return forecaster(linear, epochs=12, tail=0.2, patience=3, learning_rate=0.3)

    whole = make().fit(DATA)
    assert whole.best_epoch_ + 3 == len(whole.history_["loss"]) < 12  # it did stop
    parts = in_parts(ends, make)
    assert bits(parts) == bits(whole)
    assert parts.history_["val_loss"] == whole.history_["val_loss"]


def test_a_part_ends_with_the_best_weights_so_far():
    def make():
        return forecaster(linear, epochs=9, tail=0.2)

    short = make().fit(DATA, stage=Stage(4))
    assert len(short.history_["loss"]) == 4
    alone = make()
    alone.training.set_params(epochs=4)
    assert bits(short) == bits(alone.fit(DATA))  # without a schedule the rest does not matter
