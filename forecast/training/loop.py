"""Run the epochs of a fit and call Keras's callbacks."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import keras
import numpy as np

from forecast.data import samples, windows
from forecast.errors import InputError
from forecast.training.compiled import SLICE, Program
from forecast.training.loads import Loads, Whole

SECONDS = 1.0
"""How long one call into the program may take: Ctrl-C and the progress bar wait for its end."""


def train(
    program: Program,
    loads: Loads | Whole,
    *,
    epochs: range,
    batch_size: int,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback],
    validate: Callable[[], dict[str, float]],
) -> None:
    """Train until the last epoch, or until a callback has seen enough.

    Callbacks act on `program.model`. The order of the windows depends on (seed, epoch) and the cut
    into blocks alone.
    """
    hooks = keras.callbacks.CallbackList(list(callbacks), model=program.model)
    steps = loads.steps(batch_size, [seed, epochs.start])
    hooks.set_params({"epochs": epochs.stop, "steps": steps, "verbose": 0})
    hooks.on_train_begin()
    logs: dict[str, Any] = {}
    try:
        for epoch in epochs:
            if program.model.stop_training:
                break  # an earlier part of this training has seen enough
            hooks.on_epoch_begin(epoch)
            began = time.perf_counter()
            loss = _epoch(program, loads, batch_size, [seed, epoch], hooks)
            seconds = time.perf_counter() - began
            if program.model.stop_training and not math.isfinite(loss):
                break  # TerminateOnNaN has decided
            measured = {
                "loss": loss,
                "learning_rate": float(program.optimizer.learning_rate.numpy()),
                "epoch_seconds": seconds,
                "samples_per_second": loads.windows / seconds,
                **program.measured(),
            }
            logs = measured | validate()
            hooks.on_epoch_end(epoch, logs)
            if program.model.stop_training:
                break
    finally:
        hooks.on_train_end(logs)


def _deal(
    program: Program, starts: np.ndarray, batch_size: int, order: np.random.Generator
) -> list[np.ndarray]:
    """Deal the batches of a load, (steps, batch) each; one that must not be padded is alone."""
    if program.stateful:
        return [samples.stateful_batches(starts, program.window, batch_size, shuffle=order)]
    dealt = list(windows.batches(starts, batch_size, shuffle=order))
    short = batch_size - len(dealt[-1])
    if short and program.exact_batches:
        return [np.stack(group) for group in (dealt[:-1], dealt[-1:]) if group]
    dealt[-1] = np.pad(dealt[-1], (0, short), constant_values=-1)  # -1 is no window
    return [np.stack(dealt)]


def _epoch(
    program: Program,
    loads: Loads | Whole,
    batch_size: int,
    seed: list[int],
    hooks: keras.callbacks.CallbackList,
) -> float:
    """Train one epoch in slices of about a second and return its loss, the mean over windows."""
    objective, windows_seen, step, length = 0.0, 0, 0, 16
    order = np.random.default_rng(seed)
    with closing(loads.epoch(seed)) as parts:
        for load in parts:
            for group in _deal(program, load.starts, batch_size, order):
                position, carry = 0, None  # each group begins with states of zero
                while position < len(group):
                    part = group[position : position + length]
                    hooks.on_train_batch_begin(step)
                    began = time.perf_counter()
                    losses, carry = program.train(load.rows, part, carry)
                    pace = SECONDS / max(time.perf_counter() - began, 1e-6)
                    # summed batch by batch: the number does not depend on where a slice ended
                    for count, loss in zip((part >= 0).sum(axis=1), losses, strict=True):
                        objective += float(loss) * int(count)
                        windows_seen += int(count)
                    position += len(part)
                    step += len(part)
                    mean = objective / windows_seen
                    hooks.on_train_batch_end(step - 1, {"loss": mean})
                    if program.model.stop_training:
                        return mean
                    if not math.isfinite(mean):
                        rate = float(program.optimizer.learning_rate.numpy())
                        raise InputError(
                            f"training.learning_rate={rate:g} made the loss {mean} in epoch "
                            f"{seed[1] + 1}: lower it or set training.clipnorm=1"
                        )
                    length = int(np.clip(len(part) * pace, 1, min(SLICE, 4 * length)))
            del load, group  # before the next rows come to the device
    return objective / windows_seen
