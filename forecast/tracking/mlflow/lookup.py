"""Find the newest training of a store, and the best."""

from collections.abc import Mapping
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
                error = validation_error(client, run, headline)
                if error is not None:
                    known[run.info.run_id] = (error, run, headline)
    if not known:
        return None
    error, run, headline = min(known.values(), key=lambda found: found[0])
    return Best(run, error, headline, len(known), run.data.params.get("data.name", "these data"))


def validation_error(client: Any, run: Any, headline: Headline) -> float | None:
    """Return the error on the validation windows at the epoch whose weights were kept."""
    if (known := run.data.metrics.get(f"validation/{headline.key}")) is not None:
        return float(known)
    # runs of older versions have it by epoch alone
    key, kept = f"val/{headline.key}", run.data.metrics.get("train/best_epoch")
    if key not in run.data.metrics or kept is None:
        return None
    points = {p.step: p.value for p in client.get_metric_history(run.info.run_id, key)}
    return points.get(int(kept))


def _trainings(client: Any, most: int, also: str = "") -> list[Any]:
    """List finished trainings, the newest first."""
    everywhere = [one.experiment_id for one in client.search_experiments()]
    asked = f"tags.`forecast.kind` = 'train' and attributes.status = 'FINISHED'{also}"
    return list(client.search_runs(everywhere, asked, max_results=most))


def _question(params: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that two trainings share if their validation errors compare."""
    return {key: value for key, value in params.items() if key.startswith(SAME)}
