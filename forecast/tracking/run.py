"""One run as it is written: numbers, texts, pictures, files, and the status it ends with."""

import json
import math
import re
import shutil
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from PIL import Image

from forecast.data.fetch import conceal
from forecast.report.markdown import MOST_TEXT
from forecast.tracking.mlflow.store import Unreachable

MOST_KEY = 200
"""Characters of a name in a key; MLflow refuses a run with a key of more than 250."""

SMALL = 384
"""Longer side, in pixels, of the picture that MLflow shows in its grid."""

Record = dict[str, Any]
"""One record of a run: plain values under "do" and its arguments, ready for JSON."""


Written = TypeVar("Written", bound="Run")


class Run(ABC):
    """A run that is being written; a subclass says where its records go.

    Attributes:
        id: By which commands find it.
        began: Milliseconds since 1970.
        ended: Whether it was closed.
    """

    id: str
    ended = False

    def __init__(self, clock: Callable[[], float] = time.time):
        self.clock = clock
        self.began = milliseconds(self.clock)

    @property
    def local_id(self) -> str:
        """Return the id that it has on this machine; one of MLflow alone has only that."""
        return self.id

    @abstractmethod
    def write(self, record: Record) -> None:
        """Take one record."""

    @abstractmethod
    def folder(self) -> AbstractContextManager[Path]:
        """Lend an empty folder for a file of one record; it must be written inside the block."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Write parameters, each once and for ever; columns of a file may stand in their keys."""
        taken: set[str] = set()
        keyed = {safe_key(key, taken): value for key, value in values.items()}
        self.write({"do": "params", "values": texts(keyed)})

    def tags(self, values: Mapping[str, Any]) -> None:
        """Write tags; a later value replaces an earlier one."""
        self.write({"do": "tags", "values": texts(values)})

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Write numbers of one step; those that are not finite are left out."""
        self.series({key: {step: value} for key, value in values.items()})

    def series(self, values: Mapping[str, Mapping[int, float]]) -> None:
        """Write numbers of many steps."""
        points = [
            [key, int(step), float(value)]
            for key, steps in values.items()
            for step, value in steps.items()
            if math.isfinite(value)
        ]
        self.write({"do": "metrics", "time": milliseconds(self.clock), "points": points})

    def image(self, key: str, pixels: np.ndarray, step: int) -> None:
        """Write a picture of one step; MLflow shows a slider over the steps of a key."""
        # the name that MLflow's pages look for; the same again, so that a later one replaces it
        unique = uuid5(NAMESPACE_OID, f"{self.began} {key} {step}")
        name = f"{key.replace('/', '~')}+step+{step}+timestamp+{self.began}+{unique}"
        picture = Image.fromarray(pixels)
        with self.folder() as folder:
            # a tenth larger than the default, in two thirds of its time
            picture.save(folder / f"{name}.png", compress_level=3)
            picture.thumbnail((SMALL, SMALL))
            picture.save(folder / f"{name}+compressed.webp", method=2)
            self.write({"do": "files", "from": str(folder), "to": "images"})
        self.tags({"mlflow.loggedImages": "True"})

    def keep(self, thing: Any, path: str) -> None:
        """Write an artifact."""
        with self.folder() as folder:
            if isinstance(thing, Path) and thing.is_dir():
                shutil.copytree(thing, folder, dirs_exist_ok=True)
            else:
                _write(thing, folder / Path(path).name)
                path = str(Path(path).parent)
            self.write({"do": "files", "from": str(folder), "to": "" if path == "." else path})

    def data(self, name: str, digest: str, source: str, facts: Mapping[str, Any]) -> None:
        """Write which data the run saw."""
        self.write(
            {
                "do": "data",
                "name": name[:500],
                "digest": digest,
                "source": json.dumps({"uri": source}),
                "facts": {key: str(value) for key, value in facts.items()},
            }
        )

    def end(self, status: str = "FINISHED") -> None:
        """Close the run as FINISHED, FAILED or KILLED."""
        self.ended = True
        self.write({"do": "end", "status": status, "time": milliseconds(self.clock)})


@contextmanager
def ending(run: Written) -> Iterator[Written]:
    """End a run with the status it deserves, whatever happens inside the block.

    A run that the block has ended itself keeps its status. SIGTERM counts as Ctrl-C: the block is
    left by KeyboardInterrupt and the run is KILLED.
    """
    with _sigterm_interrupts():
        try:
            yield run
        except KeyboardInterrupt:
            run.end("KILLED")
            raise
        except Unreachable:
            raise  # there is nobody to tell
        except BaseException as error:
            run.tags({"forecast.error": f"{type(error).__name__}: {error}"})
            run.end("FAILED")
            raise
        if not run.ended:
            run.end()


def milliseconds(clock: Callable[[], float]) -> int:
    """Return the time since 1970 as MLflow counts it."""
    return int(clock() * 1000)


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Write values as MLflow keeps parameters and tags: text of bounded length, no secrets."""
    return {key: conceal(str(value))[:MOST_TEXT] for key, value in values.items()}


def safe_key(name: str, taken: set[str] | None = None) -> str:
    """Write a column's name so that it may stand in a key of MLflow.

    >>> safe_key("Temp (°F)")
    'Temp___F_'
    >>> used = {"a_b"}
    >>> safe_key("a b", used)
    'a_b_2'
    """
    plain = re.sub(r"[^\w.-]", "_", name)[:MOST_KEY]
    key, number = plain, 2
    while taken is not None and key in taken:
        key, number = f"{plain}_{number}", number + 1
    if taken is not None:
        taken.add(key)
    return key


def _write(thing: Any, file: Path) -> None:
    """Write text, a figure, a frame or arrays in the format of the file's name, or copy a file."""
    if isinstance(thing, Path):
        shutil.copyfile(thing, file)
    elif isinstance(thing, str):
        file.write_text(thing, encoding="utf-8")
    elif hasattr(thing, "savefig"):
        thing.savefig(file, dpi=120)
    elif isinstance(thing, dict):
        np.savez(file, **thing)
    elif file.suffix == ".parquet":
        thing.to_parquet(file)
    else:
        thing.to_csv(file, index=False)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, where signals can be caught at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
