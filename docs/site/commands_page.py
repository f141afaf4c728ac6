"""The page of the commands: what `forecast --help` and the help of each command print."""

from forecast.cli import help as helps
from forecast.cli.main import COMMANDS, usage


def text() -> str:
    """Return the page."""
    rows = "\n".join(
        f"| [`forecast {name}`](#{name}) | {told} |" for name, told in COMMANDS.items()
    )
    own = "\n\n".join(f"## {name}\n\n```text\n{helps.text(name)}\n```" for name in COMMANDS)
    return (
        "# Commands\n\nEach takes overrides of the [configuration](configuration.md).\n\n"
        f"| command | does |\n|---|---|\n{rows}\n\n```text\n{usage()}\n```\n\n{own}\n"
    )
