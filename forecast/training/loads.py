"""What an epoch reads: all rows at once, or some blocks at a time, standardised, on the device."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from forecast.data.samples import TOGETHER, TrainingBlocks, TrainingSet
from forecast.training.compiled import Rows, on_device, padded_length


class Load(NamedTuple):
    """Rows on the device and windows among them.

    Attributes:
        rows: Standardised.
        starts: First row of each window, (windows,).
    """

    rows: Rows
    starts: np.ndarray


class Loads:
    """Blocks of a table in an order that a seed draws, so many together."""

    def __init__(self, learned: TrainingBlocks, read: Callable[[TrainingSet], np.ndarray]):
        self._learned = learned
        self._read = read
        self._rows = padded_length(min(TOGETHER, len(learned)) * learned.longest)

    @property
    def windows(self) -> int:
        """Count the windows of an epoch."""
        return int(self._learned.train.sum())

    def steps(self, batch_size: int, seed: list[int]) -> int:
        """Count the batches of an epoch; stateful training may need a few more."""
        counts = [self._learned.train[numbers].sum() for numbers in self._dealt(seed)]
        return sum(-(-int(count) // batch_size) for count in counts)

    def epoch(self, seed: list[int]) -> Generator[Load]:
        """Yield the loads of an epoch; the next one is read while one is used."""
        for inputs, outputs, starts in ahead(self._stacked, self._dealt(seed)):
            rows = Rows(tf.constant(inputs), tf.constant(outputs))
            del inputs, outputs  # while the next ones are read
            load = [Load(rows, starts)]
            del rows
            yield load.pop()

    def stopping(self) -> Iterator[tuple[TrainingSet, tf.Tensor]]:
        """Yield the blocks that have stopping windows, with their inputs on the device."""

        def read(number: int) -> tuple[TrainingSet, np.ndarray]:
            own = self._learned[number]
            return own, self._read(own)

        for own, inputs in ahead(read, np.flatnonzero(self._learned.stop).tolist()):
            yield own, on_device(inputs, self._learned.longest)

    def _dealt(self, seed: list[int]) -> list[np.ndarray]:
        """Deal the blocks that have training windows, (blocks,) each."""
        # a stream of its own, so that one block leaves the order of the windows as it is
        order = np.random.default_rng([*seed, 1]).permutation(np.flatnonzero(self._learned.train))
        return [order[first : first + TOGETHER] for first in range(0, len(order), TOGETHER)]

    def _stacked(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Put some blocks into arrays of one length, whichever they are."""
        inputs = outputs = np.zeros((0, 0), np.float32)
        starts, row = [], 0
        for number in numbers:
            own = self._learned[number]
            past, ahead = self._read(own), own.rows.outputs
            if not row:
                inputs = np.zeros((self._rows, past.shape[1]), np.float32)
                outputs = np.zeros((self._rows, ahead.shape[1]), np.float32)
            inputs[row : row + len(past)] = past
            outputs[row : row + len(past)] = np.nan_to_num(ahead)
            starts.append(own.train + np.int32(row))
            row += len(past)
        return inputs, outputs, np.concatenate(starts)


@dataclass(frozen=True)
class Whole:
    """All rows of a table as one load.

    Attributes:
        load: Them and the training windows.
        learned: What they were made of, where there are stopping windows.
    """

    load: Load
    learned: TrainingSet | None = None

    @property
    def windows(self) -> int:
        """Count the windows of an epoch."""
        return len(self.load.starts)

    def steps(self, batch_size: int, seed: list[int]) -> int:
        """Count the batches of an epoch; stateful training may need a few more."""
        del seed
        return -(-self.windows // batch_size)

    def epoch(self, seed: list[int]) -> Generator[Load]:
        """Yield it."""
        del seed
        yield self.load

    def stopping(self) -> Iterator[tuple[TrainingSet, tf.Tensor]]:
        """Yield the table with its inputs on the device."""
        if self.learned is not None:
            yield self.learned, self.load.rows.inputs


Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(make: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """Make one thing after the other, each in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        waiting: list[Future[Made]] = []
        for one in given:
            made = [waiting.pop().result()] if waiting else []
            waiting.append(thread.submit(make, one))
            if made:
                yield made.pop()  # nothing here holds what was made
        if waiting:
            yield waiting.pop().result()
