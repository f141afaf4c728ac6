"""The one error that says: you can mend this."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A config, a file or an argument that cannot be meant.

    The message is one sentence: the argument, the rule, the value received and the cure. Commands
    print it without a traceback and exit with status 2; any other exception is a fault of ours.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name comes closest to a wrong one.

    Args:
        name: What was asked for.
        known: The names that exist.

    Returns:
        A clause to append to an error: the nearest name, or all of them when none is near.

    >>> nearest("tmep", ["temp", "dewp"])
    'did you mean "temp"?'
    >>> nearest("load", ["temp", "dewp"])
    'known: dewp, temp'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1)
    return f'did you mean "{close[0]}"?' if close else f"known: {', '.join(names)}"


def shown(value: object) -> str:
    """Write a value received on one line, a NumPy number as the plain number.

    Args:
        value: Anything.

    Returns:
        Its `repr`, without the name of a NumPy type.

    >>> import numpy as np
    >>> shown(np.float64(-1.5)), shown("1,5")
    ('-1.5', "'1,5'")
    """
    plain = getattr(value, "item", None) if getattr(value, "ndim", None) == 0 else None
    return repr(plain() if plain else value).replace("\n", " ")
