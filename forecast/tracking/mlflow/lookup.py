"""Find the newest training of a store, and the best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forecast.metrics.headline import HEADLINES, Headline

MOST = 1_000
"""Trainings among which the best is looked for, the newest."""

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
        among: How many trainings could be compared.
        data: Name of the data.
    """

    run: Any
    error: float
    headline: Headline
    among: int
    data: str


def newest(client: Any) -> Any:
    """Return the training that was begun last, None where none has finished."""
    return next(iter(_trainings(client, 1)), None)


def best(client: Any) -> Best | None:
    """Return the best training by validation, among those that the newest compares with.

    These have its data, targets, horizon and split. The winner of a sweep has been trained on the
    validation rows too, so it has no such error.
    """
    last = newest(client)
    if last is None:
        return None
    digest = last.data.tags.get("forecast.data_digest", "")
    known = {}
    for run in _trainings(client, MOST, f" and tags.`forecast.data_digest` = '{digest}'"):
        if _question(run.data.params) == _question(last.data.params):
            for headline in dict.fromkeys(HEADLINES.values()):
                error = validation_error(run.data.metrics, headline.key, _curves(client, run))
                if error is not None:
                    known[run.info.run_id] = (error, run, headline)
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
    if (known := metrics.get(f"validation/{key}")) is not None:
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


def _trainings(client: Any, most: int, also: str = "") -> list[Any]:
    """List finished trainings, the newest first."""
    everywhere = [one.experiment_id for one in client.search_experiments()]
    asked = f"tags.`forecast.kind` = 'train' and attributes.status = 'FINISHED'{also}"
    return list(client.search_runs(everywhere, asked, max_results=most))


def _question(params: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that two trainings share if their validation errors compare."""
    return {key: value for key, value in params.items() if key.startswith(SAME)}
