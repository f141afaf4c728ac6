"""`forecast reproduce run=ID`: trains again from what the store holds, and compares to the bit."""

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forecast.cli.config import recorded
from forecast.cli.config.compose import Request
from forecast.cli.console import console, print_table, say
from forecast.errors import InputError
from forecast.evaluation.significance.aligned import PREDICTIONS
from forecast.tracking import diff, folders
from forecast.tracking.diff import Aspect
from forecast.tracking.mlflow.store import client, no_retries, reason
from forecast.training import runtime
from forecast.workflows import environment, load

KINDS = ("train", "reproduce")
"""Runs that were trained by this story and can be by it again."""

GROUPS = ("data", "window", "model", "training", "split", "evaluation", "gates")
"""Settings that are compared; a moved file is known by its digest."""

SHOWN = 12
"""Differences of one aspect that are printed."""


def run_reproduce(request: Request) -> bool:
    """Train a run again, compare all that it holds, and print what differs."""
    settings = request.settings
    asked = _asked(request)
    store = client(settings.tracking.uri)
    found, text = _read(store, asked)
    run_id = found.info.run_id
    changes = {
        "tracking.uri": settings.tracking.uri,
        "tracking.experiment": store.get_experiment(found.info.experiment_id).name,
        "tracking.run_name": f"reproduces {found.info.run_name}",
        "register": None,
        "resume": None,
    }
    if any(one.startswith("data.path=") for one in request.overrides):
        changes["data.path"] = settings.data.path
    if load.MEMORY in found.data.params:
        changes["data.memory"] = found.data.params[load.MEMORY]
    words = recorded.overrides(found.data.tags.get(recorded.COMMAND, ""))
    again = recorded.request(text, changes, overrides=words)
    changed = [*_other_data(again, found), *environment.others(found.data.tags)]
    if changed and not settings.force:
        raise InputError(
            f"run must find its own data and versions again, got {'; '.join(changed)}: restore "
            "them (data.path=… names a file that has moved), or add force=true"
        )
    for one in changed:
        say("warning", f"changed since the run: {one}")
    _warn_of_the_machine(found)
    with TemporaryDirectory() as folder:
        before = _held(store, run_id, Path(folder, "before"))
        from forecast.cli.commands import train  # only now, since it imports TensorFlow

        found_again = train.trained(
            again,
            kind="reproduce",
            tags={"forecast.reproduces": run_id},
            relatives={"the run that it reproduces": run_id},
            go_on=shlex.join(["forecast", "reproduce", *request.overrides]),
        )
        found_again.complete()
        tracked = found_again.run
        aspects = diff.compare_runs(before, _held(store, tracked.id, Path(folder, "now")))
    differ = [aspect.name for aspect in aspects if aspect.differences]
    verdict = f"all but {', '.join(differ)}" if differ else "all"
    store.set_tag(tracked.id, "forecast.reproduced", verdict)
    _show(aspects)
    say("run", tracked.id)
    if differ:
        say("differs", f"not reproduced: {', '.join(differ)}")
    else:
        say("equal", "reproduced: everything, to the last bit")
    return not differ


def _asked(request: Request) -> str:
    """Return the id of the run."""
    run_id = request.settings.run
    if not run_id:
        raise InputError(
            "run must be the id of a trained run, got nothing: write run=last, or see "
            "`forecast runs`"
        )
    return run_id


def _read(store: Any, run_id: str) -> tuple[Any, str]:
    """Read a run that can be repeated, and its configuration."""
    from mlflow.exceptions import MlflowException

    try:
        with no_retries():
            found = folders.in_store(store, run_id)
        kind = found.data.tags.get("forecast.kind", "unknown")
        if kind not in KINDS or found.info.status != "FINISHED":
            raise InputError(
                f"run must be a finished training, got {run_id!r} of kind {kind} and status "
                f"{found.info.status}: take a run of forecast train"
            )
        if "forecast.refit" in found.data.tags:
            raise InputError(
                f"run must be a training with its own validation span, got {run_id!r}, the "
                "winner of a sweep, which was trained on that span too: repeat the sweep with "
                "sweep.resume=false"
            )
        with TemporaryDirectory() as folder:
            file = Path(store.download_artifacts(found.info.run_id, recorded.CONFIG, folder))
            return found, file.read_text("utf-8")
    except (MlflowException, OSError) as error:
        raise InputError(
            f"run must be the id of a trained run, got {run_id!r} ({reason(error)}): see "
            "`forecast runs`, and set tracking.uri if it is in another store"
        ) from error


def _other_data(again: Request, found: Any) -> list[str]:
    """Say whether the file is another one."""
    data = again.settings.data
    try:
        now = load.opening(data).digest()
    except InputError as error:
        raise InputError(
            f"data.path must be what the run has read, and it cannot be read again ({error}): add "
            "data.path=… with its new location"
        ) from error
    before = found.data.tags.get("forecast.data_digest", "unknown")
    return [] if before == now else [f"data with sha256 {now} (it had {before})"]


def _warn_of_the_machine(found: Any) -> None:
    """Start TensorFlow with the run's threads, and say in what this machine is another."""
    tags = found.data.tags
    before, now = (one.get(environment.PROCESSOR) for one in (tags, environment.tags()))
    if before != now:
        had = before or "unknown"
        say("warning", f"another processor may round differently: {now} (it had {had})")
    if tags.get("forecast.git_commit", "").endswith("+"):
        say("warning", "the code of the run differed from its commit and is not stored")
    asked = int(found.data.params["threads_used"])
    if (given := runtime.start(asked)) != asked:
        say("warning", f"other threads, other sums: TensorFlow has {given} here (it had {asked})")


def _held(store: Any, run_id: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Read everything of a run that is compared; its forecasts stay in the folder until then."""
    from forecast.serving import package
    from forecast.serving.model import Bundle

    folder.mkdir()
    text = Path(store.download_artifacts(run_id, recorded.CONFIG, str(folder))).read_text("utf-8")
    forecasts = Path(store.download_artifacts(run_id, PREDICTIONS, str(folder)))
    found = package.fetch(store, run_id, folder)
    if not isinstance(found, Bundle) or found.whole:
        raise InputError(
            f"run must be a training of one network, got {run_id!r} with another model: take a run "
            "of forecast train"
        )
    model = found.model
    weights = {
        f"{place} {one.path}": value
        for place, (one, value) in enumerate(zip(model.weights, model.get_weights(), strict=True))
    }
    config = {
        key: value
        for key, value in recorded.request(text, {"tracking.uri": ""}).flat.items()
        if key.split(".")[0] in GROUPS and key not in ("data.path", "data.memory")
    }
    return {
        "config": config,
        **diff.held(store, run_id),
        "forecasts": diff.columns(forecasts),
        "weights": weights,
    }


def _show(aspects: list[Aspect]) -> None:
    """Print what is equal, and of what is not the first differences."""
    rows = [
        (one.name, f"{one.count:,}", "not equal" if one.differences else "equal") for one in aspects
    ]
    print_table("Compared with the run", ("", "values", "they are"), rows)
    for aspect in aspects:
        differ = sorted(aspect.differences, key=lambda one: not one.name.startswith("test/"))
        if differ:
            of = f", {SHOWN} of {len(differ)}" if len(differ) > SHOWN else ""
            shown = [(one.name, one.before, one.now) for one in differ[:SHOWN]]
            print_table(f"Not equal: {aspect.name}{of}", ("", "in the run", "now"), shown)
    console.print()
