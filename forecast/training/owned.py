"""Who uses a compiled program: one fit or one prediction at a time, whatever thread it runs in.

A model is chosen and taken in one step under one lock, and is given back after its last use, so
nobody loads other weights into it while a fit trains it or a prediction reads it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from forecast.training import executables

KEEP = 8
"""Compiled programs kept for reuse; the one unused for longest goes first."""

CHANGED = threading.Condition()
"""Guards every `Owner` and all that is kept; notified when something is given back."""

Use = Literal["fit", "prediction"]


class Owner:
    """What a model is used for now.

    Attributes:
        use: None where it is free.
        fits: Fits that wait until a prediction has ended; later predictions let them go first.
    """

    def __init__(self) -> None:
        self.use: Use | None = None
        self.fits = 0

    def give_back(self) -> None:
        """Let the next one have it."""
        with CHANGED:
            self.use = None
            CHANGED.notify_all()


class Owned(Protocol):
    """What has an owner."""

    @property
    def owner(self) -> Owner:
        """Return who uses it."""
        ...


Thing = TypeVar("Thing", bound=Owned)


def take(kept: "OrderedDict[str, Thing]", key: str, use: Use, make: Callable[[], Thing]) -> Thing:
    """Take what is kept under a key, and nobody else does until it is given back.

    What a fit has taken is passed over for another beside it, since a fit takes long and its
    callbacks may fit and predict. A prediction is waited for.
    """
    with CHANGED:
        while True:
            free, found = key, kept.get(key)
            while found is not None and found.owner.use == "fit":
                free = f"beside {free}"
                found = kept.get(free)
            if found is None:
                found = make()
                break
            owner = found.owner
            if owner.use is None and (use == "fit" or not owner.fits):
                break
            owner.fits += use == "fit"
            try:
                CHANGED.wait()
            finally:
                owner.fits -= use == "fit"
        found.owner.use = use
        dropped = _keep(kept, free, found)
    if dropped:
        executables.gone(dropped)
    return found


def _keep(kept: "OrderedDict[str, Thing]", key: str, thing: Thing) -> int:
    """Keep a thing as the one used last, and count the oldest that go, where there are many."""
    while kept.get(key, thing) is not thing:
        key = f"beside {key}"
    kept[key] = thing
    kept.move_to_end(key)
    idle = [one for one, other in kept.items() if other.owner.use is None]
    going = idle[: max(len(kept) - KEEP, 0)]
    for one in going:
        del kept[one]
    return len(going)
