"""Both sides in turn: ours, the rival, ours, the rival."""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ratio:
    """What a comparison found.

    Attributes:
        ours: Seconds of each of our turns.
        rival: Seconds of each of the rival's.
    """

    ours: list[float]
    rival: list[float]

    @property
    def pairs(self) -> list[float]:
        """The rival's seconds by ours, pair by pair."""
        return [b / a for a, b in zip(self.ours, self.rival, strict=True)]

    def summary(self) -> dict[str, object]:
        """Median, least and greatest ratio, and the median seconds."""
        return {
            "ratio": round(statistics.median(self.pairs), 2),
            "min": round(min(self.pairs), 2),
            "max": round(max(self.pairs), 2),
            "ours_seconds": round(statistics.median(self.ours), 4),
            "rival_seconds": round(statistics.median(self.rival), 4),
            "pairs": len(self.pairs),
        }


class Side:
    """A process that works when told."""

    def __init__(self, name: str, side: str):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.side", name, side],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def wait(self) -> str:
        """Read one line."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended: run it by hand to see why")
        return line

    def work(self) -> float:
        """Let it work once and return the seconds."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self.wait())

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.wait()


def compare(name: str, pairs: int) -> Ratio:
    """Warm both sides up, then let them work in turn.

    Args:
        name: Of the case.
        pairs: Turns of each side.

    Returns:
        The seconds of all turns.
    """
    sides = []
    try:
        for side in ("ours", "rival"):
            sides.append(Side(name, side))
            sides[-1].wait()  # one after the other, so that warming up disturbs nobody
        turns = [(sides[0].work(), sides[1].work()) for _ in range(pairs)]
    finally:
        for one in sides:
            one.end()
    ours, rival = (list(part) for part in zip(*turns, strict=True))
    return Ratio(ours, rival)
