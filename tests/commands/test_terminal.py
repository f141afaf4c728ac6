"""What a training draws on a terminal that is narrow, or wants no colours."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ..conftest import LSTM, TINY, environment, load_frame
from ..terminals import at_terminal

DRAWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-9]|4[0-8]|9[0-7]|10[0-7])[;m]")


def drawn(folder: Path, columns: int, *command: str, **more: str) -> str:
    """Run a command at a terminal of that many columns; return all that it has written."""
    own = {k: v for k, v in environment().items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    env = own | {"TERM": "xterm-256color"} | more
    program = [sys.executable, "-m", "forecast", *command]
    written = b""
    with at_terminal(program, folder, env, (24, columns)) as (process, ours):
        with suppress(OSError):  # which Linux raises where nobody writes any more
            while part := os.read(ours, 65_536):
                written += part
        assert process.wait() == 0, written.decode()
    return written.decode()


@pytest.mark.processes
@pytest.mark.parametrize(("columns", "plain"), [(80, {}), (60, {"NO_COLOR": "1"})])
def test_a_training_stays_within_the_terminal(columns: int, plain: dict[str, str], tmp_path: Path):
    load_frame().to_csv(tmp_path / "load.csv", index=False)
    written = drawn(tmp_path, columns, "train", *TINY, *LSTM, "training.epochs=100", **plain)
    assert bool(COLOUR.search(written)) == (not plain)
    lines = re.split(r"[\r\n]+", DRAWN.sub("", written))
    assert max(len(line) for line in lines if "://" not in line) <= columns
    bars = [line for line in lines if re.search(r"epoch \d+/", line)]
    ended = [line for line in bars if not re.search(r"epoch 1/100 +[━╸╺ \d:-]*$", line.rstrip())]
    assert ended  # the first epoch has no losses while it lasts
    assert all(re.search(r"epoch \d+/100  .*validation MAE \d+\.\d{3} ", line) for line in ended)
    assert all(re.search(r" (\d+|-):..:..$", line.rstrip()) for line in bars) and len(bars) > 3
    words = [word for line in lines if (word := " ".join(line.split()[:2]))]
    order = [
        next(place for place, word in enumerate(words) if stage in word)
        for stage in ("start", "data", "train", "evaluate", "track", "Test span", "run", "next")
    ]
    assert order == sorted(order)
