"""The page of the commands, from the table that `forecast --help` prints."""

from forecast.cli.main import COMMANDS, usage


def text() -> str:
    """Return the page."""
    rows = "\n".join(f"| `forecast {name}` | {told} |" for name, told in COMMANDS.items())
    return (
        "# Commands\n\nEach takes overrides of the [configuration](configuration.md).\n\n"
        f"| command | does |\n|---|---|\n{rows}\n\n```text\n{usage()}\n```\n"
    )
