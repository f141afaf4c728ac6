"""The same fit gives the same weights, to the last bit."""

import subprocess
import sys
from pathlib import Path

# with dropout of both kinds, which draws at every step
SCRIPT = """
import hashlib
from forecast.training.parameters import Model
from tests.training.problems import bits, forecaster, table

for seed in (0, 0, 1):
    fitted = forecaster(Model("lstm", units=[4]), tail=12, seed=seed).fit(table(rows=40))
    print(fitted.threads_, hashlib.sha256(b"".join(bits(fitted))).hexdigest())
"""


def test_twice_in_a_process_and_in_two_processes():
    root = Path(__file__).parents[2]
    both = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=root, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    one, two = (process.communicate(timeout=300)[0].decode().split() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert one == two
    assert one[:2] == one[2:4] and one[0] == "1"  # the thread that was asked for
    assert one[5] != one[1]  # another seed, other weights
