"""Who uses a compiled program, and what XLA has compiled for programs that nobody keeps.

A model is chosen and taken in one step under one lock, and is given back after its last use, so
nobody loads other weights into it while a fit trains it or a prediction reads it.
"""

import ctypes
import gc
import logging
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeVar

import keras
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.python.util import tf_stack

log = logging.getLogger(__name__)

GONE = 8
"""Programs that are no longer kept, after which the store is dropped."""

STORE = "xla_device_compiler"
KIND = b"N10tensorflow14DeviceCompilerIN3xla15LocalExecutableENS1_11LocalClientEEE"
"""Name and C++ type of the store; where TensorFlow calls it otherwise, nothing is dropped."""

LIBRARIES = tuple(os.path.join(os.path.dirname(module.__file__), "") for module in (keras, tf))
"""Folders whose lines tell operations apart no better than the names of operations do."""

_extract_stack = tf_stack.extract_stack
_tracing = threading.local()
_calls = threading.Condition()
_running = 0
_dropping = False
_gone = 0


@contextmanager
def running() -> Iterator[None]:
    """Run a compiled function, which must not lose its executable meanwhile."""
    global _running
    with _calls:
        _calls.wait_for(lambda: not _dropping)
        _running += 1
        tf_stack.extract_stack = _shared_stack
    before = getattr(_tracing, "stacks", None)
    _tracing.stacks = {}
    try:
        yield
    finally:
        _tracing.stacks = before
        with _calls:
            _running -= 1
            if not _running:
                tf_stack.extract_stack = _extract_stack
            _calls.notify_all()


def _shared_stack(stacklevel: int = 1) -> Any:
    """Return the stack at an operation, one for all that a line of ours or of the user's makes.

    Each is some 60 frames, which TensorFlow writes out as text when XLA compiles. They stay whole:
    the innermost is part of what a program on the disk is found by, and a line of the user's moves.
    """
    stacks: dict[Any, Any] | None = getattr(_tracing, "stacks", None)
    if stacks is None:  # another thread, with a function of its own
        return _extract_stack(stacklevel + 1)
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    line = frame.f_code, frame.f_lineno
    if line not in stacks:
        stacks[line] = _extract_stack(stacklevel + 1)
    return stacks[line]


def gone(programs: int) -> None:
    """Count programs that are no longer kept, and drop the store where there are enough of them."""
    global _gone, _dropping
    with _calls:
        _gone += programs
        if _gone < GONE or _dropping:
            return
        _dropping = True
    try:
        with _calls:
            _calls.wait_for(lambda: not _running)  # a call takes about a second at most
        gc.collect()  # a program and its functions refer to each other
        if not _elsewhere():
            _drop()
            _trim()
            _gone = 0
    finally:
        with _calls:
            _dropping = False
            _calls.notify_all()


def _trim() -> None:
    """Give what was freed back to the system; the C library of Linux keeps it otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _elsewhere() -> bool:
    """Tell whether another thread is inside TensorFlow, which may run an executable of its own."""
    here, home = threading.get_ident(), os.path.dirname(tf.__file__)
    frames = sys._current_frames().items()
    return any(f.f_code.co_filename.startswith(home) for thread, f in frames if thread != here)


def _drop(*, missing: bool = True) -> None:
    """Drop the store of every device, where it may be missing."""
    for device in tf.config.list_logical_devices():
        proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_RESOURCE)
        proto.tensor_shape.SetInParent()
        name = f"/job:localhost/replica:0/task:0{device.name}"
        proto.resource_handle_val.add(
            device=name, container="localhost", name=STORE, hash_code=_hash(KIND)
        )
        try:
            with tf.device(device.name):
                handle = tf.io.parse_tensor(proto.SerializeToString(), tf.resource)
                tf.raw_ops.DestroyResourceOp(resource=handle, ignore_lookup_error=missing)
        except tf.errors.OpError as error:
            if not missing:
                raise
            log.debug("compiled programs of %s stay in memory: %s", device.name, error)


def _hash(data: bytes) -> int:
    """Hash the name of a C++ type as TensorFlow does (MurmurHash64A with its seed)."""
    times, full = 0xC6A4A7935BD1E995, 2**64 - 1
    found = 0xDECAFCAFFE ^ (len(data) * times & full)
    whole = len(data) // 8 * 8
    for begin in range(0, whole, 8):
        part = int.from_bytes(data[begin : begin + 8], "little") * times & full
        found = (found ^ ((part ^ part >> 47) * times & full)) * times & full
    if data[whole:]:
        found = (found ^ int.from_bytes(data[whole:], "little")) * times & full
    found = (found ^ found >> 47) * times & full
    return found ^ found >> 47


KEEP = 8
"""Compiled programs kept for reuse; the one unused for longest goes first."""

CHANGED = threading.Condition()
"""Guards every `Owner` and all that is kept; notified when something is given back."""

Use = Literal["fit", "prediction"]


class Owner:
    """What a model is used for now.

    Attributes:
        use: None where it is free.
        fits: Fits that wait until a prediction has ended; later predictions let them go first.
    """

    def __init__(self) -> None:
        self.use: Use | None = None
        self.fits = 0

    def give_back(self) -> None:
        """Let the next one have it."""
        with CHANGED:
            self.use = None
            CHANGED.notify_all()


class Owned(Protocol):
    """What has an owner."""

    @property
    def owner(self) -> Owner:
        """Return who uses it."""
        ...


Thing = TypeVar("Thing", bound=Owned)


def take(kept: "OrderedDict[str, Thing]", key: str, use: Use, make: Callable[[], Thing]) -> Thing:
    """Take what is kept under a key, and nobody else does until it is given back.

    What a fit has taken is passed over for another beside it, since a fit takes long and its
    callbacks may fit and predict. A prediction is waited for.
    """
    with CHANGED:
        while True:
            free, found = key, kept.get(key)
            while found is not None and found.owner.use == "fit":
                free = f"beside {free}"
                found = kept.get(free)
            if found is None:
                found = make()
                break
            owner = found.owner
            if owner.use is None and (use == "fit" or not owner.fits):
                break
            owner.fits += use == "fit"
            try:
                CHANGED.wait()
            finally:
                owner.fits -= use == "fit"
        found.owner.use = use
        dropped = _keep(kept, free, found)
    if dropped:
        gone(dropped)
    return found


def _keep(kept: "OrderedDict[str, Thing]", key: str, thing: Thing) -> int:
    """Keep a thing as the one used last, and count the oldest that go, where there are many."""
    while kept.get(key, thing) is not thing:
        key = f"beside {key}"
    kept[key] = thing
    kept.move_to_end(key)
    idle = [one for one, other in kept.items() if other.owner.use is None]
    going = idle[: max(len(kept) - KEEP, 0)]
    for one in going:
        del kept[one]
    return len(going)
