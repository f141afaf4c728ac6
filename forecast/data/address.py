"""Addresses as they may be shown: without the secrets that may stand in them."""

import re
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_END = ".,:;)]}"
"""What ends a sentence or a list around an address, and is no part of it."""

HIDDEN = "…"
"""Stands for an address of which nobody can tell where a secret in it ends."""


def place(address: str) -> str:
    """Return an address without user, password, query and fragment.

    Args:
        address: Of a server, a database or a file; anything else is returned as it is.

    Returns:
        Where it leads, which says nothing of who may go there.

    >>> place("https://me:secret@tracking:5000/path?token=x")
    'https://tracking:5000/path'
    >>> place("postgresql://me:se/cr#et@db/mlflow"), place("sqlite:///mlflow.db")
    ('postgresql://db/mlflow', 'sqlite:///mlflow.db')
    """
    scheme, mark, rest = address.partition("://")
    if not mark or rest.startswith("/"):  # a file
        return address
    if scheme.lower() not in ("http", "https"):  # a database takes any password as it is written
        rest = rest.rpartition("@")[2]
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        _ = parts.port
    except ValueError:
        return f"{scheme}://{HIDDEN}"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def concealed(text: str) -> str:
    """Return a text with every address in it as its place.

    >>> concealed("GET https://me:secret@host/load.csv?sig=x, then sqlite:///mlflow.db")
    'GET https://host/load.csv, then sqlite:///mlflow.db'
    """

    def shown(found: re.Match[str]) -> str:
        address = found[0].rstrip(_END)
        return place(address) + found[0][len(address) :]

    return _ADDRESS.sub(shown, text)
