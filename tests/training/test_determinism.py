"""The same fit gives the same weights, to the last bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# with dropout of both kinds, which draws at every step
SCRIPT = """
import hashlib
from forecast.training.parameters import Model
from tests.training.problems import bits, forecaster, table

for seed in (0, 0, 1):
    fitted = forecaster(Model("lstm", units=[4]), tail=12, seed=seed).fit(table(rows=40))
    print(fitted.threads_, hashlib.sha256(b"".join(bits(fitted))).hexdigest())
"""


def start(cache):
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=root,
        stdout=subprocess.PIPE,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "TF_XLA_FLAGS": ""},
    )


def said(process):
    out = process.communicate(timeout=300)[0].decode().split()
    assert process.returncode == 0
    return out


@pytest.mark.processes
def test_twice_in_a_process_and_in_two_processes_that_compile_or_not(tmp_path):
    one, two = (said(process) for process in [start(tmp_path), start(tmp_path)])
    kept = sorted(tmp_path.rglob("*.pb"))
    assert kept  # two at once have kept what they compiled; the third takes it
    before = [file.stat().st_mtime_ns for file in kept]
    three = said(start(tmp_path))
    assert sorted(tmp_path.rglob("*.pb")) == kept
    assert [file.stat().st_mtime_ns for file in kept] == before
    assert one == two == three
    assert one[:2] == one[2:4] and one[0] == "1"  # the thread that was asked for
    assert one[5] != one[1]  # another seed, other weights
