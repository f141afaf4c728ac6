"""Compose the request of a command line, by Hydra's own flags or plainly, and run its command."""

import errno
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException
from omegaconf import DictConfig

from forecast.cli import level
from forecast.cli.config import columns, compose, errors, keys, misread, safety
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, say
from forecast.data.fetch import conceal
from forecast.errors import InputError
from forecast.tracking.folders import LAST
from forecast.training import runtime

TENSORFLOW = ("train", "backtest", "sweep", "best", "predict", "inspect", "explain")
"""Commands that build or run a network."""

UNWRITABLE = (errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EPERM, errno.EROFS)
"""Errors of the system that a user can fix: no room, or no right to write."""

SWITCHES = ("-m", "--multirun", "--hydra-help", "--resolve")
"""Flags of Hydra without a value."""

SHOWN = {
    **dict.fromkeys(("--cfg", "-c"), ("job", "hydra", "all")),
    **dict.fromkeys(
        ("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    ),
}
"""Flags of Hydra that show something instead of running, and what each can show."""

SILENT = ("hydra/hydra_logging=none", "hydra/job_logging=none")
"""Overrides that keep the log lines of a multirun from the terminal."""


BEST = "best"
"""Names the training with the smallest validation error instead of its id."""

KEYS = ("run", "other", "runs")
"""Keys that take ids of runs."""


def enter(command: str, overrides: list[str]) -> Any:
    """Run a command with overrides."""
    asked, rest = level.taken(overrides)
    safety.HIDING.clear()
    with level.at(asked):
        flags, plain = parted(rest)
        try:
            if flags:
                return _with_hydra(command, flags, plain)
            return _run(command, compose.compose(plain))
        except InputError as error:
            if (told := safety.blamed(error, errors.typed(plain))) is error:
                raise
            raise told from error


def parted(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part Hydra's flags from overrides, which Hydra wants behind them.

    >>> parted(["model=gru", "--cfg", "job", "training.epochs=3"])
    (['--cfg=job'], ['model=gru', 'training.epochs=3'])
    """
    flags: list[str] = []
    plain: list[str] = []
    rest = list(given)
    while rest:
        text = rest.pop(0)
        name, equals, value = text.partition("=")
        if name in SHOWN:
            if not equals and rest:
                value = rest.pop(0)
            if value not in SHOWN[name]:
                raise InputError(
                    f"{name} must be followed by one of {', '.join(SHOWN[name])}, got {value!r}: "
                    f"write {name} {SHOWN[name][0]}"
                )
            flags.append(f"{name}={value}")
        elif text in SWITCHES:
            flags.append(text)
        elif text.startswith("-"):
            raise InputError(f"overrides must be key=value, got {text!r}: see forecast --help")
        else:
            plain.append(text)
    asked = [flag for flag in flags if flag != "--resolve"]
    if flags and len(asked) != 1:
        raise InputError(
            "flags of Hydra must be one of -m, --cfg, --info and --hydra-help, got "
            f"{' '.join(flags)}: give only one of them"
        )
    return flags, plain


def _run(command: str, request: Request) -> Any:
    """Import a command and run it; TensorFlow is started first, while it can still be silenced."""
    errors.refuse(command, request.overrides)  # those of now: an old command may have had others
    if command == "train" and request.settings.resume:
        request = import_module("forecast.cli.resume").original(request)
    request = named(request)
    heavy = command in TENSORFLOW
    with busy("start", "TensorFlow" if heavy else "libraries"):
        if heavy:
            runtime.start(request.settings.training.threads)
        room = import_module(f"forecast.cli.commands.{command}")
    try:
        return getattr(room, f"run_{command}")(request)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise InputError(
            f"forecast {command} must be able to write its files, got {error.strerror!r} for "
            f"{error.filename or 'one of them'}: free some space, or use another folder"
        ) from error


def named(request: Request) -> Request:
    """Replace `last` and `best` by the ids of runs, and say which was found."""
    settings = request.settings
    given = [text.partition("=")[0] for text in request.overrides]
    asked = {key: getattr(settings, key) for key in KEYS if key in given}
    values = [value if isinstance(value, list) else [value] for value in asked.values()]
    words = {str(word) for word in chain.from_iterable(values)} & {LAST, BEST}
    if not words:
        return request
    from forecast.tracking.mlflow.store import client, no_retries

    store = client(settings.tracking.uri)
    with no_retries():
        ids = {word: _find(store, word, aloud=settings.output != "-") for word in sorted(words)}
    changes = []
    for key, value in asked.items():
        if isinstance(value, list):
            if words & {*value}:
                changes.append(f"{key}=[{','.join(ids.get(str(one), str(one)) for one in value)}]")
        elif value in ids:
            changes.append(f"{key}={ids[value]}")
    return request.but(changes)


def _find(store: Any, word: str, *, aloud: bool) -> str:
    """Return the id that a word means."""
    from forecast.tracking.mlflow import lookup

    if word == BEST:
        if (best := lookup.best(store)) is None:
            raise InputError(
                "run=best must find a finished training with validation windows, got none in this "
                "store: run `forecast train`, or give the id of a run"
            )
        run = best.run
        why = f"lowest validation {best.headline.name} ({best.error:.4g})"
        many = f"more than {lookup.MOST}" if best.among > lookup.MOST else str(best.among)
        why += f" of {many} comparable trainings" if best.among > 1 else ", the only training"
    else:
        if (run := lookup.newest(store)) is None:
            raise InputError(
                "run=last must find a finished training, got none in this store: run `forecast "
                "train`, or give the id of a run"
            )
        why = "newest training"
    if aloud:
        say(word, f"{run.info.run_id[:8]}  {run.info.run_name}: {why}")
    return str(run.info.run_id)


def _meant(override: str) -> list[str]:
    """Write an override once for each value that a multirun would give its key."""
    try:
        *_, one = OverridesParser.create().parse_overrides(compose.in_hydras_grammar([override]))
    except HydraException:
        return [override]  # which Hydra itself refuses
    if not one.is_sweep_override():
        return [override]
    if not one.is_discrete_sweep() or isinstance(one.value(), Glob):
        return []  # of values that only a sweeper knows
    value = columns.parted(override).value
    key = override.removesuffix(f"={value}")
    return [f"{key}={value}" for value in one.sweep_string_iterator()]


@contextmanager
def _closed_pipes() -> Iterator[None]:
    """Let a closed pipe end what is logged into it; logging would print each error and go on."""
    before = logging.Handler.handleError

    def handle(self: logging.Handler, record: logging.LogRecord) -> None:
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            raise
        before(self, record)

    logging.Handler.handleError = handle  # type: ignore[method-assign]
    try:
        yield
    finally:
        logging.Handler.handleError = before  # type: ignore[method-assign]


def _with_hydra(command: str, flags: list[str], overrides: list[str]) -> Any:
    """Let Hydra read its flags and call the command once or many times."""
    compose.register()
    safety.check_command(overrides)
    meant = [values for override in overrides if (values := _meant(override))]
    for override in chain.from_iterable(meant):
        misread.check_option(override, compose.homes())
    failed: list[InputError] = []
    faults: list[Exception] = []

    @hydra.main(version_base="1.3", config_path=str(keys.CONF), config_name="config")
    def job(composed: DictConfig) -> Any:
        try:
            compose.check_config(composed)
            task = tuple(HydraConfig.get().overrides.task)
            if silent:
                print(conceal(f"job        {' '.join(task)}"), flush=True)
            found = _run(command, Request(composed, task))
            # a sweeper minimises what it is given; commands return no number of the test span
            return found if isinstance(found, float) else None
        except InputError as error:
            failed.append(error)
            return None
        except Exception as error:
            faults.append(error)
            raise

    silent = SILENT if {"-m", "--multirun"} & set(flags) else ()
    if silent:
        compose.compose([first for first, *_ in meant])  # before Hydra makes a folder for its jobs
    sys.argv = [f"forecast {command}", *flags, *silent, *compose.in_hydras_grammar(overrides)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints its errors itself, and exits with 1
    try:
        with _closed_pipes():
            job()
    except compose.UNREADABLE as error:
        known = (InputError, BrokenPipeError)  # what the reader of a file says, and no mistake
        if error in faults or isinstance(error, known):
            raise
        with compose.opened():
            raise misread.sentence(error, overrides) from error
    except Exception:
        if failed:  # a sweeper may give up where a job has no number
            raise failed[0] from None
        raise
    if failed:
        raise failed[0]
    return None
