"""Views as MLflow keeps them: named, packed into tags of their experiment.

MLflow 3.17 lists a saved view in its menu *Views*, and opens it where an address carries its key
as `viewStateShareKey`. Ours have keys that begin with `forecast`; those of other people stay as
they are.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from forecast.tracking.pages import KEY

TAG = "mlflow.sharedViewState."
"""Head of the tags that are views."""

PACKED = "deflate;"
"""Head of a state that is packed."""

LONG = 200
"""Most characters of the name of a view."""

MOST = 20
"""Comparisons and sweeps whose views an experiment keeps; every page of MLflow loads them all."""


def key(kind: str, *run_ids: str) -> str:
    """Return the key of a view of some runs, the same for the same runs.

    >>> key("sweep", "1039c4dcf04b454890dfb92997f216e6")
    'forecast-sweep-1039c4dc'
    """
    return "-".join([KEY, kind, *(run_id[:8] for run_id in run_ids)])


def packed(name: str, state: Mapping[str, Any], made: int, now: int) -> str:
    """Write a view as the value of its tag.

    Args:
        name: That the menu shows.
        state: What it shows.
        made: Milliseconds since 1970 when it was first written.
        now: Of this writing.
    """
    text = json.dumps(state, sort_keys=True, ensure_ascii=False)
    dense = PACKED + base64.b64encode(zlib.compress(text.encode())).decode()
    return json.dumps({"name": name, "createdAt": made, "updatedAt": now, "state": dense})


def opened(text: str | None) -> tuple[str, dict[str, Any], int]:
    """Read the value of a tag.

    Args:
        text: The value; None, or none of a view that is named and packed, is an empty view.

    Returns:
        Its name, what it shows, when it was first written.

    >>> opened(packed("a", {"b": 1}, 5, 6)), opened("nonsense")
    (('a', {'b': 1}, 5), ('', {}, 0))
    """
    try:
        found = json.loads(text or "")
        dense = found["state"].removeprefix(PACKED)
        state = json.loads(zlib.decompress(base64.b64decode(dense, validate=True)))
        return str(found["name"]), dict(state), int(found["createdAt"])
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return "", {}, 0


def keep(
    store: Any, experiment: Any, key: str, name: str, state: Mapping[str, Any], now: int
) -> None:
    """Write a view into an experiment, if it is not there as it is; drop the oldest of many.

    Args:
        store: A client of MLflow.
        experiment: The experiment, as MLflow returns it.
        key: Of the view.
        name: That the menu shows.
        state: What it shows.
        now: Milliseconds since 1970.
    """
    name = name[:LONG]
    before, shown, made = opened(experiment.tags.get(TAG + key))
    if (before, shown) != (name, dict(state)):
        text = packed(name, state, made or now, now)
        store.set_experiment_tag(experiment.experiment_id, TAG + key, text)
    if made or key == KEY:
        return  # it is not one more
    others = [other for other in ours(experiment.tags) if other != key]
    for old in others[MOST - 1 :]:
        store.delete_experiment_tag(experiment.experiment_id, TAG + old)


def ours(tags: Mapping[str, str]) -> dict[str, str]:
    """List the views of comparisons and sweeps.

    Args:
        tags: Of the experiment.

    Returns:
        Key to name, the newest first.
    """
    heads = {tag.removeprefix(TAG): text for tag, text in tags.items() if tag.startswith(TAG + KEY)}
    found = {key: opened(text) for key, text in heads.items() if key != KEY}
    return {
        key: found[key][0] for key in sorted(found, key=lambda key: -found[key][2]) if found[key][2]
    }
