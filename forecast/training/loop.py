"""The story of a fit, told to Keras's epoch-level callbacks."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from forecast.data import windows
from forecast.errors import InputError
from forecast.training.program import SLICE, Program, Rows

SECONDS = 1.0
"""How long one call into the program may take: Ctrl-C and the progress bar wait for its end."""


def train(
    program: Program,
    rows: Rows,
    starts: np.ndarray,
    *,
    epochs: range,
    batch_size: int,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback],
    validate: Callable[[], dict[str, float]],
) -> None:
    """Train until the last epoch, or until a callback has seen enough.

    Callbacks act on `program.model`. The order of the windows depends on (seed, epoch) alone.

    Args:
        program: Loaded with the state to start from.
        rows: Standardised rows.
        starts: Training windows, (windows,).
        epochs: Numbers of the passes, from 0; callbacks may end them sooner.
        batch_size: Windows a step.
        seed: Of the order of windows.
        callbacks: Keras callbacks; their batch hooks are called once for each slice of an epoch.
        validate: Gives what is measured after every epoch, such as "val_loss".

    Raises:
        InputError: The loss stopped being a number.
        KeyboardInterrupt: After the callbacks' end of training, so that best weights are back.
    """
    told = keras.callbacks.CallbackList(list(callbacks), model=program.model)
    told.set_params(
        {"epochs": epochs.stop, "steps": math.ceil(len(starts) / batch_size), "verbose": 0}
    )
    told.on_train_begin()
    logs: dict[str, Any] = {}
    try:
        for epoch in epochs:
            if program.model.stop_training:
                break  # an earlier part of this training has seen enough
            told.on_epoch_begin(epoch)
            order = np.random.default_rng([seed, epoch])
            began = time.perf_counter()
            loss = _epoch(program, rows, _batches(program, starts, batch_size, order), told, epoch)
            seconds = time.perf_counter() - began
            if program.model.stop_training and not math.isfinite(loss):
                break  # TerminateOnNaN has decided
            measured = {
                "loss": loss,
                "learning_rate": float(program.optimizer.learning_rate.numpy()),
                "epoch_seconds": seconds,
                "samples_per_second": len(starts) / seconds,
                **program.measured(),
            }
            logs = measured | validate()
            told.on_epoch_end(epoch, logs)
            if program.model.stop_training:
                break
    finally:
        told.on_train_end(logs)


def _batches(
    program: Program, starts: np.ndarray, batch_size: int, order: np.random.Generator
) -> list[list[np.ndarray]]:
    """Deal an epoch's batches, those that must not be padded in a group of their own."""
    dealt = list(windows.batches(starts, batch_size, shuffle=order))
    if program.exact_batches and len(dealt[-1]) < batch_size:
        return [dealt[:-1], dealt[-1:]] if len(dealt) > 1 else [dealt]
    return [dealt]


def _epoch(
    program: Program,
    rows: Rows,
    groups: list[list[np.ndarray]],
    told: keras.callbacks.CallbackList,
    epoch: int,
) -> float:
    """Train one epoch in slices of about a second and return its loss, the mean over windows."""
    objective, windows_seen, step, length = 0.0, 0, 0, 16
    for group in groups:
        size = len(group[0])
        position = 0
        while position < len(group):
            part = group[position : position + length]
            told.on_train_batch_begin(step)
            began = time.perf_counter()
            losses = program.train(rows, part, size)
            pace = SECONDS / max(time.perf_counter() - began, 1e-6)
            # summed batch by batch, so that the number does not depend on where a slice ended
            for batch, loss in zip(part, losses, strict=True):
                objective += float(loss) * len(batch)
                windows_seen += len(batch)
            position += len(part)
            step += len(part)
            mean = objective / windows_seen
            told.on_train_batch_end(step - 1, {"loss": mean})
            if program.model.stop_training:
                return mean
            if not math.isfinite(mean):
                rate = float(program.optimizer.learning_rate.numpy())
                raise InputError(
                    f"training.learning_rate={rate:g} made the loss {mean} in epoch {epoch + 1}: "
                    "lower it or set training.clipnorm=1"
                )
            length = int(np.clip(len(part) * pace, 1, min(SLICE, 4 * length)))
    return objective / windows_seen
