"""Pages of what Python imports, which mkdocstrings fills from the docstrings."""

import griffe

PAGES = {
    "python": (
        "Python",
        "`from forecast import …`: the estimator, what it is told, and the data it reads.",
        [
            "forecast.data.schema.Schema",
            "forecast.data.panel.build",
            "forecast.data.table.Table",
            "forecast.data.windows.Window",
            "forecast.data.split.Folds",
            "forecast.training.parameters.Model",
            "forecast.training.parameters.Training",
            "forecast.training.forecaster.Forecaster",
        ],
    ),
    "python_metrics": (
        "Metrics in Python",
        "`from forecast import metrics`: functions of the truth and of what was predicted.",
        ["forecast.metrics.point", "forecast.metrics.probability"],
    ),
    "python_gates": (
        "Gates in Python",
        "`from forecast import gates`: what layers and convolutions weigh, do and remember.",
        [],
    ),
}
"""Name of a page to its title, its first sentence, and what it documents."""


def texts() -> dict[str, str]:
    """Return the pages."""
    own = [f"forecast.gates.{name}" for name in griffe.load("forecast.gates").exports]
    return {
        name: "\n\n".join([f"# {title}", first, *(f"::: {it}" for it in documented or own)]) + "\n"
        for name, (title, first, documented) in PAGES.items()
    }
