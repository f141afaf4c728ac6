"""Candidates ranked by their mean score over folds and seeds, with what is only noise marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.metrics.headline import HEADLINES
from forecast.report.comparison import Row
from forecast.search.candidates import Candidate
from forecast.search.trial import Result, Rung, Trial

LABELS = {headline.key: headline.name for headline in HEADLINES.values()}
"""Key of an error to what people call it."""


@dataclass(frozen=True)
class Standing:
    """One candidate's place.

    Attributes:
        candidate: Which.
        scores: Headline error of every trial in the order of (fold, seed), NaN where it failed.
        parameters: Weights of its model, 0 where no trial finished.
        seconds: Of all its trials.
        epochs: Median of the epochs that its trials kept.
        errors: Why trials failed.
        rung: The last one that it reached.
        headline: Key of the error.
    """

    candidate: Candidate
    scores: np.ndarray
    parameters: int
    seconds: float
    epochs: int = 1
    errors: tuple[str, ...] = ()
    rung: Rung = Rung()
    headline: str = "mae"

    @property
    def mean(self) -> float:
        """Mean error; infinite where a trial failed, so that it cannot win on easier folds."""
        return float(self.scores.mean()) if np.isfinite(self.scores).all() else float("inf")

    @property
    def std(self) -> float:
        """Standard deviation over folds and seeds."""
        return float(self.scores.std(ddof=1)) if len(self.scores) > 1 else 0.0


def rank(
    candidates: Sequence[Candidate],
    trials: Sequence[Trial],
    results: Mapping[str, Result],
    errors: Mapping[str, str],
) -> list[Standing]:
    """Rank candidates, those that went further first, then the lowest mean error."""
    standings = []
    of: dict[int, list[Trial]] = {candidate.number: [] for candidate in candidates}
    for trial in trials:
        of.get(trial.candidate, []).append(trial)
    for candidate in candidates:
        every = of[candidate.number]
        rung = max((trial.rung for trial in every), key=lambda rung: rung.number)
        own = sorted((t for t in every if t.rung == rung), key=lambda t: (t.fold, t.seed))
        done = [results[t.key] for t in own if t.key in results]
        spent = [results[t.key].seconds for t in every if t.key in results]
        standings.append(
            Standing(
                candidate,
                np.array([results[t.key].error if t.key in results else np.nan for t in own]),
                done[0].parameters if done else 0,
                sum(spent),
                max(1, round(np.median([result.best_epoch for result in done]))) if done else 1,
                tuple(dict.fromkeys(errors[t.key] for t in own if t.key in errors)),
                rung,
                done[0].headline if done else "mae",
            )
        )
    return sorted(
        standings,
        key=lambda s: (not np.isfinite(s.mean), -s.rung.number, s.mean, s.candidate.number),
    )


def tied(best: Standing, other: Standing) -> bool:
    """Tell whether a candidate is behind the best by no more than noise.

    Both are scored on the same folds, so differences are paired; a mean difference within one
    standard error counts as noise (the one-standard-error rule of Breiman et al. 1984).
    """
    if best is other:
        return True
    if best.rung != other.rung:
        return False
    difference = other.scores - best.scores
    if not np.isfinite(difference).all() or len(difference) < 2:
        return False
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() <= error)


def recommended(standings: Sequence[Standing]) -> Standing:
    """Choose the simplest of those tied with the leader: the one with the fewest parameters."""
    best = standings[0]
    return min((s for s in standings if tied(best, s)), key=lambda s: (s.parameters, s.mean))


def frame(standings: Sequence[Standing], baselines: Mapping[str, float]) -> pd.DataFrame:
    """Write the leaderboard as a table."""
    best, simplest = standings[0], recommended(standings)
    rows = []
    for place, standing in enumerate(standings, start=1):
        row = {
            "rank": place,
            "candidate": standing.candidate.name,
            f"cv/{best.headline}_mean": standing.mean,
            f"cv/{best.headline}_std": standing.std,
            "dropped": f"after {standing.rung}" if str(standing.rung) else "",
            "tied": tied(best, standing),
            "recommended": standing is simplest,
        }
        row |= {f"skill/{name}": 1 - standing.mean / error for name, error in baselines.items()}
        row |= {"parameters": standing.parameters, "seconds": round(standing.seconds, 1)}
        row |= {key: str(value) for key, value in standing.candidate.point.items()}
        rows.append(row | {"error": "; ".join(standing.errors)})
    return pd.DataFrame(rows)


def rows(standings: Sequence[Standing]) -> list[Row]:
    """Return what pictures show of the ranked candidates."""
    return [
        Row(
            standing.candidate.name,
            standing.candidate.point,
            standing.scores,
            standing.mean,
            str(standing.rung),
            tied(standings[0], standing),
        )
        for standing in standings
    ]
