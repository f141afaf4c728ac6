"""From the command line into a room: Hydra's own flags, or one plain composition."""

import os
import sys
from importlib import import_module
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from forecast.commands import config, no_code
from forecast.commands.config import Request
from forecast.errors import InputError
from forecast.training import runtime

TENSORFLOW = ("train", "backtest", "sweep", "predict", "inspect", "explain")
"""Commands that build or run a network."""

FLAGS = ("-m", "--multirun", "--cfg", "-c", "--info", "-i", "--hydra-help", "--help", "-h")
BESIDE = ("-p", "--package", "--resolve")
"""Flags that `--cfg` takes; none reads another folder than `conf/`, or a pickled configuration."""


def enter(command: str, overrides: list[str]) -> Any:
    """Run a command with overrides.

    Args:
        command: Such as "train".
        overrides: As on the command line; flags of Hydra are handed to Hydra.

    Returns:
        What the command returns.

    Raises:
        InputError: What the user can mend.
    """
    flags = [text for text in overrides if text.startswith("-")]
    with_hydra = any(text.split("=")[0] in FLAGS for text in flags)
    known = (*FLAGS, *BESIDE) if with_hydra else ()
    if unknown := [text for text in flags if text.split("=")[0] not in known]:
        raise InputError(f"overrides must be key=value, got {unknown[0]!r}: see forecast --help")
    if with_hydra:
        return _with_hydra(command, overrides)
    return _run(command, config.compose(overrides))


def _run(command: str, request: Request) -> Any:
    """Import a command and run it; TensorFlow is started first, while it can still be silenced."""
    if command == "train" and request.settings.resume:
        request = import_module("forecast.commands.resume").original(request)
    if command in TENSORFLOW:
        runtime.start(request.settings.training.threads)
    return import_module(f"forecast.commands.{command}").run(request)


def _with_hydra(command: str, overrides: list[str]) -> Any:
    """Let Hydra read its flags and call the command once or many times."""
    config.register()
    no_code.check_command(overrides)
    failed: list[InputError] = []

    @hydra.main(version_base="1.3", config_path=str(config.CONF), config_name="config")
    def job(composed: DictConfig) -> Any:
        try:
            config.check(composed)
            task = tuple(HydraConfig.get().overrides.task)
            return _run(command, Request(composed, task))
        except InputError as error:
            failed.append(error)
            return None

    sys.argv = [f"forecast {command}", *config.in_hydras_grammar(overrides)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints what a file of conf/ is refused for
    try:
        job()
    except (HydraException, OmegaConfBaseException) as error:
        with config.opened():
            raise config.readable(error, overrides) from error
    if failed:
        raise failed[0]
    return None
