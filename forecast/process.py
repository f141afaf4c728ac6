"""What `forecast` changes in the process that imports it. `import forecast` alone changes nothing.

- *Environment*, before TensorFlow is imported by a part of `forecast`, unless you have set them:
  `TF_CPP_MIN_LOG_LEVEL=3` (its C++ writes nothing to the terminal) and `TF_ENABLE_ONEDNN_OPTS=0`
  (the kernels of oneDNN round differently by load). With the first network, `TF_XLA_FLAGS` gets
  the folder where XLA keeps compiled programs (`training.runtime`).
- *TensorFlow*, with the first network: threads of one operation (`Training.threads`, once a
  process), deterministic operations, its Python logger at ERROR.
- *Random numbers*: a training seeds Keras inside a block and gives Python's and NumPy's global
  generators back as they were; meanwhile `random.randint` serves this thread from the seed.
- *Stacks*: while a compiled function runs, operations that one line makes share one stack
  (`tensorflow.python.util.tf_stack.extract_stack`, see `training.owned`).
- *Garbage*: a process that is a command looks less often for objects that refer to each other
  (`forecast.cli.main.GARBAGE`).
- *Signals*: while a run is recorded, SIGTERM ends it as Ctrl-C does.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

DISTRIBUTION = "forecast-lab"
"""What the package is called where it is installed; on PyPI, `forecast` is somebody else's."""

PACKAGE = Path(__file__).parent


def folder(inside: str, checkout: str) -> Path:
    """Find a folder of the installed package, or of the checkout that it is run from."""
    installed = PACKAGE / inside
    return installed if installed.is_dir() else PACKAGE.parent / checkout
