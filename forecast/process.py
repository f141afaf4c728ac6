"""What `forecast` changes in the process that imports it. `import forecast` alone changes nothing.

- *Environment*, before TensorFlow is imported by a part of `forecast`, unless you have set them:
  `TF_CPP_MIN_LOG_LEVEL=3` (its C++ writes nothing to the terminal) and `TF_ENABLE_ONEDNN_OPTS=0`
  (the kernels of oneDNN round differently by load). With the first network, `TF_XLA_FLAGS` gets
  the folder where XLA keeps compiled programs (`training.runtime`). `HOME`, where there is none and
  the system knows no home of the user either: a folder of this user among the temporary ones.
- *TensorFlow*, with the first network: threads of one operation (`Training.threads`, once a
  process), deterministic operations, its Python logger at ERROR.
- *Keras*, with the first network, where it is not yet imported: `KERAS_BACKEND=tensorflow`. A
  process that is a command, or a worker of one, also reads no `keras.json` of yours (`KERAS_HOME`)
  and computes in float32; in your own process that is yours to choose, and refused if it is not so.
- *Random numbers*: a training seeds Keras inside a block and gives Python's and NumPy's global
  generators back as they were; meanwhile `random.randint` serves this thread from the seed.
- *Stacks*: while a compiled function runs, operations that one line makes share one stack
  (`tensorflow.python.util.tf_stack.extract_stack`, see `training.owned`).
- *Garbage and heaps*: a process that is a command, or a worker of one, looks less often for
  objects that refer to each other, and its threads share heaps (`own`).
- *Signals*: while a run is recorded, SIGTERM ends it as Ctrl-C does.
"""

import ctypes
import gc
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path


def _private(name: str) -> Path:
    """Return a folder of this user's alone among the temporary ones."""
    home = Path(tempfile.gettempdir(), f"forecast-{os.getuid()}")
    home.mkdir(mode=0o700, exist_ok=True)
    state = home.lstat()
    if home.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o077:
        home = Path(tempfile.mkdtemp(prefix="forecast-"))  # somebody else was sooner
    folder = home / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _find_home() -> None:
    """Name a home where there is none, as for an unknown user of a container.

    MLflow cannot be imported without one, and others write into a folder called `~`.
    """
    try:
        Path.home()
    except RuntimeError:
        with suppress(OSError):
            os.environ["HOME"] = str(_private("home"))


_find_home()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

DISTRIBUTION = "forecast-lab"
"""What the package is called where it is installed; on PyPI, `forecast` is somebody else's."""

GARBAGE = (10_000, 20, 20)
"""When a process of ours looks for circular garbage; TensorFlow and MLflow make half a million
objects on import, and Python's own (700, 10, 10) take a fifth of its time to look at them."""

HEAPS = 2
"""Heaps of all threads together. Each thread has one of its own otherwise, and what it has freed
stays there: blocks that a thread reads beside a training took a GiB more within eight epochs."""

KEPT = 2**26
"""Bytes that a worker's heap keeps. Dask sets 64 KiB, after which each array is taken from the
system anew: scoring took four times as long."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of settings in glibc's malloc.h."""

owned = False
"""Whether this process is a command, or a worker of one."""

PACKAGE = Path(__file__).parent


def own(*, worker: bool = False) -> None:
    """Set up a process that is a command, or a worker of one."""
    global owned
    owned = True
    gc.set_threshold(*GARBAGE)
    choose_backend()
    with suppress(OSError):  # then float32 is chosen when Keras is there
        os.environ["KERAS_HOME"] = str(_private("keras"))
    settings = {_ARENA_MAX: HEAPS}
    if worker:
        settings = {_ARENA_MAX: 1, _TRIM_THRESHOLD: KEPT, _MMAP_THRESHOLD: KEPT // 2}
    with suppress(OSError, AttributeError, TypeError):  # of another C library
        for number, value in settings.items():
            ctypes.CDLL(None).mallopt(number, value)


def choose_backend() -> str | None:
    """Let Keras, where it is not yet imported, compute with TensorFlow.

    Returns:
        What the environment named instead; None where that was nothing else.
    """
    if "keras" in sys.modules:
        return None
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    return before if before not in (None, "", "tensorflow") else None


def folder(inside: str, checkout: str) -> Path:
    """Find a folder of the installed package, or of the checkout that it is run from."""
    installed = PACKAGE / inside
    return installed if installed.is_dir() else PACKAGE.parent / checkout
