"""Where a training stands after every epoch and after its end: kept, and taken up again."""

import json

import numpy as np

from forecast.commands.console import say
from forecast.commands.observe import Observer
from forecast.tracking.journal import FIT
from forecast.tracking.journalled import Journalled
from forecast.training.forecaster import Forecaster
from forecast.training.state import Checkpoint, Stage

ABOUT = "fit"
"""Name of what is kept of a fit beside its weights: seconds and threads, as JSON."""


def stage(tracked: Journalled, observer: Observer, epochs: int) -> Stage:
    """Keep where the training stands after every epoch, and begin where the run was left.

    Args:
        tracked: The run.
        observer: Of its gates.
        epochs: In all.

    Returns:
        The stage that a fit is given; after a training that was finished it trains nothing.
    """
    left = tracked.last_checkpoint()
    begin = None
    if left is not None:
        observer.resume(left)
        begin = Checkpoint.read(left)
        if begin.ended:
            say("resume", f"the training is finished; missing: {', '.join(tracked.missing())}")
        else:
            say("resume", f"after epoch {begin.epochs} of {epochs}; own callbacks start anew")

    def keep(reached: Checkpoint) -> None:
        tracked.checkpoint(reached.arrays() | observer.state())

    return Stage(epochs, begin, keep)


def keep_fit(
    tracked: Journalled, observer: Observer, forecaster: Forecaster, seconds: float
) -> None:
    """Keep a finished training: its weights, and what the stages behind it need to know of it.

    Args:
        tracked: The run.
        observer: Of its gates.
        forecaster: Fitted.
        seconds: How long that took.
    """
    about = {"seconds": seconds, "threads": forecaster.threads_}
    arrays = Checkpoint.of_model(forecaster.model_, forecaster.history_).arrays()
    tracked.checkpoint(arrays | observer.whole() | {ABOUT: np.array(json.dumps(about))})
    tracked.done(FIT)


def about_fit(tracked: Journalled) -> tuple[float, int]:
    """Return the seconds and threads of a finished fit, which `keep_fit` has kept."""
    about = json.loads(str((tracked.last_checkpoint() or {})[ABOUT]))
    return about["seconds"], about["threads"]
