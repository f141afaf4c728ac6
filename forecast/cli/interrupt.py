"""A Ctrl-C that Python drops is sent again."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DELAY = 0.05
"""Seconds until it is sent again: by then the place that drops exceptions is left."""


@contextmanager
def heard() -> Iterator[None]:
    """See to it that a Ctrl-C within the block ends it.

    A signal becomes an exception wherever the main thread is. In a destructor or the callback of a
    weak reference Python only reports that exception, and goes on as if nobody had pressed a key.
    """
    before, timers = sys.unraisablehook, list[threading.Timer]()

    def hook(lost: Any) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            before(lost)
            return
        timers.append(threading.Timer(DELAY, os.kill, (os.getpid(), signal.SIGINT)))
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()
