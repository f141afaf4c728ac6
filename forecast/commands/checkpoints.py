"""Where a training stands after every epoch: kept, and taken up by the next process."""

from forecast.commands.console import say
from forecast.commands.observe import Observer
from forecast.tracking.journalled import Journalled
from forecast.training.stage import Checkpoint, Stage


def stage(tracked: Journalled, observer: Observer, epochs: int) -> Stage:
    """Keep where the training stands after every epoch, and begin where the run was left.

    Args:
        tracked: The run.
        observer: Of its gates.
        epochs: In all.

    Returns:
        The stage that a fit is given.
    """
    left = tracked.last_checkpoint()
    if left is not None:
        observer.resume(left)
    begin = Checkpoint.read(left) if left is not None else None
    if begin is not None:
        say("resume", f"after epoch {begin.epochs} of {epochs}; own callbacks start anew")

    def keep(reached: Checkpoint) -> None:
        tracked.checkpoint(reached.arrays() | observer.state())

    return Stage(epochs, begin, keep)
