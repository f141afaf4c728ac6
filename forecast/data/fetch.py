"""Fetch files of the network into the cache, and show addresses without their secrets."""

import hashlib
import logging
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from forecast.errors import InputError

_ADDRESS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://"
    r"(?:[^\s/@:]*:(?!\d+(?:[/\s,;)]|$))[^\n@]*@)?"  # a password may hold any sign
    r"[^\s'\"<>]+"
)
_BY_REFERENCE = re.compile(r"(?:[^@:$]|\$\{[\w.]+(?::\w+)?\})*:(?:\$\{[\w.]+(?::\w+)?\})+")
"""User and password of an address whose password is a reference, which tells nothing."""
_END = ".,:;)]}"
"""What ends a sentence or a list around an address, and is no part of it."""

HIDDEN = "…"
"""Stands for an address of which nobody can tell where a secret in it ends."""


def without_secrets(address: str) -> str:
    """Return an address without user, password, query and fragment.

    A password that is a reference, as it is written in a configuration, stays with its user.

    >>> without_secrets("https://me:secret@tracking:5000/path?token=x")
    'https://tracking:5000/path'
    >>> without_secrets("postgresql://me:se/cr#et@db/mlflow"), without_secrets("sqlite:///mlflow.db")
    ('postgresql://db/mlflow', 'sqlite:///mlflow.db')
    """
    scheme, mark, rest = address.partition("://")
    if not mark or rest.startswith("/"):  # a file
        return address
    login, at, after = rest.rpartition("@")
    kept = f"{login}@" if at and _BY_REFERENCE.fullmatch(login) else ""
    if kept or scheme.lower() not in ("http", "https"):  # which take any password as it is written
        rest = after
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        _ = parts.port
    except ValueError:
        return f"{scheme}://{HIDDEN}"
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{kept}{place}", query="", fragment="").geturl()


def conceal(text: str) -> str:
    """Return a text with every address in it as its place.

    >>> conceal("GET https://me:secret@host/load.csv?sig=x, then sqlite:///mlflow.db")
    'GET https://host/load.csv, then sqlite:///mlflow.db'
    """

    def shown(found: re.Match[str]) -> str:
        address = found[0].rstrip(_END)
        return without_secrets(address) + found[0][len(address) :]

    return _ADDRESS.sub(shown, text)


def cache_folder(name: str) -> Path:
    """Return a folder of this project's cache, which may not exist yet."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "forecast" / name


def private_cache_folder(name: str) -> Path:
    """Return a folder of the cache that nobody else can put anything into; made if need be."""
    found = cache_folder(name)
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in (found, found.parent):
        status = place.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise PermissionError(f"others may write into {place}")
    return found


log = logging.getLogger(__name__)


def download(address: str, sha256: str | None = None) -> Path:
    """Return a file from the network, fetched where it is not yet kept."""
    import pooch  # takes a moment, and few commands need it
    import requests

    shown = without_secrets(address)
    name = shown.rpartition("/")[2].lstrip(".")[-100:] or "file"  # stays inside the folder
    # without a hash nothing else tells apart two files of one name
    apart = "" if sha256 else f"{hashlib.sha256(address.encode()).hexdigest()[:8]}-"
    kept = cache_folder("data") / f"{apart}{name}"
    if not log.isEnabledFor(logging.DEBUG):
        pooch.get_logger().setLevel(logging.ERROR)
    known = f"sha256:{sha256}" if sha256 else None
    try:
        return Path(pooch.retrieve(address, known_hash=known, fname=kept.name, path=kept.parent))
    except requests.exceptions.InvalidURL as error:
        raise InputError(
            f"data.path must be an address with a host, got {shown}: write it as your browser "
            "shows it"
        ) from error
    except ValueError as error:  # as pooch says that the hash is another
        raise InputError(
            f"data.sha256 must be the hash of data.path={shown}, got another file: it may have "
            f"changed there; put the file you mean at {kept}, or set data.path to it"
        ) from error
    except OSError as error:  # no network, no such address, no room
        raise InputError(
            f"data.path must be an address that can be reached, got {shown} "
            f"({type(error).__name__}): without a network, put the file at {kept}"
        ) from error
