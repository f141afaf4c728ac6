"""`forecast COMMAND [overrides]`: pick a command and import nothing heavy before it."""

import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from forecast import process
from forecast.cli import signs
from forecast.cli.commands import COMMANDS as COMMANDS

NEXT = {
    "sweep": ", and the same command resumes it",
    "best": ", and the same command resumes it, its seconds counted on",
    "backtest": " in its run, and the same command starts over",
}
"""How to go on after Ctrl-C; a training prints the command that resumes it."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status; `forecast.cli.help` says what each means."""
    if arguments is None:  # the process is ours
        process.own()
        signs.install()
    try:
        status = _answer(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads our output has had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(
            "forecast: standard output must have room, got a full disk: send it elsewhere",
            file=sys.stderr,
        )
        return 2
    return status


def _answer(given: list[str]) -> int:
    """Run a command, or say in a sentence why not."""
    if not given or given[0] in ("-h", "--help"):
        print(usage())
        return 0
    if given[0] == "--version":
        from importlib.metadata import version

        print(f"forecast {version(process.DISTRIBUTION)}")
        return 0
    from forecast.data.fetch import conceal
    from forecast.errors import Incomplete, InputError, nearest

    if given[0] == "--complete":
        from forecast.cli.completion import candidates

        found = candidates(" ".join(given[1:]), COMMANDS)
        sys.stdout.writelines(f"{word}\n" for word in found)
        return 0
    command, overrides = given[0], given[1:]
    try:
        if command in ("--completion", "--install-completion"):
            from forecast.cli import completion

            shell = completion.chosen(overrides)
            install = command == "--install-completion"
            print(completion.install(shell) if install else completion.SCRIPTS[shell].rstrip())
            return 0
        if command not in COMMANDS:
            raise InputError(
                f"command must be one of the known ones, got {command!r}: "
                f"{nearest(command, COMMANDS)}"
            )

        if {"-h", "--help"} & {*overrides}:
            print(import_module("forecast.cli.help").answer(command, overrides))
            return 0
        with heard(), acknowledged():
            answer = import_module("forecast.cli.dispatch").enter(command, overrides)
    except InputError as error:
        print(f"forecast: {conceal(str(error))}", file=sys.stderr)
        return 2
    except Incomplete as error:
        print(f"forecast: {conceal(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"forecast: interrupted; finished work is saved{NEXT.get(command, '')}", file=sys.stderr
        )
        return 130
    return 3 if answer is False else 0


def usage() -> str:
    """Return the help text."""
    lines = [f"  {name:<9} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: forecast COMMAND [key=value …]",
            "",
            *lines,
            "",
            "Every command has a help of its own:",
            "",
            "  forecast train --help         its keys and defaults, an example, exit statuses",
            "  forecast train --help model   the keys of one group",
            "  forecast train --cfg job      the configuration as it would run",
            "  forecast train -m …           Hydra's own multirun",
            "  forecast train -q …           closing table, ids and warnings only",
            "  forecast train -v …           more tables, what libraries log, and tracebacks",
            "",
            "  forecast train model=causal_cnn window.timesteps=96 training.epochs=5",
            "  forecast --install-completion   completion in bash or zsh (--completion prints it)",
        ]
    )


SOON = 0.4
"""Seconds after Ctrl-C in which a command that ends needs no further word."""

STOPPING = "finishing the current step, then saving what is done"
"""What is said of a Ctrl-C that takes longer."""


@contextmanager
def acknowledged() -> Iterator[None]:
    """Answer a Ctrl-C within a second, wherever the main thread is.

    Python raises it once the main thread is back from the compiled code that trains, which takes
    seconds; a thread is told at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    over = threading.Event()
    before = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        while signals := receiving.recv(64):
            if signal.SIGINT in signals and not over.wait(SOON):
                if console := sys.modules.get("forecast.cli.console"):
                    console.say("stop", STOPPING)
                return

    waiting = threading.Thread(target=wait, name="Ctrl-C", daemon=True)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        sending.close()  # which ends the thread
        waiting.join()
        receiving.close()


DELAY = 0.05
"""Seconds until it is sent again: by then the place that drops exceptions is left."""


@contextmanager
def heard() -> Iterator[None]:
    """See to it that a Ctrl-C within the block ends it.

    A signal becomes an exception wherever the main thread is. In a destructor or the callback of a
    weak reference Python only reports that exception, and goes on as if nobody had pressed a key.
    """
    before, timers = sys.unraisablehook, list[threading.Timer]()

    def hook(lost: Any) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            before(lost)
            return
        timers.append(threading.Timer(DELAY, os.kill, (os.getpid(), signal.SIGINT)))
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()
