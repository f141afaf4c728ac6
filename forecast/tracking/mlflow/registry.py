"""Versions of a model in MLflow's registry: the champion and its challenger."""

import json
import numbers
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from forecast.errors import InputError, nearest
from forecast.tracking.mlflow.pages import NOTE, WRITTEN, mark
from forecast.tracking.mlflow.store import no_retries, paged, reason

CHAMPION, CHALLENGER = "champion", "challenger"
PROMOTION = "forecast.promotion"
"""Tag of a version: the last decision on its promotion."""

BUTTON = (
    "MLflow's button *Promote model* moves versions without a test: use "
    "`forecast promote registered={}`, which compares a challenger with the champion first."
)
"""What a description says of a button that stands beside it."""

DECIDED = "forecast.promotion_origins"
"""Tag of a version: each champion that it was compared with, first and last common origin."""


def check_registry(client: Any, name: str) -> None:
    """Make sure that a model can be registered, before anything is trained."""
    from mlflow.exceptions import MlflowException

    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise InputError(
            f"register must be a name of letters, digits, '_', '.' and '-', got {name!r}: such as "
            "register=nyc_temp"
        )
    try:
        with no_retries():
            client.search_registered_models(f"name = '{name}'", max_results=1)
    except (MlflowException, OSError) as error:
        raise _no_registry(error) from error


def register(client: Any, name: str, run_id: str, tags: Mapping[str, str]) -> str:
    """Make a run's model the newest version of a registered one, and its challenger."""
    from mlflow.exceptions import MlflowException

    try:
        if not client.search_registered_models(f"name = '{name}'", max_results=1):
            client.create_registered_model(name)
            _describe(client, name, f"No champion yet. {BUTTON.format(name)}")
        run = client.get_run(run_id)
        source = f"{run.info.artifact_uri}/model"
        note = "\n\n".join(run.data.tags.get(NOTE, "").split("\n\n")[:2])  # verdict and scores
        note = note.replace("**", "", 2)  # the list of versions shows it as it is written
        made = client.create_model_version(name, source, run_id, dict(tags), description=note)
        client.set_registered_model_alias(name, CHALLENGER, made.version)
    except (MlflowException, OSError) as error:
        raise InputError(
            f"register={name} must be taken by the store's registry, got an error "
            f"({reason(error)}): run {run_id} is kept, register its model/ in `forecast ui`"
        ) from error
    return str(made.version)


def holders(client: Any, name: str) -> tuple[Any, Any | None]:
    """Find the versions that a promotion is about."""
    from mlflow.exceptions import MlflowException

    try:
        with no_retries():
            aliases = client.get_registered_model(name).aliases
            versions = {
                alias: client.get_model_version(name, aliases[alias])
                for alias in (CHALLENGER, CHAMPION)
                if alias in aliases
            }
    except (MlflowException, OSError) as error:
        if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
            raise _unknown(client, name) from error
        raise _no_registry(error) from error
    if CHALLENGER not in versions:
        raise InputError(
            f"registered={name} must have a challenger, got a model without: train one with "
            f"register={name}"
        )
    return versions[CHALLENGER], versions.get(CHAMPION)


def uses(client: Any, challenger: Any, champion: Any, span: tuple[Any, Any]) -> int:
    """Count earlier decisions about a model that were taken on some of the same origins."""
    first, last = map(_plain, span)
    count = 0
    for version in paged(client.search_model_versions, f"name = '{challenger.name}'"):
        for other, begin, end in json.loads(version.tags.get(DECIDED, "[]")):
            again = (version.version, other) == (challenger.version, str(champion.version))
            alike = isinstance(begin, str) == isinstance(first, str)
            count += alike and not again and begin <= last and first <= end
    return count


def remember(client: Any, challenger: Any, champion: Any, span: tuple[Any, Any]) -> None:
    """Write down that origins have decided between two versions."""
    entry = [str(champion.version), *map(_plain, span)]
    known = json.loads(challenger.tags.get(DECIDED, "[]"))
    if entry not in known:
        text = json.dumps([*known, entry])
        client.set_model_version_tag(challenger.name, challenger.version, DECIDED, text)


def _plain(origin: Any) -> str | int:
    """Write an origin so that text sorts like time."""
    return int(origin) if isinstance(origin, numbers.Integral) else pd.Timestamp(origin).isoformat()


def promote(client: Any, name: str, version: str, why: str) -> None:
    """Make a version the champion: what serves `models:/<name>@champion` loads it next."""
    client.set_registered_model_alias(name, CHAMPION, version)
    client.set_model_version_tag(name, version, PROMOTION, why)
    because = why.partition(": ")[2] or why
    told = f"Version {version} is champion since {datetime.now(UTC):%Y-%m-%d}: {because}."
    _describe(client, name, f"{told} {BUTTON.format(name)}")


def _describe(client: Any, name: str, note: str) -> None:
    """Describe a model, unless somebody has described it otherwise."""
    found = client.get_registered_model(name)
    before = found.description
    if before and found.tags.get(WRITTEN) != mark(before):
        return
    client.update_registered_model(name, note)
    client.set_registered_model_tag(name, WRITTEN, mark(note))


def refuse(client: Any, name: str, version: str, why: str) -> None:
    """Leave the champion where it is, and write down why."""
    client.set_model_version_tag(name, version, PROMOTION, why)


def _unknown(client: Any, name: str) -> InputError:
    """Say which models there are."""
    known = [found.name for found in paged(client.search_registered_models)]
    hint = nearest(name, known) if known else "there are no models yet"
    return InputError(
        f"registered must be a model of the registry, got {name!r}: {hint}, and forecast train "
        f"register={name} makes it"
    )


def _no_registry(error: Exception) -> InputError:
    """Say that a store keeps no models."""
    return InputError(
        f"tracking.uri must be a store with a model registry, got one without ({reason(error)}): "
        "use sqlite:///mlflow.db or a server with a database"
    )
