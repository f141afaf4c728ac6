"""How much a command says: `--quiet`, `--verbose`, or neither."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from forecast.data.fetch import conceal
from forecast.errors import InputError

FLAGS = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}

_level = ""


def quiet() -> bool:
    """Tell whether only closing tables, ids and warnings are wanted."""
    return _level == "quiet"


def verbose() -> bool:
    """Tell whether everything is to be shown."""
    return _level == "verbose"


def taken(given: Sequence[str]) -> tuple[str, list[str]]:
    """Take the level out of a command line.

    >>> taken(["-q", "model=gru", "-m"])
    ('quiet', ['model=gru', '-m'])
    """
    asked = {FLAGS[text]: text for text in given if text in FLAGS}
    if len(asked) > 1:
        raise InputError(
            f"flags must be one of -q and -v, got {' '.join(asked.values())}: drop one of them"
        )
    return next(iter(asked), ""), [text for text in given if text not in FLAGS]


@contextmanager
def at(level: str) -> Iterator[None]:
    """Speak at a level within the block.

    Verbose is the level DEBUG of the logger `forecast`, which every place that silences a library
    asks; what the libraries then log goes to stderr, as does where a refusal came from.
    """
    global _level
    before, _level = _level, level
    try:
        if level == "verbose":
            with _heard():
                yield
        else:
            yield
    finally:
        _level = before


@contextmanager
def _heard() -> Iterator[None]:
    """Let libraries log to stderr, and print where a refusal comes from."""
    own, root, handler = logging.getLogger("forecast"), logging.getLogger(), logging.StreamHandler()
    levels = own.level, root.level
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    own.setLevel(logging.DEBUG)
    root.setLevel(logging.INFO)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"  # read when TensorFlow is loaded
    try:
        yield
    except InputError:
        print(conceal(traceback.format_exc()), file=sys.stderr)
        raise
    finally:
        root.removeHandler(handler)
        own.setLevel(levels[0])
        root.setLevel(levels[1])
