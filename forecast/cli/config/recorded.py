"""The configuration that a run recorded becomes a request again."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from forecast.cli.config import compose
from forecast.cli.config.compose import Request
from forecast.errors import InputError

CONFIG = "config.yaml"
"""Where a run keeps its configuration, environment variables unresolved."""

COMMAND = "forecast.command"
"""Tag of the command that repeats a run."""


def request(
    text: str, changes: Mapping[str, Any] | None = None, *, overrides: Sequence[str] = ()
) -> Request:
    """Read a recorded configuration as if its command had been given again.

    Nothing is composed: no file of `conf/` is read, so later defaults change nothing.
    """
    try:
        found = compose.form()
        found.merge_with(OmegaConf.create(text))
        for key, value in (changes or {}).items():
            OmegaConf.update(found, key, value, merge=False, force_add=True)
        compose.check_config(found)
    except (YAMLError, OmegaConfBaseException, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise InputError(
            f"{CONFIG} of the run must be a configuration of this version of forecast, got one "
            f"that is not ({reason}): use the version that wrote it"
        ) from error
    return Request(found, tuple(overrides))


def overrides(command: str) -> tuple[str, ...]:
    """Return the overrides of a recorded command, none where it was cut off.

    >>> overrides("forecast train model=lstm 'data.targets=[temp, dewp]'")
    ('model=lstm', 'data.targets=[temp, dewp]')
    """
    try:
        return tuple(shlex.split(command)[2:])
    except ValueError:  # a quote that a store's longest tag has cut in two
        return ()
