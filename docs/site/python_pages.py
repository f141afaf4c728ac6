"""Pages of what Python imports, which mkdocstrings fills from the docstrings."""

from sources import homes, written

from forecast.models.catalogue import CATALOGUE

PAGES = {
    "python": (
        "Python",
        "`from forecast import …`: the estimator, its parameters, and the data it reads.",
        [
            "forecast.data.schema.Schema",
            "forecast.data.panel.build",
            "forecast.data.table.Table",
            "forecast.data.blocks.Blocks",
            "forecast.data.windows",
            "forecast.data.split.Folds",
            "forecast.training.parameters.Model",
            "forecast.training.parameters.Training",
            "forecast.training.forecaster.Forecaster",
            "forecast.evaluation.experiment",
            "forecast.process",
            "forecast.evaluation.outcome.Spec",
            "forecast.evaluation.outcome.Outcome",
        ],
    ),
    "python_models": (
        "Models in Python",
        "`from forecast import models`: functions from sizes and settings to a Keras model, and "
        "the settings that all of them share. `Model` and the configuration refer to them by name.",
        ["forecast.models.settings.Sizes", "forecast.models.settings.Repairs"],
    ),
    "python_metrics": (
        "Metrics in Python",
        "`from forecast import metrics`: functions of actual and predicted values.",
        ["forecast.metrics.point", "forecast.metrics.probability"],
    ),
    "python_gates": (
        "Gates in Python",
        "`from forecast import gates`: weights, activity and memory of layers and convolutions.",
        [],
    ),
    "python_report": (
        "Pictures in Python",
        "`from forecast import report`: pictures of gates, as matplotlib figures.",
        [],
    ),
}
"""Name of a page to its title, its first sentence, and what it documents."""

CATALOGUES = {
    "python_gates": "forecast.gates",
    "python_report": "forecast.report",
}
"""Pages that go on with all public names of a package, each where it is defined."""


def texts() -> dict[str, str]:
    """Return the pages."""
    return {
        name: "\n\n".join([f"# {title}", first, *(f"::: {path}" for path in documented(name))])
        + "\n"
        for name, (title, first, _) in PAGES.items()
    }


def documented(page: str) -> list[str]:
    """Return the paths of what a page documents."""
    found = list(PAGES[page][2])
    if page in CATALOGUES:
        found += homes(CATALOGUES[page]).values()
    for name, one in CATALOGUE.items() if page == "python_models" else ():
        settings = written(f"{one.settings.__module__}.{one.settings.__name__}")
        found += [settings.canonical_path, f"forecast.models.{one.home}.{name}"]
    return list(dict.fromkeys(found))
