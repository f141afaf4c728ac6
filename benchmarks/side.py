"""One side of a comparison in a process of its own: warms up, then works each time it is told."""

import sys
import time

from benchmarks.cases import CASES


def main(case: str, side: str) -> None:
    """Print "ready", then the seconds of one piece of work for every line read."""
    chosen = CASES[case]
    if side == "ours":
        from forecast.training import runtime

        runtime.start(1)
        from benchmarks import ours as module
    else:
        from benchmarks import rivals as module  # type: ignore[no-redef]
    work = getattr(module, getattr(chosen, side))(chosen.sizes)
    work()
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        work()
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
