"""The one error that says: you can fix this."""

import difflib
import re
from collections.abc import Iterable


class InputError(ValueError):
    """A config, a file or an argument that cannot be meant.

    The message is one sentence: the argument, the rule, the value received and the cure. Commands
    print it without a traceback and exit with status 2; any other exception is a fault of ours.
    """


class Incomplete(Exception):
    """A training whose model is kept, and which lacks something else.

    The message is one sentence: what is kept, what is missing and why, and the command that makes
    it. Commands print it without a traceback and exit with status 1.
    """


MOST = 30
"""Names that a sentence lists."""

LONGEST = 200
"""Characters that a sentence repeats of a name, a value, or another library's words."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Say which known name comes closest to a wrong one.

    Args:
        name: What was asked for; where it is no text, none is near.
        known: The names that exist.

    Returns:
        A clause to append to an error: the nearest name, or the first of them when none is near.

    >>> nearest("tmep", ["temp", "dewp"])
    'did you mean "temp"?'
    >>> nearest("load", ["temp", "dewp"])
    'known: dewp, temp'
    """
    names = [plain(one) for one in sorted(set(known))]
    close = difflib.get_close_matches(str(name)[:99], names, n=1)
    more = ", …" if len(names) > MOST else ""
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names[:MOST])}{more}"


def cause(error: object) -> str:
    """Return what another library says of an error, short enough to stand in brackets.

    Args:
        error: As raised, or what it says.

    Returns:
        The first sentence of its message, or the error's name where it has none.

    >>> cause(ValueError("Unknown value. Received: x"))
    'Unknown value'
    >>> cause(EOFError())
    'EOFError'
    """
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    first = re.split(r"\. (?=[A-Z])", line)[0].rstrip(".")
    return plain(first) or type(error).__name__


def plain(text: str) -> str:
    r"""Write a text on one line, and cut what no sentence can hold.

    >>> plain("load\n(kW)")
    'load (kW)'
    """
    line = "".join(sign if sign.isprintable() else " " for sign in text[: LONGEST + 1])
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


_BARE = re.compile(r"[^\s,:=\[\](){}'\"\\$]([^,:\[\]{}'\"\\$]*[^\s,:\[\]{}'\"\\$])?")
"""A column that stands in an override as it is."""


def quoted(name: str, *, always: bool = False) -> str:
    r"""Write the name of a column as it stands in a list or mapping of an override.

    Args:
        name: Any text.
        always: Quotes around a name that needs none too.

    >>> quoted("load"), quoted("a,b"), quoted("${x}")
    ('load', '"a,b"', '"\\${x}"')
    """
    if not always and _BARE.fullmatch(name):
        return name
    name = re.sub(r'(\\+)("|$)', r"\1\1\2", name).replace('"', '\\"')
    return '"' + re.sub(r"(?<!\\)\$\{", r"\\${", name) + '"'


def shown(value: object) -> str:
    """Write a value received on one line, a NumPy number as the plain number.

    >>> import numpy as np
    >>> shown(np.float64(-1.5)), shown("1,5")
    ('-1.5', "'1,5'")
    """
    number = getattr(value, "item", None) if getattr(value, "ndim", None) == 0 else None
    return plain(repr(number() if number else value))
