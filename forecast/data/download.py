"""Files that may not be shipped are fetched once, and kept beside the other caches."""

import hashlib
import logging
from pathlib import Path

from forecast.data.address import place
from forecast.data.cache import folder
from forecast.errors import InputError

log = logging.getLogger(__name__)


def fetch(address: str, sha256: str | None = None) -> Path:
    """Return a file from the network, fetched where it is not yet kept.

    Args:
        address: http or https.
        sha256: What the file must hash to; None takes what comes.

    Returns:
        The file in the cache.

    Raises:
        InputError: It cannot be fetched, or is another file.
    """
    import pooch  # takes a moment, and few commands need it
    import requests

    shown = place(address)
    name = shown.rpartition("/")[2].lstrip(".")[-100:] or "file"  # stays inside the folder
    # without a hash nothing else tells apart two files of one name
    apart = "" if sha256 else f"{hashlib.sha256(address.encode()).hexdigest()[:8]}-"
    kept = folder("data") / f"{apart}{name}"
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
