"""Doctests in docstrings become blocks of code in the reference."""

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*?(?=^\s*$|\Z)", re.M | re.S)
"""From a prompt to the next empty line."""


class Doctests(griffe.Extension):
    """Fences what a docstring shows as a session of Python."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:
        """Rewrite the docstring of a module, class or function that has just been read."""
        del others
        if obj.docstring:
            obj.docstring.value = DOCTEST.sub(
                lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", obj.docstring.value
            )
