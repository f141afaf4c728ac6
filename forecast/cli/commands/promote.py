"""`forecast promote registered=NAME`: the challenger becomes champion if it is better."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forecast.cli.commands import compare
from forecast.cli.config.compose import Request
from forecast.cli.console import console, say
from forecast.errors import InputError
from forecast.evaluation.significance import promotion
from forecast.evaluation.significance.promotion import Decision
from forecast.metrics.headline import HEADLINES
from forecast.tracking.mlflow import registry
from forecast.tracking.mlflow.store import client, no_retries
from forecast.workflows import compared, proof
from forecast.workflows.compared import Subject


def run_promote(request: Request) -> bool:
    """Hold a challenger against the champion on their common origins; move the alias if it wins."""
    settings = request.settings
    name = settings.registered
    if not name:
        raise InputError(
            "registered must be the name of a registered model, got nothing: give registered=NAME, "
            "the name of forecast train register=NAME"
        )
    store = client(settings.tracking.uri)
    challenger, champion = registry.holders(store, name)
    if champion is not None and champion.version == challenger.version:
        say("champion", f"{name} version {champion.version} already: nothing to decide")
        return True
    with TemporaryDirectory() as folder:
        decision = _decide(store, champion, challenger, Path(folder))
    sentence = f"{'promoted' if decision.promoted else 'not promoted'}: {decision.why}"
    if decision.promoted:
        registry.promote(store, name, challenger.version, sentence)
        champion = challenger
    else:
        registry.refuse(store, name, challenger.version, sentence)
    console.print()
    say("decision", sentence)
    say("champion", f"{name} version {champion.version}" if champion else f"{name} has none")
    return decision.promoted


def _decide(store: Any, champion: Any | None, challenger: Any, folder: Path) -> Decision:
    """Compare what the runs of two versions have forecast, and show it."""
    new = _subject(store, registry.CHALLENGER, challenger, folder)
    old = None if champion is None else _subject(store, registry.CHAMPION, champion, folder)
    proved = store.get_run(new.id).data.tags.get(proof.TAG, "")
    if proved.startswith("FAILED"):
        return Decision(False, f"its run leaks, so its scores mean nothing ({proved})")
    if old is None:
        return Decision(True, "there was no champion")
    headline = HEADLINES["event" if new.probability else "regression"]
    decision = promotion.decide(old.forecasts, new.forecasts, headline)
    if decision.shared is None:
        return decision
    say("shared", compare.in_common(decision.shared, (old, new)))
    compare.scores(decision.shared, (old, new))
    span = decision.shared.origins[0], decision.shared.origins[-1]
    with no_retries():
        earlier = registry.uses(store, challenger, champion, span)
        registry.remember(store, challenger, champion, span)
    return replace(decision, why=f"{decision.why}; {promotion.used(earlier)}")


def _subject(store: Any, alias: str, version: Any, folder: Path) -> Subject:
    """Read the run behind a version, and say which it is."""
    if not version.run_id:
        raise InputError(
            f"the {alias} of {version.name} must come from a run, got version {version.version} "
            f"without one: train one with register={version.name}"
        )
    with no_retries():
        found = compared.read(store, alias, version.run_id, folder)
    say(alias, f"version {version.version}, run {found.id}")
    say("", found.title)
    return found
