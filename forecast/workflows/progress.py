"""Who hears what a workflow does: a terminal, a notebook, or nobody."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import keras

Say = Callable[[str, str], None]
"""Takes a stage, and a sentence about it."""


class Progress(Protocol):
    """What a workflow calls while it works."""

    def say(self, stage: str, text: str) -> None:
        """Take a sentence about a stage that is done, or a warning."""

    def busy(self, stage: str, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show what is being done as long as the block lasts, which may show another text."""

    def epochs(self, count: int) -> "AbstractContextManager[keras.callbacks.Callback]":
        """Return a Keras callback that shows the epochs of a training."""


@contextmanager
def during(progress: Progress, stage: str, text: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done, and how far it is; then say that it is done and for how long."""
    began = perf_counter()
    with progress.busy(stage, text) as show:
        yield lambda far: show(f"{text}, {far}")
    progress.say(stage, f"{text}, {perf_counter() - began:.1f} s")
