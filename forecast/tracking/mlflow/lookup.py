"""Find the newest training of a store, and the best."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from forecast.metrics.headline import HEADLINES, Headline
from forecast.tracking.mlflow.store import PAGE, experiments, paged

MOST = 100
"""Trainings that are counted; of more the best is found all the same."""

NEWEST = "attributes.start_time DESC"

SUMMARY = "validation/"
"""Head of the metric that is the error on the validation windows."""

OLD = "tags.`mlflow.runColor` IS NULL"
"""Of runs of versions that wrote no such metric: they have no colour either."""

QUOTABLE = re.compile(r"[^'\\]{0,250}|[^\"\\]{0,250}")
"""Values that a search can hold."""

SAME = (
    "data.targets",
    "data.events",
    "data.classes",
    "data.since",
    "data.until",
    "window.horizon",
    "window.lead",
    "split.",
)
"""Settings that decide which validation windows there are: their errors are compared."""


@dataclass(frozen=True)
class Best:
    """The training with the smallest error on the validation windows.

    Attributes:
        run: As MLflow has it.
        error: On the validation windows, of the epoch whose weights were kept.
        headline: What kind of error.
        among: How many trainings could be compared; more than `MOST` are not counted.
        data: Name of the data.
    """

    run: Any
    error: float
    headline: Headline
    among: int
    data: str


def newest(client: Any) -> Any:
    """Return the training that was begun last, None where none has finished."""
    return next(_trainings(client, 1), None)


def best(client: Any) -> Best | None:
    """Return the best training by validation, among those that the newest compares with.

    These have its data, targets, horizon and split. The winner of a sweep has been trained on the
    validation rows too, so it has no such error.
    """
    last = newest(client)
    if last is None:
        return None
    mine = _question(last.data.params)
    known: dict[str, tuple[float, Any, Headline]] = {}
    where = _asked(last)
    old = list(_trainings(client, PAGE, f"{where} and {OLD}"))
    for headline in dict.fromkeys(HEADLINES.values()):
        key = f"metrics.`{SUMMARY}{headline.key}`"
        first = _trainings(client, MOST + 1, f"{where} and {key} >= 0", f"{key} ASC")
        comparable = (run for run in first if _question(run.data.params) == mine)
        for run in chain(islice(comparable, MOST + 1), old):
            error = validation_error(run.data.metrics, headline.key, _curves(client, run))
            if error is not None and _question(run.data.params) == mine:
                known.setdefault(run.info.run_id, (error, run, headline))
    if not known:
        return None
    error, run, headline = min(known.values(), key=lambda found: found[0])
    return Best(run, error, headline, len(known), run.data.params.get("data.name", "these data"))


def validation_error(
    metrics: Mapping[str, float], key: str, curve: Callable[[str], Mapping[int, float]]
) -> float | None:
    """Return the error on the validation windows at the epoch whose weights were kept.

    Args:
        metrics: Last values of a run.
        key: Of the error, such as "mae".
        curve: Reads all values of a metric; runs of older versions have the error by epoch alone.
    """
    if (known := metrics.get(f"{SUMMARY}{key}")) is not None:
        return float(known)
    epoch = metrics.get("train/best_epoch")
    if f"val/{key}" not in metrics or epoch is None:
        return None
    return curve(f"val/{key}").get(int(epoch))


def _curves(client: Any, run: Any) -> Callable[[str], dict[int, float]]:
    """Return what reads all values of a run's metric."""

    def read(metric: str) -> dict[int, float]:
        found = client.get_metric_history(run.info.run_id, metric)
        return {point.step: point.value for point in found}

    return read


def _trainings(client: Any, size: int, also: str = "", order: str = NEWEST) -> Iterator[Any]:
    """Yield finished trainings, of which `size` are asked for at once."""
    asked = f"tags.`forecast.kind` = 'train' and attributes.status = 'FINISHED'{also}"
    everywhere = [*experiments(client)]
    return paged(client.search_runs, everywhere, asked, max_results=size, order_by=[order])


def _asked(run: Any) -> str:
    """Write a search for trainings on the data of a run that ask its question, and some others.

    What holds both kinds of quotes, or is long, cannot be written.
    """
    digest = run.data.tags.get("forecast.data_digest", "")
    found = f" and tags.`forecast.data_digest` = '{digest}'"
    for key, value in _question(run.data.params).items():
        if QUOTABLE.fullmatch(value):
            quote = '"' if "'" in value else "'"
            found += f" and params.`{key}` = {quote}{value}{quote}"
    return found


def _question(params: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that two trainings share if their validation errors compare."""
    return {key: value for key, value in params.items() if key.startswith(SAME)}
