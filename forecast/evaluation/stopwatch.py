"""How long each stage of an experiment takes."""

import time
from collections.abc import Mapping


class Stopwatch:
    """Measure stages, one after the other; `before` are the seconds of earlier ones."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self._stage: str | None = None
        self._began = 0.0
        self._seconds = dict(before or {})

    def begin(self, stage: str) -> None:
        """End the stage before and begin this one."""
        self.end()
        self._stage, self._began = stage, time.perf_counter()

    def end(self) -> dict[str, float]:
        """End the running stage and return the seconds of all."""
        if self._stage:
            before = self._seconds.get(self._stage, 0.0)  # a stage may be gone on with
            self._seconds[self._stage] = before + time.perf_counter() - self._began
            self._stage = None
        return self._seconds
