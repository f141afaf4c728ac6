"""The terminal: its one console, and a spinner for what takes a while."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console

from forecast.commands import level

console = Console(highlight=False)
INDENT = " " * 11
"""What stands before a sentence: the room of a stage's name."""


def live() -> bool:
    """Tell whether lines are to be drawn anew: on a terminal that moves its cursor."""
    return console.is_terminal and not console.is_dumb_terminal and not level.quiet()


def busy(stage: str, text: str) -> AbstractContextManager[Any]:
    """Show on a terminal what is being done, and leave no line.

    Args:
        stage: Such as "data".
        text: What is done, in a few words.
    """
    shown = f"[bold]{stage:<{len(INDENT) - 2}}[/bold]{text}"
    return console.status(shown) if live() else nullcontext()
