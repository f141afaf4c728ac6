"""The process-wide settings of TensorFlow: threads, determinism, silence, and what was honoured."""

import logging
import os
import platform
import random
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from forecast import process
from forecast.data import fetch
from forecast.errors import InputError

CACHE_FLAG = "--tf_xla_persistent_cache_directory"
KEPT = 1000
"""Compiled programs kept between processes, a fifth to half a megabyte each."""

FLOAT = "float32"
"""Type of all weights and values of a network."""

ROOM = 200e6
"""Bytes that must be free for them."""

log = logging.getLogger(__name__)
_threads: int | None = None
_seeding = threading.RLock()  # a user's model function may fit another model
_starting = threading.Lock()


def start(threads: int = 1) -> int:
    """Prepare TensorFlow, once a process; later calls only report.

    TensorFlow fixes its thread pools at first use, so a later request for another number cannot be
    honoured; the caller compares what it asked for with what it gets.
    """
    global _threads
    with _starting:
        if _threads is None:
            _threads = _open(threads)
        _check_keras()
        return _threads


def _check_keras() -> None:
    """Refuse a Keras that somebody has set up otherwise than our networks are computed."""
    import keras

    if process.owned and keras.config.floatx() != FLOAT:
        keras.config.set_floatx(FLOAT)
    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError(
            f"Keras must compute with TensorFlow, got backend {backend!r}: set the environment "
            "variable KERAS_BACKEND=tensorflow before Keras is imported"
        )
    found = (keras.config.floatx(), keras.config.dtype_policy().variable_dtype)
    if other := next((one for one in found if one != FLOAT), None):
        raise InputError(
            f"Keras must compute in {FLOAT}, got {other}: call "
            f'keras.config.set_floatx("{FLOAT}") and keras.config.set_dtype_policy("{FLOAT}") '
            "before"
        )


def _open(threads: int) -> int:
    """Set TensorFlow up and return the number of threads that is in force."""
    _keep_compiled(threads)
    tf = import_tensorflow()
    if not log.isEnabledFor(logging.DEBUG):
        tf.get_logger().setLevel("ERROR")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # somebody used TensorFlow before us
        pass
    tf.config.experimental.enable_op_determinism()
    with _quiet():
        tf.constant(0)  # opens the devices
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def _keep_compiled(threads: int) -> None:
    """Let XLA keep what it has compiled for the next process.

    TensorFlow takes a kept program only where the whole program is the same; its version, the
    processor, flags and threads are not compared, so they name the folder. A user's own flag for it
    is left alone.
    """
    given = os.environ.get("TF_XLA_FLAGS", "")
    if CACHE_FLAG in given:
        return
    marks = [platform.machine(), str(threads), given, os.environ.get("XLA_FLAGS", "")]
    with suppress(OSError, StopIteration):  # only Linux tells the processor's instructions
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        marks.append(next(line for line in lines if line.startswith(("flags", "Features"))))
    name = f"{version('tensorflow')}-{sha256(' '.join(marks).encode()).hexdigest()[:12]}"
    with suppress(OSError, RuntimeError):  # no home, or not ours to write in: compile each time
        folder = fetch.private_cache_folder("xla") / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if shutil.disk_usage(folder).free < ROOM:
            return  # XLA fails where it cannot keep what it has compiled
        kept = sorted(folder.glob("*.pb"), key=lambda file: file.stat().st_mtime)
        for file in kept[:-KEPT]:
            file.unlink(missing_ok=True)
        os.environ["TF_XLA_FLAGS"] = f"{given} {CACHE_FLAG}={folder}".strip()


def import_tensorflow() -> Any:
    """Import TensorFlow, and Keras on it, without what its libraries write about the machine."""
    if other := process.choose_backend():
        log.warning("KERAS_BACKEND=%s is now tensorflow, with which forecast computes", other)
    with _quiet():
        import tensorflow
    return tensorflow


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed inside the block; the generators of Python and NumPy go on as before it.

    Keras draws the seeds of initialisers and dropout from Python's global generator, which any
    other thread may use at the same moment (those of a Dask worker do), so that this thread is
    given a generator of its own.
    """
    import keras

    with _seeding:
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        keras.utils.set_random_seed(seed)
        own, everyones, here = random.Random(seed), random.randint, threading.get_ident()

        def randint(a: int, b: int) -> int:
            draw = own.randint if threading.get_ident() == here else everyones
            return draw(a, b)

        random.randint = randint
        try:
            yield
        finally:
            random.randint = everyones
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what TensorFlow's C++ writes to stderr before any log level reaches it.

    Where the logger of this module is at DEBUG, nothing is hidden.
    """
    if log.isEnabledFor(logging.DEBUG):
        yield
        return
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
